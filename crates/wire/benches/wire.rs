//! The wire against a raw tokio socket, between two processes, in one run: `cargo bench -p syncline-wire`.
//!
//! This program starts itself again as the second process. Both processes use one current-thread runtime. The raw peer is
//! the limit: it knows every length beforehand, writes one buffer, reads into one reused buffer, and checks nothing. With 16
//! in flight it writes 16 messages as one. Over TCP it sets TCP_NODELAY and keeps the system's congestion control. Raw and
//! wire take turns, so that a busy machine disturbs both; the ratios are the medians of the turns' ratios.
//!
//! With the feature `tls` the wire goes over TLS as well, as between hosts, beside the same raw socket in the clear.
//!
//! `--quick` takes few turns; a word chooses the cases whose name contains it (`-- "1 MiB, TCP"`).

#![expect(clippy::disallowed_methods, reason = "a benchmark reads the machine's clock")]

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use syncline_wire::{Address, Client, Limits, Listener, Tensor, Token, service};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Bytes of a raw small call, either way: about what a small typed call takes.
const SMALL: usize = 32;
const MIB: usize = 1 << 20;
const IN_FLIGHT: usize = 16;

/// The schemes of the wire's addresses on the network.
const ON_LOOPBACK: &[&str] = if cfg!(feature = "tls") { &["tcp", "tls"] } else { &["tcp"] };

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match arguments.iter().position(|argument| argument == "--serve") {
        Some(at) => runtime.block_on(serve(Path::new(&arguments[at + 1]))),
        None => {
            let turns = if arguments.iter().any(|argument| argument == "--quick") { 5 } else { 21 };
            let chosen = arguments.iter().find(|argument| !argument.starts_with("--"));
            runtime.block_on(measure(turns, chosen.map_or("", String::as_str)))
        }
    }
}

// ---- the second process

#[service]
trait Loads {
    async fn nothing(&self) -> u64;
    async fn push(&self, values: Tensor<f32>) -> u64;
    async fn pull(&self, values: usize) -> Tensor<f32>;
}

struct Load {
    parameters: Tensor<f32>,
}

#[service]
impl Loads for Load {
    async fn nothing(&self) -> u64 {
        0
    }

    async fn push(&self, values: Tensor<f32>) -> u64 {
        values.len() as u64
    }

    async fn pull(&self, values: usize) -> Tensor<f32> {
        self.parameters.slice(0..values)
    }
}

/// Listens on all its sockets in `directory` until the parent closes the standard input, where it first wrote the token.
async fn serve(directory: &Path) -> Result<()> {
    let mut token = String::new();
    std::io::stdin().read_line(&mut token)?;
    let token: Token = token.trim().parse()?;
    let load = Arc::new(Load { parameters: vec![0.5; 64 * MIB / 4].into() });
    let raw_unix = UnixListener::bind(directory.join("raw"))?;
    let raw_tcp = TcpListener::bind("127.0.0.1:0").await?;
    let unix =
        Listener::bind(&Address::Unix(directory.join("wire")), token.clone(), Limits::default()).await?;
    let mut ways = Vec::new();
    for scheme in ON_LOOPBACK {
        let address = format!("{scheme}:127.0.0.1:0").parse()?;
        ways.push(Listener::bind(&address, token.clone(), Limits::default()).await?);
    }
    let addresses: Vec<_> = ways.iter().map(|listener| listener.address().to_string()).collect();
    println!("{} {}", raw_tcp.local_addr()?, addresses.join(" "));
    std::io::stdout().flush()?;
    std::thread::spawn(|| {
        // Ends with the parent, however that ends.
        let _ = std::io::stdin().read_line(&mut String::new());
        std::process::exit(0);
    });
    tokio::spawn(async move {
        while let Ok((stream, _)) = raw_unix.accept().await {
            tokio::spawn(raw_peer(stream));
        }
    });
    tokio::spawn(async move {
        while let Ok((stream, _)) = raw_tcp.accept().await {
            stream.set_nodelay(true)?;
            tokio::spawn(raw_peer(stream));
        }
        std::io::Result::Ok(())
    });
    for listener in ways {
        let load = Arc::clone(&load);
        tokio::spawn(async move { listener.serve(load).await });
    }
    unix.serve(load).await;
    Ok(())
}

