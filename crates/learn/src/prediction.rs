//! What a model says of rows that it has not seen.

/// What a model predicts for each of some rows.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Predictions {
    /// A real number each; in the stored scale of the targets, or of a [`SavedModel`](crate::SavedModel) in their units.
    Numbers(Vec<f64>),
    /// The probability of every class, row after row.
    Probabilities {
        /// Number of classes.
        classes: usize,
        /// `classes` values a row, which add up to 1.
        values: Vec<f32>,
    },
    /// How far each row is on the side of every class, row after row: the larger the likelier, but no probability.
    Margins {
        /// Number of classes.
        classes: usize,
        /// `classes` values a row.
        values: Vec<f32>,
    },
}

impl Predictions {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        match self {
            Self::Numbers(values) => values.len(),
            Self::Probabilities { classes, values } | Self::Margins { classes, values } => {
                values.len() / classes
            }
        }
    }

    /// The likeliest class of each row, the first of equals; nothing for numbers.
    pub fn classes(&self) -> Vec<u32> {
        match self {
            Self::Numbers(_) => Vec::new(),
            Self::Probabilities { classes, values } | Self::Margins { classes, values } => {
                values.chunks_exact(*classes).map(likeliest).collect()
            }
        }
    }
}

/// The class with the largest value, the first of equals.
pub(crate) fn likeliest(row: &[f32]) -> u32 {
    (1..row.len()).fold(0, |best, class| if row[class] > row[best] { class } else { best }) as u32
}
