//! How long jobs run, as far as ended jobs tell, and those that still run.
//!
//! Jobs that have ended so far are the short ones; that others have not is news too. So lengths come from the product-limit
//! estimate of Kaplan and Meier (J. Am. Stat. Assoc. 53, 1958), in which a job that still runs counts as longer than it has
//! run. How little a few jobs tell is said by the bootstrap: every draw of the whole queue believes another resampling of
//! them, each with one made-up job that may have any length, so that from nothing at all comes every length alike.

use std::collections::BTreeMap;

use rand::{RngExt, rngs::ChaCha8Rng};
use syncline_terminal::unit::plural;

use crate::snapshot::{Job, Past, Snapshot, Standing};

/// So many ended jobs of a user say more about that user's than all others do.
const OF_ONE: usize = 10;

/// What is known of lengths.
pub struct Lengths {
    history: Vec<Past>,
    known: Vec<Known>,
    /// Whether every job has a limit.
    limited: bool,
}

/// What one job tells.
#[derive(Debug, Clone)]
struct Known {
    user: String,
    /// The part of its limit, if it has one.
    share: Option<f64>,
    seconds: f64,
    /// Whether that is all, or it goes on.
    ended: bool,
}

impl Lengths {
    pub fn of(snapshot: &Snapshot) -> Self {
        let ended = snapshot.history.iter().map(|past| Known {
            user: past.user.clone(),
            share: past.used(),
            seconds: past.seconds,
            ended: true,
        });
        let running = snapshot.jobs.iter().filter_map(|job| {
            let Standing::Running { since, .. } = job.standing else { return None };
            let seconds = (snapshot.now - since).max(0.0);
            let share = job.limit.map(|limit| (seconds / limit).min(1.0));
            Some(Known { user: job.user.clone(), share, seconds, ended: false })
        });
        Self {
            known: ended.chain(running).collect(),
            history: snapshot.history.clone(),
            limited: snapshot.jobs.iter().all(|job| job.limit.is_some()),
        }
    }

    /// Whether every job has a length, if it is not known which.
    pub fn is_known(&self) -> bool {
        self.limited || !self.history.is_empty()
    }

    /// What is known, in words.
    pub fn basis(&self) -> String {
        let mut used: Vec<f64> = self.history.iter().filter_map(Past::used).collect();
        used.sort_by(f64::total_cmp);
        match (used.get(used.len() / 2), self.history.len()) {
            (Some(middle), _) => format!(
                "{}, of which half used less than {:.0} % of their limits",
                plural(used.len() as u64, "ended job"),
                100.0 * middle
            ),
            (None, 0) if self.limited => "no ended jobs: that a job may use any part of its limit".into(),
            (None, 0) => "nothing: jobs without limits, and none that has ended".into(),
            (None, ended) => format!("how long {} ran", plural(ended as u64, "ended job")),
        }
    }

    /// Everybody runs as long as allowed: the whole length of each job.
    pub fn limits(&self, snapshot: &Snapshot) -> Vec<f64> {
        snapshot.jobs.iter().map(|job| job.limit.unwrap_or(f64::INFINITY)).collect()
    }

    /// A length for each job, longer than it has run so far.
    pub fn draw(&self, snapshot: &Snapshot, random: &mut ChaCha8Rng) -> Vec<f64> {
        let mut worlds: BTreeMap<(Option<&str>, bool), Survival> = BTreeMap::new();
        let mut lengths = Vec::new();
        for job in &snapshot.jobs {
            let user = self.alone(&job.user);
            let by_share = job.limit.is_some();
            let world = worlds.entry((user, by_share)).or_insert_with(|| self.world(user, by_share, random));
            lengths.push(world.length(snapshot.now, job, random));
        }
        lengths
    }

