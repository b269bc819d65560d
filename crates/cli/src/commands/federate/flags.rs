//! The flags of `syncline federate`, and the settings that they are.

use std::{path::PathBuf, time::Duration};

use clap::ValueHint;
use syncline::{
    data::Input,
    learn::ModelSpec,
    paramserv::{TrainJob, Validation},
    program::Executor,
    runtime::{parse_duration, write_duration},
};
use syncline_federated::{
    ClientsBy, Compression, Deal, Devices, Edges, Factor, FoldName, Generated, HeldOut, Late, Liars, Line,
    Neighbours, NoisePlace, Partial, Privacy, SecureSum, Select, Settings, Source, Strategy,
};

use crate::{
    failure::Failure,
    tables::{self, TableArgs},
};

/// Train one model on many clients who keep their rows, in virtual time
///
/// Each round selects clients, who train the server's model on their own rows for a while; their answers are folded into the
/// next model. How fast devices and lines are is given, so a run of days takes seconds, and the same seed gives the same
/// report. With --on they compute on threads, processes or hosts instead. Without DATA rows are generated.
///
/// Examples:
///   syncline federate --clients 100 --select 10 --deal dirichlet:0.3
///   syncline federate hospitals/*.csv --clients files --label outcome --strategy scaffold --rounds 100
///   syncline federate visits.csv --clients column:hospital --label outcome --quorum 8 --deadline 30s --speeds exp
///   syncline federate --clients 1000 --select poisson:0.05 --dp-epsilon 4 --dp-clip 0.5
///   syncline federate hospitals/*.csv --clients files --label outcome --on processes --nodes 4
///   syncline federate --clients 100 --edges 5:4 --on processes
///   syncline federate --clients 16 --strategy gossip --neighbours torus --speeds exp
///   syncline federate --clients 50 --select 20 --dropout 0.1 --quorum 12 --secure-sum 14
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// CSV, LIBSVM, Parquet, NPY, NPZ or IDX files, plain or compressed, and patterns of several
    #[arg(value_hint = ValueHint::FilePath)]
    data: Vec<PathBuf>,
    #[command(flatten)]
    table: TableArgs,
    /// Leave numbers as they are, instead of bringing each column, and a label that is an amount, to mean 0 and
    /// deviation 1 over all clients
    #[arg(long, help_heading = "Data")]
    no_standardize: bool,
    /// What is held out: a share of the rows (where clients have rows of their own, of each one's), or a file [default: 0.2]
    #[arg(long, value_name = "SHARE|FILE", help_heading = "Data")]
    validation: Option<Validation>,
    #[command(flatten)]
    clients: ClientArgs,
    #[command(flatten)]
    rounds: RoundArgs,
    #[command(flatten)]
    local: LocalArgs,
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten)]
    privacy: PrivacyArgs,
    #[command(flatten)]
    devices: DeviceArgs,
    /// Seed of all that is left to chance, but the noise of privacy and the keys of secure sums [default: 1]
    #[arg(long, default_value_t = 1, hide_default_value = true, help_heading = "Model")]
    seed: u64,
    /// Write the trained model to this file
    #[arg(long, value_name = "FILE.safetensors", value_hint = ValueHint::FilePath, help_heading = "Output")]
    pub save: Option<PathBuf>,
    /// Write what each client did when to this file (Parquet)
    #[arg(long, value_name = "FILE.parquet", value_hint = ValueHint::FilePath, help_heading = "Output")]
    pub trace: Option<PathBuf>,
    /// Draw the loss over the run's time into this file (SVG)
    #[arg(long, value_name = "FILE.svg", value_hint = ValueHint::FilePath, help_heading = "Output")]
    pub plot: Option<PathBuf>,
    /// Print the report as JSON
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}

