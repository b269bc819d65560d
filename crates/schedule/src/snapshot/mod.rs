//! Answers about a cluster that another scheduler rules, as it is now.
//!
//! Slurm and Kueue say what they know in JSON. What they say becomes one neutral [`Snapshot`]: places with room, queues, jobs
//! that run or wait, times when places are closed, and how much of their limits jobs have used. From it come the answers that
//! operators and users ask for: why a job waits ([`why`]), when it will start ([`forecast`]), what would be if it asked for
//! something else or if there were more machines ([`what_if`]), and what other policies would do with the same queue
//! ([`rivals`]).
//!
//! Nothing here asks the cluster: [`System::commands`] says which programs print what is read, [`documents`] reads it.
//!
//! SNAPSHOT-1: what jobs that run hold is what their scheduler says; where that is more than a place has, the place has
//! that much. SNAPSHOT-2: a job is forecast only if nobody has to do anything for it to start.

pub mod documents;
pub mod forecast;
mod kueue;
pub mod rivals;
mod slurm;
mod timeline;
pub mod what_if;
pub mod why;

pub use self::{documents::Documents, forecast::Forecast};
use crate::error::{Error, Result};

/// Amounts by the order of [`Snapshot::kinds`].
pub type Amounts = Vec<f64>;

/// Whose scheduler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum System {
    /// Slurm.
    Slurm,
    /// Kueue on Kubernetes.
    Kueue,
}

/// A program that prints a part of a snapshot, and what to ask instead where it does not know the question.
#[derive(Debug, Clone, Copy)]
pub struct Command {
    /// Program and arguments.
    pub line: &'static [&'static str],
    /// The same question for older versions.
    pub instead: Option<&'static [&'static str]>,
    /// Whether there is no answer without it.
    pub needed: bool,
}

/// A cluster at one time.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// Whose.
    pub system: System,
    /// Seconds since 1970.
    pub now: f64,
    /// What there are amounts of: `cpu`, `memory` (in GB), `gpu`, ...
    pub kinds: Vec<String>,
    /// Where jobs run: nodes, or the quotas of queues.
    pub places: Vec<Place>,
    /// Partitions or cluster queues.
    pub queues: Vec<Queue>,
    /// Jobs that run or wait.
    pub jobs: Vec<Job>,
    /// Times when places are kept for others.
    pub closures: Vec<Closure>,
    /// Jobs that have ended.
    pub history: Vec<Past>,
    /// The largest node's amounts, where places are not nodes and it is known; the nodes' number.
    pub nodes: Option<(Amounts, usize)>,
    /// What answers leave out of account, in sentences.
    pub notes: Vec<String>,
}

/// Room for jobs.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// What it is called.
    pub name: String,
    /// What it has.
    pub capacity: Amounts,
    /// Why no job can start there, if so.
    pub closed: Option<String>,
    /// What jobs may ask for.
    pub features: Vec<String>,
    /// Whose jobs may run there, as places of [`Snapshot::queues`].
    pub queues: Vec<usize>,
    /// Whether it counts what other places count too, for all that share it.
    pub shared: bool,
}

/// A queue of jobs.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Queue {
    /// What it is called.
    pub name: String,
    /// Why nothing starts from it, if so.
    pub closed: Option<String>,
    /// The most nodes of a job.
    pub most_nodes: Option<u32>,
    /// The longest limit of a job, in seconds.
    pub longest: Option<f64>,
    /// The limit of a job that names none, in seconds.
    pub usual: Option<f64>,
    /// Whether no two jobs may be on a node.
    pub exclusive: bool,
    /// Jobs of a higher tier come first, whatever their priority.
    pub tier: f64,
    /// Whether jobs behind one that does not fit wait too.
    pub strict: bool,
    /// Whether jobs of higher priority stop those of lower.
    pub preempts: bool,
}

