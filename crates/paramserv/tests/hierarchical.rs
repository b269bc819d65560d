//! Groups of workers that exchange over a slow link: GROUP-1 and GROUP-2, on threads and in virtual time. On processes it is
//! tested through the command.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use support::{bits, every, faulty, files, losses, struck_by, went_back};
use syncline_data::{Dataset, synthetic};
use syncline_learn::{Mlp, Softmax};
use syncline_paramserv::{
    Fold, OnWorkerLoss, Optimizer, ParamServ, Policy, Rule, Schedule, TrainJob, Trained, WantedPolicy,
};
use syncline_program::Executor;

const KINDS: [&str; 3] = ["hierarchical:2", "hierarchical:2,3", "hierarchical:3,4"];

fn policy(name: &str) -> Policy {
    name.parse().unwrap()
}

/// Dense rows, which the workers do not share evenly, and a part held out.
fn dense() -> (Dataset, Dataset) {
    synthetic::blobs(367, 6, 3, 7).split(0.2, 7).unwrap()
}

/// Six workers, whose epochs have four rounds.
fn training(kind: &str) -> ParamServ {
    let (train, held_out) = dense();
    let run = ParamServ::new(Mlp::new(&[6, 8, 3]), train).validation(held_out).batch(16).epochs(3);
    run.optimizer(Optimizer::plain(Rule::Adam)).workers(6).sync(policy(kind))
}

fn samples(trained: &Trained) -> u64 {
    trained.report().workers.iter().map(|worker| worker.samples).sum()
}

/// Of three epochs.
fn rows(trained: &Trained) -> u64 {
    3 * trained.report().settings.rows as u64
}

#[test]
fn group_1_the_same_bits_wherever_it_runs_and_whoever_is_slow() {
    for kind in KINDS {
        let whole = training(kind).train(Executor::threads()).unwrap();
        assert_eq!(samples(&whole), rows(&whole), "{kind}: each row once an epoch");
        let (first, last) = (&whole.report().epochs[0], &whole.report().epochs[2]);
        assert!(last.train_loss < first.train_loss, "{kind}");
        for seed in 1..=3 {
            let other = training(kind).train(faulty(seed, &[])).unwrap();
            assert_eq!((bits(&other), losses(&other)), (bits(&whole), losses(&whole)), "{kind}");
        }
        let slow = || training(kind).epochs(1).inject("worker=4:2ms".parse().unwrap());
        let (threads, sim) = (slow().train(Executor::threads()), slow().train(faulty(4, &[])));
        assert_eq!(bits(&threads.unwrap()), bits(&sim.unwrap()), "{kind}, slow");
    }
}

/// Sums are rounded otherwise, and nothing else is different.
#[test]
fn groups_that_exchange_every_round_train_as_bsp_does() {
    for (fold, rule) in [(Fold::Mean, Rule::Adam), (Fold::Mean, Rule::Sgd), (Fold::Sum, Rule::Sgd)] {
        let run =
            |kind| training(kind).optimizer(Optimizer::plain(rule)).fold(fold).train(Executor::threads());
        let bsp = run("bsp").unwrap().parameters;
        for kind in ["hierarchical:2", "hierarchical:3"] {
            let nested = run(kind).unwrap().parameters;
            let off = bsp.iter().zip(&nested).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(off < 1e-4, "{kind}, {rule}, {fold}: {off} off");
        }
    }
}

/// By plain SGD the mean of models that were stepped once is the model stepped along the mean: so a period longer than an
/// epoch of one round is as one round; and a longer one is something else.
#[test]
fn a_mean_of_models_after_one_step_is_a_step_along_the_mean() {
    let run = |kind, batch| {
        let optimizer = Optimizer::plain(Rule::Sgd);
        training(kind)
            .optimizer(optimizer)
            .batch(batch)
            .without_shuffling()
            .train(Executor::threads())
            .unwrap()
    };
    let off = |batch: usize| {
        let (each, far) = (run("hierarchical:2", batch), run("hierarchical:2,100", batch));
        let pairs = each.parameters.iter().zip(&far.parameters);
        pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    };
    assert!(off(64) < 1e-5, "one round an epoch: {}", off(64));
    assert!(off(8) > 1e-4, "seven rounds an epoch: {}", off(8));
}

