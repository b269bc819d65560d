//! Workers and servers that are killed in virtual time: what the policies promise, at whatever moment. On processes the
//! same is tested through the command.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::{collections::BTreeSet, fs, time::Duration};

use support::{EPOCHS, bits, every, faulty, files, losses, moments, short_run};
use syncline_paramserv::{OnWorkerLoss, Optimizer, Policy, Rule, Trained};
use syncline_program::Executor;

/// A moment of the run, from its start to a little after its end.
fn moment(number: u64) -> u64 {
    (number * 7919) % 45_000
}

/// Each row was trained on once an epoch.
fn assert_each_row_once(trained: &Trained, about: &str) {
    let report = trained.report();
    assert!(
        report.epochs.len() == EPOCHS as usize && report.epochs.iter().all(|epoch| epoch.complete),
        "{about}"
    );
    let samples: u64 = report.workers.iter().map(|worker| worker.samples).sum();
    assert_eq!(samples, u64::from(EPOCHS) * report.settings.rows as u64, "{about}");
}

#[test]
fn a_worker_killed_at_any_moment_changes_not_a_bit_under_bsp() {
    let whole = short_run().train(Executor::threads()).unwrap();
    let (mut stood_in, mut again) = (0, 0);
    for number in 0..moments(500, 1000) {
        let servers = 1 + (number % 2) as usize;
        let on_loss = if number % 4 < 2 { OnWorkerLoss::Restart } else { OnWorkerLoss::Redistribute };
        let fault = format!("kill worker/{} {}us", number % 3, moment(number));
        let about = format!("{fault}, {on_loss}, {servers} servers");
        let run = short_run().servers(servers).on_worker_loss(on_loss).train(faulty(number, &[fault]));
        let run = run.unwrap_or_else(|error| panic!("{about}: {error}"));
        assert_eq!(bits(&run), bits(&whole), "{about}");
        assert_eq!(losses(&run), losses(&whole), "{about}");
        assert_each_row_once(&run, &about);
        let told = |what: &str| usize::from(run.report().losses.iter().any(|loss| loss.contains(what)));
        (stood_in, again) = (stood_in + told("does the work of"), again + told("was lost and started again"));
    }
    assert!(stood_in > 100 && again > 100, "only {stood_in} and {again} of 250 each");
}

/// Frozen for a while, for longer than is borne, or for good: it goes on where it was, or another does its work.
#[test]
fn a_worker_frozen_at_any_moment_changes_not_a_bit_under_bsp() {
    let whole = short_run().train(Executor::threads()).unwrap();
    let mut lost = 0;
    let runs = moments(200, 1000);
    for number in 0..runs {
        let at = moment(number);
        let servers = 1 + (number % 2) as usize;
        let on_loss = if number % 4 < 2 { OnWorkerLoss::Restart } else { OnWorkerLoss::Redistribute };
        let until = match number % 3 {
            0 => format!("..{}us", at + 7_000),
            1 => format!("..{}us", at + 90_000),
            _ => String::new(),
        };
        let fault = format!("freeze worker/{} {at}us{until}", number / 3 % 3);
        let about = format!("{fault}, {on_loss}, {servers} servers");
        let borne = Duration::from_millis(25);
        let on = faulty(number, &[fault]).silence_limit(borne);
        let run = short_run().servers(servers).on_worker_loss(on_loss).train(on);
        let run = run.unwrap_or_else(|error| panic!("{about}: {error}"));
        assert_eq!(bits(&run), bits(&whole), "{about}");
        assert_eq!(losses(&run), losses(&whole), "{about}");
        assert_each_row_once(&run, &about);
        let is_lost = !run.report().losses.is_empty();
        assert!(number % 3 != 0 || !is_lost, "{about}: {:?}", run.report().losses);
        lost += u64::from(is_lost);
    }
    assert!(lost > runs / 8, "only {lost} of {runs} stand-ins");
}

#[test]
fn who_is_frozen_for_good_ends_the_run_where_nothing_bounds_that() {
    let fault = ["freeze worker/1 9ms".to_owned()];
    let said = short_run().train(faulty(1, &fault)).unwrap_err().to_string();
    assert!(
        said.contains("worker/1") && said.contains("frozen for good") && said.contains("--silence"),
        "{said}"
    );
    let server = ["freeze server/0 9ms..40ms".to_owned()];
    let run = short_run().train(faulty(1, &server)).unwrap();
    assert_eq!(bits(&run), bits(&short_run().train(Executor::threads()).unwrap()));
}

#[test]
fn a_server_killed_at_any_moment_takes_all_back_by_one_interval_at_most() {
    // What workers remember goes back with all else.
    let syncs: [Policy; 2] = ["bsp".parse().unwrap(), "diloco:2".parse().unwrap()];
    let training = |number: u64| short_run().sync(syncs[number as usize / 2 % 2]);
    let wholes = [0, 2].map(|number| training(number).train(Executor::threads()).unwrap());
    let mut struck = 0;
    for number in 0..moments(250, 1000) {
        let whole = &wholes[number as usize / 2 % 2];
        let servers = 1 + (number % 2) as usize;
        let folder = tempfile::tempdir().unwrap();
        let fault = format!("kill server/{} {}us", number as usize % servers, moment(number));
        let about = format!("{fault} of {servers}");
        let run = training(number).servers(servers).on_worker_loss(OnWorkerLoss::Restart);
        // Now and then without checkpoints: then all go back to the beginning.
        let run = if number % 5 == 0 { run } else { run.checkpoint(every(folder.path(), 4)) };
        let run = run.train(faulty(number, &[fault])).unwrap_or_else(|error| panic!("{about}: {error}"));
        assert_eq!(bits(&run), bits(whole), "{about}");
        assert_eq!(losses(&run), losses(whole), "{about}");
        assert_each_row_once(&run, &about);
        struck += usize::from(run.report().losses.iter().any(|loss| loss.contains("went back to round")));
    }
    assert!(struck > 100, "only {struck} of 250");
}

