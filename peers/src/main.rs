//! Remote calls of syncline's wire beside those of tarpc and tonic, between two processes over TCP on loopback, in one run:
//!
//!     cargo run --release --manifest-path peers/Cargo.toml
//!
//! This program starts itself again as the second process; both use one current-thread runtime. The peers move plain bytes,
//! which is the least work that they can have; ours moves a tensor of the same size. All take turns, so that a busy machine
//! disturbs all; a ratio is the median of the turns' ratios. `--quick` takes few turns.

mod bincode;
mod grpc;
mod wire;

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Instant;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const MIB: usize = 1 << 20;

/// Most that a message holds.
const MOST: usize = 65 * MIB;

/// A client of one of the three.
trait Peer {
    /// Sends so many bytes, and waits until their number comes back.
    async fn push(&mut self, bytes: usize) -> Result<usize>;
    /// Asks for so many bytes; how many came.
    async fn pull(&mut self, bytes: usize) -> Result<usize>;
}

struct Case {
    name: &'static str,
    up: usize,
    down: usize,
    rounds: usize,
}

const CASES: [Case; 5] = [
    Case { name: "small call", up: 0, down: 0, rounds: 1000 },
    Case { name: "push 1 MiB", up: MIB, down: 0, rounds: 40 },
    Case { name: "pull 1 MiB", up: 0, down: MIB, rounds: 40 },
    Case { name: "push 64 MiB", up: 64 * MIB, down: 0, rounds: 2 },
    Case { name: "pull 64 MiB", up: 0, down: 64 * MIB, rounds: 2 },
];

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match arguments.first().map(String::as_str) {
        Some("--serve") => runtime.block_on(serve()),
        Some("--quick") => runtime.block_on(measure(5)),
        None => runtime.block_on(measure(21)),
        Some(other) => Err(format!("{other}: only --quick is known").into()),
    }
}

/// All three, until the first process closes the standard input, where it first wrote the token.
async fn serve() -> Result<()> {
    let mut token = String::new();
    std::io::stdin().read_line(&mut token)?;
    let addresses = [wire::serve(token.trim()).await?, bincode::serve().await?, grpc::serve().await?]
        .map(|at| at.to_string());
    println!("{}", addresses.join(" "));
    std::io::stdout().flush()?;
    tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new())).await??;
    std::process::exit(0);
}

async fn measure(turns: usize) -> Result<()> {
    let token = wire::token();
    let mut second = Command::new(std::env::current_exe()?)
        .arg("--serve")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    writeln!(second.stdin.as_mut().ok_or("no standard input")?, "{}", token.to_hex())?;
    let mut line = String::new();
    BufReader::new(second.stdout.as_mut().ok_or("no standard output")?).read_line(&mut line)?;
    let addresses: Vec<SocketAddr> =
        line.split_whitespace().map(str::parse).collect::<std::result::Result<_, _>>()?;
    let &[ours, bincode, grpc] = &addresses[..] else {
        return Err("the second process did not start".into());
    };
    let mut ours = wire::Client::connect(ours, &token).await?;
    let mut tarpc = bincode::Client::connect(bincode).await?;
    let mut tonic = grpc::Client::connect(grpc).await?;
    println!(
        "{:<14} {:>12} {:>12} {:>12} {:>14} {:>14}",
        "", "wire", "tarpc", "tonic", "tarpc / wire", "tonic / wire"
    );
    for case in &CASES {
        let mut times: [Vec<f64>; 3] = Default::default();
        for _ in 0..turns {
            times[0].push(seconds(&mut ours, case).await?);
            times[1].push(seconds(&mut tarpc, case).await?);
            times[2].push(seconds(&mut tonic, case).await?);
        }
        let ratio =
            |of: usize| median(times[of].iter().zip(&times[0]).map(|(theirs, ours)| theirs / ours).collect());
        let us = |of: usize| 1e6 * median(times[of].clone());
        println!(
            "{:<14} {:>9.1} us {:>9.1} us {:>9.1} us {:>14.2} {:>14.2}",
            case.name,
            us(0),
            us(1),
            us(2),
            ratio(1),
            ratio(2)
        );
    }
    drop(second.stdin.take());
    second.wait()?;
    Ok(())
}

/// Seconds of a round of a case, of which the first are not counted.
async fn seconds(peer: &mut impl Peer, case: &Case) -> Result<f64> {
    let mut start = Instant::now();
    let warm = case.rounds / 10 + 1;
    for round in 0..warm + case.rounds {
        if round == warm {
            start = Instant::now();
        }
        let (expected, came) = match case.down {
            0 => (case.up, peer.push(case.up).await?),
            down => (down, peer.pull(down).await?),
        };
        if came != expected {
            return Err(format!("{}: {came} bytes came instead of {expected}", case.name).into());
        }
    }
    Ok(start.elapsed().as_secs_f64() / case.rounds as f64)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
