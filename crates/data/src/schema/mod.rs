//! How columns of a file become features and a target. A [`Schema`] is found out once, on the training file, kept beside
//! the trained model, and applied to every other file: by the columns' names, in whatever order they are.
//!
//! Invariants:
//! - S-1: the same row gives the same features in every file: types, words, fills and scales are those of training.
//! - S-2: numbers are scaled in `f64` before they become `f32`, so that a timestamp keeps its seconds.
//! - S-3: a column that does not differ in training has no influence: it is left out, or its feature is always 0.
//! - S-4: memory while a schema is found out does not grow with the rows (see `survey`).

mod check;
mod column;
mod decide;
mod encode;
mod fit;
mod options;
mod reader;
mod rescale;
mod survey;
mod target;
mod weight;
mod words;

use serde::{Deserialize, Serialize};

use crate::Notation;
pub use column::{Column, Cycle, Kind, Scale};
pub use decide::Misfit;
pub use fit::{Fitted, read};
pub use options::{Header, Label, Layout, Missing, ReadOptions, Task};
pub use reader::{Carried, Chunk, Chunks};
pub use target::{Target, TargetKind};
pub use weight::Weight;
pub(crate) use words::misfits as misfits_text;

/// Features of a table's row at most.
const MOST_FEATURES: usize = 1 << 20;

/// How the columns of a file become features and a target.
///
/// Serialised, it is the part of a saved model that is needed to use the model elsewhere:
///
/// ```
/// use syncline_data::{Input, Layout, ReadOptions, Schema};
///
/// let csv = "city,area,price\nRome,80,201.5\nParis,60,310.0\nRome,75,195.0\nParis,90,402.5\n";
/// let fitted = Schema::fit(&[Input::bytes("homes.csv", csv.as_bytes())], &ReadOptions::default())?;
/// assert_eq!(fitted.schema.features(), ["city=Paris", "city=Rome", "area"]);
///
/// let other = Input::bytes("more.csv", &b"price,area,city\n250.0,70,Rome\n"[..]);
/// let (data, _notes) = fitted.schema.read(&[other], Layout::default())?;
/// assert_eq!((data.rows(), data.columns()), (1, 3));
/// # Ok::<(), syncline_data::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schema {
    /// What the features are made of.
    pub inputs: Inputs,
    /// What is predicted.
    pub target: Target,
    /// What becomes of missing cells.
    pub missing: Missing,
    /// How cells are written.
    #[serde(default)]
    pub notation: Notation,
    /// How much rows count; all count the same without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<Weight>,
}

/// What features are made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Inputs {
    /// The columns of a table, the target's left out.
    Table {
        /// In the order of the training file.
        columns: Vec<Column>,
        /// Whether the training file named them. If not, they are found by their places.
        named: bool,
    },
    /// Numbered features, most of which are zero in most rows (LIBSVM).
    Sparse {
        /// Their number.
        columns: usize,
        /// Whether the file counts them from 0.
        zero_based: bool,
        /// Each feature is divided by this; empty where they are left as they are. A saved model keeps it in a tensor.
        #[serde(skip)]
        scale: Vec<f32>,
    },
}

impl Schema {
    /// A schema of data that come from no file: so many numbers, left as they are, and this target.
    pub fn of(data: &crate::Dataset) -> Schema {
        let kind = match data.targets() {
            crate::Targets::Real(_) => TargetKind::Regression { scale: data.target_scale() },
            crate::Targets::Class { names, .. } => TargetKind::Classification { classes: names.clone() },
        };
        let inputs = match data.features() {
            crate::Features::Dense(_) => Inputs::Table {
                columns: (0..data.columns()).map(|position| unscaled(data, position)).collect(),
                named: !data.feature_names().is_empty(),
            },
            crate::Features::Sparse(_) => {
                Inputs::Sparse { columns: data.columns(), zero_based: false, scale: Vec::new() }
            }
        };
        let target = Target { name: data.target_name().into(), position: data.columns(), kind };
        Schema { inputs, target, missing: Missing::Mean, notation: Notation::default(), weight: None }
    }

    /// The number of features.
    pub fn width(&self) -> usize {
        match &self.inputs {
            Inputs::Table { columns, .. } => columns.iter().map(Column::width).sum(),
            Inputs::Sparse { columns, .. } => *columns,
        }
    }

    /// The names of the features; none where they are numbered only (sparse data).
    pub fn features(&self) -> Vec<String> {
        match &self.inputs {
            Inputs::Table { columns, .. } => columns.iter().flat_map(Column::features).collect(),
            Inputs::Sparse { .. } => Vec::new(),
        }
    }

    /// What the target is.
    pub fn task(&self) -> Task {
        match self.target.kind {
            TargetKind::Regression { .. } => Task::Regression,
            TargetKind::Classification { .. } => Task::Classification,
        }
    }

    /// How each feature is scaled, as (centres, deviations): a feature is `(x - centre) / deviation` of what is called `x`
    /// in its name, and always 0 where the deviation is 0. Sparse features have no centre (an empty list).
    pub fn scaling(&self) -> (Vec<f64>, Vec<f64>) {
        let columns = match &self.inputs {
            Inputs::Table { columns, .. } => columns,
            Inputs::Sparse { columns, scale, .. } => {
                let scale = if scale.is_empty() { vec![1.0; *columns] } else { scale.clone() };
                return (Vec::new(), scale.into_iter().map(f64::from).collect());
            }
        };
        let (mut centres, mut deviations) = (Vec::new(), Vec::new());
        for column in columns.iter().filter(|column| column.is_used()) {
            let start = centres.len();
            centres.resize(start + column.width(), 0.0);
            deviations.resize(start + column.width(), 1.0);
            if let Some(scale) = column.scale() {
                (centres[start], deviations[start]) = (scale.centre, scale.deviation);
            }
        }
        (centres, deviations)
    }
}

fn unscaled(data: &crate::Dataset, position: usize) -> Column {
    let name = data.feature_names().get(position).cloned().unwrap_or_default();
    let scale = Scale { centre: 0.0, deviation: 1.0, fill: 0.0, indicator: false };
    Column { name, position, kind: Kind::Number { scale } }
}
