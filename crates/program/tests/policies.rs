//! What happens when nodes fail, by the policies of their groups, on threads and in virtual time; on processes the same is
//! in `processes`. The names of the tests are those of the scenarios in the specification of programs.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use support::failure;
use syncline_program::{Cause, Cost, Error, Executor, OnFailure, Program, State, launch};
use syncline_wire::{Call, Never, Service};

const MS: Duration = Duration::from_millis(1);

/// Where the scenarios that have no fault of the machine in them run.
fn executors() -> [Executor; 2] {
    [Executor::threads(), Executor::sim(3).network("1Gbit/50us".parse().unwrap())]
}

fn restart(times: u32) -> OnFailure {
    OnFailure::Restart { times, backoff: 5 * MS }
}

#[test]
fn g8_a_node_is_started_again_as_a_new_incarnation() {
    for executor in executors() {
        let mut program = Program::new("again");
        let group = program.group("worker", 2).on_failure(restart(3));
        let incarnations = group.run(async |ctx| match (ctx.rank(), ctx.incarnation()) {
            (1, 0) => panic!("on purpose"),
            (1, 1) => Err("not yet".into()),
            (_, incarnation) => Ok(incarnation),
        });
        let program = program.driver(async move |ctx| {
            let values = incarnations.all(&ctx).await?;
            let roster = ctx.roster().await?;
            let worker = roster.get(&"worker/1".parse()?).unwrap().clone();
            Ok((values, worker.incarnation, worker.state))
        });
        let told = launch(program, executor.clone()).unwrap().wait().unwrap();
        assert_eq!(told, (vec![0, 2], 2, State::Finished), "{executor}");
    }
}

#[test]
fn g8_the_failure_after_the_last_restart_stops_the_program() {
    for executor in executors() {
        let mut program = Program::new("enough");
        program
            .group("worker", 1)
            .on_failure(restart(2))
            .run::<(), _>(async |ctx| Err(format!("the {}", ctx.incarnation()).into()));
        let failure = failure(launch(program, executor).unwrap());
        assert_eq!((failure.cause.clone(), failure.restarts), (Cause::Failed("the 2".into()), 2));
        assert_eq!(failure.to_string(), "worker/0 failed: the 2 (after 2 restarts in its group)");
    }
}

#[test]
fn l1_a_program_goes_on_without_a_node_until_the_last_one_fails() {
    for executor in executors() {
        let degraded = |failing: usize| {
            let mut program = Program::new("degraded");
            let group = program.group("worker", 3).on_failure(OnFailure::GoOn);
            let values = group.run(async move |ctx| {
                ctx.sleep((1 + ctx.rank() as u32) * 10 * MS).await;
                if ctx.rank() < failing { Err("gone".into()) } else { Ok(ctx.rank()) }
            });
            let program = program.driver(async move |ctx| Ok(values.by_node(&ctx).await?));
            launch(program, executor.clone()).unwrap()
        };
        let left: Vec<_> =
            degraded(2).wait().unwrap().into_iter().map(|(node, value)| (node.to_string(), value)).collect();
        assert_eq!(left, [("worker/2".to_owned(), 2)]);
        assert_eq!(failure(degraded(3)).to_string(), "worker/2 failed: gone");
    }
}

/// Adds, and fails its node by a call with 0; each incarnation counts anew.
struct Fragile {
    sum: AtomicU64,
    crash: Arc<tokio::sync::Notify>,
    /// How many calls all incarnations have executed.
    executed: Arc<AtomicU64>,
}

impl Fragile {
    fn new(executed: &Arc<AtomicU64>) -> Self {
        Self { sum: AtomicU64::new(0), crash: Arc::default(), executed: Arc::clone(executed) }
    }
}

impl Service for Fragile {
    type Request = u64;
    type Reply = u64;
    type Error = Never;
    async fn call(&self, _: &Call<'_>, by: u64) -> Result<u64, Never> {
        self.executed.fetch_add(1, Ordering::Relaxed);
        if by == 0 {
            self.crash.notify_one();
            std::future::pending::<()>().await;
        }
        Ok(self.sum.fetch_add(by, Ordering::Relaxed) + by)
    }
}

