//! Consumer and producers: each step asks all producers at the same time and adds up what they answer, in order.

use std::sync::atomic::{AtomicU64, Ordering};

use syncline::prelude::*;

/// What makes numbers.
#[service]
trait Producer {
    /// The next number.
    async fn produce(&self) -> u64;
}

/// Makes 1, 2, 3 .. times its factor.
struct Multiples {
    factor: u64,
    produced: AtomicU64,
}

#[service]
impl Producer for Multiples {
    async fn produce(&self) -> u64 {
        self.factor * (1 + self.produced.fetch_add(1, Ordering::Relaxed))
    }
}

const STEPS: u64 = 10;

fn main() -> Result<(), Error> {
    enrol();
    let mut program = Program::new("consumer-producers");
    let producers = program
        .group("producer", 3)
        .serve(|ctx| Ok(Multiples { factor: 10_u64.pow(ctx.rank() as u32), produced: AtomicU64::new(0) }));
    let sums = program.group("consumer", 1).uses(&producers).run(async move |ctx| {
        let mut clients = Vec::new();
        for producer in &producers {
            clients.push(producer.connect(&ctx).await?);
        }
        let mut sum = 0;
        for step in 1..=STEPS {
            // Each call is a task of this node, so that none waits for another.
            let calls: Vec<_> = clients
                .iter()
                .cloned()
                .map(|client| ctx.spawn(async move { client.produce().await }))
                .collect();
            for call in calls {
                sum += call.await??;
            }
            println!("step {step}: {sum}");
        }
        Ok(sum)
    });
    print!("{}", program.graph());
    let program = program.driver(async move |ctx| Ok(sums.all(&ctx).await?[0]));
    let sum = launch(program, Executor::from_args()?)?.wait()?;
    println!("sum {sum}");
    Ok(())
}
