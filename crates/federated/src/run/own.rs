//! Clients whose work is their own matter: a script's, another library's. The server knows of each what it counts for, gives it
//! parameters, and is given others.

use serde::{Deserialize, Serialize};
use syncline_data::{Batch, Dataset, Dense, Features, Targets};
use syncline_learn::{Model, Score};

use super::settings::{Select, Settings};
use super::strategy::Strategy;
use crate::error::refuse_if;
use crate::{Error, Result};

/// Clients that fit and evaluate by themselves.
///
/// They are called from several threads where a run has nodes on threads, each client from one at a time.
///
/// ```
/// use syncline_federated::{Asked, Federation, Fitted, OwnClients, Settings};
///
/// /// Client k is drawn halfway to k.
/// struct Halfway;
///
/// impl OwnClients for Halfway {
///     fn count(&self) -> usize { 3 }
///     fn fit(&self, client: usize, parameters: &[f32], _: Asked) -> Result<Fitted, String> {
///         let moved = parameters.iter().map(|x| x + (client as f32 - x) / 2.0).collect();
///         Ok(Fitted { parameters: moved, examples: 10.0, loss: None })
///     }
/// }
///
/// let trained = Federation::of_own(Halfway, vec![5.0], None, Settings { rounds: 30, ..Settings::default() })?.simulate()?;
/// assert!((trained.parameters[0] - 1.0).abs() < 1e-6);         // the mean of 0, 1 and 2
/// # Ok::<(), syncline_federated::Error>(())
/// ```
pub trait OwnClients: Send + Sync {
    /// How many there are.
    fn count(&self) -> usize;

    /// What a client comes to from these parameters.
    ///
    /// # Errors
    /// With what went wrong, which ends the run and is told with the client's number.
    fn fit(&self, client: usize, parameters: &[f32], asked: Asked) -> std::result::Result<Fitted, String>;

    /// How these parameters do on what a client has; nothing where it does not say.
    ///
    /// # Errors
    /// As of [`fit`](Self::fit).
    fn evaluate(&self, client: usize, parameters: &[f32]) -> std::result::Result<Option<Evaluated>, String> {
        let _ = (client, parameters);
        Ok(None)
    }

    /// How the model after round `round` does on what the server has, in place of what clients say; it is asked in the launching process.
    ///
    /// # Errors
    /// With what went wrong, which ends the run.
    fn judge(&self, round: u64, parameters: &[f32]) -> std::result::Result<Option<Evaluated>, String> {
        let _ = (round, parameters);
        Ok(None)
    }
}

/// What a client is asked for beside the parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Asked {
    /// The round, from 1; without rounds the number of the work.
    pub round: u64,
    /// Weight of the distance to the server's model (FedProx), 0 for none.
    pub mu: f64,
}

/// What a client has come to.
#[derive(Clone, Debug, PartialEq)]
pub struct Fitted {
    /// As many as it was given.
    pub parameters: Vec<f32>,
    /// What it weighs in a mean: above 0.
    pub examples: f64,
    /// The mean loss that it met on the way.
    pub loss: Option<f64>,
}

/// How a model does.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluated {
    /// The mean loss of an example.
    pub loss: f64,
    /// On so many.
    pub examples: u64,
    /// The share of them that is told right, of classes.
    pub accuracy: Option<f64>,
}

impl Fitted {
    /// What it met, as sums.
    pub(super) fn score(&self) -> Score {
        let Some(loss) = self.loss else { return Score::default() };
        // A client of less than one example has met something too.
        let rows = (self.examples.round() as u64).max(1);
        Score { rows, loss: loss * rows as f64, ..Score::default() }
    }
}

/// The means over all examples of several clients.
pub(super) fn together(each: &[Option<Evaluated>]) -> Option<Evaluated> {
    let told = || each.iter().flatten();
    let examples: u64 = told().map(|one| one.examples).sum();
    let mean = |of: &dyn Fn(&Evaluated) -> Option<f64>| -> Option<f64> {
        let sum: Option<f64> = told().map(|one| Some(of(one)? * one.examples as f64)).sum();
        Some(sum? / examples as f64)
    };
    if examples == 0 {
        return None;
    }
    Some(Evaluated { loss: mean(&|one| Some(one.loss))?, examples, accuracy: mean(&|one| one.accuracy) })
}

/// What a client comes to, if that can be used.
pub(super) fn fitted(
    own: &dyn OwnClients,
    client: usize,
    parameters: &[f32],
    asked: Asked,
) -> Result<Fitted> {
    let failed = |reason: String| Error::Client { client, reason };
    let fitted = own.fit(client, parameters, asked).map_err(failed)?;
    let (given, needed) = (fitted.parameters.len(), parameters.len());
    if given != needed {
        return Err(failed(format!("it came back with {given} parameters, and was given {needed}")));
    }
    if !(fitted.examples.is_finite() && fitted.examples > 0.0) {
        let examples = fitted.examples;
        return Err(failed(format!("it says that it has {examples} examples: give a number above 0")));
    }
    Ok(fitted)
}

