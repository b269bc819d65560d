//! The tests.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use syncline_wire::{Address, Client, Error, Limits, Token};
use tempfile::TempDir;

use crate::harness::{Launcher, Outcome, Test, assert_gone, eventually, lives, marked, send};
use crate::support::Counter;

macro_rules! tests {
    ($($name:ident),* $(,)?) => { &[$((stringify!($name), $name as fn())),*] };
}

/// All tests.
pub const ALL: &[Test] = tests![
    h1_the_same_program_runs_on_threads_and_on_processes,
    a_node_has_the_stack_of_a_process,
    l1_a_killed_worker_is_named_within_a_second,
    l1_a_killed_service_is_blamed_not_its_callers,
    l1_a_service_that_vanishes_is_blamed_not_its_callers,
    g3_an_exit_code_is_told,
    g1_a_panic_is_told,
    g5_an_error_is_told_with_the_last_lines,
    g1_a_constructor_that_fails_names_its_node,
    g1_a_driver_that_fails_ends_the_program,
    g6_nodes_that_end_stop_nothing_and_leave_nothing,
    f4_a_stuck_node_does_not_hold_up_a_failure,
    f4_a_stuck_node_is_killed_at_the_end,
    f10_nothing_survives_a_killed_launcher,
    f10_nothing_survives_a_launcher_killed_at_the_start,
    f10_nothing_survives_a_launcher_killed_at_any_moment,
    f10_nothing_survives_a_launcher_that_panics,
    f5_an_interrupt_is_polite,
    f5_a_second_interrupt_kills,
    f5_an_interrupt_while_processes_start_is_heard,
    f5_after_a_run_an_interrupt_has_its_usual_effect,
    f5_a_driver_that_heeds_an_interrupt_has_a_value,
    f5_a_driver_that_only_seems_to_heed_is_ended_by_the_second_interrupt,
    a_frozen_process_is_told_of_and_heard_again,
    a_process_frozen_beyond_the_limit_has_failed,
    a_node_that_computes_long_is_not_silent,
    debug_of_an_error_reads_as_its_display,
    l4_output_that_nobody_reads_does_not_stop_the_launcher,
    h5_a_process_that_never_takes_part_is_named,
    h5_a_process_that_hangs_in_its_start_is_named,
    a_different_graph_is_refused_by_name,
    l7_several_programs_leave_nothing_behind,
    a_later_programs_process_cannot_know_an_earlier_value,
    l8_a_stranger_at_the_door_changes_nothing,
    nodes_share_the_launchers_clock,
    what_a_node_starts_is_no_node,
    a_node_launches_on_threads_only,
    g8_a_killed_node_is_started_again_under_its_name,
    g8_a_frozen_node_is_killed_and_started_again,
    l1_a_program_goes_on_without_a_killed_node,
    c20_l2_a_service_killed_at_any_moment_executes_no_call_twice,
    e8_a_group_is_given_cores_memory_variables_and_arguments,
    h6_what_the_machine_does_not_have_is_refused,
    g2_one_group_is_waited_for_and_stop_handlers_run,
    h3_on_tmux_every_node_has_a_window_and_nothing_is_left,
    h4_without_tmux_the_program_does_not_start,
];

fn play(scenario: &str) -> Outcome {
    Launcher::start(scenario).end()
}

fn fails(scenario: &str, said: &str) -> Outcome {
    let outcome = play(scenario);
    assert_eq!(outcome.code, Some(1), "{outcome:#?}");
    assert!(outcome.text.contains(said), "no `{said}` in {outcome:#?}");
    outcome
}

/// So much, or ten times what the start took on a machine that is busy with other things.
fn patience(seconds: u64, start: Duration) -> Duration {
    Duration::from_secs(seconds).max(10 * start)
}

/// The launcher must end within a second from now, as the promise goes.
fn ends_within_a_second(launcher: Launcher) -> Outcome {
    let (begun, limit) = (Instant::now(), patience(1, launcher.start_took()));
    let outcome = launcher.end();
    assert!(begun.elapsed() < limit, "it took {:?}", begun.elapsed());
    outcome
}

fn h1_the_same_program_runs_on_threads_and_on_processes() {
    for scenario in ["counts-threads", "counts-unix", "counts-tcp"] {
        let outcome = play(scenario);
        assert_eq!((outcome.code, outcome.text.as_str()), (Some(0), "sums [300, 60, 60]"), "{scenario}");
    }
}

