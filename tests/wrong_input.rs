//! What users get wrong: the message says what, where and what to do; the exit code is 2 for usage and 1 for failure.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use support::{csv, fails, run, write};

/// Writes a file and trains on it with these further arguments, which must fail.
fn fails_on(text: &str, name: &str, arguments: &str, parts: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), name, text);
    fails(&format!("train {} {arguments}", path.display()), 1, parts);
}

#[test]
fn no_such_file() {
    fails("train no/such/file.csv", 1, &["no/such/file.csv", "No such file"]);
    fails("train --validation no-such.csv", 1, &["no-such.csv"]);
    fails("evaluate no-such.safetensors x.csv", 1, &["no-such.safetensors"]);
}

#[test]
fn not_a_number() {
    let text = "a,b,label\n1,2,x\n3,oops,y\n";
    fails_on(text, "data.csv", "", &["data.csv", "oops", "line 3", "column 2", "--drop b"]);
    fails_on("a,b,label\n1,2,x\n3,inf,y\n", "data.csv", "", &["data.csv", "`inf` in line 3"]);
    fails_on("1 1:2\n-1 3:x\n", "data.svm", "--model logistic", &["data.svm:2"]);
}

#[test]
fn rows_of_unequal_length() {
    fails_on("a,b,label\n1,2,x\n3,y\n", "data.csv", "", &["data.csv:3", "2"]);
}

#[test]
fn empty_files() {
    fails_on("", "data.csv", "", &["data.csv", "empty"]);
    fails_on("a,b,label\n", "data.csv", "", &["data.csv"]);
}

#[test]
fn a_header_of_numbers_is_one_if_the_user_says_so() {
    let text = "2019,2020,x\n1,2,x\n3,4,y\n5,6,x\n7,8,y\n";
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "years.csv", text);
    let rows = |header: &str| {
        let report =
            support::json(&format!("train {} --header {header} --validation 0 --epochs 1", path.display()));
        report["settings"]["rows"].as_u64().unwrap()
    };
    assert_eq!((rows("auto"), rows("present"), rows("absent")), (4, 4, 5));
    fails(&format!("train {} --header maybe", path.display()), 2, &["maybe", "auto, present, absent"]);
}

#[test]
fn label_missing() {
    let folder = tempfile::tempdir().unwrap();
    let path = csv(folder.path(), 20);
    fails(&format!("train {} --label colour", path.display()), 1, &["colour", "height", "kind"]);
    fails(&format!("train {} --label 9", path.display()), 1, &["9", "4"]);
}

#[test]
fn one_class_only() {
    fails_on("a,label\n1,x\n2,x\n3,x\n4,x\n5,x\n", "data.csv", "", &["one class"]);
}

#[test]
fn models_that_do_not_fit_the_labels() {
    let three = "a,label\n1,x\n2,y\n3,z\n1,x\n2,y\n3,z\n1,x\n2,y\n3,z\n";
    fails_on(three, "data.csv", "--model logistic", &["softmax"]);
    fails_on(three, "data.csv", "--model linear", &["data.csv", "`x` in line 2"]);
}

#[test]
fn a_loss_that_is_no_number() {
    for on in ["threads", "processes"] {
        let arguments = format!("train --model linear --optimizer sgd --lr 1000 --no-standardize --on {on}");
        fails(&arguments, 1, &["lower --lr (now 1000)", "worker/"]);
    }
}

#[test]
fn more_workers_than_rows() {
    let folder = tempfile::tempdir().unwrap();
    let path = csv(folder.path(), 8);
    fails(&format!("train {} --workers 20", path.display()), 2, &["workers is 20", "rows"]);
}

#[test]
fn counts_of_zero() {
    for option in ["epochs", "workers", "servers", "batch"] {
        fails(&format!("train --{option} 0"), 2, &[&format!("{option} is 0"), "at least 1"]);
    }
    fails("train --every batches:0", 2, &["batches:N"]);
}

