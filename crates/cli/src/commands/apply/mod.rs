//! `syncline apply`: predictions of a saved model for new rows.

mod sink;

use std::path::PathBuf;

use clap::ValueHint;
use syncline::{
    data::Schema,
    learn::{Predictions, SavedModel},
};

use crate::{
    failure::Failure,
    output::{check_distinct, check_writable, remark, wrote},
    tables,
};
use sink::{Head, Scored, Sink};

/// Rows in memory at a time.
const ROWS: usize = 4096;

/// Predict the label of new rows with a saved model
///
/// The files have the columns that the model was trained with, in any order, with or without the label. Each row gives a
/// prediction, and for a class the probability of each class (margins for svm). Rows keep their order and are read as a
/// stream. Without --out the predictions are printed as CSV.
///
/// (`syncline predict` is something else: what a training run would cost with other workers or policies.)
///
/// Examples:
///   syncline apply model.safetensors new.csv --id customer --out scored.csv
///   zcat new.csv.gz | syncline apply model.safetensors - > scored.csv
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    #[command(flatten)]
    applied: tables::ModelAndData,
    /// Write to this file: CSV, Parquet, or NPY (numbers only), by its name
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    out: Option<PathBuf>,
    /// Carry this column along, as the first one
    #[arg(long, value_name = "COLUMN")]
    id: Option<String>,
}

pub fn run(args: Args) -> Result<(), Failure> {
    if let Some(out) = &args.out {
        check_writable(out)?;
        check_distinct(&[out], &args.applied.paths())?;
    }
    let saved = SavedModel::load(&args.applied.model)?;
    let mut sink = Sink::open(args.out.as_deref(), args.id.is_some())?;
    let inputs = args.applied.open()?;
    let mut chunks = saved.schema.chunks(&inputs, args.id.as_deref(), args.applied.layout())?;
    let mut rows = 0;
    while let Some(chunk) = chunks.next(ROWS)? {
        let predictions = saved.predict(&chunk.features)?;
        if rows == 0 {
            sink.begin(&head(&saved.schema, &predictions, args.id.as_deref()))?;
        }
        rows += predictions.rows();
        sink.write(&scored(chunk.ids, predictions))?;
    }
    if rows == 0 {
        return Err(Failure::Failed("there is no row to predict: the data have none".to_owned()));
    }
    sink.finish()?;
    chunks.notes().iter().for_each(|note| remark(note));
    args.out.iter().for_each(|path| wrote(path));
    Ok(())
}

/// The names of the columns to be written.
fn head(schema: &Schema, predictions: &Predictions, id: Option<&str>) -> Head {
    let measure = match predictions {
        Predictions::Margins { .. } => "margin",
        _ => "probability",
    };
    let name = if schema.target.name.is_empty() { "label" } else { &schema.target.name };
    Head {
        id: id.map(str::to_owned),
        prediction: format!("predicted {name}"),
        classes: schema.target.classes().to_vec(),
        scores: schema.target.classes().iter().map(|class| format!("{measure} {class}")).collect(),
    }
}

fn scored(ids: Vec<String>, predictions: Predictions) -> Scored {
    let classes = predictions.classes().into_iter().map(|class| class as usize).collect();
    match predictions {
        Predictions::Numbers(numbers) => Scored { ids, numbers, classes, scores: Vec::new() },
        Predictions::Probabilities { values, .. } | Predictions::Margins { values, .. } => {
            Scored { ids, numbers: Vec::new(), classes, scores: values }
        }
        // A kind that this command does not know has nothing to write.
        _ => Scored { ids, numbers: Vec::new(), classes, scores: Vec::new() },
    }
}
