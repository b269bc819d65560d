//! Causes that a log states: failures, work that nobody needed, unfinished work, lost events. All times are exact.
#![allow(clippy::unwrap_used, reason = "tests")]

mod made;

use made::{Log, Task, verdict};
use syncline_explain::Report;
use syncline_explain::report::SyncKind;

fn on_path(report: &Report, phase: &str) -> f64 {
    report.critical_path.iter().filter(|part| part.phase == phase).map(|part| part.ms).sum()
}

/// Four tasks of 5 s; then a stage whose task 0 fails four times after 10 s each.
fn failed_job() -> Log {
    let mut log = Log::new(&[4]);
    log.simple_job(0, "count at Load.scala:10", 2000, &[(1, 5000); 4]);
    log.job(1, 7100, &[1]).stage(1, 0, "collect at Join.scala:20", 4, 7100);
    for index in 1..4 {
        log.task(Task::new(1, index, 1, 7100, 12_100));
    }
    for attempt in 0..4 {
        let from = 7100 + 10_000 * attempt;
        log.task(Task::new(1, 0, 1, from, from + 10_000).failed("java.lang.OutOfMemoryError"));
    }
    log.stage_end(1, 0, "collect at Join.scala:20", 4, (7100, 47_100), Some("Task 0 failed 4 times"));
    log.job_end(1, 47_110, false).end(47_200);
    log
}

#[test]
fn failed_attempts_are_counted_and_so_is_waiting_for_them() {
    let report = failed_job().report();
    assert_eq!((report.jobs, report.failed_jobs, report.failed_stages), (2, 1, 1));
    assert_eq!((report.tasks, report.failed_tasks, report.killed_tasks), (11, 4, 0));
    assert_eq!((report.lost_task_ms, report.failures.task_ms), (40_000, 75_000));
    assert!((report.failures.waited_core_s - 105.0).abs() < 1e-6);
    // 40 s of attempts and 105 s of waiting, of four cores over the stage's 40 s.
    assert!((report.shares["failures"] * 47.2 - 145.0 / 4.0).abs() < 1e-3, "{:?}", report.shares);
    assert_eq!(report.shares["wait"], 0.0);
    let point = &report.sync_points.iter().find(|point| point.place.contains("Join")).unwrap();
    assert!((point.split.failures - 105.0).abs() < 1e-3, "{point:?}");
    assert_eq!(on_path(&report, "failures"), 40_000.0);
    let said = verdict(&report);
    for words in [
        "1 of 2 jobs failed",
        "1 stage failed",
        "4 of 11 tasks",
        "OutOfMemoryError",
        "40.0 of 75.0 s",
        "53 %",
        "105.0",
    ] {
        assert!(said.contains(words), "no `{words}` in {said}");
    }
    assert_eq!(report.failures.jobs[0].job, 1);
}

#[test]
fn a_stage_that_is_repeated_after_its_executor_was_lost_is_due_to_the_loss() {
    let mut log = Log::new(&[1, 1]);
    log.job(0, 2000, &[0]).stage(0, 0, "map at A.scala:1", 2, 2000);
    log.task(Task::new(0, 0, 1, 2000, 4000));
    log.task(Task { reason: "ExecutorLostFailure", ..Task::new(0, 1, 2, 2000, 6000) });
    log.removed(2, 6000, "Remote RPC client disassociated. Likely due to containers exceeding thresholds");
    log.task(Task::new(0, 1, 1, 6000, 10_000));
    log.stage_end(0, 0, "map at A.scala:1", 2, (2000, 10_000), None).job_end(0, 10_000, true).end(10_000);
    let report = log.report();
    assert_eq!((report.lost_executors, report.failed_tasks, report.lost_task_ms), (1, 1, 4000));
    assert_eq!((report.executors, report.cores), (2, 2));
    assert!(verdict(&report).contains("1 executor lost"), "{}", verdict(&report));
    // Executor 1 waited from 4 to 6 s.
    assert!((report.failures.waited_core_s - 2.0).abs() < 1e-6, "{}", report.failures.waited_core_s);
}

#[test]
fn executors_that_go_when_asked_are_not_lost_and_do_not_add_up() {
    let mut log = Log::new(&[]);
    for turn in 0..3 {
        let at = 1000 + 7000 * i64::from(turn);
        log.executor(turn + 1, 4, at);
        log.simple_job(turn.into(), "count at D.scala:1", at + 100, &[(turn + 1, 5000); 4]);
        log.removed(turn + 1, at + 6000, "Executor killed by driver.");
    }
    log.end(22_000);
    let report = log.report();
    assert_eq!((report.executors, report.cores, report.lost_executors), (3, 4, 0));
}

