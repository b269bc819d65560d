//! `syncline train` and `syncline evaluate` as a user runs them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::fs;

use serde_json::Value;
use support::{csv, fails, json, libsvm, run, samples, stderr, write};

fn losses(report: &Value) -> Vec<f64> {
    report["epochs"].as_array().unwrap().iter().map(|epoch| epoch["train_loss"].as_f64().unwrap()).collect()
}

fn last(report: &Value, field: &str) -> f64 {
    report["epochs"].as_array().unwrap().last().unwrap()[field].as_f64().unwrap()
}

#[test]
fn without_arguments_it_trains_and_tells_where_the_time_went() {
    let output = run("train");
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(stderr(&output), "", "a pipe sees no progress bar");
    let text = String::from_utf8(output.stdout).unwrap();
    for part in
        ["samples/s", "where the time went", "compute", "wait at gate", "fold/apply", "the workers spent"]
    {
        assert!(text.contains(part), "`{part}` is missing in:\n{text}");
    }
}

#[test]
fn the_default_run_gives_the_same_numbers_every_time() {
    let strip = |mut report: Value| {
        report["epochs"]
            .as_array_mut()
            .unwrap()
            .iter_mut()
            .for_each(|e| drop(e.as_object_mut().unwrap().remove("duration_s")));
        report["epochs"].clone()
    };
    assert_eq!(strip(json("train --epochs 2")), strip(json("train --epochs 2")));
}

#[test]
fn softmax_separates_what_can_be_separated() {
    let folder = tempfile::tempdir().unwrap();
    let mut text = String::new();
    for row in 0..3000 {
        // Three classes around the corners of a triangle, 10 deviations apart.
        let class = row % 3;
        let angle = f64::from(class) * 2.1;
        let noise = |k: f64| (f64::from(row) * k).sin();
        text +=
            &format!("{:.4},{:.4},{class}\n", 5.0 * angle.cos() + noise(1.7), 5.0 * angle.sin() + noise(2.9));
    }
    let path = write(folder.path(), "corners.csv", &text);
    let report = json(&format!("train {} --workers 3 --epochs 15", path.display()));
    assert!(last(&report, "validation_accuracy") > 0.99, "{report}");
}

#[test]
fn every_policy_on_every_executor_lowers_the_loss_on_dense_and_sparse_data() {
    let folder = tempfile::tempdir().unwrap();
    let dense = csv(folder.path(), 2000);
    let sparse = libsvm(folder.path(), 2000, 1_000_000);
    for data in [dense, sparse] {
        for sync in ["bsp", "asp", "ssp:2"] {
            for on in ["threads", "processes"] {
                let arguments = format!(
                    "train {} --model logistic --workers 4 --servers 2 --sync {sync} --on {on} --epochs 4 --optimizer sgd --lr 0.5",
                    data.display()
                );
                let report = json(&arguments);
                let losses = losses(&report);
                assert!(losses[3] < losses[0], "{arguments}: {losses:?}");
                assert_eq!(report["workers"].as_array().unwrap().len(), 4);
                assert_eq!(report["servers"].as_array().unwrap().len(), 2);
                for worker in report["workers"].as_array().unwrap() {
                    for field in ["compute_s", "push_s", "pull_s", "wait_s"] {
                        assert!(worker[field].as_f64().unwrap() >= 0.0, "{worker}");
                    }
                }
                assert!(report["samples_per_s"].as_f64().unwrap() > 0.0);
            }
        }
    }
}

#[test]
fn every_model_and_optimizer_learns() {
    let folder = tempfile::tempdir().unwrap();
    let path = csv(folder.path(), 1500);
    for model in ["logistic", "softmax", "svm", "mlp:16,8"] {
        for optimizer in ["sgd", "momentum", "adagrad", "adam"] {
            let arguments = format!(
                "train {} --model {model} --optimizer {optimizer} --batch 16 --epochs 20",
                path.display()
            );
            let accuracy = last(&json(&arguments), "validation_accuracy");
            assert!(accuracy > 0.93, "{arguments}: {accuracy}");
        }
    }
    let report = json("train --model linear --epochs 3");
    assert!(last(&report, "validation_rmse") < 0.2, "{report}");
}

