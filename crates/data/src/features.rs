//! The matrix of features: dense rows, or compressed sparse rows (CSR) of which only the non-zeros are stored.
//! Invariants, checked once at construction, so that no later loop needs to: a dense matrix has
//! `rows * columns` values; in a CSR row the column indices ascend strictly and are below `columns`.

use crate::batch::{CsrView, DenseView, FeaturesView};
use crate::{Error, Result};
use std::ops::Range;

/// The most columns that a data set may have (2^28): a model with one `f32` for each takes 1 GiB.
/// It bounds what a mistyped index in a sparse file can make the program allocate.
pub const MAX_COLUMNS: usize = 1 << 28;

/// A matrix of features, one row per example.
#[derive(Clone, Debug, PartialEq)]
pub enum Features {
    /// Every value is stored.
    Dense(Dense),
    /// Only the non-zeros are stored.
    Sparse(Csr),
}

impl Features {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        match self {
            Features::Dense(dense) => dense.rows(),
            Features::Sparse(csr) => csr.rows(),
        }
    }

    /// Whether only the non-zeros are stored.
    pub fn is_sparse(&self) -> bool {
        matches!(self, Features::Sparse(_))
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        match self {
            Features::Dense(dense) => dense.columns,
            Features::Sparse(csr) => csr.columns,
        }
    }

    /// The rows of `range`, borrowed.
    ///
    /// # Panics
    /// If the range does not lie within the rows.
    pub fn view(&self, range: Range<usize>) -> FeaturesView<'_> {
        match self {
            Features::Dense(dense) => FeaturesView::Dense(dense.view(range)),
            Features::Sparse(csr) => FeaturesView::Sparse(csr.view(range)),
        }
    }

    /// The given rows, in the given order, copied.
    pub(crate) fn select(&self, rows: &[usize]) -> Features {
        match self {
            Features::Dense(dense) => Features::Dense(dense.select(rows)),
            Features::Sparse(csr) => Features::Sparse(csr.select(rows)),
        }
    }

    /// As `select`, into used memory.
    pub(crate) fn gather(&self, rows: &[usize], into: &mut Features) {
        match (self, into) {
            (Features::Dense(all), Features::Dense(dense)) => all.gather(rows, dense),
            (Features::Sparse(all), Features::Sparse(csr)) => all.gather(rows, csr),
            _ => panic!("rows are gathered into a matrix of the same kind"),
        }
    }
}

/// A dense matrix, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Dense {
    values: Vec<f32>,
    columns: usize,
}

impl Dense {
    /// A matrix of `values.len() / columns` rows.
    ///
    /// # Errors
    /// When there are no columns, too many ([`MAX_COLUMNS`]), or the values are not whole rows.
    pub fn new(values: Vec<f32>, columns: usize) -> Result<Dense> {
        check_columns(columns)?;
        if !values.len().is_multiple_of(columns) {
            return Err(Error::Shape(format!(
                "{} values are no whole rows of {columns} columns",
                values.len()
            )));
        }
        Ok(Dense { values, columns })
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.values.len() / self.columns
    }

    /// All values, row-major.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// All values, row-major, to be changed in place.
    pub fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }

    fn view(&self, range: Range<usize>) -> DenseView<'_> {
        DenseView {
            values: &self.values[range.start * self.columns..range.end * self.columns],
            columns: self.columns,
        }
    }

    fn select(&self, rows: &[usize]) -> Dense {
        let mut selected = Dense { values: Vec::new(), columns: self.columns };
        self.gather(rows, &mut selected);
        selected
    }

    fn gather(&self, rows: &[usize], into: &mut Dense) {
        into.values.clear();
        into.values.reserve(rows.len() * self.columns);
        for &row in rows {
            into.values.extend_from_slice(&self.values[row * self.columns..][..self.columns]);
        }
    }
}

/// A sparse matrix in compressed rows: row `i` has the columns `indices[offsets[i]..offsets[i + 1]]`
/// and there the `values` of the same positions; everything else is zero.
#[derive(Clone, Debug, PartialEq)]
pub struct Csr {
    offsets: Vec<usize>,
    indices: Vec<u32>,
    values: Vec<f32>,
    columns: usize,
}

