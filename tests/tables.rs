//! From a table to predictions: what a newcomer's first files give.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::{
    fmt::Write as _,
    io::Write as _,
    path::{Path, PathBuf},
    process::Stdio,
};

use support::{command, csv, fails, json, run, stderr, write};

/// Houses with a price that depends on them: words, yes and no, empty cells, and a price in whole money or not.
fn houses(rows: usize, cents: bool) -> String {
    let mut text = "key,city,rooms,area,garden,price\n".to_owned();
    for row in 0..rows {
        let noise = |k: f64| (row as f64 * k).sin();
        let (city, premium) =
            [("Rome", 30_000.0), ("\"Paris, France\"", 90_000.0), ("Oslo", 60_000.0)][row * 7 % 3];
        let (rooms, area) = (1 + row * 5 % 6, 60.0 + 40.0 * noise(1.7) + 10.0 * noise(0.31));
        let garden = noise(2.3) > 0.0;
        let price = 50_000.0
            + premium
            + 2000.0 * area
            + 5000.0 * rooms as f64
            + if garden { 20_000.0 } else { 0.0 }
            + 3000.0 * noise(5.9);
        let price = if cents { format!("{price:.2}") } else { format!("{price:.0}") };
        let area = if row % 50 == 7 { String::new() } else { format!("{area:.1}") };
        writeln!(text, "h{row},{city},{rooms},{area},{},{price}", if garden { "yes" } else { "no" }).unwrap();
    }
    text
}

/// The standard deviation of the prices of `houses`.
const DEVIATION: f64 = 66_000.0;

fn last(report: &serde_json::Value, field: &str) -> f64 {
    report["epochs"].as_array().unwrap().last().unwrap()[field].as_f64().unwrap()
}

fn trained(folder: &Path, name: &str, text: &str, arguments: &str) -> (PathBuf, PathBuf, serde_json::Value) {
    let (data, model) = (write(folder, name, text), folder.join("model.safetensors"));
    let report = json(&format!("train {} --save {} {arguments}", data.display(), model.display()));
    (data, model, report)
}

#[test]
fn prices_are_amounts_and_are_learnt_with_default_flags() {
    let folder = tempfile::tempdir().unwrap();
    for cents in [false, true] {
        let (_, _, report) = trained(folder.path(), "houses.csv", &houses(600, cents), "");
        assert!(report["notes"][0].as_str().unwrap().starts_with("regression of `price`"), "{report}");
        let rmse = last(&report, "validation_rmse");
        assert!(rmse < DEVIATION / 4.0, "in the units of the file, and far below the deviation: {rmse}");
    }
}

#[test]
fn a_constant_column_does_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    let mut text = "year,b,y\n".to_owned();
    for row in 0..60 {
        let b = (f64::from(row) * 2.7).sin();
        writeln!(text, "2020,{b:.3},{}", if b > 0.0 { "pos" } else { "neg" }).unwrap();
    }
    let (_, _, report) = trained(folder.path(), "c.csv", &text, "--model softmax --epochs 30");
    assert!(last(&report, "train_accuracy") > 0.9, "{report}");
    assert!(report["notes"].to_string().contains("`year` is left out: it is 2020 in all rows"), "{report}");
}

#[test]
fn a_validation_file_is_read_as_the_training_file() {
    let folder = tempfile::tempdir().unwrap();
    let valid = write(folder.path(), "valid.csv", "y,b,a\n1,0.2,0.1\n3,-0.5,1.5\n");
    let text: String =
        (0..40).map(|row| format!("{},{},{}.25\n", row % 7, row % 5, 2 * (row % 7) - row % 5)).collect();
    let arguments = format!("--validation {}", valid.display());
    let (_, _, report) = trained(folder.path(), "train.csv", &format!("a,b,y\n{text}"), &arguments);
    assert!(last(&report, "validation_rmse") < 100.0, "{report}");
}

