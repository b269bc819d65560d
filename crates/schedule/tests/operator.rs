//! The operator's path: jobs and clusters that people write, real times, devices of different speed, planners in
//! continuous time.
#![allow(clippy::unwrap_used, reason = "a failing helper fails the test")]

mod written;

use std::sync::Arc;

use syncline_schedule::{
    Cluster, Job, PolicyName, Setup,
    explain::Explanation,
    jobs_file,
    pricing::SlotGrid,
    sim::{Clock, Options, Outcome, Run, advance_to, simulate},
    state::Physics,
    trace::{self, Format},
};
use written::file;

const HOUR: f64 = 3600.0;

fn cluster(name: &str, text: &str) -> Arc<Cluster> {
    Arc::new(jobs_file::read_cluster(&file(name, text)).unwrap())
}

fn jobs(name: &str, text: &str, cluster: &Cluster) -> Vec<Job> {
    jobs_file::read_jobs_for(&file(name, text), cluster).unwrap()
}

fn run(cluster: &Arc<Cluster>, jobs: &[Job], policy: PolicyName, clock: Clock, grid: SlotGrid) -> Run {
    let options = Options { clock, physics: Physics::default(), outages: Vec::new() };
    let mut decider = policy.build(&Setup::new(cluster, grid, jobs));
    simulate(cluster, jobs, decider.as_mut(), &options, None).unwrap()
}

fn in_slots(cluster: &Arc<Cluster>, jobs: &[Job], policy: PolicyName, grid: SlotGrid) -> Outcome {
    run(cluster, jobs, policy, Clock::slots(&grid), grid).outcome
}

/// What a planner says of the last job.
fn explained(cluster: &Arc<Cluster>, jobs: &[Job], policy: PolicyName, grid: SlotGrid) -> Explanation {
    let options = Options { clock: Clock::slots(&grid), physics: Physics::default(), outages: Vec::new() };
    let last = jobs.last().unwrap();
    let mut decider = policy.build(&Setup::new(cluster, grid, jobs));
    let until = grid.begin(grid.first_slot(last.arrival));
    let state = advance_to(cluster, jobs, decider.as_mut(), &options, until).unwrap();
    decider.explain(&state, last.id).unwrap()
}

const PLANNERS: [PolicyName; 2] = [PolicyName::PdOrs, PolicyName::Syncline];

/// One of four machines is old: a fifth of the speed.
#[test]
fn a_planner_takes_the_fast_machine_and_counts_the_slow_one_as_slow() {
    let mixed = cluster(
        "mixed.json",
        r#"{"machines": [{"name": "old", "capacity": {"gpu": 1}, "device": "k80"},
                         {"name": "new", "capacity": {"gpu": 1}, "device": "v100"}]}"#,
    );
    let text = r#"[{"name": "a", "workload": 1800, "batch": 4, "seconds_per_sample": 1, "worker": {"gpu": 1},
        "workers": {"min": 1, "max": 1}, "speeds": {"k80": 0.2, "v100": 1}, "utility": {"shape": "constant", "value": 9}},
       {"name": "b", "workload": 1800, "batch": 4, "seconds_per_sample": 1, "worker": {"gpu": 1},
        "workers": {"min": 1, "max": 1}, "speeds": {"k80": 0.2, "v100": 1}, "utility": {"shape": "constant", "value": 9}}]"#;
    let both = jobs("mixed-jobs.json", text, &mixed);
    for policy in PLANNERS {
        let alone = explained(&mixed, &both[..1], policy, SlotGrid::new(HOUR, 6));
        assert_eq!(mixed.name(alone.steps[0].placement.shares()[0].machine), "new", "{policy}");
        assert_eq!(alone.finish, Some(1800.0), "{policy}");
        // Both within the horizon, and never sooner than the devices allow: the audit of the simulation says so.
        let outcome = in_slots(&mixed, &both, policy, SlotGrid::new(HOUR, 6));
        assert_eq!(outcome.metrics().completed, 2, "{policy}");
    }
    // Two of the old ones are not as good as one new: 1800 s need 9000.
    let old =
        cluster("old.json", r#"{"machines": [{"count": 2, "capacity": {"gpu": 1}}], "devices": ["k80"]}"#);
    let slow = Job { speeds: vec![0.2], ..both[0].clone() };
    for policy in PLANNERS {
        let alone = explained(&old, std::slice::from_ref(&slow), policy, SlotGrid::new(HOUR, 6));
        assert_eq!(alone.completion, Some(2), "{policy}");
        assert!((alone.finish.unwrap() - 9000.0).abs() < 1e-6, "{policy}: {:?}", alone.finish);
    }
}

