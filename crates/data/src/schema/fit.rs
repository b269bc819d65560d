//! Finding a schema out, in one pass over the training files.

use super::column::{Column, Kind};
use super::decide::{self, MOST_WORDS, Misfit, Wishes};
use super::survey::{MOST_CLASSES, Survey};
use super::target::{self, Target, list};
use super::weight::Weight;
use super::{Carried, Inputs, Label, MOST_FEATURES, ReadOptions, Schema, words};
use crate::format::{Format, open_table};
use crate::input::quoted;
use crate::sparse::{Entries, SparseRows, Start};
use crate::table::{Cell, Rows};
use crate::{Dataset, Error, Input, Result};

/// Features of sparse data beyond which an index must be borne out by values: a mistyped one would cost gigabytes.
const MANY_COLUMNS: usize = 1 << 20;
/// Cells that are taken into memory at most: 2^33 of them are 32 GiB.
const MOST_VALUES: u128 = 1 << 33;

/// Values that any file may become: 1 GiB.
const ALWAYS: u128 = 1 << 28;
/// How many values a byte of a file may become beyond that: words of few letters, well packed, become some hundred. A file
/// that claims more was made to fill the memory.
const VALUES_OF_A_BYTE: u128 = 1 << 10;

/// A schema, the data that it was found out on, and what a user should know of them.
#[derive(Clone, Debug)]
pub struct Fitted {
    /// The schema.
    pub schema: Schema,
    /// All rows of the files, at the scale of all of them; see [`Schema::rescale`].
    pub data: Dataset,
    /// What was decided and left out, in sentences; the first is about the task.
    pub notes: Vec<String>,
}

impl Schema {
    /// Finds out on these files, which must be of one format and have the same columns, what their columns are, and reads
    /// their rows.
    ///
    /// # Errors
    /// When a file cannot be read, or columns do not fit: all of them are listed, each with what to do.
    pub fn fit(inputs: &[Input], options: &ReadOptions) -> Result<Fitted> {
        Ok(Self::fit_carrying(inputs, options, None)?.0)
    }

    /// As [`fit`](Self::fit), and says where the rows come from; `id` is a column to be carried along, by name or number, which
    /// is a feature too unless the options leave it out.
    ///
    /// # Errors
    /// As of [`fit`](Self::fit), and when a file lacks that column.
    pub fn fit_carrying(
        inputs: &[Input],
        options: &ReadOptions,
        id: Option<&str>,
    ) -> Result<(Fitted, Carried)> {
        let Some(first) = inputs.first() else {
            return Err(Error::Shape("there is no file to read".into()));
        };
        let (schema, mut notes) = match Format::of(first)? {
            Format::Libsvm => sparse(inputs, options)?,
            format => table(inputs, format, options)?,
        };
        let (data, carried, further) = schema.read_carrying(inputs, id, options.layout)?;
        notes.extend(further);
        Ok((Fitted { schema, data, notes }, carried))
    }
}

/// Reads a file as training data: what a program needs that only wants the rows.
///
/// Numbers and a real target are brought to mean 0 and deviation 1, unless the options say otherwise.
///
/// # Errors
/// As of [`Schema::fit`].
///
/// ```no_run
/// use syncline_data::{ReadOptions, read};
///
/// let data = read("iris.csv.gz", &ReadOptions::default())?;
/// println!("{} rows, {} columns, classes {:?}", data.rows(), data.columns(), data.targets().classes());
/// # Ok::<(), syncline_data::Error>(())
/// ```
pub fn read(input: impl Into<Input>, options: &ReadOptions) -> Result<Dataset> {
    Ok(Schema::fit(&[input.into()], options)?.data)
}

