//! One training job under several policies and sizes, side by side: what is reached, and how long it takes.
//!
//! The runs differ in their policy and in the number of workers only; seed, data, model and steps are the same. They come one
//! after another, so that none takes the processor from another.

use serde::{Deserialize, Serialize};
use syncline_program::Interrupt;
use syncline_round::Policy;
use syncline_terminal::{
    Cell, Column, Page, Style, Table,
    unit::{count, loss, percent, seconds},
};
use syncline_trace::{Phase, Run, Span};

use crate::Error;

/// Which runs are compared: every policy with every number of workers.
#[derive(Clone, Debug, PartialEq)]
pub struct Combinations(Vec<(Policy, usize)>);

impl Combinations {
    /// All of them, policy by policy, each once.
    ///
    /// # Errors
    /// If one of them cannot be, such as two backup workers of two.
    pub fn new(policies: &[Policy], workers: &[usize]) -> Result<Self, Error> {
        let mut list = Vec::new();
        for &sync in policies {
            for &workers in workers {
                sync.check(workers)?;
                if !list.contains(&(sync, workers)) {
                    list.push((sync, workers));
                }
            }
        }
        Ok(Self(list))
    }

    /// How many runs these are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Trains one after another, until all are through or one is interrupted.
    ///
    /// # Errors
    /// Those of `train`, which end the comparison.
    pub fn run<E>(&self, mut train: impl FnMut(Policy, usize) -> Result<Trial, E>) -> Result<Comparison, E> {
        let mut comparison =
            Comparison { runs: Vec::new(), failed: Vec::new(), planned: self.count(), interrupted: None };
        for &(sync, workers) in &self.0 {
            match train(sync, workers)? {
                Trial::Done(run) => comparison.runs.push(run),
                Trial::Failed(why) => {
                    comparison.failed.push(Failed { sync: sync.to_string(), workers, why });
                }
                Trial::Interrupted(by) => {
                    comparison.interrupted = Some(by.to_string());
                    break;
                }
            }
        }
        Ok(comparison)
    }
}

/// How one run of a comparison ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Trial {
    /// With its last epoch.
    Done(Compared),
    /// Without a result, and why: a policy under which the loss diverges is worth knowing.
    Failed(String),
    /// The user or the system wants the comparison to end. What the run gave until then is not compared with runs that came
    /// to their end.
    Interrupted(Interrupt),
}

/// What the runs gave.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// Those that came to their end, in the order in which they ran.
    pub runs: Vec<Compared>,
    /// Those that did not.
    pub failed: Vec<Failed>,
    /// How many runs there were to be.
    pub planned: usize,
    /// Who ended the comparison before its last run, if somebody did.
    pub interrupted: Option<String>,
}

/// A run without a result.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Failed {
    /// The policy.
    pub sync: String,
    /// Workers.
    pub workers: usize,
    /// What happened.
    pub why: String,
}

/// One run in figures.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Compared {
    /// The policy.
    pub sync: String,
    /// Workers.
    pub workers: usize,
    /// From the first worker's start to the last worker's end.
    pub wall_s: f64,
    /// Samples trained on a second, evaluation left out.
    pub samples_per_s: f64,
    /// Rounds of the worker that went through most.
    pub rounds: u64,
    /// Steps of the first server's optimiser.
    pub updates: u64,
    /// Mean loss of the last epoch's batches.
    pub train_loss: Option<f64>,
    /// Mean loss on the rows held out, if there are any.
    pub validation_loss: Option<f64>,
    /// Share of rows classified correctly, held-out ones if there are any.
    pub accuracy: Option<f64>,
    /// Root of the mean squared error, of held-out rows if there are any.
    pub rmse: Option<f64>,
    /// Share of the workers' time that they waited at the gate. What the quicker ones waited at the end, for the slower to
    /// have done as many rows, is not a matter of the policy.
    pub waiting_share: f64,
    /// Absent where the run was not traced.
    pub staleness: Option<GradientStaleness>,
    /// How the loss fell, by epochs.
    pub curve: Vec<Point>,
}

/// The end of an epoch.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Point {
    /// Since the start.
    pub time_s: f64,
    /// Rounds of a worker so far.
    pub rounds: f64,
    /// Of rows held out, or of the epoch's batches where there are none.
    pub loss: Option<f64>,
}

/// How old the parameters were on which gradients were computed: the steps that the first server made for others between a
/// worker's pull and the end of its push.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct GradientStaleness {
    /// On average over all gradients.
    pub mean: f64,
    /// The most.
    pub max: u64,
}

