//! The market of PD-ORS against brute force and against its lemma.
#![allow(clippy::unwrap_used, reason = "a failing helper fails the test")]

use proptest::prelude::*;
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use syncline_schedule::{
    Cluster, Job, JobId, KINDS, Placement, Resources, Utility, WorkerRange,
    lp::Microlp,
    pricing::{
        External, Ledger, Locality, Market, PlannerOptions, PriceFunction, PriceRange, Quanta, Search,
        SlotGrid,
        relaxation::relax,
        rounding::{Favour, Lemma, round_once},
    },
};

fn job(workload: f64, external_gbps: f64) -> Job {
    Job {
        id: JobId(0),
        name: "job".into(),
        arrival: 0.0,
        workload,
        estimate: None,
        batch: 12,
        noise_scale: None,
        most_batch: None,
        seconds_per_sample: 0.5,
        gradient_mb: 100.0,
        workers_per_server: Some(3.0),
        worker: Resources::new(1.0, 2.0, 8.0, 0.0),
        server: Resources::new(0.0, 3.0, 4.0, 0.0),
        internal_gbps: 40.0,
        external_gbps,
        utility: Utility::Sigmoid { value: 40.0, decay: 0.4, target: 3.0 },
        workers: WorkerRange { min: 1, max: 12 },
        speeds: Vec::new(),
        needs: Default::default(),
        restart: 0.0,
        resume: true,
        group: String::new(),
        queue: String::new(),
        priority: None,
        limit: None,
        after: Vec::new(),
        after_any: Vec::new(),
        requeue: false,
    }
}

fn function(cluster: &Cluster, jobs: &[Job], grid: &SlotGrid) -> PriceFunction {
    PriceFunction::new(PriceRange::estimate(
        jobs,
        cluster.total(),
        grid,
        syncline_schedule::pricing::Roles::Pooled,
    ))
}

/// A ledger on which other jobs have already reserved here and there.
fn busy_ledger(cluster: &Cluster, grid: SlotGrid, jobs: &[Job], seed: u64) -> Ledger {
    let mut ledger = Ledger::new(cluster, grid, function(cluster, jobs, &grid));
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    for slot in 0..grid.slots {
        for machine in cluster.ids() {
            let placement = Placement::single(machine, rng.random_range(0..3), rng.random_range(0..2));
            ledger.take(slot, &jobs[0], &placement);
        }
    }
    ledger
}

#[test]
fn the_speed_law_has_no_number_of_workers_in_it() {
    let job = job(1e4, 2.0);
    // c = tau + gamma / F * 2 g / b, with g in Gbit: 0.5 + 3 / 12 * 2 * 0.8 / b.
    assert!((job.internal_cost() - (0.5 + 0.25 * 1.6 / 40.0)).abs() < 1e-12);
    assert!((job.external_cost() - (0.5 + 0.25 * 1.6 / 2.0)).abs() < 1e-12);
    let cluster = Cluster::uniform(2, Resources::new(8.0, 64.0, 256.0, 0.0)).unwrap();
    let mut ids = cluster.ids();
    let (first, second) = (ids.next().unwrap(), ids.next().unwrap());
    let alone = Placement::single(first, 3, 1);
    assert!((cluster.rate(&job, &alone) - 3.0 / job.internal_cost()).abs() < 1e-12);
    let mut apart = Placement::single(first, 3, 0);
    apart.add(second, 0, 1);
    // One server elsewhere, and the whole job runs at the external bandwidth (2).
    assert!((cluster.rate(&job, &apart) - 3.0 / job.external_cost()).abs() < 1e-12);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn prices_rise_from_l_to_u(load in 0.0..1.0f64, step in 0.0..0.5f64, ln_base in -60.0..0.0f64, span in 1.0..80.0f64) {
        let range = PriceRange { ln_base, ln_top: [ln_base + span; KINDS] };
        let function = PriceFunction::new(range);
        let capacity = Resources::new(8.0, 64.0, 256.0, 100.0);
        let price = |load: f64| function.unit_prices(&capacity.times(1.0 - load), &capacity).as_array()[0];
        prop_assert!((price(0.0).ln() - ln_base).abs() < 1e-9);
        prop_assert!((price(1.0).ln() - (ln_base + span)).abs() < 1e-9);
        prop_assert!(price((load + step).min(1.0)) >= price(load));
    }

    #[test]
    fn the_table_finds_what_trying_everything_finds(seed in 0u64..1000, work in 2e3..4e4f64, gbps in 0.1..5.0f64) {
        let cluster = Cluster::uniform(3, Resources::new(4.0, 16.0, 64.0, 0.0)).unwrap();
        let grid = SlotGrid::paper(3600.0, 4);
        let jobs = [job(work, gbps)];
        let ledger = busy_ledger(&cluster, grid, &jobs, seed);
        let quanta = 5;
        let options = PlannerOptions {
            quanta: Quanta::PerJob(quanta),
            external: External::Greedy,
            locality: Locality::Aware,
            seed: 1,
            ..PlannerOptions::default()
        };
        let search = Search::new(&cluster, &ledger, &options);
        for alternative in search.alternatives(&jobs[0], work, 0) {
            let tried = brute_force(&search, &jobs[0], work, quanta, alternative.completion);
            let same = (alternative.cost - tried).abs() <= 1e-9 * tried.abs() || (alternative.cost == tried);
            prop_assert!(same, "slot {}: {} against {tried}", alternative.completion, alternative.cost);
        }
    }
}

