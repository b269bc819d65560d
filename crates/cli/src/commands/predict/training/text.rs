//! The answer for people.

use syncline_predict::Machines;
use syncline_terminal::escape;

use super::{
    Answer, Told,
    about::{About, Spare, Worth},
    plan::{Knee, Row, Values},
    stream::{self, AtRate, Cluster, Jobs},
};

pub fn text(answer: &Answer) -> String {
    let mut lines = own(&answer.run);
    lines.extend(["".to_owned(), "without each synchronisation point of this run:".to_owned()]);
    lines.extend(answer.prices.iter().map(worth));
    if let Some(backups) = &answer.backups {
        lines.extend(spare(backups, answer.run.workers));
    }
    if let Some(stream) = &answer.stream {
        lines.extend(jobs(stream));
    }
    let wide = answer.predictions.iter().map(|row| row.curve.len()).max().unwrap_or(0).max(10);
    lines.push(String::new());
    lines.extend(doubts(&answer.run));
    lines.push(format!(
        "{:>8} {:>wide$} {:>28} {:>28} {:>30} {:>10} {:>7}",
        "workers",
        "sync",
        "ms per round of gradients",
        "s to the end",
        "samples per second",
        "core hours",
        "late"
    ));
    lines.extend(answer.predictions.iter().map(|each| row(each, wide)));
    for Knee { curve, workers } in &answer.knees {
        lines.push(format!(
            "{curve}: beyond {workers} workers a further one brings less than half of what the first did"
        ));
    }
    lines.iter().map(|line| escape(line)).collect::<Vec<_>>().join("\n")
}

fn own(run: &About) -> Vec<String> {
    let About { compute, exchange, serving, .. } = run;
    let mut lines = vec![
        format!("this run: {} workers, {}, {} rounds each", run.workers, run.sync, run.rounds_per_worker),
        format!(
            "  a round takes {} measured, {} predicted: error {:+.1} %",
            time(run.measured_round_s),
            time(run.predicted_round_s),
            100.0 * run.error
        ),
        format!(
            "  the run takes {} measured, {} predicted: error {:+.1} %",
            time(run.measured_run_s),
            time(run.predicted_run_s),
            100.0 * run.run_error
        ),
        match (compute.fixed_s, compute.per_sample_s) {
            (Some(fixed), Some(each)) => format!(
                "  a gradient of {} samples takes {}: {} and {} a sample",
                compute.samples,
                time(compute.full_s),
                time(fixed),
                time(each)
            ),
            _ => format!(
                "  a gradient of {} samples takes {}; how much of it does not depend on the samples cannot be told, \
                 because all rounds that could show it are alike",
                compute.samples,
                time(compute.full_s)
            ),
        },
        format!(
            "  rounds differ by {} (standard deviation); {:.0} % of the variation belongs to workers that are always \
             slower or faster{}",
            time(run.deviation_s),
            100.0 * run.persistent_share,
            persistent(&run.persistent_s)
        ),
        match (exchange.latency_s, exchange.per_byte_s) {
            (Some(latency), Some(each)) => format!(
                "  pull {} and push {} for {:.0} bytes: {} and {} a MB",
                time(exchange.pull_s),
                time(exchange.push_s),
                exchange.bytes,
                time(latency),
                time(1e6 * each)
            ),
            _ => format!(
                "  pull {} and push {} for {:.0} bytes; latency and bandwidth cannot be told apart, because messages have about \
                 one size or their times do not follow it",
                time(exchange.pull_s),
                time(exchange.push_s),
                exchange.bytes
            ),
        },
    ];
    if serving.pass_s > 0.0 && run.parameter_bytes > 0 {
        lines.push(format!(
            "  the servers take {} for each gradient's pass over {} bytes ({:.3} ns a byte); a held worker goes on {} after \
             the gate has opened",
            time(serving.pass_s),
            run.parameter_bytes,
            1e9 * serving.pass_s / run.parameter_bytes as f64,
            time(serving.wake_s())
        ));
    }
    if let Some(tail) = &run.tail {
        lines.push(format!(
            "  beyond the 90 % point: generalised Pareto with shape {:.2} and scale {}, used where workers outnumber a tenth of \
             the rounds",
            tail.shape,
            time(tail.scale_s)
        ));
    }
    lines.push(match (run.machines, &run.machine) {
        (Machines::Own, _) => "each worker is taken to have a machine of its own (--machines own)".to_owned(),
        (Machines::One, Some(machine)) => format!(
            "workers are taken to share the traced run's machine (--machines one): {} cores, on which a gradient takes \
             {:.2} times as long when all compute, an update from others' gradients {:.1} times a byte",
            machine.cores, machine.slowdown, machine.update_slowdown
        ),
        (Machines::One, None) => "workers are taken to share the traced run's machine (--machines one), which was not \
             calibrated: as if there were always a core free"
            .to_owned(),
    });
    lines
}