fn table(inputs: &[Input], format: Format, options: &ReadOptions) -> Result<(Schema, Vec<String>)> {
    let mut rows = open_table(format, &inputs[0], options.layout)?;
    let path = inputs[0].path();
    let file = |message: String| Error::File { path: path.into(), message };
    let (names, named) = (rows.names().to_vec(), rows.named());
    let label = label(&names, named, &options.label).map_err(file)?;
    let plan = Plan::of(&names, label, options).map_err(file)?;
    let limit = |column: usize| match column == label || plan.category[column] {
        true => MOST_CLASSES,
        false => MOST_WORDS,
    };
    let mut surveys: Vec<Survey> = (0..names.len()).map(|column| Survey::new(limit(column))).collect();
    let order: Vec<usize> = (0..names.len()).collect();
    let mut notes = count(rows.as_mut(), &order, &plan, &mut surveys, options)?;
    for input in &inputs[1..] {
        let mut rows = open_table(Format::of(input)?, input, options.layout)?;
        let order = order_of(&names, rows.as_ref(), input)?;
        notes.extend(count(rows.as_mut(), &order, &plan, &mut surveys, options)?);
    }
    if surveys[label].rows == 0 {
        return Err(file("there is a header, but no row of data".into()));
    }
    let name = |column: usize| if named { names[column].clone() } else { String::new() };
    let target = Target {
        name: name(label),
        position: label,
        kind: super::TargetKind::Classification { classes: Vec::new() },
    };
    let mut misfits = Vec::new();
    let wishes = Wishes { missing: options.missing, raw: options.raw };
    let title = |column: usize| match named {
        true => format!("column {} ({})", column + 1, quoted(names[column].as_bytes())),
        false => format!("column {}", column + 1),
    };
    let decision = target::decide(&surveys[label], options.task, options.raw);
    let decision = decision.map_err(|(found, remedy)| {
        let may = |column: &usize| {
            plan.used[*column] && !names[*column].trim().is_empty() && could_be_label(&surveys[*column])
        };
        let other = (0..label).rev().find(may);
        let remedy = match other.filter(|_| options.label == Label::Last) {
            Some(other) => {
                let names_one = format!("{ANOTHER}, such as --label {}", words::argument(&names[other]));
                remedy.replace(ANOTHER, &names_one)
            }
            None => remedy,
        };
        misfits.push(Misfit { title: format!("label {}", title(label)), found, remedy });
    });
    let mut columns = Vec::new();
    for column in (0..names.len()).filter(|&column| column != label) {
        let kind = match (plan.used[column], plan.category[column]) {
            _ if plan.weight == Some(column) => Ok(Kind::Dropped { reason: WEIGHS.into() }),
            (false, _) => Ok(Kind::Dropped { reason: "as asked".into() }),
            (true, true) => decide::forced_category(&surveys[column], &wishes),
            (true, false) => decide::kind(&names[column], &surveys[column], &wishes),
        };
        match kind {
            Ok(kind) => columns.push(Column { name: name(column), position: column, kind }),
            Err((found, remedy)) => {
                let drop = format!("--drop {} leaves the column out", words::argument(&names[column]));
                let remedy = if remedy.is_empty() { drop } else { format!("{remedy}, {drop}") };
                let remedy = remedy.replace("NAME", &words::argument(&names[column]));
                misfits.push(Misfit { title: title(column), found, remedy });
            }
        }
    }
    let Ok(decision) = decision else {
        return Err(Error::Columns { path: path.into(), columns: names.len(), misfits });
    };
    if !misfits.is_empty() {
        return Err(Error::Columns { path: path.into(), columns: names.len(), misfits });
    }
    if columns.iter().all(|column| !column.is_used()) {
        // A series has nothing beside its values but their order.
        for column in columns.iter_mut().filter(|column| plan.used[column.position]) {
            if let Some(kind) = decide::row_number(&surveys[column.position], &wishes) {
                column.kind = kind;
            }
        }
    }
    let rows = surveys[label].rows;
    let width = columns.iter().map(Column::width).sum::<usize>();
    let stored = inputs.iter().map(Input::stored).sum();
    check_size(rows, width, stored, &columns).map_err(file)?;
    let mut said = vec![words::task(&target, &decision), words::columns(&columns, width)];
    said.extend(words::dropped(&columns));
    said.extend(words::readings(&columns));
    said.extend(notes);
    let target = Target { kind: decision.kind, ..target };
    let inputs = Inputs::Table { columns, named };
    let (missing, notation) = (options.missing, options.notation.clone());
    let weight = plan.weight.map(|column| Weight { name: name(column), position: column });
    Ok((Schema { inputs, target, missing, notation, weight }, said))
}

/// What the remedy of a label that does not fit begins with.
const ANOTHER: &str = "--label names another column";

/// Whether a column might have been meant for the label: numbers that differ, or few words.
fn could_be_label(survey: &Survey) -> bool {
    let counts_rows = survey.counts_rows && survey.numbers == survey.rows;
    !counts_rows && target::decide(survey, None, false).is_ok()
}

