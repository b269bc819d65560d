//! Groups, their values, stopping, and programs driven from a test, on threads and in virtual time. The names of the tests
//! are those of the scenarios in the specification of programs.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test measures real time and may panic"
)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use support::Counter;
use syncline_program::ready::Caching;
use syncline_program::{
    Context, Error, Executor, Handle, Program, Resources, State, launch, launch_for_test,
};
use syncline_wire::{Call, Never, Service, ServiceError};

const MS: Duration = Duration::from_millis(1);
const LIMIT: Duration = Duration::from_secs(30);

fn executors() -> [Executor; 2] {
    [Executor::threads(), Executor::sim(3).network("1Gbit/50us".parse().unwrap())]
}

/// A service that knows another one of its kind.
struct Neighbour {
    ctx: Context,
    other: Handle<Neighbour>,
}

impl Service for Neighbour {
    type Request = u32;
    type Reply = u32;
    type Error = ServiceError;
    fn call(&self, _: &Call<'_>, hops: u32) -> impl Future<Output = Result<u32, ServiceError>> + Send {
        let (ctx, other) = (self.ctx.clone(), self.other.clone());
        let answer: std::pin::Pin<Box<dyn Future<Output = _> + Send>> = Box::pin(async move {
            match hops {
                0 => Ok(0),
                hops => Ok(1 + other.connect(&ctx).await?.call(hops - 1).await?),
            }
        });
        answer
    }
}

#[test]
fn b1_services_that_need_each_other_are_declared_first_and_defined_later() {
    for executor in executors() {
        let mut program = Program::new("cycle");
        let left: Handle<Neighbour> = program.declare("left");
        let right: Handle<Neighbour> = program.declare("right");
        for (mine, other) in [(&left, right.clone()), (&right, left.clone())] {
            program.define(mine, move |ctx| Ok(Neighbour { ctx: ctx.clone(), other: other.clone() }));
        }
        let program = program.driver(async move |ctx| Ok(left.connect(&ctx).await?.call(5).await?));
        assert_eq!(launch(program, executor).unwrap().wait().unwrap(), 5);
    }
}

#[test]
fn b1_what_was_declared_only_or_defined_twice_is_refused_by_name() {
    let mut program = Program::<()>::new("half");
    let counter: Handle<Counter> = program.declare("counter");
    let said = launch(program, Executor::threads()).unwrap_err().to_string();
    assert!(said.contains("`counter/0` was declared but never defined"), "{said}");

    let mut program = Program::<()>::new("twice");
    let mine: Handle<Counter> = program.declare("counter");
    program.define(&mine, |_| Ok(Counter::default()));
    program.define(&mine, |_| Ok(Counter::default()));
    let said = launch(program, Executor::threads()).unwrap_err().to_string();
    assert!(said.contains("`counter/0` is no service that was declared"), "{said}");
    drop(counter);
}

