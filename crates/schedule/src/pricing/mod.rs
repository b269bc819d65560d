//! The market of PD-ORS: posted prices on every machine in every slot, and the cheapest schedule for a job at
//! them.
//!
//! Read in the order of the algorithm: [`PriceFunction`] (Q), [`Ledger`] (rho and p), [`Market`] (one slot as
//! one job sees it: the internal and the external case), [`Search`] (dynamic programming over quantised
//! work), with [`relaxation`] and [`rounding`] for the external case as a linear program. The paper is
//! "Toward Efficient Online Scheduling for Distributed Machine Learning Systems" (Yu, Liu, Wu, Ji, Bentley;
//! arXiv 2108.02917); what could not be read in it is configurable in [`PlannerOptions`].

mod function;
mod ledger;
mod market;
pub mod relaxation;
pub mod rounding;
mod search;
mod shelf;

pub use function::{LateShare, PriceFunction, PriceRange, Roles};
pub use ledger::{Ledger, SlotGrid, Times};
pub use market::{Market, Offer};
pub use search::{Alternative, External, Locality, Plan, PlannerOptions, Quanta, Search};