/// Why a column of weights is no feature.
const WEIGHS: &str = "it says how much a row counts";

/// Whether the rows may be taken into memory; the files have `stored` bytes together.
fn check_size(rows: u64, width: usize, stored: u64, columns: &[Column]) -> Result<(), String> {
    if width == 0 {
        let reasons = words::dropped(columns).join("; ");
        return Err(format!(
            "no feature is left to learn from: {reasons}; --category NAME takes a column for words all the same"
        ));
    }
    if width > MOST_FEATURES {
        return Err(format!(
            "its columns give {width} features, above the limit of {MOST_FEATURES}: --drop some"
        ));
    }
    let values = u128::from(rows) * width as u128;
    if values > MOST_VALUES {
        return Err(format!(
            "{rows} rows of {width} features take {} GiB of memory, above the limit of 32: --drop some columns",
            values >> 28
        ));
    }
    if stored > 0 && values > ALWAYS.max(u128::from(stored) * VALUES_OF_A_BYTE) {
        return Err(format!(
            "{rows} rows of {width} features are far more than its {stored} bytes bear out ({VALUES_OF_A_BYTE} values a \
             byte): is it damaged, or made to fill the memory? If it is sound, --drop the columns that make most features"
        ));
    }
    Ok(())
}

/// Goes through a file's rows.
fn count(
    rows: &mut dyn Rows,
    order: &[usize],
    plan: &Plan,
    surveys: &mut [Survey],
    options: &ReadOptions,
) -> Result<Vec<String>> {
    while let Some(row) = rows.next()? {
        for (column, survey) in surveys.iter_mut().enumerate().filter(|(column, _)| plan.used[*column]) {
            survey.add(&options.notation, row.cell(order[column]), row.line);
        }
    }
    Ok(rows.notes())
}

/// Where each of the columns is in a further file.
pub(super) fn order_of(names: &[String], rows: &dyn Rows, input: &Input) -> Result<Vec<usize>> {
    let fail = |message: String| Error::File { path: input.path().into(), message };
    let found = rows.names();
    if !rows.named() {
        return match found.len() == names.len() {
            true => Ok((0..names.len()).collect()),
            false => Err(fail(format!("it has {} columns, the first file has {}", found.len(), names.len()))),
        };
    }
    let place = |name: &String| found.iter().position(|other| other == name);
    let absent: Vec<String> = names.iter().filter(|name| place(name).is_none()).cloned().collect();
    match absent.is_empty() {
        true => Ok(names.iter().filter_map(place).collect()),
        false => Err(fail(format!("it lacks columns of the first file: {}", list(&absent)))),
    }
}

/// The column of the label.
fn label(names: &[String], named: bool, label: &Label) -> Result<usize, String> {
    match label {
        // A trailing delimiter makes a column without name and cells.
        Label::Last => {
            let last = names.iter().rposition(|name| !named || !name.is_empty());
            Ok(last.unwrap_or(names.len() - 1))
        }
        Label::Position(position) if (1..=names.len()).contains(position) => Ok(position - 1),
        Label::Position(position) => {
            match names.iter().position(|name| named && *name == position.to_string()) {
                Some(column) => Ok(column),
                None => Err(format!(
                    "there is no column {position} for the label: the columns are 1 to {}",
                    names.len()
                )),
            }
        }
        Label::Name(name) if !named => Err(format!(
            "the label {} cannot be found without a header: give its number",
            quoted(name.as_bytes())
        )),
        Label::Name(name) => column(names, named, name),
    }
}

/// A column by its name, or by its number from 1.
fn column(names: &[String], named: bool, text: &str) -> Result<usize, String> {
    let by_name = names.iter().position(|name| named && name == text);
    let by_number = || {
        text.parse::<usize>()
            .ok()
            .filter(|number| (1..=names.len()).contains(number))
            .map(|number| number - 1)
    };
    by_name.or_else(by_number).ok_or_else(|| match named {
        true => format!("no column is named {}: the first row has {}", quoted(text.as_bytes()), list(names)),
        false => {
            format!("there is no column {}: the columns are 1 to {}", quoted(text.as_bytes()), names.len())
        }
    })
}

