//! The secure sum: bytes, shares, masks, failures, quantisation.

use syncline_federated::secure::{Quantiser, Ring, bytes, plan, shamir};

use crate::effort::Effort;
use crate::ours::{Ours, text, unknown_metric};
use crate::row::{Row, number};
use crate::sample::{Statistic, simulate};

/// None for a model of another room.
pub fn evaluate(row: &Row, effort: Effort) -> Option<Result<Ours, String>> {
    Some(match row.model.as_str() {
        "secure aggregation, bytes" => traffic(row),
        "shamir, gf(2^16)" => shares(row),
        "masked sum" => masked(row),
        "secagg+, too few neighbours" => failure(row),
        "stochastic quantisation" => quantisation(row, effort),
        _ => return None,
    })
}

fn traffic(row: &Row) -> Result<Ours, String> {
    let (clients, neighbours) = (row.count("clients")?, row.count("neighbours")?);
    let elements = row.count("elements")? as u64;
    let of = bytes::traffic(clients, elements, row.count("bits")? as u32, neighbours).map_err(text)?;
    Ok(Ours::exact(match row.metric.as_str() {
        "ring bits" => f64::from(of.ring_bits),
        "bytes sent by a client" => of.sent as f64,
        "bytes received by a client" => of.received as f64,
        "sent and received over plain upload" => of.over_plain,
        _ => return unknown_metric(row),
    }))
}

fn word(value: f64) -> Result<u16, String> {
    if value.fract() == 0.0 && (0.0..=65535.0).contains(&value) {
        return Ok(value as u16);
    }
    Err(format!("{value} is no number of 16 bits"))
}

fn shares(row: &Row) -> Result<Ours, String> {
    let coefficients =
        row.list("coefficients")?.into_iter().map(word).collect::<Result<Vec<u16>, String>>()?;
    if let Some(at) = row.metric.strip_prefix("share at x=") {
        return Ok(Ours::exact(f64::from(shamir::evaluate(&coefficients, word(number(at)?)?))));
    }
    if row.metric != "secret" {
        return unknown_metric(row);
    }
    let point = |at: f64| Ok((word(at)?, shamir::evaluate(&coefficients, word(at)?)));
    let points = row.list("shares at")?.into_iter().map(point).collect::<Result<Vec<_>, String>>()?;
    Ok(Ours::exact(f64::from(shamir::interpolate(&points).map_err(text)?)))
}

/// Inputs masked by the rule of the protocol, and the sum after the masks of live clients and of pairs with dropped
/// ones are off.
fn masked(row: &Row) -> Result<Ours, String> {
    let ring = Ring::new(row.count("ring bits")? as u32).map_err(text)?;
    let (inputs, own) = (row.list("inputs")?, row.list("self")?);
    let pairs = row.text("pairs")?.split(';').map(pair).collect::<Result<Vec<_>, String>>()?;
    let dropped = match row.text("dropped")? {
        "none" => Vec::new(),
        list => list.split(',').map(number).collect::<Result<Vec<f64>, String>>()?,
    };
    let clients = inputs.len();
    if own.len() != clients || pairs.iter().any(|(adds, subtracts, _)| *adds.max(subtracts) >= clients) {
        return Err(format!("self and pairs are not of the {clients} clients that have inputs"));
    }
    let is_live = |client: usize| !dropped.contains(&(client as f64));
    let mut sum = 0;
    for (client, (input, own)) in inputs.iter().zip(&own).enumerate().filter(|(client, _)| is_live(*client)) {
        sum = ring.add(sum, ring.add(*input as u64, *own as u64));
        for (adds, subtracts, mask) in &pairs {
            sum = if *adds == client { ring.add(sum, *mask) } else { sum };
            sum = if *subtracts == client { ring.subtract(sum, *mask) } else { sum };
        }
    }
    if row.metric == "sum of masked inputs" {
        return Ok(Ours::exact(sum as f64));
    }
    if row.metric != "unmasked sum" {
        return unknown_metric(row);
    }
    for own in own.iter().enumerate().filter(|(client, _)| is_live(*client)).map(|(_, own)| own) {
        sum = ring.subtract(sum, *own as u64);
    }
    for (adds, subtracts, mask) in pairs {
        match (is_live(adds), is_live(subtracts)) {
            (true, false) => sum = ring.subtract(sum, mask),
            (false, true) => sum = ring.add(sum, mask),
            _ => {}
        }
    }
    Ok(Ours::exact(sum as f64))
}

/// `i-j:v`: i adds v, j subtracts it.
fn pair(text: &str) -> Result<(usize, usize, u64), String> {
    let parts = text.split_once(':').and_then(|(pair, mask)| Some((pair.split_once('-')?, mask)));
    let ((adds, subtracts), mask) = parts.ok_or_else(|| format!("'{text}' is no pair"))?;
    Ok((number(adds)? as usize, number(subtracts)? as usize, number(mask)? as u64))
}

fn failure(row: &Row) -> Result<Ours, String> {
    let (clients, neighbours) = (row.count("clients")?, row.count("neighbours")?);
    let one =
        plan::failure(clients, neighbours, row.count("threshold")?, row.count("dropped")?).map_err(text)?;
    match row.metric.as_str() {
        "P for one client" => Ok(Ours::exact(one)),
        "union bound" => Ok(Ours::exact((clients as f64 * one).min(1.0))),
        _ => unknown_metric(row),
    }
}

fn quantisation(row: &Row, effort: Effort) -> Result<Ours, String> {
    let quantiser = Quantiser::new(row.number("clip")?, row.count("levels")? as u64).map_err(text)?;
    let values = row.list("values")?;
    let places: Vec<f64> = values.iter().map(|value| quantiser.place(*value)).collect();
    let (formula, statistic) = match row.metric.as_str() {
        "E[sum of integers]" => (places.iter().sum(), Statistic::Mean),
        "Var[sum of integers]" => {
            (places.iter().map(|place| place.fract() * (1.0 - place.fract())).sum(), Statistic::Variance)
        }
        _ => return unknown_metric(row),
    };
    let simulation =
        simulate(statistic, effort, &mut |rng| quantiser.quantise(&values, rng).iter().sum::<u64>() as f64);
    Ok(Ours::both(formula, simulation))
}
