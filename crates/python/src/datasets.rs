//! Rows of files as arrays: what `syncline train` would learn from them.

use std::path::PathBuf;

use numpy::{PyArray1, PyArrayMethods};
use pyo3::{prelude::*, types::PyDict};
use syncline::{
    data::{Dataset, Error, Features, Fitted, Input, Layout, Schema, Targets, expand},
    learn::SavedModel,
    paramserv::TrainJob,
};

use crate::{
    errors::{UsageError, failed},
    waiting::wait_for,
};

/// Rows, how they were read, and what was remarked.
struct Rows {
    schema: Schema,
    data: Dataset,
    notes: Vec<String>,
}

/// Reads the files of a job, which is given as JSON, as `syncline train` does.
///
/// # Errors
/// `UsageError` where the job makes no sense, `SynclineError` where its files cannot be read so.
#[pyfunction]
pub(crate) fn read_dataset<'py>(py: Python<'py>, job: &str) -> PyResult<Bound<'py, PyDict>> {
    let job: TrainJob = serde_json::from_str(job).map_err(|error| UsageError::new_err(error.to_string()))?;
    let options = job.reading().map_err(|error| UsageError::new_err(error.to_string()))?;
    let read = move || -> Result<Rows, Error> {
        let Fitted { mut schema, data, notes } = Schema::fit(&open(&job.data)?, &options)?;
        let data = if options.raw { data } else { schema.rescale(data, None)?.0 };
        Ok(Rows { schema, data, notes })
    };
    arrays(py, wait_for(py, read)?.map_err(failed)?)
}

/// Reads files as the rows that a model was trained on were read.
pub(crate) fn read_as<'py>(
    py: Python<'py>,
    model: &SavedModel,
    paths: Vec<PathBuf>,
) -> PyResult<Bound<'py, PyDict>> {
    let schema = model.schema.clone();
    let read = move || -> Result<Rows, Error> {
        let (data, notes) = schema.read(&open(&paths)?, Layout::default())?;
        Ok(Rows { schema, data, notes })
    };
    arrays(py, wait_for(py, read)?.map_err(failed)?)
}

/// The files that paths and patterns lead to.
pub(crate) fn open(paths: &[PathBuf]) -> Result<Vec<Input>, Error> {
    expand(paths)?.into_iter().map(Input::open).collect()
}

/// Rows as arrays, by the names of what they are.
fn arrays(py: Python<'_>, rows: Rows) -> PyResult<Bound<'_, PyDict>> {
    let Rows { schema, data, notes } = rows;
    let found = PyDict::new(py);
    match data.features() {
        Features::Dense(dense) => {
            let values = PyArray1::from_slice(py, dense.values());
            found.set_item("dense", values.reshape([data.rows(), data.columns()])?)?;
        }
        Features::Sparse(sparse) => {
            // As SciPy has them; a data set has fewer columns than a signed index counts.
            let indices = sparse.indices().iter().map(|&column| column as i32);
            let offsets = sparse.offsets().iter().map(|&offset| offset as i64);
            found.set_item("values", PyArray1::from_slice(py, sparse.values()))?;
            found.set_item("indices", PyArray1::from_iter(py, indices))?;
            found.set_item("offsets", PyArray1::from_iter(py, offsets))?;
        }
    }
    let scale = data.target_scale();
    match data.targets() {
        Targets::Real(values) => {
            let values = values.iter().map(|&value| scale.centre + scale.deviation * f64::from(value));
            found.set_item("targets", PyArray1::from_iter(py, values))?;
        }
        Targets::Class { labels, .. } => {
            let labels = labels.iter().map(|&label| i64::from(label));
            found.set_item("targets", PyArray1::from_iter(py, labels))?;
        }
    }
    found.set_item("columns", data.columns())?;
    found.set_item("target_scale", (scale.centre, scale.deviation))?;
    found.set_item("classes", data.targets().classes())?;
    found.set_item("feature_names", data.feature_names())?;
    found.set_item("target_name", data.target_name())?;
    found.set_item("weights", data.weights().map(|weights| PyArray1::from_slice(py, weights)))?;
    found.set_item("schema", serde_json::to_string(&schema).map_err(failed)?)?;
    found.set_item("notes", notes)?;
    Ok(found)
}