fn a_node_has_the_stack_of_a_process() {
    for scenario in ["deep-threads", "deep-sim", "deep-processes"] {
        let outcome = play(scenario);
        assert!(
            outcome.code == Some(0) && outcome.text.contains("came back from 20"),
            "{scenario}: {outcome:#?}"
        );
    }
}

fn l1_a_killed_worker_is_named_within_a_second() {
    let mut launcher = Launcher::start("idle");
    let pids = ["worker/0", "worker/1", "server/0"].map(|node| launcher.pid(node));
    send(pids[1], Signal::KILL);
    let outcome = ends_within_a_second(launcher);
    assert_eq!(outcome.code, Some(1));
    let said = format!(
        "error: worker/1 was killed by signal 9 (SIGKILL)\n  the last lines of its output:\n    pid {}",
        pids[1]
    );
    assert!(outcome.text.contains(&said), "{outcome:#?}");
    assert_gone(&pids);
}

fn l1_a_killed_service_is_blamed_not_its_callers() {
    let mut launcher = Launcher::start("served");
    let pids = ["server/0", "worker/0", "worker/1", "worker/2"].map(|node| launcher.pid(node));
    send(pids[0], Signal::KILL);
    let outcome = ends_within_a_second(launcher);
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.text.contains("error: server/0 was killed by signal 9 (SIGKILL)"), "{outcome:#?}");
    assert_gone(&pids);
}

fn l1_a_service_that_vanishes_is_blamed_not_its_callers() {
    fails("served-exits", "error: server/0 exited with code 4");
    fails("served-aborts", "error: server/0 was killed by signal 6 (SIGABRT)");
}

fn g3_an_exit_code_is_told() {
    fails("exits", "error: worker/1 exited with code 3");
}

fn g1_a_panic_is_told() {
    let outcome = fails("panics", "error: worker/1 panicked: no more");
    let spam = outcome.text.matches("[worker/1] thread 'worker/1'").count();
    assert_eq!(spam, 1, "{outcome:#?}");
}

fn g5_an_error_is_told_with_the_last_lines() {
    let outcome = fails("talks", "error: worker/1 failed: said enough");
    assert!(
        outcome.text.contains("[worker/1] line 0\n") && outcome.text.contains("\n    line 10\n"),
        "{outcome:#?}"
    );
    assert!(!outcome.text.contains("\n  line 9\n"), "more than 20 lines: {outcome:#?}");
    fails("errs", "error: worker/1 failed: loss is NaN");
}

fn g1_a_constructor_that_fails_names_its_node() {
    fails("unbuilt", "error: server/0 failed: no memory");
}

fn g1_a_driver_that_fails_ends_the_program() {
    fails("driver", "error: driver failed: the data are odd");
}

fn g6_nodes_that_end_stop_nothing_and_leave_nothing() {
    let mut launcher = Launcher::start("leaves");
    let grandchildren = ["worker/0", "worker/1"].map(|node| launcher.pid(node));
    launcher.line("[last/0] the last one");
    assert_eq!(launcher.end().code, Some(0));
    assert_gone(&grandchildren);
}

fn f4_a_stuck_node_does_not_hold_up_a_failure() {
    let mut launcher = Launcher::start("stuck-failure");
    let pids = ["worker/0", "worker/1"].map(|node| launcher.pid(node));
    send(pids[1], Signal::TERM);
    let outcome = ends_within_a_second(launcher);
    assert!(outcome.text.contains("error: worker/1 was killed by signal 15 (SIGTERM)"), "{outcome:#?}");
    assert!(outcome.text.contains("worker/0 did not stop in time and is killed"), "{outcome:#?}");
    assert_gone(&pids);
}

fn f4_a_stuck_node_is_killed_at_the_end() {
    let mut launcher = Launcher::start("stuck-end");
    let pid = launcher.pid("worker/0");
    let outcome = launcher.end();
    assert_eq!(outcome.code, Some(0));
    assert!(outcome.text.contains("worker/0 did not stop in time and is killed\nvalue 7"), "{outcome:#?}");
    assert_gone(&[pid]);
}

