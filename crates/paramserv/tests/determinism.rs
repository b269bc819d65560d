//! BSP gives the same bits whatever the order of arrival and the number of servers.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use syncline_data::synthetic;
use syncline_learn::Mlp;
use syncline_paramserv::{Every, Optimizer, ParamServ, Rule, Staleness, Sync};
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
fn one_worker_makes_all_policies_the_same() {
    let one = |sync| bits(run().workers(1).sync(sync));
    let reference = one(Sync::Bsp);
    assert_eq!(one(Sync::Asp), reference);
    assert_eq!(one(Sync::Ssp { bound: Staleness::new(3) }), reference);
    assert_eq!(bits(run().workers(1).every(Every::Batches(1.try_into().unwrap()))), reference);
}

#[test]
fn workers_with_a_batch_each_take_the_step_of_one_with_the_joint_batch() {
    let joint = run().workers(1).batch(64).partition(syncline_paramserv::Partition::Contiguous);
    // Round robin deals rows 0, 4, 8 ... to worker 0, so that four batches of 16 are the rows 0 to 63.
    let four = run().partition(syncline_paramserv::Partition::RoundRobin);
    let (joint, four) = (joint.train(Executor::threads()).unwrap(), four.train(Executor::threads()).unwrap());
    let apart = joint.parameters.iter().zip(&four.parameters).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(apart < 2e-3, "the mean over samples is the joint gradient up to rounding: {apart}");
}
