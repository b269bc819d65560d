//! `syncline train`: trains a model with a parameter server and tells where the time went.

use std::{
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::ValueHint;
use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use serde::Serialize;
use syncline::{
    data::{Dataset, Features, Label, Partition, ReadOptions, Scaling, Targets, Task, read, synthetic},
    learn::{ModelSpec, SavedModel},
    paramserv::{Delay, Every, ParamServ, Progress, Report, parse_duration},
    program::{Cost, Executor, SimFault, is_child},
    round::{Fold, Optimizer, Rule, Sync},
    wire::Network,
};
use syncline_terminal::{Detail, unit};

use crate::{
    columns::{HeaderLine, check_names},
    failure::Failure,
    output::{check_distinct, check_writable, page, print, print_json, wrote},
    screen,
};

/// Train a model with workers and a parameter server
///
/// Without DATA it trains on a generated set of 10 classes, the same everywhere.
///
/// Examples:
///   syncline train
///   syncline train data.csv --label price --model linear --workers 4
///   syncline train clicks.svm.zst --model logistic --sync ssp:2 --on processes --save clicks.safetensors
///   syncline train --workers 4 --inject worker=2:3x
///   syncline train --on sim --workers 64 --network 10Gbit/50us --compute exp:3ms
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// A CSV or LIBSVM file, plain, .gz or .zst
    #[arg(value_hint = ValueHint::FilePath)]
    data: Option<PathBuf>,

    /// The column to predict in a CSV file: its name, its number from 1, or `last`
    #[arg(long, default_value = "last", help_heading = "Data")]
    label: Label,
    /// Whether the CSV file's first line names the columns
    #[arg(long, value_enum, default_value_t = HeaderLine::Auto, help_heading = "Data")]
    header: HeaderLine,
    /// Leave the columns as they are, instead of bringing each to mean 0 and deviation 1
    #[arg(long, help_heading = "Data")]
    no_standardize: bool,
    /// What to hold out for validation: a share of the rows, or a file
    #[arg(long, default_value = "0.2", value_name = "SHARE|FILE", help_heading = "Data")]
    validation: String,
    /// How rows are dealt out to workers: contiguous, round-robin or random
    #[arg(long, default_value = "random", help_heading = "Data")]
    partition: Partition,

    /// linear (least squares), logistic (2 classes), softmax, svm (hinge loss) or mlp:SIZES (ReLU layers, such as
    /// mlp:64,32) [default: mlp:64,32, or softmax or linear for sparse data]
    #[arg(long, help_heading = "Model")]
    model: Option<ModelSpec>,
    /// Weight of the L2 penalty
    #[arg(long, default_value_t = 0.0, help_heading = "Model")]
    l2: f32,
    /// sgd, momentum, adagrad or adam
    #[arg(long, default_value = "sgd", help_heading = "Model")]
    optimizer: Rule,
    /// Learning rate [default: 0.1 for sgd, 0.02 for momentum, 0.05 for adagrad, 0.002 for adam]
    #[arg(long, help_heading = "Model")]
    lr: Option<f32>,
    /// How often all rows are gone through
    #[arg(long, default_value_t = 10, help_heading = "Model")]
    epochs: u32,
    /// Rows in one worker's batch
    #[arg(long, default_value_t = 64, help_heading = "Model")]
    batch: usize,
    /// Seed of everything random
    #[arg(long, default_value_t = 1, help_heading = "Model")]
    seed: u64,

    /// Workers, who share the rows
    #[arg(long, default_value_t = 2, help_heading = "Parameter server")]
    workers: usize,
    /// Servers, who share the parameters
    #[arg(long, default_value_t = 1, help_heading = "Parameter server")]
    servers: usize,
    /// When workers wait: bsp (for all, each round), asp (never), ssp:BOUND (when BOUND rounds ahead), backup:SPARE (for all
    /// but SPARE)
    #[arg(long, default_value = "bsp", help_heading = "Parameter server")]
    sync: Sync,
    /// How often workers exchange with the servers: batch, batches:N or epoch
    #[arg(long, default_value = "batch", help_heading = "Parameter server")]
    every: Every,
    /// How the gradients of a round are combined: mean, sum (as SystemDS does) or average (of the workers' models)
    #[arg(long, default_value = "mean", help_heading = "Parameter server")]
    fold: Fold,
    /// Where servers and workers run: threads, processes, or sim (in virtual time on one thread)
    #[arg(long, default_value = "threads", help_heading = "Parameter server")]
    on: Executor,
    /// End the run when a node's process gives no sign of life for so long, such as 30s; a node that computes long gives
    /// them [default: wait for ever, and say so after 10 s]
    #[arg(long, value_name = "TIME", value_parser = time, help_heading = "Parameter server")]
    silence: Option<Duration>,
    /// With --on sim: each node's line, as BANDWIDTH/LATENCY or BANDWIDTH/LATENCY/JITTER, such as 10Gbit/50us [default: ideal]
    #[arg(long, value_name = "NETWORK", help_heading = "Virtual time")]
    network: Option<Network>,
    /// With --on sim: what a round's computation costs in virtual time: measured, 3ms, exp:3ms or uniform:1ms..5ms [default:
    /// measured]
    #[arg(long, value_name = "COST", help_heading = "Virtual time")]
    compute: Option<Cost>,
    /// With --on sim: what goes wrong when, such as "kill worker/1 3s", "drop worker/0>server #3" or "partition *>server
    /// 1s..2s"; may be repeated
    #[arg(long, value_name = "FAULT", help_heading = "Virtual time")]
    fault: Vec<SimFault>,
    /// Slow workers or rounds: WHO:AMOUNT, such as worker=2:3x, all:exp:20ms or round=5..9:50ms; may be repeated
    #[arg(long, value_name = "DELAY", help_heading = "Parameter server")]
    inject: Vec<Delay>,

    /// Write the trained model to this file
    #[arg(long, value_name = "FILE.safetensors", value_hint = ValueHint::FilePath, help_heading = "Output")]
    save: Option<PathBuf>,
    /// Write what happened when to this file (Parquet)
    #[arg(long, value_name = "FILE.parquet", value_hint = ValueHint::FilePath, help_heading = "Output")]
    trace: Option<PathBuf>,
    /// Print the report as JSON
    #[arg(long, help_heading = "Output")]
    json: bool,
}

