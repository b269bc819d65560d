//! The answer for people.

use syncline_predict::{BetweenProducts, Machines, Tail};
use syncline_terminal::{Column, Page, Table, unit};

use super::{
    Answer, Told,
    about::{About, Spare},
    plan::{Knee, Row},
    stream::{self, AtRate, Cluster, Jobs},
};
use crate::output::page;

/// Rows that a table shows unless all are asked for.
const SHOWN: usize = 60;

pub fn text(answer: &Answer) -> String {
    let mut page = page();
    own(&mut page, &answer.run);
    prices(&mut page, answer);
    if let Some(backups) = &answer.backups {
        spare(&mut page, backups, answer.run.workers);
    }
    if let Some(stream) = &answer.stream {
        jobs(&mut page, stream);
    }
    predictions(&mut page, answer);
    page.into_text()
}

/// The run, how far off it is predicted, and what was fitted.
fn own(page: &mut Page, run: &About) {
    page.heading(&format!(
        "This run: {}, {}, {} each",
        unit::plural(run.workers as u64, "worker"),
        run.sync,
        unit::plural(run.rounds_per_worker as u64, "round")
    ));
    page.line(&checked("a round", run.measured_round_s, run.predicted_round_s, run.error));
    page.line(&checked("the run", run.measured_run_s, run.predicted_run_s, run.run_error));
    page.bullet(&gradient(run));
    page.bullet(&format!(
        "rounds differ by {} (standard deviation); {:.0} % of the variation belongs to workers that are always slower or faster{}",
        unit::seconds(run.deviation_s),
        100.0 * run.persistent_share,
        persistent(&run.persistent_s)
    ));
    page.bullet(&run.products.as_ref().map_or_else(|| messages(run), between));
    if !run.unseen.is_empty() {
        page.bullet(&format!(
            "workers were told to stop: what was cut short is completed by what took longer, and {:.1} % would have taken longer than all that was seen to its end",
            100.0 * run.unseen.iter().sum::<f64>() / run.unseen.len() as f64
        ));
    }
    if run.serving.pass_s > 0.0 && run.parameter_bytes > 0 {
        page.bullet(&format!(
            "the servers take {} for each gradient's pass over {}; a held worker goes on {} after the gate has opened",
            unit::seconds(run.serving.pass_s),
            unit::bytes(run.parameter_bytes as f64),
            unit::seconds(run.serving.wake_s())
        ));
    }
    if let Some(Tail { shape, scale_s, .. }) = &run.tail {
        page.bullet(&format!(
            "beyond the 90 % point: generalised Pareto with shape {shape:.2} and scale {}, used where workers outnumber a tenth of \
             the rounds",
            unit::seconds(*scale_s)
        ));
    }
    page.bullet(&machines(run));
    doubts(page, run);
}

fn checked(what: &str, measured_s: f64, predicted_s: f64, error: f64) -> String {
    format!(
        "{what} takes {} measured, {} predicted: error {:+.1} %",
        unit::seconds(measured_s),
        unit::seconds(predicted_s),
        100.0 * error
    )
}

fn gradient(run: &About) -> String {
    let compute = &run.compute;
    if let Some(between) = &run.products {
        return format!(
            "multiplying a coded block, of which {} are needed, takes {}",
            between.needed,
            unit::seconds(compute.full_s)
        );
    }
    let whole = format!("a gradient of {} samples takes {}", compute.samples, unit::seconds(compute.full_s));
    match (compute.fixed_s, compute.per_sample_s) {
        (Some(fixed), Some(each)) => {
            format!("{whole}: {} and {} a sample", unit::seconds(fixed), unit::seconds(each))
        }
        _ => format!(
            "{whole}; how much of it does not depend on the samples cannot be told, because all rounds that could show it are alike"
        ),
    }
}

fn persistent(list: &[f64]) -> String {
    let slowest = list.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).filter(|(_, by)| **by > 0.0);
    slowest.map_or(String::new(), |(worker, by)| format!(": worker {worker} by {}", unit::seconds(*by)))
}

/// What passes between products.
fn between(between: &BetweenProducts) -> String {
    format!(
        "between the last answer of a product and the first task of the next pass {}, of which {} to decode it",
        unit::seconds(between.gap_s),
        unit::seconds(between.decode_s)
    )
}

fn messages(run: &About) -> String {
    let exchange = &run.exchange;
    let both = format!(
        "pull {} and push {} for {}",
        unit::seconds(exchange.pull_s),
        unit::seconds(exchange.push_s),
        unit::bytes(exchange.bytes)
    );
    match (exchange.latency_s, exchange.per_byte_s) {
        (Some(latency), Some(each)) => {
            format!("{both}: {} and {} a MB", unit::seconds(latency), unit::seconds(1e6 * each))
        }
        _ => format!(
            "{both}; latency and bandwidth cannot be told apart, because messages have about one size or their times do not follow it"
        ),
    }
}

fn machines(run: &About) -> String {
    match (run.machines, &run.machine) {
        (Machines::Own, _) => "each worker is taken to have a machine of its own (--machines own)".to_owned(),
        (Machines::One, Some(machine)) => format!(
            "workers are taken to share the traced run's machine (--machines one): {}, on which a gradient takes {:.2} times as long \
             when all compute, an update from others' gradients {:.1} times a byte",
            unit::plural(machine.cores as u64, "core"),
            machine.slowdown,
            machine.update_slowdown
        ),
        (Machines::One, None) => "workers are taken to share the traced run's machine (--machines one), which was not calibrated: as \
             if there were always a core free"
            .to_owned(),
    }
}

