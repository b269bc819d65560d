//! The name of what a request asks for, as people know it: the variant of its enum, or the type's own name.
//!
//! Every request can be serialised, so a serialiser that stops at the first name learns it, without a further bound on the
//! type and without looking at the values.

use serde::Serialize;
use serde::ser::{self, Impossible, Serializer};
use std::fmt;

/// The name of what `request` asks for.
pub(crate) fn of<T: Serialize>(request: &T) -> &'static str {
    match request.serialize(Namer) {
        Err(Found(name)) => name,
        Ok(()) => UNNAMED,
    }
}

/// For a request that is a plain number or text.
const UNNAMED: &str = "call";

struct Namer;

/// How the serialiser stops.
#[derive(Debug)]
struct Found(&'static str);

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Found {}

impl ser::Error for Found {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Found(UNNAMED)
    }
}

/// What has no name of its own.
macro_rules! unnamed {
    ($($method:ident: $value:ty),* $(,)?) => {
        $(fn $method(self, _: $value) -> Result<(), Found> {
            Err(Found(UNNAMED))
        })*
    };
}

impl Serializer for Namer {
    type Ok = ();
    type Error = Found;
    type SerializeSeq = Impossible<(), Found>;
    type SerializeTuple = Impossible<(), Found>;
    type SerializeTupleStruct = Impossible<(), Found>;
    type SerializeTupleVariant = Impossible<(), Found>;
    type SerializeMap = Impossible<(), Found>;
    type SerializeStruct = Impossible<(), Found>;
    type SerializeStructVariant = Impossible<(), Found>;

    unnamed! {
        serialize_bool: bool, serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_f32: f32,
        serialize_f64: f64, serialize_char: char, serialize_str: &str, serialize_bytes: &[u8],
    }

    fn serialize_none(self) -> Result<(), Found> {
        Err(Found(UNNAMED))
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Found> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Found> {
        Err(Found(UNNAMED))
    }

    fn serialize_unit_struct(self, name: &'static str) -> Result<(), Found> {
        Err(Found(name))
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), Found> {
        Err(Found(variant))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, _: &T) -> Result<(), Found> {
        Err(Found(name))
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: &T,
    ) -> Result<(), Found> {
        Err(Found(variant))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq, Found> {
        Err(Found(UNNAMED))
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, Found> {
        Err(Found(UNNAMED))
    }

    fn serialize_tuple_struct(
        self,
        name: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleStruct, Found> {
        Err(Found(name))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Found> {
        Err(Found(variant))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, Found> {
        Err(Found(UNNAMED))
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Self::SerializeStruct, Found> {
        Err(Found(name))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Found> {
        Err(Found(variant))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    enum Request {
        Stop,
        Take(u64),
        Pull { worker: u32 },
    }

    #[derive(Serialize)]
    struct Question {
        depth: u8,
    }

    #[test]
    fn a_request_is_called_by_its_variant_or_type() {
        let requests = [Request::Stop, Request::Take(1), Request::Pull { worker: 3 }];
        assert_eq!(requests.each_ref().map(of), ["Stop", "Take", "Pull"]);
        assert_eq!(of(&Question { depth: 1 }), "Question");
        assert_eq!(of(&Some(Request::Stop)), "Stop");
        assert_eq!((of(&7u64), of(&()), of(&vec![1u8])), ("call", "call", "call"));
    }
}
