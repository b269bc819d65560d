//! Expected numbers of rows sent in an epoch: n workers, q rows, each worker holds its part and a share p of the
//! others.

use statrs::distribution::{Binomial, DiscreteCDF};

use super::MOST_WORKERS;
use crate::error::within;
use crate::{Error, Result};

/// Rows at most of which expected numbers are told: a sum has as many terms as a worker has rows.
const MOST_ROWS: usize = 10_000_000;

/// One row for each that its next owner lacks: q (1 - 1 / n) (1 - p).
///
/// # Errors
/// Unless there are 2 to 16 workers and the share lies between 0 and 1.
pub fn uncoded(workers: usize, rows: usize, share: f64) -> Result<f64> {
    check(workers, share)?;
    let (n, q) = (workers as f64, rows as f64);
    Ok(q * (1.0 - 1.0 / n) * (1.0 - share))
}

/// The limit of coded sends for many rows: q / (n p)^2 ((1 - p)^(n + 1) + (n - 1) p (1 - p) - (1 - p)^2).
///
/// # Errors
/// Unless there are 2 to 16 workers and the share lies between 0 and 1.
pub fn coded_limit(workers: usize, rows: usize, share: f64) -> Result<f64> {
    check(workers, share)?;
    if share == 0.0 {
        // Its limit: only the former owner holds a row, so every packet has two rows.
        return Ok(uncoded(workers, rows, share)? / 2.0);
    }
    let (n, q, rest) = (workers as f64, rows as f64, 1.0 - share);
    Ok(q / (n * share).powi(2) * (rest.powf(n + 1.0) + (n - 1.0) * share * rest - rest * rest))
}

/// Coded sends at finite q, without merging: the sum over m = 2 .. n of C(n, m) E\[the largest of m independent
/// Binomial(q / n, ((m - 1) / n) p^(m - 2) (1 - p)^(n - m + 1))\]. An approximation: the cells of a real
/// permutation are not quite independent.
///
/// # Errors
/// Unless there are 2 to 16 workers and the share lies between 0 and 1.
pub fn coded(workers: usize, rows: usize, share: f64) -> Result<f64> {
    Ok(coded_by_size(workers, rows, share)?.iter().map(|(_, sends)| sends).sum())
}

/// The terms of [`coded`]: how many workers a packet is for, and how many such packets there are.
///
/// # Errors
/// Unless there are 2 to 16 workers, a row for each and at most ten million, and the share lies between 0 and 1.
pub fn coded_by_size(workers: usize, rows: usize, share: f64) -> Result<Vec<(usize, f64)>> {
    check(workers, share)?;
    within("the number of rows", rows, workers, MOST_ROWS)?;
    let n = workers as f64;
    let mut sets = n;
    let mut terms = Vec::new();
    for size in 2..=workers {
        sets *= (workers - size + 1) as f64 / size as f64;
        let cell = (size - 1) as f64 / n
            * share.powi(size as i32 - 2)
            * (1.0 - share).powi((workers - size + 1) as i32);
        terms.push((size, sets * expected_largest(rows / workers, cell, size)?));
    }
    Ok(terms)
}

/// E\[max of `count` Binomial(trials, p)\] = sum over x >= 0 of 1 - F(x)^count.
fn expected_largest(trials: usize, p: f64, count: usize) -> Result<f64> {
    let bad = |error: statrs::distribution::BinomialError| Error::OutOfRange {
        what: "the probability of a cell",
        got: p.to_string(),
        must: format!("a probability ({error})"),
    };
    let binomial = Binomial::new(p, trials as u64).map_err(bad)?;
    let mean = trials as f64 * p;
    let mut expected = 0.0;
    for x in 0..trials as u64 {
        let above = 1.0 - binomial.cdf(x).powi(count as i32);
        expected += above;
        // Beyond the mean the terms fall faster than geometrically.
        if x as f64 > mean && above < 1e-14 {
            break;
        }
    }
    Ok(expected)
}

fn check(workers: usize, share: f64) -> Result<()> {
    within("the number of workers", workers, 2, MOST_WORKERS)?;
    if (0.0..=1.0).contains(&share) {
        return Ok(());
    }
    let must = "between 0 and 1".into();
    Err(Error::OutOfRange { what: "the share of others' rows", got: share.to_string(), must })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finite_rows_send_more_than_the_limit_and_less_than_without_a_code() {
        for share in [0.0, 0.1, 0.5, 0.9, 1.0] {
            let (few, limit, plain) = (
                coded(6, 600, share).unwrap(),
                coded_limit(6, 600, share).unwrap(),
                uncoded(6, 600, share).unwrap(),
            );
            assert!(limit <= few + 1e-9 && few <= plain + 1e-9, "{share}: {limit} {few} {plain}");
        }
        assert!((coded(8, 8000, 0.5).unwrap() - 1_206.503_808).abs() < 1e-3);
    }
}
