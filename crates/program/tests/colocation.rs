//! Groups that share processes, on threads, in virtual time and on processes. The names of the tests are those of the scenarios
//! in the specification of programs.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use syncline_program::{
    BoxError, Cause, Context, Error, Executor, Failure, OnFailure, Program, Resources, State, launch,
    launch_for_test,
};
use syncline_wire::service;

const MS: Duration = Duration::from_millis(1);
const LIMIT: Duration = Duration::from_secs(60);

/// What runs in this process, and where nodes are processes of their own.
fn executors() -> [Executor; 3] {
    [Executor::threads(), sim(), Executor::processes()]
}

fn sim() -> Executor {
    Executor::sim(3).network("1Gbit/50us".parse().unwrap())
}

#[service]
trait Count {
    /// Adds, and tells the sum.
    async fn add(&self, by: u64) -> u64;
    /// The process in which it is, and which incarnation it is.
    async fn place(&self) -> (u32, u32);
}

struct Counter {
    sum: AtomicU64,
    incarnation: u32,
}

impl Counter {
    fn new(ctx: &Context) -> Self {
        Self { sum: AtomicU64::new(0), incarnation: ctx.incarnation() }
    }
}

#[service]
impl Count for Counter {
    async fn add(&self, by: u64) -> u64 {
        self.sum.fetch_add(by, Ordering::Relaxed) + by
    }

    async fn place(&self) -> (u32, u32) {
        (std::process::id(), self.incarnation)
    }
}

fn failure<T: std::fmt::Debug>(end: Result<T, Error>) -> Failure {
    match end.unwrap_err() {
        Error::NodeFailed(failure) => *failure,
        other => panic!("another error: {other}"),
    }
}

#[test]
fn b10_who_shares_a_process_calls_directly_and_others_find_each_at_its_own_address() {
    for executor in executors() {
        let (apart, virtually) = (executor.has_processes(), executor.is_sim());
        let mut program = Program::new("shared");
        let counters = program.group("counter", 2).serve(|ctx| Ok(Counter::new(ctx)));
        let call_both = {
            let counters = counters.clone();
            async move |ctx: Context| {
                let mut places = Vec::new();
                for counter in &counters {
                    let counter = counter.connect(&ctx).await?;
                    counter.add(1 + ctx.rank() as u64).await?;
                    places.push(counter.place().await?.0);
                }
                assert_eq!(ctx.size(), 2);
                Ok::<_, BoxError>((std::process::id(), places))
            }
        };
        let near = program.group("near", 2).run(call_both.clone());
        let far = program.group("far", 2).run(call_both);
        program.colocate("together", ["counter", "near"]);
        let all = launch_for_test(program, executor, LIMIT, async move |ctx| {
            let (near, far) = (near.all(&ctx).await?, far.all(&ctx).await?);
            // Other processes tell what passed about once a second.
            let mut ledger = ctx.ledger().await?;
            for _ in 0..100 {
                if ledger.between("near/1", "counter/0").calls == 2
                    && ledger.between("far/1", "counter/0").calls == 2
                {
                    break;
                }
                ctx.sleep(50 * MS).await;
                ledger = ctx.ledger().await?;
            }
            let mut sums = Vec::new();
            for counter in &counters {
                sums.push(counter.connect(&ctx).await?.add(0).await?);
            }
            Ok((near, far, ledger, sums))
        });
        let (near, far, ledger, sums) = all.unwrap();
        assert_eq!(sums, [6, 6]);
        let host = near[0].0;
        assert!(near.iter().all(|(own, places)| *own == host && *places == [host, host]), "{near:?}");
        assert!(
            far.iter().all(|(own, places)| (*own != host) == apart && *places == [host, host]),
            "{far:?}"
        );
        for counter in ["counter/0", "counter/1"] {
            let bytes = |caller| ledger.between(caller, counter).request_bytes;
            assert_eq!(
                (bytes("near/0") > 0, bytes("far/0") > 0),
                (virtually, apart || virtually),
                "{ledger:?}"
            );
        }
    }
}

