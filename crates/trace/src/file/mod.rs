//! Run files: the spans of all nodes of a run in one Parquet file.
//!
//! The format is plain Parquet, so pandas, polars and duckdb open it without us. The facts of [`RunInfo`](crate::RunInfo) are JSON under
//! the key `syncline.run` of the footer. Invariants:
//!
//! - RF-1: after every flush the file is complete Parquet. A flush appends its row group *behind* the previous footer and then
//!   a footer that lists all row groups; row groups are found by their offsets, so an old footer is only dead bytes.
//! - RF-2: a flush that was cut short (a crash, or a reader that came in between) costs that flush only: [`read`] goes
//!   back to the last whole footer.
//! - RF-3: dead bytes never outgrow the data: then the file is written anew beside the old one and renamed over it. So
//!   frequent small flushes are cheap, and a finished file is compact.

mod append;
mod columns;
mod error;
mod footer;
mod reader;
mod rows;
mod schema;
mod writer;

pub use error::Error;
pub use reader::{Run, RunReader, read};
pub use writer::RunFile;