fn f10_nothing_survives_a_killed_launcher() {
    let mut launcher = Launcher::start("orphans");
    let mut pids = Vec::new();
    for node in ["worker/0", "worker/1"] {
        pids.push(launcher.pid(node));
        pids.push(launcher.line(&format!("[{node}] grandchild ")).parse().unwrap());
    }
    assert!(pids.iter().all(|pid| lives(*pid)));
    launcher.signal(Signal::KILL);
    let (begun, limit) = (Instant::now(), patience(1, launcher.start_took()));
    assert_eq!(launcher.end().code, None);
    eventually("all processes are gone", || !pids.iter().any(|pid| lives(*pid)));
    assert!(begun.elapsed() < limit, "it took {:?}", begun.elapsed());
}

fn f10_nothing_survives_a_launcher_killed_at_the_start() {
    let mut launcher = Launcher::start("slow-start");
    let pids = ["worker/0", "worker/1"].map(|node| launcher.pid(node));
    launcher.signal(Signal::KILL);
    assert_eq!(launcher.end().code, None);
    eventually("all processes are gone", || !pids.iter().any(|pid| lives(*pid)));
}

fn f10_nothing_survives_a_launcher_killed_at_any_moment() {
    for delay in [0, 1, 2, 3, 4, 5, 6, 8, 10, 15] {
        let launcher = Launcher::start("orphans");
        std::thread::sleep(Duration::from_millis(delay));
        let mark = launcher.mark();
        launcher.signal(Signal::KILL);
        eventually("all processes are gone", || marked(std::slice::from_ref(&mark)).is_empty());
    }
}

fn f10_nothing_survives_a_launcher_that_panics() {
    let mut launcher = Launcher::start("forgets");
    let pids = ["worker/0", "worker/1"].map(|node| launcher.pid(node));
    let outcome = launcher.end();
    assert_eq!(outcome.code, Some(101), "{outcome:#?}");
    assert_gone(&pids);
}

fn f5_an_interrupt_is_polite() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let mut launcher = Launcher::start("polite");
        let pids = ["tidy/0", "stubborn/0"].map(|node| launcher.pid(node));
        launcher.signal(signal);
        let outcome = launcher.end();
        assert_eq!(outcome.code, Some(code), "{outcome:#?}");
        assert!(outcome.text.contains("[tidy/0] tidied up"), "{outcome:#?}");
        assert_gone(&pids);
    }
}

fn f5_a_second_interrupt_kills() {
    let mut launcher = Launcher::start("stubborn");
    let pids = ["tidy/0", "stubborn/0"].map(|node| launcher.pid(node));
    launcher.signal(Signal::INT);
    launcher.line("[stubborn/0] never");
    // Quicker than a hand it would count as the same interrupt.
    std::thread::sleep(Duration::from_millis(150));
    launcher.signal(Signal::INT);
    let outcome = ends_within_a_second(launcher);
    assert_eq!(outcome.code, Some(130), "{outcome:#?}");
    assert!(outcome.text.contains("stubborn/0 did not stop in time and is killed"), "{outcome:#?}");
    assert_gone(&pids);
}

fn f5_an_interrupt_while_processes_start_is_heard() {
    let outcome = play("many");
    assert_eq!((outcome.code, outcome.text.matches("] pid ").count()), (Some(0), 40), "{outcome:#?}");

    let mut launcher = Launcher::start("many");
    launcher.pid("worker/0");
    launcher.signal(Signal::INT);
    let outcome = ends_within_a_second(launcher);
    assert_eq!(outcome.code, Some(130), "{outcome:#?}");
    assert!(outcome.text.matches("] pid ").count() < 40, "all were started: {outcome:#?}");
}

fn f5_after_a_run_an_interrupt_has_its_usual_effect() {
    let mut launcher = Launcher::start("interruptible");
    launcher.line("running");
    launcher.signal(Signal::INT);
    assert_eq!(launcher.line("over:"), "interrupted by Ctrl-C");
    launcher.signal(Signal::INT);
    assert_eq!(launcher.end().code, None);
}

fn f5_a_driver_that_heeds_an_interrupt_has_a_value() {
    let mut launcher = Launcher::start("heeds");
    let pid = launcher.pid("worker/0");
    launcher.signal(Signal::TERM);
    let outcome = launcher.end();
    assert_eq!(outcome.code, Some(0), "{outcome:#?}");
    assert!(outcome.text.contains("value SIGTERM"), "{outcome:#?}");
    assert_gone(&[pid]);
}

