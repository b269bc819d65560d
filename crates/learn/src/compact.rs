//! A sparse batch over only the parameters that it reads.
//!
//! A row of 50 non-zeros among a million features reads 50 rows of the weights. If the columns that occur in a batch
//! are numbered 0, 1, 2 ... in ascending order, then the batch is an ordinary batch of an ordinary, small model, whose
//! parameters are the touched ones in ascending order. So a worker pulls `touched`, computes as always, and pushes a
//! gradient of the same length; nothing of the full length is ever made. A compact batch depends on the batch alone, so
//! it is made once and used in every epoch.

use syncline_data::{Batch, FeaturesView};

/// The touched parameters of one batch, and the batch's columns in terms of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Compact {
    touched: Vec<u32>,
    indices: Vec<u32>,
    columns: usize,
}

impl Compact {
    /// Compacts a batch for a model of `parameters` parameters that begin with a matrix, row-major, of one row of
    /// `width` weights for each feature. The parameters after that matrix are all touched.
    ///
    /// `None` when that is not worth while: the batch is dense, or touches more than half of the parameters; or when
    /// the parameters are too many to be counted by a `u32`.
    pub fn of(batch: &Batch<'_>, width: usize, parameters: usize) -> Option<Compact> {
        let FeaturesView::Sparse(csr) = &batch.features else { return None };
        let total = u32::try_from(parameters).ok()?;
        let columns = distinct(csr.indices());
        let rest = parameters.checked_sub(csr.columns() * width)?;
        if (columns.len() * width + rest) * 2 > parameters {
            return None;
        }
        let rank = |column| columns.partition_point(|&other| other < column) as u32;
        let indices = csr.indices().iter().map(|&column| rank(column)).collect();
        let width = width as u32;
        let weights = columns.iter().flat_map(|&column| column * width..(column + 1) * width);
        let touched = weights.chain(csr.columns() as u32 * width..total).collect();
        Some(Compact { touched, indices, columns: columns.len() })
    }

    /// The parameters that the batch reads: ascending positions in the flat vector.
    pub fn touched(&self) -> &[u32] {
        &self.touched
    }

    /// The batch in terms of the touched parameters. `batch` must be the one that this was made of.
    ///
    /// # Panics
    /// If the batch is dense, or of another number of non-zeros.
    pub fn batch<'a>(&'a self, batch: &Batch<'a>) -> Batch<'a> {
        match batch.features {
            FeaturesView::Sparse(csr) => {
                let features = FeaturesView::Sparse(csr.renumber(&self.indices, self.columns));
                Batch { features, targets: batch.targets }
            }
            FeaturesView::Dense(_) => panic!("a compact batch is made of a sparse one"),
        }
    }

    /// Copies the touched ones of all `parameters`.
    ///
    /// # Panics
    /// If the lengths do not fit.
    pub fn gather(&self, parameters: &[f32], compact: &mut [f32]) {
        assert_eq!(self.touched.len(), compact.len(), "one value per touched parameter");
        compact.iter_mut().zip(&self.touched).for_each(|(value, &at)| *value = parameters[at as usize]);
    }

    /// Adds `factor` times the values to the touched ones of all `parameters`.
    ///
    /// # Panics
    /// If the lengths do not fit.
    pub fn scatter_add(&self, parameters: &mut [f32], factor: f32, values: &[f32]) {
        assert_eq!(self.touched.len(), values.len(), "one value per touched parameter");
        values.iter().zip(&self.touched).for_each(|(value, &at)| parameters[at as usize] += factor * value);
    }
}

/// The values, sorted, each once.
fn distinct(values: &[u32]) -> Vec<u32> {
    let mut values = values.to_vec();
    values.sort_unstable();
    values.dedup();
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use syncline_data::{Csr, Dataset, Features, Targets};

    fn data(columns: usize) -> Dataset {
        let csr = Csr::new(vec![0, 2, 3, 3], vec![1, 4, 1], vec![1.0, 2.0, 3.0], columns).unwrap();
        Dataset::new(Features::Sparse(csr), Targets::Real(vec![0.0; 3])).unwrap()
    }

    #[test]
    fn the_touched_parameters_are_the_rows_of_the_columns_that_occur_and_the_rest() {
        let data = data(8);
        let compact = Compact::of(&data.batch(0..3), 2, 8 * 2 + 2).unwrap();
        assert_eq!(compact.touched(), [2, 3, 8, 9, 16, 17]);
        assert_eq!((compact.indices.as_slice(), compact.columns), (&[0, 1, 0][..], 2));
        assert_eq!(compact.batch(&data.batch(0..3)).columns(), 2);
        // A batch whose rows are all empty reads the biases only.
        assert_eq!(Compact::of(&data.batch(2..3), 2, 18).unwrap().touched(), [16, 17]);
    }

    #[test]
    fn a_batch_that_touches_most_parameters_is_left_as_it_is() {
        assert!(Compact::of(&data(5).batch(0..3), 1, 6).is_some());
        assert!(Compact::of(&data(5).batch(0..3), 1, 7).is_none());
    }
}
