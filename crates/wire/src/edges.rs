//! What passes along each edge of a program, from a caller to a service: how many calls, how long they waited for their
//! turn and were worked at, how long their callers waited, and how many bytes travelled.
//!
//! Both ends count: the service's what it does, a caller in another process how long it waits; together they tell what the
//! way between them takes. A call pays for it with two additions. Reading the clock twice costs as much as a whole small
//! call within a process, so the first turn of a call is timed only now and then where it has been short so far, and
//! stands for those that were not timed. What a call has to wait for is always timed, from its first wait on.

use crate::Peer;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use syncline_runtime::Clock;

/// First turns that take at least this long, in ns, are all timed: reading the clock is then less than a tenth of them.
const SHORT: u64 = 500;

/// Of shorter ones one in so many is. A prime, so that calls which come in a pattern do not hide behind it.
const STRIDE: u64 = 17;

/// Edges beyond this are not told apart: names come from peers.
const MOST: usize = 1 << 16;

/// The counters of all edges that end or begin in one process. Clones are the same.
///
/// ```
/// use std::sync::Arc;
/// use syncline_runtime::{Clock, Ground};
/// use syncline_wire::{Client, Edges, Hosted, Never, Peer, from_fn};
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let clock = Clock::start();
/// let (edges, doubler) = (Edges::on(clock.clone()), from_fn(async |by: u64| Ok::<u64, Never>(2 * by)));
/// let (ground, name) = (Ground::machine(clock), Peer::new("server/0"));
/// let hosted = Hosted::counted(ground, Arc::new(doubler), &edges, name);
/// let client = Client::local(hosted).called_by(Peer::new("worker/1"));
/// client.call(21).await?;
/// let [edge] = &edges.figures()[..] else { panic!("one edge") };
/// assert_eq!((edge.caller.to_string(), edge.callee.to_string()), ("worker/1".into(), "server/0".into()));
/// assert_eq!(edge.passed.calls, 1);
/// # Ok::<(), syncline_wire::CallError<Never>>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct Edges {
    table: Arc<Mutex<Table>>,
    /// Of which all times are taken.
    clock: Clock,
}

/// By caller and callee.
type Table = BTreeMap<(Peer, Peer), Arc<Edge>>;

/// One edge, and what has passed along it so far as one process knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EdgeFigures {
    /// Who calls.
    pub caller: Peer,
    /// Who is called.
    pub callee: Peer,
    /// What has passed.
    pub passed: Passed,
}

/// What has passed along an edge. What the service's process does not know of its callers, and theirs not of it, is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passed {
    /// Calls that the service has answered, also with an error.
    pub calls: u64,
    /// Of which with an error, a panic, or too late.
    pub failures: u64,
    /// Calls that their callers gave up.
    pub given_up: u64,
    /// Calls that the service has and has not answered yet.
    pub under_way: u64,
    /// Calls whose callers wait for the answer now.
    pub waiting: u64,
    /// How long calls waited for their turn at the service, together, in ns.
    pub queued_ns: u64,
    /// How long the service was at them, with what it waited for meanwhile, in ns.
    pub running_ns: u64,
    /// How long the callers waited for answers, in ns.
    pub waited_ns: u64,
    /// Bytes of requests as they travelled: none within a process.
    pub request_bytes: u64,
    /// Bytes of answers, likewise.
    pub reply_bytes: u64,
}

impl Passed {
    /// Adds what another process knows of the same edge.
    pub fn add(&mut self, other: &Passed) {
        self.combine(other, u64::saturating_add);
    }

    /// What has passed since `earlier`; calls on their way are those of now.
    #[must_use]
    pub fn since(&self, earlier: &Passed) -> Passed {
        let mut passed = *self;
        passed.combine(earlier, u64::saturating_sub);
        Passed { under_way: self.under_way, waiting: self.waiting, ..passed }
    }

    fn combine(&mut self, other: &Passed, by: impl Fn(u64, u64) -> u64) {
        let Passed { calls, failures, given_up, under_way, waiting, .. } = other;
        let Passed { queued_ns, running_ns, waited_ns, request_bytes, reply_bytes, .. } = other;
        for (mine, theirs) in [
            (&mut self.calls, calls),
            (&mut self.failures, failures),
            (&mut self.given_up, given_up),
            (&mut self.under_way, under_way),
            (&mut self.waiting, waiting),
            (&mut self.queued_ns, queued_ns),
            (&mut self.running_ns, running_ns),
            (&mut self.waited_ns, waited_ns),
            (&mut self.request_bytes, request_bytes),
            (&mut self.reply_bytes, reply_bytes),
        ] {
            *mine = by(*mine, *theirs);
        }
    }
}

