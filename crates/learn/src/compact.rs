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
        let columns = Columns::of(csr.indices(), csr.columns());
        let rest = parameters.checked_sub(csr.columns() * width)?;
        if (columns.len() * width + rest) * 2 > parameters {
            return None;
        }
        let indices = csr.indices().iter().map(|&column| columns.rank(column)).collect();
        let width = width as u32;
        let mut touched = Vec::with_capacity(columns.len() * width as usize + rest);
        columns.for_each(|column| touched.extend(column * width..(column + 1) * width));
        touched.extend(csr.columns() as u32 * width..total);
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
                Batch { features, ..*batch }
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

/// The columns that occur in a batch, and their ranks among themselves. A shuffled batch is met once, so that this is
/// done in every round: a set of bits is several times quicker than sorting, unless it would be much longer than the batch.
enum Columns {
    /// Ascending, each once.
    Sorted(Vec<u32>),
    /// A bit for each column, and how many are set before each word.
    Bits { words: Vec<u64>, before: Vec<u32>, len: usize },
}

/// Words of bits for each entry of a batch, at most.
const WORDS_PER_ENTRY: usize = 8;

impl Columns {
    fn of(indices: &[u32], columns: usize) -> Self {
        let count = columns.div_ceil(64);
        if count > indices.len() * WORDS_PER_ENTRY {
            let mut sorted = indices.to_vec();
            sorted.sort_unstable();
            sorted.dedup();
            return Self::Sorted(sorted);
        }
        let mut words = vec![0u64; count];
        indices.iter().for_each(|&column| words[column as usize / 64] |= 1 << (column % 64));
        let (mut before, mut len) = (Vec::with_capacity(count), 0);
        for word in &words {
            before.push(len);
            len += word.count_ones();
        }
        Self::Bits { words, before, len: len as usize }
    }

    fn len(&self) -> usize {
        match self {
            Self::Sorted(columns) => columns.len(),
            Self::Bits { len, .. } => *len,
        }
    }

    /// How many smaller columns occur.
    fn rank(&self, column: u32) -> u32 {
        match self {
            Self::Sorted(columns) => columns.partition_point(|&other| other < column) as u32,
            Self::Bits { words, before, .. } => {
                let (word, bit) = (column as usize / 64, column % 64);
                before[word] + (words[word] & ((1 << bit) - 1)).count_ones()
            }
        }
    }

    /// Visits them in ascending order.
    fn for_each(&self, mut visit: impl FnMut(u32)) {
        match self {
            Self::Sorted(columns) => columns.iter().copied().for_each(visit),
            Self::Bits { words, .. } => {
                for (start, &word) in (0u32..).step_by(64).zip(words).filter(|(_, word)| **word != 0) {
                    let mut rest = word;
                    while rest != 0 {
                        visit(start + rest.trailing_zeros());
                        rest &= rest - 1;
                    }
                }
            }
        }
    }
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
    fn bits_and_sorting_give_the_same_columns() {
        let indices = [3u32, 64, 3, 130, 63, 0, 64, 191];
        let all = |columns: &Columns| {
            let mut found = Vec::new();
            columns.for_each(|column| found.push((column, columns.rank(column))));
            (columns.len(), found)
        };
        let (bits, sorted) = (Columns::of(&indices, 192), Columns::of(&indices, 1 << 28));
        assert!(matches!(bits, Columns::Bits { .. }) && matches!(sorted, Columns::Sorted(_)));
        assert_eq!(all(&bits), all(&sorted));
        assert_eq!(all(&bits), (6, vec![(0, 0), (3, 1), (63, 2), (64, 3), (130, 4), (191, 5)]));
        assert_eq!(Columns::of(&[], 10).len(), 0);
    }

    #[test]
    fn a_batch_that_touches_most_parameters_is_left_as_it_is() {
        assert!(Compact::of(&data(5).batch(0..3), 1, 6).is_some());
        assert!(Compact::of(&data(5).batch(0..3), 1, 7).is_none());
    }
}
