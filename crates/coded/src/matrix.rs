//! A dense matrix cut into blocks of rows, and what each worker of a code holds of it.

use crate::error::within;
use crate::{Code, Error, Result, Share};

/// Rows of numbers that can be added up with weights: what a code is made of, wherever the numbers lie.
///
/// ```
/// use syncline_coded::{Matrix, Share, combine};
///
/// /// The multiplication table.
/// struct Table(usize);
///
/// impl Matrix for Table {
///     fn rows(&self) -> usize { self.0 }
///     fn columns(&self) -> usize { self.0 }
///     fn add(&self, row: usize, coefficient: f64, sum: &mut [f64]) {
///         sum.iter_mut().enumerate().for_each(|(column, sum)| *sum += coefficient * ((row + 1) * (column + 1)) as f64);
///     }
/// }
///
/// // Two blocks of two rows, the second padded: what holds the first one plus twice the second.
/// let shares = [Share { part: 0, coefficient: 1.0 }, Share { part: 1, coefficient: 2.0 }];
/// assert_eq!(combine(&shares, 2, &Table(3)), [7.0, 14.0, 21.0, 2.0, 4.0, 6.0]);
/// ```
pub trait Matrix: Send + Sync {
    /// How many rows.
    fn rows(&self) -> usize;

    /// How many columns.
    fn columns(&self) -> usize;

    /// Adds `coefficient` times a row to `sum`, which has a number for each column.
    fn add(&self, row: usize, coefficient: f64, sum: &mut [f64]);
}

impl Matrix for RowBlocks {
    fn rows(&self) -> usize {
        self.rows
    }

    fn columns(&self) -> usize {
        self.columns
    }

    fn add(&self, row: usize, coefficient: f64, sum: &mut [f64]) {
        let values = &self.values[row * self.columns..][..self.columns];
        sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += coefficient * value);
    }
}

/// A matrix of `rows` rows and `columns` columns, row after row, in `blocks` blocks of equal height; the last is
/// padded with rows of zeros.
#[derive(Clone, Debug, PartialEq)]
pub struct RowBlocks {
    values: Vec<f64>,
    rows: usize,
    columns: usize,
    blocks: usize,
}

impl RowBlocks {
    /// Cuts a matrix, given row after row, into blocks.
    ///
    /// # Errors
    /// When the values are no whole rows, or there are no columns or blocks.
    pub fn new(mut values: Vec<f64>, columns: usize, blocks: usize) -> Result<Self> {
        within("the number of columns", columns, 1, usize::MAX)?;
        within("the number of blocks", blocks, 1, usize::MAX)?;
        if !values.len().is_multiple_of(columns) {
            let reason = format!("{} values are no whole rows of {columns}", values.len());
            return Err(Error::Mismatch { what: "cutting a matrix into blocks", reason });
        }
        let rows = values.len() / columns;
        values.resize(rows.div_ceil(blocks) * blocks * columns, 0.0);
        Ok(Self { values, rows, columns, blocks })
    }

    /// Rows of the matrix, without the padding.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Columns of the matrix.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Rows of one block.
    pub fn height(&self) -> usize {
        self.rows.div_ceil(self.blocks)
    }

    /// One block, row after row.
    ///
    /// # Panics
    /// If there is no such block.
    pub fn block(&self, block: usize) -> &[f64] {
        let size = self.height() * self.columns;
        &self.values[block * size..][..size]
    }

    /// Cuts a decoded product (the answers of all blocks, `width` values a row) to the rows of the matrix.
    pub fn trim(&self, mut product: Vec<f64>, width: usize) -> Vec<f64> {
        product.truncate(self.rows * width);
        product
    }
}

/// What a worker holds: the weighted sum of its blocks, row after row.
///
/// # Errors
/// When the matrix is not cut into as many blocks as the code has parts.
pub fn encode(code: &impl Code, matrix: &RowBlocks, worker: usize) -> Result<Vec<f64>> {
    if matrix.blocks != code.parts() {
        let reason = format!("the matrix has {} blocks, the code {} parts", matrix.blocks, code.parts());
        return Err(Error::Mismatch { what: "encoding a matrix", reason });
    }
    Ok(combine(&code.assignment(worker), matrix.blocks, matrix))
}

/// The weighted sum of some of the equally high blocks of rows that a matrix is cut into, row after row.
pub fn combine(shares: &[Share], blocks: usize, matrix: &(impl Matrix + ?Sized)) -> Vec<f64> {
    let (rows, columns) = (matrix.rows(), matrix.columns());
    let height = rows.div_ceil(blocks.max(1));
    let mut coded = vec![0.0; height * columns];
    for share in shares {
        // What the last block lacks are rows of zeros.
        let of_block = share.part * height..((share.part + 1) * height).min(rows);
        for (row, sum) in of_block.zip(coded.chunks_exact_mut(columns.max(1))) {
            matrix.add(row, share.coefficient, sum);
        }
    }
    coded
}
