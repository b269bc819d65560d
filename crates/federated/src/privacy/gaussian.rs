//! One release of the Gaussian mechanism, exactly. (Balle and Wang, arXiv 1805.06530.)

use statrs::function::erf::erfc;

use crate::Result;
use crate::error::{between, positive};

/// The delta of one release with sensitivity 1 and noise N(0, z^2) at this epsilon: Phi(1 / (2 z) - epsilon z) -
/// e^epsilon Phi(-1 / (2 z) - epsilon z).
///
/// # Errors
/// Unless z is positive and epsilon at least 0.
pub fn exact_delta(z: f64, epsilon: f64) -> Result<f64> {
    positive("the noise multiplier", z)?;
    between("epsilon", epsilon, 0.0, 700.0)?;
    let phi = |x: f64| 0.5 * erfc(-x / std::f64::consts::SQRT_2);
    let half = 1.0 / (2.0 * z);
    Ok((phi(half - epsilon * z) - epsilon.exp() * phi(-half - epsilon * z)).max(0.0))
}
