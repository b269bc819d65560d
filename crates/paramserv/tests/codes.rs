//! Training under gradient codes: liars are outvoted, and who is late is told to stop.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::time::Duration;

use support::bits;
use syncline_data::{Dataset, synthetic};
use syncline_learn::{Linear, Logistic, Mlp, Model, Softmax};
use syncline_paramserv::{OnWorkerLoss, ParamServ, Trained};
use syncline_program::{Cost, Executor};

fn of(model: impl Model, data: Dataset, sync: &str, workers: usize, batch: usize) -> ParamServ {
    ParamServ::new(model, data).workers(workers).sync(sync.parse().unwrap()).batch(batch).epochs(3)
}

/// Six workers in two groups of three.
fn voting() -> ParamServ {
    of(Softmax::new(6, 3), synthetic::blobs(300, 6, 3, 7), "draco:1", 6, 8)
}

/// What groups would do as workers.
fn honest() -> ParamServ {
    of(Softmax::new(6, 3), synthetic::blobs(300, 6, 3, 7), "bsp", 2, 24)
}

fn lying(run: ParamServ, lies: &[String]) -> ParamServ {
    lies.iter().fold(run, |run, lie| run.liar(lie.parse().unwrap()))
}

/// Every batch takes ten milliseconds.
fn sim() -> Executor {
    Executor::sim(1).compute(Cost::Given(Duration::from_millis(10)).into())
}

/// Who was outvoted, and in how many rounds.
fn outvoted(trained: &Trained) -> Vec<(u32, u64)> {
    trained.report().outvoted.iter().map(|told| (told.worker, told.rounds)).collect()
}

#[test]
fn with_one_liar_at_any_place_of_each_group_the_model_is_the_honest_one_to_the_bit() {
    let reference = bits(&honest().train(sim()).unwrap());
    let nobody = voting().train(sim()).unwrap();
    assert_eq!((bits(&nobody), outvoted(&nobody)), (reference.clone(), vec![]));
    let rounds = nobody.report().servers[0].updates;
    for (first, second) in (0..3).flat_map(|first| (3..6).map(move |second| (first, second))) {
        let lies = [format!("worker={first}:scale:-10"), format!("worker={second}:constant:3")];
        let servers = 1 + first % 2;
        let trained = lying(voting(), &lies).servers(servers).train(sim()).unwrap();
        assert_eq!(bits(&trained), reference, "{lies:?}");
        assert_eq!(outvoted(&trained), [(first as u32, rounds), (second, rounds)], "{lies:?}");
    }
    let trained =
        lying(voting(), &["worker=4,round=2..3:noise:0.5".into()]).train(Executor::threads()).unwrap();
    assert_eq!((bits(&trained), outvoted(&trained)), (reference.clone(), vec![(4, 2)]), "on threads");
    let told =
        trained.report().findings.iter().find(|said| said.contains("worker 4 gave other gradients")).unwrap();
    assert!(told.contains(&format!("in 2 of {rounds} rounds, from round 2 to 3")), "{told}");
    // Without a vote one liar is enough.
    let mean = lying(honest(), &["worker=1:scale:-10".into()]).train(sim()).unwrap();
    assert_ne!(bits(&mean), reference);
}

#[test]
fn any_model_over_any_rows_can_be_voted_on() {
    let each: [fn(&str, usize, usize) -> ParamServ; 3] = [
        |sync, workers, batch| of(Mlp::new(&[6, 8, 3]), synthetic::blobs(200, 6, 3, 7), sync, workers, batch),
        |sync, workers, batch| of(Linear::new(5), synthetic::linear(200, 5, 0.1, 7), sync, workers, batch),
        // Whose gradients are handed over as factors, or as few coordinates.
        |sync, workers, batch| {
            of(Logistic::new(400), synthetic::sparse_logistic(200, 400, 5, 1), sync, workers, batch)
        },
    ];
    for run in each {
        let lies = ["worker=2:scale:-3".to_owned()];
        let reference = bits(&run("bsp", 1, 50).train(sim()).unwrap());
        for on in [sim(), Executor::threads()] {
            let trained = lying(run("draco:2", 5, 10), &lies).train(on).unwrap();
            assert_eq!(bits(&trained), reference);
            assert_eq!(trained.report().outvoted.len(), 1);
        }
    }
}