/// Why the table is not to be trusted; nothing where it is.
fn doubts(run: &About) -> Vec<String> {
    if run.trusted {
        return Vec::new();
    }
    let why = match &run.doubts[..] {
        [] => "no assumption that is tested failed, so what it does not know is not known".to_owned(),
        doubts => doubts.join("; "),
    };
    let error = if run.error.abs() > run.run_error.abs() { run.error } else { run.run_error };
    vec![format!(
        "NOT TO BE TRUSTED: the run itself is predicted {:+.0} % off ({why}); all intervals hold that error",
        100.0 * error
    )]
}

fn persistent(list: &[f64]) -> String {
    let slowest = list.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).filter(|(_, by)| **by > 0.0);
    slowest.map_or(String::new(), |(worker, by)| format!(": worker {worker} by {}", time(*by)))
}

fn worth(Worth { of, round_s: [low, value, high], share }: &Worth) -> String {
    format!(
        "{of:>8}: {:>5.1} % of a round; {} ({} .. {})",
        100.0 * share,
        time(*value),
        time(*low),
        time(*high)
    )
}

fn spare(Spare { best, ideal_best, list }: &Spare, workers: usize) -> Vec<String> {
    let mut lines = vec![
        String::new(),
        format!(
            "backup workers: best {best} of {workers} as the gate works, which lets a late worker end its lost gradient; \
             {ideal_best} if it were stopped"
        ),
        format!(
            "{:>8} {:>34} {:>18} {:>24}",
            "spare", "samples per second that count", "late ones stopped", "machine time a sample"
        ),
    ];
    lines.extend(list.iter().map(|backup| {
        let [low, value, high] = backup.samples_per_s;
        format!(
            "{:>8} {value:>14.0} ({low:>8.0} .. {high:>8.0}) {:>17.0} {:>23.2}x",
            backup.spare, backup.ideal_samples_per_s, backup.machine_time
        )
    }));
    lines
}

fn jobs(jobs: &Jobs) -> Vec<String> {
    let mut lines =
        vec![String::new(), format!("a stream of jobs of {} rounds, first come first served:", jobs.rounds)];
    for Cluster { workers, answer } in &jobs.clusters {
        match answer {
            Told::Values(stream::Values { job_s, largest_jobs_per_s, rates }) => {
                lines.push(format!(
                    "  {workers} workers: a job by itself takes {} s; stable up to {} jobs a second",
                    of_three(job_s),
                    of_three(largest_jobs_per_s)
                ));
                lines.extend(rates.iter().map(|at| at_rate(at, largest_jobs_per_s[1], jobs.tail_share)));
            }
            Told::CannotTell { cannot_tell } => lines.push(format!("  {workers} workers: {cannot_tell}")),
        }
    }
    lines
}

fn at_rate(AtRate { jobs_per_s: rate, sojourn_s, tail_s }: &AtRate, largest: f64, tail_share: f64) -> String {
    match (sojourn_s, tail_s) {
        (Some(mean), Some(tail)) => format!(
            "    {} a second: from arrival to end {} s on average; {} % take longer than {} s",
            significant(*rate),
            of_three(mean),
            100.0 * tail_share,
            of_three(tail)
        ),
        _ => format!(
            "    {} a second: unstable, {:.2} times the largest stable rate, the queue grows without end",
            significant(*rate),
            rate / largest
        ),
    }
}

fn of_three([low, value, high]: &[f64; 3]) -> String {
    let [low, value, high] = [low, value, high].map(|number| significant(*number));
    format!("{value} ({low} .. {high})")
}

fn row(row: &Row, wide: usize) -> String {
    let Row { workers, curve, .. } = row;
    match &row.answer {
        Told::Values(Values {
            round_s: [low, value, high],
            run_s,
            samples_per_s: [least, rate, most],
            late,
        }) => {
            let [first, end, last] = run_s;
            format!(
                "{workers:>8} {curve:>wide$} {:>10.3} ({:>7.3} .. {:>7.3}) {end:>10.3} ({first:>7.3} .. {last:>7.3}) {rate:>10.0} \
                 ({least:>8.0} .. {most:>8.0}) {:>9.4} {:>5.1} %",
                1e3 * value,
                1e3 * low,
                1e3 * high,
                row.core_hours.map_or(0.0, |hours| hours[1]),
                100.0 * late
            )
        }
        Told::CannotTell { cannot_tell } => format!("{workers:>8} {curve:>wide$} {cannot_tell}"),
    }
}

/// With four significant digits.
fn significant(number: f64) -> String {
    let digits = number.abs().max(f64::MIN_POSITIVE).log10().floor();
    format!("{number:.*}", (3.0 - digits).clamp(0.0, 20.0) as usize)
}

/// Seconds with a unit that suits them.
fn time(seconds: f64) -> String {
    let size = seconds.abs();
    match () {
        () if size >= 1.0 => format!("{seconds:.3} s"),
        () if size >= 1e-3 => format!("{:.3} ms", 1e3 * seconds),
        () if size >= 1e-6 => format!("{:.2} us", 1e6 * seconds),
        () => format!("{:.1} ns", 1e9 * seconds),
    }
}

#[cfg(test)]
mod tests {
    use super::significant;

    #[test]
    fn small_rates_keep_their_digits() {
        let shown = [0.000_012_344, 0.5, 12.3456, 123_456.0].map(significant);
        assert_eq!(shown, ["0.00001234", "0.5000", "12.35", "123456"]);
    }
}
