//! How many neighbours and which threshold make a failure rare enough.

use statrs::function::factorial::ln_binomial;

use crate::error::within;
use crate::{Error, Result};

/// P\[fewer than `threshold` of a client's `neighbours` are live\] when `dropped` of the other clients are gone and
/// the neighbours are a random choice of them: a hypergeometric tail.
///
/// # Errors
/// Unless neighbours and dropped are at most the other clients.
pub fn failure(clients: usize, neighbours: usize, threshold: usize, dropped: usize) -> Result<f64> {
    within("the number of clients", clients, 2, 1 << 30)?;
    within("the number of neighbours", neighbours, 1, clients - 1)?;
    within("the number of dropped clients", dropped, 0, clients - 1)?;
    let (others, gone) = ((clients - 1) as u64, dropped as u64);
    let live = others - gone;
    let k = neighbours as u64;
    let ways = |of: u64, choose: u64| if choose > of { f64::NEG_INFINITY } else { ln_binomial(of, choose) };
    let probability = |among: u64| (ways(live, among) + ways(gone, k - among) - ways(others, k)).exp();
    Ok((0..threshold.min(neighbours + 1) as u64).map(probability).sum::<f64>().min(1.0))
}

/// Neighbours and threshold for a round of `clients` of which a share `dropout` is expected to drop out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Choice {
    /// Neighbours of a client, even, or all others.
    pub neighbours: usize,
    /// Shares that rebuild a secret: just over half of the neighbours.
    pub threshold: usize,
    /// At most this is the probability that the round fails, by the union bound over clients.
    pub failure: f64,
}

/// The fewest neighbours with a probability of failure below `limit`, the threshold being just over half of them.
///
/// # Errors
/// When even the complete graph fails more often.
pub fn choose(clients: usize, dropout: f64, limit: f64) -> Result<Choice> {
    within("the number of clients", clients, 3, 1 << 20)?;
    crate::error::between("the dropout", dropout, 0.0, 1.0)?;
    let dropped = ((dropout * clients as f64).ceil() as usize).min(clients - 1);
    let even = (2..clients - 1).step_by(2);
    for neighbours in even.chain([clients - 1]) {
        let threshold = neighbours / 2 + 1;
        let failure = (clients as f64 * failure(clients, neighbours, threshold, dropped)?).min(1.0);
        if failure < limit {
            return Ok(Choice { neighbours, threshold, failure });
        }
    }
    let must =
        format!("lower: with {dropped} of {clients} clients gone even all others are too few neighbours");
    Err(Error::OutOfRange { what: "the dropout", got: dropout.to_string(), must })
}
