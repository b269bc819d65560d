//! Queues with quotas, priorities, time limits, dependencies and reservations, under every policy: what holds is checked from the
//! log of decisions alone, beside the audit that every simulation has.
#![allow(clippy::unwrap_used, reason = "a failing helper fails the test")]

mod written;

use std::{collections::BTreeMap, sync::Arc};

use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use serde_json::{Value, json};
use syncline_schedule::{
    Cluster, Decision, Event, Job, JobId, MachineId, Placement, Policy, PolicyName, Resource, Resources,
    Setup, jobs_file,
    pricing::SlotGrid,
    replay::Recording,
    sim::{Clock, Options, Run, simulate},
    state::{Physics, State},
};
use written::file;

/// Policies that never turn a job down.
const PATIENT: [PolicyName; 9] = [
    PolicyName::Dorm,
    PolicyName::Drf,
    PolicyName::Fifo,
    PolicyName::Srtf,
    PolicyName::Srsf,
    PolicyName::TiresiasL,
    PolicyName::Optimus,
    PolicyName::GavelLas,
    PolicyName::GavelLasAware,
];

const GRID: SlotGrid = SlotGrid { slot: 600.0, slots: 80, times: syncline_schedule::pricing::Times::Real };

fn cluster(value: &Value) -> Arc<Cluster> {
    Arc::new(serde_json::from_value(value.clone()).unwrap())
}

/// Jobs as a file has them.
fn jobs(name: &str, list: &[Value], cluster: &Cluster) -> Vec<Job> {
    let path = file(&format!("{name}.json"), &serde_json::to_string(list).unwrap());
    jobs_file::read_jobs_for(&path, cluster).unwrap()
}

fn run(cluster: &Arc<Cluster>, jobs: &[Job], policy: PolicyName, clock: Clock) -> Run {
    let setup = Setup::new(cluster, GRID, jobs);
    let options = Options { clock, physics: Physics::default(), outages: Vec::new() };
    let run = simulate(cluster, jobs, policy.build(&setup).as_mut(), &options, None);
    let run = run.unwrap_or_else(|error| panic!("{policy}: {error}"));
    // What the gate keeps between decisions is in the log, too: another one decides the same.
    let recording = Recording::new(policy, &setup, Physics::default(), run.log.clone());
    if clock == Clock::Continuous {
        recording.replay().unwrap_or_else(|error| panic!("{policy}: {error}"));
    }
    run
}

/// Three machines of four GPUs, two of them alike, with two queues and two reservations.
fn a_cluster() -> Arc<Cluster> {
    cluster(&json!({
        "machines": [
            {"name": "old", "count": 2, "capacity": {"gpu": 4, "cpu": 16}, "device": "k80"},
            {"name": "new", "capacity": {"gpu": 4, "cpu": 16}, "device": "a100"},
        ],
        "queues": [
            {"name": "urgent", "quota": {"gpu": 6}, "priority": 10},
            {"name": "rest", "quota": {"gpu": 8, "cpu": 20}, "limit": 20_000},
            {"name": "modern", "needs": {"device": "a100"}, "priority": -1},
        ],
        "reservations": [
            {"name": "repair", "machines": ["old-0"], "from": 4000, "until": 9000},
            {"name": "exam", "machines": ["old-1", "new"], "from": 7500, "until": 11_000, "queues": ["urgent"]},
        ],
    }))
}

fn drawn(seed: u64, count: usize) -> Vec<Value> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut list = Vec::new();
    for number in 0..count {
        let most = rng.random_range(1..=4);
        let least = rng.random_range(1..=most);
        let resume = rng.random_range(0..3) > 0;
        let queue = ["urgent", "rest", "rest", "modern"][rng.random_range(0..4)];
        let mut job = json!({
            "name": format!("job-{number}"), "queue": queue, "resume": resume,
            "arrival": rng.random_range(0..12_000), "workload": rng.random_range(300..6000),
            "batch": 4, "seconds_per_sample": 1, "worker": {"gpu": 1, "cpu": 1},
            "workers": {"min": least, "max": most},
            "utility": {"shape": "constant", "value": rng.random_range(1..50)},
        });
        if rng.random_range(0..3) == 0 {
            job["limit"] = json!(rng.random_range(200..4000));
        }
        if rng.random_range(0..4) == 0 {
            job["priority"] = json!(rng.random_range(-3..20));
        }
        if !resume && rng.random_range(0..2) == 0 {
            job["requeue"] = json!(true);
        }
        if number > 0 && rng.random_range(0..3) == 0 {
            let other = format!("job-{}", rng.random_range(0..number));
            job[["after", "after_any"][rng.random_range(0..2)]] = json!([other]);
        }
        list.push(job);
    }
    list
}

