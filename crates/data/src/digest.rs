//! A stable 64-bit hash of a data set's contents. It detects that two processes read different data; it is no
//! defence against someone who wants a collision. The same on every machine and in every release.

use crate::{Dataset, Features, Targets};

/// Mixes one word after another: multiply by an odd constant (2^64 divided by the golden ratio), fold the high half down.
pub(crate) struct Digest(u64);

impl Digest {
    pub(crate) fn of(dataset: &Dataset) -> u64 {
        let mut digest = Digest(0);
        digest.word(dataset.rows() as u64);
        digest.word(dataset.columns() as u64);
        match dataset.features() {
            Features::Dense(dense) => digest.reals(dense.values()),
            Features::Sparse(csr) => {
                for row in csr_rows(dataset) {
                    digest.word(row as u64);
                }
                digest.words(csr.indices());
                digest.reals(csr.values());
            }
        }
        match dataset.targets() {
            Targets::Real(values) => digest.reals(values),
            Targets::Class { labels, names } => {
                digest.words(labels);
                names.iter().for_each(|name| digest.text(name));
            }
        }
        if let Some(weights) = dataset.weights() {
            digest.reals(weights);
        }
        digest.0
    }

    fn word(&mut self, word: u64) {
        let mixed = (self.0 ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ (mixed >> 32);
    }

    fn words(&mut self, words: &[u32]) {
        self.word(words.len() as u64);
        words.iter().for_each(|&word| self.word(word.into()));
    }

    fn reals(&mut self, values: &[f32]) {
        self.word(values.len() as u64);
        values.iter().for_each(|value| self.word(value.to_bits().into()));
    }

    fn text(&mut self, text: &str) {
        self.word(text.len() as u64);
        text.bytes().for_each(|byte| self.word(byte.into()));
    }
}

/// The number of non-zeros in each row.
fn csr_rows(dataset: &Dataset) -> impl Iterator<Item = usize> {
    let rows = match dataset.batch(0..dataset.rows()).features {
        crate::FeaturesView::Sparse(csr) => Some(csr.iter().map(|row| row.indices.len())),
        crate::FeaturesView::Dense(_) => None,
    };
    rows.into_iter().flatten()
}
