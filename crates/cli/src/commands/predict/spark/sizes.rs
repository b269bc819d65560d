//! Other numbers of cores and executors, with other memory, fixed or on demand, and what they cost.

use std::path::Path;

use serde::Serialize;
use syncline_predict::{ClusterForecast, Interval, Limit, SparkForecast, SparkProfile, Tariff};
use syncline_terminal::{Cell, Column, Page, Style, Table, unit};

use super::plan::{Asked, Plan};
use super::{Options, Told, three};
use crate::commands::queue::{plot, sweep};
use crate::failure::Failure;

/// One size's answer.
#[derive(Serialize)]
pub struct Row {
    /// Tasks that can run at once; at most, where executors come on demand.
    cores: usize,
    #[serde(flatten)]
    asked: Option<Shape>,
    #[serde(flatten)]
    answer: Told<Values>,
}

/// A cluster by its executors.
#[derive(Serialize, Clone, Copy)]
struct Shape {
    /// Absent where they come on demand.
    #[serde(skip_serializing_if = "Option::is_none")]
    executors: Option<usize>,
    executor_cores: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    executor_memory_bytes: Option<u64>,
    dynamic_allocation: bool,
}

#[derive(Serialize, Clone)]
struct Values {
    job_s: [f64; 3],
    wall_s: [f64; 3],
    sparklens_job_s: f64,
    busy_share: f64,
    core_hours: [f64; 3],
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<[f64; 3]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    most_executors: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    spilled_bytes: Option<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    assumed: Vec<String>,
}

/// The best size for a limit.
#[derive(Serialize)]
pub struct Choice {
    limit: &'static str,
    of: f64,
    #[serde(flatten)]
    row: Told<Chosen>,
}

/// By its position in the list of sizes.
#[derive(Serialize, Clone, Copy)]
struct Chosen {
    row: usize,
}

/// All answers.
#[derive(Serialize)]
pub struct Answer {
    pub sizes: Vec<Row>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    best: Vec<Choice>,
}

/// Asks for every size.
pub fn ask(profile: &SparkProfile, options: &Options) -> Result<Answer, Failure> {
    let plan = Plan::new(profile, options)?;
    let sizes: Vec<Row> = plan.sizes.iter().map(|asked| row(profile, asked, options.price)).collect();
    let priced: Vec<(usize, (Interval, Interval))> = sizes
        .iter()
        .enumerate()
        .filter_map(|(at, row)| match &row.answer {
            Told::Values(values) => Some((at, (interval(values.wall_s), interval(values.cost?)))),
            Told::CannotTell { .. } => None,
        })
        .collect();
    let best = plan.limits.iter().map(|limit| choice(*limit, &priced)).collect();
    Ok(Answer { sizes, best })
}

fn interval([low, value, high]: [f64; 3]) -> Interval {
    Interval { value, low, high }
}

fn choice(limit: Limit, priced: &[(usize, (Interval, Interval))]) -> Choice {
    let list: Vec<(Interval, Interval)> = priced.iter().map(|row| row.1).collect();
    let row = Told::of(limit.best(&list).map(|at| Chosen { row: priced[at].0 }));
    match limit {
        Limit::Deadline(of) => Choice { limit: "deadline_s", of, row },
        Limit::Budget(of) => Choice { limit: "budget", of, row },
    }
}

fn row(profile: &SparkProfile, asked: &Asked, price: Option<Tariff>) -> Row {
    let each = profile.shape().1;
    match asked {
        Asked::Slots(size) => {
            let told = profile.at(*size).map(|forecast| of_slots(forecast, each, price));
            Row { cores: size.slots, asked: None, answer: Told::of(told) }
        }
        Asked::Cluster(cluster) => {
            let forecast = profile.on(cluster);
            let most = forecast.as_ref().map_or(cluster.executors, |forecast| forecast.executors);
            let shape = Shape {
                executors: cluster.on_demand.is_none().then_some(cluster.executors),
                executor_cores: cluster.cores_each,
                executor_memory_bytes: cluster.memory,
                dynamic_allocation: cluster.on_demand.is_some(),
            };
            let told = forecast.map(|forecast| of_cluster(forecast, price));
            Row { cores: most * cluster.cores_each, asked: Some(shape), answer: Told::of(told) }
        }
    }
}

/// Executors of the log's kind are held from the start to the end.
fn of_slots(forecast: SparkForecast, each: usize, price: Option<Tariff>) -> Values {
    let SparkForecast { slots, job_s, wall_s, sparklens_s, busy_share } = forecast;
    let held = |s: f64| s * slots as f64 / each as f64;
    let executor_s = Interval { value: held(wall_s.value), low: held(wall_s.low), high: held(wall_s.high) };
    Values {
        job_s: three(job_s),
        wall_s: three(wall_s),
        sparklens_job_s: sparklens_s,
        busy_share,
        core_hours: three(executor_s).map(|s| s * each as f64 / 3600.0),
        cost: price.map(|price| three(price.of(executor_s, each))),
        most_executors: None,
        spilled_bytes: None,
        assumed: Vec::new(),
    }
}

