//! A federated run, in virtual time or, with the feature `program`, on nodes of a program: clients with rows of their own train one model, and a report says who waited for
//! whom, what travelled, what was given away, and how fair the model is.
//!
//! The gate of a round is the machine of `syncline-round`, the clock the virtual one of `syncline-runtime`; folds, rules,
//! privacy and secure sums are this crate's own. What costs memory: the rows once, a list of rows a client, one model for
//! each version that somebody still works with, and one state a client that keeps something (SCAFFOLD, top-k). A client's
//! steps are computed when its answer is folded, so ten thousand clients need no more than those of one round.
//!
//! ```
//! use syncline_data::synthetic;
//! use syncline_federated::{Deal, Federation, Settings};
//! use syncline_learn::Softmax;
//!
//! let data = synthetic::separable(2000, 8, 3, 1);
//! let (train, held_out) = data.split(0.2, 1)?;
//! let settings = Settings { rounds: 20, quorum: Some(15), rate: 0.5, ..Settings::default() };
//! let trained = Federation::dealt(Softmax::new(8, 3), train, 20, Deal::Dirichlet { alpha: 0.5 }, settings)?
//!     .validation(held_out)
//!     .simulate()?;
//! assert!(trained.report.totals.late > 0);                   // nobody waited for the last of a round
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod books;
mod compression;
mod device;
mod edges;
#[cfg(feature = "program")]
mod live;
mod own;
mod report;
mod robust;
mod round;
mod server;
mod settings;
mod simulation;
mod strategy;
mod sum;
mod work;

use std::path::PathBuf;
use std::sync::Arc;

use syncline_data::{Dataset, Targets, TargetsView};
use syncline_learn::{Metrics, Model, Score};

pub use compression::Compression;
pub use device::{Devices, Factor, Line};
pub use edges::Edges;
pub use own::{Asked, Evaluated, Fitted, OwnClients};
pub use report::{
    ClientReport, Fairness, Participation, PrivacyReport, Report, RoundReport, Totals, WaitedFor,
};
pub use robust::FoldName;
pub use server::OwnStep;
pub use settings::{Late, Liars, Lie, NoisePlace, Partial, Privacy, SecureSum, Select, Settings};
pub use strategy::Strategy;

use self::server::Own;
use self::simulation::Judged;
use crate::error::within;
use crate::fold::Fold;
use crate::{Clients, Deal, Error, Result};

/// Rows scored at once.
const BLOCK: usize = 1024;
/// Bins of real targets, by which rows are dealt out as by classes.
const BINS: usize = 10;

/// What is told of each round: its report, and the model after it.
pub type OnRound = Box<dyn FnMut(&RoundReport, &[f32]) + Send>;

/// A run that has not begun.
pub struct Federation {
    model: Box<dyn Model>,
    data: Arc<Dataset>,
    rows: Arc<Vec<Vec<u32>>>,
    /// What each that answers the server, a client or an edge, counts for before it has answered: its rows.
    examples: Arc<Vec<usize>>,
    /// Clients whose work is not that of `model` on `rows`.
    clients: Option<Arc<dyn OwnClients>>,
    validation: Option<Dataset>,
    names: Option<Vec<String>>,
    own: Own,
    start: Option<Vec<f32>>,
    settings: Settings,
    trace: Option<PathBuf>,
    on_round: Option<OnRound>,
}

/// What a run came to.
#[derive(Debug)]
pub struct Trained {
    /// The model's parameters.
    pub parameters: Vec<f32>,
    /// What happened.
    pub report: Report,
    /// Why the trace is incomplete, if it is.
    pub trace_error: Option<Error>,
}

impl Federation {
    /// A run of clients who have these rows of `data`.
    ///
    /// # Errors
    /// When the model does not fit the data, a client has no rows or some that are not there, or a setting makes no sense.
    pub fn new(model: impl Model, data: Dataset, rows: Vec<Vec<u32>>, settings: Settings) -> Result<Self> {
        within("the number of clients", rows.len(), 1, 1 << 20)?;
        if let Some(client) = rows.iter().position(Vec::is_empty) {
            return Err(Error::Settings(format!("client {client} has no rows: take fewer clients")));
        }
        let beyond = rows.iter().flatten().find(|row| **row as usize >= data.rows());
        if let Some(row) = beyond {
            return Err(Error::Settings(format!("a client has row {row}, there are {}", data.rows())));
        }
        settings.check(settings.units(rows.len()))?;
        settings.check_edges(rows.len())?;
        round::policy(&settings)?;
        model.check(&data).map_err(|error| Error::Model(error.to_string()))?;
        if data.weights().is_some() && !model.weighs_rows() {
            return Err(Error::Model("the model does not heed the weights of rows".to_owned()));
        }
        Ok(Self {
            model: Box::new(model),
            data: Arc::new(data),
            examples: Arc::new(examples_of(&rows, &settings)),
            rows: Arc::new(rows),
            clients: None,
            validation: None,
            names: None,
            own: Own::default(),
            start: None,
            settings,
            trace: None,
            on_round: None,
        })
    }

