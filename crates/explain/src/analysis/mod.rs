//! What the windows of a log are asked. Each analysis is fed window by window, holds little, and gives its part of the
//! report at the end; none of them reads files or prints.

pub(crate) mod advice;
pub(crate) mod critical;
pub(crate) mod failures;
pub(crate) mod family;
pub(crate) mod fit;
pub(crate) mod iteration;
pub(crate) mod meeting;
pub(crate) mod numbers;
pub(crate) mod overhead;
pub(crate) mod shares;
pub(crate) mod slow;
pub(crate) mod sparklens;
pub(crate) mod split;
pub(crate) mod straggler;
pub(crate) mod tables;
pub(crate) mod timeline;
