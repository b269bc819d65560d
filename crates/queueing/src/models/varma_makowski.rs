//! The constant V_k of Varma and Makowski (1994), V_k = sum_r C(k,r) (-1)^(r-1) sum_m C(r,m) (m-1)! / r^(m+1).
//!
//! The alternating sum loses all digits from k = 40 on. With (m-1)! / r^m = integral of x^(m-1) e^(-r x) both sums
//! close: V_k = integral over x > 0 of [G(1 - (1+x) e^(-x)) - G(1 - e^(-x))] / x with G(z) = sum_{j<=k} (1 - z^j) / j,
//! a smooth integrand of one sign that is accurate for any k.

use crate::quadrature::integrate_tail;

/// V_k; R_k = H_k / mu + V_k times the M/M/1 wait is exact in the limit of light and heavy traffic.
///
/// ```
/// # use syncline_queueing::models::light_traffic_constant;
/// assert!((light_traffic_constant(2) - 1.375).abs() < 1e-12);
/// assert!((light_traffic_constant(100) - 3.119609).abs() < 1e-6);
/// ```
pub fn light_traffic_constant(k: usize) -> f64 {
    integrate_tail(0.0, 0.25, |x| {
        let idle = (-x).exp();
        // z of the second term minus z of the first, z^j summed without forming the powers twice.
        power_sum(-(-x).exp_m1(), k) / x - power_sum(missing(x, idle), k) / x
    })
}

/// 1 - (1 + x) e^(-x), by its series where the difference would cancel.
fn missing(x: f64, idle: f64) -> f64 {
    if x > 0.1 {
        return 1.0 - (1.0 + x) * idle;
    }
    // e^(-x) * sum_{n >= 2} x^n / n!
    let mut term = x * x / 2.0;
    let mut sum = term;
    for n in 3..16 {
        term *= x / f64::from(n);
        sum += term;
    }
    sum * idle
}

/// sum_{j=1..k} z^j / j.
fn power_sum(z: f64, k: usize) -> f64 {
    let mut power = 1.0;
    (1..=k)
        .map(|j| {
            power *= z;
            power / j as f64
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_table_comes_out() {
        let table = [
            (2, 1.375),
            (3, 1.594136),
            (4, 1.745684),
            (5, 1.860197),
            (6, 1.951577),
            (8, 2.091579),
            (10, 2.196600),
            (12, 2.280113),
            (16, 2.407796),
            (20, 2.503510),
            (24, 2.579650),
            (32, 2.696196),
            (40, 2.783722),
            (50, 2.868878),
            (64, 2.960475),
            (100, 3.119609),
        ];
        for (k, expected) in table {
            let ours = light_traffic_constant(k);
            assert!((ours - expected).abs() < 1e-6, "k={k}: {ours} {expected}");
        }
    }
}