#[test]
fn b10_in_virtual_time_messages_within_a_colocation_take_no_time_and_those_of_others_do() {
    let mut program = Program::new("near-and-far");
    let counter = program.service("counter", |ctx| Ok(Counter::new(ctx)));
    let call = async move |ctx: Context| {
        let counter = counter.connect(&ctx).await?;
        let begun = ctx.clock().now();
        counter.add(1).await?;
        Ok::<_, BoxError>(ctx.clock().now() - begun)
    };
    let near = program.group("near", 1).run(call.clone());
    let far = program.group("far", 1).run(call);
    program.colocate("together", ["counter", "near"]);
    let program = program.driver(async move |ctx| Ok((near.all(&ctx).await?[0], far.all(&ctx).await?[0])));
    // A partition divides machines, not what is on one.
    let executor = sim().fault("partition near>counter 0ns..1s".parse().unwrap());
    let (near, far) = launch(program, executor).unwrap().wait().unwrap();
    assert!(near < MS / 100, "{near:?}");
    assert!(far >= MS / 10, "{far:?}");
}

#[test]
fn f7_stop_within_nested_colocations_stops_the_whole_program() {
    for executor in executors() {
        let mut program = Program::new("nested-stop");
        program.node("stopper", async |ctx| {
            ctx.sleep(10 * MS).await;
            ctx.stop().await?;
            ctx.stopped().await;
            Ok(())
        });
        let waits = async |ctx: Context| {
            ctx.stopped().await;
            Ok::<_, BoxError>(ctx.is_stopping())
        };
        program.group("beside", 2).run(waits);
        program.group("around", 1).run(waits);
        program.group("outside", 1).run(waits);
        program.colocate("inner", ["stopper", "beside"]);
        program.colocate("outer", ["inner", "around"]);
        // Only the program's stop ends the wait of the driver.
        let end = launch_for_test(program, executor, LIMIT, async move |ctx| {
            ctx.stopped().await;
            Ok(ctx.is_stopping())
        });
        assert!(end.unwrap());
    }
}

#[test]
fn g7_a_colocation_is_done_when_all_that_end_have_ended_and_its_services_serve_on() {
    for executor in executors() {
        let mut program = Program::new("serves-on");
        let counter = program.service("counter", |ctx| Ok(Counter::new(ctx)));
        let quick = program.group("quick", 2).run(async |ctx| Ok(10 + ctx.rank()));
        program.colocate("together", ["quick", "counter"]);
        let late = program.group("late", 1).run(async move |ctx| {
            ctx.finished("quick").await?;
            ctx.sleep(50 * MS).await;
            Ok(counter.connect(&ctx).await?.add(7).await?)
        });
        let told = launch_for_test(program, executor, LIMIT, async move |ctx| {
            let values = (quick.all(&ctx).await?, late.all(&ctx).await?);
            let roster = ctx.roster().await?;
            let state = |node: &str| roster.get(&node.parse().unwrap()).unwrap().state;
            Ok((values, ["quick/0", "counter/0", "together"].map(state)))
        });
        let ((quick, late), states) = told.unwrap();
        assert_eq!((quick, late), (vec![10, 11], vec![7]));
        assert_eq!(states, [State::Finished, State::Running, State::Running]);
    }
}

#[test]
fn g7_without_a_driver_a_program_ends_when_the_work_of_its_colocations_is_done() {
    for executor in [Executor::threads(), sim()] {
        let mut program = Program::new("no-driver");
        let counter = program.service("counter", |ctx| Ok(Counter::new(ctx)));
        let calls = counter.clone();
        program.nodes("worker", 2, async move |ctx| {
            calls.connect(&ctx).await?.add(1).await?;
            Ok(())
        });
        program.colocate("together", ["worker", "counter"]);
        launch(program, executor).unwrap().wait().unwrap();
    }
}