#[test]
fn where_more_lie_than_the_code_stands_the_run_ends_and_names_the_group() {
    let lies = ["worker=3,round=4:scale:2".to_owned(), "worker=5,round=4:scale:3".to_owned()];
    for on in [sim(), Executor::threads()] {
        let said = lying(voting(), &lies).train(on).unwrap_err().to_string();
        assert!(said.contains("round 4") && said.contains("workers 3, 4 and 5"), "{said}");
        assert!(said.contains("no 2 gave the same"), "{said}");
    }
}

#[test]
fn what_makes_no_sense_with_a_vote_is_refused_with_the_reason() {
    let refused = |run: ParamServ, why: &str| {
        let error = run.train(sim()).unwrap_err();
        assert!(error.is_usage() && error.to_string().contains(why), "`{why}`: {error}");
    };
    refused(voting().workers(4), "come out even");
    refused(voting().workers(2), "come out even");
    refused(voting().compress("push=bf16".parse().unwrap()), "bit for bit");
    refused(voting().partition("weight:2,1,1,1,1,1".parse().unwrap()), "the workers of a group do the same");
    refused(voting().partition("weight:measured".parse().unwrap()), "the workers of a group do the same");
    refused(voting().on_worker_loss(OnWorkerLoss::Redistribute), "one voice");
    refused(voting().elastic(3), "one voice");
    refused(lying(voting(), &["worker=6:scale:2".into()]), "there are 6 workers");
    refused(voting().sync("gossip:ring".parse().unwrap()), "syncline federate --strategy gossip");
    let coded = of(Linear::new(5), synthetic::linear(60, 5, 0.1, 7), "mds:2", 3, 60);
    refused(lying(coded, &["worker=1:scale:2".into()]), "make no gradients");
    // Pulls are the same for all.
    voting().compress("pull=bf16".parse().unwrap()).train(sim()).unwrap();
}

#[test]
fn who_is_late_under_repetition_is_told_to_stop_and_is_there_for_the_next_round() {
    let run = |sync: &str| of(Softmax::new(6, 3), synthetic::blobs(240, 6, 3, 7), sync, 4, 10);
    // Of the first group one is slow in each round, by turns: in rounds of two batches, 20 ms each.
    let slow = |run: ParamServ| {
        let run = run.inject("worker=0,round=0:200ms".parse().unwrap());
        run.inject("worker=1,round=1:200ms".parse().unwrap())
    };
    let (quick, late) =
        (run("repetition:1").train(sim()).unwrap(), slow(run("repetition:1")).train(sim()).unwrap());
    assert_eq!(bits(&late), bits(&quick));
    let (quick, late) = (quick.report(), late.report());
    let servers = &late.servers[0];
    assert_eq!((quick.servers[0].updates, servers.updates), (18, 18));
    // Were the first not told to stop, it would be at its round while the other is slow, and the second would take 200 ms.
    assert!((late.wall_s - quick.wall_s).abs() < 0.005, "{} and {}", late.wall_s, quick.wall_s);
    let worker = &late.workers[0];
    assert!(servers.stopped >= 2 && worker.stopped_s >= 0.019, "{} times, {worker:?}", servers.stopped);
    assert!(late.findings.iter().any(|said| said.contains("told to stop because the round was over")));
}

#[test]
fn a_delay_on_the_machine_s_clock_ends_with_its_round() {
    let run = of(Softmax::new(6, 3), synthetic::blobs(80, 6, 3, 7), "repetition:1", 2, 40);
    let reference = bits(&run.train(sim()).unwrap());
    let run = of(Softmax::new(6, 3), synthetic::blobs(80, 6, 3, 7), "repetition:1", 2, 40);
    let trained = run.inject("worker=1:20s".parse().unwrap()).train(Executor::threads()).unwrap();
    assert_eq!(bits(&trained), reference);
    // Three rounds, of which the slow one would have slept for a minute.
    assert!(trained.report().wall_s < 10.0, "{}", trained.report().wall_s);
    assert!(trained.report().workers[1].injected_s < 1.0);
}