/// A stay of a job in a place.
struct Stay {
    job: JobId,
    placement: Placement,
    from: f64,
    until: f64,
}

/// What a log says, by nothing but its events and decisions.
#[derive(Default)]
struct Story {
    jobs: BTreeMap<JobId, Arc<Job>>,
    stays: Vec<Stay>,
    /// When each was over, and whether with success.
    over: BTreeMap<JobId, (f64, bool)>,
}

fn story(run: &Run) -> Story {
    let mut story = Story::default();
    let mut open: BTreeMap<JobId, (Placement, f64)> = BTreeMap::new();
    let leave =
        |stays: &mut Vec<Stay>, open: &mut BTreeMap<JobId, (Placement, f64)>, job: JobId, until: f64| {
            if let Some((placement, from)) = open.remove(&job) {
                stays.push(Stay { job, placement, from, until });
            }
        };
    let mut end = 0.0;
    for entry in &run.log {
        end = entry.now;
        for event in &entry.events {
            match event {
                Event::Arrival { job } => drop(story.jobs.insert(job.id, Arc::clone(job))),
                Event::Completion { job, at } => {
                    leave(&mut story.stays, &mut open, *job, *at);
                    story.over.insert(*job, (*at, true));
                }
                Event::Timeout { job, at } => {
                    leave(&mut story.stays, &mut open, *job, *at);
                    story.over.insert(*job, (*at, false));
                }
                _ => {}
            }
        }
        for decision in &entry.decisions {
            match decision {
                Decision::Place { job, placement } => {
                    leave(&mut story.stays, &mut open, *job, entry.now);
                    open.insert(*job, (placement.clone(), entry.now));
                }
                Decision::Preempt { job } => leave(&mut story.stays, &mut open, *job, entry.now),
                Decision::Reject { job, .. } => drop(story.over.insert(*job, (entry.now, false))),
                _ => {}
            }
        }
    }
    let left: Vec<JobId> = open.keys().copied().collect();
    left.into_iter().for_each(|job| leave(&mut story.stays, &mut open, job, end));
    story
}

impl Story {
    fn demand(&self, stay: &Stay) -> Resources {
        let job = &self.jobs[&stay.job];
        stay.placement.shares().iter().fold(Resources::default(), |sum, share| sum.plus(&share.demand(job)))
    }

    fn quotas_hold(&self, cluster: &Cluster, policy: PolicyName) {
        for queue in cluster.queues() {
            let members: Vec<&Stay> =
                self.stays.iter().filter(|stay| self.jobs[&stay.job].queue == queue.name).collect();
            for at in members.iter().map(|stay| stay.from) {
                let now = members.iter().filter(|stay| stay.from <= at && at < stay.until);
                let used = now.fold(Resources::default(), |sum, stay| sum.plus(&self.demand(stay)));
                for (kind, quota) in &queue.quota {
                    let kind = Resource::ALL.into_iter().find(|known| known.name() == kind).unwrap();
                    assert!(
                        used[kind] <= quota + 1e-9,
                        "{policy}: {} of {quota} in {} at {at}",
                        used[kind],
                        queue.name
                    );
                }
            }
        }
    }

    fn limits_hold(&self, cluster: &Cluster, policy: PolicyName) {
        for (id, job) in &self.jobs {
            let stays = self.stays.iter().filter(|stay| stay.job == *id);
            let ran: f64 = stays.map(|stay| stay.until - stay.from).sum();
            assert!(
                ran <= cluster.limit(job) + 1e-6,
                "{policy}: {id} ran for {ran}, it may {}",
                cluster.limit(job)
            );
        }
    }

