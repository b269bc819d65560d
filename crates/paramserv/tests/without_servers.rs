//! Training without servers: ALL-1 to ALL-3, on threads and in virtual time. On processes it is tested through the command.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::time::Duration;

use support::{bits, every, faulty, files, losses, struck_by, went_back};
use syncline_data::{Dataset, synthetic};
use syncline_learn::{Logistic, Mlp, Model, Softmax};
use syncline_paramserv::{
    Checkpoints, Every, Fold, OnWorkerLoss, Optimizer, ParamServ, Policy, Rule, Schedule,
};
use syncline_program::Executor;

const KINDS: [&str; 3] = ["allreduce", "allreduce:tree", "allreduce:direct"];

fn policy(name: &str) -> Policy {
    name.parse().unwrap()
}

/// 293 dense rows, which no number of workers shares evenly, and a part held out.
fn dense() -> (Dataset, Dataset) {
    synthetic::blobs(367, 6, 3, 7).split(0.2, 7).unwrap()
}

fn run(model: impl Model, (train, held_out): (Dataset, Dataset)) -> ParamServ {
    ParamServ::new(model, train).validation(held_out).batch(16).epochs(3)
}

/// What is trained, as often as it is asked for.
type Training = Box<dyn Fn() -> ParamServ>;

/// All that decides a step, each once at least.
fn variants() -> Vec<(&'static str, Training)> {
    let mlp = || run(Mlp::new(&[6, 8, 3]).with_dropout(0.2), dense());
    let softmax = || run(Softmax::new(6, 3), dense());
    let of = Optimizer::plain;
    let every = |text: &str| text.parse::<Every>().unwrap();
    vec![
        ("adam", Box::new(move || mlp().optimizer(of(Rule::Adam)))),
        ("momentum, clipped", Box::new(move || mlp().optimizer(of(Rule::Momentum { beta: 0.9 })).clip(0.5))),
        (
            "nesterov, constant, l2",
            Box::new(move || {
                let nesterov = of(Rule::Nesterov { beta: 0.8 }).with_l2(1e-3).unwrap();
                softmax().optimizer(nesterov).schedule(Schedule::default())
            }),
        ),
        (
            "adagrad, l1, in order",
            Box::new(move || {
                softmax().optimizer(of(Rule::Adagrad).with_l1(1e-3).unwrap()).without_shuffling()
            }),
        ),
        ("sgd, sum", Box::new(move || softmax().optimizer(of(Rule::Sgd)).fold(Fold::Sum))),
        ("sgd, batches:2", Box::new(move || softmax().optimizer(of(Rule::Sgd)).every(every("batches:2")))),
        (
            "adam, epoch, average",
            Box::new(move || mlp().optimizer(of(Rule::Adam)).every(Every::Epoch).fold(Fold::Average)),
        ),
    ]
}

#[test]
fn all_1_summed_in_the_order_of_workers_it_is_bsp_to_the_bit() {
    for (name, training) in variants() {
        for workers in 1..=5 {
            let bsp = training().workers(workers).train(Executor::threads()).unwrap();
            for (kind, most) in [("allreduce:direct", 5), ("allreduce", 2), ("allreduce:tree", 3)] {
                let about = format!("{name}, {kind}, {workers} workers");
                let summed =
                    training().workers(workers).sync(policy(kind)).train(Executor::threads()).unwrap();
                if workers <= most {
                    assert_eq!(bits(&summed), bits(&bsp), "{about}");
                    assert_eq!(losses(&summed), losses(&bsp), "{about}");
                }
                let report = summed.report();
                let samples: u64 = report.workers.iter().map(|worker| worker.samples).sum();
                assert_eq!(samples, 3 * report.settings.rows as u64, "{about}: each row once an epoch");
                assert!(report.servers.is_empty() && report.settings.servers == 0, "{about}");
            }
        }
    }
}

