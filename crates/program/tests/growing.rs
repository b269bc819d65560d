//! Groups that grow and shrink: who rests is not there, and comes when it is woken.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::time::Duration;

use syncline_program::{Context, Error, Executor, Program, State, Values, launch};

/// Workers of whom one is there, and each of whom works until it has slept for so long.
fn growing() -> (Program, Values<(usize, u32)>) {
    let mut program = Program::new("growing");
    let ran = program.group("worker", 3).present(1).run(async |ctx: Context| {
        ctx.sleep(Duration::from_millis(20)).await;
        Ok((ctx.rank(), ctx.incarnation()))
    });
    (program, ran)
}

fn executors() -> [Executor; 2] {
    [Executor::threads(), Executor::sim(1)]
}

/// How each worker is, by rank.
async fn states(ctx: &Context) -> Vec<State> {
    ctx.roster().await.unwrap().group("worker").map(|(_, presence)| presence.state).collect()
}

#[test]
fn who_has_come_to_its_end_rests_and_comes_again_as_another_incarnation() {
    for executor in executors() {
        let (program, ran) = growing();
        let program = program.driver(async move |ctx| {
            assert_eq!(states(&ctx).await[1..], [State::Resting; 2]);
            ctx.finished("worker").await?;
            assert_eq!(states(&ctx).await, [State::Resting; 3]);
            for worker in ["worker/2", "worker/0"] {
                ctx.wake(&worker.parse()?).await?;
                // Who is awaited is waited for, from the wish on.
                ctx.finished("worker").await?;
            }
            let incarnations: Vec<u32> =
                ctx.roster().await?.group("worker").map(|(_, presence)| presence.incarnation).collect();
            Ok((incarnations, ran.all(&ctx).await?))
        });
        let (incarnations, values) = launch(program, executor).unwrap().wait().unwrap();
        assert_eq!(incarnations, [1, 0, 0]);
        assert_eq!(values, [(0, 1), (2, 0)], "who never came has no value");
    }
}

#[test]
fn a_wish_reaches_the_driver_from_outside_and_what_cannot_be_is_refused() {
    let (program, _) = growing();
    let program = program.driver(async move |ctx| {
        let wish = ctx.wished("worker", 0).await?;
        ctx.wake(&"worker/1".parse()?).await?;
        ctx.finished("worker").await?;
        let unknown = ctx.wished("driver", 0).await;
        assert!(matches!(unknown, Err(Error::UnknownGroup { .. })), "{unknown:?}");
        Ok((wish.number, wish.size))
    });
    let run = launch(program, Executor::threads()).unwrap();
    for (size, says) in [(0, "from 1 to 3"), (4, "from 1 to 3")] {
        assert!(run.wish("worker", size).unwrap_err().to_string().contains(says));
    }
    assert!(run.wish("server", 1).unwrap_err().to_string().contains("began with"));
    run.wish("worker", 2).unwrap();
    assert_eq!(run.wait().unwrap(), (1, 2));
}

#[test]
fn a_script_wishes_in_virtual_time_and_a_program_whose_others_rest_comes_to_its_end() {
    let (program, ran) = growing();
    let program = program.driver(async move |ctx| {
        let wish = ctx.wished("worker", 0).await?;
        Ok((wish.size, ctx.clock().now(), ran.all(&ctx).await?))
    });
    let sim = Executor::sim(3).fault("scale worker 3 5ms".parse().unwrap());
    let (size, at, values) = launch(program, sim).unwrap().wait().unwrap();
    assert_eq!((size, at, values), (3, Duration::from_millis(5), vec![(0, 0)]));
    // Without a driver nobody could wake anybody.
    let (program, _) = growing();
    launch(program, Executor::sim(3)).unwrap().wait().unwrap();
}

#[test]
fn a_group_begins_with_some_of_its_nodes() {
    for (there, says) in [(0, "0 nodes"), (4, "4 nodes")] {
        let mut program = Program::new("none");
        program.group("worker", 3).present(there).run(async |_| Ok(()));
        let refused = launch(program, Executor::threads()).unwrap_err().to_string();
        assert!(refused.contains(says) && refused.contains("from 1 to 3"), "{refused}");
    }
    let mut program = Program::new("shared");
    program.group("worker", 3).present(1).run(async |_| Ok(()));
    program.colocate("crew", ["worker"]).by_rank();
    let refused = launch(program, Executor::threads()).unwrap_err().to_string();
    assert!(refused.contains("grows and shrinks"), "{refused}");
}
