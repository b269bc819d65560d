//! Codes for gradients: networks are not linear in their data, but the sum of the gradients of the parts is. Worker
//! i computes the parts where row B_i is not zero and answers sum_j B_ij g_j; the sum of all g_j is a combination
//! of the answers of any n - s workers. (Tandon et al., "Gradient Coding", arXiv 1612.03301.)

mod cyclic;
mod draco;
mod repetition;

pub use cyclic::Cyclic;
pub use draco::{Draco, exact_probability};
pub use repetition::{Repetition, expected_answers};
