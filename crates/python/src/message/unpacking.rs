//! Values of Python out of a message.

use std::mem;

use pyo3::{
    prelude::*,
    types::{IntoPyDict, PyBool, PyBytes, PyComplex, PyDict, PyFloat, PyInt, PyList, PyString},
};
use rmp::{Marker, decode};
use syncline::wire::Tensor;

use super::{DEEPEST, Extension, KNOWN_BY};
use crate::{arrays::array_of, errors::UsageError};

/// A message that is being read.
pub(super) struct Unpacking<'py, 'a> {
    py: Python<'py>,
    /// What is still to be read.
    rest: &'a [u8],
    /// Each is taken once.
    parts: &'a mut [Option<Tensor<u8>>],
    may_pickle: bool,
}

impl<'py, 'a> Unpacking<'py, 'a> {
    pub(super) fn new(
        py: Python<'py>,
        body: &'a [u8],
        parts: &'a mut [Option<Tensor<u8>>],
        may_pickle: bool,
    ) -> Self {
        Self { py, rest: body, parts, may_pickle }
    }

    /// The next value, which stands in so many others.
    pub(super) fn value(&mut self, depth: usize) -> PyResult<Bound<'py, PyAny>> {
        if depth > DEEPEST {
            return Err(malformed());
        }
        let marker = Marker::from_u8(*self.rest.first().ok_or_else(malformed)?);
        let value = match marker {
            Marker::Null => {
                self.taken(1)?;
                self.py.None().into_bound(self.py)
            }
            Marker::True | Marker::False => {
                self.taken(1)?;
                PyBool::new(self.py, marker == Marker::True).to_owned().into_any()
            }
            Marker::U64 => read(decode::read_u64(&mut self.rest))?.into_pyobject(self.py)?.into_any(),
            Marker::FixPos(_) | Marker::FixNeg(_) | Marker::U8 | Marker::U16 | Marker::U32 => {
                self.integer()?
            }
            Marker::I8 | Marker::I16 | Marker::I32 | Marker::I64 => self.integer()?,
            Marker::F32 => PyFloat::new(self.py, read(decode::read_f32(&mut self.rest))?.into()).into_any(),
            Marker::F64 => PyFloat::new(self.py, read(decode::read_f64(&mut self.rest))?).into_any(),
            Marker::FixStr(_) | Marker::Str8 | Marker::Str16 | Marker::Str32 => {
                let length = read(decode::read_str_len(&mut self.rest))?;
                let text = str::from_utf8(self.taken(length)?).map_err(|_| malformed())?;
                PyString::new(self.py, text).into_any()
            }
            Marker::Bin8 | Marker::Bin16 | Marker::Bin32 => {
                let length = read(decode::read_bin_len(&mut self.rest))?;
                PyBytes::new(self.py, self.taken(length)?).into_any()
            }
            Marker::FixArray(_) | Marker::Array16 | Marker::Array32 => self.list(depth)?.into_any(),
            Marker::FixMap(_) | Marker::Map16 | Marker::Map32 => self.map(depth)?.into_any(),
            Marker::Reserved => return Err(malformed()),
            _ => {
                let about = read(decode::read_ext_meta(&mut self.rest))?;
                let content = self.taken(about.size)?;
                let rest = mem::replace(&mut self.rest, content);
                let value = self.extension(Extension::of(about.typeid).ok_or_else(malformed)?, depth)?;
                self.rest = rest;
                value
            }
        };
        Ok(value)
    }

    fn taken(&mut self, length: u32) -> PyResult<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length as usize).ok_or_else(malformed)?;
        self.rest = rest;
        Ok(taken)
    }

    fn integer(&mut self) -> PyResult<Bound<'py, PyAny>> {
        let number: i64 = read(decode::read_int(&mut self.rest))?;
        Ok(number.into_pyobject(self.py)?.into_any())
    }

    fn list(&mut self, depth: usize) -> PyResult<Bound<'py, PyList>> {
        let length = read(decode::read_array_len(&mut self.rest))?;
        let items = (0..length).map(|_| self.value(depth + 1)).collect::<PyResult<Vec<_>>>()?;
        PyList::new(self.py, items)
    }

    fn map(&mut self, depth: usize) -> PyResult<Bound<'py, PyDict>> {
        let map = PyDict::new(self.py);
        for _ in 0..read(decode::read_map_len(&mut self.rest))? {
            let key = self.value(depth + 1)?;
            map.set_item(key, self.value(depth + 1)?)?;
        }
        Ok(map)
    }

    /// What an extension stands for, of which alone the content is left to be read.
    fn extension(&mut self, extension: Extension, depth: usize) -> PyResult<Bound<'py, PyAny>> {
        let known = || self.py.import(KNOWN_BY);
        match extension {
            Extension::Tuple => Ok(self.list(depth)?.to_tuple().into_any()),
            Extension::Integer => {
                let signed = [("signed", true)].into_py_dict(self.py)?;
                let number = self.py.get_type::<PyInt>();
                number.call_method("from_bytes", (PyBytes::new(self.py, self.rest), "little"), Some(&signed))
            }
            Extension::Text => {
                PyBytes::new(self.py, self.rest).call_method1("decode", ("utf-8", "surrogatepass"))
            }
            Extension::Complex => {
                let parts: [u8; 16] = self.rest.try_into().map_err(|_| malformed())?;
                let parts = [0, 8].map(|at| {
                    let mut bytes = [0; 8];
                    bytes.copy_from_slice(&parts[at..at + 8]);
                    f64::from_be_bytes(bytes)
                });
                Ok(PyComplex::from_doubles(self.py, parts[0], parts[1]).into_any())
            }
            Extension::Array => {
                let known = known()?;
                let part = array_of(self.py, self.part()?)?;
                known.call_method1("array", (part, self.value(depth + 1)?, self.value(depth + 1)?))
            }
            Extension::Scalar => {
                known()?.call_method1("scalar", (self.value(depth + 1)?, self.value(depth + 1)?))
            }
            Extension::Bytes => Ok(PyBytes::new(self.py, &self.part()?).into_any()),
            Extension::Pickle if self.may_pickle => {
                known()?.call_method1("unpickled", (PyBytes::new(self.py, &self.part()?),))
            }
            Extension::Pickle => Err(UsageError::new_err(
                "the message holds a pickled value, which this program does not take",
            )),
        }
    }

    /// The part whose number comes next.
    fn part(&mut self) -> PyResult<Tensor<u8>> {
        let at: usize = read(decode::read_int(&mut self.rest))?;
        self.parts.get_mut(at).and_then(Option::take).ok_or_else(malformed)
    }
}

fn read<T, E>(read: Result<T, E>) -> PyResult<T> {
    read.map_err(|_| malformed())
}

fn malformed() -> PyErr {
    UsageError::new_err("a malformed message: do all processes of the program run the same version?")
}
