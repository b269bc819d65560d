//! What to do when something happens to a node: pure decisions, without a clock, a thread or a process.
//!
//! - SUP-1: the first failure that no policy allows for stops the program; a failure after stopping was asked for is none.
//! - SUP-2: of the failures that arrive within [`GRACE`] of the one that stops, the weightiest is blamed, then the
//!   earliest: the news of a killed process is often overtaken by the complaints of its peers.
//! - SUP-3: what has not stopped when the notice is over is killed, and what cannot be killed is left and named.
//! - SUP-4: plain nodes that end normally stop nothing, until they all have and there is no driver.
//! - SUP-5: an interrupt that the driver heeds stops nothing; the next one ends everything at once.
//! - SUP-6: a process that gives no sign of life is told of once, and beyond the limit it has failed; but a launcher that
//!   was itself away for a while (its machine slept) blames nobody for it.
//! - SUP-7: a node is started again only when its earlier incarnation is gone, so that no two of them run at once; what
//!   is told of an earlier incarnation changes nothing.
//! - SUP-8: the failure of the last node of a group stops the program, also where it may go on without some.

use std::collections::BTreeMap;
use std::time::Duration;

use super::failure::Cause;
use super::member::{Fate, Member, Role};
use super::patience::{Patience, Silence};
use super::remark::Remark;
use crate::{Interrupt, Label, NodeId, NodeName, OnFailure};

/// How long after the first failure a better explanation is accepted.
const GRACE: Duration = Duration::from_millis(200);

/// How long a killed node may take to vanish.
const BURIAL: Duration = Duration::from_millis(500);

/// A second interrupt within this time of the first is the same one: tools such as `timeout` signal a process and its
/// group, and no hand is that quick.
const DEBOUNCE: Duration = Duration::from_millis(100);

/// A tick that comes so much later than it was due means that the launcher itself did not run.
const ABSENT: Duration = Duration::from_millis(500);

/// What happened.
#[derive(Debug)]
pub(crate) enum Event {
    /// A node's process has been started.
    Started(NodeId),
    /// A node has taken up its work.
    Joined(NodeId),
    /// A node's process has given a sign of life.
    Heard(NodeId),
    /// A node has failed; that it has ended comes separately.
    Failed(NodeId, Cause),
    /// A node is gone; `finished` if its body ran to its end, and not because of a stop.
    Ended {
        /// The node.
        node: NodeId,
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Tell the driver of the interrupt.
    Heed(Interrupt),
    /// Start this incarnation of a node.
    Start(NodeId),
    /// End what is left of a node that has failed.
    End(NodeId),
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
    Failed(NodeId, Cause),
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
    /// How often nodes of a group have been started again.
    restarts: BTreeMap<Label, u32>,
    patience: Patience,
    phase: Phase,
    end: End,
    failed_at: Option<Duration>,
    interrupted_at: Option<Duration>,
    remarks: Vec<Remark>,
}

impl Supervisor {
    /// A program of these nodes, at time 0.
    pub(crate) fn new(members: impl IntoIterator<Item = Member>, patience: Patience) -> Self {
        Self {
            members: members.into_iter().map(|member| (member.id.name.clone(), member)).collect(),
            restarts: BTreeMap::new(),
            patience,
            phase: Phase::Running,
            end: End::Finished,
            failed_at: None,
            interrupted_at: None,
            remarks: Vec::new(),
        }
    }

