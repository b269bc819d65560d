//! Folds, server rules and client rules, named after the behaviours that they have.

#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use syncline_federated::drift::{Quadratic, Strategy as Drift, fixed_point};
use syncline_federated::fold::{Answer, Bulyan, Fold, Krum, Mean, Median, Trimmed};
use syncline_federated::server::{Async, Buffer, Rule, ServerState};
use syncline_federated::{Error, Local, LocalRule, Selection, normalised_change, select};

fn answers(values: &[f64]) -> Vec<Answer> {
    let answer = |(client, value): (usize, &f64)| Answer { client, samples: 1.0, values: vec![*value] };
    values.iter().enumerate().map(answer).collect()
}

#[test]
fn f1_equal_models_average_to_themselves_bit_for_bit() {
    let model = vec![0.1, -1.0 / 3.0, 1e-300, 7e200];
    let equal: Vec<Answer> =
        (0..7).map(|client| Answer { client, samples: client as f64 + 0.3, values: model.clone() }).collect();
    for fold in [&Mean as &dyn Fold, &Median, &Krum::new(1), &Krum::multi(1, 3).unwrap()] {
        assert_eq!(fold.fold(&equal).unwrap().values, model);
    }
}

#[test]
fn f4_nothing_usable_leaves_the_model_and_says_so() {
    assert_eq!(Mean.fold(&[]).unwrap_err(), Error::NoAnswers { heard: 0, bad: 0 });
    let poisoned = answers(&[f64::NAN, f64::INFINITY]);
    assert_eq!(Median.fold(&poisoned).unwrap_err(), Error::NoAnswers { heard: 2, bad: 2 });
    let mut mixed = answers(&[1.0, f64::NAN, 3.0]);
    mixed[2].samples = -1.0;
    let folded = Mean.fold(&mixed).unwrap();
    assert_eq!((folded.values, folded.bad), (vec![1.0], vec![1, 2]));
}

#[test]
fn f5_momentum_of_nothing_is_the_plain_mean() {
    let mut plain = ServerState::new(Rule::Avg, vec![1.0, 2.0]).unwrap();
    let mut momentum = ServerState::new(Rule::AvgM { rate: 1.0, momentum: 0.0 }, vec![1.0, 2.0]).unwrap();
    for change in [[0.5, -0.25], [0.1, 0.3]] {
        plain.apply(&change).unwrap();
        momentum.apply(&change).unwrap();
        assert_eq!(plain.model(), momentum.model());
    }
}

#[test]
fn f6_answers_of_another_shape_are_refused_by_client() {
    let mut wrong = answers(&[1.0, 2.0, 3.0]);
    wrong[1].values.push(0.0);
    let error = Mean.fold(&wrong).unwrap_err().to_string();
    assert!(error.contains("client 1") && error.contains("2 values"), "{error}");
    let mut twice = answers(&[1.0, 2.0]);
    twice[1].client = 0;
    assert!(Mean.fold(&twice).unwrap_err().to_string().contains("twice"));
    let mut server = ServerState::new(Rule::adam(0.1), vec![0.0; 3]).unwrap();
    assert!(server.apply(&[1.0]).is_err());
    assert_eq!((server.model(), server.steps()), (&[0.0; 3][..], 0), "unchanged");
}

#[test]
fn f8_to_f11_robust_folds() {
    assert_eq!(Median.fold(&answers(&[0.2, 1.0, 0.5])).unwrap().values, [0.5]);
    let four = answers(&[9.0, 1.0, 2.0, -50.0]);
    assert_eq!(Trimmed::new(0.25).unwrap().fold(&four).unwrap().values, [1.5], "the middle two");
    assert_eq!(Krum::new(1).fold(&answers(&[0.2, 0.7, 1.0])).unwrap().values, [0.7]);
    let multi = Krum::multi(1, 2).unwrap().fold(&answers(&[0.2, 0.5, 1.0])).unwrap().values[0];
    assert!((multi - 0.35).abs() < 1e-12);
    assert!((Bulyan::new(0).fold(&answers(&[0.2, 0.5, 1.1])).unwrap().values[0] - 0.6).abs() < 1e-12);
    let few = Bulyan::new(1).fold(&answers(&[0.0; 6])).unwrap_err();
    assert_eq!(few, Error::TooFew { fold: "bulyan", liars: 1, needed: 7, found: 6 });
    assert!(Trimmed::new(0.5).is_err() && Trimmed::new(f64::NAN).is_err() && Krum::multi(1, 0).is_err());
    assert!(Krum::new(1).is_guaranteed(5) && !Krum::new(1).is_guaranteed(4));
}

#[test]
fn one_liar_moves_the_mean_and_no_robust_fold() {
    let honest = [0.9, 1.1, 1.0, 1.05, 0.95, 1.02];
    for lie in [1e6, -1e6, f64::NAN] {
        let sent = answers(&[&honest[..], &[lie]].concat());
        let folds: [&dyn Fold; 4] =
            [&Median, &Trimmed::new(0.2).unwrap(), &Krum::new(1), &Krum::multi(1, 3).unwrap()];
        for fold in folds {
            assert!((fold.fold(&sent).unwrap().values[0] - 1.0).abs() < 0.11);
        }
        if lie.is_finite() {
            assert!((Mean.fold(&sent).unwrap().values[0] - 1.0).abs() > 1e4);
        }
    }
}