/// Eight workers, four to a host, on lines of 10 Mbit/s: what the hosts send each other and how long it takes.
#[test]
fn a_group_sends_one_vector_to_others_and_wins_on_a_slow_link() {
    let (workers, per_host) = (8, 4);
    let (parameters, rounds) = (64 * 128, 8);
    let folder = tempfile::tempdir().unwrap();
    let run = |sync: &str| {
        let data = synthetic::blobs(workers * rounds * 16, 127, 64, 7);
        let trace = folder.path().join("run.parquet");
        let network = format!("10Mbit/100us,hosts=worker:{per_host}").parse().unwrap();
        let executor = Executor::sim(1).network(network).compute("1us".parse().unwrap());
        let run = ParamServ::new(Softmax::new(127, 64), data).batch(16).epochs(1).workers(workers);
        let trained = run.sync(policy(sync)).trace(&trace).train(executor).unwrap();
        let host = |node: &str| match node.split_once('/') {
            Some(("worker", rank)) => Some(rank.parse::<usize>().unwrap() / per_host),
            _ => None,
        };
        // Between the hosts of workers, and between them and the server's.
        let crosses = |edge: &&syncline_trace::Edge| {
            let is_exchange = edge.caller.starts_with("worker/") && edge.callee != "coordinator";
            is_exchange && host(&edge.caller) != host(&edge.callee)
        };
        let edges = syncline_trace::read(&trace).unwrap().info.edges;
        let bytes: u64 = edges.iter().filter(crosses).map(|edge| edge.request_bytes + edge.reply_bytes).sum();
        let vectors = bytes as f64 / (4 * parameters * rounds) as f64;
        (vectors, trained.report().wall_s / rounds as f64)
    };
    let (bsp, direct, nested, seldom) =
        (run("bsp"), run("allreduce:direct"), run("hierarchical:4"), run("hierarchical:4,8"));
    // By their formulas, with a little for headers and answers.
    let near = |(vectors, _): (f64, f64), formula: f64| (0.95..1.1).contains(&(vectors / formula));
    assert!(near(bsp, 16.0), "each pushes and pulls a vector: {bsp:?}");
    assert!(near(direct, 8.0), "{direct:?}");
    assert!(near(nested, 2.0), "one there and one back: {nested:?}");
    assert!((direct.0 / nested.0 / per_host as f64 - 1.0).abs() < 0.1, "by the size of a group");
    assert!(near(seldom, 0.25), "once in eight rounds: {seldom:?}");
    // A vector takes 26 ms on a line. The server's carries eight each way, a host's one.
    assert!(bsp.1 > 5.0 * nested.1, "{bsp:?} {nested:?}");
    assert!(direct.1 > 2.0 * nested.1, "{direct:?} {nested:?}");
    assert!(nested.1 > 4.0 * seldom.1, "{nested:?} {seldom:?}");
    assert!((26e-3..30e-3).contains(&nested.1), "{nested:?}");
}

