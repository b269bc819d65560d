//! `syncline queue` and `syncline predict` as a user meets them.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

use std::process::{Command, Output};

use serde_json::Value;

fn syncline(arguments: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_syncline"))
        .args(arguments.split_whitespace())
        .output()
        .expect("the command runs")
}

fn json(arguments: &str) -> Value {
    let output = syncline(arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("the output is JSON")
}

const FORK_JOIN: &str = "--system fork-join --workers 16 --arrivals exp:0.5 --service exp:1";

#[test]
fn a_bound_says_that_it_is_one() {
    let answer = json(&format!("queue bound {FORK_JOIN} --quantile 1e-6 --json"));
    let best = &answer["answers"][0]["estimates"][0];
    assert_eq!(best["kind"], "upper bound");
    // 1 - (1 - e^(-t/2))^16 = 1e-6
    assert!((best["value"].as_f64().unwrap() - 33.1762).abs() < 1e-3, "{best}");
}

#[test]
fn an_unstable_system_fails_and_says_by_how_much() {
    let output = syncline("queue mean --system split-merge --workers 10 --arrivals exp:0.5 --service exp:1");
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.starts_with("error: unstable") && text.contains("utilisation 1.4645"), "{text}");
}

#[test]
fn wrong_parameters_are_usage_errors() {
    for wrong in [
        "queue mean --system fork-join --workers 0 --arrivals exp:0.5 --service exp:1",
        "queue mean --system fork-join --workers 4 --arrivals exp:-1 --service exp:1",
        "queue mean --system fork-join --workers 4 --arrivals exp:0.5 --service gauss:1,1",
        "queue bound --system fork-join --workers 4 --arrivals exp:0.5 --service exp:1 --quantile 1",
        "queue sweep --system fork-join --workers 4 --service exp:1 --lambda 0.9..0.1:0.1",
        "queue mean --system no-such --workers 4 --arrivals exp:0.5 --service exp:1",
    ] {
        assert_eq!(syncline(wrong).status.code(), Some(2), "{wrong}");
    }
}

#[test]
fn a_simulation_agrees_with_the_exact_mean() {
    let system = "--system single-queue --workers 4 --tasks 2 --arrivals exp:0.9 --service exp:1";
    let exact =
        json(&format!("queue mean {system} --json"))["answers"][0]["estimates"][0]["value"].as_f64().unwrap();
    let simulated = &json(&format!("queue simulate {system} --jobs 100000 --json"))["mean"];
    let off =
        (simulated["value"].as_f64().unwrap() - exact).abs() / simulated["standard_error"].as_f64().unwrap();
    assert!(off < 5.0, "{simulated} {exact}");
}

#[test]
fn a_sweep_ends_where_the_system_does_and_draws_it() {
    let folder = tempfile::tempdir().unwrap();
    let plot = folder.path().join("sweep.svg");
    let sweep = "queue sweep --system split-merge --workers 10 --service exp:1 --arrival-rate 0.1..0.5:0.1 --jobs 20000";
    let output = syncline(&format!("{sweep} --plot {}", plot.display()));
    let text = String::from_utf8_lossy(&output.stdout);
    // 1 / H_10 = 0.341: three rates, by formula and by simulation.
    assert_eq!(text.lines().count(), 1 + 3 + 3, "{text}");
    assert!(std::fs::read_to_string(plot).unwrap().contains("<svg"));
}

#[test]
fn a_sweep_is_written_as_parquet() {
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("sweep.parquet");
    let sweep = "queue sweep --system 1-barrier --workers 4 --tasks 2 --service exp:1 --lambda 0.1..0.3:0.1";
    let output = syncline(&format!("{sweep} --no-simulation --out {}", table.display()));
    assert!(output.status.success() && output.stdout.is_empty());
    let bytes = std::fs::read(table).unwrap();
    assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"));
}

