//! What to do when something happens to a node: pure decisions, without a clock, a thread or a process.
//!
//! - SUP-1: the first failure stops the program; a failure after stopping was asked for is none.
//! - SUP-2: of the failures that arrive within [`GRACE`] of the first, the weightiest is blamed, then the earliest:
//!   the news of a killed process is often overtaken by the complaints of its peers.
//! - SUP-3: what has not stopped when the notice is over is killed, and what cannot be killed is left and named.
//! - SUP-4: plain nodes that end normally stop nothing, until they all have and there is no driver.
//! - SUP-5: an interrupt that the driver heeds stops nothing; the next one ends everything at once.
//! - SUP-6: a process that gives no sign of life is told of once, and beyond the limit it has failed; but a launcher that
//!   was itself away for a while (its machine slept) blames nobody for it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::failure::Cause;
use crate::{Interrupt, NodeName};

/// How long after the first failure a better explanation is accepted.
const GRACE: Duration = Duration::from_millis(200);

/// How long a killed node may take to vanish.
const BURIAL: Duration = Duration::from_millis(500);

/// A second interrupt within this time of the first is the same one: tools such as `timeout` signal a process and its
/// group, and no hand is that quick.
const DEBOUNCE: Duration = Duration::from_millis(100);

/// A tick that comes so much later than it was due means that the launcher itself did not run.
const ABSENT: Duration = Duration::from_millis(500);

/// What a node is to the life of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Runs to its own end.
    Plain,
    /// Serves until the program stops.
    Service,
    /// Ends the program by ending.
    Driver,
}

/// What happened.
#[derive(Debug)]
pub(crate) enum Event {
    /// A node's process has been started.
    Started(NodeName),
    /// A node has taken up its work.
    Joined(NodeName),
    /// A node's process has given a sign of life.
    Heard(NodeName),
    /// A node has failed; that it has ended comes separately.
    Failed(NodeName, Cause),
    /// A node is gone; `finished` if its body ran to its end, and not because of a stop.
    Ended {
        /// The node.
        node: NodeName,
        /// Whether it finished its work.
        finished: bool,
    },
    /// Somebody in the program, or the holder of the run, asked for the end.
    StopAsked,
    /// The holder of the run has gone: there is nobody to be polite for.
    Abandoned,
    /// A signal came to the launcher.
    Interrupted {
        /// Which.
        by: Interrupt,
        /// Whether the driver listens for it.
        heeded: bool,
    },
    /// Time has passed.
    Tick,
}

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Tell the driver of the interrupt.
    Heed(Interrupt),
    /// Ask every node to stop.
    Stop,
    /// Kill every process that still runs.
    Kill,
    /// All is over.
    Finish,
}

/// Why the program came to its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The driver returned, or all plain nodes did.
    Finished,
    /// It was stopped on request.
    Asked,
    /// It was interrupted.
    Interrupted(Interrupt),
    /// This node failed, the one to blame.
    Failed(NodeName, Cause),
}

/// How long nodes get between the request to stop and being killed, and how long to start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    pub(crate) start: Duration,
    pub(crate) normal: Duration,
    pub(crate) failure: Duration,
    pub(crate) silence: Silence,
}

/// How long a process may give no sign of life.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Silence {
    /// Until the launcher says so.
    pub(crate) told: Duration,
    /// Until it counts as a failure.
    pub(crate) limit: Option<Duration>,
}

impl Silence {
    /// The time between two signs of life: several fit into a silence that matters.
    pub(crate) fn period(self) -> Duration {
        let shortest = self.told.min(self.limit.unwrap_or(Duration::MAX));
        (shortest / 4).min(Duration::from_secs(1))
    }
}

/// What a person at the launcher should know, though nothing is done about it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Remark {
    /// No sign of life has come from this node for so long.
    Silent(NodeName, Duration),
    /// One has come again.
    HeardAgain(NodeName),
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silent(node, time) => write!(
                f,
                "{node} has not been heard of for {time:.0?}: its process is stopped, or its machine is swapping; \
                 the run waits for it"
            ),
            Self::HeardAgain(node) => write!(f, "{node} is heard of again"),
        }
    }
}

#[derive(Debug)]
struct Member {
    role: Role,
    /// When its process was started, until it joins.
    starting: Option<Duration>,
    /// When its process last gave a sign of life; threads give none.
    heard: Option<Duration>,
    /// Whether its silence has been told of.
    told: bool,
    ended: bool,
}

