//! What passes between nodes is counted, told and written down.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(clippy::disallowed_methods, reason = "tests measure from outside")]

use std::time::Duration;

use syncline_program::live::{Viewer, Watch, running};
use syncline_program::{Cost, Error, Executor, Handle, Program, launch};
use syncline_wire::{Call, service};

#[service]
trait Desk {
    /// Takes as long as it is asked to.
    async fn work(&self, for_ms: u64) -> Result<u64, String>;
}

struct Clerk(syncline_program::Context);

#[service(concurrency = 1)]
impl Desk for Clerk {
    async fn work(&self, for_ms: u64) -> Result<u64, String> {
        if for_ms == 0 {
            return Err("nothing to do".to_owned());
        }
        self.0.clock().sleep(Duration::from_millis(for_ms)).await;
        Ok(for_ms)
    }
}

/// Two callers that ask one clerk five times each, 10 ms of work a time, and are refused once.
fn office() -> Program {
    let mut program = Program::new("office");
    let clerk: Handle<Clerk> = program.service("clerk", |ctx| Ok(Clerk(ctx.clone())));
    program.nodes("caller", 2, async move |ctx| {
        let clerk = clerk.connect(&ctx).await?;
        for _ in 0..5 {
            clerk.work(10).await?;
        }
        assert!(clerk.work(0).await.is_err());
        ctx.compute(Cost::Given(Duration::from_millis(100)), || ()).await;
        Ok(())
    });
    program
}

fn check(ledger: &syncline_program::Ledger) {
    for caller in ["caller/0", "caller/1"] {
        let passed = ledger.between(caller, "clerk/0");
        assert_eq!((passed.calls, passed.failures, passed.given_up), (6, 1, 0), "{passed:?}");
        assert_eq!((passed.waiting, passed.under_way), (0, 0), "{passed:?}");
        let ms = |ns: u64| ns / 1_000_000;
        assert!((50..500).contains(&ms(passed.running_ns)), "{passed:?}");
        // While one was served the other waited for its turn.
        assert!((30..500).contains(&ms(passed.queued_ns)), "{passed:?}");
        assert!(passed.waited_ns >= passed.queued_ns + passed.running_ns, "{passed:?}");
    }
    assert_eq!(ledger.edges().count(), 2);
}

#[test]
fn l6_calls_of_threads_and_of_a_simulation_are_counted() {
    for executor in [Executor::threads(), Executor::sim(3)] {
        let (ended, ledger) = launch(office(), executor).unwrap().wait_and_tell();
        ended.unwrap();
        check(&ledger);
    }
    let told = |seed| launch(office(), Executor::sim(seed)).unwrap().wait_and_tell().1;
    assert_eq!(told(3), told(3));
    let passed = told(3).between("caller/0", "clerk/0");
    assert!(passed.request_bytes > 0 && passed.reply_bytes > 0, "{passed:?}");
}

#[test]
fn l6_a_run_file_tells_who_waited_for_whom_also_of_a_run_that_failed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.parquet");
    launch(office(), Executor::sim(5).traced(&path)).unwrap().wait().unwrap();
    let run = syncline_trace::read(&path).unwrap();
    assert!(run.info.complete && run.spans.is_empty());
    let first = std::fs::read(&path).unwrap();
    launch(office(), Executor::sim(5).traced(&path)).unwrap().wait().unwrap();
    assert_eq!(first, std::fs::read(&path).unwrap(), "the same seed, the same file");
    let names: Vec<_> = run.info.nodes.iter().map(|node| node.name.as_str()).collect();
    assert_eq!(names, ["caller/0", "caller/1", "clerk/0"]);
    assert_eq!(run.info.edges.len(), 2);
    let caller = &run.info.nodes[0];
    // 50 ms of work, 100 ms of its own, and its waits; virtual time is exact.
    assert!((150_000_000..300_000_000).contains(&caller.lived_ns), "{caller:?}");
    assert!(run.info.wall_ns >= caller.lived_ns);

    let mut program = office();
    program.node("bad", async |_| Err("no".into()));
    let failed = launch(program, Executor::threads().traced(&path)).unwrap().wait();
    assert!(matches!(failed, Err(Error::NodeFailed(_))));
    let run = syncline_trace::read(&path).unwrap();
    assert!(!run.info.complete && !run.info.nodes.is_empty());
    let nowhere = Executor::threads().traced(folder.path().join("no/run.parquet"));
    assert!(launch(office(), nowhere).unwrap_err().to_string().contains("cannot create the run file"));
}

#[service]
trait Patient {
    /// Answers when the program stops.
    async fn wait(&self, call: &Call<'_>);
}

struct Endless(syncline_program::Context);

#[service]
impl Patient for Endless {
    async fn wait(&self, _: &Call<'_>) {
        self.0.clock().sleep(Duration::from_secs(3600)).await;
    }
}

#[test]
fn l6_who_waits_is_seen_while_the_program_runs_and_nothing_is_left() {
    let mut program = Program::new("waiting");
    let endless = program.service("endless", |ctx| Ok(Endless(ctx.clone())));
    program.node("caller", async move |ctx| Ok(endless.peer(&ctx).ask(async |c| c.wait().await).await?));
    let run = launch(program, Executor::threads()).unwrap();
    let mine = |viewer: &Viewer| {
        viewer.look().is_ok_and(|seen| seen.program == "waiting" && seen.pid == std::process::id())
    };
    let viewer = running().into_iter().find(mine).expect("the program is seen");
    let mut watch = Watch::default();
    watch.take(&viewer.look().unwrap());
    std::thread::sleep(Duration::from_millis(300));
    let seen = viewer.look().unwrap();
    watch.take(&seen);
    assert!(watch.is_settled());
    let edges = watch.edges();
    assert_eq!(edges.len(), 1);
    assert_eq!((edges[0].total.waiting, edges[0].total.under_way), (1, 1));
    let caller = seen.nodes.iter().find(|node| node.name == "caller/0").unwrap();
    assert_eq!(caller.waits, ["waits for endless/0 to answer `call`"]);
    let directory = viewer.directory().to_owned();
    assert!(directory.exists());
    assert_eq!(run.ledger().between("caller/0", "endless/0").waiting, 1);
    assert!(matches!(run.stop_and_wait(), Ok(())));
    assert!(!directory.exists());
    assert!(matches!(viewer.look(), Err(Error::NoWindow { .. })));
}
