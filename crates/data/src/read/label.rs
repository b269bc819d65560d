//! The column of labels while it is read. Whether it holds classes or real numbers may be known only at its end, so
//! both are kept until then. Two spellings of a number (`1`, `+1`, `1.0`) are one class.

use super::{ReadOptions, Task, line_error, number, quoted};
use crate::{Error, Result, Targets};
use std::collections::HashMap;
use std::path::Path;

/// More classes than this are taken for a mistake.
const MOST_CLASSES: usize = 10_000;

/// Labels in the order of the rows.
pub(super) struct LabelColumn<'a> {
    options: &'a ReadOptions,
    path: &'a Path,
    /// The column's name in messages, such as "label column 5 (`species`)".
    title: String,
    ids: Vec<u32>,
    reals: Vec<f32>,
    spellings: HashMap<Vec<u8>, u32>,
    /// The classes' names, by id, with the line in which each was found first.
    classes: Vec<(String, u64)>,
    numeric: bool,
    whole: bool,
}

impl<'a> LabelColumn<'a> {
    pub(super) fn new(options: &'a ReadOptions, path: &'a Path, title: String) -> Self {
        LabelColumn {
            options,
            path,
            title,
            ids: Vec::new(),
            reals: Vec::new(),
            spellings: HashMap::new(),
            classes: Vec::new(),
            numeric: true,
            whole: true,
        }
    }

    /// Number of labels so far.
    pub(super) fn rows(&self) -> usize {
        self.ids.len().max(self.reals.len())
    }

    /// Adds the label of the next row.
    pub(super) fn push(&mut self, text: &[u8], line: u64) -> Result<()> {
        let text = text.trim_ascii();
        let fail = |message: String| line_error(self.path, line, format!("{}: {message}", self.title));
        if text.is_empty() {
            return Err(fail("the label is missing".into()));
        }
        if self.is_regression() {
            let real = number::finite(text).map_err(|found| {
                fail(format!("{found}; a class needs a classifier: --model softmax, logistic, svm or mlp"))
            })?;
            self.reals.push(real);
            return Ok(());
        }
        if self.options.task.is_none() {
            let real = number::any(text).filter(|real| real.is_finite());
            self.numeric &= real.is_some();
            self.whole &= real.is_none_or(|real| real.fract() == 0.0);
            self.reals.push(real.unwrap_or(f32::NAN));
        }
        if self.options.task.is_some() || !self.looks_real() {
            let id = self.id(text, line)?;
            self.ids.push(id);
        }
        Ok(())
    }

    /// The finished column.
    pub(super) fn finish(self) -> Result<Targets> {
        if self.is_regression() || self.looks_real() {
            return Ok(Targets::Real(self.reals));
        }
        if self.ids.len() < self.reals.len() {
            let message = format!("{}: it mixes real numbers and names of classes", self.title);
            return Err(Error::File { path: self.path.into(), message });
        }
        match &self.options.classes {
            Some(known) => self.known(known),
            None => Ok(self.sorted()),
        }
    }

    fn is_regression(&self) -> bool {
        self.options.task == Some(Task::Regression)
    }

    /// With no task given: numbers only, one of them with a fraction.
    fn looks_real(&self) -> bool {
        self.options.task.is_none() && self.options.classes.is_none() && self.numeric && !self.whole
    }

    fn id(&mut self, text: &[u8], line: u64) -> Result<u32> {
        if let Some(&id) = self.spellings.get(text) {
            return Ok(id);
        }
        let name = name(text);
        let id = match self.spellings.get(name.as_bytes()) {
            Some(&id) => id,
            None => {
                self.classes.push((name.clone(), line));
                (self.classes.len() - 1) as u32
            }
        };
        if self.spellings.len() >= MOST_CLASSES {
            let message = format!("{}: more than {MOST_CLASSES} different labels", self.title);
            let message = format!(
                "{message}; for real numbers take --model linear, else name the right column with --label"
            );
            return Err(line_error(self.path, line, message));
        }
        self.spellings.insert(text.to_vec(), id);
        self.spellings.insert(name.into_bytes(), id);
        Ok(id)
    }

    /// Classes sorted: numbers by value, before names.
    fn sorted(self) -> Targets {
        let mut order: Vec<u32> = (0..self.classes.len() as u32).collect();
        let key = |id: u32| {
            let name = &self.classes[id as usize].0;
            (number::any(name.as_bytes()).unwrap_or(f32::INFINITY), name)
        };
        order.sort_by(|&a, &b| key(a).0.total_cmp(&key(b).0).then_with(|| key(a).1.cmp(key(b).1)));
        let mut rank = vec![0; order.len()];
        order.iter().enumerate().for_each(|(position, &id)| rank[id as usize] = position as u32);
        Targets::Class {
            labels: self.ids.iter().map(|&id| rank[id as usize]).collect(),
            names: order.iter().map(|&id| self.classes[id as usize].0.clone()).collect(),
        }
    }

    /// Classes in the order that a trained model has them.
    fn known(self, known: &[String]) -> Result<Targets> {
        let positions: HashMap<String, u32> =
            known.iter().zip(0..).map(|(text, id)| (name(text.as_bytes()), id)).collect();
        let mut position_of = Vec::with_capacity(self.classes.len());
        for (class, line) in &self.classes {
            let Some(&position) = positions.get(class) else {
                let known = list(known);
                let message = format!(
                    "{}: the class {} is not among those of the training data: {known}",
                    self.title,
                    quoted(class.as_bytes())
                );
                return Err(line_error(self.path, *line, message));
            };
            position_of.push(position);
        }
        let labels = self.ids.iter().map(|&id| position_of[id as usize]).collect();
        Ok(Targets::Class { labels, names: known.to_vec() })
    }
}

/// A class's one name: a whole number in its shortest form, any other text as it is.
fn name(text: &[u8]) -> String {
    match number::any(text).filter(|number| number.fract() == 0.0 && number.abs() < 1e7) {
        // Adding zero turns -0 into 0.
        Some(number) => (number + 0.0).to_string(),
        None => String::from_utf8_lossy(text).into_owned(),
    }
}

/// Names for a message: not more than a reader would read.
pub(super) fn list(names: &[String]) -> String {
    const SHOWN: usize = 20;
    let mut list: Vec<String> = names.iter().take(SHOWN).map(|name| quoted(name.as_bytes())).collect();
    if names.len() > SHOWN {
        list.push(format!("and {} more", names.len() - SHOWN));
    }
    list.join(", ")
}