#[test]
fn e3_a_service_with_a_part_of_its_own_ends_with_it_and_without_serves_until_the_stop() {
    for executor in executors() {
        let mut program = Program::new("own-part");
        let group = program.group("consumer", 1);
        group.serve_and_run(
            |_| Ok(Counter::default()),
            async |counter, ctx| {
                for _ in 0..3 {
                    ctx.sleep(MS).await;
                    counter.0.fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            },
        );
        // Without a driver the program ends when the consumer's part does.
        launch(program, executor).unwrap().wait().unwrap();
    }
}

#[test]
fn e5_a_test_does_the_steps_of_a_node_whose_own_part_is_left_out() {
    for executor in executors() {
        let mut program = Program::new("consumer-producers");
        let group = program.group("producer", 3);
        let producers = group.serve(|ctx| Ok(Counter(AtomicU64::new(10 * ctx.rank() as u64))));
        let consumer = program
            .group("consumer", 1)
            .serve_and_run(|_| Ok(Counter::default()), async |_, _| panic!("it was to be left out"));
        program.without_run("consumer");
        let told = launch_for_test(program, executor, LIMIT, async move |ctx| {
            let consumer = consumer[0].connect(&ctx).await?;
            let mut steps = Vec::new();
            for _ in 0..10 {
                let mut sum = 0;
                for producer in &producers {
                    sum += producer.connect(&ctx).await?.call(1).await?;
                }
                steps.push(consumer.call(sum).await?);
            }
            Ok(steps.last().copied())
        });
        // Three counters from 0, 10 and 20, after 1, 2 .. 10 steps.
        assert_eq!(told.unwrap(), Some(10 * 30 + 3 * 55));
    }
}

#[test]
fn e8_a_group_is_given_its_own_arguments_and_variables() {
    for executor in executors() {
        let mut program = Program::new("given");
        let given = |name: &str| Resources::default().arg("--mode").arg(name).env("SYNCLINE_TEST_MODE", name);
        let mut groups = Vec::new();
        for name in ["fast", "slow"] {
            let group = program.group(name, 2).resources(given(name));
            groups.push(group.run(async |ctx| {
                let resources = ctx.resources();
                let variable = resources.variable("SYNCLINE_TEST_MODE").map(str::to_owned);
                Ok((ctx.rank(), ctx.size(), resources.arguments().to_vec(), variable))
            }));
        }
        let program =
            program.driver(async move |ctx| Ok((groups[0].all(&ctx).await?, groups[1].all(&ctx).await?)));
        let (fast, slow) = launch(program, executor).unwrap().wait().unwrap();
        let told =
            |name: &str, rank| (rank, 2, vec!["--mode".to_owned(), name.to_owned()], Some(name.to_owned()));
        assert_eq!(fast, [told("fast", 0), told("fast", 1)]);
        assert_eq!(slow, [told("slow", 0), told("slow", 1)]);
    }
}

#[test]
fn f1_f2_stop_handlers_run_once_and_waiting_for_the_stop_tells() {
    for executor in executors() {
        static CALLED: AtomicUsize = AtomicUsize::new(0);
        CALLED.store(0, Ordering::Relaxed);
        let mut program = Program::new("handlers");
        program.nodes("waiter", 3, async |ctx| {
            ctx.on_stop(|| {
                CALLED.fetch_add(1, Ordering::Relaxed);
            });
            assert!(!ctx.stopped_within(Duration::ZERO).await && !ctx.stopped_within(MS).await);
            assert!(ctx.stopped_within(LIMIT).await);
            Ok(())
        });
        program.node("stopper", async |ctx| {
            ctx.sleep(50 * MS).await;
            Ok(ctx.stop().await?)
        });
        launch(program, executor).unwrap().wait().unwrap();
        assert_eq!(CALLED.load(Ordering::Relaxed), 3);
    }
}

#[test]
fn f6_any_task_of_a_node_may_stop_the_program() {
    for executor in executors() {
        let mut program = Program::new("from-a-task");
        program.node("node", async |ctx| {
            let mine = ctx.clone();
            ctx.spawn(async move { mine.stop().await });
            std::future::pending().await
        });
        launch(program, executor).unwrap().wait().unwrap();
    }
}

#[test]
fn f8_a_test_that_takes_too_long_ends_and_leaves_nothing() {
    for executor in executors() {
        let held = Arc::new(());
        let mut program = Program::new("endless");
        let mine = Arc::clone(&held);
        program.nodes("endless", 2, async move |ctx| {
            let _mine = &mine;
            // A wait for a time that comes is no deadlock.
            ctx.sleep(Duration::from_secs(3600)).await;
            Ok(())
        });
        let begun = Instant::now();
        let late = launch_for_test(program, executor, 50 * MS, async |_| -> Result<(), _> {
            std::future::pending().await
        });
        let said = late.unwrap_err().to_string();
        assert_eq!(said, "driver failed: the test was not done within 50ms");
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
        assert_eq!(Arc::strong_count(&held), 1);
    }
}

#[test]
fn g2_one_group_is_waited_for_while_others_run_and_any_failure_comes_out() {
    let mut program = Program::new("two-groups");
    program.nodes("quick", 2, async |_| Ok(()));
    program.node("long", async |ctx| {
        ctx.stopped().await;
        Ok(())
    });
    let mut run = launch(program, Executor::threads()).unwrap();
    run.wait_for("quick").unwrap();
    let states: Vec<_> = run.roster().nodes().map(|(_, presence)| presence.state).collect();
    assert_eq!(states, [State::Running, State::Finished, State::Finished]);
    assert!(matches!(run.wait_for("quikc"), Err(Error::UnknownGroup { .. })));
    run.stop_and_wait().unwrap();

    let mut program = Program::new("failing-group");
    program.node("long", async |_| std::future::pending().await);
    program.node("bad", async |_| Err("on purpose".into()));
    let mut run = launch(program, Executor::threads()).unwrap();
    assert_eq!(run.wait_for("long").unwrap_err().to_string(), "bad/0 failed: on purpose");
}

/// Answers how often it has been asked.
#[derive(Default)]
struct Asked(AtomicU64);

impl Service for Asked {
    type Request = (u32, u32);
    type Reply = u64;
    type Error = Never;
    async fn call(&self, _: &Call<'_>, _: (u32, u32)) -> Result<u64, Never> {
        Ok(self.0.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

#[test]
fn j1_a_cacher_answers_from_memory_refreshes_and_serves_nothing_stale() {
    let mut program = Program::new("cached");
    let service = program.service("asked", |_| Ok(Asked::default()));
    let caching = Caching { refresh: 100 * MS, stale_after: 1000 * MS, kept: 16 };
    let cached = program.cacher("cacher", &service, caching);
    let program = program.driver(async move |ctx| {
        let cached = cached.at(&ctx);
        let mut told = Vec::new();
        let ask = async |request| Ok::<_, Error>(cached.call(request).await?);
        // The same request is answered from memory; with its arguments in another order it is another.
        told.extend([ask((1, 2)).await?, ask((1, 2)).await?, ask((2, 1)).await?]);
        ctx.sleep(200 * MS).await;
        // Old enough to be refreshed, and still served; the new answer is there a moment later.
        told.push(ask((1, 2)).await?);
        ctx.sleep(50 * MS).await;
        told.push(ask((1, 2)).await?);
        ctx.sleep(2000 * MS).await;
        told.push(ask((1, 2)).await?);
        // Sixteen others push it out.
        for other in 0..16 {
            ask((100, other)).await?;
        }
        told.push(ask((1, 2)).await?);
        Ok(told)
    });
    let told = launch(program, Executor::sim(1)).unwrap().wait().unwrap();
    assert_eq!(told, [1, 1, 2, 1, 3, 4, 21]);
}

#[test]
fn l4_a_full_queue_holds_its_producers_back_and_a_barrier_names_who_has_come() {
    let mut program = Program::new("full");
    let jobs = program.queue::<u32>("jobs", 3);
    let barrier = program.barrier("barrier", 2);
    program.node("producer", async move |ctx| {
        let jobs = jobs.at(&ctx);
        for job in 0.. {
            jobs.push(job).await?;
        }
        Ok(())
    });
    program.node("waiter", async move |ctx| Ok(barrier.at(&ctx).wait().await.map(drop)?));
    let said = launch(program, Executor::sim(1)).unwrap().wait().unwrap_err().to_string();
    assert!(said.contains("jobs/0 holds a caller at `queue, full with 3`"), "{said}");
    assert!(said.contains("barrier/0 holds a caller at `barrier, 1 of 2 have come`"), "{said}");
}

/// Never answers.
struct Mute;

impl Service for Mute {
    type Request = ();
    type Reply = ();
    type Error = Never;
    async fn call(&self, _: &Call<'_>, (): ()) -> Result<(), Never> {
        std::future::pending().await
    }
}

#[test]
fn c15_how_long_calls_wait_travels_with_the_handle() {
    for executor in executors() {
        let mut program = Program::new("impatient");
        let mute = program.service("mute", |_| Ok(Mute)).within(50 * MS);
        let given_up = program.group("caller", 1).run(async move |ctx| {
            let by_client = mute.connect(&ctx).await?.call(()).await.unwrap_err().to_string();
            let by_peer = mute.peer(&ctx).call(()).await.unwrap_err().to_string();
            Ok([by_client, by_peer])
        });
        let said = launch_for_test(program, executor, LIMIT, async move |ctx| Ok(given_up.all(&ctx).await?));
        for error in &said.unwrap()[0] {
            assert!(error.contains("was not answered within its deadline"), "{error}");
        }
    }
}

#[test]
fn c17_a_handle_travels_to_another_node_and_works_there() {
    for executor in executors() {
        let mut program = Program::new("passed on");
        let counter = program.service("counter", |_| Ok(Counter::default()));
        let post = program.queue::<Handle<Counter>>("post", 1);
        let taken = post.clone();
        program.node("knows", async move |ctx| Ok(post.at(&ctx).push(counter.clone()).await?));
        let sums = program.group("learns", 1).run(async move |ctx| {
            let counter = taken.at(&ctx).pop().await?.unwrap();
            Ok(counter.connect(&ctx).await?.call(5).await?)
        });
        let sums = launch_for_test(program, executor, LIMIT, async move |ctx| Ok(sums.all(&ctx).await?));
        assert_eq!(sums.unwrap(), [5]);
    }
}