/// The report for machines.
#[derive(Serialize)]
struct Output<'a> {
    model: String,
    data: String,
    #[serde(flatten)]
    report: &'a Report,
}

/// Rows and columns and classes of the generated set.
const GENERATED: (usize, usize, usize) = (50_000, 128, 10);

pub fn run(args: Args) -> Result<(), Failure> {
    for path in args.save.iter().chain(&args.trace).filter(|_| !is_child()) {
        check_writable(path)?;
    }
    let outputs: Vec<&Path> = args.save.iter().chain(&args.trace).map(PathBuf::as_path).collect();
    let inputs: Vec<&Path> =
        args.data.iter().map(PathBuf::as_path).chain([Path::new(&args.validation)]).collect();
    check_distinct(&outputs, &inputs)?;
    let optimizer = optimizer(&args)?;
    let executor = executor(&args)?;
    let (mut train, mut validation) = load(&args)?;
    let scaling = (!args.no_standardize).then(|| Scaling::fit(&train));
    if let Some(scaling) = &scaling {
        scaling.apply(&mut train)?;
        validation.as_mut().map_or(Ok(()), |data| scaling.apply(data))?;
    }
    let spec = args.model.clone().unwrap_or_else(|| suitable(&train));
    let model = spec.build(&train)?;
    let mut saved = SavedModel::new(spec, &train, scaling, Vec::new());
    let bar = progress_bar(&args);
    let run = ParamServ::new(model, train)
        .workers(args.workers)
        .servers(args.servers)
        .sync(args.sync)
        .every(args.every)
        .fold(args.fold)
        .batch(args.batch)
        .epochs(args.epochs)
        .optimizer(optimizer)
        .partition(args.partition)
        .seed(args.seed)
        .on_progress(move |progress| show(&bar, progress));
    let run = match validation {
        Some(data) => run.validation(data),
        None => run,
    };
    let run = args.inject.iter().cloned().fold(run, ParamServ::inject);
    let run = match &args.trace {
        Some(path) => run.trace(path),
        None => run,
    };
    let trained = run.train(executor)?;
    // The model first: whoever reads the report may have gone away. But the report also when it cannot be saved.
    let report = trained.report().clone();
    saved.parameters = trained.parameters;
    let kept = args.save.as_ref().map_or(Ok(()), |path| saved.save(path));
    let told = tell(&args.data, &saved.spec, args.json, &report);
    kept?;
    args.save.iter().for_each(|path| wrote(path));
    if trained.trace_error.is_none() {
        args.trace.iter().for_each(|path| wrote(path));
    }
    trained
        .trace_error
        .map_or(Ok(()), |error| Err(Failure::failed(format!("the trace is incomplete: {error}"))))?;
    told
}

fn optimizer(args: &Args) -> Result<Optimizer, Failure> {
    let rate = args.lr.unwrap_or_else(|| args.optimizer.default_rate());
    Optimizer::new(args.optimizer, rate)
        .and_then(|optimizer| optimizer.with_l2(args.l2))
        .map_err(|error| Failure::Usage(error.to_string()))
}

