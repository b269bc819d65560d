//! Programs in virtual time. The names of the tests are those of the scenarios in the specification of programs.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test measures real time and may panic"
)]

mod support;

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use support::{Counter, failure};
use syncline_program::{Cause, Context, Cost, Error, Executor, Handle, Program, SimFault, launch};
use syncline_wire::{Call, Never, Service, ServiceError, Tensor, from_fn};

const MS: Duration = Duration::from_millis(1);

fn network(text: &str) -> Executor {
    Executor::sim(1).network(text.parse().unwrap())
}

/// Workers that add to a counter, some of it after computing, and what the driver then reads, and when.
fn counting(workers: usize) -> Program<(u64, Duration)> {
    let mut program = Program::new("count");
    let counter = program.service("counter", |_| Ok(Counter::default()));
    let from_workers = counter.clone();
    program.nodes("worker", workers, async move |ctx| {
        let counter = from_workers.connect(&ctx).await?;
        assert_eq!(ctx.size(), workers);
        for _ in 0..3 {
            ctx.compute(Cost::Measured, || ()).await;
            counter.call(1 + ctx.rank() as u64).await?;
        }
        Ok(())
    });
    program.driver(async move |ctx| {
        ctx.finished("worker").await?;
        let sum = counter.connect(&ctx).await?.call(0).await?;
        Ok((sum, ctx.clock().now()))
    })
}

#[test]
fn h1_the_same_program_runs_in_virtual_time() {
    let executor = network("ideal").compute(Cost::Given(3600 * 1000 * MS).into());
    let begun = Instant::now();
    let (sum, end) = launch(counting(4), executor).unwrap().wait().unwrap();
    assert_eq!(sum, 3 * (1 + 2 + 3 + 4));
    assert!(end >= Duration::from_secs(3 * 3600) && end < Duration::from_secs(3 * 3600 + 1), "{end:?}");
    assert!(begun.elapsed() < Duration::from_secs(5), "three hours took {:?}", begun.elapsed());
}

#[test]
fn a_message_takes_its_latency_and_its_bytes() {
    let mut program = Program::new("latency");
    let sink = |values: Tensor<f32>| async move { Ok::<u64, Never>(values.len() as u64) };
    let sink = program.service("sink", move |_| Ok(from_fn(sink)));
    program.node("caller", async move |ctx| {
        let sink = sink.connect(&ctx).await?;
        let asked = ctx.clock().now();
        sink.call(Tensor::default()).await?;
        let small = ctx.clock().now() - asked;
        assert!(small > 2 * MS && small < 2 * MS + Duration::from_micros(100), "{small:?}");
        let asked = ctx.clock().now();
        assert_eq!(sink.call(vec![0.0; 250_000].into()).await?, 250_000);
        let large = ctx.clock().now() - asked;
        // A megabyte at 8 Mbit/s takes a second.
        assert!(large > 1002 * MS && large < 1003 * MS, "{large:?}");
        Ok(())
    });
    launch(program, network("8Mbit/1ms")).unwrap().wait().unwrap();
}

/// Callers that send a megabyte each to the sink at the same time, and when each has been answered.
fn upload(network: &str) -> Vec<Duration> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("network.toml");
    std::fs::write(&file, network).unwrap();
    let mut program = Program::new("upload");
    let sink = |values: Tensor<f32>| async move { Ok::<u64, Never>(values.len() as u64) };
    let sink = program.service("sink", move |_| Ok(from_fn(sink)));
    let times = program.group("caller", 4).run(async move |ctx| {
        let sink = sink.connect(&ctx).await?;
        sink.call(vec![0.0; 250_000].into()).await?;
        Ok(ctx.clock().now())
    });
    let program = program.driver(async move |ctx| Ok(times.all(&ctx).await?));
    let network = syncline_program::read_network(file.to_str().unwrap()).unwrap();
    launch(program, Executor::sim(1).network(network)).unwrap().wait().unwrap()
}

