//! `syncline data`: what is done with data apart from training. So far: seeded sets to try things on.

use std::{
    io,
    path::{Path, PathBuf},
};

use clap::{Subcommand, ValueHint};
use serde::Serialize;
use syncline::data::{
    Writing,
    synthetic::{Generator, Kind},
};
use syncline_terminal::unit;

use crate::{
    failure::Failure,
    output::{check_writable, print, print_json, wrote},
};

/// Make data
///
/// Example:
///   syncline data synth blobs.csv --kind blobs --rows 10000
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    Synth(Synth),
}

/// Write a seeded set of rows, of any size
///
/// The file's name says the format: .csv or .svm, also with .gz, .zst or .bz2 behind, .parquet, .npy (the target is the last
/// column) or .npz (X and y). Rows are written as they are made, so that memory does not grow with their number;
/// the same options give the same bytes.
///
///   blobs      classes as Gaussian clouds that overlap
///   separable  classes that hyperplanes separate
///   linear     a number: a weighted sum, and noise
///   logistic   two classes, by the odds of a weighted sum
///   sparse     likewise, of rows that are nearly all zero
///   mlp        classes that a random network tells apart
///
/// Examples:
///   syncline data synth blobs.csv --kind blobs --rows 10000
///   syncline data synth words.svm.zst --kind sparse --rows 1000000 --columns 200000 --non-zeros 40
///   syncline train words.svm.zst
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
struct Synth {
    /// The file to write
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    out: PathBuf,
    /// What the rows are like: blobs, separable, linear, logistic, sparse or mlp
    #[arg(long, default_value = "blobs")]
    kind: Kind,
    /// How many rows
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
    rows: u64,
    /// Columns of features [default: 20; sparse: 10000]
    #[arg(long)]
    columns: Option<usize>,
    /// Classes, of blobs, separable and mlp [default: 3]
    #[arg(long)]
    classes: Option<usize>,
    /// Noise, of linear, in standard deviations of one column's effect [default: 0.1]
    #[arg(long)]
    noise: Option<f32>,
    /// Values in a row, of sparse [default: 12]
    #[arg(long, value_name = "COUNT")]
    non_zeros: Option<usize>,
    /// Units of the network, of mlp [default: 16]
    #[arg(long, value_name = "UNITS")]
    hidden: Option<usize>,
    /// Seed of everything random
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print what was written as JSON
    #[arg(long)]
    json: bool,
}

/// What was written, for machines.
#[derive(Serialize)]
struct Output<'a> {
    file: &'a Path,
    kind: String,
    rows: u64,
    columns: usize,
    seed: u64,
    file_bytes: u64,
}

pub fn run(args: Args) -> Result<(), Failure> {
    match args.what {
        What::Synth(synth) => synth.run(),
    }
}

impl Synth {
    fn run(self) -> Result<(), Failure> {
        let usage = |error: syncline::data::Error| Failure::Usage(error.to_string());
        let kind = self.kind()?;
        let columns = self.columns.unwrap_or(if matches!(kind, Kind::Sparse { .. }) { 10_000 } else { 20 });
        let writing = Writing::of(&self.out).map_err(usage)?;
        let generator = Generator::new(kind, columns, self.seed).map_err(usage)?;
        writing.check(&generator).map_err(usage)?;
        check_writable(&self.out)?;
        self.write(writing, &generator).map_err(|error| {
            Failure::Failed(format!("cannot write {}: {error}", syncline_terminal::path(&self.out)))
        })?;
        let file_bytes = self.out.metadata().map_or(0, |found| found.len());
        let Self { out: file, rows, seed, .. } = &self;
        if self.json {
            let (rows, seed) = (*rows, *seed);
            return print_json(&Output { file, kind: kind.to_string(), rows, columns, seed, file_bytes });
        }
        print(&format!(
            "{} of {kind}, {} and the target, seed {seed}",
            unit::plural(*rows, "row"),
            unit::plural(columns as u64, "column")
        ))?;
        wrote(file);
        Ok(())
    }

    /// The kind with the numbers that were given; those that it has not are a mistake.
    fn kind(&self) -> Result<Kind, Failure> {
        let (mut kind, given) = (self.kind, (self.classes, self.noise, self.non_zeros, self.hidden));
        let (mut classes, mut noise, mut non_zeros, mut hidden) = given;
        match &mut kind {
            Kind::Blobs { classes: own } | Kind::Separable { classes: own } => {
                *own = classes.take().unwrap_or(*own);
            }
            Kind::Linear { noise: own } => *own = noise.take().unwrap_or(*own),
            Kind::Sparse { non_zeros: own } => *own = non_zeros.take().unwrap_or(*own),
            Kind::Teacher { hidden: units, classes: own } => {
                *units = hidden.take().unwrap_or(*units);
                *own = classes.take().unwrap_or(*own);
            }
            Kind::Logistic => {}
        }
        let left = [
            ("--classes", "blobs, separable and mlp", classes.is_some()),
            ("--noise", "linear", noise.is_some()),
            ("--non-zeros", "sparse", non_zeros.is_some()),
            ("--hidden", "mlp", hidden.is_some()),
        ];
        match left.into_iter().find(|(.., is_left)| *is_left) {
            Some((option, of, _)) => Err(Failure::Usage(format!(
                "{option} is of --kind {of}, and has no effect on {kind}: leave it out"
            ))),
            None => Ok(kind),
        }
    }

    /// Writes beside the file and puts it in its place, so that it is there whole or not at all.
    fn write(&self, writing: Writing, generator: &Generator) -> io::Result<()> {
        let folder = self.out.parent().filter(|folder| !folder.as_os_str().is_empty());
        let mut builder = tempfile::Builder::new();
        builder.prefix(".syncline-");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        let beside = builder.tempfile_in(folder.unwrap_or(Path::new(".")))?;
        writing.write(generator, self.rows, beside.as_file())?;
        beside.persist(&self.out).map_err(|error| error.error)?;
        Ok(())
    }
}
