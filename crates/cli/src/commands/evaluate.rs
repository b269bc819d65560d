//! `syncline evaluate`: judges a saved model by data.

use std::path::PathBuf;

use clap::ValueHint;
use serde::Serialize;
use syncline::{
    data::{Label, ReadOptions, read},
    learn::SavedModel,
};
use syncline_terminal::unit;

use crate::{
    columns::{HeaderLine, check_names},
    failure::Failure,
    output::{page, print, print_json},
};

/// Judge a saved model by data
///
/// The file has the columns that the model was trained with, and the label.
///
/// Example:
///   syncline evaluate model.safetensors test.csv
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// What `syncline train --save` wrote
    #[arg(value_hint = ValueHint::FilePath)]
    model: PathBuf,
    /// A CSV or LIBSVM file, plain, .gz or .zst
    #[arg(value_hint = ValueHint::FilePath)]
    data: PathBuf,
    /// The label's column in a CSV file: its name, its number from 1, or `last` [default: named as in training]
    #[arg(long)]
    label: Option<Label>,
    /// Whether the CSV file's first line names the columns
    #[arg(long, value_enum, default_value_t = HeaderLine::Auto)]
    header: HeaderLine,
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
}

pub fn run(args: Args) -> Result<(), Failure> {
    let saved = SavedModel::load(&args.model)?;
    let like_training = saved.read_options();
    let options = ReadOptions {
        label: args.label.unwrap_or(like_training.label),
        header: args.header.into(),
        ..like_training
    };
    let data = read(&args.data, &options)?;
    check_names(&saved.feature_names, &data, &args.data)?;
    let score = saved.evaluate(data)?;
    let classes = !saved.classes.is_empty();
    let output = Output {
        model: saved.spec.to_string(),
        rows: score.rows,
        loss: score.mean_loss(),
        accuracy: classes.then(|| score.accuracy()),
        rmse: (!classes).then(|| score.rmse()),
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
    print(page.text())
}