    fn dependencies_hold(&self, policy: PolicyName) {
        let id = |name: &String| *self.jobs.iter().find(|(_, job)| job.name == *name).unwrap().0;
        for stay in &self.stays {
            let job = &self.jobs[&stay.job];
            for name in &job.after {
                let (at, success) = self.over[&id(name)];
                assert!(success && at <= stay.from, "{policy}: {} starts before {name} is done", job.name);
            }
            for name in &job.after_any {
                assert!(
                    self.over[&id(name)].0 <= stay.from,
                    "{policy}: {} starts before {name} is over",
                    job.name
                );
            }
        }
    }

    fn reservations_hold(&self, cluster: &Cluster, policy: PolicyName) {
        for stay in &self.stays {
            for reservation in cluster.reservations() {
                let on =
                    stay.placement.shares().iter().any(|share| reservation.machines.contains(&share.machine));
                let apart = stay.until <= reservation.from + 1e-6 || reservation.until <= stay.from + 1e-6;
                let own = reservation.queues.contains(&self.jobs[&stay.job].queue);
                assert!(
                    own || !on || apart,
                    "{policy}: {} is there from {} to {}",
                    stay.job,
                    stay.from,
                    stay.until
                );
            }
        }
    }

    /// What they can do is what they have done: nobody who cannot resume goes on where it was.
    fn work_is_done(&self, cluster: &Cluster, policy: PolicyName) {
        for (id, (at, success)) in &self.over {
            let job = &self.jobs[id];
            if !success {
                continue;
            }
            let mut stays: Vec<&Stay> = self.stays.iter().filter(|stay| stay.job == *id).collect();
            if !job.resume {
                stays = stays.split_off(stays.len() - 1);
            }
            let work: f64 =
                stays.iter().map(|stay| cluster.rate(job, &stay.placement) * (stay.until - stay.from)).sum();
            assert!(work >= job.workload * (1.0 - 1e-6), "{policy}: {id} has done {work} at {at}");
        }
    }
}

#[test]
fn rules_hold_under_every_policy_at_events_and_in_slots() {
    let cluster = a_cluster();
    let (mut timed_out, mut waited, mut requeued) = (0, 0, 0);
    for seed in 1..=2 {
        let list = jobs(&format!("drawn-{seed}"), &drawn(seed, 18), &cluster);
        for policy in PolicyName::ALL {
            for clock in [Clock::Continuous, Clock::slots(&GRID)] {
                let run = run(&cluster, &list, policy, clock);
                let story = story(&run);
                story.quotas_hold(&cluster, policy);
                story.limits_hold(&cluster, policy);
                story.dependencies_hold(policy);
                story.reservations_hold(&cluster, policy);
                story.work_is_done(&cluster, policy);
                if PATIENT.contains(&policy) {
                    let open = run.outcome.jobs.iter().filter(|job| !story.over.contains_key(&job.job));
                    let open: Vec<&str> = open.map(|job| job.name.as_str()).collect();
                    assert!(open.is_empty(), "{policy}, seed {seed}: {open:?} never end");
                }
                timed_out += run.outcome.metrics().timed_out;
                waited += story.jobs.values().filter(|job| !job.after.is_empty()).count();
                let again = |id: &JobId| story.stays.iter().filter(|stay| stay.job == *id).count() > 1;
                requeued += story.jobs.iter().filter(|(id, job)| !job.resume && again(id)).count();
            }
        }
    }
    // The draws do meet the rules.
    assert!(timed_out > 40 && waited > 40 && requeued > 4, "{timed_out} {waited} {requeued}");
}

fn gang(name: &str, arrival: u32, seconds: u32, gpus: u32, more: &Value) -> Value {
    let mut job = json!({
        "name": name, "arrival": arrival, "workload": seconds * gpus, "batch": 4, "seconds_per_sample": 1,
        "worker": {"gpu": 1}, "workers": {"min": gpus, "max": gpus}, "utility": {"shape": "constant", "value": 10},
    });
    for (field, value) in more.as_object().unwrap() {
        job[field] = value.clone();
    }
    job
}

fn finished(run: &Run, name: &str) -> Option<f64> {
    run.outcome.jobs.iter().find(|job| job.name == name).unwrap().finished
}

