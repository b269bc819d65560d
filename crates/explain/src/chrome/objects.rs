//! Cuts the text of a trace file into the values that it holds, one at a time.
//!
//! A file is a list of events, or an object with such a list under `traceEvents`. It is not parsed as a whole: an event that
//! is damaged costs only itself, and memory is bounded by one event and not by the file. A list may end without its `]`, as
//! the format allows to those who append to it.

use std::io::{self, Read};

/// A value beyond this is passed over, so that no string can take the memory.
const LONGEST: usize = 1 << 20;

/// How much is read at a time.
const CHUNK: usize = 1 << 18;

/// What comes next in a file.
#[derive(Debug, PartialEq)]
pub(super) enum Piece<'a> {
    /// A value of the list of events.
    Event(&'a [u8]),
    /// A field of the object around the list: its name and its value.
    Field(&'a [u8], &'a [u8]),
    /// A value that was too long to be kept.
    TooLong,
    /// The text ended inside a value, or before its object did.
    Cut,
    /// Something that belongs to no value.
    Stray,
}

/// Where in the file the reader stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Top,
    Fields,
    /// In the list of events; inside an object, or the file is the list.
    Events {
        inside: bool,
    },
    End,
}

/// How far a value has been scanned.
#[derive(Clone, Copy, Debug, Default)]
struct Scan {
    at: usize,
    depth: usize,
    in_string: bool,
}

/// The values of a file.
pub(super) struct Pieces<R> {
    text: R,
    buffer: Vec<u8>,
    at: usize,
    ended: bool,
    place: Place,
    /// The line of the value that was given last, from 1.
    pub line: u64,
    lines: u64,
}

impl<R: Read> Pieces<R> {
    /// Reads `text`.
    pub fn new(text: R) -> Self {
        let (buffer, place) = (Vec::with_capacity(2 * CHUNK), Place::Top);
        Self { text, buffer, at: 0, ended: false, place, line: 1, lines: 1 }
    }

    /// The next piece; `None` at the end.
    pub fn next_piece(&mut self) -> io::Result<Option<Piece<'_>>> {
        loop {
            let Some(byte) = self.skip_space()? else { return Ok(self.end()) };
            self.line = self.lines;
            match (self.place, byte) {
                (Place::End, _) => return Ok(None),
                (Place::Top, b'{') => self.enter(Place::Fields),
                (Place::Top, b'[') => self.enter(Place::Events { inside: false }),
                (Place::Fields, b'}') | (Place::Events { inside: false }, b']') => self.enter(Place::End),
                (Place::Events { inside: true }, b']') => self.enter(Place::Fields),
                (Place::Fields, b'"') => {
                    if let Some(field) = self.field()? {
                        return Ok(Some(self.piece(field)));
                    }
                }
                (Place::Events { .. }, b'{' | b'"' | b'-' | b'0'..=b'9' | b'a'..=b'z') => {
                    let span = self.value()?;
                    return Ok(Some(match span {
                        Span::Whole(from, to) => Piece::Event(&self.buffer[from..to]),
                        Span::TooLong => Piece::TooLong,
                        Span::Cut => Piece::Cut,
                    }));
                }
                _ => {
                    self.at += 1;
                    return Ok(Some(Piece::Stray));
                }
            }
        }
    }

    fn enter(&mut self, place: Place) {
        self.at += 1;
        self.place = place;
    }

    /// What the end of the text means where it comes.
    fn end(&mut self) -> Option<Piece<'_>> {
        let is_sound = matches!(self.place, Place::End | Place::Top | Place::Events { inside: false });
        self.place = Place::End;
        (!is_sound).then_some(Piece::Cut)
    }

    /// The byte after spaces and commas.
    fn skip_space(&mut self) -> io::Result<Option<u8>> {
        loop {
            while let Some(&byte) = self.buffer.get(self.at) {
                match byte {
                    b' ' | b'\t' | b'\r' | b',' | b':' | 0xef | 0xbb | 0xbf => self.at += 1,
                    b'\n' => {
                        self.at += 1;
                        self.lines += 1;
                    }
                    _ => return Ok(Some(byte)),
                }
            }
            if !self.fill()? {
                return Ok(None);
            }
        }
    }

    /// Reads on; false at the end. What lies before the reader is dropped.
    fn fill(&mut self) -> io::Result<bool> {
        if self.ended {
            return Ok(false);
        }
        self.buffer.drain(..self.at);
        self.at = 0;
        let read = self.text.by_ref().take(CHUNK as u64).read_to_end(&mut self.buffer)?;
        self.ended = read < CHUNK;
        Ok(read > 0)
    }

    /// A field of the outer object; `None` where it is the list of events, which is entered.
    fn field(&mut self) -> io::Result<Option<Field>> {
        let (from, to) = match self.value()? {
            Span::Whole(from, to) => (from, to),
            Span::TooLong => return Ok(Some(Field::Odd(Span::TooLong))),
            Span::Cut => return Ok(Some(Field::Odd(Span::Cut))),
        };
        let name = self.buffer[from..to].to_vec();
        match self.skip_space()? {
            Some(b'[') if name == b"\"traceEvents\"" => {
                self.enter(Place::Events { inside: true });
                Ok(None)
            }
            Some(_) => match self.value()? {
                Span::Whole(from, to) => Ok(Some(Field::Whole(name, from, to))),
                odd => Ok(Some(Field::Odd(odd))),
            },
            None => Ok(Some(Field::Odd(Span::Cut))),
        }
    }

    fn piece(&mut self, field: Field) -> Piece<'_> {
        match field {
            Field::Whole(name, from, to) => {
                // The name moves in front of the reader, where nothing is read any more.
                let length = name.len();
                self.buffer.splice(0..0, name);
                self.at += length;
                let (name, rest) = self.buffer.split_at(length);
                Piece::Field(name, &rest[from..to])
            }
            Field::Odd(Span::TooLong) => Piece::TooLong,
            Field::Odd(_) => Piece::Cut,
        }
    }

    /// The value at which the reader stands, which is then passed.
    fn value(&mut self) -> io::Result<Span> {
        let mut scan = Scan::default();
        let mut is_too_long = false;
        loop {
            let found = scan.end(&self.buffer[self.at..]);
            if let Some(length) = found {
                let span = (self.at, self.at + length);
                self.pass(length);
                return Ok(if is_too_long { Span::TooLong } else { Span::Whole(span.0, span.1) });
            }
            if scan.at > LONGEST {
                is_too_long = true;
                self.pass(scan.at);
                scan.at = 0;
            }
            if !self.fill()? {
                let rest = self.buffer.len() - self.at;
                self.pass(rest);
                return Ok(Span::Cut);
            }
        }
    }

    /// Goes on by `length` bytes and counts their lines.
    fn pass(&mut self, length: usize) {
        let passed = &self.buffer[self.at..self.at + length];
        self.lines += memchr::memchr_iter(b'\n', passed).count() as u64;
        self.at += length;
    }
}

