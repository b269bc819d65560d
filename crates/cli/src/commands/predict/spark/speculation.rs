//! Copies of slow tasks.

use serde::Serialize;
use syncline_predict::{Copies, SparkProfile, SpeculationForecast};
use syncline_terminal::{Page, unit};

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

/// The answer on the page.
pub fn tell(page: &mut Page, told: &Told<Answer>) {
    page.heading("Speculation");
    let answer = match told {
        Told::CannotTell { cannot_tell } => {
            page.line(cannot_tell);
            return;
        }
        Told::Values(answer) => answer,
    };
    let Answer { stage, tasks, samples, persistent_share, best, .. } = answer;
    page.line(&match best {
        None => format!("no rule makes '{stage}' of {tasks} tasks shorter by 1 % or more, beyond chance"),
        Some(Rule { quantile, multiplier, stage_time_ratio: [low, value, high], machine_time_ratio }) => {
            format!(
                "quantile {quantile}, multiplier {multiplier} changes the time of '{stage}' of {tasks} tasks by {:+.1} % \
                 ({:+.1} .. {:+.1}) for {:+.1} % machine time",
                percent(*value),
                percent(*low),
                percent(*high),
                percent(*machine_time_ratio)
            )
        }
    });
    page.bullet(&match persistent_share {
        Some(share) => format!(
            "from {samples} tasks; {} of their variance stays with their place, copies have it too",
            unit::percent(*share)
        ),
        None => format!(
            "from {samples} tasks; copies are taken to be fresh draws, which flatters speculation where data are skewed"
        ),
    });
}

fn percent(ratio: f64) -> f64 {
    100.0 * (ratio - 1.0)
}
