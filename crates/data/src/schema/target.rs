//! The column to be predicted: whether it is a class or a number, and the names of the classes.
//!
//! Classes keep the bytes that the file has for them. Only where all of them are numbers, two spellings of one number
//! (`1`, `+1`, `1.0`) are one class.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::decide::decimal_signs;
use super::options::Task;
use super::survey::{MOST_CLASSES, Survey};
use crate::input::{quoted, shown};
use crate::table::{Notation, Written, decode};
use crate::{TargetScale, Targets};

/// Different whole numbers that are taken for classes without being asked; more are amounts.
const MOST_NUMBERED_CLASSES: usize = 10;

/// The target of a schema.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// Its name; empty where the file names none.
    pub name: String,
    /// Its place in a row of the training file, from 0.
    pub position: usize,
    /// What it is.
    #[serde(flatten)]
    pub kind: TargetKind,
}

/// What a target is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "task", rename_all = "kebab-case")]
pub enum TargetKind {
    /// A number `y`, learnt as `(y - centre) / deviation`.
    Regression {
        /// How it is scaled.
        #[serde(flatten)]
        scale: TargetScale,
    },
    /// One of these classes, in the order of a model's outputs.
    Classification {
        /// Their names.
        classes: Vec<String>,
    },
}

impl Target {
    /// The classes' names; none for a number.
    pub fn classes(&self) -> &[String] {
        match &self.kind {
            TargetKind::Regression { .. } => &[],
            TargetKind::Classification { classes } => classes,
        }
    }

    /// How a number is scaled.
    pub fn scale(&self) -> TargetScale {
        match &self.kind {
            TargetKind::Regression { scale } => *scale,
            TargetKind::Classification { .. } => TargetScale::default(),
        }
    }

    /// The column as a message names it.
    pub fn title(&self) -> String {
        match self.name.is_empty() {
            true if self.position == 0 => "the label".into(),
            true => format!("column {}", self.position + 1),
            false => format!("`{}`", shown(&self.name)),
        }
    }
}

/// What a target was found to be, and why.
pub(crate) struct Decision {
    pub kind: TargetKind,
    /// `55 different whole numbers in 60 rows are taken for amounts; ...`
    pub because: String,
}

/// Decides what a target is; an error says what is wrong with it: (found, remedy).
pub(crate) fn decide(survey: &Survey, task: Option<Task>, raw: bool) -> Result<Decision, (String, String)> {
    let other = || String::from("--label names another column");
    let present = survey.present();
    if present == 0 {
        return Err(("all its cells are missing".into(), other()));
    }
    let numeric = is_numeric(survey);
    match task {
        Some(Task::Regression) => {
            number(survey, raw).map(|kind| Decision { kind, because: "as asked".into() })
        }
        Some(Task::Classification) => {
            classes(survey).map(|kind| Decision { kind, because: "as asked".into() })
        }
        None if numeric && survey.typed == present && survey.spelt().is_some_and(is_few(present)) => {
            let because = format!("it is text, of {} kinds", survey.spelt().unwrap_or_default());
            classes(survey).map(|kind| Decision { kind, because })
        }
        None if numeric => numbers(survey, raw),
        None => words(survey),
    }
}

/// Whether all cells that hold something are numbers. A `.` or `?` among numbers stands for a missing one.
fn is_numeric(survey: &Survey) -> bool {
    survey.texts + survey.too_large == 0 && (survey.placeholders == 0 || survey.numbers > 0)
}

/// Whether so many different texts among the cells are few enough for classes.
fn is_few(present: u64) -> impl Fn(usize) -> bool {
    move |spelt| 2 * spelt as u64 <= present
}

/// A number as the target.
fn number(survey: &Survey, raw: bool) -> Result<TargetKind, (String, String)> {
    let odd = survey.first_text.as_ref().or(survey.first_too_large.as_ref());
    if let Some((line, text)) = odd {
        let found = format!(
            "{} of {} cells no usable numbers ({} in line {line})",
            survey.texts + survey.too_large,
            survey.present(),
            quoted(text)
        );
        return Err((
            found,
            "--task classification takes all of them for classes, --label names another column".into(),
        ));
    }
    if survey.numbers == 0 {
        return Err(("it has no number".into(), "--label names another column".into()));
    }
    let (centre, deviation) = (survey.moments.mean, survey.moments.deviation());
    if deviation == 0.0 {
        return Err((format!("it is {centre} in all rows"), "--label names another column".into()));
    }
    let scale = if raw { TargetScale::default() } else { TargetScale { centre, deviation } };
    Ok(TargetKind::Regression { scale })
}

