//! Codes as a user meets them: `queue code`, and gradient codes by repetition in `train`.
#![allow(clippy::unwrap_used, reason = "a failing helper fails the test")]

mod support;

use std::{fs, path::Path};

use support::{csv, fails, json, run, signal, start, stderr, wait_for, write};

#[test]
fn the_published_table_is_told() {
    for (workers, needed, gain) in [(8, 6, 1.257), (16, 11, 1.436), (64, 44, 1.840)] {
        let plan = json(&format!("queue code --workers {workers} --mu 1"));
        assert_eq!(plan["schema"], "syncline.queue.code/1");
        assert_eq!(plan["best_needed"], needed, "{workers}");
        assert!((plan["gain"].as_f64().unwrap() - gain).abs() < 1e-3, "{plan}");
        assert_eq!(plan["pays"], true);
        assert_eq!(plan["choices"].as_array().unwrap().len(), workers);
    }
    let text = String::from_utf8(run("queue code --workers 64 --mu 1").stdout).unwrap();
    assert!(text.contains("44 of 64") && text.contains("wait for 44"), "{text}");
    // Two copies are slower than one from mu = 0.69 on.
    assert!(text.contains("slower than one"), "{text}");
}

#[test]
fn it_says_when_a_code_does_not_pay() {
    let light = json("queue code --workers 8 --service const:1");
    assert_eq!((&light["pays"], &light["best_needed"]), (&false.into(), &8.into()), "{light}");
    let dear = json("queue code --workers 8 --mu 1 --decode 10");
    assert!(dear["advice"].as_str().unwrap().starts_with("do not code"), "{dear}");
    let folder = tempfile::tempdir().unwrap();
    let few = write(folder.path(), "times.txt", "# seconds\n30.0\n30.1\n30.2\n30.1\n30.0\n30.3\n");
    let unsure = json(&format!("queue code --workers 8 --times {}", few.display()));
    assert!(unsure["gain_interval_95"][0].as_f64().is_some() && unsure["reading"].is_string(), "{unsure}");
}

#[test]
fn wrong_numbers_are_told() {
    fails("queue code --workers 8", 2, &["--mu"]);
    fails("queue code --workers 0 --mu 1", 2, &["number of workers", "0"]);
    fails("queue code --workers 8 --mu 0", 2, &["mu is 0", "positive"]);
    fails("queue code --workers 8 --mu 1 --service exp:1", 2, &["cannot be used with"]);
    fails("queue code --workers 8 --mu 1 --decode=-1", 2, &["decode"]);
    fails("queue code --workers 8 --times nowhere.txt", 1, &["nowhere.txt"]);
}

#[test]
fn experiments_keep_their_rules() {
    for (name, rules) in [("c2", 3), ("c3", 6), ("c6", 3)] {
        let outcome = json(&format!("experiment {name} --seeds 2"));
        assert_eq!(outcome["schema"], "syncline.experiment/1");
        let told = outcome["rules"].as_array().unwrap();
        assert_eq!(told.len(), rules, "{name}");
        assert!(told.iter().all(|rule| rule["holds"] == true), "{name}: {outcome}");
        let columns = outcome["columns"].as_array().unwrap().len();
        assert!(
            outcome["rows"].as_array().unwrap().iter().all(|row| row.as_array().unwrap().len() == columns)
        );
    }
    fails("experiment c9", 2, &["c9", "f1 to f6"]);
    fails("experiment c2 --seeds 0", 2, &["seeds", "0"]);
}

#[test]
fn a_coded_shuffle_pays_by_what_a_multicast_is_worth() {
    let shuffle = |rest: &str| json(&format!("queue shuffle --workers 8 --rows 8000 --held 0.5 {rest}"));
    let each = shuffle("");
    assert_eq!((&each["schema"], &each["pays"]), (&"syncline.queue.shuffle/1".into(), &false.into()));
    assert_eq!(each["uncoded_sends"], 3500.0);
    let all = shuffle("--multicast 2:1.99,4:4.02,8:8.01");
    assert_eq!((&all["pays"], &all["coded_packets"]), (&true.into(), &each["coded_packets"]));
    assert!((2.85..2.95).contains(&all["gain"].as_f64().unwrap()), "{all}");
    fails("queue shuffle --workers 17 --rows 8000 --held 0.5", 2, &["number of workers", "16"]);
    fails("queue shuffle --workers 8 --rows 7 --held 0.5", 2, &["number of rows", "between 8 and"]);
    fails("queue shuffle --workers 8 --rows 99999999999 --held 0.5", 2, &["number of rows", "10000000"]);
    fails("queue shuffle --workers 8 --rows 8000 --held 1.5", 2, &["share", "between 0 and 1"]);
    fails("queue shuffle --workers 8 --rows 8000 --held 0.5 --multicast 4:4,2:2", 2, &["2:1.99,4:4.02"]);
}

