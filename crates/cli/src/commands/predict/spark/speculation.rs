//! Copies of slow tasks.

use serde::Serialize;
use syncline_predict::{Copies, SparkProfile, SpeculationForecast};

use super::{Told, three};

/// What speculation would give.
#[derive(Serialize, Clone)]
pub struct Answer {
    stage: String,
    tasks: usize,
    samples: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    persistent_share: Option<f64>,
    best: Option<Rule>,
    rules: Vec<Rule>,
}

#[derive(Serialize, Clone, Copy)]
struct Rule {
    quantile: f64,
    multiplier: f64,
    stage_time_ratio: [f64; 3],
    machine_time_ratio: f64,
}

impl From<Copies> for Rule {
    fn from(Copies { quantile, multiplier, time, cost }: Copies) -> Self {
        Self { quantile, multiplier, stage_time_ratio: three(time), machine_time_ratio: cost }
    }
}

impl From<SpeculationForecast> for Answer {
    fn from(forecast: SpeculationForecast) -> Self {
        let best = forecast.best().map(Rule::from);
        let SpeculationForecast { stage, tasks, samples, persistent, rules } = forecast;
        let rules = rules.into_iter().map(Rule::from).collect();
        Self { stage, tasks, samples, persistent_share: persistent, best, rules }
    }
}

/// Asks for the best rule.
pub fn ask(profile: &SparkProfile) -> Told<Answer> {
    Told::of(profile.speculation())
}

/// The answer as lines.
pub fn text(told: &Told<Answer>) -> Vec<String> {
    let answer = match told {
        Told::CannotTell { cannot_tell } => return vec![format!("speculation: {cannot_tell}")],
        Told::Values(answer) => answer,
    };
    let Answer { stage, tasks, samples, persistent_share, best, .. } = answer;
    let mut lines = vec![match best {
        None => format!(
            "speculation: no rule makes '{stage}' of {tasks} tasks shorter by 1 % or more, beyond chance"
        ),
        Some(Rule { quantile, multiplier, stage_time_ratio: [low, value, high], machine_time_ratio }) => {
            format!(
                "speculation: quantile {quantile}, multiplier {multiplier} changes the time of '{stage}' of {tasks} tasks by {:+.1} % \
             ({:+.1} .. {:+.1}) for {:+.1} % machine time",
                percent(*value),
                percent(*low),
                percent(*high),
                percent(*machine_time_ratio)
            )
        }
    }];
    lines.push(match persistent_share {
        Some(share) => format!("  from {samples} tasks; {:.0} % of their variance stays with their place, copies have it too", 100.0 * share),
        None => format!("  from {samples} tasks; copies are taken to be fresh draws, which flatters speculation where data are skewed"),
    });
    lines
}

fn percent(ratio: f64) -> f64 {
    100.0 * (ratio - 1.0)
}
