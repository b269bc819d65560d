//! Wrong input, machines that fail, restart and checkpoint costs, logs that do not replay.
#![allow(clippy::unwrap_used, reason = "a failing helper fails the test")]

mod written;

use std::sync::Arc;

use syncline_schedule::{
    Cluster, Decision, Job, Machine, MachineId, PolicyName, Resources, Setup, Share, WorkerRange,
    compare::{Experiment, Source},
    jobs_file,
    policy::Floor,
    replay::Recording,
    setting::Setting,
    sim::{Clock, Entry, Options, Outage},
    state::{Checkpoints, Contention, Overhead, Physics},
    trace::{self, Format},
};
use written::file;

fn experiment(setting: Setting, physics: Physics, outages: Vec<Outage>) -> Experiment {
    let cluster = Arc::new(setting.cluster().unwrap());
    let grid = setting.grid;
    let options = Options { clock: Clock::slots(&grid), physics, outages };
    let template = Setup::new(&cluster, grid, &[]);
    Experiment {
        source: Source::Setting(Box::new(setting)),
        cluster,
        grid,
        options,
        template,
        remarks: Vec::new(),
    }
}

fn small() -> Setting {
    Setting { machines: 8, jobs: 16, ..Setting::calibrated() }
}

/// Planners that decide once lose the jobs whose machines fail, which may be all that they have admitted in one instance;
/// so completions are counted over several.
#[test]
fn machines_that_fail_host_nothing_and_work_is_conserved() {
    let outages = (0..3).map(|index| Outage {
        machine: MachineId(index),
        from: 3600.0 * (4.0 + f64::from(index)),
        until: 3600.0 * 12.0,
    });
    let outages: Vec<Outage> = outages.collect();
    for policy in PolicyName::ALL {
        let mut completed = 0;
        for seed in [2, 3] {
            let experiment = experiment(small(), Physics::default(), outages.clone());
            let run = experiment.run(policy, seed, None).unwrap();
            let (done, asked) = run.outcome.conserved;
            assert!((done - asked).abs() <= 1e-6 * asked, "{policy}");
            let broken = |entry: &&Entry| (4.0 * 3600.0..12.0 * 3600.0).contains(&entry.now);
            for decision in run.log.iter().filter(broken).flat_map(|entry| &entry.decisions) {
                if let Decision::Place { placement, .. } = decision {
                    let fails = |share: &Share| share.machine == MachineId(0);
                    assert!(!placement.shares().iter().any(fails), "{policy}");
                }
            }
            completed += run.outcome.metrics().completed;
        }
        assert!(completed > 0, "{policy}");
    }
}

/// Where plans cannot be kept the floor promises nothing, so it must cost nothing either.
#[test]
fn there_is_no_floor_under_shared_links_and_checkpoints_that_cost() {
    let shared = Physics { contention: Contention::SharedLinks, ..Physics::default() };
    let checkpoints = Some(Checkpoints { every: 1800.0, cost: 60.0 });
    for physics in [shared, Physics { checkpoints, ..Physics::default() }] {
        let utility = |floor| {
            let mut experiment = experiment(small(), physics, Vec::new());
            experiment.template.floor = floor;
            experiment.run(PolicyName::Syncline, 4, None).unwrap().outcome.metrics().utility
        };
        assert_eq!(utility(Floor::Strict), utility(Floor::Free));
    }
}

