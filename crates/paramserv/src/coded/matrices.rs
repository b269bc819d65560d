//! The two matrices of a linear model's step: the rows with a one for the bias, and the same on its side. Neither is ever laid out: a
//! worker adds up rows of the data into its coded block.

use std::sync::Arc;

use syncline_coded::Matrix;
use syncline_data::{Dataset, FeaturesView};

/// The numbers of one row of dense features; sparse ones are refused before a run.
fn row(data: &Dataset, row: usize) -> &[f32] {
    match data.batch(row..row + 1).features {
        FeaturesView::Dense(dense) => dense.values,
        FeaturesView::Sparse(_) => &[],
    }
}

/// A row of the data and a one.
pub(super) struct Rows(pub Arc<Dataset>);

impl Matrix for Rows {
    fn rows(&self) -> usize {
        self.0.rows()
    }

    fn columns(&self) -> usize {
        self.0.columns() + 1
    }

    fn add(&self, at: usize, coefficient: f64, sum: &mut [f64]) {
        let values = row(&self.0, at).iter().copied().map(f64::from).chain([1.0]);
        sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += coefficient * value);
    }
}

/// A column of the data, or after them ones.
pub(super) struct Columns(pub Arc<Dataset>);

impl Matrix for Columns {
    fn rows(&self) -> usize {
        self.0.columns() + 1
    }

    fn columns(&self) -> usize {
        self.0.rows()
    }

    fn add(&self, at: usize, coefficient: f64, sum: &mut [f64]) {
        for (row_of, sum) in sum.iter_mut().enumerate() {
            *sum += coefficient * row(&self.0, row_of).get(at).map_or(1.0, |value| f64::from(*value));
        }
    }
}

#[cfg(test)]
mod tests {
    use syncline_data::synthetic;

    use super::*;

    #[test]
    fn one_is_the_other_on_its_side_and_ends_with_ones() {
        let data = Arc::new(synthetic::blobs(7, 3, 2, 1));
        let (rows, columns) = (Rows(Arc::clone(&data)), Columns(data));
        assert_eq!((rows.rows(), rows.columns()), (columns.columns(), columns.rows()));
        let laid = |matrix: &dyn Matrix| -> Vec<Vec<f64>> {
            let of_row = |row| {
                let mut sum = vec![1.0; matrix.columns()];
                matrix.add(row, 2.0, &mut sum);
                sum
            };
            (0..matrix.rows()).map(of_row).collect()
        };
        let (rows, columns) = (laid(&rows), laid(&columns));
        for (at, row) in rows.iter().enumerate() {
            assert_eq!(row.last(), Some(&3.0), "1 + 2 x 1");
            assert!(row.iter().enumerate().all(|(column, value)| columns[column][at] == *value));
        }
    }
}