#[test]
fn an_output_that_was_lost_makes_its_task_one_that_did_not_count() {
    let mut log = Log::new(&[1, 1]);
    log.job(0, 2000, &[0]).stage(0, 0, "map at A.scala:1", 2, 2000);
    log.task(Task::new(0, 0, 1, 2000, 5000));
    let first = log.text();
    // The same task again, now resubmitted: Spark repeats its info.
    let line = first.lines().last().unwrap().replace("\"Reason\":\"Success\"", "\"Reason\":\"Resubmitted\"");
    log.event(serde_json::from_str(&line).unwrap());
    log.task(Task::new(0, 0, 2, 5000, 8000)).task(Task::new(0, 1, 2, 2000, 5000));
    log.stage_end(0, 0, "map at A.scala:1", 2, (2000, 8000), None).job_end(0, 8000, true).end(8000);
    let report = log.report();
    assert_eq!((report.lost_task_ms, report.failures.task_ms), (3000, 9000));
}

#[test]
fn a_task_that_outlives_its_job_is_work_nobody_needed() {
    for has_next_job in [false, true] {
        let mut log = Log::new(&[2]);
        log.job(0, 2000, &[0]).stage(0, 0, "take at K.scala:1", 2, 2000);
        log.task(Task::new(0, 0, 1, 2000, 4000));
        log.stage_end(0, 0, "take at K.scala:1", 2, (2000, 4000), None).job_end(0, 4000, true);
        if has_next_job {
            log.simple_job(1, "count at K.scala:2", 5000, &[(1, 1000)]);
        }
        log.task(Task::new(0, 1, 1, 2000, 9000).killed()).end(8000);
        let report = log.report();
        let at_result = report.sync_points.iter().find(|point| point.place.contains("take"));
        assert_eq!(at_result.map(|point| point.idle_core_s), Some(0.0));
        // That the application ended before it died is known only if its window was not handed on before.
        assert_eq!(report.failures.unneeded_task_ms, if has_next_job { 5000 } else { 4000 });
        assert_eq!(report.missing_task_ends, 0);
        // One of two cores from 4 to 8 s.
        assert!((report.shares["unneeded"] * 8.0 - 2.0).abs() < 1e-3, "{:?}", report.shares);
        assert!(verdict(&report).contains("nobody needed them"), "{}", verdict(&report));
        assert_eq!(report.wall_ms, 8000.0);
    }
}

#[test]
fn a_killed_copy_is_not_waited_for() {
    let mut log = Log::new(&[1, 1]);
    log.job(0, 2000, &[0]).stage(0, 0, "map at S.scala:1", 1, 2000);
    log.task(Task { speculative: true, ..Task::new(0, 0, 2, 3000, 4000) });
    log.stage_end(0, 0, "map at S.scala:1", 1, (2000, 4000), None);
    log.task(Task::new(0, 0, 1, 2000, 4100).killed()).job_end(0, 4200, true).end(4300);
    let report = log.report();
    assert_eq!((report.speculative_tasks, report.killed_tasks, report.lost_task_ms), (1, 1, 2100));
    assert_eq!(report.failures.unneeded_task_ms, 100);
    assert_eq!(report.sync_points.iter().map(|point| point.idle_core_s).sum::<f64>(), 0.0);
    assert_eq!(on_path(&report, "compute"), 1000.0);
}

#[test]
fn lost_events_are_named_and_never_scheduling() {
    let mut log = Log::new(&[4]);
    log.job(0, 2000, &[0]).stage(0, 0, "save at H.scala:1", 8, 2000);
    for index in 0..3 {
        log.task(Task::new(0, index, 1, 2000, 12_000));
    }
    log.stage_end(0, 0, "save at H.scala:1", 8, (2000, 22_000), None).job_end(0, 22_010, true).end(23_000);
    let report = log.report();
    assert_eq!(report.missing_task_ends, 5);
    assert!(report.damage.notes.iter().any(|note| note.contains("5 of 8 tasks")), "{:?}", report.damage);
    assert!(report.shares["schedule"] < 0.001, "{:?}", report.shares);
    assert!((report.shares["unknown"] * 23.0 - 12.5).abs() < 0.02, "{:?}", report.shares);
    assert!((on_path(&report, "unknown") - 10_000.0).abs() < 20.0, "{:?}", report.critical_path);
    assert!(verdict(&report).contains("lost events"), "{}", verdict(&report));
}

