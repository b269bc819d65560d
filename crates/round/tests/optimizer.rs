//! The optimisers against their formulas written plainly in f64, and sparse against dense.

use proptest::prelude::*;
use syncline_round::{Optimizer, Rule};

const RULES: [Rule; 5] =
    [Rule::Sgd, Rule::Momentum { beta: 0.9 }, Rule::Nesterov { beta: 0.9 }, Rule::Adagrad, Rule::Adam];

/// Plain, one parameter at a time, in f64.
fn reference(rule: Rule, rate: f64, l2: f64, start: f64, gradients: &[f64]) -> f64 {
    let (mut w, mut m, mut v) = (start, 0.0, 0.0);
    for (step, g) in gradients.iter().enumerate() {
        let g = g + l2 * w;
        let t = step as i32 + 1;
        match rule {
            Rule::Sgd => w -= rate * g,
            Rule::Momentum { beta } => {
                m = f64::from(beta) * m + g;
                w -= rate * m;
            }
            Rule::Nesterov { beta } => {
                m = f64::from(beta) * m + g;
                w -= rate * (g + f64::from(beta) * m);
            }
            Rule::Adagrad => {
                m += g * g;
                w -= rate * g / (m.sqrt() + 1e-10);
            }
            Rule::Adam => {
                m = 0.9 * m + 0.1 * g;
                v = 0.999 * v + 0.001 * g * g;
                let (m, v) = (m / (1.0 - 0.9f64.powi(t)), v / (1.0 - 0.999f64.powi(t)));
                w -= rate * m / (v.sqrt() + 1e-8);
            }
        }
    }
    w
}

#[test]
fn each_rule_follows_its_formula() {
    // More parameters than one block, so that block borders are crossed.
    let n = 10_000;
    let start: Vec<f32> = (0..n).map(|i| (i as f32 * 0.37).sin()).collect();
    let gradient =
        |step: usize| -> Vec<f32> { (0..n).map(|i| ((i + step * 7) as f32 * 0.11).cos()).collect() };
    for rule in RULES {
        for l2 in [0.0, 0.3] {
            let optimizer = Optimizer::new(rule, 0.05).unwrap().with_l2(l2).unwrap();
            let mut state = optimizer.state(n, &[0..5_000]);
            let mut w = start.clone();
            (0..4).for_each(|step| state.step(&mut w, &[(&gradient(step), 1.0)]));
            for i in (0..n).step_by(97) {
                let g: Vec<f64> = (0..4).map(|step| f64::from(gradient(step)[i])).collect();
                let l2 = if i < 5_000 { f64::from(l2) } else { 0.0 };
                let want = reference(rule, 0.05, l2, f64::from(start[i]), &g);
                assert!((f64::from(w[i]) - want).abs() < 1e-5, "{rule} {l2} [{i}]: {} is not {want}", w[i]);
            }
        }
    }
}

#[test]
fn steps_with_several_threads_are_the_same_to_the_bit() {
    // Enough for four parts, and the last is a short one; penalties lie across their borders.
    let n = 3 * 500_000 + 12_345;
    let values = |factor: f32| -> Vec<f32> { (0..n).map(|i| (i as f32 * factor).sin()).collect() };
    let (start, one, other) = (values(0.37), values(0.11), values(0.13));
    for rule in RULES {
        for (l1, l2) in [(0.0, 0.0), (0.2, 0.0), (0.0, 0.3)] {
            let optimizer = Optimizer::new(rule, 0.05).unwrap().with_l2(l2).unwrap().with_l1(l1).unwrap();
            let penalised: &[_] =
                if (l1, l2) == (0.0, 0.0) { &[] } else { &[1_000..500_000, 503_810..n - 9] };
            let stepped = |threads| {
                let (mut state, mut w) = (optimizer.state(n, penalised), start.clone());
                for gradients in [&[(&one[..], 1.0)][..], &[(&one[..], 0.25), (&other[..], 0.75)][..]] {
                    state.step_with(threads, &mut w, gradients);
                }
                let memory = state.memory().0.map(<[f32]>::to_vec);
                [w].into_iter().chain(memory).map(|values| values.into_iter().map(f32::to_bits).collect())
            };
            let [single, four]: [Vec<Vec<u32>>; 2] = [1, 4].map(|threads| stepped(threads).collect());
            assert!(single == four, "{rule}, l1 {l1}, l2 {l2}");
        }
    }
}

#[test]
fn eps_is_added_after_the_bias_correction() {
    // A gradient so small that eps decides: the first step is a g / (|g| + eps), half of the rate for g = eps.
    let optimizer = Optimizer::new(Rule::Adam, 0.1).unwrap();
    let mut w = [0.0];
    optimizer.state(1, &[]).step(&mut w, &[(&[1e-8], 1.0)]);
    assert!((w[0] + 0.05).abs() < 1e-4, "{w:?}");
    let mut w = [0.0];
    optimizer.with_eps(3e-8).unwrap().state(1, &[]).step(&mut w, &[(&[1e-8], 1.0)]);
    assert!((w[0] + 0.025).abs() < 1e-4, "{w:?}");
}

