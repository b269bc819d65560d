//! Scenarios of the specification of programs that have no other home. What others check while a program runs, here often
//! the compiler checks: those are examples of [`syncline_program`]'s documentation that must not compile.

#![expect(clippy::disallowed_methods, reason = "a test measures real time")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use syncline_program::{Context, Error, Executor, Handle, Program, launch, launch_for_test};
use syncline_wire::{Client, Hosted, Never, Tensor, from_fn, service};
use tokio::sync::Notify;

const LIMIT: Duration = Duration::from_secs(30);

#[service]
trait Adder {
    /// Adds 100 where nothing else is said.
    async fn add(&self, a: u64, by: Option<u64>) -> u64;
}

#[derive(Default)]
struct Plain(AtomicU64);

#[service]
impl Adder for Plain {
    async fn add(&self, a: u64, by: Option<u64>) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed);
        a + by.unwrap_or(100)
    }
}

fn executors() -> [Executor; 2] {
    [Executor::threads(), Executor::sim(3)]
}

fn said<T: Send + 'static>(program: Program<T>) -> String {
    match launch(program, Executor::threads()) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("it was launched"),
    }
}

#[test]
fn a2_a9_a_group_s_nodes_are_under_its_label_each_once() {
    let mut program = Program::<()>::new("grouped");
    program.group("worker", 3).run(async |_| Ok(()));
    program.group("adder", 1).serve(|_| Ok(Plain::default()));
    program.group("worker", 1).run(async |_| Ok(()));
    let nodes: Vec<_> = program.all_nodes().map(ToString::to_string).collect();
    assert_eq!(nodes, ["worker/0", "worker/1", "worker/2", "worker/3", "adder/0"]);
}

#[test]
fn a5_b4_a_label_that_cannot_be_one_is_refused_with_what_it_must_be() {
    for (label, why) in
        [("", "should not be empty"), ("Worker", "lower-case letter"), ("1st", "lower-case letter")]
    {
        let mut program = Program::<()>::new("mislabelled");
        program.group(label, 2).run(async |_| Ok(()));
        assert!(said(program).contains(why), "{label}");
    }
}

#[test]
fn b3_a_name_belongs_to_one_service() {
    let mut program = Program::<()>::new("twice");
    program.service("adder", |_| Ok(Plain::default()));
    program.service_here("adder", Arc::new(Plain::default()));
    assert!(said(program).contains("`adder` is already taken"));
}

/// Handles deep inside of what a node is given.
#[derive(Clone)]
struct Nested {
    by_name: BTreeMap<&'static str, Vec<(u32, Handle<Plain>)>>,
}

#[test]
fn b7_handles_work_wherever_a_node_s_arguments_have_them() {
    for executor in executors() {
        let mut program = Program::new("nested");
        let adders = program.services("adder", 2, |_| Ok(Plain::default()));
        let of = |at: usize| vec![(at as u32, adders[at].clone())];
        let nested = Nested { by_name: BTreeMap::from([("a", of(0)), ("b", of(1))]) };
        let sums = program.group("caller", 1).run(async move |ctx| {
            let mut sum = 0;
            for (number, adder) in nested.by_name.values().flatten() {
                sum += adder.connect(&ctx).await?.add(u64::from(*number), Some(10)).await?;
            }
            Ok(sum)
        });
        let program = program.driver(async move |ctx| Ok(sums.all(&ctx).await?));
        assert_eq!(launch(program, executor).unwrap().wait().unwrap(), [21]);
    }
}

#[test]
fn b8_e2_a_service_is_constructed_once_by_its_own_node() {
    for executor in executors() {
        let (made, by) = (Arc::new(AtomicUsize::new(0)), Arc::new(std::sync::Mutex::new(String::new())));
        let (count, name) = (Arc::clone(&made), Arc::clone(&by));
        let mut program = Program::new("once");
        let adder = program.service("adder", move |ctx: &Context| {
            count.fetch_add(1, Ordering::Relaxed);
            ctx.name().clone_into(&mut name.lock().unwrap());
            Ok(Plain::default())
        });
        let program = program.driver(async move |ctx| {
            for _ in 0..3 {
                adder.connect(&ctx).await?.add(1, None).await?;
            }
            Ok(())
        });
        assert_eq!(made.load(Ordering::Relaxed), 0, "building runs nothing");
        launch(program, executor).unwrap().wait().unwrap();
        assert_eq!((made.load(Ordering::Relaxed), by.lock().unwrap().as_str()), (1, "adder/0"));
    }
}

