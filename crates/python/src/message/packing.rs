//! Values of Python into a message.

use std::convert::Infallible;

use numpy::PyReadonlyArray1;
use pyo3::{
    prelude::*,
    types::{IntoPyDict, PyBool, PyBytes, PyComplex, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple},
};
use rmp::{
    Marker,
    encode::{self, ByteBuf, ValueWriteError},
};
use syncline::wire::Tensor;

use super::{DEEPEST, Extension, KNOWN_BY, Message, SHOWN, shortened};
use crate::{arrays::tensor_of, errors::UsageError};

/// Longer bytes travel beside the body: they are not copied where the body is.
const SHORT: usize = 4 << 10;

/// A value that cannot travel.
pub(super) struct Refused {
    /// Where it stands in what was given, as it would be written in Python: `[0]['weights']`.
    pub(super) at: String,
    /// Why.
    pub(super) error: PyErr,
}

impl From<PyErr> for Refused {
    fn from(error: PyErr) -> Self {
        Self { at: String::new(), error }
    }
}

impl From<Refused> for PyErr {
    fn from(refused: Refused) -> Self {
        refused.error
    }
}

impl Refused {
    /// The same, in something that stands there.
    fn within(self, place: &str) -> Self {
        Self { at: format!("{place}{}", self.at), ..self }
    }
}

/// A message in the making.
pub(super) struct Packing<'py> {
    py: Python<'py>,
    body: ByteBuf,
    parts: Vec<Tensor<u8>>,
    may_pickle: bool,
}

impl<'py> Packing<'py> {
    pub(super) fn new(py: Python<'py>, may_pickle: bool) -> Self {
        Self { py, body: ByteBuf::new(), parts: Vec::new(), may_pickle }
    }

    pub(super) fn finish(self) -> Message {
        Message { body: self.body.into_vec(), parts: self.parts }
    }

    /// Begins a list, whose items follow.
    pub(super) fn begin_list(&mut self, length: usize) -> Result<(), Refused> {
        written(encode::write_array_len(&mut self.body, counted(length)?));
        Ok(())
    }

    /// Begins a dictionary, whose keys and values follow in turn.
    pub(super) fn begin_map(&mut self, length: usize) -> Result<(), Refused> {
        written(encode::write_map_len(&mut self.body, counted(length)?));
        Ok(())
    }

    pub(super) fn flag(&mut self, flag: bool) {
        self.body.as_mut_vec().push(if flag { Marker::True } else { Marker::False }.to_u8());
    }

    /// Adds a value that stands in so many others.
    pub(super) fn value(&mut self, value: &Bound<'py, PyAny>, depth: usize) -> Result<(), Refused> {
        if depth > DEEPEST {
            let why = format!("lists and dictionaries stand in one another more than {DEEPEST} deep");
            return Err(UsageError::new_err(why).into());
        }
        if value.is_none() {
            self.body.as_mut_vec().push(Marker::Null.to_u8());
        } else if let Ok(flag) = value.cast_exact::<PyBool>() {
            self.flag(flag.is_true());
        } else if let Ok(number) = value.cast_exact::<PyInt>() {
            self.integer(number)?;
        } else if let Ok(number) = value.cast_exact::<PyFloat>() {
            written(encode::write_f64(&mut self.body, number.value()));
        } else if let Ok(text) = value.cast_exact::<PyString>() {
            self.text(text)?;
        } else if let Ok(items) = value.cast_exact::<PyList>() {
            self.begin_list(items.len())?;
            self.items(items.iter(), depth)?;
        } else if let Ok(items) = value.cast_exact::<PyTuple>() {
            self.extension(Extension::Tuple, |packing| {
                packing.begin_list(items.len())?;
                packing.items(items.iter(), depth)
            })?;
        } else if let Ok(map) = value.cast_exact::<PyDict>() {
            self.map(map, depth)?;
        } else if let Ok(bytes) = value.cast_exact::<PyBytes>() {
            self.bytes(bytes.as_bytes())?;
        } else if let Ok(number) = value.cast_exact::<PyComplex>() {
            let parts = [number.real(), number.imag()].map(f64::to_be_bytes).concat();
            self.raw(Extension::Complex, &parts)?;
        } else {
            self.other(value, depth)?;
        }
        Ok(())
    }

    fn items(&mut self, items: impl Iterator<Item = Bound<'py, PyAny>>, depth: usize) -> Result<(), Refused> {
        for (at, item) in items.enumerate() {
            self.value(&item, depth + 1).map_err(|refused| refused.within(&format!("[{at}]")))?;
        }
        Ok(())
    }

    fn map(&mut self, map: &Bound<'py, PyDict>, depth: usize) -> Result<(), Refused> {
        self.begin_map(map.len())?;
        for (key, value) in map.iter() {
            self.value(&key, depth + 1)
                .map_err(|refused| refused.within(&format!(" (a key, {})", shown(&key))))?;
            self.value(&value, depth + 1).map_err(|refused| refused.within(&format!("[{}]", shown(&key))))?;
        }
        Ok(())
    }

