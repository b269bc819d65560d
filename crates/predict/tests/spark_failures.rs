//! Spark logs of runs in which not all went well: failed attempts, work that nobody needed, lost events, executors one
//! after the other. Every time is said, so what other sizes take is arithmetic.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::fmt::Write as _;

use syncline_predict::{Error, Size, SparkLog, SparkProfile};

/// A log in the making; times are in ms.
struct Log {
    lines: String,
    tasks: usize,
}

/// How an attempt at a task ended.
#[derive(Clone, Copy, PartialEq)]
enum End {
    Good,
    Failed,
    Killed,
}

impl Log {
    fn new() -> Self {
        let mut log = Self { lines: String::new(), tasks: 0 };
        log.line(r#"{"Event":"SparkListenerApplicationStart","App Name":"made","App ID":"a","Timestamp":0}"#);
        log
    }

    fn line(&mut self, line: &str) {
        writeln!(self.lines, "{line}").unwrap();
    }

    fn executor(&mut self, id: u32, cores: u32, at: i64) {
        self.line(&format!(
            r#"{{"Event":"SparkListenerExecutorAdded","Timestamp":{at},"Executor ID":"{id}","Executor Info":{{"Host":"h","Total Cores":{cores}}}}}"#
        ));
    }

    fn removed(&mut self, id: u32, at: i64) {
        self.line(&format!(
            r#"{{"Event":"SparkListenerExecutorRemoved","Timestamp":{at},"Executor ID":"{id}","Removed Reason":"Executor killed by driver."}}"#
        ));
    }

    fn begins(&mut self, job: i64, tasks: usize, at: i64) {
        self.line(&format!(
            r#"{{"Event":"SparkListenerJobStart","Job ID":{job},"Submission Time":{at},"Stage IDs":[{job}]}}"#
        ));
        self.stage("Submitted", job, tasks, (at, at));
    }

    fn stage(&mut self, what: &str, job: i64, tasks: usize, (from, to): (i64, i64)) {
        self.line(&format!(
            r#"{{"Event":"SparkListenerStage{what}","Stage Info":{{"Stage ID":{job},"Stage Attempt ID":0,"Stage Name":"collect at made.scala:1","Number of Tasks":{tasks},"Parent IDs":[],"Submission Time":{from},"Completion Time":{to}}}}}"#
        ));
    }

    fn task(&mut self, job: i64, index: usize, executor: u32, (from, to): (i64, i64), end: End) {
        let reason = match end {
            End::Good => r#"{"Reason":"Success"}"#,
            End::Failed => {
                r#"{"Reason":"ExceptionFailure","Class Name":"java.lang.OutOfMemoryError","Description":"heap"}"#
            }
            End::Killed => r#"{"Reason":"TaskKilled","Kill Reason":"stage cancelled"}"#,
        };
        let (task, run) = (self.tasks, to - from);
        let (failed, killed) = (end == End::Failed, end == End::Killed);
        self.tasks += 1;
        self.line(&format!(
            r#"{{"Event":"SparkListenerTaskEnd","Stage ID":{job},"Stage Attempt ID":0,"Task Type":"ResultTask","Task End Reason":{reason},"Task Info":{{"Task ID":{task},"Index":{index},"Launch Time":{from},"Finish Time":{to},"Executor ID":"{executor}","Host":"h","Failed":{failed},"Killed":{killed}}},"Task Metrics":{{"Executor Deserialize Time":0,"Executor Deserialize CPU Time":0,"Executor Run Time":{run},"Executor CPU Time":{}}}}}"#,
            run * 1_000_000
        ));
    }

    fn ends(&mut self, job: i64, tasks: usize, (from, to): (i64, i64)) {
        self.stage("Completed", job, tasks, (from, to));
        self.line(&format!(
            r#"{{"Event":"SparkListenerJobEnd","Job ID":{job},"Completion Time":{to},"Job Result":{{"Result":"JobSucceeded"}}}}"#
        ));
    }

    fn profile(mut self, end: i64) -> Result<SparkProfile, Error> {
        self.line(&format!(r#"{{"Event":"SparkListenerApplicationEnd","Timestamp":{end}}}"#));
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), self.lines).unwrap();
        SparkLog::read(file.path()).unwrap().profile()
    }
}

/// Three tasks of 5 s beside one that fails three times after 10 s each and then succeeds.
fn repeated() -> SparkProfile {
    let mut log = Log::new();
    log.executor(1, 4, 0);
    log.begins(0, 4, 1000);
    for attempt in 0..4 {
        let from = 1000 + 10_000 * attempt;
        log.task(0, 0, 1, (from, from + 10_000), if attempt < 3 { End::Failed } else { End::Good });
    }
    for index in 1..4 {
        log.task(0, index, 1, (1000, 6000), End::Good);
    }
    log.ends(0, 4, (1000, 41_000));
    log.profile(42_000).unwrap()
}

#[test]
fn attempts_that_repeat_a_failed_one_come_after_it_at_any_size() {
    let profile = repeated();
    assert_eq!((profile.tasks, profile.failed_attempts), (7, 3));
    assert!(profile.check().error().abs() < 1e-9, "{:?}", profile.check());
    for slots in [2, 4, 8] {
        let asked = profile.at(Size::of(slots)).unwrap();
        assert!((asked.job_s.value - 40.0).abs() < 1e-6, "{slots}: {asked:?}");
        // Sparklens takes them for tasks of their own, which may run side by side.
        let bare = [(2, 30.0), (4, 15.0), (8, 10.0)].into_iter().find(|size| size.0 == slots).unwrap().1;
        assert!((asked.sparklens_s - bare).abs() < 1e-6, "{slots}: {asked:?}");
    }
    assert!((profile.at(Size::of(1)).unwrap().job_s.value - 55.0).abs() < 1e-6);
}

#[test]
fn a_copy_that_runs_beside_its_original_does_not_come_after_it() {
    let mut log = Log::new();
    log.executor(1, 2, 0);
    log.begins(0, 1, 1000);
    log.task(0, 0, 1, (3000, 5000), End::Good);
    log.task(0, 0, 1, (1000, 5000), End::Killed);
    log.ends(0, 1, (1000, 5000));
    let check = log.profile(6000).unwrap().check();
    assert!((check.predicted_s - 4.0).abs() < 1e-9, "{check:?}");
}

#[test]
fn nobody_waits_for_what_outlives_its_job() {
    let mut log = Log::new();
    log.executor(1, 2, 0);
    log.begins(0, 2, 1000);
    log.task(0, 0, 1, (1000, 3000), End::Good);
    log.ends(0, 2, (1000, 3000));
    log.task(0, 1, 1, (1000, 9000), End::Killed);
    let check = log.profile(10_000).unwrap().check();
    assert!(check.error().abs() < 1e-9, "{check:?}");
}

#[test]
fn a_log_that_lacks_many_ends_predicts_nothing() {
    let of = |lost: usize| {
        let mut log = Log::new();
        log.executor(1, 4, 0);
        log.begins(0, 40, 1000);
        for index in 0..40 - lost {
            let from = 1000 + 1000 * (index as i64 / 4);
            log.task(0, index, 1, (from, from + 1000), End::Good);
        }
        log.ends(0, 40, (1000, 11_000));
        log.profile(12_000)
    };
    assert_eq!(of(0).unwrap().missing_tasks, 0);
    assert_eq!(of(1).unwrap().missing_tasks, 1);
    let why = of(25).unwrap_err().to_string();
    assert!(why.contains("25 of 40 tasks") && why.contains("lost events"), "{why}");
}

#[test]
fn executors_one_after_the_other_are_one_machine_of_their_cores() {
    let mut log = Log::new();
    for turn in 0..3 {
        let (id, from) = (turn as u32 + 1, 1000 + 7000 * turn);
        log.executor(id, 4, from);
        log.begins(turn, 4, from);
        for index in 0..4 {
            log.task(turn, index, id, (from, from + 5000), End::Good);
        }
        log.ends(turn, 4, (from, from + 5000));
        log.removed(id, from + 6000);
    }
    let profile = log.profile(22_000).unwrap();
    assert_eq!((profile.slots, profile.machine_cores()), (4, Some(4.0)));
    for (cores, seconds) in [(2, 30.0), (4, 15.0), (8, 15.0)] {
        let asked = profile.at(Size::of_cores(cores)).unwrap();
        assert!((asked.job_s.value - seconds).abs() < 0.1, "{cores}: {asked:?}");
    }
}
