//! Products of sparse rows with a dense row-major matrix, in time proportional to the non-zeros.

use crate::vector::wide;
use syncline_data::CsrView;

/// `out = x w` for sparse rows `x` (rows x features) and `w` (features x `width`); `out` is overwritten.
///
/// # Panics
/// If the lengths do not fit.
pub(crate) fn product(x: &CsrView<'_>, w: &[f32], width: usize, out: &mut [f32]) {
    assert_eq!(out.len(), x.rows() * width, "one row of results per sparse row");
    match width {
        1 => single_product(x, w, out),
        _ => wide(
            #[inline(always)]
            || {
                out.fill(0.0);
                for (row, out) in x.iter().zip(out.chunks_exact_mut(width)) {
                    for (&column, &x) in row.indices.iter().zip(row.values) {
                        let w = &w[column as usize * width..][..width];
                        out.iter_mut().zip(w).for_each(|(out, w)| *out += x * w);
                    }
                }
            },
        ),
    }
}

/// `gradient = x' d` for sparse rows `x` and their derivatives `d` (rows x `width`); overwritten, also where no row
/// has an entry.
///
/// # Panics
/// If the lengths do not fit.
pub(crate) fn transposed_product(x: &CsrView<'_>, d: &[f32], width: usize, gradient: &mut [f32]) {
    assert_eq!(gradient.len(), x.columns() * width, "one row of weights per feature");
    gradient.fill(0.0);
    scatter(x, d, width, 1.0, gradient);
}

/// `w += factor * x' d`, touching the non-zeros only.
pub(crate) fn scatter(x: &CsrView<'_>, d: &[f32], width: usize, factor: f32, w: &mut [f32]) {
    match width {
        1 => {
            for (row, d) in x.iter().zip(d) {
                let d = factor * d;
                row.indices.iter().zip(row.values).for_each(|(&column, x)| w[column as usize] += d * x);
            }
        }
        _ => wide(
            #[inline(always)]
            || {
                for (row, d) in x.iter().zip(d.chunks_exact(width)) {
                    for (&column, &x) in row.indices.iter().zip(row.values) {
                        let x = factor * x;
                        let w = &mut w[column as usize * width..][..width];
                        w.iter_mut().zip(d).for_each(|(w, d)| *w += x * d);
                    }
                }
            },
        ),
    }
}

/// One output. Four partial sums let the processor have four loads under way; the order is fixed.
fn single_product(x: &CsrView<'_>, w: &[f32], out: &mut [f32]) {
    for (row, out) in x.iter().zip(out) {
        let (indices, indices_rest) = row.indices.as_chunks::<4>();
        let (values, values_rest) = row.values.as_chunks::<4>();
        let mut parts = [0f32; 4];
        for (columns, xs) in indices.iter().zip(values) {
            for i in 0..4 {
                parts[i] += xs[i] * w[columns[i] as usize];
            }
        }
        let rest: f32 = indices_rest.iter().zip(values_rest).map(|(&column, x)| x * w[column as usize]).sum();
        *out = (parts[0] + parts[1]) + (parts[2] + parts[3]) + rest;
    }
}
