//! Models in files: what is saved is loaded, and hostile files are answered.

#![allow(clippy::unwrap_used, reason = "tests may fail loudly")]

use proptest::prelude::*;
use std::path::Path;
use syncline_data::{
    Dataset, Input, Inputs, Layout, ReadOptions, Schema, TargetKind, TargetScale, synthetic, write_csv,
    write_libsvm,
};
use syncline_learn::{ModelSpec, Predictions, SavedModel, plain};

/// A model trained on data as they are in a file, and the data as its schema reads them.
fn trained(spec: &str, data: &Dataset) -> (SavedModel, Dataset) {
    let spec: ModelSpec = spec.parse().unwrap();
    let fitted =
        Schema::fit(&[file(data)], &ReadOptions { task: spec.task(), ..ReadOptions::default() }).unwrap();
    let mut schema = fitted.schema;
    let (data, _) = schema.rescale(fitted.data, None).unwrap();
    let settings = plain::Settings { batch: 20, epochs: 10, learning_rate: 0.3, seed: 1 };
    let parameters = plain::train(&mut spec.build(&data).unwrap(), &data, settings);
    (SavedModel::new(spec, schema, parameters), data)
}

fn file(data: &Dataset) -> Input {
    let mut bytes = Vec::new();
    if data.features().is_sparse() {
        write_libsvm(data, &mut bytes).unwrap();
        return Input::bytes("data.svm", bytes);
    }
    let names = (0..data.columns()).map(|i| format!("feature \"{i}\"")).collect();
    write_csv(&data.clone().named(names, "label".into()).unwrap(), &mut bytes).unwrap();
    Input::bytes("data.csv", bytes)
}

fn load(bytes: &[u8]) -> Result<SavedModel, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.safetensors");
    std::fs::write(&path, bytes).unwrap();
    SavedModel::load(&path)
        .map_err(|error| error.to_string().replace(&format!("{}/", folder.path().display()), ""))
}

fn bytes(model: &SavedModel) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.safetensors");
    model.save(&path).unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "the temporary file is gone");
    std::fs::read(path).unwrap()
}

#[test]
fn what_is_saved_is_loaded_and_the_bytes_repeat() {
    for (spec, data) in [
        ("softmax", synthetic::separable(200, 5, 3, 1)),
        ("mlp:8,4", synthetic::separable(200, 5, 3, 1)),
        ("linear", synthetic::linear(200, 5, 0.1, 1)),
        ("logistic", synthetic::sparse_logistic(200, 50, 5, 1)),
        ("svm", synthetic::separable(200, 5, 2, 1)),
    ] {
        let (model, read) = trained(spec, &data);
        let saved = bytes(&model);
        assert_eq!(saved, bytes(&model.clone()));
        let loaded = load(&saved).unwrap();
        assert_eq!(loaded, model);
        let (again, _) = loaded.schema.read(&[file(&data)], Layout::default()).unwrap();
        let score = loaded.evaluate(&again).unwrap();
        let near = (score.mean_loss() - model.evaluate(&read).unwrap().mean_loss()).abs();
        assert!(near < 1e-4, "{spec}: {near}");
        assert!(
            if spec == "linear" { score.rmse() < 0.2 } else { score.accuracy() > 0.7 },
            "{spec}: {score:?}"
        );
    }
}

#[test]
fn other_data_are_refused() {
    let (model, _) = trained("softmax", &synthetic::separable(100, 5, 3, 1));
    let error = model.evaluate(&synthetic::separable(10, 4, 3, 1)).unwrap_err().to_string();
    assert!(error.contains("trained on 5 features") && error.contains("these have 4"), "{error}");
    assert!(model.evaluate(&synthetic::separable(10, 5, 2, 1)).is_err());
    let (linear, _) = trained("linear", &synthetic::linear(100, 5, 0.1, 1));
    let error = linear.evaluate(&synthetic::linear(10, 5, 0.1, 1)).unwrap_err().to_string();
    assert!(error.contains("not read under the model's schema"), "{error}");
}

