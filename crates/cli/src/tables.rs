//! Files of data as commands are given them: which they are, and what is said of their columns.

use std::path::{Path, PathBuf};

use clap::ValueHint;
use syncline::{
    data::{Decimal, Header, Input, Label, Layout, Missing, Notation, ReadOptions, Task, expand},
    program::Executor,
};

use crate::failure::Failure;

/// What is said of a table of training data.
#[derive(clap::Args)]
pub struct TableArgs {
    /// The column to predict: its name, its number from 1, or `last`
    #[arg(long, default_value = "last", help_heading = "Data")]
    pub label: Label,
    /// What the label is: auto, regression (an amount) or classification [default: auto]
    #[arg(long, value_enum, default_value_t = TaskArg::Auto, hide_default_value = true, help_heading = "Data")]
    pub task: TaskArg,
    /// Take only these columns, by name or number, divided by commas
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',', help_heading = "Data")]
    columns: Vec<String>,
    /// Leave these columns out
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',', help_heading = "Data")]
    drop: Vec<String>,
    /// Take the cells of these columns for words, numbers or not
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',', help_heading = "Data")]
    category: Vec<String>,
    /// How much each row counts, in losses and metrics: the column of weights; for LIBSVM `label`, the number after it, as in
    /// LABEL:WEIGHT
    #[arg(long, value_name = "COLUMN", help_heading = "Data")]
    weight: Option<String>,
    /// Missing cells: mean (fill them), drop (leave the row out) or indicator (fill them and tell the model)
    #[arg(long, default_value = "mean", help_heading = "Data")]
    missing: Missing,
    /// A text that means a missing cell, beside NA, nan, null and nothing; may be repeated
    #[arg(long, value_name = "TEXT", help_heading = "Data")]
    na: Vec<String>,
    /// Numbers are written for people, with this decimal sign: `.` as in $1,234.5, `,` as in 1.234,5
    #[arg(long, value_name = "SIGN", help_heading = "Data")]
    decimal: Option<Decimal>,
    /// Feature indices of LIBSVM files start at 0 [default: if a 0 occurs]
    #[arg(long, help_heading = "Data")]
    zero_based: bool,
    #[command(flatten)]
    layout: LayoutArgs,
}

/// A saved model and the data that it meets.
#[derive(clap::Args)]
pub struct ModelAndData {
    /// What `syncline train --save` wrote
    #[arg(value_hint = ValueHint::FilePath)]
    pub model: PathBuf,
    /// Files with the columns that the model was trained on, of any format that `train` reads, patterns of several, or `-`
    #[arg(required = true, value_hint = ValueHint::FilePath)]
    data: Vec<PathBuf>,
    #[command(flatten)]
    layout: LayoutArgs,
}

impl ModelAndData {
    /// Opens the files.
    pub fn open(&self) -> Result<Vec<Input>, Failure> {
        open(&self.data)
    }

    /// How text tables are laid out.
    pub fn layout(&self) -> Layout {
        self.layout.into()
    }

    /// All that is read.
    pub fn paths(&self) -> Vec<&Path> {
        self.data.iter().map(PathBuf::as_path).chain([self.model.as_path()]).collect()
    }
}

/// How a text table is laid out.
#[derive(clap::Args, Clone, Copy)]
pub struct LayoutArgs {
    /// Whether the first line names the columns
    #[arg(long, value_enum, default_value_t = HeaderLine::Auto, help_heading = "Data")]
    header: HeaderLine,
    /// What divides cells: a character, `tab` or `blanks` [default: found in the first lines]
    #[arg(long, value_parser = delimiter, help_heading = "Data")]
    delimiter: Option<u8>,
}

fn delimiter(text: &str) -> Result<u8, String> {
    match (text, text.as_bytes()) {
        ("tab" | "\\t", _) => Ok(b'\t'),
        ("blanks" | " ", _) => Ok(b' '),
        (_, [byte]) if !byte.is_ascii_alphanumeric() && *byte != b'"' => Ok(*byte),
        _ => Err("give one character that is no letter, digit or quote, or `tab`, or `blanks`".into()),
    }
}

impl From<LayoutArgs> for Layout {
    fn from(args: LayoutArgs) -> Self {
        Self { header: args.header.into(), delimiter: args.delimiter }
    }
}

/// Whether a text table's first line names its columns.
#[derive(Clone, Copy, clap::ValueEnum)]
enum HeaderLine {
    /// It does if its words stand above numbers
    Auto,
    /// It does
    Present,
    /// It is data
    Absent,
}

impl From<HeaderLine> for Header {
    fn from(line: HeaderLine) -> Self {
        match line {
            HeaderLine::Auto => Self::Auto,
            HeaderLine::Present => Self::Present,
            HeaderLine::Absent => Self::Absent,
        }
    }
}

/// What the label is.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum TaskArg {
    /// Found out: fractions and many different whole numbers are amounts
    Auto,
    /// An amount
    Regression,
    /// A class
    Classification,
}

impl TaskArg {
    /// The task, if the user has chosen one.
    pub fn chosen(self) -> Option<Task> {
        match self {
            Self::Auto => None,
            Self::Regression => Some(Task::Regression),
            Self::Classification => Some(Task::Classification),
        }
    }
}

impl TableArgs {
    /// How to read training data.
    pub fn options(&self, task: Option<Task>, raw: bool) -> ReadOptions {
        ReadOptions {
            label: self.label.clone(),
            layout: self.layout.into(),
            task,
            columns: self.columns.clone(),
            drop: self.drop.clone(),
            category: self.category.clone(),
            weight: self.weight.clone(),
            missing: self.missing,
            notation: Notation { na: self.na.clone(), decimal: self.decimal },
            zero_based: self.zero_based.then_some(true),
            raw,
        }
    }
}

/// Opens the files that a command names; patterns stand for several.
pub fn open(patterns: &[PathBuf]) -> Result<Vec<Input>, Failure> {
    Ok(expand(patterns)?.into_iter().map(Input::open).collect::<Result<_, _>>()?)
}

/// Refuses streams for processes: each of them would have to read what only one can.
pub fn check_streams(paths: &[&Path], executor: &Executor) -> Result<(), Failure> {
    let stream = paths.iter().find(|path| Input::is_stream(path));
    match stream {
        Some(path) if executor.to_string() != "threads" => Err(Failure::Usage(format!(
            "{} can be read only once, and with --on {executor} every process reads the data: save them to a file, or use \
             --on threads",
            path.display()
        ))),
        _ => Ok(()),
    }
}
