//! Synthetic settings: the ranges of the PD-ORS evaluation, as recalled (`literal`) and scaled so that jobs
//! can finish within the horizon (`calibrated`).
//!
//! The paper's own table could not be read. Every range here carries a confidence in the project's notes: the
//! epochs, the model sizes, the ratio, the demands and the utility mix are well supported (they equal
//! OASiS'); the data set sizes, the batch, the per-sample time, the capacities and the internal bandwidth are
//! not. So all of them are fields.

use std::ops::RangeInclusive;

use rand::{Rng, RngExt, SeedableRng, rngs::ChaCha8Rng};

use crate::{
    error::{Error, Result},
    model::{Cluster, Job, JobId, Resources, Utility, WorkerRange},
    pricing::SlotGrid,
};

/// The shares of time-insensitive, time-sensitive and time-critical jobs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mix {
    /// Decay 0.
    pub insensitive: f64,
    /// Decay in [0.01, 1].
    pub sensitive: f64,
}

impl Mix {
    /// 10 / 55 / 35 per cent: the papers'.
    pub const PAPER: Self = Self { insensitive: 0.10, sensitive: 0.55 };
    /// 38.3 / 60.9 / 0.8 per cent: the scheduling classes of the Google cluster trace of 2011.
    pub const GOOGLE: Self = Self { insensitive: 0.383, sensitive: 0.609 };
}

/// When jobs arrive.
#[derive(Debug, Clone, PartialEq)]
pub enum Arrivals {
    /// Slots of odd number get half as many as those of even number.
    Alternating,
    /// In proportion to these weights, repeated over the horizon (the Google trace's jobs an hour).
    Weighted(Vec<f64>),
}

/// A distribution of instances. Times are in slots of [`Setting::grid`].
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// Its name.
    pub name: &'static str,
    /// Slot length and horizon.
    pub grid: SlotGrid,
    /// Machines.
    pub machines: usize,
    /// Jobs.
    pub jobs: usize,
    /// Capacity of a machine.
    pub capacity: Resources,
    /// Epochs E.
    pub epochs: RangeInclusive<u32>,
    /// Samples of the data set K.
    pub samples: RangeInclusive<f64>,
    /// Global batch F.
    pub batch: RangeInclusive<u32>,
    /// Slots per sample tau.
    pub slots_per_sample: RangeInclusive<f64>,
    /// Gradient size g in MB.
    pub gradient_mb: RangeInclusive<f64>,
    /// Ratio gamma.
    pub workers_per_server: RangeInclusive<f64>,
    /// External bandwidth.
    pub external_gbps: RangeInclusive<f64>,
    /// Internal bandwidth.
    pub internal_gbps: RangeInclusive<f64>,
    /// Utility mix.
    pub mix: Mix,
    /// Arrival pattern.
    pub arrivals: Arrivals,
    /// Restart seconds of every job.
    pub restart: f64,
    /// By which factor the believed workload may be off; none: it is known.
    pub misestimate: Option<RangeInclusive<f64>>,
}

impl Setting {
    /// The ranges of the evaluation with K / 10 and F at least 50, so that nearly every job could finish alone.
    pub fn calibrated() -> Self {
        Self {
            name: "calibrated",
            grid: SlotGrid::paper(3600.0, 20),
            machines: 100,
            jobs: 50,
            capacity: Resources::new(36.0, 99.0, 306.0, 135.0),
            epochs: 50..=200,
            samples: 2e3..=5e4,
            batch: 50..=200,
            slots_per_sample: 1e-5..=1e-4,
            gradient_mb: 30.0..=575.0,
            workers_per_server: 1.0..=10.0,
            external_gbps: 0.1..=5.0,
            internal_gbps: 20.0..=50.0,
            mix: Mix::PAPER,
            arrivals: Arrivals::Alternating,
            restart: 0.0,
            misestimate: None,
        }
    }

    /// The recalled ranges literally: most jobs cannot finish within the horizon even alone. A stress set.
    pub fn literal() -> Self {
        Self { name: "literal", samples: 2e4..=5e5, batch: 1..=200, ..Self::calibrated() }
    }

    /// By name.
    ///
    /// # Errors
    /// An unknown name.
    pub fn named(name: &str) -> Result<Self> {
        match name {
            "calibrated" => Ok(Self::calibrated()),
            "literal" => Ok(Self::literal()),
            _ => {
                Err(Error::Unknown { kind: "setting", name: name.into(), valid: "calibrated literal".into() })
            }
        }
    }

    /// The most jobs, and the most machines.
    const MOST: usize = 1_000_000;

