//! Features on a common scale, so that one learning rate suits all of them. Fitted on the training rows only and
//! applied to every other set, for a model must see new data as it saw the old. Where rows have weights, means and
//! deviations are weighted too, so that a row of weight 2 does what two rows do.
//!
//! - Dense column: `(x - mean) / deviation` with the population's standard deviation.
//! - Sparse column: `x / largest magnitude`. Centring would make the zeros non-zero, and dividing by the deviation
//!   would blow a rare feature up: one that occurs once in `n` rows would become `sqrt(n)`.
//! - A constant column (no deviation) becomes 0, here and in every other set: it cannot have taught anything.

use crate::{Csr, Dataset, Dense, Error, Features, Result};
use serde::{Deserialize, Serialize};

/// What to subtract from each column and what to divide it by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scaling {
    /// Subtracted from each column; empty for sparse data, which are never centred.
    centre: Vec<f64>,
    /// Then each column is divided by this; 0 for a constant column, which becomes 0.
    scale: Vec<f64>,
}

impl Scaling {
    /// The scaling of these rows. Give it the training rows only.
    pub fn fit(training: &Dataset) -> Scaling {
        match training.features() {
            Features::Dense(dense) => standard(dense, training.columns(), training.weights()),
            Features::Sparse(csr) => {
                Scaling { centre: Vec::new(), scale: magnitudes(csr, training.columns()) }
            }
        }
    }

    /// Number of columns that it was fitted to.
    pub fn columns(&self) -> usize {
        self.scale.len()
    }

    /// What is subtracted from a column, and what it is then divided by.
    pub(crate) fn of(&self, column: usize) -> (f64, f64) {
        (self.centre.get(column).copied().unwrap_or(0.0), self.scale[column])
    }

    /// Leaves all columns as they are but the chosen ones.
    pub(crate) fn only(&mut self, chosen: &[bool]) {
        for (column, _) in chosen.iter().enumerate().filter(|(_, chosen)| !**chosen) {
            (self.centre[column], self.scale[column]) = (0.0, 1.0);
        }
    }

    /// Scales the features in place.
    ///
    /// # Errors
    /// When the number of columns is another, a factor read from a file is not usable, or the scaling was fitted to
    /// dense data and these are sparse.
    pub fn apply(&self, data: &mut Dataset) -> Result<()> {
        self.check(data)?;
        let columns = data.columns();
        match data.features_mut() {
            Features::Dense(dense) => {
                for row in dense.values_mut().chunks_exact_mut(columns) {
                    for (column, x) in row.iter_mut().enumerate() {
                        let (centre, scale) = self.of(column);
                        *x = if scale == 0.0 { 0.0 } else { ((f64::from(*x) - centre) / scale) as f32 };
                    }
                }
            }
            Features::Sparse(csr) => {
                csr.entries_mut().for_each(|(column, x)| *x /= self.scale[column as usize] as f32)
            }
        }
        Ok(())
    }

    fn check(&self, data: &Dataset) -> Result<()> {
        let (mine, theirs) = (self.scale.len(), data.columns());
        if mine != theirs {
            return Err(Error::Scaling(format!("it is for {mine} columns, the data have {theirs}")));
        }
        if !self.centre.is_empty() && self.centre.len() != mine {
            return Err(Error::Scaling(format!("{} means for {mine} columns", self.centre.len())));
        }
        let sparse = data.features().is_sparse();
        if !self.scale.iter().all(|scale| scale.is_normal() || *scale == 0.0 && !sparse)
            || !self.centre.iter().all(|centre| centre.is_finite())
        {
            return Err(Error::Scaling("it holds a factor that is not usable".into()));
        }
        match data.features() {
            Features::Sparse(_) if !self.centre.is_empty() => {
                Err(Error::Scaling("it centres dense columns, the data are sparse".into()))
            }
            _ => Ok(()),
        }
    }
}

