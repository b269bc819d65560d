//! `syncline federate`: clients from files, columns and deals, and what a run of them tells.
#![allow(clippy::unwrap_used, reason = "a failing helper fails the test")]

mod support;

use std::{fmt::Write as _, path::Path};

use serde_json::Value;
use support::{csv, fails, json, run, stderr, write};

/// Rows of two classes, those of each ward along a line of its own.
fn ward(ward: usize, rows: usize) -> String {
    let mut text = String::new();
    for row in 0..rows {
        let x = ((row * 31 + ward * 7) as f64 * 0.7).sin() * 3.0;
        let y = ((row * 17 + ward * 5) as f64 * 1.3).cos() * 2.0;
        let kind = if x + y * (1.0 + ward as f64 / 4.0) > 0.0 { "ill" } else { "well" };
        writeln!(text, "{x:.4},{y:.4},{kind}").unwrap();
    }
    text
}

/// A file for each of so many wards.
fn wards(folder: &Path, count: usize) {
    for at in 0..count {
        write(folder, &format!("ward-{at}.csv"), &format!("pulse,heat,state\n{}", ward(at, 40 + 10 * at)));
    }
}

fn number(report: &Value, key: &str) -> f64 {
    report.pointer(key).and_then(Value::as_f64).unwrap_or_else(|| panic!("{key} in {report}"))
}

#[test]
fn a_deal_trains_and_the_same_seed_gives_the_same_report() {
    let folder = tempfile::tempdir().unwrap();
    let path = csv(folder.path(), 400);
    let command = format!("federate {} --clients 8 --deal labels:1 --rounds 15 --lr 0.3", path.display());
    let report = json(&command);
    assert_eq!(report["schema"], "syncline.federate/1");
    assert_eq!((report["model"].as_str(), report["strategy"].as_str()), (Some("softmax"), Some("avg")));
    assert_eq!((report["clients"].as_u64(), report["rows"].as_u64()), (Some(8), Some(320)));
    assert_eq!(report["rounds"].as_array().unwrap().len(), 15);
    let (first, last) = (number(&report, "/rounds/0/loss"), number(&report, "/rounds/14/loss"));
    assert!(last < 0.7 * first, "{first} {last}");
    // 8 clients, 15 rounds, 4 bytes each of 2 x 4 parameters.
    assert_eq!(number(&report, "/totals/up_bytes"), 8.0 * 15.0 * 4.0 * 8.0);
    assert_eq!(report, json(&command));
    assert_ne!(report["rounds"], json(&format!("{command} --seed 2"))["rounds"]);
}

