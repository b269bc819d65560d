//! Coded products by the nodes of a program: any k of n answers, late ones told to stop, in virtual time and on threads.

#![cfg(feature = "program")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{sync::Arc, time::Duration};

use syncline_coded::{
    Mds, Replicate, RowBlocks,
    product::{Delays, Product, Totals, hold},
};
use syncline_program::{Executor, Program, launch};

const COLUMNS: usize = 5;
const ROWS: usize = 47;

fn matrix() -> Vec<f64> {
    (0..ROWS * COLUMNS).map(|at| ((at * 37 + 11) % 101) as f64 - 50.0).collect()
}

fn vector(round: usize) -> Vec<f64> {
    (0..COLUMNS).map(|at| ((at + round) as f64 * 0.7).sin()).collect()
}

fn plain(x: &[f64]) -> Vec<f64> {
    matrix().chunks(COLUMNS).map(|row| row.iter().zip(x).map(|(a, b)| a * b).sum()).collect()
}

fn delays(unit: u64) -> Delays {
    Delays { unit: Duration::from_millis(unit), mu: 1.0, seed: 3 }
}

/// So many products of an (n, k) code.
fn products(
    n: usize,
    k: usize,
    count: usize,
    delays: Option<Delays>,
    on: Executor,
) -> (Vec<Product>, Totals) {
    let blocks = Arc::new(RowBlocks::new(matrix(), COLUMNS, k).unwrap());
    let mut program = Program::new("products");
    let coded = hold(&mut program, "worker", Mds::systematic(n, k, 7).unwrap(), blocks, delays);
    let program = program.driver(async move |ctx| {
        let products = coded.at(&ctx).await?;
        let mut made = Vec::new();
        for round in 0..count {
            made.push(products.multiply(vector(round)).await?);
        }
        Ok((made, products.end().await?))
    });
    launch(program, on).unwrap().wait().unwrap()
}

fn check(made: &[Product], k: usize) {
    for (round, product) in made.iter().enumerate() {
        assert_eq!(product.answered.len(), k);
        assert!(product.answered.windows(2).all(|pair| pair[0] < pair[1]));
        let exact = plain(&vector(round));
        assert_eq!(product.values.len(), ROWS);
        let close = |(got, exact): (&f64, &f64)| (got - exact).abs() < 1e-9 * product.condition.max(1.0);
        assert!(product.values.iter().zip(&exact).all(close), "{round}: {product:?}");
    }
}

#[test]
fn each_round_takes_what_the_kth_of_its_own_delays_says() {
    let (n, k, unit) = (8, 5, 800_u64);
    let (made, totals) = products(n, k, 20, Some(delays(unit)), Executor::sim(1));
    check(&made, k);
    for (round, product) in made.iter().enumerate() {
        let mut drawn: Vec<(Duration, usize)> =
            (0..n).map(|worker| (delays(unit).draw(worker, round as u64, k), worker)).collect();
        drawn.sort();
        // Who is told to stop is there for the next round.
        let late = product.waited.saturating_sub(drawn[k - 1].0);
        assert!(late <= Duration::from_micros(10), "{round}: {late:?}");
        let mut fastest: Vec<usize> = drawn[..k].iter().map(|(_, worker)| *worker).collect();
        fastest.sort_unstable();
        assert_eq!(product.answered, fastest);
    }
    assert_eq!(totals.products, 20);
    assert!(totals.cancelled > 0 && totals.thrown_away > Duration::ZERO);
    let (again, _) = products(n, k, 20, Some(delays(unit)), Executor::sim(1));
    let bits = |made: &[Product]| -> Vec<u64> {
        made.iter().flat_map(|product| product.values.iter().map(|value| value.to_bits())).collect()
    };
    assert_eq!(bits(&made), bits(&again), "PRODUCT-1");
}

#[test]
fn threads_give_the_same_products() {
    let (made, totals) = products(4, 3, 12, Some(delays(60)), Executor::threads());
    check(&made, 3);
    assert_eq!(totals.products, 12);
    let (made, _) = products(3, 3, 5, None, Executor::threads());
    check(&made, 3);
    assert!(made.iter().all(|product| product.cancelled == 0 && product.answered == [0, 1, 2]));
}

#[test]
fn a_vector_that_does_not_fit_is_refused() {
    let blocks = Arc::new(RowBlocks::new(matrix(), COLUMNS, 2).unwrap());
    let mut program = Program::new("products");
    let coded = hold(&mut program, "worker", Replicate::uncoded(2).unwrap(), blocks, None);
    let program = program.driver(async move |ctx| {
        let products = coded.at(&ctx).await?;
        let said = products.multiply(vec![1.0]).await.unwrap_err().to_string();
        let whole = products.multiply(vector(0)).await?;
        products.end().await?;
        Ok((said, whole.values))
    });
    let (said, values) = launch(program, Executor::sim(1)).unwrap().wait().unwrap();
    assert!(said.contains("5 columns"), "{said}");
    assert!(values.iter().zip(plain(&vector(0))).all(|(got, exact)| (got - exact).abs() < 1e-12));
}
