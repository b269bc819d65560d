//! What a Spark log cannot show, or shows only to whoever looks: threads, work that is not the same, one cut.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod made;

use made::{Thread, duration_s, profile};
use syncline_predict::{Error, Size, SparkProfile};
use syncline_queueing::Distribution;
use syncline_queueing::sim::stream;

/// Times in ms with this law.
fn times(law: &Distribution, count: usize, seed: u64) -> Vec<i64> {
    let mut random = stream(seed, 0);
    (0..count).map(|_| law.draw(&mut random) as i64 + 1).collect()
}

/// Some threads, each with its jobs one after the other.
fn threads(count: usize, jobs: usize, tasks: usize, law: &Distribution) -> Vec<Thread> {
    let job = |thread: usize, job: usize| times(law, tasks, (100 * thread + job) as u64);
    let of = |thread: usize| Thread::new(5 * thread as i64, (0..jobs).map(|at| job(thread, at)).collect());
    (0..count).map(of).collect()
}

fn job_s(profile: &SparkProfile, slots: usize) -> syncline_predict::Interval {
    profile.at(Size { machine_cores: Some(64.0), ..Size::of(slots) }).unwrap().job_s
}

#[test]
fn a_threads_next_job_waits_for_its_last_one_at_any_size() {
    for (law, count, jobs) in [
        (Distribution::uniform(100.0, 900.0).unwrap(), 3, 3),
        (Distribution::exponential(1.0 / 300.0).unwrap(), 5, 4),
        (Distribution::log_normal(5.5, 0.6).unwrap(), 2, 8),
    ] {
        let program = threads(count, jobs, 12, &law);
        let two = profile(&program, 2);
        assert_eq!(two.dependent_starts(), count * (jobs - 1), "{law:?}");
        assert!(!two.has_doubtful_starts());
        assert!(two.check().error().abs() < 0.03, "{:?}", two.check());
        for slots in [1, 4, 8] {
            let (asked, truth) = (job_s(&two, slots), duration_s(&program, slots));
            assert!((asked.value / truth - 1.0).abs() < 0.1, "{law:?} on {slots}: {asked:?}, {truth}");
            assert!(asked.covers(truth), "{law:?} on {slots}: {asked:?}, {truth}");
        }
    }
}

#[test]
fn jobs_that_arrive_by_themselves_stay_where_they_are() {
    let gaps = Distribution::exponential(1.0 / 800.0).unwrap();
    let mut random = stream(5, 0);
    let law = Distribution::exponential(1.0 / 300.0).unwrap();
    let mut now = 0.0;
    let program: Vec<Thread> = (0..40)
        .map(|job| {
            now += gaps.draw(&mut random);
            Thread::new(now as i64, vec![times(&law, 6, job)])
        })
        .collect();
    let four = profile(&program, 4);
    assert!(four.dependent_starts() == 0 && !four.has_doubtful_starts());
    // Within a window jobs keep their times; between windows it is the gaps that stay, so that the whole comes out shorter.
    let forecast = four.at(Size { machine_cores: Some(64.0), ..Size::of(16) }).unwrap();
    let truth = program[0].starts as f64 * 1e-3 + duration_s(&program, 16);
    assert!((forecast.wall_s.value / truth - 1.0).abs() < 0.08, "{forecast:?}, {truth}");
}

#[test]
fn a_log_that_is_one_window_tells_its_pressure_from_its_later_tasks() {
    let law = Distribution::uniform(100.0, 900.0).unwrap();
    assert!(profile(&threads(3, 3, 12, &law), 2).pressure().is_some());
    assert_eq!(profile(&threads(2, 1, 4, &law), 2).pressure(), None, "four tasks are too few");
}

/// Jobs of one thread, whose tasks run so long.
fn jobs(times: impl Iterator<Item = Vec<i64>>) -> Vec<Thread> {
    vec![Thread::new(0, times.collect())]
}

#[test]
fn one_cut_tells_no_best_number() {
    let program = jobs((0..6).map(|_| vec![600; 8]));
    let cut = profile(&program, 4).cut(None).unwrap();
    assert_eq!(cut.optimal(), None);
    for tasks in [8, 16, 32, 64] {
        let again = jobs((0..6).map(|_| vec![4800 / tasks as i64; tasks]));
        let (asked, truth) = (cut.job_s(tasks).unwrap(), duration_s(&again, 4) / 6.0);
        assert!(asked.covers(truth), "{tasks}: {asked:?}, {truth}");
        assert!((asked.value / truth - 1.0).abs() < 0.08, "{tasks}: {asked:?}, {truth}");
    }
}

#[test]
fn more_tasks_that_are_more_work_are_no_other_cut() {
    let law = Distribution::uniform(50.0, 350.0).unwrap();
    for sizes in [vec![8, 16, 24, 12, 20], vec![4, 40, 10, 30, 4, 20, 40, 8]] {
        let program = jobs(sizes.iter().enumerate().map(|(at, &size)| times(&law, size, at as u64)));
        let told = profile(&program, 4).cut(None).unwrap_err();
        assert!(
            matches!(&told, Error::CannotTell { why } if why.contains("do not do the same work")),
            "{told}"
        );
    }
}

#[test]
fn the_same_work_in_other_cuts_is_still_told() {
    let size = |tasks: usize| 9600 / tasks as i64 + 20;
    let program = jobs([8, 16, 32, 64, 16, 8].into_iter().map(|tasks| vec![size(tasks); tasks]));
    let cut = profile(&program, 4).cut(None).unwrap();
    assert!(cut.optimal().is_some());
    let again = jobs((0..4).map(|_| vec![size(24); 24]));
    let (asked, truth) = (cut.job_s(24).unwrap(), duration_s(&again, 4) / 4.0);
    assert!((asked.value / truth - 1.0).abs() < 0.05, "{asked:?}, {truth}");
}
