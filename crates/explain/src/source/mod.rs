//! From a path to lines: what a log is by its content, how it is packed, and its text in blocks of whole lines.
//!
//! Nothing here trusts a name: codecs are recognised by their first bytes, formats by their first characters. Damage is
//! an observation, not an error: what can be read is read and the rest is counted in [`Damage`].

mod blocks;
mod codec;
mod damage;
mod format;
mod lines;
mod lz4;
mod lzf;
mod rolling;
mod snappy;

pub use damage::{BadLine, Damage};
pub use format::{Format, Opened, open};
pub(crate) use lines::{Block, Blocks};
