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
    data::{Dataset, Features, Fitted, Input, Partition, Schema, Targets, Task, synthetic},
    learn::{ModelSpec, SavedModel},
    paramserv::{ClassWeight, Delay, Every, ParamServ, Progress, Report, Schedule, parse_duration},
    program::{Cost, Executor, Interrupt, SimFault, is_child},
    round::{Fold, Optimizer, Policy, Rule},
    wire::Network,
};
use syncline_terminal::{Detail, unit};

use super::survival::SurvivalArgs;
use crate::{
    failure::Failure,
    output::{check_distinct, check_writable, page, print, print_json, wrote},
    screen,
    tables::{self, TableArgs},
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
///   syncline train data.csv --on processes --checkpoint run1 --on-worker-loss restart
///   syncline train --on sim --workers 64 --network 10Gbit/50us --compute exp:3ms
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// CSV, LIBSVM, Parquet, NPY, NPZ or IDX files, plain or compressed (.gz, .zst, .bz2, .xz), patterns of several, or `-`
    #[arg(value_hint = ValueHint::FilePath)]
    data: Vec<PathBuf>,

    #[command(flatten)]
    table: TableArgs,
    /// Leave numbers as they are, instead of bringing each column, and a label that is an amount, to mean 0 and
    /// deviation 1
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
    /// Share of the hidden units of an mlp that are left out at random in training
    #[arg(long, default_value_t = 0.0, value_name = "SHARE", help_heading = "Model")]
    dropout: f32,
    /// Weight of the L1 penalty, which sets weights that matter little to zero
    #[arg(long, default_value_t = 0.0, help_heading = "Model")]
    l1: f32,
    /// Weight of the L2 penalty [default: 0.3 / rows for an mlp that predicts classes, else 0]
    #[arg(long, help_heading = "Model")]
    l2: Option<f32>,
    /// How much rows count by their class: balanced, or CLASS=WEIGHT,CLASS=WEIGHT
    #[arg(long, value_name = "WEIGHTS", help_heading = "Model")]
    class_weight: Option<ClassWeight>,

    /// sgd, momentum, adagrad or adam [default: adam; adagrad for sparse data; sgd for other --every than batch]
    #[arg(long, help_heading = "Steps")]
    optimizer: Option<Rule>,
    /// Learning rate [default: 0.1 for sgd, 0.02 for momentum, 0.05 for adagrad, 0.002 for adam, 0.03 for adam with a
    /// linear model]
    #[arg(long, help_heading = "Steps")]
    lr: Option<f32>,
    /// How the rate changes over the run: constant, cosine, step:EPOCHS:FACTOR, or warmup:EPOCHS+ and one of these
    #[arg(long, default_value = "cosine", help_heading = "Steps")]
    schedule: Schedule,
    /// How much of its velocity momentum keeps [default: 0.9]
    #[arg(long, value_name = "SHARE", help_heading = "Steps")]
    momentum: Option<f32>,
    /// How much adam keeps of its first moment [default: 0.9]
    #[arg(long, value_name = "SHARE", help_heading = "Steps")]
    beta1: Option<f32>,
    /// How much adam keeps of its second moment [default: 0.999]
    #[arg(long, value_name = "SHARE", help_heading = "Steps")]
    beta2: Option<f32>,
    /// What adam and adagrad add to their divisors [default: 1e-8 for adam, 1e-10 for adagrad]
    #[arg(long, help_heading = "Steps")]
    eps: Option<f32>,
    /// Shorten the gradient of a batch to this length where it is longer
    #[arg(long, value_name = "LENGTH", help_heading = "Steps")]
    clip: Option<f32>,
    /// How often all rows are gone through [default: 10, more for few rows]
    #[arg(long, help_heading = "Steps")]
    epochs: Option<u32>,
    /// Stop after so many epochs without a smaller validation loss, and keep the best epoch
    #[arg(long, value_name = "EPOCHS", help_heading = "Steps")]
    patience: Option<u32>,
    /// Rows in one worker's batch [default: 64, for a linear model fewer where an epoch would have less than
    /// 8 rounds]
    #[arg(long, help_heading = "Steps")]
    batch: Option<usize>,
    /// Go through the rows in the same order in every epoch
    #[arg(long, help_heading = "Steps")]
    no_shuffle: bool,
    /// Seed of everything random
    #[arg(long, default_value_t = 1, help_heading = "Model")]
    seed: u64,

    /// Workers, who share the rows [default: 2, or 1 for one row]
    #[arg(long, help_heading = "Parameter server")]
    workers: Option<usize>,
    /// Servers, who share the parameters
    #[arg(long, default_value_t = 1, help_heading = "Parameter server")]
    servers: usize,
    /// When workers wait: bsp (for all, each round), asp (never), ssp:BOUND (when BOUND rounds ahead), backup:SPARE (for all
    /// but SPARE), quorum:LEAST,DEADLINE (for all until the deadline, such as 50ms, then for LEAST)
    #[arg(long, default_value = "bsp", help_heading = "Parameter server")]
    sync: Policy,
    /// How often workers exchange with the servers: batch, batches:N or epoch
    #[arg(long, default_value = "batch", help_heading = "Parameter server")]
    every: Every,
    /// How the gradients of a round are combined: mean, sum (as SystemDS does) or average (of the workers' models)
    #[arg(long, default_value = "mean", help_heading = "Parameter server")]
    fold: Fold,
    /// Where servers and workers run: threads, processes, sim (in virtual time on one thread), ssh:HOSTS-FILE (a line for each
    /// host, as `HOST slots=4`) or slurm, with its options behind, as in slurm:partition=gpu,time=30
    #[arg(long, default_value = "threads", help_heading = "Parameter server")]
    on: Executor,
    /// End the run when a node's process gives no sign of life for so long, such as 30s; a node that computes long gives
    /// them [default: wait for ever, and say so after 10 s]
    #[arg(long, value_name = "TIME", value_parser = time, help_heading = "Parameter server")]
    silence: Option<Duration>,
    /// With --on ssh or slurm: let everything pass between hosts unencrypted, on a network that is trusted
    #[arg(long, help_heading = "Parameter server")]
    insecure_network: bool,
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

    #[command(flatten)]
    survival: SurvivalArgs,

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
    /// What was found out about the data, in sentences; the first says the task.
    notes: &'a [String],
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
    let executor = executor(&args)?;
    let Loaded { schema, train, validation, notes } = load(&args)?;
    let spec = args.model.clone().unwrap_or_else(|| suitable(&train));
    let model = spec.build_with_dropout(&train, args.dropout)?;
    let usual = match args.every {
        Every::Batch => ParamServ::optimizer_for(&train).rule(),
        // What is pushed then is the sum of many gradients, and the few steps that follow must be as long.
        Every::Batches(_) | Every::Epoch => Rule::Sgd,
    };
    let optimizer = optimizer(&args, &spec, usual, usual_l2(&spec, &train))?;
    let epochs = args.epochs.unwrap_or_else(|| enough_epochs(train.rows()));
    let workers = args.workers.unwrap_or_else(|| train.rows().min(2));
    let batch = args.batch.unwrap_or_else(|| usual_batch(&spec, train.rows(), workers));
    let named = format!("{spec} dropout {}", args.dropout);
    let mut saved = SavedModel::new(spec, schema, Vec::new());
    let bar = progress_bar(&args);
    let run = ParamServ::new(model, train)
        .workers(workers)
        .servers(args.servers)
        .sync(args.sync)
        .every(args.every)
        .fold(args.fold)
        .batch(batch)
        .epochs(epochs)
        .schedule(args.schedule)
        .optimizer(optimizer)
        .partition(args.partition)
        .seed(args.seed)
        .on_progress(move |progress| show(&bar, progress));
    let run = match validation {
        Some(data) => run.validation(data),
        None => run,
    };
    let run = args.survival.tell(steps(run, &args)).identified_by("model", named);
    let run = args.inject.iter().cloned().fold(run, ParamServ::inject);
    let run = match &args.trace {
        Some(path) => run.trace(path),
        None => run,
    };
    let trained = args.survival.or_go_on(run.train(executor).map_err(Failure::from))?;
    let interrupted = trained.interrupted;
    // The model first: whoever reads the report may have gone away. But the report also when it cannot be saved.
    let report = trained.report().clone();
    saved.parameters = trained.parameters;
    saved.unfinished = interrupted.map(|by| unfinished(by, &report));
    let kept = args.save.as_ref().map_or(Ok(()), |path| saved.save(path));
    let told = tell(&args, &saved.spec, &notes, &report);
    kept?;
    args.save.iter().for_each(|path| wrote(path));
    if trained.trace_error.is_none() {
        args.trace.iter().for_each(|path| wrote(path));
    }
    trained
        .trace_error
        .map_or(Ok(()), |error| Err(Failure::failed(format!("the trace is incomplete: {error}"))))?;
    told?;
    if let Some(error) = trained.checkpoint_error {
        return Err(Failure::failed(format!("the last checkpoint could not be written: {error}")));
    }
    if interrupted.is_some() {
        args.survival.tell_how_to_go_on();
    }
    interrupted.map_or(Ok(()), |by| Err(Failure::Interrupted(by)))
}