/// Who the clients are.
#[derive(clap::Args)]
struct ClientArgs {
    /// A number of clients, to whom the rows are dealt out; files (each file is a client); or column:NAME, which says whose a
    /// row is [default: 20]
    #[arg(long, value_name = "CLIENTS", help_heading = "Clients")]
    clients: Option<ClientsBy>,
    /// How rows are dealt out: iid, dirichlet:ALPHA (each client has a mix of classes of its own, the more so the smaller
    /// alpha is) or labels:N (about N classes each); an amount is dealt by its tenths [default: iid]
    #[arg(long, value_name = "DEAL", help_heading = "Clients")]
    deal: Option<Deal>,
    /// What is generated without DATA: separable, fedprox:iid or fedprox:ALPHA,BETA (FedProx' 30 unlike devices)
    /// [default: separable]
    #[arg(long, value_name = "SET", help_heading = "Clients")]
    generate: Option<Generated>,
    /// Servers between clients and the server, and how many rounds each makes among its own clients (neighbours) before it answers:
    /// EDGES or EDGES:ROUNDS, such as 4:5. What is selected, waited for, lost or lies is then an edge
    #[arg(long, value_name = "EDGES", help_heading = "Clients")]
    edges: Option<Edges>,
    /// Clients that lie: COUNT:scale:FACTOR (they send their change times that), COUNT:noise:DEVIATION or
    /// COUNT:constant:VALUE
    #[arg(long, value_name = "LIARS", help_heading = "Clients")]
    liars: Option<Liars>,
}

/// Who takes part, and for whom a round waits.
#[derive(clap::Args)]
struct RoundArgs {
    /// Rounds; under async and fedbuff updates of the model
    #[arg(long, default_value_t = 50, help_heading = "Rounds")]
    rounds: u64,
    /// Clients of a round: all, a number, a share such as 0.1, samples:N (by their rows), poisson:RATE (each by itself) or over
    /// (as many as the quorum needs with the dropout); under async and fedbuff how many work at once [default: all]
    #[arg(long, value_name = "WHO", help_heading = "Rounds")]
    select: Option<Select>,
    /// Answers that a round needs; without --deadline it closes with them [default: all]
    #[arg(long, value_name = "ANSWERS", help_heading = "Rounds")]
    quorum: Option<usize>,
    /// How long a round waits for more than its quorum, such as 30s
    #[arg(long, value_name = "TIME", value_parser = time, help_heading = "Rounds")]
    deadline: Option<Duration>,
    /// What becomes of answers that come after their round: drop, or next (they count in the next one) [default: drop]
    #[arg(long, value_enum, help_heading = "Rounds")]
    late: Option<LateName>,
    /// Rounds between two evaluations
    #[arg(long, value_name = "ROUNDS", default_value_t = 1, help_heading = "Rounds")]
    evaluate_every: u64,
    /// End when an evaluation finds a loss of at most this
    #[arg(long, value_name = "LOSS", help_heading = "Rounds")]
    target_loss: Option<f64>,
}

/// What a client does with the model.
#[derive(clap::Args)]
struct LocalArgs {
    /// linear (least squares), logistic (2 classes), softmax, svm (hinge loss) or mlp:SIZES (ReLU layers, such as mlp:64,32)
    /// [default: softmax, linear for an amount]
    #[arg(long, help_heading = "Model")]
    pub model: Option<ModelSpec>,
    /// Passes of a client over its rows in a round
    #[arg(long, value_name = "PASSES", default_value_t = 1, help_heading = "Work of a client")]
    local_epochs: usize,
    /// Rows of a local step, or all
    #[arg(
        long,
        value_name = "ROWS",
        default_value = "32",
        value_parser = rows_or_all,
        help_heading = "Work of a client"
    )]
    batch: OrAll,
    /// Rate of local steps
    #[arg(long, default_value_t = 0.05, help_heading = "Work of a client")]
    lr: f64,
    /// Weight of the distance to the server's model [default: 0.1 with prox, else none]
    #[arg(long, help_heading = "Work of a client")]
    mu: Option<f64>,
    /// How a change is made smaller before it is sent: none, topk:SHARE, qsgd:LEVELS or bf16 [default: none]
    #[arg(long, value_name = "HOW", help_heading = "Work of a client")]
    compress: Option<Compression>,
}

