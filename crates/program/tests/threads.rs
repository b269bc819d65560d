//! Programs on threads. The names of the tests are those of the scenarios in the specification of programs.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test measures real time and may panic"
)]

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use support::{Counter, failure};
use syncline_program::{Cause, Executor, Program, launch};

fn mistake(build: impl FnOnce(&mut Program)) -> String {
    let mut program = Program::new("mistaken");
    build(&mut program);
    launch(program, Executor::threads()).unwrap_err().to_string()
}

#[test]
fn a1_a8_labels_make_groups_in_order_and_the_same_label_appends() {
    let mut program = Program::<()>::new("graph");
    program.node("b", async |_| Ok(()));
    program.nodes("a", 2, async |_| Ok(()));
    program.node("b", async |_| Ok(()));
    let labels: Vec<_> = program.labels().map(ToString::to_string).collect();
    assert_eq!(labels, ["b", "a"]);
    let nodes: Vec<_> = program.all_nodes().map(ToString::to_string).collect();
    assert_eq!(nodes, ["b/0", "b/1", "a/0", "a/1"]);
}

#[test]
fn a3_a4_an_empty_label_is_an_error() {
    assert!(mistake(|p| p.node("", async |_| Ok(()))).contains("should not be empty"));
    assert!(mistake(|p| drop(p.service("Counter!", |_| Ok(Counter::default())))).contains("`Counter!`"));
}

#[test]
fn a6_a_label_keeps_its_kind() {
    let said = mistake(|p| {
        p.node("x", async |_| Ok(()));
        p.service("x", |_| Ok(Counter::default()));
    });
    assert!(said.contains("`x` is already taken"), "{said}");
    assert!(mistake(|p| p.node("driver", async |_| Ok(()))).contains("`driver`"));
    assert!(mistake(|p| p.nodes("x", 0, async |_| Ok(()))).contains("at least one"));
}

#[test]
fn a10_a_program_without_a_driver_yields_nothing_else() {
    let mut program = Program::new("valueless");
    program.node("x", async |_| Ok(()));
    let (): () = launch(program, Executor::threads()).unwrap().wait().unwrap();
}

#[test]
fn e1_a_program_of_one_node_runs_it_on_a_thread_of_its_name() {
    let (name, seen) = std::sync::mpsc::channel();
    let mut program = Program::<()>::new("one");
    program.node("only", async move |ctx| {
        let thread = std::thread::current().name().map(str::to_owned);
        Ok(name.send((ctx.name().to_owned(), ctx.rank(), thread))?)
    });
    launch(program, Executor::threads()).unwrap().wait().unwrap();
    assert_eq!(seen.recv().unwrap(), ("only/0".to_owned(), 0, Some("only/0".to_owned())));
}

#[test]
fn e5_a_driver_calls_all_producers_and_gathers_in_order() {
    let mut program = Program::new("producers");
    let producers =
        program.services("producer", 3, |ctx| Ok(Counter(AtomicU64::new(10 * ctx.rank() as u64))));
    let program = program.driver(|ctx| async move {
        let mut sums = Vec::new();
        for producer in &producers {
            let client = producer.connect(&ctx).await?;
            assert!(client.is_local());
            sums.push(client.call(1).await?);
        }
        Ok(sums)
    });
    assert_eq!(launch(program, Executor::threads()).unwrap().wait().unwrap(), [1, 11, 21]);
}

#[test]
fn a_service_here_is_the_callers_own_object() {
    let counter = Arc::new(Counter::default());
    let mut program = Program::<()>::new("here");
    let handle = program.service_here("coordinator", Arc::clone(&counter));
    assert_eq!(handle.name().to_string(), "coordinator");
    program.nodes("worker", 4, async move |ctx| Ok(handle.connect(&ctx).await?.call(2).await.map(drop)?));
    launch(program, Executor::threads()).unwrap().wait().unwrap();
    assert_eq!(counter.0.load(Ordering::Relaxed), 8);
    assert_eq!(Arc::strong_count(&counter), 1, "something of the run still holds the service");
}

