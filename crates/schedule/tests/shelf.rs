//! What is kept of a slot is what would be found out anew, whatever was reserved and given back in between.
#![allow(clippy::unwrap_used, reason = "a failing helper fails the test")]

use proptest::prelude::*;
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use syncline_schedule::{
    Cluster, Job, MachineId, Resources,
    pricing::{Ledger, Market, PlannerOptions, PriceFunction, PriceRange, Search, SlotGrid},
    setting::Setting,
};

/// All that a market is asked.
fn answers(market: &Market) -> Vec<(Option<f64>, String)> {
    let of = |workers: u32| {
        let both = (market.internal(workers), market.greedy(workers));
        (market.lower_bound(workers), format!("{both:?}"))
    };
    (1..12).map(of).collect()
}

fn compare(
    cluster: &Cluster,
    ledger: &Ledger,
    jobs: &[Job],
    split: Option<usize>,
) -> Result<(), TestCaseError> {
    let options = PlannerOptions::default();
    for job in jobs {
        let search = Search::new(cluster, ledger, &options);
        let search = if let Some(workers) = split { search.split(workers) } else { search };
        for slot in 0..ledger.grid().slots {
            let (before, from) = split.map_or((usize::MAX, 0), |workers| (workers, workers));
            let anew = Market::new(job, ledger.free_slot(slot), ledger.prices_slot(slot), before, from);
            let kept = search.market(job, slot);
            prop_assert_eq!(kept.hosts().len(), anew.hosts().len());
            prop_assert_eq!(answers(&kept), answers(&anew));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn what_is_kept_of_a_slot_is_what_it_is(seed in 0u64..10_000, pools in any::<bool>()) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let setting = Setting::calibrated();
        let cluster = Cluster::uniform(6, setting.capacity).unwrap();
        let grid = SlotGrid::new(3600.0, 4);
        let mut jobs = setting.draw(seed);
        jobs.truncate(3);
        // Another of the same shape, that takes part in what is kept.
        jobs.push(Job { id: syncline_schedule::JobId(99), workload: 1.0, ..jobs[0].clone() });
        let function = PriceFunction::new(PriceRange::of(&cluster, &jobs, &grid, Default::default()));
        let split = pools.then_some(3);
        let ledger = Ledger::new(&cluster, grid, function);
        let mut ledger = if pools { ledger.with_pool(3, function) } else { ledger };
        let mut taken = Vec::new();
        for _ in 0..8 {
            compare(&cluster, &ledger, &jobs, split)?;
            let (slot, which) = (rng.random_range(0..grid.slots), rng.random_range(0..jobs.len()));
            let machine = MachineId(rng.random_range(0..6));
            let search = Search::new(&cluster, &ledger, &PlannerOptions::default()).market(&jobs[which], slot).greedy(2);
            match (rng.random_range(0..5), search) {
                (0, _) => ledger.close(slot, machine),
                (1, _) => ledger.set_aside(slot, machine, &Resources::new(0.0, 1e-3, 1e-3, 0.0)),
                (2, _) if !taken.is_empty() => {
                    let (slot, which, placement) = taken.pop().unwrap();
                    let job: &Job = &jobs[which];
                    ledger.give(slot, job, &placement);
                }
                (_, Some(offer)) => {
                    ledger.take(slot, &jobs[which], &offer.placement);
                    taken.push((slot, which, offer.placement));
                }
                _ => {}
            }
            if rng.random_range(0..3) == 0 {
                ledger = ledger.clone();
            }
        }
        compare(&cluster, &ledger.inverse(), &jobs, split)?;
        compare(&cluster, &ledger, &jobs, split)?;
    }
}
