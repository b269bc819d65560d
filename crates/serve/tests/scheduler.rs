//! The pure part over imagined processes: what is promised holds whatever happens, and a crash at any step loses nothing.
#![allow(clippy::unwrap_used, reason = "a failing helper fails the test")]

use std::collections::BTreeMap;

use serde_json::{Value, json};
use syncline_schedule::{
    Cluster, JobId, Machine, MachineId, PolicyName, Resources,
    desk::{Desk, Snapshot},
    jobs_file::sent_jobs,
    replay::{Header, Recording},
    sim::Entry,
};
use syncline_serve::{
    actuator::{Ending, Run},
    record::{Outcome, Record},
    scheduler::{Act, News, Scheduler},
    server,
    training::Training,
};

fn cluster(cores: f64) -> Cluster {
    Cluster::uniform(1, Resources::new(0.0, cores, 0.0, 0.0)).unwrap()
}

fn header(policy: PolicyName, cores: f64) -> Header {
    server::header(policy, cluster(cores), 10.0, 2000).unwrap()
}

/// Processes that do their work in imagined time, and what is kept of the scheduler.
struct World {
    header: Header,
    scheduler: Scheduler,
    now: f64,
    /// Work left of what runs, and workers.
    running: BTreeMap<Run, (f64, u32)>,
    left: BTreeMap<JobId, f64>,
    /// Attempts that are told of another number of workers have it after this time, or will not.
    told: BTreeMap<Run, (f64, u32)>,
    /// Whether who is told refuses.
    deaf: bool,
    /// Attempts that were asked to stop end after this time.
    ends: BTreeMap<Run, (f64, Ending)>,
    entries: Vec<Entry>,
    records: Vec<Record>,
    snapshot: Option<(usize, String)>,
    started: Vec<Run>,
}

impl World {
    fn new(policy: PolicyName, cores: f64) -> Self {
        Self::with(header(policy, cores))
    }

    fn with(header: Header) -> Self {
        let scheduler = Scheduler::new(Desk::new(header.clone()), Vec::new()).unwrap();
        Self {
            header,
            scheduler,
            now: 0.0,
            running: BTreeMap::new(),
            left: BTreeMap::new(),
            told: BTreeMap::new(),
            deaf: false,
            ends: BTreeMap::new(),
            entries: Vec::new(),
            records: Vec::new(),
            snapshot: None,
            started: Vec::new(),
        }
    }

    fn submit(&mut self, jobs: Value) {
        let jobs = sent_jobs(jobs.as_array().unwrap().clone(), self.header.cluster()).unwrap();
        let first = self.scheduler.records().len();
        for (at, (job, _)) in jobs.iter().enumerate() {
            self.left.insert(JobId((first + at) as u32), job.workload);
        }
        self.step(vec![News::Submitted(jobs)]);
    }

    fn step(&mut self, news: Vec<News>) {
        let changes = self.scheduler.step(self.now, news).unwrap();
        self.entries.extend(changes.entry);
        for record in changes.records {
            let at = record.id.index();
            if at < self.records.len() { self.records[at] = record } else { self.records.push(record) }
        }
        for act in changes.acts {
            self.carry_out(act);
        }
        self.holds();
    }

    fn carry_out(&mut self, act: Act) {
        match act {
            Act::Start(launch) => {
                assert!(!self.started.contains(&launch.run), "{:?} was started twice", launch.run);
                self.started.push(launch.run);
                let left = self.left[&launch.run.job];
                self.running.insert(launch.run, (left, launch.placement.workers()));
            }
            // Told again by the next daemon: it hears the same.
            Act::Resize(launch) => {
                let heard = (self.now + 0.3, launch.placement.workers());
                self.told.entry(launch.run).or_insert(heard);
            }
            Act::Ask(run) => drop(self.ends.insert(run, (self.now + 0.5, Ending::Signalled(15)))),
            Act::Kill(run) => drop(self.ends.insert(run, (self.now, Ending::Signalled(9)))),
        }
    }