    fn integer(&mut self, number: &Bound<'py, PyInt>) -> Result<(), Refused> {
        if let Ok(number) = number.extract::<i64>() {
            written(encode::write_sint(&mut self.body, number));
            return Ok(());
        }
        let bits: usize = number.call_method0("bit_length")?.extract()?;
        let signed = [("signed", true)].into_py_dict(self.py)?;
        let bytes = number.call_method("to_bytes", (bits / 8 + 1, "little"), Some(&signed))?;
        self.raw(Extension::Integer, bytes.cast::<PyBytes>().map_err(PyErr::from)?.as_bytes())
    }

    fn text(&mut self, text: &Bound<'py, PyString>) -> Result<(), Refused> {
        if let Ok(text) = text.to_cow() {
            counted(text.len())?;
            written(encode::write_str(&mut self.body, &text));
            return Ok(());
        }
        let bytes = text.call_method1("encode", ("utf-8", "surrogatepass"))?;
        self.raw(Extension::Text, bytes.cast::<PyBytes>().map_err(PyErr::from)?.as_bytes())
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), Refused> {
        if bytes.len() > SHORT {
            return self.beside(Extension::Bytes, tensor_of(bytes));
        }
        written(encode::write_bin(&mut self.body, bytes));
        Ok(())
    }

    /// Adds what only Python knows how it travels.
    fn other(&mut self, value: &Bound<'py, PyAny>, depth: usize) -> Result<(), Refused> {
        let known = self.py.import(KNOWN_BY)?.call_method1("taken_apart", (value, self.may_pickle))?;
        let kind: String = known.get_item(0)?.extract()?;
        match kind.as_str() {
            "array" => {
                let (_, bytes, kind, shape): (
                    String,
                    PyReadonlyArray1<'py, u8>,
                    Bound<'py, PyAny>,
                    Bound<'py, PyAny>,
                ) = known.extract()?;
                let at = self.part(tensor_of(bytes.as_slice().map_err(PyErr::from)?));
                self.extension(Extension::Array, |packing| {
                    written(encode::write_uint(&mut packing.body, at));
                    packing.value(&kind, depth + 1)?;
                    packing.value(&shape, depth + 1)
                })
            }
            "scalar" => {
                let (_, kind, bytes): (String, Bound<'py, PyAny>, Bound<'py, PyBytes>) = known.extract()?;
                self.extension(Extension::Scalar, |packing| {
                    packing.value(&kind, depth + 1)?;
                    packing.bytes(bytes.as_bytes())
                })
            }
            "bytes" => self.bytes(known.get_item(1)?.cast::<PyBytes>().map_err(PyErr::from)?.as_bytes()),
            // "pickle"
            _ => {
                let pickled = known.get_item(1)?;
                self.beside(
                    Extension::Pickle,
                    tensor_of(pickled.cast::<PyBytes>().map_err(PyErr::from)?.as_bytes()),
                )
            }
        }
    }

    /// Adds a part; its number.
    fn part(&mut self, part: Tensor<u8>) -> u64 {
        self.parts.push(part);
        self.parts.len() as u64 - 1
    }

    /// Adds a part, and in the body its number.
    fn beside(&mut self, extension: Extension, part: Tensor<u8>) -> Result<(), Refused> {
        let at = self.part(part);
        self.extension(extension, |packing| {
            written(encode::write_uint(&mut packing.body, at));
            Ok(())
        })
    }

    fn raw(&mut self, extension: Extension, bytes: &[u8]) -> Result<(), Refused> {
        written(encode::write_ext_meta(&mut self.body, counted(bytes.len())?, extension as i8));
        self.body.as_mut_vec().extend_from_slice(bytes);
        Ok(())
    }

    /// Adds an extension whose content is values; its length is known only afterwards.
    fn extension(
        &mut self,
        extension: Extension,
        content: impl FnOnce(&mut Self) -> Result<(), Refused>,
    ) -> Result<(), Refused> {
        let body = self.body.as_mut_vec();
        body.push(Marker::Ext32.to_u8());
        let at = body.len();
        body.extend_from_slice(&[0; 4]);
        body.push(extension as u8);
        let begin = body.len();
        content(self)?;
        let body = self.body.as_mut_vec();
        let length = counted(body.len() - begin)?;
        body[at..at + 4].copy_from_slice(&length.to_be_bytes());
        Ok(())
    }
}

/// A length, as MessagePack has it.
fn counted(length: usize) -> Result<u32, Refused> {
    u32::try_from(length).map_err(|_| {
        let why = format!("{length} bytes or items are more than a text, a list or a dictionary may have in a call, 4294967295");
        UsageError::new_err(why).into()
    })
}

/// What was written into memory, which takes everything.
fn written<T>(written: Result<T, ValueWriteError<Infallible>>) -> T {
    match written {
        Ok(value) => value,
        Err(ValueWriteError::InvalidMarkerWrite(never) | ValueWriteError::InvalidDataWrite(never)) => {
            match never {}
        }
    }
}

/// A key, as it would be written in Python.
fn shown(key: &Bound<'_, PyAny>) -> String {
    key.repr().map_or_else(|_| "?".to_owned(), |text| shortened(&text.to_string_lossy(), SHOWN))
}
