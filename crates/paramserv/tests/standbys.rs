//! Servers with standbys, of which one or the other is killed in virtual time: nothing is lost, at whatever moment. On
//! processes the same is tested through the command.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use support::{EPOCHS, bits, every, faulty, losses, moments, short_run};
use syncline_paramserv::{OnWorkerLoss, Optimizer, ParamServ, Policy, Rule, Trained};
use syncline_program::Executor;

fn with_standbys(number: u64) -> ParamServ {
    let on_loss = if number % 4 < 2 { OnWorkerLoss::Restart } else { OnWorkerLoss::Redistribute };
    short_run().servers(1 + (number % 2) as usize).replicas(1).on_worker_loss(on_loss)
}

/// A moment of the run, from its start to a little after its end.
fn moment(number: u64) -> u64 {
    (number * 7919) % 60_000
}

/// How often workers began a round.
fn rounds(trained: &Trained) -> u64 {
    trained.report().workers.iter().map(|worker| worker.rounds).sum()
}

fn samples(trained: &Trained) -> u64 {
    trained.report().workers.iter().map(|worker| worker.samples).sum()
}

/// Of how many losses this was said.
fn told(trained: &Trained, what: &str) -> usize {
    trained.report().losses.iter().filter(|loss| loss.contains(what)).count()
}

#[test]
fn a_server_killed_at_any_moment_takes_nothing_with_it() {
    let whole = short_run().train(Executor::threads()).unwrap();
    let mut struck = 0;
    let runs = moments(250, 1000);
    for number in 0..runs {
        let run = with_standbys(number);
        let fault = format!("kill server/{} {}us", number % (1 + number % 2), moment(number));
        let run = run
            .train(faulty(number, std::slice::from_ref(&fault)))
            .unwrap_or_else(|error| panic!("{fault}: {error}"));
        assert_eq!(bits(&run), bits(&whole), "{fault}");
        assert_eq!(losses(&run), losses(&whole), "{fault}");
        assert_eq!(
            (rounds(&run), samples(&run)),
            (rounds(&whole), samples(&whole)),
            "{fault}: no round twice"
        );
        assert_eq!(told(&run, "went back"), 0, "{fault}: {:?}", run.report().losses);
        struck += told(&run, "nothing is done again") as u64;
    }
    assert!(struck > runs / 2, "only {struck} of {runs}");
}

#[test]
fn a_standby_killed_at_any_moment_is_told_all_and_stands_in_afterwards() {
    let whole = short_run().train(Executor::threads()).unwrap();
    let (mut standbys, mut servers) = (0, 0);
    let runs = moments(100, 1000);
    for number in 0..runs {
        let at = moment(number);
        // Both of one shard, one after the other; now and then so shortly that the second knows nothing.
        let gap = [110_000, 20_000, 130_000, 1000][number as usize % 4];
        let pair = ["standby/0", "server/0"];
        let (first, second) = (pair[number as usize / 4 % 2], pair[1 - number as usize / 4 % 2]);
        let faults = [format!("kill {first} {at}us"), format!("kill {second} {}us", at + gap)];
        let folder = tempfile::tempdir().unwrap();
        let run = with_standbys(number).checkpoint(every(folder.path(), 4));
        let run = run.train(faulty(number, &faults)).unwrap_or_else(|error| panic!("{faults:?}: {error}"));
        assert_eq!(bits(&run), bits(&whole), "{faults:?}");
        assert_eq!(losses(&run), losses(&whole), "{faults:?}");
        assert_eq!(samples(&run), samples(&whole), "{faults:?}");
        standbys += told(&run, "tells the next one") as u64;
        servers += told(&run, "nothing is done again") as u64;
    }
    assert!(
        standbys > runs / 3 && servers > runs / 10,
        "only {standbys} standbys and {servers} servers of {runs}"
    );
}

#[test]
fn under_every_policy_each_row_is_trained_on_once_an_epoch() {
    let syncs = ["asp", "ssp:1", "local:2", "diloco:2", "backup:1", "quorum:2,20ms", "repetition:2"];
    let whole = |sync: &str| short_run().sync(sync.parse().unwrap()).train(Executor::threads()).unwrap();
    let (local, diloco) = (bits(&whole("local:2")), bits(&whole("diloco:2")));
    let mut struck = 0;
    for (number, sync) in (0..moments(140, 1400)).zip(syncs.into_iter().cycle()) {
        let policy: Policy = sync.parse().unwrap();
        let servers = if policy.heeds_arrival() { 1 } else { 1 + number / 7 % 2 };
        let fault = format!("kill server/{} {}us", number % servers, moment(number));
        let about = format!("{sync}, {fault} of {servers}");
        let run = with_standbys(number).servers(servers as usize).sync(policy);
        let run = run.train(faulty(number, &[fault])).unwrap_or_else(|error| panic!("{about}: {error}"));
        assert!(run.report().epochs.iter().all(|epoch| epoch.complete), "{about}");
        assert_eq!(told(&run, "went back"), 0, "{about}");
        if !policy.heeds_arrival() {
            assert_eq!(samples(&run), u64::from(EPOCHS) * run.report().settings.rows as u64, "{about}");
        }
        match sync {
            "local:2" => assert_eq!(bits(&run), local, "{about}"),
            "diloco:2" => assert_eq!(bits(&run), diloco, "{about}"),
            _ => {}
        }
        struck += told(&run, "nothing is done again");
    }
    assert!(struck > 50, "only {struck}");
}

