//! A deadlock and its report: two nodes that each take one of two locks, and then want the other's.
//!
//! In virtual time (`--on sim`) the report comes at once; in real time when nothing has happened for the stated silence.
//! The exit code is 1.

use std::sync::Mutex;
use std::time::Duration;

use syncline::prelude::*;
use tokio::sync::Notify;

/// What one at a time may have.
#[service]
trait Lock {
    /// Waits while somebody has it.
    async fn take(&self);
    async fn give_back(&self);
}

struct Fork {
    ctx: Context,
    taken: Mutex<bool>,
    returned: Notify,
}

impl Fork {
    fn try_take(&self) -> bool {
        // A panic elsewhere leaves a bool as it should be.
        let mut taken = self.taken.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        !std::mem::replace(&mut *taken, true)
    }
}

#[service]
impl Lock for Fork {
    async fn take(&self) {
        while !self.try_take() {
            self.ctx
                .wait_at(|| ("a lock that is taken".to_owned(), Vec::new()), self.returned.notified())
                .await;
        }
    }

    async fn give_back(&self) {
        *self.taken.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = false;
        self.returned.notify_one();
    }
}

fn main() -> Result<(), Error> {
    enrol();
    let mut program = Program::new("deadlock");
    let locks = program
        .group("lock", 2)
        .serve(|ctx| Ok(Fork { ctx: ctx.clone(), taken: Mutex::new(false), returned: Notify::new() }));
    program.nodes("philosopher", 2, async move |ctx| {
        let (first, second) = (ctx.rank(), 1 - ctx.rank());
        let (first, second) = (locks[first].peer(&ctx), locks[second].peer(&ctx));
        first.ask(async |lock| lock.take().await).await?;
        ctx.sleep(Duration::from_millis(50)).await;
        second.ask(async |lock| lock.take().await).await?;
        println!("{} ate", ctx.name());
        second.ask(async |lock| lock.give_back().await).await?;
        first.ask(async |lock| lock.give_back().await).await?;
        Ok(())
    });
    let executor = Executor::from_args()?.deadlock_limit(Duration::from_secs(2));
    launch(program, executor)?.wait()
}
