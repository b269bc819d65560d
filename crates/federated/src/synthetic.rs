//! The clients of FedProx' synthetic(alpha, beta). (Li et al., arXiv 1812.06127.)
//!
//! Device k has n_k = floor(exp(N(4, 2))) + 50 rows of 60 features and 10 classes: u_k ~ N(0, alpha), B_k ~ N(0,
//! beta), W_k ~ N(u_k, 1), b_k ~ N(u_k, 1), v_k ~ N(B_k, 1), x ~ N(v_k, diag j^-1.2), y = argmax(x W_k + b_k),
//! deviations throughout. Independent and identically distributed: one W and b ~ N(0, 1) for all, v = 0.

use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};
use rand_distr::StandardNormal;

use crate::Result;
use crate::error::between;

/// Features of a row.
pub const FEATURES: usize = 60;
/// Classes.
pub const CLASSES: usize = 10;

/// How unlike the devices are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Unlike {
    /// Not at all.
    Iid,
    /// alpha: of the models; beta: of the features.
    By {
        /// Deviation of the devices' models.
        alpha: f64,
        /// Deviation of the devices' features.
        beta: f64,
    },
}

/// The rows of one device.
#[derive(Clone, Debug, PartialEq)]
pub struct Device {
    /// [`FEATURES`] values a row, row after row.
    pub features: Vec<f32>,
    /// One class a row.
    pub labels: Vec<u8>,
}

/// The devices of a seed.
///
/// # Errors
/// When alpha or beta is negative.
pub fn devices(count: usize, unlike: Unlike, seed: u64) -> Result<Vec<Device>> {
    if let Unlike::By { alpha, beta } = unlike {
        between("alpha", alpha, 0.0, f64::MAX)?;
        between("beta", beta, 0.0, f64::MAX)?;
    }
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let common = Teacher::drawn(&mut rng, 0.0);
    Ok((0..count).map(|_| device(&mut rng, unlike, &common)).collect())
}

/// n_k = floor(exp(N(4, 2))) + 50.
pub fn size(rng: &mut impl rand::Rng) -> usize {
    let normal: f64 = rng.sample(StandardNormal);
    (4.0 + 2.0 * normal).exp().floor() as usize + 50
}

/// The linear model that labels rows.
struct Teacher {
    weights: Vec<f64>,
    biases: Vec<f64>,
}

impl Teacher {
    fn drawn(rng: &mut Xoshiro256PlusPlus, centre: f64) -> Self {
        let weights = (0..FEATURES * CLASSES).map(|_| normal(rng, centre, 1.0)).collect();
        Self { weights, biases: (0..CLASSES).map(|_| normal(rng, centre, 1.0)).collect() }
    }

    /// argmax of x W + b; of equal ones the first.
    fn label(&self, row: &[f64]) -> u8 {
        let mut scores = self.biases.clone();
        for (x, weights) in row.iter().zip(self.weights.chunks(CLASSES)) {
            for (score, weight) in scores.iter_mut().zip(weights) {
                *score += x * weight;
            }
        }
        (0..CLASSES).fold(0, |best, next| if scores[next] > scores[best] { next } else { best }) as u8
    }
}

fn device(rng: &mut Xoshiro256PlusPlus, unlike: Unlike, common: &Teacher) -> Device {
    let rows = size(rng);
    let (own, means) = match unlike {
        Unlike::Iid => (None, vec![0.0; FEATURES]),
        Unlike::By { alpha, beta } => {
            let (model, feature) = (normal(rng, 0.0, alpha), normal(rng, 0.0, beta));
            (Some(Teacher::drawn(rng, model)), (0..FEATURES).map(|_| normal(rng, feature, 1.0)).collect())
        }
    };
    let teacher = own.as_ref().unwrap_or(common);
    // Variances j^-1.2, so deviations j^-0.6.
    let deviations: Vec<f64> = (1..=FEATURES).map(|j| (j as f64).powf(-0.6)).collect();
    let mut made = Device { features: Vec::with_capacity(rows * FEATURES), labels: Vec::with_capacity(rows) };
    for _ in 0..rows {
        let row: Vec<f64> =
            means.iter().zip(&deviations).map(|(mean, dev)| normal(rng, *mean, *dev)).collect();
        made.labels.push(teacher.label(&row));
        made.features.extend(row.iter().map(|value| *value as f32));
    }
    made
}

fn normal(rng: &mut Xoshiro256PlusPlus, mean: f64, deviation: f64) -> f64 {
    let unit: f64 = rng.sample(StandardNormal);
    mean + deviation * unit
}
