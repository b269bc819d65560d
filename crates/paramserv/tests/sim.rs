//! Training in virtual time.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test measures real time and may panic"
)]

mod support;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use support::bits;
use syncline_data::synthetic;
use syncline_learn::{Logistic, Model, Softmax};
use syncline_paramserv::{ParamServ, Policy, Staleness, WorkerReport};
use syncline_program::{Cost, Executor};

fn training(workers: usize, sync: Policy) -> ParamServ {
    let (train, held_out) = synthetic::blobs(1200, 8, 3, 7).split(0.2, 7).unwrap();
    let run = ParamServ::new(Softmax::new(8, 3), train).validation(held_out);
    run.workers(workers).sync(sync).batch(16).epochs(2)
}

fn sim(seed: u64) -> Executor {
    let network = "1Gbit/50us/10us".parse().unwrap();
    Executor::sim(seed).network(network).compute("exp:3ms".parse().unwrap())
}

#[test]
fn bsp_trains_the_same_model_as_threads_to_the_last_bit() {
    for (workers, servers) in [(1, 1), (3, 2), (16, 1)] {
        let run = |executor| training(workers, Policy::Bsp).servers(servers).train(executor).unwrap();
        let threads = run(Executor::threads());
        assert_eq!(bits(&run(sim(5))), bits(&threads), "{workers} workers, {servers} servers");
    }
}

#[test]
fn the_report_is_in_virtual_time() {
    let begun = Instant::now();
    let hour = Executor::sim(1).compute(Cost::Given(Duration::from_secs(60)).into());
    let trained = training(8, Policy::Bsp).train(hour).unwrap();
    let report = trained.report();
    let minutes = report.workers[0].rounds as f64;
    // Messages that come together are a nanosecond apart.
    let beyond = report.wall_s - 60.0 * minutes;
    assert!((0.0..1e-6).contains(&beyond), "{minutes} rounds and {beyond} s");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert!(report.settings.on.starts_with("sim (ideal"), "{}", report.settings.on);
}

#[test]
fn who_skips_computing_sees_the_times_and_bytes_of_the_run_and_no_loss() {
    let dense = || (Box::new(Softmax::new(8, 3)) as Box<dyn Model>, synthetic::blobs(1200, 8, 3, 7));
    let sparse =
        || (Box::new(Logistic::new(5000)) as Box<dyn Model>, synthetic::sparse_logistic(600, 5000, 5, 1));
    let ssp = Policy::Ssp { bound: Staleness::new(2) };
    let runs = [(dense(), Policy::Bsp), (dense(), ssp), (sparse(), Policy::Bsp), (sparse(), Policy::Asp)];
    for ((model, data), sync) in runs {
        let data = Arc::new(data);
        let run = |computing: &str| {
            let executor = Executor::sim(3).network("1Gbit/50us/10us".parse().unwrap());
            let run = ParamServ::new(model.boxed_clone(), Arc::clone(&data)).workers(5).servers(2).sync(sync);
            run.batch(16).epochs(2).train(executor.compute(computing.parse().unwrap())).unwrap()
        };
        let (done, skipped) = (run("exp:3ms"), run("skip:exp:3ms"));
        for (skipped, done) in skipped.report().workers.iter().zip(&done.report().workers) {
            let counts = |worker: &WorkerReport| (worker.samples, worker.pushed_bytes, worker.pulled_bytes);
            assert_eq!(counts(skipped), counts(done), "{sync}");
            assert_eq!(skipped.compute_s, done.compute_s, "{sync}");
        }
        // A score of nothing takes a byte less than one of something.
        let ratio = skipped.report().wall_s / done.report().wall_s;
        assert!((ratio - 1.0).abs() < 1e-4, "{sync}: {ratio}");
        let told = skipped.report().to_string();
        assert!(told.contains("charged and not done") && !told.contains("NaN"), "{told}");
        assert!(skipped.report().epochs.iter().all(|epoch| epoch.train_loss.is_nan()), "{sync}");
        assert!(skipped.report().metrics.train.is_none(), "{sync}");
    }
    let skips = || Executor::sim(1).compute("skip:3ms".parse().unwrap());
    let refused = training(2, Policy::Bsp).patience(2).train(skips()).unwrap_err();
    assert!(refused.is_usage() && refused.to_string().contains("--patience"), "{refused}");
}

#[test]
fn l5_a_trace_is_the_same_byte_for_byte() {
    let directory = std::env::temp_dir().join(format!("syncline-sim-trace-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let trace = |name: &str, seed| {
        let path = directory.join(name);
        let ssp = Policy::Ssp { bound: Staleness::new(2) };
        let trained = training(6, ssp).trace(&path).train(sim(seed)).unwrap();
        assert!(trained.trace_error.is_none());
        (std::fs::read(path).unwrap(), bits(&trained))
    };
    let (first, again, other) = (trace("a", 7), trace("b", 7), trace("c", 8));
    std::fs::remove_dir_all(&directory).unwrap();
    assert!(first == again, "the same seed gave another trace");
    assert!(first.0 != other.0, "another seed gave the same trace");
}

#[test]
fn one_servers_line_is_where_more_workers_no_longer_help() {
    // Each round brings a kilobyte from every worker to one line of 1 Mbit/s.
    let seconds = |workers| {
        let executor = Executor::sim(1).network("1Mbit/50us".parse().unwrap());
        let executor = executor.compute(Cost::Given(Duration::from_millis(3)).into());
        let trained = training(workers, Policy::Bsp).train(executor).unwrap();
        let report = trained.report();
        report.wall_s / report.workers[0].rounds as f64
    };
    let (one, sixteen) = (seconds(1), seconds(16));
    assert!(sixteen > 4.0 * one, "{one} s a round alone, {sixteen} s with 16 workers");
}

#[test]
fn a_lost_push_is_told_as_what_holds_the_gate() {
    // It takes up its work, then pulls and pushes in turns.
    let executor = sim(1).fault("drop worker/1>server/0 #5".parse().unwrap());
    let said = training(3, Policy::Bsp).train(executor).unwrap_err().to_string();
    assert!(
        said.contains("worker/1 waits for server/0 to answer `push`, but a message of that call was lost"),
        "{said}"
    );
    assert!(said.contains("server/0 holds a caller at `gate bsp` until worker/1 comes"), "{said}");
}