#[test]
fn a_recording_with_an_impossible_grid_or_time_is_refused() {
    let experiment = experiment(small(), Physics::default(), Vec::new());
    let run = experiment.run(PolicyName::Fifo, 1, None).unwrap();
    let path = file("odd.jsonl", "");
    experiment.recording(PolicyName::Fifo, 1, &run).write(&path).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    for (from, to, message) in [
        ("\"slots\":20", "\"slots\":10000000000000", "1: grid: number is 10000000000000"),
        ("\"slot\":3600.0", "\"slot\":-1.0", "1: grid: length"),
        ("{\"now\":7200.0", "{\"now\":60.0", "4: now: 60 comes after 3600"),
    ] {
        assert!(text.contains(from), "{from}");
        std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
        let error = Recording::read(&path).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
}

#[test]
fn restarts_and_checkpoints_cost() {
    let free = Physics { overhead: Overhead::Never, ..Physics::default() };
    let checkpoints = Some(Checkpoints { every: 1800.0, cost: 300.0 });
    let dear = Physics { overhead: Overhead::OnChange, checkpoints, ..Physics::default() };
    let setting = Setting { restart: 900.0, ..small() };
    for policy in [PolicyName::PdOrs, PolicyName::Drf, PolicyName::Syncline] {
        let utility = |physics| {
            let runs =
                (1..=4).map(|seed| experiment(setting.clone(), physics, Vec::new()).run(policy, seed, None));
            runs.map(|run| run.unwrap().outcome.metrics().utility).sum::<f64>()
        };
        assert!(utility(dear) < utility(free), "{policy}");
    }
}

#[test]
fn a_wrong_estimate_costs_but_breaks_nothing() {
    let setting = Setting { misestimate: Some(0.3..=3.0), ..small() };
    for policy in [PolicyName::PdOrs, PolicyName::Oasis, PolicyName::Syncline] {
        let run = experiment(setting.clone(), Physics::default(), Vec::new()).run(policy, 3, None).unwrap();
        assert!(run.outcome.metrics().completed > 0, "{policy}");
    }
}

#[test]
fn a_recording_replays_identically_and_a_changed_one_does_not() {
    for policy in PolicyName::ALL {
        let experiment = experiment(small(), Physics::default(), Vec::new());
        let run = experiment.run(policy, 1, None).unwrap();
        let path = file(&format!("{policy}.jsonl"), "");
        experiment.recording(policy, 1, &run).write(&path).unwrap();
        let mut recording = Recording::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(recording.replay().unwrap() > 0, "{policy}");
        let last = recording.entries.iter_mut().rev().find(|entry| !entry.decisions.is_empty()).unwrap();
        last.decisions.pop();
        let error = recording.replay().unwrap_err().to_string();
        assert!(error.starts_with("replay differs at event"), "{policy}: {error}");
    }
}

#[test]
fn impossible_jobs_and_clusters_are_named() {
    let negative = Cluster::uniform(1, Resources::gpus(-1.0)).unwrap_err().to_string();
    assert_eq!(negative, "machine m0: capacity of gpu is -1; capacities are finite and not negative");
    assert_eq!(
        Cluster::uniform(0, Resources::gpus(1.0)).unwrap_err().to_string(),
        "there is no machine; give at least one"
    );
    let cluster = Cluster::uniform(2, Resources::new(4.0, 8.0, 16.0, 0.0)).unwrap();
    let job = Setting { jobs: 1, ..Setting::calibrated() }.draw(1).remove(0);
    let large = Job { worker: Resources::new(5.0, 1.0, 1.0, 0.0), ..job.clone() };
    let error = cluster.admits(&large).unwrap_err().to_string();
    assert!(error.contains("one worker needs 5 of gpu, but the largest machine has 4"), "{error}");
    let wide = Job {
        worker: Resources::gpus(2.0),
        server: Resources::default(),
        batch: 10,
        workers: WorkerRange::exactly(10),
        ..job.clone()
    };
    let error = cluster.admits(&wide).unwrap_err().to_string();
    assert!(error.contains("needs at least 10 workers at once, but the empty cluster holds 4"), "{error}");
    for (broken, field) in [
        (Job { workload: f64::NAN, ..job.clone() }, "workload"),
        (Job { worker: Resources::gpus(-1.0), ..job.clone() }, "worker demand of gpu"),
        (Job { workers: WorkerRange { min: 0, max: 1 }, ..job.clone() }, "workers"),
        (Job { arrival: -1.0, ..job }, "arrival"),
    ] {
        let error = broken.validate().unwrap_err().to_string();
        assert!(error.contains(field), "{error}");
    }
    let unknown = Machine::new(Resources::gpus(1.0)).with_device(syncline_schedule::DeviceId(3));
    assert!(Cluster::new(vec![unknown], vec!["v100".into()], 1.0).is_err());
}

#[test]
fn malformed_traces_name_file_line_and_field() {
    let header = "job_id,num_gpu,submit_time,iterations,model_name,batch_size,iteration_time\n";
    for (row, field) in [
        ("0,x,0,10,vgg16,1,100", "2: num_gpu"),
        ("0,0,0,10,vgg16,1,100", "2: num_gpu"),
        ("0,1,-5,10,vgg16,1,100", "2: submit_time"),
        ("0,1,0,ten,vgg16,1,100", "2: iterations"),
        ("0,1,0,10,vgg16,1,inf", "2: iteration_time"),
        ("0,1,0", "row"),
    ] {
        let path = file("bad.csv", &format!("{header}{row}\n"));
        let error = trace::read(&path, Format::Muri).unwrap_err().to_string();
        assert!(error.contains(field) && error.contains("bad.csv"), "{row}: {error}");
    }
    let path = file("philly.csv", "timestamp,duration,num_gpus\n2017-10-09,5,1\n");
    assert!(trace::read(&path, Format::Philly).unwrap_err().to_string().contains(":2: timestamp"));
    let path = file("columns.csv", "a,b\n1,2\n");
    assert!(
        trace::read(&path, Format::Philly).unwrap_err().to_string().contains("timestamp: column is missing")
    );
    let path = file("jobs.json", "[{\"workload\": }]");
    assert!(jobs_file::read_jobs(&path).unwrap_err().to_string().contains("line 1"));
    let path = file("log.jsonl", "{}\n");
    assert!(Recording::read(&path).unwrap_err().to_string().contains(":1: json"));
}
