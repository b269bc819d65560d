//! When Spark should start copies of slow tasks: `spark.speculation.quantile` and `spark.speculation.multiplier`.
//!
//! Spark looks ten times a second. Once a share `quantile` of a stage's tasks is done (rounded down, at least one), a task
//! that has run longer than `multiplier` times the median of those, and than 100 ms, gets one copy on a free slot; who is first counts, the other is killed. A copy
//! helps against bad luck, not against much data: where the log has the stage several times, the part of a task's time
//! that always belongs to its place in the stage is told apart (as for the workers of a training run) and the copy has it
//! too; else its time is taken to be a fresh draw, which flatters speculation.

use rand::RngExt;
use syncline_queueing::sim::{Random, stream};

use super::replay::deviation;
use super::work::{SparkProfile, StageWork};
use crate::{Error, Interval};

const QUANTILES: [f64; 4] = [0.5, 0.75, 0.9, 0.95];
const MULTIPLIERS: [f64; 4] = [1.2, 1.5, 2.0, 3.0];
const FEWEST: usize = 40;
const REPEATS: usize = 3;
const RUNS: u64 = 200;
/// `spark.speculation.interval`
const LOOK_S: f64 = 0.1;
/// `spark.speculation.minTaskRuntime`: no task that has run for less is copied.
const LEAST_S: f64 = 0.1;
/// Tasks that are drawn for a rule, over all its runs.
const DRAWN: u64 = 200_000;
/// Stages of more tasks than this would be played for minutes.
const MOST_TASKS: usize = 10_000;

/// A rule and what it gives, over no speculation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Copies {
    /// `spark.speculation.quantile`
    pub quantile: f64,
    /// `spark.speculation.multiplier`
    pub multiplier: f64,
    /// The stage's time over that without speculation.
    pub time: Interval,
    /// The machine time over that without speculation.
    pub cost: f64,
}

/// What speculation gives the stage that most of the tasks' time is spent in.
#[derive(Debug, Clone, PartialEq)]
pub struct SpeculationForecast {
    /// The operation, and its place in the program.
    pub stage: String,
    /// Its tasks.
    pub tasks: usize,
    /// Tasks of the log that its times are drawn from.
    pub samples: usize,
    /// The share of the variance that belongs to a task's place; `None` if the log has the stage too seldom to tell.
    pub persistent: Option<f64>,
    /// Every rule that the samples support.
    pub rules: Vec<Copies>,
}

impl SpeculationForecast {
    /// The rule with the shortest stage, if it is shorter than without by a hundredth at least and by more than chance.
    pub fn best(&self) -> Option<Copies> {
        let helps = self.rules.iter().filter(|rule| rule.time.value < 0.99 && rule.time.high < 1.0);
        helps.copied().min_by(|a, b| a.time.value.total_cmp(&b.time.value))
    }
}

impl SparkProfile {
    /// Tries rules on the stage that most of the tasks' time is spent in.
    ///
    /// # Errors
    /// [`Error::CannotTell`] if no stage has more than one task, or too few or too many were measured.
    pub fn speculation(&self) -> Result<SpeculationForecast, Error> {
        let alike = self.busiest().ok_or_else(|| Error::CannotTell {
            why: "no ordinary stage of the log has two tasks or more, so that there is nobody to be ahead of"
                .into(),
        })?;
        let times = Times::of(&alike);
        let samples = times.residual_s.len();
        if samples < FEWEST {
            let why =
                format!("{samples} tasks of '{}' do not show their tail; {FEWEST} are needed", alike[0].name);
            return Err(Error::CannotTell { why });
        }
        if times.tasks > MOST_TASKS {
            let why =
                format!("'{}' has {} tasks; {MOST_TASKS} are played at most", alike[0].name, times.tasks);
            return Err(Error::CannotTell { why });
        }
        // Ten of the samples must lie beyond what a rule waits for.
        let supported =
            QUANTILES.into_iter().filter(|quantile| (1.0 - quantile) * samples as f64 >= 10.0 - 1e-9);
        let rules = supported
            .flat_map(|quantile| MULTIPLIERS.into_iter().map(move |multiplier| Rule { quantile, multiplier }))
            .map(|rule| self.compare(&times, rule));
        Ok(SpeculationForecast {
            stage: alike[0].name.clone(),
            tasks: times.tasks,
            samples,
            persistent: times.persistent,
            rules: rules.collect(),
        })
    }

