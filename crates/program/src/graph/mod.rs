//! What a program is before it runs: groups of nodes under labels, handles to the services among them, and the outline
//! by which processes agree that they have built the same one.

pub(crate) mod builder;
pub(crate) mod colocation;
pub(crate) mod handle;
pub(crate) mod id;
pub(crate) mod label;
pub(crate) mod outline;
pub(crate) mod picture;
pub(crate) mod program;
pub(crate) mod resources;
pub(crate) mod values;
