//! Such jobs as a stream.

use serde::Serialize;
use syncline_predict::{Discipline, Error, SparkProfile};
use syncline_queueing::Exceedance;
use syncline_terminal::{Column, Page, Table, unit};

use super::{Told, three};
use crate::{commands::predict::Streams, failure::Failure};

/// Loads that are asked about unless rates are given: shares of the largest stable rate.
const LOADS: [f64; 3] = [0.5, 0.8, 0.9];

/// A stream under one discipline.
#[derive(Serialize)]
pub struct Stream {
    discipline: &'static str,
    #[serde(flatten)]
    answer: Told<Rates>,
}

#[derive(Serialize, Clone)]
struct Rates {
    largest_jobs_per_s: [f64; 3],
    tail: f64,
    rates: Vec<Rate>,
}

#[derive(Serialize, Clone)]
struct Rate {
    jobs_per_s: f64,
    #[serde(flatten)]
    answer: Told<Times>,
}

#[derive(Serialize, Clone)]
struct Times {
    mean_s: [f64; 3],
    tail_s: Told<[f64; 3]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exponential_mean_s: Option<f64>,
}

/// Asks about both disciplines.
pub fn ask(profile: &SparkProfile, asked: &Streams) -> Result<Vec<Stream>, Failure> {
    let wanted = asked.arrival_rate.as_ref().map(|rates| &rates.0[..]);
    let both = [("one at a time", Discipline::OneAtATime), ("side by side", Discipline::SideBySide)];
    let stream = |(name, discipline)| Stream {
        discipline: name,
        answer: Told::of(rates(profile, discipline, wanted, asked.tail)),
    };
    Ok(both.into_iter().map(stream).collect())
}

fn rates(
    profile: &SparkProfile,
    discipline: Discipline,
    wanted: Option<&[f64]>,
    tail: Exceedance,
) -> Result<Rates, Error> {
    let largest = profile.largest_rate(discipline)?;
    let usual = || LOADS.iter().map(|load| load * largest.value).collect();
    let rate = |jobs_per_s: f64| {
        let answer = profile.stream(jobs_per_s, discipline, largest, tail).map(|forecast| Times {
            mean_s: three(forecast.mean_s),
            tail_s: Told::of::<[f64; 3]>(forecast.tail_s.map(three)),
            exponential_mean_s: forecast.formula.map(|estimate| estimate.value),
        });
        Rate { jobs_per_s, answer: Told::of(answer) }
    };
    let rates: Vec<f64> = wanted.map_or_else(usual, <[f64]>::to_vec);
    Ok(Rates {
        largest_jobs_per_s: three(largest),
        tail: tail.get(),
        rates: rates.into_iter().map(rate).collect(),
    })
}

/// The answers on the page.
pub fn tell(page: &mut Page, streams: &[Stream]) {
    for Stream { discipline, answer } in streams {
        page.heading(&format!("Such jobs as a stream, {discipline}"));
        match answer {
            Told::CannotTell { cannot_tell } => {
                page.line(cannot_tell);
            }
            Told::Values(rates) => tell_rates(page, rates),
        }
    }
}

fn tell_rates(page: &mut Page, rates: &Rates) {
    page.line(&format!("at most {} a second", unit::amount_within(rates.largest_jobs_per_s)));
    let mut table = Table::new([
        Column::number("a second"),
        Column::number("mean"),
        Column::number(&format!("exceeded by {}", rates.tail)).dropped(2),
        Column::number("exponential model").dropped(1),
    ]);
    for Rate { jobs_per_s, answer } in &rates.rates {
        if let Told::Values(Times { mean_s, tail_s, exponential_mean_s }) = answer {
            let tail = match tail_s {
                Told::Values(tail_s) => unit::seconds_within(*tail_s),
                Told::CannotTell { .. } => "-".to_owned(),
            };
            table.row([
                unit::amount(*jobs_per_s),
                unit::seconds_within(*mean_s),
                tail,
                exponential_mean_s.map_or(String::new(), unit::seconds),
            ]);
        }
    }
    if !table.is_empty() {
        page.table(&table);
    }
    let mut why: Vec<String> = Vec::new();
    for Rate { jobs_per_s, answer } in &rates.rates {
        match answer {
            Told::CannotTell { cannot_tell }
            | Told::Values(Times { tail_s: Told::CannotTell { cannot_tell }, .. }) => {
                why.push(format!("{}: {cannot_tell}", unit::amount(*jobs_per_s)));
            }
            Told::Values(_) => {}
        }
    }
    why.iter().for_each(|why| {
        page.bullet(why);
    });
}
