//! Training through the parameter server against the plain single-threaded loop, on the same model and data.
//!
//! `cargo bench -p syncline-paramserv --bench train` measures every case in a process of its own, the cases in turn, and
//! prints medians and the ratios of each turn. `-- mlp 2 processes` runs one case and prints its samples/s.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on fails")]
#![allow(clippy::disallowed_methods, reason = "a benchmark reads the machine's clock")]

use std::{process::Command, time::Instant};

use syncline_data::{Dataset, synthetic};
use syncline_learn::{Logistic, Mlp, Model, plain};
use syncline_paramserv::{Optimizer, ParamServ, Policy, Rule};
use syncline_program::Executor;

const BATCH: usize = 64;
const TURNS: usize = 5;
/// Who trains: workers and executor.
const CASES: [&str; 5] = ["plain", "1 threads", "2 threads", "1 processes", "2 processes"];

const RATE: f32 = 0.05;
/// So many that a case takes a second or two.
const EPOCHS: u32 = 10;

/// What is trained.
enum Problem {
    Mlp(Mlp),
    Sparse(Logistic),
}

/// A problem by its name: the model and its data.
fn problem(name: &str) -> (Problem, Dataset) {
    match name {
        "mlp" => (Problem::Mlp(Mlp::new(&[784, 256, 128, 10])), synthetic::blobs(16_384, 784, 10, 1)),
        "sparse" => {
            (Problem::Sparse(Logistic::new(1_000_000)), synthetic::sparse_logistic(100_000, 1_000_000, 50, 1))
        }
        other => panic!("unknown problem {other}: mlp or sparse"),
    }
}

impl Problem {
    /// The loop without a parameter server.
    fn train_plainly(&mut self, data: &Dataset) {
        let settings =
            plain::Settings { batch: BATCH, epochs: EPOCHS as usize, learning_rate: RATE, seed: 1 };
        match self {
            Self::Mlp(model) => plain::train(model, data, settings),
            Self::Sparse(model) => plain::train_linear(model, data, settings),
        };
    }

    fn into_model(self) -> Box<dyn Model> {
        match self {
            Self::Mlp(model) => Box::new(model),
            Self::Sparse(model) => Box::new(model),
        }
    }
}

/// Trains one case and returns samples per second.
fn measure(name: &str, case: &str) -> f64 {
    let (mut problem, data) = problem(name);
    let mut words = case.split(' ');
    let (Some(workers), Some(on)) = (words.next(), words.next()) else {
        let start = Instant::now();
        problem.train_plainly(&data);
        return data.rows() as f64 * f64::from(EPOCHS) / start.elapsed().as_secs_f64();
    };
    let executor: Executor = on.parse().unwrap();
    let run = ParamServ::new(problem.into_model(), data)
        .workers(workers.parse().unwrap())
        .servers(words.next().map_or(1, |servers| servers.parse().unwrap()))
        .sync(Policy::Bsp)
        .batch(BATCH)
        .epochs(EPOCHS)
        .optimizer(Optimizer::new(Rule::Sgd, RATE).unwrap());
    run.train(executor).unwrap().report().samples_per_s
}

/// Measures one case in a process of its own.
fn measure_apart(problem: &str, case: &str) -> f64 {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let output = command.arg(problem).args(case.split(' ')).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().parse().unwrap()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn compare(problem: &str) {
    let turns: Vec<Vec<f64>> =
        (0..TURNS).map(|_| CASES.iter().map(|case| measure_apart(problem, case)).collect()).collect();
    println!("{problem}: median of {TURNS} turns");
    for (index, case) in CASES.iter().enumerate() {
        let speed = median(turns.iter().map(|turn| turn[index]).collect());
        let to_plain = median(turns.iter().map(|turn| turn[index] / turn[0]).collect());
        let to_one = median(turns.iter().map(|turn| turn[index] / turn[index.saturating_sub(1)]).collect());
        let to_one =
            if case.starts_with('2') { format!(", {to_one:.2} x one worker") } else { String::new() };
        println!("  {case:<12} {speed:>10.0} samples/s   {to_plain:.2} x plain{to_one}");
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match &arguments[..] {
        [] => ["mlp", "sparse"].into_iter().for_each(compare),
        [problem] => compare(problem),
        [problem, case @ ..] => println!("{}", measure(problem, &case.join(" "))),
    }
}