impl Member {
    fn new(role: Role) -> Self {
        Self { role, starting: None, heard: None, told: false, ended: false }
    }
}

#[derive(Debug)]
enum Phase {
    Running,
    Stopping { kill_at: Duration },
    Killing { leave_at: Duration },
    Over,
}

/// The state of a program's life.
#[derive(Debug)]
pub(crate) struct Supervisor {
    members: BTreeMap<NodeName, Member>,
    patience: Patience,
    phase: Phase,
    end: End,
    failed_at: Option<Duration>,
    interrupted_at: Option<Duration>,
    remarks: Vec<Remark>,
}

impl Supervisor {
    /// A program of these nodes, at time 0.
    pub(crate) fn new(nodes: impl IntoIterator<Item = (NodeName, Role)>, patience: Patience) -> Self {
        Self {
            members: nodes.into_iter().map(|(name, role)| (name, Member::new(role))).collect(),
            patience,
            phase: Phase::Running,
            end: End::Finished,
            failed_at: None,
            interrupted_at: None,
            remarks: Vec::new(),
        }
    }

    /// Takes an event in, at time `now`, and says what to do.
    pub(crate) fn on(&mut self, now: Duration, event: Event) -> Option<Action> {
        match event {
            Event::Started(node) => {
                self.member(&node, |member| member.starting = Some(now));
                None
            }
            Event::Joined(node) => {
                self.member(&node, |member| {
                    // A thread has not been started by an event, and will not be heard.
                    member.heard = member.starting.take().map(|_| now);
                });
                None
            }
            Event::Heard(node) => {
                self.heard(now, node);
                None
            }
            Event::Failed(node, cause) => self.failed(now, node, cause),
            Event::Ended { node, finished } => self.ended(now, &node, finished),
            Event::StopAsked => self.stop(now, End::Asked),
            // With nobody to ask politely first, the stop is all there is to do.
            Event::Abandoned => self.stop_at_once(now, End::Asked),
            Event::Interrupted { by, heeded } => self.interrupted(now, by, heeded),
            Event::Tick => self.tick(now),
        }
    }

    /// When [`Event::Tick`] is next due.
    pub(crate) fn due(&self) -> Option<Duration> {
        match self.phase {
            Phase::Running => {
                let first = self.members.values().filter_map(|member| member.starting).min();
                let late = first.map(|started| started + self.patience.start);
                late.into_iter().chain(self.silent_at()).min()
            }
            Phase::Stopping { kill_at } => Some(kill_at),
            Phase::Killing { leave_at } => Some(leave_at),
            Phase::Over => None,
        }
    }

    /// What has come up for people since the last time.
    pub(crate) fn take_remarks(&mut self) -> Vec<Remark> {
        std::mem::take(&mut self.remarks)
    }

