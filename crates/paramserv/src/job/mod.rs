//! A training run as a value: what the flags of `syncline train` say, what a file `job.toml` says, and what programs that
//! start runs for others hand about.
//!
//! - JOB-1: what a job leaves open is decided by the data, in one place ([`TrainJob::open`]), which also says what it decided.
//! - JOB-2: a job that was written is read back as the same job; in what [`TrainJob::open`] returns nothing is left open.
//! - JOB-3: a key that does not exist is refused by its name and line: a misspelt one must not be a setting that has no effect.

mod choice;
mod data;
mod defaults;
mod open;
mod text;
mod wanted;
mod written;

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use syncline_data::{Decimal, Header, Label, Missing, Partition, Task};
use syncline_learn::ModelSpec;
use syncline_program::{Computing, Executor, SimFault};
use syncline_round::{Every, Fold, Policy, Rule, Schedule};
use syncline_wire::Network;

use crate::{CheckpointEvery, ClassWeight, Compression, Delay, Error, Lie, OnWorkerLoss};

pub use data::Validation;
pub use open::OpenJob;
pub use wanted::WantedPolicy;
pub use written::{Delimiter, Silence, Written};

/// The usual name of a job's file.
pub(crate) const JOB: &str = "job.toml";

/// A training run. Every key is a flag of `syncline train` without its dashes, with `_` for `-`; only `--no-standardize` and
/// `--no-shuffle` are `standardize = false` and `shuffle = false`. What is left out is decided by the data.
///
/// ```
/// use syncline_paramserv::TrainJob;
/// let job = TrainJob::parse("data = [\"clicks.svm\"]\nworkers = 4\nsync = \"ssp:2\"", "job.toml")?;
/// assert_eq!(job.workers, Some(4));
/// let said = TrainJob::parse("workers = 4\nworker = 5", "job.toml").unwrap_err().to_string();
/// assert!(said.contains("job.toml, line 2") && said.contains("`worker`"), "{said}");
/// # Ok::<(), syncline_paramserv::Error>(())
/// ```
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainJob {
    /// Files of training data, and patterns of several; without any a generated set.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub data: Vec<PathBuf>,
    /// The column to predict.
    #[serde(with = "text::option", skip_serializing_if = "Option::is_none")]
    pub label: Option<Label>,
    /// What the label is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<Task>,
    /// The only columns to take.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
    /// Columns to leave out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub drop: Vec<String>,
    /// Columns whose cells are words, numbers or not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub category: Vec<String>,
    /// The column of weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<String>,
    /// What becomes of missing cells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<Missing>,
    /// Texts that mean a missing cell.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub na: Vec<String>,
    /// Numbers are written for people, with this decimal sign.
    #[serde(with = "text::option", skip_serializing_if = "Option::is_none")]
    pub decimal: Option<Decimal>,
    /// Whether indices start at 0 (LIBSVM).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zero_based: Option<bool>,
    /// Whether the first line names the columns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<Header>,
    /// What divides cells.
    #[serde(with = "text::option", skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<Delimiter>,
    /// Whether columns, and a label that is an amount, are brought to mean 0 and deviation 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub standardize: Option<bool>,
    /// What is held out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation: Option<Validation>,
    /// How rows are dealt out to workers.
    #[serde(with = "text::option", skip_serializing_if = "Option::is_none")]
    pub partition: Option<Partition>,

    /// What is trained.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelSpec>,
    /// Share of the hidden units that are left out at random.
    #[serde(with = "text::float", skip_serializing_if = "Option::is_none")]
    pub dropout: Option<f32>,
    /// Weight of the L1 penalty.
    #[serde(with = "text::float", skip_serializing_if = "Option::is_none")]
    pub l1: Option<f32>,
    /// Weight of the L2 penalty.
    #[serde(with = "text::float", skip_serializing_if = "Option::is_none")]
    pub l2: Option<f32>,
    /// How much rows count by their class.
    #[serde(with = "text::option", skip_serializing_if = "Option::is_none")]
    pub class_weight: Option<ClassWeight>,
    /// Seed of everything random.
    #[serde(with = "text::number", skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,

    /// The rule of the steps.
    #[serde(with = "text::option", skip_serializing_if = "Option::is_none")]
    pub optimizer: Option<Rule>,
    /// The learning rate.
    #[serde(with = "text::float", skip_serializing_if = "Option::is_none")]
    pub lr: Option<f32>,
    /// How the rate changes over the run.
    #[serde(with = "text::option", skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// How much of its velocity momentum keeps.
    #[serde(with = "text::float", skip_serializing_if = "Option::is_none")]
    pub momentum: Option<f32>,
    /// How much adam keeps of its first moment.
    #[serde(with = "text::float", skip_serializing_if = "Option::is_none")]
    pub beta1: Option<f32>,
    /// How much adam keeps of its second moment.
    #[serde(with = "text::float", skip_serializing_if = "Option::is_none")]
    pub beta2: Option<f32>,
    /// What adam and adagrad add to their divisors.
    #[serde(with = "text::float", skip_serializing_if = "Option::is_none")]
    pub eps: Option<f32>,
    /// The length at which the gradient of a batch is cut.
    #[serde(with = "text::float", skip_serializing_if = "Option::is_none")]
    pub clip: Option<f32>,
    /// How often all rows are gone through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epochs: Option<u32>,
    /// After how many epochs without a smaller validation loss training stops.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patience: Option<u32>,
    /// Rows in one worker's batch.
    #[serde(with = "text::number", skip_serializing_if = "Option::is_none")]
    pub batch: Option<usize>,
    /// Whether each epoch goes through the rows in an order of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shuffle: Option<bool>,

    /// How many workers share the rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workers: Option<usize>,
    /// How many of the workers are there at the start, where they come and go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elastic: Option<usize>,
    /// How many servers share the parameters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub servers: Option<usize>,
    /// How many standbys each server has: none or one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<usize>,
    /// When workers wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync: Option<WantedPolicy>,
    /// How often workers exchange with the servers.
    #[serde(with = "text::option", skip_serializing_if = "Option::is_none")]
    pub every: Option<Every>,
    /// How the gradients of a round are combined.
    #[serde(with = "text::option", skip_serializing_if = "Option::is_none")]
    pub fold: Option<Fold>,
    /// What is done to make pushes and pulls shorter.
    #[serde(with = "text::option", skip_serializing_if = "Option::is_none")]
    pub compress: Option<Compression>,
    /// Slow workers or rounds.
    #[serde(with = "text::list", skip_serializing_if = "Vec::is_empty")]
    pub inject: Vec<Delay>,
    /// Workers that hand over something else than their gradients.
    #[serde(with = "text::list", skip_serializing_if = "Vec::is_empty")]
    pub liar: Vec<Lie>,

    /// Where the nodes run.
    #[serde(with = "text::option", skip_serializing_if = "Option::is_none")]
    pub on: Option<Written<Executor>>,
    /// How long a node's process may give no sign of life.
    #[serde(with = "text::option", skip_serializing_if = "Option::is_none")]
    pub silence: Option<Silence>,
    /// Whether everything passes between hosts unencrypted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub insecure_network: Option<bool>,
    /// In virtual time: each node's line, or the whole network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<Network>,
    /// In virtual time: what computing costs.
    #[serde(with = "text::option", skip_serializing_if = "Option::is_none")]
    pub compute: Option<Computing>,
    /// In virtual time: what goes wrong when.
    #[serde(with = "text::list", skip_serializing_if = "Vec::is_empty")]
    pub fault: Vec<SimFault>,

    /// The folder of the run's checkpoints.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<PathBuf>,
    /// How often one is taken.
    #[serde(with = "text::option", skip_serializing_if = "Option::is_none")]
    pub checkpoint_every: Option<CheckpointEvery>,
    /// How many are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep: Option<u16>,
    /// From which checkpoint, or the newest of which folder, the run goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resume: Option<PathBuf>,
    /// What happens when a worker is lost.
    #[serde(with = "text::option", skip_serializing_if = "Option::is_none")]
    pub on_worker_loss: Option<OnWorkerLoss>,

    /// The folder of all that the run writes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_dir: Option<PathBuf>,
    /// The file of the trained model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub save: Option<PathBuf>,
    /// The file of what happened when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<PathBuf>,
}

