//! A server and its standby: another node that knows all that must not be lost with the server.
//!
//! A standby is a server that workers do not know. It takes in what its server takes in, in the same order and with the same times: who
//! asks the gate, what is handed in, what workers remember. Gate, fold and optimiser have no clock and draw nothing, so that it comes to the
//! same parameters, to the last bit (Schneider 1990, replicated state machines). A server that is started again begins from what its
//! standby knows; a standby that is started again is told everything by its server.
//!
//! - STANDBY-1: whatever a worker is answered, the standby knows what it follows from: the answer waits until then.
//! - STANDBY-2: what is sent twice counts once, and what does not follow on what the standby knows is not taken in.
//! - STANDBY-3: of two incarnations that speak for one server the standby hears the later one only.

use std::collections::VecDeque;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use syncline_round::{Event, Gate, Member, Round, Time};
use syncline_wire::{ServiceError, Tensor};
use tokio::sync::oneshot;

use super::{Go, Released, Server, Told, Word, state::Before, state::State};
use crate::{
    Error,
    gradient::Gradient,
    protocol::{Memory, Position, ShardClient, ShardState},
    way::Way,
};

/// What a server has taken in, and when.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Entry {
    at: Time,
    what: What,
}

/// What there is to take in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum What {
    /// A worker asks for its next round.
    Asked(u32),
    /// A worker hands in a round, as it was sent.
    Given(Box<Given>),
    /// Time has passed that the gate waits for.
    Due,
    /// What a worker remembers.
    Remembered(u32, Memory),
}

/// A round that a worker hands in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Given {
    pub(super) worker: u32,
    pub(super) round: u64,
    pub(super) gradient: Gradient,
    pub(super) position: Position,
}

/// All that a server knows, also between two rounds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Whole {
    at: Time,
    history: u32,
    state: ShardState,
    /// What has been handed in of the rounds that are open, by worker.
    pending: Vec<(u32, Gradient)>,
    /// The round that was folded last, and the parameters before that, where they are kept.
    before: Option<(u64, Tensor<f32>)>,
}

/// A server's way to its standby.
pub(super) struct Standby {
    way: Way,
    /// Who sends, since what is sent must come in order.
    turn: tokio::sync::Mutex<()>,
}

impl Standby {
    pub(super) fn new(way: Way) -> Self {
        Self { way, turn: tokio::sync::Mutex::new(()) }
    }

    /// Sends what is next; whether it was taken in.
    async fn send(&self, primary: u32, parcel: Parcel) -> Result<bool, Error> {
        match parcel {
            Parcel::Entries { first, entries } => {
                self.way.ask(async |client| client.follow(primary, first, entries).await).await
            }
            Parcel::Whole { next, whole } => {
                self.way.ask(async |client| client.learn(primary, next, *whole).await).await.map(|()| true)
            }
        }
    }
}

/// What a server has for its standby.
#[derive(Default)]
pub(super) struct Outbox {
    /// The number of the first entry that the standby may not know.
    first: u64,
    entries: VecDeque<Entry>,
    /// The number of the first entry that it need not know before anybody is answered.
    due: u64,
    /// Whether it is to be told everything.
    tells_all: bool,
    /// How often what was known has been given up.
    version: u64,
    /// Workers who go on once it knows the entries before this number.
    leaving: Vec<(u64, oneshot::Sender<Word>, Go)>,
}

/// What is sent at a time.
enum Parcel {
    Entries { first: u64, entries: Vec<Entry> },
    Whole { next: u64, whole: Box<Whole> },
}

impl Outbox {
    fn end(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    /// Whether nobody need wait.
    fn is_known(&self) -> bool {
        !self.tells_all && self.first >= self.due
    }

    /// All is other than it was, and told anew.
    fn begin_anew(&mut self) {
        (self.first, self.due) = (self.end(), self.end());
        self.entries.clear();
        self.tells_all = true;
        self.version += 1;
        for (_, open, _) in self.leaving.drain(..) {
            // A worker that no longer listens has failed, which its own node reports.
            let _ = open.send(Word::Anew);
        }
    }

    /// The standby knows all before this number; who goes on now. What was said of an earlier version does not count.
    fn is_told(&mut self, version: u64, next: u64) -> Released {
        if version != self.version {
            return Vec::new();
        }
        let known = next.saturating_sub(self.first).min(self.entries.len() as u64);
        self.entries.drain(..known as usize);
        self.first += known;
        self.tells_all = false;
        let first = self.first;
        let gone = self.leaving.extract_if(.., |(number, ..)| *number <= first);
        gone.map(|(_, open, go)| (open, go)).collect()
    }
}

/// What a standby knows of its server.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Followed {
    /// The latest incarnation that was heard.
    primary: u32,
    /// The number of the first entry that it has not taken in.
    next: u64,
}

