//! What can go wrong when a cluster, a job, a trace or a decision is not possible.

use std::path::PathBuf;

use crate::model::{JobId, MachineId, Resource};

/// The result of this crate's fallible functions.
pub type Result<T> = std::result::Result<T, Error>;

/// Every failure names the thing and says what to do.
#[derive(thiserror::Error)]
pub enum Error {
    /// A capacity, demand or rate outside its range.
    #[error("{subject}: {field} is {found}; {wanted}")]
    Invalid {
        /// Which machine or job.
        subject: String,
        /// Which of its fields.
        field: String,
        /// What it holds.
        found: String,
        /// What it should be.
        wanted: &'static str,
    },
    /// No machine could ever host one task of the job.
    #[error(
        "job {job}: one {task} needs {need} of {kind}, but the largest machine has {largest}; lower the demand or add such a machine"
    )]
    TooLarge {
        /// The job.
        job: String,
        /// `worker` or `server`.
        task: &'static str,
        /// The type that does not fit; when several machines each lack another, the first that the best of
        /// them lacks.
        kind: &'static str,
        /// The demand.
        need: f64,
        /// The largest capacity.
        largest: f64,
    },
    /// The job's fewest workers do not fit into the empty cluster.
    #[error(
        "job {job} needs at least {need} workers at once, but the empty cluster holds {fits}; lower the fewest workers (`workers.min`) or add machines"
    )]
    GangTooLarge {
        /// The job.
        job: String,
        /// Its smallest gang.
        need: u32,
        /// What fits.
        fits: u32,
    },
    /// A choice outside its range. Messages name options as the command line does.
    #[error("--{option} {found}: {wanted}")]
    Option {
        /// Which.
        option: &'static str,
        /// What was given.
        found: String,
        /// What it should be.
        wanted: String,
    },
    /// An option that would change nothing.
    #[error("--{option} has no effect here: it is for {wanted}")]
    NoEffect {
        /// Which.
        option: &'static str,
        /// What it has an effect on.
        wanted: &'static str,
    },
    /// Jobs from a file, and nothing to run them on.
    #[error("--jobs FILE also needs the machines: give --cluster FILE, --cluster 8x8 or --machines N")]
    NoMachines,
    /// What was asked for makes no sense, whatever the files hold.
    #[error(transparent)]
    Asked(Box<Error>),
    /// A cluster without machines, or a list of jobs without jobs.
    #[error("there is no {what}; give at least one")]
    Empty {
        /// `machine` or `job`.
        what: &'static str,
    },
    /// A file of which no job can be taken.
    #[error("{}: it has no job that can be taken{}", file.display(), after_colon(why))]
    NoJobs {
        /// The file.
        file: PathBuf,
        /// How many were left out, and why; empty: there are none at all.
        why: String,
    },
    /// A policy's decision broke a rule of the cluster: a defect of the policy.
    #[error("policy `{policy}` at time {now}: {what}")]
    Decision {
        /// The policy.
        policy: String,
        /// The clock, in seconds.
        now: f64,
        /// What it did.
        what: String,
    },
    /// A machine that hosts more than it has: a defect of the policy or of the simulator.
    #[error("policy `{policy}` at time {now}: machine {machine} hosts {used} of {kind}, it has {capacity}")]
    Overbooked {
        /// The policy.
        policy: String,
        /// The clock, in seconds.
        now: f64,
        /// The machine.
        machine: MachineId,
        /// The resource type.
        kind: &'static str,
        /// What it hosts.
        used: f64,
        /// What it has; nothing while it is down.
        capacity: f64,
    },
    /// A job that completed before its work could have been done: a defect of the simulator.
    #[error(
        "policy `{policy}` at time {now}: job {job} completed with {done} of its {workload} samples done"
    )]
    Unfinished {
        /// The policy.
        policy: String,
        /// The clock, in seconds.
        now: f64,
        /// The job.
        job: JobId,
        /// Samples that its placements could have processed.
        done: f64,
        /// Samples that it asked for.
        workload: f64,
    },
    /// A quota, limit, dependency or reservation that was not kept: a defect of the gate before the policies.
    #[error("policy `{policy}` at time {now}: {what}")]
    Rule {
        /// The policy.
        policy: String,
        /// The clock, in seconds.
        now: f64,
        /// Which rule, and by whom.
        what: String,
    },
    /// A field of an input file that cannot be understood.
    #[error("{}:{line}: {field}: {what}", file.display())]
    Field {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The column or key.
        field: String,
        /// What was found and what is expected.
        what: String,
    },
    /// An entry of a JSON list that is not valid.
    #[error("{}: entry {entry} of the list: {}", file.display(), source.without_path())]
    Entry {
        /// The file.
        file: PathBuf,
        /// Which one, from 1.
        entry: usize,
        /// What is wrong with it.
        source: Box<Error>,
    },
    /// What a file says as a whole, where no line is to blame.
    #[error("{}: {source}", file.display())]
    In {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        source: Box<Error>,
    },
    /// Two jobs of one name.
    #[error("{}: two jobs are named `{name}`; names tell jobs apart, so give each its own", file.display())]
    Duplicate {
        /// The file.
        file: PathBuf,
        /// The name.
        name: String,
    },
    /// A file that cannot be read or written.
    #[error("{}: {doing}: {source}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A JSON document that does not parse; its position is in the message.
    #[error("{}: {source}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// The cause with line and column.
        source: serde_json::Error,
    },
    /// A TOML document that does not parse.
    #[error("{}:{line}: {what}", path.display())]
    Toml {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong.
        what: String,
    },
    /// A job profile that is none, or whose speed cannot be told.
    #[error("{}: {source}; write it with `syncline predict TRACE --profile FILE`", path.display())]
    Profile {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: syncline_predict::Error,
    },
    /// An unknown policy, format or setting.
    #[error("unknown {kind} `{name}`; valid are {valid}")]
    Unknown {
        /// `policy`, `format`, ...
        kind: &'static str,
        /// What was given.
        name: String,
        /// The valid names.
        valid: String,
    },
    /// The linear program has no solution or the solver failed.
    #[error("linear program: {0}")]
    LinearProgram(String),
    /// A recorded event log whose decisions the policy does not repeat.
    #[error("replay differs at event {step} (time {now}): recorded {recorded}, now {decided}")]
    Replay {
        /// Which entry, from 1.
        step: usize,
        /// Its time in seconds.
        now: f64,
        /// The recorded decisions.
        recorded: String,
        /// What the policy says now.
        decided: String,
    },
    /// A saved policy or state that does not fit.
    #[error("what was saved of a scheduler cannot be loaded: {0}; it is of another version or policy")]
    Saved(String),
    /// What was read of another scheduler is not what it should be.
    #[error("snapshot: {0}")]
    Snapshot(String),
    /// A drawing that could not be made.
    #[error(transparent)]
    Plot(#[from] syncline_chart::Error),
}