#[test]
fn each_file_is_a_client_of_its_name() {
    let folder = tempfile::tempdir().unwrap();
    wards(folder.path(), 4);
    let report = json(&format!(
        "federate {}/ward-*.csv --clients files --rounds 20 --lr 0.3 --validation 0.25",
        folder.path().display()
    ));
    let each = report["each_client"].as_array().unwrap();
    let names: Vec<&str> = each.iter().map(|client| client["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["ward-0", "ward-1", "ward-2", "ward-3"]);
    let rows: Vec<u64> = each.iter().map(|client| client["rows"].as_u64().unwrap()).collect();
    // 40, 50, 60 and 70 rows, a quarter of each held out.
    assert_eq!(rows, [30, 37, 45, 52]);
    assert!(each.iter().all(|client| client["counted"] == 20), "{each:?}");
    assert!(number(&report, "/validation/accuracy") > 0.85, "{report}");
    let worst = each.iter().map(|client| client["accuracy"].as_f64().unwrap()).fold(1.0, f64::min);
    assert_eq!(number(&report, "/fairness/worst"), worst);
}

#[test]
fn a_column_names_the_client_and_is_no_feature() {
    let folder = tempfile::tempdir().unwrap();
    let mut text = "ward,pulse,heat,state\n".to_owned();
    for at in 0..3 {
        ward(at, 30).lines().for_each(|line| writeln!(text, "north {at},{line}").unwrap());
    }
    text.push_str(",0.5,0.5,ill\n");
    let path = write(folder.path(), "visits.csv", &text);
    let command = format!("federate {} --clients column:ward --rounds 5 --validation 0", path.display());
    let report = json(&command);
    assert_eq!(report["clients"], 3);
    assert_eq!(report["each_client"][2]["name"], "north 2");
    assert_eq!(report["each_client"][0]["rows"], 30);
    // Two classes of two features and a bias.
    assert_eq!(report["parameters"], 6);
    assert!(report["notes"].to_string().contains("1 row without a client left out"), "{}", report["notes"]);
    assert_eq!(json(&command.replace("column:ward", "column:1"))["rounds"], report["rounds"]);
}

#[test]
fn a_quorum_does_not_wait_for_the_slow_and_the_report_says_for_whom_others_did() {
    let base = "federate --generate fedprox:1,1 --rounds 10 --select 10 --speeds uniform:1..20 --lr 0.01 --evaluate-every 10";
    let all = json(base);
    let quorum = json(&format!("{base} --quorum 7"));
    assert!(number(&quorum, "/totals/duration_s") < 0.9 * number(&all, "/totals/duration_s"));
    assert_eq!(number(&all, "/totals/late"), 0.0);
    assert!(number(&quorum, "/totals/counted") == 70.0 && number(&quorum, "/totals/late") > 0.0);
    let waited = all["waited_for"].as_array().unwrap();
    let sum: f64 = waited.iter().map(|one| one["client_seconds"].as_f64().unwrap()).sum();
    assert!((sum - number(&all, "/totals/waited_client_seconds")).abs() < 1e-6 * sum.max(1.0));
    let text = String::from_utf8(run(base).stdout).unwrap();
    for part in ["Who waited for whom", "worst off", "30 clients", "from them"] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn fewer_bytes_go_up_with_compression() {
    let base = "federate --clients 10 --rounds 3 --evaluate-every 3";
    let up = |how: &str| number(&json(&format!("{base} {how}")), "/totals/up_bytes");
    assert_eq!(up(""), 2.0 * up("--compress bf16"));
    assert_eq!(up("--strategy scaffold"), 2.0 * up(""));
    assert!(up("--compress topk:0.01") < 0.05 * up(""));
}

#[test]
fn privacy_stays_below_the_epsilon_that_was_asked_for() {
    let report = json(
        "federate --clients 200 --select poisson:0.1 --rounds 10 --dp-epsilon 3 --dp-delta 1e-6 --dp-clip 0.5 --evaluate-every 10",
    );
    let epsilon = number(&report, "/privacy/epsilon");
    assert!(epsilon <= 3.0 && epsilon > 2.99, "{epsilon}");
    assert_eq!(number(&report, "/rounds/9/epsilon"), epsilon);
    assert!(number(&report, "/rounds/4/epsilon") < epsilon);
    let told = json("federate --clients 20 --rounds 2 --dp-noise 1 --reproducible-noise");
    assert!(told["privacy"]["notes"].to_string().contains("there is no privacy"), "{}", told["privacy"]);
}

#[test]
fn a_secure_sum_gives_the_same_model_to_its_precision() {
    let base = "federate --clients 12 --rounds 5 --evaluate-every 5";
    let plain = number(&json(base), "/rounds/4/loss");
    for how in ["--secure-sum all", "--secure-sum 8 --secure-bits 24"] {
        let report = json(&format!("{base} {how}"));
        assert_eq!(report["secure_sum"], true);
        assert!((number(&report, "/rounds/4/loss") - plain).abs() < 1e-3 * plain, "{how}");
    }
}

#[test]
fn liars_move_the_mean_and_not_the_median() {
    let base = "federate --clients 15 --rounds 10 --liars 2:scale:-10 --lr 0.3 --evaluate-every 10";
    let (mean, median) = (json(base), json(&format!("{base} --fold median")));
    assert!(number(&median, "/validation/accuracy") > 0.2 + number(&mean, "/validation/accuracy"));
}

#[test]
fn nobody_waits_without_rounds() {
    for strategy in ["async", "fedbuff --buffer 4"] {
        let report = json(&format!(
            "federate --clients 30 --select 10 --rounds 20 --strategy {strategy} --speeds exp --evaluate-every 20"
        ));
        assert_eq!(number(&report, "/totals/waited_client_seconds"), 0.0, "{strategy}");
        assert!(number(&report, "/rounds/19/staleness") > 0.0, "{strategy}");
    }
}

#[test]
fn without_rounds_a_loss_is_reached_sooner_among_slow_devices() {
    let folder = tempfile::tempdir().unwrap();
    let (plot, table) = (folder.path().join("f5.svg"), folder.path().join("f5.csv"));
    let outcome =
        json(&format!("experiment f5 --seeds 1 --plot {} --out {}", plot.display(), table.display()));
    assert!(outcome["rules"].as_array().unwrap().iter().all(|rule| rule["holds"] == true), "{outcome}");
    assert!(std::fs::read_to_string(plot).unwrap().contains("FedBuff"));
    assert_eq!(std::fs::read_to_string(table).unwrap().lines().count(), 7);
}

#[test]
fn what_is_saved_judges_as_the_report_says_and_the_trace_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let path = csv(folder.path(), 300).display().to_string();
    let held_out = write(folder.path(), "other.csv", &std::fs::read_to_string(&path).unwrap());
    let report = json(&format!(
        "federate {path} --clients 5 --rounds 8 --speeds uniform:1..4 --validation {} --save {} --trace {} --plot {}",
        held_out.display(),
        at("m.safetensors"),
        at("run.parquet"),
        at("loss.svg"),
    ));
    let judged = json(&format!("evaluate {} {}", at("m.safetensors"), held_out.display()));
    assert_eq!(number(&judged, "/accuracy"), number(&report, "/validation/accuracy"));
    let trace = run(&format!("trace report {} --no-html", at("run.parquet")));
    let trace =
        if trace.status.success() { trace } else { run(&format!("trace report {}", at("run.parquet"))) };
    assert!(trace.status.success(), "{}", stderr(&trace));
    assert!(std::fs::read_to_string(at("loss.svg")).unwrap().contains("<svg"));
}

#[test]
fn what_makes_no_sense_is_refused_with_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let path = csv(folder.path(), 60);
    let path = path.display();
    for (arguments, code, parts) in [
        ("--strategy fedavg".to_owned(), 2, &["fedavg", "avg, avgm"][..]),
        ("--clients some".to_owned(), 2, &["some", "column:NAME"]),
        ("--deal even".to_owned(), 2, &["even", "dirichlet:ALPHA"]),
        ("--select 2.5".to_owned(), 2, &["2.5", "between 0 and 1"]),
        ("--speeds fast".to_owned(), 2, &["fast", "lognormal:SIGMA"]),
        ("--deadline 0s".to_owned(), 2, &["deadline", "above"]),
        ("--batch 0".to_owned(), 2, &["batch", "from 1 on, or all"]),
        ("--quorum 30".to_owned(), 2, &["quorum", "between 1 and 20"]),
        ("--late next".to_owned(), 2, &["quorum or a deadline"]),
        ("--server-lr 0.1".to_owned(), 2, &["no effect on avg"]),
        ("--dp-clip 2".to_owned(), 2, &["--dp-noise"]),
        ("--dp-noise 1 --dp-epsilon 2".to_owned(), 2, &["cannot be used with"]),
        ("--secure-bits 16".to_owned(), 2, &["--secure-sum"]),
        ("--secure-sum all --fold median".to_owned(), 2, &["hides"]),
        ("--label x".to_owned(), 2, &["name a file"]),
        ("--generate fedprox:1,1 --clients 5".to_owned(), 2, &["rows of their own"]),
        ("--clients files".to_owned(), 2, &["give a number"]),
        (format!("{path} --generate separable"), 2, &["not both"]),
        (format!("{path} --clients 100"), 2, &["100", "48 rows"]),
        (format!("{path} --clients column:ward"), 1, &["ward", "height"]),
        (format!("{path} --clients column:kind"), 1, &["label", "--label"]),
        (format!("{path} --clients files --deal iid"), 2, &["not dealt out"]),
        (format!("{path} --model linear --task classification"), 2, &["--task", "--model"]),
        (format!("{path} --model linear"), 1, &["`cat`"]),
        (format!("{path} --validation 1.5"), 2, &["1.5", "less than 1"]),
        (
            format!("{path} --lr 1e9 --clients 4 --rounds 60 --model mlp:8"),
            1,
            &["no usable answer", "smaller rate"],
        ),
        (format!("{path} --save {path}"), 2, &["named twice"]),
        ("nowhere.csv".to_owned(), 1, &["nowhere.csv", "No such file"]),
        ("--clients 10 --dropout 0.9 --quorum 10".to_owned(), 1, &["rounds in a row failed"]),
    ] {
        fails(&format!("federate {arguments}"), code, parts);
    }
}

/// The bytes of the model that a run saves.
fn saved(folder: &std::path::Path, arguments: &str) -> Vec<u8> {
    let path = folder.join("model.safetensors");
    let output = run(&format!("federate {arguments} --save {}", path.display()));
    assert!(output.status.success(), "{arguments}: {}", stderr(&output));
    std::fs::read(path).unwrap()
}

#[test]
fn on_threads_and_processes_the_model_is_that_of_virtual_time_to_the_bit() {
    let folder = tempfile::tempdir().unwrap();
    for strategy in ["avg", "scaffold"] {
        let asked = format!("--clients 7 --select 5 --rounds 4 --deal dirichlet:0.5 --strategy {strategy}");
        let simulated = saved(folder.path(), &asked);
        for on in ["--on threads --nodes 3", "--on processes"] {
            assert_eq!(saved(folder.path(), &format!("{asked} {on}")), simulated, "{strategy} {on}");
        }
    }
}

#[test]
fn a_secure_sum_of_clients_on_nodes_is_that_of_virtual_time_to_the_bit() {
    let folder = tempfile::tempdir().unwrap();
    for sum in ["all", "4"] {
        let asked = format!("--clients 7 --select 6 --rounds 3 --secure-sum {sum}");
        let simulated = saved(folder.path(), &asked);
        for on in ["--on threads --nodes 7", "--on processes --nodes 3"] {
            assert_eq!(saved(folder.path(), &format!("{asked} {on}")), simulated, "{sum} {on}");
        }
    }
    let told = |on: &str| json(&format!("federate --clients 7 --rounds 2 --secure-sum all --quorum 5 {on}"));
    let (simulated, live) = (told(""), told("--on threads --nodes 7"));
    for key in ["/totals/up_bytes", "/totals/counted"] {
        assert_eq!(number(&simulated, key), number(&live, key), "{key}");
    }
}

#[test]
fn edges_are_nodes_of_a_run_and_give_the_bits_of_virtual_time() {
    let folder = tempfile::tempdir().unwrap();
    for rest in ["", "--secure-sum all", "--fold median"] {
        let asked = format!("--clients 9 --edges 3:2 --rounds 3 {rest}");
        let simulated = saved(folder.path(), &asked);
        for on in ["--on threads", "--on processes"] {
            assert_eq!(saved(folder.path(), &format!("{asked} {on}")), simulated, "{rest} {on}");
        }
    }
    let text = String::from_utf8(run("federate --clients 9 --edges 3:2 --rounds 3").stdout).unwrap();
    assert!(text.contains("3 edges between them and the server"), "{text}");
    fails("federate --edges 3:0", 2, &["rounds of an edge"]);
    fails("federate --edges 30", 2, &["number of edges", "20"]);
    fails("federate --edges 3 --dp-noise 1", 2, &["answers for several"]);
}

#[test]
fn gossip_on_nodes_gives_the_bits_of_virtual_time() {
    let folder = tempfile::tempdir().unwrap();
    for neighbours in ["ring", "torus", "all"] {
        let asked =
            format!("--clients 9 --strategy gossip --neighbours {neighbours} --rounds 4 --deal labels:1");
        let simulated = saved(folder.path(), &asked);
        for on in ["--on threads --nodes 4", "--on processes"] {
            assert_eq!(saved(folder.path(), &format!("{asked} {on}")), simulated, "{neighbours} {on}");
        }
    }
    let trace = folder.path().join("run.parquet");
    let told = run(&format!(
        "federate --clients 9 --strategy gossip --speeds exp --rounds 5 --trace {}",
        trace.display()
    ));
    let text = String::from_utf8(told.stdout).unwrap();
    // Lines end where the page does.
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        text.contains("averages it with its neighbours' (ring)") && text.contains("away from their mean"),
        "{text}"
    );
    assert!(text.contains("Who waited for whom"), "{text}");
    let report = run(&format!("trace report {}", trace.display()));
    assert!(report.status.success(), "{}", stderr(&report));
    fails("federate --strategy gossip --neighbours torus", 2, &["square", "20"]);
    fails("federate --strategy gossip --neighbours star", 2, &["ring, torus and all"]);
    fails("federate --neighbours ring", 2, &["for gossip"]);
    for refused in [
        "--select 3",
        "--quorum 3",
        "--fold median",
        "--secure-sum all",
        "--dp-noise 1",
        "--edges 4",
        "--compress bf16",
    ] {
        fails(&format!("federate --strategy gossip {refused}"), 2, &["under gossip"]);
    }
}

