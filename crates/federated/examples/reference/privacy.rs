//! Differential privacy.

use syncline_federated::privacy::{
    Accountant, AdaptiveClip, Orders, exact_delta, noise_for, rdp, split_noise,
};

use crate::effort::Effort;
use crate::ours::{Ours, text, unknown_metric};
use crate::row::Row;

/// None for a model of another room.
pub fn evaluate(row: &Row, _: Effort) -> Option<Result<Ours, String>> {
    Some(match row.model.as_str() {
        "rdp, poisson-subsampled gaussian" => divergence(row),
        "dp epsilon" => epsilon(row),
        "gaussian mechanism, exact" => delta(row),
        "dp noise for epsilon" => noise(row),
        "adaptive clipping" => clipping(row),
        "adaptive clipping, noise split" => split(row),
        _ => return None,
    })
}

fn divergence(row: &Row) -> Result<Ours, String> {
    Ok(Ours::exact(rdp(row.number("q")?, row.number("z")?, row.number("order")?).map_err(text)?))
}

fn epsilon(row: &Row) -> Result<Ours, String> {
    let orders = match row.metric.as_str() {
        "epsilon (rdp)" | "epsilon, tight" => Orders::All,
        "epsilon (rdp), integer orders" => Orders::Whole,
        _ => return unknown_metric(row),
    };
    let mut accountant = Accountant::new(orders);
    accountant.add(row.number("q")?, row.number("z")?, row.count("steps")? as u64).map_err(text)?;
    let ours = accountant.epsilon(row.number("delta")?).map_err(text)?;
    Ok(if row.metric == "epsilon, tight" { Ours::bound(ours) } else { Ours::exact(ours) })
}

fn delta(row: &Row) -> Result<Ours, String> {
    Ok(Ours::exact(exact_delta(row.number("z")?, row.number("epsilon")?).map_err(text)?))
}

fn noise(row: &Row) -> Result<Ours, String> {
    let (epsilon, delta) = (row.number("epsilon")?, row.number("delta")?);
    let rounds = row.count("steps")? as u64;
    Ok(Ours::exact(noise_for(epsilon, delta, row.number("q")?, rounds).map_err(text)?))
}

fn clipping(row: &Row) -> Result<Ours, String> {
    let mut clip =
        AdaptiveClip::new(row.number("C0")?, row.number("eta")?, row.number("gamma")?).map_err(text)?;
    for below in row.list("below")? {
        clip.follow(below);
    }
    Ok(Ours::exact(clip.length()))
}

fn split(row: &Row) -> Result<Ours, String> {
    Ok(Ours::exact(split_noise(row.number("z")?, row.count("clients")?).map_err(text)?))
}
