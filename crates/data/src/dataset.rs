//! A data set: features and targets of the same rows, with their names. It never changes its shape;
//! [`Dataset::select`] and [`Dataset::split`] make new ones.

use crate::digest::Digest;
use crate::{Batch, Error, Features, Result, TargetScale, Targets};
use rand::seq::SliceRandom;
use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
use std::borrow::Cow;
use std::ops::Range;

/// Rows of features with one target each.
///
/// ```
/// use syncline_data::{Dataset, Dense, Features, Targets};
///
/// let features = Features::Dense(Dense::new(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 2)?);
/// let targets = Targets::Class { labels: vec![0, 1, 0], names: vec!["no".into(), "yes".into()] };
/// let data = Dataset::new(features, targets)?.named(vec!["size".into(), "age".into()], "ill".into())?;
/// let (train, held_out) = data.split(0.34, 7)?;
/// assert_eq!((train.rows(), held_out.rows(), train.columns()), (2, 1, 2));
/// # Ok::<(), syncline_data::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    features: Features,
    targets: Targets,
    feature_names: Vec<String>,
    target_name: String,
    target_scale: TargetScale,
    /// How much each row counts in training, around 1; none where all count the same.
    weights: Option<Vec<f32>>,
}

impl Dataset {
    /// A data set whose columns have no names.
    ///
    /// # Errors
    /// When the numbers of rows differ, or a label is not below the number of classes.
    pub fn new(features: Features, targets: Targets) -> Result<Dataset> {
        if features.rows() != targets.rows() {
            let (features, targets) = (features.rows(), targets.rows());
            return Err(Error::Shape(format!("{features} rows of features, but {targets} targets")));
        }
        targets.check()?;
        Ok(Dataset {
            features,
            targets,
            feature_names: Vec::new(),
            target_name: String::new(),
            target_scale: TargetScale::default(),
            weights: None,
        })
    }

    /// Names the columns: one name for each feature or none at all (sparse data have none), and the target's.
    ///
    /// # Errors
    /// When the number of names is neither zero nor the number of columns.
    pub fn named(mut self, feature_names: Vec<String>, target_name: String) -> Result<Dataset> {
        if !feature_names.is_empty() && feature_names.len() != self.columns() {
            let (names, columns) = (feature_names.len(), self.columns());
            return Err(Error::Shape(format!("{names} names for {columns} columns")));
        }
        (self.feature_names, self.target_name) = (feature_names, target_name);
        Ok(self)
    }

    /// Gives each row a weight, brought to a mean of 1: a row of weight 2 counts in the loss and in its gradient as
    /// two rows do. Weights that the rows had are multiplied by these.
    ///
    /// # Errors
    /// When there is not one for each row, one is negative or no number, or all are zero.
    pub fn weighted(mut self, weights: Vec<f32>) -> Result<Dataset> {
        if weights.len() != self.rows() {
            let (weights, rows) = (weights.len(), self.rows());
            return Err(Error::Shape(format!("{weights} weights for {rows} rows")));
        }
        if let Some(row) = weights.iter().position(|weight| !(weight.is_finite() && *weight >= 0.0)) {
            let weight = weights[row];
            return Err(Error::Shape(format!(
                "the weight of row {row} is {weight}, which is not 0 or a positive number"
            )));
        }
        let before = self.weights.take().unwrap_or_else(|| vec![1.0; weights.len()]);
        let product = |(a, b): (f32, f32)| f64::from(a) * f64::from(b);
        self.weights = Some(with_mean_of_one(before.into_iter().zip(weights).map(product).collect())?);
        Ok(self)
    }

    /// The rows' weights, with a mean of 1; nothing where all count the same.
    pub fn weights(&self) -> Option<&[f32]> {
        self.weights.as_deref()
    }

    /// A data set of these parts, whose columns have no names.
    pub(crate) fn of_parts(
        features: Features,
        targets: Targets,
        weights: Option<Vec<f32>>,
        target_scale: TargetScale,
    ) -> Dataset {
        let (feature_names, target_name) = (Vec::new(), String::new());
        Dataset { features, targets, feature_names, target_name, target_scale, weights }
    }

    /// Other rows of the same data set, whose names and scale they have; their weights are as they are there.
    ///
    /// # Errors
    /// When the numbers of rows or of columns differ, or a label is not below the number of classes.
    pub fn with_rows(
        &self,
        features: Features,
        targets: Targets,
        weights: Option<Vec<f32>>,
    ) -> Result<Dataset> {
        if features.columns() != self.columns() {
            let (columns, here) = (features.columns(), self.columns());
            return Err(Error::Shape(format!("rows of {columns} columns in data of {here}")));
        }
        if weights.as_ref().is_some_and(|weights| weights.len() != targets.rows()) {
            return Err(Error::Shape(format!("not one weight for each of {} rows", targets.rows())));
        }
        let data =
            Dataset::new(features, targets)?.named(self.feature_names.clone(), self.target_name.clone())?;
        Ok(Dataset { target_scale: self.target_scale, weights, ..data })
    }

