//! What to do when something happens to a node: pure decisions, without a clock, a thread or a process.
//!
//! - SUP-1: the first failure stops the program; a failure after stopping was asked for is none.
//! - SUP-2: of the failures that arrive within [`GRACE`] of the first, the weightiest is blamed, then the earliest:
//!   the news of a killed process is often overtaken by the complaints of its peers.
//! - SUP-3: what has not stopped when the notice is over is killed, and what cannot be killed is left and named.
//! - SUP-4: plain nodes that end normally stop nothing, until they all have and there is no driver.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::NodeName;
use crate::failure::Cause;

/// How long after the first failure a better explanation is accepted.
const GRACE: Duration = Duration::from_millis(200);

/// How long a killed node may take to vanish.
const BURIAL: Duration = Duration::from_millis(500);

/// A second interrupt within this time of the first is the same one: tools such as `timeout` signal a process and its
/// group, and no hand is that quick.
const DEBOUNCE: Duration = Duration::from_millis(100);

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
    /// Ctrl-C or a signal to the launcher.
    Interrupted,
    /// Time has passed.
    Tick,
}

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
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
    Interrupted,
    /// This node failed, the one to blame.
    Failed(NodeName, Cause),
}

/// How long nodes get between the request to stop and being killed, and how long to start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    pub(crate) start: Duration,
    pub(crate) normal: Duration,
    pub(crate) failure: Duration,
}

#[derive(Debug)]
struct Member {
    role: Role,
    /// When its process was started, until it joins.
    starting: Option<Duration>,
    ended: bool,
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
}

impl Supervisor {
    /// A program of these nodes, at time 0.
    pub(crate) fn new(nodes: impl IntoIterator<Item = (NodeName, Role)>, patience: Patience) -> Self {
        let member = |(name, role)| (name, Member { role, starting: None, ended: false });
        let members = nodes.into_iter().map(member).collect();
        let (failed_at, interrupted_at) = (None, None);
        Self { members, patience, phase: Phase::Running, end: End::Finished, failed_at, interrupted_at }
    }

    /// Takes an event in, at time `now`, and says what to do.
    pub(crate) fn on(&mut self, now: Duration, event: Event) -> Option<Action> {
        match event {
            Event::Started(node) => {
                self.member(&node, |member| member.starting = Some(now));
                None
            }
            Event::Joined(node) => {
                self.member(&node, |member| member.starting = None);
                None
            }
            Event::Failed(node, cause) => self.failed(now, node, cause),
            Event::Ended { node, finished } => self.ended(now, &node, finished),
            Event::StopAsked => self.stop(now, End::Asked),
            // With nobody to ask politely first, the stop is all there is to do.
            Event::Abandoned => match self.stop(now, End::Asked) {
                Some(Action::Finish) => Some(Action::Finish),
                _ => self.kill(now),
            },
            Event::Interrupted => self.interrupted(now),
            Event::Tick => self.tick(now),
        }
    }

    /// When [`Event::Tick`] is next due.
    pub(crate) fn due(&self) -> Option<Duration> {
        match self.phase {
            Phase::Running => {
                let first = self.members.values().filter_map(|member| member.starting).min();
                first.map(|started| started + self.patience.start)
            }
            Phase::Stopping { kill_at } => Some(kill_at),
            Phase::Killing { leave_at } => Some(leave_at),
            Phase::Over => None,
        }
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

    fn interrupted(&mut self, now: Duration) -> Option<Action> {
        if self.interrupted_at.is_some_and(|first| now < first + DEBOUNCE) {
            return None;
        }
        self.interrupted_at = Some(now);
        if self.is_running() { self.stop(now, End::Interrupted) } else { self.kill(now) }
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
                let late = self.members.iter().find(|(_, member)| late(member))?.0.clone();
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
    };

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
        assert_eq!(program.on(ms(0), Event::Interrupted), Some(Action::Stop));
        assert_eq!(program.on(ms(1), Event::Interrupted), None, "the same interrupt told twice");
        assert_eq!(program.on(ms(200), Event::Interrupted), Some(Action::Kill));
        assert_eq!(program.on(ms(400), Event::Interrupted), None);
        assert_eq!(program.into_end(), End::Interrupted);
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
        assert_eq!(program.due(), Some(ms(8) + PATIENCE.start));
        assert_eq!(program.on(ms(7) + PATIENCE.start, Event::Tick), None);
        assert_eq!(program.on(ms(8) + PATIENCE.start, Event::Tick), Some(Action::Stop));
        assert!(matches!(program.into_end(), End::Failed(node, Cause::NeverStarted(_)) if node == worker(0)));
    }
}
