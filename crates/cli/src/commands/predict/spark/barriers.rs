//! Synchronisation points: what each costs, and the application without barrier mode, or with it.

use serde::Serialize;
use syncline_predict::{BarrierForecast, BarrierWaits, Error, Price, SparkProfile};

use super::{Options, Told, shown, three};

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

/// The answers as lines.
pub fn text(answer: &Answer) -> Vec<String> {
    let mut lines = vec![
        "what each synchronisation point costs, and the whole time without it".to_owned(),
        format!("{:>30} {:>6} {:>30}  synchronisation point", "costs s", "times", "s in all without"),
    ];
    lines.extend(answer.prices.iter().map(|priced| {
        let Priced { point, count, price_s, wall_s_without } = priced;
        format!("{} {count:>6} {}  {point}", signed(*price_s), shown(*wall_s_without))
    }));
    if answer.prices.iter().any(|priced| priced.price_s[1] < -0.05) {
        lines.push("  below 0: a barrier stage that finds no free slots starts with the next full round of offers only".to_owned());
    }
    lines.extend(
        answer.without_barrier.as_ref().map(|told| changed("without barrier mode", "taken out", told)),
    );
    lines.extend(answer.with_barrier.as_ref().map(|told| changed("with barrier mode", "put in", told)));
    match &answer.barrier_waits {
        None => {}
        Some(Told::CannotTell { cannot_tell }) => {
            lines.push(format!("waits of barrier stages: {cannot_tell}"))
        }
        Some(Told::Values(list)) => list.iter().for_each(|waited| lines.extend(waited_text(waited))),
    }
    lines
}

fn changed(name: &str, how: &str, told: &Told<Changed>) -> String {
    match told {
        Told::Values(Changed { stages, polls, job_s }) => format!(
            "{name} ({stages} stages, {polls} polls of a second {how}): {} s in jobs",
            shown(*job_s).trim_start()
        ),
        Told::CannotTell { cannot_tell } => format!("{name}: {cannot_tell}"),
    }
}

fn waited_text(waited: &Waited) -> Vec<String> {
    let Waited { width, stages, at_once, measured_wait_s, replayed_wait_s, models } = waited;
    let mut lines = vec![format!(
        "{stages} barrier stages of {width} tasks ({at_once} found their slots free) waited {} s; replayed {replayed_wait_s:.3}",
        precise(*measured_wait_s)
    )];
    if let Some(models) = models {
        lines.push(format!(
            "  as a stream of {:.3} a second: 1-barrier without overhead {:.3}, polling system {:.3}",
            models.stages_per_s, models.one_barrier_wait_s, models.polling_system_wait_s
        ));
        lines.extend(models.measured_overhead_s.map(|overhead_s| {
            format!(
                "  with their slots free, the others waited {} s more; min(U(0, 1 s), Exp(submissions)) has the mean {:.3}",
                precise(overhead_s),
                models.formula_overhead_s
            )
        }));
    }
    lines
}

/// Like `shown`, but below 0 makes sense.
fn signed([low, value, high]: [f64; 3]) -> String {
    format!("{value:>9.2} ({low:>8.2} .. {high:>8.2})")
}

fn precise([low, value, high]: [f64; 3]) -> String {
    format!("{value:.3} ({:.3} .. {high:.3})", low.max(0.0))
}