#[test]
fn f12_sizes_of_a_selection() {
    for (available, count) in [(40, 2), (39, 2), (20, 2), (19, 2), (1, 1)] {
        assert_eq!(select::uniform_count(0.05, 2, available).unwrap(), count, "{available}");
    }
    assert_eq!(select::uniform_count(1.0, 2, 19).unwrap(), 19);
    assert!(select::uniform_count(1.5, 2, 19).is_err());
    let there: Vec<(usize, f64)> = (0..30).map(|client| (client * 3, 1.0 + client as f64)).collect();
    for selection in
        [Selection::All, Selection::Uniform { share: 0.3, least: 2 }, Selection::BySamples { count: 7 }]
    {
        let chosen = selection.choose(4, 9, &there).unwrap();
        assert_eq!(chosen, selection.choose(4, 9, &there).unwrap(), "a function of seed and round");
        assert!(chosen.is_sorted_by(|a, b| a < b) && chosen.iter().all(|client| client % 3 == 0));
        if selection != Selection::All {
            assert_ne!(chosen, selection.choose(4, 10, &there).unwrap());
        }
    }
    // Those with many samples come more often: of two clients with 1 and 9 the second in 9 of 10 rounds.
    let two = [(0, 1.0), (1, 9.0)];
    let second = (0..2000)
        .filter(|round| Selection::BySamples { count: 1 }.choose(1, *round, &two).unwrap() == [1])
        .count();
    assert!((second as f64 / 2000.0 - 0.9).abs() < 0.03, "{second}");
}

/// Two unlike clients, as in the closed forms.
fn clients() -> Vec<Quadratic> {
    let client = |curvature, optimum, samples, steps| Quadratic { curvature, optimum, samples, steps };
    vec![client(1.0, 0.0, 1.0, 2), client(4.0, 3.0, 3.0, 8), client(2.0, -1.0, 2.0, 4)]
}

/// Rounds of a strategy from 0 until nothing moves.
fn converged(mut round: impl FnMut(f64) -> f64) -> f64 {
    (0..4000).fold(0.0, |x, _| round(x))
}

#[test]
fn strategies_drift_to_their_closed_forms() {
    let (clients, rate) = (clients(), 0.05);
    let after = |rule: LocalRule, client: &Quadratic, x: f64| {
        let local = Local::new(rule, rate, client.steps).unwrap();
        local.run(&[x], |_, y| vec![client.gradient(y[0])])[0]
    };
    let mean_of = |rule: LocalRule, x: f64| {
        let answers: Vec<Answer> = clients
            .iter()
            .enumerate()
            .map(|(at, client)| Answer {
                client: at,
                samples: client.samples,
                values: vec![after(rule, client, x)],
            })
            .collect();
        Mean.fold(&answers).unwrap().values[0]
    };
    let close = |found: f64, strategy: Drift| {
        let expected = fixed_point(strategy, &clients, rate).unwrap();
        assert!((found - expected).abs() < 1e-9, "{strategy:?}: {found} {expected}");
    };
    close(converged(|x| mean_of(LocalRule::Plain, x)), Drift::Avg);
    close(converged(|x| mean_of(LocalRule::Prox { mu: 1.0 }, x)), Drift::Prox(1.0));
    let nova = |x: f64| {
        let answers: Vec<(f64, usize, Vec<f64>)> = clients
            .iter()
            .map(|client| (client.samples, client.steps, vec![after(LocalRule::Plain, client, x)]))
            .collect();
        x + normalised_change(&[x], &answers)[0]
    };
    close(converged(nova), Drift::Nova);
}

#[test]
fn scaffold_reaches_the_optimum_of_the_sum() {
    let (clients, rate) = (clients(), 0.05);
    let total: f64 = clients.iter().map(|client| client.samples).sum();
    let mut own = vec![vec![0.0]; clients.len()];
    let mut common = vec![0.0];
    let found = converged(|x| {
        let (mut model, mut change) = (0.0, 0.0);
        for (client, own) in clients.iter().zip(&mut own) {
            let local = Local::new(LocalRule::Plain, rate, client.steps).unwrap();
            let (y, of) = local.run_controlled(&[x], own, &common, |_, y| vec![client.gradient(y[0])]);
            model += client.samples / total * y[0];
            change += client.samples / total * of[0];
        }
        common[0] += change;
        model
    });
    let optimum = fixed_point(Drift::Scaffold, &clients, rate).unwrap();
    assert!((found - optimum).abs() < 1e-6, "{found} {optimum}");
    let drifted = fixed_point(Drift::Avg, &clients, rate).unwrap();
    assert!((drifted - optimum).abs() > 0.1, "which plain averaging does not");
}

#[test]
fn asynchronous_rules_weigh_stale_answers_less() {
    let rule = Async::new(0.5, 1.0).unwrap();
    let (mut fresh, mut stale) = ([0.0], [0.0]);
    rule.apply(&mut fresh, &[1.0], 0);
    rule.apply(&mut stale, &[1.0], 4);
    assert_eq!((fresh, stale), ([0.5], [0.1]));
    let mut buffer = Buffer::new(2, 1.0, 1).unwrap();
    let mut model = [0.0];
    assert!(!buffer.push(&mut model, &[1.0], 0) && model == [0.0]);
    assert!(buffer.push(&mut model, &[1.0], 3) && model == [0.75]);
    assert!(!buffer.push(&mut model, &[1.0], 0), "emptied");
}

proptest! {
    /// The order of arrival does not matter, to the bit.
    #[test]
    fn folds_do_not_depend_on_the_order_of_arrival(values in prop::collection::vec(-1e3..1e3f64, 7..12), turn in 1usize..6) {
        let sent = answers(&values);
        let mut turned = sent.clone();
        turned.rotate_left(turn);
        let folds: [&dyn Fold; 5] = [&Mean, &Median, &Krum::new(1), &Bulyan::new(1), &Krum::new(0)];
        for fold in folds {
            prop_assert_eq!(fold.fold(&sent).unwrap(), fold.fold(&turned).unwrap());
        }
    }
}
