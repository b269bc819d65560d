//! What is trained: models, losses and the gradient of a batch.
//!
//! A [`Model`] is arithmetic on one flat slice of parameters: a batch goes in, the gradient of its mean loss and a
//! [`Score`] come out. That is all a parameter server needs to know, so a user's own model is one small trait
//! away. Built in are [`Linear`] (least squares), [`Logistic`], [`Softmax`], [`Svm`] (hinge) and [`Mlp`] (ReLU
//! layers), over dense and over sparse rows; a [`ModelSpec`] builds one by name, a [`SavedModel`] keeps one in a file.
//!
//! ```
//! use syncline_data::synthetic;
//! use syncline_learn::{Model, ModelSpec, plain};
//!
//! let data = synthetic::separable(500, 4, 3, 1);
//! let mut model = "softmax".parse::<ModelSpec>()?.build(&data)?;
//! let parameters = plain::train(&mut model, &data, plain::Settings { batch: 50, epochs: 20, learning_rate: 0.5, seed: 1 });
//! assert!(model.score(&parameters, &data.batch(0..500)).accuracy() > 0.95);
//! # Ok::<(), syncline_learn::Error>(())
//! ```
//!
//! Of the project's crates it uses `data` only. Matrix products are the `gemm` library's; a model uses one thread, so
//! that k workers on k cores do not fight, and gives the same bits for the same inputs.

mod affine;
mod compact;
mod error;
mod factors;
mod layers;
mod linear;
mod loss;
mod matrix;
pub mod metrics;
mod mlp;
mod model;
pub mod plain;
mod prediction;
mod saved;
mod score;
mod skipped;
mod sparse;
mod spec;
mod vector;

pub use compact::Compact;
pub use error::{Error, Result};
pub use factors::Factors;
pub use layers::Layer;
pub use linear::{Linear, LinearModel, Logistic, Softmax, Svm};
pub use loss::{CrossEntropy, Hinge, Logit, Loss, Squared};
pub use metrics::Metrics;
pub use mlp::Mlp;
pub use model::Model;
pub use prediction::Predictions;
pub use saved::SavedModel;
pub use score::Score;
pub use skipped::Skipped;
pub use spec::ModelSpec;
