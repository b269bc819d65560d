//! From the cells of a row to features, as a schema has it.

use std::collections::HashMap;

use super::column::{Column, Kind, Scale};
use crate::input::quoted;
use crate::table::{Cell, Notation, Row, Written, decode};

/// Turns rows of one file into features.
pub(crate) struct Encoder<'a> {
    notation: &'a Notation,
    columns: Vec<Place<'a>>,
    /// Cells that were missing, in all rows so far.
    pub missing: u64,
    /// Words that no category has, with the first of them.
    pub unknown: u64,
    pub first_unknown: Option<(String, String)>,
}

/// A used column, and where its cell is in a row of this file.
struct Place<'a> {
    column: &'a Column,
    cell: usize,
    /// The place of each word of a category.
    words: HashMap<Vec<u8>, usize>,
}

impl<'a> Encoder<'a> {
    /// For the used columns; `cells` says where each of all columns is.
    pub(crate) fn new(columns: &'a [Column], cells: &[usize], notation: &'a Notation) -> Encoder<'a> {
        let place = |(column, &cell): (&'a Column, &usize)| {
            let words = match &column.kind {
                Kind::Category { values, .. } => {
                    values.iter().enumerate().map(|(at, value)| (value.as_bytes().to_vec(), at)).collect()
                }
                _ => HashMap::new(),
            };
            Place { column, cell, words }
        };
        let used = columns.iter().zip(cells).filter(|(column, _)| column.is_used());
        Encoder { notation, columns: used.map(place).collect(), missing: 0, unknown: 0, first_unknown: None }
    }

    /// Adds a row's features to `features`; returns how many cells were missing. An error names the column and says what
    /// was found; what was added by then is of no use.
    pub(crate) fn encode(&mut self, row: &Row<'_>, features: &mut Vec<f32>) -> Result<u64, String> {
        let before = self.missing;
        for place in &self.columns {
            let cell = row.cell(place.cell);
            let column = place.column;
            let found = match &column.kind {
                Kind::Number { scale } => number(self.notation.of(cell)).map(|x| push(scale, x, features)),
                Kind::Boolean { no, yes, scale } => truth(self.notation.of(cell), no, yes)
                    .map(|x| push(scale, x.map(|yes| f64::from(u8::from(yes))), features)),
                Kind::Date { form, cycles, scale } => match self.notation.of(cell) {
                    Written::Missing | Written::Placeholder(_) => Ok(None),
                    Written::Text(text) => form.days(text).map(Some).ok_or(text),
                    Written::TooLarge(text) => Err(text),
                    Written::Number(_) => Err(&b"a number"[..]),
                }
                .map(|days| {
                    features.push(scale.apply(days.unwrap_or(scale.fill)));
                    for cycle in cycles {
                        let turn = days.map(|days| days / cycle.days() * std::f64::consts::TAU);
                        features.push(turn.map_or(0.0, |turn| turn.sin() as f32));
                        features.push(turn.map_or(0.0, |turn| turn.cos() as f32));
                    }
                    indicate(scale.indicator, days.is_none(), features)
                }),
                Kind::Category { values, indicator } => {
                    let start = features.len();
                    features.resize(start + values.len(), 0.0);
                    let is_missing = matches!(self.notation.of(cell), Written::Missing);
                    if !is_missing {
                        match word(place, cell) {
                            Some(at) => features[start + at] = 1.0,
                            None => {
                                self.unknown += 1;
                                self.first_unknown.get_or_insert_with(|| (column.title(), text(cell)));
                            }
                        }
                    }
                    Ok(indicate(*indicator, is_missing, features))
                }
                Kind::Text { buckets, words } => {
                    let start = features.len();
                    features.resize(start + *buckets as usize, 0.0);
                    let is_missing = matches!(self.notation.of(cell), Written::Missing);
                    if !is_missing {
                        hash(&text(cell), *words, &mut features[start..]);
                    }
                    Ok(is_missing)
                }
                Kind::Dropped { .. } => Ok(false),
            };
            match found {
                Ok(is_missing) => self.missing += u64::from(is_missing),
                Err(found) => {
                    return Err(format!(
                        "{}: {} does not fit: {}",
                        column.title(),
                        quoted(found),
                        expected(column)
                    ));
                }
            }
        }
        Ok(self.missing - before)
    }
}

fn expected(column: &Column) -> String {
    match &column.kind {
        Kind::Boolean { no, yes, .. } => {
            format!("`{no}` or `{yes}` is expected; --na TEXT takes a text for missing")
        }
        Kind::Date { form, .. } if form.is_length() => {
            "a length of time such as `3h 4min` is expected; --na TEXT takes a text for missing".into()
        }
        Kind::Date { form, .. } => {
            format!("a date as {} is expected; --na TEXT takes a text for missing", form.words())
        }
        _ => "a number is expected; --na TEXT takes a text for missing".into(),
    }
}

fn number(written: Written<'_>) -> Result<Option<f64>, &[u8]> {
    match written {
        Written::Number(number) => Ok(Some(number)),
        Written::Missing | Written::Placeholder(_) => Ok(None),
        Written::Text(text) | Written::TooLarge(text) => Err(text),
    }
}

fn truth<'a>(written: Written<'a>, no: &str, yes: &str) -> Result<Option<bool>, &'a [u8]> {
    match written {
        Written::Missing | Written::Placeholder(_) => Ok(None),
        Written::Number(1.0) => Ok(Some(true)),
        Written::Number(0.0) => Ok(Some(false)),
        Written::Number(_) => Err(b"another number"),
        Written::Text(text) | Written::TooLarge(text) => match decode(text).to_lowercase() {
            word if word == yes => Ok(Some(true)),
            word if word == no => Ok(Some(false)),
            _ => Err(text),
        },
    }
}

/// Adds the feature of a number and, where there is one, of its absence; returns whether it is missing.
fn push(scale: &Scale, number: Option<f64>, features: &mut Vec<f32>) -> bool {
    features.push(scale.apply(number.unwrap_or(scale.fill)));
    indicate(scale.indicator, number.is_none(), features)
}

fn indicate(indicator: bool, is_missing: bool, features: &mut Vec<f32>) -> bool {
    if indicator {
        features.push(f32::from(u8::from(is_missing)));
    }
    is_missing
}

fn word(place: &Place<'_>, cell: Cell<'_>) -> Option<usize> {
    match cell {
        Cell::Text(bytes) | Cell::Word(bytes) => {
            let bytes = bytes.trim_ascii();
            place.words.get(bytes).or_else(|| place.words.get(decode(bytes).as_bytes())).copied()
        }
        _ => place.words.get(text(cell).as_bytes()).copied(),
    }
}

fn text(cell: Cell<'_>) -> String {
    match cell {
        Cell::Text(text) => decode(text.trim_ascii()),
        other => other.to_text(),
    }
}

/// Adds a text's words, or the text as a whole, to their buckets.
fn hash(text: &str, words: bool, buckets: &mut [f32]) {
    if !words {
        let at = fnv1a64(text.as_bytes()) % buckets.len() as u64;
        buckets[at as usize] += 1.0;
        return;
    }
    let text = text.to_lowercase();
    let words: Vec<&str> =
        text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let weight = 1.0 / (words.len().max(1) as f32).sqrt();
    for word in words {
        buckets[(fnv1a64(word.as_bytes()) % buckets.len() as u64) as usize] += weight;
    }
}

/// The hash of Fowler, Noll and Vo, variant 1a of 64 bits: the same everywhere, a few lines in any language.
fn fnv1a64(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_published_one() {
        assert_eq!(fnv1a64(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a64(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a64(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