fn f5_a_driver_that_only_seems_to_heed_is_ended_by_the_second_interrupt() {
    let mut launcher = Launcher::start("pretends");
    let pid = launcher.pid("worker/0");
    launcher.signal(Signal::TERM);
    launcher.line("[launcher] SIGTERM: asked to come to an end");
    std::thread::sleep(Duration::from_millis(150));
    assert!(lives(pid), "the driver has all the time that it wants");
    launcher.signal(Signal::INT);
    let outcome = ends_within_a_second(launcher);
    assert_eq!(outcome.code, Some(130), "{outcome:#?}");
    assert_gone(&[pid]);
}

fn a_frozen_process_is_told_of_and_heard_again() {
    let mut launcher = Launcher::start("silent");
    let pids = ["worker/0", "worker/1"].map(|node| launcher.pid(node));
    send(pids[1], Signal::STOP);
    let said = launcher.line("[launcher] worker/1 has not been heard of for ");
    assert!(
        said.contains("its process is stopped, or its machine is swapping; the run waits for it"),
        "{said}"
    );
    send(pids[1], Signal::CONT);
    launcher.line("[launcher] worker/1 is heard of again");
    launcher.signal(Signal::INT);
    let outcome = launcher.end();
    assert_eq!(outcome.code, Some(130), "{outcome:#?}");
    assert!(!outcome.text.contains("worker/0 has not been heard of"), "{outcome:#?}");
    assert_gone(&pids);
}

fn a_process_frozen_beyond_the_limit_has_failed() {
    let mut launcher = Launcher::start("silence-fails");
    let pids = ["worker/0", "worker/1"].map(|node| launcher.pid(node));
    send(pids[1], Signal::STOP);
    let outcome = launcher.end();
    assert_eq!(outcome.code, Some(1), "{outcome:#?}");
    assert!(outcome.text.contains("error: worker/1 was not heard of for "), "{outcome:#?}");
    assert_gone(&pids);
}

fn a_node_that_computes_long_is_not_silent() {
    let outcome = play("computes");
    assert_eq!(outcome.code, Some(0), "{outcome:#?}");
    assert!(!outcome.text.contains("not been heard of"), "{outcome:#?}");
}

fn debug_of_an_error_reads_as_its_display() {
    let mut launcher = Launcher::start("returns-error");
    let pid = launcher.pid("worker/0");
    send(pid, Signal::KILL);
    let outcome = launcher.end();
    assert_eq!(outcome.code, Some(1), "{outcome:#?}");
    assert!(outcome.text.contains("Error: worker/0 was killed by signal 9"), "{outcome:#?}");
}

fn l4_output_that_nobody_reads_does_not_stop_the_launcher() {
    let starting = Instant::now();
    let launcher = Launcher::start("floods");
    let idle = [launcher.mark(), "SYNCLINE_NODE=worker/1".to_owned()];
    eventually("the idle worker runs", || !marked(&idle).is_empty());
    let limit = patience(3, starting.elapsed());
    // The flood needs a moment to fill every buffer.
    std::thread::sleep(Duration::from_millis(300));
    send(marked(&idle)[0], Signal::KILL);
    let begun = Instant::now();
    let outcome = launcher.end();
    assert!(outcome.text.contains("error: worker/1 was killed by signal 9"), "{outcome:#?}");
    assert!(begun.elapsed() < limit, "it took {:?}", begun.elapsed());
}

fn h5_a_process_that_never_takes_part_is_named() {
    fails(
        "never",
        "error: worker/0 did not start: its process exited with code 0 before it reached `launch`",
    );
}

fn h5_a_process_that_hangs_in_its_start_is_named() {
    let mut launcher = Launcher::start("hangs");
    let pid = launcher.pid("worker/0");
    let outcome = launcher.end();
    let said = "error: worker/0 did not start: it did not report to the launcher within 700ms";
    assert!(outcome.text.contains(said), "{outcome:#?}");
    assert_gone(&[pid]);
}

fn a_different_graph_is_refused_by_name() {
    fails("mismatch", "group `worker` is 1 nodes here and 2 nodes there");
    fails("settings", "the settings or data given to `Program::fingerprint` differ");
}

fn l7_several_programs_leave_nothing_behind() {
    let outcome = play("leaks");
    assert_eq!(outcome.code, Some(0), "{outcome:#?}");
}

fn a_later_programs_process_cannot_know_an_earlier_value() {
    let outcome = fails("elsewhere", "first 1");
    let said = "this process was started to run worker/0, which belongs to a program launched after `first`";
    assert!(outcome.text.contains(said), "{outcome:#?}");
}

