//! Models in files: what is saved is loaded, and hostile files are answered.

#![allow(clippy::unwrap_used, reason = "tests may fail loudly")]

use proptest::prelude::*;
use std::path::Path;
use syncline_data::{Dataset, Scaling, synthetic};
use syncline_learn::{ModelSpec, SavedModel, plain};

fn trained(spec: &str, data: Dataset) -> (SavedModel, Dataset) {
    let names = (0..data.columns()).map(|i| format!("feature \"{i}\"")).collect();
    let original = data.named(names, "label".into()).unwrap();
    let spec: ModelSpec = spec.parse().unwrap();
    let mut data = original.clone();
    let scaling = Scaling::fit(&data);
    scaling.apply(&mut data).unwrap();
    let settings = plain::Settings { batch: 20, epochs: 10, learning_rate: 0.3, seed: 1 };
    let parameters = plain::train(&mut spec.build(&data).unwrap(), &data, settings);
    (SavedModel::new(spec, &data, Some(scaling), parameters), original)
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
        let (model, data) = trained(spec, data);
        let saved = bytes(&model);
        assert_eq!(saved, bytes(&model.clone()));
        let loaded = load(&saved).unwrap();
        assert_eq!(loaded, model);
        let score = loaded.evaluate(data.clone()).unwrap();
        assert_eq!(score, model.evaluate(data).unwrap());
        assert!(
            if spec == "linear" { score.rmse() < 0.2 } else { score.accuracy() > 0.7 },
            "{spec}: {score:?}"
        );
    }
}

#[test]
fn other_data_are_refused() {
    let (model, _) = trained("softmax", synthetic::separable(100, 5, 3, 1));
    let error = model.evaluate(synthetic::separable(10, 4, 3, 1)).unwrap_err().to_string();
    assert!(error.contains("trained on 5 features") && error.contains("these have 4"), "{error}");
    assert!(model.evaluate(synthetic::separable(10, 5, 2, 1)).is_err());
    assert!(model.evaluate(synthetic::linear(10, 5, 0.1, 1)).is_err());
    let options = model.read_options();
    assert_eq!((options.columns, options.classes.unwrap().len()), (Some(5), 3));
}

#[test]
fn files_that_are_no_model_are_answered() {
    let (model, _) = trained("softmax", synthetic::separable(100, 5, 3, 1));
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
        altered(r#"features\":5"#, r#"features\":6"#).contains("it has 18 parameters, `softmax` needs 21")
    );
    assert!(altered(r#"format\":1"#, r#"format\":9"#).contains("it is of format 9"));
    assert!(
        SavedModel::load("no/such.safetensors")
            .unwrap_err()
            .to_string()
            .starts_with("cannot read the model no/such")
    );
    let error = model.save(Path::new("no/such/folder/m.safetensors")).unwrap_err().to_string();
    assert!(error.starts_with("cannot write the model no/such/folder/m.safetensors: "), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_damaged_file_never_panics(at in 0usize..900, byte: u8) {
        let (model, _) = trained("mlp:3", synthetic::separable(30, 5, 3, 1));
        let mut bytes = bytes(&model);
        let at = at % bytes.len();
        bytes[at] = byte;
        let _ = load(&bytes);
    }
}