/// Reads `up` bytes, answers `down` bytes, again and again; both sizes come first.
async fn raw_peer(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> std::io::Result<()> {
    let (up, down) = (stream.read_u64().await? as usize, stream.read_u64().await? as usize);
    let (mut received, reply) = (vec![0; up], vec![1; down]);
    loop {
        stream.read_exact(&mut received).await?;
        stream.write_all(&reply).await?;
    }
}

// ---- the first process

trait Socket: AsyncRead + AsyncWrite + Unpin {}
impl<S: AsyncRead + AsyncWrite + Unpin> Socket for S {}

/// Where the second process can be reached in one of the two ways.
struct Route {
    name: &'static str,
    raw: RawAddress,
    client: Client<Load>,
}

enum RawAddress {
    Unix(std::path::PathBuf),
    Tcp(std::net::SocketAddr),
}

impl Route {
    fn title(&self, case: &Case) -> String {
        format!("{}, {}", case.name, self.name)
    }

    /// A raw connection whose every round is `up` bytes there and `down` bytes back.
    async fn raw(&self, up: usize, down: usize) -> Result<Box<dyn Socket>> {
        let mut stream: Box<dyn Socket> = match &self.raw {
            RawAddress::Unix(path) => Box::new(UnixStream::connect(path).await?),
            RawAddress::Tcp(address) => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                Box::new(stream)
            }
        };
        stream.write_u64(up as u64).await?;
        stream.write_u64(down as u64).await?;
        Ok(stream)
    }
}

struct Peer {
    process: Child,
    directory: tempfile::TempDir,
    raw_tcp: String,
    /// One for each scheme.
    ways: Vec<String>,
    token: Token,
}

