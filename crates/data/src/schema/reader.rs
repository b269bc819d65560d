//! Reading files under a schema: all at once for training and judging, or some rows at a time for predictions over more
//! rows than fit into memory.

use std::collections::VecDeque;

use super::encode::Encoder;
use super::target::{Collector, list};
use super::weight::weight;
use super::{Inputs, Layout, Missing, Schema};
use crate::format::{Format, open_table};
use crate::input::{line_error, shown};
use crate::sparse::{Entries, SparseRows, Start};
use crate::table::{Cell, Notation, Rows, Value};
use crate::{Csr, Dataset, Dense, Error, Features, Input, Result};

impl Schema {
    /// Reads files whose rows have labels: columns are found by name, in any order, others are passed over. Rows without a
    /// label, or without the weight that they should have, are left out, under [`Missing::Drop`] those with a missing cell
    /// too; the sentences say how many. Where a file lacks the column of weights, its rows count 1.
    ///
    /// # Errors
    /// When a file cannot be read, lacks a column, or has a cell that does not fit.
    pub fn read(&self, inputs: &[Input], layout: Layout) -> Result<(Dataset, Vec<String>)> {
        let (data, _, notes) = self.read_carrying(inputs, None, layout)?;
        Ok((data, notes))
    }

    /// As [`read`](Self::read), and says of the rows that are kept where they come from; `id` is a column to be carried along,
    /// by name or number.
    ///
    /// # Errors
    /// As of [`read`](Self::read), and when a file lacks that column.
    pub fn read_carrying(
        &self,
        inputs: &[Input],
        id: Option<&str>,
        layout: Layout,
    ) -> Result<(Dataset, Carried, Vec<String>)> {
        let mut carried = Carried::default();
        let mut targets = Collector::new(&self.target);
        let mut matrix = Matrix::of(self);
        let mut left_out = LeftOut::default();
        let mut notes = Vec::new();
        let mut filled = 0;
        let mut weights = Weights::default();
        for input in inputs {
            let mut file = Open::new(self, input, Labels::Needed, id, layout)?;
            let before = matrix.rows();
            while file.next(&mut matrix)? {
                let (cell, line) = (file.label(), file.line());
                let labelled = targets.push(&self.notation, cell).map_err(|found| {
                    line_error(input.path(), line, format!("{}: {found}", self.target.title()))
                })?;
                let weight = file.weight(&self.notation).map_err(|found| {
                    let title = self.weight.as_ref().map_or(String::new(), super::Weight::title);
                    line_error(input.path(), line, format!("{title}: {found}"))
                })?;
                let complete = file.missing() == 0 || self.missing != Missing::Drop;
                match weight {
                    Some(weight) if labelled && complete => {
                        filled += file.missing();
                        matrix.keep();
                        weights.values.push(weight);
                        carried.ids.extend(file.id());
                        continue;
                    }
                    _ if !labelled => left_out.unlabelled += 1,
                    None => left_out.unweighted += 1,
                    Some(_) => left_out.incomplete += 1,
                }
                if labelled {
                    targets.pop();
                }
                matrix.take_back();
            }
            carried.rows_of_files.push(matrix.rows() - before);
            weights.found |= file.is_weighted();
            notes.extend(file.notes());
            if let (Some(weight), false) = (&self.weight, file.is_weighted()) {
                let path = input.path().display();
                notes.push(format!("{path} has no column {}: its rows count the same", weight.title()));
            }
        }
        let path = inputs.first().map(|input| input.path().to_path_buf()).unwrap_or_default();
        if matrix.rows() == 0 {
            let message = format!("no row is left to use{}", left_out.sentences().join("; "));
            return Err(Error::File { path, message });
        }
        notes.extend(left_out.sentences());
        if filled > 0 {
            notes.push(filled_cells(filled, self.missing));
        }
        let data = Dataset::new(matrix.finish()?, targets.finish())?;
        let data =
            data.named(self.features(), self.target.name.clone())?.with_target_scale(self.target.scale());
        match weights.found {
            true if weights.values.iter().all(|&weight| weight == 0.0) => {
                Err(Error::File { path, message: "all its rows have the weight 0".into() })
            }
            true => Ok((data.weighted(weights.values)?, carried, notes)),
            false => Ok((data, carried, notes)),
        }
    }