/// Numbers, which may be amounts or the numbers of classes.
fn numbers(survey: &Survey, raw: bool) -> Result<Decision, (String, String)> {
    let kind = number(survey, raw)?;
    let rows = survey.present();
    let regression = |because: String| Ok(Decision { kind, because });
    if !survey.whole {
        return regression("it has numbers with a fraction".into());
    }
    let distinct = canonical(survey).map(|names| names.len());
    match distinct {
        Some(2) => Ok(Decision {
            kind: classes(survey)?,
            because: "its two different whole numbers are taken for classes".into(),
        }),
        Some(few) if few <= MOST_NUMBERED_CLASSES && few as u64 * 5 <= rows => Ok(Decision {
            kind: classes(survey)?,
            because: format!(
                "its {few} different whole numbers are taken for classes; --task regression takes them for amounts"
            ),
        }),
        many => {
            let many = many.map_or(format!("more than {MOST_CLASSES}"), |many| many.to_string());
            regression(format!(
                "its {many} different whole numbers in {rows} rows are taken for amounts; --task classification takes \
                 them for classes"
            ))
        }
    }
}

/// Words, perhaps with numbers among them.
fn words(survey: &Survey) -> Result<Decision, (String, String)> {
    let present = survey.present();
    if survey.numbers * 2 >= present && !survey.whole {
        let example = survey
            .first_text
            .as_ref()
            .map_or(String::new(), |(line, text)| format!(" ({} in line {line})", quoted(text)));
        let found = format!("it mixes real numbers and {} cells of text{example}", survey.texts);
        return Err((found, "--na TEXT takes a text for missing, --label names another column".into()));
    }
    if let (0, Some(signs)) = (survey.numbers, decimal_signs(survey)) {
        let example = survey.first_text.as_ref().map_or(String::new(), |(_, text)| quoted(text));
        let found = format!("its cells are numbers as people write them, such as {example}");
        return Err((found, format!("{signs} reads them, --task classification takes them for classes")));
    }
    let too_many = |distinct: String| {
        let found = format!("it has {distinct} different texts in {present} rows: too many for classes");
        Err((found, "--label names another column, --task classification takes them for classes".into()))
    };
    let dates = survey.texts == present && !survey.dates.is_empty();
    match survey.spelt() {
        many if dates && many.is_none_or(|many| !is_few(present)(many)) => {
            let example = survey.first_text.as_ref().map_or(String::new(), |(_, text)| quoted(text));
            Err(match survey.dates[0].0.is_length() {
                true => (
                    format!("its cells are lengths of time, such as {example}, and too many for classes"),
                    "write them as numbers, such as seconds, or --label names another column".into(),
                ),
                false => (
                    format!("its cells are dates, such as {example}: no amounts, and too many for classes"),
                    "--label names another column".into(),
                ),
            })
        }
        Some(1) => {
            let class = survey.spellings.keys().next().map_or(String::new(), |text| quoted(text));
            Err((
                format!("all {present} rows are of one class, {class}"),
                "--label names another column".into(),
            ))
        }
        Some(many) if many > 2 && many as u64 * 2 > present => too_many(many.to_string()),
        Some(few) => {
            let because = format!("it has {few} different texts");
            Ok(Decision { kind: classes(survey)?, because })
        }
        None => too_many(format!("more than {MOST_CLASSES}")),
    }
}

fn classes(survey: &Survey) -> Result<TargetKind, (String, String)> {
    let Some(mut classes) = canonical(survey) else {
        let found = format!("it has more than {MOST_CLASSES} different values: too many for classes");
        return Err((
            found,
            "--task regression takes numbers for amounts, --label names another column".into(),
        ));
    };
    if classes.len() == 1 {
        let class = quoted(classes[0].as_bytes());
        let found = format!("all {} rows are of one class, {class}", survey.present());
        return Err((found, "--label names another column".into()));
    }
    sort(&mut classes);
    Ok(TargetKind::Classification { classes })
}

