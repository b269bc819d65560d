//! Pods for the nodes of a program.
//!
//! Launcher and cluster are kept apart by a command, `syncline-kubernetes`, as `ssh` and `srun` keep others apart: what launches
//! programs needs no client of Kubernetes, and is not built with one. The launcher starts the command once a run to
//! `hold` what there is of it in the cluster, and once a node to `carry` it: to create its
//! pod, to be its standard input and output, and to end as it does.
//!
//! - [`wishes`] is what users write behind `--on kubernetes:`,
//! - [`launched`] the names of runs that the cluster launches itself,
//! - [`order`] what launcher and command tell each other,
//! - `cluster` (feature `cluster`) the objects, the client and the command's parts.
//!
//! - POD-1: a pod holds one incarnation of one node, and is never started again by Kubernetes itself: that is the launcher's
//!   decision.
//! - POD-2: no object holds a secret: the run's own comes to a node by its standard input.
//! - POD-3: when the launcher ends, however it does, nothing of the run is left in the cluster: whoever holds the run
//!   deletes it.

#[cfg(feature = "cluster")]
pub mod cluster;
pub mod launched;
pub mod order;
pub mod wishes;