    /// SERVE-1 and SERVE-2, of what really runs.
    fn holds(&self) {
        let mut jobs: Vec<JobId> = self.running.keys().map(|run| run.job).collect();
        jobs.dedup();
        assert_eq!(jobs.len(), self.running.len(), "a job runs twice");
        // Of one that is told of another size nobody knows which it has.
        let most = |(run, (_, workers)): (&Run, &(f64, u32))| {
            self.told.get(run).map_or(*workers, |(_, then)| *workers.max(then))
        };
        let cores: u32 = self.running.iter().map(most).sum();
        let whole = self.header.cluster().total()[syncline_schedule::Resource::Cpu];
        assert!(f64::from(cores) <= whole, "{cores} workers run");
    }

    /// Lets a tenth of a second pass.
    fn tick(&mut self) {
        const TICK: f64 = 0.1;
        self.now += TICK;
        let mut news = Vec::new();
        for (run, (left, workers)) in &mut self.running {
            *left -= TICK * f64::from(*workers);
            self.left.insert(run.job, *left);
            if let Some((_, ending)) = self.ends.get(run).filter(|(at, _)| *at <= self.now) {
                news.push(News::Ended(*run, ending.clone(), self.now));
            } else if *left <= 1e-9 {
                news.push(News::Ended(*run, Ending::Exited(0), self.now));
            }
        }
        for ended in &news {
            if let News::Ended(run, ..) = ended {
                self.running.remove(run);
                self.ends.remove(run);
                self.told.remove(run);
            }
        }
        let heard: Vec<Run> =
            self.told.iter().filter(|(_, (at, _))| *at <= self.now).map(|(run, _)| *run).collect();
        for run in heard {
            let (_, workers) = self.told.remove(&run).unwrap();
            if self.deaf {
                news.push(News::Resized(run, Err("nobody listens".into())));
            } else {
                self.running.get_mut(&run).unwrap().1 = workers;
                news.push(News::Resized(run, Ok(())));
            }
        }
        let due = self.scheduler.next_due().is_some_and(|due| due <= self.now);
        if due || !news.is_empty() {
            self.step(news);
        }
    }

    /// The daemon dies and comes again with what is on the disk.
    fn crash(&mut self) {
        let desk = match &self.snapshot {
            Some((from, text)) => {
                let snapshot: Snapshot = serde_json::from_str(text).unwrap();
                let mut desk = Desk::load(self.header.clone(), snapshot).unwrap();
                self.entries[*from..].iter().for_each(|entry| desk.repeat(entry).unwrap());
                desk
            }
            None => {
                let mut desk = Desk::new(self.header.clone());
                self.entries.iter().for_each(|entry| desk.repeat(entry).unwrap());
                desk
            }
        };
        self.scheduler = Scheduler::new(desk, self.records.clone()).unwrap();
        for act in self.scheduler.under_way() {
            self.carry_out(act);
        }
    }

    fn save(&mut self) {
        let text = serde_json::to_string(&self.scheduler.desk().save().unwrap()).unwrap();
        self.snapshot = Some((self.entries.len(), text));
    }

    fn is_over(&self) -> bool {
        self.scheduler.records().iter().all(|record| !record.is_unfinished() && record.open.is_none())
    }

    fn run(&mut self, until: f64) {
        while !self.is_over() && self.now < until {
            self.tick();
        }
    }

    fn outcome(&self, name: &str) -> &Outcome {
        self.scheduler.find(name).unwrap().outcome.as_ref().unwrap()
    }
}

fn mixed() -> Value {
    json!([
        { "name": "a", "command": ["a"], "seconds": 20, "workers": { "min": 1, "max": 4 }, "resume": true, "retries": 1 },
        { "name": "b", "command": ["b"], "seconds": 5 },
        { "name": "c", "command": ["c"], "seconds": 8, "workers": { "min": 2, "max": 2 } },
        { "name": "d", "command": ["d"], "seconds": 12, "workers": { "min": 1, "max": 3 }, "resume": true, "scale": ["tell"] },
        { "name": "e", "command": ["e"], "seconds": 3, "workers": { "min": 1, "max": 2 } },
    ])
}

