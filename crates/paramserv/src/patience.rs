//! Early stopping: training ends when the validation loss has not fallen for some epochs, and the best epoch is kept.
//!
//! The decision needs the reports of all workers on an epoch, which come while they already work at the next one. So the
//! run goes on for a moment, and what it does in it is thrown away: the parameters are those of the best epoch, and the
//! epochs those up to the decision. Under BSP both are the same however late a worker is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use syncline_wire::Tensor;

/// The best epoch so far, and how long ago that was.
pub(crate) struct Patience {
    epochs: u32,
    /// Parameters at the ends of epochs that are not judged yet.
    kept: BTreeMap<u32, Tensor<f32>>,
    best: Option<Best>,
    /// The epoch after which training was long enough.
    over: Option<u32>,
}

/// The epoch with the least validation loss.
pub(crate) struct Best {
    /// From 0.
    pub epoch: u32,
    loss: f64,
    pub parameters: Tensor<f32>,
}

/// What is kept of it in a checkpoint.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct SavedPatience {
    over: Option<u32>,
    /// The best epoch and its loss.
    best: Option<(u32, f64)>,
    /// Epochs that are not judged yet.
    kept: Vec<u32>,
    /// The parameters of these: first of the best, then of the others. They are written apart.
    #[serde(skip)]
    pub parameters: Vec<Tensor<f32>>,
}

impl SavedPatience {
    /// How many versions of the parameters there must be.
    pub(crate) fn versions(&self) -> usize {
        usize::from(self.best.is_some()) + self.kept.len()
    }
}

impl Patience {
    /// Gives up after so many epochs without a smaller loss.
    pub(crate) fn new(epochs: u32) -> Self {
        Self { epochs, kept: BTreeMap::new(), best: None, over: None }
    }

    pub(crate) fn save(&self) -> SavedPatience {
        let best = self.best.iter().map(|best| &best.parameters);
        SavedPatience {
            over: self.over,
            best: self.best.as_ref().map(|best| (best.epoch, best.loss)),
            kept: self.kept.keys().copied().collect(),
            parameters: best.chain(self.kept.values()).cloned().collect(),
        }
    }

    /// Puts it where it was.
    pub(crate) fn restore(&mut self, saved: SavedPatience) {
        let SavedPatience { over, best, kept, parameters } = saved;
        let mut parameters = parameters.into_iter();
        self.over = over;
        self.best = best.and_then(|(epoch, loss)| Some(Best { epoch, loss, parameters: parameters.next()? }));
        self.kept = kept.into_iter().zip(parameters).collect();
    }

    /// Takes in the parameters at the end of an epoch, which is judged later.
    pub(crate) fn keep(&mut self, epoch: u32, parameters: Tensor<f32>) {
        if self.over.is_none() {
            self.kept.insert(epoch, parameters);
        }
    }

    /// Takes in the validation loss of an epoch, in order.
    pub(crate) fn hear(&mut self, epoch: u32, loss: f64) {
        let Some(parameters) = self.kept.remove(&epoch).filter(|_| self.over.is_none()) else { return };
        match &self.best {
            // A loss that is no number is never smaller.
            Some(best) if loss.is_nan() || loss >= best.loss => {
                if epoch - best.epoch >= self.epochs {
                    self.over = Some(epoch);
                }
            }
            _ => self.best = Some(Best { epoch, loss, parameters }),
        }
    }

    /// Whether training was long enough.
    pub(crate) fn is_over(&self) -> bool {
        self.over.is_some()
    }

    /// The epoch, from 0, after which that was so.
    pub(crate) fn over_after(&self) -> Option<u32> {
        self.over
    }

    /// The best epoch.
    pub(crate) fn best(&self) -> Option<&Best> {
        self.best.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(losses: &[f64]) -> Patience {
        let mut patience = Patience::new(2);
        for (epoch, &loss) in (0..).zip(losses) {
            patience.keep(epoch, vec![epoch as f32].into());
            patience.hear(epoch, loss);
        }
        patience
    }

    #[test]
    fn two_epochs_without_a_smaller_loss_are_enough_and_the_best_is_kept() {
        let patience = after(&[5.0, 3.0, 4.0, 2.0, 2.0]);
        assert_eq!((patience.over_after(), patience.best().unwrap().epoch), (None, 3));
        let patience = after(&[5.0, 3.0, 4.0, 2.0, 2.0, f64::NAN, 1.0]);
        assert_eq!(patience.over_after(), Some(5), "and what comes later does not count");
        let best = patience.best().unwrap();
        assert_eq!((best.epoch, best.parameters[0]), (3, 3.0));
        assert!(patience.is_over() && !after(&[1.0, 2.0]).is_over());
    }
}
