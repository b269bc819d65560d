//! `syncline scale`: has workers join a run that goes on, or leave it.

use std::{path::Path, thread, time::Duration};

use serde::Serialize;
use syncline::{
    paramserv::{RunRecord, RunState},
    program::{
        Error, State,
        live::{Snapshot, Viewer},
    },
};

use super::top;
use crate::{
    failure::Failure,
    output::{print, print_json},
};

/// Between two looks whether all are there.
const LOOK: Duration = Duration::from_millis(100);

/// Have workers join a training run that goes on, or leave it
///
/// For runs that were started with --elastic. Workers are counted from 0, and
/// the first so many are there: those that are missing, also because they were
/// lost, are started, and the others hand over what they have between two rounds
/// and end. Under --sync bsp the model does not depend on it, to the last bit.
///
/// Examples:
///   syncline train data.csv --workers 8 --elastic 4 --run-dir runs/first
///   syncline scale runs/first --workers 6
///   syncline scale train --workers 2 --json
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The run: its folder, its program's name, or the process that launched it
    #[arg(value_name = "RUN")]
    pub run: String,
    /// How many are to be there
    #[arg(long, value_name = "COUNT")]
    pub workers: usize,
    /// The group that grows or shrinks, of a program of one's own
    #[arg(long, value_name = "LABEL", default_value = "worker")]
    pub group: String,
    /// For how long to wait until they are there, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "60")]
    pub wait: u32,
    /// Print what came of it as JSON
    #[arg(long)]
    pub json: bool,
}

/// What came of it.
#[derive(Serialize)]
struct Output {
    program: String,
    pid: u32,
    group: String,
    /// How many were to be there before.
    before: usize,
    /// How many are to be there.
    wanted: usize,
    /// Those that are.
    there: Vec<String>,
    /// Whether these are all that are wanted, and no others.
    is_settled: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), Failure> {
    let viewer = find(&args.run)?;
    let before = viewer.wish(&args.group, args.workers).map_err(refused)?;
    let output = settle(args, &viewer, before)?;
    if args.json {
        print_json(&output)?;
    } else {
        let Output { program, pid, group, there, .. } = &output;
        let there = if there.is_empty() { "nobody".to_owned() } else { there.join(", ") };
        let (wanted, said) = (args.workers, if output.is_settled { "are there" } else { "are to be there" });
        print(&format!(
            "{program} ({pid}): {wanted} of `{group}` {said}, it was {before}; there now: {there}"
        ))?;
    }
    if output.is_settled {
        return Ok(());
    }
    Err(Failure::Failed(format!(
        "not all were there, or gone, within {} s; `syncline top {}` shows what they wait for, and the run heeds the wish as soon \
         as it can",
        args.wait, output.pid
    )))
}

/// Waits until those are there who are wanted, and no others.
fn settle(args: &Args, viewer: &Viewer, before: usize) -> Result<Output, Failure> {
    let mut left = Duration::from_secs(args.wait.into());
    loop {
        let seen = viewer.look().map_err(|error| {
            Failure::Failed(format!("the run came to its end before all were there, or gone ({error})"))
        })?;
        let output = Output::of(args, before, seen);
        if output.is_settled || left.is_zero() {
            return Ok(output);
        }
        thread::sleep(LOOK);
        left = left.saturating_sub(LOOK);
    }
}

impl Output {
    fn of(args: &Args, before: usize, seen: Snapshot) -> Self {
        let rank = |name: &str| name.strip_prefix(&*args.group)?.strip_prefix('/')?.parse::<usize>().ok();
        let of_group = || seen.nodes.iter().filter_map(|node| Some((rank(&node.name)?, node)));
        let is_right = |rank: usize, state: State| match rank < args.workers {
            true => state == State::Running,
            false => state == State::Resting || state.is_over(),
        };
        let there = of_group().filter(|(_, node)| node.state == State::Running);
        let mut there: Vec<_> = there.map(|(rank, node)| (rank, node.name.clone())).collect();
        there.sort_unstable();
        Self {
            group: args.group.clone(),
            before,
            wanted: args.workers,
            is_settled: of_group().all(|(rank, node)| is_right(rank, node.state)),
            there: there.into_iter().map(|(_, name)| name).collect(),
            program: seen.program,
            pid: seen.pid,
        }
    }
}

/// The program of a run's folder, or the one of this name or process.
pub fn find(run: &str) -> Result<Viewer, Failure> {
    let folder = Path::new(run);
    if !RunRecord::is_at(folder) {
        return top::find(run);
    }
    let (record, shown) = (RunRecord::read(folder)?, syncline_terminal::path(folder));
    match (record.state, record.pid) {
        (RunState::Running, Some(pid)) => top::find(&pid.to_string()).map_err(|_| {
            Failure::Failed(format!(
                "{shown}: its process {pid} cannot be seen from here; ask on its machine"
            ))
        }),
        (RunState::Running, None) => {
            Err(Failure::Failed(format!("{shown}: it is not known which process runs it")))
        }
        (state, _) => {
            let why = format!("{shown} is {}: only a run that goes on can grow or shrink", state.name());
            Err(Failure::Failed(why))
        }
    }
}

fn refused(error: Error) -> Failure {
    match error {
        Error::Refused(why) => Failure::Usage(format!(
            "{why}; a training run grows and shrinks within its --workers where it was started with --elastic"
        )),
        error => Failure::failed(error),
    }
}
