//! Tables that fit: numbers to the right, texts to the left, and a stated order in which columns give way.

mod column;
mod fit;

pub use column::Column;

use crate::{Detail, Screen, Style, escape, shorten, width, wrap};
use fit::Fit;

/// Between columns.
const GUTTER: usize = 2;

/// Lines that one field takes at most.
const LINES: usize = 4;

/// One field of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    text: String,
    style: Option<Style>,
}

impl Cell {
    /// A field in a style.
    pub fn styled(text: impl Into<String>, style: Style) -> Self {
        Self { style: Some(style), ..Self::from(text.into()) }
    }
}

impl Cell {
    /// The field in lines of so many columns; of a text without end the beginning.
    fn lines(&self, room: usize) -> Vec<Self> {
        let mut lines = wrap(&self.text, Some(room), "", "");
        if lines.len() > LINES {
            lines.truncate(LINES);
            lines[LINES - 1] = shorten(&format!("{} …", lines[LINES - 1]), room).into_owned();
        }
        lines.into_iter().map(|text| Self { text, style: self.style }).collect()
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self { text: escape(&text).into_owned(), style: None }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::from(text.to_owned())
    }
}

#[derive(Clone, Debug)]
enum Row {
    Cells(Vec<Cell>),
    Gap,
}

/// A table. Where the screen is too narrow, first titles go into several lines, then columns that allow it are shortened or
/// go on in further lines, then columns are left out in the order that they state, and a line below says which.
#[derive(Clone, Debug)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Row>,
    indent: usize,
    most: Option<(usize, String)>,
}

impl Table {
    /// A table of these columns.
    pub fn new(columns: impl IntoIterator<Item = Column>) -> Self {
        Self { columns: columns.into_iter().collect(), rows: Vec::new(), indent: 0, most: None }
    }

    /// Moves it to the right by so many columns.
    #[must_use]
    pub fn indented(mut self, columns: usize) -> Self {
        self.indent = columns;
        self
    }

    /// Shows the first rows only, and says how many more there are and where (`--json has all`). Where everything is to
    /// be told, all are shown.
    #[must_use]
    pub fn at_most(mut self, rows: usize, others: &str) -> Self {
        self.most = Some((rows, others.to_owned()));
        self
    }

    /// Appends a row; fields that are not given are empty.
    pub fn row<C: Into<Cell>>(&mut self, cells: impl IntoIterator<Item = C>) -> &mut Self {
        let mut cells: Vec<Cell> = cells.into_iter().map(Into::into).collect();
        cells.resize(self.columns.len(), Cell::default());
        self.rows.push(Row::Cells(cells));
        self
    }

