//! Streams of packed blocks, read as one stream of plain bytes.

use std::io::{self, BufRead, Read};

/// How one codec frames and packs its blocks.
pub(super) trait Codec {
    /// Unpacks the block at which `packed` stands; it may be empty. There is at least one more byte.
    fn block(packed: &mut impl BufRead) -> io::Result<Vec<u8>>;
}

/// The plain bytes of a stream of blocks.
pub(super) struct Unpacked<R, C> {
    packed: R,
    block: Vec<u8>,
    at: usize,
    codec: std::marker::PhantomData<fn() -> C>,
}

impl<R: BufRead, C: Codec> Unpacked<R, C> {
    /// Reads from `packed`, which stands at the first block.
    pub(super) fn new(packed: R) -> Self {
        Self { packed, block: Vec::new(), at: 0, codec: std::marker::PhantomData }
    }
}

impl<R: BufRead, C: Codec> Read for Unpacked<R, C> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.block.len() {
            if self.packed.fill_buf()?.is_empty() {
                return Ok(0);
            }
            self.block = C::block(&mut self.packed)?;
            self.at = 0;
        }
        let count = buffer.len().min(self.block.len() - self.at);
        buffer[..count].copy_from_slice(&self.block[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

/// The next `length` bytes, which the caller has bounded.
pub(super) fn take(packed: &mut impl Read, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    packed.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// What a block should not be.
pub(super) fn damage(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}
