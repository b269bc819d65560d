//! Rows that count more or less: a column of weights, and weights after LIBSVM's labels.

#![allow(clippy::unwrap_used, reason = "tests may fail loudly")]

use syncline_data::{Fitted, Input, Kind, Layout, ReadOptions, Schema, Targets};

fn options(weight: &str) -> ReadOptions {
    ReadOptions { weight: Some(weight.to_owned()), ..ReadOptions::default() }
}

fn fit(name: &str, text: &str, weight: &str) -> Result<Fitted, String> {
    Schema::fit(&[Input::bytes(name, text.as_bytes())], &options(weight)).map_err(|error| error.to_string())
}

const TABLE: &str = "a,n,y\n1,1,0.5\n2,3,1.5\n4,0,2.5\n8,,9.5\n6,4,3.5\n";

#[test]
fn a_column_of_weights_is_no_feature_and_is_kept_in_the_schema() {
    let fitted = fit("t.csv", TABLE, "n").unwrap();
    assert_eq!(fitted.data.weights(), Some(&[0.5, 1.5, 0.0, 2.0][..]), "brought to a mean of 1");
    let schema = &fitted.schema;
    assert_eq!(
        (schema.features(), schema.weight.as_ref().unwrap().name.as_str()),
        (vec!["a".to_owned()], "n")
    );
    let notes = fitted.notes.join("\n");
    assert!(notes.contains("`n` is left out: it says how much a row counts"), "{notes}");
    assert!(notes.contains("1 row without a weight left out"), "{notes}");
    let text = serde_json::to_string(schema).unwrap();
    assert_eq!(serde_json::from_str::<Schema>(&text).unwrap(), *schema);

    let other =
        |text: &str| schema.read(&[Input::bytes("o.csv", text.as_bytes())], Layout::default()).unwrap();
    let (data, notes) = other("n,y,a\n3,1.5,2\n1,0.5,1\n");
    assert_eq!((data.weights(), notes.len()), (Some(&[1.5, 0.5][..]), 0), "found by name");
    let (data, notes) = other("y,a\n1.5,2\n0.5,1\n");
    assert_eq!((data.weights(), &*notes[0]), (None, "o.csv has no column `n`: its rows count the same"));
    assert!(fit("t.csv", TABLE, "3").unwrap_err().contains("`y` is the label and cannot weigh the rows too"));
    assert!(fit("t.csv", TABLE, "m").unwrap_err().contains("no column is named `m`"));
}

#[test]
fn weights_that_make_no_sense_are_refused_by_line() {
    for (text, said) in [
        ("a,n,y\n1,1,0\n2,-3,1\n", "t.csv:3: `n`: the weight -3 is negative"),
        ("a,n,y\n1,1,0\n2,many,1\n", "t.csv:3: `n`: the weight `many` is no usable number"),
        ("a,n,y\n1,1,0\n2,1e60,1\n", "is too large for a 32-bit float"),
        ("a,n,y\n1,0,0\n2,0,1\n", "t.csv: all its rows have the weight 0"),
        ("a,n,y\n1,,0\n2,NA,1\n", "t.csv: no row is left to use"),
    ] {
        let error = fit("t.csv", text, "n").unwrap_err();
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn libsvm_has_weights_after_its_labels() {
    let text = "1:0.5 1:3 4:1\n-1:1.5 2:1\n1 3:2\n";
    let fitted = fit("t.svm", text, "label").unwrap();
    assert_eq!(fitted.data.weights(), Some(&[0.5, 1.5, 1.0][..]), "without one a row counts once");
    let Targets::Class { labels, names } = fitted.data.targets() else { panic!("classes") };
    assert_eq!((&labels[..], &names[..]), (&[1, 0, 1][..], &["-1".to_owned(), "1".into()][..]));
    let (again, _) =
        fitted.schema.read(&[Input::bytes("t.svm", text.as_bytes())], Layout::default()).unwrap();
    assert_eq!(again, fitted.data);
    let error = fit("t.svm", "1:-1 2:1\n-1:1 3:1\n", "label").unwrap_err();
    assert!(error.contains("t.svm:1: ") && error.contains("the weight -1 is negative"), "{error}");
    let error = Schema::fit(&[Input::bytes("t.svm", text.as_bytes())], &ReadOptions::default()).unwrap_err();
    assert!(error.to_string().contains("the label is missing"), "{error}");
}

#[test]
fn a_row_of_weight_two_is_two_rows_for_scales() {
    let twice = "a,y\n1,5\n1,5\n4,8\n4,8\n9,1\n9,1\n9,1\n7,2\n";
    let weighted = "a,n,y\n1,2,5\n4,2,8\n9,3,1\n7,1,2\n3,0,77\n";
    let scales = |text: &str, options: &ReadOptions| {
        let fitted = Schema::fit(&[Input::bytes("t.csv", text.as_bytes())], options).unwrap();
        let mut schema = fitted.schema;
        schema.rescale(fitted.data, None).unwrap();
        let Kind::Number { scale } = (match &schema.inputs {
            syncline_data::Inputs::Table { columns, .. } => columns[0].kind.clone(),
            syncline_data::Inputs::Sparse { .. } => panic!("a table"),
        }) else {
            panic!("numbers")
        };
        (scale.centre, scale.deviation, schema.target.scale().centre, schema.target.scale().deviation)
    };
    let (a, b) = (scales(twice, &ReadOptions::default()), scales(weighted, &options("n")));
    let close = |a: f64, b: f64| (a - b).abs() < 1e-6;
    assert!(close(a.0, b.0) && close(a.1, b.1) && close(a.2, b.2) && close(a.3, b.3), "{a:?} {b:?}");
}

#[test]
fn both_sides_of_a_split_have_a_mean_of_one() {
    let mut text = String::from("a,n,y\n");
    for row in 0..50 {
        text += &format!("{row},{},{}\n", row % 7, f64::from(row) * 0.5);
    }
    let (rest, aside) = fit("t.csv", &text, "n").unwrap().data.split(0.2, 1).unwrap();
    for part in [rest, aside] {
        let weights = part.weights().unwrap();
        let mean = weights.iter().sum::<f32>() / weights.len() as f32;
        assert!((mean - 1.0).abs() < 1e-6, "{mean}");
    }
}
