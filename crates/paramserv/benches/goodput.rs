//! What push, fold, apply and pull move, of parameters for which nothing is computed: `cargo bench -p syncline-paramserv --bench
//! goodput`, with `-- 1000000` for one size only.
//!
//! Goodput is the bytes of gradients and parameters that all workers push and pull in a round, over the time of a round. Its limits are
//! measured in the same run: on threads the bandwidth of a copy in memory, between processes that of a raw Unix socket over which another
//! process sends as much there and back. Every run and every limit has a process of its own, in turns; figures are medians, ratios
//! those of a turn.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on fails")]
#![allow(clippy::disallowed_methods, reason = "a benchmark reads the machine's clock")]

use std::{
    hint::black_box,
    io::{Read, Write},
    os::unix::net::UnixStream,
    process::{Child, Command, Stdio},
    time::Instant,
};

use syncline_data::{Batch, synthetic};
use syncline_learn::{Model, Score};
use syncline_paramserv::{Optimizer, ParamServ, Policy, Rule};
use syncline_program::Executor;

const TURNS: usize = 3;
const SIZES: [usize; 3] = [1_000_000, 10_000_000, 100_000_000];
const SHAPES: [(usize, usize); 6] = [(1, 1), (2, 1), (4, 1), (1, 2), (2, 2), (4, 2)];

/// Rounds of a run: some seconds of any size.
fn rounds(parameters: usize) -> usize {
    (1_000_000_000 / parameters).clamp(10, 300)
}

/// Parameters whose gradient is there without computing.
#[derive(Clone)]
struct Idle(usize);

impl Model for Idle {
    fn parameters(&self) -> usize {
        self.0
    }

    fn initialise(&self, _seed: u64) -> Vec<f32> {
        vec![0.5; self.0]
    }

    fn gradient(&mut self, parameters: &[f32], batch: &Batch<'_>, _gradient: &mut [f32]) -> Score {
        self.score(parameters, batch)
    }

    fn score(&mut self, _parameters: &[f32], batch: &Batch<'_>) -> Score {
        Score { rows: batch.rows() as u64, ..Score::default() }
    }

    fn boxed_clone(&self) -> Box<dyn Model> {
        Box::new(self.clone())
    }
}

/// Bytes a second that a run moves.
fn trained(executor: Executor, parameters: usize, workers: usize, servers: usize) -> f64 {
    let rounds = rounds(parameters);
    let data = synthetic::blobs(workers * rounds, 1, 2, 1);
    let run = ParamServ::new(Idle(parameters), data).workers(workers).servers(servers).sync(Policy::Bsp);
    let run = run.batch(1).epochs(1).optimizer(Optimizer::new(Rule::Sgd, 0.1).unwrap());
    let trained = run.train(executor).unwrap();
    (workers * rounds * 2 * 4 * parameters) as f64 / trained.report().wall_s
}

/// Bytes a second of copies of as many values.
fn copied(parameters: usize) -> f64 {
    let (from, mut to) = (vec![1.0_f32; parameters], vec![0.0_f32; parameters]);
    to.copy_from_slice(&from);
    let rounds = rounds(parameters);
    let begun = Instant::now();
    for _ in 0..rounds {
        to.copy_from_slice(black_box(&from));
        black_box(&mut to);
    }
    (rounds * 4 * parameters) as f64 / begun.elapsed().as_secs_f64()
}

/// Bytes a second over a raw socket to another process, which takes and gives as many in turn.
fn sent(parameters: usize) -> f64 {
    let path = std::env::temp_dir().join(format!("syncline-goodput-{}", std::process::id()));
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let mut peer = again(&["answer", &parameters.to_string(), path.to_str().unwrap()], Stdio::null());
    let (mut socket, _) = listener.accept().unwrap();
    std::fs::remove_file(&path).unwrap();
    let mut values = vec![1_u8; 4 * parameters];
    let mut round = || {
        socket.write_all(&values).unwrap();
        socket.read_exact(&mut values).unwrap();
    };
    round();
    let rounds = rounds(parameters);
    let begun = Instant::now();
    (0..rounds).for_each(|_| round());
    let took = begun.elapsed().as_secs_f64();
    peer.wait().unwrap();
    (rounds * 2 * 4 * parameters) as f64 / took
}

/// The other end of [`sent`].
fn answer(parameters: usize, path: &str) {
    let mut socket = UnixStream::connect(path).unwrap();
    let mut values = vec![0_u8; 4 * parameters];
    for _ in 0..=rounds(parameters) {
        socket.read_exact(&mut values).unwrap();
        socket.write_all(&values).unwrap();
    }
}

/// This program again, with other arguments.
fn again(arguments: &[&str], output: Stdio) -> Child {
    Command::new(std::env::current_exe().unwrap()).args(arguments).stdout(output).spawn().unwrap()
}

/// What a process of its own measures.
fn apart(case: &str) -> f64 {
    let arguments: Vec<_> = case.split(' ').collect();
    let output = again(&arguments, Stdio::piped()).wait_with_output().unwrap();
    assert!(output.status.success(), "{case}");
    String::from_utf8_lossy(&output.stdout).trim().parse().unwrap()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn compare(parameters: usize) {
    for (on, limit) in [("threads", "copy"), ("processes", "socket")] {
        let cases = SHAPES.map(|(workers, servers)| format!("{on} {parameters} {workers} {servers}"));
        let turn = || (apart(&format!("{limit} {parameters}")), cases.clone().map(|case| apart(&case)));
        let turns: Vec<_> = (0..TURNS).map(|_| turn()).collect();
        let most = median(turns.iter().map(|(limit, _)| *limit).collect());
        println!("{parameters} parameters on {on}: {limit} {:.2} GB/s", most / 1e9);
        for (index, (workers, servers)) in SHAPES.iter().enumerate() {
            let goodput = median(turns.iter().map(|(_, values)| values[index]).collect());
            let share = median(turns.iter().map(|(limit, values)| values[index] / limit).collect());
            println!("  {workers} workers, {servers} servers: {:.2} GB/s, {share:.2} of it", goodput / 1e9);
        }
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse::<usize>().unwrap();
    match arguments[..] {
        [] => SIZES.into_iter().for_each(compare),
        ["copy", parameters] => println!("{}", copied(number(parameters))),
        ["socket", parameters] => println!("{}", sent(number(parameters))),
        ["answer", parameters, path] => answer(number(parameters), path),
        [on, parameters, workers, servers] => {
            let executor = on.parse().unwrap();
            println!("{}", trained(executor, number(parameters), number(workers), number(servers)));
        }
        [parameters] => compare(number(parameters)),
        _ => panic!("give a number of parameters, or nothing"),
    }
}
