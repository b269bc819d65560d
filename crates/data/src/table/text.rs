//! The rows of a text table: comma-separated values (RFC 4180) under any delimiter, or cells divided by blanks.

use csv::ByteRecord;
use std::cell::Cell;
use std::path::PathBuf;
use std::rc::Rc;

use super::{Cells, Dialect, MOST_CELLS, Row, Rows, decode};
use crate::input::{Bounded, Source, line_error};
use crate::{Error, Header, Layout, Result};

/// A text table, read as a stream.
pub(crate) struct TextRows {
    path: PathBuf,
    lines: Lines,
    names: Vec<String>,
    dialect: Dialect,
    record: ByteRecord,
    /// The row in `record` has not been handed out yet.
    waiting: bool,
    /// The first row as it stands, where it names the columns.
    header: Option<ByteRecord>,
    comments: u64,
    repeated_headers: u64,
}

/// Where records come from.
enum Lines {
    Delimited { reader: csv::Reader<Bounded>, since_record: Rc<Cell<usize>> },
    Blanks { source: Source, line: Vec<u8> },
}

impl TextRows {
    /// Opens a table and reads its header.
    pub(crate) fn open(mut source: Source, layout: Layout) -> Result<TextRows> {
        source.expect_text()?;
        let (start, whole) = source.start_of_text()?;
        let dialect = Dialect::of(start, whole, layout);
        let path = source.path().to_path_buf();
        if dialect.cells > MOST_CELLS {
            return Err(too_wide(&path, 1));
        }
        let source = source.without_marks();
        let lines = match dialect.delimiter {
            b' ' => Lines::Blanks { source, line: Vec::new() },
            _ => Lines::delimited(source, &dialect),
        };
        let (names, record) = (Vec::new(), ByteRecord::new());
        let mut rows = TextRows {
            path,
            lines,
            names,
            dialect,
            record,
            waiting: false,
            header: None,
            comments: 0,
            repeated_headers: 0,
        };
        if dialect.declared {
            rows.advance()?;
        }
        if !rows.advance()? {
            return Err(rows.error("there are no rows"));
        }
        rows.head(layout.header)?;
        Ok(rows)
    }

    /// Takes the names from the first row, or leaves it to be handed out.
    fn head(&mut self, header: Header) -> Result<()> {
        if self.dialect.cells < 2 && header != Header::Absent && self.record.len() < 2 {
            let message = match self.dialect.below {
                0 | 1 => {
                    "there is only one column: a row needs at least one feature and the label, divided by `,`, `;`, `|`, \
                     tabs or blanks; --delimiter names any other sign"
                        .to_owned()
                }
                below => format!(
                    "the line has one cell, and lines below it have {below}: if it is a title, take it out; if it is a \
                     comment, begin it with #"
                ),
            };
            return Err(line_error(&self.path, self.dialect.line_end.line(&self.record), message));
        }
        let numbers = (1..=self.dialect.cells).map(|number| number.to_string());
        if !self.dialect.header {
            self.names = numbers.collect();
            self.waiting = true;
            return Ok(());
        }
        let first = self.record.iter().enumerate().map(|(at, cell)| match at {
            // A header that was commented out, as numpy writes it.
            0 => decode(cell.trim_ascii_start().trim_prefix_mark().trim_ascii()),
            _ => decode(cell.trim_ascii()),
        });
        let names: Vec<String> =
            self.dialect.short_header.then(String::new).into_iter().chain(first).collect();
        self.names = distinct(names);
        self.header = Some(self.record.clone());
        Ok(())
    }