impl State {
    /// Notes for the standby what is being taken in, before it is.
    pub(super) fn note(&mut self, at: Time, what: impl FnOnce() -> What) {
        let Some(outbox) = &mut self.outbox else { return };
        let what = what();
        // Who asks changes nothing that could be lost.
        let matters = matches!(what, What::Given(_) | What::Remembered(..));
        outbox.entries.push_back(Entry { at, what });
        if matters {
            outbox.due = outbox.end();
        }
    }

    /// What was noted last has changed something that must not be lost.
    pub(super) fn note_matters(&mut self) {
        self.outbox.iter_mut().for_each(|outbox| outbox.due = outbox.end());
    }

    /// All is other than it was.
    pub(super) fn tell_all_anew(&mut self) {
        self.outbox.iter_mut().for_each(Outbox::begin_anew);
    }
}

impl Server {
    /// Lets workers go on, once the standby knows why they may (STANDBY-1). Without the lock, which they will want.
    pub(super) async fn let_go(&self, released: Released) -> Result<(), ServiceError> {
        if self.standby.is_none() {
            open_for(released);
            return Ok(());
        }
        // Kept where it outlives this call: its caller may be lost while the standby is told.
        if let Some(outbox) = &mut self.state().outbox {
            let number = outbox.due;
            outbox.leaving.extend(released.into_iter().map(|(open, go)| (number, open, go)));
        }
        self.forward().await
    }

    /// Returns once the standby knows all that must not be lost.
    pub(super) async fn forward(&self) -> Result<(), ServiceError> {
        let Some(standby) = &self.standby else { return Ok(()) };
        let is_known = |state: &State| {
            state.outbox.as_ref().is_none_or(|outbox| outbox.is_known() && outbox.leaving.is_empty())
        };
        if is_known(&self.state()) {
            return Ok(());
        }
        self.send(standby).await
    }

    /// Sends what the standby does not know. On the heap: what calls another server would make the future of every call of this one as
    /// large again.
    fn send<'a>(&'a self, standby: &'a Standby) -> BoxFuture<'a, Result<(), ServiceError>> {
        Box::pin(self.send_in_turn(standby))
    }

    async fn send_in_turn(&self, standby: &Standby) -> Result<(), ServiceError> {
        let _turn = standby.turn.lock().await;
        while let Some((version, next, parcel)) = self.parcel() {
            match standby.send(self.ctx.incarnation(), parcel).await {
                Ok(true) => {
                    let told = self.state().outbox.as_mut().map(|outbox| outbox.is_told(version, next));
                    open_for(told.unwrap_or_default());
                }
                // It was started again, and knows nothing (STANDBY-2).
                Ok(false) => self.state().outbox.iter_mut().for_each(|outbox| outbox.tells_all = true),
                // The next call waits for what takes its place.
                Err(Error::Program(syncline_program::Error::PeerLost(_))) => {}
                Err(error) => return Err(ServiceError::new(error.to_string())),
            }
        }
        Ok(())
    }

    /// What the standby is to be sent next, with the version that it is of and the number before which it knows all then.
    fn parcel(&self) -> Option<(u64, u64, Parcel)> {
        let mut state = self.state();
        let outbox = state.outbox.as_mut()?;
        let (version, first, next) = (outbox.version, outbox.first, outbox.end());
        if outbox.tells_all {
            let whole = Box::new(self.whole(&state));
            return Some((version, next, Parcel::Whole { next, whole }));
        }
        if outbox.is_known() {
            // Who came too late to wait for it.
            let told = outbox.is_told(version, first);
            drop(state);
            open_for(told);
            return None;
        }
        let entries = outbox.entries.iter().cloned().collect();
        Some((version, next, Parcel::Entries { first, entries }))
    }

    /// All that this server knows.
    fn whole(&self, state: &State) -> Whole {
        let pending = (0..).zip(&state.kept).filter_map(|(worker, kept)| Some((worker, kept.clone()?)));
        Whole {
            at: self.clock.now().into(),
            history: self.history.borrow().unwrap_or_default(),
            state: state.save(self.current(state)),
            pending: pending.collect(),
            before: state.before.as_ref().and_then(Before::told),
        }
    }

    /// Begins from what another server knew.
    fn begin_from(&self, state: &mut State, whole: Whole) -> Result<(), ServiceError> {
        let Whole { at, history, state: known, pending, before } = whole;
        state.restore(known)?;
        for (worker, gradient) in pending {
            state.seats.check(worker)?;
            let member = Member::new(worker);
            let round = state.machine.gate().at(member);
            self.tell(state, at, Event::Ask(member), None)?;
            self.tell(state, at, Event::Give { member, round }, Some(gradient))?;
            state.seats.given(worker as usize, round.number());
        }
        state.seats.came_from_elsewhere();
        if let Some((own, (round, values))) = state.before.as_mut().zip(before) {
            *own = Before::of(Round::new(round), values);
        }
        // Under the lock, so that nobody takes up this state as one of the history before.
        self.history.send_replace(Some(history));
        Ok(())
    }

