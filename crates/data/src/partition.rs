//! Who gets which rows. The schemes are those of SystemDS' `paramserv` (disjoint contiguous, round robin, random, overlapping
//! reshuffle), and two for workers and classes that are not alike. SystemDS' Spark backend drew a worker for each row and so
//! divided 1024 rows as 1000 and 24; here a random partition is one permutation cut evenly.

use crate::dataset::permutation;
use crate::{Error, Result, Targets};
use std::fmt;
use std::str::FromStr;

/// A way to divide rows among workers.
///
/// ```
/// use syncline_data::{Partition, Targets};
///
/// let targets = Targets::Real(vec![0.0; 10]);
/// assert_eq!(Partition::RoundRobin.rows(&targets, 3, 1)[1], [1, 4, 7]);
/// let by_speed: Partition = "weight:3,1,1".parse()?;
/// let shares: Vec<usize> = by_speed.rows(&targets, 3, 1).iter().map(Vec::len).collect();
/// assert_eq!(shares, [6, 2, 2]);
/// # Ok::<(), syncline_data::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Default)]
pub enum Partition {
    /// `ceil(rows / workers)` neighbouring rows each; the last workers may get fewer, or none.
    #[default]
    Contiguous,
    /// Row `i` goes to worker `i mod workers`.
    RoundRobin,
    /// A permutation drawn by the seed, cut into parts that differ by one row at most.
    Random,
    /// A permutation drawn by the seed, cut in proportion to a weight for each worker.
    Weight(Weights),
    /// As `Random` at first, and then by how fast the workers are found to be: whoever trains deals the rows out anew.
    Measured,
    /// As many rows of each class for every worker, to one: the folds of a stratified k-fold. Each worker's rows are in an
    /// order drawn by the seed.
    Stratified,
    /// All rows for every worker, each in a permutation of its own.
    OverlapReshuffle,
}

/// How much each worker gets, in proportion: one positive number for each.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights(Vec<f64>);

/// The largest ratio of two weights: with more, the one with less would hardly have a row.
const UNLIKE: f64 = 1000.0;

impl Weights {
    /// Weights for as many workers.
    ///
    /// # Errors
    /// Where there is none, one is no positive number, one is more than 1000 times another, or their sum is no number.
    pub fn new(weights: Vec<f64>) -> Result<Self> {
        let refused =
            |why: &str| Err(Error::Unmakeable(format!("rows cannot be dealt out by these weights: {why}")));
        if weights.is_empty() {
            return refused("there is none");
        }
        if let Some(weight) = weights.iter().find(|weight| !(weight.is_finite() && **weight > 0.0)) {
            return refused(&format!("{weight} is no positive number"));
        }
        let (least, most) =
            weights.iter().fold((f64::MAX, 0.0f64), |(least, most), &w| (least.min(w), most.max(w)));
        if most / least > UNLIKE {
            return refused(&format!("{most} is more than {UNLIKE} times {least}"));
        }
        if !weights.iter().sum::<f64>().is_finite() {
            return refused("together they are beyond any number: take smaller ones");
        }
        Ok(Self(weights))
    }

    /// How many workers they are for.
    pub fn workers(&self) -> usize {
        self.0.len()
    }

    /// What a worker gets where each gets `each` on average, to the nearest whole number, but at least 1.
    pub fn share(&self, worker: usize, each: usize) -> usize {
        let sum: f64 = self.0.iter().sum();
        let share = each as f64 * self.0.len() as f64 * self.0[worker] / sum;
        (share.round() as usize).max(1)
    }

    /// How many of so many rows each gets.
    pub fn counts(&self, rows: usize) -> Vec<usize> {
        self.cuts(rows).windows(2).map(|cut| cut[1] - cut[0]).collect()
    }

