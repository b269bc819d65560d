//! `syncline schedule`: many training jobs on one cluster.

mod bound;
mod live;
mod plan;
mod replay;
mod schema;
mod simulate;
mod snapshot;

use clap::{Subcommand, ValueEnum};
use syncline::schedule::{Error, PolicyName, pricing::Times};

use crate::failure::Failure;

/// Place many jobs on a cluster: really run them, or simulate policies, explain a decision, bound the optimum, replay a log
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Simulate(Box<simulate::Args>),
    Plan(plan::Args),
    Bound(bound::Args),
    Replay(replay::Args),
    Schema(schema::Args),
    Serve(live::serve::Args),
    Submit(live::SubmitArgs),
    Status(live::StatusArgs),
    Cancel(live::CancelArgs),
    Explain(live::ExplainArgs),
    Wait(live::WaitArgs),
    Record(live::RecordArgs),
    #[command(hide = true)]
    Attempt(live::serve::AttemptArgs),
    #[command(hide = true)]
    Train(live::training::Args),
    #[command(hide = true)]
    Scale(live::training::ScaleArgs),
    #[command(hide = true)]
    There(live::there::Args),
    #[command(hide = true)]
    AskHost(live::there::AskHostArgs),
}

pub fn run(args: Args) -> Result<(), Failure> {
    match args.command {
        Command::Simulate(args) => simulate::run(*args),
        Command::Plan(args) => plan::run(args),
        Command::Bound(args) => bound::run(args),
        Command::Replay(args) => replay::run(args),
        Command::Schema(args) => schema::run(&args),
        Command::Serve(args) => live::serve::run(args),
        Command::Submit(args) => live::submit(&args),
        Command::Status(args) => live::status(&args),
        Command::Cancel(args) => live::cancel(&args),
        Command::Explain(args) => live::explain(&args),
        Command::Wait(args) => live::wait(&args),
        Command::Record(args) => live::record(&args),
        Command::Attempt(args) => live::serve::run_attempt(&args),
        Command::Train(args) => live::training::run(&args),
        Command::Scale(args) => live::training::scale(&args),
        Command::There(args) => live::there::run(args),
        Command::AskHost(args) => live::there::ask(&args),
    }
}

/// How time within a slot counts.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum TimesName {
    Real,
    Paper,
}

impl From<TimesName> for Times {
    fn from(name: TimesName) -> Self {
        match name {
            TimesName::Real => Self::Real,
            TimesName::Paper => Self::Paper,
        }
    }
}

/// The policies of a list, each once; `all` are all.
fn policies(names: &[String]) -> Result<Vec<PolicyName>, Failure> {
    let mut policies = Vec::new();
    for name in names {
        let named = match name.as_str() {
            "all" => PolicyName::ALL.to_vec(),
            name => vec![name.parse().map_err(|error: Error| Failure::Usage(format!("{error}, or all")))?],
        };
        policies.extend(named.into_iter().filter(|policy| !policies.contains(policy)).collect::<Vec<_>>());
    }
    Ok(policies)
}
