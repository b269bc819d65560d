//! One column of a table and what becomes of its cells: its kind, and the features that it gives.

use serde::{Deserialize, Serialize};

use crate::DateForm;
use crate::input::shown;

/// A column of the training table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// Its name; empty where the file names none.
    pub name: String,
    /// Its place in a row of the training file, from 0.
    pub position: usize,
    /// What its cells are.
    #[serde(flatten)]
    pub kind: Kind,
}

/// What the cells of a column are, and the features that they become.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Kind {
    /// A number `x` is the feature `(x - centre) / deviation`.
    Number {
        /// How it is scaled, and what stands for a missing number.
        #[serde(flatten)]
        scale: Scale,
    },
    /// Two words, such as `no` and `yes`: a number that is 0 or 1, in any case of letters.
    Boolean {
        /// The word that means 0.
        no: String,
        /// The word that means 1.
        yes: String,
        /// As of a number.
        #[serde(flatten)]
        scale: Scale,
    },
    /// A date: days since 1970-01-01, scaled as a number, then the sine and cosine of its place in each cycle; or a length of
    /// time: its days.
    Date {
        /// How it is written.
        form: DateForm,
        /// The cycles that the column goes through more than once.
        cycles: Vec<Cycle>,
        /// As of a number.
        #[serde(flatten)]
        scale: Scale,
    },
    /// Words: one feature each, 1 where the cell is this word, else 0. Unknown words are none of them.
    Category {
        /// The words.
        values: Vec<String>,
        /// A last feature is 1 where the cell is missing.
        indicator: bool,
    },
    /// Text: each word (or the whole cell) adds to the feature of number `fnv1a64(word) % buckets`, over UTF-8 bytes; a cell of
    /// `n` words adds `1 / sqrt(n)` for each. Words are in lower case and divided by what is neither letter nor digit.
    Text {
        /// Number of features.
        buckets: u32,
        /// Each word for itself, not the cell as a whole.
        words: bool,
    },
    /// Nothing: the column is left out.
    Dropped {
        /// Why.
        reason: String,
    },
}

/// How numbers become features.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scale {
    /// Subtracted.
    pub centre: f64,
    /// Then divided by; 0 for numbers that did not differ in training, whose feature is always 0.
    pub deviation: f64,
    /// Stands for a missing number.
    pub fill: f64,
    /// One more feature is 1 where the number is missing, else 0.
    pub indicator: bool,
}

impl Scale {
    /// The feature of a number.
    pub(crate) fn apply(&self, number: f64) -> f32 {
        match self.deviation {
            0.0 => 0.0,
            deviation => ((number - self.centre) / deviation) as f32,
        }
    }
}

/// A cycle of dates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cycle {
    /// A day.
    Day,
    /// Seven days, from a Thursday.
    Week,
    /// 365.2425 days, from the first of January 1970.
    Year,
}

impl Cycle {
    pub(crate) const ALL: [Cycle; 3] = [Cycle::Day, Cycle::Week, Cycle::Year];

    /// Its length in days.
    pub(crate) fn days(self) -> f64 {
        match self {
            Cycle::Day => 1.0,
            Cycle::Week => 7.0,
            Cycle::Year => 365.2425,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Cycle::Day => "time of day",
            Cycle::Week => "day of the week",
            Cycle::Year => "time of year",
        }
    }
}

impl Column {
    /// The column as a message names it.
    pub fn title(&self) -> String {
        match self.name.is_empty() {
            true => format!("column {}", self.position + 1),
            false => format!("`{}`", shown(&self.name)),
        }
    }

    /// Whether a file must have it.
    pub fn is_used(&self) -> bool {
        !matches!(self.kind, Kind::Dropped { .. })
    }

    /// The names of its features, in order.
    pub fn features(&self) -> Vec<String> {
        let name = match self.name.is_empty() {
            true => (self.position + 1).to_string(),
            false => self.name.clone(),
        };
        let is_missing = |indicator: bool| indicator.then(|| format!("{name} is missing"));
        match &self.kind {
            Kind::Number { scale } | Kind::Boolean { scale, .. } => {
                std::iter::once(name.clone()).chain(is_missing(scale.indicator)).collect()
            }
            Kind::Date { cycles, scale, .. } => {
                let parts = cycles
                    .iter()
                    .flat_map(|cycle| ["sin", "cos"].map(|of| format!("{name} {of} {}", cycle.name())));
                let parts: Vec<String> = parts.collect();
                std::iter::once(name.clone()).chain(parts).chain(is_missing(scale.indicator)).collect()
            }
            Kind::Category { values, indicator } => {
                values.iter().map(|value| format!("{name}={value}")).chain(is_missing(*indicator)).collect()
            }
            Kind::Text { buckets, .. } => (0..*buckets).map(|bucket| format!("{name}#{bucket}")).collect(),
            Kind::Dropped { .. } => Vec::new(),
        }
    }

    /// Number of its features.
    pub fn width(&self) -> usize {
        match &self.kind {
            Kind::Number { scale } | Kind::Boolean { scale, .. } => 1 + usize::from(scale.indicator),
            Kind::Date { cycles, scale, .. } => 1 + 2 * cycles.len() + usize::from(scale.indicator),
            Kind::Category { values, indicator } => values.len() + usize::from(*indicator),
            Kind::Text { buckets, .. } => *buckets as usize,
            Kind::Dropped { .. } => 0,
        }
    }

    /// How its first feature is scaled; `None` where it is not.
    pub(crate) fn scale(&self) -> Option<&Scale> {
        match &self.kind {
            Kind::Number { scale } | Kind::Boolean { scale, .. } | Kind::Date { scale, .. } => Some(scale),
            _ => None,
        }
    }

    pub(crate) fn scale_mut(&mut self) -> Option<&mut Scale> {
        match &mut self.kind {
            Kind::Number { scale } | Kind::Boolean { scale, .. } | Kind::Date { scale, .. } => Some(scale),
            _ => None,
        }
    }
}