#[test]
fn f1_any_node_may_stop_the_program_and_each_cleans_up_once() {
    static CLEANED: AtomicUsize = AtomicUsize::new(0);
    let mut program = Program::<()>::new("stopping");
    program.nodes("polite", 3, async |ctx| {
        ctx.stopped().await;
        CLEANED.fetch_add(1, Ordering::Relaxed);
        Ok(())
    });
    program.node("stopper", async |ctx| {
        assert!(!ctx.is_stopping());
        ctx.sleep(Duration::from_millis(20)).await;
        Ok(ctx.stop().await?)
    });
    launch(program, Executor::threads()).unwrap().wait().unwrap();
    assert_eq!(CLEANED.load(Ordering::Relaxed), 3);
}

#[test]
fn f3_a_slow_but_polite_node_may_finish_and_others_are_dropped() {
    static CLEANED: AtomicUsize = AtomicUsize::new(0);
    let mut program = Program::<()>::new("polite");
    program.node("slow", async |ctx| {
        ctx.stopped().await;
        tokio::time::sleep(Duration::from_millis(150)).await;
        CLEANED.fetch_add(1, Ordering::Relaxed);
        Ok(())
    });
    program.node("endless", async |_| std::future::pending().await);
    let run = launch(program, Executor::threads()).unwrap();
    std::thread::sleep(Duration::from_millis(30));
    run.stop_and_wait().unwrap();
    assert_eq!(CLEANED.load(Ordering::Relaxed), 1);
}

