//! Top-k with error feedback: what is not sent is kept and added to the next. (Alistarh et al.; Stich et al., arXiv
//! 1809.07599.)

use crate::Result;
use crate::error::within;

/// The sender's side of one client.
#[derive(Clone, Debug, PartialEq)]
pub struct TopK {
    count: usize,
    kept: Vec<f64>,
}

/// Entries that are sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Sparse {
    /// Positions, increasing.
    pub indices: Vec<u32>,
    /// Their values.
    pub values: Vec<f32>,
}

impl Sparse {
    /// Bytes on the wire: 4 an index and 4 a value.
    pub fn bytes(&self) -> usize {
        8 * self.indices.len()
    }
}

impl TopK {
    /// Sends `count` of `parameters` entries a round.
    ///
    /// # Errors
    /// Unless 1 <= count <= parameters < 2^32.
    pub fn new(count: usize, parameters: usize) -> Result<Self> {
        within("the number of parameters", parameters, 1, u32::MAX as usize)?;
        within("the number of entries sent", count, 1, parameters)?;
        Ok(Self { count, kept: vec![0.0; parameters] })
    }

    /// What has not been sent yet.
    pub fn kept(&self) -> &[f64] {
        &self.kept
    }

    /// The `count` largest entries of what was kept plus the change, ties to the lower index. What rounding to
    /// single precision takes off is kept too, so the sums of what is sent and of what was asked to be sent differ
    /// by what is kept, and by nothing else.
    ///
    /// # Errors
    /// When the change is of another length.
    pub fn send(&mut self, change: &[f64]) -> Result<Sparse> {
        within("the length of a change", change.len(), self.kept.len(), self.kept.len())?;
        for (kept, d) in self.kept.iter_mut().zip(change) {
            *kept += d;
        }
        let mut order: Vec<u32> = (0..self.kept.len() as u32).collect();
        let size = |index: &u32| self.kept[*index as usize].abs();
        // A stable sort keeps ties in the order of indices.
        order.sort_by(|a, b| size(b).total_cmp(&size(a)));
        order.truncate(self.count);
        order.sort_unstable();
        let values: Vec<f32> = order.iter().map(|&index| self.kept[index as usize] as f32).collect();
        for (index, value) in order.iter().zip(&values) {
            self.kept[*index as usize] -= f64::from(*value);
        }
        Ok(Sparse { indices: order, values })
    }
}