/// What a model that was interrupted says of itself.
fn unfinished(by: Interrupt, report: &Report) -> String {
    let complete = report.epochs.iter().filter(|epoch| epoch.complete).count();
    format!("ended by {by} after {complete} of {} epochs", report.settings.epochs)
}

/// The optimiser that was asked for; `usual` is the rule for such data, and `l2` the penalty.
fn optimizer(args: &Args, spec: &ModelSpec, usual: Rule, l2: f32) -> Result<Optimizer, Failure> {
    let rule = args.optimizer.unwrap_or(usual);
    let optimizer = || {
        let mut optimizer = Optimizer::new(rule, args.lr.unwrap_or_else(|| usual_rate(rule, spec)))?;
        if let Some(momentum) = args.momentum {
            optimizer = optimizer.with_momentum(momentum)?;
        }
        if args.beta1.is_some() || args.beta2.is_some() {
            optimizer = optimizer.with_betas(args.beta1.unwrap_or(0.9), args.beta2.unwrap_or(0.999))?;
        }
        if let Some(eps) = args.eps {
            optimizer = optimizer.with_eps(eps)?;
        }
        optimizer.with_l1(args.l1)?.with_l2(args.l2.unwrap_or(l2))
    };
    optimizer().map_err(|error: syncline::round::Error| Failure::Usage(error.to_string()))
}

