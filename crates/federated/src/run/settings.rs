//! What a run is asked for, and what of it makes no sense together.
//!
//! SET-1: a setting that has no effect beside the others is an error, not silence.

mod check;
mod liars;
mod select;

use std::time::Duration;

use syncline_round::Neighbours;

pub use self::liars::{Liars, Lie};
pub use self::select::Select;
use super::{Compression, Devices, Edges, FoldName, Strategy};

/// Everything but the data and the model.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// What clients and server do.
    pub strategy: Strategy,
    /// Rounds; for strategies without rounds, updates of the model.
    pub rounds: u64,
    /// Who takes part; for strategies without rounds, how many work at once.
    pub selection: Select,
    /// Answers that a round needs; without a deadline it closes with them. All by default.
    pub quorum: Option<usize>,
    /// How long a round waits for more than its quorum, in virtual time.
    pub deadline: Option<Duration>,
    /// What becomes of answers that come after their round.
    pub late: Late,
    /// Probability with which a client is lost in a round, at any time of its work.
    pub dropout: f64,
    /// Share of a round's clients that make only a part of their local steps.
    pub stragglers: f64,
    /// Whether those send what they have.
    pub partial: Partial,
    /// Passes of a client over its rows in a round.
    pub epochs: usize,
    /// Rows of a local step; all by default.
    pub batch: Option<usize>,
    /// Rate of local steps.
    pub rate: f64,
    /// Weight of the distance to the server's model; 0.1 with FedProx, else none.
    pub mu: Option<f64>,
    /// Rate of the server's steps: 1, or 0.1 for Adagrad and Adam, 0.01 for Yogi.
    pub server_rate: Option<f64>,
    /// Momentum of FedAvgM: 0.9.
    pub momentum: Option<f64>,
    /// Largest share of a new model in FedAsync: 0.6.
    pub alpha: Option<f64>,
    /// How fast that falls with staleness: 0.5.
    pub staleness_power: Option<f64>,
    /// Answers that FedBuff folds at once: 10.
    pub buffer: Option<usize>,
    /// With gossip: who is whose neighbour; a ring by default.
    pub neighbours: Option<Neighbours>,
    /// Without rounds: answers that are older than so many versions are dropped.
    pub most_stale: Option<u64>,
    /// How answers become one.
    pub fold: FoldName,
    /// Clients that lie.
    pub liars: Option<Liars>,
    /// How changes are made smaller.
    pub compression: Compression,
    /// Differential privacy of clients.
    pub privacy: Option<Privacy>,
    /// Sums whose parts the server does not see.
    pub secure: Option<SecureSum>,
    /// Servers between clients and the server.
    pub edges: Option<Edges>,
    /// What clients run on.
    pub devices: Devices,
    /// Rounds between two evaluations.
    pub evaluate_every: u64,
    /// End when an evaluation finds a loss of at most this.
    pub target_loss: Option<f64>,
    /// Of everything that is left to chance, but the noise of privacy.
    pub seed: u64,
    /// Threads that compute; nothing depends on how many.
    pub threads: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            strategy: Strategy::Avg,
            rounds: 50,
            selection: Select::default(),
            quorum: None,
            deadline: None,
            late: Late::Drop,
            dropout: 0.0,
            stragglers: 0.0,
            partial: Partial::Keep,
            epochs: 1,
            batch: Some(32),
            rate: 0.05,
            mu: None,
            server_rate: None,
            momentum: None,
            alpha: None,
            staleness_power: None,
            buffer: None,
            neighbours: None,
            most_stale: None,
            fold: FoldName::Mean,
            liars: None,
            compression: Compression::None,
            privacy: None,
            secure: None,
            edges: None,
            devices: Devices::default(),
            evaluate_every: 1,
            target_loss: None,
            seed: 1,
            threads: 1,
        }
    }
}

/// What becomes of answers that come after their round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Late {
    /// They are dropped.
    #[default]
    Drop,
    /// They count in the next round.
    Next,
}

/// Whether a client that could not make all its steps sends what it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Partial {
    /// It does.
    #[default]
    Keep,
    /// It does not.
    Drop,
}

/// Differential privacy of a client's whole contribution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Privacy {
    /// The noise multiplier z.
    pub noise: f64,
    /// Length to which changes are clipped; with `adaptive` that of the first round.
    pub clip: f64,
    /// Whether the length follows the clients.
    pub adaptive: bool,
    /// The delta at which epsilon is told.
    pub delta: f64,
    /// Who adds the noise.
    pub place: NoisePlace,
    /// Whether the noise comes from the run's seed: then there is no privacy.
    pub reproducible: bool,
}

/// Who adds the noise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum NoisePlace {
    /// The server, to the sum.
    #[default]
    Central,
    /// Each client, to its own change: nobody has to be trusted, for much more noise.
    Local,
}

/// How sums are made whose parts nobody sees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SecureSum {
    /// Neighbours of a client; all others by default.
    pub neighbours: Option<usize>,
    /// To what values are clipped, weighted, before they are made whole numbers.
    pub clip: f64,
    /// Bits of a value.
    pub bits: u32,
}