fn l8_a_stranger_at_the_door_changes_nothing() {
    let mut launcher = Launcher::start("idle");
    let pids = ["worker/0", "worker/1", "server/0"].map(|node| launcher.pid(node));
    let run = std::fs::read_dir(launcher.directory()).unwrap().next().unwrap().unwrap().path();
    let control = run.join("control.sock");
    UnixStream::connect(&control).unwrap().write_all(&[0xff; 1000]).unwrap();
    let address = Address::Unix(control);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let refused =
        runtime.block_on(Client::<Counter>::connect(&address, &Token::random(), &Limits::default()));
    assert!(matches!(refused, Err(Error::Refused { .. })), "{refused:?}");
    assert!(pids.iter().all(|pid| lives(*pid)));
    launcher.signal(Signal::INT);
    assert_eq!(launcher.end().code, Some(130));
    assert_gone(&pids);
}

fn nodes_share_the_launchers_clock() {
    let mut launcher = Launcher::start("clocks");
    let line = launcher.line("[worker/0] clock ");
    let [told, error, heard] = line.split(' ').map(|ns| ns.parse::<i64>().unwrap()).collect::<Vec<_>>()[..]
    else {
        panic!("{line}")
    };
    assert_eq!(launcher.end().code, Some(0));
    // `heard` is on a clock that was started a moment before the run's, and later by the way through the pipe.
    assert!(0 < error && error < 50_000_000, "{line}");
    assert!(told - error <= heard && heard - told < 200_000_000, "{line}");
}

fn what_a_node_starts_is_no_node() {
    let outcome = play("grandchild");
    assert_eq!(outcome.code, Some(0), "{outcome:#?}");
    assert!(outcome.text.contains("[worker/0] I am one: true\n[worker/0] is child: false"), "{outcome:#?}");
}

fn a_node_launches_on_threads_only() {
    let outcome =
        fails("nested", "worker/0 is itself a process of a program and cannot launch another on processes");
    assert!(outcome.text.contains("[worker/0] threads are fine"), "{outcome:#?}");
}

fn g8_a_killed_node_is_started_again_under_its_name() {
    let mut launcher = Launcher::start("restarts");
    let first = launcher.pid("worker/1");
    send(first, Signal::KILL);
    let said = launcher.line("[launcher] worker/1 was killed by signal 9 (SIGKILL); it is started again in ");
    assert!(said.contains("(restart 1 of 2)"), "{said}");
    let second: i32 = launcher.line("[worker/1] again ").parse().unwrap();
    assert_ne!(first, second);
    let outcome = launcher.end();
    assert_eq!(outcome.code, Some(0), "{outcome:#?}");
    assert!(outcome.text.contains("values [(0, 0), (1, 1)]"), "{outcome:#?}");
    assert_gone(&[first, second]);
}

fn g8_a_frozen_node_is_killed_and_started_again() {
    let mut launcher = Launcher::start("restarts-silent");
    let first = launcher.pid("worker/1");
    send(first, Signal::STOP);
    launcher.line("[launcher] worker/1 was not heard of for ");
    launcher.line("[worker/1] again ");
    let outcome = launcher.end();
    assert_eq!(outcome.code, Some(0), "{outcome:#?}");
    assert_gone(&[first]);
}

fn l1_a_program_goes_on_without_a_killed_node() {
    let mut launcher = Launcher::start("goes-on");
    let pids = ["worker/0", "worker/1", "worker/2"].map(|node| launcher.pid(node));
    send(pids[1], Signal::KILL);
    let outcome = launcher.end();
    assert_eq!(outcome.code, Some(0), "{outcome:#?}");
    let said = "[launcher] worker/1 was killed by signal 9 (SIGKILL); the program goes on without it";
    assert!(outcome.text.contains(said) && outcome.text.contains("values [0, 2]"), "{outcome:#?}");
    assert_gone(&pids);
}