    /// Appends a row that stands for others that are not shown.
    pub fn ellipsis(&mut self) -> &mut Self {
        self.rows.push(Row::Gap);
        self
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table as lines, each with its end, none wider than the screen.
    pub fn text(&self, screen: &Screen) -> String {
        let shown = match &self.most {
            Some((most, _)) if screen.detail() < Detail::Verbose => self.rows.len().min(*most),
            _ => self.rows.len(),
        };
        let rows = &self.rows[..shown];
        let room = screen.width().map(|width| width.saturating_sub(self.indent).max(1));
        let fit = Fit::new(&self.columns, &self.natural(rows), room);
        let mut out = String::new();
        self.head(&fit, screen, &mut out);
        for row in rows {
            match row {
                Row::Cells(cells) => self.cells(&fit, cells, screen, &mut out),
                Row::Gap => self.line(&fit, &[Cell::from("...")], screen, &mut out),
            }
        }
        let left = self.rows.len() - shown;
        if let Some((_, others)) = self.most.as_ref().filter(|_| left > 0) {
            self.note(&format!("... and {left} more ({others})"), screen, &mut out);
        }
        if !fit.dropped.is_empty() {
            let titles: Vec<&str> = fit.dropped.iter().map(|at| self.columns[*at].title.as_str()).collect();
            let columns = screen.width().unwrap_or(0);
            self.note(&format!("(left out at {columns} columns: {})", titles.join(", ")), screen, &mut out);
        }
        out
    }

    /// The widest field of each column, without its title.
    fn natural(&self, rows: &[Row]) -> Vec<usize> {
        let mut widths = vec![0; self.columns.len()];
        for row in rows {
            let Row::Cells(cells) = row else { continue };
            for (most, cell) in widths.iter_mut().zip(cells) {
                *most = width(&cell.text).max(*most);
            }
        }
        widths
    }

    fn head(&self, fit: &Fit, screen: &Screen, out: &mut String) {
        if self.columns.iter().all(|column| column.title.is_empty()) {
            return;
        }
        let titles: Vec<Vec<String>> = self
            .columns
            .iter()
            .zip(&fit.widths)
            .map(|(column, width)| width.map_or(Vec::new(), |width| wrap(&column.title, Some(width), "", "")))
            .collect();
        let height = titles.iter().map(Vec::len).max().unwrap_or(0);
        for line in 0..height {
            // Short titles stand on the last line, next to their columns.
            let cells: Vec<Cell> = titles
                .iter()
                .map(|title| (line + title.len()).checked_sub(height).map_or("", |at| &title[at]))
                .map(|title| Cell::styled(title, Style::Faint))
                .collect();
            self.line(fit, &cells, screen, out);
        }
    }

    /// A row, in as many lines as its fields need.
    fn cells(&self, fit: &Fit, cells: &[Cell], screen: &Screen, out: &mut String) {
        let mut rest: Vec<std::vec::IntoIter<Cell>> = Vec::new();
        for ((column, room), cell) in self.columns.iter().zip(&fit.widths).zip(cells) {
            let room = room.filter(|room| column.wraps && width(&cell.text) > *room);
            let lines = room.map_or_else(|| vec![cell.clone()], |room| cell.lines(room));
            rest.push(lines.into_iter());
        }
        let height = rest.iter().map(ExactSizeIterator::len).max().unwrap_or(0);
        for _ in 0..height {
            let line: Vec<Cell> = rest.iter_mut().map(|cell| cell.next().unwrap_or_default()).collect();
            self.line(fit, &line, screen, out);
        }
    }

    fn line(&self, fit: &Fit, cells: &[Cell], screen: &Screen, out: &mut String) {
        let mut line = " ".repeat(self.indent);
        let mut owed = 0;
        let shown = self.columns.iter().zip(&fit.widths).enumerate();
        for (at, (column, room)) in shown.filter_map(|(at, (column, room))| Some((at, (column, (*room)?)))) {
            let empty = Cell::default();
            let cell = cells.get(at).unwrap_or(&empty);
            let text = shorten(&cell.text, room);
            let space = room.saturating_sub(width(&text));
            let (before, after) = if column.is_number { (space, 0) } else { (0, space) };
            // Spaces are written only before something, so that no line ends with any.
            if !text.is_empty() {
                line.extend(std::iter::repeat_n(' ', owed + before));
                line.push_str(
                    &cell.style.map_or_else(|| text.to_string(), |style| screen.paint(style, &text)),
                );
                owed = after + GUTTER;
            } else {
                owed += room + GUTTER;
            }
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }

    fn note(&self, text: &str, screen: &Screen, out: &mut String) {
        let indent = " ".repeat(self.indent);
        for line in wrap(text, screen.width(), &indent, &format!("{indent}  ")) {
            out.push_str(&screen.paint(Style::Faint, &line));
            out.push('\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn workers() -> Table {
        let mut table = Table::new([
            Column::text("worker").shrinks_to(6),
            Column::number("wait at gate"),
            Column::number("push").dropped(2),
            Column::number("samples").dropped(1),
        ]);
        table.row(["worker/0 on host", "1.20 ms", "3.00 ms", "1000"]);
        table.row(["worker/1", "900 us", "", "24"]);
        table
    }

    #[test]
    fn everything_is_shown_where_there_is_room() {
        let text = workers().text(&Screen::endless());
        assert_eq!(
            text,
            "worker            wait at gate     push  samples\n\
             worker/0 on host       1.20 ms  3.00 ms     1000\n\
             worker/1                900 us                24\n"
        );
    }

    #[test]
    fn titles_break_then_texts_are_shortened_then_columns_go() {
        let at = |width| workers().text(&Screen::plain(width));
        assert_eq!(
            at(44),
            "                  wait at\n\
             worker               gate     push  samples\n\
             worker/0 on host  1.20 ms  3.00 ms     1000\n\
             worker/1           900 us                24\n"
        );
        assert!(at(36).contains("worker/0…  1.20 ms"), "{}", at(36));
        let narrow = at(26);
        assert!(narrow.contains("(left out at 26 columns:") && narrow.contains("samples)"), "{narrow}");
        assert!(narrow.contains("3.00 ms"), "{narrow}");
        assert!(at(24).lines().all(|line| width(line) <= 24), "{}", at(24));
    }

    #[test]
    fn long_texts_go_on_below() {
        let mut table = Table::new([Column::text("why").wraps_at(8), Column::number("n")]);
        table.row(["a slow worker and late starts".to_owned(), "1".to_owned()]);
        table.row(["x ".repeat(500), "2".to_owned()]);
        let text = table.text(&Screen::plain(24));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1..3], ["a slow worker and      1", "late starts"]);
        assert_eq!(lines.len(), 3 + LINES);
        assert!(lines[2 + LINES].ends_with('…'), "{text}");
    }

    #[test]
    fn long_tables_say_what_is_missing() {
        let mut table = Table::new([Column::number("n")]).at_most(2, "--json has all").indented(2);
        (0..5).for_each(|n| _ = table.row([n.to_string()]));
        assert_eq!(table.text(&Screen::plain(80)), "  n\n  0\n  1\n  ... and 3 more (--json has all)\n");
        let all = Screen::plain(80).with_detail(Detail::Verbose);
        assert_eq!(table.text(&all).lines().count(), 6);
    }

    #[test]
    fn names_cannot_forge_a_row() {
        let mut table = Table::new([Column::text("name")]);
        table.row(["a\nb\x1b[2J"]);
        assert_eq!(table.text(&Screen::plain(80)), "name\na\\nb\\u{1b}[2J\n");
    }

    proptest! {
        #[test]
        fn no_line_is_too_wide(
            width in 24usize..120,
            titles in prop::collection::vec(("[a-z ]{0,30}", any::<bool>(), 0u8..4, 0usize..30), 1..9),
            cells in prop::collection::vec(".{0,40}", 0..40),
        ) {
            let mut table = Table::new(titles.iter().map(|(title, number, drop, least)| {
                let column = if *number { Column::number(title) } else { Column::text(title) };
                let column = if *drop > 0 { column.dropped(*drop) } else { column };
                match *least {
                    0 => column,
                    1..15 => column.shrinks_to(*least),
                    least => column.wraps_at(least - 14),
                }
            }));
            cells.chunks(titles.len()).for_each(|row| _ = table.row(row.iter().map(String::as_str)));
            for line in table.text(&Screen::plain(width)).lines() {
                prop_assert!(crate::width(line) <= width, "{line:?}");
            }
        }
    }
}
