//! Gates, folds and server optimisers: the pure decisions of one training round.
