//! The programs that the tests launch, each by its name.

use std::process::{Command, ExitCode, exit};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use syncline_program::{
    Context, Error, Executor, NodeResult, OnFailure, Program, Resources, Run, is_child, launch,
};
use syncline_wire::{Call, Never, Service};

use crate::support::Counter;

/// Plays the scenario, and exits as a command would.
pub fn play(name: &str) -> ExitCode {
    match scenario(name) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Error::Interrupted(by)) => by.exit_code().into(),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn scenario(name: &str) -> Result<(), Error> {
    let processes = Executor::processes;
    match name {
        "counts-threads" => counts(Executor::threads()),
        "counts-unix" => counts(processes()),
        "counts-tcp" => counts(processes().over_tcp()),
        "deep-threads" => deep(Executor::threads()),
        "deep-sim" => deep(Executor::sim(1)),
        "deep-processes" => deep(processes()),
        "idle" => idle(),
        "served" => served(|| ()),
        "served-exits" => served(|| exit(4)),
        "served-aborts" => served(|| std::process::abort()),
        "exits" => failing(|| exit(3)),
        "panics" => failing(|| panic!("no more")),
        "errs" => failing(|| Err("loss is NaN".into())),
        "talks" => failing(|| {
            (0..30).for_each(|line| println!("line {line}"));
            Err("said enough".into())
        }),
        "leaves" => leaves(),
        "unbuilt" => unbuilt(),
        "stuck-failure" => stuck_while_another_fails(),
        "stuck-end" => stuck_at_the_end(),
        "orphans" => orphans(),
        "polite" => polite(|| Ok(())),
        "interruptible" => interruptible(),
        "heeds" => heeds(async |_: Context| ()),
        "pretends" => heeds(async |_: Context| std::future::pending().await),
        "silent" => silent(Executor::processes().silence_told(Duration::from_millis(1500))),
        "silence-fails" => silent(Executor::processes().silence_limit(Duration::from_millis(1500))),
        "computes" => computes(),
        "floods" => floods(),
        "many" => many(),
        "stubborn" => polite(|| {
            println!("never");
            block()
        }),
        "mismatch" => mismatch(),
        "settings" => settings(),
        "never" => never(|| exit(0)),
        "hangs" => never(|| std::thread::sleep(Duration::from_secs(1000))),
        "forgets" => forgets(),
        "leaks" => twice_and_no_leak(),
        "elsewhere" => elsewhere(),
        "clocks" => clocks(),
        "grandchild" => grandchild(),
        "asks-role" => {
            println!("is child: {}", is_child());
            Ok(())
        }
        "driver" => driver_fails(),
        "slow-start" => slow_start(),
        "nested" => nested(),
        "restarts" => restarts(processes()),
        "restarts-silent" => restarts(processes().silence_limit(Duration::from_millis(1500))),
        "goes-on" => goes_on(),
        "counts-calls" => counts_calls(),
        "given" => given(Resources::default().cpus(1).memory(1 << 33).env("MODE", "fast").arg("--quick")),
        "too-much" => given(Resources::default().cpus(100_000)),
        "waits-for" => waits_for(),
        "windows" => windows(),
        _ => panic!("no scenario `{name}`"),
    }
}

/// Tells the process's number and waits for ever.
async fn wait_for_ever(_: Context) -> NodeResult<()> {
    tell_pid();
    std::future::pending().await
}

fn tell_pid() {
    println!("pid {}", std::process::id());
}

/// Blocks the thread, as a computation without an await point does.
fn block() -> ! {
    loop {
        std::thread::sleep(Duration::from_secs(1000));
    }
}

fn wait(program: Program) -> Result<(), Error> {
    launch(program, Executor::processes())?.wait()
}

fn counts(executor: Executor) -> Result<(), Error> {
    let mut program = Program::new("counts");
    program.fingerprint(b"settings");
    let here = Arc::new(Counter::default());
    let coordinator = program.service_here("coordinator", Arc::clone(&here));
    let servers = program.services("server", 2, |_| Ok(Counter::default()));
    let counters = servers.clone();
    program.nodes("worker", 3, async move |ctx| {
        let coordinator = coordinator.connect(&ctx).await?;
        for server in &counters {
            let server = server.connect(&ctx).await?;
            for _ in 0..10 {
                server.call(1 + ctx.rank() as u64).await?;
            }
        }
        coordinator.call(100).await?;
        Ok(())
    });
    let program = program.driver(async move |ctx| {
        ctx.finished("worker").await?;
        let mut sums = vec![here.0.load(Ordering::Relaxed)];
        for server in &servers {
            sums.push(server.connect(&ctx).await?.call(0).await?);
        }
        Ok(sums)
    });
    println!("sums {:?}", launch(program, executor)?.wait()?);
    Ok(())
}

