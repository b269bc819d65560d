//! Clients of federated learning whose work is Python's (`python/syncline/federated.py`).
//!
//! Rounds, gates, folds, privacy and secure sums are those of `syncline federate`, whose options say what is asked for. In virtual time
//! clients are called one after the other; on threads and processes by the nodes that have them.

use std::{
    ffi::OsString,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use numpy::{PyArray1, PyReadonlyArray1};
use pyo3::{exceptions::PyException, prelude::*};
use syncline_federated::{Asked, Evaluated, Federation, Fitted, OwnClients, RoundReport};

use crate::{
    errors::{failed, of_command},
    reports::Told,
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
    ended: Ended,
}

/// What ends a script and is no mistake of its own, such as an interrupt: no client is called any more, and it is raised as it is.
#[derive(Clone, Default)]
struct Ended(Arc<Mutex<Option<PyErr>>>);

impl Ended {
    fn found(&self) -> MutexGuard<'_, Option<PyErr>> {
        // No code that holds the lock can panic half-way through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps it, if it is such; whether it is.
    fn keeps(&self, py: Python<'_>, error: &PyErr) -> bool {
        let is_end = !error.is_instance_of::<PyException>(py);
        if is_end {
            *self.found() = Some(error.clone_ref(py));
        }
        is_end
    }
}

/// A judgement: mean loss, examples, accuracy.
type Judgement = Option<(f64, u64, Option<f64>)>;

fn evaluated(judgement: Judgement) -> Option<Evaluated> {
    judgement.map(|(loss, examples, accuracy)| Evaluated { loss, examples, accuracy })
}

impl Scripted {
    /// What Python gives, or what it raises as a sentence.
    fn called<T>(&self, work: impl FnOnce(Python<'_>) -> PyResult<T>) -> Result<T, String> {
        Python::attach(|py| {
            if self.ended.found().is_some() {
                return Err("the script has ended".to_owned());
            }
            // In virtual time this is the caller's thread, and what comes while the server is at work is heeded here.
            py.check_signals().and_then(|()| work(py)).map_err(|error| {
                self.ended.keeps(py, &error);
                error.to_string()
            })
        })
    }
}

impl OwnClients for Scripted {
    fn count(&self) -> usize {
        self.count
    }

    fn fit(&self, client: usize, parameters: &[f32], asked: Asked) -> Result<Fitted, String> {
        self.called(|py| {
            let given = PyArray1::from_slice(py, parameters);
            let answer = self.fit.call1(py, (client, given, asked.round, asked.mu))?;
            let (parameters, examples, loss): (PyReadonlyArray1<'_, f32>, f64, Option<f64>) =
                answer.extract(py)?;
            Ok(Fitted { parameters: parameters.as_slice()?.to_vec(), examples, loss })
        })
    }

    fn evaluate(&self, client: usize, parameters: &[f32]) -> Result<Option<Evaluated>, String> {
        self.called(|py| {
            let given = PyArray1::from_slice(py, parameters);
            self.evaluate.call1(py, (client, given))?.extract(py).map(evaluated)
        })
    }

    fn judge(&self, round: u64, parameters: &[f32]) -> Result<Option<Evaluated>, String> {
        let Some(judge) = &self.judge else { return Ok(None) };
        self.called(|py| {
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
    let ended = Ended::default();
    let scripted = Scripted { count: clients, fit, evaluate, judge, ended: ended.clone() };
    let initial = initial.as_slice()?.to_vec();
    let run = Federation::of_own(scripted, initial, examples, asked.settings);
    let run = run.map_err(|error| of_command(error.into()))?;
    let mut run = asked.trace.iter().fold(run, Federation::trace);
    if let Some(tell) = on_round {
        let ended = ended.clone();
        run = run.on_round(move |round, _| tell_of(&tell, round, &ended));
    }
    let trained = py.detach(|| match asked.place {
        None => run.simulate(),
        Some((nodes, on)) => run.run_on(nodes, on),
    });
    if let Some(end) = ended.found().take() {
        return Err(end);
    }
    let trained = trained.map_err(|error| of_command(error.into()))?;
    let report = &trained.report;
    let write = |page: &mut _| report.write(page, "clients of one's own, federated");
    let told = Told::of(report, write, trained.trace_error.as_ref()).json()?;
    Ok((PyArray1::from_slice(py, &trained.parameters), told))
}

/// Tells a script of a round; what it raises is shown, and the run goes on.
fn tell_of(tell: &Py<PyAny>, round: &RoundReport, ended: &Ended) {
    Python::attach(|py| {
        let told = serde_json::to_string(round).map_err(failed);
        if let Err(error) = told.and_then(|told| tell.call1(py, (told,)))
            && !ended.keeps(py, &error)
        {
            error.print(py);
        }
    });
}