/// The rate of a run that is not given one. Adam moves each weight by about the rate in every step: the few weights of a
/// linear model have further to go than the many of a network, which learns small tables by heart where they move fast.
fn usual_rate(rule: Rule, spec: &ModelSpec) -> f32 {
    match (rule, spec) {
        (Rule::Adam, ModelSpec::Mlp(_)) => 0.002,
        (Rule::Adam, _) => 0.03,
        (rule, _) => rule.default_rate(),
    }
}

/// The L2 penalty of a run that is not given one. A network that has learnt few rows by heart is surer of classes than it may
/// be, and a small penalty takes that away. That of logistic regression by custom (1 / rows, scikit-learn's C = 1) is too
/// much where classes are far apart; amounts gain nothing (docs/measurements/foreign-tables.md).
fn usual_l2(spec: &ModelSpec, train: &Dataset) -> f32 {
    match (spec, train.features(), train.targets()) {
        (ModelSpec::Mlp(_), Features::Dense(_), Targets::Class { .. }) => 0.3 / train.rows().max(1) as f32,
        _ => 0.0,
    }
}

/// What else is said of the steps.
fn steps(run: ParamServ, args: &Args) -> ParamServ {
    let run = if args.no_shuffle { run.without_shuffling() } else { run };
    let run = args.clip.into_iter().fold(run, ParamServ::clip);
    let run = args.patience.into_iter().fold(run, ParamServ::patience);
    args.class_weight.iter().cloned().fold(run, ParamServ::class_weight)
}

/// Rows of a batch: for a linear model so few that an epoch of few rows has several steps too. A network has enough steps
/// to learn few rows by heart as it is.
fn usual_batch(spec: &ModelSpec, rows: usize, workers: usize) -> usize {
    match spec {
        ModelSpec::Mlp(_) => 64,
        _ => (rows / workers.max(1) / 8).clamp(4, 64),
    }
}

