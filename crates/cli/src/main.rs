//! The `syncline` command. It parses arguments, calls the library and prints; every command is one module of
//! [`commands`].

mod columns;
mod commands;
mod failure;
mod output;

use std::process::ExitCode;

use clap::Parser;

/// Write, run, explain, predict and schedule parallel machine learning whose parts must wait for each other.
#[derive(Parser)]
#[command(name = "syncline", version)]
struct Cli {
    #[command(subcommand)]
    command: commands::Command,
}

fn main() -> ExitCode {
    // A node's process lives no longer than its launcher, from here on.
    syncline::program::is_child();
    match Cli::parse().command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