/// The least cost of spreading `left` quanta over the slots up to `last`, by recursion over all ways.
fn brute_force(search: &Search, job: &Job, work: f64, quanta: u32, last: usize) -> f64 {
    fn go(theta: &[Vec<f64>], slot: usize, left: usize) -> f64 {
        if left == 0 {
            return 0.0;
        }
        let Some(costs) = theta.get(slot) else { return f64::INFINITY };
        let here = costs.iter().enumerate().take(left + 1);
        here.map(|(done, cost)| cost + go(theta, slot + 1, left - done)).fold(f64::INFINITY, f64::min)
    }
    let slot_cost = |slot: usize| {
        let market = search.market(job, slot);
        let cost = |done: u32| slot_cost(&market, job, work * f64::from(done) / f64::from(quanta));
        std::iter::once(0.0).chain((1..=quanta).map(cost)).collect::<Vec<f64>>()
    };
    let theta: Vec<Vec<f64>> = (0..=last).map(slot_cost).collect();
    go(&theta, 0, quanta as usize)
}

fn slot_cost(market: &Market, job: &Job, samples: f64) -> f64 {
    let needed = |cost: f64| (samples * cost / 3600.0 - 1e-9).ceil() as u32;
    let (near, far) = (needed(job.internal_cost()), needed(job.external_cost()));
    let inside = (near <= job.workers.max).then(|| market.internal(near.max(1))).flatten();
    let outside = (far <= job.workers.max).then(|| market.greedy(far.max(1))).flatten();
    [inside, outside].into_iter().flatten().map(|offer| offer.cost).fold(f64::INFINITY, f64::min)
}

/// A market with uneven room and prices.
fn uneven<'a>(job: &'a Job, machines: usize, room: f64, seed: u64) -> Market<'a> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let capacity = Resources::new(1.0, 2.5, 9.0, 1.0);
    let free: Vec<Resources> =
        (0..machines).map(|_| capacity.times(room * rng.random_range(0.5..1.0))).collect();
    let prices: Vec<Resources> = (0..machines)
        .map(|_| Resources::from_array([1.0; KINDS]).times(rng.random_range(0.1..1.0)))
        .collect();
    Market::new(job, &free, &prices, usize::MAX, 0)
}

/// The exact integer optimum by trying every number of tasks on every machine.
fn exact(market: &Market, workers: u32) -> f64 {
    fn go(market: &Market, at: usize, hosted: &mut Vec<(u32, u32)>, workers: u32) -> f64 {
        if at == market.hosts().len() {
            let hired: u32 = hosted.iter().map(|host| host.0).sum();
            let served: u32 = hosted.iter().map(|host| host.1).sum();
            let enough = hired >= workers && served >= market.job.servers_for(workers);
            return if enough { market.offer(hosted).cost } else { f64::INFINITY };
        }
        let mut best = f64::INFINITY;
        for tasks in 0..=market.hosts()[at].workers_fit {
            for servers in 0..=market.hosts()[at].servers_fit {
                hosted.push((tasks, servers));
                let mut fits = vec![(0, 0); market.hosts().len()];
                fits[at] = (tasks, servers);
                if market.fits(&fits) {
                    best = best.min(go(market, at + 1, hosted, workers));
                }
                hosted.pop();
            }
        }
        best
    }
    go(market, 0, &mut Vec::new(), workers)
}

#[test]
fn the_relaxation_bounds_the_integer_optimum_which_bounds_greed() {
    let job = job(1e4, 1.0);
    let mut compared = 0;
    for seed in 0..40 {
        let market = uneven(&job, 3, 4.0, seed);
        let workers = 4 + (seed % 3) as u32;
        let Some(relaxed) = relax(&market, workers, &Microlp).unwrap() else { continue };
        let best = exact(&market, workers);
        assert!(relaxed.cost <= best * (1.0 + 1e-6), "seed {seed}: {} above {best}", relaxed.cost);
        assert!(market.lower_bound(workers).unwrap() <= relaxed.cost * (1.0 + 1e-6), "seed {seed}");
        if let Some(greedy) = market.greedy(workers) {
            assert!(best <= greedy.cost * (1.0 + 1e-9), "seed {seed}");
            // kappa = 3 G / delta with G = 1 and delta = 1.
            assert!(best <= 3.0 * relaxed.cost, "seed {seed}: {best} above three times {}", relaxed.cost);
            compared += 1;
        }
    }
    assert!(compared > 20, "only {compared} markets had room");
}

