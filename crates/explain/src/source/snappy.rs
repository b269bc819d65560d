//! The block stream of snappy-java's `SnappyOutputStream`, which Spark writes with
//! `spark.eventLog.compression.codec=snappy`.
//!
//! A header of 16 bytes (magic, two versions), then blocks of a big-endian 32-bit length and raw Snappy. Streams may be
//! concatenated, so a header may stand where a length is due.

use std::io::{self, BufRead, Read};

const MAGIC: [u8; 8] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];

/// snappy-java's blocks are 32 KiB unless configured; a block beyond this is damage, and is not allocated.
const LONGEST: usize = 64 << 20;

/// Reads the plain bytes of a Snappy block stream.
pub(super) struct SnappyBlocks<R> {
    packed: R,
    block: Vec<u8>,
    at: usize,
}

impl<R: BufRead> SnappyBlocks<R> {
    /// Reads from `packed`, which stands at the header.
    pub(super) fn new(packed: R) -> Self {
        Self { packed, block: Vec::new(), at: 0 }
    }

    /// Unpacks the next block that is not empty; false at the end.
    fn next_block(&mut self) -> io::Result<bool> {
        loop {
            if self.packed.fill_buf()?.is_empty() {
                return Ok(false);
            }
            let mut length = [0u8; 4];
            self.packed.read_exact(&mut length)?;
            if length == MAGIC[..4] {
                self.packed.read_exact(&mut [0u8; 12])?;
                continue;
            }
            let length = u32::from_be_bytes(length) as usize;
            if length > LONGEST {
                return Err(damage("a Snappy block is longer than 64 MiB"));
            }
            let mut packed = vec![0; length];
            self.packed.read_exact(&mut packed)?;
            if snap::raw::decompress_len(&packed).is_ok_and(|plain| plain > LONGEST) {
                return Err(damage("a Snappy block unpacks to more than 64 MiB"));
            }
            self.block = snap::raw::Decoder::new()
                .decompress_vec(&packed)
                .map_err(|error| damage(&error.to_string()))?;
            self.at = 0;
            if !self.block.is_empty() {
                return Ok(true);
            }
        }
    }
}

impl<R: BufRead> Read for SnappyBlocks<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.block.len() && !self.next_block()? {
            return Ok(0);
        }
        let count = buffer.len().min(self.block.len() - self.at);
        buffer[..count].copy_from_slice(&self.block[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

fn damage(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(blocks: &[&[u8]]) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend([0, 0, 0, 1, 0, 0, 0, 1]);
        for plain in blocks {
            let packed = snap::raw::Encoder::new().compress_vec(plain).unwrap();
            bytes.extend((packed.len() as u32).to_be_bytes());
            bytes.extend(packed);
        }
        bytes
    }

    #[test]
    fn reads_concatenated_streams() {
        let packed = [stream(&[b"one\n", b"two\n"]), stream(&[b"three\n"])].concat();
        let mut plain = String::new();
        SnappyBlocks::new(&packed[..]).read_to_string(&mut plain).unwrap();
        assert_eq!(plain, "one\ntwo\nthree\n");
    }

    #[test]
    fn a_cut_block_is_an_early_end() {
        let packed = stream(&[b"one\n", b"two\n"]);
        let error = SnappyBlocks::new(&packed[..packed.len() - 1]).read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
