//! Erasure codes of bytes over GF(2^8), for what must come back bit by bit: integers, checkpoints, rows of strings.
//!
//! Systematic: the first k pieces are the data, the others combinations of them by the rows of a Cauchy matrix,
//! every square part of which is invertible. So any k of n pieces give the data exactly, and there is no condition
//! number to watch. (A Cauchy matrix is no good over the reals, and perfect over a finite field.)

mod field;

use crate::error::within;
use crate::{Error, Result};

/// An (n, k) code of pieces of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteCode {
    pieces: usize,
    needed: usize,
}

impl ByteCode {
    /// A code of `pieces` pieces of which any `needed` suffice.
    ///
    /// # Errors
    /// Unless 1 <= needed <= pieces <= 255.
    pub fn new(pieces: usize, needed: usize) -> Result<Self> {
        within("the number of pieces", pieces, 1, 255)?;
        within("the number of pieces needed", needed, 1, pieces)?;
        Ok(Self { pieces, needed })
    }

    /// All pieces of some data: `needed` pieces of equal length, zero-padded, and `pieces - needed` of parity.
    pub fn encode(&self, data: &[u8]) -> Vec<Vec<u8>> {
        let length = data.len().div_ceil(self.needed);
        let plain = (0..self.needed).map(|piece| {
            let start = data.len().min(piece * length);
            let mut bytes = data[start..data.len().min(start + length)].to_vec();
            bytes.resize(length, 0);
            bytes
        });
        let mut all: Vec<Vec<u8>> = plain.collect();
        for piece in self.needed..self.pieces {
            let mut parity = vec![0; length];
            for (block, bytes) in all[..self.needed].iter().enumerate() {
                field::add_multiple(&mut parity, self.coefficient(piece, block), bytes);
            }
            all.push(parity);
        }
        all
    }

    /// The data, of `length` bytes, from any `needed` pieces with their numbers; more are ignored.
    ///
    /// # Errors
    /// When there are too few different pieces, or their lengths are not those of such data.
    pub fn decode(&self, pieces: &[(usize, &[u8])], length: usize) -> Result<Vec<u8>> {
        let chosen = self.chosen(pieces, length.div_ceil(self.needed))?;
        let mut system: Vec<Vec<u8>> = chosen
            .iter()
            .map(|(piece, _)| (0..self.needed).map(|block| self.coefficient(*piece, block)).collect())
            .collect();
        let mut solved: Vec<Vec<u8>> = chosen.iter().map(|(_, bytes)| bytes.to_vec()).collect();
        field::solve(&mut system, &mut solved).ok_or_else(|| Error::Mismatch {
            what: "decoding pieces of bytes",
            reason: "their rows are dependent".into(),
        })?;
        let mut data = solved.concat();
        data.truncate(length);
        Ok(data)
    }

    /// `needed` different pieces in increasing order.
    fn chosen<'a>(&self, pieces: &[(usize, &'a [u8])], length: usize) -> Result<Vec<(usize, &'a [u8])>> {
        let mut ordered = pieces.to_vec();
        ordered.sort_by_key(|(piece, _)| *piece);
        ordered.dedup_by_key(|(piece, _)| *piece);
        for (piece, bytes) in &ordered {
            let bad = |reason: String| Error::BadAnswer { worker: *piece, reason };
            if *piece >= self.pieces {
                return Err(bad(format!("there are {} pieces, counted from 0", self.pieces)));
            }
            if bytes.len() != length {
                return Err(bad(format!("it has {} bytes instead of {length}", bytes.len())));
            }
        }
        if ordered.len() < self.needed {
            let answered = ordered.iter().map(|(piece, _)| *piece).collect();
            let needed = format!("{} of the {} pieces are needed", self.needed, self.pieces);
            return Err(Error::NotDecodable { answered, needed });
        }
        ordered.truncate(self.needed);
        Ok(ordered)
    }

    /// The weight of a block of data in a piece: 1 / (x_i + y_j) with distinct x_i = piece and y_j = block for
    /// parity.
    fn coefficient(&self, piece: usize, block: usize) -> u8 {
        if piece < self.needed {
            return u8::from(piece == block);
        }
        // Both are below 255 and differ, so their sum (exclusive or) is not 0.
        field::inverse(piece as u8 ^ block as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subsets;

    #[test]
    fn any_pieces_give_the_data_to_the_bit() {
        let code = ByteCode::new(8, 5).unwrap();
        for length in [0, 1, 4, 5, 6, 1003] {
            let data: Vec<u8> = (0..length).map(|i| (i * i + 7 * i) as u8).collect();
            let pieces = code.encode(&data);
            for set in subsets::all_of(8, 5) {
                let mut some: Vec<(usize, &[u8])> = set.iter().map(|&i| (i, &pieces[i][..])).collect();
                some.reverse();
                assert_eq!(code.decode(&some, length).unwrap(), data, "{set:?} of {length} bytes");
            }
        }
    }

    #[test]
    fn too_few_or_wrong_pieces_are_refused() {
        let code = ByteCode::new(4, 2).unwrap();
        let pieces = code.encode(b"checkpoint");
        let twice = [(1, &pieces[1][..]), (1, &pieces[1][..])];
        assert!(matches!(code.decode(&twice, 10), Err(Error::NotDecodable { .. })));
        let short = [(1, &pieces[1][..4]), (3, &pieces[3][..])];
        assert!(code.decode(&short, 10).unwrap_err().to_string().contains("4 bytes instead of 5"));
        let unknown = [(1, &pieces[1][..]), (9, &pieces[3][..])];
        assert!(code.decode(&unknown, 10).is_err());
        assert!(ByteCode::new(256, 2).is_err() && ByteCode::new(3, 0).is_err());
    }
}