    /// Takes an event in, at time `now`, and says what to do.
    pub(crate) fn on(&mut self, now: Duration, event: Event) -> Vec<Action> {
        match event {
            Event::Started(node) => {
                self.current(&node, |member| member.starting = Some(now));
                Vec::new()
            }
            Event::Joined(node) => {
                self.current(&node, |member| {
                    // A thread has not been started by an event, and will not be heard.
                    member.heard = member.starting.take().map(|_| now);
                });
                Vec::new()
            }
            Event::Heard(node) => {
                self.heard(now, node);
                Vec::new()
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
                let start = self.patience.start;
                let late = self.alive().filter_map(|member| Some(member.starting? + start));
                let restarts = self.members.values().filter_map(|member| match member.fate {
                    Fate::Restarts { at } => Some(at),
                    _ => None,
                });
                late.chain(restarts).chain(self.silent_at()).min()
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
        self.members.get(node).is_none_or(Member::has_ended)
    }

    /// Whether this incarnation, though it has failed, is not the last of its node.
    pub(crate) fn will_restart(&self, node: &NodeId) -> bool {
        let fate = self.members.get(&node.name).filter(|member| member.id == *node).map(|member| member.fate);
        matches!(fate, Some(Fate::Failed { .. } | Fate::Restarts { .. }))
    }

    /// Whether this is the incarnation of its node that counts.
    pub(crate) fn is_current(&self, node: &NodeId) -> bool {
        self.members.get(&node.name).is_some_and(|member| member.id == *node)
    }

    /// How many processes have been started and have not reported yet.
    pub(crate) fn starting(&self) -> usize {
        self.alive().filter(|member| member.starting.is_some()).count()
    }

    /// The nodes that have not ended.
    pub(crate) fn left(&self) -> Vec<NodeId> {
        let left = self.members.values().filter(|member| !member.has_ended());
        left.map(|member| member.id.clone()).collect()
    }

    /// The nodes that have work to do which ends by itself.
    pub(crate) fn working(&self) -> Vec<NodeName> {
        let working = |member: &&Member| !member.has_ended() && member.role != Role::Service;
        self.members.values().filter(working).map(|member| member.id.name.clone()).collect()
    }

    /// Whether somebody has asked for the end from outside.
    pub(crate) fn is_interrupted(&self) -> bool {
        self.interrupted_at.is_some()
    }

    /// Why the program ended, and how often nodes of each group had been started again.
    pub(crate) fn into_end(self) -> (End, BTreeMap<Label, u32>) {
        (self.end, self.restarts)
    }

    fn alive(&self) -> impl Iterator<Item = &Member> {
        self.members.values().filter(|member| member.is_alive())
    }

    /// Changes a node, unless what is told is of an incarnation that no longer lives.
    fn current(&mut self, node: &NodeId, change: impl FnOnce(&mut Member)) {
        let member = self.members.get_mut(&node.name);
        if let Some(member) = member.filter(|member| member.id == *node && member.is_alive()) {
            change(member);
        }
    }

    fn failed(&mut self, now: Duration, node: NodeId, cause: Cause) -> Vec<Action> {
        if !self.is_running() {
            self.blame_better(now, node, cause);
            return Vec::new();
        }
        match self.members.get(&node.name) {
            Some(member) if member.id == node && member.is_alive() => self.failed_alive(now, node, cause),
            // Of an earlier incarnation, or told before.
            _ => Vec::new(),
        }
    }

    fn failed_alive(&mut self, now: Duration, node: NodeId, cause: Cause) -> Vec<Action> {
        let Some(member) = self.members.get_mut(&node.name) else { return Vec::new() };
        let before = self.restarts.get(node.name.label()).copied().unwrap_or_default();
        match (member.policy, member.policy.restart_after(before)) {
            // Where nothing goes on, starting one node anew or leaving one out would only hide it, and there is no place
            // to start it in a job that has ended.
            _ if matches!(cause, Cause::Deadlocked(_) | Cause::JobEnded(_)) => self.fail(now, node, cause),
            (OnFailure::Restart { times, .. }, Some(after)) => {
                member.fate = Fate::Failed { restart: after };
                self.restarts.insert(node.name.label().clone(), before + 1);
                let restarts =
                    Remark::Restarts { node: node.clone(), cause, after, restart: before + 1, of: times };
                self.remarks.push(restarts);
                vec![Action::End(node)]
            }
            (OnFailure::GoOn, _) => {
                member.fate = Fate::Lost;
                if self.is_last_of_group(node.name.label()) {
                    return self.fail(now, node, cause);
                }
                self.remarks.push(Remark::Lost(node.clone(), cause));
                vec![Action::End(node)]
            }
            _ => self.fail(now, node, cause),
        }
    }

    /// Whether all of a group are lost and none has finished.
    fn is_last_of_group(&self, label: &Label) -> bool {
        let mut group = self.members.values().filter(|member| member.id.name.label() == label);
        group.all(|member| matches!(member.fate, Fate::Lost | Fate::Ended { finished: false }))
    }

    fn fail(&mut self, now: Duration, node: NodeId, cause: Cause) -> Vec<Action> {
        self.failed_at = Some(now);
        self.stop(now, End::Failed(node, cause))
    }

    fn blame_better(&mut self, now: Duration, node: NodeId, cause: Cause) {
        let in_time = self.failed_at.is_some_and(|first| now <= first + GRACE);
        if in_time && matches!(&self.end, End::Failed(_, blamed) if cause.weight() > blamed.weight()) {
            self.end = End::Failed(node, cause);
        }
    }

    fn ended(&mut self, now: Duration, node: &NodeId, finished: bool) -> Vec<Action> {
        let running = self.is_running();
        let Some(member) = self.members.get_mut(&node.name).filter(|member| member.id == *node) else {
            return Vec::new();
        };
        if let (Fate::Failed { restart }, true) = (member.fate, running) {
            member.fate = Fate::Restarts { at: now + restart };
            return Vec::new();
        }
        member.fate = Fate::Ended { finished };
        let done = finished || !running || self.members[&node.name].policy == OnFailure::GoOn;
        if self.members.values().all(Member::has_ended) {
            self.phase = Phase::Over;
            return vec![Action::Finish];
        }
        if done && self.is_complete() { self.stop(now, End::Finished) } else { Vec::new() }
    }

    /// Whether what the program is for has been done.
    fn is_complete(&self) -> bool {
        let of = |role: Role| self.members.values().filter(move |member| member.role == role);
        let role = if of(Role::Driver).next().is_some() { Role::Driver } else { Role::Plain };
        of(role).next().is_some() && of(role).all(Member::has_ended)
    }

    fn interrupted(&mut self, now: Duration, by: Interrupt, heeded: bool) -> Vec<Action> {
        if self.interrupted_at.is_some_and(|first| now < first + DEBOUNCE) {
            return Vec::new();
        }
        let again = self.interrupted_at.replace(now).is_some();
        match (self.is_running(), again) {
            (true, false) if heeded => vec![Action::Heed(by)],
            (true, false) => self.stop(now, End::Interrupted(by)),
            // The driver did not come to an end in time.
            (true, true) => self.stop_at_once(now, End::Interrupted(by)),
            (false, _) => self.kill(now),
        }
    }

    /// Leaves nobody any time.
    fn stop_at_once(&mut self, now: Duration, end: End) -> Vec<Action> {
        match self.stop(now, end) {
            over if over == [Action::Finish] => over,
            _ => self.kill(now),
        }
    }

    fn heard(&mut self, now: Duration, node: NodeId) {
        let mut again = false;
        self.current(&node, |member| {
            if member.heard.is_some() {
                member.heard = Some(now);
                again = std::mem::take(&mut member.told);
            }
        });
        if again {
            self.remarks.push(Remark::HeardAgain(node));
        }
    }

    /// When something is to be done about a process that stays silent until then.
    fn silent_at(&self) -> Option<Duration> {
        self.members.values().filter_map(|member| member.silent_at(self.patience.silence)).min()
    }

    /// Tells of processes that have been silent for long, and takes those beyond the limit for failed.
    fn look_for_silence(&mut self, now: Duration) -> Vec<Action> {
        if self.silent_at().is_some_and(|due| now > due + ABSENT) {
            self.members.values_mut().for_each(|member| member.heard = member.heard.map(|_| now));
        }
        let Silence { told, limit } = self.patience.silence;
        let mut failed = Vec::new();
        for member in self.members.values_mut().filter(|member| member.is_alive()) {
            let Some(silence) = member.heard.map(|heard| now.saturating_sub(heard)) else { continue };
            if limit.is_some_and(|limit| silence >= limit) {
                failed.push((member.id.clone(), Cause::Silent(silence)));
            } else if silence >= told && !std::mem::replace(&mut member.told, true) {
                self.remarks.push(Remark::Silent(member.id.clone(), silence));
            }
        }
        failed.into_iter().flat_map(|(node, cause)| self.failed(now, node, cause)).collect()
    }

    fn stop(&mut self, now: Duration, end: End) -> Vec<Action> {
        if !self.is_running() {
            return Vec::new();
        }
        let notice = match end {
            End::Failed(..) => self.patience.failure,
            _ => self.patience.normal,
        };
        self.end = end;
        // Nobody is started again any more.
        for member in self.members.values_mut() {
            if matches!(member.fate, Fate::Restarts { .. }) {
                member.fate = Fate::Ended { finished: false };
            }
        }
        if self.members.values().all(Member::has_ended) {
            self.phase = Phase::Over;
            return vec![Action::Finish];
        }
        self.phase = Phase::Stopping { kill_at: now + notice };
        vec![Action::Stop]
    }

    fn kill(&mut self, now: Duration) -> Vec<Action> {
        if matches!(self.phase, Phase::Over | Phase::Killing { .. }) {
            return Vec::new();
        }
        self.phase = Phase::Killing { leave_at: now + BURIAL };
        vec![Action::Kill]
    }

    fn tick(&mut self, now: Duration) -> Vec<Action> {
        match self.phase {
            Phase::Running => {
                let mut actions = self.look_for_late(now);
                actions.extend(self.restart(now));
                actions.extend(self.look_for_silence(now));
                actions
            }
            Phase::Stopping { kill_at } if now >= kill_at => self.kill(now),
            Phase::Killing { leave_at } if now >= leave_at => {
                self.phase = Phase::Over;
                vec![Action::Finish]
            }
            _ => Vec::new(),
        }
    }

    /// Takes processes for failed that did not report in time.
    fn look_for_late(&mut self, now: Duration) -> Vec<Action> {
        let start = self.patience.start;
        let late = self.alive().filter(|member| member.starting.is_some_and(|at| now >= at + start));
        let late: Vec<_> = late.map(|member| member.id.clone()).collect();
        let why = format!("it did not report to the launcher within {start:?}");
        let failed = |node| self.failed(now, node, Cause::NeverStarted(why.clone()));
        late.into_iter().flat_map(failed).collect()
    }

    /// Starts those again whose time has come.
    fn restart(&mut self, now: Duration) -> Vec<Action> {
        if !self.is_running() {
            return Vec::new();
        }
        let is_due = |member: &&mut Member| matches!(member.fate, Fate::Restarts { at } if now >= at);
        self.members.values_mut().filter(is_due).map(|member| Action::Start(member.begin_anew())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    fn node(name: &str) -> NodeId {
        NodeId::first(name.parse().unwrap())
    }

    fn worker(rank: usize) -> NodeId {
        node(&format!("worker/{rank}"))
    }

    fn server() -> NodeId {
        node("server/0")
    }

    fn driver() -> NodeId {
        node("driver")
    }

    fn member(id: NodeId, role: Role, policy: OnFailure) -> Member {
        Member::new(id.name, role, policy)
    }

    fn gone(node: NodeId, finished: bool) -> Event {
        Event::Ended { node, finished }
    }

    fn program(driven: bool) -> Supervisor {
        under(driven, OnFailure::Stop)
    }

    /// A program whose workers have this policy.
    fn under(driven: bool, policy: OnFailure) -> Supervisor {
        let mut nodes = vec![member(server(), Role::Service, OnFailure::Stop)];
        nodes.extend((0..2).map(|rank| member(worker(rank), Role::Plain, policy)));
        if driven {
            nodes.push(member(driver(), Role::Driver, OnFailure::Stop));
        }
        Supervisor::new(nodes, PATIENCE)
    }

    #[test]
    fn sup_1_the_first_failure_stops_and_later_ones_do_not_count() {
        let mut program = program(true);
        let stop = program.on(ms(10), Event::Failed(worker(0), Cause::Panicked("a".into())));
        assert_eq!(stop, [Action::Stop]);
        assert_eq!(program.on(ms(400), Event::Failed(worker(1), Cause::Killed(9))), []);
        assert_eq!(program.into_end().0, End::Failed(worker(0), Cause::Panicked("a".into())));
    }

    #[test]
    fn sup_1_a_failure_after_a_requested_stop_is_none() {
        let mut program = program(true);
        assert_eq!(program.on(ms(0), Event::StopAsked), [Action::Stop]);
        assert_eq!(program.on(ms(1), Event::Failed(worker(0), Cause::Exited(3))), []);
        assert_eq!(program.into_end().0, End::Asked);
    }

    #[test]
    fn sup_2_the_killed_one_is_blamed_though_its_peer_complained_first() {
        let mut program = program(true);
        program.on(ms(0), Event::Failed(worker(0), Cause::LostPeer("server/0 closed".into())));
        program.on(ms(5), Event::Failed(driver(), Cause::Failed("a remote error".into())));
        program.on(ms(50), Event::Failed(server(), Cause::Killed(9)));
        program.on(ms(60), Event::Failed(worker(1), Cause::Killed(15)));
        assert_eq!(program.into_end().0, End::Failed(server(), Cause::Killed(9)));
    }

    #[test]
    fn sup_3_a_stuck_node_is_killed_and_then_left() {
        let mut program = program(true);
        program.on(ms(0), Event::Failed(worker(0), Cause::Exited(3)));
        assert_eq!(program.due(), Some(ms(300)));
        assert_eq!(program.on(ms(299), Event::Tick), []);
        assert_eq!(program.on(ms(300), Event::Tick), [Action::Kill]);
        for node in [worker(0), server(), driver()] {
            assert_eq!(program.on(ms(301), gone(node, false)), []);
        }
        assert_eq!(program.on(ms(800), Event::Tick), [Action::Finish]);
        assert_eq!(program.left(), vec![worker(1)]);
    }

    #[test]
    fn sup_4_the_driver_ends_the_program_and_workers_do_not() {
        let mut program = program(true);
        assert_eq!(program.on(ms(0), gone(worker(0), true)), []);
        assert_eq!(program.on(ms(0), gone(worker(1), true)), []);
        assert_eq!(program.on(ms(0), gone(driver(), true)), [Action::Stop]);
        assert_eq!(program.on(ms(1), gone(server(), false)), [Action::Finish]);
        assert_eq!(program.into_end().0, End::Finished);
    }

    #[test]
    fn sup_4_without_a_driver_the_last_plain_node_ends_the_program() {
        let mut program = program(false);
        assert_eq!(program.on(ms(0), gone(worker(1), true)), []);
        assert_eq!(program.on(ms(0), gone(worker(0), true)), [Action::Stop]);
        assert_eq!(program.on(ms(1), gone(server(), false)), [Action::Finish]);
    }

    #[test]
    fn the_second_interrupt_kills() {
        let mut program = program(true);
        assert_eq!(program.on(ms(0), CTRL_C), [Action::Stop]);
        assert_eq!(program.on(ms(1), CTRL_C), [], "the same interrupt told twice");
        assert_eq!(program.on(ms(200), CTRL_C), [Action::Kill]);
        assert_eq!(program.on(ms(400), CTRL_C), []);
        assert_eq!(program.into_end().0, End::Interrupted(Interrupt::CtrlC));
    }

    #[test]
    fn sup_5_a_heeded_interrupt_stops_nothing_and_the_next_one_ends_everything() {
        let heeded = || Event::Interrupted { by: Interrupt::Terminate, heeded: true };
        let mut finishing = program(true);
        assert_eq!(finishing.on(ms(0), heeded()), [Action::Heed(Interrupt::Terminate)]);
        assert_eq!(finishing.on(ms(50), heeded()), [], "the same interrupt told twice");
        assert_eq!(finishing.on(ms(300), gone(driver(), true)), [Action::Stop]);
        assert_eq!(finishing.into_end().0, End::Finished, "the driver has a value");

        let mut stubborn = program(true);
        assert_eq!(stubborn.on(ms(0), heeded()), [Action::Heed(Interrupt::Terminate)]);
        assert_eq!(stubborn.on(ms(300), heeded()), [Action::Kill]);
        assert_eq!(stubborn.into_end().0, End::Interrupted(Interrupt::Terminate));
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
        assert_eq!(program.on(ms(10_000), Event::Tick), []);
        assert_eq!(program.take_remarks(), [Remark::Silent(worker(1), ms(10_000))]);
        program.on(ms(18_000), Event::Heard(worker(0)));
        assert_eq!(program.on(ms(18_001), Event::Tick), []);
        assert_eq!(program.take_remarks(), [], "it is told once");
        program.on(ms(20_000), Event::Heard(worker(1)));
        assert_eq!(program.take_remarks(), [Remark::HeardAgain(worker(1))]);

        for second in 20..50 {
            program.on(ms(second * 1000), Event::Heard(worker(0)));
            assert_eq!(program.on(ms(second * 1000), Event::Tick), []);
        }
        assert_eq!(program.due(), Some(ms(50_000)));
        assert_eq!(program.on(ms(50_000), Event::Tick), [Action::Stop]);
        assert_eq!(program.into_end().0, End::Failed(worker(1), Cause::Silent(ms(30_000))));
    }

    #[test]
    fn sup_6_a_launcher_that_was_away_blames_nobody() {
        let mut program = processes();
        assert_eq!(program.on(ms(3_600_000), Event::Tick), []);
        assert_eq!(program.take_remarks(), []);
        assert_eq!(program.due(), Some(ms(3_610_000)));
    }

    #[test]
    fn without_nodes_a_stop_is_the_end() {
        let mut program = Supervisor::new([], PATIENCE);
        assert_eq!(program.due(), None);
        assert_eq!(program.on(ms(1), Event::StopAsked), [Action::Finish]);
    }

    #[test]
    fn a_node_that_never_reports_is_named() {
        let mut program =
            Supervisor::new((0..2).map(|rank| member(worker(rank), Role::Plain, OnFailure::Stop)), PATIENCE);
        program.on(ms(7), Event::Started(worker(1)));
        program.on(ms(8), Event::Started(worker(0)));
        program.on(ms(9), Event::Joined(worker(1)));
        program.on(ms(10), gone(worker(1), true));
        assert_eq!(program.due(), Some(ms(8) + PATIENCE.start));
        assert_eq!(program.on(ms(7) + PATIENCE.start, Event::Tick), []);
        assert_eq!(program.on(ms(8) + PATIENCE.start, Event::Tick), [Action::Stop]);
        assert!(
            matches!(program.into_end().0, End::Failed(node, Cause::NeverStarted(_)) if node == worker(0))
        );
    }

    const RESTART: OnFailure = OnFailure::Restart { times: 2, backoff: Duration::from_millis(100) };

    fn killed(node: &NodeId) -> Event {
        Event::Failed(node.clone(), Cause::Killed(9))
    }

    #[test]
    fn sup_7_a_node_is_started_again_when_its_earlier_self_is_gone() {
        let mut program = under(true, RESTART);
        let (first, second, third) = (worker(1), worker(1).next(), worker(1).next().next());
        assert_eq!(program.on(ms(10), killed(&first)), [Action::End(first.clone())]);
        assert_eq!(program.on(ms(11), killed(&first)), [], "it is told twice: by itself and by its end");
        assert_eq!(program.due(), None, "it is not gone yet");
        assert_eq!(program.on(ms(20), gone(first.clone(), false)), []);
        assert!(program.will_restart(&first));
        assert_eq!(program.due(), Some(ms(120)));
        assert_eq!(program.on(ms(119), Event::Tick), []);
        assert_eq!(program.on(ms(120), Event::Tick), [Action::Start(second.clone())]);
        assert_eq!(program.on(ms(121), gone(first, true)), [], "that was another one");

        program.on(ms(130), killed(&second));
        program.on(ms(130), gone(second, false));
        assert_eq!(program.due(), Some(ms(330)), "the second wait is twice as long");
        assert_eq!(program.on(ms(330), Event::Tick), [Action::Start(third.clone())]);
        assert_eq!(program.on(ms(400), killed(&third)), [Action::Stop], "two restarts are all");
        assert_eq!(program.into_end().0, End::Failed(third, Cause::Killed(9)));
    }

    #[test]
    fn g8_the_restarts_are_the_groups_together() {
        let mut program = under(true, RESTART);
        for rank in 0..2 {
            program.on(ms(0), killed(&worker(rank)));
            program.on(ms(0), gone(worker(rank), false));
        }
        assert_eq!(program.on(ms(200), Event::Tick).len(), 2);
        assert_eq!(program.on(ms(300), killed(&worker(0).next())), [Action::Stop]);
    }

    #[test]
    fn a_stop_ends_the_wait_for_a_restart() {
        let restart = [member(worker(0), Role::Plain, RESTART)];
        let mut program = Supervisor::new(restart, PATIENCE);
        program.on(ms(0), killed(&worker(0)));
        program.on(ms(1), gone(worker(0), false));
        assert_eq!(program.on(ms(2), Event::StopAsked), [Action::Finish]);
        assert_eq!(program.on(ms(500), Event::Tick), []);
    }

    #[test]
    fn sup_8_a_program_goes_on_until_the_last_one_of_the_group_fails() {
        let mut program = under(true, OnFailure::GoOn);
        assert_eq!(program.on(ms(0), killed(&worker(0))), [Action::End(worker(0))]);
        assert_eq!(program.on(ms(1), gone(worker(0), false)), []);
        assert_eq!(program.take_remarks(), [Remark::Lost(worker(0), Cause::Killed(9))]);
        assert_eq!(program.on(ms(2), killed(&worker(1))), [Action::Stop]);

        let mut program = under(false, OnFailure::GoOn);
        assert_eq!(program.on(ms(0), gone(worker(0), true)), []);
        assert_eq!(program.on(ms(1), killed(&worker(1))), [Action::End(worker(1))], "one has finished");
        assert_eq!(program.on(ms(2), gone(worker(1), false)), [Action::Stop], "and that is all there is");
        assert_eq!(program.into_end().0, End::Finished);
    }

    #[test]
    fn a_silent_process_is_ended_before_it_is_started_again() {
        let mut program = under(true, RESTART);
        program.on(ms(0), Event::Started(worker(0)));
        program.on(ms(0), Event::Joined(worker(0)));
        program.on(ms(10_000), Event::Tick);
        assert_eq!(program.on(ms(30_000), Event::Tick), [Action::End(worker(0))]);
        assert_eq!(program.on(ms(30_001), Event::Heard(worker(0))), []);
        program.on(ms(30_010), gone(worker(0), false));
        assert_eq!(program.due(), Some(ms(30_110)));
    }
}