    /// A run of clients as a [`Source`](crate::Source) has found them.
    ///
    /// # Errors
    /// As of [`new`](Self::new).
    pub fn of(model: impl Model, clients: Clients, settings: Settings) -> Result<Self> {
        let run = Self::new(model, clients.data, clients.rows, settings)?;
        Ok(Self { names: clients.names, validation: clients.validation, ..run })
    }

    /// A run of so many clients, to whom rows are dealt out. Rows with amounts to predict are dealt by their tenths.
    ///
    /// # Errors
    /// As of [`new`](Self::new), and when the rows cannot be dealt out so.
    pub fn dealt(
        model: impl Model,
        data: Dataset,
        clients: usize,
        deal: Deal,
        settings: Settings,
    ) -> Result<Self> {
        let rows = deal.rows(&deal_labels(&data), clients, settings.seed)?;
        Self::new(model, data, rows, settings)
    }

    /// A run of clients whose work is their own matter, from these parameters. `examples` says what each counts for: it is what rounds
    /// select by and secure sums are scaled by; what an answer weighs its client says with it.
    ///
    /// # Errors
    /// When there are no clients or parameters, not as many examples as clients, or a setting makes no sense or has no effect here.
    pub fn of_own(
        clients: impl OwnClients + 'static,
        initial: Vec<f32>,
        examples: Option<Vec<usize>>,
        settings: Settings,
    ) -> Result<Self> {
        within("the number of clients", clients.count(), 1, 1 << 20)?;
        within("the number of parameters", initial.len(), 1, usize::MAX)?;
        own::check(&settings, clients.count(), examples.as_deref())?;
        let (data, rows) = own::stand_in(clients.count())?;
        let examples = examples.unwrap_or_else(|| vec![1; rows.len()]);
        let run = Self::new(own::Outline { initial }, data, rows, settings)?;
        Ok(Self { clients: Some(Arc::new(clients)), examples: Arc::new(examples), ..run })
    }

    /// Evaluates on these rows, which nobody trains on.
    #[must_use]
    pub fn validation(self, data: Dataset) -> Self {
        Self { validation: Some(data), ..self }
    }

    /// Folds answers by this, in place of what the settings name.
    ///
    /// # Errors
    /// With a strategy, privacy or a secure sum that needs a fold of its own, or a fold that is named too.
    pub fn folded_by(mut self, fold: impl Fold + Send + 'static) -> Result<Self> {
        let settings = &self.settings;
        let needs_own =
            !settings.strategy.takes_folds() || settings.privacy.is_some() || settings.secure.is_some();
        if needs_own || settings.fold != FoldName::Mean {
            let why = "a fold of one's own stands in for the mean of avg, avgm, adagrad, adam, yogi and prox, without privacy and secure sums";
            return Err(Error::Settings(why.to_owned()));
        }
        self.own.fold = Some(Box::new(fold));
        Ok(self)
    }

    /// Steps by this, in place of adding the mean change: it is given the model and the change.
    ///
    /// # Errors
    /// With a strategy that has a step of its own: it is for avg and prox.
    pub fn stepped_by(mut self, step: impl FnMut(&mut [f64], &[f64]) + Send + 'static) -> Result<Self> {
        if !matches!(self.settings.strategy, Strategy::Avg | Strategy::Prox) {
            let why = format!(
                "{} has a step of its own: one's own step is for avg and prox",
                self.settings.strategy
            );
            return Err(Error::Settings(why));
        }
        self.own.step = Some(Box::new(step));
        Ok(self)
    }

    /// Starts from these parameters, in place of the model's own.
    ///
    /// # Errors
    /// When they are not as many.
    pub fn start(self, parameters: Vec<f32>) -> Result<Self> {
        let needed = self.model.parameters();
        within("the number of parameters", parameters.len(), needed, needed)?;
        Ok(Self { start: Some(parameters), ..self })
    }

    /// Writes what happened when to a run file.
    #[must_use]
    pub fn trace(self, path: impl Into<PathBuf>) -> Self {
        Self { trace: Some(path.into()), ..self }
    }

    /// Tells of each round as it closes.
    #[must_use]
    pub fn on_round(self, tell: impl FnMut(&RoundReport, &[f32]) + Send + 'static) -> Self {
        Self { on_round: Some(Box::new(tell)), ..self }
    }

    /// Runs it on a virtual clock: the same settings give the same bits.
    ///
    /// # Errors
    /// When the model diverges, too many rounds in a row fail, or a fold cannot be had.
    pub fn simulate(self) -> Result<Trained> {
        simulation::run(self)
    }