/// A job that runs or waits.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// What its scheduler calls it.
    pub id: String,
    /// What its user calls it.
    pub name: String,
    /// Whose it is.
    pub user: String,
    /// Where it may run, as places of [`Snapshot::queues`], not empty.
    pub queues: Vec<usize>,
    /// The higher the sooner.
    pub priority: f64,
    /// When it was submitted.
    pub submitted: f64,
    /// Seconds after which it is stopped; none: no limit.
    pub limit: Option<f64>,
    /// What it asks for.
    pub request: Request,
    /// Where it stands.
    pub standing: Standing,
}

/// Where a job stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Standing {
    /// It runs since a time, and holds amounts of places.
    Running {
        /// Since when.
        since: f64,
        /// Of which places how much.
        holds: Vec<(usize, Amounts)>,
        /// What keeps it although it has its room, as its scheduler says it.
        note: Option<String>,
    },
    /// It waits.
    Waiting(Waiting),
}

/// What keeps a job, as its scheduler says it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Waiting {
    /// The scheduler's own word: `Priority`, `Dependency`, ...
    pub reason: String,
    /// What it says beside it.
    pub message: String,
    /// Not before this time.
    pub from: Option<f64>,
    /// Jobs that must end first, by id.
    pub after: Vec<String>,
    /// How that is written.
    pub dependency: String,
    /// The reservation in which it is to run.
    pub reservation: Option<String>,
    /// At most so many tasks of its array at once.
    pub at_once: Option<u32>,
}

/// What a job asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// Tasks on nodes.
    Nodes(Tasks),
    /// One of several ways to take amounts of places at once, the first that fits.
    Quota(Vec<Vec<(usize, Amounts)>>),
}

/// Tasks that are spread over nodes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tasks {
    /// How many.
    pub count: u32,
    /// What each takes.
    pub task: Amounts,
    /// What each node gives beside that.
    pub node: Amounts,
    /// The fewest nodes.
    pub fewest: u32,
    /// The most nodes; none: as many as there are tasks.
    pub most: Option<u32>,
    /// So many tasks on each node.
    pub per_node: Option<u32>,
    /// Whether no other job may be on its nodes.
    pub exclusive: bool,
    /// Of each of these sets a feature that each node must have.
    pub features: Vec<Vec<String>>,
    /// Nodes that must be among its nodes.
    pub required: Vec<usize>,
    /// Nodes that may not.
    pub excluded: Vec<usize>,
}

/// A time when places are kept for others.
#[derive(Debug, Clone, PartialEq)]
pub struct Closure {
    /// What it is called.
    pub name: String,
    /// Which places.
    pub places: Vec<usize>,
    /// From when.
    pub from: f64,
    /// Until when.
    pub until: f64,
}

/// A job that has ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Past {
    /// Whose it was.
    pub user: String,
    /// How long it ran.
    pub seconds: f64,
    /// How long it might have run.
    pub limit: Option<f64>,
}

impl Past {
    /// The part of its limit that it used, in (0, 1].
    pub fn used(&self) -> Option<f64> {
        self.limit.map(|limit| (self.seconds / limit).min(1.0))
    }
}

impl System {
    /// What to run to see the cluster as it is.
    pub fn commands(self) -> &'static [Command] {
        match self {
            Self::Slurm => slurm::COMMANDS,
            Self::Kueue => kueue::COMMANDS,
        }
    }
}

impl Snapshot {
    /// What documents say, of the system that they are of.
    ///
    /// # Errors
    /// Documents of neither system or of both; a job, node or queue that cannot be understood.
    pub fn of(documents: &Documents) -> Result<Self> {
        let mut snapshot = match documents.system()? {
            System::Slurm => slurm::read(documents)?,
            System::Kueue => kueue::read(documents)?,
        };
        snapshot.make_room();
        Ok(snapshot)
    }

