//! What the cells of one column are, counted in one pass. Memory is bounded whatever the column holds: so many different
//! spellings are kept, and of more only how many there are, up to a bound too.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::table::{Cell, DateForm, Decimal, Notation, Written, for_people};

/// More classes, or forced categories, than this are taken for a mistake.
pub(crate) const MOST_CLASSES: usize = 10_000;

/// Different texts that are counted; of more it is known only that there are more.
const MOST_TEXTS: usize = 1 << 16;

/// Counts of one column.
pub(crate) struct Survey {
    pub rows: u64,
    pub missing: u64,
    pub placeholders: u64,
    pub numbers: u64,
    pub texts: u64,
    pub too_large: u64,
    /// Texts that are numbers as people write them, by decimal sign.
    pub for_people: [u64; 2],
    /// Texts with a digit in them.
    pub texts_with_digits: u64,
    /// Words in all texts.
    pub words: u64,
    /// Cells that the file says are text, numbers or not.
    pub typed: u64,
    /// Some of those are digits that are no number.
    pub codes: bool,
    /// Some date has a time of day.
    pub times: bool,
    /// All numbers are whole.
    pub whole: bool,
    /// The numbers are 0, 1, 2 ... or 1, 2, 3 ... in the order of the rows.
    pub counts_rows: bool,
    pub moments: Moments,
    /// Date forms that all texts have, with the moments of the days.
    pub dates: Vec<(DateForm, Moments)>,
    pub first_text: Option<(u64, Vec<u8>)>,
    pub first_too_large: Option<(u64, Vec<u8>)>,
    /// Each spelling with how often it occurs and its first line.
    pub spellings: HashMap<Vec<u8>, (u64, u64)>,
    most_spellings: usize,
    texts_seen: HashSet<u64>,
}

impl Survey {
    /// Of a column of which so many spellings are of interest.
    pub(crate) fn new(most_spellings: usize) -> Survey {
        Survey {
            rows: 0,
            missing: 0,
            placeholders: 0,
            numbers: 0,
            texts: 0,
            too_large: 0,
            for_people: [0; 2],
            texts_with_digits: 0,
            words: 0,
            typed: 0,
            codes: false,
            times: false,
            whole: true,
            counts_rows: true,
            moments: Moments::default(),
            dates: DateForm::ALL.map(|form| (form, Moments::default())).into(),
            first_text: None,
            first_too_large: None,
            spellings: HashMap::new(),
            most_spellings,
            texts_seen: HashSet::new(),
        }
    }

    /// Adds the cell of the next row.
    pub(crate) fn add(&mut self, notation: &Notation, cell: Cell<'_>, line: u64) {
        self.rows += 1;
        let written = notation.of(cell);
        if let Cell::Word(text) = cell {
            if let Written::Number(_) = written {
                self.see(text);
            }
            self.typed += u64::from(written != Written::Missing);
            // A number is not written `007`.
            self.codes |= matches!(text.trim_ascii(), [b'0', b'0'..=b'9', ..]);
        }
        if written != Written::Missing && self.spellings.len() <= self.most_spellings {
            self.spell(cell, line);
        }
        match written {
            Written::Missing => self.missing += 1,
            Written::Number(number) => self.number(number),
            Written::Placeholder(text) => {
                self.placeholders += 1;
                self.see(text);
            }
            Written::TooLarge(text) => {
                self.too_large += 1;
                self.first_too_large.get_or_insert_with(|| (line, text.to_vec()));
            }
            Written::Text(text) => self.text(text, line),
        }
    }

    /// Whether all cells are numbers, perhaps as people write them.
    pub(crate) fn is_numeric(&self) -> bool {
        self.texts == 0
            || self.numbers + self.texts == self.present() && self.for_people.contains(&self.texts)
    }

    /// Cells that hold something.
    pub(crate) fn present(&self) -> u64 {
        self.rows - self.missing
    }

    /// Different spellings, unless there are more than were kept.
    pub(crate) fn spelt(&self) -> Option<usize> {
        Some(self.spellings.len()).filter(|&spelt| spelt <= self.most_spellings)
    }

    /// Different texts, unless there are too many to count.
    pub(crate) fn distinct_texts(&self) -> Option<usize> {
        Some(self.texts_seen.len()).filter(|&seen| seen < MOST_TEXTS)
    }

    fn spell(&mut self, cell: Cell<'_>, line: u64) {
        let mut count = |text: &[u8]| match self.spellings.get_mut(text) {
            Some((count, _)) => *count += 1,
            None => drop(self.spellings.insert(text.to_vec(), (1, line))),
        };
        match cell {
            Cell::Missing => {}
            Cell::Number(number) => count(number.to_string().as_bytes()),
            Cell::Text(text) => {
                let text = text.trim_ascii();
                count(text.strip_suffix(&[0x1a]).unwrap_or(text));
            }
            Cell::Word(text) => count(text.trim_ascii()),
        }
    }

    fn number(&mut self, number: f64) {
        // Row numbers start at 0 or 1 and go on by one.
        self.counts_rows &= self.numbers == 0 && (number == 0.0 || number == 1.0)
            || self.numbers > 0 && number == self.moments.last + 1.0;
        self.numbers += 1;
        self.whole &= number.fract() == 0.0;
        self.moments.add(number);
    }

    fn text(&mut self, text: &[u8], line: u64) {
        self.texts += 1;
        self.first_text.get_or_insert_with(|| (line, text.to_vec()));
        self.see(text);
        self.words += text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).count() as u64;
        if text.iter().any(u8::is_ascii_digit) {
            self.texts_with_digits += 1;
            for (count, decimal) in self.for_people.iter_mut().zip([Decimal::Point, Decimal::Comma]) {
                *count += u64::from(for_people(text, decimal).is_some());
            }
        }
        self.dates.retain_mut(|(form, moments)| match form.days(text) {
            Some(days) => {
                self.times |= days.fract() != 0.0;
                moments.add(days);
                true
            }
            None => false,
        });
    }

    fn see(&mut self, text: &[u8]) {
        if self.texts_seen.len() < MOST_TEXTS {
            let mut hasher = DefaultHasher::new();
            text.hash(&mut hasher);
            self.texts_seen.insert(hasher.finish());
        }
    }
}

/// Mean and deviation of numbers as they come (Welford, 1962), and their range.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Moments {
    count: u64,
    pub mean: f64,
    squares: f64,
    pub least: f64,
    pub greatest: f64,
    last: f64,
}

impl Moments {
    fn add(&mut self, x: f64) {
        if self.count == 0 {
            (self.least, self.greatest) = (x, x);
        }
        self.count += 1;
        let from_mean = x - self.mean;
        self.mean += from_mean / self.count as f64;
        self.squares += from_mean * (x - self.mean);
        self.least = self.least.min(x);
        self.greatest = self.greatest.max(x);
        self.last = x;
    }

    /// The population's standard deviation; 0 where the numbers do not differ.
    pub(crate) fn deviation(&self) -> f64 {
        match self.least == self.greatest {
            true => 0.0,
            false => (self.squares / self.count.max(1) as f64).sqrt(),
        }
    }
}