/// How often a test of random moments is done; the nightly run does it many times.
fn rounds() -> u64 {
    std::env::var("SYNCLINE_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(1)
}

/// A moment within the first 60 ms, another one for each number.
fn moment(number: u64) -> Duration {
    Duration::from_micros((number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) % 60_000)
}

fn c20_l2_a_service_killed_at_any_moment_executes_no_call_twice() {
    for round in 0..rounds() {
        kill_a_service_thrice(round);
    }
}

fn kill_a_service_thrice(round: u64) {
    let mut launcher = Launcher::start("counts-calls");
    let mut server: i32 = launcher.line("[server/0] serves ").parse().unwrap();
    for kill in 0..3 {
        std::thread::sleep(moment(3 * round + kill));
        send(server, Signal::KILL);
        server = launcher.later_line("[server/0] serves ", &server.to_string()).parse().unwrap();
    }
    let outcome = launcher.end();
    assert_eq!(outcome.code, Some(0), "{outcome:#?}");
    let executed = || outcome.text.lines().filter_map(|line| line.strip_prefix("[server/0] executed "));
    let different: std::collections::BTreeSet<_> = executed().collect();
    assert_eq!(different.len(), executed().count(), "a call was executed twice");
    let lost = outcome.text.lines().find_map(|line| line.strip_prefix("lost ")).unwrap();
    let lost: usize = lost.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse::<usize>().ok()).sum();
    // A call that was lost may have been executed or not; one that was answered was.
    assert!(lost <= 6, "one call of each caller at most for each kill: {lost}");
    assert!(different.len() + lost >= 1000, "{} executed and {lost} lost", different.len());
}

fn e8_a_group_is_given_cores_memory_variables_and_arguments() {
    let outcome = play("given");
    assert_eq!(outcome.code, Some(0), "{outcome:#?}");
    for line in [
        "[other/0] None []",
        "[worker/0] Some(\"fast\") [\"--quick\"]",
        "[worker/1] Some(\"fast\") [\"--quick\"]",
        "[worker/0] cores 1",
        "[worker/1] cores 1",
    ] {
        assert!(outcome.text.contains(line), "no `{line}` in {outcome:#?}");
    }
    assert!(outcome.text.contains("8589934592"), "{outcome:#?}");
}

fn h6_what_the_machine_does_not_have_is_refused() {
    fails("too-much", "asks for 100000 cores, and there are ");
}

fn g2_one_group_is_waited_for_and_stop_handlers_run() {
    let outcome = play("waits-for");
    assert_eq!(outcome.code, Some(0), "{outcome:#?}");
    assert!(
        outcome.text.contains("quick is done") && outcome.text.contains("[long/0] handled"),
        "{outcome:#?}"
    );
}

fn h3_on_tmux_every_node_has_a_window_and_nothing_is_left() {
    let place = TempDir::new().unwrap();
    let tmux = |arguments: &[&str]| {
        let output = Command::new("tmux").env("TMUX_TMPDIR", place.path()).args(arguments).output();
        output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
    };
    if tmux(&["-V"]).is_err() {
        println!("there is no tmux here");
        return;
    }
    let mut launcher = Launcher::with("windows", &[("TMUX_TMPDIR", place.path())]);
    let session = launcher.line("[launcher] every node has a window: tmux attach -t ");
    assert!(session.starts_with("shows-windows-"), "{session}");
    let session = format!("={session}");
    let windows = || tmux(&["list-windows", "-t", &session, "-F", "#{window_name}"]).unwrap();
    assert_eq!(windows(), "worker/0\nworker/1\n");
    for node in ["worker/0", "worker/1"] {
        let shown = || tmux(&["capture-pane", "-p", "-t", &format!("{session}:{node}")]).unwrap();
        eventually("its window shows what it says", || shown().contains(&format!("here is {node}")));
    }
    // Who closes a window ends no node.
    let node = marked(&[launcher.mark(), "SYNCLINE_NODE=worker/1".to_owned()]);
    tmux(&["kill-window", "-t", &format!("{session}:worker/1")]).unwrap();
    assert_eq!(windows(), "worker/0\n");
    std::thread::sleep(Duration::from_millis(200));
    assert!(!node.is_empty() && node.iter().all(|pid| lives(*pid)), "{node:?}");
    launcher.signal(Signal::TERM);
    assert_eq!(launcher.end().code, Some(143));
    assert_eq!(tmux(&["list-sessions"]).unwrap(), "");
}

fn h4_without_tmux_the_program_does_not_start() {
    let nothing = TempDir::new().unwrap();
    let outcome = Launcher::with("windows", &[("PATH", nothing.path())]).end();
    assert_eq!(outcome.code, Some(1), "{outcome:#?}");
    assert!(outcome.text.contains("tmux cannot show the nodes: it cannot be started"), "{outcome:#?}");
    assert!(!outcome.text.contains("here is"), "{outcome:#?}");
}