/// 0.9 hours of work: a deadline of half an hour cannot be met, one of 0.95 hours can, whatever a slot is.
#[test]
fn no_job_ends_before_its_work_is_done() {
    let one = cluster("one.json", r#"{"machines": [{"capacity": {"gpu": 1}}]}"#);
    let job = |deadline: f64| {
        let text = format!(
            r#"[{{"workload": 3240, "batch": 1, "seconds_per_sample": 1, "worker": {{"gpu": 1}},
                "workers": {{"min": 1, "max": 1}},
                "utility": {{"shape": "deadline", "value": 20, "deadline": {deadline}}}}}]"#
        );
        jobs("deadline.json", &text, &one)
    };
    for policy in [PolicyName::PdOrs, PolicyName::Syncline, PolicyName::Drf, PolicyName::Fifo] {
        for (deadline, utility) in [(0.5, 0.0), (0.95, 20.0)] {
            let outcome = in_slots(&one, &job(deadline), policy, SlotGrid::new(HOUR, 4));
            assert_eq!(outcome.metrics().utility, utility, "{policy} by {deadline}");
            assert!(outcome.jobs[0].finished.is_none_or(|at| (at - 3240.0).abs() < 1e-6), "{policy}");
        }
        // The papers' convention, by name.
        let outcome = in_slots(&one, &job(0.5), policy, SlotGrid::paper(HOUR, 4));
        assert_eq!(outcome.metrics().utility, 20.0, "{policy}");
    }
    let turned_down = explained(&one, &job(0.5), PolicyName::PdOrs, SlotGrid::new(HOUR, 4));
    assert!(!turned_down.admitted);
    assert!(turned_down.reason.contains("no schedule ends in time"), "{}", turned_down.reason);
    assert!(turned_down.reason.contains("end 0.90 h after its arrival"), "{}", turned_down.reason);
}

/// A job that comes ten minutes into a slot is decided when the next begins.
#[test]
fn arrivals_are_real() {
    let one = cluster("late.json", r#"{"machines": [{"capacity": {"gpu": 1}}]}"#);
    let text = r#"[{"arrival": 600, "workload": 1800, "batch": 1, "seconds_per_sample": 1, "worker": {"gpu": 1},
                    "workers": {"min": 1, "max": 1}}]"#;
    let late = jobs("late-jobs.json", text, &one);
    for policy in PolicyName::ALL {
        let outcome = in_slots(&one, &late, policy, SlotGrid::new(HOUR, 4));
        if policy == PolicyName::Oasis {
            continue; // Its one machine takes workers only.
        }
        assert_eq!(outcome.jobs[0].started, Some(HOUR), "{policy}");
        assert!((outcome.jobs[0].jct().unwrap() - 4800.0).abs() < 1e-6, "{policy}: {:?}", outcome.jobs[0]);
        let events = run(&one, &late, policy, Clock::Continuous, SlotGrid::new(HOUR, 4)).outcome;
        assert!(events.metrics().completed == 1, "{policy}");
    }
}

