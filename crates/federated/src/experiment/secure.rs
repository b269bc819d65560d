//! F3: real clients and a real server of the secure sum: their bytes against the formula, and sums with dropouts before each
//! stage against plain sums. (Bonawitz et al., ePrint 2017/281; Bell et al., ePrint 2020/704.)

use std::collections::BTreeMap;

use syncline_experiment::{Curve, Outcome, Rule, Size};

use crate::secure::{Client, Graph, Outcome as Step, Ring, Server, bytes, plan};
use crate::{Error, Result};

/// Elements of a client's input, and the bits of each.
const ELEMENTS: usize = 1000;
const BITS: u32 = 16;
/// The stages before which clients may drop out.
const STAGES: [&str; 4] = ["keys", "shares", "input", "unmasking"];
/// SecAgg+ has as many neighbours as make a failure rarer than this with a tenth of the clients gone.
const RARE: f64 = 1e-6;

/// What a round came to.
struct Round {
    sent: BTreeMap<u32, u64>,
    received: BTreeMap<u32, u64>,
    /// The sum, and whose inputs are in it.
    sum: Result<(Vec<u64>, Vec<u32>)>,
}

fn input(client: u32) -> Vec<u64> {
    (0..ELEMENTS as u64).map(|at| (u64::from(client) * 7919 + at * at) % (1 << BITS)).collect()
}

/// A key of an experiment: nothing of it is secret.
fn entropy(client: u32, seed: u64) -> [u8; 32] {
    std::array::from_fn(|at| (u64::from(client) * 31 + seed * 101 + at as u64 * 7) as u8)
}

/// Plays a round in which these clients do not answer from a stage on.
fn play(clients: usize, neighbours: usize, gone: &[u32], from: usize, seed: u64) -> Result<Round> {
    let ring = Ring::new(BITS + clients.next_power_of_two().trailing_zeros())?;
    let ids: Vec<u32> = (1..=clients as u32).collect();
    let graph = Graph::new(&ids, neighbours, seed)?;
    let mut server = Server::new(seed, graph, neighbours / 2 + 1, ELEMENTS, ring)?;
    let mut all: Vec<Client> = ids.iter().map(|id| Client::new(*id, entropy(*id, seed))).collect();
    all.iter_mut().for_each(|client| client.prepare(input(client.id())));
    let (mut sent, mut received) = (BTreeMap::new(), BTreeMap::new());
    let mut stage = 0;
    let sum = loop {
        match server.advance() {
            Err(error) => break Err(error),
            Ok(Step::Sum { numbers, clients }) => break Ok((numbers, clients)),
            Ok(Step::Send(messages)) => {
                for (to, message) in messages {
                    if stage >= from && gone.contains(&to) {
                        continue;
                    }
                    *received.entry(to).or_default() += message.bytes() as u64;
                    let answer = all[to as usize - 1].step(message)?;
                    *sent.entry(to).or_default() += answer.bytes() as u64;
                    server.receive(to, answer)?;
                }
            }
        }
        stage += 1;
    };
    Ok(Round { sent, received, sum })
}

fn plain_sum(of: &[u32], ring: Ring) -> Vec<u64> {
    let mut sum = vec![0; ELEMENTS];
    for client in of {
        sum.iter_mut().zip(input(*client)).for_each(|(sum, value)| *sum = ring.add(*sum, value));
    }
    sum
}

/// Bytes and dropouts of SecAgg and SecAgg+.
pub(super) fn bytes(size: Size, tell: &mut dyn FnMut(&str)) -> Result<Outcome> {
    let (mut rows, mut rules) = (Vec::new(), Vec::new());
    let mut curves = [("SecAgg", Vec::new()), ("SecAgg+", Vec::new())];
    let (mut are_counted, mut are_exact, mut rounds) = (true, true, 0u32);
    for clients in [8, 16, 32, 64] {
        let few = plan::choose(clients, 0.1, RARE)?.neighbours;
        for (at, neighbours) in [clients - 1, few].into_iter().enumerate() {
            let name = curves[at].0;
            tell(&format!("{name} of {clients} clients"));
            let formula = bytes::traffic(clients, ELEMENTS as u64, BITS, neighbours)?;
            let whole = play(clients, neighbours, &[], STAGES.len(), 1)?;
            let is_formula =
                |counted: &BTreeMap<u32, u64>, formula: u64| counted.values().all(|bytes| *bytes == formula);
            are_counted &=
                is_formula(&whole.sent, formula.sent) && is_formula(&whole.received, formula.received);
            let (sent, received) = (whole.sent.values().max(), whole.received.values().max());
            let ring = Ring::new(formula.ring_bits)?;
            let gone: Vec<u32> = (1..=(clients as u32 / 10).max(1)).collect();
            let mut survived = Vec::new();
            for (from, stage) in STAGES.iter().enumerate() {
                for seed in 1..=size.seeds {
                    let (numbers, of) = play(clients, neighbours, &gone, from, seed)?.sum?;
                    // Whoever sent its input is in the sum, also who did not help to unmask it.
                    let expected = if from < 3 { clients - gone.len() } else { clients };
                    are_exact &= of.len() == expected && numbers == plain_sum(&of, ring);
                    rounds += 1;
                }
                survived.push(*stage);
            }
            curves[at].1.push([clients as f64, formula.over_plain]);
            rows.push(vec![
                clients.to_string(),
                name.to_owned(),
                neighbours.to_string(),
                sent.map_or_else(String::new, u64::to_string),
                received.map_or_else(String::new, u64::to_string),
                format!("{:.2}", formula.over_plain),
                format!("{} before each of {}", gone.len(), survived.len()),
            ]);
        }
    }
    rules.push(Rule::new("every client's bytes, sent and received, are those of the formula", are_counted));
    rules.push(Rule::new(
        format!("sums equal plain sums bit for bit with a tenth gone before keys, shares, input and unmasking ({rounds} rounds)"),
        are_exact,
    ));
    let lost = play(16, 15, &(1..=8).collect::<Vec<u32>>(), 2, 1)?.sum;
    rules.push(Rule::new(
        "with half of 16 clients gone the round fails, and nothing is revealed",
        matches!(lost, Err(Error::SumFailed { .. })),
    ));
    let published = bytes::traffic(1024, 1 << 20, 16, 1023)?.over_plain;
    rules.push(Rule::new(
        format!("1024 clients, 2^20 elements: {published:.2} times the plain upload, 1.73 is published"),
        (published - 1.73).abs() < 0.05,
    ));
    Ok(Outcome {
        title: format!("F3: secure sums of {ELEMENTS} elements of {BITS} bits"),
        columns: [
            "clients",
            "sum",
            "neighbours",
            "sent, bytes",
            "received, bytes",
            "of plain",
            "dropouts survived",
        ]
        .map(str::to_owned)
        .to_vec(),
        rows,
        axes: ["clients".to_owned(), "bytes over a plain upload".to_owned()],
        curves: curves.map(|(name, points)| Curve { name: name.to_owned(), points }).to_vec(),
        rules,
    })
}
