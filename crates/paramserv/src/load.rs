//! What else used the machine while a run was traced: a prediction from the trace may be off for no other reason.
//!
//! From Linux's own books, `/proc/stat` of the machine and `/proc/self/stat` of this process, in the same ticks; where
//! there are none, or the run has processes of its own, nothing is said.

use std::fs::read_to_string;

use syncline_trace::MachineLoad;

/// Ticks of all cores since the machine started, and those of this process.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Load {
    all: u64,
    /// Neither idle nor waiting for a disk nor stolen.
    busy: u64,
    /// Given to other virtual machines.
    stolen: u64,
    own: u64,
}

impl Load {
    /// As it stands.
    pub(crate) fn now() -> Option<Self> {
        Self::parse(&read_to_string("/proc/stat").ok()?, &read_to_string("/proc/self/stat").ok()?)
    }

    /// From the text of both books (proc(5)).
    fn parse(machine: &str, process: &str) -> Option<Self> {
        let cores = machine.lines().next()?.strip_prefix("cpu ")?;
        let ticks: Vec<u64> = cores.split_whitespace().map_while(|tick| tick.parse().ok()).collect();
        // user, nice, system, idle, iowait, irq, softirq, steal; guests are among the users.
        let [user, nice, system, idle, waiting, irq, soft, stolen] = ticks.get(..8)?.try_into().ok()?;
        let busy = user + nice + system + irq + soft;
        // The name in brackets may hold anything; user and system time are the 12th and 13th field after it.
        let (_, fields) = process.rsplit_once(')')?;
        let mut times = fields.split_whitespace().skip(11).map_while(|tick| tick.parse::<u64>().ok());
        let own = times.next()? + times.next()?;
        Some(Self { all: busy + idle + waiting + stolen, busy, stolen, own })
    }

    /// What went on since, for a trace; nothing where no tick has passed.
    pub(crate) fn since(self, before: Self) -> Option<MachineLoad> {
        let passed = |of: fn(&Self) -> u64| of(&self).saturating_sub(of(&before)) as f64;
        let all = passed(|load| load.all);
        if all <= 0.0 {
            return None;
        }
        let others = (passed(|load| load.busy) - passed(|load| load.own)).max(0.0) / all;
        let stolen = passed(|load| load.stolen) / all;
        Some(MachineLoad { others_share: others.min(1.0), stolen_share: stolen.min(1.0) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_all_cores_time() {
        let process =
            |user: u64| format!("7 (a) b) S 1 7 7 0 -1 4194304 200 0 0 0 {user} 50 0 0 20 0 4 0 100");
        let before = Load::parse("cpu  100 0 50 1000 10 0 0 0 0 0\ncpu0 1 2\n", &process(80)).unwrap();
        let after = Load::parse("cpu  200 10 90 1140 10 0 10 50 9 9\n", &process(120)).unwrap();
        // 350 ticks passed, 160 of them busy, 40 of those our own; 50 were stolen.
        let expected = MachineLoad { others_share: 120.0 / 350.0, stolen_share: 50.0 / 350.0 };
        assert_eq!(after.since(before), Some(expected));
        assert_eq!(after.since(after), None);
        assert_eq!(Load::parse("intr 5\n", &process(1)), None);
        assert_eq!(Load::parse("cpu  1 2 3\n", &process(1)), None);
    }
}
