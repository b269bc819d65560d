//! What a text table is written in, found in its first lines: what divides the cells, which lines are comments, and
//! whether the first row names the columns.
//!
//! A delimiter must give the first lines one number of cells, at least two. Where several do, tabs, semicolons and bars
//! come before commas, which also stand in decimals, and blanks come last, since texts have them.

use csv::ByteRecord;

use super::notation::{Notation, Written};
use super::text::split_blanks;
use crate::{Header, Layout};

/// How a text table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dialect {
    /// `b' '` stands for any number of blanks and tabs.
    pub delimiter: u8,
    /// Cells of a row.
    pub cells: usize,
    /// The first row names the columns.
    pub header: bool,
    /// The header has no name for the first column, as R writes tables with row names.
    pub short_header: bool,
    /// The first line is `sep=;`, by which Excel is told the delimiter, and no row.
    pub declared: bool,
    /// A quotation mark within a quoted cell is written `\\"`, not `""`.
    pub escapes: bool,
    /// Cells of the last row that was looked at.
    pub below: usize,
    pub line_end: LineEnd,
}

/// What ends a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LineEnd {
    Lf,
    CrLf,
    /// As the first Macintosh wrote texts.
    Cr,
}

/// Rows that are looked at.
const ROWS: usize = 100;

impl Dialect {
    /// Looks at the start of a file, of which the last line may be cut off.
    pub(crate) fn of(start: &[u8], whole: bool, layout: Layout) -> Dialect {
        let start = match start.iter().rposition(|&byte| byte == b'\n') {
            Some(end) if !whole => &start[..end],
            _ => start,
        };
        let (header, line_end) = (layout.header, LineEnd::of(start));
        let (declared, start) = declared(start);
        let delimiter = layout.delimiter.or(declared).unwrap_or_else(|| delimiter_of(start));
        let escapes = has_escapes(start, delimiter);
        let rows = rows(start, delimiter, escapes);
        let first = rows.first().map_or(0, ByteRecord::len);
        let second = rows.get(1).map_or(first, ByteRecord::len);
        let short_header = first + 1 == second
            && rows[1..].iter().all(|row| row.len() == second)
            && header != Header::Absent
            && second > 1;
        let header = match header {
            _ if short_header => true,
            Header::Present => true,
            Header::Absent => false,
            Header::Auto => has_header(&rows),
        };
        let below = rows.last().map_or(first, ByteRecord::len);
        let cells = if short_header { second } else { first };
        Dialect {
            delimiter,
            cells,
            header,
            short_header,
            declared: declared.is_some(),
            escapes,
            below,
            line_end,
        }
    }
}

impl LineEnd {
    /// What ends the first line.
    fn of(start: &[u8]) -> LineEnd {
        let mut in_quotes = false;
        let ends = |&byte: &u8| {
            in_quotes ^= byte == b'"';
            !in_quotes && matches!(byte, b'\n' | b'\r')
        };
        match start.iter().position(ends).map(|end| &start[end..]) {
            None | Some([b'\n', ..]) => LineEnd::Lf,
            Some([b'\r', b'\n', ..]) => LineEnd::CrLf,
            Some(_) => LineEnd::Cr,
        }
    }

    /// The line of a record, from 1. The reader of records counts the LFs before it, and that of a CRLF comes after the
    /// record that it ends.
    pub(crate) fn line(self, record: &ByteRecord) -> u64 {
        let Some(position) = record.position() else { return 0 };
        match self {
            LineEnd::CrLf if position.byte() > 0 => position.line() + 1,
            LineEnd::Cr => position.record() + 1,
            _ => position.line(),
        }
    }
}