#[test]
fn checkpoints_workers_that_come_and_go_and_several_losses_go_with_it() {
    // What its pushes have left out is lost with a worker, so that one is killed in every other run only.
    let compressed = |run: ParamServ, number: u64| match number % 2 {
        0 => run.compress("push=topk:0.2".parse().unwrap()),
        _ => run,
    };
    let wholes = [0, 1].map(|number| compressed(short_run(), number).train(Executor::threads()).unwrap());
    let mut taken_over = 0;
    let runs = moments(60, 1000);
    for number in 0..runs {
        let folder = tempfile::tempdir().unwrap();
        let at = |other: u64| moment(number + 31 * other);
        let whole = &wholes[number as usize % 2];
        let mut faults = vec![format!("kill server/0 {}us", at(1)), format!("kill server/1 {}us", at(3))];
        if number % 2 == 1 {
            faults.push(format!("kill worker/{} {}us", number % 3, at(2)));
        }
        if number % 3 == 0 {
            faults.push(format!("scale worker {} {}us", 1 + number % 2, at(4)));
            faults.push(format!("scale worker 3 {}us", at(5)));
        }
        let run = compressed(with_standbys(number), number).servers(2).on_worker_loss(OnWorkerLoss::Restart);
        let run = if number % 3 == 0 { run.elastic(2) } else { run };
        let run = run.checkpoint(every(folder.path(), 3)).train(faulty(number, &faults));
        let run = run.unwrap_or_else(|error| panic!("{faults:?}: {error}"));
        assert_eq!(bits(&run), bits(whole), "{faults:?}");
        assert_eq!(losses(&run), losses(whole), "{faults:?}");
        assert_eq!(samples(&run), samples(whole), "{faults:?}");
        assert_eq!(told(&run, "went back"), 0, "{faults:?}: {:?}", run.report().losses);
        taken_over += told(&run, "nothing is done again");
        if number % 15 == 0 {
            let again =
                compressed(short_run(), number).resume(folder.path()).train(Executor::threads()).unwrap();
            assert_eq!(bits(&again), bits(whole), "{faults:?}, from the last checkpoint");
            let first = &support::files(folder.path())[0];
            let again = compressed(with_standbys(1), number)
                .resume(first)
                .train(faulty(number, &faults[..2]))
                .unwrap();
            assert_eq!(bits(&again), bits(whole), "{faults:?}, from the first checkpoint");
        }
    }
    assert!(taken_over as u64 > runs, "only {taken_over} of {}", 2 * runs);
}

#[test]
fn the_same_seed_gives_the_same_run_to_the_last_byte() {
    for number in 0..10 {
        let run = || {
            let faults = [format!("kill server/0 {}us", moment(number)), "kill standby/0 200ms".to_owned()];
            let run =
                with_standbys(number).sync("asp".parse().unwrap()).train(faulty(number, &faults)).unwrap();
            (bits(&run), serde_json::to_string(run.report()).unwrap())
        };
        assert_eq!(run(), run(), "{number}");
    }
}

#[test]
fn what_can_have_no_standbys_is_refused() {
    let refused = |run: ParamServ, said: &str| {
        let error = run.train(Executor::sim(1)).unwrap_err();
        assert!(error.is_usage() && error.to_string().contains(said), "{error}");
    };
    refused(short_run().replicas(1), "add --on-worker-loss restart");
    refused(with_standbys(0).replicas(2), "one standby at most");
    let plain = || with_standbys(0).optimizer(Optimizer::plain(Rule::Sgd));
    refused(plain().sync("hogwild".parse().unwrap()), "the memory that workers share");
    let without = short_run().on_worker_loss(OnWorkerLoss::Restart).replicas(1);
    refused(without.sync("allreduce".parse().unwrap()), "there are no servers");
    let error = with_standbys(0).train(Executor::threads()).unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("those on threads cannot"), "{error}");
}
