//! C4: rows sent by a coded shuffle against the formula; every packet is opened by its receivers.

use syncline_experiment::{Curve, Outcome, Rule, Size, mean};

use super::titles;
use crate::Result;
use crate::shuffle::{Caches, Packet, Plan, rows};

/// Workers, rows and the share of the others' rows that each holds.
const CASES: [(usize, usize, f64); 6] =
    [(4, 4000, 0.3), (4, 4000, 0.5), (6, 6000, 0.3), (6, 6000, 0.5), (8, 8000, 0.3), (8, 8000, 0.5)];

/// Caches that are drawn for each seed.
const CACHES: u64 = 8;

/// Bytes of a row.
const WIDTH: usize = 8;

/// Whether every receiver takes its row out of its packets.
fn opens(caches: &Caches, packets: &[Packet], table: &[Vec<u8>], wanted: usize) -> Result<bool> {
    let (mut count, mut right) = (0, true);
    for packet in packets {
        let payload = packet.encode(table);
        for (worker, _) in packet.rows() {
            let held = |row: usize| caches.holds(*worker, row).then(|| &table[row][..]);
            let (row, bytes) = packet.decode(*worker, &payload, held)?;
            right &= bytes == table[row];
            count += 1;
        }
    }
    Ok(right && count == wanted)
}

/// Uncoded, coded and merged rows.
pub(super) fn rows_sent(size: Size, tell: &mut dyn FnMut(&str)) -> Result<Outcome> {
    let (mut table_rows, mut worst, mut opened, mut fewer) = (Vec::new(), 0.0f64, true, true);
    let mut curves =
        ["uncoded", "coded", "merged"].map(|name| Curve { name: name.to_owned(), points: Vec::new() });
    for (workers, count, share) in CASES {
        tell(&format!("{workers} workers, {count} rows, share {share}"));
        let table: Vec<Vec<u8>> =
            (0..count).map(|row| (0..WIDTH).map(|at| (row * 131 + at * 17) as u8).collect()).collect();
        let (mut uncoded, mut coded, mut merged) = (Vec::new(), Vec::new(), Vec::new());
        for seed in 0..size.seeds * CACHES {
            let mut caches = Caches::new(workers, count, share, seed)?;
            let owners = caches.next_epoch();
            let plan = Plan::new(&caches, &owners);
            let wanted = plan.uncoded();
            let (plain, full) = (plan.clone().packets(), plan.merged());
            opened &= opens(&caches, &plain, &table, wanted)? && opens(&caches, &full, &table, wanted)?;
            fewer &= full.len() <= plain.len() && plain.len() <= wanted;
            uncoded.push(wanted as f64);
            coded.push(plain.len() as f64);
            merged.push(full.len() as f64);
        }
        let formula = rows::coded(workers, count, share)?;
        let off = mean(&coded) / formula - 1.0;
        worst = worst.max(off.abs());
        table_rows.push(vec![
            workers.to_string(),
            count.to_string(),
            share.to_string(),
            format!("{:.0}", mean(&uncoded)),
            format!("{:.0}", rows::uncoded(workers, count, share)?),
            format!("{:.0}", mean(&coded)),
            format!("{formula:.0}"),
            format!("{:.0}", rows::coded_limit(workers, count, share)?),
            format!("{:.0}", mean(&merged)),
            format!("{:.0}", WIDTH as f64 * mean(&merged)),
        ]);
        if share == 0.5 {
            for (curve, values) in curves.iter_mut().zip([&uncoded, &coded, &merged]) {
                curve.points.push([workers as f64, mean(values) / count as f64]);
            }
        }
    }
    Ok(Outcome {
        title: format!(
            "C4: rows sent for a new permutation, mean of {} draws of the caches",
            size.seeds * CACHES
        ),
        columns: titles(&[
            "workers",
            "rows",
            "share held",
            "uncoded",
            "formula",
            "coded",
            "finite form",
            "limit",
            "merged",
            "bytes merged",
        ]),
        rows: table_rows,
        axes: ["workers".to_owned(), "rows sent over all rows, half held".to_owned()],
        curves: curves.to_vec(),
        rules: vec![
            Rule::new(
                format!("coded rows are the finite form within 1.5 % ({:.2} % at most)", 100.0 * worst),
                worst < 0.015,
            ),
            Rule::new("merged rows <= coded rows <= uncoded rows", fewer),
            Rule::new("every receiver takes its row out of every packet", opened),
        ],
    })
}
