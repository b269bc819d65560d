//! A text in blocks of whole lines, so that blocks can be parsed in parallel.

use std::io::{self, Read};

/// Blocks aim at this size: large enough that handing one to another thread costs nothing, small enough that a few of
/// them fit into the caches.
const BLOCK: usize = 1 << 20;

/// A line beyond this is not kept: it is counted as damaged, and memory stays bounded.
const LONGEST_LINE: usize = 64 << 20;

/// Some whole lines of a text.
#[derive(Debug, Default)]
pub(crate) struct Block {
    /// The lines with their ends; only the last line of a text may lack it.
    pub text: Vec<u8>,
    /// Lines after `text` that were too long to keep.
    pub too_long: u64,
}

impl Block {
    /// The lines, without their ends.
    pub fn lines(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &self.text[..];
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
            let line = &rest[..end];
            rest = rest.get(end + 1..).unwrap_or_default();
            Some(line)
        })
    }
}

/// Cuts a text into blocks.
pub(crate) struct Blocks<R> {
    text: R,
    carry: Vec<u8>,
    ended: bool,
}

impl<R: Read> Blocks<R> {
    /// Cuts `text`.
    pub fn new(text: R) -> Self {
        Self { text, carry: Vec::new(), ended: false }
    }

    /// The next block; `None` at the end.
    pub fn next_block(&mut self) -> io::Result<Option<Block>> {
        let mut block = std::mem::take(&mut self.carry);
        while !self.ended {
            let old = block.len();
            self.fill(&mut block, old + BLOCK)?;
            if let Some(end) = memchr::memrchr(b'\n', &block[old..]) {
                self.carry.extend_from_slice(&block[old + end + 1..]);
                block.truncate(old + end + 1);
                return Ok(Some(Block { text: block, too_long: 0 }));
            }
            if block.len() > LONGEST_LINE {
                self.skip_line()?;
                return Ok(Some(Block { text: Vec::new(), too_long: 1 }));
            }
        }
        Ok((!block.is_empty()).then_some(Block { text: block, too_long: 0 }))
    }

    /// Reads until `block` has `length` bytes or the text ends.
    fn fill(&mut self, block: &mut Vec<u8>, length: usize) -> io::Result<()> {
        let wanted = (length - block.len()) as u64;
        block.reserve(length - block.len() + 1);
        self.ended = (self.text.by_ref().take(wanted).read_to_end(block)? as u64) < wanted;
        Ok(())
    }

    /// Drops everything up to the next line; keeps what follows it.
    fn skip_line(&mut self) -> io::Result<()> {
        let mut part = Vec::new();
        while !self.ended {
            part.clear();
            self.fill(&mut part, BLOCK)?;
            if let Some(end) = memchr::memchr(b'\n', &part) {
                self.carry.extend_from_slice(&part[end + 1..]);
                return Ok(());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_lines(text: &[u8]) -> (Vec<Vec<u8>>, u64) {
        let mut blocks = Blocks::new(text);
        let (mut lines, mut too_long) = (Vec::new(), 0);
        while let Some(block) = blocks.next_block().unwrap() {
            lines.extend(block.lines().map(<[u8]>::to_vec));
            too_long += block.too_long;
        }
        (lines, too_long)
    }

    #[test]
    fn lines_survive_the_cuts() {
        let text: Vec<Vec<u8>> = (0..5000usize).map(|at| vec![b'a' + (at % 26) as u8; at % 1700]).collect();
        let joined = text.join(&b'\n');
        assert_eq!(all_lines(&joined).0, text);
    }

    #[test]
    fn an_endless_line_is_counted_and_not_kept() {
        let text = [b"first\n".to_vec(), vec![b'x'; LONGEST_LINE + 3 * BLOCK], b"\nlast".to_vec()].concat();
        let (lines, too_long) = all_lines(&text);
        assert_eq!(lines, [b"first".to_vec(), b"last".to_vec()]);
        assert_eq!(too_long, 1);
    }

    #[test]
    fn nothing_gives_nothing() {
        assert_eq!(all_lines(b""), (vec![], 0));
    }
}
