//! The decisions, one rule after another.

use super::*;
use crate::OnFailure;
use crate::life::patience::Silence;

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
fn sup_2_an_engine_that_tells_late_of_a_lost_host_is_waited_for() {
    let slow = Patience { failure: ms(10_000), ..PATIENCE };
    let lost = |first: Cause| {
        let members = [worker(0), worker(1)].map(|id| Member::new(id.name, Role::Plain, OnFailure::Stop));
        let mut program = Supervisor::new(members, slow);
        program.on(ms(0), Event::Failed(worker(0), first));
        program.on(ms(7000), Event::Failed(worker(1), Cause::HostLost));
        program.into_end().0
    };
    let complains = Cause::LostPeer("worker/1 closed".into());
    assert_eq!(lost(complains), End::Failed(worker(1), Cause::HostLost));
    let own = Cause::Failed("loss is NaN".into());
    assert_eq!(lost(own.clone()), End::Failed(worker(0), own));
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
fn sup_6_a_frozen_node_of_a_simulation_is_silent_until_it_goes_on() {
    let mut program = program(true);
    program.on(ms(0), Event::Joined(worker(1)));
    assert_eq!(program.due(), None, "its signs of life go without saying");
    program.on(ms(5_000), Event::Froze(worker(1)));
    assert_eq!(program.due(), Some(ms(15_000)));
    assert_eq!(program.on(ms(15_000), Event::Tick), []);
    program.on(ms(16_000), Event::Thawed(worker(1)));
    let told = [Remark::Silent(worker(1), ms(10_000)), Remark::HeardAgain(worker(1))];
    assert_eq!(program.take_remarks(), told);
    assert_eq!(program.due(), None);
    program.on(ms(20_000), Event::Froze(worker(1)));
    assert_eq!(program.on(ms(30_000), Event::Tick), []);
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
    assert!(matches!(program.into_end().0, End::Failed(node, Cause::NeverStarted(_)) if node == worker(0)));
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

#[test]
fn sup_4_a_colocation_whose_work_is_done_counts_as_done_though_it_serves_on() {
    let mut program = under(false, OnFailure::Restart { times: 1, backoff: ms(0) });
    assert_eq!(program.on(ms(1), Event::Idle(worker(0))), []);
    assert_eq!(program.working(), [worker(1).name]);
    assert_eq!(program.left().len(), 3);
    // What it serves may still fail, and then all of its work is done anew.
    assert_eq!(program.on(ms(2), killed(&worker(0))), [Action::End(worker(0))]);
    program.on(ms(3), gone(worker(0), false));
    assert_eq!(program.on(ms(3), Event::Tick), [Action::Start(worker(0).next())]);
    assert_eq!(program.on(ms(4), gone(worker(1), true)), []);
    assert_eq!(program.on(ms(5), Event::Idle(worker(0))), [], "of an earlier incarnation");
    assert_eq!(program.on(ms(5), Event::Idle(worker(0).next())), [Action::Stop]);
    assert!(program.is_well());
}

#[test]
fn sup_9_who_has_run_to_its_end_rests_until_it_is_woken() {
    use crate::life::member::Attendance;
    let elastic = |policy: OnFailure| {
        let mut nodes = vec![member(driver(), Role::Driver, OnFailure::Stop)];
        let there = [Attendance::FromStart, Attendance::FromStart, Attendance::Woken];
        let all = (0..3).zip(there);
        nodes.extend(all.map(|(rank, there)| member(worker(rank), Role::Plain, policy).attending(there)));
        Supervisor::new(nodes, PATIENCE)
    };
    let mut program = elastic(OnFailure::GoOn);
    assert!(program.rests(&worker(2).name) && program.left().len() == 3);
    assert_eq!(program.on(ms(1), Event::Woken(worker(2).name)), [Action::Start(worker(2))]);
    assert_eq!(program.on(ms(1), Event::Woken(worker(2).name)), [], "it is there");
    assert_eq!(program.on(ms(2), gone(worker(0), true)), []);
    assert!(program.rests(&worker(0).name));
    assert_eq!(program.on(ms(3), Event::Woken(worker(0).name)), [Action::Start(worker(0).next())]);
    // Who is lost comes again when it is woken, as soon as what is left of it is gone.
    program.on(ms(4), killed(&worker(1)));
    assert_eq!(program.on(ms(4), Event::Woken(worker(1).name)), []);
    program.on(ms(5), gone(worker(1), false));
    assert_eq!(program.on(ms(5), Event::Tick), [Action::Start(worker(1).next())]);
    program.on(ms(6), killed(&worker(2)));
    program.on(ms(6), gone(worker(2), false));
    assert_eq!(program.on(ms(7), Event::Woken(worker(2).name)), [Action::Start(worker(2).next())]);
    // Those that rest do not count: the last of the others is the last.
    program.on(ms(8), gone(worker(0).next(), true));
    program.on(ms(8), gone(worker(1).next(), true));
    assert_eq!(program.on(ms(9), killed(&worker(2).next())), [Action::Stop]);
    assert_eq!(program.on(ms(9), Event::Woken(worker(0).name)), [], "nobody is started any more");

    let mut program = elastic(OnFailure::Stop);
    assert_eq!(program.on(ms(1), gone(driver(), true)), [Action::Stop]);
    program.on(ms(2), gone(worker(0), true));
    assert_eq!(program.on(ms(2), gone(worker(1), true)), [Action::Finish], "nobody waits for who rests");
}
