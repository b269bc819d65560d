//! Rows for workers whose hosts have not got the files: the launcher lends them.
//!
//! A process on a host that does not find the files asks the launcher, before it builds the program, for the [`Prospectus`]: the
//! job with nothing left open, and what the data are but for their rows. From that it builds the same program around data without
//! rows. When its worker begins, or takes up another's share, it asks the [`Lender`] for the rows of that share piece by piece.
//!
//! - LEND-1: a piece is full at [`PIECE`] bytes, with the row that fills it, and the next one is asked for when it has been put
//!   away. So besides the rows that they have anyway, launcher and workers hold a piece a worker.
//! - LEND-2: rows come as the numbers that the launcher has made of the files, bit for bit. So under BSP the model is the same,
//!   wherever workers have their rows from.
//! - LEND-3: a worker holds the rows of its share and its part of those held out, and no others.

use std::{
    fs,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use syncline_data::{Csr, Dataset, Dense, Features, FeaturesView, Outline, Partition, Targets, TargetsView};
use syncline_program::{Context, Handle};
use syncline_wire::{ServiceError, Tensor, service};

use crate::{Error, ParamServ, TrainJob, WantedPolicy};

/// Bytes at which a piece is full.
const PIECE: usize = 1 << 20;

/// What is to be told to processes that do not find the files.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Loan {
    /// The job with nothing left open, as the text of a file.
    pub job: String,
    /// The files that the launcher reads, with their lengths in bytes; without one what can be read only once.
    pub files: Vec<(PathBuf, Option<u64>)>,
}

impl Loan {
    /// The first of the files that is not here as the launcher has it.
    pub(crate) fn missing(&self) -> Option<&Path> {
        let is_here = |(path, length): &&(PathBuf, Option<u64>)| {
            length.is_some_and(|length| fs::metadata(path).is_ok_and(|file| file.len() == length))
        };
        self.files.iter().find(|file| !is_here(file)).map(|(path, _)| path.as_path())
    }
}

/// What a process can build the program from that has no rows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Prospectus {
    pub loan: Loan,
    /// Of the data that are trained on.
    pub digest: u64,
    pub train: Outline,
    pub validation: Option<Outline>,
}

impl Prospectus {
    /// Of this run, in the launcher.
    pub(crate) fn of(run: &ParamServ, loan: Loan, digest: u64) -> Self {
        Self {
            loan,
            digest,
            train: run.data.outline(run.partition.heeds_classes()),
            validation: run.validation.as_ref().map(|data| data.outline(false)),
        }
    }

    /// What the launcher has to say to this process; nothing where it is no node of a run on hosts.
    pub(crate) fn for_this_process() -> Result<Option<Self>, Error> {
        let Some(told) = syncline_program::briefing()? else { return Ok(None) };
        let read: Self = postcard::from_bytes(&told).map_err(|error| {
            let why = format!(
                "what the launcher said of the data cannot be read: {error}; is it of the same build?"
            );
            syncline_program::Error::Handshake(why)
        })?;
        Ok(Some(read))
    }

    /// For the launcher to tell.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let told = postcard::to_stdvec(self);
        let failed = |error| format!("what hosts are to know of the data cannot be written down: {error}");
        Ok(told.map_err(|error| syncline_program::Error::Handshake(failed(error)))?)
    }

    /// Refuses what needs more than a share of the rows at each worker.
    pub(crate) fn check(&self, job: &TrainJob) -> Result<(), Error> {
        let policy = job.sync.and_then(WantedPolicy::named);
        let what = match (policy.is_some_and(|policy| policy.coded().is_some()), &job.partition) {
            (true, _) => "coded products are of all rows",
            (_, Some(Partition::Measured)) => {
                "--partition weight:measured deals all rows out anew in each epoch"
            }
            _ => return Ok(()),
        };
        let missing = self.loan.missing().unwrap_or(Path::new("data"));
        Err(Error::Contradiction(format!(
            "{what}, and this host has no {} like the launcher's: put the files there, under the same path",
            syncline_terminal::path(missing)
        )))
    }
}

/// Which rows are asked for.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum Wanted {
    /// Those of this worker's share.
    Share(u32),
    /// Those held out.
    HeldOut,
}

