//! `syncline schedule schema`: the forms of the files that people write.

use clap::ValueEnum;
use syncline::schedule::jobs_file::Form;

use crate::{failure::Failure, output::print_raw};

/// Print the form of a file of jobs or of machines: a JSON Schema, or a commented example in TOML
///
/// Example:
///   syncline schedule schema jobs --example > jobs.toml
///   syncline schedule schema cluster --example > cluster.toml
///   syncline schedule plan jobs.toml cluster.toml --job bert
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Which file
    #[arg(value_enum)]
    form: FormName,
    /// A commented example in TOML instead of the schema
    #[arg(long)]
    example: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum FormName {
    Jobs,
    Cluster,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let form = match args.form {
        FormName::Jobs => Form::Jobs,
        FormName::Cluster => Form::Cluster,
    };
    // As it is: it is for a file, not for the terminal's width.
    print_raw(if args.example { form.example() } else { form.schema() }.as_bytes())
}