    /// Stages of one name and number of tasks, those that hold slots longest; the first of the log warms up.
    fn busiest(&self) -> Option<Vec<&StageWork>> {
        let stages = self.groups.iter().skip(1).flat_map(|group| &group.stages);
        let mut stages: Vec<&StageWork> =
            stages.filter(|stage| stage.tasks.len() > 1 && !stage.barrier).collect();
        stages.sort_by_key(|stage| stage.family());
        let families = stages.chunk_by(|a, b| a.family() == b.family()).map(<[&StageWork]>::to_vec);
        let held = |family: &[&StageWork]| -> f64 {
            family.iter().flat_map(|stage| &stage.tasks).map(|task| task.work_s).sum()
        };
        families.max_by(|a, b| held(a).total_cmp(&held(b)))
    }

    fn compare(&self, times: &Times, rule: Rule) -> Copies {
        let (mut without, mut with, mut ratios) = ((0.0, 0.0), (0.0, 0.0), Vec::new());
        for index in 0..(DRAWN / times.tasks as u64).clamp(10, RUNS) {
            // The same draws for both.
            let plain = times.play(self.slots, None, &mut stream(17, index));
            let spared = times.play(self.slots, Some(rule), &mut stream(17, index));
            ratios.push(spared.0 / plain.0);
            without = (without.0 + plain.0, without.1 + plain.1);
            with = (with.0 + spared.0, with.1 + spared.1);
        }
        let error = deviation(&ratios) / (ratios.len() as f64).sqrt();
        Copies {
            quantile: rule.quantile,
            multiplier: rule.multiplier,
            time: Interval::around(with.0 / without.0, 2.0 * error),
            cost: with.1 / without.1,
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Rule {
    quantile: f64,
    multiplier: f64,
}

/// Task times of a stage, split by place and chance.
struct Times {
    tasks: usize,
    persistent: Option<f64>,
    place_s: Vec<f64>,
    residual_s: Vec<f64>,
    shortest_s: f64,
}

impl Times {
    fn of(alike: &[&StageWork]) -> Self {
        let tasks = alike[0].tasks.len();
        let work = |stage: &StageWork, at: usize| stage.tasks[at].work_s + stage.turn_s;
        let all = || alike.iter().flat_map(|stage| (0..tasks).map(|at| work(stage, at)));
        let mean = all().sum::<f64>() / (alike.len() * tasks) as f64;
        let shortest_s = all().fold(f64::INFINITY, f64::min);
        if alike.len() < REPEATS {
            let place_s = vec![mean; tasks];
            return Self {
                tasks,
                persistent: None,
                place_s,
                residual_s: all().map(|s| s - mean).collect(),
                shortest_s,
            };
        }
        let repeats = alike.len() as f64;
        let means: Vec<f64> =
            (0..tasks).map(|at| alike.iter().map(|stage| work(stage, at)).sum::<f64>() / repeats).collect();
        let square =
            |values: &mut dyn Iterator<Item = f64>, count: f64| values.map(|x| x * x).sum::<f64>() / count;
        let within = square(
            &mut alike.iter().flat_map(|stage| (0..tasks).map(|at| work(stage, at) - means[at])),
            (repeats - 1.0) * tasks as f64,
        );
        let between = square(&mut means.iter().map(|place| place - mean), (tasks - 1) as f64);
        // Means of repeats differ by chance alone, too; what is left belongs to the place.
        let real = (between - within / repeats).max(0.0);
        let keep = if between > 0.0 { real / between } else { 0.0 };
        let place_s: Vec<f64> = means.iter().map(|place| mean + keep * (place - mean)).collect();
        let residual_s =
            alike.iter().flat_map(|stage| (0..tasks).map(|at| work(stage, at) - place_s[at])).collect();
        let persistent = Some(real / (real + within).max(f64::MIN_POSITIVE));
        Self { tasks, persistent, place_s, residual_s, shortest_s }
    }

    fn draw(&self, at: usize, random: &mut Random) -> f64 {
        let residual = self.residual_s[random.random_range(0..self.residual_s.len())];
        (self.place_s[at] + residual).max(self.shortest_s)
    }

    /// The stage's time and the machine time on `slots`.
    fn play(&self, slots: usize, rule: Option<Rule>, random: &mut Random) -> (f64, f64) {
        let sizes: Vec<f64> = (0..self.tasks).map(|at| self.draw(at, random)).collect();
        // No task has more than one copy.
        let mut free = vec![0.0f64; slots.min(2 * self.tasks)];
        let mut running: Vec<Running> = Vec::with_capacity(self.tasks);
        for (at, size) in sizes.iter().enumerate() {
            let slot = earliest(&free);
            running.push(Running { at, slot, started: free[slot], ended: free[slot] + size });
            free[slot] += size;
        }
        let end = running.iter().map(|task| task.ended).fold(0.0, f64::max);
        let busy: f64 = sizes.iter().sum();
        match rule {
            None => (end, busy),
            Some(rule) => self.with_copies(rule, running, free, busy, random),
        }
    }

    /// Copies of slow tasks once all others are launched: before that no slot is free.
    fn with_copies(
        &self,
        rule: Rule,
        mut running: Vec<Running>,
        mut free: Vec<f64>,
        mut busy: f64,
        random: &mut Random,
    ) -> (f64, f64) {
        let needed = ((rule.quantile * self.tasks as f64).floor() as usize).max(1);
        let mut ends: Vec<f64> = running.iter().map(|task| task.ended).collect();
        ends.sort_by(f64::total_cmp);
        let (mut open, mut done) = ((0..running.len()).collect::<Vec<_>>(), Vec::<f64>::new());
        let mut copied = vec![false; running.len()];
        let mut now = (ends[needed.min(ends.len()) - 1] / LOOK_S).ceil() * LOOK_S;
        loop {
            open.retain(|&at| {
                let Running { started, ended, .. } = running[at];
                if ended <= now {
                    let took = ended - started;
                    done.insert(done.partition_point(|other| *other < took), took);
                }
                ended > now
            });
            if open.is_empty() {
                break;
            }
            let median = done.get(done.len() / 2).copied().unwrap_or(f64::INFINITY);
            let limit = (rule.multiplier * median).max(LEAST_S);
            for &at in &open {
                let task = running[at];
                if copied[at] || now - task.started <= limit {
                    continue;
                }
                let slot = earliest(&free);
                if free[slot] > now {
                    break;
                }
                copied[at] = true;
                let ended = task.ended.min(now + self.draw(task.at, random));
                busy += (ended - now) - (task.ended - ended);
                free[task.slot] = free[task.slot].min(ended);
                free[slot] = ended;
                running[at].ended = ended;
            }
            now += LOOK_S.max(1e-3 * now);
        }
        (running.iter().map(|task| task.ended).fold(0.0, f64::max), busy)
    }
}

#[derive(Debug, Clone, Copy)]
struct Running {
    at: usize,
    slot: usize,
    started: f64,
    ended: f64,
}

fn earliest(free: &[f64]) -> usize {
    (0..free.len()).min_by(|&a, &b| free[a].total_cmp(&free[b])).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use syncline_queueing::speculation::{Original, single_fork};
    use syncline_queueing::{Distribution, Empirical};

    use super::*;

    #[test]
    fn with_slots_to_spare_it_is_the_single_fork() {
        // A tenth of the tasks takes ten times as long, wherever it is.
        let sizes: Vec<f64> =
            (0..100).map(|at| if at % 10 == 0 { 100.0 } else { 10.0 + 0.01 * f64::from(at) }).collect();
        let mean = sizes.iter().sum::<f64>() / 100.0;
        let times = Times {
            tasks: 40,
            persistent: None,
            place_s: vec![mean; 40],
            residual_s: sizes.iter().map(|size| size - mean).collect(),
            shortest_s: 10.0,
        };
        let rule = Rule { quantile: 0.75, multiplier: 1.0 };
        let played: f64 =
            (0..400).map(|index| times.play(80, Some(rule), &mut stream(3, index)).0).sum::<f64>() / 400.0;
        let size = Distribution::empirical(Empirical::new(sizes).unwrap());
        let forked = single_fork(&size, 40, 0.25, 1, Original::Kept).unwrap().latency;
        assert!((played / forked - 1.0).abs() < 0.1, "{played} {forked}");
        let without: f64 =
            (0..400).map(|index| times.play(80, None, &mut stream(3, index)).0).sum::<f64>() / 400.0;
        assert!(played < 0.6 * without, "{played} {without}");
    }

    #[test]
    fn a_task_of_less_than_a_tenth_of_a_second_is_never_copied() {
        let stage = |longest: f64| Times {
            tasks: 10,
            persistent: None,
            place_s: (0..10).map(|at| if at == 0 { longest } else { 0.01 }).collect(),
            residual_s: vec![0.0],
            shortest_s: 0.01,
        };
        let busy = |times: &Times, rule| times.play(20, rule, &mut stream(3, 0)).1;
        let rule = Some(Rule { quantile: 0.5, multiplier: 1.5 });
        // Spark looks at 0.1 s, when the task has run for no longer than that, and again at 0.2 s.
        assert_eq!(busy(&stage(0.15), rule), busy(&stage(0.15), None));
        assert!(busy(&stage(0.35), rule) > busy(&stage(0.35), None));
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "how long it takes is what is tested")]
    fn a_stage_of_thousands_of_tasks_is_played_at_once() {
        let times = Times {
            tasks: 10_000,
            persistent: None,
            place_s: vec![1.0; 10_000],
            residual_s: (0..1000).map(|at| f64::from(at % 100) / 50.0 - 0.9).collect(),
            shortest_s: 0.1,
        };
        let started = std::time::Instant::now();
        times.play(500, Some(Rule { quantile: 0.5, multiplier: 1.2 }), &mut stream(3, 0));
        // It took minutes when every look went over all tasks and all slots.
        assert!(started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
    }

    #[test]
    fn a_rule_is_recommended_from_one_percent_on() {
        let of = |time: Interval| SpeculationForecast {
            stage: "s".into(),
            tasks: 2,
            samples: 40,
            persistent: None,
            rules: vec![Copies { quantile: 0.5, multiplier: 1.5, time, cost: 1.0 }],
        };
        assert_eq!(of(Interval::around(0.999, 0.0005)).best(), None);
        assert_eq!(of(Interval::around(0.9, 0.2)).best(), None);
        assert!(of(Interval::around(0.9, 0.05)).best().is_some());
    }

    #[test]
    fn copies_do_not_help_where_the_data_are_slow() {
        let place_s: Vec<f64> = (0..20).map(|at| if at == 0 { 100.0 } else { 10.0 }).collect();
        let times =
            Times { tasks: 20, persistent: Some(1.0), place_s, residual_s: vec![0.0], shortest_s: 10.0 };
        let rule = Rule { quantile: 0.5, multiplier: 1.5 };
        let (time, busy) = times.play(40, Some(rule), &mut stream(3, 0));
        assert_eq!(time, 100.0);
        assert!(busy > 370.0, "the copy ran for nothing: {busy}");
    }
}