    /// Opens files whose rows are to be predicted: labels are passed over where there are any, no row is left out, and
    /// the rows keep their order. `id` is a column to be carried along.
    ///
    /// # Errors
    /// When the first file cannot be opened, or lacks columns.
    pub fn chunks(&self, inputs: &[Input], id: Option<&str>, layout: Layout) -> Result<Chunks<'_>> {
        let mut waiting: VecDeque<Input> = inputs.iter().cloned().collect();
        let id = id.map(str::to_owned);
        let open = match waiting.pop_front() {
            Some(input) => Some(Open::new(self, &input, Labels::PassedOver, id.as_deref(), layout)?),
            None => None,
        };
        Ok(Chunks { schema: self, waiting, open, id, layout, notes: Vec::new(), filled: 0 })
    }
}

fn filled_cells(filled: u64, missing: Missing) -> String {
    let with = match missing {
        Missing::Indicator => "the mean (words: none of them), with a feature that tells so",
        _ => "the mean (words: none of them); --missing drop or indicator do otherwise",
    };
    match filled {
        1 => format!("1 missing cell was filled with {with}"),
        _ => format!("{filled} missing cells were filled with {with}"),
    }
}

/// Where rows come from that were read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// What the column that is carried along holds, row by row; empty without one.
    pub ids: Vec<String>,
    /// How many rows of each file are kept.
    pub rows_of_files: Vec<usize>,
}

/// The weights of the kept rows.
#[derive(Default)]
struct Weights {
    values: Vec<f32>,
    /// Whether they come from a file.
    found: bool,
}

#[derive(Default)]
struct LeftOut {
    unlabelled: u64,
    unweighted: u64,
    incomplete: u64,
}

impl LeftOut {
    fn sentences(&self) -> Vec<String> {
        let rows = |count: u64| match count {
            1 => "1 row".to_owned(),
            _ => format!("{count} rows"),
        };
        let mut sentences = Vec::new();
        if self.unlabelled > 0 {
            sentences.push(format!("{} without a label left out", rows(self.unlabelled)));
        }
        if self.unweighted > 0 {
            sentences.push(format!("{} without a weight left out", rows(self.unweighted)));
        }
        if self.incomplete > 0 {
            sentences.push(format!("{} with missing cells left out", rows(self.incomplete)));
        }
        sentences
    }
}

/// Rows of files, some at a time.
pub struct Chunks<'a> {
    schema: &'a Schema,
    waiting: VecDeque<Input>,
    open: Option<Open<'a>>,
    id: Option<String>,
    layout: Layout,
    notes: Vec<String>,
    filled: u64,
}

/// Some rows, in the order of the files.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// Their features.
    pub features: Features,
    /// What the column that is carried along holds; empty without one.
    pub ids: Vec<String>,
}

impl Chunks<'_> {
    /// The next rows, `most` at most; `None` at the end.
    ///
    /// # Errors
    /// When a file cannot be read, or has a cell that does not fit.
    pub fn next(&mut self, most: usize) -> Result<Option<Chunk>> {
        let mut matrix = Matrix::of(self.schema);
        let mut ids = Vec::new();
        while let Some(file) = &mut self.open {
            while matrix.rows() < most && file.next(&mut matrix)? {
                matrix.keep();
                self.filled += file.missing();
                ids.extend(file.id());
            }
            if matrix.rows() == most {
                break;
            }
            self.notes.extend(file.notes());
            self.open = match self.waiting.pop_front() {
                Some(input) => {
                    Some(Open::new(self.schema, &input, Labels::PassedOver, self.id.as_deref(), self.layout)?)
                }
                None => None,
            };
        }
        match matrix.rows() {
            0 => Ok(None),
            _ => Ok(Some(Chunk { features: matrix.finish()?, ids })),
        }
    }

    /// What was put right on the way, in sentences; complete when all rows have been read.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = self.notes.clone();
        if self.filled > 0 {
            notes.push(format!("{} missing cells were filled as in training", self.filled));
        }
        notes
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Labels {
    Needed,
    PassedOver,
}

/// An open file.
enum Open<'a> {
    Table {
        input: Input,
        rows: Box<dyn Rows>,
        encoder: Encoder<'a>,
        label: Option<usize>,
        weight: Option<usize>,
        id: Option<usize>,
        /// Of the row read last.
        last: Last,
    },
    Sparse {
        input: Input,
        rows: SparseRows,
        row: Entries,
        columns: usize,
        zero_based: bool,
        scale: &'a [f32],
        weighted: bool,
    },
}

/// What is kept of a row besides its features.
#[derive(Default)]
struct Last {
    label: Option<Value>,
    weight: Option<Value>,
    id: Option<String>,
    line: u64,
    missing: u64,
}

