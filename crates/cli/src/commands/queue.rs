//! `syncline queue`: analytic models and the simulator of parallel systems whose tasks wait for each other.

mod answer;
pub mod code;
pub mod plot;
mod scaling;
mod shuffle;
mod simulate;
pub mod sweep;
mod system;
mod table;
mod tasks;
mod variant;

use clap::Subcommand;
use syncline_queueing::{Error, Estimate, Exceedance, Model};

use self::answer::Answer;
use self::system::{SystemArgs, Workload};
use crate::failure::Failure;

/// Ask how a parallel system with barriers behaves under a stream of jobs
///
/// Every number says whether it is exact, a bound, an approximation or a fit, and where it comes from.
///
/// Distributions of task sizes: exp:RATE, shifted:SHIFT,RATE, erlang:M,RATE, gamma:SHAPE,RATE, hyper:P,RATE1,RATE2,
/// uniform:A,B, weibull:SHAPE,SCALE, lognormal:MU,SIGMA, pareto:SHAPE,SCALE, const:X, file:PATH (one size a line).
/// Arrivals: exp:RATE (Poisson), det:RATE, renewal:DISTRIBUTION of the gaps, file:PATH (one gap a line).
///
/// Examples:
///   syncline queue mean --system fork-join --workers 16 --arrivals exp:0.5 --service exp:1
///   syncline queue bound --system fork-join --workers 16 --arrivals exp:0.5 --service exp:1 --quantile 1e-6
///   syncline queue sweep --system 1-barrier --workers 10 --tasks 5 --service exp:1 --arrival-rate 0.1..1.4:0.1 --plot t.svg
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Tell the largest stable arrival rate, and how far the given one is from it
    ///
    /// Example:
    ///   syncline queue stability --system 1-barrier --workers 10 --tasks 5 --arrivals exp:1.2 --service exp:1
    #[command(verbatim_doc_comment)]
    Stability(Question),
    /// Tell the mean time from arrival to departure by every formula known for the system
    ///
    /// Example:
    ///   syncline queue mean --system split-merge --workers 10 --arrivals exp:0.3 --service exp:1
    #[command(verbatim_doc_comment)]
    Mean(Question),
    Bound(Bound),
    Code(code::Args),
    OptimalTasks(tasks::Args),
    Scaling(scaling::Args),
    Shuffle(shuffle::Args),
    Simulate(simulate::Args),
    Sweep(sweep::Args),
}

/// A system under a workload.
#[derive(clap::Args)]
struct Question {
    #[command(flatten)]
    system: SystemArgs,
    #[command(flatten)]
    workload: Workload,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Question {
    fn model(&self) -> Result<Box<dyn Model>, Failure> {
        self.system.model(self.workload.read()?)
    }
}

/// Tell the time that a job exceeds with at most the given probability, exactly or as a bound
///
/// Example:
///   syncline queue bound --system fork-join --workers 16 --arrivals exp:0.5 --service exp:1 --quantile 1e-6
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
struct Bound {
    #[command(flatten)]
    question: Question,
    /// The probability with which the time may be exceeded
    #[arg(long, value_name = "EPS", allow_negative_numbers = true, value_parser = exceedance)]
    quantile: Exceedance,
}

/// Runs the command.
pub fn run(args: Args) -> Result<(), Failure> {
    match args.command {
        Command::Stability(args) => stability(&args),
        Command::Mean(args) => mean(&args),
        Command::Bound(args) => bound(&args),
        Command::Code(args) => code::run(&args),
        Command::OptimalTasks(args) => tasks::run(&args),
        Command::Scaling(args) => scaling::run(&args),
        Command::Shuffle(args) => shuffle::run(&args),
        Command::Simulate(args) => simulate::run(&args),
        Command::Sweep(args) => sweep::run(&args),
    }
}

fn stability(args: &Question) -> Result<(), Failure> {
    let model = args.model()?;
    let largest = model.largest_rate().map_err(failure)?;
    let mut answer = Answer::about(&*model);
    answer.list("largest stable rate", vec![largest]);
    answer.show(args.json)?;
    model.check_stable().map_err(failure)
}

fn mean(args: &Question) -> Result<(), Failure> {
    let model = args.model()?;
    let mut answer = Answer::about(&*model);
    answer.list("mean time in the system", model.means().map_err(failure)?);
    if let Ok(waits) = model.waits() {
        answer.list("mean wait for the first task's start", waits);
    }
    answer.show(args.json)
}

fn bound(args: &Bound) -> Result<(), Failure> {
    let model = args.question.model()?;
    let mut answer = Answer::about(&*model);
    answer.list("time exceeded with at most that probability", bounds(&*model, args.quantile)?);
    answer.show(args.question.json)
}

fn bounds(model: &dyn Model, eps: Exceedance) -> Result<Vec<Estimate>, Failure> {
    let mut list = model.quantiles(eps).map_err(failure)?;
    // Not every tail formula checks itself: a bound of an unstable system would be nonsense.
    model.check_stable().map_err(failure)?;
    list.sort_by(|a, b| a.value.total_cmp(&b.value));
    Ok(list)
}

pub fn exceedance(text: &str) -> Result<Exceedance, String> {
    let value: f64 = text.parse().map_err(|_| format!("'{text}' is not a number"))?;
    Exceedance::new(value).map_err(|error| error.to_string())
}

/// A bad parameter is the caller's mistake; an unstable system or a missing formula is an answer.
fn failure(error: Error) -> Failure {
    match error {
        Error::Parameter { .. } | Error::Parse { .. } => Failure::Usage(error.to_string()),
        error => Failure::failed(error),
    }
}