/// The bytes of the model that a run saves.
fn model(folder: &Path, data: &Path, arguments: &str) -> Vec<u8> {
    let path = folder.join("model.safetensors");
    let output = run(&format!("train {} --epochs 3 --save {} {arguments}", data.display(), path.display()));
    assert!(output.status.success(), "{arguments}: {}", stderr(&output));
    fs::read(path).unwrap()
}

#[test]
fn repetition_is_bsp_of_its_groups_to_the_bit_whoever_is_slow() {
    let folder = tempfile::tempdir().unwrap();
    let data = csv(folder.path(), 300);
    let of = |arguments: &str| model(folder.path(), &data, arguments);
    let plain = of("--workers 2 --batch 24 --sync bsp");
    for slow in
        ["", "--inject worker=0:8ms --inject worker=3:8ms", "--inject worker=1:8ms --inject worker=2:8ms"]
    {
        assert_eq!(of(&format!("--workers 6 --batch 8 --code repetition:2 {slow}")), plain, "{slow}");
    }
    assert_eq!(of("--workers 2 --batch 24 --sync repetition:0"), plain);
    assert_eq!(of("--workers 4 --batch 12 --sync repetition:1 --on processes"), plain);
    assert_ne!(of("--workers 6 --batch 8 --sync bsp"), plain, "six workers have other rows");
}

#[test]
fn two_slow_workers_of_six_are_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let data = csv(folder.path(), 300);
    let wall = |arguments: &str| {
        let command = format!(
            "train {} --workers 6 --batch 8 --epochs 4 --on sim --compute 10ms {arguments}",
            data.display()
        );
        json(&command)["wall_s"].as_f64().unwrap()
    };
    let undisturbed = wall("");
    let slow = "--inject worker=0:40ms --inject worker=1:40ms";
    assert!(wall(slow) > 4.0 * undisturbed);
    for slow in [slow, "--inject worker=0:40ms --inject worker=5:40ms"] {
        let coded = wall(&format!("--sync repetition:2 {slow}"));
        // Who has the rows of its group computes three times as long. The slow ones end what they are at before the run is over.
        assert!((2.9..3.3).contains(&(coded / undisturbed)), "{slow}: {coded} {undisturbed}");
    }
}

#[test]
fn mds_trains_a_linear_model_as_one_worker_with_all_rows_would_and_waits_for_no_straggler() {
    let folder = tempfile::tempdir().unwrap();
    let data = csv(folder.path(), 300);
    let trained =
        |arguments: &str| json(&format!("train {} --epochs 40 --seed 3 {arguments}", data.display()));
    // Where a margin is 1 the hinge has a kink, and rounding decides the side.
    for (model, tolerance) in [("softmax", 1e-4), ("svm", 1e-3)] {
        let plain = trained(&format!("--model {model} --workers 1 --batch 300"));
        let slow = "--on sim --compute 10ms --inject worker=1:90ms --inject worker=4:90ms";
        let coded = trained(&format!("--model {model} --workers 5 --code mds:3 {slow}"));
        let loss = |run: &serde_json::Value| run["epochs"][39]["train_loss"].as_f64().unwrap();
        let apart = (loss(&plain) - loss(&coded)).abs() / loss(&plain);
        assert!(apart < tolerance, "{model}: {} {}", loss(&plain), loss(&coded));
        // 40 steps of two products of 10 ms each, though two of five are ten times slower.
        let wall = coded["wall_s"].as_f64().unwrap();
        assert!((0.8..0.85).contains(&wall), "{model}: {wall}");
        let products = &coded["coded"];
        assert_eq!(products["products"], 80, "{products}");
        let answered: Vec<u64> =
            products["answered"].as_array().unwrap().iter().map(|count| count.as_u64().unwrap()).collect();
        assert_eq!(answered, [80, 0, 80, 80, 0]);
        assert!(products["worst_condition"].as_f64().unwrap() >= 1.0);
        assert!(products["thrown_away_s"].as_f64().unwrap() > 0.5, "{products}");
        assert_eq!(coded["workers"].as_array().unwrap().len(), 5);
    }
}