fn of_cluster(forecast: ClusterForecast, price: Option<Tariff>) -> Values {
    let each = forecast.cores_each;
    Values {
        job_s: three(forecast.job_s),
        wall_s: three(forecast.wall_s),
        sparklens_job_s: forecast.sparklens_s,
        busy_share: forecast.busy_share,
        core_hours: three(forecast.executor_s).map(|s| s * each as f64 / 3600.0),
        cost: price.map(|price| three(price.of(forecast.executor_s, each))),
        most_executors: Some(forecast.executors),
        spilled_bytes: Some(forecast.spilled_b),
        assumed: forecast.assumed,
    }
}

/// The answers on the page.
pub fn tell(page: &mut Page, Answer { sizes, best }: &Answer, machine_cores: Option<f64>, is_hardware: bool) {
    page.heading("Other sizes");
    if let Some(cores) = machine_cores {
        page.line(&match is_hardware {
            true => format!(
                "each on one machine that has as many cores as are asked for; the log's has {cores} (--machine-cores if not, --slots for \
                 more tasks on it)"
            ),
            false => format!("on one machine whose {cores} cores all slots share (--machine-cores if it has others)"),
        });
    }
    let is_priced =
        sizes.iter().any(|row| matches!(&row.answer, Told::Values(values) if values.cost.is_some()));
    let has_shape = sizes.iter().any(|row| row.asked.is_some());
    let mut columns =
        vec![if has_shape { Column::text("executors").wraps_at(12) } else { Column::number("cores") }];
    columns.extend([
        Column::number("time in jobs").dropped(5),
        Column::number("time in all"),
        Column::number(if is_priced { "cost" } else { "core hours" }).dropped(4),
        Column::number("Sparklens").dropped(2),
        Column::number("slots busy").dropped(1),
    ]);
    let mut table = Table::new(columns);
    let chosen: Vec<usize> = best
        .iter()
        .filter_map(|choice| match choice.row {
            Told::Values(Chosen { row }) => Some(row),
            Told::CannotTell { .. } => None,
        })
        .collect();
    for (at, row) in sizes.iter().enumerate() {
        if let Told::Values(values) = &row.answer {
            let name = row.name();
            let name = if chosen.contains(&at) { Cell::styled(name, Style::Good) } else { Cell::from(name) };
            table.row([
                name,
                unit::seconds_within(values.job_s).into(),
                unit::seconds_within(values.wall_s).into(),
                unit::amount_within(values.cost.unwrap_or(values.core_hours)).into(),
                unit::seconds(values.sparklens_job_s).into(),
                unit::percent(values.busy_share).into(),
            ]);
        }
    }
    if !table.is_empty() {
        page.table(&table);
    }
    remarks(page, sizes);
    best.iter().for_each(|choice| tell_best(page, sizes, choice));
}

/// What cannot be told, what is spilled, and what was taken for granted, each once.
fn remarks(page: &mut Page, sizes: &[Row]) {
    let mut said: Vec<&str> = Vec::new();
    for row in sizes {
        match &row.answer {
            Told::CannotTell { cannot_tell } => {
                page.bullet(&format!("{}: {cannot_tell}", row.name()));
            }
            Told::Values(values) => {
                if values.spilled_bytes.is_some_and(|bytes| bytes > 0.0) {
                    let bytes = unit::bytes(values.spilled_bytes.unwrap_or(0.0));
                    page.bullet(&format!("{}: tasks spill {bytes}", row.name()));
                }
                said.extend(values.assumed.iter().map(String::as_str));
            }
        }
    }
    said.sort_unstable();
    said.dedup();
    said.iter().for_each(|assumed| {
        page.bullet(&format!("taken for granted: {assumed}"));
    });
}

fn tell_best(page: &mut Page, sizes: &[Row], choice: &Choice) {
    let limit = match choice.limit {
        "budget" => format!("the fastest that {} buys", unit::amount(choice.of)),
        _ => format!("the cheapest that is done within {}", unit::seconds(choice.of)),
    };
    page.line(&match &choice.row {
        Told::CannotTell { cannot_tell } => format!("{limit}: {cannot_tell}"),
        Told::Values(Chosen { row }) => match &sizes[*row].answer {
            Told::Values(values) => format!(
                "{limit}: {}, {} for {}",
                sizes[*row].name(),
                unit::seconds_within(values.wall_s),
                unit::amount_within(values.cost.unwrap_or_default())
            ),
            Told::CannotTell { cannot_tell } => format!("{limit}: {cannot_tell}"),
        },
    });
}

impl Row {
    /// `4 x 2 cores, 4 GB`, `8 cores`.
    fn name(&self) -> String {
        let Some(shape) = self.asked else { return self.cores.to_string() };
        let memory = shape
            .executor_memory_bytes
            .map_or(String::new(), |bytes| format!(", {} MiB", unit::count(bytes >> 20)));
        let count = match (shape.executors, &self.answer) {
            (Some(count), _) => count.to_string(),
            (None, Told::Values(Values { most_executors: Some(most), .. })) => format!("up to {most}"),
            (None, _) => "on demand".to_owned(),
        };
        format!("{count} x {}{memory}", unit::plural(shape.executor_cores as u64, "core"))
    }
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