    /// Whether it says how many rows it has, and holds none of them: see [`Outline::hollow`](crate::Outline::hollow).
    pub fn is_hollow(&self) -> bool {
        self.features.rows() < self.targets.rows()
    }

    /// Says what real targets stand for.
    pub(crate) fn with_target_scale(self, target_scale: TargetScale) -> Dataset {
        Dataset { target_scale, ..self }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.targets.rows()
    }

    /// Number of feature columns.
    pub fn columns(&self) -> usize {
        self.features.columns()
    }

    /// The features.
    pub fn features(&self) -> &Features {
        &self.features
    }

    pub(crate) fn features_mut(&mut self) -> &mut Features {
        &mut self.features
    }

    /// The targets.
    pub fn targets(&self) -> &Targets {
        &self.targets
    }

    /// The features' names: one per column, or none.
    pub fn feature_names(&self) -> &[String] {
        &self.feature_names
    }

    /// Name of a column, or its number from 1 where it has none.
    pub fn feature_name(&self, column: usize) -> Cow<'_, str> {
        match self.feature_names.get(column) {
            Some(name) => Cow::Borrowed(name),
            None => Cow::Owned((column + 1).to_string()),
        }
    }

    /// The target's name; empty where the file gave none.
    pub fn target_name(&self) -> &str {
        &self.target_name
    }

    /// What real targets stand for in the user's units.
    pub fn target_scale(&self) -> TargetScale {
        self.target_scale
    }

    /// Brings real targets to a scale, on top of the one that they have; classes are left as they are.
    #[must_use]
    pub fn rescale_targets(mut self, scale: TargetScale) -> Dataset {
        if let Targets::Real(values) = &mut self.targets {
            values.iter_mut().for_each(|value| *value = scale.apply((*value).into()));
            self.target_scale = self.target_scale.then(scale);
        }
        self
    }

    /// The rows of `range`, borrowed.
    ///
    /// # Panics
    /// If the range does not lie within the rows.
    pub fn batch(&self, range: Range<usize>) -> Batch<'_> {
        Batch {
            features: self.features.view(range.clone()),
            weights: self.weights.as_ref().map(|weights| &weights[range.clone()]),
            targets: self.targets.view(range),
        }
    }

    /// The given rows, in the given order, copied; a row may occur more than once.
    ///
    /// # Panics
    /// If a row is not below [`Dataset::rows`].
    pub fn select(&self, rows: &[usize]) -> Dataset {
        Dataset {
            features: self.features.select(rows),
            targets: self.targets.select(rows),
            feature_names: self.feature_names.clone(),
            target_name: self.target_name.clone(),
            target_scale: self.target_scale,
            weights: self.weights.as_ref().map(|weights| rows.iter().map(|&row| weights[row]).collect()),
        }
    }

    /// Overwrites the rows of `into` by the given ones, as [`Dataset::select`] copies them, in memory that it has
    /// already: for one batch after another. `into` must come from this data set.
    ///
    /// # Panics
    /// If a row is not below [`Dataset::rows`], or `into` is of another kind of data.
    pub fn gather(&self, rows: &[usize], into: &mut Dataset) {
        self.features.gather(rows, &mut into.features);
        self.targets.gather(rows, &mut into.targets);
        if let (Some(all), Some(weights)) = (&self.weights, &mut into.weights) {
            weights.clear();
            weights.extend(rows.iter().map(|&row| all[row]));
        }
    }

    /// Shuffles the rows by `seed` and sets `share` of them aside: (the rest, the share), both shuffled, so that a
    /// file sorted by class does no harm. At least one row is on each side. Weights have a mean of 1 on either.
    ///
    /// # Errors
    /// When the share is not between 0 and 1 (exclusive), there are fewer than two rows, or all of one side weigh nothing.
    pub fn split(self, share: f64, seed: u64) -> Result<(Dataset, Dataset)> {
        let rows = self.rows();
        if !(share > 0.0 && share < 1.0) || rows < 2 {
            return Err(Error::Share { share, rows });
        }
        let aside = ((rows as f64 * share).round() as usize).clamp(1, rows - 1);
        let order = permutation(rows, seed);
        let part = |rows: &[usize]| {
            let mut part = self.select(rows);
            let weights = part.weights.take();
            let weights =
                weights.map(|weights| with_mean_of_one(weights.into_iter().map(f64::from).collect()));
            Ok(Dataset { weights: weights.transpose()?, ..part })
        };
        Ok((part(&order[aside..])?, part(&order[..aside])?))
    }

    /// A stable hash of the contents (not of the features' names), to compare what two processes hold.
    pub fn digest(&self) -> u64 {
        Digest::of(self)
    }
}

/// Weights brought to a mean of 1.
fn with_mean_of_one(weights: Vec<f64>) -> Result<Vec<f32>> {
    let mean = weights.iter().sum::<f64>() / weights.len() as f64;
    if mean.is_nan() || mean <= 0.0 {
        return Err(Error::Shape(format!("all weights of {} rows are zero", weights.len())));
    }
    Ok(weights.into_iter().map(|weight| (weight / mean) as f32).collect())
}

