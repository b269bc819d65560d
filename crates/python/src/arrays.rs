//! Arrays of Python as tensors that travel, and back.
//!
//! An array is copied once on its way out, into memory that was used before: a service may change what it has just given back, and a
//! caller's array may lie in a program where the service is called directly. What arrives is not copied: the array lies in the
//! tensor's memory, and keeps it until Python has no more use for it. Then the memory serves the next message; fresh memory for
//! each would be faulted in page by page, which costs as much as a copy.
//!
//! - ARRAY-1: memory that an array lies in has no other owner than the array's base, and is not moved or freed before that.

use std::sync::LazyLock;

use numpy::{PyArray1, ndarray::ArrayView1};
use pyo3::prelude::*;
use syncline::wire::{Pool, Tensor};

/// Free memory that is kept for messages to come, in bytes.
const KEPT: usize = 512 << 20;

/// Shorter arrays are copied: to own the memory of a tensor takes an object of its own.
const SHORT: usize = 4 << 10;

static POOL: LazyLock<Pool<u8>> = LazyLock::new(|| Pool::new(KEPT));

/// The memory of an array that arrived.
#[pyclass(frozen, module = "syncline._native")]
struct Memory {
    /// Held, and not looked at: the array does that.
    _tensor: Tensor<u8>,
}

/// Bytes of an array, as they are now.
pub(crate) fn tensor_of(bytes: &[u8]) -> Tensor<u8> {
    if bytes.len() < SHORT {
        return Tensor::from(bytes.to_vec());
    }
    let mut tensor = POOL.take(bytes.len());
    // A buffer just taken has no other owner.
    tensor.get_mut().unwrap_or_default().copy_from_slice(bytes);
    tensor
}

/// An array of these bytes, which may be changed.
pub(crate) fn array_of(py: Python<'_>, mut tensor: Tensor<u8>) -> PyResult<Bound<'_, PyArray1<u8>>> {
    let length = tensor.len();
    let start = match tensor.get_mut() {
        Some(bytes) if length >= SHORT => bytes.as_mut_ptr(),
        _ => return Ok(PyArray1::from_slice(py, &tensor)),
    };
    let memory = Bound::new(py, Memory { _tensor: tensor })?;
    // SAFETY: the tensor is the only owner of these bytes, and is moved into an object that nothing reads or takes it from again; a
    // tensor's values are on the heap, so they stay where they are. The array keeps that object (ARRAY-1).
    unsafe {
        let bytes = ArrayView1::from_shape_ptr(length, start);
        Ok(PyArray1::borrow_from_array(&bytes, memory.into_any()))
    }
}
