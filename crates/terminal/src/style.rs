//! Colour for what matters, by the sixteen colours that every terminal has.

/// What a piece of text is, and so how it looks where the screen has colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// A heading: bold.
    Heading,
    /// What to look at first, or what is best of several: green.
    Good,
    /// What is worth a doubt: yellow.
    Warning,
    /// What went wrong: red.
    Bad,
    /// What may be passed over: dim.
    Faint,
}

impl Style {
    /// All of them.
    const ALL: [Self; 5] = [Self::Heading, Self::Good, Self::Warning, Self::Bad, Self::Faint];

    /// Ends any style.
    pub(crate) const END: &str = "\x1b[0m";

    /// The sequence that begins the style (ECMA-48, Select Graphic Rendition).
    pub(crate) const fn begin(self) -> &'static str {
        match self {
            Self::Heading => "\x1b[1m",
            Self::Good => "\x1b[32m",
            Self::Warning => "\x1b[33m",
            Self::Bad => "\x1b[31m",
            Self::Faint => "\x1b[2m",
        }
    }

    /// The sequence of ours that the text begins with.
    pub(crate) fn sequence(text: &str) -> Option<&'static str> {
        let ours = Self::ALL.into_iter().map(Self::begin).chain([Self::END]);
        ours.into_iter().find(|sequence| text.starts_with(sequence))
    }
}