impl Edges {
    /// No edges yet, whose times this clock will tell.
    pub fn on(clock: Clock) -> Edges {
        Edges { table: Arc::default(), clock }
    }

    /// The counters from `caller` to `callee`.
    pub(crate) fn between(&self, caller: &Peer, callee: &Peer) -> Arc<Edge> {
        let mut table = self.table();
        let others = || (Peer::new("others"), callee.clone());
        let mut key = (caller.clone(), callee.clone());
        if table.len() >= MOST && !table.contains_key(&key) {
            key = others();
        }
        Arc::clone(table.entry(key).or_insert_with(|| Arc::new(Edge::on(self.clock.clone()))))
    }

    /// What has passed along each edge, in the order of callers and callees. Edges that nobody has used are left out.
    pub fn figures(&self) -> Vec<EdgeFigures> {
        let of = |((caller, callee), edge): (&(Peer, Peer), &Arc<Edge>)| {
            let passed = edge.passed();
            let used = edge.is_used();
            used.then(|| EdgeFigures { caller: caller.clone(), callee: callee.clone(), passed })
        };
        self.table().iter().filter_map(of).collect()
    }

    /// What has passed along all edges to `callee` together.
    pub(crate) fn to(&self, callee: &Peer) -> Passed {
        let mut sum = Passed::default();
        let table = self.table();
        let there = table.iter().filter(|((_, to), _)| to == callee);
        there.for_each(|(_, edge)| sum.add(&edge.passed()));
        sum
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // No code that holds the lock can panic half-way through a change.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Edges {
    fn default() -> Edges {
        Edges::on(Clock::start())
    }
}

impl fmt::Debug for Edges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.figures()).finish()
    }
}

/// The counters of an edge. Each only grows and is read by itself, so nothing has to be ordered.
pub(crate) struct Edge {
    clock: Clock,
    /// Whether callers call the object itself, so that they wait as long as it takes.
    is_local: AtomicBool,
    begun: AtomicU64,
    ended: AtomicU64,
    failures: AtomicU64,
    given_up: AtomicU64,
    /// Calls begun when one was last timed.
    timed: AtomicU64,
    /// How long first turns take, in ns: a running mean.
    typical_ns: AtomicU64,
    /// From a call's beginning to its end.
    held: Time,
    queued: Time,
    /// From a caller's question to its answer.
    waited: Time,
    asked: AtomicU64,
    request_bytes: AtomicU64,
    reply_bytes: AtomicU64,
}

/// A time that calls have spent, those included that still spend it.
#[derive(Default)]
struct Time(Mutex<Spent>);

#[derive(Default)]
struct Spent {
    /// By those that are over, in ns.
    past: u64,
    /// How many are not.
    open: u64,
    /// The sum of when those began, in ns.
    begun: u128,
}

impl Time {
    fn begin(&self, now: u64) {
        let mut spent = self.spent();
        spent.open += 1;
        spent.begun += u128::from(now);
    }

    fn end(&self, begun: u64, now: u64) {
        let mut spent = self.spent();
        spent.open -= 1;
        spent.begun -= u128::from(begun);
        spent.past = spent.past.saturating_add(now.saturating_sub(begun));
    }

    fn add(&self, ns: u64) {
        let mut spent = self.spent();
        spent.past = spent.past.saturating_add(ns);
    }

    /// How much by now, and how many still spend it.
    fn read(&self, now: u64) -> (u64, u64) {
        let Spent { past, open, begun } = *self.spent();
        let still = (u128::from(open) * u128::from(now)).saturating_sub(begun);
        (past.saturating_add(u64::try_from(still).unwrap_or(u64::MAX)), open)
    }

    fn spent(&self) -> MutexGuard<'_, Spent> {
        // No code that holds the lock can panic half-way through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Edge {
    pub(crate) fn on(clock: Clock) -> Edge {
        Edge {
            clock,
            is_local: AtomicBool::default(),
            begun: AtomicU64::default(),
            ended: AtomicU64::default(),
            failures: AtomicU64::default(),
            given_up: AtomicU64::default(),
            timed: AtomicU64::default(),
            typical_ns: AtomicU64::default(),
            held: Time::default(),
            queued: Time::default(),
            waited: Time::default(),
            asked: AtomicU64::default(),
            request_bytes: AtomicU64::default(),
            reply_bytes: AtomicU64::default(),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.clock.now().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Says that callers call the object itself.
    pub(crate) fn is_within_a_process(&self) {
        self.is_local.store(true, Ordering::Relaxed);
    }

    /// The service begins with a call.
    pub(crate) fn begin(&self) -> Tally<'_> {
        let number = add(&self.begun, 1) + 1;
        let is_long = self.typical_ns.load(Ordering::Relaxed) >= SHORT;
        // The first ones are timed, so that it is known how long they take.
        let is_timed = is_long || number.is_multiple_of(STRIDE) || number < STRIDE;
        let begun = is_timed.then(|| self.now());
        Tally { edge: self, number, begun, since: None, outcome: Outcome::GivenUp }
    }

    /// A caller in another process asks.
    pub(crate) fn ask(&self) -> Spending<'_> {
        add(&self.asked, 1);
        self.spend(&self.waited)
    }