#[test]
fn l1_holds_at_zero_what_the_loss_pulls_at_with_less_and_shrinks_the_rest_by_as_much() {
    // The loss (w - target)^2 / 2 for two targets: its minimum with the penalty is at target - l1, or at 0.
    for rule in RULES {
        let optimizer = Optimizer::new(rule, 0.01).unwrap().with_l1(0.25).unwrap();
        let mut state = optimizer.state(3, &[0..2]);
        let mut w = [0.5, 0.5, 0.5];
        for _ in 0..20_000 {
            let gradient = [w[0] - 1.0, w[1] - 0.2, w[2] - 0.2];
            state.step(&mut w, &[(&gradient, 1.0)]);
        }
        assert!((w[0] - 0.75).abs() < 0.02, "{rule}: {w:?}");
        assert_eq!(w[1], 0.0, "{rule}: {w:?}");
        assert!((w[2] - 0.2).abs() < 0.02, "{rule}: the third bears no penalty: {w:?}");
    }
}

#[test]
fn a_factor_changes_the_rate_of_the_steps_to_come() {
    for rule in RULES {
        let state = |rate: f32| Optimizer::new(rule, rate).unwrap().state(2, &[]);
        let (mut scaled, mut plain) = (state(0.1), state(0.025));
        scaled.set_factor(0.25);
        let (mut a, mut b) = ([1.0, 2.0], [1.0, 2.0]);
        for _ in 0..3 {
            scaled.step(&mut a, &[(&[0.5, -1.0], 1.0)]);
            plain.step(&mut b, &[(&[0.5, -1.0], 1.0)]);
            scaled.step_sparse(&mut a, &[((&[1u32][..], &[0.5f32][..]), 1.0)]);
            plain.step_sparse(&mut b, &[((&[1u32][..], &[0.5f32][..]), 1.0)]);
        }
        assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6), "{rule}: {a:?} {b:?}");
    }
}

#[test]
fn settings_without_effect_are_refused() {
    let (sgd, adam) = (Optimizer::plain(Rule::Sgd), Optimizer::plain(Rule::Adam));
    let message = |result: Result<Optimizer, syncline_round::Error>| result.unwrap_err().to_string();
    assert!(message(sgd.with_momentum(0.9)).contains("momentum has no effect on sgd"));
    assert!(message(adam.with_momentum(0.9)).contains("--optimizer momentum"));
    assert!(message(sgd.with_betas(0.9, 0.99)).contains("--optimizer adam"));
    assert!(message(sgd.with_eps(1e-8)).contains("eps has no effect"));
    assert!(message(adam.with_betas(1.0, 0.99)).contains("beta1 is 1"));
    assert!(message(adam.with_eps(0.0)).contains("eps is 0"));
    assert!(message(adam.with_l1(f32::NAN)).contains("l1"));
}

#[test]
fn folding_inside_the_step_equals_folding_before_it() {
    let gradients: Vec<Vec<f32>> =
        (0..3).map(|k| (0..9000).map(|i| ((i * (k + 2)) as f32).sin()).collect()).collect();
    for count in 1..=3 {
        let weighted: Vec<(&[f32], f32)> = gradients[..count].iter().map(|g| (&g[..], 0.25)).collect();
        let mut folded = vec![0.0; 9000];
        syncline_round::fold(&mut folded, &weighted);
        let (mut a, mut b) = (vec![1.0; 9000], vec![1.0; 9000]);
        let optimizer = Optimizer::new(Rule::Adam, 0.1).unwrap();
        optimizer.state(9000, &[]).step(&mut a, &weighted);
        optimizer.state(9000, &[]).step(&mut b, &[(&folded, 1.0)]);
        assert_eq!(a, b);
    }
}

#[test]
fn rates_that_cannot_work_are_refused() {
    for rate in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        assert!(Optimizer::new(Rule::Sgd, rate).unwrap_err().to_string().contains("lr"));
    }
    assert!(Optimizer::new(Rule::Sgd, 0.1).unwrap().with_l2(-1.0).unwrap_err().to_string().contains("l2"));
    assert!(
        "adamw"
            .parse::<Rule>()
            .unwrap_err()
            .to_string()
            .contains("sgd, momentum, nesterov, adagrad and adam")
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_sparse_gradient_steps_like_the_dense_one_with_zeros(
        rule in 0usize..4,
        l2 in prop_oneof![Just(0.0f32), Just(0.1)],
        rounds in prop::collection::vec(
            prop::collection::vec(prop::collection::btree_map(0u32..50, -2.0f32..2.0, 0..12), 1..4), 1..5),
    ) {
        let optimizer = Optimizer::new(RULES[rule], 0.1).unwrap().with_l2(l2).unwrap();
        let (mut dense_state, mut sparse_state) = (optimizer.state(50, &[0..40]), optimizer.state(50, &[0..40]));
        let (mut dense, mut sparse) = (vec![0.5; 50], vec![0.5; 50]);
        for round in &rounds {
            let weight = 1.0 / round.len() as f32;
            let full: Vec<Vec<f32>> =
                round.iter().map(|g| (0..50).map(|i| g.get(&i).copied().unwrap_or(0.0)).collect()).collect();
            let lists: Vec<(Vec<u32>, Vec<f32>)> =
                round.iter().map(|g| (g.keys().copied().collect(), g.values().copied().collect())).collect();
            dense_state.step(&mut dense, &full.iter().map(|g| (&g[..], weight)).collect::<Vec<_>>());
            sparse_state.step_sparse(&mut sparse, &lists.iter().map(|(i, v)| ((&i[..], &v[..]), weight)).collect::<Vec<_>>());
        }
        for (i, (a, b)) in dense.iter().zip(&sparse).enumerate() {
            prop_assert!((a - b).abs() < 1e-6, "[{}]: {} and {}", i, a, b);
        }
    }
}
