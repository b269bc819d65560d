//! One event of a trace, field by field as the tools write it. A field of another type than expected is as one that is
//! not there: it makes one event unusable at most.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// An event. What is looked at only in some is left as text.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Raw<'a> {
    #[serde(borrow)]
    pub ph: Scalar<'a>,
    #[serde(borrow)]
    pub name: Scalar<'a>,
    #[serde(borrow)]
    pub cat: Scalar<'a>,
    #[serde(borrow)]
    pub pid: Scalar<'a>,
    #[serde(borrow)]
    pub tid: Scalar<'a>,
    #[serde(borrow)]
    pub id: Scalar<'a>,
    #[serde(borrow)]
    pub ts: Option<&'a RawValue>,
    #[serde(borrow)]
    pub dur: Option<&'a RawValue>,
    #[serde(borrow)]
    pub args: Option<&'a RawValue>,
}

/// What of an event's arguments is used.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Args<'a> {
    #[serde(borrow)]
    pub name: Scalar<'a>,
    #[serde(borrow)]
    pub iteration: Scalar<'a>,
    #[serde(borrow)]
    pub round: Scalar<'a>,
    #[serde(borrow)]
    pub sync: Scalar<'a>,
    #[serde(borrow)]
    pub bytes: Scalar<'a>,
    #[serde(borrow)]
    pub records: Scalar<'a>,
    #[serde(borrow)]
    pub correlation: Scalar<'a>,
    #[serde(borrow, rename = "Collective name")]
    pub collective: Scalar<'a>,
    #[serde(borrow, rename = "In msg nelems")]
    pub elements: Scalar<'a>,
    #[serde(borrow, rename = "Process Group Name")]
    pub group: Scalar<'a>,
    #[serde(borrow, rename = "Process Group Description")]
    pub description: Scalar<'a>,
    #[serde(borrow, rename = "Process Group Ranks")]
    pub ranks: Option<&'a RawValue>,
    #[serde(borrow, rename = "Seq")]
    pub sequence: Scalar<'a>,
    #[serde(borrow, rename = "Src Rank")]
    pub source: Scalar<'a>,
    #[serde(borrow, rename = "Dst Rank")]
    pub destination: Scalar<'a>,
    #[serde(borrow, rename = "Input Dims")]
    pub dims: Option<&'a RawValue>,
    #[serde(borrow)]
    pub dtype: Scalar<'a>,
    #[serde(borrow, rename = "Input type")]
    pub types: Option<&'a RawValue>,
}

impl<'a> Args<'a> {
    /// Reads them; arguments that are no object are none.
    pub fn of(raw: Option<&'a RawValue>) -> Self {
        raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
    }
}

/// A number or a text.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Scalar<'a> {
    /// Nothing, or nothing that is one value.
    #[default]
    None,
    /// A whole number.
    Whole(i64),
    /// Another number.
    Number(f64),
    /// A text, without its escapes.
    Text(Cow<'a, str>),
}

impl Scalar<'_> {
    /// The text; of anything else an empty one.
    pub fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            _ => "",
        }
    }

    /// As people write it.
    pub fn shown(&self) -> Cow<'_, str> {
        match self {
            Self::None => "".into(),
            Self::Whole(number) => number.to_string().into(),
            Self::Number(number) => number.to_string().into(),
            Self::Text(text) => text.as_ref().into(),
        }
    }

    /// A count, written as a number or a text.
    pub fn count(&self) -> Option<u64> {
        match self {
            Self::Whole(number) => u64::try_from(*number).ok(),
            Self::Number(number) if (0.0..1.8e19).contains(number) => Some(*number as u64),
            Self::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Scalar<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a number or a text")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Scalar::None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Scalar::None)
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Scalar::Whole(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(i64::try_from(number).map_or(Scalar::Number(number as f64), Scalar::Whole))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Scalar::Number(number))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Self::Value, A::Error> {
        while values.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
        while fields.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::None)
    }
}

/// µs as a number or a text, to ns; `None` for anything else, negative or beyond 290 years. The digits are read one
/// by one: µs since 1970 with their fractions do not fit a double.
pub(super) fn nanoseconds(raw: Option<&RawValue>) -> Option<u64> {
    let text = raw?.get().trim_matches('"').trim();
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let are_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let ns = if !whole.is_empty() && whole.len() <= 17 && are_digits(whole) && are_digits(fraction) {
        let thousandths = format!("{fraction:0<3}");
        let rounds_up = thousandths.as_bytes().get(3).is_some_and(|digit| *digit >= b'5');
        whole.parse::<u64>().ok()?.checked_mul(1000)?
            + thousandths.get(..3)?.parse::<u64>().ok()?
            + u64::from(rounds_up)
    } else {
        let us: f64 = text.parse().ok()?;
        (0.0..3e16).contains(&us).then_some((us * 1000.0).round() as u64)?
    };
    // Half of what the type holds, so that a time and a duration can be added.
    (ns < u64::MAX / 2).then_some(ns)
}

/// The whole numbers in a text such as `[0, 1]`, quoted or not; `None` where some are left out (`[0, 1, ..., 7]`).
pub(super) fn numbers(raw: Option<&RawValue>) -> Option<Vec<u64>> {
    let text = raw?.get();
    if text.contains("...") {
        return None;
    }
    let parts = text.split(|character: char| !character.is_ascii_digit()).filter(|part| !part.is_empty());
    parts.take(1 << 16).map(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn times_keep_all_their_digits() {
        let ns = |text: &str| nanoseconds(Some(&raw(text)));
        assert_eq!(ns("1712195495519689.123"), Some(1_712_195_495_519_689_123));
        assert_eq!(
            (ns("10.5"), ns("\"9\""), ns("0"), ns("2e3")),
            (Some(10_500), Some(9_000), Some(0), Some(2_000_000))
        );
        assert_eq!((ns("-4"), ns("{}"), ns("1e300"), ns("0.0006")), (None, None, None, Some(1)));
    }

    #[test]
    fn ranks_are_read_from_lists_and_texts() {
        assert_eq!(numbers(Some(&raw("\"[2, 3]\""))), Some(vec![2, 3]));
        assert_eq!(numbers(Some(&raw("[0,1]"))), Some(vec![0, 1]));
        assert_eq!(numbers(Some(&raw("\"[0, 1, ..., 7]\""))), None);
    }

    #[test]
    fn odd_types_are_nothing() {
        let event: Raw<'_> =
            serde_json::from_str(r#"{"ph": [1, {}], "pid": 7, "name": "a\"b", "args": 5}"#).unwrap();
        assert_eq!((event.ph, event.pid, event.name.text()), (Scalar::None, Scalar::Whole(7), "a\"b"));
        assert!(Args::of(event.args).correlation.count().is_none());
    }
}