    /// Where so many rows are cut: one more than there are workers. Each gets its share to a row, and one row at least where there
    /// are enough.
    fn cuts(&self, rows: usize) -> Vec<usize> {
        let (sum, workers) = (self.0.iter().sum::<f64>(), self.0.len());
        let mut cuts = vec![0];
        let mut before = 0.0;
        for (worker, weight) in self.0.iter().enumerate() {
            before += weight;
            let cut = (before / sum * rows as f64).round() as usize;
            // One row for this worker, and one for each that comes.
            let (least, most) = (cuts[worker] + 1, rows.saturating_sub(workers - 1 - worker));
            cuts.push(cut.max(least).min(most.max(cuts[worker])));
        }
        cuts[workers] = rows;
        cuts
    }
}

impl Partition {
    /// The names a user can give.
    const VALID: &'static str = "contiguous, round-robin, random, weight:SHARE,SHARE and so on, weight:measured, stratified, overlap-reshuffle";

    /// Whether rows with these targets can be divided among so many workers.
    ///
    /// # Errors
    /// Where weights are not one for each worker, or classes are asked for that there are not.
    pub fn check(&self, targets: &Targets, workers: usize) -> Result<()> {
        match (self, targets) {
            (Self::Weight(weights), _) if weights.workers() != workers => Err(Error::Unmakeable(format!(
                "partition {self} is for {} workers, and there are {workers}: give a weight for each",
                weights.workers()
            ))),
            (Self::Stratified, Targets::Real(_)) => Err(Error::Unmakeable(
                "partition stratified deals out classes, and the target is a number: use random".to_owned(),
            )),
            _ => Ok(()),
        }
    }

    /// Whether the rows of a worker lie in an order that was drawn, so that neighbours are strangers.
    pub fn is_drawn(&self) -> bool {
        match self {
            Self::Contiguous | Self::RoundRobin => false,
            Self::Random | Self::Weight(_) | Self::Measured | Self::Stratified | Self::OverlapReshuffle => {
                true
            }
        }
    }

    /// Whether who gets which rows depends on their classes.
    pub fn heeds_classes(&self) -> bool {
        *self == Self::Stratified
    }

    /// The rows of each worker. `seed` is used where something is drawn.
    ///
    /// With more than one row per worker on average, every worker has rows, except under `Contiguous`, whose
    /// rule (that of SystemDS) may leave the last ones without: 5 rows for 4 workers are 2, 2, 1, 0.
    ///
    /// # Panics
    /// If there are no workers, or not those that it was [checked](Partition::check) for.
    pub fn rows(&self, targets: &Targets, workers: usize, seed: u64) -> Vec<Vec<usize>> {
        assert!(workers > 0, "rows are divided among at least one worker");
        let rows = targets.rows();
        match self {
            Self::Contiguous => {
                let each = rows.div_ceil(workers);
                (0..workers)
                    .map(|k| (k * each).min(rows)..((k + 1) * each).min(rows))
                    .map(Vec::from_iter)
                    .collect()
            }
            Self::RoundRobin => (0..workers).map(|k| (k..rows).step_by(workers).collect()).collect(),
            Self::Random | Self::Measured => {
                let order = permutation(rows, seed);
                (0..workers).map(|k| order[k * rows / workers..(k + 1) * rows / workers].to_vec()).collect()
            }
            Self::Weight(weights) => {
                assert_eq!(weights.workers(), workers, "a weight for each worker");
                let order = permutation(rows, seed);
                weights.cuts(rows).windows(2).map(|cut| order[cut[0]..cut[1]].to_vec()).collect()
            }
            Self::Stratified => stratified(targets, workers, seed),
            Self::OverlapReshuffle => {
                (0..workers).map(|k| permutation(rows, seed.wrapping_add(k as u64))).collect()
            }
        }
    }
}

