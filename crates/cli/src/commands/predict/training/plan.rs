//! The table of predictions: every combination of what was asked for, and for each curve over the workers its knee.

use serde::Serialize;
use syncline_predict::{Check, Error, JobProfile, Machines, Prediction, Question, Shares};

use super::{Options, Told, series, three};
use crate::{commands::queue::sweep, failure::Failure, list};

/// Predictions at most.
const MOST: usize = 20_000;

/// What is asked: curves over these workers.
pub struct Plan {
    pub workers: Vec<usize>,
    /// One question for each curve; its workers do not matter.
    curves: Vec<Question>,
    own: Question,
}

/// One prediction.
#[derive(Serialize)]
pub struct Row {
    pub workers: usize,
    pub servers: usize,
    pub sync: String,
    pub batch: u64,
    pub every: String,
    /// Rounds that the data give each worker.
    pub rounds: u64,
    /// Cores times hours of the run: a core for each worker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub core_hours: Option<[f64; 3]>,
    /// The curve that it lies on: the policy, and what else is not as in the trace.
    #[serde(skip)]
    pub curve: String,
    #[serde(flatten)]
    pub answer: Told<Values>,
}

/// What is predicted.
#[derive(Serialize, Clone)]
pub struct Values {
    pub round_s: [f64; 3],
    pub run_s: [f64; 3],
    pub samples_per_s: [f64; 3],
    pub late: f64,
}

impl From<Prediction> for Values {
    fn from(Prediction { round_s, run_s, samples_per_s, late }: Prediction) -> Self {
        Self { round_s: three(round_s), run_s: three(run_s), samples_per_s: three(samples_per_s), late }
    }
}

/// The number of workers from which a further one brings less than half of what the first did.
#[derive(Serialize)]
pub struct Knee {
    pub curve: String,
    pub workers: usize,
}

type Asked = (usize, Result<Prediction, Error>);

impl Plan {
    pub fn new(options: &Options, profile: &JobProfile, machines: Machines) -> Result<Self, Failure> {
        let own = profile.question().map_err(Failure::failed)?;
        let mut workers = match &options.workers {
            Some(text) => list::numbers("--workers", text)?,
            None => std::iter::successors(Some(1), |n| Some(2 * n))
                .take_while(|n| *n <= 4 * own.workers)
                .collect(),
        };
        workers.sort_unstable();
        workers.dedup();
        let servers = options
            .servers
            .as_deref()
            .map_or(Ok(vec![own.servers]), |text| list::numbers("--servers", text))?;
        let batches: Vec<u64> = match &options.batch {
            Some(text) => list::numbers("--batch", text)?.into_iter().map(|batch| batch as u64).collect(),
            None => vec![own.batch],
        };
        let every =
            options.every.as_deref().map_or(Ok(vec![own.every]), |text| list::named("--every", text))?;
        let policies = match &options.sync {
            Some(text) => list::policies(text)?,
            // What servers would cost is not in a trace without, and rows are dealt out by speed where all wait for all.
            None if own.sync.coded().is_some()
                || own.sync.collective().is_some()
                || profile.measured.shares == Shares::BySpeed =>
            {
                vec![own.sync]
            }
            None => list::policies("bsp,ssp:1..3,asp")?,
        };
        let lengths = [workers.len(), servers.len(), batches.len(), every.len(), policies.len()];
        if lengths.iter().product::<usize>() > MOST {
            let why = format!("the lists combine to more than {MOST} predictions: ask for fewer at once");
            return Err(Failure::Usage(why));
        }
        let mut curves = Vec::new();
        for &batch in &batches {
            for &every in &every {
                for &servers in &servers {
                    curves.extend(policies.iter().map(|&sync| Question {
                        servers,
                        sync,
                        batch,
                        every,
                        machines,
                        ..own
                    }));
                }
            }
        }
        Ok(Self { workers, curves, own })
    }

    /// The curves of the plot, the rows of the table and the knees.
    pub fn ask(&self, profile: &JobProfile, check: &Check) -> (Vec<sweep::Series>, Vec<Row>, Vec<Knee>) {
        let (mut drawn, mut rows, mut knees) = (Vec::new(), Vec::new(), Vec::new());
        for question in &self.curves {
            let name = self.name(question);
            let one = |&workers: &usize| {
                let question = Question { workers, ..*question }.whole(&profile.measured);
                let told = profile.predict(&question);
                (workers, told.map(|prediction| check.widen(prediction)))
            };
            let asked: Vec<Asked> = self.workers.iter().map(one).collect();
            let told = asked
                .iter()
                .filter_map(|(workers, told)| Some((*workers, told.as_ref().ok()?.samples_per_s)));
            drawn.push(series(&name, told.collect()));
            knees.extend(knee(&name, &asked));
            rows.extend(asked.into_iter().map(|(workers, told)| {
                let question = Question { workers, ..*question }.whole(&profile.measured);
                row(&question, &name, told)
            }));
        }
        (drawn, rows, knees)
    }

    /// The policy, and what else is not as in the trace.
    fn name(&self, question: &Question) -> String {
        let mut name = question.sync.to_string();
        if question.servers != self.own.servers {
            name += &format!(" servers {}", question.servers);
        }
        if question.batch != self.own.batch {
            name += &format!(" batch {}", question.batch);
        }
        if question.every != self.own.every {
            name += &format!(" every {}", question.every);
        }
        name
    }
}

fn row(question: &Question, curve: &str, told: Result<Prediction, Error>) -> Row {
    let Question { workers, servers, batch, sync, every, rounds, .. } = *question;
    let (sync, every) = (sync.to_string(), every.to_string());
    let core_hours = told.as_ref().ok().map(|told| three(told.run_s).map(|s| s * workers as f64 / 3600.0));
    let (curve, answer) = (curve.to_owned(), Told::of(told));
    Row { workers, servers, sync, batch, every, rounds, core_hours, curve, answer }
}

fn knee(curve: &str, asked: &[Asked]) -> Option<Knee> {
    let told = asked
        .iter()
        .filter_map(|(workers, told)| Some((*workers as f64, told.as_ref().ok()?.samples_per_s.value)));
    let speeds: Vec<(f64, f64)> = told.collect();
    let first = speeds.first()?;
    let each = first.1 / first.0;
    let slow =
        speeds.windows(2).find(|pair| (pair[1].1 - pair[0].1) / (pair[1].0 - pair[0].0) < 0.5 * each)?;
    Some(Knee { curve: curve.to_owned(), workers: slow[0].0 as usize })
}
