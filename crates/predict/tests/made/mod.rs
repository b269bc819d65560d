#![allow(dead_code, reason = "each test uses its part of it")]
//! Spark event logs of programs whose law is known: played on any number of slots, written as Spark writes them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use syncline_predict::{SparkLog, SparkProfile};

/// From a job's end to the next of its thread, from a task's end to the next on its slot, in ms.
const GAP: i64 = 3;
const TURN: i64 = 2;
/// Of a task besides running: deserialising, and from its end until the driver has noted it.
const DESERIALISE: i64 = 1;
const NOTICE: i64 = 1;

/// One thread of a program: when it submits its first job, and how long the tasks of each of its jobs run, in ms.
pub struct Thread {
    pub starts: i64,
    pub jobs: Vec<Vec<i64>>,
}

impl Thread {
    pub fn new(starts: i64, jobs: Vec<Vec<i64>>) -> Self {
        Self { starts, jobs }
    }
}

struct Task {
    launched: i64,
    run: i64,
}

struct Job {
    thread: usize,
    started: i64,
    ended: i64,
    waiting: Vec<i64>,
    running: usize,
    tasks: Vec<Task>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    SlotFree,
    Noted(usize),
    Submit(usize),
}

/// The jobs of a program on so many slots: first come, first served.
fn play(threads: &[Thread], slots: usize) -> Vec<Job> {
    let mut events: BinaryHeap<Reverse<(i64, Event)>> =
        threads.iter().enumerate().map(|(at, thread)| Reverse((thread.starts, Event::Submit(at)))).collect();
    let (mut jobs, mut free, mut next) = (Vec::<Job>::new(), slots, vec![0; threads.len()]);
    while let Some(Reverse((now, event))) = events.pop() {
        match event {
            Event::SlotFree => free += 1,
            Event::Noted(at) => {
                let job = &mut jobs[at];
                job.running -= 1;
                if job.running == 0 && job.waiting.is_empty() {
                    job.ended = now;
                    events.push(Reverse((now + GAP, Event::Submit(job.thread))));
                }
            }
            Event::Submit(thread) => {
                let Some(times) = threads[thread].jobs.get(next[thread]) else { continue };
                next[thread] += 1;
                let waiting = times.iter().rev().copied().collect();
                jobs.push(Job { thread, started: now, ended: 0, waiting, running: 0, tasks: Vec::new() });
            }
        }
        while free > 0 {
            let Some((at, job)) = jobs.iter_mut().enumerate().find(|(_, job)| !job.waiting.is_empty()) else {
                break;
            };
            let run = job.waiting.pop().unwrap();
            job.tasks.push(Task { launched: now, run });
            job.running += 1;
            free -= 1;
            let end = now + DESERIALISE + run;
            events.push(Reverse((end + TURN, Event::SlotFree)));
            events.push(Reverse((end + NOTICE, Event::Noted(at))));
        }
    }
    jobs
}

/// From the first job's start to the last one's end, in seconds.
pub fn duration_s(threads: &[Thread], slots: usize) -> f64 {
    let jobs = play(threads, slots);
    let start = jobs.iter().map(|job| job.started).min().unwrap();
    (jobs.iter().map(|job| job.ended).max().unwrap() - start) as f64 * 1e-3
}

/// What is fitted to the log of a program on so many slots.
pub fn profile(threads: &[Thread], slots: usize) -> SparkProfile {
    profile_of(&log(threads, slots))
}

/// What is fitted to a log.
pub fn profile_of(lines: &str) -> SparkProfile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), lines).unwrap();
    SparkLog::read(file.path()).unwrap().profile().unwrap()
}

/// The log of a program on so many slots, as Spark writes it.
pub fn log(threads: &[Thread], slots: usize) -> String {
    let jobs = play(threads, slots);
    let mut lines = vec![(
        0,
        r#"{"Event":"SparkListenerApplicationStart","App Name":"made","App ID":"a","Timestamp":0}"#
            .to_owned(),
    )];
    lines.push((0, format!(
        r#"{{"Event":"SparkListenerExecutorAdded","Timestamp":0,"Executor ID":"driver","Executor Info":{{"Host":"h","Total Cores":{slots}}}}}"#
    )));
    let mut tasks = 0;
    for (id, job) in jobs.iter().enumerate() {
        let Job { started, ended, .. } = *job;
        let info = |last: i64| {
            format!(
                r#"{{"Stage ID":{id},"Stage Attempt ID":0,"Stage Name":"collect at made.scala:1","Number of Tasks":{},"Parent IDs":[],"Submission Time":{started},"Completion Time":{last}}}"#,
                job.tasks.len()
            )
        };
        lines.push((started, format!(
            r#"{{"Event":"SparkListenerJobStart","Job ID":{id},"Submission Time":{started},"Stage IDs":[{id}]}}"#
        )));
        lines.push((
            started,
            format!(r#"{{"Event":"SparkListenerStageSubmitted","Stage Info":{}}}"#, info(ended)),
        ));
        for (index, Task { launched, run }) in job.tasks.iter().enumerate() {
            let finished = launched + DESERIALISE + run + NOTICE;
            lines.push((finished, format!(
                r#"{{"Event":"SparkListenerTaskEnd","Stage ID":{id},"Stage Attempt ID":0,"Task Type":"ResultTask","Task End Reason":{{"Reason":"Success"}},"Task Info":{{"Task ID":{tasks},"Index":{index},"Launch Time":{launched},"Finish Time":{finished},"Executor ID":"driver","Host":"h"}},"Task Metrics":{{"Executor Deserialize Time":{DESERIALISE},"Executor Deserialize CPU Time":1000000,"Executor Run Time":{run},"Executor CPU Time":1000000}}}}"#
            )));
            tasks += 1;
        }
        lines.push((
            ended,
            format!(r#"{{"Event":"SparkListenerStageCompleted","Stage Info":{}}}"#, info(ended)),
        ));
        lines.push((ended, format!(
            r#"{{"Event":"SparkListenerJobEnd","Job ID":{id},"Completion Time":{ended},"Job Result":{{"Result":"JobSucceeded"}}}}"#
        )));
    }
    // Stable: what a job wrote at one time stays in its order.
    lines.sort_by_key(|line| line.0);
    let last = lines.last().unwrap().0;
    lines.push((last, format!(r#"{{"Event":"SparkListenerApplicationEnd","Timestamp":{last}}}"#)));
    lines.into_iter().map(|line| line.1 + "\n").collect()
}