/// Policies that look at cores; Gavel's count accelerators only.
fn policies() -> impl Iterator<Item = PolicyName> {
    let gavel = [PolicyName::GavelLas, PolicyName::GavelLasAware];
    PolicyName::ALL.into_iter().filter(move |policy| !gavel.contains(policy))
}

#[test]
fn under_every_policy_jobs_run_to_their_end_or_are_turned_down() {
    for policy in policies() {
        let mut world = World::new(policy, 4.0);
        world.submit(mixed());
        world.run(400.0);
        for record in world.scheduler.records() {
            let fine = matches!(record.outcome, Some(Outcome::Done | Outcome::TurnedDown(_)));
            assert!(fine, "{policy} {}: {:?}", record.name, record.outcome);
            // What cannot resume was started once.
            if !world.scheduler.desk().state().job(record.id).job.resume {
                assert!(
                    record.attempts <= 1,
                    "{policy} {} was started {} times",
                    record.name,
                    record.attempts
                );
            }
        }
        let done =
            world.scheduler.records().iter().filter(|record| record.outcome == Some(Outcome::Done)).count();
        assert!(done > 0, "{policy} ran nothing");
    }
}

/// The books after a crash are the books before it, whenever it comes: nothing is lost, started twice or decided otherwise.
#[test]
fn a_crash_after_any_step_changes_nothing() {
    for policy in
        [PolicyName::Syncline, PolicyName::Srtf, PolicyName::Drf, PolicyName::PdOrs, PolicyName::TiresiasL]
    {
        let undisturbed = {
            let mut world = World::new(policy, 4.0);
            world.submit(mixed());
            world.run(400.0);
            world
        };
        let mut world = World::new(policy, 4.0);
        world.submit(mixed());
        let mut ticks = 0;
        while !world.is_over() && world.now < 400.0 {
            world.tick();
            world.crash();
            ticks += 1;
            if ticks % 37 == 0 {
                world.save();
            }
        }
        assert_eq!(world.entries, undisturbed.entries, "{policy}");
        assert_eq!(world.scheduler.records(), undisturbed.scheduler.records(), "{policy}");
        let lines =
            Recording { header: world.header.clone(), entries: world.entries.clone(), complete: true };
        assert!(lines.replay().unwrap() > 0);
    }
}

#[test]
fn an_elastic_job_grows_when_another_ends() {
    let mut world = World::new(PolicyName::Drf, 2.0);
    world.submit(json!([
        { "name": "long", "command": ["x"], "seconds": 30, "workers": { "min": 1, "max": 2 }, "resume": true },
        { "name": "short", "command": ["x"], "seconds": 5 },
    ]));
    world.run(200.0);
    let sizes: Vec<u32> =
        world.scheduler.find("long").unwrap().history.iter().map(|ran| ran.placement.workers()).collect();
    assert_eq!(sizes, [1, 2]);
    // Half a second of stopping, and 25 worker-seconds left for two.
    assert!((17.0..20.0).contains(&world.now), "{}", world.now);
}

/// A job that is told of its other sizes grows and shrinks without being stopped, and nothing more runs than there is room.
#[test]
fn a_job_that_says_how_is_resized_while_it_runs() {
    for deaf in [false, true] {
        let mut world = World::new(PolicyName::Drf, 2.0);
        world.deaf = deaf;
        world.submit(json!([
            { "name": "long", "command": ["x"], "seconds": 30, "workers": { "min": 1, "max": 2 }, "resume": true,
              "scale": ["tell", "{workers}"] },
            { "name": "short", "command": ["x"], "seconds": 5 },
        ]));
        while world.now < 8.0 {
            world.tick();
        }
        world.submit(json!([{ "name": "second", "command": ["x"], "seconds": 4 }]));
        world.run(200.0);
        let record = world.scheduler.find("long").unwrap();
        let sizes: Vec<(u32, bool)> =
            record.history.iter().map(|ran| (ran.placement.workers(), ran.resized)).collect();
        assert_eq!(sizes, [(1, false), (2, !deaf), (1, !deaf), (2, !deaf)]);
        assert_eq!(record.attempts, if deaf { 4 } else { 1 });
        assert_eq!(*world.outcome("second"), Outcome::Done);
    }
}