/// Whoever has all rows.
#[service]
pub(crate) trait Lends {
    /// The rows of this kind from the `from`th to before the `to`th, as far as a piece holds them; at least one where there is one.
    async fn lend(&self, wanted: Wanted, from: u64, to: u64) -> Result<Piece, ServiceError>;
}

/// Rows on their way: of features those that their kind has, of targets too.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Piece {
    rows: u64,
    values: Tensor<f32>,
    /// Of sparse rows: how many values each has, and their columns.
    lengths: Tensor<u32>,
    indices: Tensor<u32>,
    reals: Tensor<f32>,
    labels: Tensor<u32>,
    weights: Tensor<f32>,
}

impl Piece {
    /// The first of these rows, as many as a piece holds.
    fn of(data: &Dataset, rows: impl Iterator<Item = usize>) -> Self {
        let (mut values, mut lengths, mut indices) = (Vec::new(), Vec::new(), Vec::new());
        let (mut reals, mut labels, mut weights) = (Vec::new(), Vec::new(), Vec::new());
        let mut count = 0;
        for row in rows {
            let batch = data.batch(row..row + 1);
            match batch.features {
                FeaturesView::Dense(dense) => values.extend_from_slice(dense.values),
                FeaturesView::Sparse(csr) => {
                    lengths.push(csr.indices().len() as u32);
                    indices.extend_from_slice(csr.indices());
                    values.extend_from_slice(csr.values());
                }
            }
            match batch.targets {
                TargetsView::Real(real) => reals.extend_from_slice(real),
                TargetsView::Class(label) => labels.extend_from_slice(label),
            }
            weights.extend_from_slice(batch.weights.unwrap_or_default());
            count += 1;
            let numbers =
                values.len() + lengths.len() + indices.len() + reals.len() + labels.len() + weights.len();
            if numbers * size_of::<u32>() >= PIECE {
                break;
            }
        }
        Self {
            rows: count,
            values: values.into(),
            lengths: lengths.into(),
            indices: indices.into(),
            reals: reals.into(),
            labels: labels.into(),
            weights: weights.into(),
        }
    }
}

/// Lends rows, from the launching process, which has them all.
pub(crate) struct Lender {
    pub data: Arc<Dataset>,
    pub validation: Option<Arc<Dataset>>,
    /// Each worker's rows.
    pub rows: Arc<[Vec<usize>]>,
}

#[service]
impl Lends for Lender {
    async fn lend(&self, wanted: Wanted, from: u64, to: u64) -> Result<Piece, ServiceError> {
        let absent = || ServiceError::new(format!("there are no rows {from} to {to} of {wanted:?}"));
        let range = from as usize..to as usize;
        match (wanted, &self.validation) {
            (Wanted::Share(share), _) => {
                let rows = self.rows.get(share as usize).and_then(|rows| rows.get(range));
                Ok(Piece::of(&self.data, rows.ok_or_else(absent)?.iter().copied()))
            }
            (Wanted::HeldOut, Some(data)) if range.start <= range.end && range.end <= data.rows() => {
                Ok(Piece::of(data, range))
            }
            (Wanted::HeldOut, _) => Err(absent()),
        }
    }
}

/// Has rows of a `hollow` data set brought to this worker.
pub(crate) async fn borrow(
    ctx: &Context,
    lender: &Handle<Lender>,
    hollow: &Dataset,
    wanted: Wanted,
    rows: Range<usize>,
) -> Result<Dataset, Error> {
    let lender = lender.connect(ctx).await?;
    let mut put_away = PutAway::of(hollow, rows.len());
    while put_away.rows < rows.len() {
        let from = (rows.start + put_away.rows) as u64;
        let piece = lender.lend(wanted, from, rows.end as u64).await?;
        if piece.rows == 0 {
            let what = format!("the launcher lends no rows from {from} to {} of {wanted:?}", rows.end);
            return Err(syncline_program::Error::Handshake(what).into());
        }
        put_away.take(&piece);
    }
    put_away.into_data(hollow)
}

/// Rows that have been brought.
struct PutAway {
    rows: usize,
    values: Vec<f32>,
    /// Of sparse rows: where each begins, and the end of the last; and the columns.
    offsets: Vec<usize>,
    indices: Vec<u32>,
    reals: Vec<f32>,
    labels: Vec<u32>,
    weights: Vec<f32>,
}