fn after_colon(why: &str) -> String {
    if why.is_empty() { String::new() } else { format!(": {why}") }
}

/// As its `Display`: it is what a `main` that returns the error prints.
impl std::fmt::Debug for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl Error {
    /// The message without the subject, where a line of a file is the subject already.
    pub(crate) fn detail(&self) -> String {
        match self {
            Self::Invalid { field, found, wanted, .. } => format!("{field} is {found}; {wanted}"),
            other => other.to_string(),
        }
    }

    /// The same with the name of the job, where that is known.
    pub(crate) fn of_job(self, name: Option<&str>) -> Self {
        match (self, name) {
            (Self::Invalid { subject, field, found, wanted }, Some(name)) if subject == "job" => {
                Self::Invalid { subject: format!("job `{name}`"), field, found, wanted }
            }
            (error, _) => error,
        }
    }

    /// The message without the file, where that is named already.
    fn without_path(&self) -> String {
        match self {
            Self::Json { source, .. } => source.to_string(),
            other => other.to_string(),
        }
    }

    /// Whether the fault lies in what was asked for, not in a file or in what ran.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Option { .. } | Self::NoEffect { .. } | Self::NoMachines | Self::Asked(_))
    }

    /// Whether a job is valid by itself, and only these machines cannot run it.
    pub(crate) fn is_misfit(&self) -> bool {
        match self {
            Self::TooLarge { .. } | Self::GangTooLarge { .. } => true,
            Self::Invalid { field, .. } => field == "needs",
            _ => false,
        }
    }

    /// The same as a fault of what was asked for.
    pub(crate) fn asked(self) -> Self {
        Self::Asked(Box::new(self))
    }

    /// A choice outside its range.
    pub(crate) fn option(option: &'static str, found: impl ToString, wanted: impl Into<String>) -> Self {
        Self::Option { option, found: found.to_string(), wanted: wanted.into() }
    }

    /// An invalid field of a machine.
    pub(crate) fn machine(id: MachineId, kind: Resource, found: f64) -> Self {
        Self::Invalid {
            subject: format!("machine {id}"),
            field: format!("capacity of {}", kind.name()),
            found: found.to_string(),
            wanted: "capacities are finite and not negative",
        }
    }
}
