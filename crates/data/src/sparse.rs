//! LIBSVM, also called SVMlight: `LABEL [qid:N] INDEX:VALUE ... # comment`, one row a line; what is not written is zero.
//! Some write `LABEL:WEIGHT`, which cannot be told from a row without a label, and is read so where it is asked for.
//! See the README of LIBSVM (Chang and Lin, 2001). Never made dense.
//!
//! Indices count from 1, or from 0 as scikit-learn writes them. Rows whose indices do not ascend are sorted, and values of
//! one index in a row are added up; both are told.

use crate::input::{Source, quoted};
use crate::{MAX_COLUMNS, Result};

/// A row: the places of the values in the order of the file's numbers, strictly ascending.
#[derive(Default)]
pub(crate) struct Entries {
    /// Index as written, and value.
    pub values: Vec<(u32, f32)>,
    /// The label as written; empty where there is none.
    pub label: Vec<u8>,
    /// The weight as written after the label; empty where there is none.
    pub weight: Vec<u8>,
}

/// What stands before a row's values.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    /// Rows may be without labels.
    pub optional_label: bool,
    /// Labels may have weights.
    pub weighted: bool,
}

/// The rows of a file.
pub(crate) struct SparseRows {
    source: Source,
    text: Vec<u8>,
    start: Start,
    unsorted: u64,
    added_up: u64,
    queries: bool,
}

impl SparseRows {
    pub(crate) fn open(mut source: Source, start: Start) -> Result<SparseRows> {
        source.expect_text()?;
        let (source, text) = (source.without_marks(), Vec::new());
        Ok(SparseRows { source, text, start, unsorted: 0, added_up: 0, queries: false })
    }

    /// Reads the next row into `row`; `false` at the end.
    pub(crate) fn next(&mut self, row: &mut Entries) -> Result<bool> {
        while self.source.next_line(&mut self.text)? {
            let text = std::mem::take(&mut self.text);
            let read = self.read(without_comment(&text), row);
            self.text = text;
            match read {
                Ok(false) => {}
                Ok(true) => return Ok(true),
                Err(message) => return Err(self.source.error_here(message)),
            }
        }
        Ok(false)
    }

    /// Number of the line read last, from 1.
    pub(crate) fn line(&self) -> u64 {
        self.source.line()
    }

    /// What was put right on the way, in sentences.
    pub(crate) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.unsorted > 0 {
            notes.push(format!("{} rows had indices that did not ascend and were sorted", self.unsorted));
        }
        if self.added_up > 0 {
            notes.push(format!("{} values of an index that a row has twice were added up", self.added_up));
        }
        if self.queries {
            notes.push("the queries (qid) are not used".into());
        }
        notes
    }

    fn read(&mut self, line: &[u8], row: &mut Entries) -> Result<bool, String> {
        row.values.clear();
        row.label.clear();
        row.weight.clear();
        let mut tokens = tokens(line).peekable();
        let Some(&first) = tokens.peek() else { return Ok(false) };
        if !first.contains(&b':') {
            if first.contains(&b',') {
                return Err(format!("{} are several labels: a row must have one", quoted(first)));
            }
            row.label.extend_from_slice(first);
            tokens.next();
        } else if let (true, Some((label, weight))) = (self.start.weighted, weighted(first)) {
            row.label.extend_from_slice(label);
            row.weight.extend_from_slice(weight);
            tokens.next();
        } else if !self.start.optional_label {
            return Err(format!(
                "the label is missing: a row is `LABEL INDEX:VALUE ...`, this one begins with {}; --weight label reads \
                 `LABEL:WEIGHT`",
                quoted(first)
            ));
        }
        for token in tokens {
            self.entry(token, row)?;
        }
        self.put_in_order(row);
        Ok(true)
    }

    fn entry(&mut self, token: &[u8], row: &mut Entries) -> Result<(), String> {
        let Some(colon) = token.iter().position(|&byte| byte == b':') else {
            return Err(format!("{} is no feature: write `index:value`, such as `3:0.5`", quoted(token)));
        };
        let (text, value) = (&token[..colon], &token[colon + 1..]);
        if text == b"qid" && row.values.is_empty() {
            self.queries = true;
            return Ok(());
        }
        let index = match whole(text) {
            None => Err(format!("{} is no feature index: it must be a whole number", quoted(text))),
            Some(index) if index > MAX_COLUMNS => {
                Err(format!("feature index {} is above the limit of {MAX_COLUMNS}", quoted(text)))
            }
            Some(index) => Ok(index as u32),
        }?;
        row.values.push((index, finite(value).map_err(|found| format!("feature {index}: {found}"))?));
        Ok(())
    }

    fn put_in_order(&mut self, row: &mut Entries) {
        if row.values.is_sorted_by(|a, b| a.0 < b.0) {
            return;
        }
        let before = row.values.len();
        self.unsorted += u64::from(!row.values.is_sorted_by_key(|entry| entry.0));
        row.values.sort_by_key(|entry| entry.0);
        row.values.dedup_by(|later, first| {
            let same = later.0 == first.0;
            if same {
                first.1 += later.1;
            }
            same
        });
        self.added_up += (before - row.values.len()) as u64;
    }
}

/// Whether a text that starts so may be of this format: a label, then `index:value`.
pub(crate) fn recognises(start: &[u8]) -> bool {
    let rows = start.split(|&byte| byte == b'\n').map(without_comment);
    let mut rows = rows.filter(|row| !row.trim_ascii().is_empty());
    let Some(row) = rows.next() else { return false };
    let second = tokens(row).nth(1);
    second.is_some_and(|token| {
        let index = token.split(|&byte| byte == b':').next().unwrap_or_default();
        token.contains(&b':')
            && !token.contains(&b',')
            && (index == b"qid" || !index.is_empty() && index.iter().all(u8::is_ascii_digit))
            && finite(&token[index.len() + 1..]).is_ok()
    })
}

/// A label and its weight.
fn weighted(token: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = token.iter().position(|&byte| byte == b':')?;
    let (label, weight) = (&token[..colon], &token[colon + 1..]);
    (!label.is_empty() && label != b"qid" && !weight.is_empty()).then_some((label, weight))
}

fn without_comment(line: &[u8]) -> &[u8] {
    line.split(|&byte| byte == b'#').next().unwrap_or_default()
}

fn tokens(row: &[u8]) -> impl Iterator<Item = &[u8]> {
    row.split(u8::is_ascii_whitespace).filter(|token| !token.is_empty())
}

/// A whole number; one too large for any index is cut off, above every limit.
fn whole(text: &[u8]) -> Option<usize> {
    let digit = |byte: &u8| byte.is_ascii_digit().then(|| usize::from(byte - b'0'));
    let mut digits = text.iter().map(digit).peekable();
    digits.peek()?;
    digits.try_fold(0usize, |number, digit| Some(number.saturating_mul(10).saturating_add(digit?)))
}

/// A number that fits an `f32`, or what was found instead.
fn finite(text: &[u8]) -> Result<f32, String> {
    match crate::table::plain(text).map(|number| number as f32) {
        Some(number) if number.is_finite() => Ok(number),
        Some(number) if number.is_nan() => {
            Err(format!("{} is a missing value: leave it out, then it is zero", quoted(text)))
        }
        Some(_) => {
            Err(format!("{} is infinite or too large for a 32-bit float: rescale the column", quoted(text)))
        }
        None => Err(format!("{} is not a number", quoted(text))),
    }
}