fn standard(dense: &Dense, columns: usize, weights: Option<&[f32]>) -> Scaling {
    let mean = column_means(dense, columns, weights, |_, x| x);
    let variance = column_means(dense, columns, weights, |column, x| (x - mean[column]) * (x - mean[column]));
    let scale = |(variance, mean): (f64, &f64)| {
        let deviation = variance.sqrt();
        // Rounding leaves a constant column a tiny deviation; dividing by it would turn rounding errors into features.
        let differs = deviation.is_normal() && deviation > 1e-7 * mean.abs();
        if differs { deviation } else { 0.0 }
    };
    let scale = variance.into_iter().zip(&mean).map(scale).collect();
    Scaling { centre: mean, scale }
}

/// The mean over the rows of `term(column, value)` for each column, summed in `f64`; weighted where there are weights.
fn column_means(
    dense: &Dense,
    columns: usize,
    weights: Option<&[f32]>,
    term: impl Fn(usize, f64) -> f64,
) -> Vec<f64> {
    let mut sums = vec![0.0; columns];
    let mut all = 0.0;
    for (number, row) in dense.values().chunks_exact(columns).enumerate() {
        let weight = weights.map_or(1.0, |weights| weights[number].into());
        all += weight;
        for (column, (sum, &x)) in sums.iter_mut().zip(row).enumerate() {
            *sum += weight * term(column, x.into());
        }
    }
    // No rows, or none that weighs anything: the sums are zero.
    let all = if all > 0.0 { all } else { 1.0 };
    sums.iter().map(|sum| sum / all).collect()
}

/// The largest magnitude in each column; 1 where there is none.
fn magnitudes(csr: &Csr, columns: usize) -> Vec<f64> {
    let mut largest = vec![0f32; columns];
    for (&column, &x) in csr.indices().iter().zip(csr.values()) {
        let largest = &mut largest[column as usize];
        *largest = largest.max(x.abs());
    }
    largest.into_iter().map(|x| if x.is_normal() { x.into() } else { 1.0 }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Targets, synthetic};

    fn dense(values: &[f32], columns: usize) -> Dataset {
        let dense = Dense::new(values.to_vec(), columns).unwrap();
        let rows = dense.rows();
        Dataset::new(Features::Dense(dense), Targets::Real(vec![0.0; rows])).unwrap()
    }

    fn values(data: &Dataset) -> &[f32] {
        match data.features() {
            Features::Dense(dense) => dense.values(),
            Features::Sparse(csr) => csr.values(),
        }
    }

    #[test]
    fn dense_columns_are_standardised_and_constant_ones_become_zero() {
        let mut data = dense(&[1.0, 0.1, 3.0, 0.1, 5.0, 0.1], 2);
        let scaling = Scaling::fit(&data);
        scaling.apply(&mut data).unwrap();
        let unit = 2.0 / (8f32 / 3.0).sqrt();
        let expected = [-unit, 0.0, 0.0, 0.0, unit, 0.0];
        assert!(values(&data).iter().zip(expected).all(|(x, y)| (x - y).abs() < 1e-6), "{:?}", values(&data));
    }

    #[test]
    fn sparse_columns_are_scaled_and_never_centred() {
        let csr = Csr::new(vec![0, 2, 3], vec![0, 2, 0], vec![2.0, -8.0, 4.0], 3).unwrap();
        let mut data = Dataset::new(Features::Sparse(csr), Targets::Real(vec![0.0; 2])).unwrap();
        Scaling::fit(&data).apply(&mut data).unwrap();
        assert_eq!(values(&data), [0.5, -1.0, 1.0]);
    }

    #[test]
    fn a_scaling_of_other_data_is_refused() {
        let scaling = Scaling::fit(&dense(&[1.0, 2.0, 3.0, 5.0], 2));
        let error = scaling.apply(&mut dense(&[1.0, 2.0, 3.0], 3)).unwrap_err().to_string();
        assert!(error.contains("2 columns, the data have 3"), "{error}");
        assert!(scaling.apply(&mut synthetic::sparse_logistic(3, 2, 1, 1)).is_err());
        let wrong = Scaling { centre: vec![0.0; 2], scale: vec![f64::NAN, 1.0] };
        assert!(wrong.apply(&mut dense(&[1.0, 2.0], 2)).is_err());
    }
}
