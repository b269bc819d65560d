//! `syncline man`: the manual's pages.

use std::path::PathBuf;

use clap::ValueHint;
use clap_mangen::Man;

use crate::{
    failure::Failure,
    help,
    output::{print_raw, wrote},
};

/// Print the manual's page of a command, or write all pages into a folder
///
/// Examples:
///   syncline man | man -l -
///   syncline man trace report | man -l -
///   syncline man --out ~/.local/share/man/man1
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The command and its subcommand [default: syncline itself]
    #[arg(value_name = "COMMAND")]
    command: Vec<String>,
    /// Write the pages of all commands into this folder
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, conflicts_with = "command")]
    out: Option<PathBuf>,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), Failure> {
    let mut all = help::command().disable_help_subcommand(true);
    // Names the subcommands' pages `syncline-trace-report`, and hands them the options that all have.
    all.build();
    if let Some(folder) = &args.out {
        std::fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(all, folder)).map_err(
            |error| Failure::Failed(format!("cannot write pages into {}: {error}", folder.display())),
        )?;
        wrote(folder);
        return Ok(());
    }
    let mut command = &all;
    for name in &args.command {
        command = command.find_subcommand(name).ok_or_else(|| {
            Failure::Usage(format!("there is no command `{name}` in `{}`", command.get_name()))
        })?;
    }
    let mut page = Vec::new();
    let rendered = Man::new(command.clone()).render(&mut page);
    rendered.map_err(|error| Failure::Failed(format!("cannot write the page: {error}")))?;
    print_raw(&page)
}