impl Peer {
    fn start() -> Result<Peer> {
        let directory = tempfile::tempdir()?;
        let mut process = Command::new(std::env::current_exe()?)
            .arg("--serve")
            .arg(directory.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let token = Token::random();
        let stdin = process.stdin.as_mut().ok_or("no standard input")?;
        writeln!(stdin, "{}", token.to_hex())?;
        let mut line = String::new();
        BufReader::new(process.stdout.as_mut().ok_or("no standard output")?).read_line(&mut line)?;
        let mut addresses = line.split_whitespace().map(str::to_owned);
        let raw_tcp = addresses.next().ok_or("the second process did not start")?;
        Ok(Peer { process, directory, raw_tcp, ways: addresses.collect(), token })
    }

    async fn routes(&self) -> Result<Vec<Route>> {
        let path = |name| self.directory.path().join(name);
        let unix = Client::connect(&Address::Unix(path("wire")), &self.token, &Limits::default()).await?;
        let mut routes = vec![Route { name: "Unix", raw: RawAddress::Unix(path("raw")), client: unix }];
        for (scheme, address) in ON_LOOPBACK.iter().zip(&self.ways) {
            let client = Client::connect(&address.parse()?, &self.token, &Limits::default()).await?;
            let name = if *scheme == "tls" { "TLS" } else { "TCP" };
            routes.push(Route { name, raw: RawAddress::Tcp(self.raw_tcp.parse()?), client });
        }
        Ok(routes)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// One thing to measure: rounds of `up` bytes there and `down` bytes back.
struct Case {
    name: &'static str,
    /// A median of the ratio below this misses the goal.
    goal: Option<f64>,
    up: usize,
    down: usize,
    rounds: usize,
}

const CASES: [Case; 6] = [
    Case { name: "small call", goal: Some(0.5), up: 0, down: 0, rounds: 2000 },
    Case { name: "small calls, 16 in flight", goal: None, up: 0, down: 0, rounds: 4000 },
    Case { name: "push 1 MiB", goal: Some(0.7), up: MIB, down: 0, rounds: 60 },
    Case { name: "pull 1 MiB", goal: Some(0.7), up: 0, down: MIB, rounds: 60 },
    Case { name: "push 64 MiB", goal: None, up: 64 * MIB, down: 0, rounds: 2 },
    Case { name: "pull 64 MiB", goal: None, up: 0, down: 64 * MIB, rounds: 2 },
];

async fn measure(turns: usize, chosen: &str) -> Result<()> {
    let peer = Peer::start()?;
    println!(
        "{:<32} {:>12} {:>12} {:>8} {:>6}  (medians of {turns} turns)",
        "", "raw tokio", "wire", "ratio", "goal"
    );
    let in_process = "small call, in process (channel)";
    if in_process.contains(chosen) {
        report(in_process, &Case { goal: None, ..CASES[0] }, &compare_in_process(turns).await?);
    }
    for route in peer.routes().await? {
        for case in CASES.iter().filter(|case| route.title(case).contains(chosen)) {
            // The raw peer does not encrypt: over TLS there is no goal.
            let goal = case.goal.filter(|_| route.name != "TLS");
            report(&route.title(case), &Case { goal, ..*case }, &compare(&route, case, turns).await?);
        }
    }
    Ok(())
}

/// Seconds per round, raw and wire, of each turn.
async fn compare(route: &Route, case: &Case, turns: usize) -> Result<Vec<(f64, f64)>> {
    let pipelined = case.name.contains("in flight");
    let batch = if pipelined { IN_FLIGHT } else { 1 };
    let (up, down) = ((case.up + SMALL) * batch, (case.down + SMALL) * batch);
    let mut raw = Raw { stream: route.raw(up, down).await?, request: vec![1; up], reply: vec![0; down] };
    let wire = Wire { client: route.client.clone(), values: vec![0.5; case.up / 4].into() };
    let mut turns_taken = Vec::new();
    for turn in 0..=turns {
        let per_round = |elapsed: Duration| elapsed.as_secs_f64() / case.rounds as f64;
        let start = Instant::now();
        raw.rounds(case.rounds / batch).await?;
        let raw_time = per_round(start.elapsed());
        let start = Instant::now();
        match pipelined {
            true => wire.rounds_in_flight(case.rounds).await?,
            false => wire.rounds(case).await?,
        }
        let wire_time = per_round(start.elapsed());
        // The first turn warms both up.
        if turn > 0 {
            turns_taken.push((raw_time, wire_time));
        }
    }
    Ok(turns_taken)
}

struct Raw {
    stream: Box<dyn Socket>,
    request: Vec<u8>,
    reply: Vec<u8>,
}

impl Raw {
    async fn rounds(&mut self, rounds: usize) -> Result<()> {
        for _ in 0..rounds {
            self.stream.write_all(&self.request).await?;
            self.stream.read_exact(&mut self.reply).await?;
        }
        Ok(())
    }
}

struct Wire {
    client: Client<Load>,
    values: Tensor<f32>,
}

impl Wire {
    async fn rounds(&self, case: &Case) -> Result<()> {
        for _ in 0..case.rounds {
            let right = match (case.up, case.down) {
                (0, 0) => self.client.nothing().await? == 0,
                (0, down) => 4 * self.client.pull(down / 4).await?.len() == down,
                (up, _) => self.client.push(self.values.clone()).await? == up as u64 / 4,
            };
            assert!(right, "a wrong reply");
        }
        Ok(())
    }

    async fn rounds_in_flight(&self, rounds: usize) -> Result<()> {
        let callers: Vec<_> = (0..IN_FLIGHT)
            .map(|_| {
                let client = self.client.clone();
                tokio::spawn(async move {
                    for _ in 0..rounds / IN_FLIGHT {
                        client.nothing().await?;
                    }
                    Ok::<(), syncline_wire::Error>(())
                })
            })
            .collect();
        for caller in callers {
            caller.await??;
        }
        Ok(())
    }
}

/// A small call within the process: the wire's direct call against a task behind a channel.
async fn compare_in_process(turns: usize) -> Result<Vec<(f64, f64)>> {
    const ROUNDS: usize = 20_000;
    let (requests, mut inbox) = mpsc::channel::<oneshot::Sender<u64>>(IN_FLIGHT);
    tokio::spawn(async move {
        while let Some(reply) = inbox.recv().await {
            let _ = reply.send(0);
        }
    });
    let client = Client::local(Arc::new(Load { parameters: Tensor::default() }));
    let mut turns_taken = Vec::new();
    for _ in 0..turns {
        let start = Instant::now();
        for _ in 0..ROUNDS {
            let (reply, answer) = oneshot::channel();
            requests.send(reply).await?;
            answer.await?;
        }
        let channel_time = start.elapsed().as_secs_f64() / ROUNDS as f64;
        let start = Instant::now();
        for _ in 0..ROUNDS {
            client.nothing().await?;
        }
        turns_taken.push((channel_time, start.elapsed().as_secs_f64() / ROUNDS as f64));
    }
    Ok(turns_taken)
}

fn report(name: &str, case: &Case, turns: &[(f64, f64)]) {
    let bytes = case.up + case.down;
    let speed = |seconds: f64| match (bytes, case.name.contains("in flight")) {
        (0, false) if seconds < 1e-6 => format!("{:.0} ns", seconds * 1e9),
        (0, false) => format!("{:.2} us", seconds * 1e6),
        (0, true) => format!("{:.0} k/s", 1e-3 / seconds),
        _ => format!("{:.2} GB/s", bytes as f64 / seconds / 1e9),
    };
    let ratio = median(turns, |(raw, wire)| raw / wire);
    let goal = case.goal.map_or(String::new(), |goal| format!("{goal:.2}"));
    let verdict = case.goal.map_or("", |goal| if ratio >= goal { "reached" } else { "MISSED" });
    let (raw, wire) = (speed(median(turns, |turn| turn.0)), speed(median(turns, |turn| turn.1)));
    println!("{name:<32} {raw:>12} {wire:>12} {ratio:>8.2} {goal:>6}  {verdict}");
}

fn median(turns: &[(f64, f64)], value: fn(&(f64, f64)) -> f64) -> f64 {
    let mut values: Vec<f64> = turns.iter().map(value).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
