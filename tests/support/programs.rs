//! Programs that tests launch on the engines of real clusters.
//!
//! Each is launched by a test of its own, which another one starts where its cluster is up: as a process that is told where by
//! [`ON`], and prints what came of it.

#![allow(dead_code, reason = "each test file uses a part of this")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{
    env,
    process::{Command, Output, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use syncline::prelude::*;
use syncline::program::is_child;

use crate::support::stderr;

/// The variable that names the executor.
const ON: &str = "SYNCLINE_TEST_ON";

/// What the line begins with that has the outcome.
const OUTCOME: &str = "outcome: ";

const LIMIT: Duration = Duration::from_secs(120);

/// This test binary, to launch the program of the test `name` on this executor.
pub fn program(name: &str, on: &str) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args([name, "--exact", "--nocapture", "--include-ignored"]).env(ON, on).stdin(Stdio::null());
    command
}

/// What it printed, which must have succeeded.
pub fn outcome(output: &Output) -> Value {
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), stderr(output));
    assert!(output.status.success(), "{said}{errors}");
    let line = said.lines().find_map(|line| line.strip_prefix(OUTCOME));
    serde_json::from_str(line.unwrap_or_else(|| panic!("no outcome in {said}{errors}"))).unwrap()
}

/// Where this process is to launch; nothing where nobody asks for it. A node is only to get to its launch.
fn executor() -> Option<Executor> {
    if is_child() {
        return Some(Executor::processes());
    }
    Some(env::var(ON).ok()?.parse().unwrap())
}

/// Where a node runs: the host's name to its engine, the process, and the devices that it sees.
fn place() -> (String, u32, String) {
    let variable = |name: &str| env::var(name).ok();
    let host = variable("SLURMD_NODENAME").or_else(|| variable("HOSTNAME")).unwrap_or_default();
    (host, std::process::id(), variable("CUDA_VISIBLE_DEVICES").unwrap_or_default())
}

/// A queue that shares a process with who fills it, and not with another who does as well: `near` and `far` are their places, how many
/// calls and bytes of calls came from each stand beside.
pub fn colocated() {
    let Some(executor) = executor() else { return };
    let mut program = Program::new("shared");
    let moves: Queue<usize> = program.queue("moves", 8);
    let pushes = |moves: &Queue<usize>| {
        let moves = moves.clone();
        async move |ctx: Context| {
            let moves = moves.at(&ctx);
            for step in 0..4 {
                moves.push(step).await?;
            }
            Ok(place())
        }
    };
    let near = program.group("near", 1).run(pushes(&moves));
    let far = program.group("far", 1).run(pushes(&moves));
    program.colocate("player", ["near", "moves"]);
    let outcome = launch_for_test(program, executor, LIMIT, async move |ctx| {
        let (moves, mut sum) = (moves.at(&ctx), 0);
        for _ in 0..8 {
            sum += moves.pop().await?.unwrap();
        }
        let (near, far) = (near.all(&ctx).await?, far.all(&ctx).await?);
        // Other processes tell what passed about once a second.
        let mut ledger = ctx.ledger().await?;
        for _ in 0..100 {
            if ["near/0", "far/0"].iter().all(|caller| ledger.between(caller, "moves/0").calls == 4) {
                break;
            }
            ctx.sleep(Duration::from_millis(50)).await;
            ledger = ctx.ledger().await?;
        }
        let passed = |caller| {
            let account = ledger.between(caller, "moves/0");
            (account.calls, account.request_bytes)
        };
        let (near_calls, far_calls) = (passed("near/0"), passed("far/0"));
        Ok(json!({ "sum": sum, "near": near, "far": far, "near_calls": near_calls, "far_calls": far_calls }))
    });
    println!("{OUTCOME}{}", outcome.unwrap());
}

/// A group that asks for nothing and one of which each node asks for two cores and a device: the places of all.
pub fn unlike() {
    let Some(executor) = executor() else { return };
    let mut program = Program::new("unlike");
    let plain = program.group("plain", 1).run(async |_| Ok(place()));
    let needs = Resources::default().cpus(2).gpus(1);
    // All live at once, or the devices of one could be those of another.
    let barrier = program.barrier("together", 2);
    let trainers = program.group("trainer", 2).resources(needs).run(async move |ctx| {
        barrier.at(&ctx).wait().await?;
        Ok(place())
    });
    let outcome = launch_for_test(program, executor, LIMIT, async move |ctx| {
        Ok(json!({ "plain": plain.all(&ctx).await?, "trainers": trainers.all(&ctx).await? }))
    });
    println!("{OUTCOME}{}", outcome.unwrap());
}