    /// A call waits for its turn.
    pub(crate) fn queue(&self) -> Spending<'_> {
        self.spend(&self.queued)
    }

    fn spend<'a>(&'a self, time: &'a Time) -> Spending<'a> {
        let since = self.now();
        time.begin(since);
        Spending { edge: self, time, since }
    }

    /// A request of so many bytes has come.
    pub(crate) fn came(&self, bytes: usize) {
        add(&self.request_bytes, bytes as u64);
    }

    /// Of an answer so many bytes leave.
    pub(crate) fn leaves(&self, bytes: usize) {
        add(&self.reply_bytes, bytes as u64);
    }

    fn is_used(&self) -> bool {
        [&self.begun, &self.asked].iter().any(|count| count.load(Ordering::Relaxed) > 0)
    }

    fn passed(&self) -> Passed {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let now = self.now();
        // What grows later is read first, so that no difference is negative.
        let (given_up, ended) = (read(&self.given_up), read(&self.ended));
        let under_way = read(&self.begun).saturating_sub(ended);
        let (queued_ns, _) = self.queued.read(now);
        let (held_ns, _) = self.held.read(now);
        let (waited_ns, waiting) = self.waited.read(now);
        let is_local = self.is_local.load(Ordering::Relaxed);
        Passed {
            calls: ended.saturating_sub(given_up),
            failures: read(&self.failures),
            given_up,
            under_way,
            waiting: if is_local { under_way } else { waiting },
            queued_ns,
            running_ns: held_ns.saturating_sub(queued_ns),
            waited_ns: if is_local { held_ns } else { waited_ns },
            request_bytes: read(&self.request_bytes),
            reply_bytes: read(&self.reply_bytes),
        }
    }
}

fn add(counter: &AtomicU64, amount: u64) -> u64 {
    counter.fetch_add(amount, Ordering::Relaxed)
}

/// How a call at a service ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Answered,
    Failed,
    GivenUp,
}

/// A call that its service is at; dropped without [`end`](Tally::end), it was given up.
pub(crate) struct Tally<'a> {
    edge: &'a Edge,
    /// Which call it is, counted from 1.
    number: u64,
    /// When it began, where its first turn is timed, in ns.
    begun: Option<u64>,
    /// When it first had to wait.
    since: Option<u64>,
    outcome: Outcome,
}

impl Tally<'_> {
    /// It has to wait for something.
    pub(crate) fn waits(&mut self) {
        if self.since.is_none() {
            let now = self.edge.now();
            self.first_turn_took(now);
            self.edge.held.begin(now);
            self.since = Some(now);
        }
    }

    pub(crate) fn end(mut self, is_failure: bool) {
        self.outcome = if is_failure { Outcome::Failed } else { Outcome::Answered };
    }

    /// Its first turn was over at `now`. It stands for all since the one that was timed before.
    fn first_turn_took(&mut self, now: u64) {
        let Some(begun) = self.begun.take() else { return };
        let Edge { timed, typical_ns, held, .. } = self.edge;
        let took = now.saturating_sub(begun);
        let calls = self.number.saturating_sub(timed.fetch_max(self.number, Ordering::Relaxed));
        held.add(took.saturating_mul(calls));
        let typical = typical_ns.load(Ordering::Relaxed);
        typical_ns.store(typical - typical / 8 + took / 8, Ordering::Relaxed);
    }
}

impl Drop for Tally<'_> {
    fn drop(&mut self) {
        let Edge { ended, failures, given_up, held, .. } = self.edge;
        if self.begun.is_some() || self.since.is_some() {
            let now = self.edge.now();
            self.first_turn_took(now);
            if let Some(since) = self.since {
                held.end(since, now);
            }
        }
        match self.outcome {
            Outcome::Answered => {}
            Outcome::Failed => _ = add(failures, 1),
            Outcome::GivenUp => _ = add(given_up, 1),
        }
        add(ended, 1);
    }
}

