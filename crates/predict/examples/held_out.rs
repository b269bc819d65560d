//! How good are the predictions? Every trace given predicts every other.
//!
//!     cargo run --release -p syncline-predict --example held_out -- TRACE.parquet ...
//!
//! Prints the error of each pair, and over all pairs of different runs the mean absolute error and how many intervals
//! cover the measured value.

use std::error::Error;

use syncline_predict::{Check, Cycles, Question};
struct Measured {
    name: String,
    cycles: Cycles,
    question: Question,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut runs = Vec::new();
    for path in std::env::args().skip(1) {
        let run = syncline_trace::read(&path)?;
        let cycles = Cycles::of(&run)?;
        let question = Question::of(&run)?;
        let name = std::path::Path::new(&path)
            .file_stem()
            .map_or(String::new(), |name| name.to_string_lossy().into());
        runs.push(Measured { name, cycles, question });
    }
    println!(
        "{:>18} {:>18} {:>12} {:>20} {:>12} {:>8}",
        "from", "to", "predicted s", "interval", "measured s", "error"
    );
    let (mut errors, mut covered) = (Vec::new(), 0);
    for from in &runs {
        let check = Check::of(&from.cycles)?;
        let profile = from.cycles.profile()?;
        for to in &runs {
            let Ok(prediction) = profile.predict(&to.question) else { continue };
            let round = check.widen(prediction).round_s;
            let measured = to.cycles.measured().value;
            let error = round.value / measured - 1.0;
            if !std::ptr::eq(from, to) {
                errors.push(error.abs());
                covered += usize::from(round.covers(measured));
            }
            println!(
                "{:>18} {:>18} {:>12.6} {:>9.6}..{:<9.6} {:>12.6} {:>+7.1}%",
                from.name,
                to.name,
                round.value,
                round.low,
                round.high,
                measured,
                100.0 * error
            );
        }
    }
    let mean = errors.iter().sum::<f64>() / errors.len().max(1) as f64;
    let worst = errors.iter().copied().fold(0.0, f64::max);
    println!(
        "{} pairs: mean absolute error {:.2} %, worst {:.1} %",
        errors.len(),
        100.0 * mean,
        100.0 * worst
    );
    println!("{covered} of {} intervals cover the measured value", errors.len());
    Ok(())
}
