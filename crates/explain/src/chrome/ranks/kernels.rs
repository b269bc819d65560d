//! Kernels by name, most time first, and how they compare with the calls that launched them.

use std::collections::HashMap;

use serde::Serialize;

use super::super::kind::Kind;
use super::super::trace::{Slice, Trace};
use super::rank::Host;

/// A kernel over the whole run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KernelRow {
    /// Its name, shortened.
    pub name: String,
    /// How often it ran.
    pub count: u64,
    /// Its time in all, in ms.
    pub ms: f64,
    /// The longest run, in ms.
    pub longest_ms: f64,
    /// Its share of all time in kernels, where several run at once counted for each.
    pub share: f64,
    /// Whether it communicates.
    pub communicates: bool,
}

/// Sums while a file is reduced.
#[derive(Default)]
pub(super) struct Kernels {
    rows: HashMap<u32, Sum>,
    launched: u64,
    shorter: u64,
}

#[derive(Clone, Copy, Default)]
struct Sum {
    count: u64,
    ns: u64,
    longest: u64,
    communicates: bool,
}

impl Kernels {
    /// Counts what ran on a device; copies are no kernels.
    pub fn add(&mut self, slice: &Slice, kind: Kind, host: &Host) {
        if !matches!(kind, Kind::Kernel | Kind::Collective) {
            return;
        }
        let ns = slice.end - slice.start;
        let sum = self.rows.entry(slice.name).or_default();
        sum.count += 1;
        sum.ns += ns;
        sum.longest = sum.longest.max(ns);
        sum.communicates = kind == Kind::Collective;
        if let Some(launch) = host.launch(slice.correlation) {
            self.launched += 1;
            self.shorter += u64::from(ns < launch.1 - launch.0);
        }
    }

    /// Kernels whose launch is known, and how many are shorter than it.
    pub fn launched(&self) -> (u64, u64) {
        (self.launched, self.shorter)
    }

    /// The rows of a file.
    pub fn rows(self, trace: &Trace) -> Vec<KernelRow> {
        let row = |(name, sum): (u32, Sum)| KernelRow {
            name: trace.names.get(name).to_owned(),
            count: sum.count,
            ms: sum.ns as f64 / 1e6,
            longest_ms: sum.longest as f64 / 1e6,
            share: 0.0,
            communicates: sum.communicates,
        };
        self.rows.into_iter().map(row).collect()
    }
}

/// Kernels that are listed.
pub(super) const TOP: usize = 10;

/// The kernels of all ranks with most time.
pub(super) fn top<'a>(ranks: impl Iterator<Item = &'a Vec<KernelRow>>) -> Vec<KernelRow> {
    let mut all: HashMap<&str, KernelRow> = HashMap::new();
    for row in ranks.flatten() {
        let sum = all.entry(&row.name).or_insert_with(|| KernelRow { count: 0, ms: 0.0, ..row.clone() });
        sum.count += row.count;
        sum.ms += row.ms;
        sum.longest_ms = sum.longest_ms.max(row.longest_ms);
    }
    let total: f64 = all.values().map(|row| row.ms).sum();
    let mut rows: Vec<KernelRow> = all.into_values().collect();
    rows.iter_mut().for_each(|row| row.share = if total > 0.0 { row.ms / total } else { 0.0 });
    rows.sort_by(|a, b| b.ms.total_cmp(&a.ms).then_with(|| a.name.cmp(&b.name)));
    rows.truncate(TOP);
    rows
}