/// The different names of classes, unless there are too many.
fn canonical(survey: &Survey) -> Option<Vec<String>> {
    survey.spelt()?;
    let numeric = is_numeric(survey);
    let stands_for_nothing = |text: &[u8]| matches!(Notation::default().read(text), Written::Placeholder(_));
    let named = survey.spellings.keys().filter(|text| !numeric || !stands_for_nothing(text));
    let mut names: Vec<String> = named.map(|text| name(text, numeric)).collect();
    names.sort_unstable();
    names.dedup();
    Some(names)
}

/// A class's one name: where all classes are numbers, a number in its shortest form, else the text as it is.
fn name(text: &[u8], numeric: bool) -> String {
    match crate::table::plain(text).filter(|_| numeric) {
        // Adding zero turns -0 into 0.
        Some(number) => (number + 0.0).to_string(),
        None => decode(text),
    }
}

/// Sorts names: numbers by value, before words.
pub(crate) fn sort(names: &mut [String]) {
    let number = |name: &String| crate::table::plain(name.as_bytes()).unwrap_or(f64::INFINITY);
    names.sort_by(|a, b| number(a).total_cmp(&number(b)).then_with(|| a.cmp(b)));
}

/// Targets as they are read.
pub(crate) struct Collector<'a> {
    target: &'a Target,
    /// The number of each class by its name; spellings are added as they are met.
    classes: HashMap<Vec<u8>, u32>,
    numeric: bool,
    targets: Targets,
}

impl<'a> Collector<'a> {
    pub(crate) fn new(target: &'a Target) -> Collector<'a> {
        let names = target.classes();
        let classes = names.iter().zip(0..).map(|(name, class)| (name.as_bytes().to_vec(), class)).collect();
        let numeric =
            !names.is_empty() && names.iter().all(|name| crate::table::plain(name.as_bytes()).is_some());
        let targets = match &target.kind {
            TargetKind::Regression { .. } => Targets::Real(Vec::new()),
            TargetKind::Classification { classes } => {
                Targets::Class { labels: Vec::new(), names: classes.clone() }
            }
        };
        Collector { target, classes, numeric, targets }
    }

    /// Adds a label; `false` if it is missing. An error says what was found.
    pub(crate) fn push(&mut self, notation: &Notation, cell: crate::table::Cell<'_>) -> Result<bool, String> {
        let written = notation.of(cell);
        if written == Written::Missing {
            return Ok(false);
        }
        match &mut self.targets {
            Targets::Real(values) => match written {
                Written::Number(number) => values.push(self.target.scale().apply(number)),
                Written::Placeholder(_) => return Ok(false),
                Written::Text(text) | Written::TooLarge(text) => {
                    return Err(format!("{} is not a usable number", quoted(text)));
                }
                Written::Missing => return Ok(false),
            },
            Targets::Class { .. } if self.numeric && matches!(written, Written::Placeholder(_)) => {
                return Ok(false);
            }
            Targets::Class { labels, .. } => {
                let text = match cell {
                    crate::table::Cell::Number(number) => number.to_string().into_bytes(),
                    crate::table::Cell::Text(text) | crate::table::Cell::Word(text) => {
                        text.trim_ascii().to_vec()
                    }
                    crate::table::Cell::Missing => return Ok(false),
                };
                let known = self.classes.get(&text).copied();
                let class = known.or_else(|| self.classes.get(name(&text, self.numeric).as_bytes()).copied());
                let Some(class) = class else {
                    return Err(format!(
                        "the class {} is not among those of the training data ({}): leave such rows out, or train on them too",
                        quoted(&text),
                        list(self.target.classes())
                    ));
                };
                if known.is_none() {
                    self.classes.insert(text, class);
                }
                labels.push(class);
            }
        }
        Ok(true)
    }

    /// Takes the last label back.
    pub(crate) fn pop(&mut self) {
        match &mut self.targets {
            Targets::Real(values) => drop(values.pop()),
            Targets::Class { labels, .. } => drop(labels.pop()),
        }
    }

    pub(crate) fn finish(self) -> Targets {
        self.targets
    }
}

/// Names for a message: not more than a reader would read.
pub(crate) fn list(names: &[String]) -> String {
    const SHOWN: usize = 20;
    let mut list: Vec<String> = names.iter().take(SHOWN).map(|name| quoted(name.as_bytes())).collect();
    if names.len() > SHOWN {
        list.push(format!("and {} more", names.len() - SHOWN));
    }
    list.join(", ")
}
