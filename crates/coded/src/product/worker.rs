//! A worker: it holds its coded blocks, and multiplies them with what it is given, a slice of rows at a time.

use std::time::Duration;

use syncline_program::{Context, Cost, NodeResult};
use syncline_wire::{Client, Tensor};

use super::desk::{AsksClient, Desk, Work};
use super::{Held, Pace, SLICE, Task};
use crate::{Share, combine};

/// Multiplications between two looks at the clock: some 10 us.
const LOOK: usize = 1 << 15;

/// Works until nothing comes any more.
pub(super) async fn run(ctx: &Context, desk: &Client<Desk>, held: &Held) -> NodeResult<()> {
    let rank = ctx.rank();
    let (parts, shares) = desk.assigned(rank as u32).await?;
    let shares: Vec<Share> =
        shares.iter().map(|&(part, coefficient)| Share { part: part as usize, coefficient }).collect();
    let blocks: Vec<Vec<f64>> =
        held.matrices.iter().map(|matrix| combine(&shares, parts as usize, &**matrix)).collect();
    let (mut last, mut asked) = (None, ctx.clock().now());
    while let Some(work) = desk.next(rank as u32, last.take()).await? {
        let begun = ctx.clock().now();
        let answer = answer(ctx, desk, held, &blocks[work.matrix as usize], parts as usize, &work).await?;
        let (ended, given) = (ctx.clock().now(), answer.is_some());
        if let Some(answer) = answer {
            desk.give(rank as u32, work.round, Tensor::from(answer)).await?;
        }
        last = Some(Task { worker: rank as u32, product: work.round, asked, begun, ended, given });
        asked = ctx.clock().now();
    }
    Ok(())
}

/// What a worker answers, once that has lasted as long as it is to; nothing when it is not wanted any more.
async fn answer(
    ctx: &Context,
    desk: &Client<Desk>,
    held: &Held,
    block: &[f64],
    parts: usize,
    work: &Work,
) -> NodeResult<Option<Vec<f64>>> {
    let begun = ctx.clock().now();
    let answer = match held.pace {
        // Its cost passes at one await, which the end of the round cuts short.
        Some(Pace::Charged(_)) if ctx.clock().is_virtual() => tokio::select! {
            biased;
            over = desk.over(work.round) => {
                over?;
                None
            }
            answer = ctx.compute(Cost::Measured, || product(block, work)) => Some(answer),
        },
        _ => multiply(ctx, desk, block, work).await?,
    };
    let computed = ctx.clock().now() - begun;
    let end = match &held.pace {
        None => return Ok(answer),
        Some(Pace::Drawn(delays)) => begun + delays.draw(ctx.rank(), work.round, parts),
        Some(Pace::Charged(slower)) => begun + computed + slower(ctx.rank(), work.round, computed),
    };
    let still = answer.is_some() && linger(ctx, desk, work.round, end).await?;
    Ok(answer.filter(|_| still))
}

/// The product of a block: for each row of it one number for each vector.
fn product(rows: &[f64], work: &Work) -> Vec<f64> {
    let columns = (work.x.len() / work.width.max(1) as usize).max(1);
    let of_row = |row: &[f64]| work.x.chunks_exact(columns).map(|x| dot(row, x)).collect::<Vec<f64>>();
    rows.chunks_exact(columns).flat_map(of_row).collect()
}

/// The product of a block in slices; nothing when it is not wanted any more.
async fn multiply(
    ctx: &Context,
    desk: &Client<Desk>,
    block: &[f64],
    work: &Work,
) -> NodeResult<Option<Vec<f64>>> {
    let columns = (work.x.len() / work.width.max(1) as usize).max(1);
    let mut answer = Vec::with_capacity(block.len() / columns * work.width as usize);
    let mut looked = ctx.clock().now();
    let rows_a_look = (LOOK / work.x.len().max(1)).max(1);
    for rows in block.chunks(rows_a_look * columns) {
        answer.extend(product(rows, work));
        let now = ctx.clock().now();
        if now - looked >= SLICE / 2 {
            looked = now;
            if !desk.wants(work.round).await? {
                return Ok(None);
            }
        }
    }
    Ok(Some(answer))
}

/// Waits until `end`; whether the answer is still wanted then.
async fn linger(ctx: &Context, desk: &Client<Desk>, round: u64, end: Duration) -> NodeResult<bool> {
    let left = end.saturating_sub(ctx.clock().now());
    match ctx.clock().timeout(left, desk.over(round)).await {
        Ok(told) => {
            told?;
            Ok(false)
        }
        Err(_) => Ok(true),
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
