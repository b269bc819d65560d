//! From a path to lines: which logs it leads to, what each is by its content, how it is packed, and its text in blocks of
//! whole lines.
//!
//! Nothing here trusts a name: codecs are recognised by their first bytes, formats by their first characters. Damage is
//! an observation, not an error: what can be read is read and the rest is counted in [`Damage`].

mod archive;
mod blocks;
mod codec;
mod damage;
mod format;
mod history;
mod lines;
mod log;
mod lz4;
mod lzf;
mod pieces;
mod rolling;
mod snappy;

pub use damage::{BadLine, Damage};
pub use format::Format;
pub(crate) use lines::{Block, Blocks};
pub(crate) use log::logs;
pub use log::{Opened, open};