/// Two jobs that would change places are stopped for it: each would wait for the other's room.
#[test]
fn a_move_is_a_stop_and_a_start() {
    let two = json!({ "machines": [{ "name": "a", "count": 2, "capacity": { "cpu": 2 } }] });
    let cluster: Cluster = serde_json::from_value(two).unwrap();
    for policy in [PolicyName::Drf, PolicyName::Optimus, PolicyName::TiresiasL, PolicyName::Syncline] {
        let mut world = World::with(server::header(policy, cluster.clone(), 10.0, 2000).unwrap());
        for number in 0..12 {
            let most = 1 + number % 4;
            world.submit(
                json!([{ "name": format!("n{number}"), "command": ["x"], "seconds": 3 + 5 * (number % 3),
                "workers": { "min": 1, "max": most }, "resume": true, "scale": ["tell"] }]),
            );
            (0..7).for_each(|_| world.tick());
        }
        world.run(600.0);
        for record in world.scheduler.records() {
            let fine = matches!(record.outcome, Some(Outcome::Done | Outcome::TurnedDown(_)));
            assert!(fine, "{policy} {}: {record:?}", record.name);
        }
    }
}

/// One that says nothing is stopped after a while, and goes on.
#[test]
fn who_does_not_hear_of_another_size_is_stopped_for_it() {
    let mut world = World::new(PolicyName::Drf, 2.0);
    world.submit(json!([
        { "name": "long", "command": ["x"], "seconds": 400, "workers": { "min": 1, "max": 2 }, "resume": true,
          "scale": ["tell"] },
        { "name": "short", "command": ["x"], "seconds": 5 },
    ]));
    while world.now < 140.0 {
        world.tick();
        world.told.values_mut().for_each(|(at, _)| *at = f64::INFINITY);
    }
    let record = world.scheduler.find("long").unwrap();
    assert_eq!((record.attempts, record.open.as_ref().unwrap().placement.workers()), (2, 2));
    let run = Run { job: JobId(0), attempt: 1 };
    // What the first has to say now is of nobody.
    world.step(vec![News::Resized(run, Ok(()))]);
    assert_eq!(world.scheduler.find("long").unwrap().history.len(), 1);
}

#[test]
fn a_job_that_fails_is_begun_again_as_often_as_it_says() {
    let mut world = World::new(PolicyName::Fifo, 1.0);
    world.submit(json!([{ "name": "a", "command": ["x"], "seconds": 9, "retries": 2 }]));
    for attempt in 1..=3 {
        let run = Run { job: JobId(0), attempt };
        while !world.running.contains_key(&run) {
            world.tick();
        }
        world.running.remove(&run);
        world.step(vec![News::Ended(run, Ending::Exited(7), world.now)]);
    }
    assert_eq!(*world.outcome("a"), Outcome::Failed("exit code 7".into()));
    // A second before the first time, two before the next.
    assert!((2.9..3.5).contains(&world.now), "{}", world.now);
}

#[test]
fn a_job_that_vanishes_again_and_again_is_given_up() {
    let mut world = World::new(PolicyName::Fifo, 1.0);
    world.submit(json!([{ "name": "a", "command": ["x"], "seconds": 9 }]));
    for attempt in 1..=4 {
        let run = Run { job: JobId(0), attempt };
        while !world.running.contains_key(&run) {
            world.tick();
        }
        world.running.remove(&run);
        world.step(vec![News::Lost(run, None)]);
    }
    assert!(matches!(world.outcome("a"), Outcome::Failed(why) if why.contains("vanished 4 times")));
}