impl<'a> Open<'a> {
    fn new(
        schema: &'a Schema,
        input: &Input,
        labels: Labels,
        id: Option<&str>,
        layout: Layout,
    ) -> Result<Open<'a>> {
        let fail = |message: String| Error::File { path: input.path().into(), message };
        let format = Format::of(input)?;
        let columns = match &schema.inputs {
            Inputs::Sparse { columns, zero_based, scale } => {
                if format != Format::Libsvm {
                    return Err(fail("it is a table, the model was trained on sparse data (LIBSVM)".into()));
                }
                if id.is_some() {
                    return Err(fail("sparse data have no column to carry along".into()));
                }
                let weighted = schema.weight.is_some();
                let start = Start { optional_label: labels == Labels::PassedOver, weighted };
                let rows = SparseRows::open(input.source()?, start)?;
                let (columns, zero_based, row) = (*columns, *zero_based, Entries::default());
                let input = input.clone();
                return Ok(Open::Sparse { input, rows, row, columns, zero_based, scale, weighted });
            }
            Inputs::Table { .. } if format == Format::Libsvm => {
                return Err(fail("it is sparse (LIBSVM), the model was trained on a table".into()));
            }
            Inputs::Table { columns, .. } => columns,
        };
        let rows = open_table(format, input, layout)?;
        let places = schema.places(rows.as_ref(), labels).map_err(fail)?;
        let id = match id {
            None => None,
            Some(id) => {
                let named = rows.names().iter().position(|name| name == id);
                let numbered = || id.parse().ok().filter(|number| (1..=rows.names().len()).contains(number));
                let found = named.or_else(|| numbered().map(|number: usize| number - 1));
                Some(found.ok_or_else(|| {
                    fail(format!("no column is named `{}`: it has {}", shown(id), list(rows.names())))
                })?)
            }
        };
        let encoder = Encoder::new(columns, &places.cells, &schema.notation);
        Ok(Open::Table {
            input: input.clone(),
            rows,
            encoder,
            label: places.label,
            weight: places.weight,
            id,
            last: Last::default(),
        })
    }

    /// Reads the next row's features into `matrix`, not kept yet; `false` at the end.
    fn next(&mut self, matrix: &mut Matrix) -> Result<bool> {
        match self {
            Open::Table { input, rows, encoder, label, weight, id, last } => {
                let Some(row) = rows.next()? else { return Ok(false) };
                let missing = encoder
                    .encode(&row, &mut matrix.values)
                    .map_err(|message| line_error(input.path(), row.line, message))?;
                *last = Last {
                    label: label.map(|label| row.cell(label).to_value()),
                    weight: weight.map(|weight| row.cell(weight).to_value()),
                    id: id.map(|id| row.cell(id).to_text()),
                    line: row.line,
                    missing,
                };
                Ok(true)
            }
            Open::Sparse { input, rows, row, columns, zero_based, scale, .. } => {
                if !rows.next(row)? {
                    return Ok(false);
                }
                for &(index, value) in &row.values {
                    let place = if *zero_based { Some(index) } else { index.checked_sub(1) };
                    let Some(place) = place else {
                        let message = "feature index 0 occurs, but the model was trained on indices from 1";
                        return Err(line_error(input.path(), rows.line(), message));
                    };
                    if place as usize >= *columns {
                        let message =
                            format!("feature index {index} is above the model's {columns} features");
                        return Err(line_error(input.path(), rows.line(), message));
                    }
                    let scale = scale.get(place as usize).copied().unwrap_or(1.0);
                    matrix.indices.push(place);
                    matrix.values.push(value / scale);
                }
                Ok(true)
            }
        }
    }

    /// The label of the row read last.
    fn label(&self) -> Cell<'_> {
        match self {
            Open::Table { last, .. } => last.label.as_ref().map_or(Cell::Missing, Value::cell),
            Open::Sparse { row, .. } => Cell::Text(&row.label),
        }
    }

    /// Whether its rows have weights.
    fn is_weighted(&self) -> bool {
        match self {
            Open::Table { weight, .. } => weight.is_some(),
            Open::Sparse { weighted, .. } => *weighted,
        }
    }

    /// How much the row read last counts; `None` where that is missing. An error says what was found.
    fn weight(&self, notation: &Notation) -> Result<Option<f32>, String> {
        match self {
            Open::Table { weight: None, .. } => Ok(Some(1.0)),
            Open::Table { last, .. } => {
                weight(notation, last.weight.as_ref().map_or(Cell::Missing, Value::cell))
            }
            Open::Sparse { row, .. } if row.weight.is_empty() => Ok(Some(1.0)),
            Open::Sparse { row, .. } => weight(notation, Cell::Text(&row.weight)),
        }
    }

    fn line(&self) -> u64 {
        match self {
            Open::Table { last, .. } => last.line,
            Open::Sparse { rows, .. } => rows.line(),
        }
    }

    fn missing(&self) -> u64 {
        match self {
            Open::Table { last, .. } => last.missing,
            Open::Sparse { .. } => 0,
        }
    }

    fn id(&mut self) -> Option<String> {
        match self {
            Open::Table { last, .. } => last.id.take(),
            Open::Sparse { .. } => None,
        }
    }

    fn notes(&self) -> Vec<String> {
        let Open::Table { encoder, .. } = self else { return Vec::new() };
        let Some((column, word)) = &encoder.first_unknown else { return Vec::new() };
        let words = if encoder.unknown == 1 { "1 word" } else { &format!("{} words", encoder.unknown) };
        vec![format!("{words} unknown in training counted as none (such as `{}` in {column})", shown(word))]
    }
}

