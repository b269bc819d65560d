//! One module a command: its arguments, the library calls, and how the answer is shown.

mod apply;
mod compare;
mod completions;
mod data;
mod detached;
mod evaluate;
mod experiment;
pub(crate) mod federate;
mod man;
mod mcp;
mod predict;
mod queue;
mod runs;
mod scale;
mod schedule;
mod top;
mod trace;
mod train;

use clap::Subcommand;

use crate::failure::Failure;

/// What the user asks for.
#[derive(Subcommand)]
pub enum Command {
    Train(Box<train::Args>),
    Compare(compare::Args),
    Data(data::Args),
    Runs(runs::Args),
    Attach(detached::AttachArgs),
    Logs(detached::LogsArgs),
    Stop(detached::StopArgs),
    Scale(scale::Args),
    Federate(Box<federate::Args>),
    Evaluate(evaluate::Args),
    Apply(apply::Args),
    Top(top::Args),
    Trace(trace::Args),
    Queue(Box<queue::Args>),
    Predict(Box<predict::Args>),
    Schedule(schedule::Args),
    Experiment(experiment::Args),
    Mcp(mcp::Args),
    Completions(completions::Args),
    Man(man::Args),
}

impl Command {
    /// Runs the command.
    pub fn run(self) -> Result<(), Failure> {
        match self {
            Self::Train(args) => train::run(*args),
            Self::Compare(args) => compare::run(&args),
            Self::Data(args) => data::run(args),
            Self::Runs(args) => runs::run(args),
            Self::Attach(args) => args.run(),
            Self::Logs(args) => args.run(),
            Self::Stop(args) => args.run(),
            Self::Scale(args) => scale::run(&args),
            Self::Federate(args) => federate::run(&args),
            Self::Evaluate(args) => evaluate::run(args),
            Self::Apply(args) => apply::run(args),
            Self::Top(args) => top::run(&args),
            Self::Trace(args) => trace::run(args),
            Self::Queue(args) => queue::run(*args),
            Self::Predict(args) => predict::run(&args),
            Self::Schedule(args) => schedule::run(args),
            Self::Experiment(args) => experiment::run(&args),
            Self::Mcp(args) => mcp::run(&args),
            Self::Completions(args) => completions::run(&args),
            Self::Man(args) => man::run(&args),
        }
    }
}