#[test]
fn bsp_saves_the_same_bytes_on_threads_and_processes_whoever_is_late() {
    let folder = tempfile::tempdir().unwrap();
    let (dense, sparse) = (csv(folder.path(), 900), libsvm(folder.path(), 900, 50_000));
    for (name, data, options) in [
        ("dense", &dense, "--optimizer adam"),
        ("sparse", &sparse, "--optimizer adam"),
        ("sparse", &sparse, "--optimizer sgd"),
        ("sparse", &sparse, "--optimizer sgd --l2 0.01"),
        ("sparse", &sparse, "--optimizer sgd --every batches:2"),
        ("sparse", &sparse, "--optimizer adam --l2 0.01 --every batches:2"),
    ] {
        let save = |on: &str, extra: &str| {
            let model = folder.path().join(format!("{name}.safetensors"));
            let output = run(&format!(
                "train {} --workers 3 --epochs 3 {options} --on {on} --save {} {extra}",
                data.display(),
                model.display()
            ));
            assert!(output.status.success(), "{}", stderr(&output));
            std::fs::read(model).unwrap()
        };
        let reference = save("threads", "");
        assert!(reference == save("threads", "--servers 2"), "{name} {options}: two servers");
        assert!(reference == save("processes", "--servers 2"), "{name} {options}: processes");
        assert!(
            reference == save("threads", "--inject worker=0:exp:3ms"),
            "{name} {options}: worker 0 is late"
        );
        assert!(
            reference == save("processes", "--inject worker=2:exp:3ms"),
            "{name} {options}: worker 2 is late"
        );
        assert!(reference != save("threads", "--seed 2"), "{name}: another seed is another model");
    }
}

#[test]
fn workers_with_unequal_shares_come_to_an_end_under_every_frequency() {
    // SystemDS hangs where workers have unequal numbers of batches (1024 rows, 3 workers, batches of 20).
    let folder = tempfile::tempdir().unwrap();
    let path = csv(folder.path(), 1024);
    for every in ["batch", "batches:4", "epoch"] {
        for sync in ["bsp", "asp", "ssp:1", "backup:1"] {
            let arguments = format!(
                "train {} --validation 0 --workers 3 --batch 20 --partition contiguous --every {every} --sync {sync} --epochs 3",
                path.display()
            );
            let report = json(&arguments);
            assert!(losses(&report)[2] < losses(&report)[0], "{arguments}");
            if !sync.starts_with("backup") {
                assert_eq!(samples(&report), 3 * 1024, "{arguments}: each row once an epoch");
            }
        }
    }
}

#[test]
fn a_saved_model_is_judged_as_it_was_in_training() {
    let folder = tempfile::tempdir().unwrap();
    let (train, test) = (csv(folder.path(), 1200), folder.path().join("test.csv"));
    let text = std::fs::read_to_string(&train).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    std::fs::write(&test, lines[..301].join("\n")).unwrap();
    for model in ["logistic", "mlp:8"] {
        let saved = folder.path().join("model.safetensors");
        let arguments = format!(
            "train {} --model {model} --label kind --validation {} --save {} --epochs 3",
            train.display(),
            test.display(),
            saved.display()
        );
        let report = json(&arguments);
        let judged = json(&format!("evaluate {} {} --label kind", saved.display(), test.display()));
        assert_eq!(judged["rows"], 300);
        assert!(
            (judged["loss"].as_f64().unwrap() - last(&report, "validation_loss")).abs() < 1e-6,
            "{judged}"
        );
        assert_eq!(judged["accuracy"].as_f64().unwrap(), last(&report, "validation_accuracy"));
    }
}

#[test]
fn the_slow_worker_is_named() {
    let report = json("train --workers 3 --epochs 1 --batch 256 --inject worker=2:8ms");
    let findings = report["findings"].to_string();
    assert!(findings.contains("worker 2 was the last to arrive in"), "{findings}");
    let wait = |worker: usize| report["workers"][worker]["wait_s"].as_f64().unwrap();
    assert!(wait(0) > 2.0 * wait(2) && wait(1) > 2.0 * wait(2), "{report}");
}

#[test]
fn backup_workers_do_not_wait_for_the_slow_one() {
    let time = |sync: &str| {
        let report =
            json(&format!("train --workers 3 --epochs 1 --batch 512 --inject worker=1:60ms --sync {sync}"));
        report["wall_s"].as_f64().unwrap()
    };
    assert!(time("bsp") > 2.0 * time("backup:1"));
}

#[test]
fn a_trace_is_a_parquet_file() {
    let folder = tempfile::tempdir().unwrap();
    for on in ["threads", "processes"] {
        let path = folder.path().join(format!("{on}.parquet"));
        let output = run(&format!("train --epochs 1 --on {on} --trace {}", path.display()));
        assert!(output.status.success(), "{}", stderr(&output));
        let bytes = std::fs::read(path).unwrap();
        assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"));
        assert!(bytes.len() > 10_000, "{} bytes", bytes.len());
    }
}

