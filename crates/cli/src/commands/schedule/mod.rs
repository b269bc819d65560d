//! `syncline schedule`: many training jobs on one cluster.

mod bound;
mod plan;
mod replay;
mod simulate;
mod span;

use clap::Subcommand;

use crate::failure::Failure;

/// Place many jobs on a cluster: simulate policies, explain a decision, bound the optimum, replay a log
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
}

pub fn run(args: Args) -> Result<(), Failure> {
    match args.command {
        Command::Simulate(args) => simulate::run(*args),
        Command::Plan(args) => plan::run(args),
        Command::Bound(args) => bound::run(args),
        Command::Replay(args) => replay::run(args),
    }
}
