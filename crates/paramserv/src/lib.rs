//! The parameter server: servers, workers and the training loop.
