//! The `syncline` command. It parses arguments, calls the library and prints; every command is one module of
//! [`commands`].

mod columns;
mod commands;
mod failure;
mod output;
mod screen;

use std::process::ExitCode;

use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser};

/// Write, run, explain, predict and schedule parallel machine learning whose parts must wait for each other.
#[derive(Parser)]
#[command(name = "syncline", version)]
struct Cli {
    #[command(subcommand)]
    command: commands::Command,
    #[command(flatten)]
    screen: screen::Args,
}

fn main() -> ExitCode {
    // A node's process lives no longer than its launcher, from here on.
    syncline::program::is_child();
    match parse() {
        Ok(cli) => cli.command.run().map_or_else(|failure| failure.report(), |()| ExitCode::SUCCESS),
        Err(code) => code,
    }
}

/// Reads the command line; what is wrong with it, or the help asked for, is said here.
fn parse() -> Result<Cli, ExitCode> {
    let width = screen::stdout().width();
    // Zero is no limit.
    let asked = Cli::command().term_width(width.unwrap_or(0)).try_get_matches();
    let found = asked.and_then(|found| Cli::from_arg_matches(&found).map(|cli| (cli, found)));
    let (cli, found) = found.map_err(|error| failure::usage(&error))?;
    screen::set(&cli.screen);
    output::set_command(&name(&found));
    Ok(cli)
}

/// The command with its subcommand: `trace.report`.
fn name(found: &ArgMatches) -> String {
    let mut names = Vec::new();
    let mut inner = found.subcommand();
    while let Some((name, found)) = inner {
        names.push(name);
        inner = found.subcommand();
    }
    names.join(".")
}
