//! When nothing moves in a live run: whether that is a deadlock.
//!
//! In virtual time a deadlock is certain: nothing can go on. On the machine a service may simply take long. So it takes two
//! signs: for a stated time no wait has begun or ended anywhere, and every node that has work to do waits for another.

use std::time::Duration;

use syncline_runtime::{Knot, Waits};

use crate::NodeName;
use crate::control::standing::Standing;

/// Watches for a standstill.
#[derive(Debug)]
pub(crate) struct Stall {
    /// For how long nothing must have moved.
    silence: Duration,
    /// How often anything had moved when it last did, and when that was.
    last: Option<(u64, Duration)>,
    told: bool,
}

impl Stall {
    pub(crate) fn new(silence: Duration) -> Self {
        Self { silence, last: None, told: false }
    }

    /// How often to look.
    pub(crate) fn period(&self) -> Duration {
        (self.silence / 4).min(Duration::from_secs(1))
    }

    /// Looks at what all processes say at `now`, where these nodes have work to do; a standstill is told of once.
    pub(crate) fn look(
        &mut self,
        now: Duration,
        standings: &[Standing],
        working: &[NodeName],
    ) -> Option<Knot> {
        let changes = standings.iter().map(|standing| standing.changes).sum();
        let (known, since) = *self.last.get_or_insert((changes, now));
        if known != changes {
            self.last = Some((changes, now));
            self.told = false;
            return None;
        }
        if self.told || now < since + self.silence {
            return None;
        }
        let knot = knot(standings, working)?;
        self.told = true;
        Some(knot)
    }
}

/// Why nobody goes on, if all who have work to do wait for others.
fn knot(standings: &[Standing], working: &[NodeName]) -> Option<Knot> {
    let waits = Waits::default();
    let working: Vec<_> = working.iter().map(|node| waits.enter(&node.to_string())).collect();
    let _heard: Vec<_> = standings.iter().map(|standing| waits.hear(&standing.told())).collect();
    // One that waits to be stopped does not hold up the others.
    let working: Vec<_> = working.into_iter().filter(|node| !waits.awaits_stop(*node)).collect();
    let all_wait = working.iter().all(|node| waits.waits_for_others(*node));
    (all_wait && !working.is_empty()).then(|| waits.knot(&working)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use syncline_runtime::Wait;

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    fn names(names: &[&str]) -> Vec<NodeName> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn a_standstill_of_all_who_work_is_told_once() {
        let waits = Waits::default();
        let call = |to| Wait::Call { node: waits.enter(to), method: "ask", lost: false };
        let mut stall = Stall::new(secs(10));
        let working = names(&["a/0", "b/0"]);
        let look = |stall: &mut Stall, now| stall.look(now, &[Standing::of(&waits)], &working);
        let _a = waits.begin(waits.enter("a/0"), call("b/0"));
        assert_eq!(look(&mut stall, secs(0)), None);
        assert_eq!(look(&mut stall, secs(11)), None, "b/0 may be computing");
        let _b = waits.begin(waits.enter("b/0"), call("a/0"));
        assert_eq!(look(&mut stall, secs(12)), None);
        assert_eq!(look(&mut stall, secs(21)), None);
        let knot = look(&mut stall, secs(22)).unwrap();
        assert!(knot.is_circle, "{knot}");
        assert_eq!(look(&mut stall, secs(40)), None, "it has been told");
    }

    #[test]
    fn who_waits_to_be_stopped_is_stuck_with_nobody() {
        let waits = Waits::default();
        let _stop = waits.begin(waits.enter("a/0"), Wait::Stop);
        let mut stall = Stall::new(secs(1));
        for now in 0..9 {
            assert_eq!(stall.look(secs(now), &[Standing::of(&waits)], &names(&["a/0"])), None);
        }
    }
}
