//! A borrowed range of rows: what a model sees. Nothing is copied; a batch is a handful of slices and is `Copy`.

use std::ops::Range;

/// Some rows of a data set.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// The rows' features.
    pub features: FeaturesView<'a>,
    /// The rows' targets, as many.
    pub targets: TargetsView<'a>,
    /// How much each row counts, around 1; nothing where all count the same.
    pub weights: Option<&'a [f32]>,
}

impl<'a> Batch<'a> {
    /// Some of these rows.
    ///
    /// # Panics
    /// If there are not as many rows.
    pub fn slice(&self, rows: Range<usize>) -> Batch<'a> {
        Batch {
            features: self.features.slice(rows.clone()),
            weights: self.weights.map(|weights| &weights[rows.clone()]),
            targets: self.targets.slice(rows),
        }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.targets.rows()
    }

    /// Number of feature columns.
    pub fn columns(&self) -> usize {
        self.features.columns()
    }
}

/// Borrowed rows of features.
#[derive(Clone, Copy, Debug)]
pub enum FeaturesView<'a> {
    /// Every value is stored.
    Dense(DenseView<'a>),
    /// Only the non-zeros are stored.
    Sparse(CsrView<'a>),
}

impl<'a> FeaturesView<'a> {
    /// Some of these rows.
    ///
    /// # Panics
    /// If there are not as many rows.
    pub fn slice(&self, rows: Range<usize>) -> FeaturesView<'a> {
        match *self {
            FeaturesView::Dense(DenseView { values, columns }) => FeaturesView::Dense(DenseView {
                values: &values[rows.start * columns..rows.end * columns],
                columns,
            }),
            FeaturesView::Sparse(csr) => FeaturesView::Sparse(csr.slice(rows)),
        }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        match self {
            FeaturesView::Dense(dense) => dense.values.len() / dense.columns,
            FeaturesView::Sparse(csr) => csr.rows(),
        }
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        match self {
            FeaturesView::Dense(dense) => dense.columns,
            FeaturesView::Sparse(csr) => csr.columns,
        }
    }

    /// Whether only the non-zeros are stored.
    pub fn is_sparse(&self) -> bool {
        matches!(self, FeaturesView::Sparse(_))
    }
}

/// Borrowed dense rows, row-major.
#[derive(Clone, Copy, Debug)]
pub struct DenseView<'a> {
    /// `rows * columns` values.
    pub values: &'a [f32],
    /// Number of columns, at least one.
    pub columns: usize,
}

/// Borrowed compressed sparse rows. The offsets may start anywhere; `indices` and `values` start at the first.
#[derive(Clone, Copy, Debug)]
pub struct CsrView<'a> {
    offsets: &'a [usize],
    indices: &'a [u32],
    values: &'a [f32],
    columns: usize,
}

impl<'a> CsrView<'a> {
    /// Rows cut out of a matrix whose invariants hold: `offsets` are the matrix's own, one more than the rows;
    /// `indices` and `values` those from the first offset to the last.
    pub(crate) fn cut(offsets: &'a [usize], indices: &'a [u32], values: &'a [f32], columns: usize) -> Self {
        CsrView { offsets, indices, values, columns }
    }

    /// Some of these rows.
    ///
    /// # Panics
    /// If there are not as many rows.
    pub fn slice(&self, rows: Range<usize>) -> CsrView<'a> {
        let offsets = &self.offsets[rows.start..=rows.end];
        let stored = offsets[0] - self.offsets[0]..offsets[rows.len()] - self.offsets[0];
        CsrView {
            offsets,
            indices: &self.indices[stored.clone()],
            values: &self.values[stored],
            columns: self.columns,
        }
    }

    /// The same rows with their columns renumbered: position `p` of the view is now in column `indices[p]`.
    ///
    /// # Panics
    /// If the number of indices differs. The new indices must be below `columns`; models panic on others.
    pub fn renumber<'b>(&self, indices: &'b [u32], columns: usize) -> CsrView<'b>
    where
        'a: 'b,
    {
        assert_eq!(indices.len(), self.indices.len(), "one new index per stored value");
        CsrView { offsets: self.offsets, indices, values: self.values, columns }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The columns of all stored values, row after row.
    pub fn indices(&self) -> &'a [u32] {
        self.indices
    }

    /// All stored values, row after row.
    pub fn values(&self) -> &'a [f32] {
        self.values
    }

    /// The rows in order.
    pub fn iter(&self) -> impl Iterator<Item = SparseRow<'a>> + use<'a> {
        let (base, indices, values) = (self.offsets[0], self.indices, self.values);
        self.offsets.windows(2).map(move |ends| {
            let stored = ends[0] - base..ends[1] - base;
            SparseRow { indices: &indices[stored.clone()], values: &values[stored] }
        })
    }
}

/// One sparse row: its columns, and the values there.
#[derive(Clone, Copy, Debug)]
pub struct SparseRow<'a> {
    /// Columns, ascending.
    pub indices: &'a [u32],
    /// As many values.
    pub values: &'a [f32],
}

/// Borrowed targets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TargetsView<'a> {
    /// A real number for each row.
    Real(&'a [f32]),
    /// A class for each row.
    Class(&'a [u32]),
}

impl<'a> TargetsView<'a> {
    /// The targets of some of these rows.
    ///
    /// # Panics
    /// If there are not as many rows.
    pub fn slice(&self, rows: Range<usize>) -> TargetsView<'a> {
        match *self {
            TargetsView::Real(values) => TargetsView::Real(&values[rows]),
            TargetsView::Class(labels) => TargetsView::Class(&labels[rows]),
        }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        match self {
            TargetsView::Real(values) => values.len(),
            TargetsView::Class(labels) => labels.len(),
        }
    }
}
