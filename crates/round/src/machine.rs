//! The round machine: what stands between a gate and those who drive it. It knows who is there and what each is at, lets only
//! those events through that make sense, and tells the gate in time.
//!
//! Its drivers are the live servers, on the machine's clock or a virtual one, the simulated training loop of
//! `syncline-queueing` and that of `syncline-predict`. Each of them carries acts out in its own way and decides nothing.
//!
//! - MACHINE-1: a gate hears of a round only from the member that it let into it, and once.
//! - MACHINE-2: a refused event changes nothing.
//! - MACHINE-3: a time that the gate waits for comes before any event that is told later than that time, whoever keeps the
//!   clock. So a driver needs a timer only while it holds somebody.

use serde::{Deserialize, Serialize};

use crate::{Act, AnyGate, Error, Event, Gate, Member, Policy, Round, Selection, Time};

/// Rounds that may fail in a row: then no more come, because more of the same would be waited for in vain.
const MOST_FAILED: u32 = 10;

/// A gate with the books of its members.
///
/// ```
/// use syncline_round::{Act, Event, Machine, Member, Policy, Round, Time};
///
/// let mut machine = Machine::new(Policy::Bsp, 2)?;
/// let mut tell = |event| {
///     let mut acts = Vec::new();
///     machine.on(Time::START, event, &mut acts)?;
///     Ok::<_, syncline_round::Error>(acts)
/// };
/// let (a, b, round) = (Member::new(0), Member::new(1), Round::ZERO);
/// assert_eq!(tell(Event::Ask(a))?, [Act::Go { member: a, round }]);
/// assert!(tell(Event::Give { member: b, round }).is_err(), "it did not start");
/// assert_eq!(tell(Event::Ask(b))?, [Act::Go { member: b, round }]);
/// assert_eq!(tell(Event::Give { member: b, round })?, []);
/// assert_eq!(tell(Event::Ask(b))?, [], "it waits for a");
/// let acts = tell(Event::Give { member: a, round })?;
/// assert!(matches!(&acts[0], Act::Fold { members, .. } if members[..] == [a, b]));
/// assert_eq!(acts[1], Act::Go { member: b, round: round.next() });
/// # Ok::<(), syncline_round::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Machine<G = AnyGate> {
    gate: G,
    seats: Vec<Seat>,
    present: usize,
    /// When the gate wants to be told.
    wake: Option<Time>,
    /// Rounds that have failed since the last one that did not.
    failed: u32,
}

/// What one member is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Seat {
    /// It does not take part.
    Empty,
    /// It has not asked.
    Idle,
    /// It has asked.
    Held,
    Working(Round),
    /// It was told to stop, and may not have heard yet.
    Cancelled(Round),
}

impl Machine {
    /// A machine of this policy with members 0 to `members` - 1, all at the first round.
    ///
    /// # Errors
    /// Without members, with more than there can be, or with too few for the policy.
    pub fn new(policy: Policy, members: usize) -> Result<Self, Error> {
        Self::selecting(policy, Selection::All, members)
    }

    /// As [`new`](Self::new), of whom `select` chooses those of each round.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn selecting(policy: Policy, select: Selection, members: usize) -> Result<Self, Error> {
        policy.check(members)?;
        Self::of(AnyGate::new(policy, select), members)
    }

    /// How far its members have come.
    pub fn snapshot(&self, policy: Policy, select: Selection) -> Snapshot {
        let taking_part = (0u32..).zip(&self.seats).filter(|(_, seat)| **seat != Seat::Empty);
        let members = taking_part.map(|(index, _)| Member::new(index));
        let members = members.map(|member| (member, self.gate.at(member))).collect();
        Snapshot { policy, select, members }
    }
}

