//! Where text is going to be read: its width, its colours, and how much is told.

use std::{
    borrow::Cow,
    env,
    io::{IsTerminal, stderr, stdout},
    str::FromStr,
};

use crate::{
    Style,
    escape::lines,
    wrap::{width, wrap},
};

/// The width of a screen that is not known, such as that of a pipe.
const UNKNOWN: usize = 80;

/// Below this nothing can be arranged; a terminal so narrow breaks lines itself.
const NARROWEST: usize = 24;

/// When to use colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Colour {
    /// On a terminal, unless `NO_COLOR` is set or the terminal is dumb
    #[default]
    Auto,
    /// Also into a file or pipe
    Always,
    /// Not at all
    Never,
}

impl FromStr for Colour {
    type Err = UnknownColour;

    fn from_str(text: &str) -> Result<Self, UnknownColour> {
        match text {
            "auto" => Ok(Self::Auto),
            "always" => Ok(Self::Always),
            "never" => Ok(Self::Never),
            _ => Err(UnknownColour),
        }
    }
}

/// A word that says nothing of colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownColour;

impl std::fmt::Display for UnknownColour {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("choose auto, always or never")
    }
}

impl std::error::Error for UnknownColour {}

/// How much is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// The answer only: no progress, no remarks.
    Quiet,
    /// What most want to know; long tables show their beginning.
    #[default]
    Normal,
    /// Every row of every table, and what is being done.
    Verbose,
}

/// Where text is going to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Screen {
    width: Option<usize>,
    colours: bool,
    detail: Detail,
}

impl Screen {
    /// A screen without colours, so many columns wide.
    pub fn plain(width: usize) -> Self {
        Self { width: Some(width.max(NARROWEST)), colours: false, detail: Detail::Normal }
    }

    /// A screen without colours where every line is as long as it wants to be.
    pub fn endless() -> Self {
        Self { width: None, ..Self::plain(UNKNOWN) }
    }

    /// Standard output: as wide as `COLUMNS` says, else as the terminal is, else 80 columns.
    pub fn stdout(colour: Colour) -> Self {
        let size = terminal_size::terminal_size_of(stdout());
        Self::found(size, has_colours(colour, stdout().is_terminal()))
    }

    /// Standard error; where it is no terminal and `COLUMNS` is not set, lines are not broken, because programs read them.
    pub fn stderr(colour: Colour) -> Self {
        let size = terminal_size::terminal_size_of(stderr());
        let found = Self::found(size, has_colours(colour, stderr().is_terminal()));
        let known = stated_width().is_some() || stderr().is_terminal();
        Self { width: found.width.filter(|_| known), ..found }
    }

    fn found(size: Option<(terminal_size::Width, terminal_size::Height)>, colours: bool) -> Self {
        // Some terminals say that they have no columns when they do not know.
        let size = size.map(|(width, _)| usize::from(width.0)).filter(|width| *width > 0);
        Self { colours, ..Self::plain(stated_width().or(size).unwrap_or(UNKNOWN)) }
    }

    /// The same screen with lines as long as they want to be.
    #[must_use]
    pub fn unlimited(self) -> Self {
        Self { width: None, ..self }
    }

    /// The same screen, where so much is told.
    #[must_use]
    pub fn with_detail(self, detail: Detail) -> Self {
        Self { detail, ..self }
    }

    /// The most columns that a line may have; none is no limit.
    pub fn width(&self) -> Option<usize> {
        self.width
    }

    /// How much is told.
    pub fn detail(&self) -> Detail {
        self.detail
    }

    /// The text in a style, if the screen has colours. The text must be harmless already ([`crate::escape`]).
    pub fn paint(&self, style: Style, text: &str) -> String {
        if self.colours && !text.is_empty() {
            format!("{}{text}{}", style.begin(), Style::END)
        } else {
            text.to_owned()
        }
    }

    /// The text with every line that is wider than the screen broken, for what was not written on a page. What has colours was.
    pub fn fit<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let fits = |line: &str| line.contains('\x1b') || self.width.is_none_or(|most| width(line) <= most);
        if text.lines().all(fits) {
            return Cow::Borrowed(text);
        }
        let mut lines = Vec::new();
        for line in text.lines() {
            if fits(line) {
                lines.push(line.to_owned());
                continue;
            }
            let bare = line.trim_start();
            let indent = " ".repeat((line.len() - bare.len()).min(NARROWEST / 2));
            lines.extend(wrap(bare, self.width, &indent, &format!("{indent}  ")));
        }
        Cow::Owned(lines.join("\n"))
    }

    /// A whole text as it may be written to this screen: of control characters only line ends and our own colours stay.
    /// This is the last boundary; a name that was forgotten on the way loses its effect here.
    pub fn safe<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if !self.colours || !text.contains('\x1b') {
            return lines(text);
        }
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find('\x1b') {
            out.push_str(&lines(&rest[..at]));
            let sequence = Style::sequence(&rest[at..]);
            let length = sequence.map_or(1, str::len);
            out.push_str(sequence.unwrap_or("\\u{1b}"));
            rest = &rest[at + length..];
        }
        out.push_str(&lines(rest));
        Cow::Owned(out)
    }
}

fn stated_width() -> Option<usize> {
    env::var("COLUMNS").ok()?.trim().parse().ok().filter(|width| *width > 0)
}

fn has_colours(colour: Colour, is_terminal: bool) -> bool {
    let set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    match colour {
        Colour::Always => true,
        Colour::Never => false,
        // https://no-color.org
        Colour::Auto => {
            is_terminal && !set("NO_COLOR") && env::var_os("TERM").is_none_or(|name| name != "dumb")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_painted_only_where_there_are_some() {
        let plain = Screen::plain(80);
        let coloured = Screen { colours: true, ..plain };
        assert_eq!(plain.paint(Style::Bad, "late"), "late");
        assert_eq!(coloured.paint(Style::Bad, "late"), "\x1b[31mlate\x1b[0m");
    }

    #[test]
    fn only_our_own_sequences_pass_the_last_boundary() {
        let plain = Screen::plain(80);
        let coloured = Screen { colours: true, ..plain };
        let text = "\x1b[31mlate\x1b[0m \x1b[2J\x1b]0;title\x07\nnext\r";
        assert_eq!(coloured.safe(text), "\x1b[31mlate\x1b[0m \\u{1b}[2J\\u{1b}]0;title\\u{7}\nnext\\r");
        assert!(!plain.safe(text).contains('\x1b'));
    }

    #[test]
    fn what_is_too_wide_is_broken_below_its_beginning() {
        let screen = Screen::plain(24);
        assert_eq!(
            screen.fit("short\n  one two three four five six"),
            "short\n  one two three four\n    five six"
        );
        assert_eq!(Screen::endless().fit(&"x".repeat(200)).len(), 200);
    }

    #[test]
    fn colours_have_three_words() {
        assert_eq!("always".parse(), Ok(Colour::Always));
        assert_eq!("green".parse::<Colour>(), Err(UnknownColour));
    }
}