/// A gain, and the factors that cost, packing and covering rows may be off by.
struct Promise {
    gain: f64,
    cost: f64,
    packing: f64,
    covering: f64,
}

/// The lemma's.
fn promise(lemma: &Lemma, favour: Favour, delta: f64) -> Promise {
    let gain = lemma.gain(delta, favour);
    let (packing, covering) = match favour {
        Favour::Packing => (1.0, lemma.covering_slack(delta, gain)),
        Favour::Covering => (lemma.packing_slack(delta, gain), 1.0),
    };
    Promise { gain, cost: 3.0 * gain / delta, packing, covering }
}

/// How often the three bad events of the rounding lemma happen.
fn bad_events(promise: impl Fn(&Lemma) -> Promise) -> [f64; 3] {
    let job = Job { workers: WorkerRange { min: 1, max: 400 }, batch: 400, ..job(1e4, 1.0) };
    let (mut events, mut trials) = ([0u32; 3], 0u32);
    for seed in 0..20 {
        // As many machines, and as much room on them, as in the settings.
        let market = uneven(&job, 100, 20.0, seed);
        let workers = 120;
        let relaxed = relax(&market, workers, &Microlp).unwrap().unwrap();
        let lemma = Lemma::of(&market, workers);
        let Promise { gain, cost: dear, packing, covering } = promise(&lemma);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        for _ in 0..200 {
            let hosted = round_once(&relaxed, gain, &mut rng);
            trials += 1;
            let cost = market.offer(&hosted).cost;
            events[0] += u32::from(cost > dear * relaxed.cost);
            events[1] += u32::from(overfull(&market, &hosted, packing));
            events[2] += u32::from(uncovered(&market, &hosted, workers, covering));
        }
    }
    events.map(|count| f64::from(count) / f64::from(trials))
}

fn overfull(market: &Market, hosted: &[(u32, u32)], factor: f64) -> bool {
    market.hosts().iter().zip(hosted).any(|(host, &(workers, servers))| {
        let mut need = market.job.worker.times(f64::from(workers));
        need.add(&market.job.server, f64::from(servers));
        !host.free.times(factor).fits(&need)
    })
}

fn uncovered(market: &Market, hosted: &[(u32, u32)], workers: u32, factor: f64) -> bool {
    let hired: u32 = hosted.iter().map(|host| host.0).sum();
    let served: u32 = hosted.iter().map(|host| host.1).sum();
    let ratio = market.job.workers_per_server.unwrap();
    f64::from(hired) < factor * f64::from(workers) || f64::from(served) * ratio < factor * f64::from(workers)
}

#[test]
fn bad_events_of_the_rounding_lemma_stay_below_a_third_of_delta() {
    for favour in [Favour::Packing, Favour::Covering] {
        for delta in [0.5, 0.1] {
            let frequencies = bad_events(|lemma| promise(lemma, favour, delta));
            eprintln!("{favour:?}, delta {delta}: {frequencies:?}");
            for (event, frequency) in ["cost", "packing", "covering"].iter().zip(frequencies) {
                assert!(frequency <= delta / 3.0, "{favour:?}, delta {delta}: {event} {frequency}");
            }
        }
    }
}

#[test]
fn without_the_slack_of_the_lemma_rows_do_break() {
    let [_, packing, covering] =
        bad_events(|_| Promise { gain: 1.0, cost: 3.0, packing: 1.0, covering: 1.0 });
    assert!(packing + covering > 0.1, "packing {packing}, covering {covering}");
    let [_, _, covering] = bad_events(|_| Promise { gain: 0.5, cost: 3.0, packing: 1.0, covering: 1.0 });
    assert!(covering > 0.9, "half of the workers cover all: {covering}");
}

#[test]
fn the_gain_solves_its_equation() {
    let lemma = Lemma { packing_rows: 401.0, covering_rows: 2.0, packing_width: 18.0, covering_width: 10.0 };
    // The figures that the derivation gives for delta = 0.5 and 0.1.
    assert!((lemma.gain(0.5, Favour::Packing) - 0.34).abs() < 0.01);
    assert!((lemma.gain(0.1, Favour::Packing) - 0.31).abs() < 0.01);
    assert!((lemma.gain(0.5, Favour::Covering) - 2.0).abs() < 0.05);
    assert!((lemma.gain(0.1, Favour::Covering) - 2.40).abs() < 0.02);
    for delta in [0.1, 0.5, 1.0] {
        let gain = lemma.gain(delta, Favour::Packing);
        let left = (1.0 - gain).powi(2) * lemma.packing_width / (3.0 * gain);
        assert!((left - (3.0 * lemma.packing_rows / delta).ln()).abs() < 1e-9);
        let gain = lemma.gain(delta, Favour::Covering);
        let left = (gain - 1.0).powi(2) * lemma.covering_width / (2.0 * gain);
        assert!((left - (3.0 * lemma.covering_rows / delta).ln()).abs() < 1e-9);
    }
}
