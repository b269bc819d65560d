//! Fork-join with Poisson arrivals and exponential tasks: the approximations of four decades, and the bound by
//! independent branches.

use crate::harmonic::harmonic;
use crate::models::varma_makowski::light_traffic_constant;
use crate::root::bisect;
use crate::{Estimate, Kind};

/// Every formula for the mean of k tasks, the best first.
pub(super) fn means(k: usize, lam: f64, mu: f64) -> Vec<Estimate> {
    let rho = lam / mu;
    let mut list = Vec::new();
    if k <= 2 {
        let value = if k == 1 { 1.0 } else { (12.0 - rho) / 8.0 } / (mu - lam);
        list.push(Estimate::exact(
            value,
            "two-server formula",
            "Flatto and Hahn 1984; Nelson and Tantawi 1988",
        ));
    }
    list.push(nelson_tantawi(k, lam, mu));
    // Its constant costs thousands of operations a task, and it is 12 % off for such k.
    list.extend((k <= 20_000).then(|| {
        Estimate::new(varma_makowski(k, lam, mu), Kind::Approximation, "Varma-Makowski")
            .valid("exact in light and heavy traffic in theory; -12 % at k = 100, rho = .9")
            .from("Varma and Makowski 1994")
    }));
    list.push(
        Estimate::new(varki(k, lam, mu), Kind::Approximation, "Varki")
            .valid("-1 to -12 % at rho = .9 for k = 2 to 100")
            .from("Varki, Merchant, Chen"),
    );
    list.push(
        Estimate::new(harmonic(k) / (mu - lam), Kind::UpperBound, "independent branches")
            .from("association; Baccelli, Makowski, Shwartz 1989"),
    );
    list
}

/// R_k = [H_k / H_2 + (4 rho / 11)(1 - H_k / H_2)] R_2.
pub(crate) fn nelson_tantawi(k: usize, lam: f64, mu: f64) -> Estimate {
    let rho = lam / mu;
    let growth = harmonic(k) / harmonic(2);
    let two = (12.0 - rho) / 8.0 / (mu - lam);
    let factor = if k == 1 { 8.0 / (12.0 - rho) } else { growth + 4.0 * rho / 11.0 * (1.0 - growth) };
    Estimate::new(factor * two, Kind::Approximation, "Nelson-Tantawi")
        .valid(
            "published for k = 2..32, within 4 %; beyond that still the best cheap mean (-3 % at rho = .9)",
        )
        .from("Nelson and Tantawi 1988")
}

fn varma_makowski(k: usize, lam: f64, mu: f64) -> f64 {
    let h = harmonic(k);
    (h + (light_traffic_constant(k) - h) * lam / mu) / (mu - lam)
}

fn varki(k: usize, lam: f64, mu: f64) -> f64 {
    let rho = lam / mu;
    let first: f64 = (1..=k).map(|i| 1.0 / (i as f64 - rho)).sum();
    let second: f64 = (1..=k).map(|i| 1.0 / (i as f64 * (i as f64 - rho))).sum();
    (harmonic(k) + rho / (2.0 * (1.0 - rho)) * (first + (1.0 - 2.0 * rho) * second)) / mu
}

/// The root sigma < 1 of sigma = e^(-mu (1 - sigma) / lam), which makes D/M/1 sojourns Exp(mu (1 - sigma)).
/// Searched as the gap g = 1 - sigma, which keeps its digits near saturation.
pub(super) fn dm1_root(lam: f64, mu: f64) -> f64 {
    1.0 - bisect(0.0, 1.0, |gap| gap + (-mu * gap / lam).exp_m1())
}