#[test]
fn a_live_log_has_unfinished_work_and_no_scheduling() {
    for has_starts in [false, true] {
        let mut log = Log::new(&[2]);
        log.simple_job(0, "count at A.scala:1", 2000, &[(1, 1000), (1, 1000)]);
        log.job(1, 3000, &[1]).stage(1, 0, "collect at A.scala:2", 4, 3000);
        log.task(Task::new(1, 0, 1, 3000, 5000)).task(Task::new(1, 1, 1, 3000, 5000));
        if has_starts {
            log.task_start(1, 2, 1, 3000).task_start(1, 3, 1, 3000);
            log.task_start(1, 100, 1, 5000).task_start(1, 101, 1, 5000);
        }
        // Something else happens at 9 s, after which the log stops.
        log.executor(2, 2, 9000);
        let report = log.report();
        assert!(!report.complete && report.damage.is_none());
        let tasks = if has_starts { 2 } else { 0 };
        assert_eq!(
            (report.unfinished_jobs, report.unfinished_stages, report.unfinished_tasks),
            (1, 1, tasks)
        );
        assert_eq!(report.shares["schedule"], 0.0, "{:?}", report.shares);
        assert!((report.shares["unfinished"] * 9.0 - 4.0).abs() < 1e-6, "{:?}", report.shares);
        assert_eq!(on_path(&report, "unfinished"), 4000.0);
        assert!(verdict(&report).contains("unfinished when the log ended"), "{}", verdict(&report));
    }
}

#[test]
fn a_job_without_an_end_in_a_finished_application_was_lost() {
    let mut log = Log::new(&[1]);
    log.job(0, 2000, &[0]).stage(0, 0, "count at A.scala:1", 1, 2000);
    log.task(Task::new(0, 0, 1, 2000, 4000))
        .stage_end(0, 0, "count at A.scala:1", 1, (2000, 4000), None)
        .end(5000);
    let report = log.report();
    assert!(
        report.damage.notes.iter().any(|note| note.contains("1 job without an end")),
        "{:?}",
        report.damage
    );
    assert_eq!(report.unfinished_jobs, 0);
}

#[test]
fn the_path_is_the_wall_time_although_the_job_ends_after_the_application() {
    let mut log = Log::new(&[2]);
    log.job(0, 2000, &[0]).stage(0, 0, "count at B.scala:1", 2, 2000);
    log.task(Task::new(0, 0, 1, 2000, 4000)).task(Task::new(0, 1, 1, 2000, 4000));
    log.stage_end(0, 0, "count at B.scala:1", 2, (2000, 4000), None).end(4100).job_end(0, 4500, true);
    let report = log.report();
    assert_eq!((report.wall_ms, report.in_jobs_ms), (4100.0, 2100.0));
    assert_eq!(report.critical_path.iter().map(|part| part.ms).sum::<f64>(), 4100.0);
}

#[test]
fn queries_of_four_threads_are_no_iterations() {
    let mut log = Log::new(&[8]);
    for query in 0..4 {
        log.job(query, 2030 - 10 * query, &[query]).stage(
            query,
            0,
            "collect at Q.scala:5",
            2,
            2030 - 10 * query,
        );
    }
    for query in 0..4 {
        let end = 9100 + query;
        log.task(Task::new(query, 0, 1, 2100, end)).task(Task::new(query, 1, 1, 2100, end));
        log.stage_end(query, 0, "collect at Q.scala:5", 2, (2030 - 10 * query, end + 10), None);
        log.job_end(query, end + 20, true);
    }
    log.end(9500);
    let report = log.report();
    assert!(report.iterations.is_empty(), "{:?}", report.iterations);
    assert_eq!(report.in_jobs_ms, 7123.0);
    assert!(report.sparklens.is_none());
    assert!(
        report.sparklens_nonsense.as_ref().unwrap().contains("-18.9 s"),
        "{:?}",
        report.sparklens_nonsense
    );
    let told = serde_json::to_string(&report).unwrap();
    assert!(!told.contains(":-"), "{told}");
    assert!(report.shares.values().all(|share| (0.0..=1.0).contains(share)));
}

#[test]
fn a_core_that_works_for_another_stage_does_not_wait() {
    let mut log = Log::new(&[1, 1]);
    log.job(0, 2000, &[0]).job(1, 2000, &[1]);
    log.stage(0, 0, "count at P.scala:1", 2, 2000).stage(1, 0, "count at P.scala:2", 1, 2000);
    log.task(Task::new(0, 0, 1, 2000, 3000))
        .task(Task::new(0, 1, 2, 2000, 6000))
        .task(Task::new(1, 0, 1, 3000, 5000));
    log.stage_end(0, 0, "count at P.scala:1", 2, (2000, 6000), None).job_end(0, 6000, true);
    log.stage_end(1, 0, "count at P.scala:2", 1, (2000, 5000), None).job_end(1, 5000, true).end(6000);
    let report = log.report();
    let idle: f64 = report.sync_points.iter().map(|point| point.idle_core_s).sum();
    assert_eq!(idle, 0.0, "{:?}", report.sync_points);
}