#[test]
fn g7_until_the_first_one_the_others_are_asked_to_stop() {
    for executor in executors() {
        let mut program = Program::new("first");
        let winner = program.group("quick", 1).run(async |_| Ok(1));
        let losers = program.group("slow", 2).run(async |ctx| {
            ctx.stopped().await;
            Ok(2)
        });
        program.group("never", 1).run(async |_| std::future::pending::<Result<(), _>>().await);
        program.colocate("race", ["quick", "slow", "never"]).until_first();
        let told = launch_for_test(program, executor, LIMIT, async move |ctx| {
            // One that was dropped where it waited has yielded nothing.
            ctx.finished("never").await?;
            ctx.finished("race").await?;
            Ok((winner.all(&ctx).await?, losers.all(&ctx).await?))
        });
        assert_eq!(told.unwrap(), (vec![1], vec![2, 2]));
    }
}

#[test]
fn g7_the_first_failure_surfaces_with_the_node_and_ends_all_that_share_its_process() {
    for executor in executors() {
        let within = !executor.has_processes();
        let mut program = Program::new("fails");
        program.node("learner", async |ctx| {
            ctx.sleep(10 * MS).await;
            Err("loss is NaN".into())
        });
        program.nodes("actor", 2, async |_| std::future::pending().await);
        program.colocate("inner", ["learner"]);
        program.colocate("trainer", ["inner", "actor"]);
        let end = launch_for_test(program, executor, LIMIT, async |ctx| {
            ctx.stopped().await;
            Ok(())
        });
        let failure = failure(end);
        let learner = "learner/0".parse().unwrap();
        let cause = Cause::Part { node: learner, cause: Box::new(Cause::Failed("loss is NaN".to_owned())) };
        assert_eq!((failure.node.to_string().as_str(), &failure.cause), ("trainer", &cause));
        assert_eq!(failure.error.is_some(), within);
        let said = "trainer failed with its learner/0, which failed: loss is NaN";
        assert!(failure.to_string().starts_with(said), "{failure}");
    }
}

/// Nodes that share a process whose first incarnation fails, with an error or with the whole process.
fn failing_once(fails: fn() -> Result<(), &'static str>, executor: Executor) -> Vec<(String, u32, u32)> {
    let mut program = Program::new("again");
    let counter = program.service("counter", |ctx| Ok(Counter::new(ctx)));
    let own = counter.clone();
    let learner = program.group("learner", 1).run(async move |ctx| {
        own.connect(&ctx).await?.add(1).await?;
        if ctx.incarnation() == 0 {
            fails()?;
        }
        Ok((ctx.name().to_owned(), ctx.incarnation()))
    });
    let policy = OnFailure::Restart { times: 2, backoff: MS };
    program.colocate("trainer", ["counter", "learner"]).on_failure(policy);
    let told = launch_for_test(program, executor, LIMIT, async move |ctx| {
        let (name, incarnation) = learner.all(&ctx).await?.remove(0);
        let (_, of_counter) = counter.connect(&ctx).await?.place().await?;
        let sum = counter.connect(&ctx).await?.add(0).await?;
        let of_unit = ctx.roster().await?.get(&"trainer".parse()?).unwrap().incarnation;
        // The counter began anew, too.
        Ok(vec![(name, incarnation, sum as u32), ("counter/0".to_owned(), of_counter, of_unit)])
    });
    told.unwrap()
}

#[test]
fn g8_all_that_share_a_process_are_started_again_as_one_incarnation() {
    let again = [("learner/0".to_owned(), 1, 1), ("counter/0".to_owned(), 1, 1)];
    for executor in executors() {
        assert_eq!(failing_once(|| Err("not yet"), executor), again);
    }
    for executor in [Executor::threads(), sim()] {
        assert_eq!(failing_once(|| panic!("not yet"), executor), again);
    }
}

#[test]
fn g8_a_process_that_exits_takes_all_in_it_along() {
    let again = [("learner/0".to_owned(), 1, 1), ("counter/0".to_owned(), 1, 1)];
    assert_eq!(failing_once(|| std::process::exit(3), Executor::processes()), again);
}