/// Deals the rows out like cards, class after class, in an order that is drawn within each; so every worker has as many of each
/// class, to one, and as many in all, to one.
fn stratified(targets: &Targets, workers: usize, seed: u64) -> Vec<Vec<usize>> {
    let mut order = permutation(targets.rows(), seed);
    if let Targets::Class { labels, .. } = targets {
        // Stable: within a class the order stays as it was drawn.
        order.sort_by_key(|&row| labels[row]);
    }
    let mut parts = vec![Vec::new(); workers];
    for (turn, row) in order.into_iter().enumerate() {
        parts[turn % workers].push(row);
    }
    for (part, own) in parts.iter_mut().zip(1..) {
        let places = permutation(part.len(), seed.wrapping_add(own));
        *part = places.into_iter().map(|place| part[place]).collect();
    }
    parts
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Contiguous => f.write_str("contiguous"),
            Self::RoundRobin => f.write_str("round-robin"),
            Self::Random => f.write_str("random"),
            Self::Measured => f.write_str("weight:measured"),
            Self::Stratified => f.write_str("stratified"),
            Self::OverlapReshuffle => f.write_str("overlap-reshuffle"),
            Self::Weight(weights) => {
                let shares: Vec<_> = weights.0.iter().map(f64::to_string).collect();
                write!(f, "weight:{}", shares.join(","))
            }
        }
    }
}