#[test]
fn bytes_are_those_that_travel() {
    let told =
        |rest: &str| number(&json(&format!("federate --clients 6 --rounds 2 {rest}")), "/totals/up_bytes");
    for compression in ["none", "bf16", "topk:0.05"] {
        let asked = format!("--compress {compression}");
        let (simulated, live) = (told(&asked), told(&format!("{asked} --on threads")));
        assert!(live <= simulated && live > 0.4 * simulated, "{compression}: {simulated} {live}");
    }
    assert_eq!(
        told("--liars 6:noise:1 --on threads"),
        2.0 * told(""),
        "noise has no form in single precision"
    );
}

#[test]
fn without_rounds_and_with_deadlines_clients_work_on_threads_too() {
    let trace = tempfile::tempdir().unwrap();
    let file = trace.path().join("run.parquet");
    let run_of = |rest: &str| json(&format!("federate --clients 8 --rounds 6 --on threads {rest}"));
    let buffered = run_of(&format!("--strategy fedbuff --buffer 3 --select 4 --trace {}", file.display()));
    assert_eq!(buffered["rounds"].as_array().unwrap().len(), 6);
    assert!(buffered["totals"]["counted"].as_u64().unwrap() >= 18, "{buffered}");
    assert!(file.exists());
    let quorum = run_of("--select 6 --quorum 4");
    let (counted, late) = (&quorum["totals"]["counted"], &quorum["totals"]["late"]);
    assert_eq!(
        counted.as_u64().unwrap(),
        4 * quorum["totals"]["folded_rounds"].as_u64().unwrap(),
        "{quorum}"
    );
    assert!(late.as_u64().is_some());
}

#[test]
fn what_is_of_virtual_time_is_refused_on_threads() {
    fails("federate --on threads --speeds exp", 2, &["--speeds"]);
    fails("federate --on threads --dropout 0.1", 2, &["--dropout"]);
    fails("federate --on threads --stragglers 0.5 --partial drop", 2, &["virtual time"]);
    fails("federate --on sim", 2, &["--on sim"]);
    fails("federate --nodes 3", 2, &["--on"]);
    fails("federate --on threads --clients 3 --nodes 4", 2, &["number of nodes", "4"]);
    fails("federate --on hogwarts", 2, &["hogwarts"]);
}