/// A node that keeps more on its stack than a thread may that is not told otherwise.
fn deep(executor: Executor) -> Result<(), Error> {
    fn descend(levels: u64) -> u64 {
        let kept = [levels; 1 << 14];
        std::hint::black_box(&kept);
        if levels == 0 { 0 } else { descend(levels - 1) + kept[1] / levels }
    }
    let mut program = Program::new("deep");
    program.node("worker", async |_: Context| {
        // 20 times 128 KiB, and a thread has usually two MiB.
        println!("came back from {}", descend(20));
        Ok(())
    });
    launch(program, executor)?.wait()
}

fn idle() -> Result<(), Error> {
    let mut program = Program::new("idle");
    program.services("server", 1, |_| {
        tell_pid();
        Ok(Counter::default())
    });
    program.nodes("worker", 2, wait_for_ever);
    wait(program)
}

/// Workers that call a server without end, so that they notice its death first.
fn served(end: fn()) -> Result<(), Error> {
    let mut program = Program::new("served");
    let server = program.service("server", move |_| {
        tell_pid();
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(100));
            end();
        });
        Ok(Counter::default())
    });
    program.nodes("worker", 3, async move |ctx| {
        let server = server.connect(&ctx).await?;
        tell_pid();
        loop {
            // As by a library whose errors hide where they come from.
            server.call(1).await.map_err(|error| error.to_string())?;
        }
    });
    wait(program)
}

/// One worker ends badly when the other has told its number.
fn failing(end: fn() -> NodeResult<()>) -> Result<(), Error> {
    let mut program = Program::<()>::new("failing");
    program.nodes("worker", 2, async move |ctx| {
        tell_pid();
        if ctx.rank() == 0 {
            std::future::pending().await
        }
        ctx.sleep(Duration::from_millis(100)).await;
        end()
    });
    let program = program.driver(async |ctx| Ok(ctx.finished("worker").await?));
    wait(program)
}

/// Nodes that end normally, one of them by `exit`, and leave a process of their own behind.
fn leaves() -> Result<(), Error> {
    let mut program = Program::new("leaves");
    program.nodes("worker", 2, async |ctx| {
        println!("pid {}", Command::new("sleep").arg("1000").spawn()?.id());
        if ctx.rank() == 0 { exit(0) } else { Ok(()) }
    });
    program.node("last", async |ctx| {
        ctx.sleep(Duration::from_millis(300)).await;
        println!("the last one");
        Ok(())
    });
    wait(program)
}

fn unbuilt() -> Result<(), Error> {
    let mut program = Program::new("unbuilt");
    let server = program.service("server", |_| -> NodeResult<Counter> { Err("no memory".into()) });
    let program = program.driver(async move |ctx| Ok(server.connect(&ctx).await?.call(1).await?));
    launch(program, Executor::processes())?.wait().map(drop)
}

fn stuck_while_another_fails() -> Result<(), Error> {
    let mut program = Program::new("stuck");
    program.nodes("worker", 2, async |ctx| {
        tell_pid();
        match ctx.rank() {
            0 => block(),
            _ => std::future::pending().await,
        }
    });
    wait(program)
}

fn stuck_at_the_end() -> Result<(), Error> {
    let mut program = Program::new("stuck");
    program.node("worker", async |_| {
        tell_pid();
        block()
    });
    let program = program.driver(async |ctx| {
        ctx.sleep(Duration::from_millis(200)).await;
        Ok(7)
    });
    let run = launch(program, Executor::processes().notice(Duration::from_millis(100)))?;
    println!("value {}", run.wait()?);
    Ok(())
}

/// Nodes that nothing polite can end, each with a process of its own.
fn orphans() -> Result<(), Error> {
    let mut program = Program::new("orphans");
    program.nodes("worker", 2, async |_| {
        println!("grandchild {}", Command::new("sleep").arg("1000").spawn()?.id());
        tell_pid();
        block()
    });
    wait(program)
}

