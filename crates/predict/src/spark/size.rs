//! How large a cluster is asked about.

/// A number of slots, and on what.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Size {
    /// Tasks that can run at once.
    pub slots: usize,
    /// Cores of the one machine that all slots share; `None` for what the log tells.
    pub machine_cores: Option<f64>,
    /// How busy the machine is with the same number of slots: wall over processor time of what only computes, 1 on an
    /// idle one; `None` for as busy as in the log.
    pub pressure: Option<f64>,
}

impl Size {
    /// So many slots; the machine is what the log tells.
    pub fn of(slots: usize) -> Self {
        Self { slots, machine_cores: None, pressure: None }
    }
}