#[test]
fn group_2_a_run_that_goes_on_from_a_checkpoint_ends_with_the_same_bits_wherever_it_was_cut() {
    for (number, kind) in KINDS.into_iter().enumerate() {
        let whole = training(kind).train(Executor::threads()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let cut = training(kind).checkpoint(every(folder.path(), 2));
        let executor = if number == 1 { faulty(5, &[]) } else { Executor::threads() };
        let cut = cut.train(executor).unwrap();
        assert_eq!(bits(&cut), bits(&whole), "{kind}: checkpoints change nothing");
        let files = files(folder.path());
        // With 3,4 groups exchange after rounds 4, 8 and 12, and with the last of these the run may be over before it is held.
        assert!(files.len() >= 2, "{kind}: {} checkpoints", files.len());
        for (number, file) in files.iter().enumerate() {
            let executor = if number % 2 == 0 { faulty(number as u64, &[]) } else { Executor::threads() };
            let again = training(kind).resume(file).train(executor).unwrap();
            assert_eq!((bits(&again), losses(&again)), (bits(&whole), losses(&whole)), "{}", file.display());
            assert_eq!(samples(&again), rows(&again), "each row once an epoch");
        }
    }
}

#[test]
fn a_worker_killed_at_any_moment_takes_all_back_and_changes_not_a_bit() {
    let wholes = KINDS.map(|kind| training(kind).train(Executor::threads()).unwrap());
    let mut struck = 0;
    for number in 0..90u64 {
        let (kind, whole) = (KINDS[number as usize % 3], &wholes[number as usize % 3]);
        let fault = format!("kill worker/{} {}us", number / 3 % 6, number * 7919 % 24_000);
        let run = struck_by(training(kind), whole, number, 2, fault);
        assert_eq!(samples(&run), rows(&run), "{number}, {kind}: each row once an epoch");
        struck += usize::from(went_back(&run));
    }
    assert!(struck > 45, "only {struck} of 90");
    let error = training(KINDS[1]).train(faulty(1, &["kill worker/2 4ms".to_owned()])).unwrap_err();
    assert!(error.to_string().contains("worker/2"), "{error}");
}

#[test]
fn a_run_that_has_trained_for_long_enough_has_the_parameters_of_its_best_epoch() {
    let run = || training("hierarchical:2,3").patience(1).epochs(30).schedule(Schedule::default());
    let threads = run().train(Executor::threads()).unwrap();
    let sim = run().train(faulty(2, &[])).unwrap();
    assert_eq!((bits(&sim), sim.report().best_epoch), (bits(&threads), threads.report().best_epoch));
    assert!(threads.report().epochs.len() < 30, "it stops early");
}

#[test]
fn what_makes_no_sense_is_refused_with_the_reason() {
    let refused = |run: ParamServ, parts: &[&str]| {
        let error = run.check().unwrap_err();
        let said = error.to_string();
        assert!(error.is_usage(), "{said}");
        parts.iter().for_each(|part| assert!(said.contains(part), "`{part}` is missing in: {said}"));
    };
    for kind in KINDS {
        refused(training(kind).servers(1), &["servers is 1", kind, "leave --servers out"]);
        refused(training(kind).compress("bf16".parse().unwrap()), &["leave --compress out"]);
        refused(training(kind).on_worker_loss(OnWorkerLoss::Redistribute), &["use restart"]);
        refused(training(kind).elastic(2), &["does not pass to others"]);
        refused(training(kind).workers(7), &["group", "several groups"]);
    }
    refused(training("hierarchical:6"), &["several groups"]);
}

fn wanted(text: &str) -> WantedPolicy {
    text.parse().unwrap()
}

#[test]
fn the_workers_of_a_host_are_a_group_where_it_is_known_who_they_are() {
    for text in ["bsp", "hierarchical:4,8", "hierarchical:host", "hierarchical:host,8"] {
        assert_eq!(wanted(text).to_string(), text);
    }
    for text in ["hierarchical:hosts", "hierarchical:host,", "hierarchical:host,0", "hierarchical:host,x"] {
        assert!(text.parse::<WantedPolicy>().is_err(), "{text}");
    }
    assert!(!wanted("hierarchical:host").has_servers() && wanted("asp").has_servers());

    let hosts = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(hosts.path(), "a slots=3\nb slots=3\n").unwrap();
    let ssh: Executor = format!("ssh:{}", hosts.path().display()).parse().unwrap();
    let by_host = wanted("hierarchical:host,5");
    assert_eq!(by_host.policy(&ssh, 6).unwrap().to_string(), "hierarchical:3,5");
    let refused = |on: &Executor, workers: usize, part: &str| {
        let error = by_host.policy(on, workers).unwrap_err();
        assert!(error.is_usage() && error.to_string().contains(part), "{error}");
    };
    refused(&ssh, 4, "they have 3, 1");
    refused(&ssh, 3, "are on one");
    refused(&Executor::sim(1), 4, "a host of its own");
    refused(&Executor::threads(), 4, "allreduce or local:5");
    refused(&Executor::processes(), 4, "allreduce or local:5");
    refused(&"slurm:nodes=2".parse().unwrap(), 4, "hierarchical:4,5");
    assert_eq!(wanted("asp").policy(&ssh, 4).unwrap(), Policy::Asp);
}

#[test]
fn a_job_by_hosts_trains_as_one_with_as_many_in_a_group() {
    let folder = tempfile::tempdir().unwrap();
    let rows: String = (0..120).map(|row| format!("{},{},{}\n", row % 7, row % 5, row % 3 % 2)).collect();
    std::fs::write(folder.path().join("rows.csv"), format!("a,b,label\n{rows}")).unwrap();
    let job = |sync: &str| {
        let text = format!(
            "data = [\"rows.csv\"]\nlabel = \"label\"\nworkers = 4\nepochs = 3\nsync = \"{sync}\"\non = \"sim\"\n\
             network = \"1Gbit/1ms,hosts=worker:2\"\ncompute = \"1ms\""
        );
        TrainJob::parse(&text, "job.toml").unwrap().within(folder.path())
    };
    let trained = |sync: &str| {
        let open = job(sync).open().unwrap();
        open.run.train(open.executor).unwrap()
    };
    let by_host = trained("hierarchical:host,3");
    assert_eq!(by_host.report().settings.sync, "hierarchical:2,3");
    assert_eq!(bits(&by_host), bits(&trained("hierarchical:2,3")));
    let unknown = TrainJob { workers: None, ..job("hierarchical:host,3") }.open().err().unwrap().to_string();
    assert!(unknown.contains("add --workers"), "{unknown}");
    assert_eq!(job("hierarchical:host,3").nodes(), 4);
}