#[test]
fn g8_in_virtual_time_a_node_that_is_killed_takes_its_process_along() {
    let mut program = Program::new("killed");
    let incarnations = program.group("actor", 2).run(async |ctx| {
        ctx.sleep(10 * MS).await;
        Ok(ctx.incarnation())
    });
    let policy = OnFailure::Restart { times: 1, backoff: MS };
    program.colocate("actors", ["actor"]).on_failure(policy);
    let program = program.driver(async move |ctx| Ok(incarnations.all(&ctx).await?));
    let executor = sim().fault("kill actor/1 5ms".parse().unwrap());
    assert_eq!(launch(program, executor).unwrap().wait().unwrap(), [1, 1]);
}

#[test]
fn by_rank_each_process_has_one_node_of_every_group_and_what_it_was_given() {
    for executor in executors() {
        let apart = executor.has_processes();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&lines);
        let executor = executor.on_output(move |node, line| {
            heard.lock().unwrap().push(format!("{node}: {line}"));
        });
        let mut program = Program::new("pairs");
        let place = async |ctx: Context| {
            if ctx.name() == "actor/1" {
                println!("I am {}", ctx.name());
            }
            let mode = ctx.resources().variable("MODE").unwrap_or_default().to_owned();
            Ok::<_, BoxError>((std::process::id(), mode))
        };
        let (actors, worlds) = (program.group("actor", 2).run(place), program.group("world", 2).run(place));
        let resources = Resources::default().env("MODE", "fast");
        program.colocate("pair", ["actor", "world"]).by_rank().resources(resources);
        let told = launch_for_test(program, executor, LIMIT, async move |ctx| {
            let of_pairs =
                ctx.roster().await?.group("pair").map(|(name, _)| name.to_string()).collect::<Vec<_>>();
            Ok((actors.all(&ctx).await?, worlds.all(&ctx).await?, of_pairs))
        });
        let (actors, worlds, pairs) = told.unwrap();
        assert_eq!(actors, worlds);
        assert_eq!(actors[0].0 != actors[1].0, apart);
        assert!(actors.iter().all(|(_, mode)| mode == "fast"), "{actors:?}");
        assert_eq!(pairs, ["pair/0", "pair/1"]);
        if apart {
            assert!(lines.lock().unwrap().contains(&"pair/1: I am actor/1".to_owned()), "{lines:?}");
        }
    }
}

#[test]
fn what_cannot_share_a_process_is_refused_with_the_reason() {
    fn refused(colocate: impl FnOnce(&mut Program)) -> String {
        let mut program = Program::new("refused");
        program.nodes("two", 2, async |_| Ok(()));
        program.nodes("three", 3, async |_| Ok(()));
        program.group("own", 1).on_failure(OnFailure::GoOn).run(async |_| Ok(()));
        colocate(&mut program);
        launch(program, Executor::threads()).unwrap_err().to_string()
    }
    let here = |program: &mut Program| {
        program.service_here("here", Arc::new(Counter { sum: AtomicU64::new(0), incarnation: 0 }));
        program.colocate("shared", ["here"]);
    };
    let cases: [(String, &str); 9] = [
        (
            refused(|program| _ = program.colocate("shared", ["tow"])),
            "there is no group `tow`; the groups are `two`, `three`",
        ),
        (refused(|program| _ = program.colocate("shared", [])), "it has no group"),
        (refused(|program| _ = program.colocate("two", ["three"])), "`two` is already taken"),
        (refused(|program| _ = program.colocate("Shared", ["two"])), "must be a lower-case letter"),
        (
            refused(|program| _ = program.colocate("shared", ["two", "three"]).by_rank()),
            "`two` has 2 nodes, `three` 3",
        ),
        (refused(|program| _ = program.colocate("shared", ["own"])), "to `shared`, not to `own`"),
        (refused(here), "`here` lives in the launcher"),
        (
            refused(|program| {
                program.colocate("shared", ["two"]);
                program.colocate("other", ["two"]);
            }),
            "`two` is colocated twice",
        ),
        (
            refused(|program| {
                program.colocate("shared", ["other", "two"]);
                program.colocate("other", ["shared"]);
            }),
            "it contains itself",
        ),
    ];
    for (said, why) in cases {
        assert!(said.contains(why), "no `{why}` in `{said}`");
    }
}
