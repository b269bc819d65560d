//! Who does whose work, where that may change while a run goes on: a worker is lost, or joins, or leaves.
//!
//! A run's work is cut into as many shares as it has workers at most, each with its rows, its batches and its seat at every
//! gate; that never changes. What changes is in whose hands a share is: of a worker that is there, beside others that it has.
//! Gates, folds and rows know nothing of it. So nothing is lost or done twice, and under BSP not a bit of the result
//! changes, whoever came and went; a round only takes as long as the worker needs that has most to do. (Virtual nodes: Or, Zhang
//! and Freedman 2022, "VirtualFlow"; Li et al. 2023, "EasyScale".)
//!
//! - DEAL-1: every share is some worker's to do, of one that is there as long as one is; workers that are there have equally many
//!   shares that are not done, but for one.
//! - DEAL-2: who has least gets what is free, of these the first; who has most gives, and a worker is given its own share first.
//! - DEAL-3: nobody takes a share that another one still works at: that one lets go of it first, between two rounds.
//! - DEAL-4: a worker that is to leave does so when nothing is left in its hands; one that is awaited gets a share once it comes.

/// How a worker is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    /// It is not wanted.
    Away,
    /// It is wanted, and has not come yet.
    Awaited,
    There,
    /// It is there, and is to leave.
    Leaving,
    /// It is gone for good, unless it is called for again.
    Lost,
}

#[derive(Clone, Debug)]
struct Hand {
    presence: Presence,
    /// The shares that it works at, as it told last, and was told since.
    at: Vec<u32>,
}

/// What a worker is to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum Duty {
    /// To begin with this share.
    Take(u32),
    /// To end with this share before its next round.
    LetGo(u32),
    /// To leave: it is not needed any more.
    Leave,
}

/// The shares, and the workers in whose hands they are.
#[derive(Clone, Debug)]
pub(crate) struct Deal {
    /// By share: whose it is to do.
    by: Vec<u32>,
    /// By share: whether it is done to its end.
    done: Vec<bool>,
    /// By worker.
    hands: Vec<Hand>,
    /// Whether what was done has been brought home: until then all may have to go back.
    is_over: bool,
}

impl Deal {
    /// As many shares as workers, of whom the first `there` are there.
    pub(crate) fn new(workers: usize, there: usize) -> Self {
        let presence = |worker| if worker < there { Presence::There } else { Presence::Away };
        let hand = |worker| Hand { presence: presence(worker), at: Vec::new() };
        Self {
            by: (0..workers).map(|share| (share % there.max(1)) as u32).collect(),
            done: vec![false; workers],
            hands: (0..workers).map(hand).collect(),
            is_over: false,
        }
    }

    /// Takes in that these workers are lost; returns which shares are now done by whom.
    pub(crate) fn lost(&mut self, workers: &[u32]) -> Vec<(u32, u32)> {
        for &worker in workers {
            if let Some(hand) = self.hands.get_mut(worker as usize) {
                *hand = Hand { presence: Presence::Lost, at: Vec::new() };
            }
        }
        self.deal_while(Self::next_free)
    }

    /// The first `count` workers are wanted and no others: who is wanted and not there is awaited, who is there and not wanted is
    /// to leave.
    pub(crate) fn wants(&mut self, count: usize) {
        for (worker, hand) in self.hands.iter_mut().enumerate() {
            hand.presence = match (hand.presence, worker < count) {
                (Presence::Away | Presence::Lost, true) => Presence::Awaited,
                (Presence::Leaving, true) => Presence::There,
                (Presence::Awaited, false) => Presence::Away,
                (Presence::There, false) => Presence::Leaving,
                (same, _) => same,
            };
        }
        self.deal();
    }

    /// A worker tells that it is there, and at which shares it works. Returns whether that changes anything.
    pub(crate) fn hears(&mut self, worker: u32, at: &[u32]) -> bool {
        let Some(hand) = self.hands.get_mut(worker as usize) else { return false };
        // What was under way when its process was lost comes after that is known, and would hold its share for ever.
        if hand.presence == Presence::Lost {
            return false;
        }
        let comes = hand.presence == Presence::Awaited;
        let changes = comes || hand.at != at;
        hand.at = at.to_vec();
        if comes {
            hand.presence = Presence::There;
            self.deal();
        }
        changes
    }

