//! Products of dense matrices by the `gemm` library, which picks the kernel for the machine's vector width at run time.
//!
//! Soundness: `gemm` takes raw pointers with strides. A [`Matrix`] checks at construction that `rows * columns` is its
//! slice's length and keeps its strides (`(columns, 1)` or, transposed, `(1, rows)`), so every element that a product
//! of checked shapes reads lies within a borrowed slice; the result is borrowed mutably, so it overlaps no operand.

use gemm_common::Parallelism;
use gemm_f32::gemm::f32::get_gemm_fn;

/// A borrowed matrix, row-major or the transpose of one.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: isize,
    column_stride: isize,
}

impl<'a> Matrix<'a> {
    /// A row-major matrix of `columns` columns.
    ///
    /// # Panics
    /// If the values are no whole rows.
    pub(crate) fn new(values: &'a [f32], columns: usize) -> Matrix<'a> {
        let rows = values.len() / columns;
        assert_eq!(values.len(), rows * columns, "a matrix has whole rows");
        Matrix { values, rows, columns, row_stride: columns as isize, column_stride: 1 }
    }

    /// All values, in the order in which they are stored.
    pub(crate) fn values(&self) -> &'a [f32] {
        self.values
    }

    /// The same values with rows and columns exchanged.
    pub(crate) fn transposed(self) -> Matrix<'a> {
        Matrix {
            values: self.values,
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
        }
    }
}

/// `out = a b`, row-major; what `out` held is overwritten.
///
/// # Panics
/// If the shapes do not fit.
pub(crate) fn product(a: Matrix<'_>, b: Matrix<'_>, out: &mut [f32]) {
    assert_eq!(a.columns, b.rows, "the inner dimensions of a product are equal");
    assert_eq!(out.len(), a.rows * b.columns, "the result has the outer dimensions");
    // The kernels store columns of the result. Ours are rows, so the transposed product is computed: out' = b' a'.
    let (left, right) = (b.transposed(), a.transposed());
    // SAFETY: shapes were checked above; the module's text says why each pointer and stride stays within its slice.
    unsafe {
        get_gemm_fn()(
            left.rows,
            right.columns,
            left.columns,
            out.as_mut_ptr(),
            left.rows as isize,
            1,
            false,
            left.values.as_ptr(),
            left.column_stride,
            left.row_stride,
            right.values.as_ptr(),
            right.column_stride,
            right.row_stride,
            0.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn naive(a: &[f32], b: &[f32], rows: usize, inner: usize, columns: usize) -> Vec<f32> {
        let cell = |i: usize, j: usize| (0..inner).map(|k| a[i * inner + k] * b[k * columns + j]).sum();
        (0..rows * columns).map(|at| cell(at / columns, at % columns)).collect()
    }

    fn transpose(values: &[f32], columns: usize) -> Vec<f32> {
        let rows = values.len() / columns;
        (0..values.len()).map(|at| values[at % rows * columns + at / rows]).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn products_equal_the_definition(rows in 1usize..40, inner in 1usize..40, columns in 1usize..40) {
            // Small whole numbers, so that every order of summation gives the same bits.
            let a: Vec<f32> = (0..rows * inner).map(|i| (i % 7) as f32 - 3.0).collect();
            let b: Vec<f32> = (0..inner * columns).map(|i| (i % 5) as f32 - 2.0).collect();
            let expected = naive(&a, &b, rows, inner, columns);
            let (a_t, b_t) = (transpose(&a, inner), transpose(&b, columns));
            for left in [Matrix::new(&a, inner), Matrix::new(&a_t, rows).transposed()] {
                for right in [Matrix::new(&b, columns), Matrix::new(&b_t, inner).transposed()] {
                    let mut out = vec![f32::NAN; rows * columns];
                    product(left, right, &mut out);
                    prop_assert_eq!(&out, &expected);
                }
            }
        }
    }
}
