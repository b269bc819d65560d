//! Policies under which workers take steps of their own, and hogwild: that they are what their authors say.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::time::Duration;

use syncline_data::synthetic;
use syncline_learn::{Logistic, Metrics, Mlp, Model, Softmax};
use syncline_paramserv::{Every, Fold, Optimizer, ParamServ, Partition, Policy, Rule, Schedule, Trained};
use syncline_program::{Cost, Executor};

fn policy(name: &str) -> Policy {
    name.parse().unwrap()
}

/// 320 rows in the order in which they lie, at a steady rate.
fn training(rule: Rule) -> ParamServ {
    ParamServ::new(Mlp::new(&[6, 8, 3]), synthetic::blobs(320, 6, 3, 7))
        .optimizer(Optimizer::new(rule, 0.02).unwrap())
        .schedule(Schedule::default())
        .partition(Partition::Contiguous)
        .without_shuffling()
        .batch(16)
        .epochs(2)
}

fn trained(run: ParamServ) -> Trained {
    run.train(Executor::threads()).unwrap()
}

fn apart(one: &[f32], other: &[f32]) -> f32 {
    assert_eq!(one.len(), other.len());
    one.iter().zip(other).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn one_worker_that_steps_by_itself_is_the_plain_loop_whatever_its_optimiser_remembers() {
    for rule in [Rule::Sgd, Rule::Momentum { beta: 0.9 }, Rule::Adagrad, Rule::Adam] {
        let plain = trained(training(rule)).parameters;
        for steps in ["local:1", "local:4", "local:7", "local:1000"] {
            let local = trained(training(rule).sync(policy(steps))).parameters;
            assert!(apart(&local, &plain) < 1e-4, "{steps}, {rule}: {}", apart(&local, &plain));
        }
        let afresh = training(rule).every("batches:4".parse().unwrap()).fold(Fold::Average);
        let afresh = apart(&trained(afresh).parameters, &plain);
        assert_eq!(afresh < 1e-4, rule == Rule::Sgd, "{rule}: only what remembers nothing may begin afresh");
    }
}

#[test]
fn local_steps_of_what_remembers_nothing_are_model_averaging() {
    let shared = |run: ParamServ| run.workers(3).servers(2);
    let local = trained(shared(training(Rule::Sgd).sync(policy("local:4"))));
    let averaged = shared(training(Rule::Sgd).every("batches:4".parse().unwrap()).fold(Fold::Average));
    assert_eq!(local.parameters, trained(averaged).parameters);
    let settings = &local.report().settings;
    assert_eq!((&*settings.every, &*settings.fold, &*settings.sync), ("batches:4", "average", "local:4"));
}

#[test]
fn the_outer_step_of_diloco_is_nesterovs() {
    // Rounds of the whole epoch, so that the difference of each is known from a run of local steps.
    let round =
        |sync: &str, epochs| trained(training(Rule::Adam).sync(policy(sync)).epochs(epochs)).parameters;
    let start = Mlp::new(&[6, 8, 3]).initialise(1);
    let difference: Vec<f32> =
        start.iter().zip(round("local:20", 1)).map(|(before, after)| before - after).collect();
    // v = 0.9 v + d; w -= 0.7 (d + 0.9 v), from v = 0.
    let expected: Vec<f32> = start.iter().zip(&difference).map(|(w, d)| w - 0.7 * (d + 0.9 * d)).collect();
    assert!(apart(&round("diloco:20", 1), &expected) < 1e-5);
    assert!(apart(&round("diloco:20", 2), &expected) > 1e-3, "it goes on");
}

#[test]
fn diloco_trains_with_workers_that_are_not_alike() {
    for servers in [1, 3] {
        let delay = "worker=1:3x".parse().unwrap();
        let run = training(Rule::Adam)
            .workers(4)
            .servers(servers)
            .sync(policy("diloco:4"))
            .epochs(12)
            .inject(delay);
        let losses: Vec<f64> = trained(run).report().epochs.iter().map(|epoch| epoch.train_loss).collect();
        assert!(losses[11] < 0.8 * losses[0], "{losses:?}");
    }
}

#[test]
fn hogwild_alone_is_the_plain_loop_and_together_it_learns_what_asp_does() {
    let plain = trained(training(Rule::Sgd)).parameters;
    for servers in [1, 3] {
        let alone = trained(training(Rule::Sgd).sync(Policy::Hogwild).servers(servers)).parameters;
        assert!(apart(&alone, &plain) < 1e-5, "{servers}: {}", apart(&alone, &plain));
    }
    let sparse = |sync| {
        let data = synthetic::sparse_logistic(4000, 2000, 12, 5);
        let run = ParamServ::new(Logistic::new(2000), data).workers(4).servers(2).batch(8).epochs(8);
        trained(run.optimizer(Optimizer::new(Rule::Sgd, 0.2).unwrap()).sync(sync))
    };
    let (hogwild, asp) = (sparse(Policy::Hogwild), sparse(Policy::Asp));
    // Of the models that came out: what an epoch's batches cost depends on who was ahead of whom.
    let loss = |run: &Trained| match &run.report().metrics.train {
        Some(Metrics::Classes(metrics)) => metrics.log_loss.unwrap(),
        other => panic!("{other:?}"),
    };
    assert!((loss(&hogwild) / loss(&asp) - 1.0).abs() < 0.05, "{} {}", loss(&hogwild), loss(&asp));
    let updates: u64 = hogwild.report().servers.iter().map(|server| server.updates).sum();
    assert_eq!(updates, asp.report().servers.iter().map(|server| server.updates).sum::<u64>());
}

#[test]
fn penalties_act_under_hogwild_too() {
    let run = |sync| {
        let optimizer = Optimizer::new(Rule::Sgd, 0.1).unwrap().with_l1(0.05).unwrap();
        let data = synthetic::blobs(300, 12, 3, 5);
        trained(
            ParamServ::new(Softmax::new(12, 3), data).workers(2).epochs(10).optimizer(optimizer).sync(sync),
        )
    };
    let zeros = |sync| run(sync).parameters.iter().filter(|value| **value == 0.0).count();
    let (hogwild, asp) = (zeros(Policy::Hogwild), zeros(Policy::Asp));
    assert!(hogwild > 5 && hogwild.abs_diff(asp) < 6, "{hogwild} {asp}");
}

#[test]
fn an_epoch_may_have_fewer_batches_than_a_round() {
    let run = trained(training(Rule::Adam).workers(3).sync(policy("local:1000")));
    assert_eq!(run.report().workers[0].rounds, 2, "one an epoch");
    let same = training(Rule::Adam).workers(3).sync(policy("local:1000")).every(Every::Epoch).check();
    assert!(same.unwrap_err().to_string().contains("says itself"));
}

#[test]
fn in_virtual_time_each_local_step_costs_what_a_batch_does() {
    let seconds = |sync: &str| {
        let hour = Executor::sim(1).compute(Cost::Given(Duration::from_secs(3600)).into());
        let run = training(Rule::Sgd).workers(2).sync(policy(sync)).train(hour).unwrap();
        run.report().wall_s
    };
    // 10 batches each and epoch, of which the third round has two.
    let (bsp, local) = (seconds("bsp"), seconds("local:4"));
    assert!((bsp / 3600.0 - 20.0).abs() < 1e-3 && (local / bsp - 1.0).abs() < 1e-3, "{bsp} {local}");
}