#[test]
fn what_a_rack_shares_is_shared_and_what_stands_on_one_machine_needs_no_line() {
    let (half_a_second, second) = (500 * MS, 1000 * MS);
    let near = |times: &[Duration], wanted: &[Duration]| {
        let mut sorted = times.to_vec();
        sorted.sort();
        for (time, wanted) in sorted.iter().zip(wanted) {
            assert!(*time >= *wanted && *time < *wanted + 20 * MS, "{times:?} {wanted:?}");
        }
    };
    // Behind one uplink of 8 Mbit/s a megabyte after the other, though each line would carry it in no time.
    let rack = "line = '80Gbit/1ms'\n[uplinks.rack]\nof = ['caller']\nline = '8Mbit/1ms'";
    near(&upload(rack), &[second, 2 * second, 3 * second, 4 * second]);
    // Two racks, two uplinks; the first twice as fast.
    let racks = "[uplinks.a]\nof = ['caller/0..2']\nline = '16Mbit/0ns'\n[uplinks.b]\nof = ['caller/2..4']\nline = '8Mbit/0ns'";
    near(&upload(racks), &[half_a_second, second, second, 2 * second]);
    // With the sink in the rack nothing crosses the uplink; on its machine nothing crosses a line.
    let inside = "line = '8Mbit/0ns'\n[hosts]\nm = ['sink', 'caller/0..2']\n[uplinks.rack]\nof = ['m', 'caller/2..4']\nline = '1bit/1s'";
    near(&upload(inside), &[Duration::ZERO, Duration::ZERO, second, 2 * second]);
    // A slow line of one's own, and a link apart.
    let lines = "line = '8Gbit/0ns'\n[lines]\n'caller/3' = '4Mbit/0ns'\n[[links]]\nbetween = ['caller/0', 'sink']\nline = '8Mbit/0ns'";
    near(&upload(lines), &[Duration::ZERO, Duration::ZERO, second, 2 * second]);
}

#[test]
fn a_network_or_fault_that_names_nobody_is_refused() {
    let mut program = Program::<()>::new("here");
    let here = program.service_here("ledger", Arc::new(Counter::default()));
    program.node("caller", async move |ctx| Ok(here.connect(&ctx).await?.call(1).await.map(drop)?));
    let fault = "delay caller>ledger #1 5ms".parse().unwrap();
    launch(program, Executor::sim(1).fault(fault)).unwrap().wait().unwrap();
    let ways: [fn(Executor) -> Executor; 2] = [
        |executor| executor.fault("drop wrker>counter #3".parse().unwrap()),
        |executor| executor.network(toml::from_str("[lines]\nwrker = '1Mbit/1ms'").unwrap()),
    ];
    for way in ways {
        let error = launch(counting(2), way(Executor::sim(1))).unwrap_err().to_string();
        assert!(error.contains("no node `wrker`"), "{error}");
    }
}

fn log(seed: u64) -> Vec<String> {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&lines);
    let executor = Executor::sim(seed).network("1Gbit/20us/20us".parse().unwrap());
    let executor = executor.compute("exp:1ms".parse().unwrap());
    let executor = executor.on_message(move |line| kept.lock().unwrap().push(line.to_owned()));
    launch(counting(8), executor).unwrap().wait().unwrap();
    let lines = lines.lock().unwrap().clone();
    assert_eq!(lines.len(), 2 * (8 * 3 + 1), "questions and answers");
    lines
}

#[test]
fn l5_the_seed_decides_all_and_another_seed_something_else() {
    let first = log(7);
    assert_eq!(first, log(7));
    assert_ne!(first, log(8));
}

#[derive(Debug, Serialize, Deserialize)]
enum Hop {
    Ping,
    Pong,
}

