//! Training ends when the validation loss no longer falls, and the best epoch is kept.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use syncline_data::{Dataset, Targets, synthetic};
use syncline_learn::{Metrics, Mlp};
use syncline_paramserv::{Optimizer, ParamServ, Policy, Rule, Schedule, Trained};
use syncline_program::Executor;

/// Classes that have nothing to do with the features: a network learns the training rows by heart.
fn noise() -> (Dataset, Dataset) {
    let data = synthetic::blobs(200, 8, 2, 1);
    let labels = (0..200u32).map(|row| (row * row / 7 + row) % 2).collect();
    let targets = Targets::Class { labels, names: vec!["a".to_owned(), "b".to_owned()] };
    Dataset::new(data.features().clone(), targets).unwrap().split(0.3, 1).unwrap()
}

fn run(epochs: u32) -> ParamServ {
    let (train, held_out) = noise();
    ParamServ::new(Mlp::new(&[8, 32, 2]), train)
        .validation(held_out)
        .workers(3)
        .batch(8)
        .epochs(epochs)
        .schedule(Schedule::default())
        .optimizer(Optimizer::new(Rule::Adam, 0.01).unwrap())
}

fn train(run: ParamServ) -> Trained {
    run.train(Executor::threads()).unwrap()
}

#[test]
fn the_best_epoch_is_kept_whoever_is_late() {
    let stopped = train(run(500).patience(4));
    let report = stopped.report();
    let best = report.best_epoch.unwrap();
    assert_eq!(report.epochs.len() as u32, best + 4, "it stops 4 epochs after the best");
    assert!(best + 4 < 500);
    let loss = |epoch: u32| report.epochs[epoch as usize - 1].validation_loss.unwrap();
    assert!((1..=best + 4).all(|epoch| loss(epoch) >= loss(best)));
    assert!(
        report.findings[0].contains(&format!("the model is that of epoch {best}")),
        "{:?}",
        report.findings
    );

    // The same run with just so many epochs ends with the same parameters.
    assert_eq!(train(run(best)).parameters, stopped.parameters);
    for delay in ["worker=0:exp:1ms", "worker=2:exp:1ms"] {
        let late = train(run(500).patience(4).inject(delay.parse().unwrap()));
        assert_eq!(late.parameters, stopped.parameters, "{delay}");
        let epochs = |trained: &Trained| -> Vec<f64> {
            trained.report().epochs.iter().map(|epoch| epoch.validation_loss.unwrap()).collect()
        };
        assert_eq!(epochs(&late), epochs(&stopped), "{delay}");
    }
    assert_eq!(train(run(500).patience(4).servers(3)).parameters, stopped.parameters);
}

#[test]
fn it_works_under_every_policy() {
    for (sync, servers) in [("asp", 2), ("ssp:2", 2), ("backup:1", 1)] {
        let stopped = train(run(500).patience(3).servers(servers).sync(sync.parse::<Policy>().unwrap()));
        let report = stopped.report();
        let (epochs, best) = (report.epochs.len() as u32, report.best_epoch.unwrap());
        assert!(epochs < 500, "{sync}");
        assert_eq!(best + 3, epochs, "{sync}");
        // Without a barrier workers have other parameters than their colleagues: what is told is of those that are kept.
        let Some(Metrics::Classes(kept)) = &report.metrics.validation else { panic!("{report:?}") };
        let (kept, told) =
            (kept.log_loss.unwrap(), report.epochs[best as usize - 1].validation_loss.unwrap());
        assert!((kept - told).abs() < 1e-4 * told, "{sync}: {kept} is not {told}");
    }
}

#[test]
fn without_patience_overfitting_is_found() {
    let findings = train(run(60)).report().findings.join("\n");
    assert!(
        findings.contains("the model overfits: the validation loss was least after epoch "),
        "{findings}"
    );
    assert!(findings.contains("--patience 5"), "{findings}");
}