/// A node that cleans up after a polite request, and one that ends as it is told.
fn polite(end: fn() -> NodeResult<()>) -> Result<(), Error> {
    let mut program = Program::new("polite");
    program.node("tidy", async |ctx| {
        tell_pid();
        ctx.stopped().await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        println!("tidied up");
        Ok(())
    });
    program.node("stubborn", async move |ctx| {
        tell_pid();
        ctx.stopped().await;
        end()
    });
    launch(program, Executor::processes().notice(Duration::from_secs(60)))?.wait()
}

fn mismatch() -> Result<(), Error> {
    let mut program = Program::new("mismatch");
    program.nodes("worker", if is_child() { 2 } else { 1 }, wait_for_ever);
    wait(program)
}

fn settings() -> Result<(), Error> {
    let mut program = Program::new("settings");
    program.fingerprint(if is_child() { b"lr=0.1" } else { b"lr=0.2" });
    program.node("worker", wait_for_ever);
    wait(program)
}

fn never(instead: fn()) -> Result<(), Error> {
    if is_child() {
        println!("pid {}", std::process::id());
        instead();
    }
    let mut program = Program::new("never");
    program.node("worker", wait_for_ever);
    launch(program, Executor::processes().start_within(Duration::from_millis(700)))?.wait()
}

/// A launcher that panics while its program runs.
fn forgets() -> Result<(), Error> {
    let mut program = Program::new("forgets");
    program.nodes("worker", 2, wait_for_ever);
    let _run: Run<()> = launch(program, Executor::processes())?;
    std::thread::sleep(Duration::from_millis(300));
    panic!("the launcher has a mistake");
}

fn count(directory: &str) -> usize {
    std::fs::read_dir(directory).unwrap().count()
}

fn children() -> usize {
    let of =
        |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    tasks.map(|task| of(task.unwrap()).split_whitespace().count()).sum()
}

fn held() -> (usize, usize, usize) {
    (count("/proc/self/task"), count("/proc/self/fd"), children())
}

/// Whether what is held comes down to this within two seconds. A thread that has been joined stays in `/proc` until the
/// kernel is done with it, which is after the join has returned; what leaks stays for good.
fn settles_to(before: (usize, usize, usize)) -> bool {
    (0..200).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        held() == before
    })
}

/// Several programs in one process; after each, no thread, descriptor or child may be left.
fn twice_and_no_leak() -> Result<(), Error> {
    let one = |executor: Executor| {
        let mut program = Program::<()>::new("one-of-several");
        let server = program.service("server", |_| Ok(Counter::default()));
        program
            .nodes("worker", 2, async move |ctx| Ok(server.connect(&ctx).await?.call(1).await.map(drop)?));
        launch(program, executor)?.wait()
    };
    let before = held();
    for round in 0..4 {
        one(if round % 2 == 0 { Executor::processes() } else { Executor::threads() })?;
        // A node's process passes by here, too, with the thread and the pipe that bind it to its launcher.
        assert!(is_child() || settles_to(before), "after round {round} {:?} is left, not {before:?}", held());
    }
    Ok(())
}

fn elsewhere() -> Result<(), Error> {
    let one = |name: &str| {
        let mut program = Program::new(name);
        program.node("worker", async |_| Ok(()));
        let program = program.driver(async |ctx| {
            ctx.finished("worker").await?;
            Ok(1)
        });
        launch(program, Executor::processes())?.wait()
    };
    println!("first {}", one("first")?);
    println!("second {}", one("second")?);
    Ok(())
}

/// Tells how far the nodes' clocks are from the launcher's.
fn clocks() -> Result<(), Error> {
    struct Judge;
    impl Service for Judge {
        type Request = (Duration, Duration);
        type Reply = ();
        type Error = Never;
        async fn call(&self, _: &Call<'_>, _: (Duration, Duration)) -> Result<(), Never> {
            Ok(())
        }
    }
    let mut program = Program::new("clocks");
    let judge = program.service_here("judge", Arc::new(Judge));
    program.node("worker", async move |ctx| {
        let judge = judge.connect(&ctx).await?;
        judge.call((ctx.clock().now(), ctx.clock().error())).await?;
        println!("clock {} {}", ctx.clock().now().as_nanos(), ctx.clock().error().as_nanos());
        Ok(())
    });
    let begun = std::time::Instant::now();
    let run = launch(
        program,
        Executor::processes().on_output(move |node, line| {
            eprintln!("[{node}] {line} {}", begun.elapsed().as_nanos());
        }),
    )?;
    run.wait()
}

