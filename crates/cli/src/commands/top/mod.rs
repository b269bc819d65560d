//! `syncline top`: looks into programs that run on this machine.

mod answer;
mod live;
mod seen;

use std::{
    io::{IsTerminal, stdout},
    path::Path,
    time::Duration,
};

use syncline::program::live::{Viewer, running};

use self::seen::Seen;
use crate::{
    failure::Failure,
    output::{page, print, print_json, print_json_list},
};

/// Look into a program that runs on this machine: how its nodes are, what passes between them, who waits for whom
///
/// Without a program, lists those of yours that run: training runs and programs of your own, on threads, processes and
/// hosts. The live view ends with q, and with the program.
///
/// Examples:
///   syncline top
///   syncline top train
///   syncline top 4711 --once --json
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The program: its name, the process that launched it, or the directory of its run
    #[arg(value_name = "PROGRAM")]
    program: Option<String>,
    /// Print what is seen once, and end
    #[arg(long, requires = "program")]
    once: bool,
    /// Print it as JSON, once
    #[arg(long)]
    json: bool,
    /// Time between two looks, of which speeds are made, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds, requires = "program")]
    interval: Duration,
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.1..=60.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("it must be a number of seconds from 0.1 to 60".to_owned()),
    }
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), Failure> {
    let Some(name) = &args.program else { return list(args.json) };
    let viewer = find(name)?;
    if args.once || args.json {
        let seen = Seen::settled(&viewer, args.interval)?;
        if args.json {
            return print_json(&answer::Document::of(&seen));
        }
        let mut page = page();
        seen.write(&mut page, usize::MAX);
        return print(page.text());
    }
    if !stdout().is_terminal() {
        let why = "the live view needs a terminal; --once prints what is seen";
        return Err(Failure::Usage(why.to_owned()));
    }
    live::show(&viewer, args.interval)
}

fn list(json: bool) -> Result<(), Failure> {
    let found: Vec<_> = running().iter().filter_map(answer::Line::of).collect();
    if json {
        return print_json_list("programs", &found);
    }
    let mut page = page();
    answer::table(&found, &mut page);
    print(page.text())
}

/// The one program of this name, process or directory.
pub fn find(name: &str) -> Result<Viewer, Failure> {
    if name.contains('/') {
        return Viewer::open(Path::new(name)).map_err(Failure::failed);
    }
    let described = running().into_iter().filter_map(|viewer| {
        let snapshot = viewer.look().ok()?;
        Some((viewer, snapshot.program, snapshot.pid))
    });
    let (mut found, others): (Vec<_>, Vec<_>) =
        described.partition(|(_, program, pid)| program == name || pid.to_string() == name);
    match (found.len(), found.pop()) {
        (1, Some((viewer, ..))) => Ok(viewer),
        (0, _) => {
            let names: Vec<_> =
                others.iter().map(|(_, program, pid)| format!("`{program}` ({pid})")).collect();
            let there = if names.is_empty() { "none runs".to_owned() } else { names.join(", ") + " run" };
            Err(Failure::Failed(format!("no program `{name}` runs on this machine; of yours {there}")))
        }
        (_, last) => {
            let pids: Vec<_> = found.iter().chain(last.iter()).map(|(.., pid)| pid.to_string()).collect();
            let pids = pids.join(", ");
            Err(Failure::Failed(format!("several programs `{name}` run: say which by its process, {pids}")))
        }
    }
}