impl TrainJob {
    /// Reads a file; its relative paths are taken from the folder in which it is.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::Job`] with the line and the key.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let failed = |source| Error::Io { doing: "read the job", path: path.to_owned(), source };
        let text = fs::read_to_string(path).map_err(failed)?;
        let job = Self::parse(&text, path)?;
        let folder = std::path::absolute(path).map_err(failed)?;
        Ok(job.within(folder.parent().unwrap_or(Path::new("/"))))
    }

    /// Reads a text, which came from `path`.
    ///
    /// # Errors
    /// [`Error::Job`] with the line and the key.
    pub fn parse(text: &str, path: impl AsRef<Path>) -> Result<Self, Error> {
        let wrong = |error: toml::de::Error| {
            let line = error.span().map(|span| 1 + text[..span.start].matches('\n').count());
            Error::Job { path: path.as_ref().to_owned(), line, reason: error.message().to_owned() }
        };
        toml::from_str(text).map_err(wrong)
    }

    /// As the text of a file, which [`parse`](Self::parse) reads.
    ///
    /// # Errors
    /// [`Error::Job`] when a path is no text.
    pub fn to_toml(&self) -> Result<String, Error> {
        let wrong = |error: toml::ser::Error| {
            let reason = format!("it cannot be written as a job: {error}");
            Error::Job { path: JOB.into(), line: None, reason }
        };
        toml::to_string(self).map_err(wrong)
    }

    /// Whether it can be run with [`elastic`](Self::elastic): its workers may come and go under its policy, and rows are not dealt
    /// out by how fast they are.
    pub fn may_be_elastic(&self) -> bool {
        let sync = self.sync.unwrap_or(WantedPolicy::Policy(Policy::Bsp));
        sync.named().is_some_and(crate::check::may_come_and_go) && self.partition != Some(Partition::Measured)
    }

    /// Workers and servers.
    pub fn nodes(&self) -> usize {
        let has_servers = self.sync.is_none_or(WantedPolicy::has_servers);
        self.workers.unwrap_or(1) + if has_servers { self.servers.unwrap_or(1) } else { 0 }
    }

    /// With relative paths taken from this folder. Standard input (`-`) stays what it is.
    #[must_use]
    pub fn within(mut self, folder: &Path) -> Self {
        let of_validation = match &mut self.validation {
            Some(Validation::File(path)) => Some(path),
            _ => None,
        };
        let one =
            [&mut self.checkpoint, &mut self.resume, &mut self.run_dir, &mut self.save, &mut self.trace];
        let paths = self.data.iter_mut().chain(of_validation).chain(one.into_iter().flatten());
        for path in paths.filter(|path| path.as_os_str() != "-") {
            *path = folder.join(&*path);
        }
        self
    }

    /// This job, but for what `over` says: flags over a file. A list that says something takes the place of the other.
    #[must_use]
    pub fn but(self, over: Self) -> Self {
        fn list<T>(over: Vec<T>, under: Vec<T>) -> Vec<T> {
            if over.is_empty() { under } else { over }
        }
        Self {
            data: list(over.data, self.data),
            label: over.label.or(self.label),
            task: over.task.or(self.task),
            columns: list(over.columns, self.columns),
            drop: list(over.drop, self.drop),
            category: list(over.category, self.category),
            weight: over.weight.or(self.weight),
            missing: over.missing.or(self.missing),
            na: list(over.na, self.na),
            decimal: over.decimal.or(self.decimal),
            zero_based: over.zero_based.or(self.zero_based),
            header: over.header.or(self.header),
            delimiter: over.delimiter.or(self.delimiter),
            standardize: over.standardize.or(self.standardize),
            validation: over.validation.or(self.validation),
            partition: over.partition.or(self.partition),
            model: over.model.or(self.model),
            dropout: over.dropout.or(self.dropout),
            l1: over.l1.or(self.l1),
            l2: over.l2.or(self.l2),
            class_weight: over.class_weight.or(self.class_weight),
            seed: over.seed.or(self.seed),
            optimizer: over.optimizer.or(self.optimizer),
            lr: over.lr.or(self.lr),
            schedule: over.schedule.or(self.schedule),
            momentum: over.momentum.or(self.momentum),
            beta1: over.beta1.or(self.beta1),
            beta2: over.beta2.or(self.beta2),
            eps: over.eps.or(self.eps),
            clip: over.clip.or(self.clip),
            epochs: over.epochs.or(self.epochs),
            patience: over.patience.or(self.patience),
            batch: over.batch.or(self.batch),
            shuffle: over.shuffle.or(self.shuffle),
            workers: over.workers.or(self.workers),
            elastic: over.elastic.or(self.elastic),
            servers: over.servers.or(self.servers),
            replicas: over.replicas.or(self.replicas),
            sync: over.sync.or(self.sync),
            every: over.every.or(self.every),
            fold: over.fold.or(self.fold),
            compress: over.compress.or(self.compress),
            inject: list(over.inject, self.inject),
            liar: list(over.liar, self.liar),
            on: over.on.or(self.on),
            silence: over.silence.or(self.silence),
            insecure_network: over.insecure_network.or(self.insecure_network),
            network: over.network.or(self.network),
            compute: over.compute.or(self.compute),
            fault: list(over.fault, self.fault),
            checkpoint: over.checkpoint.or(self.checkpoint),
            checkpoint_every: over.checkpoint_every.or(self.checkpoint_every),
            keep: over.keep.or(self.keep),
            resume: over.resume.or(self.resume),
            on_worker_loss: over.on_worker_loss.or(self.on_worker_loss),
            run_dir: over.run_dir.or(self.run_dir),
            save: over.save.or(self.save),
            trace: over.trace.or(self.trace),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every key, with a value that is not what would be taken without it.
    const ALL: &str = r#"data = ["/a.csv", "-"]
label = "price"
task = "regression"
columns = ["a"]
drop = ["b"]
category = ["c"]
weight = "d"
missing = "indicator"
na = ["?"]
decimal = "comma"
zero_based = false
header = "absent"
delimiter = "tab"
standardize = false
validation = 0.3
partition = "weight:2,1,1"
model = "mlp:8"
dropout = 0.1
l1 = 0.0003
l2 = 0.0002
class_weight = "a=2"
seed = "18446744073709551615"
optimizer = "adam"
lr = 0.002
schedule = "constant"
momentum = 0.9
beta1 = 0.8
beta2 = 0.99
eps = 0.0000001
clip = 1.0
epochs = 3
patience = 2
batch = 7
shuffle = false
workers = 3
elastic = 2
servers = 2
replicas = 1
sync = "quorum:2,50ms"
every = "batches:4"
fold = "sum"
compress = "push=topk:0.01,pull=bf16"
inject = ["worker=2:3x"]
on = "ssh:hosts.txt,ports=7000-7100"
silence = "1.5s"
insecure_network = true
network = "10Gbit/50us"
compute = "exp:3ms"
fault = ["kill worker/1 3s"]
checkpoint = "/c"
checkpoint_every = "epochs:1"
keep = 2
resume = "/c"
on_worker_loss = "redistribute"
run_dir = "/r"
save = "/m"
trace = "/t"
"#;

    #[test]
    fn job_2_what_is_written_is_read_back() {
        let job = TrainJob::parse(ALL, "job.toml").unwrap();
        assert_eq!(job.to_toml().unwrap(), ALL);
        assert_eq!(job.seed, Some(u64::MAX));
        assert_eq!(TrainJob::default().but(job.clone()).to_toml().unwrap(), ALL, "no key is forgotten");
        assert_eq!(job.but(TrainJob::default()).to_toml().unwrap(), ALL);
        assert_eq!(TrainJob::default().to_toml().unwrap(), "");
    }

    #[test]
    fn flags_come_before_a_file() {
        let file = TrainJob::parse("lr = 0.1\nworkers = 2\ndata = [\"a\", \"b\"]", "job.toml").unwrap();
        let flags = TrainJob { workers: Some(3), data: vec!["c".into()], ..TrainJob::default() };
        let both = file.but(flags);
        assert_eq!((both.lr, both.workers, both.data.len()), (Some(0.1), Some(3), 1));
    }

    #[test]
    fn paths_are_taken_from_the_folder_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let text = "data = [\"a.csv\", \"/b.csv\", \"-\"]\nvalidation = \"c.csv\"\nsave = \"m\"";
        std::fs::write(folder.path().join(JOB), text).unwrap();
        let job = TrainJob::read(folder.path().join(JOB)).unwrap();
        assert_eq!(job.data, [folder.path().join("a.csv"), "/b.csv".into(), "-".into()]);
        assert_eq!(job.validation, Some(Validation::File(folder.path().join("c.csv"))));
        assert_eq!(job.save, Some(folder.path().join("m")));
    }
}
