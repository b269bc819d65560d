//! Whether data have the columns that a model was trained on.

use std::path::Path;

use syncline::data::Dataset;

use crate::failure::Failure;

/// Refuses rows whose columns are named otherwise than in training: they would meet the wrong weights.
pub fn check_names(trained: &[String], data: &Dataset, path: &Path) -> Result<(), Failure> {
    match trained.iter().zip(data.feature_names()).find(|(trained, found)| trained != found) {
        None => Ok(()),
        Some((trained, found)) => Err(Failure::Failed(format!(
            "{}: it has the column `{found}` where the training data have `{trained}`: bring the columns into one order",
            path.display()
        ))),
    }
}
