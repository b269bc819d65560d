//! The ways to a service: a call of the object itself, a connection, a modelled network.

pub(crate) mod simulated;
pub(crate) mod socket;