#[test]
fn the_report_says_how_good_the_model_is_and_when_it_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let good = csv(folder.path(), 1200);
    let report = json(&format!("train {} --model logistic", good.display()));
    let metrics = &report["metrics"]["validation"];
    for name in ["accuracy", "log_loss", "auc", "f1_macro", "f1_micro"] {
        assert!(metrics[name].as_f64().is_some(), "{name}: {metrics}");
    }
    assert_eq!(metrics["confusion"].as_array().unwrap().len(), 2);
    assert_eq!(metrics["accuracy"].as_f64().unwrap(), last(&report, "validation_accuracy"));
    let text = String::from_utf8(run(&format!("train {}", good.display())).stdout).unwrap();
    for part in ["the trained model", "F1 macro", "each class, validation rows", "precision", "cat", "dog"] {
        assert!(text.contains(part), "`{part}` is missing in:\n{text}");
    }

    let mut noise = "a,b,kind\n".to_owned();
    for row in 0..400u32 {
        let hash = row.wrapping_mul(2_654_435_761) >> 7;
        noise += &format!("{},{},{}\n", hash % 97, hash % 89, if hash % 10 < 7 { "yes" } else { "no" });
    }
    let noise = write(folder.path(), "noise.csv", &noise);
    let report = json(&format!("train {} --model logistic --label kind", noise.display()));
    let findings = report["findings"].to_string();
    assert!(findings.contains("no better than always naming the largest class"), "{findings}");
}

#[test]
fn settings_of_the_steps_without_effect_are_refused() {
    support::fails("train --optimizer sgd --beta1 0.8", 2, &["has no effect on sgd", "--optimizer adam"]);
    support::fails("train --momentum 0.8", 2, &["has no effect on adam", "--optimizer momentum"]);
    support::fails("train --validation 0 --patience 3", 2, &["without validation rows"]);
    support::fails("train --model softmax --dropout 0.2", 1, &["only mlp has some"]);
    support::fails("train --schedule warmup:10 --epochs 10", 2, &["must go on after its warm-up"]);
    support::fails("train --schedule linear", 2, &["step:EPOCHS:FACTOR"]);
    support::fails("train --class-weight nobody=2", 2, &["there is no class `nobody`"]);
}

#[test]
fn compressed_runs_save_the_same_bytes_on_every_executor_and_tell_what_was_sent() {
    let folder = tempfile::tempdir().unwrap();
    let data = csv(folder.path(), 600);
    for compress in ["bf16", "push=int8,pull=f16", "push=topk:0.1,pull=bf16"] {
        let train = |on: &str, servers: usize| {
            let save = folder.path().join("model.safetensors");
            let report = json(&format!(
                "train {} --model mlp:16,8 --workers 3 --servers {servers} --epochs 12 --compress {compress} --on {on} --save {}",
                data.display(),
                save.display()
            ));
            (fs::read(&save).unwrap(), report)
        };
        let (threads, report) = train("threads", 1);
        let (processes, of_processes) = train("processes", 2);
        assert!(threads == processes, "{compress}: processes");
        assert!(threads == train("sim", 3).0, "{compress}: virtual time");
        assert_eq!(report["settings"]["compress"].as_str().unwrap().split(',').count(), 2);
        for worker in of_processes["workers"].as_array().unwrap() {
            let bytes = |name: &str| worker[name].as_f64().unwrap();
            let share = bytes("pushed_bytes") / bytes("uncompressed_pushed_bytes");
            let expected = match compress {
                "bf16" => 0.5,
                "push=int8,pull=f16" => 0.28,
                _ => 0.2,
            };
            assert!((share - expected).abs() < 0.03, "{compress}: {share} of the bytes");
            assert_eq!(bytes("pulled_bytes") * 2.0, bytes("uncompressed_pulled_bytes"), "{compress}");
        }
        let losses = losses(&of_processes);
        assert!(losses.last() < losses.first(), "{compress}: {losses:?}");
    }
}

#[test]
fn a_trace_of_a_compressed_run_says_so_and_is_predicted_as_one_of_whole_gradients() {
    let folder = tempfile::tempdir().unwrap();
    let (data, trace) = (csv(folder.path(), 600), folder.path().join("run.parquet"));
    json(&format!(
        "train {} --model mlp:32 --workers 2 --epochs 6 --compress bf16 --on sim --network 10Mbit/1ms --compute exp:2ms --trace {}",
        data.display(),
        trace.display()
    ));
    let profile = folder.path().join("profile.json");
    let run = run(&format!("predict {} --workers 2,4 --profile {}", trace.display(), profile.display()));
    assert!(run.status.success(), "{}", stderr(&run));
    let profile: Value = serde_json::from_slice(&fs::read(profile).unwrap()).unwrap();
    assert_eq!(profile["serving"]["gradients"], "whole", "{profile}");
    let measured = &profile["measured"];
    assert_eq!(
        measured["whole_push_bytes"].as_u64().unwrap() * 2,
        measured["parameter_bytes"].as_u64().unwrap()
    );
}

#[test]
fn compression_that_makes_no_sense_is_refused() {
    fails("train --compress zip", 2, &["compress `zip` is not known", "bf16, f16 and int8"]);
    fails("train --compress pull=topk:0.1", 2, &["top-k is for pushes"]);
    fails("train --compress push=topk:0.9", 2, &["a share above 0 and up to 0.5 is needed"]);
    fails("train --compress bf16 --sync hogwild", 2, &["nothing travels", "--sync asp"]);
}
