//! How many answers a product of two coded matrices needs. (Yu, Maddah-Ali, Avestimehr, "Polynomial Codes", arXiv
//! 1705.10464; Dutta et al., MatDot, arXiv 1801.10292.)

use crate::Result;
use crate::error::within;

/// A polynomial code cuts A into p and B into q blocks, A_i B_j are the coefficients of a polynomial of degree p q
/// - 1: p q answers, each of 1 / (p q) of the product.
///
/// # Errors
/// Unless both are at least 1.
pub fn polynomial_threshold(p: usize, q: usize) -> Result<usize> {
    within("p", p, 1, 1 << 20)?;
    within("q", q, 1, 1 << 20)?;
    Ok(p * q)
}

/// MatDot cuts both matrices along their common dimension into p blocks, and the product is the middle coefficient
/// of a polynomial of degree 2 p - 2: 2 p - 1 answers, each as large as the whole product.
///
/// # Errors
/// Unless p is at least 1.
pub fn matdot_threshold(p: usize) -> Result<usize> {
    within("p", p, 1, 1 << 20)?;
    Ok(2 * p - 1)
}