/// The whole machine is taken when a more urgent job comes: it starts at once. Whoever can resume goes on where it was, whoever may
/// be begun again begins again, and whoever may not be stopped is left alone.
#[test]
fn a_higher_priority_takes_the_room_of_a_lower_one() {
    let one = cluster(&json!({"machines": [{"capacity": {"gpu": 4}}]}));
    for (how, urgent, low) in [
        (json!({}), 600.0, 1500.0),
        (json!({"resume": false, "requeue": true}), 600.0, 1600.0),
        (json!({"resume": false}), 1500.0, 1000.0),
    ] {
        let list = [gang("low", 0, 1000, 4, &how), gang("urgent", 100, 500, 4, &json!({"priority": 1}))];
        let list = jobs("priority", &list, &one);
        for policy in PATIENT {
            let run = run(&one, &list, policy, Clock::Continuous);
            if policy == PolicyName::GavelLas || policy == PolicyName::GavelLasAware {
                // They look for who runs at the end of a round only, so whoever gave way may wait for that.
                assert_eq!(finished(&run, "urgent").is_some(), finished(&run, "low").is_some());
                assert!(finished(&run, "urgent").unwrap() <= urgent + 720.0, "{policy} {how}");
                continue;
            }
            assert_eq!(finished(&run, "urgent"), Some(urgent), "{policy} {how}");
            assert_eq!(finished(&run, "low"), Some(low), "{policy} {how}");
        }
    }
}

/// An elastic job shrinks to what a more urgent one leaves, and no further.
#[test]
fn who_can_shrink_is_not_stopped() {
    let one = cluster(&json!({"machines": [{"capacity": {"gpu": 4}}]}));
    let mut low = gang("low", 0, 1000, 4, &json!({}));
    low["workers"] = json!({"min": 1, "max": 4});
    let list = jobs("shrink", &[low, gang("urgent", 100, 500, 1, &json!({"priority": 1}))], &one);
    // FIFO keeps its gangs, so that only the gate can make room; the gang that it draws is of four or less.
    let run = run(&one, &list, PolicyName::Fifo, Clock::Continuous);
    let story = story(&run);
    let workers = |at: f64| {
        let there =
            story.stays.iter().find(|stay| stay.job == JobId(0) && stay.from <= at && at < stay.until);
        there.map_or(0, |stay| stay.placement.workers())
    };
    assert_eq!(finished(&run, "urgent"), Some(600.0));
    assert_eq!((workers(50.0), workers(300.0)), (4, 3));
}

/// A reservation that nobody was told of in time would cost work: those that cannot be stopped start only if they end before.
#[test]
fn who_cannot_be_stopped_keeps_clear_of_a_reservation() {
    let one = cluster(&json!({
        "machines": [{"name": "only", "capacity": {"gpu": 4}}],
        "reservations": [{"name": "repair", "machines": ["only"], "from": 1000, "until": 2000}],
    }));
    for (more, done) in [
        (json!({"resume": false}), 2600.0),
        (json!({"resume": false, "limit": 700}), 600.0),
        (json!({"resume": false, "limit": 1100}), 2600.0),
        (json!({}), 600.0),
        (json!({"arrival": 700}), 2300.0),
    ] {
        let list = jobs("repair", &[gang("job", 0, 600, 4, &more)], &one);
        for policy in [PolicyName::Drf, PolicyName::Fifo, PolicyName::Srtf, PolicyName::Optimus] {
            let run = run(&one, &list, policy, Clock::Continuous);
            assert_eq!(finished(&run, "job"), Some(done), "{policy} {more}");
        }
    }
}