    /// Begins from what the standby knows, if it knows something.
    pub(super) async fn begin_from_standby(&self, hold: Option<u64>) -> Result<bool, ServiceError> {
        let Some(standby) = &self.standby else { return Ok(false) };
        let Some(whole) = self.asked_back(standby).await? else { return Ok(false) };
        let mut state = self.state();
        self.begin_from(&mut state, whole)?;
        state.end_hold(hold);
        state.outbox = Some(Outbox::default());
        Ok(true)
    }

    /// What the standby knows, which on its part goes on from that.
    fn asked_back<'a>(&'a self, standby: &'a Standby) -> BoxFuture<'a, Result<Option<Whole>, ServiceError>> {
        Box::pin(async move {
            let primary = self.ctx.incarnation();
            loop {
                match standby.way.ask(async |client| client.hand_over(primary).await).await {
                    Ok(whole) => return Ok(whole),
                    Err(Error::Program(syncline_program::Error::PeerLost(_))) => {}
                    Err(error) => return Err(ServiceError::new(error.to_string())),
                }
            }
        })
    }

    /// As a standby: takes in entries, of which it may know some already.
    pub(super) fn take_in(
        &self,
        primary: u32,
        first: u64,
        entries: Vec<Entry>,
    ) -> Result<bool, ServiceError> {
        let mut state = self.state();
        let Followed { primary: known, next } = state.followed;
        if self.history.borrow().is_none() || primary != known || first > next {
            return Ok(false);
        }
        for entry in entries.into_iter().skip((next - first) as usize) {
            state.followed.next += 1;
            self.take_in_entry(&mut state, entry)?;
        }
        Ok(true)
    }

    fn take_in_entry(&self, state: &mut State, Entry { at, what }: Entry) -> Result<(), ServiceError> {
        // What its server refused is refused here too, which that has told whom it concerns.
        match what {
            What::Asked(worker) => {
                state.seats.check(worker)?;
                state.seats.asks(worker as usize);
                let _ = self.tell(state, at, Event::Ask(Member::new(worker)), None);
            }
            What::Due => _ = self.tell(state, at, Event::Due, None),
            What::Given(given) => {
                let Given { worker, round, gradient, position } = *given;
                state.seats.check(worker)?;
                let values = gradient.values.unpacked().map_err(ServiceError::new)?;
                let gradient = Gradient { values, ..gradient };
                gradient.check(self.shard.len()).map_err(ServiceError::new)?;
                if round < state.seats.next(worker as usize) {
                    // Of a round that was over when the state came here.
                    state.statistics.pushes += 1;
                    state.came_too_late(gradient.samples);
                } else {
                    let _ = self.give(state, at, (worker, round), gradient, position);
                }
            }
            What::Remembered(worker, memory) => {
                state.seats.check(worker)?;
                state.seats.remember(worker as usize, memory);
            }
        }
        Ok(())
    }

    /// As a standby: takes in all that its server knows.
    pub(super) fn learn_whole(&self, primary: u32, next: u64, whole: Whole) -> Result<(), ServiceError> {
        let mut state = self.state();
        self.hear(&state, primary)?;
        self.begin_from(&mut state, whole)?;
        state.followed = Followed { primary, next };
        Ok(())
    }

    /// As a standby: what it knows, for what takes its server's place. It begins from that itself, so that both go on alike.
    pub(super) fn told_to(&self, primary: u32) -> Result<Option<Whole>, ServiceError> {
        let mut state = self.state();
        self.hear(&state, primary)?;
        if self.history.borrow().is_none() {
            return Ok(None);
        }
        let whole = self.whole(&state);
        self.begin_from(&mut state, whole.clone())?;
        state.followed = Followed { primary, next: 0 };
        Ok(Some(whole))
    }

    /// Refuses an incarnation in whose place another one is (STANDBY-3).
    fn hear(&self, state: &State, primary: u32) -> Result<(), ServiceError> {
        match primary < state.followed.primary {
            true => Err(ServiceError::new("another incarnation of this server is in its place")),
            false => Ok(()),
        }
    }

    /// Tells the machine what a worker has done, and does what it says.
    pub(super) fn give(
        &self,
        state: &mut State,
        at: Time,
        (worker, round): (u32, u64),
        gradient: Gradient,
        position: Position,
    ) -> Result<Told, ServiceError> {
        let (member, seat) = (Member::new(worker), worker as usize);
        let mut released = Vec::new();
        state.statistics.pushes += 1;
        // Who was let into its round by another server has not asked this one, and its round may be over by now.
        let is_guest = state.seats.asks(seat);
        if is_guest && state.machine.gate().at(member).number() > round {
            state.came_too_late(gradient.samples);
        } else {
            if is_guest {
                released = self.tell(state, at, Event::Ask(member), None)?.released;
            }
            let given = Event::Give { member, round: Round::new(round) };
            released.extend(self.tell(state, at, given, Some(gradient))?.released);
        }
        state.seats.given(seat, round);
        state.seats.stands(seat, position);
        Ok(Told { own: None, released })
    }
}

/// Lets workers go on.
fn open_for(released: Released) {
    for (open, go) in released {
        // A worker that no longer listens has failed, which its own node reports.
        let _ = open.send(Word::Go(go));
    }
}