#[test]
fn urgent_jobs_wait_less_on_workers_that_differ_and_fail() {
    let system = "--system single-queue --workers 2 --tasks 1 --arrivals exp:1 --service exp:1 --jobs 40000";
    let options = "--speeds 1,0.8 --priorities 0.3,0.7 --preemption resume --failures 50,2 --loss 0.5";
    let answer = json(&format!("queue simulate {system} {options} --json"));
    let wait = |class: usize| answer["classes"][class]["wait"]["value"].as_f64().unwrap();
    assert!(wait(0) < 0.5 * wait(1), "{answer}");
    for wrong in [
        "queue simulate --system hybrid --workers 2 --arrivals exp:1 --service exp:1 --speeds 1,1",
        "queue simulate --system single-queue --workers 2 --arrivals exp:1 --service exp:1 --speeds 1",
        "queue simulate --system split-merge --workers 2 --arrivals exp:1 --service exp:1 --polling 1",
    ] {
        assert_eq!(syncline(wrong).status.code(), Some(2), "{wrong}");
    }
}

#[test]
fn a_polling_scheduler_costs_time() {
    let system =
        "--system 1-barrier --workers 4 --tasks 2 --arrivals exp:0.8 --service exp:1 --jobs 40000 --json";
    let mean = |options: &str| {
        json(&format!("queue simulate {system} {options}"))["mean"]["value"].as_f64().unwrap()
    };
    assert!(mean("--polling 1") > 1.05 * mean(""));
}

#[test]
fn the_optimal_number_of_tasks() {
    let answer = json(
        "queue optimal-tasks --workers 10 --work 10 --task-overhead 0.0031 --task-departure 7.4e-6 --json",
    );
    assert_eq!(answer["tasks"], 247);
}

#[test]
fn fewer_tasks_than_workers_are_considered() {
    let answer = json("queue optimal-tasks --workers 100 --work 1 --task-departure 1 --json");
    assert_eq!((&answer["tasks"], &answer["makespan"]), (&1.into(), &2.0.into()), "{answer}");
}

#[test]
fn no_option_is_ignored_in_silence() {
    let fork_join = "queue mean --system fork-join --workers 4 --arrivals exp:0.5 --service exp:1";
    for option in
        ["--copies 2", "--stages 3", "--barrier-share 0.5", "--widths 1..4", "--idle-share 0.5", "--tasks 3"]
    {
        let output = syncline(&format!("{fork_join} {option}"));
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{option}: {text}");
        assert!(text.contains(option.split(' ').next().unwrap()), "{option}: {text}");
    }
    let saturated =
        "queue simulate --system fork-join --workers 4 --arrivals exp:0.5 --service exp:1 --saturated";
    assert_eq!(syncline(&format!("{saturated} --quantile 0.01")).status.code(), Some(2));
}

#[test]
fn infinite_moments_are_said_before_they_are_simulated() {
    let simulate =
        "queue simulate --system single-queue --workers 2 --tasks 1 --arrivals exp:0.1 --jobs 2000";
    let mean = syncline(&format!("{simulate} --service pareto:0.9,1"));
    let text = String::from_utf8_lossy(&mean.stderr).into_owned();
    assert!(
        mean.status.code() == Some(1) && text.contains("mean of the task sizes (Pareto) is infinite"),
        "{text}"
    );
    let variance = syncline(&format!("{simulate} --service pareto:1.5,1 --json"));
    let text = String::from_utf8_lossy(&variance.stderr).into_owned();
    assert!(variance.status.success() && text.contains("warning: the variance"), "{text}");
    let answer: Value = serde_json::from_slice(&variance.stdout).unwrap();
    assert_eq!(answer["warnings"].as_array().map(Vec::len), Some(1), "{answer}");
}