    /// The machines.
    ///
    /// # Errors
    /// No machines.
    pub fn cluster(&self) -> Result<Cluster> {
        Cluster::uniform(self.machines, self.capacity)
    }

    /// Refuses numbers of which nothing can be drawn.
    ///
    /// # Errors
    /// No machine, no job, too many of them, no slots, a range of bandwidths or estimates that is not positive.
    pub fn validate(&self) -> Result<()> {
        for (what, count) in [("machine", self.machines), ("job", self.jobs)] {
            if count == 0 {
                return Err(Error::Empty { what });
            }
            if count > Self::MOST {
                return Err(Error::Invalid {
                    subject: "setting".into(),
                    field: format!("number of {what}s"),
                    found: count.to_string(),
                    wanted: "it is at most 1000000",
                });
            }
        }
        let positive = |field: &str, range: &RangeInclusive<f64>| {
            let valid = *range.start() > 0.0 && range.end().is_finite();
            valid.then_some(()).ok_or_else(|| Error::Invalid {
                subject: "setting".into(),
                field: field.into(),
                found: format!("{range:?}"),
                wanted: "it is a range of positive numbers",
            })
        };
        positive("external_gbps", &self.external_gbps)?;
        self.misestimate.iter().try_for_each(|range| positive("misestimate", range))?;
        self.grid.validate()
    }

    /// The jobs of a seed, in order of arrival.
    pub fn draw(&self, seed: u64) -> Vec<Job> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut jobs: Vec<Job> = (0..self.jobs).map(|_| self.job(&mut rng)).collect();
        jobs.sort_by(|a, b| a.arrival.total_cmp(&b.arrival));
        if let Some(factors) = &self.misestimate {
            jobs.iter_mut()
                .for_each(|job| job.estimate = Some(job.workload * rng.random_range(factors.clone())));
        }
        for (index, job) in jobs.iter_mut().enumerate() {
            job.id = JobId(index as u32);
            job.name = format!("job-{index}");
        }
        jobs
    }

    fn job(&self, rng: &mut impl Rng) -> Job {
        let epochs = f64::from(rng.random_range(self.epochs.clone()));
        let samples = rng.random_range(self.samples.clone()).round();
        let batch = rng.random_range(self.batch.clone());
        let whole = |rng: &mut dyn Rng, range: RangeInclusive<u32>| f64::from(rng.random_range(range));
        let rest = |rng: &mut dyn Rng, gpus: f64| {
            let cpus = whole(rng, 1..=10);
            Resources::new(gpus, cpus, rng.random_range(2.0..=32.0), rng.random_range(5.0..=10.0))
        };
        let gpus = whole(rng, 0..=4);
        Job {
            id: JobId(0),
            name: String::new(),
            arrival: self.arrival(rng) as f64 * self.grid.slot,
            workload: epochs * samples,
            estimate: None,
            batch,
            noise_scale: None,
            most_batch: None,
            seconds_per_sample: rng.random_range(self.slots_per_sample.clone()) * self.grid.slot,
            gradient_mb: rng.random_range(self.gradient_mb.clone()),
            workers_per_server: Some(rng.random_range(self.workers_per_server.clone())),
            worker: rest(rng, gpus),
            server: rest(rng, 0.0),
            internal_gbps: rng.random_range(self.internal_gbps.clone()),
            external_gbps: rng.random_range(self.external_gbps.clone()),
            utility: self.utility(rng),
            workers: WorkerRange { min: 1, max: batch },
            speeds: Vec::new(),
            needs: Default::default(),
            restart: self.restart,
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

    fn arrival(&self, rng: &mut impl Rng) -> usize {
        let weight = |slot: usize| match &self.arrivals {
            Arrivals::Alternating => [1.0, 2.0][slot % 2],
            Arrivals::Weighted(weights) => weights[slot % weights.len()],
        };
        let total: f64 = (0..self.grid.slots).map(weight).sum();
        let mut left = rng.random::<f64>() * total;
        for slot in 0..self.grid.slots {
            left -= weight(slot);
            if left < 0.0 {
                return slot;
            }
        }
        self.grid.slots - 1
    }

    fn utility(&self, rng: &mut impl Rng) -> Utility {
        let class: f64 = rng.random();
        let decay = if class < self.mix.insensitive {
            0.0
        } else if class < self.mix.insensitive + self.mix.sensitive {
            rng.random_range(0.01..=1.0)
        } else {
            rng.random_range(4.0..=6.0)
        };
        Utility::Sigmoid { value: rng.random_range(1.0..=100.0), decay, target: rng.random_range(1.0..=15.0) }
    }
}
