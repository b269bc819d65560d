//! A dense matrix cut into blocks of rows, and what each worker of a code holds of it.

use crate::error::within;
use crate::{Code, Error, Result};

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
    let mut coded = vec![0.0; matrix.height() * matrix.columns];
    for share in code.assignment(worker) {
        for (sum, value) in coded.iter_mut().zip(matrix.block(share.part)) {
            *sum += share.coefficient * value;
        }
    }
    Ok(coded)
}
