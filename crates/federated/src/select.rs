//! Who takes part in a round: a function of the seed, the round and the clients that are there.

use rand::{RngExt, rngs::Xoshiro256PlusPlus};
use statrs::distribution::{Binomial, DiscreteCDF};
use syncline_round::{Round, select};

use crate::error::{between, within};
use crate::{Error, Result};

/// How clients are chosen among those that are there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Selection {
    /// All.
    All,
    /// max(ceil(share x available), least), uniformly without replacement; at most all.
    Uniform {
        /// Share of the available clients.
        share: f64,
        /// Clients at least.
        least: usize,
    },
    /// So many, without replacement, each draw in proportion to the samples of those left.
    BySamples {
        /// How many.
        count: usize,
    },
    /// Each by itself with this probability (Poisson sampling), for which alone accounts of privacy may count on
    /// chance; now and then that is nobody.
    Poisson {
        /// The probability.
        rate: f64,
    },
}

impl Selection {
    /// The clients of a round, in increasing order. `available` are the clients that are there with their samples.
    ///
    /// # Errors
    /// When the share or the rate is not between 0 and 1, or a number of samples is not positive.
    pub fn choose(&self, seed: u64, round: u64, available: &[(usize, f64)]) -> Result<Vec<usize>> {
        let mut chosen = match *self {
            Self::All => available.iter().map(|(client, _)| *client).collect(),
            Self::Uniform { share, least } => {
                let count = uniform_count(share, least, available.len())?;
                let drawn = select::draw(seed, Round::new(round), available.len(), count);
                drawn.into_iter().map(|at| available[at].0).collect()
            }
            Self::Poisson { rate } => {
                between("the sampling rate", rate, 0.0, 1.0)?;
                let mut rng = select::stream(seed, Round::new(round));
                let drawn = available.iter().filter(|_| rng.random::<f64>() < rate);
                drawn.map(|(client, _)| *client).collect()
            }
            Self::BySamples { count } => {
                by_samples(&mut select::stream(seed, Round::new(round)), count, available)?
            }
        };
        chosen.sort_unstable();
        Ok(chosen)
    }
}

/// Clients at most of a round that is planned.
const MOST_CLIENTS: usize = 1 << 20;

/// max(ceil(share x available), least), at most all.
///
/// # Errors
/// When the share is not between 0 and 1.
pub fn uniform_count(share: f64, least: usize, available: usize) -> Result<usize> {
    between("the share of clients", share, 0.0, 1.0)?;
    // 0.05 x 40 is 2.0000000000000004 in binary: a rounding error must not choose one client more.
    let wanted = (share * available as f64 - 1e-9).ceil().max(0.0) as usize;
    Ok(wanted.max(least).min(available))
}

fn by_samples(rng: &mut Xoshiro256PlusPlus, count: usize, available: &[(usize, f64)]) -> Result<Vec<usize>> {
    let mut keyed = Vec::with_capacity(available.len());
    for (client, samples) in available {
        crate::error::positive("the number of samples", *samples)?;
        // The largest of u^(1 / weight), by logarithms: draws without replacement (Efraimidis and Spirakis 2006).
        keyed.push(((1.0 - rng.random::<f64>()).ln() / samples, *client));
    }
    keyed.sort_by(|a, b| b.0.total_cmp(&a.0));
    Ok(keyed.into_iter().take(count).map(|(_, client)| client).collect())
}

/// P\[at least `quorum` of `selected` clients answer\], each dropping out with probability `dropout`.
///
/// # Errors
/// When the dropout is no probability.
pub fn quorum_probability(selected: usize, quorum: usize, dropout: f64) -> Result<f64> {
    between("the dropout", dropout, 0.0, 1.0)?;
    if quorum == 0 {
        return Ok(1.0);
    }
    let stay = Binomial::new(1.0 - dropout, selected as u64).map_err(|error| Error::OutOfRange {
        what: "the dropout",
        got: dropout.to_string(),
        must: error.to_string(),
    })?;
    Ok(stay.sf(quorum as u64 - 1))
}

/// The least number of clients to select so that a quorum answers with at least this confidence.
///
/// # Errors
/// When the dropout is 1 or no probability, or the confidence is not below 1.
pub fn over_selection(quorum: usize, dropout: f64, confidence: f64) -> Result<usize> {
    between("the dropout", dropout, 0.0, 1.0 - 1e-6)?;
    between("the confidence", confidence, 0.0, 1.0 - 1e-12)?;
    within("the quorum", quorum, 0, MOST_CLIENTS)?;
    let is_enough =
        |selected: usize| Ok::<_, Error>(quorum_probability(selected, quorum, dropout)? >= confidence);
    // More clients are never less likely to suffice: the least number lies where doubling passes it.
    let (mut few, mut many) = (quorum, quorum.max(1));
    while !is_enough(many)? {
        (few, many) = (many, 2 * many);
    }
    while few < many {
        let middle = few + (many - few) / 2;
        if is_enough(middle)? { many = middle } else { few = middle + 1 }
    }
    Ok(many)
}

/// E\[time until `quorum` of `selected` clients have answered\], their times Exp(rate): (H_m - H_(m - k)) / rate.
///
/// # Errors
/// Unless 1 <= quorum <= selected and the rate is positive.
pub fn quorum_time(selected: usize, quorum: usize, rate: f64) -> Result<f64> {
    within("the quorum", quorum, 1, selected)?;
    crate::error::positive("the rate", rate)?;
    Ok((selected - quorum + 1..=selected).rev().map(|i| 1.0 / i as f64).sum::<f64>() / rate)
}

/// E\[clients ever seen\] in `rounds` rounds of `selected` of `clients`, drawn uniformly: N (1 - (1 - S / N)^R).
///
/// # Errors
/// Unless 0 <= selected <= clients and there are clients.
pub fn ever_seen(clients: usize, selected: usize, rounds: u32) -> Result<f64> {
    within("the number of clients", clients, 1, usize::MAX)?;
    within("the number of clients a round", selected, 0, clients)?;
    let n = clients as f64;
    Ok(n * (1.0 - (1.0 - selected as f64 / n).powf(f64::from(rounds))))
}
