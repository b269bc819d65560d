//! The value of a Spark property. Spark writes every one as a text; other programs that write such logs also have numbers and truth
//! values, which are read as their text. What is none of these is no value, and no reason to leave out the line.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::raw::Text;

/// A property's text, if it has one.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Property<'a>(Option<Text<'a>>);

impl<'a> Property<'a> {
    /// Its text.
    pub fn text(&self) -> Option<&str> {
        self.0.as_deref()
    }

    /// The same, without a copy where it is borrowed.
    pub fn into_text(self) -> Option<Text<'a>> {
        self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Property<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue).map(Self)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Option<Text<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the value of a property")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(text.to_owned())))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Some(value.to_string().into()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Some(value.to_string().into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Some(value.to_string().into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Some(value.to_string().into()))
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_property_holds_can_be_read() {
        let read = |json: &'static str| serde_json::from_str::<Property<'_>>(json).unwrap().into_text();
        assert!(matches!(read(r#""4g""#), Some(Cow::Borrowed("4g"))));
        assert_eq!(read(r#""a\tb""#).as_deref(), Some("a\tb"));
        for (json, text) in [("true", "true"), ("200", "200"), ("-1", "-1"), ("0.5", "0.5")] {
            assert_eq!(read(json).as_deref(), Some(text));
        }
        for json in ["null", "[1, [2]]", r#"{"a": {"b": 1}}"#] {
            assert_eq!(read(json), None, "{json}");
        }
    }
}
