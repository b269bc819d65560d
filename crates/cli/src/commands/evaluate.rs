//! `syncline evaluate`: judges a saved model by data.

use std::path::PathBuf;

use clap::ValueHint;
use serde::Serialize;
use syncline::{data::Label, learn::SavedModel};
use syncline_terminal::unit;

use crate::{
    failure::Failure,
    output::{page, print, print_json},
    tables::{self, LayoutArgs},
};

/// Judge a saved model by data
///
/// The files have the columns that the model was trained with, in any order, and the label.
///
/// Example:
///   syncline evaluate model.safetensors test.csv
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// What `syncline train --save` wrote
    #[arg(value_hint = ValueHint::FilePath)]
    model: PathBuf,
    /// Files of the kind that the model was trained on, patterns of several, or `-`
    #[arg(required = true, value_hint = ValueHint::FilePath)]
    data: Vec<PathBuf>,
    /// The label's column: its name, or its number from 1 in files without names [default: as in training]
    #[arg(long)]
    label: Option<Label>,
    #[command(flatten)]
    layout: LayoutArgs,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// The result for machines.
#[derive(Serialize)]
struct Output {
    model: String,
    rows: u64,
    loss: f64,
    accuracy: Option<f64>,
    rmse: Option<f64>,
    /// What was put right or left out, in sentences.
    notes: Vec<String>,
}

pub fn run(args: Args) -> Result<(), Failure> {
    let mut saved = SavedModel::load(&args.model)?;
    match args.label {
        Some(Label::Name(name)) => saved.schema.target.name = name,
        Some(Label::Position(position)) => saved.schema.target.position = position.saturating_sub(1),
        Some(Label::Last) | None => {}
    }
    let (data, notes) = saved.schema.read(&tables::open(&args.data)?, args.layout.into())?;
    let score = saved.evaluate(&data)?;
    let classes = !saved.schema.target.classes().is_empty();
    let output = Output {
        model: saved.spec.to_string(),
        rows: score.rows,
        loss: score.mean_loss(),
        accuracy: classes.then(|| score.accuracy()),
        rmse: (!classes).then(|| score.rmse()),
        notes,
    };
    if args.json {
        return print_json(&output);
    }
    let measure = match (output.accuracy, output.rmse) {
        (Some(accuracy), _) => format!("accuracy {}", unit::loss(accuracy)),
        (_, rmse) => format!("RMSE {}", unit::loss(rmse.unwrap_or_default())),
    };
    let (rows, loss) = (unit::plural(output.rows, "row"), unit::loss(output.loss));
    let mut page = page();
    page.line(&format!("{} on {rows}: loss {loss}, {measure}", output.model));
    for note in &output.notes {
        page.bullet(note);
    }
    print(page.text())
}