impl Csr {
    /// A matrix of `offsets.len() - 1` rows.
    ///
    /// # Errors
    /// When an invariant of the format is broken: offsets from 0 to the number of values, never falling; in each
    /// row strictly ascending indices below `columns`.
    pub fn new(offsets: Vec<usize>, indices: Vec<u32>, values: Vec<f32>, columns: usize) -> Result<Csr> {
        check_columns(columns)?;
        let ends = (offsets.first(), offsets.last());
        if ends != (Some(&0), Some(&values.len())) || indices.len() != values.len() {
            return Err(Error::Shape("sparse offsets, indices and values differ in length".into()));
        }
        for (row, ends) in offsets.windows(2).enumerate() {
            let indices = (ends[0] <= ends[1]).then(|| indices.get(ends[0]..ends[1])).flatten();
            let ascending = |row: &[u32]| row.is_sorted_by(|a, b| a < b);
            if !indices
                .is_some_and(|row| ascending(row) && row.last().is_none_or(|&i| (i as usize) < columns))
            {
                return Err(Error::Shape(format!(
                    "the indices of sparse row {row} must ascend strictly and be below {columns}"
                )));
            }
        }
        Ok(Csr { offsets, indices, values, columns })
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Number of stored values.
    pub fn non_zeros(&self) -> usize {
        self.values.len()
    }

    /// Where each row's stored values begin, and at the end their number.
    pub fn offsets(&self) -> &[usize] {
        &self.offsets
    }

    /// Column of each stored value, row after row.
    pub fn indices(&self) -> &[u32] {
        &self.indices
    }

    /// The stored values, row after row.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The columns of the stored values with the values, which may be changed.
    pub fn entries_mut(&mut self) -> impl Iterator<Item = (u32, &mut f32)> {
        self.indices.iter().copied().zip(&mut self.values)
    }

    fn view(&self, range: Range<usize>) -> CsrView<'_> {
        let offsets = &self.offsets[range.start..=range.end];
        let stored = offsets[0]..offsets[offsets.len() - 1];
        CsrView::cut(offsets, &self.indices[stored.clone()], &self.values[stored], self.columns)
    }

    fn select(&self, rows: &[usize]) -> Csr {
        let (offsets, columns) = (Vec::with_capacity(rows.len() + 1), self.columns);
        let mut selected = Csr { offsets, indices: Vec::new(), values: Vec::new(), columns };
        self.gather(rows, &mut selected);
        selected
    }

    fn gather(&self, rows: &[usize], into: &mut Csr) {
        into.offsets.clear();
        into.indices.clear();
        into.values.clear();
        into.offsets.push(0);
        for &row in rows {
            let stored = self.offsets[row]..self.offsets[row + 1];
            into.indices.extend_from_slice(&self.indices[stored.clone()]);
            into.values.extend_from_slice(&self.values[stored]);
            into.offsets.push(into.values.len());
        }
    }
}

fn check_columns(columns: usize) -> Result<()> {
    match columns {
        0 => Err(Error::Shape("there is no feature column".into())),
        1..=MAX_COLUMNS => Ok(()),
        _ => Err(Error::Shape(format!("{columns} columns are above the limit of {MAX_COLUMNS}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_csr_matrix_keeps_its_invariants() {
        let csr = |offsets: &[usize], indices: &[u32], columns| {
            Csr::new(offsets.to_vec(), indices.to_vec(), vec![1.0; indices.len()], columns)
        };
        assert!(csr(&[0, 2, 2, 3], &[0, 4, 1], 5).is_ok());
        assert!(csr(&[0, 2], &[4, 0], 5).is_err(), "descending");
        assert!(csr(&[0, 2], &[4, 4], 5).is_err(), "twice the same");
        assert!(csr(&[0, 2], &[0, 5], 5).is_err(), "index out of range");
        assert!(csr(&[0, 3, 2], &[0, 1], 5).is_err(), "offsets fall");
        assert!(csr(&[], &[], 5).is_err(), "no offsets");
        assert!(csr(&[0], &[], 0).is_err(), "no columns");
    }

    #[test]
    fn a_dense_matrix_has_whole_rows() {
        assert_eq!(Dense::new(vec![0.0; 6], 3).unwrap().rows(), 2);
        assert!(Dense::new(vec![0.0; 5], 3).is_err());
        assert!(Dense::new(vec![], 0).is_err());
    }
}
