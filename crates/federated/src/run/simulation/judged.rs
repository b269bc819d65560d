//! How a model does: on rows, or by what clients of one's own say.

use syncline_learn::Score;

use super::{Ground, Simulation};
#[cfg(feature = "program")]
use crate::run::live::Patience;
use crate::run::own::{Evaluated, OwnClients, together};
use crate::run::{has_classes, score, scores};
use crate::{Error, Result};

/// How the last model does on what a client has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::run) struct Judged {
    pub loss: f64,
    pub accuracy: Option<f64>,
}

impl Simulation {
    /// The mean loss and the accuracy of the model after a round, as far as they can be told: on held-out rows, or without any on all
    /// rows to train on.
    pub(super) async fn judged(&mut self, number: u64) -> Result<(Option<f64>, Option<f64>)> {
        if let Some(own) = self.federation.clients.clone() {
            let judged = self.judged_by_own(&*own, number).await?;
            return Ok((judged.map(|one| one.loss), judged.and_then(|one| one.accuracy)));
        }
        let data = self.federation.validation.as_ref().unwrap_or(&self.federation.data);
        let score = score(&*self.federation.model, self.server.model(), data, self.settings.threads);
        Ok((Some(score.mean_loss()), has_classes(data).then(|| score.accuracy())))
    }

    async fn judged_by_own(&mut self, own: &dyn OwnClients, number: u64) -> Result<Option<Evaluated>> {
        let judged = own.judge(number + 1, self.server.model());
        let judged = judged.map_err(|reason| Error::Settings(format!("the evaluation failed: {reason}")))?;
        match judged {
            Some(judged) => Ok(Some(judged)),
            None => Ok(together(&self.asked_of_own().await?)),
        }
    }

    /// What each of a user's own clients finds of the model; nothing of those that do not say, or are lost.
    async fn asked_of_own(&mut self) -> Result<Vec<Option<Evaluated>>> {
        match &self.ground {
            Ground::Virtual { workshop, .. } => workshop.evaluate(self.server.model()),
            #[cfg(feature = "program")]
            Ground::Live(desk) => {
                let patience = Patience { clock: self.clock.clone(), limit: self.settings.deadline };
                desk.evaluate(self.federation.examples.len(), self.server.model(), &patience).await
            }
        }
    }

    /// How the model does on what each client has; nothing of those of whom it is not known.
    pub(super) async fn each_judged(&mut self) -> Result<Vec<Option<Judged>>> {
        if self.federation.clients.is_some() {
            let each = self.asked_of_own().await?.into_iter();
            return Ok(each
                .map(|one| one.map(|one| Judged { loss: one.loss, accuracy: one.accuracy }))
                .collect());
        }
        let (data, rows) = (&self.federation.data, &self.federation.rows);
        let each = scores(&*self.federation.model, self.server.model(), data, rows, self.settings.threads);
        let of = |score: &Score| Judged {
            loss: score.mean_loss(),
            accuracy: has_classes(data).then(|| score.accuracy()),
        };
        Ok(each.iter().map(|score| Some(of(score))).collect())
    }
}