/// What the server does with answers.
#[derive(clap::Args)]
struct ServerArgs {
    /// avg, avgm, adagrad, adam, yogi, prox, scaffold, nova, async, fedbuff or gossip (no server: each client averages its model with its
    /// neighbours') [default: avg]
    #[arg(long, help_heading = "Strategy")]
    strategy: Option<Strategy>,
    /// How answers become one: mean, median, trimmed:SHARE, krum:LIARS, krum:LIARS,KEEP or bulyan:LIARS [default: mean]
    #[arg(long, help_heading = "Strategy")]
    fold: Option<FoldName>,
    /// Rate of the server's steps [default: 1, for adagrad and adam 0.1, for yogi 0.01]
    #[arg(long, value_name = "RATE", help_heading = "Strategy")]
    server_lr: Option<f64>,
    /// With avgm: momentum of the server [default: 0.9]
    #[arg(long, value_name = "SHARE", help_heading = "Strategy")]
    server_momentum: Option<f64>,
    /// With async: largest share of a new model [default: 0.6]
    #[arg(long, value_name = "SHARE", help_heading = "Strategy")]
    alpha: Option<f64>,
    /// With async: how fast that share falls with staleness [default: 0.5]
    #[arg(long, value_name = "POWER", help_heading = "Strategy")]
    staleness_power: Option<f64>,
    /// With fedbuff: answers that are folded at once [default: 10]
    #[arg(long, value_name = "ANSWERS", help_heading = "Strategy")]
    buffer: Option<usize>,
    /// With gossip: who is whose neighbour: ring, torus or all [default: ring]
    #[arg(long, value_name = "GRAPH", help_heading = "Strategy")]
    neighbours: Option<Neighbours>,
    /// With async and fedbuff: drop answers that are older than so many versions of the model
    #[arg(long, value_name = "VERSIONS", help_heading = "Strategy")]
    most_stale: Option<u64>,
}

/// What is given away.
#[derive(clap::Args)]
struct PrivacyArgs {
    /// Differential privacy of clients with this noise multiplier z
    #[arg(long, value_name = "Z", group = "dp", conflicts_with = "dp_epsilon", help_heading = "Privacy")]
    dp_noise: Option<f64>,
    /// Differential privacy of clients with as much noise as keeps epsilon below this over all rounds
    #[arg(long, value_name = "EPSILON", group = "dp", help_heading = "Privacy")]
    dp_epsilon: Option<f64>,
    /// Length to which changes are clipped [default: 1]
    #[arg(long, value_name = "LENGTH", requires = "dp", help_heading = "Privacy")]
    dp_clip: Option<f64>,
    /// Let that length follow the median of the clients'
    #[arg(long, requires = "dp", help_heading = "Privacy")]
    dp_adaptive: bool,
    /// The delta at which epsilon is told [default: 1e-5]
    #[arg(long, value_name = "DELTA", requires = "dp", help_heading = "Privacy")]
    dp_delta: Option<f64>,
    /// Who adds the noise: server (to the sum) or clients (each to its own change) [default: server]
    #[arg(long, value_enum, value_name = "WHO", requires = "dp", help_heading = "Privacy")]
    dp_by: Option<NoiseBy>,
    /// Take the noise from the seed, for experiments: then there is no privacy
    #[arg(long, requires = "dp", help_heading = "Privacy")]
    reproducible_noise: bool,
    /// Sums whose parts the server does not see: all (SecAgg) or the number of each client's neighbours (SecAgg+)
    #[arg(long, value_name = "NEIGHBOURS", value_parser = neighbours_or_all, help_heading = "Privacy")]
    secure_sum: Option<OrAll>,
    /// To what weighted values are clipped in a secure sum [default: 1]
    #[arg(long, value_name = "VALUE", requires = "secure_sum", help_heading = "Privacy")]
    secure_clip: Option<f64>,
    /// Bits of a value in a secure sum [default: 20]
    #[arg(long, value_name = "BITS", requires = "secure_sum", help_heading = "Privacy")]
    secure_bits: Option<u32>,
}

