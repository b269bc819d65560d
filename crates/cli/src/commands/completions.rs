//! `syncline completions`: what a shell needs to complete the command line.

use clap::{CommandFactory, ValueEnum};
use clap_complete::Shell;

use crate::{Cli, failure::Failure, output::print_raw};

/// Print a script by which a shell completes this command
///
/// Examples:
///   syncline completions bash > ~/.local/share/bash-completion/completions/syncline
///   syncline completions zsh > ~/.zfunc/_syncline
///   syncline completions fish > ~/.config/fish/completions/syncline.fish
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Name,
}

#[derive(Clone, Copy, ValueEnum)]
enum Name {
    Bash,
    Zsh,
    Fish,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), Failure> {
    let shell = match args.shell {
        Name::Bash => Shell::Bash,
        Name::Zsh => Shell::Zsh,
        Name::Fish => Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "syncline", &mut script);
    print_raw(&script)
}
