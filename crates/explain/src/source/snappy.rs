//! The block stream of snappy-java's `SnappyOutputStream`, which Spark writes with
//! `spark.eventLog.compression.codec=snappy`.
//!
//! A header of 16 bytes (magic, two versions), then blocks of a big-endian 32-bit length and raw Snappy. Streams may be
//! concatenated, so a header may stand where a length is due.

use std::io::{self, BufRead};

use super::blocks::{Codec, damage, take};

const MAGIC: [u8; 4] = [0x82, b'S', b'N', b'A'];

/// snappy-java's blocks are 32 KiB unless configured; a block beyond this is damage, and is not allocated.
const LONGEST: usize = 64 << 20;

/// Snappy blocks as snappy-java frames them.
pub(super) struct Snappy;

impl Codec for Snappy {
    fn block(packed: &mut impl BufRead) -> io::Result<Vec<u8>> {
        let mut length = [0u8; 4];
        packed.read_exact(&mut length)?;
        if length == MAGIC {
            packed.read_exact(&mut [0u8; 12])?;
            return Ok(Vec::new());
        }
        let length = u32::from_be_bytes(length) as usize;
        if length > LONGEST {
            return Err(damage("a Snappy block is longer than 64 MiB"));
        }
        let bytes = take(packed, length)?;
        if snap::raw::decompress_len(&bytes).is_ok_and(|plain| plain > LONGEST) {
            return Err(damage("a Snappy block unpacks to more than 64 MiB"));
        }
        snap::raw::Decoder::new().decompress_vec(&bytes).map_err(|error| damage(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::super::blocks::Unpacked;
    use super::*;

    fn stream(blocks: &[&[u8]]) -> Vec<u8> {
        let mut bytes = b"\x82SNAPPY\0".to_vec();
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
        Unpacked::<_, Snappy>::new(&packed[..]).read_to_string(&mut plain).unwrap();
        assert_eq!(plain, "one\ntwo\nthree\n");
    }

    #[test]
    fn a_cut_block_is_an_early_end() {
        let packed = stream(&[b"one\n", b"two\n"]);
        let cut = &packed[..packed.len() - 1];
        let error = Unpacked::<_, Snappy>::new(cut).read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