    /// A job by its id, or by its name if only one has that.
    ///
    /// # Errors
    /// No such job; several of that name.
    pub fn find(&self, label: &str) -> Result<usize> {
        if let Some(at) = self.jobs.iter().position(|job| job.id == label) {
            return Ok(at);
        }
        // Kueue's ids begin with a namespace, which people leave out.
        let is_named =
            |job: &Job| job.name == label || job.id.rsplit_once('/').is_some_and(|(_, id)| id == label);
        let named: Vec<usize> = (0..self.jobs.len()).filter(|at| is_named(&self.jobs[*at])).collect();
        match named.as_slice() {
            [one] => Ok(*one),
            [] => Err(Error::Snapshot(format!("there is no job {label} in the snapshot"))),
            several => {
                let first: Vec<&str> = several.iter().take(5).map(|at| self.jobs[*at].id.as_str()).collect();
                let what = format!(
                    "{} jobs are named {label}; name one by its id, such as {}",
                    several.len(),
                    first.join(", ")
                );
                Err(Error::Snapshot(what))
            }
        }
    }

    /// Waiting jobs, in the order in which they are thought of.
    pub fn line(&self) -> Vec<usize> {
        let mut line: Vec<usize> =
            (0..self.jobs.len()).filter(|at| self.jobs[*at].waiting().is_some()).collect();
        let tier = |at: &usize| {
            self.jobs[*at].queues.iter().map(|queue| self.queues[*queue].tier).fold(f64::MIN, f64::max)
        };
        line.sort_by(|a, b| {
            let (first, second) = (&self.jobs[*a], &self.jobs[*b]);
            let order = tier(b).total_cmp(&tier(a)).then(second.priority.total_cmp(&first.priority));
            order.then(first.submitted.total_cmp(&second.submitted)).then(a.cmp(b))
        });
        line
    }

    /// The place of a kind among [`Snapshot::kinds`].
    pub fn kind(&self, name: &str) -> Option<usize> {
        self.kinds.iter().position(|kind| kind == name)
    }

    /// SNAPSHOT-1: a scheduler that lets jobs hold more than it says there is, is believed about the jobs.
    fn make_room(&mut self) {
        let mut held: Vec<Amounts> = vec![vec![0.0; self.kinds.len()]; self.places.len()];
        for (place, amounts) in self.jobs.iter().filter_map(Job::holds).flatten() {
            held[*place].iter_mut().zip(amounts).for_each(|(held, amount)| *held += amount);
        }
        for (place, held) in self.places.iter_mut().zip(&held) {
            place.capacity.iter_mut().zip(held).for_each(|(has, held)| *has = has.max(*held));
        }
    }
}

impl Job {
    /// What keeps it, if it waits.
    pub fn waiting(&self) -> Option<&Waiting> {
        match &self.standing {
            Standing::Waiting(waiting) => Some(waiting),
            Standing::Running { .. } => None,
        }
    }

    /// What it holds, if it runs.
    pub fn holds(&self) -> Option<&Vec<(usize, Amounts)>> {
        match &self.standing {
            Standing::Running { holds, .. } => Some(holds),
            Standing::Waiting(_) => None,
        }
    }

    /// All that it holds, if it runs, else all that it asks for in its first way.
    pub fn total(&self, snapshot: &Snapshot) -> Amounts {
        let mut total = vec![0.0; snapshot.kinds.len()];
        let mut add = |amounts: &Amounts, times: f64| {
            total.iter_mut().zip(amounts).for_each(|(sum, amount)| *sum += times * amount);
        };
        let own = |hold: &&(usize, Amounts)| !snapshot.places[hold.0].shared;
        match (&self.standing, &self.request) {
            (Standing::Running { holds, .. }, _) => {
                holds.iter().filter(own).for_each(|(_, amounts)| add(amounts, 1.0));
            }
            (_, Request::Nodes(tasks)) => {
                add(&tasks.task, f64::from(tasks.count));
                add(&tasks.node, f64::from(tasks.fewest));
            }
            (_, Request::Quota(ways)) => {
                ways.iter().take(1).flatten().filter(own).for_each(|(_, amounts)| add(amounts, 1.0));
            }
        }
        total
    }

    /// Its id, with its name where that says something.
    pub fn label(&self) -> String {
        if self.name.is_empty() || self.name == self.id {
            self.id.clone()
        } else {
            format!("{} ({})", self.id, self.name)
        }
    }
}
