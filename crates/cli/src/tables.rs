//! Files of data as commands are given them: which they are, and what is said of their columns.

use std::path::{Path, PathBuf};

use clap::ValueHint;
use syncline::{
    data::{Decimal, Header, Input, Label, Layout, Missing, Task, expand},
    paramserv::{Delimiter, TrainJob},
};

use crate::failure::Failure;

/// What is said of a table of training data.
#[derive(Clone, clap::Args)]
pub struct TableArgs {
    /// The column to predict: its name, its number from 1, or `last` [default: last]
    #[arg(long, help_heading = "Data")]
    label: Option<Label>,
    /// What the label is: auto, regression (an amount) or classification [default: auto]
    #[arg(long, value_enum, help_heading = "Data")]
    task: Option<TaskArg>,
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
    /// [default: mean]
    #[arg(long, help_heading = "Data")]
    missing: Option<Missing>,
    /// A text that means a missing cell, beside NA, nan, null and nothing; may be repeated
    #[arg(long, value_name = "TEXT", help_heading = "Data")]
    na: Vec<String>,
    /// Numbers are written for people, with this decimal sign: `.` as in $1,234.5, `,` as in 1.234,5
    #[arg(long, value_name = "SIGN", help_heading = "Data")]
    decimal: Option<Decimal>,
    /// Feature indices of LIBSVM files start at 0 [default: if a 0 occurs]
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "BOOL")]
    #[arg(help_heading = "Data")]
    zero_based: Option<bool>,
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
    /// Whether the first line names the columns [default: auto]
    #[arg(long, value_enum, help_heading = "Data")]
    header: Option<HeaderLine>,
    /// What divides cells: a character, `tab` or `blanks` [default: found in the first lines]
    #[arg(long, help_heading = "Data")]
    delimiter: Option<Delimiter>,
}

impl From<LayoutArgs> for Layout {
    fn from(args: LayoutArgs) -> Self {
        let header = args.header.map_or(Header::Auto, Header::from);
        Self { header, delimiter: args.delimiter.map(Delimiter::byte) }
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
    /// Tells the job how to read its data.
    pub fn tell(self, job: TrainJob) -> TrainJob {
        TrainJob {
            label: self.label,
            task: self.task.and_then(TaskArg::chosen),
            columns: self.columns,
            drop: self.drop,
            category: self.category,
            weight: self.weight,
            missing: self.missing,
            na: self.na,
            decimal: self.decimal,
            zero_based: self.zero_based,
            header: self.layout.header.map(Header::from),
            delimiter: self.layout.delimiter,
            ..job
        }
    }
}

impl TableArgs {
    /// Whether anything is said.
    pub fn is_given(&self) -> bool {
        let lists = [&self.columns, &self.drop, &self.category, &self.na];
        self.label.is_some()
            || self.task.is_some()
            || lists.iter().any(|list| !list.is_empty())
            || self.weight.is_some()
            || self.missing.is_some()
            || self.decimal.is_some()
            || self.zero_based.is_some()
            || self.layout.header.is_some()
            || self.layout.delimiter.is_some()
    }
}

/// Opens the files that a command names; patterns stand for several.
pub fn open(patterns: &[PathBuf]) -> Result<Vec<Input>, Failure> {
    Ok(expand(patterns)?.into_iter().map(Input::open).collect::<Result<_, _>>()?)
}
