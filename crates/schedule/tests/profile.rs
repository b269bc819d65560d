//! From the trace of a real run over its profile to a plan.
#![allow(clippy::unwrap_used, reason = "a failing helper fails the test")]

use std::path::{Path, PathBuf};

use syncline_predict::{Cycles, JobProfile, Placement};
use syncline_schedule::{
    Cluster, Job, Resources, jobs_file,
    pricing::{Ledger, PlannerOptions, PriceFunction, PriceRange, Roles, Search, SlotGrid},
    profile::Measured,
};

/// Two workers that trained on two cores, two servers in another run.
fn trained(name: &str) -> JobProfile {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../predict/tests/held_out");
    let run = syncline_trace::read(folder.join(name)).unwrap();
    Cycles::of(&run).unwrap().profile().unwrap()
}

/// Writes a profile and jobs that name it; the folder is left to the caller.
fn written(name: &str, profile: &JobProfile, file: &str, jobs: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("syncline-profile-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("run.json"), profile.to_json().unwrap()).unwrap();
    std::fs::write(folder.join(file), jobs).unwrap();
    folder.join(file)
}

fn read(name: &str, profile: &JobProfile, file: &str, jobs: &str) -> Result<Vec<Job>, String> {
    let path = written(name, profile, file, jobs);
    let jobs = jobs_file::read_jobs(&path).map_err(|error| error.to_string());
    std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
    jobs
}

const JSON: &str = r#"[{"profile": "run.json", "epochs": 1000, "worker": {"gpu": 1, "cpu": 2},
  "server": {"cpu": 2}, "external_gbps": 1}]"#;

#[test]
fn the_law_gives_the_measured_speed_at_the_measured_size() {
    for name in ["live-2-bsp-1.parquet", "live-2-servers2.parquet", "uni-8-bsp.parquet"] {
        let profile = trained(name);
        let job = read(name, &profile, "jobs.json", JSON).unwrap().remove(0);
        let (workers, servers) = (profile.measured.workers, profile.measured.servers);
        let sync = profile.measured.policy().unwrap();
        let said = |placement| profile.speed(workers, servers, placement, sync).unwrap().value;
        let inside = job.rate(workers as u32, job.internal_gbps);
        assert!((inside / said(Placement::OneMachine) - 1.0).abs() < 1e-9, "{name}: {inside}");
        assert_eq!(job.servers_for(workers as u32), servers as u32, "{name}");
        // Between machines the law adds the link to every round; the profile simulates it.
        let across = job.rate(workers as u32, 1.0) / said(Placement::Across { gbps: 1.0 });
        assert!((0.9..1.1).contains(&across), "{name}: {across}");
        assert_eq!(job.workload, 1000.0 * profile.measured.rows as f64, "{name}");
        assert!(job.workers.max as usize >= workers && job.workers.max <= job.batch, "{name}: {job:?}");
    }
}

/// At the most workers the profile still predicts 80 % of the law; at twice as many, where it answers, less.
#[test]
fn a_job_gets_no_more_workers_than_help() {
    let profile = trained("live-2-bsp-1.parquet");
    let measured = Measured::of(&profile).unwrap();
    let sync = profile.measured.policy().unwrap();
    let share = |workers: u32| {
        let servers = (f64::from(workers) / measured.workers_per_server).ceil() as usize;
        let speed = profile.speed(workers as usize, servers, Placement::OneMachine, sync).unwrap().value;
        speed * measured.inside_seconds_per_sample / f64::from(workers)
    };
    let (most, traced) = (measured.most_workers, profile.measured.workers as u32);
    assert!(share(most) >= 0.8, "{most}: {}", share(most));
    if most < 8 * traced {
        assert!(share(2 * most) < 0.8, "{most}: {}", share(2 * most));
    }
}

#[test]
fn a_trained_run_is_planned() {
    let profile = trained("live-2-bsp-1.parquet");
    let jobs = read("plan", &profile, "jobs.json", JSON).unwrap();
    let cluster = Cluster::uniform(2, Resources::new(4.0, 16.0, 0.0, 0.0)).unwrap();
    cluster.admits(&jobs[0]).unwrap();
    // So long that it takes two workers on one machine four slots.
    let slot = jobs[0].workload * jobs[0].internal_cost() / 2.0 / 4.0;
    let grid = SlotGrid::paper(slot, 8);
    let range = PriceRange::estimate(&jobs, cluster.total(), &grid, Roles::Pooled);
    let ledger = Ledger::new(&cluster, grid, PriceFunction::new(range));
    let options = PlannerOptions::default();
    let plan = Search::new(&cluster, &ledger, &options).best(&jobs[0], jobs[0].workload, 0).unwrap();
    assert!(plan.payoff() > 0.0 && plan.completion <= 8);
    let samples: f64 = plan.slots.iter().map(|(_, placement)| cluster.rate(&jobs[0], placement) * slot).sum();
    assert!(samples >= jobs[0].workload * (1.0 - 1e-9), "{samples} of {}", jobs[0].workload);
    assert!(plan.slots.iter().all(|(_, placement)| placement.workers() <= jobs[0].workers.max));
}

#[test]
fn a_table_names_profiles_too_and_what_it_gives_wins() {
    let profile = trained("live-2-bsp-1.parquet");
    let table = "profile,epochs,worker_gpu,worker_cpu,server_cpu,max_workers,workload,batch,seconds_per_sample\n\
                 run.json,10,1,2,2,,,,\n,,1,2,2,3,5000,64,0.5\nrun.json,,1,2,2,2,700,,\n";
    let jobs = read("table", &profile, "jobs.csv", table).unwrap();
    let loose = read("loose", &profile, "jobs.json", &JSON.replace("1000", "10")).unwrap();
    assert_eq!(
        (jobs[0].workload, jobs[0].seconds_per_sample),
        (loose[0].workload, loose[0].seconds_per_sample)
    );
    assert_eq!((jobs[1].batch, jobs[1].seconds_per_sample, jobs[1].workers.max), (64, 0.5, 3));
    assert_eq!((jobs[2].workload, jobs[2].workers.max), (700.0, 2));
}

#[test]
fn what_is_no_profile_is_named() {
    let profile = trained("live-2-bsp-1.parquet");
    let error = read("missing", &profile, "jobs.json", &JSON.replace("run.json", "none.json")).unwrap_err();
    assert!(error.contains("none.json") && error.contains("reading a job profile"), "{error}");
    let error = read("wrong", &profile, "jobs.json", &JSON.replace("run.json", "jobs.json")).unwrap_err();
    assert!(error.contains("jobs.json") && error.contains("--profile"), "{error}");
    let error = read("epochs", &profile, "jobs.json", &JSON.replace("1000", "\"many\"")).unwrap_err();
    assert!(error.contains("epochs is \"many\"; it is a number"), "{error}");
    let both = JSON.replace("\"epochs\": 1000", "\"epochs\": 1000, \"workload\": 5");
    let error = read("both", &profile, "jobs.json", &both).unwrap_err();
    assert!(error.contains("entry 1") && error.contains("`workload` is given too"), "{error}");
    let slow = JSON.replace("\"epochs\": 1000", "\"epochs\": 1000, \"internal_gbps\": 1e-5");
    let error = read("slow", &profile, "jobs.json", &slow).unwrap_err();
    assert!(error.contains("internal_gbps is 0.00001; the measured run's link was faster"), "{error}");
    let second = JSON.replace("}]", "}, {\"workload\": \"much\"}]");
    let error = read("second", &profile, "jobs.json", &second).unwrap_err();
    assert!(error.contains("entry 2 of the list"), "{error}");
}
