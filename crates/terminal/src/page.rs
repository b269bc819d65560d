//! A report being written: lines, sentences and tables, none wider than the screen.

use crate::{Screen, Style, Table, escape, wrap};

/// A report being written for one screen. Everything on it is escaped; a line end inside of a name is none.
#[derive(Debug)]
pub struct Page {
    screen: Screen,
    text: String,
}

impl Page {
    /// An empty page.
    pub fn new(screen: &Screen) -> Self {
        Self { screen: *screen, text: String::new() }
    }

    /// Where it will be read.
    pub fn screen(&self) -> &Screen {
        &self.screen
    }

    /// An empty line, unless it would be the first or the second of its kind.
    pub fn gap(&mut self) -> &mut Self {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
        self
    }

    /// A heading, set apart from what is above.
    pub fn heading(&mut self, text: &str) -> &mut Self {
        self.gap().paragraph(text, Some(Style::Heading), "", "  ")
    }

    /// One statement; where it is too long, it goes on below, indented.
    pub fn line(&mut self, text: &str) -> &mut Self {
        self.paragraph(text, None, "", "  ")
    }

    /// A line that may be passed over.
    pub fn remark(&mut self, text: &str) -> &mut Self {
        self.paragraph(text, Some(Style::Faint), "", "  ")
    }

    /// A sentence of a list.
    pub fn bullet(&mut self, text: &str) -> &mut Self {
        self.paragraph(text, None, "- ", "  ")
    }

    /// A sentence of a list that is worth a doubt, or says what went wrong.
    pub fn warning(&mut self, text: &str) -> &mut Self {
        self.paragraph(text, Some(Style::Warning), "- ", "  ")
    }

    /// A table.
    pub fn table(&mut self, table: &Table) -> &mut Self {
        self.text.push_str(&table.text(&self.screen));
        self
    }

    /// A line that is known to be harmless and to fit, such as one with several styles.
    pub fn raw(&mut self, line: &str) -> &mut Self {
        self.text.push_str(line);
        self.text.push('\n');
        self
    }

    fn paragraph(&mut self, text: &str, style: Option<Style>, first: &str, rest: &str) -> &mut Self {
        for line in wrap(&escape(text), self.screen.width(), first, rest) {
            let line = line.trim_end();
            match style {
                Some(style) => self.raw(&self.screen.paint(style, line)),
                None => self.raw(line),
            };
        }
        self
    }

    /// What is written so far; every line has its end.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What was written.
    pub fn into_text(self) -> String {
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_narrow_and_harmless() {
        let mut page = Page::new(&Screen::plain(30));
        page.heading("Findings").bullet("the application `a\x1b[2J\nerror: forged` took long").gap().gap();
        page.line("end");
        assert_eq!(
            page.text(),
            "Findings\n- the application\n  `a\\u{1b}[2J\\nerror: forged`\n  took long\n\nend\n"
        );
    }
}