/// Where the nodes run, and how long the launcher bears their silence.
fn executor(args: &Args) -> Result<Executor, Failure> {
    if args.on.is_sim() {
        return simulation(args);
    }
    if args.network.is_some() || args.compute.is_some() || !args.fault.is_empty() {
        let message = "--network, --compute and --fault are of a simulation: add --on sim";
        return Err(Failure::Usage(message.to_owned()));
    }
    match args.silence {
        None => Ok(args.on.clone()),
        Some(limit) if args.on.has_processes() => Ok(args.on.clone().silence_limit(limit)),
        Some(_) => {
            Err(Failure::Usage("--silence is for nodes that are processes: add --on processes".to_owned()))
        }
    }
}

/// A run in virtual time.
fn simulation(args: &Args) -> Result<Executor, Failure> {
    if args.silence.is_some() {
        let message = "--silence is for nodes that are processes: in virtual time none is silent";
        return Err(Failure::Usage(message.to_owned()));
    }
    let network = args.network.clone().unwrap_or_default();
    let executor = args.on.clone().seed(args.seed).network(network).compute(args.compute.unwrap_or_default());
    Ok(args.fault.iter().cloned().fold(executor, Executor::fault))
}

/// A time with its unit, long enough to tell silence from a moment without a sign of life.
fn time(text: &str) -> Result<Duration, String> {
    parse_duration(text)
        .filter(|time| *time >= Duration::from_millis(100))
        .ok_or_else(|| "a time from 100ms to 3600s, such as 30s or 1.5s, is needed".to_owned())
}

/// The rows to train on and the rows held out.
fn load(args: &Args) -> Result<(Dataset, Option<Dataset>), Failure> {
    let task = args.model.as_ref().and_then(ModelSpec::task);
    let data = match &args.data {
        None => generated(task, args.seed),
        Some(path) => read(path, &options(args, task))?,
    };
    match args.validation.parse::<f64>() {
        Ok(0.0) => Ok((data, None)),
        Ok(share) if share > 0.0 && share < 1.0 => {
            let (train, held_out) = data.split(share, args.seed)?;
            Ok((train, Some(held_out)))
        }
        Ok(share) => {
            Err(Failure::Usage(format!("validation is {share}: a share must be at least 0 and less than 1")))
        }
        Err(_) => {
            let like_training = ReadOptions {
                classes: Some(data.targets().classes().to_vec()).filter(|classes| !classes.is_empty()),
                columns: Some(data.columns()),
                ..options(args, task)
            };
            let held_out = read(&args.validation, &like_training)?;
            check_names(data.feature_names(), &held_out, Path::new(&args.validation))?;
            Ok((data, Some(held_out)))
        }
    }
}

/// A model for data when the user names none: a small network, or over many sparse features a linear model.
fn suitable(data: &Dataset) -> ModelSpec {
    match (data.features(), data.targets()) {
        (Features::Dense(_), _) => ModelSpec::Mlp(vec![64, 32]),
        (Features::Sparse(_), Targets::Class { .. }) => ModelSpec::Softmax,
        (Features::Sparse(_), Targets::Real(_)) => ModelSpec::Linear,
    }
}

/// The data set of a run without DATA.
fn generated(task: Option<Task>, seed: u64) -> Dataset {
    let (rows, columns, classes) = GENERATED;
    match task {
        Some(Task::Regression) => synthetic::linear(rows, columns, 0.1, seed),
        _ => synthetic::separable(rows, columns, classes, seed),
    }
}

fn options(args: &Args, task: Option<Task>) -> ReadOptions {
    ReadOptions { label: args.label.clone(), header: args.header.into(), task, ..ReadOptions::default() }
}

/// A progress bar on a terminal; nothing in a pipe, in a node's process, or beside JSON.
fn progress_bar(args: &Args) -> ProgressBar {
    if is_child() || args.json || screen::detail() == Detail::Quiet {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{bar:20} {percent:>3} %  {msg}  {speed}  {eta} left") {
        let speed = |state: &ProgressState, text: &mut dyn fmt::Write| {
            // A text that cannot be written is not worth an error.
            let _ = write!(text, "{:.0} samples/s", state.per_sec());
        };
        bar.set_style(style.with_key("speed", speed));
    }
    bar
}

fn show(bar: &ProgressBar, progress: &Progress) {
    bar.set_length(progress.total_samples);
    bar.set_position(progress.samples);
    if progress.recent.rows > 0 {
        bar.set_message(format!(
            "epoch {}  loss {}",
            progress.epochs_done + 1,
            unit::loss(progress.recent.mean_loss())
        ));
    }
    if progress.samples >= progress.total_samples {
        bar.finish_and_clear();
    }
}

fn tell(data: &Option<PathBuf>, model: &ModelSpec, json: bool, report: &Report) -> Result<(), Failure> {
    let data = data.as_ref().map_or("generated data".to_owned(), |path| syncline_terminal::path(path));
    if json {
        return print_json(&Output { model: model.to_string(), data, report });
    }
    let mut page = page();
    report.write(&mut page, &format!("{model} on {data}"));
    print(page.text())
}
