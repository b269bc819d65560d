//! The flags of `syncline train`, and the job that they are.

use std::{ffi::OsStr, path::PathBuf};

use clap::ValueHint;
use syncline::{
    data::Partition,
    learn::ModelSpec,
    paramserv::{
        ClassWeight, Compression, Delay, Every, Lie, Schedule, Silence, TrainJob, Validation, WantedPolicy,
        Written,
    },
    program::{Computing, Executor, SimFault, read_network},
    round::{Fold, Rule},
    wire::Network,
};

use super::survival::SurvivalArgs;
use crate::{failure::Failure, tables::TableArgs};

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
///   syncline train job.toml --epochs 20 --run-dir runs/twenty
///   syncline train --on sim --workers 64 --network 10Gbit/50us --compute exp:3ms
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// CSV, LIBSVM, Parquet, NPY, NPZ or IDX files, plain or compressed (.gz, .zst, .bz2, .xz), patterns of several, or `-`;
    /// before them a job, whose name ends in .toml, from which flags may differ
    #[arg(value_hint = ValueHint::FilePath)]
    data: Vec<PathBuf>,

    #[command(flatten)]
    table: TableArgs,
    /// Leave numbers as they are, instead of bringing each column, and a label that is an amount, to mean 0 and
    /// deviation 1
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "BOOL", help_heading = "Data")]
    no_standardize: Option<bool>,
    /// What to hold out for validation: a share of the rows, or a file [default: 0.2]
    #[arg(long, value_name = "SHARE|FILE", help_heading = "Data")]
    validation: Option<Validation>,
    /// How rows are dealt out to workers: contiguous, round-robin, random, weight:SHARE,SHARE.. (a share for each worker, whose
    /// batches are in proportion too), weight:measured (by how fast each was in the epoch before), stratified (as many of each class for every worker) or overlap-reshuffle (all rows for
    /// each, in an order of its own) [default: random]
    #[arg(long, help_heading = "Data")]
    partition: Option<Partition>,

    /// linear (least squares), logistic (2 classes), softmax, svm (hinge loss) or mlp:SIZES (ReLU layers, such as
    /// mlp:64,32) [default: mlp:64,32, or softmax or linear for sparse data]
    #[arg(long, help_heading = "Model")]
    model: Option<ModelSpec>,
    /// Share of the hidden units of an mlp that are left out at random in training [default: 0]
    #[arg(long, value_name = "SHARE", help_heading = "Model")]
    dropout: Option<f32>,
    /// Weight of the L1 penalty, which sets weights that matter little to zero [default: 0]
    #[arg(long, help_heading = "Model")]
    l1: Option<f32>,
    /// Weight of the L2 penalty [default: 0.3 / rows for an mlp that predicts classes, else 0]
    #[arg(long, help_heading = "Model")]
    l2: Option<f32>,
    /// How much rows count by their class: balanced, or CLASS=WEIGHT,CLASS=WEIGHT
    #[arg(long, value_name = "WEIGHTS", help_heading = "Model")]
    class_weight: Option<ClassWeight>,

    /// sgd, momentum, nesterov, adagrad or adam [default: adam; adagrad for sparse data; sgd for other --every than batch]
    #[arg(long, help_heading = "Steps")]
    optimizer: Option<Rule>,
    /// Learning rate [default: 0.1 for sgd, 0.02 for momentum and nesterov, 0.05 for adagrad, 0.002 for adam, 0.03 for adam with a
    /// linear model]
    #[arg(long, help_heading = "Steps")]
    lr: Option<f32>,
    /// How the rate changes over the run: constant, cosine, step:EPOCHS:FACTOR, or warmup:EPOCHS+ and one of these
    /// [default: cosine]
    #[arg(long, help_heading = "Steps")]
    schedule: Option<Schedule>,
    /// How much of its velocity momentum or nesterov keeps [default: 0.9]
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
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "BOOL", help_heading = "Steps")]
    no_shuffle: Option<bool>,
    /// Seed of everything random [default: 1]
    #[arg(long, help_heading = "Model")]
    seed: Option<u64>,

    /// Workers, who share the rows [default: 2, or 1 for one row]
    #[arg(long, help_heading = "Parameter server")]
    workers: Option<usize>,
    /// Begin with so many of the workers; the others join and leave while the run goes on, by `syncline scale`. The work stays
    /// cut into a share for each worker, dealt to those who are there: under bsp the model does not depend on who was
    /// [default: all are there, to the end]
    #[arg(long, value_name = "WORKERS", help_heading = "Parameter server")]
    elastic: Option<usize>,
    /// Servers, who share the parameters [default: 1, none under allreduce and hierarchical]
    #[arg(long, help_heading = "Parameter server")]
    servers: Option<usize>,
    /// When workers wait: bsp (for all, each round), asp (never), ssp:BOUND (when BOUND rounds ahead), backup:SPARE (for all
    /// but SPARE), quorum:LEAST,DEADLINE (for all until the deadline, such as 50ms, then for LEAST),
    /// repetition:STRAGGLERS (a gradient code: for the first of each group, whose STRAGGLERS + 1 workers do the same),
    /// draco:LIARS (a code against liars: of each group of 2 LIARS + 1 workers, who do the same, the gradient counts that most gave),
    /// mds:NEEDED (a code of linear models: for any NEEDED workers, who hold coded blocks of all rows; each epoch is one step),
    /// local:STEPS (for all, after STEPS of one's own, then go on from the mean model), diloco:STEPS (likewise, with an
    /// outer Nesterov step), hogwild (never, and without a lock); and without servers allreduce (for all; they sum gradients among
    /// themselves in a ring), allreduce:tree (for few parameters), allreduce:direct (to the bits of bsp), and
    /// hierarchical:GROUP,PERIOD (for the GROUP workers of one's group each round, for all after PERIOD rounds [1]; with the word
    /// host for GROUP the workers of a host are one) [default: bsp]
    #[arg(long, visible_alias = "code", help_heading = "Parameter server")]
    sync: Option<WantedPolicy>,
    /// How often workers exchange with the servers: batch, batches:N or epoch [default: batch]
    #[arg(long, help_heading = "Parameter server")]
    every: Option<Every>,
    /// How the gradients of a round are combined: mean, sum (as SystemDS does) or average (of the workers' models)
    /// [default: mean]
    #[arg(long, help_heading = "Parameter server")]
    fold: Option<Fold>,
    /// Send less: push=CODEC of gradients, pull=FORMAT of parameters, both with a comma between, or one FORMAT for both. Formats
    /// are bf16, f16 and int8, codecs these and topk:SHARE (the largest values only), such as push=topk:0.01,pull=bf16; what
    /// topk and int8 leave out of a push is added to the next one
    #[arg(long, value_name = "HOW", help_heading = "Parameter server")]
    compress: Option<Compression>,
    /// Where servers and workers run: threads, processes, tmux (processes, each in a window), sim
    /// (in virtual time on one thread), ssh:HOSTS-FILE (a line for each
    /// host, as `HOST slots=4`), or slurm or kubernetes, with their options behind, as in slurm:partition=gpu,time=30 or
    /// kubernetes:image=NAME,volume=CLAIM:/data [default: threads]
    #[arg(long, help_heading = "Parameter server")]
    on: Option<Written<Executor>>,
    /// End the run when a node's process gives no sign of life for so long, such as 30s; a node that computes long gives
    /// them [default: wait for ever, and say so after 10 s]
    #[arg(long, value_name = "TIME", help_heading = "Parameter server")]
    silence: Option<Silence>,
    /// With --on ssh, slurm or kubernetes: let everything pass between hosts unencrypted, on a network that is trusted
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "BOOL", help_heading = "Parameter server")]
    insecure_network: Option<bool>,
    /// With --on sim: each node's line, as BANDWIDTH/LATENCY or BANDWIDTH/LATENCY/JITTER, such as 10Gbit/50us. With
    /// `,hosts=worker:4` behind it four workers each stand on a host and share its line. Or a TOML file that names hosts, lines,
    /// uplinks and links [default: ideal]
    #[arg(long, value_name = "NETWORK", value_parser = read_network, help_heading = "Virtual time")]
    network: Option<Network>,
    /// With --on sim: what the gradient of a batch costs in virtual time: measured, 3ms, exp:3ms or uniform:1ms..5ms. With `skip:`
    /// before a time that is all: nothing is computed, and there is no model, but the times of large runs come fast [default:
    /// measured]
    #[arg(long, value_name = "COST", help_heading = "Virtual time")]
    compute: Option<Computing>,
    /// With --on sim: what goes wrong when, such as "kill worker/1 3s", "freeze worker/1 3s..4s", "drop worker/0>server #3", "partition *>server
    /// 1s..2s", or with --elastic "scale worker 6 3s"; may be repeated
    #[arg(long, value_name = "FAULT", help_heading = "Virtual time")]
    fault: Vec<SimFault>,
    /// Slow workers or rounds: WHO:AMOUNT, such as worker=2:3x, all:exp:20ms or round=5..9:50ms; may be repeated
    #[arg(long, value_name = "DELAY", help_heading = "Parameter server")]
    inject: Vec<Delay>,
    /// Have workers hand over something else than their gradients: WHO:scale:FACTOR, WHO:noise:DEVIATION or WHO:constant:VALUE, such as
    /// worker=1:scale:-10; may be repeated
    #[arg(long, value_name = "LIE", help_heading = "Parameter server")]
    liar: Vec<Lie>,

    #[command(flatten)]
    survival: SurvivalArgs,

    /// Write everything into this folder: the job, a log, checkpoints, a trace, the model and the report
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, help_heading = "Output")]
    run_dir: Option<PathBuf>,
    /// With --run-dir: go on with the run of that folder where it was begun before; one that has come to its end stays as it is
    #[arg(long, help_heading = "Output")]
    pub go_on: bool,
    /// Leave the run to itself, in the background or as a job of Slurm; `syncline attach DIR` waits for it
    #[arg(long, help_heading = "Output")]
    pub detach: bool,
    /// Write the trained model to this file
    #[arg(long, value_name = "FILE.safetensors", value_hint = ValueHint::FilePath, help_heading = "Output")]
    save: Option<PathBuf>,
    /// Write what happened when to this file (Parquet)
    #[arg(long, value_name = "FILE.parquet", value_hint = ValueHint::FilePath, help_heading = "Output")]
    trace: Option<PathBuf>,
    /// Print the job with all that was left open, as the file that it could be, and train nothing; with --on ssh or slurm also,
    /// as comments, which node would go where and what would be run; with --detach on Slurm the script that it would be given, on
    /// Kubernetes what `kubectl apply` takes to launch it there
    #[arg(long, help_heading = "Output")]
    pub dry_run: bool,
    /// Print the report as JSON
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}

