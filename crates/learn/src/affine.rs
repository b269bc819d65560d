//! The affine map `x W + b` of a batch and its gradient, over dense and sparse rows: all of a linear model, and the
//! first layer of a network. In the flat vector `W` comes first, row-major with one row of `outputs` weights
//! per feature, then `b`.

use crate::matrix::{Matrix, product};
use crate::{sparse, vector};
use syncline_data::{CsrView, FeaturesView};

/// `out = x W`, without the bias; `out` is overwritten.
pub(crate) fn multiply(x: &FeaturesView<'_>, w: &[f32], outputs: usize, out: &mut [f32]) {
    match x {
        FeaturesView::Sparse(csr) => sparse::product(csr, w, outputs, out),
        FeaturesView::Dense(dense) if outputs == 1 => {
            // A matrix with one column is a vector: the library's kernels for matrices are no help here.
            let rows = dense.values.chunks_exact(dense.columns);
            out.iter_mut().zip(rows).for_each(|(out, row)| *out = vector::dot(row, w));
        }
        FeaturesView::Dense(dense) => {
            product(Matrix::new(dense.values, dense.columns), Matrix::new(w, outputs), out);
        }
    }
}

/// Overwrites `gradient` (of `W`, then of `b`) by the derivatives of the `outputs` of each row.
pub(crate) fn gradient(x: &FeaturesView<'_>, derivatives: &[f32], outputs: usize, gradient: &mut [f32]) {
    let (w, b) = gradient.split_at_mut(x.columns() * outputs);
    vector::column_sums(derivatives, b);
    match x {
        FeaturesView::Sparse(csr) => sparse::transposed_product(csr, derivatives, outputs, w),
        FeaturesView::Dense(dense) if outputs == 1 => {
            w.fill(0.0);
            let rows = dense.values.chunks_exact(dense.columns);
            rows.zip(derivatives).for_each(|(row, &derivative)| vector::axpy(w, derivative, row));
        }
        FeaturesView::Dense(dense) => {
            product(
                Matrix::new(dense.values, dense.columns).transposed(),
                Matrix::new(derivatives, outputs),
                w,
            );
        }
    }
}

/// `parameters -= learning_rate * gradient` over sparse rows, writing only the parameters that they touch.
pub(crate) fn descend_sparse(
    x: &CsrView<'_>,
    derivatives: &[f32],
    outputs: usize,
    learning_rate: f32,
    parameters: &mut [f32],
) {
    let (w, b) = parameters.split_at_mut(x.columns() * outputs);
    sparse::scatter(x, derivatives, outputs, -learning_rate, w);
    derivatives.chunks_exact(outputs).for_each(|row| vector::axpy(b, -learning_rate, row));
}