/// What clients run on, and what happens to them.
#[derive(clap::Args)]
struct DeviceArgs {
    /// Compute on threads, processes or hosts, as in `train --on`, in place of virtual time: then devices are as fast as they are
    #[arg(
        long,
        value_name = "EXECUTOR",
        conflicts_with_all = ["step_time", "speeds", "jitter", "network", "dropout"],
        help_heading = "Devices"
    )]
    on: Option<Executor>,
    /// With --on: over how many nodes the clients are spread, who have their rows and compute for them
    /// [default: 2, or one for each of the edges]
    #[arg(long, value_name = "NODES", requires = "on", help_heading = "Devices")]
    nodes: Option<usize>,
    /// Virtual time of one local step on a device of factor 1 [default: 1ms]
    #[arg(long, value_name = "TIME", value_parser = time, help_heading = "Devices")]
    step_time: Option<Duration>,
    /// How much slower each device is, for good: equal, uniform:LOW..HIGH, exp or lognormal:SIGMA [default: equal]
    #[arg(long, value_name = "FACTORS", help_heading = "Devices")]
    speeds: Option<Factor>,
    /// How much slower it is in a round, as --speeds [default: equal]
    #[arg(long, value_name = "FACTORS", help_heading = "Devices")]
    jitter: Option<Factor>,
    /// Each client's line: ideal, or BANDWIDTH/LATENCY such as 10Mbit/50ms [default: ideal]
    #[arg(long, value_name = "LINE", help_heading = "Devices")]
    network: Option<Line>,
    /// Probability with which a client is lost in a round [default: 0]
    #[arg(
        long,
        value_name = "SHARE",
        default_value_t = 0.0,
        hide_default_value = true,
        help_heading = "Devices"
    )]
    dropout: f64,
    /// Share of a round's clients that make only a part of their steps [default: 0]
    #[arg(
        long,
        value_name = "SHARE",
        default_value_t = 0.0,
        hide_default_value = true,
        help_heading = "Devices"
    )]
    stragglers: f64,
    /// Whether these send what they have: keep or drop [default: keep]
    #[arg(long, value_enum, help_heading = "Devices")]
    partial: Option<PartialName>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum LateName {
    Drop,
    Next,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum PartialName {
    Keep,
    Drop,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum NoiseBy {
    Server,
    Clients,
}

/// A number; nothing for all.
#[derive(Clone, Copy)]
struct OrAll(Option<usize>);

fn rows_or_all(text: &str) -> Result<OrAll, String> {
    or_all(text, 1, "rows")
}

fn neighbours_or_all(text: &str) -> Result<OrAll, String> {
    or_all(text, 2, "neighbours")
}

fn or_all(text: &str, least: usize, what: &str) -> Result<OrAll, String> {
    if text == "all" {
        return Ok(OrAll(None));
    }
    match text.parse() {
        Ok(number) if number >= least => Ok(OrAll(Some(number))),
        _ => Err(format!("it is a number of {what} from {least} on, or all")),
    }
}

fn time(text: &str) -> Result<Duration, String> {
    let time = parse_duration(text).ok_or_else(|| "write a time such as 30s, 50ms or 2m".to_owned())?;
    if time.is_zero() { Err(format!("it must be above {}", write_duration(time))) } else { Ok(time) }
}

impl Args {
    /// On how many nodes of what so many clients compute; nothing in virtual time.
    pub fn place(&self, clients: usize) -> Result<Option<(usize, Executor)>, Failure> {
        let Some(on) = self.devices.on.clone() else { return Ok(None) };
        if on.has_processes() && self.data.iter().any(|path| path.as_os_str() == "-") {
            let why = "standard input can be read once, and each process reads the data: give a file, or --on threads";
            return Err(Failure::Usage(why.to_owned()));
        }
        let usual = self.clients.edges.map_or(clients.min(2), |edges| edges.count);
        Ok(Some((self.devices.nodes.unwrap_or(usual), on)))
    }

    /// The model that is asked for, where one is.
    pub fn model(&self) -> Option<ModelSpec> {
        self.local.model.clone()
    }

    /// All files that are read.
    pub fn inputs(&self) -> Vec<PathBuf> {
        let held_out = match &self.validation {
            Some(Validation::File(file)) => Some(file.clone()),
            _ => None,
        };
        self.data.iter().cloned().chain(held_out).collect()
    }

    /// What the data are called.
    pub fn named(&self) -> String {
        match (self.data.as_slice(), self.clients.generate) {
            ([], generated) => format!("generated rows ({})", generated.unwrap_or_default()),
            ([one], _) => one.display().to_string(),
            ([first, rest @ ..], _) => format!("{} and {} more", first.display(), rest.len()),
        }
    }

    /// Where clients and rows come from.
    pub fn source(&self) -> Result<Source, Failure> {
        if self.data.is_empty() && (self.no_standardize || self.table.is_given()) {
            let why =
                "generated rows have no columns to be told about, and are taken as they are: name a file";
            return Err(Failure::Usage(why.to_owned()));
        }
        let job = self.table.clone().tell(TrainJob {
            model: self.model(),
            standardize: self.no_standardize.then_some(false),
            ..TrainJob::default()
        });
        let held_out = match self.validation.clone().unwrap_or_default() {
            Validation::Share(share) => HeldOut::Share(share),
            Validation::File(file) => HeldOut::File(Input::open(file)?),
        };
        Ok(Source {
            inputs: tables::open(&self.data)?,
            options: job.reading()?,
            generated: self.clients.generate,
            clients: self.clients.clients.clone(),
            deal: self.clients.deal,
            held_out,
            seed: self.seed,
        })
    }

    /// How the run goes on.
    pub fn settings(&self) -> Result<Settings, Failure> {
        let usual = Settings::default();
        let devices = Devices::default();
        let (rounds, local, server, on) = (&self.rounds, &self.local, &self.server, &self.devices);
        let settings = Settings {
            strategy: server.strategy.unwrap_or_default(),
            rounds: rounds.rounds,
            selection: rounds.select.unwrap_or_default(),
            quorum: rounds.quorum,
            deadline: rounds.deadline,
            late: if matches!(rounds.late, Some(LateName::Next)) { Late::Next } else { Late::Drop },
            dropout: on.dropout,
            stragglers: on.stragglers,
            partial: if matches!(on.partial, Some(PartialName::Drop)) {
                Partial::Drop
            } else {
                Partial::Keep
            },
            epochs: local.local_epochs,
            batch: local.batch.0,
            rate: local.lr,
            mu: local.mu,
            server_rate: server.server_lr,
            momentum: server.server_momentum,
            alpha: server.alpha,
            staleness_power: server.staleness_power,
            buffer: server.buffer,
            neighbours: server.neighbours,
            most_stale: server.most_stale,
            fold: server.fold.unwrap_or_default(),
            liars: self.clients.liars,
            compression: local.compress.unwrap_or_default(),
            privacy: None,
            secure: self.privacy.secure(),
            edges: self.clients.edges,
            devices: Devices {
                step: on.step_time.unwrap_or(devices.step),
                speeds: on.speeds.unwrap_or_default(),
                jitter: on.jitter.unwrap_or_default(),
                line: on.network.unwrap_or_default(),
            },
            evaluate_every: rounds.evaluate_every,
            target_loss: rounds.target_loss,
            seed: self.seed,
            threads: std::thread::available_parallelism().map_or(usual.threads, usize::from),
        };
        let privacy = self.privacy.of(&settings)?;
        Ok(Settings { privacy, ..settings })
    }
}

impl PrivacyArgs {
    fn secure(&self) -> Option<SecureSum> {
        let neighbours = self.secure_sum?.0;
        Some(SecureSum {
            neighbours,
            clip: self.secure_clip.unwrap_or(1.0),
            bits: self.secure_bits.unwrap_or(20),
        })
    }

    fn of(&self, settings: &Settings) -> Result<Option<Privacy>, Failure> {
        let delta = self.dp_delta.unwrap_or(1e-5);
        let noise = match (self.dp_noise, self.dp_epsilon) {
            (None, None) => return Ok(None),
            (Some(noise), _) => noise,
            (None, Some(epsilon)) => settings.noise_for(epsilon, delta)?,
        };
        let is_local = matches!(self.dp_by, Some(NoiseBy::Clients));
        Ok(Some(Privacy {
            noise,
            clip: self.dp_clip.unwrap_or(1.0),
            adaptive: self.dp_adaptive,
            delta,
            place: if is_local { NoisePlace::Local } else { NoisePlace::Central },
            reproducible: self.reproducible_noise,
        }))
    }
}