#[test]
fn a_server_may_take_nothing() {
    let two = cluster("two.json", r#"{"machines": [{"count": 2, "capacity": {"gpu": 1, "cpu": 8}}]}"#);
    for server in ["", r#""server": {"cpu": 1},"#] {
        let text = format!(
            r#"[{{"name": "a", "workload": 9000, "batch": 2, "seconds_per_sample": 1, "worker": {{"gpu": 1}},
                {server} "gradient_mb": 10, "workers_per_server": 2, "workers": {{"min": 1, "max": 2}}}}]"#
        );
        let one = jobs("server.json", &text, &two);
        for policy in PLANNERS {
            let explained = explained(&two, &one, policy, SlotGrid::new(HOUR, 10));
            assert!(explained.admitted, "{policy} {server}: {}", explained.reason);
        }
        for policy in PolicyName::ALL {
            let outcome = in_slots(&two, &one, policy, SlotGrid::new(HOUR, 10));
            assert_eq!(outcome.metrics().completed, 1, "{policy} {server}");
        }
    }
}

/// Nine jobs of some minutes for two GPUs: the planners reserve hours, and must come back for them.
#[test]
fn planners_start_and_finish_what_they_admit_between_events() {
    let rows: Vec<String> = (0..9).map(|id| format!("{id},1,{},{}", id * 40, 300 + 70 * id)).collect();
    let text = format!("job_id,num_gpu,submit_time,duration\n{}\n", rows.join("\n"));
    let list = trace::read(&file("short.csv", &text), Format::Tiresias).unwrap().jobs;
    let two = Arc::new(Cluster::from_counts("2x1").unwrap());
    let grid = SlotGrid::new(HOUR, trace::planned_slots(&list, &two, HOUR));
    for policy in PolicyName::ALL {
        let outcome = run(&two, &list, policy, Clock::Continuous, grid).outcome;
        let admitted = outcome.metrics().admitted;
        assert_eq!(outcome.metrics().completed, admitted, "{policy}");
        assert!(admitted == 9 || policy == PolicyName::Rrh, "{policy}: {admitted}");
    }
    // A horizon that ends long before the jobs do: what was admitted still runs to its end.
    let outcome = run(&two, &list, PolicyName::PdOrs, Clock::Continuous, SlotGrid::new(HOUR, 2)).outcome;
    assert_eq!(outcome.metrics().completed, outcome.metrics().admitted);
}

/// Whoever turns a job down has one that never completes: it is not fast.
#[test]
fn dropping_jobs_makes_no_policy_look_fast() {
    let one = cluster("drop.json", r#"{"machines": [{"capacity": {"gpu": 1}}]}"#);
    let entry = |name: &str, hours: u32| {
        format!(
            r#"{{"name": "{name}", "workload": {}, "batch": 1, "seconds_per_sample": 1, "worker": {{"gpu": 1}},
                "workers": {{"min": 1, "max": 1}}}}"#,
            hours * 3600
        )
    };
    let text = format!("[{},{}]", entry("short", 1), entry("never", 50));
    let metrics =
        in_slots(&one, &jobs("drop-jobs.json", &text, &one), PolicyName::PdOrs, SlotGrid::new(HOUR, 4));
    let metrics = metrics.metrics();
    assert_eq!((metrics.jobs, metrics.completed), (2, 1));
    assert_eq!((metrics.mean_jct, metrics.p99_jct), (Some(HOUR), None));
}

#[test]
fn labels_and_device_types_bind_every_policy() {
    let text = r#"{"machines": [{"name": "a", "count": 2, "capacity": {"gpu": 2, "cpu": 8}, "device": "k80"},
        {"name": "b", "count": 2, "capacity": {"gpu": 2, "cpu": 8}, "device": "v100", "labels": {"disk": "fast"}}]}"#;
    let four = cluster("labels.json", text);
    let entry = |name: &str, more: &str| {
        format!(
            r#"{{"name": "{name}", "workload": 7200, "batch": 8, "seconds_per_sample": 1, "worker": {{"gpu": 1}},
                "server": {{"cpu": 1}}, "workers_per_server": 2, "workers": {{"min": 1, "max": 4}}, {more}}}"#
        )
    };
    let wishes = [
        r#""needs": {"disk": "fast"}"#,
        r#""needs": {"device": ["k80", "p100"]}"#,
        r#""speeds": {"k80": 0, "v100": 1}"#,
    ];
    let entries: Vec<String> =
        wishes.iter().enumerate().map(|(id, wish)| entry(&format!("j{id}"), wish)).collect();
    let list = jobs("wishes.json", &format!("[{}]", entries.join(",")), &four);
    for policy in PolicyName::ALL.into_iter().filter(|policy| *policy != PolicyName::Oasis) {
        // A placement elsewhere is refused by the state, so that all complete says that none was tried.
        let outcome = in_slots(&four, &list, policy, SlotGrid::new(HOUR, 12));
        assert_eq!(outcome.metrics().completed, 3, "{policy}");
    }
    let nowhere = entry("x", r#""needs": {"disk": "slow"}"#);
    let path = file("nowhere.json", &format!("[{nowhere}]"));
    let error = jobs_file::read_jobs_for(&path, &four).unwrap_err().to_string();
    assert!(error.contains("needs is disk = slow; no machine carries these labels"), "{error}");
}