/// What a client finds of parameters.
pub(super) fn evaluated(
    own: &dyn OwnClients,
    client: usize,
    parameters: &[f32],
) -> Result<Option<Evaluated>> {
    own.evaluate(client, parameters).map_err(|reason| Error::Client { client, reason })
}

/// Refuses what is of a model's own steps, and what needs to be known beforehand.
pub(super) fn check(settings: &Settings, clients: usize, examples: Option<&[usize]>) -> Result<()> {
    let usual = Settings::default();
    refuse_if(
        (settings.epochs, settings.batch, settings.rate) != (usual.epochs, usual.batch, usual.rate)
            || settings.stragglers > 0.0,
        "passes, rows of a step, rates and stragglers are of our own models: what a client of one's own does in a round is its own matter",
    )?;
    refuse_if(
        matches!(settings.strategy, Strategy::Scaffold | Strategy::Nova),
        "scaffold and nova are about single local steps, of which clients of one's own do not tell: take another strategy",
    )?;
    refuse_if(
        settings.edges.is_some(),
        "edges average the models of our own clients: leave them out, or average in the client",
    )?;
    if let Some(examples) = examples {
        let (given, zero) = (examples.len(), examples.iter().position(|examples| *examples == 0));
        refuse_if(given != clients, &format!("there are {given} numbers of examples for {clients} clients"))?;
        if let Some(client) = zero {
            return Err(Error::Settings(format!("client {client} has no examples: take fewer clients")));
        }
        return Ok(());
    }
    refuse_if(
        matches!(settings.selection, Select::BySamples(_)),
        "to select clients by their examples, say how many each has",
    )?;
    refuse_if(
        settings.secure.is_some() && settings.privacy.is_none(),
        "a secure sum is scaled by the most examples that a client has: say how many each has",
    )
}

/// Rows that stand for clients: one each, in which nothing is.
pub(super) fn stand_in(clients: usize) -> Result<(Dataset, Vec<Vec<u32>>)> {
    let wrong = |error: syncline_data::Error| Error::Data(error.to_string());
    let features = Features::Dense(Dense::new(vec![0.0; clients], 1).map_err(wrong)?);
    let data = Dataset::new(features, Targets::Real(vec![0.0; clients])).map_err(wrong)?;
    Ok((data, (0..clients as u32).map(|client| vec![client]).collect()))
}

/// A model of which only the parameters are known.
pub(super) struct Outline {
    pub initial: Vec<f32>,
}

impl Model for Outline {
    fn parameters(&self) -> usize {
        self.initial.len()
    }

    fn initialise(&self, _seed: u64) -> Vec<f32> {
        self.initial.clone()
    }

    fn gradient(&mut self, _parameters: &[f32], _batch: &Batch<'_>, gradient: &mut [f32]) -> Score {
        gradient.fill(0.0);
        Score::default()
    }

    fn score(&mut self, _parameters: &[f32], _batch: &Batch<'_>) -> Score {
        Score::default()
    }

    fn boxed_clone(&self) -> Box<dyn Model> {
        Box::new(Self { initial: self.initial.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_over_examples_and_an_accuracy_is_of_all_or_of_none() {
        let of = |loss, examples, accuracy| Some(Evaluated { loss, examples, accuracy });
        let both = together(&[of(1.0, 10, Some(0.5)), None, of(4.0, 20, Some(0.8))]).unwrap();
        assert_eq!((both.loss, both.examples), (3.0, 30));
        assert!((both.accuracy.unwrap() - 0.7).abs() < 1e-12);
        assert_eq!(together(&[of(1.0, 10, Some(0.5)), of(1.0, 10, None)]).unwrap().accuracy, None);
        assert_eq!(together(&[None, of(1.0, 0, None)]), None);
    }

    #[test]
    fn what_has_no_effect_on_ones_own_clients_is_refused() {
        let refused = |change: &dyn Fn(&mut Settings), examples: Option<&[usize]>| {
            let mut settings = Settings::default();
            change(&mut settings);
            check(&settings, 2, examples).unwrap_err().to_string()
        };
        assert!(refused(&|s| s.epochs = 3, None).contains("its own matter"));
        assert!(refused(&|s| s.strategy = Strategy::Nova, None).contains("another strategy"));
        assert!(refused(&|s| s.selection = Select::BySamples(1), None).contains("how many each has"));
        assert!(refused(&|_| {}, Some(&[3])).contains("1 numbers of examples for 2"));
        assert!(refused(&|_| {}, Some(&[3, 0])).contains("client 1 has no examples"));
    }
}