/// A node starts this binary again for a purpose of its own.
fn grandchild() -> Result<(), Error> {
    let mut program = Program::new("grandchild");
    program.node("worker", async |_| {
        println!("I am one: {}", is_child());
        let status = Command::new(std::env::current_exe()?).args(["scenario", "asks-role"]).status()?;
        assert!(status.success());
        Ok(())
    });
    wait(program)
}

fn driver_fails() -> Result<(), Error> {
    let mut program = Program::<()>::new("driver");
    program.node("worker", wait_for_ever);
    let program = program.driver(async |ctx| {
        ctx.sleep(Duration::from_millis(200)).await;
        Err("the data are odd".into())
    });
    wait(program)
}

/// Processes that take long before they reach `launch`.
fn slow_start() -> Result<(), Error> {
    if is_child() {
        tell_pid();
        block();
    }
    let mut program = Program::new("slow-start");
    program.nodes("worker", 2, wait_for_ever);
    wait(program)
}

fn nested() -> Result<(), Error> {
    let mut program = Program::new("nested");
    program.node("worker", async |_| {
        let inner = |executor| {
            let mut program = Program::<()>::new("inner");
            program.node("part", async |_| Ok(()));
            launch(program, executor)?.wait()
        };
        inner(Executor::threads())?;
        println!("threads are fine");
        Ok(inner(Executor::processes())?)
    });
    wait(program)
}

/// A program on threads, and after it a launcher that has nothing to run any more.
fn interruptible() -> Result<(), Error> {
    let mut program = Program::<()>::new("interruptible");
    program.node("worker", async |_| {
        println!("running");
        std::future::pending().await
    });
    let error = launch(program, Executor::threads())?.wait().unwrap_err();
    println!("over: {error}");
    block()
}

/// A driver that takes care of an interrupt, in the way that is given.
fn heeds(end: impl AsyncFnOnce(Context) + Send + 'static) -> Result<(), Error> {
    let mut program = Program::new("heeds");
    program.node("worker", wait_for_ever);
    let program = program.driver(async move |ctx| {
        let interrupt = ctx.interrupted().await;
        end(ctx).await;
        Ok(interrupt)
    });
    println!("value {}", launch(program, Executor::processes())?.wait()?);
    Ok(())
}

fn silent(executor: Executor) -> Result<(), Error> {
    let mut program = Program::new("silent");
    program.nodes("worker", 2, wait_for_ever);
    launch(program, executor)?.wait()
}

/// A node that comes to no await point for much longer than it may be silent.
fn computes() -> Result<(), Error> {
    let mut program = Program::new("computes");
    program.node("worker", async |_| {
        std::thread::sleep(Duration::from_secs(5));
        Ok(())
    });
    let executor = Executor::processes().silence_limit(Duration::from_millis(2500));
    launch(program, executor)?.wait()
}

/// What `main` does that returns the error.
pub fn return_error() -> Result<(), Box<dyn std::error::Error>> {
    Ok(idle()?)
}

/// A node that writes more than anybody reads, while another waits to be killed.
fn floods() -> Result<(), Error> {
    let mut program = Program::<()>::new("floods");
    program.nodes("worker", 2, async move |ctx| {
        if ctx.rank() == 0 {
            loop {
                println!("{}", "x".repeat(1000));
            }
        }
        std::future::pending().await
    });
    let executor = Executor::processes().on_output(|_, _| block());
    launch(program, executor)?.wait()
}

