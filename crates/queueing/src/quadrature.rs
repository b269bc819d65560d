//! Numeric integrals. Gauss-Legendre on panels, because every integrand here is smooth between known break
//! points; a tail is cut into panels that double in width until they no longer contribute.

/// Positive nodes and weights of the 20-point Gauss-Legendre rule on [-1, 1] (Abramowitz and Stegun, table 25.4).
const RULE: [(f64, f64); 10] = [
    (0.076_526_521_133_497_33, 0.152_753_387_130_725_85),
    (0.227_785_851_141_645_08, 0.149_172_986_472_603_75),
    (0.373_706_088_715_419_56, 0.142_096_109_318_382_05),
    (0.510_867_001_950_827_1, 0.131_688_638_449_176_63),
    (0.636_053_680_726_515, 0.118_194_531_961_518_42),
    (0.746_331_906_460_150_8, 0.101_930_119_817_240_44),
    (0.839_116_971_822_218_8, 0.083_276_741_576_704_75),
    (0.912_234_428_251_326, 0.062_672_048_334_109_06),
    (0.963_971_927_277_913_8, 0.040_601_429_800_386_94),
    (0.993_128_599_185_094_9, 0.017_614_007_139_152_12),
];

/// The integral of `f` over `[low, high]`, cut into `panels` equal parts.
pub(crate) fn integrate(low: f64, high: f64, panels: usize, f: impl Fn(f64) -> f64) -> f64 {
    let width = (high - low) / panels as f64;
    let half = 0.5 * width;
    (0..panels)
        .map(|panel| {
            let centre = low + (panel as f64 + 0.5) * width;
            let sum: f64 = RULE.iter().map(|&(x, w)| w * (f(centre - half * x) + f(centre + half * x))).sum();
            sum * half
        })
        .sum()
}

/// The integral of a decaying `f` from `low` to infinity; `scale` is a length over which `f` changes. Towards `low`
/// the panels halve, because a survival function may start with infinite slope there.
pub(crate) fn integrate_tail(low: f64, scale: f64, f: impl Fn(f64) -> f64) -> f64 {
    const HALVINGS: i32 = 40;
    let edge = |halving: i32| scale * 0.5f64.powi(halving);
    let mut total = integrate(low, low + edge(HALVINGS), 1, &f);
    total += (0..HALVINGS).map(|i| integrate(low + edge(i + 1), low + edge(i), 2, &f)).sum::<f64>();
    let (mut start, mut width) = (low + scale, scale);
    for _ in 0..2000 {
        let part = integrate(start, start + width, 8, &f);
        total += part;
        if part.abs() <= 1e-15 * total.abs() {
            break;
        }
        start += width;
        width *= 2.0;
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_integrals_come_out() {
        assert!((integrate(0.0, 1.0, 1, |x| x.powi(9)) - 0.1).abs() < 1e-15);
        assert!((integrate_tail(0.0, 1.0, |x| (-x).exp()) - 1.0).abs() < 1e-13);
        assert!((integrate_tail(1.0, 1.0, |x| x.powi(-3)) - 0.5).abs() < 1e-12);
    }
}
