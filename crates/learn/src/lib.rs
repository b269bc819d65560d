//! What is trained: models, losses and the gradient of a batch.