impl GradientStaleness {
    /// Read from a run's trace; nothing if it has no gradients.
    pub fn of(run: &Run) -> Option<Self> {
        // Without servers a worker steps along gradients of the parameters that it has.
        let has_none = run.info.workers > 0 && run.info.servers == 0;
        if has_none && run.spans.iter().any(|span| span.phase == Phase::Push) {
            return Some(Self { mean: 0.0, max: 0 });
        }
        let is_server = |span: &&Span| span.phase == Phase::Apply;
        let first_server = run.spans.iter().filter(is_server).map(|span| span.node).min()?;
        let steps = run.spans.iter().filter(is_server).filter(|span| span.node == first_server);
        let mut steps: Vec<u64> = steps.map(|span| span.end_ns).collect();
        steps.sort_unstable();
        let mut workers: Vec<&Span> =
            run.spans.iter().filter(|span| matches!(span.phase, Phase::Pull | Phase::Push)).collect();
        workers.sort_unstable_by_key(|span| (span.node, span.worker, span.end_ns));
        let (mut gradients, mut sum, mut max) = (0u64, 0u64, 0u64);
        let mut pulled: Option<&Span> = None;
        for span in workers {
            if span.phase == Phase::Pull {
                pulled = Some(span);
            } else if let Some(pull) =
                pulled.filter(|pull| (pull.node, pull.worker) == (span.node, span.worker))
            {
                let before = |time: u64| steps.partition_point(|end| *end <= time);
                let between = before(span.end_ns).saturating_sub(before(pull.end_ns)) as u64;
                // The last of them is the worker's own, or that of the round that it closed.
                let stale = between.saturating_sub(1);
                (gradients, sum, max) = (gradients + 1, sum + stale, max.max(stale));
            }
        }
        (gradients > 0).then(|| Self { mean: sum as f64 / gradients as f64, max })
    }
}

/// What of a run's report a comparison reads; the JSON document of `syncline train` has it.
#[derive(Clone, Debug, Deserialize)]
pub struct RunFigures {
    settings: Setting,
    samples_per_s: f64,
    wall_s: f64,
    epochs: Vec<Epoch>,
    workers: Vec<Worker>,
    servers: Vec<Server>,
}

#[derive(Clone, Debug, Deserialize)]
struct Setting {
    sync: String,
    workers: usize,
}

#[derive(Clone, Debug, Deserialize)]
struct Epoch {
    duration_s: f64,
    train_loss: Option<f64>,
    train_accuracy: Option<f64>,
    train_rmse: Option<f64>,
    validation_loss: Option<f64>,
    validation_accuracy: Option<f64>,
    validation_rmse: Option<f64>,
}

#[derive(Clone, Debug, Deserialize)]
struct Worker {
    rounds: u64,
    compute_s: f64,
    push_s: f64,
    pull_s: f64,
    wait_s: f64,
    wait_end_s: f64,
    evaluate_s: f64,
    other_s: f64,
}

#[derive(Clone, Debug, Deserialize)]
struct Server {
    updates: u64,
}

impl Compared {
    /// A run by its report, and by its trace if there is one.
    pub fn new(report: &RunFigures, staleness: Option<GradientStaleness>) -> Self {
        let rounds = report.workers.iter().map(|worker| worker.rounds).max().unwrap_or(0);
        let waited: f64 = report.workers.iter().map(|worker| worker.wait_s).sum();
        let total: f64 = report.workers.iter().map(Worker::total_s).sum();
        let last = report.epochs.last();
        Self {
            sync: report.settings.sync.clone(),
            workers: report.settings.workers,
            wall_s: report.wall_s,
            samples_per_s: report.samples_per_s,
            rounds,
            // Without servers the workers take a step in each round.
            updates: report.servers.first().map_or(rounds, |server| server.updates),
            train_loss: last.and_then(|epoch| epoch.train_loss),
            validation_loss: last.and_then(|epoch| epoch.validation_loss),
            accuracy: last.and_then(|epoch| epoch.validation_accuracy.or(epoch.train_accuracy)),
            rmse: last.and_then(|epoch| epoch.validation_rmse.or(epoch.train_rmse)),
            waiting_share: waited / total.max(1e-9),
            staleness,
            curve: curve(&report.epochs, rounds),
        }
    }

    /// On the rows held out, or on the batches where there are none.
    pub fn loss(&self) -> Option<f64> {
        self.validation_loss.or(self.train_loss)
    }
}

impl Worker {
    fn total_s(&self) -> f64 {
        let waited = self.wait_s + self.wait_end_s;
        self.compute_s + self.push_s + self.pull_s + waited + self.evaluate_s + self.other_s
    }
}

fn curve(epochs: &[Epoch], rounds: u64) -> Vec<Point> {
    let mut time_s = 0.0;
    let mut points = Vec::with_capacity(epochs.len());
    for (index, epoch) in epochs.iter().enumerate() {
        time_s += epoch.duration_s;
        // All epochs have equally many rounds.
        let rounds = rounds as f64 * (index + 1) as f64 / epochs.len() as f64;
        points.push(Point { time_s, rounds, loss: epoch.validation_loss.or(epoch.train_loss) });
    }
    points
}

