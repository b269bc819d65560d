//! What is sent: the exclusive or of several rows, and how each receiver takes out its own.

use crate::{Error, Result};

/// One send: a row for each of its receivers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    rows: Vec<(usize, usize)>,
}

impl Packet {
    pub(super) fn new(rows: Vec<(usize, usize)>) -> Self {
        Self { rows }
    }

    /// The receivers with the rows that they want, in increasing order of receivers; the header of the packet.
    pub fn rows(&self) -> &[(usize, usize)] {
        &self.rows
    }

    /// The exclusive or of the packet's rows; shorter rows count as padded with zeros.
    ///
    /// # Panics
    /// If a row of the packet is not among `table`.
    pub fn encode(&self, table: &[Vec<u8>]) -> Vec<u8> {
        let mut payload = Vec::new();
        for (_, row) in &self.rows {
            add(&mut payload, &table[*row]);
        }
        payload
    }

    /// The number and the bytes of the row that `worker` wants: the payload less the other rows, which `held` looks
    /// up in the worker's cache. A row that was padded comes back with its padding.
    ///
    /// # Errors
    /// When the packet is not for this worker, or it does not hold one of the other rows.
    pub fn decode<'a>(
        &self,
        worker: usize,
        payload: &[u8],
        held: impl Fn(usize) -> Option<&'a [u8]>,
    ) -> Result<(usize, Vec<u8>)> {
        let mismatch = |reason: String| Error::Mismatch { what: "taking a row out of a packet", reason };
        let wanted = self.rows.iter().find(|(receiver, _)| *receiver == worker);
        let (_, wanted) = wanted.ok_or_else(|| mismatch(format!("it holds no row for worker {worker}")))?;
        let mut bytes = payload.to_vec();
        for (_, row) in self.rows.iter().filter(|(receiver, _)| *receiver != worker) {
            let other =
                held(*row).ok_or_else(|| mismatch(format!("worker {worker} does not hold row {row}")))?;
            add(&mut bytes, other);
        }
        Ok((*wanted, bytes))
    }
}

fn add(sum: &mut Vec<u8>, row: &[u8]) {
    if sum.len() < row.len() {
        sum.resize(row.len(), 0);
    }
    for (sum, byte) in sum.iter_mut().zip(row) {
        *sum ^= byte;
    }
}
