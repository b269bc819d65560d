//! What a checkpoint of ten million parameters costs a run: for how long the workers are held, and how long it is written
//! while they go on.
//!
//!     cargo run --release -p syncline-paramserv --example checkpoint_cost

use syncline_data::synthetic;
use syncline_learn::Softmax;
use syncline_paramserv::{Checkpoints, Optimizer, ParamServ, Rule};
use syncline_program::Executor;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    const FEATURES: usize = 100_000;
    const CLASSES: usize = 100;
    let folder = tempfile::tempdir()?;
    let often = Checkpoints::in_folder(folder.path()).every("rounds:2".parse()?);
    let run = ParamServ::new(Softmax::new(FEATURES, CLASSES), synthetic::blobs(400, FEATURES, CLASSES, 1))
        .optimizer(Optimizer::plain(Rule::Adam))
        .workers(2)
        .batch(16)
        .epochs(1)
        .checkpoint(often)
        .train(Executor::threads())?;
    let report = run.report();
    let checkpoints = report.checkpoints.clone().unwrap_or_default();
    let each = |seconds: f64| seconds / checkpoints.written.max(1) as f64;
    println!(
        "{} parameters, {} checkpoints: the workers were held for {:.3} s each, {:.2} % of a minute; {:.3} s to write",
        report.settings.parameters,
        checkpoints.written,
        each(checkpoints.held_s),
        each(checkpoints.held_s) / 0.6,
        each(checkpoints.writing_s),
    );
    Ok(())
}