#[test]
fn an_executor_that_took_no_task_with_it_is_told_without_figures_of_nothing() {
    let mut log = Log::new(&[1, 1]);
    log.simple_job(0, "count at A.scala:1", 2000, &[(1, 1000), (2, 1000)]);
    log.removed(2, 3500, "Remote RPC client disassociated").end(4000);
    let said = verdict(&log.report());
    assert!(said.contains("1 executor lost; no task was lost with it."), "{said}");
    assert!(!said.contains("did not count"), "{said}");
}

#[test]
fn a_log_without_its_beginning_says_so() {
    let mut log = Log::new(&[2]);
    log.simple_job(0, "count at A.scala:1", 2000, &[(1, 1000); 2]);
    log.simple_job(1, "count at A.scala:2", 4000, &[(1, 1000); 2]);
    log.end(6000);
    let whole = log.report();
    assert!(whole.damage.is_none(), "{:?}", whole.damage);
    // The second file of a rolling log, alone: from the first job's tasks on.
    let lines = log.text();
    let cut = lines.lines().skip_while(|line| !line.contains("TaskEnd")).collect::<Vec<_>>().join("\n");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events_2_app-1");
    std::fs::write(&path, cut).unwrap();
    let report = syncline_explain::explain(&path).unwrap();
    assert_eq!(syncline_explain::violations(&report), Vec::<String>::new());
    let said = verdict(&report);
    assert!(said.contains("The application's start is not in the log"), "{said}");
    assert!(!said.contains("0 lines"), "{said}");
}

#[test]
fn two_like_jobs_are_no_iterations_and_neither_is_the_time_between_them() {
    for jobs in [2, 3] {
        let mut log = Log::new(&[2]);
        for job in 0..jobs {
            log.simple_job(job, "count at I.scala:7", 2000 + 2000 * job, &[(1, 1000); 2]);
        }
        log.end(2000 + 2000 * jobs);
        let report = log.report();
        let kinds: Vec<SyncKind> = report.sync_points.iter().map(|point| point.kind).collect();
        let gap = if jobs < 3 { SyncKind::DriverGap } else { SyncKind::BroadcastGap };
        assert_eq!(kinds, [gap, SyncKind::Collect], "{jobs}");
        assert_eq!(report.iterations.len(), usize::from(jobs >= 3));
        assert!((report.sync_points[0].idle_core_s - 2.0 * (jobs - 1) as f64).abs() < 1e-9);
    }
}

#[test]
fn the_verdict_names_the_medians_of_the_table() {
    let mut log = Log::new(&[2]);
    for job in 0..4 {
        let at = 2000 + 4000 * job;
        log.job(job, at, &[job]).stage(job, 0, "count at M.scala:1", 2, at);
        let launch = at + 500 * (job + 1);
        log.task(Task::new(job, 0, 1, launch, launch + 900)).task(Task::new(job, 1, 1, launch, launch + 900));
        log.stage_end(job, 0, "count at M.scala:1", 2, (at, launch + 900), None);
        log.job_end(job, launch + 900, true);
    }
    log.end(20_000);
    let report = log.report();
    // Launched 0.5, 1, 1.5 and 2 s after they were submitted.
    assert_eq!(report.overheads.stage_launch.median_ms, 1250.0);
    assert!(verdict(&report).contains("first task starts 1.25 s after"), "{}", verdict(&report));
}

/// Lognormal times of one law, by a generator of our own: the test must draw the same everywhere.
fn lognormal_ms(state: &mut u64) -> i64 {
    let mut uniform = || {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((*state >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    };
    let (radius, angle) = ((-2.0 * uniform().ln()).sqrt(), std::f64::consts::TAU * uniform());
    (100.0 * (0.8 * radius * angle.cos()).exp()) as i64 + 1
}

#[test]
fn equal_executors_are_not_to_blame() {
    let mut named = 0;
    for seed in 0..20 {
        let (mut log, mut state, mut at) = (Log::new(&[1; 4]), 77 + seed, 2000);
        for job in 0..100 {
            let tasks: Vec<(u32, i64)> = (1..=4).map(|id| (id, lognormal_ms(&mut state))).collect();
            at = 10 + log.simple_job(job, "map at I.scala:1", at, &tasks);
        }
        let report = log.end(at + 100).report();
        named += usize::from(report.stragglers.iter().any(|found| !found.who.is_empty()));
        let result = report.sync_points.iter().find(|point| point.kind == SyncKind::Collect).unwrap();
        assert!(result.split.randomness > 0.9 * result.idle_core_s, "{result:?}");
    }
    // At most 2 % of such logs may name somebody; two of twenty would be 10 %.
    assert!(named <= 1, "{named} of 20 logs of equal executors name one");
}