/// Spends time until dropped.
pub(crate) struct Spending<'a> {
    edge: &'a Edge,
    time: &'a Time,
    since: u64,
}

impl Drop for Spending<'_> {
    fn drop(&mut self) {
        self.time.end(self.since, self.edge.now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn edge() -> (Edges, Arc<Edge>) {
        let edges = Edges::default();
        let edge = edges.between(&Peer::new("a"), &Peer::new("b"));
        (edges, edge)
    }

    #[test]
    fn l6_calls_are_counted_by_how_they_end() {
        let (edges, edge) = edge();
        edge.begin().end(false);
        edge.begin().end(true);
        drop(edge.begin());
        let open = edge.begin();
        let asking = edge.ask();
        let [EdgeFigures { passed, .. }] = edges.figures()[..] else { panic!("one edge") };
        let Passed { calls, failures, given_up, under_way, waiting, .. } = passed;
        assert_eq!((calls, failures, given_up, under_way, waiting), (2, 1, 1, 1, 1));
        drop((open, asking));
        let passed = edges.to(&Peer::new("b"));
        assert_eq!((passed.given_up, passed.under_way, passed.waiting), (2, 0, 0));
        assert_eq!(edges.to(&Peer::new("a")), Passed::default());
    }

    #[test]
    fn l6_what_is_timed_now_and_then_stands_for_the_rest() {
        const CALLS: u64 = 100_000;
        let (edges, edge) = edge();
        for _ in 0..CALLS {
            edge.begin().end(false);
        }
        // As many were counted as timed to stand for them: no call is left out, none counted twice.
        let timed = edge.timed.load(Ordering::Relaxed);
        assert!(timed <= CALLS && CALLS - timed < STRIDE, "{timed}");
        let passed = edges.to(&Peer::new("b"));
        assert!(passed.calls == CALLS && passed.running_ns > 0, "{passed:?}");
    }

    #[test]
    fn l6_long_calls_in_a_pattern_are_not_missed() {
        let (edges, edge) = edge();
        let (clock, long) = (Clock::start(), Duration::from_micros(200));
        let mut spent = Duration::ZERO;
        for number in 0..200 {
            let call = edge.begin();
            if number % 2 == 0 {
                let begun = clock.now();
                while clock.now() - begun < long {
                    std::hint::spin_loop();
                }
                spent += clock.now() - begun;
            }
            call.end(false);
        }
        let running = Duration::from_nanos(edges.to(&Peer::new("b")).running_ns);
        assert!(running >= spent && running < 2 * spent, "{running:?} for {spent:?}");
    }

    #[test]
    fn l6_waits_are_timed_and_queues_are_apart() {
        let (edges, edge) = edge();
        edge.is_within_a_process();
        let mut call = edge.begin();
        let queue = edge.queue();
        call.waits();
        std::thread::sleep(Duration::from_millis(20));
        drop(queue);
        std::thread::sleep(Duration::from_millis(10));
        let open = edges.to(&Peer::new("b"));
        assert!((20_000_000..).contains(&open.queued_ns), "{open:?}");
        assert!(open.waited_ns >= 20_000_000 && open.waiting == 1, "who still waits has waited: {open:?}");
        call.end(false);
        let passed = edges.to(&Peer::new("b"));
        assert!((20_000_000..).contains(&passed.queued_ns), "{passed:?}");
        assert!((10_000_000..).contains(&passed.running_ns), "{passed:?}");
        assert_eq!(passed.waited_ns, passed.queued_ns + passed.running_ns);
    }

    #[test]
    fn names_beyond_the_bound_share_an_edge() {
        let edges = Edges::default();
        for number in 0..MOST as u64 + 10 {
            let caller = Peer { name: "x".to_owned(), incarnation: number };
            edges.between(&caller, &Peer::new("b")).begin().end(false);
        }
        assert_eq!(edges.figures().len(), MOST + 1);
        assert_eq!(edges.to(&Peer::new("b")).calls, MOST as u64 + 10);
    }

    #[test]
    fn differences_and_sums_keep_what_is_on_its_way() {
        let early = Passed { calls: 3, waiting: 5, waited_ns: 10, ..Passed::default() };
        let mut late = Passed { calls: 10, waiting: 1, waited_ns: 40, ..Passed::default() };
        assert_eq!(late.since(&early), Passed { calls: 7, waiting: 1, waited_ns: 30, ..Passed::default() });
        late.add(&early);
        assert_eq!((late.calls, late.waiting, late.waited_ns), (13, 6, 50));
    }
}
