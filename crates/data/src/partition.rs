//! Who gets which rows. The schemes are those of SystemDS' `paramserv` (disjoint contiguous, round robin, random):
//! each row goes to exactly one worker. SystemDS' Spark backend drew a worker for each row and so
//! divided 1024 rows as 1000 and 24; here a random partition is one permutation cut evenly.

use crate::dataset::permutation;
use crate::{Error, Result};
use std::fmt;
use std::str::FromStr;

/// A way to divide rows among workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Partition {
    /// `ceil(rows / workers)` neighbouring rows each; the last workers may get fewer, or none.
    #[default]
    Contiguous,
    /// Row `i` goes to worker `i mod workers`.
    RoundRobin,
    /// A permutation drawn by the seed, cut into parts that differ by one row at most.
    Random,
}

impl Partition {
    /// The rows of each worker. `seed` is used by [`Partition::Random`] only.
    ///
    /// With more than one row per worker on average, every worker has rows, except under `Contiguous`, whose
    /// rule (that of SystemDS) may leave the last ones without: 5 rows for 4 workers are 2, 2, 1, 0.
    ///
    /// # Panics
    /// If there are no workers.
    pub fn rows(self, rows: usize, workers: usize, seed: u64) -> Vec<Vec<usize>> {
        assert!(workers > 0, "rows are divided among at least one worker");
        match self {
            Partition::Contiguous => {
                let each = rows.div_ceil(workers);
                (0..workers)
                    .map(|k| (k * each).min(rows)..((k + 1) * each).min(rows))
                    .map(Vec::from_iter)
                    .collect()
            }
            Partition::RoundRobin => (0..workers).map(|k| (k..rows).step_by(workers).collect()).collect(),
            Partition::Random => {
                let order = permutation(rows, seed);
                (0..workers).map(|k| order[k * rows / workers..(k + 1) * rows / workers].to_vec()).collect()
            }
        }
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Partition::Contiguous => "contiguous",
            Partition::RoundRobin => "round-robin",
            Partition::Random => "random",
        })
    }
}

impl FromStr for Partition {
    type Err = Error;

    fn from_str(text: &str) -> Result<Partition> {
        match text {
            "contiguous" => Ok(Partition::Contiguous),
            "round-robin" => Ok(Partition::RoundRobin),
            "random" => Ok(Partition::Random),
            _ => Err(Error::Unknown {
                what: "partition",
                found: text.into(),
                valid: "contiguous, round-robin, random",
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_rules_of_systemds() {
        assert_eq!(Partition::Contiguous.rows(5, 2, 0), [vec![0, 1, 2], vec![3, 4]]);
        assert_eq!(Partition::Contiguous.rows(5, 4, 0), [vec![0, 1], vec![2, 3], vec![4], vec![]]);
        assert_eq!(Partition::RoundRobin.rows(5, 2, 0), [vec![0, 2, 4], vec![1, 3]]);
        assert_eq!(Partition::Random.rows(1024, 2, 7).iter().map(Vec::len).collect::<Vec<_>>(), [512, 512]);
    }

    #[test]
    fn names_are_read_back_and_unknown_ones_are_answered() {
        for partition in [Partition::Contiguous, Partition::RoundRobin, Partition::Random] {
            assert_eq!(partition.to_string().parse::<Partition>().unwrap(), partition);
        }
        let error = "sorted".parse::<Partition>().unwrap_err().to_string();
        assert_eq!(error, "unknown partition `sorted`: use one of contiguous, round-robin, random");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn every_row_goes_to_exactly_one_worker(rows in 0usize..300, workers in 1usize..20, seed: u64) {
            for partition in [Partition::Contiguous, Partition::RoundRobin, Partition::Random] {
                let parts = partition.rows(rows, workers, seed);
                prop_assert_eq!(parts.len(), workers);
                let mut all = parts.concat();
                all.sort_unstable();
                prop_assert_eq!(all, (0..rows).collect::<Vec<_>>());
            }
        }
    }
}