impl PutAway {
    /// Has room for so many rows of this data set, as far as that is known.
    fn of(hollow: &Dataset, rows: usize) -> Self {
        let values = if hollow.features().is_sparse() { 0 } else { rows * hollow.columns() };
        Self {
            rows: 0,
            values: Vec::with_capacity(values),
            offsets: vec![0],
            indices: Vec::new(),
            reals: Vec::new(),
            labels: Vec::new(),
            weights: Vec::new(),
        }
    }

    fn take(&mut self, piece: &Piece) {
        for length in piece.lengths.iter() {
            self.offsets.push(self.offsets[self.offsets.len() - 1] + *length as usize);
        }
        self.values.extend_from_slice(&piece.values);
        self.indices.extend_from_slice(&piece.indices);
        self.reals.extend_from_slice(&piece.reals);
        self.labels.extend_from_slice(&piece.labels);
        self.weights.extend_from_slice(&piece.weights);
        self.rows += piece.rows as usize;
    }

    fn into_data(self, hollow: &Dataset) -> Result<Dataset, Error> {
        let Self { values, offsets, mut indices, reals, labels, weights, .. } = self;
        indices.shrink_to_fit();
        let features = match hollow.features() {
            Features::Dense(_) => Features::Dense(Dense::new(values, hollow.columns())?),
            Features::Sparse(_) => Features::Sparse(Csr::new(offsets, indices, values, hollow.columns())?),
        };
        let targets = match hollow.targets() {
            Targets::Real(_) => Targets::Real(reals),
            Targets::Class { names, .. } => Targets::Class { labels, names: names.clone() },
        };
        Ok(hollow.with_rows(features, targets, hollow.weights().map(|_| weights))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use syncline_data::synthetic;

    /// What comes of these rows when they are lent, and in how many pieces.
    fn lent(data: &Dataset, rows: &[usize]) -> (Dataset, usize) {
        let hollow = data.outline(false).hollow().unwrap();
        let (mut put_away, mut pieces) = (PutAway::of(&hollow, rows.len()), 0);
        while put_away.rows < rows.len() {
            let piece = Piece::of(data, rows[put_away.rows..].iter().copied());
            let bytes = 4
                * (piece.values.len()
                    + piece.indices.len()
                    + piece.lengths.len()
                    + piece.reals.len()
                    + piece.labels.len()
                    + piece.weights.len());
            assert!(piece.rows > 0 && bytes < PIECE + 16 * (data.columns() + 4), "{bytes}");
            put_away.take(&piece);
            pieces += 1;
        }
        (put_away.into_data(&hollow).unwrap(), pieces)
    }

    #[test]
    fn rows_are_lent_to_the_bit_in_bounded_pieces() {
        let rows: Vec<usize> = (0..3000).rev().step_by(2).chain([7, 7]).collect();
        let weights = (0..3000).map(|row| 1.0 + row as f32).collect();
        let weighted = synthetic::blobs(3000, 300, 3, 3).weighted(weights).unwrap();
        for (data, least) in [
            (weighted, 2),
            (synthetic::linear(3000, 300, 0.1, 3), 2),
            (synthetic::sparse_logistic(3000, 5000, 200, 3), 2),
            (synthetic::blobs(3000, 4, 3, 3), 1),
        ] {
            let (brought, pieces) = lent(&data, &rows);
            assert_eq!(brought, data.select(&rows));
            assert!(pieces >= least, "{pieces}");
            assert_eq!(lent(&data, &[]).0, data.select(&[]));
        }
    }

    #[test]
    fn a_row_that_is_larger_than_a_piece_is_lent_alone() {
        let data = synthetic::linear(3, PIECE / 2, 0.1, 3);
        let (brought, pieces) = lent(&data, &[2, 0]);
        assert_eq!((brought, pieces), (data.select(&[2, 0]), 2));
    }

    #[test]
    fn files_of_another_length_are_no_such_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.csv");
        let loan = |length| Loan { job: String::new(), files: vec![(path.clone(), length)] };
        assert_eq!(loan(Some(5)).missing(), Some(path.as_path()));
        fs::write(&path, "a,b\n1").unwrap();
        assert_eq!(loan(Some(5)).missing(), None);
        assert_eq!(loan(Some(6)).missing(), Some(path.as_path()));
        assert_eq!(loan(None).missing(), Some(path.as_path()), "what can be read only once is nowhere else");
    }
}