#[test]
fn a_limit_ends_a_job_and_whoever_comes_after_its_success() {
    let one = cluster(&json!({"machines": [{"capacity": {"gpu": 4}}]}));
    let list = [
        gang("long", 0, 1000, 4, &json!({"limit": 300})),
        gang("after", 0, 100, 4, &json!({"after": ["long"]})),
        gang("behind", 0, 100, 4, &json!({"after": ["after"]})),
        gang("cleanup", 0, 100, 4, &json!({"after_any": ["long", "behind"]})),
        gang("exact", 0, 100, 4, &json!({"limit": 100, "after_any": ["cleanup"]})),
    ];
    let list = jobs("limit", &list, &one);
    for policy in [PolicyName::Drf, PolicyName::Fifo, PolicyName::Srtf, PolicyName::Syncline] {
        let run = run(&one, &list, policy, Clock::Continuous);
        let metrics = run.outcome.metrics();
        assert_eq!((metrics.completed, metrics.timed_out), (2, 1), "{policy}");
        assert!(finished(&run, "cleanup").unwrap() >= 400.0, "{policy}");
        assert!(finished(&run, "exact").is_some(), "{policy}: a job as long as it may be is done");
        let reasons: Vec<String> =
            run.log.iter().flat_map(|entry| &entry.decisions).filter_map(reason).collect();
        assert_eq!(
            reasons,
            [
                "it comes after `long`, which had run for as long as it may",
                "it comes after `after`, which was turned down"
            ],
            "{policy}"
        );
    }
}

fn reason(decision: &Decision) -> Option<String> {
    match decision {
        Decision::Reject { reason, .. } => Some(reason.clone()),
        _ => None,
    }
}

/// The name of an array stands for all of it.
#[test]
fn an_array_is_waited_for_as_a_whole() {
    let one = cluster(&json!({"machines": [{"capacity": {"gpu": 2}}]}));
    let list =
        [gang("try", 0, 100, 1, &json!({"array": 4})), gang("gather", 0, 50, 1, &json!({"after": ["try"]}))];
    let list = jobs("array", &list, &one);
    assert_eq!(list.last().unwrap().after, ["try-0", "try-1", "try-2", "try-3"]);
    for policy in [PolicyName::Drf, PolicyName::Fifo, PolicyName::Srsf] {
        let run = run(&one, &list, policy, Clock::Continuous);
        assert_eq!(finished(&run, "gather"), Some(250.0), "{policy}");
    }
}

#[test]
fn what_the_rules_cannot_mean_is_refused_by_name() {
    let machines = json!([{"name": "a", "capacity": {"gpu": 4}}]);
    for (more, message) in [
        (json!({"queues": [{"name": "q", "quota": {"gpus": 1}}]}), "quota is `gpus`"),
        (json!({"queues": [{"name": "q", "quota": {"gpu": -1}}]}), "quota is -1 of gpu"),
        (json!({"queues": [{"name": "q", "limit": 0}]}), "limit is 0; it is a positive number"),
        (json!({"queues": [{"name": "q"}, {"name": "q"}]}), "queues is `q` twice"),
        (json!({"queues": [{"name": "q", "qouta": {}}]}), "unknown field `qouta`"),
        (
            json!({"reservations": [{"name": "r", "machines": ["b"], "from": 0, "until": 1}]}),
            "machines is `b`",
        ),
        (json!({"reservations": [{"name": "r", "machines": [7], "from": 0, "until": 1}]}), "machines is m7"),
        (
            json!({"reservations": [{"name": "r", "machines": ["a"], "from": 2, "until": 1}]}),
            "from 2 until 1",
        ),
        (
            json!({"reservations": [{"name": "r", "machines": ["a"], "from": 0, "until": 1, "queues": ["x"]}]}),
            "queues is `x`; they are queues of the cluster",
        ),
    ] {
        let mut value = more.clone();
        value["machines"] = machines.clone();
        let error = serde_json::from_value::<Cluster>(value).unwrap_err().to_string();
        assert!(error.contains(message), "{more}: {error}");
    }
    let queues = json!([{"name": "small", "quota": {"gpu": 1}}, {"name": "big"}]);
    let with = cluster(&json!({"machines": machines, "queues": queues}));
    let without = cluster(&json!({"machines": machines}));
    let big = json!({"queue": "big"});
    for (cluster, list, message) in [
        (
            &with,
            vec![gang("a", 0, 9, 2, &json!({}))],
            "queue is not given, and the cluster has the queues small, big",
        ),
        (&with, vec![gang("a", 0, 9, 2, &json!({"queue": "x"}))], "queue is `x`"),
        (&with, vec![gang("a", 0, 9, 2, &json!({"queue": "small"}))], "its fewest workers take 2"),
        (&without, vec![gang("a", 0, 9, 2, &big)], "the cluster has no queues"),
        (&without, vec![gang("a", 0, 9, 2, &json!({"limit": 0}))], "limit is 0"),
        (&without, vec![gang("a", 0, 9, 2, &json!({"priority": 1.5}))], "floating point `1.5`, expected i32"),
        (&without, vec![gang("a", 0, 9, 2, &json!({"requeue": true}))], "no effect on a job that can resume"),
        (
            &without,
            vec![gang("a", 0, 9, 2, &json!({"after": ["b"]}))],
            "job `a`: after is \"b\"; it names jobs that there are",
        ),
        (
            &without,
            vec![
                gang("a", 0, 9, 2, &json!({"after": ["b"]})),
                gang("b", 0, 9, 2, &json!({"after_any": ["c"]})),
                gang("c", 0, 9, 2, &json!({"after": ["a"]})),
            ],
            "would wait for the other for ever",
        ),
    ] {
        let path = file("wrong.json", &serde_json::to_string(&list).unwrap());
        let error = jobs_file::read_jobs_for(&path, cluster).unwrap_err().to_string();
        assert!(error.contains(message), "{message}: {error}");
    }
}

