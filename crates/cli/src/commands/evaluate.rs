//! `syncline evaluate`: judges a saved model by data.

use serde::Serialize;
use syncline::{
    data::Label,
    learn::{Metrics, SavedModel},
    paramserv::write_metrics,
};
use syncline_terminal::unit;

use crate::{
    failure::Failure,
    output::{page, print, print_json},
    tables,
};

/// Judge a saved model by data
///
/// The files have the columns that the model was trained with, in any order, and the label. If rows counted by a column
/// of weights in training, they do here, where the files have it.
///
/// Example:
///   syncline evaluate model.safetensors test.csv
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    #[command(flatten)]
    judged: tables::ModelAndData,
    /// The label's column: its name, or its number from 1 in files without names [default: as in training]
    #[arg(long)]
    label: Option<Label>,
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
    /// As in the report of training.
    metrics: Option<Metrics>,
    /// What was put right or left out, in sentences.
    notes: Vec<String>,
}

pub fn run(args: Args) -> Result<(), Failure> {
    let mut saved = SavedModel::load(&args.judged.model)?;
    match args.label {
        Some(Label::Name(name)) => saved.schema.target.name = name,
        Some(Label::Position(position)) => saved.schema.target.position = position.saturating_sub(1),
        Some(Label::Last) | None => {}
    }
    let (data, notes) = saved.schema.read(&args.judged.open()?, args.judged.layout())?;
    let score = saved.evaluate(&data)?;
    let classes = !saved.schema.target.classes().is_empty();
    let output = Output {
        model: saved.spec.to_string(),
        rows: score.rows,
        loss: score.mean_loss(),
        accuracy: classes.then(|| score.accuracy()),
        rmse: (!classes).then(|| score.rmse()),
        metrics: saved.metrics(&data, std::thread::available_parallelism().map_or(1, usize::from))?,
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
    if let Some(metrics) = &output.metrics {
        write_metrics(&mut page, &[("these", metrics)]);
        page.gap();
    }
    for note in &output.notes {
        page.bullet(note);
    }
    print(page.text())
}
