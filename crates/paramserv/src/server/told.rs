//! Pulls that send only what has changed since the worker's last one.
//!
//! Over sparse rows a round moves few of the parameters, and a worker that pulls all of them has most of them already. What it was
//! told last is kept, which costs no copy where several have been told the same: what differs from that in a bit is sent with its
//! coordinates, as long as that is shorter than all values.
//!
//! - TOLD-1: a worker that puts what it is sent into what it was told last has the very bits of the parameters.
//! - TOLD-2: who begins anew is told everything.

use std::sync::{Mutex, MutexGuard, PoisonError};

use syncline_wire::Tensor;

use crate::protocol::Ticket;

/// What a worker was told, and the number of the ticket that it had.
type Version = (u32, Tensor<f32>);

/// What each worker was told last.
pub(super) struct LastTold(Mutex<Vec<Option<Version>>>);

/// What a worker is sent of some parameters.
#[derive(Debug, PartialEq)]
pub(super) struct Sent {
    /// Which have changed, in ascending order; nothing where all are sent.
    pub changed: Option<Tensor<u32>>,
    /// Those, or all.
    pub values: Tensor<f32>,
}

impl LastTold {
    /// Of so many workers, who have been told nothing.
    pub(super) fn new(workers: usize) -> Self {
        Self(Mutex::new(vec![None; workers]))
    }

    /// What a worker is sent of these parameters, which it has then.
    pub(super) fn send(&self, ticket: Ticket, values: Tensor<f32>) -> Sent {
        let last = self.swap(ticket.worker, Some((ticket.number, values.clone())));
        let last = last.filter(|(number, last)| *number == ticket.number && last.len() == values.len());
        match last.and_then(|(_, last)| changed(&last, &values)) {
            Some(changed) => {
                let of_changed = changed.iter().map(|&place| values[place as usize]).collect::<Vec<_>>();
                Sent { changed: Some(changed.into()), values: of_changed.into() }
            }
            None => Sent { changed: None, values },
        }
    }

    /// A worker is told something else, and everything the next time.
    pub(super) fn forget(&self, worker: u32) {
        self.swap(worker, None);
    }

    fn swap(&self, worker: u32, told: Option<Version>) -> Option<Version> {
        let mut all = self.lock();
        all.get_mut(worker as usize).and_then(|last| std::mem::replace(last, told))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Option<Version>>> {
        // Nothing can panic under the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where two vectors differ in a bit; nothing where sending that would be as long as sending all. A value and its coordinate are twice
/// as long as a value.
fn changed(last: &[f32], now: &[f32]) -> Option<Vec<u32>> {
    let most = now.len().saturating_sub(1) / 2;
    let pairs = (0u32..).zip(last.iter().zip(now));
    let differ = pairs.filter(|(_, (last, now))| last.to_bits() != now.to_bits());
    // One more than may be tells that it is too many.
    let changed: Vec<u32> = differ.map(|(place, _)| place).take(most + 1).collect();
    (changed.len() <= most).then_some(changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket(number: u32) -> Ticket {
        Ticket { worker: 0, number }
    }

    #[test]
    fn told_1_and_2_only_what_has_changed_is_sent_where_that_is_shorter() {
        let told = LastTold::new(2);
        let all = |values: [f32; 5]| Tensor::from(values.to_vec());
        let whole = |sent: Sent| sent.changed.is_none() && sent.values.len() == 5;
        assert!(whole(told.send(ticket(0), all([0.0; 5]))), "the first time");
        let sent = told.send(ticket(0), all([0.0, 7.0, 0.0, -0.0, 0.0]));
        // Minus zero is another number to the bit.
        assert_eq!(sent, Sent { changed: Some(vec![1, 3].into()), values: vec![7.0, -0.0].into() });
        let none = told.send(ticket(0), all([0.0, 7.0, 0.0, -0.0, 0.0]));
        assert_eq!(none, Sent { changed: Some(Vec::new().into()), values: Vec::new().into() });
        assert!(
            whole(told.send(ticket(0), all([1.0, 2.0, 3.0, -0.0, 0.0]))),
            "three of five are longer than five"
        );
        assert!(whole(told.send(ticket(1), all([1.0, 2.0, 3.0, -0.0, 0.0]))), "TOLD-2");
        told.forget(0);
        assert!(whole(told.send(ticket(1), all([1.0, 2.0, 3.0, -0.0, 0.0]))));
        let nan = f32::NAN;
        told.send(ticket(1), all([nan; 5]));
        assert_eq!(told.send(ticket(1), all([nan; 5])).changed.map(|changed| changed.len()), Some(0));
    }
}