impl<G: Gate> Machine<G> {
    /// A machine of any gate, with members 0 to `members` - 1.
    ///
    /// # Errors
    /// With more members than there can be.
    pub fn of(gate: G, members: usize) -> Result<Self, Error> {
        let mut machine = Self { gate, seats: Vec::new(), present: 0, wake: None, failed: 0 };
        for index in 0..members {
            let index = u32::try_from(index).unwrap_or(u32::MAX);
            // Nobody has asked, so that there is nothing to do.
            machine.on(Time::START, Event::Join(Member::new(index)), &mut Vec::new())?;
        }
        Ok(machine)
    }

    /// Takes an event at a time, and adds what is to be done, in order.
    ///
    /// # Errors
    /// When the event makes no sense, as from a peer that breaks the protocol: nothing has changed then. And when it leaves
    /// too few members for any round to close, or was the last of many rounds that failed: then it counts, and what is to be
    /// done was added.
    pub fn on(&mut self, now: Time, event: Event, acts: &mut Vec<Act>) -> Result<(), Error> {
        if self.wake.is_some_and(|wake| now >= wake) {
            self.wake = None;
            self.tell(now, Event::Due, acts);
        }
        self.check(Event::Due)?;
        match event {
            Event::Join(member) => self.join(member)?,
            Event::Leave(member) => self.leave(member)?,
            Event::Ask(member) => match self.seat(member) {
                Seat::Empty => return Err(self.unknown(member)),
                Seat::Held => return Ok(()),
                // Asked again, as by one that did not hear the answer.
                Seat::Working(round) => {
                    acts.push(Act::Go { member, round });
                    return Ok(());
                }
                _ => self.seats[member.index()] = Seat::Held,
            },
            Event::Give { member, round } => match self.seat(member) {
                Seat::Empty => return Err(self.unknown(member)),
                Seat::Working(at) if at == round => self.seats[member.index()] = Seat::Idle,
                Seat::Cancelled(at) if at == round => {
                    self.seats[member.index()] = Seat::Idle;
                    acts.push(Act::Late(member));
                    return Ok(());
                }
                seat => return Err(out_of_turn(member, seat, round)),
            },
            Event::Due => return self.check(event),
        }
        self.tell(now, event, acts);
        self.check(event)
    }

    /// When the gate wants to be told of the time, if it does.
    pub fn wakes_at(&self) -> Option<Time> {
        self.wake
    }

    /// How many take part.
    pub fn present(&self) -> usize {
        self.present
    }

    /// Those for whom others may be waiting: who take part and do not wait themselves.
    pub fn missing(&self) -> impl Iterator<Item = Member> {
        let seats = (0u32..).zip(&self.seats);
        let missing = seats.filter(|(_, seat)| !matches!(seat, Seat::Empty | Seat::Held));
        missing.map(|(index, _)| Member::new(index))
    }

    /// The gate.
    pub fn gate(&self) -> &G {
        &self.gate
    }

    /// Tells the gate, and notes what follows from its acts.
    fn tell(&mut self, now: Time, event: Event, acts: &mut Vec<Act>) {
        let before = acts.len();
        self.gate.on(now, event, acts);
        for act in &acts[before..] {
            match *act {
                Act::Go { member, round } => self.seats[member.index()] = Seat::Working(round),
                Act::Cancel { member, round } => self.seats[member.index()] = Seat::Cancelled(round),
                Act::WakeAt(time) => self.wake = Some(time),
                Act::Fold { ref members, .. } => {
                    self.failed = if members.is_empty() { self.failed + 1 } else { 0 };
                }
                Act::Late(_) => {}
            }
        }
    }

    /// The seat of a member; an empty one where there is none.
    #[inline]
    fn seat(&self, member: Member) -> Seat {
        self.seats.get(member.index()).copied().unwrap_or(Seat::Empty)
    }

    #[cold]
    fn unknown(&self, member: Member) -> Error {
        Error::UnknownMember { member, members: self.present }
    }

    fn join(&mut self, member: Member) -> Result<(), Error> {
        if member.index() > Member::MOST as usize {
            let got = (member.index() + 1).to_string();
            return Err(Error::OutOfRange { what: "workers", got, must: "at most a million" });
        }
        if self.seat(member) != Seat::Empty {
            return Err(Error::TwiceThere { member });
        }
        let seats = self.seats.len().max(member.index() + 1);
        self.seats.resize(seats, Seat::Empty);
        self.seats[member.index()] = Seat::Idle;
        self.present += 1;
        Ok(())
    }

