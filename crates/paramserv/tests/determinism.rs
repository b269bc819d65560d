//! BSP gives the same bits whatever the order of arrival and the number of servers.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use syncline_data::{Csr, Dataset, Features, Targets, synthetic};
use syncline_learn::{Linear, Logistic, Mlp, Softmax, plain};
use syncline_paramserv::{Every, Fold, Optimizer, ParamServ, Partition, Policy, Rule, Schedule, Staleness};
use syncline_program::Executor;

fn run() -> ParamServ {
    ParamServ::new(Mlp::new(&[12, 32, 3]), synthetic::blobs(400, 12, 3, 5))
        .workers(4)
        .batch(16)
        .epochs(2)
        .optimizer(Optimizer::new(Rule::Adam, 0.01).unwrap().with_l2(1e-3).unwrap())
}

fn bits(run: ParamServ) -> Vec<u32> {
    run.train(Executor::threads()).unwrap().parameters.into_iter().map(f32::to_bits).collect()
}

#[test]
fn neither_order_of_arrival_nor_sharding_changes_a_bit() {
    let reference = bits(run());
    for servers in [2, 3, 7] {
        assert_eq!(bits(run().servers(servers)), reference, "{servers} servers");
    }
    for worker in 0..4 {
        let delay = format!("worker={worker}:exp:2ms").parse().unwrap();
        assert_eq!(bits(run().inject(delay)), reference, "worker {worker} is late");
    }
    assert_ne!(bits(run().seed(2)), reference);
}

#[test]
fn neither_changes_a_bit_on_sparse_rows_under_any_optimiser() {
    // Three outputs a column, so that shards end within a column.
    let data = std::sync::Arc::new(synthetic::sparse_logistic(400, 3000, 12, 5));
    for rule in [Rule::Sgd, Rule::Momentum { beta: 0.9 }, Rule::Adagrad, Rule::Adam] {
        let optimizer = Optimizer::new(rule, 0.05).unwrap();
        for optimizer in [optimizer, optimizer.with_l2(1e-3).unwrap()] {
            let run = || ParamServ::new(Softmax::new(3000, 3), data.clone()).workers(3).batch(16).epochs(2);
            let reference = bits(run().optimizer(optimizer));
            for servers in [2, 5] {
                let sharded = bits(run().optimizer(optimizer).servers(servers));
                assert_eq!(sharded, reference, "{optimizer:?}, {servers} servers");
            }
            let delay = "worker=1:exp:1ms".parse().unwrap();
            assert_eq!(bits(run().optimizer(optimizer).inject(delay)), reference, "{optimizer:?}");
        }
    }
}

#[test]
fn a_round_may_have_sparse_and_dense_gradients() {
    // The first half of the rows names one column each, the second half most of them.
    let long = |row: usize| if row < 40 { vec![row as u32] } else { (0..30).collect() };
    let (mut offsets, mut indices) = (vec![0], Vec::new());
    (0..80).for_each(|row| {
        indices.extend(long(row));
        offsets.push(indices.len());
    });
    let values = vec![0.5; indices.len()];
    let csr = Csr::new(offsets, indices, values, 40).unwrap();
    let targets = Targets::Real((0..80).map(|row| (row % 7) as f32).collect());
    let data = std::sync::Arc::new(Dataset::new(Features::Sparse(csr), targets).unwrap());
    for (every, fold) in
        [(Every::Batch, Fold::Mean), (Every::Epoch, Fold::Mean), (Every::Epoch, Fold::Average)]
    {
        let run = || {
            let run = ParamServ::new(Linear::new(40), data.clone()).workers(2).batch(8).epochs(3);
            run.partition(Partition::Contiguous).every(every).fold(fold)
        };
        let reference = run().train(Executor::threads()).unwrap();
        let losses: Vec<f64> = reference.report().epochs.iter().map(|epoch| epoch.train_loss).collect();
        assert!(losses[2] < losses[0], "{losses:?}");
        assert_eq!(bits(run().servers(2)), bits(run()), "{every:?} {fold:?}");
    }
}

#[test]
fn one_worker_on_sparse_rows_takes_the_steps_of_the_plain_loop() {
    let data = synthetic::sparse_logistic(496, 3000, 12, 5);
    let settings = plain::Settings { batch: 16, epochs: 3, learning_rate: 0.5, seed: 1 };
    let plain = plain::train_linear(&mut Logistic::new(3000), &data, settings);
    let run = ParamServ::new(Logistic::new(3000), data).batch(16).epochs(3).partition(Partition::Contiguous);
    let run = run.optimizer(Optimizer::new(Rule::Sgd, 0.5).unwrap());
    // The loop goes through the rows in order, and there is no shorter batch at the end.
    let run = run.schedule(Schedule::default()).without_shuffling();
    let served = run.train(Executor::threads()).unwrap().parameters;
    let apart = plain.iter().zip(&served).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(apart < 1e-5, "they differ in rounding only: {apart}");
}

#[test]
fn one_worker_makes_all_policies_the_same() {
    let one = |sync| bits(run().workers(1).sync(sync));
    let reference = one(Policy::Bsp);
    assert_eq!(one(Policy::Asp), reference);
    assert_eq!(one(Policy::Ssp { bound: Staleness::new(3) }), reference);
    assert_eq!(bits(run().workers(1).every(Every::Batches(1.try_into().unwrap()))), reference);
}

#[test]
fn workers_with_a_batch_each_take_the_step_of_one_with_the_joint_batch() {
    let run = || run().without_shuffling();
    let joint = run().workers(1).batch(64).partition(syncline_paramserv::Partition::Contiguous);
    // Round robin deals rows 0, 4, 8 ... to worker 0, so that four batches of 16 are the rows 0 to 63.
    let four = run().partition(syncline_paramserv::Partition::RoundRobin);
    let (joint, four) = (joint.train(Executor::threads()).unwrap(), four.train(Executor::threads()).unwrap());
    let apart = joint.parameters.iter().zip(&four.parameters).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(apart < 2e-3, "the mean over samples is the joint gradient up to rounding: {apart}");
}