#[test]
fn files_that_are_no_model_are_answered() {
    let (model, _) = trained("softmax", &synthetic::separable(100, 5, 3, 1));
    let good = bytes(&model);
    for (bytes, expected) in [
        (&b""[..], "m.safetensors is not a usable model: it is no safetensors file"),
        (b"a,b,c\n1,2,3\n4,5,6\n", "m.safetensors is not a usable model: it is no safetensors file"),
        (&[0xff; 64], "it is no safetensors file"),
        (&good[..good.len() - 1], "it is no safetensors file, or a damaged one"),
        (&good[..20], "it is no safetensors file, or a damaged one"),
        (b"\x02\0\0\0\0\0\0\0{}", "it is a safetensors file of another program"),
    ] {
        let error = load(bytes).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
    let altered = |from: &str, to: &str| {
        assert_eq!(from.len(), to.len());
        let at = good.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
        let mut bytes = good.clone();
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        load(&bytes).unwrap_err()
    };
    assert!(altered("softmax", "softmix").contains("unknown model `softmix`"));
    assert!(
        altered(r#"format\":2"#, r#"format\":9"#).contains("it is of format 9, this program reads 2 and 1")
    );
    assert!(altered(r#"format\":2"#, r#"format\":1"#).contains("its description cannot be read"));
    assert!(altered("layers.0.bias", "layers.0.bain").contains("it has no tensor `layers.0.bias`"));
    assert!(altered(r#"type\":\"number"#, r#"type\":\"numbex"#).contains("its description cannot be read"));
    assert!(
        SavedModel::load("no/such.safetensors")
            .unwrap_err()
            .to_string()
            .starts_with("cannot read the model no/such")
    );
    let error = model.save(Path::new("no/such/folder/m.safetensors")).unwrap_err().to_string();
    assert!(error.starts_with("cannot write the model no/such/folder/m.safetensors: "), "{error}");
}

#[test]
fn models_that_could_predict_nothing_are_refused() {
    let (good, _) = trained("mlp:3", &synthetic::linear(50, 5, 0.1, 1));
    let refused = |change: &dyn Fn(&mut SavedModel)| {
        let mut model = good.clone();
        change(&mut model);
        load(&bytes(&model)).unwrap_err()
    };
    let error = refused(&|model| model.parameters[7] = f32::NAN);
    assert!(
        error.ends_with("is not a usable model: parameter 7 is NaN: such a model predicts nothing"),
        "{error}"
    );
    let error = refused(&|model| {
        model.schema.inputs = Inputs::Table { columns: vec![], named: true };
        model.parameters = vec![0.0; 3 + 3 + 1];
    });
    assert!(error.contains("it has 0 features"), "{error}");
    let error = refused(&|model| {
        model.schema.target.kind =
            TargetKind::Regression { scale: TargetScale { centre: 0.0, deviation: 0.0 } };
    });
    assert!(error.contains("the target's scale is not usable"), "{error}");
}

#[test]
fn scales_are_read_back_to_the_last_bit() {
    // Of numbers at random, some have no short decimal; a parser that rounds once too often misses their last bit.
    let mut data = String::from("a,b,y\n");
    for row in 0..300 {
        let x = (f64::from(row) * 0.7).sin() * 10f64.powi(row % 40 - 20);
        data += &format!("{x},{},{}\n", x * 1e5, x / 3.0);
    }
    let input = Input::bytes("x.csv", data.into_bytes());
    for rows in [7, 50, 123, 250] {
        let fitted = Schema::fit(std::slice::from_ref(&input), &ReadOptions::default()).unwrap();
        let mut schema = fitted.schema;
        let (part, _) = schema.rescale(fitted.data.select(&(0..rows).collect::<Vec<_>>()), None).unwrap();
        let spec: ModelSpec = "linear".parse().unwrap();
        let model = SavedModel::new(spec, schema, vec![0.25; part.columns() + 1]);
        assert_eq!(load(&bytes(&model)).unwrap(), model);
    }
}

/// A model as the first format kept it.
fn of_first_format(description: &str, parameters: &[f32]) -> Vec<u8> {
    let little: Vec<u8> = parameters.iter().flat_map(|value| value.to_le_bytes()).collect();
    let tensor =
        safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![parameters.len()], &little)
            .unwrap();
    let metadata = [("syncline".to_owned(), description.to_owned())].into();
    safetensors::serialize([("parameters", tensor)], Some(metadata)).unwrap()
}

#[test]
fn models_of_the_first_format_are_read() {
    let description = r#"{"format":1,"spec":"linear","features":2,"classes":[],"feature_names":["a","b"],
        "target_name":"y","scaling":{"centre":[1.0,10.0],"scale":[2.0,5.0]}}"#;
    let model = load(&of_first_format(description, &[3.0, -1.0, 0.5])).unwrap();
    let rows = Input::bytes("x.csv", &b"b,a\n15,5\n10,1\n"[..]);
    let mut chunks = model.schema.chunks(&[rows], None, Layout::default()).unwrap();
    let rows = chunks.next(10).unwrap().unwrap().features;
    assert_eq!(model.predict(&rows).unwrap(), Predictions::Numbers(vec![3.0 * 2.0 - 1.0 + 0.5, 0.5]));
    assert_eq!(load(&bytes(&model)).unwrap(), model, "it is saved as one of today");

    let sparse = r#"{"format":1,"spec":"logistic","features":3,"classes":["-1","1"],"feature_names":[],
        "target_name":"","scaling":{"centre":[],"scale":[1.0,2.0,1.0]},"unfinished":"ended by SIGTERM"}"#;
    let model = load(&of_first_format(sparse, &[0.0, 4.0, 0.0, 0.0])).unwrap();
    let rows = Input::bytes("x.svm", &b"1 2:1\n"[..]);
    let rows = model.schema.chunks(&[rows], None, Layout::default()).unwrap().next(10).unwrap().unwrap();
    assert_eq!(model.predict(&rows.features).unwrap().classes(), [1]);
    assert!(load(&of_first_format(sparse, &[0.0; 3])).unwrap_err().contains("it has 3 parameters"));
    assert!(load(&of_first_format(sparse, &[f32::NAN; 4])).unwrap_err().contains("parameter 0 is NaN"));
    let unknown = sparse.replace(r#"{"centre":[],"scale":[1.0,2.0,1.0]}"#, "null");
    assert!(load(&of_first_format(&unknown, &[0.0; 4])).unwrap_err().contains("train it again"));
    let other = description.replace("[2.0,5.0]", "[2.0]");
    assert!(load(&of_first_format(&other, &[0.0; 3])).unwrap_err().contains("names and scales"));
    let nothing = description.replace("[2.0,5.0]", "[2.0,-1.0]");
    assert!(load(&of_first_format(&nothing, &[0.0; 3])).unwrap_err().contains("scale is not usable"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_damaged_file_never_panics(at in 0usize..4000, byte: u8) {
        let (model, _) = trained("mlp:3", &synthetic::separable(30, 5, 3, 1));
        let mut bytes = bytes(&model);
        let at = at % bytes.len();
        bytes[at] = byte;
        let _ = load(&bytes);
    }
}
