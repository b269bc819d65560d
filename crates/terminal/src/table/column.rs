//! A column: its title, its side, and how it gives way.

/// A column of a table.
#[derive(Clone, Debug)]
pub struct Column {
    pub(super) title: String,
    pub(super) is_number: bool,
    /// The fewest columns that it may be shortened to.
    pub(super) least: Option<usize>,
    /// Whether its texts go on in further lines, instead of being cut.
    pub(super) wraps: bool,
    /// When it is left out: 1 is the first to go.
    pub(super) order: Option<u8>,
}

impl Column {
    /// A column of texts, aligned to the left.
    pub fn text(title: &str) -> Self {
        Self {
            title: crate::escape(title).into_owned(),
            is_number: false,
            least: None,
            wraps: false,
            order: None,
        }
    }

    /// A column of numbers, aligned to the right.
    pub fn number(title: &str) -> Self {
        Self { is_number: true, ..Self::text(title) }
    }

    /// Its texts may be shortened to so many columns.
    #[must_use]
    pub fn shrinks_to(self, least: usize) -> Self {
        Self { least: Some(least.max(1)), ..self }
    }

    /// Its texts may go on in further lines, of so many columns at least.
    #[must_use]
    pub fn wraps_at(self, least: usize) -> Self {
        Self { wraps: true, ..self.shrinks_to(least) }
    }

    /// It may be left out; the lowest order goes first, and of equals the last.
    #[must_use]
    pub fn dropped(self, order: u8) -> Self {
        Self { order: Some(order), ..self }
    }
}