#[test]
fn unknown_option_values_name_the_valid_ones() {
    fails("train --sync bps", 2, &["bps", "bsp, asp, ssp:BOUND"]);
    fails("train --model resnet", 2, &["resnet", "linear", "mlp:"]);
    fails("train --optimizer adamw", 2, &["adamw", "sgd, momentum, nesterov, adagrad and adam"]);
    fails("train --every day", 2, &["day", "batch, batches:N", "epoch"]);
    fails("train --partition all", 2, &["all", "contiguous", "round-robin", "random"]);
    fails("train --on mars", 2, &["mars", "threads", "processes"]);
    fails("train --fold median", 2, &["median", "mean, sum and average"]);
    fails("train --inject fast", 2, &["fast", "worker=W", "exp:20ms"]);
    fails("trian", 2, &["train"]);
}

#[test]
fn numbers_out_of_range() {
    fails("train --lr 0", 2, &["lr is 0", "positive"]);
    fails("train --lr nan", 2, &["lr is NaN"]);
    fails("train --l2=-1", 2, &["l2 is -1"]);
    fails("train --validation 1.5", 2, &["1.5", "less than 1"]);
    fails("train --servers 100000", 2, &["servers is 100000", "parameters"]);
    fails("train --workers 3000", 2, &["workers is 3000", "2048 nodes"]);
    fails("train --epochs 4294967295", 2, &["epochs is 4294967295", "1000000"]);
    fails("train --sync backup:2", 2, &["backup is 2", "less than the number of workers"]);
    fails("train --inject worker=7:1ms", 2, &["7", "there are 2 workers"]);
}

#[test]
fn what_is_not_computed_gives_no_model() {
    fails("train --compute skip:3ms", 2, &["add --on sim"]);
    fails("train --on sim --compute skip:measured", 2, &["skip:measured", "such as `skip:3ms`"]);
    fails("train --on sim --compute skip:3ms --save m.safetensors", 2, &["no model for --save"]);
    fails("train --on sim --compute skip:3ms --patience 2", 2, &["--patience heeds the loss"]);
}

#[test]
fn unwritable_output() {
    fails("train --save no/such/folder/m.safetensors", 1, &["cannot write", "no/such/folder"]);
    fails("train --trace no/such/folder/t.parquet", 1, &["no/such/folder/t.parquet"]);
    let folder = tempfile::tempdir().unwrap();
    fails(&format!("train --save {}", folder.path().display()), 1, &["it is a folder"]);
    for option in ["save", "trace"] {
        fails(&format!("train --{option} /dev/null"), 1, &["/dev/null", "not a plain file"]);
    }
}

#[test]
fn output_over_input() {
    let folder = tempfile::tempdir().unwrap();
    let data = csv(folder.path(), 20);
    let before = std::fs::read(&data).unwrap();
    for option in ["save", "trace"] {
        let arguments = format!("train {} --{option} {}", data.display(), data.display());
        fails(&arguments, 2, &["animals.csv is named twice", "choose another file"]);
    }
    assert!(std::fs::read(&data).unwrap() == before, "the data are as they were");
    let out = folder.path().join("out");
    fails(&format!("train --save {0} --trace {0}", out.display()), 2, &["out is named twice"]);
}

#[test]
fn held_out_columns_of_another_name() {
    let folder = tempfile::tempdir().unwrap();
    let data = csv(folder.path(), 20);
    let other = write(folder.path(), "other.csv", "width,tallness,depth,kind\n1,2,3,cat\n");
    let arguments = format!("train {} --validation {}", data.display(), other.display());
    fails(&arguments, 1, &["other.csv", "it lacks a column", "`height`", "`tallness`"]);
    let model = folder.path().join("model.safetensors");
    let trained = run(&format!("train {} --epochs 1 --save {}", data.display(), model.display()));
    assert!(trained.status.success());
    for command in ["evaluate", "apply"] {
        let arguments = format!("{command} {} {}", model.display(), other.display());
        fails(&arguments, 1, &["other.csv", "`height`", "`tallness`"]);
    }
}

#[test]
fn a_model_file_that_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let data = csv(folder.path(), 20);
    let model = write(folder.path(), "model.safetensors", "not a model at all");
    fails(&format!("evaluate {} {}", model.display(), data.display()), 1, &["model.safetensors"]);
}

#[test]
fn help_has_an_example() {
    for command in ["train", "evaluate", "apply"] {
        let output = run(&format!("{command} --help"));
        assert!(output.status.success());
        assert!(String::from_utf8_lossy(&output.stdout).contains("Example"), "{command}");
    }
}