#[test]
fn all_1_each_way_has_its_own_bits_wherever_it_runs_and_whoever_is_slow() {
    let sparse =
        || run(Logistic::new(300), synthetic::sparse_logistic(367, 300, 8, 5).split(0.2, 7).unwrap());
    for kind in KINDS {
        for workers in 1..=6 {
            for number in 0..2 {
                let training = || match number {
                    0 => run(Mlp::new(&[6, 8, 3]), dense()).optimizer(Optimizer::plain(Rule::Adam)),
                    _ => sparse(),
                };
                let training = || training().workers(workers).sync(policy(kind));
                let about = format!("{kind}, {workers} workers, training {number}");
                let whole = training().train(Executor::threads()).unwrap();
                let slow = training().inject("worker=0:2ms".parse().unwrap());
                for other in
                    [faulty(1, &[]), faulty(2, &[])].map(|executor| training().train(executor).unwrap())
                {
                    assert_eq!((bits(&other), losses(&other)), (bits(&whole), losses(&whole)), "{about}");
                }
                let slow = slow.epochs(1).train(Executor::threads()).unwrap();
                assert_eq!(
                    bits(&slow),
                    bits(&training().epochs(1).train(faulty(3, &[])).unwrap()),
                    "{about}, slow"
                );
                let (first, last) = (&whole.report().epochs[0], &whole.report().epochs[2]);
                assert!(last.train_loss < first.train_loss, "{about}");
            }
        }
    }
}

#[test]
fn in_a_ring_each_worker_sends_and_receives_the_least_that_is_possible() {
    // 64 outputs of 31 features and a constant each, so that 2, 4 and 8 parts are equal.
    let (parameters, rounds) = (64 * 32, 2 * 4);
    for (workers, kind) in [(2, "allreduce"), (4, "allreduce"), (8, "allreduce"), (4, "allreduce:direct")] {
        let data = synthetic::blobs(workers * 4 * 16, 31, 64, 7);
        let run = ParamServ::new(Softmax::new(31, 64), data).batch(16).epochs(2);
        let run = run.workers(workers).sync(policy(kind)).train(faulty(1, &[])).unwrap();
        let least = (2 * (workers - 1) * parameters / workers * 4 * rounds) as u64;
        for worker in &run.report().workers {
            let sent = [worker.pushed_bytes, worker.uncompressed_pushed_bytes];
            let received = [worker.pulled_bytes, worker.uncompressed_pulled_bytes];
            assert_eq!((sent, received), ([least; 2], [least; 2]), "{kind} of {workers}");
        }
    }
}

/// On lines of 10 Mbit/s, where what is computed takes no time: the ring takes its formula's time, which hardly grows with the number
/// of workers, and one server's line has everybody's pushes and pulls.
#[test]
fn in_virtual_time_a_round_takes_what_the_lines_do() {
    let (parameters, rounds) = (64 * 32, 8.0);
    let round_s = |workers: usize, sync: &str| {
        let data = synthetic::blobs(workers * 8 * 16, 31, 64, 7);
        let run = ParamServ::new(Softmax::new(31, 64), data).batch(16).epochs(1).workers(workers);
        let slow = Executor::sim(1).network("10Mbit/100us".parse().unwrap()).compute("1us".parse().unwrap());
        run.sync(policy(sync)).train(slow).unwrap().report().wall_s / rounds
    };
    let vector_s = parameters as f64 * 32.0 / 10e6;
    for workers in [2, 4, 8] {
        let k = workers as f64;
        let (ring, server) = (round_s(workers, "allreduce"), round_s(workers, "bsp"));
        let formula = 2.0 * (k - 1.0) * (vector_s / k + 100e-6);
        assert!((ring / formula - 1.0).abs() < 0.25, "{workers}: {ring} s, by the formula {formula} s");
        // Pulls go out while the first pushes come in.
        assert!(server > k * vector_s, "{workers}: {server} s with a server");
        let tree = round_s(workers, "allreduce:tree");
        let levels = k.log2();
        assert!(
            (tree / (2.0 * levels * (vector_s + 100e-6)) - 1.0).abs() < 0.25,
            "{workers}: a tree {tree} s"
        );
        // As many bytes as in a ring, but many on their way to one line at once.
        let direct = round_s(workers, "allreduce:direct");
        assert!((0.9..2.0).contains(&(direct / ring)), "{workers}: straight {direct} s, in a ring {ring} s");
    }
}

