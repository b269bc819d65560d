//! A worker: it holds its coded block, and multiplies it with what it is given, a slice of rows at a time.

use std::time::Duration;

use syncline_program::{Context, NodeResult};
use syncline_wire::{Client, Tensor};

use super::desk::{AsksClient, Desk, Work};
use super::{Delays, SLICE};
use crate::{Code, RowBlocks, encode};

/// Multiplications between two looks at the clock: some 10 us.
const LOOK: usize = 1 << 15;

/// Works until nothing comes any more.
pub(super) async fn run(
    ctx: &Context,
    desk: &Client<Desk>,
    code: &impl Code,
    matrix: &RowBlocks,
    delays: Option<Delays>,
) -> NodeResult<()> {
    let rank = ctx.rank();
    let block = encode(code, matrix, rank)?;
    let mut thrown_away = Duration::ZERO;
    while let Some(Work { round, x }) = desk.next(rank as u32, thrown_away).await? {
        let start = ctx.clock().now();
        let end = delays.map(|delays| start + delays.draw(rank, round, code.parts()));
        let answer = multiply(ctx, desk, round, &block, &x).await?;
        let still = match (&answer, end) {
            (Some(_), Some(end)) => linger(ctx, desk, round, end).await?,
            (answer, _) => answer.is_some(),
        };
        match answer {
            Some(answer) if still => {
                thrown_away = Duration::ZERO;
                desk.give(rank as u32, round, Tensor::from(answer)).await?;
            }
            _ => thrown_away = ctx.clock().now() - start,
        }
    }
    Ok(())
}

/// The product of a block; nothing when it is not wanted any more.
async fn multiply(
    ctx: &Context,
    desk: &Client<Desk>,
    round: u64,
    block: &[f64],
    x: &[f64],
) -> NodeResult<Option<Vec<f64>>> {
    let mut answer = Vec::with_capacity(block.len() / x.len().max(1));
    let mut looked = ctx.clock().now();
    let rows_a_look = (LOOK / x.len().max(1)).max(1);
    for rows in block.chunks(rows_a_look * x.len().max(1)) {
        answer.extend(rows.chunks_exact(x.len().max(1)).map(|row| dot(row, x)));
        let now = ctx.clock().now();
        if now - looked >= SLICE / 2 {
            looked = now;
            if !desk.wants(round).await? {
                return Ok(None);
            }
        }
    }
    Ok(Some(answer))
}

/// Takes as long as was drawn; whether the answer is still wanted then.
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