    /// Reads the next row that is neither blank nor a comment, nor the header again, as files have it that were joined.
    fn advance(&mut self) -> Result<bool> {
        while self.lines.next(&mut self.record, &self.path)? {
            if self.header.as_ref() == Some(&self.record) {
                self.repeated_headers += 1;
            } else if self.is_comment() {
                self.comments += 1;
            } else {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A line that begins with `#` is a comment, unless it has the cells of a row: `#ff0000,3` may be one.
    fn is_comment(&self) -> bool {
        self.record.get(0).is_some_and(|cell| cell.trim_ascii_start().starts_with(b"#"))
            && self.record.len() != self.dialect.cells
    }

    fn error(&self, message: impl Into<String>) -> Error {
        Error::File { path: self.path.clone(), message: message.into() }
    }
}

trait Mark {
    fn trim_prefix_mark(&self) -> &[u8];
}

impl Mark for [u8] {
    fn trim_prefix_mark(&self) -> &[u8] {
        self.strip_prefix(b"#").unwrap_or(self)
    }
}

/// Names of which none occurs twice: the second `a` becomes `a.2`.
pub(crate) fn distinct(names: Vec<String>) -> Vec<String> {
    let mut seen = std::collections::HashMap::<String, u32>::new();
    let all: std::collections::HashSet<String> = names.iter().cloned().collect();
    let mut number = |name: String| {
        let count = seen.entry(name.clone()).or_default();
        *count += 1;
        if *count == 1 {
            return name;
        }
        while all.contains(&format!("{name}.{count}")) {
            *count += 1;
        }
        format!("{name}.{count}")
    };
    names.into_iter().map(&mut number).collect()
}

impl Rows for TextRows {
    fn names(&self) -> &[String] {
        &self.names
    }

    fn named(&self) -> bool {
        self.dialect.header
    }

    fn next(&mut self) -> Result<Option<Row<'_>>> {
        if !std::mem::take(&mut self.waiting) && !self.advance()? {
            return Ok(None);
        }
        let line = self.dialect.line_end.line(&self.record);
        if self.record.len() != self.names.len() {
            // What some write above a table, such as the numbers of rows and columns, is taken for its header.
            let hint = match line {
                2 => ": if the first line is no part of the table, take it out",
                _ => "",
            };
            let cells = match self.record.len() {
                1 => "one cell".to_owned(),
                cells => format!("{cells} cells"),
            };
            let message = format!("the row has {cells}, the first row has {}{hint}", self.names.len());
            return Err(line_error(&self.path, line, message));
        }
        Ok(Some(Row { line, cells: Cells::Text(&self.record) }))
    }

    fn notes(&self) -> Vec<String> {
        let comments = match self.comments {
            0 => None,
            1 => Some("a line that begins with # was left out as a comment".into()),
            lines => Some(format!("{lines} lines that begin with # were left out as comments")),
        };
        let headers = match self.repeated_headers {
            0 => None,
            1 => Some("the header stands in the file once more and was left out there".into()),
            times => Some(format!("the header stands in the file {times} times more and was left out there")),
        };
        comments.into_iter().chain(headers).collect()
    }
}

impl Lines {
    fn delimited(source: Source, dialect: &Dialect) -> Lines {
        let (input, since_record) = source.into_bounded();
        let reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(dialect.delimiter)
            .escape(dialect.escapes.then_some(b'\\'))
            .buffer_capacity(1 << 16)
            .from_reader(input);
        Lines::Delimited { reader, since_record }
    }

    fn next(&mut self, record: &mut ByteRecord, path: &std::path::Path) -> Result<bool> {
        match self {
            Lines::Delimited { reader, since_record } => {
                let read = reader.read_byte_record(record);
                since_record.set(0);
                read.map_err(|error| match error.into_kind() {
                    csv::ErrorKind::Io(source) => Error::Io { action: "read", path: path.into(), source },
                    other => Error::File { path: path.into(), message: format!("{other:?}") },
                })
            }
            Lines::Blanks { source, line } => {
                while source.next_line(line)? {
                    if line.trim_ascii().is_empty() {
                        continue;
                    }
                    *record = split_blanks(line);
                    if record.len() > MOST_CELLS {
                        return Err(too_wide(path, source.line()));
                    }
                    let mut position = csv::Position::new();
                    position.set_line(source.line());
                    record.set_position(Some(position));
                    return Ok(true);
                }
                Ok(false)
            }
        }
    }
}

fn too_wide(path: &std::path::Path, line: u64) -> Error {
    line_error(path, line, format!("the row has more than {MOST_CELLS} cells: have line ends been lost?"))
}

/// A cell in double quotes, and what follows it: nothing or a blank, else the quotes are part of something else.
fn in_quotes(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let quoted = text.strip_prefix(b"\"")?;
    let end = quoted.iter().position(|&byte| byte == b'"')?;
    let after = &quoted[end + 1..];
    after.first().is_none_or(u8::is_ascii_whitespace).then_some((&quoted[..end], after))
}

/// Cells divided by any number of blanks and tabs; one in double quotes may have blanks inside.
pub(super) fn split_blanks(line: &[u8]) -> ByteRecord {
    let mut record = ByteRecord::new();
    let mut rest = line.trim_ascii();
    // One more than a row may have is enough to refuse it.
    while !rest.is_empty() && record.len() <= MOST_CELLS {
        let (cell, after) = match in_quotes(rest) {
            Some(both) => both,
            None => rest.split_at(rest.iter().position(u8::is_ascii_whitespace).unwrap_or(rest.len())),
        };
        record.push_field(cell);
        rest = after.trim_ascii_start();
    }
    record
}