#[test]
fn mds_is_the_same_on_threads_and_processes_and_its_trace_tells_who_was_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let (data, trace) = (csv(folder.path(), 300), folder.path().join("run.parquet"));
    let trained = |arguments: &str| {
        json(&format!(
            "train {} --epochs 20 --workers 4 --code mds:3 --inject worker=2:60ms {arguments}",
            data.display()
        ))
    };
    let threads = trained(&format!("--trace {}", trace.display()));
    let processes = trained("--on processes");
    let loss = |run: &serde_json::Value| run["epochs"][19]["train_loss"].as_f64().unwrap();
    assert!((loss(&threads) / loss(&processes) - 1.0).abs() < 1e-4);
    let cancelled = threads["coded"]["cancelled"].as_u64().unwrap();
    assert!(cancelled > 20, "{threads}");
    let report = String::from_utf8(run(&format!("trace report {}", trace.display())).stdout).unwrap();
    assert!(report.contains("condition number") && report.contains("told to stop"), "{report}");
    let told = json(&format!("predict {} --sync bsp,mds:3 --workers 4", trace.display()));
    let bsp = told["predictions"][0]["cannot_tell"].as_str().unwrap();
    assert!(bsp.contains("coded blocks") && bsp.contains("--code mds:*"), "{told}");
    fails(&format!("predict {} --code mds:*", trace.display()), 1, &["coded already", "bsp"]);
}

#[test]
fn a_trace_of_mds_tells_of_other_numbers_of_workers_and_answers() {
    let folder = tempfile::tempdir().unwrap();
    let (data, trace) = (csv(folder.path(), 300), folder.path().join("run.parquet"));
    // A block is 1 / k of the data, so that its product takes as much longer.
    let train = |workers: usize, needed: usize, rest: &str| {
        json(&format!(
            "train {} --model softmax --workers {workers} --code mds:{needed} --epochs 150 --on sim --compute exp:{}us {rest}",
            data.display(),
            50_000 / needed
        ))
    };
    train(8, 5, &format!("--trace {}", trace.display()));
    let told = json(&format!("predict {} --workers 6,8,10 --sync mds:4..6", trace.display()));
    assert!(told["run"]["error"].as_f64().unwrap().abs() < 0.05, "{}", told["run"]);
    assert!(
        told["run"]["unseen"][7].as_f64().unwrap() > 0.0 && told["run"]["products"]["needed"] == 5,
        "{}",
        told["run"]
    );
    let mut refused = 0;
    for row in told["predictions"].as_array().unwrap() {
        let (workers, sync) = (row["workers"].as_u64().unwrap() as usize, row["sync"].as_str().unwrap());
        let needed: usize = sync.strip_prefix("mds:").unwrap().parse().unwrap();
        if let Some(why) = row["cannot_tell"].as_str() {
            assert!(needed + 2 >= workers && why.contains("told to stop"), "{row}");
            refused += 1;
            continue;
        }
        let measured = train(workers, needed, "--seed 2")["wall_s"].as_f64().unwrap();
        let range: Vec<f64> = row["run_s"].as_array().unwrap().iter().map(|s| s.as_f64().unwrap()).collect();
        assert!(
            (range[1] / measured - 1.0).abs() < 0.1,
            "{workers} {sync}: {measured} s, predicted {range:?}"
        );
    }
    assert!((1..=3).contains(&refused), "six of six, and perhaps five of them and six of eight");
}

#[test]
fn a_killed_mds_run_goes_on_to_the_same_model() {
    let folder = tempfile::tempdir().unwrap();
    let data = csv(folder.path(), 300);
    let at = |name: &str| folder.path().join(name);
    // On a busy machine another three of the four may answer first now and then, and round otherwise.
    let of = |save: &str, further: &str| {
        format!(
            "train {} --workers 4 --code mds:3 --epochs 120 --on processes --inject all:3ms --inject worker=3:60ms --save {} {further}",
            data.display(),
            at(save).display()
        )
    };
    let checkpoints = at("checkpoints");
    let often = format!("--checkpoint {} --checkpoint-every epochs:5", checkpoints.display());
    assert!(run(&of("whole.safetensors", "")).status.success());
    let mut killed = start(&of("killed.safetensors", &often));
    wait_for("a checkpoint", || {
        fs::read_dir(&checkpoints)
            .ok()?
            .flatten()
            .find(|entry| entry.path().extension().is_some_and(|extension| extension == "checkpoint"))
    });
    signal(killed.id(), "KILL");
    killed.wait().unwrap();
    assert!(!at("killed.safetensors").exists(), "it was not over");
    let resumed = run(&of("resumed.safetensors", &format!("--resume {}", checkpoints.display())));
    assert!(resumed.status.success(), "{}", stderr(&resumed));
    let (resumed, whole) = (numbers(&at("resumed.safetensors")), numbers(&at("whole.safetensors")));
    assert!(resumed.len() == whole.len() && resumed.len() > 1);
    assert!(
        resumed.iter().zip(&whole).all(|(one, other)| (one - other).abs() < 1e-3),
        "{resumed:?} {whole:?}"
    );
}