    fn leave(&mut self, member: Member) -> Result<(), Error> {
        if self.seat(member) == Seat::Empty {
            return Err(self.unknown(member));
        }
        self.seats[member.index()] = Seat::Empty;
        self.present -= 1;
        Ok(())
    }

    /// Whether rounds can still close.
    #[inline]
    fn check(&self, event: Event) -> Result<(), Error> {
        if self.failed >= MOST_FAILED {
            return Err(Error::NoQuorum { failed: self.failed, least: self.gate.least() });
        }
        match event {
            Event::Leave(_) if self.present < self.gate.least() => {
                Err(Error::TooFew { present: self.present, least: self.gate.least() })
            }
            _ => Ok(()),
        }
    }
}

#[cold]
fn out_of_turn(member: Member, seat: Seat, got: Round) -> Error {
    let expected = match seat {
        Seat::Working(round) | Seat::Cancelled(round) => Some(round),
        _ => None,
    };
    Error::OutOfTurn { member, expected, got }
}

/// How far a machine's members have come: what is kept of it beside the parameters, to go on later. Rounds under way are not
/// in it; they are started again.
///
/// ```
/// use syncline_round::{Event, Machine, Member, Policy, Selection, Snapshot, Time};
///
/// let policy: Policy = "ssp:1".parse()?;
/// let machine = Machine::new(policy, 3)?;
/// let saved: Snapshot = machine.snapshot(policy, Selection::All);
/// let mut again = saved.machine()?;
/// again.on(Time::START, Event::Ask(Member::new(2)), &mut Vec::new())?;
/// # Ok::<(), syncline_round::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    policy: Policy,
    select: Selection,
    /// Who takes part, and the round that each starts next.
    members: Vec<(Member, Round)>,
}

impl Snapshot {
    /// Who takes part, and the round that each starts next.
    pub fn members(&self) -> &[(Member, Round)] {
        &self.members
    }

    /// The policy that they are under.
    pub fn policy(&self) -> Policy {
        self.policy
    }

    /// What machines of one policy say, each of other members, as one; nothing without any.
    ///
    /// ```
    /// use syncline_round::{Machine, Member, Policy, Selection, Snapshot};
    ///
    /// let all = Machine::new(Policy::Bsp, 3)?.snapshot(Policy::Bsp, Selection::All);
    /// let each = [2, 0, 1].map(|member| all.only(Member::new(member)));
    /// assert_eq!(Snapshot::join(each), Some(all));
    /// # Ok::<(), syncline_round::Error>(())
    /// ```
    pub fn join(parts: impl IntoIterator<Item = Self>) -> Option<Self> {
        let mut parts = parts.into_iter();
        let mut all = parts.next()?;
        parts.for_each(|part| all.members.extend(part.members));
        all.members.sort_unstable_by_key(|(member, _)| *member);
        Some(all)
    }

    /// What it says of one member.
    #[must_use]
    pub fn only(&self, member: Member) -> Self {
        let members = self.members.iter().copied().filter(|(other, _)| *other == member).collect();
        Self { members, ..self.clone() }
    }

    /// The machine as it was, with nobody at work.
    ///
    /// # Errors
    /// When no machine could have been like this: a file may hold anything.
    pub fn machine(&self) -> Result<Machine, Error> {
        let start = AnyGate::new(self.policy, self.select);
        let mut machine = Machine { gate: start, seats: Vec::new(), present: 0, wake: None, failed: 0 };
        for &(member, round) in &self.members {
            machine.join(member)?;
            if round > Round::LAST {
                let got = round.number().to_string();
                return Err(Error::OutOfRange { what: "a round", got, must: "below 2^53" });
            }
        }
        machine.gate = AnyGate::resume(self.policy, self.select, &self.members)?;
        Ok(machine)
    }
}
