//! A data set without its rows: what those need to know of it who hold none of them, or others' rows never.

use serde::{Deserialize, Serialize};

use crate::{Csr, Dataset, Dense, Error, Features, Result, TargetScale, Targets};

/// What a data set is, but for its rows.
///
/// ```
/// use syncline_data::synthetic;
///
/// let data = synthetic::blobs(100, 4, 3, 7);
/// let hollow = data.outline(false).hollow()?;
/// assert!(hollow.is_hollow() && !data.is_hollow());
/// assert_eq!((hollow.rows(), hollow.columns()), (100, 4));
/// // Some of its rows, brought from where they are.
/// let (features, targets) = (data.select(&[3, 5]).features().clone(), data.select(&[3, 5]).targets().clone());
/// assert_eq!(hollow.with_rows(features, targets, None)?, data.select(&[3, 5]));
/// # Ok::<(), syncline_data::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outline {
    rows: u64,
    columns: u64,
    is_sparse: bool,
    feature_names: Vec<String>,
    target_name: String,
    target_scale: TargetScale,
    /// The classes' names; nothing where targets are real.
    classes: Option<Vec<String>>,
    /// Each row's class, where they are told.
    labels: Option<Vec<u32>>,
    is_weighted: bool,
}

impl Dataset {
    /// What it is, but for its rows; their classes, 4 bytes a row, where `with_labels` says so.
    pub fn outline(&self, with_labels: bool) -> Outline {
        let (classes, labels) = match self.targets() {
            Targets::Real(_) => (None, None),
            Targets::Class { names, labels } => (Some(names.clone()), with_labels.then(|| labels.clone())),
        };
        Outline {
            rows: self.rows() as u64,
            columns: self.columns() as u64,
            is_sparse: self.features().is_sparse(),
            feature_names: self.feature_names().to_vec(),
            target_name: self.target_name().to_owned(),
            target_scale: self.target_scale(),
            classes,
            labels,
            is_weighted: self.weights().is_some(),
        }
    }
}

impl Outline {
    /// The data set as one that says how many rows it has and holds none of them. What is not known of each row (the target, the
    /// weight) is a zero there, in memory that the system gives once somebody touches it.
    ///
    /// # Errors
    /// When such a data set cannot be: no columns or too many, or labels that are not of its rows.
    pub fn hollow(self) -> Result<Dataset> {
        let (rows, columns) = (self.rows as usize, self.columns as usize);
        let targets = match self.classes {
            None => Targets::Real(vec![0.0; rows]),
            Some(names) => Targets::Class { labels: self.labels.unwrap_or_else(|| vec![0; rows]), names },
        };
        if targets.rows() != rows {
            let labels = targets.rows();
            return Err(Error::Shape(format!("{rows} rows, but {labels} labels")));
        }
        targets.check()?;
        let features = match self.is_sparse {
            true => Features::Sparse(Csr::new(vec![0], Vec::new(), Vec::new(), columns)?),
            false => Features::Dense(Dense::new(Vec::new(), columns)?),
        };
        let weights = self.is_weighted.then(|| vec![0.0; rows]);
        Dataset::of_parts(features, targets, weights, self.target_scale)
            .named(self.feature_names, self.target_name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic;

    #[test]
    fn a_hollow_set_is_the_same_but_for_its_rows() {
        let weighted =
            synthetic::blobs(30, 4, 3, 3).weighted((1..31).map(|row| row as f32).collect()).unwrap();
        for data in [weighted, synthetic::sparse_logistic(30, 100, 5, 3), synthetic::linear(30, 4, 0.1, 3)] {
            let hollow = data.outline(true).hollow().unwrap();
            assert!(hollow.is_hollow() && !data.is_hollow() && !data.select(&[]).is_hollow());
            assert_eq!((hollow.rows(), hollow.columns()), (data.rows(), data.columns()));
            assert_eq!(hollow.features().is_sparse(), data.features().is_sparse());
            assert_eq!(hollow.targets().classes(), data.targets().classes());
            assert_eq!(hollow.weights().is_some(), data.weights().is_some());
            if let (Targets::Class { labels, .. }, Targets::Class { labels: told, .. }) =
                (data.targets(), hollow.targets())
            {
                assert_eq!(labels, told);
            }
            let some = data.select(&[7, 3]);
            let weights = some.weights().map(<[f32]>::to_vec);
            let brought = hollow.with_rows(some.features().clone(), some.targets().clone(), weights);
            assert_eq!(brought.unwrap(), some);
            let short = hollow.with_rows(some.features().clone(), data.targets().clone(), None);
            assert!(short.is_err());
        }
    }
}
