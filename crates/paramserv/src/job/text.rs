//! Settings in files as users write them: a policy is `ssp:2` there as it is after `--sync`.

use std::{
    fmt::{self, Display},
    marker::PhantomData,
    str::FromStr,
};

use serde::{
    Deserialize, Deserializer, Serializer,
    de::{self, Visitor},
};

/// Takes a text, or a number as the text that it is: `label = 3`.
struct AsWritten<T>(PhantomData<T>);

impl<T: FromStr<Err: Display>> Visitor<'_> for AsWritten<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }
}

/// One of a list.
struct One<T>(T);

impl<'de, T: FromStr<Err: Display>> Deserialize<'de> for One<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(AsWritten(PhantomData)).map(Self)
    }
}

/// A setting that may be left out.
pub(super) mod option {
    use super::*;

    pub(in super::super) fn serialize<T: Display, S: Serializer>(
        value: &Option<T>,
        into: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => into.collect_str(value),
            None => into.serialize_none(),
        }
    }

    pub(in super::super) fn deserialize<'de, T: FromStr<Err: Display>, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<T>, D::Error> {
        One::deserialize(from).map(|One(value)| Some(value))
    }
}

/// A whole number, which is a text where it is beyond the numbers of TOML.
pub(super) mod number {
    use super::*;

    pub(in super::super) fn serialize<T: Display, S: Serializer>(
        value: &Option<T>,
        into: S,
    ) -> Result<S::Ok, S::Error> {
        match value.as_ref().map(|value| value.to_string().parse::<i64>()) {
            Some(Ok(number)) => into.serialize_i64(number),
            _ => option::serialize(value, into),
        }
    }

    pub(in super::super) use super::option::deserialize;
}

/// Several settings of one kind.
pub(super) mod list {
    use super::*;

    pub(in super::super) fn serialize<T: Display, S: Serializer>(
        values: &[T],
        into: S,
    ) -> Result<S::Ok, S::Error> {
        into.collect_seq(values.iter().map(ToString::to_string))
    }

    pub(in super::super) fn deserialize<'de, T: FromStr<Err: Display>, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<T>, D::Error> {
        let values = Vec::<One<T>>::deserialize(from)?;
        Ok(values.into_iter().map(|One(value)| value).collect())
    }
}

/// A number of 32 bits, by its shortest decimal: 0.002 is no 0.0020000000949949026.
pub(super) mod float {
    use super::*;

    pub(in super::super) fn serialize<S: Serializer>(
        value: &Option<f32>,
        into: S,
    ) -> Result<S::Ok, S::Error> {
        match value.map(|value| value.to_string().parse::<f64>()) {
            Some(Ok(value)) => into.serialize_f64(value),
            _ => into.serialize_none(),
        }
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f32>, D::Error> {
        f32::deserialize(from).map(Some)
    }
}
