//! How much rows count: a column of weights, or in LIBSVM a number after the label.

use serde::{Deserialize, Serialize};

use crate::input::{quoted, shown};
use crate::table::{Cell, Notation, Written};

/// The column that says how much each row counts in losses and metrics.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Weight {
    /// Its name; empty where the file names none.
    pub name: String,
    /// Its place in a row of the training file, from 0.
    pub position: usize,
}

impl Weight {
    /// The column as a message names it.
    pub fn title(&self) -> String {
        match self.name.is_empty() {
            true => format!("column {}", self.position + 1),
            false => format!("`{}`", shown(&self.name)),
        }
    }
}

/// A row's weight, `None` where it is missing. An error says what was found.
pub(crate) fn weight(notation: &Notation, cell: Cell<'_>) -> Result<Option<f32>, String> {
    match notation.of(cell) {
        Written::Missing | Written::Placeholder(_) => Ok(None),
        Written::Number(number) if number < 0.0 => {
            Err(format!("the weight {number} is negative: a row counts 0 times or more"))
        }
        Written::Number(number) if number as f32 == f32::INFINITY => {
            Err(format!("the weight {number} is too large for a 32-bit float"))
        }
        Written::Number(number) => Ok(Some(number as f32)),
        Written::Text(text) | Written::TooLarge(text) => {
            Err(format!("the weight {} is no usable number", quoted(text)))
        }
    }
}
