//! Synchronisation points: what each costs, and the application without barrier mode, or with it.

use serde::Serialize;
use syncline_predict::{BarrierForecast, BarrierWaits, Error, Price, SparkProfile};
use syncline_terminal::{Column, Page, Table, unit};

use super::{Options, Told, three};

/// All that is known of the application's synchronisation points.
#[derive(Serialize)]
pub struct Answer {
    prices: Vec<Priced>,
    #[serde(skip_serializing_if = "Option::is_none")]
    without_barrier: Option<Told<Changed>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    with_barrier: Option<Told<Changed>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    barrier_waits: Option<Told<Vec<Waited>>>,
}

#[derive(Serialize)]
struct Priced {
    point: String,
    count: usize,
    price_s: [f64; 3],
    wall_s_without: [f64; 3],
}

#[derive(Serialize, Clone)]
struct Changed {
    stages: usize,
    polls: usize,
    job_s: [f64; 3],
}

#[derive(Serialize, Clone)]
struct Waited {
    width: usize,
    stages: usize,
    at_once: usize,
    measured_wait_s: [f64; 3],
    replayed_wait_s: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    models: Option<Models>,
}

#[derive(Serialize, Clone)]
struct Models {
    stages_per_s: f64,
    one_barrier_wait_s: f64,
    polling_system_wait_s: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    measured_overhead_s: Option<[f64; 3]>,
    formula_overhead_s: f64,
}

impl From<BarrierForecast> for Changed {
    fn from(BarrierForecast { stages, polls, job_s }: BarrierForecast) -> Self {
        Self { stages, polls, job_s: three(job_s) }
    }
}

impl From<BarrierWaits> for Waited {
    fn from(waits: BarrierWaits) -> Self {
        Self {
            width: waits.width,
            stages: waits.stages,
            at_once: waits.at_once,
            measured_wait_s: three(waits.measured_s),
            replayed_wait_s: waits.replayed_s,
            models: waits.models.map(|models| Models {
                stages_per_s: models.rate_per_s,
                one_barrier_wait_s: models.one_barrier_s,
                polling_system_wait_s: models.polling_s,
                measured_overhead_s: models.overhead_measured_s.map(three),
                formula_overhead_s: models.overhead_s,
            }),
        }
    }
}

/// Asks about all of them.
pub fn ask(profile: &SparkProfile, options: &Options) -> Answer {
    let has_barriers = profile.barrier_stages() > 0;
    let prices = profile.prices().into_iter().map(|Price { point, count, wall_s, price_s }| Priced {
        point,
        count,
        price_s: three(price_s),
        wall_s_without: three(wall_s),
    });
    let waits = || {
        let list = profile.barrier_waits()?;
        Ok::<Vec<Waited>, Error>(list.into_iter().map(Waited::from).collect())
    };
    Answer {
        prices: prices.collect(),
        without_barrier: (has_barriers || options.without_barrier)
            .then(|| Told::of(profile.without_barrier())),
        with_barrier: options.with_barrier.then(|| Told::of(profile.with_barrier())),
        barrier_waits: has_barriers.then(|| Told::of(waits())),
    }
}

/// The answers on the page.
pub fn tell(page: &mut Page, answer: &Answer) {
    page.heading("What each synchronisation point costs, and the whole time without it");
    let mut table = Table::new([
        Column::text("point").wraps_at(16),
        Column::number("times").dropped(1),
        Column::number("costs"),
        Column::number("in all without").dropped(2),
    ]);
    for Priced { point, count, price_s, wall_s_without } in &answer.prices {
        table.row([
            point.clone(),
            unit::count(*count as u64),
            unit::seconds_within(*price_s),
            unit::seconds_within(*wall_s_without),
        ]);
    }
    if table.is_empty() {
        page.line("there is none");
    } else {
        page.table(&table);
    }
    if answer.prices.iter().any(|priced| priced.price_s[1] < -0.05) {
        page.bullet(match answer.barrier_waits.is_some() {
            true => "below 0: a barrier stage that finds no free slots starts with the next full round of offers only",
            false => "below 0: tasks of later jobs hold slots that a stage of an earlier one would need just then",
        });
    }
    let changes = [
        ("without barrier mode", "taken out", &answer.without_barrier),
        ("with barrier mode", "put in", &answer.with_barrier),
    ];
    for (name, how, told) in changes {
        if let Some(told) = told {
            page.line(&changed(name, how, told));
        }
    }
    match &answer.barrier_waits {
        None => {}
        Some(Told::CannotTell { cannot_tell }) => {
            page.line(&format!("waits of barrier stages: {cannot_tell}"));
        }
        Some(Told::Values(list)) => list.iter().for_each(|waited| tell_waits(page, waited)),
    }
}

fn changed(name: &str, how: &str, told: &Told<Changed>) -> String {
    match told {
        Told::Values(Changed { stages, polls, job_s }) => format!(
            "{name} ({}, {} of a second {how}): {} in jobs",
            unit::plural(*stages as u64, "stage"),
            unit::plural(*polls as u64, "poll"),
            unit::seconds_within(*job_s)
        ),
        Told::CannotTell { cannot_tell } => format!("{name}: {cannot_tell}"),
    }
}

fn tell_waits(page: &mut Page, waited: &Waited) {
    let Waited { width, stages, at_once, measured_wait_s, replayed_wait_s, models } = waited;
    page.line(&format!(
        "{} of {} ({at_once} found their slots free) waited {}; replayed {}",
        unit::plural(*stages as u64, "barrier stage"),
        unit::plural(*width as u64, "task"),
        unit::seconds_within(*measured_wait_s),
        unit::seconds(*replayed_wait_s)
    ));
    let Some(models) = models else { return };
    page.bullet(&format!(
        "as a stream of {} a second: 1-barrier without overhead {}, polling system {}",
        unit::amount(models.stages_per_s),
        unit::seconds(models.one_barrier_wait_s),
        unit::seconds(models.polling_system_wait_s)
    ));
    if let Some(overhead_s) = models.measured_overhead_s {
        page.bullet(&format!(
            "with their slots free, the others waited {} more; min(U(0, 1 s), Exp(submissions)) has the mean {}",
            unit::seconds_within(overhead_s),
            unit::seconds(models.formula_overhead_s)
        ));
    }
}