impl Args {
    /// The job: that of the file, if one is named, but for what flags say.
    pub fn job(self) -> Result<TrainJob, Failure> {
        let is_job = self.data.first().is_some_and(|path| path.extension() == Some(OsStr::new("toml")));
        let file = if is_job { self.data.first().cloned() } else { None };
        let flags = self.flags(usize::from(is_job));
        match file {
            Some(file) => Ok(TrainJob::read(file)?.but(flags)),
            None => Ok(flags),
        }
    }

    /// What the command line says, without the first so many files.
    fn flags(self, skipped: usize) -> TrainJob {
        let job = TrainJob {
            data: self.data.into_iter().skip(skipped).collect(),
            standardize: self.no_standardize.map(|not| !not),
            validation: self.validation,
            partition: self.partition,
            model: self.model,
            dropout: self.dropout,
            l1: self.l1,
            l2: self.l2,
            class_weight: self.class_weight,
            seed: self.seed,
            optimizer: self.optimizer,
            lr: self.lr,
            schedule: self.schedule,
            momentum: self.momentum,
            beta1: self.beta1,
            beta2: self.beta2,
            eps: self.eps,
            clip: self.clip,
            epochs: self.epochs,
            patience: self.patience,
            batch: self.batch,
            shuffle: self.no_shuffle.map(|not| !not),
            workers: self.workers,
            elastic: self.elastic,
            servers: self.servers,
            sync: self.sync,
            every: self.every,
            fold: self.fold,
            compress: self.compress,
            inject: self.inject,
            liar: self.liar,
            on: self.on,
            silence: self.silence,
            insecure_network: self.insecure_network,
            network: self.network,
            compute: self.compute,
            fault: self.fault,
            run_dir: self.run_dir,
            save: self.save,
            trace: self.trace,
            ..TrainJob::default()
        };
        self.survival.tell(self.table.tell(job))
    }
}
