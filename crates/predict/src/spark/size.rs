//! How large a cluster is asked about.

/// A number of slots, and on what.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Size {
    /// Tasks that can run at once.
    pub slots: usize,
    /// Cores of the one machine that all slots share; `None` for what the log tells.
    pub machine_cores: Option<f64>,
}

impl Size {
    /// So many slots; the machine is what the log tells.
    pub fn of(slots: usize) -> Self {
        Self { slots, machine_cores: None }
    }
}
