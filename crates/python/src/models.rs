//! Saved models, applied to rows that come from files or from memory.

use std::{path::PathBuf, sync::Arc};

use numpy::{PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1};
use pyo3::{prelude::*, types::PyDict};
use syncline::{
    data::{Input, Layout},
    learn::{Predictions, SavedModel},
};

use crate::{
    datasets::{open, read_as},
    errors::{UsageError, failed},
    waiting::wait_for,
};

/// Rows that are scored at a time.
const ROWS: usize = 4096;

/// A model that `syncline train --save` wrote.
#[pyclass(frozen, module = "syncline._native")]
pub(crate) struct SavedFile(Arc<SavedModel>);

/// Predictions for all rows.
struct Applied {
    numbers: Vec<f64>,
    /// By row, an index into the classes.
    chosen: Vec<i64>,
    scores: Vec<f32>,
    notes: Vec<String>,
}

/// What [`SavedFile::apply`] gives to Python.
type Told<'py> = (
    Option<Bound<'py, PyArray1<f64>>>,
    Option<Bound<'py, PyArray1<i64>>>,
    Option<Bound<'py, PyArray2<f32>>>,
    Vec<String>,
);

#[pymethods]
impl SavedFile {
    /// Loads it.
    #[new]
    fn load(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        let model = wait_for(py, move || SavedModel::load(path))?.map_err(failed)?;
        Ok(Self(Arc::new(model)))
    }

    /// How columns become features and a target, as JSON.
    fn schema(&self) -> PyResult<String> {
        serde_json::to_string(&self.0.schema).map_err(failed)
    }

    /// Which model it is, such as `mlp:16`.
    fn kind(&self) -> String {
        self.0.spec.to_string()
    }

    /// The classes that it tells apart; none for numbers.
    fn classes(&self) -> Vec<String> {
        self.0.schema.target.classes().to_vec()
    }

    /// Its parameters, as one vector.
    fn parameters<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f32>> {
        PyArray1::from_slice(py, &self.0.parameters)
    }

    /// Writes it with these parameters.
    fn save(&self, py: Python<'_>, path: PathBuf, parameters: PyReadonlyArray1<'_, f32>) -> PyResult<()> {
        let parameters = parameters.as_slice()?.to_vec();
        let (given, needed) = (parameters.len(), self.0.parameters.len());
        if given != needed {
            return Err(UsageError::new_err(format!("{given} parameters for a model of {needed}")));
        }
        if let Some(at) = parameters.iter().position(|value| !value.is_finite()) {
            let why = format!("parameter {at} is {}: such a model predicts nothing", parameters[at]);
            return Err(UsageError::new_err(why));
        }
        let model = SavedModel { parameters, unfinished: None, ..(*self.0).clone() };
        wait_for(py, move || model.save(path))?.map_err(failed)
    }

    /// The rows of files as those that it was trained on were read: arrays by their names.
    fn read<'py>(&self, py: Python<'py>, paths: Vec<PathBuf>) -> PyResult<Bound<'py, PyDict>> {
        read_as(py, &self.0, paths)
    }

    /// Predicts for the rows of files, or of a table of text that is in memory already: numbers, or the chosen class of each
    /// row and a score for each class; and what was remarked.
    #[pyo3(signature = (paths, text=None))]
    fn apply<'py>(&self, py: Python<'py>, paths: Vec<PathBuf>, text: Option<Vec<u8>>) -> PyResult<Told<'py>> {
        let model = Arc::clone(&self.0);
        let applied = wait_for(py, move || apply(&model, &paths, text))?.map_err(failed)?;
        let Some(applied) = applied else {
            return Err(UsageError::new_err("there is no row to predict: the data have none"));
        };
        let classes = self.0.schema.target.classes().len();
        let Applied { numbers, chosen, scores, notes } = applied;
        if chosen.is_empty() {
            return Ok((Some(PyArray1::from_vec(py, numbers)), None, None, notes));
        }
        let scores = PyArray1::from_vec(py, scores).reshape([chosen.len(), classes])?;
        Ok((None, Some(PyArray1::from_vec(py, chosen)), Some(scores), notes))
    }
}

/// Predictions for all rows; nothing where there are none.
fn apply(model: &SavedModel, paths: &[PathBuf], text: Option<Vec<u8>>) -> Result<Option<Applied>, String> {
    let inputs = match text {
        Some(text) => vec![Input::bytes("rows.csv", text)],
        None => open(paths).map_err(|error| error.to_string())?,
    };
    let mut all = Applied { numbers: Vec::new(), chosen: Vec::new(), scores: Vec::new(), notes: Vec::new() };
    let mut chunks =
        model.schema.chunks(&inputs, None, Layout::default()).map_err(|error| error.to_string())?;
    while let Some(chunk) = chunks.next(ROWS).map_err(|error| error.to_string())? {
        let predictions = model.predict(&chunk.features).map_err(|error| error.to_string())?;
        all.chosen.extend(predictions.classes().into_iter().map(i64::from));
        match predictions {
            Predictions::Numbers(numbers) => all.numbers.extend(numbers),
            Predictions::Probabilities { values, .. } | Predictions::Margins { values, .. } => {
                all.scores.extend(values);
            }
            _ => return Err("this kind of prediction cannot be shown as arrays yet".to_owned()),
        }
    }
    all.notes = chunks.notes();
    Ok((!all.numbers.is_empty() || !all.chosen.is_empty()).then_some(all))
}
