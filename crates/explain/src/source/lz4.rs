//! The block stream of lz4-java's `LZ4BlockOutputStream`, which Spark writes with `spark.eventLog.compression.codec=lz4`.
//!
//! A block is the magic `LZ4Block`, a token (method in the high half: 0x10 stored, 0x20 LZ4), packed length, plain
//! length and checksum as little-endian 32-bit numbers, then the packed bytes. A block of plain length 0 ends a stream;
//! another may follow it.

use std::io::{self, BufRead, Read};

/// lz4-java's largest block is 32 MiB; a longer one is damage, and is not allocated.
const LONGEST: usize = 32 << 20;

/// Reads the plain bytes of an LZ4 block stream.
pub(super) struct Lz4Blocks<R> {
    packed: R,
    block: Vec<u8>,
    at: usize,
}

impl<R: BufRead> Lz4Blocks<R> {
    /// Reads from `packed`, which stands at the first block.
    pub(super) fn new(packed: R) -> Self {
        Self { packed, block: Vec::new(), at: 0 }
    }

    /// Unpacks the next block that is not empty; false at the end.
    fn next_block(&mut self) -> io::Result<bool> {
        loop {
            if self.packed.fill_buf()?.is_empty() {
                return Ok(false);
            }
            let mut head = [0u8; 21];
            self.packed.read_exact(&mut head)?;
            if &head[..8] != b"LZ4Block" {
                return Err(damage("an LZ4 block has no magic"));
            }
            let number =
                |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]) as usize;
            let (packed_length, plain_length) = (number(9), number(13));
            if packed_length > LONGEST || plain_length > LONGEST {
                return Err(damage("an LZ4 block is longer than 32 MiB"));
            }
            let mut packed = vec![0; packed_length];
            self.packed.read_exact(&mut packed)?;
            self.block = match head[8] & 0xf0 {
                0x10 => packed,
                0x20 => lz4_flex::block::decompress(&packed, plain_length)
                    .map_err(|error| damage(&error.to_string()))?,
                _ => return Err(damage("an LZ4 block has an unknown method")),
            };
            self.at = 0;
            if !self.block.is_empty() {
                return Ok(true);
            }
        }
    }
}

impl<R: BufRead> Read for Lz4Blocks<R> {
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

    fn block(method: u8, plain: &[u8]) -> Vec<u8> {
        let packed = if method == 0x20 { lz4_flex::block::compress(plain) } else { plain.to_vec() };
        let mut bytes = b"LZ4Block".to_vec();
        bytes.push(method | 6);
        bytes.extend((packed.len() as u32).to_le_bytes());
        bytes.extend((plain.len() as u32).to_le_bytes());
        bytes.extend([0; 4]);
        bytes.extend(packed);
        bytes
    }

    #[test]
    fn reads_stored_packed_and_concatenated_streams() {
        let line = b"{\"Event\":\"SparkListenerLogStart\"}\n".repeat(100);
        let stream =
            [block(0x20, &line), block(0x10, b"end\n"), block(0x10, b""), block(0x20, &line)].concat();
        let mut plain = Vec::new();
        Lz4Blocks::new(&stream[..]).read_to_end(&mut plain).unwrap();
        assert_eq!(plain, [&line[..], b"end\n", &line[..]].concat());
    }

    #[test]
    fn an_absurd_length_is_refused_before_it_is_allocated() {
        let mut stream = block(0x20, b"text");
        stream[16] = 0xff;
        assert!(Lz4Blocks::new(&stream[..]).read_to_end(&mut Vec::new()).is_err());
    }
}
