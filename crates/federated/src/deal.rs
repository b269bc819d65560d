//! How the rows of one table are dealt out to clients, alike or not, as experiments with federated learning do it.
//!
//! Every row goes to one client, every client has a row, and the same seed deals the same rows.

use std::fmt;
use std::str::FromStr;

use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};
use rand_distr::{Distribution, Gamma};

use crate::error::{positive, within};
use crate::{Error, Result};

/// A way to deal rows out.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub enum Deal {
    /// A permutation cut into parts that differ by one row at most: all clients are alike.
    #[default]
    Iid,
    /// Each client has a mix of classes of its own, drawn from Dirichlet(alpha p) with p the classes' shares of all
    /// rows: one class each for a small alpha, alike for a large one. (Hsu et al., arXiv 1909.06335.)
    Dirichlet {
        /// The concentration.
        alpha: f64,
    },
    /// The rows sorted by class are cut into shards, and each client gets so many: it sees about as many classes.
    /// (McMahan et al., arXiv 1602.05629.)
    Labels {
        /// Shards of a client.
        each: usize,
    },
}

impl Deal {
    /// The names a user can give.
    pub const VALID: &'static str =
        "iid, dirichlet:ALPHA (such as dirichlet:0.5) and labels:N (such as labels:2)";

    /// The rows of each client; `labels` is the class of each row.
    ///
    /// # Errors
    /// With fewer rows than clients (or shards), without clients, or when alpha is not positive.
    pub fn rows(self, labels: &[u32], clients: usize, seed: u64) -> Result<Vec<Vec<u32>>> {
        within("the number of clients", clients, 1, u32::MAX as usize)?;
        let shards = match self {
            Self::Labels { each } => {
                within("the shards of a client", each, 1, 1 << 20)?;
                clients.saturating_mul(each)
            }
            _ => clients,
        };
        if labels.len() < shards {
            let must = format!("at most the {} rows to train on", labels.len());
            let what = if shards > clients { "clients x shards" } else { "the number of clients" };
            return Err(Error::OutOfRange { what, got: shards.to_string(), must });
        }
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        match self {
            Self::Iid => Ok(cut(&shuffled(labels.len(), &mut rng), clients)),
            Self::Dirichlet { alpha } => mixed(labels, clients, alpha, &mut rng),
            Self::Labels { each } => Ok(sharded(labels, clients, each, &mut rng)),
        }
    }
}

impl FromStr for Deal {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let unknown =
            || Error::Unknown { what: "deal of rows", got: text.to_owned(), valid: Self::VALID.to_owned() };
        let (name, number) = text.split_once(':').map_or((text, None), |(name, number)| (name, Some(number)));
        match (name, number) {
            ("iid", None) => Ok(Self::Iid),
            ("dirichlet", Some(alpha)) => {
                let alpha = alpha.parse().map_err(|_| unknown())?;
                positive("alpha", alpha)?;
                Ok(Self::Dirichlet { alpha })
            }
            ("labels", Some(each)) => {
                let each = each.parse().map_err(|_| unknown())?;
                within("the shards of a client", each, 1, 1 << 20)?;
                Ok(Self::Labels { each })
            }
            _ => Err(unknown()),
        }
    }
}

impl fmt::Display for Deal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Iid => f.write_str("iid"),
            Self::Dirichlet { alpha } => write!(f, "dirichlet:{alpha}"),
            Self::Labels { each } => write!(f, "labels:{each}"),
        }
    }
}

fn shuffled(count: usize, rng: &mut Xoshiro256PlusPlus) -> Vec<u32> {
    let mut order: Vec<u32> = (0..count as u32).collect();
    order.shuffle(rng);
    order
}

/// Parts of an order that differ by one at most.
fn cut(order: &[u32], parts: usize) -> Vec<Vec<u32>> {
    let end = |part: usize| part * order.len() / parts;
    (0..parts).map(|part| order[end(part)..end(part + 1)].to_vec()).collect()
}

/// Each client draws its rows' classes from a mix of its own, of the classes that are left.
fn mixed(labels: &[u32], clients: usize, alpha: f64, rng: &mut Xoshiro256PlusPlus) -> Result<Vec<Vec<u32>>> {
    let classes = labels.iter().max().map_or(0, |most| *most as usize + 1);
    let mut left: Vec<Vec<u32>> = vec![Vec::new(); classes];
    for row in shuffled(labels.len(), rng) {
        left[labels[row as usize] as usize].push(row);
    }
    let shares: Vec<f64> = left.iter().map(|rows| rows.len() as f64 / labels.len() as f64).collect();
    let end = |client: usize| client * labels.len() / clients;
    let mut dealt = Vec::with_capacity(clients);
    for client in 0..clients {
        let mix = dirichlet(&shares, alpha, rng)?;
        let count = end(client + 1) - end(client);
        let mut rows = Vec::with_capacity(count);
        for _ in 0..count {
            let class = class_of(&mix, &left, rng);
            rows.extend(left[class].pop());
        }
        dealt.push(rows);
    }
    Ok(dealt)
}