fn training(kind: &str) -> ParamServ {
    run(Mlp::new(&[6, 8, 3]), dense()).optimizer(Optimizer::plain(Rule::Adam)).workers(3).sync(policy(kind))
}

#[test]
fn a_run_that_goes_on_from_a_checkpoint_ends_with_the_same_bits_wherever_it_was_cut() {
    for (number, kind) in KINDS.into_iter().enumerate() {
        let whole = training(kind).train(Executor::threads()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let cut = training(kind).checkpoint(every(folder.path(), 4));
        let cut =
            if number == 1 { cut.train(faulty(5, &[])) } else { cut.train(Executor::threads()) }.unwrap();
        assert_eq!(bits(&cut), bits(&whole), "{kind}: checkpoints change nothing");
        let files = files(folder.path());
        assert!(files.len() >= 3, "{kind}: {} checkpoints", files.len());
        for (number, file) in files.iter().enumerate() {
            let executor = if number % 2 == 0 { faulty(number as u64, &[]) } else { Executor::threads() };
            let again = training(kind).resume(file).train(executor).unwrap();
            assert_eq!((bits(&again), losses(&again)), (bits(&whole), losses(&whole)), "{}", file.display());
            let samples: u64 = again.report().workers.iter().map(|worker| worker.samples).sum();
            assert_eq!(samples, 3 * again.report().settings.rows as u64, "each row once an epoch");
        }
    }
    // By the clock, which finds workers anywhere in a round.
    let whole = training("allreduce").train(Executor::threads()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let by_time = Checkpoints::in_folder(folder.path()).every("seconds:0.005".parse().unwrap()).keeping(1000);
    training("allreduce").checkpoint(by_time).train(faulty(3, &[])).unwrap();
    let cuts = files(folder.path());
    assert!(cuts.len() > 1, "{cuts:?}");
    for cut in cuts {
        let again = training("allreduce").resume(&cut).train(faulty(4, &[])).unwrap();
        assert_eq!(bits(&again), bits(&whole), "{}", cut.display());
    }
}

#[test]
fn a_run_that_has_trained_for_long_enough_has_the_parameters_of_its_best_epoch() {
    let run = |kind: &str| training(kind).patience(1).epochs(30).schedule(Schedule::default());
    let bsp = run("bsp").train(Executor::threads()).unwrap();
    for executor in [Executor::threads(), faulty(1, &[]), faulty(2, &[])] {
        let summed = run("allreduce:direct").train(executor).unwrap();
        assert_eq!(bits(&summed), bits(&bsp));
        assert_eq!(summed.report().best_epoch, bsp.report().best_epoch);
    }
    let epochs = bsp.report().epochs.len();
    assert!(epochs < 30, "it stops early: {epochs}");
}

#[test]
fn a_worker_killed_at_any_moment_takes_all_back_and_changes_not_a_bit() {
    let wholes = KINDS.map(|kind| training(kind).train(Executor::threads()).unwrap());
    let mut struck = 0;
    for number in 0..240u64 {
        let (kind, whole) = (KINDS[number as usize % 3], &wholes[number as usize % 3]);
        let fault = format!("kill worker/{} {}us", number / 3 % 3, number * 7919 % 30_000);
        let run = struck_by(training(kind), whole, number, 4, fault);
        let samples: u64 = run.report().workers.iter().map(|worker| worker.samples).sum();
        assert_eq!(
            samples,
            3 * run.report().settings.rows as u64,
            "{number}, {kind}: each row once an epoch"
        );
        struck += usize::from(went_back(&run));
    }
    assert!(struck > 120, "only {struck} of 240");
}

#[test]
fn several_losses_are_survived_too() {
    let whole = training("allreduce").train(Executor::threads()).unwrap();
    for number in 0..40u64 {
        let folder = tempfile::tempdir().unwrap();
        let at = |other: u64| (number + 31 * other) * 7919 % 40_000;
        let faults: Vec<_> =
            (0..4).map(|other| format!("kill worker/{} {}us", (number + other) % 3, at(other))).collect();
        let run = training("allreduce").on_worker_loss(OnWorkerLoss::Restart);
        let run = run.checkpoint(every(folder.path(), 3)).train(faulty(number, &faults));
        let run = run.unwrap_or_else(|error| panic!("{faults:?}: {error}"));
        assert_eq!(bits(&run), bits(&whole), "{faults:?}");
    }
}

#[test]
fn without_a_restart_the_loss_of_a_worker_ends_the_run_and_is_named() {
    for kind in KINDS {
        let error =
            training(kind).train(faulty(1, &["kill worker/2 4ms".to_owned()])).unwrap_err().to_string();
        assert!(error.contains("worker/2"), "{kind}: {error}");
    }
}

#[test]
fn a_loss_that_is_no_number_names_who_has_seen_it() {
    let rate = Optimizer::new(Rule::Sgd, 1e30).unwrap();
    for on_loss in [OnWorkerLoss::Stop, OnWorkerLoss::Restart] {
        let run = training("allreduce").optimizer(rate).on_worker_loss(on_loss);
        let error = run.train(Executor::threads()).unwrap_err().to_string();
        assert!(error.contains("became infinite or not a number") && error.contains("worker"), "{error}");
    }
}

#[test]
fn who_is_slow_is_who_the_others_wait_for() {
    let slow = training("allreduce").inject("worker=1:5ms".parse().unwrap()).train(faulty(1, &[])).unwrap();
    let report = slow.report();
    let rounds = report.workers[0].rounds;
    assert!(report.workers[1].last_arrivals > rounds * 9 / 10, "{:?}", report.workers);
    assert!(
        report.workers[0].wait_s > 4e-3 * rounds as f64 && report.workers[2].wait_s > 4e-3 * rounds as f64
    );
    assert!(report.workers[1].wait_s < 1e-3 * rounds as f64);
    let told = report.to_string();
    assert!(told.contains("3 workers on") && told.contains("worker 1 was the last to arrive"), "{told}");
    assert!(told.contains("exchanging with each other") && !told.contains("fold/apply"), "{told}");
}

#[test]
fn a_trace_has_the_meetings_of_all_workers_and_their_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.parquet");
    let run = training("allreduce").trace(&path).train(faulty(1, &[])).unwrap();
    let trace = syncline_trace::read(&path).unwrap();
    assert_eq!((trace.info.workers, trace.info.servers), (3, 0));
    let names: Vec<_> = trace.info.nodes.iter().map(|node| node.name.clone()).collect();
    assert_eq!(names, ["worker/0", "worker/1", "worker/2"]);
    for (node, worker) in (0..).zip(&run.report().workers) {
        let of = |phase: syncline_trace::Phase| {
            trace.spans.iter().filter(move |span| (span.node, span.phase) == (node, phase))
        };
        assert_eq!(of(syncline_trace::Phase::Compute).count() as u64, worker.rounds);
        let pulled: u64 = of(syncline_trace::Phase::Pull).map(|span| span.bytes).sum();
        let pushed: u64 = of(syncline_trace::Phase::Push).map(|span| span.bytes).sum();
        assert_eq!((pushed, pulled), (worker.pushed_bytes, worker.pulled_bytes));
        let waited: Duration =
            of(syncline_trace::Phase::Wait).map(|span| Duration::from_nanos(span.duration_ns())).sum();
        assert!((waited.as_secs_f64() - worker.wait_s).abs() < 1e-6);
    }
}

#[test]
fn what_there_is_not_is_refused() {
    let refused = |run: ParamServ, parts: &[&str]| {
        let error = run.check().unwrap_err();
        assert!(error.is_usage());
        let said = error.to_string();
        parts.iter().for_each(|part| assert!(said.contains(part), "`{part}` is missing in: {said}"));
    };
    for kind in KINDS {
        refused(training(kind).servers(1), &["servers is 1", kind, "leave --servers out"]);
        refused(training(kind).compress("bf16".parse().unwrap()), &["compress", "leave --compress out"]);
        let redistributed = training(kind).on_worker_loss(OnWorkerLoss::Redistribute);
        refused(redistributed, &["on-worker-loss", "use restart"]);
    }
}