#[test]
fn b9_who_uses_whom_is_known_before_the_launch() {
    let mut program = Program::<()>::new("edges");
    let adders = program.services("adder", 2, |_| Ok(Plain::default()));
    program.group("caller", 3).uses(&adders).run(async |_| Ok(()));
    let graph = program.graph();
    assert!(graph.to_string().contains("caller  3 nodes -> adder"), "{graph}");
    assert!(graph.to_svg().contains("caller uses adder"));
}

#[test]
fn c2_an_argument_that_may_be_left_out_has_its_default() {
    for executor in executors() {
        let mut program = Program::new("defaults");
        let adder = program.service("adder", |_| Ok(Plain::default()));
        let program = program.driver(async move |ctx| {
            let adder = adder.connect(&ctx).await?;
            Ok((adder.add(23, None).await?, adder.add(23, Some(500)).await?))
        });
        assert_eq!(launch(program, executor).unwrap().wait().unwrap(), (123, 523));
    }
}

#[test]
fn c13_a_service_of_one_function_is_called_itself() {
    for executor in executors() {
        let mut program = Program::new("callable");
        let doubler = program.service("doubler", |_| Ok(from_fn(async |by: u64| Ok::<u64, Never>(2 * by))));
        let program = program.driver(async move |ctx| {
            let client = doubler.connect(&ctx).await?;
            let future = {
                let client = client.clone();
                ctx.spawn(async move { client.call(4).await })
            };
            Ok((client.call(21).await?, future.await??))
        });
        assert_eq!(launch(program, executor).unwrap().wait().unwrap(), (42, 8));
    }
}

/// A service that ends itself after the second call.
#[derive(Default)]
struct Brief {
    calls: AtomicU64,
    enough: Notify,
}

#[service]
impl Adder for Brief {
    async fn add(&self, a: u64, _: Option<u64>) -> u64 {
        if self.calls.fetch_add(1, Ordering::Relaxed) == 1 {
            self.enough.notify_one();
        }
        a
    }
}

#[test]
fn e4_a_service_can_decide_itself_when_it_ends() {
    for executor in executors() {
        let mut program = Program::new("brief");
        let brief = program.group("brief", 1).serve_and_run(
            |_| Ok(Brief::default()),
            async |service, _| {
                service.enough.notified().await;
                Ok(())
            },
        );
        let program = program.driver(async move |ctx| {
            let client = brief[0].connect(&ctx).await?;
            client.add(1, None).await?;
            let before = ctx.roster().await?.is_over("brief");
            client.add(2, None).await?;
            ctx.finished("brief").await?;
            Ok((before, ctx.roster().await?.is_over("brief")))
        });
        assert_eq!(launch(program, executor).unwrap().wait().unwrap(), (false, true));
    }
}

/// A program that waits to be stopped.
fn waiting(name: &str) -> Program {
    let mut program = Program::new(name);
    program.node("waiter", async |ctx| {
        ctx.stopped().await;
        Ok(())
    });
    program
}

#[test]
fn f9_two_runs_of_one_process_end_each_by_itself() {
    let [first, second] = ["first", "second"].map(|name| launch(waiting(name), Executor::threads()).unwrap());
    first.stop_and_wait().unwrap();
    assert!(!second.roster().is_over("waiter"), "the end of one was taken for the other's");
    second.stop_and_wait().unwrap();
}

#[test]
fn g9_a_test_that_waits_for_ever_ends_with_the_node_that_failed() {
    for executor in executors() {
        let mut program = waiting("stuck");
        program.node("bad", async |_| Err("out of paper".into()));
        let begun = Instant::now();
        let driven = launch_for_test(program, executor, LIMIT, async |ctx| {
            ctx.finished("waiter").await?;
            Ok(())
        });
        let said = driven.unwrap_err().to_string();
        assert!(said.contains("bad/0") && said.contains("out of paper"), "{said}");
        assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    }
}

#[test]
fn h2_a_run_is_waited_for_by_group_stopped_and_waited_for() {
    let mut program = waiting("ways");
    program.group("quick", 2).run(async |_| Ok(()));
    let mut run = launch(program, Executor::threads()).unwrap();
    run.wait_for("quick").unwrap();
    assert!(matches!(run.wait_for("nobody"), Err(Error::UnknownGroup { .. })));
    assert!(run.roster().is_over("quick") && !run.roster().is_over("waiter"));
    run.stop();
    run.wait().unwrap();
}

#[tokio::test]
async fn l3_within_a_process_a_tensor_is_handed_over_and_not_copied() {
    let same = from_fn(async |values: Tensor<f32>| Ok::<Tensor<f32>, Never>(values));
    let client = Client::local(Hosted::new(same));
    let values: Tensor<f32> = vec![1.5; 1 << 20].into();
    let there = values.as_ptr();
    let back = client.call(values).await.unwrap();
    assert_eq!(back.as_ptr(), there);
}
