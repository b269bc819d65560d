//! Loops over vectors, compiled for each vector width and chosen at run time (`pulp`), since a portable binary would
//! otherwise use the narrowest. None of them reorders a sum, so every width gives the same bits.

use pulp::Arch;

/// Runs a loop with the widest vectors of this machine.
#[inline(always)]
pub(crate) fn wide<R>(work: impl FnOnce() -> R) -> R {
    Arch::new().dispatch(work)
}

/// Adds `bias` to each row.
pub(crate) fn add_bias(rows: &mut [f32], bias: &[f32]) {
    wide(
        #[inline(always)]
        || {
            for row in rows.chunks_exact_mut(bias.len()) {
                row.iter_mut().zip(bias).for_each(|(x, b)| *x += b);
            }
        },
    );
}

/// Adds `bias` to each row, and replaces what is negative by zero (ReLU). NaN stays NaN, so that the loss shows it.
pub(crate) fn add_bias_and_rectify(rows: &mut [f32], bias: &[f32]) {
    wide(
        #[inline(always)]
        || {
            for row in rows.chunks_exact_mut(bias.len()) {
                row.iter_mut().zip(bias).for_each(|(x, b)| {
                    let sum = *x + b;
                    *x = if sum < 0.0 { 0.0 } else { sum };
                });
            }
        },
    );
}

/// Sets to zero where the rectified `activations` are zero: the derivative of ReLU (0 at 0).
pub(crate) fn mask(derivatives: &mut [f32], activations: &[f32]) {
    wide(
        #[inline(always)]
        || {
            derivatives.iter_mut().zip(activations).for_each(|(d, &a)| *d = if a > 0.0 { *d } else { 0.0 });
        },
    );
}

/// Overwrites `sums` with the sums of the columns.
pub(crate) fn column_sums(rows: &[f32], sums: &mut [f32]) {
    wide(
        #[inline(always)]
        || {
            sums.fill(0.0);
            for row in rows.chunks_exact(sums.len()) {
                sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
            }
        },
    );
}

/// `y += factor * x`.
pub(crate) fn axpy(y: &mut [f32], factor: f32, x: &[f32]) {
    wide(
        #[inline(always)]
        || y.iter_mut().zip(x).for_each(|(y, x)| *y += factor * x),
    );
}

/// The inner product, summed in 16 interleaved parts, so that it can use vectors and yet has one defined order.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    const PARTS: usize = 16;
    wide(
        #[inline(always)]
        || {
            let (a_parts, a_rest) = a.as_chunks::<PARTS>();
            let (b_parts, b_rest) = b.as_chunks::<PARTS>();
            let mut parts = [0f32; PARTS];
            for (a, b) in a_parts.iter().zip(b_parts) {
                for i in 0..PARTS {
                    parts[i] += a[i] * b[i];
                }
            }
            let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
            parts.iter().sum::<f32>() + rest
        },
    )
}

/// Replaces each `x` by `e^x`, within 2 units in the last place; below -87 by `e^-87`, which is as good as zero.
///
/// `e^x = 2^n e^r` with whole `n` and `|r| <= ln(2) / 2`, and `e^r` by its Taylor polynomial of degree 7, as in Cephes
/// (Moshier). Without a branch or a call, so that the loop vectorises; NaN stays NaN. `x` must not be above 88.
#[inline(always)]
pub(crate) fn exponentials(xs: &mut [f32]) {
    /// Adding 1.5 * 2^23 rounds to a whole number and leaves it in the low bits.
    const ROUND: f32 = 12_582_912.0;
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    const TERMS: [f32; 6] = [1.0 / 5040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5];
    for x in xs {
        let bounded = if *x < -87.0 { -87.0 } else { *x };
        let shifted = bounded * std::f32::consts::LOG2_E + ROUND;
        let n = shifted - ROUND;
        let r = (bounded - n * LN_2_HIGH) - n * LN_2_LOW;
        let mut tail = TERMS[0];
        for term in &TERMS[1..] {
            tail = tail * r + term;
        }
        let power = f32::from_bits(shifted.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127) << 23);
        *x = (tail * (r * r) + r + 1.0) * power;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponentials_are_exact_to_rounding() {
        let xs: Vec<f32> = (-87_000..=20_000).map(|i| i as f32 / 1000.0).collect();
        let mut out = xs.clone();
        wide(|| exponentials(&mut out));
        for (x, y) in xs.iter().zip(&out) {
            let exact = f64::from(*x).exp();
            assert!((f64::from(*y) / exact - 1.0).abs() < 2.5e-7, "e^{x} = {exact}, not {y}");
        }
        let mut special = [0.0, f32::NEG_INFINITY, f32::NAN];
        exponentials(&mut special);
        assert_eq!(special[0], 1.0);
        assert!(special[1] < 1e-37 && special[2].is_nan());
    }

    #[test]
    fn loops_equal_their_definitions() {
        let a: Vec<f32> = (0..37).map(|i| i as f32 - 18.0).collect();
        let b: Vec<f32> = (0..37).map(|i| (i % 5) as f32).collect();
        assert_eq!(dot(&a, &b), a.iter().zip(&b).map(|(a, b)| a * b).sum::<f32>());
        let mut rows = [1.0, -3.0, 2.0, 5.0];
        add_bias_and_rectify(&mut rows, &[1.0, 1.0]);
        assert_eq!(rows, [2.0, 0.0, 3.0, 6.0]);
        let mut derivatives = [1.0, 2.0, 3.0, 4.0];
        mask(&mut derivatives, &rows);
        assert_eq!(derivatives, [1.0, 0.0, 3.0, 4.0]);
        let mut sums = [f32::NAN; 2];
        column_sums(&derivatives, &mut sums);
        assert_eq!(sums, [4.0, 4.0]);
    }
}
