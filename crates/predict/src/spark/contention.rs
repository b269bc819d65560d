//! How much slower the processor makes things because others want it too, read from the log itself.
//!
//! Deserialising a task is pure computing, and Spark notes both its wall and its processor time. Their ratio, the
//! *pressure*, says how many runnable threads share a core; on the sample logs it agrees with the same ratio of tasks
//! that only compute (1.9 and 1.9, 2.6 and 2.8, 7.9 and 8.1). Slots on one machine add to it: with b runnable threads of
//! others, c slots that compute a share f of their time and m cores, pressure = max(1, (b + c f) / m). So from c to c'
//! slots it changes by (c' - c) f / m, and everything that computes is stretched alike. Slots on machines of their own
//! change nothing. Others come and go: how much the pressure differs between the quarters of a log says how much it may
//! differ between two runs.

/// Rate of stretching, and what it depends on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Contention {
    /// Wall over processor time of what only computes; 1 where it was not measured.
    pub pressure: f64,
    /// Whether it was.
    pub is_measured: bool,
    /// Its relative deviation between the quarters of the log: what another run's may be off, too.
    pub drift: f64,
    /// The share of their time in jobs that slots compute.
    pub computing: f64,
    /// Cores of the machine; `None` if every executor has its own.
    pub cores: Option<f64>,
}

/// So far above 1 a pressure tells how many threads of others there are.
const SURE: f64 = 0.2;

impl Contention {
    /// The factor by which computing takes longer when a machine's slots grow from `slots` to `other`, under the pressure
    /// `base` of the log or of another machine; `hardware` is how many cores the other machine has, where it is not the same
    /// one. Threads of others stay as many as they are.
    pub fn stretch(&self, slots: usize, other: usize, base: f64, hardware: Option<f64>) -> f64 {
        if !self.is_measured {
            // How many threads there are is not known then, and nothing is stretched that is not asked for.
            return base.max(1.0);
        }
        let Some(cores) = self.cores else { return base.max(1.0) / self.pressure };
        // A machine that keeps up says only that there are no more threads than cores, so the nearer to that the
        // fewer are taken to be there.
        let others = (base * cores - slots as f64 * self.computing) * ((base - 1.0) / SURE).clamp(0.0, 1.0);
        let on = |slots: usize, cores: f64| ((others + slots as f64 * self.computing) / cores).max(1.0);
        on(other, hardware.unwrap_or(cores)) / on(slots, cores) * base.max(1.0) / self.pressure
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_of_one_machine_press_on_each_other() {
        let shared =
            Contention { pressure: 2.0, is_measured: true, drift: 0.0, computing: 0.2, cores: Some(2.0) };
        assert!((shared.stretch(2, 4, 2.0, None) - 1.1).abs() < 1e-12);
        assert!((shared.stretch(4, 2, 2.0, None) - 0.9).abs() < 1e-12);
        assert_eq!(shared.stretch(100, 1, 2.0, None), 0.5, "an idle processor stretches nothing");
        assert_eq!(shared.stretch(2, 2, 6.0, None), 3.0, "a busier machine");
        assert!((shared.stretch(2, 4, 2.0, Some(4.0)) - 0.55).abs() < 1e-12, "4.4 threads on 4 cores");
        assert_eq!(Contention { cores: None, ..shared }.stretch(2, 4, 2.0, None), 1.0);
        let idle = Contention { pressure: 1.02, computing: 0.9, cores: Some(16.0), ..shared };
        assert!((idle.stretch(4, 4, 1.02, None) - 1.0).abs() < 1e-12);
        assert!((idle.stretch(4, 4, 1.02, Some(4.0)) - 1.0).abs() < 0.3, "no sixteen threads of others");
        let unknown = Contention { pressure: 1.0, is_measured: false, ..shared };
        assert_eq!(unknown.stretch(4, 2, 1.0, Some(2.0)), 1.0, "not measured");
        assert_eq!(unknown.stretch(4, 2, 3.0, None), 3.0, "asked for");
    }
}