#[test]
fn clusters_are_counted_and_their_faults_named() {
    let racks = cluster(
        "racks.json",
        r#"{"machines": [{"name": "l", "count": 3, "capacity": {"gpu": 8}, "rack": "left"},
                         {"capacity": {"cpu": 8}, "rack": "right"}], "oversubscription": 4}"#,
    );
    assert_eq!(racks.machines().len(), 4);
    assert_eq!(racks.ids().map(|id| racks.name(id)).collect::<Vec<_>>(), ["l-0", "l-1", "l-2", "m3"]);
    assert_eq!(racks.machines()[3].rack, 1);
    // What is written is read again as it was.
    let again: Cluster = serde_json::from_str(&serde_json::to_string(racks.as_ref()).unwrap()).unwrap();
    assert_eq!(again, *racks);
    for (text, message) in [
        (r#"{"machines": [{"capacity": {"gpu": 8}, "cuont": 8}]}"#, "unknown field `cuont`"),
        (r#"{"machines": [{"capacity": {"gpus": 8}}]}"#, "unknown field `gpus`"),
        (r#"{"machines": [{"capacity": {"gpu": 8}, "count": 0}]}"#, "entry 1 of the machines: count is 0"),
        (r#"{"machines": [{"name": "a", "capacity": {}}, {"name": "a", "capacity": {}}]}"#, "`a` twice"),
        (
            r#"{"machines": [{"name": "a", "capacity": {}, "device": "x"}], "devices": ["y"]}"#,
            "one of `devices`",
        ),
        (r#"{"machines": [{"capacity": {}, "device": "x"}, {"capacity": {}}]}"#, "every machine must"),
        (
            r#"{"machines": [{"capacity": {}, "rack": 1}, {"capacity": {}, "rack": "b"}]}"#,
            "all numbers or all names",
        ),
    ] {
        let error = jobs_file::read_cluster(&file("wrong.json", text)).unwrap_err().to_string();
        assert!(error.contains(message), "{text}: {error}");
    }
    assert_eq!(Cluster::from_counts("v100:2x4,k80:3x8").unwrap().machines().len(), 5);
    assert!(jobs_file::cluster("nonsense").unwrap_err().to_string().contains("machines times GPUs"));
}

#[test]
fn arrays_and_the_faults_of_jobs() {
    let one = cluster("array-cluster.json", r#"{"machines": [{"capacity": {"gpu": 4}}]}"#);
    let entry = |more: &str| {
        format!(
            r#"[{{"workload": 10, "batch": 4, "seconds_per_sample": 1, "worker": {{"gpu": 1}},
                "workers": {{"min": 1, "max": 2}}, {more}}}]"#
        )
    };
    let array = jobs("array.json", &entry(r#""name": "try", "array": 3"#), &one);
    assert_eq!(array.iter().map(|job| job.name.as_str()).collect::<Vec<_>>(), ["try-0", "try-1", "try-2"]);
    for (more, message) in [
        (r#""array": 3"#, "told apart by its name"),
        (r#""name": "a", "array": 0"#, "array is 0"),
        (r#""id": 7"#, "numbered in the order of their arrival"),
        (r#""speeds": {"k80": 1}"#, "speeds is of `k80`, and the cluster has gpu; speeds by name name"),
        (r#""name": "b", "speeds": {}"#, "job `b`: speeds is {} without `gpu`; every device type"),
        (r#""workers_per_server": 2, "noise_scale": -1"#, "noise_scale is -1; it is a positive number"),
        (r#""speeds": [1, 1]"#, "one number for each device type"),
        (
            r#""prioritty": 1"#,
            "wrong-jobs.json:2: job: unknown field `prioritty`; valid are after after_any array arrival",
        ),
        (r#""commnd": ["x"], "seconds": 4"#, "seconds is 4 beside `workload`"),
        (
            r#""commnd": ["x"], "name": "c", "array": 2"#,
            "unknown field `commnd`; valid are after after_any array",
        ),
        (r#""utility": {"shape": "constant", "value": 1, "decay": 2}"#, "unknown field `decay`"),
    ] {
        let path = file("wrong-jobs.json", &entry(more));
        let error = jobs_file::read_jobs_for(&path, &one).unwrap_err().to_string();
        assert!(error.contains(message), "{more}: {error}");
    }
    let header = "workload,batch,seconds_per_sample,worker_gpu,worker_cpu";
    let path = file("columns.csv", &format!("{header},gpus\n10,1,1,1,0,4\n"));
    let error = jobs_file::read_jobs(&path).unwrap_err().to_string();
    assert!(error.contains(":1: gpus: there is no such column"), "{error}");
    let path = file("decay.csv", &format!("{header}, decay \n10,1,1,1,0,4\n"));
    let error = jobs_file::read_jobs(&path).unwrap_err().to_string();
    assert!(error.contains(":2: decay: `decay` and `target` go together"), "{error}");
}

#[test]
fn traces_are_read_as_people_write_them() {
    let text = "job_id, num_gpu, submit_time, duration\n0,1.0,0,0\n1, 2.0 ,5,10\n";
    let list = trace::read(&file("spaces.csv", text), Format::Tiresias).unwrap().jobs;
    assert_eq!((list[0].workers.min, list[1].workers.min), (1, 2));
    assert_eq!((list[0].shortest(), list[1].shortest()), (1.0, 10.0));
    let text = "job_id,num_gpu,submit_time,duration\n0,1,0,1\n1,1.5,0,1\n";
    let error = trace::read(&file("half.csv", text), Format::Tiresias).unwrap_err().to_string();
    assert!(error.contains(":3: num_gpu: `1.5` is not a whole number"), "{error}");
    let text = "timestamp,duration,num_gpus\n2017-02-28 00:00:00,5,1\n2017-02-30 00:00:00,5,1\n";
    let error = trace::read(&file("february.csv", text), Format::Philly).unwrap_err().to_string();
    assert!(error.contains(":3: timestamp"), "{error}");
    let table = file("speeds.json", r#"{"v100": {"('A3C', 1)": {"null": 5.0}}}"#);
    let speeds = trace::Throughputs::read(&table, &["v100"]).unwrap();
    let six = file("six.trace", "A3C\trun a3c\t--steps\t50\t30\t1\n");
    let list = trace::read_gavel(&six, &speeds).unwrap().jobs;
    assert_eq!((list[0].arrival, list[0].workload, list[0].workers.min), (30.0, 50.0, 1));
    let seven = file("seven.trace", "A3C\trun a3c\t--steps\t50\t30\t1\nA3C\trun\tx\t--steps\t50\t30\t1\n");
    let error = trace::read_gavel(&seven, &speeds).unwrap_err().to_string();
    assert!(error.contains(":2: line: 7 tab-separated fields; the known forms have 10"), "{error}");
}

/// Times within slots are real, and machines are kept to the end of a slot: both must not make the use more than all.
#[test]
fn nobody_uses_more_than_there_is() {
    let one = cluster("used.json", r#"{"machines": [{"count": 2, "capacity": {"gpu": 2}}]}"#);
    let text = r#"[{"workload": 100, "batch": 2, "seconds_per_sample": 1, "worker": {"gpu": 1}, "workers": {"min": 1, "max": 1}},
                   {"workload": 100, "batch": 2, "seconds_per_sample": 1, "worker": {"gpu": 1}, "workers": {"min": 1, "max": 1}}]"#;
    let short = jobs("used-jobs.json", text, &one);
    for policy in PolicyName::ALL.into_iter().filter(|policy| *policy != PolicyName::Oasis) {
        let metrics = in_slots(&one, &short, policy, SlotGrid::new(HOUR, 4)).metrics();
        // Two GPUs of four until the last is done, in this slot or, where one waits, in the next.
        assert!(metrics.utilisation <= 0.5 + 1e-9, "{policy}: {}", metrics.utilisation);
        assert!(metrics.completed > 0 && metrics.utilisation > 0.0, "{policy}");
    }
}

/// What a job takes alone is what the machines that there are make of it.
#[test]
fn alone_means_on_these_machines() {
    let text = r#"{"machines": [{"capacity": {"gpu": 2, "cpu": 4}, "device": "new"},
                                {"count": 2, "capacity": {"gpu": 2, "cpu": 4}, "device": "old"}]}"#;
    let three = cluster("alone.json", text);
    let entry = |max: u32, more: &str| {
        let text = format!(
            r#"[{{"workload": 7200, "batch": 8, "seconds_per_sample": 1, "worker": {{"gpu": 1}}, "server": {{"cpu": 2}},
                "workers": {{"min": 1, "max": {max}}}, "speeds": {{"new": 1, "old": 0.25}} {more}}}]"#
        );
        jobs("alone-jobs.json", &text, &three).remove(0)
    };
    // Two on the new machine, not four; six on all machines are as slow as the old ones.
    assert_eq!(three.shortest(&entry(1, "")), 7200.0);
    assert_eq!(three.shortest(&entry(8, "")), 3600.0);
    // 6.4 s a round for its exchange, twice that between machines. With a server a worker two fit on the new machine.
    let exchange =
        r#", "gradient_mb": 400, "workers_per_server": 1, "internal_gbps": 1, "external_gbps": 0.5"#;
    assert_eq!(three.shortest(&entry(8, exchange)), 7200.0 * 1.8 / 2.0);
    // A placement that is faster there is none.
    for (max, more) in [(8, ""), (8, exchange), (3, exchange)] {
        let job = entry(max, more);
        for policy in PolicyName::ALL.into_iter().filter(|policy| *policy != PolicyName::Oasis) {
            let run =
                run(&three, std::slice::from_ref(&job), policy, Clock::Continuous, SlotGrid::new(HOUR, 9));
            let jct = run.outcome.jobs[0].jct();
            assert!(jct.is_none_or(|jct| jct >= three.shortest(&job) * (1.0 - 1e-9)), "{policy}: {jct:?}");
        }
    }
}

#[test]
fn a_type_that_is_counted_twice_is_one_type() {
    let cluster = Cluster::from_counts("a:2x4,b:1x2,a:1x8").unwrap();
    assert_eq!((cluster.devices(), cluster.machines().len()), (&["a".into(), "b".into()][..], 4));
    assert!(Cluster::from_counts("a:2x4,b:0x2").is_err());
}

/// Who cannot be stopped is in the way until it ends, and a plan says so.
#[test]
fn plans_are_made_around_what_stays() {
    let four = cluster("stays.json", r#"{"machines": [{"capacity": {"gpu": 4}}]}"#);
    let text = r#"[{"name": "long", "workload": 72000, "batch": 4, "seconds_per_sample": 1, "worker": {"gpu": 1},
        "workers": {"min": 3, "max": 3}, "resume": false},
       {"name": "quick", "arrival": 3700, "workload": 1800, "batch": 4, "seconds_per_sample": 1, "worker": {"gpu": 1},
        "workers": {"min": 2, "max": 4}, "utility": {"shape": "linear", "value": 50, "zero_at": 20}},
       {"name": "small", "arrival": 3800, "workload": 1800, "batch": 4, "seconds_per_sample": 1, "worker": {"gpu": 1},
        "workers": {"min": 1, "max": 2}, "utility": {"shape": "linear", "value": 50, "zero_at": 20}}]"#;
    let list = jobs("stays-jobs.json", text, &four);
    // 24 000 s with three workers, so the second waits until slot 6, in which the first ends, is over; the third fits beside it.
    for policy in PLANNERS {
        let quick = explained(&four, &list[..2], policy, SlotGrid::new(HOUR, 20));
        assert_eq!(quick.steps.first().map(|step| step.slot), Some(7), "{policy}: {}", quick.reason);
        let small = explained(&four, &list, policy, SlotGrid::new(HOUR, 20));
        assert_eq!(small.steps.first().map(|step| step.slot), Some(2), "{policy}: {}", small.reason);
        let outcome = in_slots(&four, &list, policy, SlotGrid::new(HOUR, 20));
        let ends: Vec<Option<f64>> = outcome.jobs.iter().map(|job| job.finished).collect();
        assert_eq!(ends[0], Some(24_000.0), "{policy}");
        assert!(ends[1].unwrap() > 7.0 * HOUR && ends[2].unwrap() < 3.0 * HOUR, "{policy}: {ends:?}");
    }
}

/// An elastic job may name more workers than the machines hold: nobody waits for them for ever, nor blocks those behind.
#[test]
fn jobs_that_may_be_larger_than_the_cluster_run() {
    let types = r#"{"machines": [{"capacity": {"gpu": 2, "cpu": 3}, "device": "new"},
                                 {"count": 2, "capacity": {"gpu": 2, "cpu": 3}, "device": "old"}]}"#;
    let three = cluster("larger.json", types);
    let entry = |name: &str, more: &str| {
        format!(
            r#"{{"name": "{name}", "workload": 3600, "batch": 64, "seconds_per_sample": 1, "worker": {{"gpu": 1}},
                "speeds": {{"new": 1, "old": 0.5}}, {more}}}"#
        )
    };
    let text = [
        entry("wide", r#""workers": {"min": 1, "max": 64}"#),
        entry("served", r#""workers": {"min": 1, "max": 64}, "workers_per_server": 2, "server": {"cpu": 2}"#),
        entry("small", r#""workers": {"min": 1, "max": 1}"#),
    ];
    let list = jobs("larger-jobs.json", &format!("[{}]", text.join(",")), &three);
    for policy in PolicyName::ALL.into_iter().filter(|policy| *policy != PolicyName::Oasis) {
        let outcome = run(&three, &list, policy, Clock::Continuous, SlotGrid::new(HOUR, 60)).outcome;
        let metrics = outcome.metrics();
        assert!(metrics.completed == 3 || policy == PolicyName::Rrh, "{policy}: {}", metrics.completed);
    }
    // Five on one type there are not: Gavel's jobs do not mix types, and the simulation ends all the same.
    let mixed =
        jobs("mixing.json", &format!("[{}]", entry("mixed", r#""workers": {"min": 5, "max": 6}"#)), &three);
    for policy in PolicyName::ALL.into_iter().filter(|policy| *policy != PolicyName::Oasis) {
        let outcome = run(&three, &mixed, policy, Clock::Continuous, SlotGrid::new(HOUR, 60)).outcome;
        let gavel = [PolicyName::GavelLas, PolicyName::GavelLasAware].contains(&policy);
        let completed = outcome.metrics().completed;
        assert!(completed == usize::from(!gavel) || policy == PolicyName::Rrh, "{policy}: {completed}");
    }
}

#[test]
fn an_empty_file_is_called_empty() {
    for (name, text) in [("jobs.json", ""), ("jobs.toml", " \n"), ("cluster.json", "\u{feff}")] {
        let path = file(name, text);
        for error in [jobs_file::read_jobs(&path).unwrap_err(), jobs_file::read_cluster(&path).unwrap_err()] {
            assert!(error.to_string().contains(&format!("{name}:1: text: the file is empty")), "{error}");
        }
    }
}
