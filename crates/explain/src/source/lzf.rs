//! The chunks of Ning's compress-lzf, which Spark writes with `spark.eventLog.compression.codec=lzf`.
//!
//! A chunk is the magic `ZV`, its kind (0 stored, 1 packed), the length of what follows as a big-endian 16-bit number, for
//! a packed chunk also that of the plain bytes, then the bytes. Packed bytes are runs: a control byte below 32 announces
//! that many literals and one more, any other one a copy of earlier bytes, its length in the upper three bits (7: and the
//! next byte) and its distance in the rest.

use std::io::{self, BufRead};

use super::blocks::{Codec, damage, take};

/// LZF chunks as compress-lzf frames them.
pub(super) struct Lzf;

impl Codec for Lzf {
    fn block(packed: &mut impl BufRead) -> io::Result<Vec<u8>> {
        let mut head = [0u8; 5];
        packed.read_exact(&mut head)?;
        let [b'Z', b'V', kind, high, low] = head else {
            return Err(damage("an LZF chunk has no magic"));
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        match kind {
            0 => take(packed, length),
            1 => {
                let mut plain_length = [0u8; 2];
                packed.read_exact(&mut plain_length)?;
                let bytes = take(packed, length)?;
                let plain =
                    unpack(&bytes).ok_or_else(|| damage("an LZF chunk refers to what it does not have"))?;
                match plain.len() == usize::from(u16::from_be_bytes(plain_length)) {
                    true => Ok(plain),
                    false => Err(damage("an LZF chunk does not have the length that it states")),
                }
            }
            _ => Err(damage("an LZF chunk is of an unknown kind")),
        }
    }
}

/// The plain bytes of one packed chunk, at most 132 times as many; `None` if a run reaches beyond its ends.
fn unpack(packed: &[u8]) -> Option<Vec<u8>> {
    let mut plain = Vec::with_capacity(2 * packed.len());
    let mut rest = packed.iter();
    while let Some(&control) = rest.next() {
        let control = usize::from(control);
        if control < 32 {
            let (literals, after) = rest.as_slice().split_at_checked(control + 1)?;
            plain.extend_from_slice(literals);
            rest = after.iter();
            continue;
        }
        let length = match control >> 5 {
            7 => 7 + usize::from(*rest.next()?),
            short => short,
        };
        let distance = ((control & 0x1f) << 8 | usize::from(*rest.next()?)) + 1;
        let from = plain.len().checked_sub(distance)?;
        // Byte by byte, because a copy may reach into what it writes.
        (from..from + length + 2).for_each(|at| plain.push(plain[at]));
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::super::blocks::Unpacked;
    use super::*;

    fn read(stream: &[u8]) -> io::Result<String> {
        let mut plain = String::new();
        Unpacked::<_, Lzf>::new(stream).read_to_string(&mut plain)?;
        Ok(plain)
    }

    #[test]
    fn literals_copies_and_stored_chunks() {
        // "abc", then 9 + 2 bytes from a distance of 3, then a stored chunk.
        let packed = [2, b'a', b'b', b'c', 7 << 5, 2, 2];
        let stream = [&b"ZV\x01\x00\x07\x00\x0e"[..], &packed, b"ZV\x00\x00\x02!\n"].concat();
        assert_eq!(read(&stream).unwrap(), "abcabcabcabcab!\n");
    }

    #[test]
    fn a_copy_from_before_the_start_is_damage() {
        assert!(read(b"ZV\x01\x00\x04\x00\x05\x00a\x20\x09").unwrap_err().to_string().contains("refers"));
        assert!(read(b"ZX\x01\x00\x04").unwrap_err().to_string().contains("magic"));
    }
}
