//! Workers that join and leave while a run goes on, in virtual time by script: whoever comes and goes at whatever moment,
//! nothing is trained on twice or left out, and under BSP not a bit changes. On processes the same is tested through the command.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use support::{bits, every, faulty, losses, moments};
use syncline_data::synthetic;
use syncline_learn::Softmax;
use syncline_paramserv::{OnWorkerLoss, Optimizer, ParamServ, Policy, Rule, Scaling, Trained};
use syncline_program::Executor;

const EPOCHS: u32 = 3;
const WORKERS: usize = 5;

fn training() -> ParamServ {
    let (train, held_out) = synthetic::blobs(300, 6, 3, 7).split(0.2, 7).unwrap();
    let run = ParamServ::new(Softmax::new(6, 3), train).validation(held_out);
    run.optimizer(Optimizer::plain(Rule::Adam)).workers(WORKERS).batch(8).epochs(EPOCHS)
}

/// A number that looks random, below `below`.
fn drawn(number: u64, what: u64, below: u64) -> u64 {
    (number * 7919 + what * 104_729 + number * what * 31) % below
}

/// Three changes of how many workers are there, at moments from the start to about the end.
fn changes(number: u64) -> Vec<String> {
    let change = |what: u64| {
        let (size, at) = (1 + drawn(number, what, WORKERS as u64), drawn(number, what + 10, 60_000));
        format!("scale worker {size} {at}us")
    };
    (1..4).map(change).collect()
}

/// Each row was trained on once an epoch.
fn assert_each_row_once(trained: &Trained, about: &str) {
    let report = trained.report();
    let complete = report.epochs.iter().filter(|epoch| epoch.complete).count();
    assert_eq!(complete, EPOCHS as usize, "{about}");
    let samples: u64 = report.workers.iter().map(|worker| worker.samples).sum();
    assert_eq!(samples, u64::from(EPOCHS) * report.settings.rows as u64, "{about}");
}

/// How often who was there changed.
fn stretches(trained: &Trained) -> usize {
    trained.report().attendance.len()
}

#[test]
fn whoever_comes_and_goes_changes_not_a_bit_under_bsp() {
    let whole = training().train(Executor::threads()).unwrap();
    let mut changed = 0;
    for number in 0..300 {
        let (servers, there) = (1 + (number % 2) as usize, 1 + drawn(number, 7, WORKERS as u64) as usize);
        let faults = changes(number);
        let about = format!("{there} of {WORKERS}, {servers} servers, {faults:?}");
        let run = training().servers(servers).elastic(there).train(faulty(number, &faults));
        let run = run.unwrap_or_else(|error| panic!("{about}: {error}"));
        assert_eq!(bits(&run), bits(&whole), "{about}");
        assert_eq!(losses(&run), losses(&whole), "{about}");
        assert_each_row_once(&run, &about);
        assert!(stretches(&run) >= 1, "{about}");
        changed += stretches(&run) - 1;
    }
    assert!(changed > 300, "only {changed} changes in 300 runs");
}

#[test]
fn the_same_seed_gives_the_same_run_to_the_last_byte() {
    for number in 0..20 {
        let run = || {
            let run =
                training().elastic(2).sync("asp".parse().unwrap()).train(faulty(number, &changes(number)));
            let run = run.unwrap();
            (bits(&run), serde_json::to_string(run.report()).unwrap())
        };
        assert_eq!(run(), run(), "{number}");
    }
}

#[test]
fn kills_among_the_changes_are_survived_too() {
    let whole = training().train(Executor::threads()).unwrap();
    for number in 0..moments(200, 1000) {
        let folder = tempfile::tempdir().unwrap();
        let mut faults = changes(number);
        let at = |what: u64| drawn(number, what, 50_000);
        faults.push(format!("kill worker/{} {}us", drawn(number, 20, 2), at(21)));
        faults.push(format!("kill worker/{} {}us", drawn(number, 22, WORKERS as u64), at(23)));
        if number % 4 == 0 {
            faults.push(format!("kill server/1 {}us", at(24)));
        }
        // Who is alone and killed ends a run whose work goes to others.
        let on_loss = match number % 3 {
            0 if !faults.iter().any(|fault| fault.starts_with("scale worker 1 ")) => {
                OnWorkerLoss::Redistribute
            }
            _ => OnWorkerLoss::Restart,
        };
        let about = format!("{on_loss}, {faults:?}");
        let run =
            training().servers(2).elastic(3).on_worker_loss(on_loss).checkpoint(every(folder.path(), 3));
        let run = match run.train(faulty(number, &faults)) {
            Ok(run) => run,
            // Both kills may strike all who are there.
            Err(error) if on_loss == OnWorkerLoss::Redistribute => {
                assert!(error.to_string().contains("was killed by signal 9"), "{about}: {error}");
                continue;
            }
            Err(error) => panic!("{about}: {error}"),
        };
        assert_eq!(bits(&run), bits(&whole), "{about}");
        assert_eq!(losses(&run), losses(&whole), "{about}");
        assert_each_row_once(&run, &about);
    }
}