/// Where the columns are in another file.
struct Places {
    cells: Vec<usize>,
    label: Option<usize>,
    weight: Option<usize>,
}

impl Schema {
    fn places(&self, rows: &dyn Rows, labels: Labels) -> Result<Places, String> {
        let Inputs::Table { columns, named } = &self.inputs else {
            return Err("the model was trained on sparse data".into());
        };
        let found = rows.names();
        if !named || !rows.named() {
            return self.by_place(found.len(), columns, labels);
        }
        let place = |name: &str| found.iter().position(|other| other == name);
        let needed = columns.iter().filter(|column| column.is_used()).map(|column| column.name.as_str());
        let label = place(&self.target.name);
        let needed_label = (labels == Labels::Needed).then_some(self.target.name.as_str());
        let absent: Vec<String> =
            needed.chain(needed_label).filter(|name| place(name).is_none()).map(str::to_owned).collect();
        if !absent.is_empty() {
            let what = if absent.len() == 1 { "a column" } else { "columns" };
            return Err(format!(
                "it lacks {what} of the training data: {}; it has {}",
                list(&absent),
                list(found)
            ));
        }
        let cells = columns.iter().map(|column| place(&column.name).unwrap_or(usize::MAX)).collect();
        let weight = self.weight.as_ref().and_then(|weight| place(&weight.name));
        Ok(Places { cells, label, weight })
    }

    /// Files without names, or a model that knows none.
    fn by_place(&self, found: usize, columns: &[super::Column], labels: Labels) -> Result<Places, String> {
        let trained = columns.len() + 1;
        if found == trained {
            let cells = columns.iter().map(|column| column.position).collect();
            let weight = self.weight.as_ref().map(|weight| weight.position);
            return Ok(Places { cells, label: Some(self.target.position), weight });
        }
        if found + 1 == trained && labels == Labels::PassedOver {
            let shifted = |position: usize| position - usize::from(position > self.target.position);
            let cells = columns.iter().map(|column| shifted(column.position)).collect();
            return Ok(Places { cells, label: None, weight: None });
        }
        let without = if labels == Labels::Needed { "" } else { ", or one less without the label" };
        Err(format!(
            "it has {found} columns, the training data had {trained}{without}; without names columns are found by place"
        ))
    }
}

/// Features as they are read.
struct Matrix {
    sparse: bool,
    width: usize,
    offsets: Vec<usize>,
    indices: Vec<u32>,
    values: Vec<f32>,
}

impl Matrix {
    fn of(schema: &Schema) -> Matrix {
        let sparse = matches!(schema.inputs, Inputs::Sparse { .. });
        Matrix { sparse, width: schema.width(), offsets: vec![0], indices: Vec::new(), values: Vec::new() }
    }

    /// Number of kept rows.
    fn rows(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Keeps what was added last as a row.
    fn keep(&mut self) {
        self.offsets.push(self.values.len());
    }

    /// Takes back what was added since the last kept row.
    fn take_back(&mut self) {
        let end = self.offsets[self.offsets.len() - 1];
        self.values.truncate(end);
        self.indices.truncate(end);
    }

    fn finish(self) -> Result<Features> {
        match self.sparse {
            true => Csr::new(self.offsets, self.indices, self.values, self.width).map(Features::Sparse),
            false => Dense::new(self.values, self.width).map(Features::Dense),
        }
    }
}
