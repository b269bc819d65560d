//! How far a training run is, from what it writes into its folder every second or so (`progress.jsonl`).

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::Path,
};

use serde::{Deserialize, Serialize};

/// How far it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Training {
    /// Samples trained on.
    pub samples: u64,
    /// Samples that the whole run trains on.
    pub total_samples: u64,
    /// Epochs done.
    pub epochs_done: u32,
    /// Samples a second of late; none before there are two lines to tell from.
    pub samples_per_second: Option<f64>,
    /// The loss over the samples: points of samples trained on and mean loss there, some hundred at most.
    pub losses: Vec<(u64, f64)>,
}

/// A line of the file.
#[derive(Deserialize)]
struct Line {
    elapsed_s: f64,
    samples: u64,
    total_samples: u64,
    epochs_done: u32,
    loss: Option<f64>,
}

/// Bytes that are read of the end of a file: some thousand lines.
const TAIL: u64 = 256 << 10;

/// Lines over which the pace is taken.
const PACE: usize = 10;

/// The most points of a curve.
const POINTS: usize = 200;

impl Training {
    /// What a file says; none if it says nothing yet.
    pub fn read(path: &Path) -> Option<Self> {
        let mut file = File::open(path).ok()?;
        let length = file.metadata().ok()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL))).ok()?;
        let mut text = Vec::new();
        file.take(TAIL).read_to_end(&mut text).ok()?;
        Self::of(&String::from_utf8_lossy(&text))
    }

    /// What the lines of a file say. Broken ones, such as the first of a tail and one that is being written, are passed over.
    fn of(text: &str) -> Option<Self> {
        let lines: Vec<Line> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let last = lines.last()?;
        let losses: Vec<(u64, f64)> =
            lines.iter().filter_map(|line| Some((line.samples, line.loss?))).collect();
        let every = losses.len().div_ceil(POINTS).max(1);
        // Counted from the end, so that the latest is among them.
        let mut thinned: Vec<(u64, f64)> = losses.iter().rev().step_by(every).copied().collect();
        thinned.reverse();
        Some(Self {
            samples: last.samples,
            total_samples: last.total_samples,
            epochs_done: last.epochs_done,
            samples_per_second: pace(&lines),
            losses: thinned,
        })
    }

    /// The share of its work that is done.
    pub fn share(&self) -> f64 {
        if self.total_samples == 0 { 0.0 } else { (self.samples as f64 / self.total_samples as f64).min(1.0) }
    }
}

/// Over the last lines of the present start: a run that went on counts its time anew.
fn pace(lines: &[Line]) -> Option<f64> {
    let last = lines.last()?;
    let mut first = last;
    for line in lines.iter().rev().take(PACE) {
        if line.elapsed_s > first.elapsed_s {
            break;
        }
        first = line;
    }
    let seconds = last.elapsed_s - first.elapsed_s;
    (seconds > 0.0).then(|| last.samples.saturating_sub(first.samples) as f64 / seconds)
}
