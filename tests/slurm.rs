//! Programs on Slurm.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(clippy::disallowed_methods, reason = "tests measure from outside")]

#[path = "slurm/cluster.rs"]
mod cluster;
#[path = "support/programs.rs"]
mod programs;
mod support;

use std::{
    fs,
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use serde_json::Value;

use self::cluster::Cluster;
use support::{csv, farm::apart, run, stderr, wait_for, wait_within, write};

/// What comes of a program of a test of its own that runs on the cluster.
fn outcome(cluster: &Cluster, program: &str, on: &str) -> Value {
    let mut command = programs::program(program, on);
    programs::outcome(&command.env("SLURM_CONF", cluster.at("slurm.conf")).output().unwrap())
}

/// A command that does not outlive its test.
struct Held(Option<Child>);

impl Held {
    fn start(mut command: Command) -> Held {
        Held(Some(command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()))
    }

    /// Its errors go to the file at `path`.
    fn start_telling(mut command: Command, path: &str) -> Held {
        let errors = fs::File::create(path).unwrap();
        Held(Some(command.stdout(Stdio::null()).stderr(errors).spawn().unwrap()))
    }

    fn finish(mut self) -> Output {
        self.0.take().unwrap().wait_with_output().unwrap()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn succeeded(output: &Output) -> String {
    let message = stderr(output);
    assert!(output.status.success(), "{message}");
    message
}

const TRAIN: &str = "train --quiet --workers 4 --servers 2 --epochs 2";
const LONG: &str = "train --workers 4 --servers 2 --epochs 1000 --inject all:5ms";

#[test]
fn a_model_is_the_same_on_slurm_as_on_threads_submitted_or_within_a_job() {
    let Some(cluster) = Cluster::start() else { return };
    succeeded(&run(&format!("{TRAIN} --save {}", cluster.at("threads.safetensors"))));
    let here = fs::read(cluster.at("threads.safetensors")).unwrap();

    let told = cluster.syncline(&format!("{TRAIN} --on slurm:partition=all --dry-run")).output().unwrap();
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(told.contains("#   salloc --job-name=train --no-kill --ntasks=6 --partition=all\n"), "{told}");
    assert!(told.contains("#   srun --overlap ") && told.contains("--job-name=worker/0"), "{told}");

    let submitted =
        cluster.syncline(&format!("{TRAIN} --on slurm:partition=all --save {}", cluster.at("a.safetensors")));
    let said = succeeded(&{ submitted }.output().unwrap());
    assert!(said.contains("Slurm gave job") && said.contains("n[1-2]"), "{said}");
    assert_eq!(fs::read(cluster.at("a.safetensors")).unwrap(), here);
    cluster.assert_empty();

    let binary = env!("CARGO_BIN_EXE_syncline");
    let within = |more: &str| {
        let mut within = cluster.slurm("salloc");
        within.args(["--ntasks=6", "-Q", binary]).args(TRAIN.split(' ')).args(["--on", "slurm"]);
        within.args(more.split(' ')).output().unwrap()
    };
    let told = within("--dry-run");
    succeeded(&told);
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(told.contains("# n1, 4 of 4 slots: server/0, server/1, worker/0, worker/1\n"), "{told}");
    assert!(told.contains("# n2, 2 of "), "{told}");
    let mut few = cluster.slurm("salloc");
    few.args(["--ntasks=3", "-Q", binary]).args(TRAIN.split(' ')).args(["--on", "slurm"]);
    let few = few.output().unwrap();
    let message = stderr(&few);
    assert_eq!(few.status.code(), Some(1), "{message}");
    assert!(message.contains("6 nodes want 6 slots and the hosts offer 3 (n1 3)"), "{message}");
    succeeded(&within(&format!("--save {}", cluster.at("b.safetensors"))));
    assert_eq!(fs::read(cluster.at("b.safetensors")).unwrap(), here);
    cluster.assert_empty();
}

#[test]
fn workers_on_nodes_without_the_file_are_lent_their_rows_or_it_is_said_why_not() {
    let Some(cluster) = Cluster::start() else { return };
    let data = csv(cluster.folder(), 600);
    let (here, lent) = (cluster.at("here.safetensors"), cluster.at("lent.safetensors"));
    let train = "train --quiet --workers 3 --epochs 2";
    succeeded(&run(&format!("{train} {} --save {here}", data.display())));
    let private = cluster.folder().join("private");
    let lending = |more: &str| {
        let inner = cluster.syncline(&format!("{train} mine.csv --on slurm {more}"));
        Some(apart(&private, "mine.csv", &data, &inner)?.output().unwrap())
    };
    let Some(output) = lending(&format!("--save {lent}")) else { return };
    succeeded(&output);
    assert_eq!(fs::read(lent).unwrap(), fs::read(here).unwrap());
    for needs_all in ["--partition weight:measured", "--model logistic --code mds:2"] {
        let output = lending(needs_all).unwrap();
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{message}");
        let folded = message.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(folded.contains("this host has no mine.csv like the launcher's"), "{message}");
    }
    cluster.assert_empty();
}

#[test]
fn what_slurm_refuses_and_what_it_ends_is_told() {
    let Some(cluster) = Cluster::start() else { return };
    let refused = cluster.syncline(&format!("{TRAIN} --on slurm:partition=nowhere")).output().unwrap();
    let message = stderr(&refused);
    assert_eq!(refused.status.code(), Some(1), "{message}");
    assert!(message.contains("Slurm gave no room") && message.contains("nvalid partition"), "{message}");

    let is_checkpoint = |entry: fs::DirEntry| entry.file_name().to_string_lossy().starts_with("round-");
    let begun = |name: &str| {
        let checkpoints = cluster.at(name);
        let long = format!("{LONG} --checkpoint {checkpoints} --checkpoint-every rounds:20 --on slurm");
        let running = Held::start(cluster.syncline(&long));
        let job = cluster.running();
        wait_for("a checkpoint", || {
            fs::read_dir(&checkpoints).ok()?.flatten().any(is_checkpoint).then_some(())
        });
        (running, job)
    };
    // A job that is cancelled is asked to end first, and leaves a checkpoint.
    let (running, job) = begun("cancelled");
    assert!(cluster.slurm("scancel").arg(job).status().unwrap().success());
    let output = running.finish();
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(143), "{message}");
    assert!(message.contains("the cancelling of its job: asked to come to an end"), "{message}");
    assert!(message.contains("the run goes on from round"), "{message}");
    cluster.assert_empty();

    // Where a node is set down srun ends with success, as if what ran there had.
    let (running, _) = begun("set-down");
    cluster.set_down("n1");
    let output = running.finish();
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(
        message.contains("was lost: its host") && message.contains("the run goes on from round"),
        "{message}"
    );
    cluster.assert_empty();
}

#[test]
fn before_its_time_limit_a_run_ends_with_a_checkpoint_from_which_another_goes_on() {
    let Some(cluster) = Cluster::start() else { return };
    let whole = "train --quiet --workers 2 --epochs 12 --inject all:2ms";
    let at = |name: &str| cluster.at(name);
    succeeded(&run(&format!("{whole} --save {}", at("whole.safetensors"))));
    let (checkpoints, saved) = (at("limited"), at("limited.safetensors"));
    // Slurm counts in minutes: all but the first seconds are kept for the end.
    let limited = format!("{whole} --checkpoint {checkpoints} --on slurm:time=1,notice=57");
    let output = cluster.syncline(&limited).output().unwrap();
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(75), "{message}");
    assert!(message.contains("the time limit: asked to come to an end"), "{message}");
    let resumed = format!("{whole} --resume {checkpoints} --save {saved} --on slurm");
    succeeded(&cluster.syncline(&resumed).output().unwrap());
    assert_eq!(fs::read(saved).unwrap(), fs::read(at("whole.safetensors")).unwrap());
    cluster.assert_empty();
}

#[test]
fn nodes_of_a_lost_host_go_on_at_the_others() {
    let Some(cluster) = Cluster::start() else { return };
    let train = "train --quiet --workers 4 --servers 2 --epochs 12 --inject all:5ms";
    succeeded(&run(&format!("{train} --save {}", cluster.at("whole.safetensors"))));
    let saved = cluster.at("left.safetensors");
    let lossy = format!("{train} --on-worker-loss restart --silence 4s --save {saved} --on slurm:nodes=2");
    let running = Held::start(cluster.syncline(&lossy));
    cluster.running();
    let is_worker =
        |(_, words): &(u32, Vec<String>)| words.iter().any(|word| word.starts_with("SYNCLINE_NODE=worker/"));
    wait_for("a worker there", || cluster.processes_of("n2").iter().any(is_worker).then_some(()));
    std::thread::sleep(Duration::from_secs(2));
    cluster.lose("n2");
    let message = succeeded(&running.finish());
    assert!(message.contains("is started again"), "{message}");
    assert_eq!(fs::read(saved).unwrap(), fs::read(cluster.at("whole.safetensors")).unwrap(), "{message}");
    cluster.assert_empty();
}

#[test]
fn two_programs_share_a_cluster_and_one_that_finds_no_room_waits_and_says_why() {
    let Some(cluster) = Cluster::start() else { return };
    let first = Held::start(cluster.syncline(&format!("{LONG} --on slurm:exclusive,nodes=2")));
    let job = cluster.running();
    let second = cluster.syncline(&format!("{TRAIN} --on slurm"));
    let said = cluster.at("said");
    let mut second =
        { second }.stdout(Stdio::null()).stderr(fs::File::create(&said).unwrap()).spawn().unwrap();
    let said = || fs::read_to_string(&said).unwrap();
    wait_for("the reason", || said().contains("waits in Slurm's queue: ").then_some(()));
    assert!(cluster.slurm("scancel").arg(job).status().unwrap().success());
    assert!(second.wait().unwrap().success(), "{}", said());
    assert!(!first.finish().status.success());
    let both =
        [0, 1].map(|_| Held::start(cluster.syncline("train --quiet --workers 2 --epochs 2 --on slurm")));
    both.into_iter().for_each(|program| drop(succeeded(&program.finish())));
    cluster.assert_empty();
    // Who asks for more than there is waits in vain, and takes its place in the queue along.
    let vain = cluster.syncline("train --quiet --workers 9 --epochs 2 --on slurm");
    let said = cluster.at("vain");
    let vain = Held::start_telling(vain, &said);
    let said = || fs::read_to_string(&said).unwrap();
    wait_for("the reason", || said().contains("more than the partition has").then_some(()));
    assert!(!cluster.jobs().is_empty());
    drop(vain);
    cluster.assert_empty();
}

#[test]
#[ignore = "another test launches it on its cluster"]
fn colocated_program() {
    programs::colocated();
}

#[test]
#[ignore = "another test launches it on its cluster"]
fn unlike_program() {
    programs::unlike();
}

#[test]
fn groups_share_a_process_on_a_node() {
    let Some(cluster) = Cluster::start() else { return };
    let outcome = outcome(&cluster, "colocated_program", "slurm");
    let bytes = |node: &str| outcome[node][1].as_u64().unwrap();
    assert_eq!((&outcome["sum"], &outcome["near_calls"][0], bytes("near_calls")), (&12.into(), &4.into(), 0));
    assert!(bytes("far_calls") > 0 && outcome["near"] != outcome["far"], "{outcome}");
    cluster.assert_empty();
}

#[test]
fn groups_that_ask_for_unlike_things_get_them_and_each_node_devices_of_its_own() {
    let Some(cluster) = Cluster::start() else { return };
    for on in ["slurm", "slurm:hetjob"] {
        let outcome = outcome(&cluster, "unlike_program", on);
        let seen =
            |node: &Value| (node[0].as_str().unwrap().to_owned(), node[2].as_str().unwrap().to_owned());
        let mut trainers: Vec<_> = outcome["trainers"].as_array().unwrap().iter().map(seen).collect();
        trainers.sort();
        trainers.dedup();
        let is_one_of_two = |(_, device): &(String, String)| ["0", "1"].contains(&device.as_str());
        assert!(trainers.len() == 2 && trainers.iter().all(is_one_of_two), "{on}: {outcome}");
        if on.ends_with("hetjob") {
            // A part of the job has no devices, and the other one as many as its nodes.
            let (host, device) = seen(&outcome["plain"][0]);
            assert_eq!(device, "", "{outcome}");
            assert!(trainers.iter().all(|(its, _)| *its != host), "{outcome}");
        }
        cluster.assert_empty();
    }
}

#[test]
fn jobs_of_an_array_have_a_run_each_and_a_heterogeneous_job_is_one_place() {
    let Some(cluster) = Cluster::start() else { return };
    let (binary, at) = (env!("CARGO_BIN_EXE_syncline"), |name: &str| cluster.at(name));
    let train = "train --quiet --workers 2 --servers 1 --epochs 2";
    let script = format!(
        "#!/bin/sh\n#SBATCH --array=1-2 --ntasks=3 --output={}\n\
         {binary} {train} --seed $SLURM_ARRAY_TASK_ID --run-dir {}/$SLURM_ARRAY_TASK_ID --on slurm\n",
        at("said.%a"),
        at("array")
    );
    let script = write(cluster.folder(), "array.sh", &script);
    assert!(cluster.slurm("sbatch").arg(script).stdout(Stdio::null()).status().unwrap().success());
    let saved = |seed: u32| fs::read(at(&format!("array/{seed}/model.safetensors"))).ok();
    wait_within(Duration::from_secs(90), "both runs", || saved(1).and(saved(2)));
    cluster.assert_empty();
    for seed in [1, 2] {
        succeeded(&run(&format!("{train} --seed {seed} --save {}", at("here.safetensors"))));
        assert_eq!(saved(seed), Some(fs::read(at("here.safetensors")).unwrap()), "seed {seed}");
    }

    // Of two parts with hosts of their own.
    let mut mixed = cluster.slurm("salloc");
    mixed.args(["-Q", "--ntasks=1", "--nodelist=n1", ":", "--ntasks=2", "--nodelist=n2", binary]);
    mixed.args(train.split(' ')).args(["--seed", "2", "--save", &at("mixed.safetensors"), "--on", "slurm"]);
    succeeded(&mixed.output().unwrap());
    assert_eq!(fs::read(at("mixed.safetensors")).ok(), saved(2));
    cluster.assert_empty();

    let refused = cluster.syncline(&format!("{train} --on slurm:array=1-2")).output().unwrap();
    assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
    assert!(stderr(&refused).contains("SLURM_ARRAY_TASK_ID"), "{}", stderr(&refused));
}

#[test]
fn a_run_that_is_left_to_slurm_takes_as_many_turns_as_it_needs() {
    let Some(cluster) = Cluster::start() else { return };
    let train = "train --quiet --workers 2 --epochs 10";
    succeeded(&run(&format!("{train} --save {}", cluster.at("whole.safetensors"))));
    // What is injected takes longer than two turns of twelve seconds, on any machine.
    let folder = cluster.at("turns");
    let left = format!("{train} --inject all:9ms --run-dir {folder} --detach --on slurm:time=1,notice=48");
    let script = cluster.syncline(&format!("{left} --dry-run")).output().unwrap();
    let script = String::from_utf8(script.stdout).unwrap();
    assert!(script.starts_with("#!/bin/sh") && script.contains("#SBATCH --ntasks=3"), "{script}");
    succeeded(&cluster.syncline(&left).output().unwrap());
    let attached = Held::start(cluster.syncline(&format!("attach {folder}")));
    let turns = || {
        let said = fs::read_to_string(Path::new(&folder).join("output")).unwrap_or_default();
        said.matches("the time limit: asked to come to an end").count()
    };
    let (mut begun_anew, mut rests) = (0, 0);
    // Only a run that hangs takes so long.
    wait_within(Duration::from_secs(600), "the run's end", || {
        let jobs = cluster.jobs();
        let is_left = ["n1", "n2"].iter().all(|node| cluster.processes_of(node).is_empty());
        let waits = jobs.iter().find(|job| job.ends_with("PENDING"));
        // The end of the last turn, by its script, is told to the controller after the job is back in the queue: of a turn that had
        // begun by then it would be taken for the end.
        rests = if is_left && waits.is_some() { rests + 1 } else { 0 };
        if let Some(job) = waits.filter(|_| rests > 10 && turns() > begun_anew) {
            (begun_anew, rests) = (turns(), 0);
            let update = |what: &str| {
                let job = format!("JobId={}", job.split(' ').next().unwrap());
                cluster.slurm("scontrol").args(["update", &job, what]).status().unwrap()
            };
            // However slow the machine is, the third turn is the last.
            assert!(begun_anew < 2 || update("TimeLimit=60").success());
            // Slurm waits for two minutes before it starts a job anew.
            assert!(update("StartTime=now").success());
        }
        std::thread::sleep(Duration::from_millis(300));
        jobs.is_empty().then_some(())
    });
    let end = attached.finish();
    let said = fs::read_to_string(Path::new(&folder).join("output")).unwrap();
    assert!(end.status.success(), "{}\n{said}", stderr(&end));
    assert_eq!(turns(), 2, "{said}");
    let model = fs::read(Path::new(&folder).join("model.safetensors")).unwrap();
    assert_eq!(model, fs::read(cluster.at("whole.safetensors")).unwrap());
}

#[test]
fn a_launcher_that_is_killed_gives_its_room_back() {
    let Some(cluster) = Cluster::start() else { return };
    let mut running = cluster
        .syncline(&format!("{LONG} --on slurm"))
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    cluster.running();
    std::thread::sleep(Duration::from_secs(3));
    running.kill().unwrap();
    running.wait().unwrap();
    cluster.assert_empty();
    let left = || ["n1", "n2"].map(|node| cluster.processes_of(node).len()).iter().sum::<usize>();
    wait_for("the nodes' end", || (left() == 0).then_some(()));
}

/// A command of a scheduler whose folder is in this cluster's.
fn schedule(cluster: &Cluster, arguments: &str) -> Command {
    let state = cluster.at("scheduler");
    let mut command = cluster.syncline(&format!("schedule {arguments} --state {state}"));
    command.current_dir(cluster.folder());
    command
}

/// What `status` says of a job.
fn said(cluster: &Cluster, job: &str) -> String {
    String::from_utf8_lossy(&schedule(cluster, &format!("status {job}")).output().unwrap().stdout)
        .into_owned()
}

/// A job of the scheduler once it is in a state.
fn in_state(cluster: &Cluster, name: &str, state: &str) -> Value {
    wait_for(state, || {
        let output = schedule(cluster, &format!("status {name} --json")).output().unwrap();
        let job: Value = serde_json::from_slice(&output.stdout).unwrap();
        (job["state"] == state).then_some(job)
    })
}

const SERVE: &str = "serve --listen 127.0.0.1:0 --policy fifo --cluster share.toml";

/// Writes down a share of six cores and two devices for the scheduler.
fn share(cluster: &Cluster, on: &str, more: &str) {
    let machine = format!("[[machines]]\nname = 'share'\nlabels = {{ on = '{on}' }}\n");
    write(cluster.folder(), "share.toml", &(machine + "capacity = { cpu = 6, gpu = 2 }\n" + more));
}

#[test]
fn a_share_that_is_no_engines_or_not_the_only_machine_is_refused() {
    let Some(cluster) = Cluster::start() else { return };
    for (on, more, why) in [
        ("slurm:ntasks=3", "", "`ntasks` is set by the program itself"),
        ("sim", "", "it names an engine"),
        ("slurm", "[[machines]]\ncapacity = { cpu = 1 }\n", "the only one of its cluster"),
    ] {
        share(&cluster, on, more);
        let output = schedule(&cluster, SERVE).output().unwrap();
        assert!(output.status.code() == Some(2) && stderr(&output).contains(why), "{}", stderr(&output));
    }
}

#[test]
fn room_may_be_asked_for_only_those_who_are_there_from_the_start() {
    for (on, tasks) in [("slurm", "--ntasks=5"), ("slurm:present", "--ntasks=3")] {
        let arguments = format!("train --workers 4 --servers 1 --elastic 2 --dry-run --on {on}");
        let output = support::command(&arguments).env_remove("SLURM_JOB_ID").output().unwrap();
        assert!(String::from_utf8_lossy(&output.stdout).contains(tasks), "{}", stderr(&output));
    }
}

#[test]
fn what_is_lost_with_its_node_in_a_share_of_slurm_is_begun_again_and_has_not_failed() {
    let Some(cluster) = Cluster::start() else { return };
    share(&cluster, "slurm", "");
    let daemon = Held::start_telling(schedule(&cluster, SERVE), &cluster.at("daemon"));
    wait_for("the daemon", || Path::new(&cluster.at("scheduler/address")).exists().then_some(()));

    let go = cluster.at("go");
    let train = "workers = 2\nepochs = 14\ninject = ['all:5ms']\ncheckpoint_every = 'rounds:5'\n";
    write(cluster.folder(), "learns.toml", train);
    let jobs = format!(
        "[[jobs]]\nname = 'stays'\nseconds = 1\n\
         command = ['sh', '-c', 'echo is there; while ! test -e {go}; do sleep 0.1; done']\n\
         [[jobs]]\nname = 'learns'\ntrain = 'learns.toml'\n"
    );
    write(cluster.folder(), "jobs.toml", &jobs);
    succeeded(&schedule(&cluster, "submit jobs.toml").output().unwrap());
    wait_for("the command", || said(&cluster, "stays").contains("is there").then_some(()));
    wait_for("a checkpoint", || said(&cluster, "learns").contains("epoch").then_some(()));

    // Their srun ends with success, as if they had.
    cluster.set_down("n1");
    let again = |job: &Value| job["attempts"] == 2;
    wait_within(Duration::from_secs(120), "the command again", || {
        std::thread::sleep(Duration::from_millis(200));
        Some(in_state(&cluster, "stays", "running")).filter(again)
    });
    write(cluster.folder(), "go", "");
    for name in ["stays", "learns"] {
        let job = in_state(&cluster, name, "done");
        assert!(again(&job), "{job}");
    }
    cluster.assert_empty();
    drop(daemon);
}

#[test]
fn the_scheduler_runs_jobs_in_its_share_of_slurm() {
    let Some(cluster) = Cluster::start() else { return };
    share(&cluster, "slurm:time=10", "");
    let daemon = Held::start_telling(schedule(&cluster, SERVE), &cluster.at("daemon"));
    wait_for("the daemon", || Path::new(&cluster.at("scheduler/address")).exists().then_some(()));

    write(cluster.folder(), "learns.toml", "workers = 2\nepochs = 2\n");
    let jobs = "[[jobs]]\nname = 'says'\nseconds = 1\nworker = { cpu = 3, gpu = 1 }\n\
         command = ['sh', '-c', 'echo node $SLURMD_NODENAME cores $SLURM_CPUS_PER_TASK devices $CUDA_VISIBLE_DEVICES; exit 3']\n\
         [[jobs]]\nname = 'takes'\nseconds = 1\ncommand = ['echo', 'on', '{on}']\n\
         [[jobs]]\nname = 'learns'\ntrain = 'learns.toml'\n\
         [[jobs]]\nname = 'stops'\nresume = true\ncommand = ['sh', '-c', 'trap \"exit 0\" TERM; sleep 100 & wait']\n";
    write(cluster.folder(), "jobs.toml", jobs);
    succeeded(&schedule(&cluster, "submit jobs.toml").output().unwrap());

    let says = in_state(&cluster, "says", "failed");
    let told = said(&cluster, "says");
    assert!(told.contains("node n") && told.contains("cores 3 devices 0"), "{told}");
    assert!(says["why"].as_str().unwrap().contains("exit code 3"), "{says}");
    in_state(&cluster, "takes", "done");
    assert!(said(&cluster, "takes").contains("on slurm:time=10"), "{}", said(&cluster, "takes"));
    in_state(&cluster, "learns", "done");
    cluster.running();
    succeeded(&schedule(&cluster, "cancel stops").output().unwrap());
    in_state(&cluster, "stops", "cancelled");
    cluster.assert_empty();
    drop(daemon);
}
