//! Training through the parameter server against the plain single-threaded loop, on the same model and data.
//!
//! `cargo bench -p syncline-paramserv --bench train` measures every case in a process of its own, the cases in turn, and
//! prints medians and the ratios of each turn. `-- mlp 2 processes` runs one case and prints its samples/s.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on fails")]
#![allow(clippy::disallowed_methods, reason = "a benchmark reads the machine's clock")]

use std::{
    process::Command,
    sync::{
        Mutex, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use syncline_data::{Dataset, FeaturesView, synthetic};
use syncline_learn::{Logistic, Mlp, Model, plain};
use syncline_paramserv::{Optimizer, ParamServ, Policy, Rule};
use syncline_program::Executor;

const BATCH: usize = 64;
const TURNS: usize = 5;
/// Who trains: workers and executor.
const CASES: [&str; 5] = ["plain", "1 threads", "2 threads", "1 processes", "2 processes"];
/// What two threads do that share the parameters with nothing in between: the most that `2 threads` can be.
const BY_HAND: &str = "2 by-hand";

const RATE: f32 = 0.05;

/// So many epochs that a case takes some seconds, and what it costs to begin counts for little.
fn epochs(problem: &str, case: &str) -> u32 {
    if problem == "sparse" && !case.ends_with("processes") { 100 } else { 10 }
}

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

/// Lets two threads meet without going to sleep.
#[derive(Default)]
struct Meeting(AtomicUsize);

impl Meeting {
    fn wait(&self) {
        let meetings = self.0.fetch_add(1, Ordering::AcqRel) / 2 + 1;
        while self.0.load(Ordering::Acquire) < 2 * meetings {
            std::hint::spin_loop();
        }
    }
}

/// Two threads, each with half of the rows; in each round the first one steps along both gradients, as factors of the rows, while the
/// other one waits.
fn train_by_hand(model: &Logistic, data: &Dataset, epochs: u32) {
    let parameters = RwLock::new(model.initialise(1));
    let factors = [Mutex::new(Vec::new()), Mutex::new(Vec::new())];
    let (meeting, half) = (Meeting::default(), data.rows() / 2);
    let rows = |thread: usize, start: usize| thread * half + start..thread * half + half.min(start + BATCH);
    let work = |thread: usize| {
        let mut model = model.clone();
        for start in (0..epochs).flat_map(|_| (0..half).step_by(BATCH)) {
            let (_, own) =
                model.factors(&parameters.read().unwrap(), &data.batch(rows(thread, start))).unwrap();
            own.clone_into(&mut factors[thread].lock().unwrap());
            meeting.wait();
            if thread == 0 {
                let mut parameters = parameters.write().unwrap();
                for (thread, factors) in factors.iter().enumerate() {
                    let FeaturesView::Sparse(csr) = data.batch(rows(thread, start)).features else {
                        panic!("sparse")
                    };
                    for (row, factor) in csr.iter().zip(factors.lock().unwrap().iter()) {
                        let step = -RATE * 0.5 * factor;
                        row.indices
                            .iter()
                            .zip(row.values)
                            .for_each(|(&at, value)| parameters[at as usize] += step * value);
                        *parameters.last_mut().unwrap() += step;
                    }
                }
            }
            meeting.wait();
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| work(1));
        work(0);
    });
}

impl Problem {
    /// The loop without a parameter server.
    fn train_plainly(&mut self, data: &Dataset, epochs: u32) {
        let settings =
            plain::Settings { batch: BATCH, epochs: epochs as usize, learning_rate: RATE, seed: 1 };
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
    let epochs = epochs(name, case);
    let mut words = case.split(' ');
    if let (Problem::Sparse(model), BY_HAND) = (&problem, case) {
        let start = Instant::now();
        train_by_hand(model, &data, epochs);
        return data.rows() as f64 * f64::from(epochs) / start.elapsed().as_secs_f64();
    }
    let (Some(workers), Some(on)) = (words.next(), words.next()) else {
        let start = Instant::now();
        problem.train_plainly(&data, epochs);
        return data.rows() as f64 * f64::from(epochs) / start.elapsed().as_secs_f64();
    };
    let executor: Executor = on.parse().unwrap();
    let run = ParamServ::new(problem.into_model(), data)
        .workers(workers.parse().unwrap())
        .servers(words.next().map_or(1, |servers| servers.parse().unwrap()))
        .sync(Policy::Bsp)
        // The loops beside it take the rows as they lie, which memory likes better.
        .without_shuffling()
        .batch(BATCH)
        .epochs(epochs)
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
    let cases = CASES.into_iter().chain((problem == "sparse").then_some(BY_HAND));
    let turns: Vec<Vec<f64>> =
        (0..TURNS).map(|_| cases.clone().map(|case| measure_apart(problem, case)).collect()).collect();
    println!("{problem}: median of {TURNS} turns");
    for (index, case) in cases.enumerate() {
        let speed = median(turns.iter().map(|turn| turn[index]).collect());
        let to_plain = median(turns.iter().map(|turn| turn[index] / turn[0]).collect());
        // One worker of the same executor comes before two.
        let one = if case == BY_HAND { 1 } else { index.saturating_sub(1) };
        let to_one = median(turns.iter().map(|turn| turn[index] / turn[one]).collect());
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