    /// Runs it on so many nodes of a program, each of which has the rows of some clients and computes for them: on threads, processes or
    /// hosts. Who is slow or lost is then no setting. Where all are waited for, the model is that of [`simulate`](Self::simulate), to
    /// the bit.
    ///
    /// # Errors
    /// As of `simulate`, when a setting is of virtual time only, or the program fails. Nodes that fail are clients that are lost.
    #[cfg(feature = "program")]
    pub fn run_on(self, nodes: usize, on: syncline_program::Executor) -> Result<Trained> {
        live::run(self, nodes, on)
    }

    fn first_parameters(&self) -> Vec<f32> {
        self.start.clone().unwrap_or_else(|| self.model.initialise(self.settings.seed))
    }
}

/// The rows of each that answers the server.
fn examples_of(rows: &[Vec<u32>], settings: &Settings) -> Vec<usize> {
    let of = |clients: std::ops::Range<usize>| rows[clients].iter().map(Vec::len).sum();
    match settings.edges {
        Some(edges) => (0..edges.count).map(|edge| of(edges.clients(edge, rows.len()))).collect(),
        None => rows.iter().map(Vec::len).collect(),
    }
}

/// Ten rounds that fail one after the other end a run: more of the same would fail too.
const MOST_FAILED: u32 = 10;

/// What rows are dealt out by: the class of each; of amounts their tenth.
pub fn deal_labels(data: &Dataset) -> Vec<u32> {
    match data.targets() {
        Targets::Class { labels, .. } => labels.clone(),
        Targets::Real(values) => {
            let mut order: Vec<usize> = (0..values.len()).collect();
            order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
            let mut bins = vec![0; values.len()];
            for (rank, row) in order.into_iter().enumerate() {
                bins[row] = (rank * BINS / values.len()) as u32;
            }
            bins
        }
    }
}

/// The score of all rows, on as many threads.
fn score(model: &dyn Model, parameters: &[f32], data: &Dataset, threads: usize) -> Score {
    let blocks = data.rows().div_ceil(BLOCK);
    let threads = threads.clamp(1, blocks.max(1));
    let part = |mut model: Box<dyn Model>, thread: usize| {
        let mine = blocks * thread / threads..blocks * (thread + 1) / threads;
        let of = |block: usize| data.batch(block * BLOCK..data.rows().min((block + 1) * BLOCK));
        mine.map(|block| model.score(parameters, &of(block))).collect::<Vec<_>>()
    };
    let scores = on_threads(model, threads, &part);
    scores.into_iter().flatten().sum::<Score>().in_units(data.target_scale().deviation)
}

/// The score of each client on its own rows.
fn scores(
    model: &dyn Model,
    parameters: &[f32],
    data: &Dataset,
    rows: &[Vec<u32>],
    threads: usize,
) -> Vec<Score> {
    let threads = threads.clamp(1, rows.len().max(1));
    let part = |mut model: Box<dyn Model>, thread: usize| {
        let mut batch = data.select(&[]);
        let mine = &rows[rows.len() * thread / threads..rows.len() * (thread + 1) / threads];
        let mut of = |rows: &[u32]| {
            let rows: Vec<usize> = rows.iter().map(|row| *row as usize).collect();
            data.gather(&rows, &mut batch);
            model.score(parameters, &batch.batch(0..batch.rows()))
        };
        let each = mine.iter().map(|rows| rows.chunks(BLOCK).map(&mut of).sum::<Score>());
        each.map(|score| score.in_units(data.target_scale().deviation)).collect::<Vec<_>>()
    };
    on_threads(model, threads, &part).concat()
}

/// Runs the parts of some work, each with a model of its own, and gives their results in order.
fn on_threads<T: Send>(
    model: &dyn Model,
    threads: usize,
    part: &(dyn Fn(Box<dyn Model>, usize) -> T + Sync),
) -> Vec<T> {
    std::thread::scope(|scope| {
        let models = (0..threads).map(|_| model.boxed_clone());
        let started: Vec<_> =
            models.enumerate().map(|(thread, model)| scope.spawn(move || part(model, thread))).collect();
        let joined = started.into_iter().map(|thread| match thread.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        joined.collect()
    })
}

/// Whether targets are classes, so that accuracy says something.
fn has_classes(data: &Dataset) -> bool {
    matches!(data.batch(0..0).targets, TargetsView::Class(_))
}

/// The spread over clients of how a model does on what they have: of accuracy, where all that say something say that.
fn fairness(each: &[Option<Judged>]) -> Option<Fairness> {
    let told = || each.iter().flatten();
    match told().map(|judged| judged.accuracy).collect::<Option<Vec<_>>>() {
        Some(accuracies) => Fairness::of(accuracies, "accuracy", true),
        None => Fairness::of(told().map(|judged| judged.loss).collect(), "loss", false),
    }
}

/// The metrics on held-out rows.
fn metrics(model: &dyn Model, parameters: &[f32], data: Option<&Dataset>, threads: usize) -> Option<Metrics> {
    Metrics::of(model, parameters, data?, threads)
}
