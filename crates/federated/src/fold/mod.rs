//! Folds of clients' answers: the weighted mean, and folds that stand bad clients.
//!
//! FOLD-1: answers are folded in the order of clients, so the same answers give the same bits. FOLD-2: an answer
//! that is no vector of finite numbers makes its client bad; it is counted and never reaches a sum. Robust folds
//! need to see each answer, so they cannot be combined with secure sums.

mod bulyan;
mod krum;
mod mean;
mod median;

pub use bulyan::Bulyan;
pub use krum::Krum;
pub use mean::Mean;
pub use median::{Median, Trimmed};

use crate::{Error, Result};

/// What one client sent: a new model, or a change of the model.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Who sent it.
    pub client: usize,
    /// How many samples it stands for.
    pub samples: f64,
    /// The values, as long as the model.
    pub values: Vec<f64>,
}

/// The result of a fold.
#[derive(Clone, Debug, PartialEq)]
pub struct Folded {
    /// One value a parameter.
    pub values: Vec<f64>,
    /// Clients whose answers were refused, in increasing order.
    pub bad: Vec<usize>,
}

/// A way to combine answers.
///
/// ```
/// use syncline_federated::fold::{Answer, Fold, Mean, Median};
///
/// let answer = |client, value| Answer { client, samples: 1.0, values: vec![value] };
/// let answers = [answer(2, 1.25), answer(0, 1.0), answer(1, -90.0), answer(3, f64::NAN)];
/// let median = Median.fold(&answers)?;
/// assert_eq!((median.values[0], median.bad), (1.0, vec![3]), "a liar moves it by one place, what is no number counts for nothing");
/// assert!(Mean.fold(&answers)?.values[0] < -20.0);
/// # Ok::<(), syncline_federated::Error>(())
/// ```
pub trait Fold {
    /// Folds the answers, in any order of arrival.
    ///
    /// # Errors
    /// When no usable answer is left, or fewer than the fold needs, or their lengths differ.
    fn fold(&self, answers: &[Answer]) -> Result<Folded> {
        let (usable, bad) = usable(answers)?;
        Ok(Folded { values: self.combine(&usable)?, bad })
    }

    /// Combines usable answers of equal length in the order of clients; there is at least one.
    ///
    /// # Errors
    /// When there are fewer answers than the fold needs.
    fn combine(&self, answers: &[&Answer]) -> Result<Vec<f64>>;
}

/// The usable answers in the order of clients, and the clients of the others.
fn usable(answers: &[Answer]) -> Result<(Vec<&Answer>, Vec<usize>)> {
    let mut ordered: Vec<&Answer> = answers.iter().collect();
    ordered.sort_by_key(|answer| answer.client);
    if let Some(twice) = ordered.windows(2).find(|pair| pair[0].client == pair[1].client) {
        return Err(Error::BadAnswer { client: twice[0].client, reason: "it answered twice".into() });
    }
    let (usable, bad): (Vec<&Answer>, Vec<&Answer>) =
        ordered.into_iter().partition(|answer| is_finite(answer));
    let Some(first) = usable.first() else {
        return Err(Error::NoAnswers { heard: answers.len(), bad: bad.len() });
    };
    if let Some(other) = usable.iter().find(|answer| answer.values.len() != first.values.len()) {
        let (found, expected) = (other.values.len(), first.values.len());
        let reason = format!("it has {found} values, that of client {} has {expected}", first.client);
        return Err(Error::BadAnswer { client: other.client, reason });
    }
    Ok((usable, bad.iter().map(|answer| answer.client).collect()))
}

fn is_finite(answer: &Answer) -> bool {
    answer.samples.is_finite() && answer.samples > 0.0 && answer.values.iter().all(|value| value.is_finite())
}

/// What the clients sent, in their order.
fn values<'a>(answers: &[&'a Answer]) -> Vec<&'a [f64]> {
    answers.iter().map(|answer| &answer.values[..]).collect()
}

/// How many samples each stands for.
fn samples(answers: &[&Answer]) -> Vec<f64> {
    answers.iter().map(|answer| answer.samples).collect()
}
