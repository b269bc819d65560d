//! Whether a schema that comes from a file fits together: nothing that reads with it later needs to look again.

use super::column::{Kind, Scale};
use super::survey::MOST_CLASSES;
use super::{Inputs, MOST_FEATURES, Schema, TargetKind};
use crate::MAX_COLUMNS;
use crate::input::shown;
use crate::table::MOST_CELLS;

impl Schema {
    /// Checks a schema that was read from somewhere.
    ///
    /// # Errors
    /// What does not fit, in words.
    pub fn check(&self) -> Result<(), String> {
        match &self.inputs {
            Inputs::Sparse { columns, .. } if !(1..=MAX_COLUMNS).contains(columns) => {
                return Err(format!("it has {columns} sparse features, 1 to {MAX_COLUMNS} are possible"));
            }
            Inputs::Sparse { .. } => {}
            Inputs::Table { columns, .. } => {
                if columns.len() > MOST_CELLS {
                    return Err(format!("it has {} columns, {MOST_CELLS} are possible", columns.len()));
                }
                columns.iter().try_for_each(|column| {
                    kind(&column.kind).map_err(|found| format!("{}: {found}", column.title()))
                })?;
            }
        }
        let width = self.width();
        if width == 0 || matches!(self.inputs, Inputs::Table { .. }) && width > MOST_FEATURES {
            return Err(format!("it has {width} features, 1 to {MOST_FEATURES} are possible"));
        }
        match &self.target.kind {
            TargetKind::Regression { scale } => {
                match scale.centre.is_finite() && scale.deviation.is_normal() && scale.deviation > 0.0 {
                    true => Ok(()),
                    false => Err("the target's scale is not usable".into()),
                }
            }
            TargetKind::Classification { classes } if (2..=MOST_CLASSES).contains(&classes.len()) => {
                let mut names: Vec<&String> = classes.iter().collect();
                names.sort_unstable();
                match names.windows(2).find(|pair| pair[0] == pair[1]) {
                    Some(pair) => Err(format!("the class `{}` occurs twice", shown(pair[0]))),
                    None => Ok(()),
                }
            }
            TargetKind::Classification { classes } => {
                Err(format!("it has {} classes, 2 to {MOST_CLASSES} are possible", classes.len()))
            }
        }
    }
}

fn kind(kind: &Kind) -> Result<(), String> {
    match kind {
        Kind::Number { scale } | Kind::Boolean { scale, .. } | Kind::Date { scale, .. } => usable(scale),
        Kind::Category { values, .. } if values.len() > MOST_CLASSES => {
            Err(format!("it has {} words, {MOST_CLASSES} are possible", values.len()))
        }
        Kind::Text { buckets, .. } if !(1..=MOST_FEATURES).contains(&(*buckets as usize)) => {
            Err(format!("it has {buckets} buckets, 1 to {MOST_FEATURES} are possible"))
        }
        Kind::Category { .. } | Kind::Text { .. } | Kind::Dropped { .. } => Ok(()),
    }
}

fn usable(scale: &Scale) -> Result<(), String> {
    let numbers = [scale.centre, scale.deviation, scale.fill];
    match numbers.iter().all(|number| number.is_finite()) && scale.deviation >= 0.0 {
        true => Ok(()),
        false => Err("its scale is not usable".into()),
    }
}