#[test]
fn a_job_that_vanishes_is_not_given_up_as_long_as_each_attempt_gets_further() {
    let mut world = World::new(PolicyName::Fifo, 1.0);
    world.submit(json!([{ "name": "a", "command": ["x"], "seconds": 9, "resume": true }]));
    for attempt in 1..=10 {
        let run = Run { job: JobId(0), attempt };
        while !world.running.contains_key(&run) {
            world.tick();
        }
        world.running.remove(&run);
        // The last four get no further.
        let done = f64::from(attempt.min(7)) / 100.0;
        world.step(vec![News::Lost(run, Some(done))]);
    }
    assert!(matches!(world.outcome("a"), Outcome::Failed(why) if why.contains("vanished 4 times")));
}

/// One core on each of two hosts: nothing starts on the one that is gone, and what it had begins again once it cannot run there any more,
/// though no job may fail; the recording repeats all of it.
#[test]
fn a_host_that_is_gone_is_told_to_every_policy() {
    let machine = |name: &str| Machine {
        name: name.into(),
        labels: [("ssh".to_owned(), name.to_owned())].into(),
        ..Machine::new(Resources::new(0.0, 1.0, 0.0, 0.0))
    };
    let cluster = Cluster::new(vec![machine("left"), machine("right")], vec!["gpu".into()], 1.0).unwrap();
    for policy in policies() {
        let mut world = World::with(server::header(policy, cluster.clone(), 10.0, 2000).unwrap());
        world.submit(json!([
            { "name": "a", "command": ["x"], "seconds": 20 },
            { "name": "b", "command": ["x"], "seconds": 20, "resume": true },
        ]));
        world.run(5.0);
        let left = MachineId(0);
        let on_left = |world: &World| {
            let open = world
                .scheduler
                .records()
                .iter()
                .filter_map(|record| Some((record.id, record.open.as_ref()?)));
            let there =
                open.filter(|(_, open)| open.placement.shares().iter().any(|share| share.machine == left));
            there.map(|(id, open)| Run { job: id, attempt: open.number }).collect::<Vec<_>>()
        };
        let lost = on_left(&world);
        for run in &lost {
            world.running.remove(run);
        }
        let news = lost.iter().map(|run| News::Lost(*run, None));
        world.step([News::Gone(left, "no route".into())].into_iter().chain(news).collect());
        assert_eq!(world.scheduler.gone(left), Some("no route"), "{policy}");
        let gone_at = world.now;
        while world.now < gone_at + 34.0 {
            world.tick();
            assert!(on_left(&world).is_empty(), "{policy} places where nobody answers");
            let again =
                world.started.iter().any(|run| run.attempt > 1 && lost.iter().any(|one| one.job == run.job));
            assert!(!again, "{policy}: what was lost runs though it may run there still");
        }
        world.step(vec![News::Back(left)]);
        assert_eq!(world.scheduler.gone(left), None);
        world.run(300.0);
        let turned_down = |name: &str| matches!(world.outcome(name), Outcome::TurnedDown(_));
        for name in ["a", "b"] {
            assert!(*world.outcome(name) == Outcome::Done || turned_down(name), "{policy}: {name}");
        }
        let recording = Recording { header: world.header.clone(), entries: world.entries, complete: true };
        let mut desk = Desk::new(recording.header.clone());
        recording.entries.iter().for_each(|entry| desk.repeat(entry).unwrap());
    }
}

#[test]
fn who_does_not_stop_is_killed_and_its_room_is_not_given_away_before() {
    let mut world = World::new(PolicyName::Fifo, 1.0);
    world.submit(json!([
        { "name": "deaf", "command": ["x"], "seconds": 100, "grace": 3 },
        { "name": "next", "command": ["x"], "seconds": 1 },
    ]));
    let deaf = Run { job: JobId(0), attempt: 1 };
    world.step(vec![News::Cancelled(JobId(0))]);
    // It does not hear.
    world.ends.remove(&deaf);
    while world.now < 2.8 {
        world.tick();
        assert!(world.running.contains_key(&deaf) && world.running.len() == 1);
    }
    world.run(10.0);
    assert_eq!(*world.outcome("deaf"), Outcome::Cancelled);
    assert_eq!(*world.outcome("next"), Outcome::Done);
    assert!(world.now < 5.0, "{}", world.now);
}