/// Samples after which a small model has usually learnt what there is.
const ENOUGH_SAMPLES: usize = 200_000;

/// Epochs for so many rows: few rows make few steps an epoch.
fn enough_epochs(rows: usize) -> u32 {
    ENOUGH_SAMPLES.div_ceil(rows.max(1)).clamp(10, 200) as u32
}

/// Where the nodes run, and how long the launcher bears their silence.
fn executor(args: &Args) -> Result<Executor, Failure> {
    if args.insecure_network && !args.on.is_on_hosts() {
        let message = "--insecure-network is for nodes on several hosts: add --on ssh:FILE or --on slurm";
        return Err(Failure::Usage(message.to_owned()));
    }
    if args.on.is_sim() {
        return simulation(args);
    }
    if args.network.is_some() || args.compute.is_some() || !args.fault.is_empty() {
        let message = "--network, --compute and --fault are of a simulation: add --on sim";
        return Err(Failure::Usage(message.to_owned()));
    }
    let on = if args.insecure_network { args.on.clone().insecure_network() } else { args.on.clone() };
    match args.survival.silence(&on, args.silence) {
        None => Ok(on),
        Some(limit) if on.has_processes() => Ok(on.silence_limit(limit)),
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

/// What a run works on.
struct Loaded {
    schema: Schema,
    train: Dataset,
    validation: Option<Dataset>,
    /// What was found out about the data, in sentences.
    notes: Vec<String>,
}

/// The rows to train on and the rows held out.
fn load(args: &Args) -> Result<Loaded, Failure> {
    let task = task(args)?;
    let share = args.validation.parse::<f64>().ok();
    let file = Path::new(&args.validation);
    let paths: Vec<&Path> =
        args.data.iter().map(PathBuf::as_path).chain(share.is_none().then_some(file)).collect();
    tables::check_streams(&paths, &args.on)?;
    let options = args.table.options(task, args.no_standardize);
    let Fitted { mut schema, data, mut notes } = match args.data.is_empty() {
        true => {
            let data = generated(task, args.seed);
            Fitted { schema: Schema::of(&data), data, notes: Vec::new() }
        }
        false => Schema::fit(&tables::open(&args.data)?, &options)?,
    };
    let (train, validation) = match share {
        Some(0.0) => (data, None),
        Some(share) if share > 0.0 && share < 1.0 => {
            let (train, held_out) = data.split(share, args.seed)?;
            (train, Some(held_out))
        }
        Some(share) => {
            let must = "a share must be at least 0 and less than 1";
            return Err(Failure::Usage(format!("validation is {share}: {must}")));
        }
        None => {
            let (held_out, further) = schema.read(&[Input::open(file)?], options.layout)?;
            notes.extend(further);
            (data, Some(held_out))
        }
    };
    let (train, validation) = match args.no_standardize {
        true => (train, validation),
        false => schema.rescale(train, validation)?,
    };
    Ok(Loaded { schema, train, validation, notes })
}

/// What the label is, as the user or the model says.
fn task(args: &Args) -> Result<Option<Task>, Failure> {
    let of_model = args.model.as_ref().and_then(ModelSpec::task);
    match (args.table.task.chosen(), of_model, &args.model) {
        (Some(task), Some(other), Some(model)) if task != other => {
            let (takes, asked) = match task {
                Task::Regression => ("classes", "regression"),
                Task::Classification => ("amounts", "classification"),
            };
            Err(Failure::Usage(format!(
                "--model {model} predicts {takes}, --task {asked} asks for the other"
            )))
        }
        (chosen, of_model, _) => Ok(chosen.or(of_model)),
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

fn tell(args: &Args, model: &ModelSpec, notes: &[String], report: &Report) -> Result<(), Failure> {
    let names: Vec<String> = args.data.iter().map(|path| syncline_terminal::path(path)).collect();
    let data = if names.is_empty() { "generated data".to_owned() } else { names.join(", ") };
    if args.json {
        return print_json(&Output { model: model.to_string(), data, notes, report });
    }
    let mut page = page();
    for note in notes {
        page.line(note);
    }
    report.write(&mut page, &format!("{model} on {data}"));
    print(page.text())
}