/// A draw of Dirichlet(alpha p): gamma variables, which their sum divides.
fn dirichlet(shares: &[f64], alpha: f64, rng: &mut Xoshiro256PlusPlus) -> Result<Vec<f64>> {
    let mut draw = |share: &f64| {
        if *share == 0.0 {
            return Ok(0.0);
        }
        let gamma = Gamma::new(alpha * share, 1.0).map_err(|error| Error::OutOfRange {
            what: "alpha",
            got: alpha.to_string(),
            must: error.to_string(),
        })?;
        Ok(gamma.sample(rng))
    };
    shares.iter().map(&mut draw).collect()
}

/// A class by its weight among those that have rows left; by their numbers where all these weights are next to nothing.
fn class_of(mix: &[f64], left: &[Vec<u32>], rng: &mut Xoshiro256PlusPlus) -> usize {
    let pick = |weight: &dyn Fn(usize) -> f64, at: f64| {
        let mut rest = at * (0..left.len()).map(weight).sum::<f64>();
        let mut last = 0;
        for class in (0..left.len()).filter(|class| weight(*class) > 0.0) {
            last = class;
            rest -= weight(class);
            if rest < 0.0 {
                break;
            }
        }
        last
    };
    let at = rng.random::<f64>();
    let wanted = |class: usize| if left[class].is_empty() { 0.0 } else { mix[class] };
    if (0..left.len()).any(|class| wanted(class) > 0.0) {
        pick(&wanted, at)
    } else {
        pick(&|class| left[class].len() as f64, at)
    }
}

fn sharded(labels: &[u32], clients: usize, each: usize, rng: &mut Xoshiro256PlusPlus) -> Vec<Vec<u32>> {
    let mut order = shuffled(labels.len(), rng);
    // Stable, so that rows of one class stay in their drawn order.
    order.sort_by_key(|row| labels[*row as usize]);
    let mut shards = cut(&order, clients * each);
    shards.shuffle(rng);
    shards.chunks(each).map(<[Vec<u32>]>::concat).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(rows: usize, classes: u32) -> Vec<u32> {
        (0..rows as u32).map(|row| row % classes).collect()
    }

    /// Mean over clients of the share of their commonest class.
    fn concentration(dealt: &[Vec<u32>], labels: &[u32]) -> f64 {
        let of = |rows: &Vec<u32>| {
            let mut counts = [0.0; 10];
            rows.iter().for_each(|row| counts[labels[*row as usize] as usize] += 1.0);
            counts.iter().copied().fold(0.0, f64::max) / rows.len() as f64
        };
        dealt.iter().map(of).sum::<f64>() / dealt.len() as f64
    }

    #[test]
    fn every_row_has_one_client_and_every_client_a_row() {
        let labels = labels(1003, 10);
        for deal in ["iid", "dirichlet:0.01", "dirichlet:1", "dirichlet:1000", "labels:1", "labels:3"] {
            let deal: Deal = deal.parse().unwrap();
            for clients in [1, 7, 100, 300] {
                let dealt = deal.rows(&labels, clients, 3).unwrap();
                assert_eq!(dealt, deal.rows(&labels, clients, 3).unwrap());
                assert!(dealt.len() == clients && dealt.iter().all(|rows| !rows.is_empty()), "{deal}");
                let mut all = dealt.concat();
                all.sort_unstable();
                assert_eq!(all, (0..1003).collect::<Vec<_>>(), "{deal}");
            }
        }
    }

    #[test]
    fn a_small_alpha_makes_clients_unlike() {
        let labels = labels(10_000, 10);
        let of =
            |deal: &str| concentration(&deal.parse::<Deal>().unwrap().rows(&labels, 50, 5).unwrap(), &labels);
        let (iid, far, near) = (of("iid"), of("dirichlet:0.1"), of("dirichlet:1000"));
        assert!(iid < 0.2 && near < 0.2 && far > 0.6, "{iid} {near} {far}");
        assert!(of("labels:1") > 0.9 && of("labels:2") > 0.5);
    }

    #[test]
    fn what_cannot_be_dealt_is_refused() {
        assert!(Deal::Iid.rows(&labels(5, 2), 6, 1).unwrap_err().to_string().contains("at most the 5 rows"));
        assert!(
            Deal::Labels { each: 3 }.rows(&labels(5, 2), 2, 1).unwrap_err().to_string().contains("shards")
        );
        for wrong in
            ["", "iid:2", "dirichlet", "dirichlet:0", "dirichlet:-1", "dirichlet:x", "labels:0", "sorted"]
        {
            assert!(wrong.parse::<Deal>().is_err(), "{wrong}");
        }
    }
}
