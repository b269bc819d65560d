//! How long jobs run, as far as ended jobs tell.

use rand::{RngExt, rngs::ChaCha8Rng, seq::IndexedRandom};

use crate::snapshot::{Job, Past, Snapshot, Standing};

/// So many ended jobs of a user say more about that user's than all others do.
const OF_ONE: usize = 10;

/// What is known of lengths.
pub struct Lengths {
    history: Vec<Past>,
    /// Whether every job has a limit.
    limited: bool,
}

impl Lengths {
    pub fn of(snapshot: &Snapshot) -> Self {
        Self {
            history: snapshot.history.clone(),
            limited: snapshot.jobs.iter().all(|job| job.limit.is_some()),
        }
    }

    /// Whether a job that has no limit has a length.
    pub fn is_known(&self) -> bool {
        self.limited || !self.history.is_empty()
    }

    /// What is known, in words.
    pub fn basis(&self) -> String {
        let mut used: Vec<f64> = self.history.iter().filter_map(Past::used).collect();
        used.sort_by(f64::total_cmp);
        match (used.get(used.len() / 2), self.history.len()) {
            (Some(middle), _) => format!(
                "{} ended jobs, of which half used less than {:.0} % of their limits",
                used.len(),
                100.0 * middle
            ),
            (None, 0) if self.limited => "no ended jobs: that a job may use any part of its limit".into(),
            (None, 0) => "nothing: jobs without limits, and none that has ended".into(),
            (None, ended) => format!("how long {ended} ended jobs ran"),
        }
    }

    /// Everybody runs as long as allowed: the whole length of each job.
    pub fn limits(&self, snapshot: &Snapshot) -> Vec<f64> {
        snapshot.jobs.iter().map(|job| job.limit.unwrap_or(f64::INFINITY)).collect()
    }

    /// A length for each job, longer than it has run so far.
    pub fn draw(&self, snapshot: &Snapshot, random: &mut ChaCha8Rng) -> Vec<f64> {
        snapshot.jobs.iter().map(|job| self.of_job(snapshot.now, job, random)).collect()
    }

    fn of_job(&self, now: f64, job: &Job, random: &mut ChaCha8Rng) -> f64 {
        let ran = match job.standing {
            Standing::Running { since, .. } => (now - since).max(0.0),
            Standing::Waiting(_) => 0.0,
        };
        let length = |past: &Past| match (past.used(), job.limit) {
            (Some(used), Some(limit)) => Some(used * limit),
            (_, None) => Some(past.seconds),
            (None, Some(limit)) => Some(past.seconds.min(limit)),
        };
        let known: Vec<f64> =
            self.alike(job).iter().filter_map(|past| length(past)).filter(|length| *length > ran).collect();
        if let Some(length) = known.choose(random) {
            return *length;
        }
        match job.limit {
            Some(limit) if limit > ran => ran + (limit - ran) * random.random::<f64>(),
            Some(limit) => limit.max(ran + 1.0),
            // Longer than anybody's before it: as long again as it has run, more or less.
            None => ran * (1.0 + 2.0 * random.random::<f64>()) + 1.0,
        }
    }

    fn alike(&self, job: &Job) -> Vec<&Past> {
        let own: Vec<&Past> = self.history.iter().filter(|past| past.user == job.user).collect();
        if own.len() >= OF_ONE { own } else { self.history.iter().collect() }
    }
}