/// The numbers below `rows` in an order drawn by `seed`.
pub fn permutation(rows: usize, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..rows).collect();
    order.shuffle(&mut Xoshiro256PlusPlus::seed_from_u64(seed));
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FeaturesView, TargetsView, synthetic};

    #[test]
    fn a_split_loses_no_row_and_repeats_by_seed() {
        let data = synthetic::linear(101, 3, 0.1, 5);
        let (rest, aside) = data.clone().split(0.2, 9).unwrap();
        assert_eq!((rest.rows(), aside.rows()), (81, 20));
        let all = |data: &Dataset| match data.targets() {
            Targets::Real(values) => values.clone(),
            Targets::Class { .. } => vec![],
        };
        let mut together = [all(&rest), all(&aside)].concat();
        let mut original = all(&data);
        together.sort_by(f32::total_cmp);
        original.sort_by(f32::total_cmp);
        assert_eq!(together, original);
        assert_eq!(data.clone().split(0.2, 9).unwrap(), (rest.clone(), aside));
        assert_ne!(data.clone().split(0.2, 10).unwrap().0, rest);
        for share in [0.0, 1.0, -1.0, f64::NAN] {
            assert!(data.clone().split(share, 1).is_err());
        }
    }

    #[test]
    fn sparse_batches_and_selections_show_the_same_rows() {
        let data = synthetic::sparse_logistic(20, 100, 5, 3);
        let rows: Vec<usize> = (4..11).collect();
        let selected = data.select(&rows);
        let (FeaturesView::Sparse(whole), FeaturesView::Sparse(copy)) =
            (data.batch(4..11).features, selected.batch(0..7).features)
        else {
            panic!("sparse data stay sparse")
        };
        let FeaturesView::Sparse(sliced) = data.batch(2..15).slice(2..9).features else { panic!("sparse") };
        assert_eq!((sliced.indices(), sliced.values()), (copy.indices(), copy.values()));
        assert_eq!(data.batch(2..15).slice(2..9).targets, selected.batch(0..7).targets);
        for (a, b) in whole.iter().zip(copy.iter()) {
            assert_eq!((a.indices, a.values), (b.indices, b.values));
        }
        assert_eq!(data.batch(4..11).targets, selected.batch(0..7).targets);
        assert!(matches!(data.batch(0..1).targets, TargetsView::Class(_)));
    }

    #[test]
    fn gathering_is_selecting_into_used_memory() {
        let weighted = |data: Dataset| data.weighted((0..30).map(|row| row as f32).collect()).unwrap();
        for data in [
            weighted(synthetic::sparse_logistic(30, 100, 5, 3)),
            weighted(synthetic::linear(30, 4, 0.1, 3)),
            synthetic::blobs(30, 4, 3, 3),
        ] {
            let mut buffer = data.select(&[]);
            for rows in [&[7, 3, 3, 29][..], &[], &[0]] {
                data.gather(rows, &mut buffer);
                assert_eq!(buffer, data.select(rows));
            }
        }
    }

    #[test]
    fn weights_have_a_mean_of_one_and_are_multiplied() {
        let data = synthetic::linear(4, 2, 0.1, 3);
        let data = data.weighted(vec![2.0, 6.0, 4.0, 4.0]).unwrap();
        assert_eq!(data.weights(), Some(&[0.5, 1.5, 1.0, 1.0][..]));
        assert_eq!(data.batch(1..3).slice(0..1).weights, Some(&[1.5][..]));
        assert_eq!(data.select(&[1, 1]).weights(), Some(&[1.5, 1.5][..]));
        let twice = data.clone().weighted(vec![2.0, 2.0, 0.0, 0.0]).unwrap();
        assert_eq!(twice.weights(), Some(&[1.0, 3.0, 0.0, 0.0][..]));
        assert_ne!(twice.digest(), data.digest());
        for (wrong, said) in [
            (vec![1.0], "1 weights for 4 rows"),
            (vec![1.0, -1.0, 1.0, 1.0], "row 1 is -1"),
            (vec![1.0, f32::NAN, 1.0, 1.0], "row 1 is NaN"),
            (vec![0.0; 4], "all weights of 4 rows are zero"),
        ] {
            let error = data.clone().weighted(wrong).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn the_digest_tells_contents_apart() {
        let data = synthetic::sparse_logistic(20, 100, 5, 3);
        assert_eq!(data.digest(), data.clone().digest());
        assert_ne!(data.digest(), synthetic::sparse_logistic(20, 100, 5, 4).digest());
        assert_ne!(data.digest(), data.select(&(0..19).collect::<Vec<_>>()).digest());
        // A golden value: a change would break the comparison between two releases.
        let tiny = Dataset::new(
            Features::Dense(crate::Dense::new(vec![1.0, 2.0], 2).unwrap()),
            Targets::Class { labels: vec![0], names: vec!["a".into()] },
        );
        assert_eq!(tiny.unwrap().digest(), 17_703_302_940_979_761_188);
    }
}
