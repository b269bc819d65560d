//! Hourly job submissions of the Google cluster trace of 2011: hour, class0 to class3.

use std::path::Path;

use super::table::Table;
use crate::error::{Error, Result};

/// Submissions an hour, over all scheduling classes.
///
/// # Errors
/// A missing column, a field that is not a count, or no rows.
pub fn hourly_arrivals(path: &Path) -> Result<Vec<f64>> {
    let classes = ["class0", "class1", "class2", "class3"];
    let table = Table::read(path, &classes)?;
    let hour = |row: super::table::Row| classes.iter().map(|class| row.amount(class)).sum::<Result<f64>>();
    let hours = table.rows().map(hour).collect::<Result<Vec<f64>>>()?;
    if hours.iter().sum::<f64>() > 0.0 { Ok(hours) } else { Err(Error::Empty { what: "arrival" }) }
}