    /// The user, if enough is known of that one's jobs alone.
    fn alone<'a>(&self, user: &'a str) -> Option<&'a str> {
        let own = self.history.iter().filter(|past| past.user == user).count();
        (own >= OF_ONE && own < self.history.len()).then_some(user)
    }

    /// What one draw believes of a user's jobs, or of all.
    fn world(&self, user: Option<&str>, by_share: bool, random: &mut ChaCha8Rng) -> Survival {
        let of = |known: &&Known| user.is_none_or(|user| known.user == user);
        let value = |known: &Known| Some((if by_share { known.share? } else { known.seconds }, known.ended));
        let all: Vec<(f64, bool)> = self.known.iter().filter(of).filter_map(value).collect();
        let most = all.iter().map(|(value, _)| *value).fold(1.0, f64::max);
        let mut drawn: Vec<(f64, bool)> =
            all.iter().map(|_| all[random.random_range(0..all.len())]).collect();
        let end = if by_share { 1.0 } else { 2.0 * most };
        drawn.push((end * random.random::<f64>(), true));
        Survival::of(drawn, end)
    }
}

/// Which part of jobs last longer than a length: steps down, and a straight line to the end for what is left.
struct Survival {
    /// Lengths, and the part of jobs that last longer; sorted.
    steps: Vec<(f64, f64)>,
    /// No job is longer.
    end: f64,
}

impl Survival {
    /// The product-limit estimate from lengths, of which some go on.
    fn of(mut drawn: Vec<(f64, bool)>, end: f64) -> Self {
        // Of those at one length, those that end do so before those that go on.
        drawn.sort_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
        let (mut left, mut at_risk) = (1.0, drawn.len() as f64);
        let mut steps = Vec::new();
        for (value, ended) in drawn {
            if ended {
                left *= 1.0 - 1.0 / at_risk;
                steps.push((value, left));
            }
            at_risk -= 1.0;
        }
        Self { steps, end }
    }

    fn length(&self, now: f64, job: &Job, random: &mut ChaCha8Rng) -> f64 {
        let ran = match job.standing {
            Standing::Running { since, .. } => (now - since).max(0.0),
            Standing::Waiting(_) => 0.0,
        };
        let unit = job.limit.unwrap_or(1.0);
        unit * self.beyond(ran / unit, random)
    }

    /// A length beyond what is over already.
    fn beyond(&self, over: f64, random: &mut ChaCha8Rng) -> f64 {
        let first = self.steps.partition_point(|(value, _)| *value <= over);
        let left = if first == 0 { 1.0 } else { self.steps[first - 1].1 };
        let drawn = left * random.random::<f64>();
        if let Some((value, _)) = self.steps[first..].iter().find(|(_, left)| *left <= drawn) {
            return *value;
        }
        // Longer than any that ended.
        let least = self.steps.last().map_or(0.0, |(value, _)| *value).max(over);
        if self.end > least {
            least + (self.end - least) * random.random::<f64>()
        } else {
            least * (1.0 + random.random::<f64>())
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    /// Of four jobs two ended at 1 and 3, one went on at 2: half of what is left at 3 ends there.
    #[test]
    fn jobs_that_go_on_count_as_longer() {
        let survival = Survival::of(vec![(1.0, true), (2.0, false), (3.0, true), (4.0, false)], 5.0);
        assert_eq!(survival.steps, [(1.0, 0.75), (3.0, 0.375)]);
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let drawn: Vec<f64> = (0..4000).map(|_| survival.beyond(0.0, &mut random)).collect();
        let share =
            |of: &dyn Fn(f64) -> bool| drawn.iter().filter(|length| of(**length)).count() as f64 / 4000.0;
        assert!((share(&|length| length == 1.0) - 0.25).abs() < 0.03);
        assert!((share(&|length| length == 3.0) - 0.375).abs() < 0.03);
        assert!((share(&|length| (3.0..=5.0).contains(&length) && length > 3.0) - 0.375).abs() < 0.03);
        assert!((0..100).all(|_| survival.beyond(1.5, &mut random) >= 3.0), "what is over is over");
    }
}