#[test]
fn c20_a_call_under_way_fails_runs_once_and_the_next_one_reaches_the_new_incarnation() {
    for executor in executors() {
        let executed = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&executed);
        let mut program = Program::new("fragile");
        let group = program.group("server", 1).on_failure(restart(1));
        let server = group.serve_and_run(
            move |_| Ok(Fragile::new(&counted)),
            async |service, _| {
                service.crash.notified().await;
                Err("crashed".into())
            },
        );
        let program = program.driver(async move |ctx| {
            let server = server[0].peer(&ctx);
            let mut told = vec![server.call(3).await?, server.call(4).await?];
            let lost = server.call(0).await.unwrap_err();
            assert!(matches!(lost, Error::PeerLost(_)), "{lost}");
            told.push(server.call(5).await?);
            Ok((told, server.incarnation(), executed.load(Ordering::Relaxed)))
        });
        let told = launch(program, executor.clone()).unwrap().wait().unwrap();
        assert_eq!(told, (vec![3, 7, 5], Some(1), 4), "{executor}");
    }
}

#[test]
fn c21_who_calls_a_service_that_is_lost_for_good_is_told_so() {
    for executor in executors() {
        let mut program = Program::new("lost");
        let group = program.group("server", 2).on_failure(OnFailure::GoOn);
        let servers = group.serve_and_run(
            |_| Ok(Fragile::new(&Arc::default())),
            async |service, _| {
                service.crash.notified().await;
                Err("crashed".into())
            },
        );
        let program = program.driver(async move |ctx| {
            let server = servers[0].peer(&ctx);
            let lost = server.call(0).await.unwrap_err().to_string();
            let gone = server.call(1).await.unwrap_err().to_string();
            Ok((lost, gone, servers[1].peer(&ctx).call(2).await?))
        });
        let (lost, gone, other) = launch(program, executor).unwrap().wait().unwrap();
        assert!(lost.starts_with("server/0 failed before it had answered"), "{lost}");
        assert_eq!(
            (gone.as_str(), other),
            ("server/0 has failed for good: nobody answers there any more", 2)
        );
    }
}

#[test]
fn c20_a_node_killed_in_virtual_time_is_started_again_and_nothing_runs_twice() {
    let mut program = Program::new("killed");
    let group = program.group("server", 1).on_failure(restart(1));
    let server = group.serve(|_| Ok(Fragile::new(&Arc::default())));
    let program = program.driver(async move |ctx| {
        let server = server[0].peer(&ctx);
        let (mut sent, mut lost, mut last) = (0, 0, 0);
        while sent < 20 {
            sent += 1;
            match server.call(1).await {
                Ok(reply) => last = reply,
                Err(Error::PeerLost(_)) => lost += 1,
                Err(error) => return Err(error.into()),
            }
        }
        Ok((sent, lost, last, server.incarnation()))
    });
    let fault = "kill server/0 10ms".parse().unwrap();
    let executor =
        Executor::sim(1).network("1Gbit/1ms".parse().unwrap()).compute(Cost::Given(MS).into()).fault(fault);
    let (sent, lost, last, incarnation) = launch(program, executor).unwrap().wait().unwrap();
    assert_eq!((sent, lost, incarnation), (20, 1, Some(1)));
    assert!(last < 19, "the new incarnation knows nothing of the old: {last}");
}

#[test]
fn a_deadlock_is_told_whatever_the_policy() {
    let mut program = Program::new("stuck");
    let group = program.group("worker", 1).on_failure(restart(9));
    group.run::<(), _>(async |_| std::future::pending().await);
    let failure = failure(launch(program, Executor::sim(1)).unwrap());
    assert!(matches!(failure.cause, Cause::Deadlocked(_)), "{failure}");
}
