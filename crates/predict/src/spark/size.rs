//! How large a cluster is asked about.

/// A number of slots, and on what.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Size {
    /// Tasks that can run at once.
    pub slots: usize,
    /// Cores of the one machine that all slots of the log share; `None` for what the log tells.
    pub machine_cores: Option<f64>,
    /// Cores of the machine that is asked about; `None` for the log's. Nothing where every executor has a machine of its own.
    pub hardware: Option<f64>,
    /// How busy the machine is with the same number of slots: wall over processor time of what only computes, 1 on an
    /// idle one; `None` for as busy as in the log.
    pub pressure: Option<f64>,
}

impl Size {
    /// So many slots on the log's machine.
    pub fn of(slots: usize) -> Self {
        Self { slots, machine_cores: None, hardware: None, pressure: None }
    }

    /// So many cores, each with a slot: where the log's slots share a machine, another one that has them.
    pub fn of_cores(cores: usize) -> Self {
        Self { hardware: Some(cores as f64), ..Self::of(cores) }
    }
}
