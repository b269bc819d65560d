//! The `syncline` command as a library: the same command for whoever starts it from another language.
//!
//! It parses arguments, calls the library and prints; every command is one module of `commands`. [`main`] is the command as a
//! process; [`answer`] gives what it would print to a caller in this process, who wants the documents of `--json`.

#[cfg(test)]
mod book;
mod commands;
mod failure;
mod heard;
mod help;
mod interrupts;
mod list;
mod output;
mod screen;
mod tables;

use std::{env, ffi::OsString, process::ExitCode};

use clap::{ArgMatches, FromArgMatches, Parser};
use syncline_terminal::escape;

pub use commands::federate::OfScript;
pub use failure::Failure;
pub use heard::{Heard, Remark};

/// Write, run, explain, predict and schedule parallel machine learning whose parts must wait for each other.
#[derive(Parser)]
#[command(name = "syncline", version)]
struct Cli {
    #[command(subcommand)]
    command: commands::Command,
    #[command(flatten)]
    screen: screen::Args,
}

/// The command, with the arguments of this process.
pub fn main() -> ExitCode {
    run(env::args_os().collect())
}

/// The command with these arguments, of which the first is its own name. What it has to say goes to standard output and
/// standard error.
pub fn run(arguments: Vec<OsString>) -> ExitCode {
    // A node's process lives no longer than its launcher, from here on.
    syncline::program::is_child();
    match parse(&arguments) {
        Ok(cli) => cli.command.run().map_or_else(|failure| failure.report(), |()| ExitCode::SUCCESS),
        Err(code) => code,
    }
}

/// What the command with these arguments, its own name not among them, would print, and what it would remark.
///
/// It runs on this thread; several may run at once on several. What was remarked is there also when it fails.
///
/// # Errors
/// As the command fails; a mistake in the arguments is [`Failure::Usage`].
pub fn answer(arguments: impl IntoIterator<Item = OsString>) -> (Heard, Result<(), Failure>) {
    let arguments = [OsString::from("syncline")].into_iter().chain(arguments);
    heard::listen(|| {
        let (cli, found) = read(arguments).map_err(|error| Failure::Usage(said(&error)))?;
        screen::set(&cli.screen);
        output::set_command(&name(&found));
        cli.command.run()
    })
}

/// What a script asks of `federate` by these options of the command, of so many clients of its own.
///
/// # Errors
/// As the command refuses them.
pub fn federated(options: impl IntoIterator<Item = OsString>, clients: usize) -> Result<OfScript, Failure> {
    let arguments = ["syncline", "federate"].map(OsString::from).into_iter().chain(options);
    let (cli, _) = read(arguments).map_err(|error| Failure::Usage(said(&error)))?;
    match &cli.command {
        commands::Command::Federate(args) => commands::federate::of_script(args, clients),
        _ => Err(Failure::Usage("these are no options of `federate`".to_owned())),
    }
}

/// The sentence of a mistake in the arguments, without what clap says around it.
fn said(error: &clap::Error) -> String {
    let text = error.to_string();
    let end = text.find("\n\nUsage:").or_else(|| text.find("\n\nFor more")).unwrap_or(text.len());
    text[..end].trim_start_matches("error: ").trim_end().to_owned()
}

/// Reads the command line; what is wrong with it, or the help asked for, is said here.
fn parse(arguments: &[OsString]) -> Result<Cli, ExitCode> {
    let (cli, found) = read(arguments.iter().cloned()).map_err(|error| {
        // Clap repeats the arguments as they are: what is said is said of harmless ones.
        let harmless =
            arguments.iter().map(|argument| escape(&argument.to_string_lossy()).into_owned().into());
        failure::usage(&read(harmless).err().unwrap_or(error))
    })?;
    screen::set(&cli.screen);
    output::set_command(&name(&found));
    Ok(cli)
}

fn read(arguments: impl Iterator<Item = OsString>) -> Result<(Cli, ArgMatches), clap::Error> {
    // Zero is no limit.
    let command = help::command().term_width(screen::stdout().width().unwrap_or(0));
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