#[test]
fn f1_a_loop_that_never_waits_ends_at_its_check() {
    let mut program = Program::<()>::new("busy");
    let counter = program.service("counter", |_| Ok(Counter::default()));
    program.node("busy", async move |ctx| {
        let counter = counter.connect(&ctx).await?;
        loop {
            ctx.check()?;
            counter.call(1).await?;
        }
    });
    let begun = Instant::now();
    let run = launch(program, Executor::threads()).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    run.stop_and_wait().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[test]
fn f4_a_polite_node_that_takes_too_long_is_dropped_after_the_notice() {
    let mut program = Program::<()>::new("too-long");
    program.node("endless", async |ctx| {
        ctx.stopped().await;
        std::future::pending().await
    });
    let begun = Instant::now();
    let run = launch(program, Executor::threads().notice(Duration::from_millis(100))).unwrap();
    std::thread::sleep(Duration::from_millis(30));
    run.stop_and_wait().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[test]
fn g1_an_error_stops_the_program_and_comes_out_of_wait() {
    let mut program = Program::<()>::new("failing");
    program.nodes("worker", 2, async |ctx| match ctx.rank() {
        1 => Err(std::io::Error::other("disk full"))?,
        _ => std::future::pending().await,
    });
    let program = program.driver(async |ctx| Ok(ctx.finished("worker").await?));
    let failure = failure(launch(program, Executor::threads()).unwrap());
    assert_eq!(failure.to_string(), "worker/1 failed: disk full");
    assert!(failure.error.unwrap().is::<std::io::Error>());
}

#[test]
fn f8_a_thread_that_blocks_does_not_hold_up_a_failure() {
    let mut program = Program::<()>::new("blocked");
    program.nodes("worker", 2, async |ctx| match ctx.rank() {
        1 => Err("no more".into()),
        _ => {
            std::thread::sleep(Duration::from_secs(30));
            Ok(())
        }
    });
    let begun = Instant::now();
    let failure = failure(launch(program, Executor::threads()).unwrap());
    assert_eq!(failure.to_string(), "worker/1 failed: no more");
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
}

#[test]
fn a_program_of_nothing_is_refused_and_one_that_only_serves_runs_until_stopped() {
    assert!(mistake(|_| ()).contains("no node and no driver"));
    let mut program = Program::<()>::new("serves");
    program.service_here("counter", Arc::new(Counter::default()));
    launch(program, Executor::threads()).unwrap().stop_and_wait().unwrap();
}

#[test]
fn g1_a_panic_is_a_failure_with_its_message() {
    let mut program = Program::<()>::new("panicking");
    program.node("worker", async |ctx| panic!("rank {} gives up", ctx.rank()));
    let failure = failure(launch(program, Executor::threads()).unwrap());
    assert_eq!(failure.cause, Cause::Panicked("rank 0 gives up".to_owned()));
}

#[test]
fn g1_a_constructor_that_fails_names_its_node() {
    let mut program = Program::new("unbuilt");
    let services = program.services("server", 2, |ctx| match ctx.rank() {
        1 => Err("no memory".into()),
        _ => Ok(Counter::default()),
    });
    let program = program.driver(async move |ctx| Ok(services[1].connect(&ctx).await?.call(1).await?));
    let failure = failure(launch(program, Executor::threads()).unwrap());
    assert_eq!(failure.to_string(), "server/1 failed: no memory");
}

#[test]
fn g4_failures_after_a_stop_are_none() {
    let mut program = Program::<()>::new("late");
    program.node("late", async |ctx| {
        ctx.stopped().await;
        Err("too late to matter".into())
    });
    let run = launch(program, Executor::threads()).unwrap();
    std::thread::sleep(Duration::from_millis(30));
    run.stop_and_wait().unwrap();
}

#[test]
fn g6_a_node_that_ends_does_not_stop_the_others() {
    let mut program = Program::new("uneven");
    program.nodes("worker", 3, async |ctx| {
        ctx.sleep(Duration::from_millis(40 * ctx.rank() as u64)).await;
        Ok(())
    });
    program.node("straggler", async |ctx| {
        ctx.sleep(Duration::from_millis(150)).await;
        Ok(())
    });
    let program = program.driver(async |ctx| {
        ctx.finished("worker").await?;
        let unknown = ctx.finished("wroker").await.unwrap_err().to_string();
        ctx.finished("straggler").await?;
        Ok((unknown, ctx.clock().now()))
    });
    let (unknown, ended) = launch(program, Executor::threads()).unwrap().wait().unwrap();
    assert!(ended >= Duration::from_millis(150));
    assert_eq!(unknown, "the program has no group `wroker`; its groups are `straggler`, `worker`");
}

#[test]
fn b2_a_handle_of_another_program_is_refused() {
    let mut other = Program::<()>::new("other");
    let stray = other.service("elsewhere", |_| Ok(Counter::default()));
    let mut program = Program::<()>::new("this");
    program.node("lost", async move |ctx| Ok(stray.connect(&ctx).await.map(drop)?));
    let said = failure(launch(program, Executor::threads()).unwrap()).to_string();
    assert!(said.contains("no service `elsewhere/0`"), "{said}");
}

#[test]
fn l7_dropping_a_run_ends_its_program() {
    let held = Arc::new(());
    let mut program = Program::<()>::new("dropped");
    let mine = Arc::clone(&held);
    program.nodes("endless", 2, async move |_| {
        let _mine = &mine;
        std::future::pending().await
    });
    drop(launch(program, Executor::threads()).unwrap());
    assert_eq!(Arc::strong_count(&held), 1);
}

#[test]
fn h4_an_unknown_executor_lists_the_valid_ones() {
    let said = "screen".parse::<Executor>().unwrap_err().to_string();
    let names: BTreeSet<_> =
        ["threads", "processes", "tmux"].into_iter().filter(|name| said.contains(name)).collect();
    assert_eq!(names.len(), 3, "{said}");
}

#[test]
fn l6_a_service_in_the_launcher_runs_from_the_start() {
    for executor in [Executor::threads(), Executor::sim(1)] {
        let mut program = Program::new("here");
        program.service_here("coordinator", Arc::new(Counter::default()));
        let program = program.driver(async |ctx| Ok(ctx.roster().await?));
        let roster = launch(program, executor).unwrap().wait().unwrap();
        let state = roster.get(&"coordinator".parse().unwrap()).unwrap().state;
        assert_eq!(state, syncline_program::State::Running);
    }
}