#[test]
fn widths_and_shares_of_idle_workers_are_simulated() {
    let simulate = "queue simulate --workers 8 --arrivals exp:0.4 --service exp:1 --jobs 40000 --json";
    let mean =
        |system: &str| json(&format!("{simulate} --system {system}"))["mean"]["value"].as_f64().unwrap();
    assert!(mean("hybrid --widths 1..4") < mean("hybrid --widths 4..8"));
    // One worker after the other does more of a job than all of them at once.
    assert!(mean("take-share --tasks 8 --idle-share 1") < mean("take-share --tasks 8 --idle-share 0.1"));
}

#[test]
fn laws_of_scaling_are_fitted_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("runs.txt");
    std::fs::write(&file, "# workers throughput\n1 100\n2 190\n4 345\n8 570\n16 780\n").unwrap();
    let answer = json(&format!("queue scaling {} --law usl --machines 8,32 --json", file.display()));
    assert!((answer["predictions"][0]["value"].as_f64().unwrap() / 570.0 - 1.0).abs() < 0.02, "{answer}");
    let wrong = syncline(&format!("queue scaling {} --law ernest", file.display()));
    let text = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(wrong.status.code() == Some(1) && text.contains("line 2"), "{text}");
}

/// Of a recorded run, so that what else this machine does at the moment decides nothing.
#[test]
fn a_training_run_predicts_itself_and_another_size() {
    let trace = concat!(env!("CARGO_MANIFEST_DIR"), "/../predict/tests/held_out/exp-4-bsp.parquet");
    let answer = json(&format!("predict {trace} --workers 4,8,64 --sync bsp,asp --json"));
    assert!(answer["run"]["error"].as_f64().unwrap().abs() < 0.1, "{}", answer["run"]);
    let predictions = answer["predictions"].as_array().unwrap();
    let rate = |index: usize| predictions[index]["samples_per_s"][1].as_f64();
    assert!(rate(1) > rate(0), "{predictions:?}");
    assert!(predictions[2]["cannot_tell"].as_str().is_some_and(|why| why.starts_with("cannot tell")));
    assert!(rate(3) > rate(0), "nobody waits under asp: {predictions:?}");
}

#[test]
fn a_training_run_is_asked_for_more_than_sizes() {
    let folder = tempfile::tempdir().unwrap();
    let profile = folder.path().join("job.json");
    let trace = concat!(env!("CARGO_MANIFEST_DIR"), "/../predict/tests/held_out/exp-4-bsp.parquet");
    let asked =
        "--workers 4..4 --sync bsp --servers 1..2:1 --arrival-rate 0.1,99 --job-rounds 50 --json --profile";
    let answer = json(&format!("predict {trace} {asked} {}", profile.display()));
    let rows = answer["predictions"].as_array().unwrap();
    assert_eq!((&rows[0]["servers"], &rows[1]["servers"]), (&1.into(), &2.into()));
    let price = |of: &str| {
        let prices = answer["prices"].as_array().unwrap();
        prices.iter().find(|price| price["of"] == of).unwrap()["share"].as_f64().unwrap()
    };
    assert!((0.45..0.6).contains(&price("gate")), "1 - 1 / H_4 is 0.52: {}", answer["prices"]);
    assert!(price("update") < 0.01, "{}", answer["prices"]);
    assert_eq!(answer["backups"]["list"].as_array().unwrap().len(), 3);
    let cluster = &answer["stream"]["clusters"][0];
    let largest = cluster["largest_jobs_per_s"][1].as_f64().unwrap();
    assert!((0.4..0.6).contains(&largest), "50 rounds of 20 ms times H_4 are 2.1 s: {cluster}");
    let rates = &cluster["rates"];
    assert!(
        rates[0]["tail_s"].is_array() && rates[1]["tail_s"].is_null(),
        "99 a second are too many: {rates}"
    );
    let profile: Value = serde_json::from_str(&std::fs::read_to_string(profile).unwrap()).unwrap();
    assert_eq!(profile["format"], "syncline-job-profile/1");
    assert_eq!(profile["measured"]["injected"], "delays");
    let late = folder.path().join("late.json");
    for (wrong, why) in [
        ("--workers 0", "from 1 on"),
        ("--workers 1..1000000", "up to 1000"),
        ("--workers 2,16..4", "runs backwards"),
        ("--sync ssp:4..1", "runs backwards"),
        ("--sync ssp:0..4294967295", "more than 1000"),
        ("--workers 1..1000 --servers 1..1000", "ask for fewer"),
        ("--every often", "batches:N"),
        ("--lambda 1", "--job-rounds"),
        ("--lambda 0 --job-rounds 5", "rates above 0"),
    ] {
        let output = syncline(&format!("predict {trace} {wrong} --profile {}", late.display()));
        assert_eq!(output.status.code(), Some(2), "{wrong}");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.contains(why), "{wrong}: {text}");
        assert!(!late.exists(), "{wrong}: nothing is written for a question that cannot be");
    }
}