/// Why the answers are not to be trusted; nothing where they are.
fn doubts(page: &mut Page, run: &About) {
    if run.trusted {
        return;
    }
    let why = match &run.doubts[..] {
        [] => "no assumption that is tested failed, so what it does not know is not known".to_owned(),
        doubts => doubts.join("; "),
    };
    let error = if run.error.abs() > run.run_error.abs() { run.error } else { run.run_error };
    page.warning(&format!(
        "NOT TO BE TRUSTED: the run itself is predicted {:+.0} % off ({why}); all intervals hold that error",
        100.0 * error
    ));
}

fn prices(page: &mut Page, answer: &Answer) {
    page.heading("What each synchronisation point of this run costs");
    let mut table =
        Table::new([Column::text("point"), Column::number("of a round"), Column::number("it costs")]);
    for price in &answer.prices {
        table.row([price.of.to_owned(), unit::percent(price.share), unit::seconds_within(price.round_s)]);
    }
    page.table(&table);
}

fn spare(page: &mut Page, Spare { best, ideal_best, list }: &Spare, workers: usize) {
    page.heading("Backup workers");
    page.line(&format!(
        "best {best} of {workers} as the gate works, which lets a late worker end its lost gradient; {ideal_best} if it were stopped"
    ));
    let mut table = Table::new([
        Column::number("spare"),
        Column::number("samples a second that count"),
        Column::number("if late ones were stopped").dropped(2),
        Column::number("machine time a sample").dropped(1),
    ]);
    for backup in list {
        table.row([
            backup.spare.to_string(),
            unit::amount_within(backup.samples_per_s),
            unit::amount(backup.ideal_samples_per_s),
            unit::factor(backup.machine_time),
        ]);
    }
    page.table(&table);
}

fn jobs(page: &mut Page, jobs: &Jobs) {
    page.heading(&format!(
        "A stream of jobs of {} rounds, first come first served",
        unit::count(jobs.rounds)
    ));
    for Cluster { workers, answer } in &jobs.clusters {
        let workers = unit::plural(*workers as u64, "worker");
        match answer {
            Told::Values(stream::Values { job_s, largest_jobs_per_s, rates }) => {
                page.line(&format!(
                    "{workers}: a job by itself takes {}; stable up to {} jobs a second",
                    unit::seconds_within(*job_s),
                    unit::amount_within(*largest_jobs_per_s)
                ));
                for at in rates {
                    page.bullet(&at_rate(at, largest_jobs_per_s[1], jobs.tail_share));
                }
            }
            Told::CannotTell { cannot_tell } => {
                page.line(&format!("{workers}: {cannot_tell}"));
            }
        }
    }
}

fn at_rate(AtRate { jobs_per_s: rate, sojourn_s, tail_s }: &AtRate, largest: f64, tail_share: f64) -> String {
    match (sojourn_s, tail_s) {
        (Some(mean), Some(tail)) => format!(
            "{} a second: from arrival to end {} on average; {} take longer than {}",
            unit::amount(*rate),
            unit::seconds_within(*mean),
            unit::percent(tail_share),
            unit::seconds_within(*tail)
        ),
        _ => format!(
            "{} a second: unstable, {} the largest stable rate, the queue grows without end",
            unit::amount(*rate),
            unit::factor(rate / largest)
        ),
    }
}

fn predictions(page: &mut Page, answer: &Answer) {
    page.heading("Other sizes and policies");
    if !answer.run.trusted {
        page.warning("not to be trusted, see above");
    }
    let mut table = Table::new([
        Column::number("workers"),
        Column::text("policy").shrinks_to(8),
        Column::number("a round").dropped(4),
        Column::number("to the end"),
        Column::number("samples a second").dropped(5),
        Column::number("rounds each").dropped(1),
        Column::number("core hours").dropped(3),
        Column::number("late").dropped(2),
    ])
    .at_most(SHOWN, "-v or --json has all");
    for row in &answer.predictions {
        if let Told::Values(values) = &row.answer {
            table.row([
                row.workers.to_string(),
                row.curve.clone(),
                unit::seconds_within(values.round_s),
                unit::seconds_within(values.run_s),
                unit::amount_within(values.samples_per_s),
                unit::count(row.rounds),
                row.core_hours.map_or(String::new(), |hours| unit::amount(hours[1])),
                unit::percent(values.late),
            ]);
        }
    }
    if !table.is_empty() {
        page.table(&table);
    }
    untold(page, &answer.predictions);
    for Knee { curve, workers } in &answer.knees {
        page.bullet(&format!(
            "{curve}: beyond {} a further one brings less than half of what the first did (the knee)",
            unit::plural(*workers as u64, "worker")
        ));
    }
}

/// What cannot be told, each reason once.
fn untold(page: &mut Page, rows: &[Row]) {
    let mut reasons: Vec<(&str, Vec<String>)> = Vec::new();
    for row in rows {
        let Told::CannotTell { cannot_tell } = &row.answer else { continue };
        let which = format!("{} {}", row.workers, row.curve);
        match reasons.iter_mut().find(|(why, _)| why == cannot_tell) {
            Some((_, all)) => all.push(which),
            None => reasons.push((cannot_tell, vec![which])),
        }
    }
    for (why, which) in reasons {
        page.bullet(&format!("{}: {why}", which.join(", ")));
    }
}
