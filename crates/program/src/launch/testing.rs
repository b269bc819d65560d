//! Programs driven from a test.

use std::cell::Cell;
use std::time::Duration;

use crate::{Context, Error, Executor, NodeResult, Program, launch};

thread_local! {
    /// How many launches on processes the test on this thread has seen.
    static LAUNCHES: Cell<usize> = const { Cell::new(0) };
}

/// The number of the next launch of the test on this thread.
pub(super) fn next_launch() -> usize {
    LAUNCHES.replace(LAUNCHES.get() + 1)
}

/// Launches `program` with `drive` as its driver: the test's own steps, with a context to reach the nodes by. When they are
/// done, or `limit` is over, or a node fails, the program is stopped and all of it cleaned up, also what would block for
/// ever; what cannot be ended, a thread that never awaits, is named and left.
///
/// On processes the nodes run in this test's binary, started again for this very test: the test must do the same up to
/// this call. It works in `#[test]` functions, each on a thread of its own as the standard harness runs them.
///
/// ```
/// use std::time::Duration;
/// use syncline_program::{Executor, Program, launch_for_test};
///
/// let mut program = Program::new("tested");
/// let squares = program.group("worker", 3).run(async |ctx| Ok(ctx.rank() * ctx.rank()));
/// let driven = launch_for_test(program, Executor::threads(), Duration::from_secs(10), async move |ctx| {
///     Ok(squares.all(&ctx).await?)
/// });
/// assert_eq!(driven?, [0, 1, 4]);
/// # Ok::<(), syncline_program::Error>(())
/// ```
///
/// # Errors
/// As [`launch`] and [`Run::wait`](crate::Run::wait); the driver's failure says so when the time is up.
pub fn launch_for_test<T, F>(
    program: Program,
    mut executor: Executor,
    limit: Duration,
    drive: F,
) -> Result<T, Error>
where
    T: Send + 'static,
    F: AsyncFnOnce(Context) -> NodeResult<T> + Send + 'static,
{
    let program = program.driver(async move |ctx: Context| {
        let clock = ctx.clock().clone();
        clock.timeout(limit, drive(ctx)).await.map_err(|_| Error::OutOfTime(limit))?
    });
    executor.restarted_with = Some(this_test_alone());
    launch(program, executor.notice(NOTICE))?.wait()
}

/// How long the nodes may clean up after a test.
const NOTICE: Duration = Duration::from_secs(1);

/// The arguments with which the standard harness runs the test of this thread and no other; its own arguments where the
/// thread does not tell.
fn this_test_alone() -> Vec<String> {
    match std::thread::current().name() {
        Some(test) if test != "main" => {
            [test, "--exact", "--nocapture", "--include-ignored"].map(str::to_owned).into()
        }
        _ => std::env::args().skip(1).collect(),
    }
}