/// The delimiter that a first line such as `sep=;` declares, and what follows that line.
fn declared(start: &[u8]) -> (Option<u8>, &[u8]) {
    let text = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
    let end = text.iter().position(|byte| matches!(byte, b'\n' | b'\r')).map_or(text.len(), |end| end + 1);
    match text[..end].trim_ascii_end() {
        [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', delimiter] => (Some(*delimiter), &text[end..]),
        // The blanks at the end were taken for the end.
        [b's' | b'S', b'e' | b'E', b'p' | b'P', b'='] if text[..end].contains(&b'\t') => {
            (Some(b'\t'), &text[end..])
        }
        _ => (None, start),
    }
}

/// Whether a backslash takes a quotation mark's meaning away: fewer marks are out of place then. Paths of Windows have
/// backslashes too, and may end with one; so has JSON within a cell.
fn has_escapes(start: &[u8], delimiter: u8) -> bool {
    start.windows(2).any(|two| two == b"\\\"")
        && strays(start, delimiter, true) < strays(start, delimiter, false)
}

/// Quotation marks that neither begin nor end a cell and are not doubled within one.
fn strays(text: &[u8], delimiter: u8, escapes: bool) -> usize {
    let divides = |byte: &u8| *byte == delimiter || matches!(byte, b'\n' | b'\r');
    let (mut strays, mut quoted, mut at) = (0, false, 0);
    while let Some(&byte) = text.get(at) {
        let next = text.get(at + 1);
        match byte {
            b'\\' if quoted && escapes => at += 1,
            b'"' if !quoted => {
                let begins = at == 0 || divides(&text[at - 1]);
                quoted = begins;
                strays += usize::from(!begins);
            }
            b'"' if next == Some(&b'"') => at += 1,
            b'"' => {
                quoted = false;
                strays += usize::from(!next.is_none_or(divides));
            }
            _ => {}
        }
        at += 1;
    }
    strays
}

/// The first rows as cells; comments are left out.
fn rows(start: &[u8], delimiter: u8, escapes: bool) -> Vec<ByteRecord> {
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
    let rows: Vec<ByteRecord> = if delimiter == b' ' {
        start
            .split(|&byte| byte == b'\n' || byte == b'\r')
            .filter(|line| !line.trim_ascii().is_empty())
            .take(ROWS)
            .map(split_blanks)
            .collect()
    } else {
        let mut reader = csv::ReaderBuilder::new();
        let reader = reader.has_headers(false).flexible(true).delimiter(delimiter);
        let reader = reader.escape(escapes.then_some(b'\\')).from_reader(start);
        reader.into_byte_records().take(ROWS).map_while(Result::ok).collect()
    };
    let comment = |row: &ByteRecord| row.get(0).is_some_and(|cell| cell.trim_ascii_start().starts_with(b"#"));
    let cells = rows.iter().find(|row| !comment(row)).map_or(0, ByteRecord::len);
    rows.into_iter().filter(|row| !comment(row) || row.len() == cells && cells > 1).collect()
}

fn delimiter_of(start: &[u8]) -> u8 {
    const CANDIDATES: [u8; 5] = [b'\t', b';', b'|', b',', b' '];
    let agreement = |delimiter: u8| Agreement::of(&rows(start, delimiter, has_escapes(start, delimiter)));
    match CANDIDATES.into_iter().find(|&delimiter| agreement(delimiter) != Agreement::None) {
        // A tab before the last cell of a table of blanks, as some write a text there, or in its header alone.
        Some(b'\t') if agreement(b'\t') != Agreement::All && agreement(b' ') == Agreement::All => b' ',
        Some(delimiter) => delimiter,
        None => most_frequent(start),
    }
}

/// Which of some rows have one number of cells, at least two.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Agreement {
    All,
    /// Nine in ten, since of many rows some may be torn, or all but a header that lacks a cell.
    Most,
    None,
}

impl Agreement {
    fn of(rows: &[ByteRecord]) -> Agreement {
        let Some((cells, same)) = usual_cells(rows) else { return Agreement::None };
        let others = rows.len() - same;
        let short = rows.first().is_some_and(|first| first.len() + 1 == cells);
        match others {
            _ if cells < 2 => Agreement::None,
            0 => Agreement::All,
            1 if short && rows.len() > 2 => Agreement::Most,
            _ if others * 10 <= rows.len() => Agreement::Most,
            _ => Agreement::None,
        }
    }
}