impl FromStr for Partition {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let unknown = || Error::Unknown { what: "partition", found: text.into(), valid: Self::VALID };
        match text {
            "contiguous" => Ok(Self::Contiguous),
            "round-robin" => Ok(Self::RoundRobin),
            "random" => Ok(Self::Random),
            "weight:measured" => Ok(Self::Measured),
            "stratified" => Ok(Self::Stratified),
            "overlap-reshuffle" => Ok(Self::OverlapReshuffle),
            _ => {
                let shares = text.strip_prefix("weight:").ok_or_else(unknown)?;
                let shares = shares.split(',').map(|share| share.trim().parse().map_err(|_| unknown()));
                Ok(Self::Weight(Weights::new(shares.collect::<Result<_>>()?)?))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn real(rows: usize) -> Targets {
        Targets::Real(vec![0.0; rows])
    }

    fn weight(weights: &[f64]) -> Partition {
        Partition::Weight(Weights::new(weights.to_vec()).unwrap())
    }

    fn sizes(partition: &Partition, rows: usize, workers: usize) -> Vec<usize> {
        partition.rows(&real(rows), workers, 7).iter().map(Vec::len).collect()
    }

    #[test]
    fn the_rules_of_systemds() {
        assert_eq!(Partition::Contiguous.rows(&real(5), 2, 0), [vec![0, 1, 2], vec![3, 4]]);
        assert_eq!(Partition::Contiguous.rows(&real(5), 4, 0), [vec![0, 1], vec![2, 3], vec![4], vec![]]);
        assert_eq!(Partition::RoundRobin.rows(&real(5), 2, 0), [vec![0, 2, 4], vec![1, 3]]);
        assert_eq!(sizes(&Partition::Random, 1024, 2), [512, 512]);
        let overlapping = Partition::OverlapReshuffle.rows(&real(50), 3, 7);
        assert!(overlapping[0] != overlapping[1] && overlapping[1] != overlapping[2]);
        for mut rows in overlapping {
            rows.sort_unstable();
            assert!(rows.into_iter().eq(0..50));
        }
    }

    #[test]
    fn weights_cut_in_proportion_and_leave_nobody_without() {
        assert_eq!(sizes(&weight(&[2.0, 1.0, 1.0]), 1024, 3), [512, 256, 256]);
        assert_eq!(sizes(&weight(&[1.5, 1.0]), 5, 2), [3, 2]);
        assert_eq!(sizes(&weight(&[1000.0, 1.0, 1.0]), 10, 3), [8, 1, 1]);
        assert_eq!(sizes(&weight(&[1.0, 1.0, 1000.0]), 10, 3), [1, 1, 8]);
        assert_eq!(sizes(&weight(&[1.0; 4]), 2, 4).iter().sum::<usize>(), 2, "with too few rows for all");
        let Partition::Weight(weights) = weight(&[2.0, 1.0, 1.0]) else { panic!("weights") };
        assert_eq!([0, 1, 2].map(|worker| weights.share(worker, 64)), [96, 48, 48]);
        assert_eq!(Weights::new(vec![1000.0, 1.0]).unwrap().share(1, 4), 1, "nobody has none");
        assert_eq!(weights.counts(1024), [512, 256, 256]);
        assert_eq!(Partition::Measured.rows(&real(9), 2, 7), Partition::Random.rows(&real(9), 2, 7));
    }

    #[test]
    fn names_are_read_back_and_unknown_ones_are_answered() {
        for text in [
            "contiguous",
            "round-robin",
            "random",
            "weight:2,1,1",
            "weight:0.5,1.25",
            "weight:measured",
            "stratified",
            "overlap-reshuffle",
        ] {
            assert_eq!(text.parse::<Partition>().unwrap().to_string(), text);
        }
        let said = |text: &str| text.parse::<Partition>().unwrap_err().to_string();
        assert!(
            said("sorted").starts_with(
                "unknown partition `sorted`: use one of contiguous, round-robin, random, weight:"
            )
        );
        assert!(
            said("weight:").contains("unknown partition") && said("weight:1,x").contains("unknown partition")
        );
        assert!(said("weight:1,0").contains("0 is no positive number"));
        assert!(said("weight:1,-2").contains("-2 is no positive number"));
        assert!(said("weight:1,inf").contains("inf is no positive number"));
        assert!(said("weight:1,NaN").contains("no positive number"));
        assert!(said("weight:2000,1").contains("more than 1000 times"));
        assert!(said("weight:1e308,1e308").contains("beyond any number"));
    }

    #[test]
    fn what_does_not_fit_is_told() {
        let said = |partition: &Partition| partition.check(&real(9), 2).unwrap_err().to_string();
        assert!(said(&weight(&[1.0; 3])).contains("is for 3 workers, and there are 2"));
        assert!(said(&Partition::Stratified).contains("the target is a number: use random"));
        assert!(weight(&[1.0; 2]).check(&real(9), 2).is_ok());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn every_row_goes_to_exactly_one_worker(
            rows in 0usize..300,
            shares in prop::collection::vec(0.1f64..50.0, 1..20),
            seed: u64,
        ) {
            let workers = shares.len();
            let labels = (0..rows).map(|row| (row * row % 5) as u32).collect();
            let names = (0..5).map(|class| class.to_string()).collect();
            let targets = Targets::Class { labels, names };
            for partition in [
                Partition::Contiguous,
                Partition::RoundRobin,
                Partition::Random,
                weight(&shares),
                Partition::Stratified,
            ] {
                let parts = partition.rows(&targets, workers, seed);
                prop_assert_eq!(parts.len(), workers);
                let least = parts.iter().map(Vec::len).min().unwrap_or_default();
                prop_assert!(least > 0 || rows < workers || partition == Partition::Contiguous, "{}", partition);
                let mut all = parts.concat();
                all.sort_unstable();
                prop_assert_eq!(all, (0..rows).collect::<Vec<_>>());
            }
        }

        #[test]
        fn stratified_parts_differ_by_one_row_of_a_class_at_most(
            labels in prop::collection::vec(0u32..4, 0..200),
            workers in 1usize..9,
            seed: u64,
        ) {
            let names = (0..4).map(|class| class.to_string()).collect();
            let targets = Targets::Class { labels: labels.clone(), names };
            let parts = Partition::Stratified.rows(&targets, workers, seed);
            for class in 0..5 {
                // Beyond the classes: of all rows.
                let of = |part: &Vec<usize>| part.iter().filter(|&&row| class == 4 || labels[row] == class).count();
                let counts: Vec<_> = parts.iter().map(of).collect();
                let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
                prop_assert!(most - least <= 1, "class {}: {:?}", class, counts);
            }
        }
    }
}
