//! Who is whose neighbour: the clients stand in a ring in random order, and each is joined to the next k / 2 on
//! either side.

use std::collections::BTreeMap;

use rand::seq::SliceRandom;
use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};

use crate::error::within;
use crate::{Error, Result};

/// A symmetric graph in which everybody has k neighbours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Graph {
    neighbours: BTreeMap<u32, Vec<u32>>,
}

impl Graph {
    /// Joins the clients. With `neighbours` one less than the clients everybody is joined to everybody (SecAgg).
    ///
    /// # Errors
    /// Unless the clients differ, there are 3 or more, and the neighbours are an even number, or all others.
    pub fn new(clients: &[u32], neighbours: usize, seed: u64) -> Result<Self> {
        let count = clients.len();
        within("the number of clients", count, 3, 1 << 20)?;
        within("the number of neighbours", neighbours, 2, (count - 1).min(usize::from(u16::MAX) - 1))?;
        let mut order = clients.to_vec();
        order.sort_unstable();
        order.dedup();
        if order.len() < count || (!neighbours.is_multiple_of(2) && neighbours != count - 1) {
            let must = format!("an even number or {}, of different clients", count - 1);
            return Err(Error::OutOfRange {
                what: "the number of neighbours",
                got: neighbours.to_string(),
                must,
            });
        }
        order.shuffle(&mut Xoshiro256PlusPlus::seed_from_u64(seed));
        let of = |place: usize| {
            let mut of: Vec<u32> = if neighbours == count - 1 {
                order.iter().copied().filter(|other| *other != order[place]).collect()
            } else {
                (1..=neighbours / 2)
                    .flat_map(|step| [order[(place + step) % count], order[(place + count - step) % count]])
                    .collect()
            };
            of.sort_unstable();
            (order[place], of)
        };
        Ok(Self { neighbours: (0..count).map(of).collect() })
    }

    /// A client's neighbours, in increasing order; none for a stranger.
    pub fn of(&self, client: u32) -> &[u32] {
        self.neighbours.get(&client).map_or(&[], Vec::as_slice)
    }

    /// All clients, in increasing order.
    pub fn clients(&self) -> impl Iterator<Item = u32> {
        self.neighbours.keys().copied()
    }
}