/// How many cells most rows have, and how many do; of as many the number that comes later, since titles come first. (The last row
/// alone may be torn, where a file was cut off.)
fn usual_cells(rows: &[ByteRecord]) -> Option<(usize, usize)> {
    let alike = |row: &ByteRecord| (row.len(), rows.iter().filter(|other| other.len() == row.len()).count());
    rows.iter().map(alike).max_by_key(|(_, rows)| *rows)
}

/// The most frequent of the usual delimiters outside of quotes in the first line; the comma where none occurs.
fn most_frequent(start: &[u8]) -> u8 {
    let mut counts = [(b'\t', 0), (b';', 0), (b',', 0)];
    let mut in_quotes = false;
    for &byte in start.iter().take_while(|&&byte| byte != b'\n') {
        in_quotes ^= byte == b'"';
        counts
            .iter_mut()
            .filter(|(delimiter, _)| *delimiter == byte && !in_quotes)
            .for_each(|(_, count)| *count += 1);
    }
    counts.iter().max_by_key(|(_, count)| *count).map_or(b',', |(delimiter, _)| *delimiter)
}

/// Whether the first row names the columns: words stand above numbers, or there is no number among them and they do not
/// recur; or they are years above other numbers.
fn has_header(rows: &[ByteRecord]) -> bool {
    let Some((first, rest)) = rows.split_first() else { return false };
    let notation = Notation::default();
    let number = |cell: Option<&[u8]>| match notation.read(cell.unwrap_or_default()) {
        Written::Number(number) => Some(number),
        _ => None,
    };
    let word = |cell: &[u8]| matches!(notation.read(cell), Written::Text(_) | Written::Placeholder(_));
    let below = |column: usize| rest.iter().find_map(|row| number(row.get(column)));
    let words_above_numbers =
        (0..first.len()).filter(|&column| word(&first[column]) && below(column).is_some()).count();
    let numbers: Vec<(usize, f64)> =
        (0..first.len()).filter_map(|column| Some((column, number(first.get(column))?))).collect();
    if numbers.is_empty() {
        return words_above_numbers > 0 || !recurs_below(first, rest);
    }
    let year = |number: f64| number.fract() == 0.0 && (1800.0..2200.0).contains(&number);
    let ascending = numbers.windows(2).all(|pair| pair[0].1 < pair[1].1);
    let other_below =
        |column: usize| rest.iter().any(|row| number(row.get(column)).is_some_and(|x| !year(x)));
    let years = numbers.len() > 1
        && ascending
        && numbers.iter().all(|&(column, number)| year(number) && other_below(column));
    words_above_numbers > 0 && numbers.len() <= words_above_numbers.max(1) || years || years_at_a_pace(rows)
}

/// Whether most cells of the first row stand in their columns again: then they are values, as in tables of nothing but words.
/// A whole row that is the first again may be the header of a file that was joined to this one.
fn recurs_below(first: &ByteRecord, rest: &[ByteRecord]) -> bool {
    let again = |&column: &usize| rest.iter().any(|row| row != first && row.get(column) == first.get(column));
    (0..first.len()).filter(again).count() * 2 > first.len()
}

/// Whether the first row has three years or more at one pace (2000, 2001, 2002), and no row below it does: then it names
/// columns, even where years stand below.
fn years_at_a_pace(rows: &[ByteRecord]) -> bool {
    rows.split_first()
        .is_some_and(|(first, rest)| !rest.is_empty() && is_paced(first) && !rest.iter().any(is_paced))
}