#[test]
fn what_mds_cannot_do_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = csv(folder.path(), 60);
    let refused = |arguments: &str, why: &[&str]| {
        fails(&format!("train {} --workers 4 {arguments}", data.display()), 2, why);
    };
    refused("--code mds:5", &["mds is 5", "at most the number of workers"]);
    refused("--code mds", &["mds:NEEDED"]);
    refused("--code mds:3 --model mlp:8", &["linear", "repetition"]);
    refused("--code mds:3 --batch 8", &["batch is 8", "all"]);
    refused("--code mds:3 --partition contiguous", &["partition", "blocks"]);
    refused("--code mds:3 --no-shuffle", &["no-shuffle"]);
    refused("--code mds:3 --every epoch", &["every is epoch"]);
    refused("--code mds:3 --compress bf16", &["compress"]);
    refused("--code mds:3 --elastic 2", &["elastic"]);
    refused("--code mds:3 --on processes --on-worker-loss restart", &["on-worker-loss"]);
    refused("--code mds:3 --servers 2", &["one server"]);
}

#[test]
fn what_repetition_cannot_do_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = csv(folder.path(), 60);
    let data = data.display();
    fails(&format!("train {data} --workers 4 --sync repetition:2"), 2, &["repetition is 2", "divisor"]);
    fails(
        &format!("train {data} --workers 4 --sync repetition:1 --servers 2"),
        2,
        &["one server", "repetition:1"],
    );
    fails("train --sync repetition", 2, &["repetition:STRAGGLERS"]);
}

#[test]
fn a_trace_says_whether_a_code_would_pay() {
    let folder = tempfile::tempdir().unwrap();
    let data = csv(folder.path(), 400);
    let plan = |delays: &str| {
        let trace = folder.path().join("run.parquet");
        let command = format!(
            "train {} --workers 6 --batch 8 --epochs 8 --on sim --compute 1ms {delays} --trace {}",
            data.display(),
            trace.display()
        );
        let traced = run(&command);
        assert!(traced.status.success(), "{}", stderr(&traced));
        let output = run(&format!("predict {} --code mds:* --json", trace.display()));
        assert!(output.status.success(), "{}", stderr(&output));
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    };
    let noisy = plan("--inject all:exp:10ms");
    assert_eq!(noisy["pays"], true, "{noisy}");
    assert!(noisy["best_needed"].as_u64().unwrap() < 6, "{noisy}");
    let slow = plan("--inject worker=2:20ms");
    let advice = slow["advice"].as_str().unwrap();
    assert!(
        advice.contains("worker 2 is slow in every round") && advice.contains("leave it out"),
        "{advice}"
    );
    assert_eq!(plan("")["pays"], false);
}

#[test]
fn it_is_predicted_and_compared_like_any_policy() {
    let folder = tempfile::tempdir().unwrap();
    let (data, trace) = (csv(folder.path(), 400), folder.path().join("run.parquet"));
    let base = format!("{} --workers 4 --batch 16 --epochs 6 --inject all:exp:4ms", data.display());
    let traced = run(&format!("train {base} --trace {}", trace.display()));
    assert!(traced.status.success(), "{}", stderr(&traced));
    let told = json(&format!("predict {} --workers 4 --sync bsp,repetition:1", trace.display()));
    assert!(told.to_string().contains("repetition:1"), "{told}");
    // A run under a code is predicted as well as others, and what was cut short in it is completed.
    for code in ["repetition:1", "draco:1"] {
        let command = format!(
            "train {} --workers 6 --batch 8 --epochs 30 --on sim --compute exp:4ms --code {code} --trace {}",
            data.display(),
            trace.display()
        );
        assert!(run(&command).status.success(), "{command}");
        let told = json(&format!("predict {} --workers 6 --sync {code}", trace.display()));
        assert!(told["run"]["error"].as_f64().unwrap().abs() < 0.1, "{code}: {}", told["run"]);
    }
    let compared = json(&format!("compare {base} --sync bsp,repetition:1"));
    let runs = compared["runs"].as_array().unwrap();
    assert_eq!(runs[1]["sync"], "repetition:1");
    let waiting = |run: &serde_json::Value| run["waiting_share"].as_f64().unwrap();
    assert!(waiting(&runs[1]) < waiting(&runs[0]), "{compared}");
}

/// The parameters in a model's file, which follow its header.
fn numbers(model: &std::path::Path) -> Vec<f32> {
    let bytes = fs::read(model).unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    bytes[8 + header..].chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect()
}