    /// Whether no stop has been asked for yet.
    pub(crate) fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Running)
    }

    /// Whether the node has ended.
    pub(crate) fn has_ended(&self, node: &NodeName) -> bool {
        self.members.get(node).is_none_or(|member| member.ended)
    }

    /// Nodes that have not ended.
    pub(crate) fn left(&self) -> Vec<NodeName> {
        self.members.iter().filter(|(_, member)| !member.ended).map(|(name, _)| name.clone()).collect()
    }

    /// Why the program ended.
    pub(crate) fn into_end(self) -> End {
        self.end
    }

    fn member(&mut self, node: &NodeName, change: impl FnOnce(&mut Member)) {
        if let Some(member) = self.members.get_mut(node) {
            change(member);
        }
    }

    fn failed(&mut self, now: Duration, node: NodeName, cause: Cause) -> Option<Action> {
        if self.is_running() {
            self.failed_at = Some(now);
            return self.stop(now, End::Failed(node, cause));
        }
        let in_time = self.failed_at.is_some_and(|first| now <= first + GRACE);
        if in_time && matches!(&self.end, End::Failed(_, blamed) if cause.weight() > blamed.weight()) {
            self.end = End::Failed(node, cause);
        }
        None
    }

    fn ended(&mut self, now: Duration, node: &NodeName, finished: bool) -> Option<Action> {
        self.member(node, |member| member.ended = true);
        if self.members.values().all(|member| member.ended) {
            self.phase = Phase::Over;
            return Some(Action::Finish);
        }
        if finished && self.is_complete() { self.stop(now, End::Finished) } else { None }
    }

    /// Whether what the program is for has been done.
    fn is_complete(&self) -> bool {
        let of = |role: Role| self.members.values().filter(move |member| member.role == role);
        let role = if of(Role::Driver).next().is_some() { Role::Driver } else { Role::Plain };
        of(role).next().is_some() && of(role).all(|member| member.ended)
    }

    fn interrupted(&mut self, now: Duration, by: Interrupt, heeded: bool) -> Option<Action> {
        if self.interrupted_at.is_some_and(|first| now < first + DEBOUNCE) {
            return None;
        }
        let again = self.interrupted_at.replace(now).is_some();
        match (self.is_running(), again) {
            (true, false) if heeded => Some(Action::Heed(by)),
            (true, false) => self.stop(now, End::Interrupted(by)),
            // The driver did not come to an end in time.
            (true, true) => self.stop_at_once(now, End::Interrupted(by)),
            (false, _) => self.kill(now),
        }
    }

    /// Leaves nobody any time.
    fn stop_at_once(&mut self, now: Duration, end: End) -> Option<Action> {
        match self.stop(now, end) {
            Some(Action::Finish) => Some(Action::Finish),
            _ => self.kill(now),
        }
    }

    fn heard(&mut self, now: Duration, node: NodeName) {
        if let Some(member) = self.members.get_mut(&node).filter(|member| member.heard.is_some()) {
            member.heard = Some(now);
            if std::mem::take(&mut member.told) {
                self.remarks.push(Remark::HeardAgain(node));
            }
        }
    }

    /// When something is to be done about a process that stays silent until then.
    fn silent_at(&self) -> Option<Duration> {
        let Silence { told, limit } = self.patience.silence;
        let at = |member: &Member| {
            let heard = member.heard.filter(|_| !member.ended)?;
            let told = (!member.told).then_some(heard + told);
            told.into_iter().chain(limit.map(|limit| heard + limit)).min()
        };
        self.members.values().filter_map(at).min()
    }

    /// Tells of processes that have been silent for long, and takes the first one beyond the limit for failed.
    fn look_for_silence(&mut self, now: Duration) -> Option<Action> {
        if self.silent_at().is_some_and(|due| now > due + ABSENT) {
            self.members.values_mut().for_each(|member| member.heard = member.heard.map(|_| now));
        }
        let Silence { told, limit } = self.patience.silence;
        let mut failed = None;
        for (node, member) in self.members.iter_mut().filter(|(_, member)| !member.ended) {
            let Some(silence) = member.heard.map(|heard| now.saturating_sub(heard)) else { continue };
            if limit.is_some_and(|limit| silence >= limit) {
                failed = failed.or(Some((node.clone(), Cause::Silent(silence))));
            } else if silence >= told && !std::mem::replace(&mut member.told, true) {
                self.remarks.push(Remark::Silent(node.clone(), silence));
            }
        }
        failed.and_then(|(node, cause)| self.failed(now, node, cause))
    }

    fn stop(&mut self, now: Duration, end: End) -> Option<Action> {
        if !self.is_running() {
            return None;
        }
        let notice = match end {
            End::Failed(..) => self.patience.failure,
            _ => self.patience.normal,
        };
        self.end = end;
        if self.members.is_empty() {
            self.phase = Phase::Over;
            return Some(Action::Finish);
        }
        self.phase = Phase::Stopping { kill_at: now + notice };
        Some(Action::Stop)
    }

    fn kill(&mut self, now: Duration) -> Option<Action> {
        if !matches!(self.phase, Phase::Over | Phase::Killing { .. }) {
            self.phase = Phase::Killing { leave_at: now + BURIAL };
            return Some(Action::Kill);
        }
        None
    }

    fn tick(&mut self, now: Duration) -> Option<Action> {
        match self.phase {
            Phase::Running => {
                let too_late = |started: Duration| now >= started + self.patience.start;
                let late = |member: &Member| member.starting.is_some_and(too_late);
                let late = self.members.iter().find(|(_, member)| late(member));
                let Some(late) = late.map(|(node, _)| node.clone()) else {
                    return self.look_for_silence(now);
                };
                let why = format!("it did not report to the launcher within {:?}", self.patience.start);
                self.failed(now, late, Cause::NeverStarted(why))
            }
            Phase::Stopping { kill_at } if now >= kill_at => self.kill(now),
            Phase::Killing { leave_at } if now >= leave_at => {
                self.phase = Phase::Over;
                Some(Action::Finish)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Label;

    const PATIENCE: Patience = Patience {
        start: Duration::from_secs(60),
        normal: Duration::from_secs(5),
        failure: Duration::from_millis(300),
        silence: Silence { told: Duration::from_secs(10), limit: Some(Duration::from_secs(30)) },
    };
    const CTRL_C: Event = Event::Interrupted { by: Interrupt::CtrlC, heeded: false };

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn worker(rank: usize) -> NodeName {
        NodeName::member(Label::new("worker").unwrap(), rank)
    }

    fn server() -> NodeName {
        NodeName::member(Label::new("server").unwrap(), 0)
    }

    fn driver() -> NodeName {
        NodeName::single(Label::new("driver").unwrap())
    }

    fn gone(node: NodeName, finished: bool) -> Event {
        Event::Ended { node, finished }
    }

    fn program(driven: bool) -> Supervisor {
        let mut nodes = vec![(worker(0), Role::Plain), (worker(1), Role::Plain), (server(), Role::Service)];
        if driven {
            nodes.push((driver(), Role::Driver));
        }
        Supervisor::new(nodes, PATIENCE)
    }

    #[test]
    fn sup_1_the_first_failure_stops_and_later_ones_do_not_count() {
        let mut program = program(true);
        let stop = program.on(ms(10), Event::Failed(worker(0), Cause::Panicked("a".into())));
        assert_eq!(stop, Some(Action::Stop));
        assert_eq!(program.on(ms(400), Event::Failed(worker(1), Cause::Killed(9))), None);
        assert_eq!(program.into_end(), End::Failed(worker(0), Cause::Panicked("a".into())));
    }

    #[test]
    fn sup_1_a_failure_after_a_requested_stop_is_none() {
        let mut program = program(true);
        assert_eq!(program.on(ms(0), Event::StopAsked), Some(Action::Stop));
        assert_eq!(program.on(ms(1), Event::Failed(worker(0), Cause::Exited(3))), None);
        assert_eq!(program.into_end(), End::Asked);
    }

    #[test]
    fn sup_2_the_killed_one_is_blamed_though_its_peer_complained_first() {
        let mut program = program(true);
        program.on(ms(0), Event::Failed(worker(0), Cause::LostPeer("server/0 closed".into())));
        program.on(ms(5), Event::Failed(driver(), Cause::Failed("a remote error".into())));
        program.on(ms(50), Event::Failed(server(), Cause::Killed(9)));
        program.on(ms(60), Event::Failed(worker(1), Cause::Killed(15)));
        assert_eq!(program.into_end(), End::Failed(server(), Cause::Killed(9)));
    }

    #[test]
    fn sup_3_a_stuck_node_is_killed_and_then_left() {
        let mut program = program(true);
        program.on(ms(0), Event::Failed(worker(0), Cause::Exited(3)));
        assert_eq!(program.due(), Some(ms(300)));
        assert_eq!(program.on(ms(299), Event::Tick), None);
        assert_eq!(program.on(ms(300), Event::Tick), Some(Action::Kill));
        for node in [worker(0), server(), driver()] {
            assert_eq!(program.on(ms(301), gone(node, false)), None);
        }
        assert_eq!(program.on(ms(800), Event::Tick), Some(Action::Finish));
        assert_eq!(program.left(), vec![worker(1)]);
    }

    #[test]
    fn sup_4_the_driver_ends_the_program_and_workers_do_not() {
        let mut program = program(true);
        assert_eq!(program.on(ms(0), gone(worker(0), true)), None);
        assert_eq!(program.on(ms(0), gone(worker(1), true)), None);
        assert_eq!(program.on(ms(0), gone(driver(), true)), Some(Action::Stop));
        assert_eq!(program.on(ms(1), gone(server(), false)), Some(Action::Finish));
        assert_eq!(program.into_end(), End::Finished);
    }

    #[test]
    fn sup_4_without_a_driver_the_last_plain_node_ends_the_program() {
        let mut program = program(false);
        assert_eq!(program.on(ms(0), gone(worker(1), true)), None);
        assert_eq!(program.on(ms(0), gone(worker(0), true)), Some(Action::Stop));
        assert_eq!(program.on(ms(1), gone(server(), false)), Some(Action::Finish));
    }

    #[test]
    fn the_second_interrupt_kills() {
        let mut program = program(true);
        assert_eq!(program.on(ms(0), CTRL_C), Some(Action::Stop));
        assert_eq!(program.on(ms(1), CTRL_C), None, "the same interrupt told twice");
        assert_eq!(program.on(ms(200), CTRL_C), Some(Action::Kill));
        assert_eq!(program.on(ms(400), CTRL_C), None);
        assert_eq!(program.into_end(), End::Interrupted(Interrupt::CtrlC));
    }

    #[test]
    fn sup_5_a_heeded_interrupt_stops_nothing_and_the_next_one_ends_everything() {
        let heeded = || Event::Interrupted { by: Interrupt::Terminate, heeded: true };
        let mut finishing = program(true);
        assert_eq!(finishing.on(ms(0), heeded()), Some(Action::Heed(Interrupt::Terminate)));
        assert_eq!(finishing.on(ms(50), heeded()), None, "the same interrupt told twice");
        assert_eq!(finishing.on(ms(300), gone(driver(), true)), Some(Action::Stop));
        assert_eq!(finishing.into_end(), End::Finished, "the driver has a value");

        let mut stubborn = program(true);
        assert_eq!(stubborn.on(ms(0), heeded()), Some(Action::Heed(Interrupt::Terminate)));
        assert_eq!(stubborn.on(ms(300), heeded()), Some(Action::Kill));
        assert_eq!(stubborn.into_end(), End::Interrupted(Interrupt::Terminate));
    }

    /// Two workers of the program are processes, and were heard at 0.
    fn processes() -> Supervisor {
        let mut program = program(true);
        for rank in 0..2 {
            program.on(ms(0), Event::Started(worker(rank)));
            program.on(ms(0), Event::Joined(worker(rank)));
        }
        program.on(ms(0), Event::Joined(driver()));
        program
    }

    #[test]
    fn sup_6_silence_is_told_once_and_fails_beyond_the_limit() {
        let mut program = processes();
        assert_eq!(program.due(), Some(ms(10_000)), "the driver, a thread, is never silent");
        program.on(ms(9_000), Event::Heard(worker(0)));
        assert_eq!(program.on(ms(10_000), Event::Tick), None);
        assert_eq!(program.take_remarks(), [Remark::Silent(worker(1), ms(10_000))]);
        program.on(ms(18_000), Event::Heard(worker(0)));
        assert_eq!(program.on(ms(18_001), Event::Tick), None);
        assert_eq!(program.take_remarks(), [], "it is told once");
        program.on(ms(20_000), Event::Heard(worker(1)));
        assert_eq!(program.take_remarks(), [Remark::HeardAgain(worker(1))]);

        for second in 20..50 {
            program.on(ms(second * 1000), Event::Heard(worker(0)));
            assert_eq!(program.on(ms(second * 1000), Event::Tick), None);
        }
        assert_eq!(program.due(), Some(ms(50_000)));
        assert_eq!(program.on(ms(50_000), Event::Tick), Some(Action::Stop));
        assert_eq!(program.into_end(), End::Failed(worker(1), Cause::Silent(ms(30_000))));
    }

    #[test]
    fn sup_6_a_launcher_that_was_away_blames_nobody() {
        let mut program = processes();
        assert_eq!(program.on(ms(3_600_000), Event::Tick), None);
        assert_eq!(program.take_remarks(), []);
        assert_eq!(program.due(), Some(ms(3_610_000)));
    }

    #[test]
    fn without_nodes_a_stop_is_the_end() {
        let mut program = Supervisor::new([], PATIENCE);
        assert_eq!(program.due(), None);
        assert_eq!(program.on(ms(1), Event::StopAsked), Some(Action::Finish));
    }

    #[test]
    fn a_node_that_never_reports_is_named() {
        let mut program = Supervisor::new([(worker(0), Role::Plain), (worker(1), Role::Plain)], PATIENCE);
        program.on(ms(7), Event::Started(worker(1)));
        program.on(ms(8), Event::Started(worker(0)));
        program.on(ms(9), Event::Joined(worker(1)));
        program.on(ms(10), gone(worker(1), true));
        assert_eq!(program.due(), Some(ms(8) + PATIENCE.start));
        assert_eq!(program.on(ms(7) + PATIENCE.start, Event::Tick), None);
        assert_eq!(program.on(ms(8) + PATIENCE.start, Event::Tick), Some(Action::Stop));
        assert!(matches!(program.into_end(), End::Failed(node, Cause::NeverStarted(_)) if node == worker(0)));
    }
}
