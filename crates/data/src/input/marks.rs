//! Byte order marks, which are no part of the text. Files that were put one after the other (`cat`, members of one
//! gzip file) have one wherever a file began, so a mark at the start of any line is passed over.

use std::io::{self, BufRead, Read};

/// U+FEFF in UTF-8.
const MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

/// A text without the byte order marks that begin lines.
pub(super) struct WithoutMarks {
    input: Box<dyn BufRead>,
    /// Text without marks; what lies before `read` has been handed out.
    text: Vec<u8>,
    read: usize,
    /// Bytes of a mark that were met since the line began, which are not in `text`; `None` within a line. A buffer of the
    /// input may end in the midst of a mark.
    met: Option<usize>,
}

impl WithoutMarks {
    /// What is left of `input` begins a line.
    pub(super) fn new(input: Box<dyn BufRead>) -> WithoutMarks {
        WithoutMarks { input, text: Vec::new(), read: 0, met: Some(0) }
    }

    /// Takes the next bytes over into `text`; `false` at the end of the input.
    fn refill(&mut self) -> io::Result<bool> {
        self.text.clear();
        self.read = 0;
        let bytes = self.input.fill_buf()?;
        let taken = bytes.len();
        if taken == 0 {
            self.text.extend_from_slice(&MARK[..self.met.take().unwrap_or(0)]);
            return Ok(!self.text.is_empty());
        }
        self.met = take_over(bytes, self.met, &mut self.text);
        self.input.consume(taken);
        Ok(true)
    }
}

/// Appends `bytes` without marks to `text`. `met` and what is returned are bytes of a mark at the start of a line.
fn take_over(mut bytes: &[u8], mut met: Option<usize>, text: &mut Vec<u8>) -> Option<usize> {
    // Most texts have no mark but in front: they are copied as they are, and not line by line.
    if met.is_none_or(|met| met == 0) && !bytes.contains(&MARK[0]) {
        text.extend_from_slice(bytes);
        return bytes.last().is_some_and(ends_line).then_some(0);
    }
    while let Some(&first) = bytes.first() {
        match met {
            Some(count) if first == MARK[count] => {
                met = Some((count + 1) % MARK.len());
                bytes = &bytes[1..];
            }
            Some(count) => {
                text.extend_from_slice(&MARK[..count]);
                met = None;
            }
            None => {
                let line = bytes.iter().position(ends_line).map_or(bytes.len(), |end| end + 1);
                text.extend_from_slice(&bytes[..line]);
                met = ends_line(&bytes[line - 1]).then_some(0);
                bytes = &bytes[line..];
            }
        }
    }
    met
}

fn ends_line(byte: &u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

impl BufRead for WithoutMarks {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        // Bytes that were marks only leave nothing to hand out, which would be taken for the end.
        while self.read == self.text.len() && self.refill()? {}
        Ok(&self.text[self.read..])
    }

    fn consume(&mut self, bytes: usize) {
        self.read += bytes;
    }
}

impl Read for WithoutMarks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::BufReader;

    /// Read from an input that has `buffer` bytes at a time.
    fn without_marks(text: &'static [u8], buffer: usize) -> Vec<u8> {
        let mut read = Vec::new();
        let input = Box::new(BufReader::with_capacity(buffer, text));
        WithoutMarks::new(input).read_to_end(&mut read).unwrap();
        read
    }

    #[test]
    fn marks_are_taken_from_the_start_of_lines_however_the_bytes_come() {
        for buffer in 1..12 {
            for (text, right) in [
                ("\u{feff}a\u{feff}\n\u{feff}b\r\n\u{feff}\u{feff}c", &b"a\xef\xbb\xbf\nb\r\nc"[..]),
                ("\u{feff}", b""),
                ("\u{feff}\n\u{feff}", b"\n"),
                ("\u{fec0}a\n\u{fee0}", "\u{fec0}a\n\u{fee0}".as_bytes()),
            ] {
                assert_eq!(without_marks(text.as_bytes(), buffer), right, "{text:?} by {buffer}");
            }
            for cut in [&b"a\n\xef\xbb"[..], b"\xef", b"\xef\xbb\n\xef\xbbx"] {
                assert_eq!(without_marks(cut, buffer), cut, "half a mark is none");
            }
        }
    }
}