#[test]
fn under_every_policy_that_allows_it_each_row_is_trained_on_once_an_epoch() {
    let syncs = ["asp", "ssp:1", "local:2", "diloco:2", "hogwild"];
    let whole = |sync: &str| training().sync(sync.parse().unwrap()).train(Executor::threads()).unwrap();
    let wholes = [whole("local:2"), whole("diloco:2")].map(|run| bits(&run));
    for (number, sync) in (0..200u64).zip(syncs.into_iter().cycle()) {
        let policy: Policy = sync.parse().unwrap();
        let faults = changes(number);
        let about = format!("{sync}, {faults:?}");
        let run = training().sync(policy).servers(1 + (number % 2) as usize).elastic(2);
        let run = if policy == Policy::Hogwild { run.optimizer(Optimizer::plain(Rule::Sgd)) } else { run };
        let run = run.train(faulty(number, &faults)).unwrap_or_else(|error| panic!("{about}: {error}"));
        assert_each_row_once(&run, &about);
        // What a worker's own optimiser remembers is handed over.
        match sync {
            "local:2" => assert_eq!(bits(&run), wholes[0], "{about}"),
            "diloco:2" => assert_eq!(bits(&run), wholes[1], "{about}"),
            _ => {}
        }
    }
}

#[test]
fn what_pushes_have_left_out_is_handed_over_as_well() {
    let training = || training().compress("push=topk:0.2".parse().unwrap());
    let whole = training().train(Executor::threads()).unwrap();
    for number in 0..50 {
        let run =
            training().servers(1 + (number % 2) as usize).elastic(2).train(faulty(number, &changes(number)));
        assert_eq!(bits(&run.unwrap()), bits(&whole), "{:?}", changes(number));
    }
}

#[test]
fn a_run_that_grew_goes_on_from_its_checkpoints_with_whomever() {
    let whole = training().train(Executor::threads()).unwrap();
    for number in 0..20 {
        let folder = tempfile::tempdir().unwrap();
        let run = training().elastic(2).checkpoint(every(folder.path(), 5).keeping(100));
        run.train(faulty(number, &changes(number))).unwrap();
        // Each time with others: some of them, all of them, and none who could leave.
        let again = training().resume(folder.path());
        let again = match number % 3 {
            0 => again.elastic(4).train(faulty(number, &changes(number + 1))),
            1 => again.train(Executor::threads()),
            _ => again.elastic(1).train(Executor::threads()),
        };
        let again = again.unwrap();
        assert_eq!((bits(&again), losses(&again)), (bits(&whole), losses(&whole)), "{number}");
    }
}

#[test]
fn a_program_scales_its_run_on_threads_and_the_report_says_who_was_there() {
    let whole = training().epochs(40).train(Executor::threads()).unwrap();
    let scaling = Scaling::default();
    let handle = scaling.clone();
    // Long enough that those who are called for come before the end, on a busy machine too.
    let run = training().epochs(40).inject("all:3ms".parse().unwrap());
    let run = run.elastic(1).scaled_by(&scaling).on_progress(move |progress| {
        handle.to(if progress.epochs_done < 20 { 4 } else { 2 });
    });
    let run = run.train(Executor::threads()).unwrap();
    assert_eq!(bits(&run), bits(&whole));
    let attendance = &run.report().attendance;
    assert_eq!((attendance[0].from_round, &attendance[0].workers[..]), (0, &[0][..]));
    let most = attendance.iter().map(|stretch| stretch.workers.len()).max();
    assert_eq!((most, attendance.last().unwrap().workers.clone()), (Some(4), vec![0, 1]), "{attendance:?}");
    assert!(attendance.is_sorted_by_key(|stretch| stretch.from_round), "{attendance:?}");
    let said = run.report().to_string();
    assert!(said.contains("1 worker did the work at first (0), from round"), "{said}");
}

#[test]
fn what_cannot_be_is_refused_with_the_reason() {
    let said = |run: ParamServ| run.train(faulty(1, &[])).unwrap_err().to_string();
    assert!(said(training().elastic(0)).contains("at least 1"));
    assert!(said(training().elastic(6)).contains("of the 5 workers"));
    for sync in ["backup:1", "quorum:2", "repetition:0"] {
        let workers = training().sync(sync.parse().unwrap());
        assert!(said(workers.elastic(2)).contains("does not wait for all"), "{sync}");
    }
    assert!(said(training().scaled_by(&Scaling::default())).contains("say `elastic`"));
    let scaled = training().train(faulty(1, &["scale worker 2 1ms".to_owned()]));
    assert!(scaled.unwrap_err().to_string().contains("the nodes that it began with"));
    let scaled = training().elastic(2).train(faulty(1, &["scale worker 6 1ms".to_owned()]));
    assert!(scaled.unwrap_err().to_string().contains("from 1 to 5"));
}