#[test]
fn a_job_that_ends_well_while_it_is_asked_to_stop_is_done() {
    let mut world = World::new(PolicyName::Srtf, 1.0);
    world.submit(json!([{ "name": "long", "command": ["x"], "seconds": 50, "resume": true }]));
    world.tick();
    world.submit(json!([{ "name": "short", "command": ["x"], "seconds": 5 }]));
    let long = Run { job: JobId(0), attempt: 1 };
    assert!(world.ends.contains_key(&long), "srtf stops the long one");
    world.ends.insert(long, (world.now, Ending::Exited(0)));
    world.run(100.0);
    assert_eq!(*world.outcome("long"), Outcome::Done);
    assert_eq!(world.scheduler.find("long").unwrap().attempts, 1);
}

/// A job that takes longer than it said is not stopped for being finished.
#[test]
fn a_job_that_is_late_goes_on() {
    for policy in policies() {
        let mut world = World::new(policy, 2.0);
        world.submit(
            json!([{ "name": "late", "command": ["x"], "seconds": 4, "workers": { "min": 1, "max": 2 },
            "resume": true }]),
        );
        world.left.insert(JobId(0), 60.0);
        if let Some((left, _)) = world.running.values_mut().next() {
            *left = 60.0;
        }
        for number in 0..6 {
            world.now += 4.9;
            world.tick();
            world.submit(json!([{ "name": format!("s{number}"), "command": ["x"], "seconds": 1 }]));
        }
        world.run(300.0);
        let outcome = world.outcome("late");
        assert!(matches!(outcome, Outcome::Done | Outcome::TurnedDown(_)), "{policy}: {outcome:?}");
        // Policies that share may shrink it and let it grow; none throws it out at its stated end for good.
        let record = world.scheduler.find("late").unwrap();
        assert!(record.attempts <= 20, "{policy}: {} attempts", record.attempts);
    }
}

#[test]
fn a_job_at_its_limit_is_stopped_and_ends_as_timed_out() {
    let mut world = World::new(PolicyName::Fifo, 1.0);
    world.submit(json!([
        { "name": "long", "command": ["x"], "seconds": 100, "limit": 3 },
        { "name": "next", "command": ["x"], "seconds": 1, "limit": 1.5 },
        { "name": "never", "command": ["x"], "seconds": 1, "after": ["long"] },
    ]));
    world.run(20.0);
    assert_eq!(*world.outcome("long"), Outcome::TimedOut(3.0));
    assert_eq!(*world.outcome("next"), Outcome::Done);
    let turned_down =
        Outcome::TurnedDown("it comes after `long`, which had run for as long as it may".into());
    assert_eq!(*world.outcome("never"), turned_down);
    // Three seconds, half a second of stopping, and one for the next.
    assert!((4.4..4.9).contains(&world.now), "{}", world.now);
}

/// Who cannot resume and may be begun again gives way, has its room back, and starts once more.
#[test]
fn a_higher_priority_has_the_room_of_a_lower_one_when_that_has_stopped() {
    for policy in policies().filter(|policy| !matches!(policy, PolicyName::PdOrs | PolicyName::Oasis)) {
        let mut world = World::new(policy, 1.0);
        world.submit(json!([{ "name": "low", "command": ["x"], "seconds": 10, "requeue": true }]));
        for _ in 0..10 {
            world.tick();
        }
        world.submit(json!([{ "name": "high", "command": ["x"], "seconds": 2, "priority": 1 }]));
        let high = Run { job: JobId(1), attempt: 1 };
        while world.now < 1.4 {
            assert!(!world.running.contains_key(&high), "{policy}: the room is not free yet");
            world.tick();
        }
        world.run(100.0);
        assert_eq!(*world.outcome("high"), Outcome::Done, "{policy}");
        assert!(world.scheduler.find("high").unwrap().ended.unwrap() < 4.0, "{policy}");
        assert_eq!(*world.outcome("low"), Outcome::Done, "{policy}");
        assert_eq!(world.scheduler.find("low").unwrap().attempts, 2, "{policy}");
    }
}

