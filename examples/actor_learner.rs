//! Actor and learner: actors play with the latest policy that they know of and queue what they saw; the learner takes it in
//! batches, improves the policy and publishes it; an evaluator watches, and the program ends when the policy is good enough.
//!
//! The game is a bandit with four arms; the policy is what each arm is thought to pay.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use syncline::prelude::*;

const PAYS: [f64; 4] = [0.2, 0.5, 0.9, 0.4];
const ACTORS: usize = 3;
const BATCH: usize = 16;
const RATE: f64 = 0.1;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Policy {
    version: u64,
    values: [f64; 4],
}

/// Which arm was pulled, and what it paid.
#[derive(Debug, Serialize, Deserialize)]
struct Step {
    arm: usize,
    paid: f64,
}

/// The best arm, or every third time another one, in turn.
fn choose(policy: &Policy, step: usize) -> usize {
    let best = (0..PAYS.len()).max_by(|a, b| policy.values[*a].total_cmp(&policy.values[*b])).unwrap_or(0);
    if step.is_multiple_of(3) { step / 3 % PAYS.len() } else { best }
}

async fn act(ctx: Context, policy: &Condition<Policy>, steps: &Queue<Step>) -> NodeResult<()> {
    let (policy, steps) = (policy.at(&ctx), steps.at(&ctx));
    for step in ctx.rank().. {
        let current = policy.get().await?;
        let arm = choose(&current, step);
        let paid = ctx.compute(Cost::Given(Duration::from_millis(1)), || PAYS[arm]).await;
        steps.push(Step { arm, paid }).await?;
    }
    Ok(())
}

async fn learn(ctx: Context, policy: &Condition<Policy>, steps: &Queue<Step>) -> NodeResult<u64> {
    let (policy, steps) = (policy.at(&ctx), steps.at(&ctx));
    let mut current = policy.get().await?;
    while PAYS.iter().zip(current.values).any(|(pays, value)| (pays - value).abs() > 0.05) {
        for _ in 0..BATCH {
            let Some(Step { arm, paid }) = steps.pop().await? else { break };
            current.values[arm] += RATE * (paid - current.values[arm]);
        }
        current.version += 1;
        policy.set(current.clone()).await?;
    }
    Ok(current.version)
}

fn main() -> Result<(), Error> {
    enrol();
    let mut program = Program::new("actor-learner");
    let policy = program.condition("policy", Policy { version: 0, values: [0.0; 4] });
    let steps = program.queue::<Step>("steps", 64);
    let (acted_by, played) = (policy.clone(), steps.clone());
    program.nodes("actor", ACTORS, async move |ctx| act(ctx, &acted_by, &played).await);
    let (learnt, taken) = (policy.clone(), steps);
    let versions = program.group("learner", 1).run(async move |ctx| learn(ctx, &learnt, &taken).await);
    // What is queued for the learner lies in its own process.
    program.colocate("trainer", ["learner", "steps"]);
    let watched = policy.clone();
    program.node("evaluator", async move |ctx| {
        let policy = watched.at(&ctx);
        let first = policy.wait_for(|policy| policy.version >= 1).await?;
        println!("version {} chooses arm {}", first.version, choose(&first, 1));
        Ok(())
    });
    let program = program.driver(async move |ctx| {
        let versions = versions.all(&ctx).await?;
        let last = policy.at(&ctx).get().await?;
        Ok((versions[0], choose(&last, 1)))
    });
    let (versions, arm) = launch(program, Executor::from_args()?)?.wait()?;
    println!("arm {arm} is best, after {versions} versions");
    Ok(())
}
