//! Arguments and results of calls, as they travel: plain values as MessagePack, arrays and long bytes beside it as they lie.
//!
//! What MessagePack has no word for are extensions of its own kind ([`Extension`]), so a value arrives as what it was. What
//! only Python knows of arrays and other objects is in `python/syncline/_message.py`.
//!
//! - MESSAGE-1: nothing is unpickled that a program has not asked for.
//! - MESSAGE-2: neither a value that holds itself nor a malformed message takes more of the stack than [`DEEPEST`] values.

mod packing;
mod unpacking;

use pyo3::{
    exceptions::PyException,
    prelude::*,
    types::{PyDict, PyTuple},
};
use serde::{Deserialize, Serialize};
use syncline::wire::Tensor;

use crate::errors::UsageError;
use packing::{Packing, Refused};
use unpacking::Unpacking;

/// How many values may stand in one another.
const DEEPEST: usize = 200;

/// How many letters of a place in a value, or of a key there, are shown.
const SHOWN: usize = 60;

/// The module of Python that knows about arrays and other objects.
const KNOWN_BY: &str = "syncline._message";

/// What is asked or answered.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Message {
    body: Vec<u8>,
    parts: Vec<Tensor<u8>>,
}

/// What stands for values that MessagePack does not know, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extension {
    /// An array of items.
    Tuple,
    /// Two's complement from its lowest byte on, of more than 64 bits.
    Integer,
    /// UTF-8 in which halves of surrogate pairs stand alone, as in names of files.
    Text,
    /// Its real and its imaginary part, 64 bits each from their highest byte on.
    Complex,
    /// The number of its part, its kind and its shape.
    Array,
    /// A number of NumPy: its kind and its bytes.
    Scalar,
    /// The number of the part.
    Bytes,
    /// The number of the part.
    Pickle,
}

impl Extension {
    const ALL: [Self; 8] = [
        Self::Tuple,
        Self::Integer,
        Self::Text,
        Self::Complex,
        Self::Array,
        Self::Scalar,
        Self::Bytes,
        Self::Pickle,
    ];

    fn of(number: i8) -> Option<Self> {
        Self::ALL.get(usize::try_from(number).ok()?).copied()
    }
}

/// What a method came to: whether it raised, and what it gave or raised.
pub(crate) type Answer<'py> = (bool, Bound<'py, PyAny>);

impl Message {
    /// A call of a method.
    ///
    /// # Errors
    /// `UsageError` when an argument cannot travel; it names the argument, the place in it, and the type.
    pub(crate) fn call(
        method: &str,
        args: &Bound<'_, PyTuple>,
        kwargs: &Bound<'_, PyDict>,
        may_pickle: bool,
    ) -> PyResult<Self> {
        let mut packing = Packing::new(args.py(), may_pickle);
        packing.begin_list(args.len())?;
        for (at, value) in args.iter().enumerate() {
            let named = |refused| told(refused, &format!("argument {} of `{method}`", at + 1));
            packing.value(&value, 1).map_err(named)?;
        }
        packing.begin_map(kwargs.len())?;
        for (name, value) in kwargs.iter() {
            let named = |refused| told(refused, &format!("argument `{name}` of `{method}`"));
            packing.value(&name, 1).map_err(named)?;
            packing.value(&value, 1).map_err(named)?;
        }
        Ok(packing.finish())
    }

    /// What a method gave, or what it raised.
    ///
    /// # Errors
    /// `UsageError` when it cannot travel.
    pub(crate) fn answer(method: &str, answer: Answer<'_>, may_pickle: bool) -> PyResult<Self> {
        let (has_raised, value) = answer;
        let mut packing = Packing::new(value.py(), may_pickle);
        packing.flag(has_raised);
        packing.value(&value, 0).map_err(|refused| told(refused, &format!("the answer of `{method}`")))?;
        Ok(packing.finish())
    }

    /// That a method cannot be called, or its answer cannot travel.
    ///
    /// # Errors
    /// When Python has no memory left.
    pub(crate) fn refusal(py: Python<'_>, method: &str, error: &PyErr) -> PyResult<Self> {
        let said = (error.get_type(py).name()?, error.value(py).str()?, "").into_pyobject(py)?;
        Self::answer(method, (true, said.into_any()), false)
    }

    /// The arguments of a call.
    ///
    /// # Errors
    /// `UsageError` when it is malformed, or holds what the program does not take.
    pub(crate) fn arguments(
        self,
        py: Python<'_>,
        may_pickle: bool,
    ) -> PyResult<(Bound<'_, PyTuple>, Bound<'_, PyDict>)> {
        let mut parts = self.parts.into_iter().map(Some).collect::<Vec<_>>();
        let mut unpacking = Unpacking::new(py, &self.body, &mut parts, may_pickle);
        let args = unpacking.value(0)?.cast_into::<pyo3::types::PyList>()?.to_tuple();
        Ok((args, unpacking.value(0)?.cast_into()?))
    }

    /// What a method came to.
    ///
    /// # Errors
    /// `UsageError` when it is malformed, or holds what the program does not take.
    pub(crate) fn answered(self, py: Python<'_>, may_pickle: bool) -> PyResult<Answer<'_>> {
        let mut parts = self.parts.into_iter().map(Some).collect::<Vec<_>>();
        let mut unpacking = Unpacking::new(py, &self.body, &mut parts, may_pickle);
        Ok((unpacking.value(0)?.extract()?, unpacking.value(0)?))
    }
}

/// Why an argument, or an answer, cannot travel. What is no mistake in a value, as an interrupt, stays what it is.
fn told(refused: Refused, whose: &str) -> PyErr {
    Python::attach(|py| {
        if !refused.error.is_instance_of::<PyException>(py) {
            return refused.error;
        }
        let at = match refused.at.trim_start() {
            "" => String::new(),
            at => format!(", at {}", shortened(at, SHOWN)),
        };
        let error = UsageError::new_err(format!("{whose}{at}: {}", refused.error.value(py)));
        error.set_cause(py, Some(refused.error));
        error
    })
}

/// So many letters of a text.
fn shortened(text: &str, letters: usize) -> String {
    match text.char_indices().nth(letters) {
        Some((end, _)) => format!("{}..", &text[..end]),
        None => text.to_owned(),
    }
}
