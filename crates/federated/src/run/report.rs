//! What a run came to.

use serde::Serialize;
use syncline_learn::Metrics;

mod text;

/// The report of a run. Times are on the run's clock, in seconds.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What clients and server did.
    pub strategy: String,
    /// How answers became one.
    pub fold: String,
    /// How rounds choose their clients.
    pub selection: String,
    /// How changes were made smaller.
    pub compression: String,
    /// Whether the server saw sums only.
    pub secure_sum: bool,
    /// Servers between them and the server, who then are what is selected, waited for and counted.
    pub edges: Option<usize>,
    /// Rounds of each among its own clients, before it answers.
    pub edge_rounds: Option<u64>,
    /// With gossip: who is whose neighbour. The model is then the mean of all.
    pub neighbours: Option<String>,
    /// With gossip: the factor by which an averaging brings models nearer to their mean in the long run.
    pub contraction: Option<f64>,
    /// Clients, whether or not they took part.
    pub clients: usize,
    /// Rows that they train on.
    pub rows: usize,
    /// Parameters of the model.
    pub parameters: usize,
    /// Of everything that was left to chance.
    pub seed: u64,
    /// Each round; without rounds each update of the model.
    pub rounds: Vec<RoundReport>,
    /// Sums over rounds.
    pub totals: Totals,
    /// For whom others waited, the longest first.
    pub waited_for: Vec<WaitedFor>,
    /// What was given away.
    pub privacy: Option<PrivacyReport>,
    /// How often clients' answers counted.
    pub participation: Participation,
    /// How the model does on each client's own rows.
    pub fairness: Option<Fairness>,
    /// Each client: what it has, did and got.
    pub each_client: Vec<ClientReport>,
    /// How the model does on held-out rows.
    pub validation: Option<Metrics>,
    /// Why it ended before all rounds, if it did.
    pub ended_early: Option<String>,
}

/// One round, or without rounds one update.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RoundReport {
    /// From 1.
    pub round: u64,
    /// When it opened.
    pub start_s: f64,
    /// When it closed.
    pub end_s: f64,
    /// Who was selected.
    pub selected: usize,
    /// Whose answers counted.
    pub counted: usize,
    /// Among them those that belong to the round before.
    pub carried_over: usize,
    /// Who was lost on the way.
    pub lost: usize,
    /// Who had not answered when it closed.
    pub late: usize,
    /// Whose answers were no numbers.
    pub bad: usize,
    /// Why it failed, if it did: then the model is as before.
    pub failed: Option<String>,
    /// The last client to answer; nothing where a deadline closed the round, and without rounds.
    pub waited_for: Option<usize>,
    /// Sum of the times that clients waited for the close.
    pub waited_client_seconds: f64,
    /// Bytes to clients.
    pub down_bytes: u64,
    /// Bytes from clients.
    pub up_bytes: u64,
    /// Mean loss that clients met in their first pass.
    pub client_loss: Option<f64>,
    /// Mean loss on held-out rows, or without any on all rows to train on.
    pub loss: Option<f64>,
    /// Share of them predicted right.
    pub accuracy: Option<f64>,
    /// Epsilon spent so far.
    pub epsilon: Option<f64>,
    /// Mean staleness of the answers, without rounds.
    pub staleness: Option<f64>,
    /// With gossip: how far clients' models are from their mean (root of the mean square), over how long that is.
    pub apart: Option<f64>,
}

/// Sums over rounds.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Totals {
    /// When the last round closed.
    pub duration_s: f64,
    /// Rounds with a result.
    pub folded_rounds: u64,
    /// Rounds without.
    pub failed_rounds: u64,
    /// Clients selected, each as often as it was.
    pub selected: u64,
    /// Answers that counted.
    pub counted: u64,
    /// Answers that came after their round, or were too stale.
    pub late: u64,
    /// Of those, answers that counted in the next.
    pub carried_over: u64,
    /// Clients that were lost on the way.
    pub lost: u64,
    /// Answers that were no numbers.
    pub bad: u64,
    /// Local steps of answers that counted.
    pub local_steps: u64,
    /// Sum of the times that clients waited for a close.
    pub waited_client_seconds: f64,
    /// Sum of the times that clients worked, transfers included.
    pub worked_client_seconds: f64,
    /// Bytes to clients.
    pub down_bytes: u64,
    /// Bytes from clients.
    pub up_bytes: u64,
    /// Bytes between edges and their clients, both ways.
    pub edge_bytes: u64,
}

/// For whom others waited.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct WaitedFor {
    /// The client that came last; nothing for a deadline.
    pub client: Option<usize>,
    /// In so many rounds.
    pub rounds: u64,
    /// Sum of the others' waits.
    pub client_seconds: f64,
}

/// What was given away. The unit is one client, added or removed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PrivacyReport {
    /// Epsilon, an upper bound.
    pub epsilon: f64,
    /// At this delta.
    pub delta: f64,
    /// The noise multiplier z.
    pub noise: f64,
    /// The sampling rate q of the account.
    pub sampling_rate: f64,
    /// Rounds that let something out.
    pub steps: u64,
    /// Length to which changes were clipped in the end.
    pub clip: f64,
    /// Who added the noise.
    pub noise_by: &'static str,
    /// What the account is about.
    pub unit: &'static str,
    /// Which data sets are neighbours.
    pub neighbouring: &'static str,
    /// What to know about it, in sentences.
    pub notes: Vec<String>,
}

/// How often clients' answers counted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Participation {
    /// Clients whose answers counted at least once.
    pub clients_seen: usize,
    /// As many are to be expected of a uniform selection of so many, where that is known.
    pub expected_seen: Option<f64>,
    /// The fewest times.
    pub least: u64,
    /// The mean.
    pub mean: f64,
    /// The most times.
    pub most: u64,
}

/// What became of one client.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClientReport {
    /// Its number, from 0.
    pub client: usize,
    /// Its name, where it has one.
    pub name: Option<String>,
    /// Rows that it trains on.
    pub rows: usize,
    /// How often its answers counted, or those of its edge.
    pub counted: u64,
    /// Mean loss of the model on its rows; nothing where it does not say.
    pub loss: Option<f64>,
    /// Share of its rows that the model predicts right, of classes.
    pub accuracy: Option<f64>,
}

/// Spread over clients of how the model does on their own rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Fairness {
    /// What is spread: accuracy, or mean loss.
    pub measure: &'static str,
    /// Whether more of it is better.
    pub more_is_better: bool,
    /// Mean over clients, each counting the same.
    pub mean: f64,
    /// Standard deviation over clients.
    pub deviation: f64,
    /// The worst client.
    pub worst: f64,
    /// The client that a tenth is worse than.
    pub worst_tenth: f64,
    /// The middle client.
    pub median: f64,
    /// The best client.
    pub best: f64,
}

impl Fairness {
    /// The spread of values, one a client.
    pub(super) fn of(mut values: Vec<f64>, measure: &'static str, more_is_better: bool) -> Option<Self> {
        values.retain(|value| value.is_finite());
        if values.is_empty() {
            return None;
        }
        // The worst first.
        values.sort_by(|a, b| if more_is_better { a.total_cmp(b) } else { b.total_cmp(a) });
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let deviation = (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt();
        let at = |share: f64| values[((share * count) as usize).min(values.len() - 1)];
        let (worst, best) = (values[0], values[values.len() - 1]);
        Some(Self {
            measure,
            more_is_better,
            mean,
            deviation,
            worst,
            worst_tenth: at(0.1),
            median: at(0.5),
            best,
        })
    }
}