/// Two machines: there is room elsewhere, but the quota is held until who holds it has stopped.
#[test]
fn a_quota_is_held_by_what_is_stopping() {
    let cluster = json!({
        "machines": [{ "name": "a", "count": 2, "capacity": { "cpu": 1 } }],
        "queues": [{ "name": "q", "quota": { "cpu": 1 } }],
    });
    let cluster: Cluster = serde_json::from_value(cluster).unwrap();
    let mut world = World::with(server::header(PolicyName::Fifo, cluster, 10.0, 2000).unwrap());
    world.submit(json!([{ "name": "low", "command": ["x"], "seconds": 10, "queue": "q", "resume": true }]));
    world.tick();
    world.submit(json!([{ "name": "high", "command": ["x"], "seconds": 2, "queue": "q", "priority": 3 }]));
    let mut most = 0;
    while !world.is_over() && world.now < 60.0 {
        most = most.max(world.running.len());
        world.tick();
    }
    assert_eq!((most, world.outcome("low"), world.outcome("high")), (1, &Outcome::Done, &Outcome::Done));
    assert!(world.scheduler.find("high").unwrap().ended < world.scheduler.find("low").unwrap().ended);
}

/// It said an hour; after a tenth of its work in ten seconds it has ninety more.
#[test]
fn how_long_a_job_takes_is_learnt_from_its_own_progress() {
    let mut world = World::new(PolicyName::Fifo, 1.0);
    world.submit(json!([{ "name": "a", "command": ["x"], "seconds": 3600, "resume": true, "pin": true }]));
    world.now = 10.0;
    world.step(vec![News::Progressed(JobId(0), 0.1)]);
    let job = world.scheduler.desk().state().job(JobId(0));
    assert!((job.remaining - 90.0).abs() < 1e-6, "{}", job.remaining);
    assert!((job.due(10.0) - 100.0).abs() < 1e-6);
    assert_eq!(world.scheduler.find("a").unwrap().open.as_ref().unwrap().cores, [0]);
}

#[test]
fn the_books_must_fit_together() {
    let desk = Desk::new(header(PolicyName::Fifo, 1.0));
    let task = sent_jobs(vec![json!({ "command": ["x"] })], &cluster(1.0)).unwrap().remove(0).1.unwrap();
    let record = Record::new(JobId(0), "a".into(), task);
    let error = Scheduler::new(desk, vec![record]).err().unwrap().to_string();
    assert!(error.contains("1 jobs are recorded and 0 are known"), "{error}");
}

fn line(elapsed: f64, samples: u64) -> String {
    let line = json!({ "elapsed_s": elapsed, "samples": samples, "total_samples": 1000, "epochs_done": 1, "loss": 0.5 });
    format!("{line}\n")
}

/// What a training run has written, of which the first and the last line may be torn.
#[test]
fn the_pace_of_a_training_run_is_that_of_its_present_start() {
    let folder = tempfile::tempdir().unwrap();
    let read = |text: &str| {
        let path = folder.path().join("progress.jsonl");
        std::fs::write(&path, text).unwrap();
        Training::read(&path)
    };
    let lines = [line(8.0, 100), line(9.0, 110), line(1.0, 200), line(3.0, 300)].concat();
    let training = read(&format!("broken\n{lines}{{\"elapsed")).unwrap();
    assert_eq!((training.samples, training.samples_per_second), (300, Some(50.0)));
    assert_eq!(training.losses.len(), 4);
    assert!((training.share() - 0.3).abs() < 1e-12);
    assert_eq!(read("broken"), None);
    let long: String = (1..=999).map(|at| line(at as f64, at)).collect();
    let losses = read(&long).unwrap().losses;
    assert!(
        losses.len() <= 200 && losses.last().unwrap().0 == 999,
        "a long curve keeps its end: {}",
        losses.len()
    );
}