impl Comparison {
    /// How much of it there is, where it was interrupted: `2 of 6 runs`.
    pub fn part(&self) -> Option<String> {
        self.interrupted.as_ref()?;
        Some(format!("{} of {} runs", self.runs.len() + self.failed.len(), self.planned))
    }

    /// Writes the table. The shortest time and the least loss are in colour.
    pub fn write(&self, page: &mut Page) {
        let measure = if self.runs.iter().any(|run| run.rmse.is_some()) { "RMSE" } else { "accuracy" };
        let mut table = Table::new([
            Column::text("policy"),
            Column::number("workers"),
            Column::number("time"),
            Column::number("samples/s").dropped(4),
            Column::number("loss"),
            Column::number(measure),
            Column::number("waiting"),
            Column::number("staleness mean").dropped(2),
            Column::number("staleness max").dropped(3),
            Column::number("rounds").dropped(1),
        ]);
        let shortest = self.runs.iter().map(|run| run.wall_s).fold(f64::INFINITY, f64::min);
        let least = self.runs.iter().filter_map(Compared::loss).fold(f64::INFINITY, f64::min);
        for run in &self.runs {
            let age = |shown: fn(GradientStaleness) -> String| run.staleness.map_or("-".to_owned(), shown);
            table.row([
                Cell::from(run.sync.as_str()),
                count(run.workers as u64).into(),
                marked(seconds(run.wall_s), run.wall_s <= shortest),
                count(run.samples_per_s.max(0.0).round() as u64).into(),
                marked(run.loss().map_or("-".to_owned(), loss), run.loss().is_some_and(|loss| loss <= least)),
                run.rmse.or(run.accuracy).map_or("-".to_owned(), loss).into(),
                percent(run.waiting_share).into(),
                age(|age| format!("{:.2}", age.mean)).into(),
                age(|age| count(age.max)).into(),
                count(run.rounds).into(),
            ]);
        }
        page.table(&table).gap();
        for Failed { sync, workers, why } in &self.failed {
            page.warning(&format!("{sync} with {workers} workers: {why}"));
        }
        if let (Some(by), Some(part)) = (&self.interrupted, self.part()) {
            page.warning(&format!("ended by {by} after {part}: what is compared is not the whole"));
        }
    }
}

/// A field, in colour if it is the best.
fn marked(text: String, best: bool) -> Cell {
    if best { Cell::styled(text, Style::Good) } else { Cell::from(text) }
}

#[cfg(test)]
mod tests {
    use syncline_trace::RunInfo;

    use super::*;

    #[test]
    fn every_policy_meets_every_size_once() {
        let list = Combinations::new(&[Policy::Bsp, Policy::Asp, Policy::Bsp], &[2, 4]).unwrap();
        assert_eq!(list.count(), 4);
        let wrong = Combinations::new(&[Policy::Backup { spare: 2 }], &[4, 2]);
        assert!(wrong.is_err_and(|error| error.is_usage()));
    }

    #[test]
    fn a_failed_run_does_not_end_the_comparison() {
        let list = Combinations::new(&[Policy::Asp], &[2, 4]).unwrap();
        let failed = || Trial::Failed("the loss became infinite".to_owned());
        let comparison = list.run(|_, _| Ok::<_, ()>(failed())).unwrap();
        assert_eq!((comparison.runs.len(), comparison.failed.len(), comparison.part()), (0, 2, None));
        let mut trials = [failed(), Trial::Interrupted(Interrupt::CtrlC)].into_iter();
        let comparison = list.run(|_, _| Ok::<_, ()>(trials.next().unwrap())).unwrap();
        assert_eq!(comparison.part().as_deref(), Some("1 of 2 runs"));
        assert_eq!(comparison.interrupted.as_deref(), Some("Ctrl-C"));
    }

    /// Worker 1 pulls at 1, worker 2 steps at 4 and at 6, worker 1 pushes until 9 with its own step at 8.
    #[test]
    fn staleness_counts_the_steps_of_others() {
        let span = |node, phase, start, end| Span::new(node, phase, start, end);
        let spans = vec![
            span(1, Phase::Pull, 0, 1),
            span(1, Phase::Push, 7, 9),
            span(2, Phase::Pull, 0, 2),
            span(2, Phase::Push, 3, 5),
            span(2, Phase::Pull, 5, 5),
            span(2, Phase::Push, 5, 7),
            span(0, Phase::Apply, 3, 4),
            span(0, Phase::Apply, 5, 6),
            span(0, Phase::Apply, 7, 8),
        ];
        let run = Run { info: RunInfo::default(), spans };
        assert_eq!(GradientStaleness::of(&run), Some(GradientStaleness { mean: 2.0 / 3.0, max: 2 }));
    }
}
