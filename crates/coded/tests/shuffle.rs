//! Coded shuffling: after each epoch every worker has rebuilt exactly its rows from packets and cache.

#![allow(clippy::unwrap_used, reason = "tests")]

use syncline_coded::shuffle::{Caches, Packet, Plan, rows};

/// Rows of different contents and lengths.
fn table(rows: usize) -> Vec<Vec<u8>> {
    (0..rows).map(|row| (0..1 + row % 5).map(|at| (row * 37 + at * 11) as u8).collect()).collect()
}

/// Delivers the packets; returns what each row's next owner has rebuilt.
fn deliver(caches: &Caches, packets: &[Packet], table: &[Vec<u8>]) -> Vec<(usize, usize, Vec<u8>)> {
    let mut rebuilt = Vec::new();
    for packet in packets {
        let payload = packet.encode(table);
        for (worker, _) in packet.rows() {
            let held = |row: usize| caches.holds(*worker, row).then(|| &table[row][..]);
            let (row, bytes) = packet.decode(*worker, &payload, held).unwrap();
            rebuilt.push((*worker, row, bytes));
        }
    }
    rebuilt
}

#[test]
fn every_worker_rebuilds_its_rows_epoch_after_epoch() {
    for (workers, count, share) in [(2, 20, 0.3), (4, 120, 0.0), (5, 200, 0.5), (6, 240, 0.4), (4, 80, 1.0)] {
        let table = table(count);
        let mut caches = Caches::new(workers, count, share, 7).unwrap();
        for epoch in 0..4 {
            let owners = caches.next_epoch();
            let plan = Plan::new(&caches, &owners);
            let (uncoded, plain) = (plan.uncoded(), plan.clone().packets());
            let merged = plan.merged();
            assert!(merged.len() <= plain.len() && plain.len() <= uncoded, "epoch {epoch}");
            for packets in [&plain, &merged] {
                let mut rebuilt = deliver(&caches, packets, &table);
                rebuilt.sort();
                for (worker, row, bytes) in &rebuilt {
                    assert_eq!(usize::from(owners[*row]), *worker, "only who wants a row is served");
                    assert!(bytes.starts_with(&table[*row]), "row {row}");
                    assert!(bytes[table[*row].len()..].iter().all(|byte| *byte == 0), "padding");
                }
                rebuilt.dedup_by_key(|(_, row, _)| *row);
                assert_eq!(rebuilt.len(), uncoded, "each wanted row once");
            }
            caches.advance(owners);
            for row in 0..count {
                assert!(caches.holds(caches.owner(row), row), "every owner holds its rows");
            }
        }
    }
}

#[test]
fn a_packet_opens_for_those_who_hold_the_rest() {
    let table = table(60);
    let mut caches = Caches::new(3, 60, 0.5, 1).unwrap();
    let owners = caches.next_epoch();
    let packets = Plan::new(&caches, &owners).packets();
    let packet = packets.iter().find(|packet| packet.rows().len() == 2).unwrap();
    let payload = packet.encode(&table);
    let outsider =
        (0..3).find(|worker| packet.rows().iter().all(|(receiver, _)| receiver != worker)).unwrap();
    assert!(packet.decode(outsider, &payload, |row| Some(&table[row])).is_err());
    let (receiver, _) = packet.rows()[0];
    assert!(packet.decode(receiver, &payload, |_| None).unwrap_err().to_string().contains("does not hold"));
}

#[test]
fn rows_sent_agree_with_the_finite_formula() {
    let mean = |count: &dyn Fn(Plan) -> usize| {
        let sent: usize = (0..6)
            .map(|seed| {
                let mut caches = Caches::new(6, 1200, 0.4, seed).unwrap();
                let owners = caches.next_epoch();
                count(Plan::new(&caches, &owners))
            })
            .sum();
        sent as f64 / 6.0
    };
    let formula = rows::coded(6, 1200, 0.4).unwrap();
    let sent = mean(&|plan| plan.packets().len());
    assert!((sent / formula - 1.0).abs() < 0.03, "{sent} {formula}");
    let uncoded = mean(&|plan| plan.uncoded());
    assert!((uncoded / rows::uncoded(6, 1200, 0.4).unwrap() - 1.0).abs() < 0.03);
    assert!(mean(&|plan| plan.merged().len()) < 0.97 * sent);
}

#[test]
fn sizes_that_make_no_shuffle_are_refused() {
    assert!(Caches::new(1, 10, 0.5, 1).is_err() && Caches::new(17, 170, 0.5, 1).is_err());
    assert!(Caches::new(4, 10, 0.5, 1).is_err() && Caches::new(4, 12, 1.5, 1).is_err());
    assert!(rows::coded(4, 12, f64::NAN).is_err());
}