    /// What a worker is to do next that works at these shares, and is about to let go of some of them; nothing, where it is to
    /// go on as it does.
    pub(crate) fn duty(&mut self, worker: u32, at: &[u32], leaving: &[u32]) -> Option<Duty> {
        let presence = self.hands.get(worker as usize).map_or(Presence::Away, |hand| hand.presence);
        if self.is_over || presence == Presence::Away {
            return Some(Duty::Leave);
        }
        let is_its = |share: u32| self.by.get(share as usize) == Some(&worker);
        if let Some(&share) = at.iter().find(|&&share| !is_its(share) && !leaving.contains(&share)) {
            return Some(Duty::LetGo(share));
        }
        let mut its = (0..self.by.len() as u32).filter(|&share| is_its(share) && !self.done[share as usize]);
        let free = its.clone().find(|share| !at.contains(share) && self.is_free(worker, *share));
        if let Some(share) = free {
            // Until it tells otherwise.
            self.hands[worker as usize].at.push(share);
            return Some(Duty::Take(share));
        }
        if presence == Presence::Leaving && at.is_empty() && its.next().is_none() {
            self.hands[worker as usize].presence = Presence::Away;
            return Some(Duty::Leave);
        }
        None
    }

    /// Whether nobody but this worker works at a share (DEAL-3).
    fn is_free(&self, worker: u32, share: u32) -> bool {
        let mut others = (0..).zip(&self.hands).filter(|(other, _)| *other != worker);
        others.all(|(_, hand)| !hand.at.contains(&share))
    }

    /// Deals what nobody has who is there, and evens out (DEAL-1).
    fn deal(&mut self) {
        self.deal_while(|deal| deal.next_free().or_else(|| deal.next_surplus()));
    }

    /// Deals as long as there is something to be dealt; returns which shares are now done by whom.
    fn deal_while(&mut self, next: impl Fn(&Self) -> Option<(usize, u32)>) -> Vec<(u32, u32)> {
        let mut dealt = Vec::new();
        while let Some((share, worker)) = next(self) {
            self.by[share] = worker;
            dealt.push((share as u32, worker));
        }
        dealt
    }

    /// Which share that nobody has who is there goes to whom next (DEAL-2).
    fn next_free(&self) -> Option<(usize, u32)> {
        let least = self.least()?;
        self.open().find(|&share| !self.is_there(self.by[share])).map(|free| (free, least))
    }

    /// Which share of one who has more than others goes to whom next (DEAL-2).
    fn next_surplus(&self) -> Option<(usize, u32)> {
        let least = self.least()?;
        let most = self.there().map(|worker| self.load(worker)).max()?;
        let given = || self.open().filter(|&share| self.load(self.by[share]) == most);
        let share = given().find(|&share| share as u32 == least).or_else(|| given().last())?;
        (most > self.load(least) + 1).then_some((share, least))
    }

    /// Who of those that are there has least to do.
    fn least(&self) -> Option<u32> {
        self.there().min_by_key(|&worker| self.load(worker))
    }

    /// Shares that are not done.
    fn open(&self) -> impl Iterator<Item = usize> {
        (0..self.by.len()).filter(|&share| !self.done[share])
    }

    fn there(&self) -> impl Iterator<Item = u32> {
        (0..self.hands.len() as u32).filter(|&worker| self.is_there(worker))
    }

    fn is_there(&self, worker: u32) -> bool {
        self.hands[worker as usize].presence == Presence::There
    }

    /// How much a worker has to do.
    fn load(&self, worker: u32) -> usize {
        self.open().filter(|&share| self.by[share] == worker).count()
    }

    /// All went back to where it is not known what is done.
    pub(crate) fn anew(&mut self) {
        self.done.fill(false);
        self.deal();
    }

    /// Takes in that nothing is left of a share.
    pub(crate) fn done(&mut self, share: u32) {
        if let Some(done) = self.done.get_mut(share as usize) {
            *done = true;
        }
    }

    /// Whether nothing is left of any.
    pub(crate) fn are_done(&self) -> bool {
        self.done.iter().all(|done| *done)
    }

