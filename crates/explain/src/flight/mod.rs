//! Dumps of PyTorch's flight recorder: the last collectives of each rank before a job hung or was stopped.
//!
//! NCCL's process group keeps a ring of its operations and writes it when one of them times out
//! (`TORCH_NCCL_DUMP_ON_TIMEOUT`), as a pickle or as JSON, one file a rank. [`pickle`] reads the former without running any
//! of it, [`dump`] gives both one form, [`hang`] says which rank is missing at which operation, [`report`] tells it.

mod dump;
mod hang;
mod pickle;
mod report;

pub(crate) use dump::{Dump, read};
pub use hang::Hang;
pub(crate) use report::report;
