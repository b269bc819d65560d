//! LIBSVM, also called SVMlight: `LABEL [qid:N] INDEX:VALUE ... # comment`, one row a line; indices from 1, ascending
//! strictly; what is not written is zero. See the README of LIBSVM (Chang and Lin, 2001). Never made dense.

use super::label::LabelColumn;
use super::{ReadOptions, Reader, Source, number, quoted};
use crate::{Csr, Dataset, Features, MAX_COLUMNS, Result};

/// The format.
pub(super) struct Libsvm;

impl Reader for Libsvm {
    fn name(&self) -> &'static str {
        "LIBSVM"
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["svm", "libsvm", "svmlight"]
    }

    fn recognises(&self, start: &[u8]) -> bool {
        let rows = start.split(|&byte| byte == b'\n').map(without_comment);
        let mut rows = rows.filter(|row| !row.trim_ascii().is_empty());
        let Some(row) = rows.next() else { return false };
        let second = tokens(row).nth(1);
        second.is_some_and(|token| {
            let index = token.split(|&byte| byte == b':').next().unwrap_or_default();
            token.contains(&b':')
                && (index == b"qid" || !index.is_empty() && index.iter().all(u8::is_ascii_digit))
        })
    }

    fn read(&self, mut source: Source, options: &ReadOptions) -> Result<Dataset> {
        source.expect_text()?;
        let path = source.path().to_path_buf();
        let mut labels = LabelColumn::new(options, &path, "label".into());
        let mut entries = Entries { limit: options.columns, offsets: vec![0], ..Entries::default() };
        let mut line = Vec::new();
        while source.next_line(&mut line)? {
            let mut tokens = tokens(without_comment(&line));
            let Some(label) = tokens.next() else { continue };
            labels.push(label, source.line())?;
            entries.push_row(tokens).map_err(|message| source.error_here(message))?;
        }
        if labels.rows() == 0 {
            return Err(source.error("there are no rows"));
        }
        let columns = options.columns.unwrap_or(entries.columns);
        if columns == 0 {
            return Err(source.error("no row has a feature"));
        }
        let csr = Csr::new(entries.offsets, entries.indices, entries.values, columns)?;
        Dataset::new(Features::Sparse(csr), labels.finish()?)
    }
}

fn without_comment(line: &[u8]) -> &[u8] {
    line.split(|&byte| byte == b'#').next().unwrap_or_default()
}

fn tokens(row: &[u8]) -> impl Iterator<Item = &[u8]> {
    row.split(u8::is_ascii_whitespace).filter(|token| !token.is_empty())
}

/// The sparse matrix as it is collected.
#[derive(Default)]
struct Entries {
    limit: Option<usize>,
    offsets: Vec<usize>,
    indices: Vec<u32>,
    values: Vec<f32>,
    columns: usize,
}

impl Entries {
    /// Adds a row of `index:value` tokens.
    fn push_row<'a>(&mut self, tokens: impl Iterator<Item = &'a [u8]>) -> Result<(), String> {
        let mut previous = 0;
        for token in tokens {
            let Some(colon) = token.iter().position(|&byte| byte == b':') else {
                return Err(format!("{} is no feature: write `index:value`, such as `3:0.5`", quoted(token)));
            };
            let (index, value) = (&token[..colon], &token[colon + 1..]);
            if index == b"qid" && previous == 0 {
                continue;
            }
            previous = self.column(index, previous)?;
            let value = number::finite(value).map_err(|found| format!("feature {previous}: {found}"))?;
            self.indices.push(previous as u32 - 1);
            self.values.push(value);
        }
        self.columns = self.columns.max(previous);
        self.offsets.push(self.values.len());
        Ok(())
    }

    /// An index from 1, above the `previous` one of its row and within the limits.
    fn column(&self, text: &[u8], previous: usize) -> Result<usize, String> {
        let limit = self.limit.unwrap_or(MAX_COLUMNS);
        match whole(text) {
            None => Err(format!("{} is no feature index: it must be a whole number from 1", quoted(text))),
            Some(0) => Err("feature index 0: indices start at 1".into()),
            Some(index) if index > MAX_COLUMNS => {
                Err(format!("feature index {} is above the limit of {MAX_COLUMNS}", quoted(text)))
            }
            Some(index) if index > limit => {
                Err(format!("feature index {index} is above the model's {limit} features"))
            }
            Some(index) if index <= previous => {
                Err(format!("feature index {index} follows {previous}: indices must ascend"))
            }
            Some(index) => Ok(index),
        }
    }
}

/// A whole number; one too large for any index is cut off, above every limit.
fn whole(text: &[u8]) -> Option<usize> {
    let digit = |byte: &u8| byte.is_ascii_digit().then(|| usize::from(byte - b'0'));
    let mut digits = text.iter().map(digit).peekable();
    digits.peek()?;
    digits.try_fold(0usize, |number, digit| Some(number.saturating_mul(10).saturating_add(digit?)))
}