    /// Nobody is needed any more.
    pub(crate) fn dismiss(&mut self) {
        self.is_over = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// What a worker is to do next that lets go of nothing.
    fn duty(deal: &mut Deal, worker: u32, at: &[u32]) -> Option<Duty> {
        deal.hears(worker, at);
        deal.duty(worker, at, &[])
    }

    #[test]
    fn deal_1_and_2_work_goes_to_who_has_least_until_nobody_is_there() {
        let mut all = Deal::new(4, 4);
        assert_eq!(all.lost(&[1]), [(1, 0)]);
        assert_eq!(all.lost(&[3]), [(3, 2)], "DEAL-2");
        assert_eq!(duty(&mut all, 0, &[]), Some(Duty::Take(0)));
        assert_eq!(duty(&mut all, 0, &[0]), Some(Duty::Take(1)));
        assert_eq!((duty(&mut all, 0, &[0, 1]), duty(&mut all, 2, &[2])), (None, Some(Duty::Take(3))));
        assert_eq!(all.lost(&[0]), [(0, 2), (1, 2)], "DEAL-1: the work of two goes on");
        assert_eq!(duty(&mut all, 2, &[2, 3]), Some(Duty::Take(0)));
        assert_eq!(all.lost(&[2]), [], "nobody is left");
        (0..4).for_each(|share| all.done(share));
        assert!(all.are_done());
        all.anew();
        assert!(!all.are_done(), "after all went back");
        all.dismiss();
        assert_eq!(duty(&mut all, 2, &[]), Some(Duty::Leave));
    }

    #[test]
    fn what_is_done_needs_nobody() {
        let mut all = Deal::new(2, 2);
        all.done(1);
        assert_eq!(all.lost(&[1]), []);
    }

    #[test]
    fn deal_3_and_4_a_share_passes_from_hand_to_hand_and_who_leaves_has_none() {
        let mut all = Deal::new(3, 1);
        all.hears(0, &[0, 1, 2]);
        all.wants(2);
        assert_eq!(all.duty(0, &[0, 1, 2], &[]), None, "DEAL-4: the other one has not come yet");
        assert_eq!(duty(&mut all, 1, &[]), None, "DEAL-3: its own share is still worked at");
        assert_eq!(all.duty(0, &[0, 1, 2], &[]), Some(Duty::LetGo(1)));
        assert_eq!(all.duty(0, &[0, 1, 2], &[1]), None, "it has been told");
        assert_eq!((duty(&mut all, 0, &[0, 2]), duty(&mut all, 1, &[])), (None, Some(Duty::Take(1))));
        all.wants(1);
        assert_eq!(duty(&mut all, 1, &[1]), Some(Duty::LetGo(1)));
        assert_eq!(duty(&mut all, 0, &[0, 2]), None);
        assert_eq!((duty(&mut all, 1, &[]), duty(&mut all, 1, &[])), (Some(Duty::Leave), Some(Duty::Leave)));
        assert_eq!(duty(&mut all, 0, &[0, 2]), Some(Duty::Take(1)));
    }

    #[test]
    fn who_is_to_leave_stays_while_nobody_else_is_there() {
        let mut all = Deal::new(2, 2);
        all.lost(&[0]);
        all.wants(1);
        assert_eq!(duty(&mut all, 1, &[1]), Some(Duty::Take(0)), "its to do until the other one comes");
        assert_eq!(duty(&mut all, 0, &[]), None);
        assert_eq!(all.duty(1, &[0, 1], &[]), Some(Duty::LetGo(0)));
    }

    /// A worker's side: what it works at, and what it is about to let go of.
    #[derive(Default)]
    struct Worker {
        at: Vec<u32>,
        leaving: Vec<u32>,
    }

    /// Lets workers ask in some order until nobody has anything to change.
    fn settle(deal: &mut Deal, workers: &mut [Option<Worker>], seed: u64) {
        for step in 0..1_000u64 {
            let turn = crate::delay::mix(seed, step, 1) as usize % workers.len();
            let Some(worker) = &mut workers[turn] else { continue };
            deal.hears(turn as u32, &worker.at);
            match deal.duty(turn as u32, &worker.at, &worker.leaving) {
                Some(Duty::Take(share)) => worker.at.push(share),
                Some(Duty::LetGo(share)) => worker.leaving.push(share),
                Some(Duty::Leave) => workers[turn] = None,
                // The end of a round.
                None => {
                    let left = std::mem::take(&mut worker.leaving);
                    worker.at.retain(|share| !left.contains(share));
                }
            }
            let held: Vec<u32> = workers.iter().flatten().flat_map(|worker| worker.at.clone()).collect();
            let distinct: BTreeSet<_> = held.iter().collect();
            assert_eq!(distinct.len(), held.len(), "DEAL-3: a share is in two hands");
        }
    }

    #[test]
    fn whatever_comes_and_goes_every_share_ends_in_one_hand_and_hands_are_even() {
        for seed in 0..200u64 {
            let shares = 1 + crate::delay::mix(seed, 0, 2) as usize % 7;
            let mut deal = Deal::new(shares, 1);
            let mut workers: Vec<Option<Worker>> = (0..shares).map(|_| None).collect();
            workers[0] = Some(Worker::default());
            for change in 0..5u64 {
                let draw = |what: u64| crate::delay::mix(seed, change, 3 + what) as usize;
                let wanted = 1 + draw(0) % shares;
                deal.wants(wanted);
                let lost = draw(1) % shares;
                if draw(2) % 3 == 0 && workers[lost].take().is_some() {
                    deal.lost(&[lost as u32]);
                    deal.wants(wanted);
                }
                for worker in &mut workers[..wanted] {
                    worker.get_or_insert_default();
                }
                settle(&mut deal, &mut workers, seed + change);
                let loads: Vec<usize> = workers.iter().flatten().map(|worker| worker.at.len()).collect();
                assert_eq!(loads.len(), wanted, "DEAL-4, seed {seed}");
                assert_eq!(loads.iter().sum::<usize>(), shares, "DEAL-1, seed {seed}");
                let spread = loads.iter().max().unwrap() - loads.iter().min().unwrap();
                assert!(spread <= 1, "DEAL-1, seed {seed}: {loads:?}");
            }
        }
    }
}