/// A service that does one thing at a time, and asks the other while it is at it.
struct Hopper {
    ctx: Context,
    other: Handle<Hopper>,
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl Service for Hopper {
    type Request = Hop;
    type Reply = ();
    type Error = ServiceError;
    // Boxed, because it calls its own kind.
    fn call(&self, _: &Call<'_>, hop: Hop) -> impl Future<Output = Result<(), ServiceError>> + Send {
        let (ctx, other, turn) = (self.ctx.clone(), self.other.clone(), Arc::clone(&self.turn));
        Box::pin(async move {
            let _turn = turn.lock().await;
            match hop {
                Hop::Ping => {
                    other.connect(&ctx).await?.call(Hop::Pong).await?;
                    Ok(())
                }
                Hop::Pong => Ok(()),
            }
        }) as Pin<Box<dyn Future<Output = Result<(), ServiceError>> + Send>>
    }
}

#[test]
fn l5_a_deadlock_is_the_circle_of_waits_in_milliseconds() {
    let mut program = Program::new("hop");
    let handles: Arc<Mutex<Vec<Handle<Hopper>>>> = Arc::default();
    let known = Arc::clone(&handles);
    let made = program.services("hopper", 2, move |ctx| {
        let other = known.lock().unwrap()[1 - ctx.rank()].clone();
        Ok(Hopper { ctx: ctx.clone(), other, turn: Arc::default() })
    });
    handles.lock().unwrap().extend(made.iter().cloned());
    let made = Arc::new(made);
    program.nodes("caller", 2, async move |ctx| {
        made[ctx.rank()].connect(&ctx).await?.call(Hop::Ping).await?;
        Ok(())
    });
    let begun = Instant::now();
    let failure = failure(launch(program, network("1Gbit/50us")).unwrap());
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    let said = failure.to_string();
    assert!(matches!(failure.cause, Cause::Deadlocked(_)), "{said}");
    let circle = "a circle of waits: hopper/0 waits for hopper/1 to answer `Pong`; hopper/1 waits for hopper/0 to answer `Pong`";
    assert!(said.contains(circle), "{said}");
}

#[test]
fn a_wait_that_nobody_ends_is_told_though_it_is_no_circle() {
    let mut program = Program::new("endless");
    program.node("lonely", async |_| std::future::pending().await);
    program.node("waiter", async |ctx| Ok(ctx.finished("lonely").await?));
    let said = failure(launch(program, Executor::sim(1)).unwrap()).to_string();
    assert!(said.contains("nothing can go on"), "{said}");
    assert!(said.contains("lonely/0 waits for something that the runtime does not know of"), "{said}");
    assert!(said.contains("waiter/0 waits for the group `lonely` to finish"), "{said}");
}

#[test]
fn a_program_that_waits_to_be_stopped_is_no_deadlock() {
    let mut program = Program::new("polite");
    program.nodes("polite", 3, async |ctx| {
        ctx.stopped().await;
        ctx.clock().sleep(1000 * MS).await;
        Ok(())
    });
    let run = launch(program, Executor::sim(1)).unwrap();
    std::thread::sleep(Duration::from_millis(30));
    run.stop_and_wait().unwrap();
}

#[test]
fn f4_an_impolite_node_is_dropped_when_the_virtual_notice_is_over() {
    let mut program = Program::new("impolite");
    program.node("impolite", async |ctx| {
        ctx.stopped().await;
        ctx.clock().sleep(Duration::from_secs(3600)).await;
        Ok(())
    });
    program.node("stopper", async |ctx| Ok(ctx.stop().await?));
    let begun = Instant::now();
    launch(program, Executor::sim(1)).unwrap().wait().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
}

#[test]
fn g1_a_node_that_panics_is_named() {
    let mut program = Program::new("panic");
    program.node("bad", async |ctx| {
        ctx.sleep(MS).await;
        panic!("on purpose")
    });
    program.node("good", async |ctx| {
        ctx.sleep(3600 * 1000 * MS).await;
        Ok(())
    });
    let failure = failure(launch(program, Executor::sim(1)).unwrap());
    assert_eq!(
        (failure.node.to_string(), failure.cause),
        ("bad/0".to_owned(), Cause::Panicked("on purpose".into()))
    );
}

#[test]
fn c21_a_killed_service_is_named_and_its_caller_does_not_hang() {
    let fault: SimFault = "kill counter/0 5ms".parse().unwrap();
    let executor = network("1Gbit/1ms").compute(Cost::Given(2 * MS).into()).fault(fault);
    let failure = failure(launch(counting(2), executor).unwrap());
    assert_eq!((failure.node.to_string(), failure.cause), ("counter/0".to_owned(), Cause::Killed(9)));
    let stranger: SimFault = "kill counter/7 5ms".parse().unwrap();
    let said = launch(counting(2), Executor::sim(1).fault(stranger)).unwrap_err().to_string();
    assert!(said.contains("`counter/7`"), "{said}");
}

fn end_with(fault: &str) -> Result<(u64, Duration), Error> {
    let executor = network("1Gbit/1ms").compute(Cost::Given(2 * MS).into()).fault(fault.parse().unwrap());
    launch(counting(1), executor)?.wait()
}

#[test]
fn c20_a_duplicate_runs_once_a_delay_delays_and_a_partition_heals() {
    let (sum, quiet) = end_with("delay worker>counter #99 1ms").unwrap();
    assert_eq!(sum, 3);
    assert_eq!(end_with("duplicate worker>counter #2").unwrap().0, 3, "nothing ran twice");
    let (sum, delayed) = end_with("delay worker>counter #2 70ms").unwrap();
    assert_eq!((sum, delayed - quiet), (3, 70 * MS));
    let (sum, parted) = end_with("partition *>* 4ms..500ms").unwrap();
    assert!(sum == 3 && parted > 500 * MS, "{parted:?}");
}

#[test]
fn a_frozen_node_is_late_and_one_that_is_frozen_for_good_is_named() {
    let (sum, frozen) = end_with("freeze worker/0 4ms..504ms").unwrap();
    assert!(sum == 3 && frozen > 500 * MS, "{frozen:?}");
    let (sum, frozen) = end_with("freeze counter/0 4ms..504ms").unwrap();
    assert!(sum == 3 && frozen > 500 * MS, "{frozen:?}");
    for node in ["worker/0", "counter/0"] {
        let said = end_with(&format!("freeze {node} 4ms")).unwrap_err().to_string();
        assert!(said.contains(&format!("{node} is frozen for good")), "{said}");
    }
    let stranger: SimFault = "freeze counter/7 5ms".parse().unwrap();
    let said = launch(counting(1), Executor::sim(1).fault(stranger)).unwrap_err().to_string();
    assert!(said.contains("`counter/7`"), "{said}");
}

#[test]
fn a_fault_that_comes_when_all_is_over_is_told() {
    let lines: Arc<Mutex<Vec<String>>> = Arc::default();
    let heard = Arc::clone(&lines);
    let fault: SimFault = "kill worker/0 3600s".parse().unwrap();
    let executor = network("1Gbit/1ms").compute(Cost::Given(2 * MS).into()).fault(fault);
    let executor = executor.on_output(move |_, line| heard.lock().unwrap().push(line.to_owned()));
    launch(counting(1), executor).unwrap().wait().unwrap();
    let lines = lines.lock().unwrap();
    assert!(lines.iter().any(|line| line.contains("nothing came of the fault `kill worker/0 ")), "{lines:?}");
}

#[test]
fn a_lost_message_is_told_by_whom_and_for_what() {
    let said = end_with("drop counter>worker/0 #2").unwrap_err().to_string();
    assert!(
        said.contains("worker/0 waits for counter/0 to answer `call`, but a message of that call was lost"),
        "{said}"
    );
}

#[test]
fn tasks_of_a_node_run_in_virtual_time_and_end_with_it() {
    static LEFT: AtomicU64 = AtomicU64::new(0);
    let program = Program::new("tasks").driver(async |ctx| {
        let clock = ctx.clock().clone();
        let task = ctx.spawn(async move {
            clock.sleep(5 * MS).await;
            clock.now()
        });
        let (clock, forgotten) = (ctx.clock().clone(), ctx.clone());
        forgotten.spawn(async move {
            clock.sleep(10 * MS).await;
            LEFT.store(1, Ordering::Relaxed);
        });
        Ok(task.await?)
    });
    assert_eq!(launch(program, Executor::sim(1)).unwrap().wait().unwrap(), 5 * MS);
    assert_eq!(LEFT.load(Ordering::Relaxed), 0);
}