/// More processes than start at once, each of which takes a while.
fn many() -> Result<(), Error> {
    if is_child() {
        tell_pid();
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut program = Program::new("many");
    program.nodes("worker", 40, async |_| Ok(()));
    wait(program)
}

/// A node that lives until it is killed, and finishes when it was started again.
fn restarts(executor: Executor) -> Result<(), Error> {
    let mut program = Program::new("restarts");
    let restart = OnFailure::Restart { times: 2, backoff: Duration::from_millis(20) };
    let values = program.group("worker", 2).on_failure(restart).run(async |ctx| {
        println!("pid {}", std::process::id());
        if ctx.rank() == 1 && ctx.incarnation() == 0 {
            std::future::pending().await
        }
        println!("again {}", std::process::id());
        Ok((ctx.rank(), ctx.incarnation()))
    });
    let program = program.driver(async move |ctx| Ok(values.all(&ctx).await?));
    println!("values {:?}", launch(program, executor)?.wait()?);
    Ok(())
}

/// Nodes of which one may be lost; the others finish when it is.
fn goes_on() -> Result<(), Error> {
    let mut program = Program::new("goes-on");
    let values = program.group("worker", 3).on_failure(OnFailure::GoOn).run(async |ctx| {
        tell_pid();
        if ctx.rank() == 1 {
            std::future::pending().await
        }
        while ctx.roster().await?.get(&"worker/1".parse()?).is_some_and(|one| !one.state.is_over()) {
            ctx.sleep(Duration::from_millis(5)).await;
        }
        Ok(ctx.rank())
    });
    let program = program.driver(async move |ctx| Ok(values.all(&ctx).await?));
    println!("values {:?}", launch(program, Executor::processes())?.wait()?);
    Ok(())
}

/// Calls with numbers of their own to a service that is killed now and then; it tells which it has executed.
fn counts_calls() -> Result<(), Error> {
    struct Teller;
    impl Service for Teller {
        type Request = u64;
        type Reply = u64;
        type Error = Never;
        async fn call(&self, _: &Call<'_>, number: u64) -> Result<u64, Never> {
            println!("executed {number}");
            Ok(number)
        }
    }
    let mut program = Program::new("counts-calls");
    let restart = OnFailure::Restart { times: 1000, backoff: Duration::from_millis(1) };
    let server = program.group("server", 1).on_failure(restart).serve(|_| {
        println!("serves {}", std::process::id());
        Ok(Teller)
    });
    let told = program.group("caller", 2).run(async move |ctx| {
        let (server, mut lost) = (server[0].peer(&ctx), 0);
        for number in 0..500 {
            ctx.sleep(Duration::from_millis(1)).await;
            match server.call(1000 * ctx.rank() as u64 + number).await {
                Ok(_) => {}
                Err(Error::PeerLost(_)) => lost += 1,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(lost)
    });
    let program = program.driver(async move |ctx| Ok(told.all(&ctx).await?));
    println!("lost {:?}", launch(program, Executor::processes())?.wait()?);
    Ok(())
}

/// Nodes that tell what they were given.
fn given(needs: Resources) -> Result<(), Error> {
    let mut program = Program::new("given");
    program.group("other", 1).run(async |ctx| {
        println!("{:?} {:?}", std::env::var("MODE").ok(), ctx.resources().arguments());
        Ok(())
    });
    program.group("worker", 2).resources(needs).run(async |ctx| {
        // The launcher imposes the limits a moment after the start.
        ctx.sleep(Duration::from_millis(100)).await;
        let of = |file: &str, line: &str| {
            let text = std::fs::read_to_string(file).unwrap_or_default();
            text.lines().find(|known| known.starts_with(line)).unwrap_or_default().to_owned()
        };
        println!("{:?} {:?}", std::env::var("MODE").ok(), ctx.resources().arguments());
        println!("cores {}", std::thread::available_parallelism()?);
        println!("{}", of("/proc/self/limits", "Max address space"));
        Ok(())
    });
    wait(program)
}

/// One group is done while the other runs on.
fn waits_for() -> Result<(), Error> {
    let mut program = Program::new("waits-for");
    program.nodes("quick", 2, async |_| Ok(()));
    program.node("long", async |ctx| {
        ctx.on_stop(|| println!("handled"));
        tell_pid();
        std::future::pending().await
    });
    let mut run = launch(program, Executor::processes())?;
    run.wait_for("quick")?;
    println!("quick is done");
    std::thread::sleep(Duration::from_millis(300));
    run.stop_and_wait()
}

/// Nodes that each have a window.
fn windows() -> Result<(), Error> {
    let mut program = Program::new("shows.windows");
    program.nodes("worker", 2, async |ctx| {
        println!("here is {}", ctx.name());
        ctx.stopped().await;
        Ok(())
    });
    launch(program, Executor::tmux())?.wait()
}