#[test]
fn a_launcher_killed_at_any_moment_loses_one_interval_at_most() {
    let whole = short_run().train(Executor::threads()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    short_run().servers(2).checkpoint(every(folder.path(), 2)).train(faulty(1, &[])).unwrap();
    let written = files(folder.path());
    let mut from = BTreeSet::new();
    for number in 0..moments(50, 1000) {
        // What there is when it is killed: the checkpoints up to some moment, and half of one that it was writing.
        let at = (number * 7919) as usize % (written.len() - 1);
        let left = tempfile::tempdir().unwrap();
        let kept = left.path().join(written[at].file_name().unwrap());
        fs::copy(&written[at], &kept).unwrap();
        let next = fs::read(&written[at + 1]).unwrap();
        fs::write(left.path().join(written[at + 1].file_name().unwrap()), &next[..next.len() / 2]).unwrap();
        let servers = 1 + (number % 3) as usize;
        let run = short_run().servers(servers).on_worker_loss(OnWorkerLoss::Restart).resume(left.path());
        // Whoever goes on loses a worker as well.
        let fault = format!("kill worker/{} {}us", number % 3, moment(number));
        let run = run.train(faulty(number, &[fault])).unwrap();
        let about = format!("{}, {servers} servers", kept.display());
        assert_eq!((bits(&run), losses(&run)), (bits(&whole), losses(&whole)), "{about}");
        assert_each_row_once(&run, &about);
        from.extend(run.report().resumed_at_round);
    }
    assert!(from.len() > 3, "from rounds {from:?} only");
}

#[test]
fn under_every_policy_each_row_is_trained_on_once_an_epoch_whoever_is_killed() {
    let syncs = ["asp", "ssp:1", "backup:1", "quorum:2,20ms", "local:2", "diloco:2", "hogwild"];
    for (number, sync) in (0..moments(250, 1000)).zip(syncs.into_iter().cycle()) {
        let policy: Policy = sync.parse().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let servers = if policy.heeds_arrival() { 1 } else { 1 + (number % 2) as usize };
        let on_loss = if number % 3 == 0 { OnWorkerLoss::Redistribute } else { OnWorkerLoss::Restart };
        let victim = if number % 5 == 0 { "server/0".to_owned() } else { format!("worker/{}", number % 3) };
        let fault = format!("kill {victim} {}us", moment(number));
        let about = format!("{sync}, {fault}, {on_loss}, {servers} servers");
        let run = short_run().sync(policy).servers(servers).on_worker_loss(on_loss);
        let run = if policy == Policy::Hogwild { run.optimizer(Optimizer::plain(Rule::Sgd)) } else { run };
        let run = run.checkpoint(every(folder.path(), 4)).train(faulty(number, &[fault]));
        let run = run.unwrap_or_else(|error| panic!("{about}: {error}"));
        if policy.heeds_arrival() {
            // Who comes late has trained in vain, as without a loss.
            assert!(run.report().epochs.iter().all(|epoch| epoch.complete), "{about}");
        } else {
            assert_each_row_once(&run, &about);
        }
    }
}

#[test]
fn several_losses_in_one_run_are_survived_too() {
    let whole = short_run().train(Executor::threads()).unwrap();
    for number in 0..moments(60, 1000) {
        let folder = tempfile::tempdir().unwrap();
        let at = |other: u64| moment(number + 31 * other);
        let faults = [
            format!("kill worker/1 {}us", at(1)),
            format!("kill server/1 {}us", at(2)),
            format!("kill worker/{} {}us", number % 3, at(3)),
            format!("kill server/0 {}us", at(4)),
        ];
        let on_loss = if number % 2 == 0 { OnWorkerLoss::Redistribute } else { OnWorkerLoss::Restart };
        let run = short_run().servers(2).on_worker_loss(on_loss).checkpoint(every(folder.path(), 3));
        let run = run.train(faulty(number, &faults)).unwrap_or_else(|error| panic!("{faults:?}: {error}"));
        assert_eq!(bits(&run), bits(&whole), "{faults:?}");
        assert_each_row_once(&run, &format!("{faults:?}"));
    }
}

#[test]
fn a_worker_that_is_lost_as_it_begins_is_stood_in_for() {
    let whole = short_run().train(Executor::threads()).unwrap();
    for number in 0..300u64 {
        let fault = [format!("kill worker/{} {}us", number % 3, 60 + number)];
        let run = short_run().on_worker_loss(OnWorkerLoss::Redistribute).train(faulty(number, &fault));
        let run = run.unwrap_or_else(|error| panic!("{fault:?}: {error}"));
        assert_eq!(bits(&run), bits(&whole), "{fault:?}");
    }
}

#[test]
fn a_loss_ends_the_run_where_that_is_wanted_and_when_nobody_is_left() {
    let fault = ["kill worker/1 9ms".to_owned()];
    let said = short_run().train(faulty(1, &fault)).unwrap_err().to_string();
    assert!(said.contains("worker/1 was killed by signal 9"), "{said}");
    let all: Vec<String> = (0..3).map(|worker| format!("kill worker/{worker} {}ms", 5 + worker)).collect();
    let run = short_run().on_worker_loss(OnWorkerLoss::Redistribute).train(faulty(1, &all));
    assert!(run.unwrap_err().to_string().contains("was killed by signal 9"));
}