#[test]
fn whole_numbers_are_what_the_task_says() {
    let folder = tempfile::tempdir().unwrap();
    let text: String = (0..60).map(|row| format!("{},{}\n", row % 13, row % 13 * 3 - 20)).collect();
    let data = write(folder.path(), "i.csv", &format!("a,y\n{text}"));
    let note = |task: &str| {
        let report = json(&format!("train {} {task} --validation 0 --epochs 1", data.display()));
        report["notes"][0].as_str().unwrap().to_owned()
    };
    assert!(
        note("")
            .contains("13 different whole numbers in 60 rows are taken for amounts; --task classification")
    );
    assert!(note("--task classification").starts_with("classification into 13 classes"));
    assert!(note("--task regression").starts_with("regression"));
    let arguments = format!("train {} --task regression --model softmax", data.display());
    fails(&arguments, 2, &["--model softmax predicts classes", "--task regression"]);
}

/// The rows that `apply` prints, as cells; none of them has a comma inside.
fn applied(arguments: &str) -> Vec<Vec<String>> {
    let output = run(arguments);
    assert!(output.status.success(), "{arguments}: {}", stderr(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

#[test]
fn predictions_come_out_in_the_order_and_units_of_the_rows() {
    let folder = tempfile::tempdir().unwrap();
    let text = houses(600, false);
    let (data, model, _) = trained(folder.path(), "houses.csv", &text, "--epochs 20");
    let rows = applied(&format!("apply {} {} --id key", model.display(), data.display()));
    assert_eq!((rows.len(), rows[0].join(",").as_str()), (601, "key,predicted price"));
    let price = |line: &str| line.rsplit(',').next().unwrap().parse::<f64>().unwrap();
    let square: f64 =
        text.lines().zip(&rows).skip(1).map(|(line, row)| (price(line) - price(&row[1])).powi(2)).sum();
    let rmse = (square / 600.0).sqrt();
    assert!(rmse < DEVIATION / 4.0, "{rmse}");
    let judged = json(&format!("evaluate {} {}", model.display(), data.display()));
    assert!((judged["rmse"].as_f64().unwrap() / rmse - 1.0).abs() < 1e-3, "evaluate agrees: {judged}");

    // Another order of columns, no label, an unknown city, a missing room: predicted all the same.
    let other = write(
        folder.path(),
        "new.csv",
        "rooms,garden,city,area,note\n3,yes,Rome,61.5,x\n,no,Atlantis,70,y\n",
    );
    let rows = applied(&format!("apply {} {}", model.display(), other.display()));
    assert_eq!(rows.len(), 3);
    assert!(rows[1..].iter().all(|row| (50_000.0..500_000.0).contains(&price(&row[0]))), "{rows:?}");
}

#[test]
fn probabilities_of_classes_are_written_in_every_format() {
    let folder = tempfile::tempdir().unwrap();
    let text: String = (0..90)
        .map(|row| format!("{},{},{}\n", row % 3, (f64::from(row)).sin(), ["a", "b", "c"][row as usize % 3]))
        .collect();
    let (data, model, _) = trained(folder.path(), "k.csv", &format!("x,z,kind\n{text}"), "--epochs 30");
    let out = |name: &str| folder.path().join(name);
    for name in ["s.csv", "s.parquet", "s.npy"] {
        let arguments = format!("apply {} {} --out {}", model.display(), data.display(), out(name).display());
        let output = run(&arguments);
        assert!(output.status.success(), "{}", stderr(&output));
    }
    let csv = std::fs::read_to_string(out("s.csv")).unwrap();
    assert!(csv.starts_with("predicted kind,probability a,probability b,probability c\na,"), "{csv}");
    for line in csv.lines().skip(1) {
        let sum: f64 = line.split(',').skip(1).map(|p| p.parse::<f64>().unwrap()).sum();
        assert!((sum - 1.0).abs() < 1e-5, "{line}");
    }
    let npy = std::fs::read(out("s.npy")).unwrap();
    assert!(npy.starts_with(
        b"\x93NUMPY\x01\x00\x76\x00{'descr': '<f8', 'fortran_order': False, 'shape': (90, 3), }"
    ));
    assert_eq!(npy.len(), 128 + 90 * 3 * 8);
    let parquet = std::fs::read(out("s.parquet")).unwrap();
    assert!(parquet.starts_with(b"PAR1") && parquet.ends_with(b"PAR1"));
    let arguments = format!("apply {} {}", model.display(), data.display());
    fails(&format!("{arguments} --out {}", out("s.txt").display()), 2, &[".csv, .parquet or .npy"]);
    fails(&format!("{arguments} --out {}", data.display()), 2, &["named twice"]);
    fails(&format!("{arguments} --id nokey"), 1, &["no column is named `nokey`"]);
}

#[test]
fn sparse_rows_are_predicted_with_and_without_labels() {
    let folder = tempfile::tempdir().unwrap();
    let text: String = (0..80).map(|row| format!("{} {}:1 5:{}\n", row % 2, row % 2, row % 3)).collect();
    let (data, model, report) = trained(folder.path(), "z.svm", &text, "--model logistic --epochs 40");
    assert!(report["notes"].to_string().contains("counted from 0"), "{report}");
    let unlabelled: String =
        text.lines().map(|line| format!("{}\n", line.split_once(' ').unwrap().1)).collect();
    let unlabelled = write(folder.path(), "u.svm", &unlabelled);
    let rows = |path: &Path| applied(&format!("apply {} {}", model.display(), path.display()));
    assert_eq!(rows(&data), rows(&unlabelled));
    let right =
        rows(&data).iter().skip(1).enumerate().filter(|(at, row)| row[0] == (at % 2).to_string()).count();
    assert!(right > 75, "{right} of 80");
}

#[test]
fn standard_input_is_read_by_threads_and_refused_for_processes() {
    let folder = tempfile::tempdir().unwrap();
    let text = houses(60, false);
    let feed = |arguments: &str| {
        let mut child = command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    };
    let model = folder.path().join("m.safetensors");
    let output = feed(&format!("train - --epochs 1 --save {}", model.display()));
    assert!(output.status.success(), "{}", stderr(&output));
    let output = feed(&format!("apply {} -", model.display()));
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 61);
    fails("train - --on processes", 2, &["- can be read only once", "--on processes", "save them to a file"]);
    fails("train /dev/zero", 1, &["it holds zeros and no data"]);
}

#[test]
fn several_files_and_patterns_are_one_table() {
    let folder = tempfile::tempdir().unwrap();
    let text = houses(90, true);
    let (head, rows) = text.split_once('\n').unwrap();
    let lines: Vec<&str> = rows.lines().collect();
    for (number, part) in lines.chunks(30).enumerate() {
        write(folder.path(), &format!("part-{number}.csv"), &format!("{head}\n{}\n", part.join("\n")));
    }
    let rows = |arguments: &str| {
        json(&format!("train {arguments} --validation 0 --epochs 1"))["settings"]["rows"].as_u64().unwrap()
    };
    let at = |name: &str| folder.path().join(name).display().to_string();
    assert_eq!(rows(&at("part-*.csv")), 90);
    assert_eq!(rows(&format!("{} {}", at("part-0.csv"), at("part-2.csv"))), 60);
    fails(&format!("train {}", at("nothing-*.csv")), 1, &["no file fits this pattern"]);
}

#[test]
fn a_saved_model_opens_in_python() {
    let folder = tempfile::tempdir().unwrap();
    let (_, model, _) = trained(folder.path(), "houses.csv", &houses(200, false), "--drop key,city,garden");
    let script = format!(
        "import json, numpy as np\n\
         from safetensors import safe_open\n\
         from safetensors.numpy import load_file\n\
         m = load_file('{0}')\n\
         names = json.loads(safe_open('{0}', 'np').metadata()['syncline'])['features']\n\
         assert names == ['rooms', 'area'], names\n\
         x = (np.array([[3, 61.5], [2, 70.0]]) - m['input.centre']) / m['input.scale']\n\
         layers = [k for k in m if k.endswith('weight')]\n\
         for i in range(len(layers)):\n\
         \x20   x = (np.maximum(x, 0) if i else x) @ m[f'layers.{{i}}.weight'] + m[f'layers.{{i}}.bias']\n\
         print(*(m['target.centre'] + m['target.scale'] * x[:, 0]))\n",
        model.display()
    );
    let output = std::process::Command::new("python3").args(["-c", &script]).output();
    let Some(output) = output.ok().filter(|output| !stderr(output).contains("No module named")) else {
        eprintln!("skipped: python3 with numpy and safetensors is not there");
        return;
    };
    assert!(output.status.success(), "{}", stderr(&output));
    let python: Vec<f64> =
        String::from_utf8(output.stdout).unwrap().split_whitespace().map(|x| x.parse().unwrap()).collect();
    let new = write(folder.path(), "new.csv", "area,rooms\n61.5,3\n70,2\n");
    let ours = applied(&format!("apply {} {}", model.display(), new.display()));
    for (row, python) in ours.iter().skip(1).zip(python) {
        assert!((row[0].parse::<f64>().unwrap() / python - 1.0).abs() < 1e-5, "{row:?} {python}");
    }
}

/// A wave of which only the rows that count follow `y = 3 a`.
fn weighted(rows: usize) -> String {
    let mut text = "a,count,y\n".to_owned();
    for row in 0..rows {
        let a = (row as f64 * 0.37).sin();
        let (count, y) = if row % 3 == 0 { (0, 50.0 - 40.0 * a) } else { (1 + row % 4, 3.0 * a) };
        writeln!(text, "{a:.4},{count},{y:.4}").unwrap();
    }
    text
}

#[test]
fn rows_without_weight_teach_nothing_and_do_not_judge() {
    let folder = tempfile::tempdir().unwrap();
    let (data, model, report) =
        trained(folder.path(), "w.csv", &weighted(600), "--weight count --model linear");
    let r2 = |metrics: &serde_json::Value| metrics["r2"].as_f64().unwrap();
    assert!(
        r2(&report["metrics"]["validation"]) > 0.99 && r2(&report["metrics"]["train"]) > 0.99,
        "{report}"
    );
    let judged = json(&format!("evaluate {} {}", model.display(), data.display()));
    assert!(r2(&judged["metrics"]) > 0.99, "{judged}");
    let (_, _, report) = trained(folder.path(), "w.csv", &weighted(600), "--drop count --model linear");
    assert!(r2(&report["metrics"]["validation"]) < 0.9, "without weights all rows count: {report}");
    let arguments = format!("train {} --weight nothing", data.display());
    fails(&arguments, 1, &["no column is named `nothing`", "`count`"]);
}

#[test]
fn evaluate_has_the_metrics_of_training_in_text_and_json() {
    let folder = tempfile::tempdir().unwrap();
    let text = houses(400, true);
    let (data, model, report) = trained(folder.path(), "h.csv", &text, "--validation 0 --epochs 5");
    let judged = json(&format!("evaluate {} {}", model.display(), data.display()));
    for measure in ["rmse", "mae", "r2", "target_deviation"] {
        let [a, b] = [&report["metrics"]["train"], &judged["metrics"]].map(|m| m[measure].as_f64().unwrap());
        assert!((a / b - 1.0).abs() < 1e-4, "{measure}: {a} {b}");
    }
    let output = run(&format!("evaluate {} {}", model.display(), data.display()));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(["RMSE", "MAE", "R2"].iter().all(|title| text.contains(title)), "{text}");

    let path = csv(folder.path(), 200);
    let model = folder.path().join("k.safetensors");
    let arguments = format!("train {} --validation 0 --epochs 5 --save {}", path.display(), model.display());
    let report = json(&arguments);
    let judged = json(&format!("evaluate {} {}", model.display(), path.display()));
    assert_eq!(judged["metrics"]["confusion"], report["metrics"]["train"]["confusion"]);
    for measure in ["accuracy", "log_loss", "auc", "f1_macro", "f1_micro"] {
        let [a, b] = [&report["metrics"]["train"], &judged["metrics"]].map(|m| m[measure].as_f64().unwrap());
        assert!((a - b).abs() < 1e-5, "{measure}: {a} {b}");
    }
    let output = run(&format!("evaluate {} {}", model.display(), path.display()));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(["AUC", "F1 macro", "precision", "cat"].iter().all(|part| text.contains(part)), "{text}");
}

#[test]
fn predictions_in_parquet_are_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let (data, model, _) = trained(folder.path(), "h.csv", &houses(300, true), "--epochs 2");
    let scored = folder.path().join("scored.parquet");
    let output =
        run(&format!("apply {} {} --id key --out {}", model.display(), data.display(), scored.display()));
    assert!(output.status.success(), "{}", stderr(&output));
    // The key alone says nothing of the price, and is told to name the rows.
    fails(&format!("train {}", scored.display()), 1, &["`key` is left out", "it names the rows"]);
    let report = json(&format!("train {} --category key --epochs 1", scored.display()));
    let notes = report["notes"].to_string();
    assert!(notes.contains("regression of `predicted price`"), "{notes}");
    assert_eq!(report["settings"]["features"], 300);
}