/// Where a value lies in the buffer.
enum Span {
    Whole(usize, usize),
    TooLong,
    Cut,
}

enum Field {
    Whole(Vec<u8>, usize, usize),
    Odd(Span),
}

impl Scan {
    /// Goes on through `text`, which is what it was with more at its end; the length of the value where it ends.
    fn end(&mut self, text: &[u8]) -> Option<usize> {
        while self.at < text.len() {
            if self.in_string {
                let found = memchr::memchr2(b'"', b'\\', &text[self.at..]);
                let Some(offset) = found else {
                    self.at = text.len();
                    return None;
                };
                self.at += offset;
                if text[self.at] == b'\\' {
                    // The escaped character may not be there yet.
                    if self.at + 1 >= text.len() {
                        return None;
                    }
                    self.at += 2;
                    continue;
                }
                self.in_string = false;
                self.at += 1;
                if self.depth == 0 {
                    return Some(self.at);
                }
                continue;
            }
            match text[self.at] {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' if self.depth == 0 => return Some(self.at),
                b'}' | b']' => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        return Some(self.at + 1);
                    }
                }
                b',' | b' ' | b'\n' | b'\r' if self.depth == 0 => return Some(self.at),
                _ => {}
            }
            self.at += 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &[u8]) -> Vec<String> {
        let mut pieces = Pieces::new(text);
        let mut found = Vec::new();
        while let Some(piece) = pieces.next_piece().unwrap() {
            found.push(match piece {
                Piece::Event(event) => String::from_utf8_lossy(event).into_owned(),
                Piece::Field(name, value) => {
                    format!("{}={}", String::from_utf8_lossy(name), String::from_utf8_lossy(value))
                }
                other => format!("{other:?}"),
            });
        }
        found
    }

    #[test]
    fn events_and_fields_are_cut_apart() {
        let text = br#"{"a": 1, "b": {"c": ["}"]}, "traceEvents": [{"x": "]}\""}, {}], "d": "e"}"#;
        let expected = [r#""a"=1"#, r#""b"={"c": ["}"]}"#, r#"{"x": "]}\""}"#, "{}", r#""d"="e""#];
        assert_eq!(pieces(text), expected);
        assert_eq!(pieces(b"[{}, {\"a\":[1]}]"), ["{}", "{\"a\":[1]}"]);
    }

    #[test]
    fn a_list_may_end_without_its_bracket_but_not_inside_an_event() {
        assert_eq!(pieces(b"[\n{},\n{},\n"), ["{}", "{}"]);
        assert_eq!(pieces(b"[{},{\"a\":"), ["{}", "Cut"]);
        assert_eq!(pieces(b"{\"traceEvents\":[{},"), ["{}", "Cut"]);
    }

    #[test]
    fn a_long_string_is_passed_over() {
        let long = "x".repeat(5 * LONGEST);
        let text = format!("[{{\"a\":\"{long}\"}},{{\"b\":1}}]");
        assert_eq!(pieces(text.as_bytes()), ["TooLong", "{\"b\":1}"]);
        let mut reader = Pieces::new(text.as_bytes());
        while reader.next_piece().unwrap().is_some() {}
        assert!(reader.buffer.capacity() < 4 * LONGEST);
    }
}
