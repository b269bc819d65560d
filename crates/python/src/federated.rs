//! Clients of federated learning whose work is Python's (`python/syncline/federated.py`).
//!
//! Rounds, gates, folds, privacy and secure sums are those of `syncline federate`, whose options say what is asked for. In virtual time
//! clients are called one after the other; on threads and processes by the nodes that have them.

use std::ffi::OsString;

use numpy::{PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;
use serde::Serialize;
use syncline_federated::{Asked, Evaluated, Federation, Fitted, OwnClients, Report, RoundReport, Trained};
use syncline_terminal::{Page, Screen};

use crate::{
    errors::{failed, of_command},
    waiting::wait_for,
};

/// Clients that are Python's: functions that are given a client's number.
struct Scripted {
    count: usize,
    /// Client, parameters, round and mu to parameters, examples and loss.
    fit: Py<PyAny>,
    /// Client and parameters to a judgement, or nothing.
    evaluate: Py<PyAny>,
    /// Round and parameters to a judgement.
    judge: Option<Py<PyAny>>,
}

/// A judgement: mean loss, examples, accuracy.
type Judgement = Option<(f64, u64, Option<f64>)>;

fn evaluated(judgement: Judgement) -> Option<Evaluated> {
    judgement.map(|(loss, examples, accuracy)| Evaluated { loss, examples, accuracy })
}

/// What Python gives, or what it raises as a sentence.
fn called<T>(work: impl FnOnce(Python<'_>) -> PyResult<T>) -> Result<T, String> {
    Python::attach(|py| work(py).map_err(|error| error.to_string()))
}

impl OwnClients for Scripted {
    fn count(&self) -> usize {
        self.count
    }

    fn fit(&self, client: usize, parameters: &[f32], asked: Asked) -> Result<Fitted, String> {
        called(|py| {
            let given = PyArray1::from_slice(py, parameters);
            let answer = self.fit.call1(py, (client, given, asked.round, asked.mu))?;
            let (parameters, examples, loss): (PyReadonlyArray1<'_, f32>, f64, Option<f64>) =
                answer.extract(py)?;
            Ok(Fitted { parameters: parameters.as_slice()?.to_vec(), examples, loss })
        })
    }

    fn evaluate(&self, client: usize, parameters: &[f32]) -> Result<Option<Evaluated>, String> {
        called(|py| {
            let given = PyArray1::from_slice(py, parameters);
            self.evaluate.call1(py, (client, given))?.extract(py).map(evaluated)
        })
    }

    fn judge(&self, round: u64, parameters: &[f32]) -> Result<Option<Evaluated>, String> {
        let Some(judge) = &self.judge else { return Ok(None) };
        called(|py| {
            let given = PyArray1::from_slice(py, parameters);
            judge.call1(py, (round, given))?.extract(py).map(evaluated)
        })
    }
}

/// Trains with clients of Python to the end of the run: `options` are those of `syncline federate`, `on_round` is told of each round as JSON.
/// Gives the parameters, and the report as JSON. In the process of a node it does not return.
#[pyfunction]
#[pyo3(signature = (options, clients, examples, initial, fit, evaluate, judge=None, on_round=None))]
#[expect(clippy::too_many_arguments, reason = "Python names them")]
pub(crate) fn federate<'py>(
    py: Python<'py>,
    options: Vec<OsString>,
    clients: usize,
    examples: Option<Vec<usize>>,
    initial: PyReadonlyArray1<'py, f32>,
    fit: Py<PyAny>,
    evaluate: Py<PyAny>,
    judge: Option<Py<PyAny>>,
    on_round: Option<Py<PyAny>>,
) -> PyResult<(Bound<'py, PyArray1<f32>>, String)> {
    let asked = syncline_cli::federated(options, clients).map_err(of_command)?;
    let scripted = Scripted { count: clients, fit, evaluate, judge };
    let initial = initial.as_slice()?.to_vec();
    let run = Federation::of_own(scripted, initial, examples, asked.settings);
    let run = run.map_err(|error| of_command(error.into()))?;
    let mut run = asked.trace.iter().fold(run, Federation::trace);
    if let Some(tell) = on_round {
        run = run.on_round(move |round, _| tell_of(&tell, round));
    }
    let trained = match asked.place {
        // A run of its own clients only: an interrupt ends the wait for it.
        None => wait_for(py, move || run.simulate())?,
        Some((nodes, on)) => {
            let trained = py.detach(|| run.run_on(nodes, on));
            py.check_signals()?;
            trained
        }
    };
    let trained = trained.map_err(|error| of_command(error.into()))?;
    Ok((PyArray1::from_slice(py, &trained.parameters), told(&trained)?))
}

/// Tells a script of a round; what it raises is shown, and the run goes on.
fn tell_of(tell: &Py<PyAny>, round: &RoundReport) {
    Python::attach(|py| {
        let told = serde_json::to_string(round).map_err(failed);
        if let Err(error) = told.and_then(|told| tell.call1(py, (told,))) {
            error.print(py);
        }
    });
}

/// The report as a JSON document of its text and its keys.
fn told(trained: &Trained) -> PyResult<String> {
    #[derive(Serialize)]
    struct Told<'a> {
        text: String,
        report: &'a Report,
        trace_error: Option<String>,
    }
    let screen = Screen::stdout(syncline_terminal::Colour::Never);
    let mut page = Page::new(&screen);
    trained.report.write(&mut page, "clients of one's own, federated");
    let told = Told {
        text: screen.safe(page.text()).into_owned(),
        report: &trained.report,
        trace_error: trained.trace_error.as_ref().map(ToString::to_string),
    };
    serde_json::to_string(&told).map_err(failed)
}
