//! Matrices of features and labels, their readers and partitions.