/// Whether the numbers of a row are years at one pace, three or more.
fn is_paced(row: &ByteRecord) -> bool {
    let notation = Notation::default();
    let mut years = Vec::new();
    for cell in row {
        match notation.read(cell) {
            Written::Number(year) if year.fract() == 0.0 && (1800.0..2200.0).contains(&year) => {
                years.push(year)
            }
            Written::Number(_) => return false,
            _ => {}
        }
    }
    let mut paces = years.windows(2).map(|pair| pair[1] - pair[0]);
    years.len() > 2 && paces.next().is_some_and(|pace| pace > 0.0 && paces.all(|other| other == pace))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Dialect {
        Dialect::of(text.as_bytes(), true, Layout::default())
    }

    #[test]
    fn the_delimiter_gives_all_rows_the_same_cells() {
        for (text, delimiter, cells) in [
            ("a,b\n1,2\n3,4\n", b',', 2),
            ("a;b;c\n1,5;2,5;x\n", b';', 3),
            ("1,5;2,5;3,5\n1,5;2,5;3,5\n", b';', 3),
            ("a\tb\n1, or 2\t3\n", b'\t', 2),
            ("a|b\n1|2\n", b'|', 2),
            ("a b  c\n1  2 3\n", b' ', 3),
            ("mpg weight name\n18.0  3504.\t\"ford torino\"\n15.0  3693.\t\"buick skylark\"\n", b' ', 3),
            ("a\tb c\td\n1 2. 3\t\"x y\"\n4 5. 6\t\"z\"\n", b' ', 4),
            ("a\tb\nr1\t1\t2\nr2\t3\t4\n", b'\t', 3),
            ("name,y\n\"Smith, John\",1\nJane Doe,2\n", b',', 2),
            ("# written by hand\n# on a Sunday\na,b,c\n1,2,3\n", b',', 3),
        ] {
            let dialect = of(text);
            assert_eq!((dialect.delimiter, dialect.cells), (delimiter, cells), "{text:?}");
        }
    }

    #[test]
    fn a_first_line_may_declare_the_delimiter() {
        for (text, delimiter) in [
            ("sep=^\na^b\n1^2\n", b'^'),
            ("\u{feff}SEP=;\r\na;b\r\n1;2\r\n", b';'),
            ("sep=\t\na\tb\n1\t2\n", b'\t'),
        ] {
            let dialect = of(text);
            assert_eq!(
                (dialect.delimiter, dialect.cells, dialect.declared),
                (delimiter, 2, true),
                "{text:?}"
            );
        }
        assert!(!of("sep=,x\n1,2\n").declared);
    }

    #[test]
    fn a_backslash_escapes_where_marks_would_be_out_of_place_otherwise() {
        for (text, escapes) in [
            (r#"a,b\n"say \"hi\", John",1\n"x",2\n"#, true),
            (r#"a,b\n"a \", b",1\n"#, true),
            (r#"a,b\n"say ""hi""",1\n"#, false),
            (r#"path,b\n"C:\dir\",1\n"D:\",2\n"#, false),
            (r#"json,b\n"{""a"": ""x\""y""}",1\n"#, false),
            (r#"size,b\n3\" pipe,1\n"#, false),
        ] {
            let text = text.replace(r"\n", "\n");
            let dialect = of(&text);
            assert_eq!((dialect.escapes, dialect.cells), (escapes, 2), "{text:?}");
        }
    }

    #[test]
    fn headers_are_told_from_data() {
        for (text, header) in [
            ("a,b,y\n1,2,x\n", true),
            ("1,2,x\n3,4,y\n", false),
            ("5.1,red,setosa\n4.9,blue,virginica\n", false),
            ("size,colour,kind\n5.1,red,setosa\n", true),
            ("colour,shape,kind\nred,round,a\n", true),
            ("x,o,b,won\nx,x,b,lost\no,o,b,won\nx,b,o,lost\n", false),
            ("left,right,kind\nx,o,won\no,x,lost\nleft,right,kind\nx,x,won\n", true),
            ("country,2019,2020,y\nItaly,5.5,7,1\n", true),
            ("2019,2020,kind\n1,2,x\n", true),
            ("2019,2020,x\n2020,2021,y\n", false),
            ("2000,2001,2002\n1950,1970,1930\n1960,1940,1999\n", true),
            ("2000,2001,2002\n2010,2011,2012\n", false),
            ("\"\",\"a\",\"b\"\n\"1\",2,3\n", true),
        ] {
            assert_eq!(of(text).header, header, "{text:?}");
        }
        let row_names = of("a b y\nr1 1 2 3\nr2 4 5 6\n");
        assert_eq!((row_names.cells, row_names.header, row_names.short_header), (4, true, true));
    }
}
