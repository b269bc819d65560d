//! The block stream of lz4-java's `LZ4BlockOutputStream`, which Spark writes with `spark.eventLog.compression.codec=lz4`.
//!
//! A block is the magic `LZ4Block`, a token (method in the high half: 0x10 stored, 0x20 LZ4), packed length, plain
//! length and checksum as little-endian 32-bit numbers, then the packed bytes. A block of plain length 0 ends a stream;
//! another may follow it.

use std::io::{self, BufRead};

use twox_hash::XxHash32;

use super::blocks::{Codec, damage, take};

/// lz4-java's largest block is 32 MiB; a longer one is damage, and is not allocated.
const LONGEST: usize = 32 << 20;

/// lz4-java's seed; of the checksum it keeps the lower 28 bits.
const SEED: u32 = 0x9747_b28c;
const CHECKED_BITS: u32 = 0x0fff_ffff;

/// LZ4 blocks as lz4-java frames them.
pub(super) struct Lz4;

impl Codec for Lz4 {
    fn block(packed: &mut impl BufRead) -> io::Result<Vec<u8>> {
        let mut head = [0u8; 21];
        packed.read_exact(&mut head)?;
        if &head[..8] != b"LZ4Block" {
            return Err(damage("an LZ4 block has no magic"));
        }
        let number = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let (packed_length, plain_length) = (number(9) as usize, number(13) as usize);
        if packed_length > LONGEST || plain_length > LONGEST {
            return Err(damage("an LZ4 block is longer than 32 MiB"));
        }
        let bytes = take(packed, packed_length)?;
        let plain = match head[8] & 0xf0 {
            0x10 => bytes,
            0x20 => lz4_flex::block::decompress(&bytes, plain_length)
                .map_err(|error| damage(error.to_string()))?,
            _ => return Err(damage("an LZ4 block has an unknown method")),
        };
        if !plain.is_empty() && (XxHash32::oneshot(SEED, &plain) ^ number(17)) & CHECKED_BITS != 0 {
            return Err(damage("an LZ4 block does not have its checksum"));
        }
        Ok(plain)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::super::blocks::Unpacked;
    use super::*;

    fn block(method: u8, plain: &[u8]) -> Vec<u8> {
        let packed = if method == 0x20 { lz4_flex::block::compress(plain) } else { plain.to_vec() };
        let mut bytes = b"LZ4Block".to_vec();
        bytes.push(method | 6);
        bytes.extend((packed.len() as u32).to_le_bytes());
        bytes.extend((plain.len() as u32).to_le_bytes());
        bytes.extend((XxHash32::oneshot(SEED, plain) & CHECKED_BITS).to_le_bytes());
        bytes.extend(packed);
        bytes
    }

    fn read(stream: &[u8]) -> io::Result<Vec<u8>> {
        let mut plain = Vec::new();
        Unpacked::<_, Lz4>::new(stream).read_to_end(&mut plain)?;
        Ok(plain)
    }

    #[test]
    fn reads_stored_packed_and_concatenated_streams() {
        let line = b"{\"Event\":\"SparkListenerLogStart\"}\n".repeat(100);
        let stream =
            [block(0x20, &line), block(0x10, b"end\n"), block(0x10, b""), block(0x20, &line)].concat();
        assert_eq!(read(&stream).unwrap(), [&line[..], b"end\n", &line[..]].concat());
    }

    #[test]
    fn an_absurd_length_is_refused_before_it_is_allocated() {
        let mut stream = block(0x20, b"text");
        stream[16] = 0xff;
        assert!(read(&stream).is_err());
    }

    #[test]
    fn a_changed_byte_does_not_pass() {
        let mut stream = block(0x10, b"some text");
        *stream.last_mut().unwrap() ^= 1;
        assert!(read(&stream).unwrap_err().to_string().contains("checksum"));
    }
}
