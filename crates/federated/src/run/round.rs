//! One round: a gate over those who were selected, driven by the machine of `syncline-round`.
//!
//! A round has a machine of its own whose members are its clients by their place, so that its memory is that of a round and
//! not that of all clients. Who is lost leaves; nobody waits for it.

use std::time::Duration;

use syncline_round::{Act, Deadline, Event, Least, Machine, Member, Policy, Round, Time};

use super::settings::Settings;
use crate::{Error, Result};

/// An open round.
pub(super) struct OpenRound {
    machine: Machine,
    acts: Vec<Act>,
    present: usize,
}

/// How a round ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Closed {
    /// With the answers of these places.
    Folded(Vec<usize>),
    /// Without a result.
    Failed(String),
}

/// The policy of a run's rounds.
pub(super) fn policy(settings: &Settings) -> Result<Policy> {
    let deadline = settings.deadline.map(Deadline::new).transpose().map_err(out_of_range)?;
    let least = |count: usize| Least::new(u32::try_from(count).unwrap_or(u32::MAX)).map_err(out_of_range);
    Ok(match (settings.quorum, deadline) {
        (None, None) => Policy::Bsp,
        (quorum, deadline) => Policy::Quorum { least: least(quorum.unwrap_or(1))?, deadline },
    })
}

fn out_of_range(error: syncline_round::Error) -> Error {
    Error::Settings(error.to_string())
}

impl OpenRound {
    /// Opens a round at a time, of so many clients who all start at once.
    pub(super) fn open(policy: Policy, clients: usize, now: Duration) -> Result<Self> {
        let machine = Machine::new(policy, clients).map_err(out_of_range)?;
        let mut round = Self { machine, acts: Vec::new(), present: clients };
        for place in 0..clients {
            round.tell(now, Event::Ask(member(place)));
        }
        Ok(round)
    }

    /// When it has to be told of the time.
    pub(super) fn wakes_at(&self) -> Option<Duration> {
        self.machine.wakes_at().map(Time::since_start)
    }

    /// A client has answered.
    pub(super) fn answered(&mut self, now: Duration, place: usize) -> Option<Closed> {
        self.tell(now, Event::Give { member: member(place), round: Round::ZERO })
    }

    /// A client is lost.
    pub(super) fn lost(&mut self, now: Duration, place: usize) -> Option<Closed> {
        self.present -= 1;
        let closed = self.tell(now, Event::Leave(member(place)));
        match self.present {
            0 => closed.or_else(|| Some(Closed::Failed("all of its clients were lost".into()))),
            _ => closed,
        }
    }

    /// The time has come.
    pub(super) fn due(&mut self, now: Duration) -> Option<Closed> {
        self.tell(now, Event::Due)
    }

    fn tell(&mut self, now: Duration, event: Event) -> Option<Closed> {
        self.acts.clear();
        let told = self.machine.on(Time::from(now), event, &mut self.acts);
        let fold = self.acts.iter().find_map(|act| match act {
            Act::Fold { members, .. } => {
                Some(members.iter().map(|member| member.index()).collect::<Vec<_>>())
            }
            _ => None,
        });
        match (fold, told) {
            (Some(members), _) if !members.is_empty() => Some(Closed::Folded(members)),
            (Some(_), _) => Some(Closed::Failed("fewer than its quorum had answered at its deadline".into())),
            // So many have left that no quorum can come about.
            (None, Err(error)) => Some(Closed::Failed(error.to_string())),
            (None, Ok(())) => None,
        }
    }
}

fn member(place: usize) -> Member {
    Member::new(u32::try_from(place).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1);

    fn of(quorum: Option<usize>, deadline: Option<u64>) -> OpenRound {
        let deadline = deadline.map(Duration::from_secs);
        let settings = Settings { quorum, deadline, ..Settings::default() };
        OpenRound::open(policy(&settings).unwrap(), 3, NOW).unwrap()
    }

    #[test]
    fn it_waits_for_all_or_for_its_quorum() {
        let mut all = of(None, None);
        assert_eq!((all.answered(NOW, 2), all.answered(NOW, 0)), (None, None));
        assert_eq!(all.answered(NOW, 1), Some(Closed::Folded(vec![0, 1, 2])));
        let mut two = of(Some(2), None);
        assert_eq!((two.answered(NOW, 2), two.answered(NOW, 0)), (None, Some(Closed::Folded(vec![0, 2]))));
    }

    #[test]
    fn a_deadline_ends_it_with_a_quorum_or_fails_it() {
        let end = Duration::from_secs(6);
        let mut enough = of(Some(1), Some(5));
        assert_eq!(enough.wakes_at(), Some(end));
        assert_eq!((enough.answered(NOW, 1), enough.due(end)), (None, Some(Closed::Folded(vec![1]))));
        let mut few = of(Some(2), Some(5));
        few.answered(NOW, 1);
        assert!(matches!(few.due(end), Some(Closed::Failed(_))));
    }

    #[test]
    fn nobody_waits_for_the_lost() {
        let mut round = of(None, None);
        round.answered(NOW, 0);
        assert_eq!((round.lost(NOW, 1), round.lost(NOW, 2)), (None, Some(Closed::Folded(vec![0]))));
        let mut gone = of(None, None);
        gone.lost(NOW, 0);
        gone.lost(NOW, 1);
        assert!(matches!(gone.lost(NOW, 2), Some(Closed::Failed(_))));
        let mut quorum = of(Some(2), None);
        quorum.lost(NOW, 0);
        assert!(matches!(quorum.lost(NOW, 1), Some(Closed::Failed(_))), "no two are left");
    }
}