#[test]
fn a_spark_log_predicts_itself_and_other_sizes() {
    let log = concat!(env!("CARGO_MANIFEST_DIR"), "/../predict/tests/held_out/scaling_n2.json.zst");
    let folder = tempfile::tempdir().unwrap();
    let plot = folder.path().join("cores.svg");
    let answer = json(&format!(
        "predict {log} --slots 2,4,17 --partitions 16,64 --depth 2 --with-barrier --plot {} --json",
        plot.display()
    ));
    assert!(answer["run"]["error"].as_f64().unwrap().abs() < 0.01, "{}", answer["run"]);
    assert!(answer["run"]["sparklens_error"].as_f64().unwrap() < -0.1, "{}", answer["run"]);
    let sizes = answer["sizes"].as_array().unwrap();
    let job_s = |index: usize| sizes[index]["job_s"][1].as_f64().unwrap();
    assert!(job_s(1) < 0.6 * job_s(0) && job_s(1) > 0.5 * job_s(0), "{sizes:?}");
    let cannot_tell =
        |value: &Value| value["cannot_tell"].as_str().is_some_and(|why| why.starts_with("cannot tell"));
    assert!(cannot_tell(&sizes[2]), "{sizes:?}");
    assert!(cannot_tell(&answer["synchronisation"]["with_barrier"]));
    assert!(cannot_tell(&answer["granularity"]["trees"][0]));
    assert_eq!(answer["granularity"]["partitions"]["points"].as_array().unwrap().len(), 2);
    assert_eq!(answer["streams"].as_array().unwrap().len(), 2);
    assert!(std::fs::read_to_string(plot).unwrap().contains("seconds in jobs"));
    for (wrong, why) in [
        ("--cores 4..2", "runs backwards"),
        ("--machine-cores 0", "must be positive"),
        ("--machine-cores 1e-308", "must be positive"),
        ("--pressure 0.5", "1 on an idle machine"),
        ("--tail 2", "between 0 and 1"),
        ("--pressure 1e308", "up to a million"),
        ("--lambda 0", "rates above 0"),
        ("--workers 4", "Spark"),
        ("--sync bsp", "Spark"),
    ] {
        let late = folder.path().join("late.svg");
        let output = syncline(&format!("predict {log} {wrong} --plot {}", late.display()));
        assert_eq!(output.status.code(), Some(2), "{wrong}");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.contains(why), "{wrong}: {text}");
        assert!(!late.exists(), "{wrong}: nothing is written for a question that cannot be");
    }
}

#[test]
fn the_plot_does_not_replace_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log.json.zst");
    let original = concat!(env!("CARGO_MANIFEST_DIR"), "/../predict/tests/held_out/scaling_n2.json.zst");
    std::fs::copy(original, &log).unwrap();
    let output = syncline(&format!("predict {} --plot {}", log.display(), log.display()));
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(std::fs::read(log).unwrap(), std::fs::read(original).unwrap());
}

#[test]
fn a_file_that_is_no_run_is_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let output = syncline(&format!("predict {}", file.path().display()));
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("error: "));
}
