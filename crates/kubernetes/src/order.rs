//! What a launcher and the command that serves it tell each other, as JSON.

use serde::{Deserialize, Serialize};

use crate::wishes::Wishes;

/// The variable in which the command finds its [`Order`] or [`Claim`]. No argument, since others can read those.
pub const ORDER: &str = "SYNCLINE_KUBERNETES_ORDER";

/// The variable that names the file into which the command writes the [`End`] of a node.
pub const END: &str = "SYNCLINE_KUBERNETES_END";

/// The name of the command.
pub const COMMAND: &str = "syncline-kubernetes";

/// What a launcher asks for once, before it has nodes to be carried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The run's own name, by which all that is its can be found.
    pub run: String,
    /// What the user wishes.
    pub wishes: Wishes,
}

/// What holds a run says first: where it will be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ground {
    /// The namespace in which its pods will be.
    pub namespace: String,
    /// A host, an address or a name, and a port: the way there is the way to the cluster.
    pub toward: (String, u16),
    /// The launcher's own pod, if it runs in the cluster: with it goes all that it has made.
    pub owner: Option<Owner>,
    /// That pod's image.
    pub image: Option<String>,
}

/// A pod that owns others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// Its name.
    pub name: String,
    /// Its identity, which no later pod of that name has.
    pub uid: String,
}

/// One incarnation of a node, to be carried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Of which run it is.
    pub run: String,
    /// The program's name.
    pub program: String,
    /// The node's name, such as `worker/1`.
    pub node: String,
    /// Which incarnation of it.
    pub incarnation: u32,
    /// Where.
    pub namespace: String,
    /// The launcher's own pod, if it runs in the cluster.
    pub owner: Option<Owner>,
    /// Cores that its group asks for.
    pub cpus: Option<usize>,
    /// Bytes of memory that its group asks for.
    pub memory: Option<u64>,
    /// GPUs that its group asks for.
    pub gpus: Option<usize>,
    /// The program in the image.
    pub binary: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Its variables.
    pub environment: Vec<(String, String)>,
    /// What the user wishes.
    pub wishes: Wishes,
}

/// How a node in a pod ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// By itself, with this code.
    Code(i32),
    /// The container was given no more memory than it had.
    OutOfMemory,
    /// With its pod, which ended for this reason.
    WithPod(String),
    /// Unseen: its host, or the connection to it, is gone.
    Lost,
    /// It never began, for this reason.
    NeverStarted(String),
}

/// A run that the cluster itself is to launch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The program's name.
    pub program: String,
    /// The launcher's arguments, the same as outside the cluster.
    pub arguments: Vec<String>,
    /// The program in the image.
    pub binary: String,
    /// What the user wishes.
    pub wishes: Wishes,
}
