//! The rows of a job: those to train on, and those held out.

use std::{
    convert::Infallible,
    path::{Path, PathBuf},
    str::FromStr,
};

use serde::{Deserialize, Serialize};
use syncline_data::{Dataset, Fitted, Input, Layout, Notation, ReadOptions, Schema, Task, expand, synthetic};
use syncline_program::{Executor, is_child};

use super::TrainJob;
use crate::{Error, lending::Loan};

/// Rows and columns and classes of the generated set.
const GENERATED: (usize, usize, usize) = (50_000, 128, 10);

/// What is held out for validation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "a share of the rows such as 0.2, or a file")]
pub enum Validation {
    /// This share of the rows.
    Share(f64),
    /// The rows of a file.
    File(PathBuf),
}

impl Default for Validation {
    fn default() -> Self {
        Self::Share(0.2)
    }
}

impl FromStr for Validation {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(text.parse().map_or_else(|_| Self::File(text.into()), Self::Share))
    }
}

/// What a run works on.
pub(super) struct Loaded {
    pub schema: Schema,
    pub train: Dataset,
    pub validation: Option<Dataset>,
    /// What was found out about the data, in sentences.
    pub notes: Vec<String>,
}

impl TrainJob {
    /// The rows to train on and the rows held out, with this seed.
    pub(super) fn load(&self, validation: &Validation, seed: u64) -> Result<Loaded, Error> {
        let options = self.reading()?;
        let task = options.task;
        self.check_streams(validation)?;
        let Fitted { mut schema, data, mut notes } = if self.data.is_empty() {
            let data = generated(task, seed);
            Fitted { schema: Schema::of(&data), data, notes: Vec::new() }
        } else {
            let inputs = expand(&self.data)?.into_iter().map(Input::open).collect::<Result<Vec<_>, _>>()?;
            Schema::fit(&inputs, &options)?
        };
        let (train, validation) = match validation {
            Validation::Share(0.0) => (data, None),
            &Validation::Share(share) if share > 0.0 && share < 1.0 => {
                let (train, held_out) = data.split(share, seed)?;
                (train, Some(held_out))
            }
            Validation::Share(share) => {
                let must = "a share must be at least 0 and less than 1".to_owned();
                return Err(Error::OutOfRange { what: "validation", got: share.to_string(), must });
            }
            Validation::File(file) => {
                let (held_out, further) = schema.read(&[Input::open(file)?], options.layout)?;
                notes.extend(further);
                (data, Some(held_out))
            }
        };
        let (train, validation) =
            if options.raw { (train, validation) } else { schema.rescale(train, validation)? };
        Ok(Loaded { schema, train, validation, notes })
    }

    /// What is told to processes on hosts that do not find the files, or the job; nothing where one has a name that no file of a job
    /// can hold.
    pub(super) fn loan(&self) -> Result<Option<Loan>, Error> {
        let Ok(job) = self.to_toml() else { return Ok(None) };
        let held_out = match &self.validation {
            Some(Validation::File(file)) => Some(file.clone()),
            _ => None,
        };
        let paths = expand(&self.data)?.into_iter().chain(held_out);
        let length = |path: &Path| {
            let found = if Input::is_stream(path) { None } else { path.metadata().ok() };
            found.map(|file| file.len())
        };
        let files = paths.map(|path| (path.clone(), length(&path))).collect();
        Ok(Some(Loan { job, files }))
    }

    /// How to read the files: as the user says, and for the labels that the model takes.
    ///
    /// # Errors
    /// [`Error::Contradiction`] if the model takes other labels than the task that is asked for.
    pub fn reading(&self) -> Result<ReadOptions, Error> {
        Ok(ReadOptions {
            label: self.label.clone().unwrap_or_default(),
            layout: Layout {
                header: self.header.unwrap_or_default(),
                delimiter: self.delimiter.map(super::Delimiter::byte),
            },
            task: self.task()?,
            columns: self.columns.clone(),
            drop: self.drop.clone(),
            category: self.category.clone(),
            weight: self.weight.clone(),
            missing: self.missing.unwrap_or_default(),
            notation: Notation { na: self.na.clone(), decimal: self.decimal },
            zero_based: self.zero_based,
            raw: self.standardize == Some(false),
        })
    }

    /// What the label is, as the user or the model says.
    fn task(&self) -> Result<Option<Task>, Error> {
        let of_model = self.model.as_ref().and_then(syncline_learn::ModelSpec::task);
        match (self.task, of_model, &self.model) {
            (Some(task), Some(other), Some(model)) if task != other => {
                let (takes, asked) = match task {
                    Task::Regression => ("classes", "regression"),
                    Task::Classification => ("amounts", "classification"),
                };
                let why = format!("--model {model} predicts {takes}, --task {asked} asks for the other");
                Err(Error::Contradiction(why))
            }
            (chosen, of_model, _) => Ok(chosen.or(of_model)),
        }
    }

    /// Refuses streams for processes: each of them would have to read what only one can. Those on hosts are lent the rows.
    fn check_streams(&self, validation: &Validation) -> Result<(), Error> {
        let is_read_once = |on: &Executor| on.is_on_hosts() && !is_child() || on.to_string() == "threads";
        let Some(executor) = self.on.as_deref().filter(|on| !is_read_once(on)) else { return Ok(()) };
        let file = match validation {
            Validation::File(file) => Some(file),
            Validation::Share(_) => None,
        };
        let mut paths = self.data.iter().chain(file).map(PathBuf::as_path);
        match paths.find(|path: &&Path| Input::is_stream(path)) {
            None => Ok(()),
            Some(path) => Err(Error::Contradiction(format!(
                "{} can be read only once, and with --on {executor} every process reads the data: save them to a file, or \
                 use --on threads",
                path.display()
            ))),
        }
    }
}

/// The data set of a run without files.
fn generated(task: Option<Task>, seed: u64) -> Dataset {
    let (rows, columns, classes) = GENERATED;
    match task {
        Some(Task::Regression) => synthetic::linear(rows, columns, 0.1, seed),
        _ => synthetic::separable(rows, columns, classes, seed),
    }
}
