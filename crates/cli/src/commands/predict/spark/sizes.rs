//! Other numbers of cores and executors.

use std::path::Path;

use serde::Serialize;
use syncline_predict::{Size, SparkForecast, SparkProfile};

use super::{Options, Told, shown, three};
use crate::{
    commands::queue::{plot, sweep},
    failure::Failure,
    list::numbers,
};

/// One size's answer.
#[derive(Serialize)]
pub struct Row {
    cores: usize,
    #[serde(flatten)]
    answer: Told<Values>,
}

#[derive(Serialize, Clone)]
struct Values {
    job_s: [f64; 3],
    wall_s: [f64; 3],
    sparklens_job_s: f64,
    busy_share: f64,
}

impl From<SparkForecast> for Values {
    fn from(forecast: SparkForecast) -> Self {
        let SparkForecast { job_s, wall_s, sparklens_s, busy_share, .. } = forecast;
        Self { job_s: three(job_s), wall_s: three(wall_s), sparklens_job_s: sparklens_s, busy_share }
    }
}

/// Asks for every size.
pub fn ask(profile: &SparkProfile, options: &Options) -> Result<Vec<Row>, Failure> {
    let Options { machine_cores, pressure, .. } = *options;
    if machine_cores.is_some_and(|cores| !(0.1..=1e6).contains(&cores)) {
        return Err(Failure::Usage("--machine-cores must be positive: from 0.1 to a million".into()));
    }
    if pressure.is_some_and(|ratio| !(1.0..=1e6).contains(&ratio)) {
        let why = "--pressure is 1 on an idle machine and more, up to a million, on a busy one";
        return Err(Failure::Usage(why.into()));
    }
    let slots = match (&options.cores, &options.executors) {
        (Some(list), _) => numbers("--cores", list)?,
        (None, Some(list)) => {
            let each = profile.slots as f64 / profile.executors.max(1) as f64;
            let slots = |count: usize| ((count as f64 * each).round() as usize).max(1);
            numbers("--executors", list)?.into_iter().map(slots).collect()
        }
        (None, None) => [profile.slots / 2, profile.slots, 2 * profile.slots, 4 * profile.slots]
            .into_iter()
            .filter(|slots| *slots > 0)
            .collect(),
    };
    let row = |slots: usize| {
        let answer = Told::of(profile.at(Size { slots, machine_cores, hardware: None, pressure }));
        Row { cores: slots, answer }
    };
    Ok(slots.into_iter().map(row).collect())
}

/// The answers as lines.
pub fn text(rows: &[Row], machine_cores: Option<f64>) -> Vec<String> {
    let mut lines = Vec::new();
    lines.extend(machine_cores.map(|cores| {
        format!("other sizes, on one machine whose {cores} cores all slots share (--machine-cores if it has others)")
    }));
    lines.push(format!(
        "{:>6} {:>30} {:>30} {:>12} {:>6}",
        "cores", "s in jobs", "s in all", "run times", "busy"
    ));
    for Row { cores, answer } in rows {
        lines.push(match answer {
            Told::Values(values) => format!(
                "{cores:>6} {} {} {:>12.2} {:>4.0} %",
                shown(values.job_s),
                shown(values.wall_s),
                values.sparklens_job_s,
                100.0 * values.busy_share
            ),
            Told::CannotTell { cannot_tell } => format!("{cores:>6} {cannot_tell}"),
        });
    }
    lines
}

/// Draws the time in jobs over the cores, beside Sparklens' method and what was measured.
pub fn plot(path: &Path, title: &str, rows: &[Row], measured: (usize, f64)) -> Result<(), Failure> {
    let told = || {
        rows.iter().filter_map(|row| match &row.answer {
            Told::Values(values) => Some((row.cores as f64, values)),
            Told::CannotTell { .. } => None,
        })
    };
    let ours = told().map(|(rate, values)| {
        let [low, value, high] = values.job_s;
        sweep::Point { rate, value, half_width: 0.5 * (high - low), bounds: Some([low, high]) }
    });
    let lens = told().map(|(rate, values)| sweep::Point {
        rate,
        value: values.sparklens_job_s,
        half_width: 0.0,
        bounds: None,
    });
    let own = sweep::Point { rate: measured.0 as f64, value: measured.1, half_width: 0.0, bounds: None };
    let series = |name: &str, kind: &str, points: Vec<sweep::Point>| sweep::Series {
        name: name.into(),
        kind: kind.into(),
        points,
    };
    let list = [
        series("whole tasks with overheads", "prediction", ours.collect()),
        series("run times alone", "Sparklens", lens.collect()),
        series("measured", "measured", vec![own]),
    ];
    plot::draw(path, title, ("cores", "seconds in jobs"), &list)
}
