//! The `syncline` command. It parses arguments, calls the library and prints; every command is one module of
//! `commands`.

use clap::Parser;

/// Write, run, explain, predict and schedule parallel machine learning whose parts must wait for each other.
#[derive(Parser)]
#[command(name = "syncline", version)]
struct Cli {}

fn main() {
    Cli::parse();
}