/// Which columns are of interest.
struct Plan {
    used: Vec<bool>,
    category: Vec<bool>,
    weight: Option<usize>,
}

impl Plan {
    fn of(names: &[String], label: usize, options: &ReadOptions) -> Result<Plan, String> {
        // Names were checked against the header where there is one; without one, numbers are names.
        let find = |text: &String| column(names, true, text);
        let chosen = options.columns.iter().map(find).collect::<Result<Vec<usize>, String>>()?;
        let dropped = options.drop.iter().map(find).collect::<Result<Vec<usize>, String>>()?;
        let category = options.category.iter().map(find).collect::<Result<Vec<usize>, String>>()?;
        if dropped.contains(&label) {
            return Err(format!(
                "{} is the label and cannot be left out: --label names another",
                quoted(names[label].as_bytes())
            ));
        }
        let weight = options.weight.as_ref().map(find).transpose()?;
        if weight == Some(label) {
            return Err(format!(
                "{} is the label and cannot weigh the rows too: --label names another",
                quoted(names[label].as_bytes())
            ));
        }
        let used = |column: usize| {
            let wanted = (chosen.is_empty() || chosen.contains(&column)) && !dropped.contains(&column);
            column == label || wanted && weight != Some(column)
        };
        let all = 0..names.len();
        Ok(Plan {
            used: all.clone().map(used).collect(),
            category: all.map(|column| category.contains(&column)).collect(),
            weight,
        })
    }
}

fn sparse(inputs: &[Input], options: &ReadOptions) -> Result<(Schema, Vec<String>)> {
    let mut labels = Survey::new(MOST_CLASSES);
    let (mut least, mut greatest, mut values) = (u32::MAX, (0, 0), 0);
    let (mut row, mut notes) = (Entries::default(), Vec::new());
    for input in inputs {
        let start = Start { optional_label: false, weighted: options.weight.is_some() };
        let mut rows = SparseRows::open(input.source()?, start)?;
        while rows.next(&mut row)? {
            labels.add(&options.notation, Cell::Text(&row.label), rows.line());
            values += row.values.len();
            if let (Some(first), Some(last)) = (row.values.first(), row.values.last()) {
                least = least.min(first.0);
                greatest = greatest.max((last.0, rows.line()));
            }
        }
        notes.extend(rows.notes());
    }
    let path = inputs[0].path();
    let file = |message: String| Error::File { path: path.into(), message };
    if labels.rows == 0 {
        return Err(file("there are no rows".into()));
    }
    if values == 0 {
        return Err(file("no row has a feature".into()));
    }
    let zero_based = options.zero_based.unwrap_or(least == 0);
    if least == 0 && !zero_based {
        return Err(file("feature index 0 occurs, but indices are said to start at 1".into()));
    }
    let columns = greatest.0 as usize + usize::from(zero_based);
    if columns > MANY_COLUMNS && columns / 16 > values {
        let message = format!(
            "feature index {} is far above what {values} values bear out: is it mistyped? A model of that many features \
             would take gigabytes",
            greatest.0
        );
        return Err(Error::Line { path: path.into(), line: greatest.1, message });
    }
    let decision = target::decide(&labels, options.task, options.raw).map_err(|(found, remedy)| {
        let remedy =
            remedy.replace(", --label names another column", "").replace("--label names another column", "");
        let misfit = Misfit { title: "the label".into(), found, remedy };
        Error::Columns { path: path.into(), columns: 1, misfits: vec![misfit] }
    })?;
    let target = Target { name: String::new(), position: 0, kind: decision.kind.clone() };
    let mut said = vec![words::task(&target, &decision)];
    let from = if zero_based { "0, as an index 0 occurs" } else { "1" };
    said.push(format!("{columns} sparse features, counted from {from}"));
    said.extend(notes);
    let inputs = Inputs::Sparse { columns, zero_based, scale: Vec::new() };
    let (missing, notation) = (options.missing, options.notation.clone());
    let weight = options.weight.as_ref().map(|_| Weight { name: AFTER_LABEL.into(), position: 0 });
    if weight.is_some() {
        said.push("a row counts as the number after its label says, as in `1:0.5 3:2`".into());
    }
    Ok((Schema { inputs, target, missing, notation, weight }, said))
}

/// What the weights of LIBSVM are called.
const AFTER_LABEL: &str = "the weight after the label";
