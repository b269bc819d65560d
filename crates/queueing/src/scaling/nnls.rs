//! Non-negative least squares for a handful of coefficients: min |A x - b| with x >= 0.
//!
//! With n coefficients there are 2^n sets of those that are positive. For the three or four of a scaling law all are
//! tried: the unconstrained solution of a set is the optimum if none of it is negative and no other set fits better,
//! which is what the active-set method of Lawson and Hanson (1974) finds with more bookkeeping.

use crate::matrix::Matrix;

/// The best x, for rows of A and the entries of b.
pub(super) fn non_negative_least_squares<const N: usize>(rows: &[[f64; N]], right: &[f64]) -> [f64; N] {
    // Columns of unit length, so that the normal equations lose no more digits than they must.
    let length = |column: usize| rows.iter().map(|row| row[column] * row[column]).sum::<f64>().sqrt();
    let scale: [f64; N] = std::array::from_fn(|column| length(column).max(f64::MIN_POSITIVE));
    let mut best = ([0.0; N], f64::INFINITY);
    for set in 0..1usize << N {
        let chosen: Vec<usize> = (0..N).filter(|column| set >> column & 1 == 1).collect();
        let Some(x) = solve(rows, right, &scale, &chosen) else { continue };
        let misfit: f64 = rows.iter().zip(right).map(|(row, b)| (dot(row, &x) - b).powi(2)).sum();
        // Of two fits that are equally good the one with fewer coefficients is kept.
        if misfit < best.1 * (1.0 - 1e-9) {
            best = (x, misfit);
        }
    }
    best.0
}

/// The least squares over the chosen coefficients; None if they are not determined or one is negative.
fn solve<const N: usize>(
    rows: &[[f64; N]],
    right: &[f64],
    scale: &[f64; N],
    chosen: &[usize],
) -> Option<[f64; N]> {
    let mut normal = Matrix::zero(chosen.len());
    let mut projected = vec![0.0; chosen.len()];
    for (row, b) in rows.iter().zip(right) {
        for (i, &first) in chosen.iter().enumerate() {
            projected[i] += row[first] / scale[first] * b;
            for (j, &second) in chosen.iter().enumerate() {
                normal.add(i, j, row[first] / scale[first] * row[second] / scale[second]);
            }
        }
    }
    let solution = normal.solve(projected);
    let mut x = [0.0; N];
    for (&column, value) in chosen.iter().zip(solution) {
        x[column] = value / scale[column];
    }
    x.iter().all(|value| *value >= 0.0 && value.is_finite()).then_some(x)
}

fn dot<const N: usize>(a: &[f64; N], b: &[f64; N]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}
