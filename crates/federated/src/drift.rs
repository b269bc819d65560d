//! Client drift in closed form: what several strategies converge to on clients f_k(y) = a_k (y - b_k)^2 / 2 with
//! full gradients.
//!
//! After K steps y - b = (1 - eta a)^K (x - b), so FedAvg's fixed point is sum of w_k g_k b_k over sum of w_k g_k
//! with g_k = 1 - (1 - eta a_k)^K_k, which is not the optimum (w_k a_k in place of w_k g_k). Derived for this
//! project; the strategies themselves are tested against it.

use crate::error::{positive, within};
use crate::{Error, Result};

/// One client of the example.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quadratic {
    /// The curvature a_k, positive.
    pub curvature: f64,
    /// Its own optimum b_k.
    pub optimum: f64,
    /// The samples that it stands for.
    pub samples: f64,
    /// Local steps K_k a round.
    pub steps: usize,
}

impl Quadratic {
    /// The gradient a_k (y - b_k).
    pub fn gradient(&self, y: f64) -> f64 {
        self.curvature * (y - self.optimum)
    }
}

/// A strategy whose fixed point is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Strategy {
    /// FedAvg.
    Avg,
    /// FedProx with this mu.
    Prox(f64),
    /// FedNova.
    Nova,
    /// SCAFFOLD with weighted control variates and all clients: the optimum of the weighted sum.
    Scaffold,
}

/// What the strategy converges to with local steps of size `rate`.
///
/// # Errors
/// Without clients, or where a curvature, a number of samples or of steps is not positive, or the steps diverge.
pub fn fixed_point(strategy: Strategy, clients: &[Quadratic], rate: f64) -> Result<f64> {
    positive("the local rate", rate)?;
    within("the number of clients", clients.len(), 1, usize::MAX)?;
    let (mut above, mut below) = (0.0, 0.0);
    for client in clients {
        let weight = weight(strategy, client, rate)?;
        above += weight * client.optimum;
        below += weight;
    }
    Ok(above / below)
}

/// By how much a client pulls: samples x g_k.
fn weight(strategy: Strategy, client: &Quadratic, rate: f64) -> Result<f64> {
    positive("the curvature", client.curvature)?;
    positive("the number of samples", client.samples)?;
    within("the number of local steps", client.steps, 1, 1 << 30)?;
    let mu = if let Strategy::Prox(mu) = strategy { mu } else { 0.0 };
    let total = client.curvature + mu;
    let contraction = 1.0 - rate * total;
    if contraction.abs() >= 1.0 {
        let must = format!("below {} for this curvature", 2.0 / total);
        return Err(Error::OutOfRange { what: "the local rate", got: rate.to_string(), must });
    }
    let pulled = client.curvature / total * (1.0 - contraction.powi(client.steps as i32));
    Ok(client.samples
        * match strategy {
            Strategy::Avg | Strategy::Prox(_) => pulled,
            Strategy::Nova => pulled / client.steps as f64,
            Strategy::Scaffold => client.curvature,
        })
}
