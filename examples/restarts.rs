//! Crash and restart: a server that crashes is started again, whoever called it asks the new one, and a worker that crashes
//! for good is done without.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use syncline::prelude::*;
use tokio::sync::Notify;

/// What counts.
#[service]
trait Counter {
    /// One more than the time before.
    async fn next(&self) -> u64;
}

/// Counts, and crashes its node at the fifth call of its first incarnation.
struct Fragile {
    count: AtomicU64,
    crash: Notify,
    is_first: bool,
}

#[service]
impl Counter for Fragile {
    async fn next(&self) -> u64 {
        let count = 1 + self.count.fetch_add(1, Ordering::Relaxed);
        if self.is_first && count == 5 {
            self.crash.notify_one();
            // Whoever asked will be told that the node is gone.
            std::future::pending::<()>().await;
        }
        count
    }
}

async fn until_it_crashes(counter: Arc<Fragile>, _: Context) -> NodeResult<()> {
    counter.crash.notified().await;
    Err("the fifth call was too much".into())
}

fn main() -> Result<(), Error> {
    enrol();
    let mut program = Program::new("restarts");
    let restart = OnFailure::Restart { times: 3, backoff: Duration::from_millis(20) };
    let counter = program.group("counter", 1).on_failure(restart).serve_and_run(
        |ctx| {
            Ok(Fragile { count: AtomicU64::new(0), crash: Notify::new(), is_first: ctx.incarnation() == 0 })
        },
        until_it_crashes,
    );
    let answers = program.group("worker", 2).on_failure(OnFailure::GoOn).run(async move |ctx| {
        if ctx.rank() == 1 {
            return Err("worker/1 never gets anything done".into());
        }
        let (counter, mut answers) = (counter[0].peer(&ctx), Vec::new());
        while answers.len() < 8 {
            match counter.ask(async |counter| counter.next().await).await {
                Ok(answer) => answers.push(answer),
                Err(Error::PeerLost(node)) => println!("{node} is lost; the next call waits for the new one"),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(answers)
    });
    let program = program.driver(async move |ctx| Ok(answers.by_node(&ctx).await?));
    for (node, answers) in launch(program, Executor::from_args()?)?.wait()? {
        println!("{node}: {answers:?}");
    }
    Ok(())
}