/// A recording holds its cluster with its rules.
#[test]
fn a_cluster_with_rules_is_read_as_it_was_written() {
    let cluster = a_cluster();
    let again: Cluster = serde_json::from_str(&serde_json::to_string(cluster.as_ref()).unwrap()).unwrap();
    assert_eq!(again, *cluster);
}

/// Runs everything everywhere at once, whatever binds it.
struct Lax;

impl Policy for Lax {
    fn name(&self) -> &'static str {
        "lax"
    }

    fn decide(&mut self, state: &State, _events: &[Event]) -> Vec<Decision> {
        let waits = state.active().filter(|job| job.placement.is_empty());
        waits
            .map(|job| {
                let placement = Placement::single(MachineId(0), job.job.workers.min, 0);
                Decision::Place { job: job.job.id, placement }
            })
            .collect()
    }
}

/// The second set of books finds what the gate would have prevented.
#[test]
fn the_audit_names_a_rule_that_is_not_kept() {
    let machines = json!([{"name": "a", "capacity": {"gpu": 8}}]);
    let queues = json!([{"name": "q", "quota": {"gpu": 3}}, {"name": "free"}]);
    let repair = json!([{"name": "repair", "machines": ["a"], "from": 100, "until": 200}]);
    let with = cluster(&json!({"machines": machines, "queues": queues}));
    let reserved = cluster(&json!({"machines": machines, "reservations": repair}));
    let plain = cluster(&json!({"machines": machines}));
    let (q, free) = (json!({"queue": "q"}), json!({"queue": "free"}));
    for (cluster, list, message) in [
        (
            &with,
            [gang("a", 0, 50, 2, &q), gang("b", 0, 50, 2, &q)],
            Some("queue `q` has 1 of gpu more than its quota"),
        ),
        (&with, [gang("a", 0, 50, 2, &q), gang("b", 0, 50, 2, &free)], None),
        (
            &reserved,
            [gang("a", 0, 120, 1, &json!({})), gang("b", 0, 90, 1, &json!({}))],
            Some("(`a`) was on machine m0 for 20 s of the reservation `repair`"),
        ),
        (&reserved, [gang("a", 0, 100, 1, &json!({})), gang("b", 200, 90, 1, &json!({}))], None),
        (
            &plain,
            [gang("a", 0, 50, 1, &json!({})), gang("b", 0, 50, 1, &json!({"after": ["a"]}))],
            Some("(`b`) starts before `a` has ended"),
        ),
        (&plain, [gang("a", 0, 50, 1, &json!({})), gang("b", 50, 50, 1, &json!({"after": ["a"]}))], None),
    ] {
        let list = jobs("lax", &list, cluster);
        let options = Options { clock: Clock::Continuous, physics: Physics::default(), outages: Vec::new() };
        let error = simulate(cluster, &list, &mut Lax, &options, None).err().map(|error| error.to_string());
        match message {
            None => assert_eq!(error, None),
            Some(message) => {
                assert!(error.as_ref().is_some_and(|said| said.contains(message)), "{message}: {error:?}")
            }
        }
    }
}
