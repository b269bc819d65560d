//! The `syncline` command. It parses arguments, calls the library and prints; every command is one module of
//! [`commands`].

mod commands;
mod failure;
mod interrupts;
mod list;
mod output;
mod screen;
mod tables;

use std::{env, ffi::OsString, process::ExitCode};

use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser};
use syncline_terminal::escape;

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
    let (cli, found) = read(env::args_os()).map_err(|error| {
        // Clap repeats the arguments as they are: what is said is said of harmless ones.
        let harmless = env::args_os().map(|argument| escape(&argument.to_string_lossy()).into_owned().into());
        failure::usage(&read(harmless).err().unwrap_or(error))
    })?;
    screen::set(&cli.screen);
    output::set_command(&name(&found));
    Ok(cli)
}

fn read(arguments: impl Iterator<Item = OsString>) -> Result<(Cli, ArgMatches), clap::Error> {
    // Zero is no limit.
    let command = Cli::command().term_width(screen::stdout().width().unwrap_or(0));
    let found = command.try_get_matches_from(arguments)?;
    Ok((Cli::from_arg_matches(&found)?, found))
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
