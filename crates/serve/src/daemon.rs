//! The loop of the daemon: requests and sightings in, one step of the scheduler, kept on the disk, carried out.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::Duration,
};

use serde::Serialize;
use serde_json::Value;
use syncline_schedule::{
    Job, JobId, desk::Desk, explain::Explanation, jobs_file, replay::Header, state::Physics,
};
use tokio::sync::{oneshot, watch};

use crate::{
    actuator::{Actuator, Run, Sighting},
    clock::Origin,
    error::{Error, Result},
    record::Record,
    scheduler::{Act, Changes, News, Scheduler},
    store::{Beginning, Store},
    view::View,
};

/// Steps between two snapshots of the policy; fewer are replayed after a crash.
const SNAPSHOT_EVERY: u64 = 256;

/// How often running attempts are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The longest sleep of the loop.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

/// Where an answer goes.
pub type Reply<T> = oneshot::Sender<Result<T>>;

/// What somebody wants.
pub enum Request {
    /// Run these jobs. The answer is their numbers.
    Submit(Vec<Value>, Reply<Vec<String>>),
    /// Stop this one, by number or name.
    Cancel(String, Reply<String>),
    /// What the policy says about it.
    Explain(String, Reply<Explained>),
    /// All that was recorded, as lines for `schedule replay`.
    Recording(Reply<String>),
    /// End the loop; attempts go on.
    Stop,
}

/// An answer to why.
#[derive(Debug, Clone, Serialize, serde::Deserialize)]
pub struct Explained {
    /// The job's name.
    pub job: String,
    /// `waiting`, `running`, ...
    pub state: String,
    /// In words.
    pub why: String,
    /// What a policy that plans ahead says, in words.
    pub plan: Option<String>,
}

/// The daemon with its books.
pub struct Daemon<A> {
    scheduler: Scheduler,
    store: Option<Store>,
    folder: PathBuf,
    beginning: Beginning,
    actuator: A,
    /// Changes that are not on the disk yet, and who waits for them.
    unsaved: Option<(Changes, Vec<Answer>)>,
    trouble: Option<String>,
    /// The share of its work of which a training run was last told to the policy.
    told: BTreeMap<JobId, f64>,
    view: watch::Sender<Arc<View>>,
    published: f64,
    /// Who hears what is worth a line.
    log: fn(&str),
}

/// An answer that is given when what it speaks of is on the disk.
enum Answer {
    Submitted(Reply<Vec<String>>, Vec<String>),
    Cancelled(Reply<String>, String),
}

impl<A: Actuator> Daemon<A> {
    /// Goes on with the books in `folder`, or begins them with `header`.
    ///
    /// # Errors
    /// Another daemon has the folder; books of another policy or cluster, or that cannot be read.
    pub fn open(folder: PathBuf, header: Header, actuator: A) -> Result<Self> {
        let mut store = Store::open(&folder)?;
        let Some(books) = store.read()? else {
            let beginning = Beginning { header: header.clone(), origin: Origin::now() };
            store.begin(&beginning)?;
            let scheduler = Scheduler::new(Desk::new(header), Vec::new())?;
            return Ok(Self::with(scheduler, store, folder, beginning, actuator));
        };
        if let Some(what) = difference(&books.beginning.header, &header) {
            return Err(Error::Other { path: folder, what });
        }
        let header = books.beginning.header.clone();
        let mut desk = match books.snapshot {
            Some(snapshot) => Desk::load(header.clone(), snapshot)?,
            None => Desk::new(header.clone()),
        };
        books.entries.iter().try_for_each(|entry| desk.repeat(entry))?;
        let origin = books.beginning.origin.carried(desk.state().now);
        let beginning = Beginning { header, origin };
        store.begin(&beginning)?;
        let scheduler = Scheduler::new(desk, books.records)?;
        Ok(Self::with(scheduler, store, folder, beginning, actuator))
    }

    fn with(scheduler: Scheduler, store: Store, folder: PathBuf, beginning: Beginning, actuator: A) -> Self {
        let policy = beginning.header.policy.as_str();
        let first = View::of(&scheduler, policy, scheduler.desk().state().now, store.steps(), None);
        Self {
            scheduler,
            store: Some(store),
            folder,
            beginning,
            actuator,
            unsaved: None,
            trouble: None,
            told: BTreeMap::new(),
            view: watch::Sender::new(Arc::new(first)),
            published: f64::NEG_INFINITY,
            log: |_| {},
        }
    }

    /// Has what is worth a line said to `log`.
    #[must_use]
    pub fn logged(mut self, log: fn(&str)) -> Self {
        self.log = log;
        self
    }

    /// What everybody may see, as it changes.
    pub fn view(&self) -> watch::Receiver<Arc<View>> {
        self.view.subscribe()
    }

    /// Works until it is told to stop, or nobody can tell it anything any more.
    ///
    /// # Errors
    /// A defect of the policy.
    pub fn run(mut self, requests: &Receiver<Request>) -> Result<()> {
        // Whoever told them before may have died in the middle of it.
        self.scheduler.under_way().iter().for_each(|act| self.carry_out(act));
        loop {
            let mut all = match requests.recv_timeout(self.sleep()) {
                Ok(request) => vec![request],
                Err(RecvTimeoutError::Timeout) => Vec::new(),
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            };
            all.extend(requests.try_iter());
            let stop = all.iter().any(|request| matches!(request, Request::Stop));
            self.turn(all)?;
            if stop {
                return Ok(());
            }
        }
    }

    fn sleep(&self) -> Duration {
        if self.unsaved.is_none() && self.scheduler.open().next().is_some() {
            return LOOK_EVERY;
        }
        let left = self.scheduler.next_due().map_or(f64::INFINITY, |due| due - self.now());
        Duration::from_secs_f64(left.clamp(0.01, LONGEST_SLEEP.as_secs_f64()))
    }

    fn now(&self) -> f64 {
        self.beginning.origin.time()
    }

    /// One turn of the loop.
    ///
    /// # Errors
    /// A defect of the policy.
    pub fn turn(&mut self, requests: Vec<Request>) -> Result<()> {
        if self.unsaved.is_some() {
            requests.into_iter().for_each(|request| self.put_off(request));
            self.save();
            return Ok(());
        }
        // First the attempts: whoever knows that one ended by its host knows that the host is gone.
        let (seen, mut answers) = (self.seen(), Vec::new());
        let mut news = self.reached();
        news.extend(seen);
        news.extend(self.heard());
        for request in requests {
            if let Some((told, answer)) = self.take(request, &news) {
                news.push(told);
                answers.push(answer);
            }
        }
        let due = self.scheduler.next_due().is_some_and(|due| due <= self.now());
        if news.is_empty() && !due {
            self.publish(false);
            return Ok(());
        }
        let changes = self.scheduler.step(self.now(), news)?;
        if changes.is_empty() && changes.acts.is_empty() && answers.is_empty() {
            return Ok(());
        }
        self.unsaved = Some((changes, answers));
        self.save();
        Ok(())
    }

    /// What is seen of the open attempts.
    fn seen(&mut self) -> Vec<News> {
        let runs: Vec<Run> = self.scheduler.open().collect();
        let mut news = Vec::new();
        for run in runs {
            match self.actuator.look(run) {
                Sighting::Running => {}
                Sighting::Lost => {
                    let share = self.actuator.training(run.job).map(|training| training.share());
                    news.push(News::Lost(run, share));
                }
                Sighting::NeverRan => news.push(News::NeverRan(run)),
                Sighting::Ended(ending, uptime) => {
                    let at = uptime.map_or(self.now(), |uptime| self.beginning.origin.at(uptime));
                    news.push(News::Ended(run, ending, at));
                }
            }
            if let Some(came) = self.actuator.resized(run) {
                news.push(News::Resized(run, came));
            }
        }
        news
    }

    /// Machines that do not answer any more, or answer again.
    fn reached(&mut self) -> Vec<News> {
        let mut news = Vec::new();
        for (machine, answer) in self.actuator.machines() {
            match (answer, self.scheduler.gone(machine)) {
                (Err(why), known) if known != Some(why.as_str()) => news.push(News::Gone(machine, why)),
                (Ok(()), _) if !self.scheduler.desk().state().is_up(machine) => {
                    news.push(News::Back(machine))
                }
                _ => {}
            }
        }
        news
    }

    /// What training runs say of themselves, a twentieth of their work at a time: a policy is asked at each.
    fn heard(&mut self) -> Vec<News> {
        let mut news = Vec::new();
        for record in self.scheduler.records().iter().filter(|record| record.open.is_some() && trains(record))
        {
            let Some(training) = self.actuator.training(record.id) else { continue };
            let share = training.share();
            let told = self.told.entry(record.id).or_insert(0.0);
            // Of the first percent it cannot be told yet how fast the rest will be.
            if share >= 0.01 && (*told == 0.0 || share >= *told + 0.05) && share < 1.0 {
                *told = share;
                news.push(News::Progressed(record.id, share));
            }
        }
        news
    }

    /// What a request is in terms of the scheduler; those that change nothing are answered at once.
    fn take(&self, request: Request, news: &[News]) -> Option<(News, Answer)> {
        match request {
            Request::Submit(jobs, reply) => match self.admitted(jobs, news) {
                Ok((jobs, names)) => Some((News::Submitted(jobs), Answer::Submitted(reply, names))),
                Err(error) => answer(reply, Err(error)),
            },
            Request::Cancel(label, reply) => match self.find(&label) {
                Err(error) => answer(reply, Err(error)),
                Ok(record) if !record.is_unfinished() => {
                    let what = format!(
                        "job {label} is over: {}",
                        crate::why::why(&self.scheduler, record, self.now())
                    );
                    answer(reply, Err(Error::Refused(what)))
                }
                Ok(record) => {
                    let name = record.name.clone();
                    Some((News::Cancelled(record.id), Answer::Cancelled(reply, name)))
                }
            },
            Request::Explain(label, reply) => {
                let explained = self.find(&label).map(|record| self.explain(record));
                answer(reply, explained)
            }
            Request::Recording(reply) => answer(reply, self.recording()),
            Request::Stop => None,
        }
    }

    fn find(&self, label: &str) -> Result<&Record> {
        let found = self.scheduler.find(label);
        found.ok_or_else(|| Error::Refused(format!("there is no job {label}; `schedule status` lists them")))
    }

    /// Jobs that can be taken, and the numbers that they will have.
    fn admitted(&self, jobs: Vec<Value>, news: &[News]) -> Result<(Vec<jobs_file::Entry>, Vec<String>)> {
        let jobs = jobs_file::sent_jobs(jobs, self.beginning.header.cluster())?;
        let same_turn = news.iter().filter_map(|news| match news {
            News::Submitted(jobs) => Some(jobs.as_slice()),
            _ => None,
        });
        let before: Vec<&jobs_file::Entry> = same_turn.flatten().collect();
        for (job, _) in jobs.iter().filter(|(job, _)| !job.name.is_empty()) {
            if is_number(&job.name) {
                let name = &job.name;
                let what =
                    format!("job {name}: such names are the numbers that jobs are given; take another name");
                return Err(Error::Refused(what));
            }
            let unfinished = |record: &Record| {
                record.name == job.name && (record.is_unfinished() || record.open.is_some())
            };
            let known = self.scheduler.records().iter().any(unfinished)
                || before.iter().any(|(other, _)| other.name == job.name);
            if known {
                let name = &job.name;
                return Err(Error::Refused(format!(
                    "job {name} is there already and not over; cancel it, or take another name"
                )));
            }
        }
        let listed: Vec<&Job> = jobs.iter().map(|(job, _)| job).collect();
        let known = |name: &str| {
            self.scheduler.records().iter().any(|record| record.name == name)
                || before.iter().any(|(job, _)| job.name == name)
        };
        jobs_file::check_dependencies(&listed, &known)?;
        let first = self.scheduler.records().len() + before.len();
        let numbers = (first..first + jobs.len()).map(|at| JobId(at as u32).to_string()).collect();
        Ok((jobs, numbers))
    }

    fn explain(&self, record: &Record) -> Explained {
        let view = View::of(&self.scheduler, self.beginning.header.policy.as_str(), self.now(), 0, None);
        let job = &view.jobs[record.id.index()];
        let plan = |explanation: Explanation| explanation.reason;
        let grid = self.beginning.header.setup().grid;
        // A planner that is asked about a time after its last slot has nothing to say.
        let plans = record.is_unfinished() && grid.slot_of(self.scheduler.desk().state().now) < grid.slots;
        Explained {
            job: job.name.clone(),
            state: job.state.clone(),
            why: job.why.clone(),
            plan: if plans { self.scheduler.desk().explain(record.id).map(plan) } else { None },
        }
    }

    fn recording(&self) -> Result<String> {
        let Some(store) = &self.store else { return Err(self.busy()) };
        let entries = store.entries_from(0)?;
        let recording = syncline_schedule::replay::Recording {
            header: self.beginning.header.clone(),
            entries,
            complete: true,
        };
        Ok(recording.to_lines()?)
    }

    fn busy(&self) -> Error {
        let why = self.trouble.clone().unwrap_or_else(|| "its books are being written".into());
        Error::Busy(format!("the scheduler takes no requests now: {why}"))
    }

    /// Requests while the books cannot be written.
    fn put_off(&self, request: Request) {
        match request {
            Request::Submit(_, reply) => drop(reply.send(Err(self.busy()))),
            Request::Cancel(_, reply) => drop(reply.send(Err(self.busy()))),
            Request::Explain(_, reply) => drop(reply.send(Err(self.busy()))),
            Request::Recording(reply) => drop(reply.send(Err(self.busy()))),
            Request::Stop => {}
        }
    }

    /// Puts the changes on the disk, then carries them out and answers. If the disk is full nothing happens in the world until
    /// it is not; that is tried again at every turn.
    fn save(&mut self) {
        let Some((changes, answers)) = self.unsaved.take() else { return };
        match self.commit(&changes) {
            Ok(()) => {
                self.trouble = None;
                changes.remarks.iter().for_each(|remark| (self.log)(remark));
                changes.acts.iter().for_each(|act| self.carry_out(act));
                // Before the answers: whoever is told of a job finds it.
                self.publish(true);
                // Somebody who has gone away needs no answer.
                answers.into_iter().for_each(Answer::give);
            }
            Err(error) => {
                self.trouble = Some(error.to_string());
                self.unsaved = Some((changes, answers));
                self.publish(true);
            }
        }
    }

    fn commit(&mut self, changes: &Changes) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let mut store = match self.store.take() {
            Some(store) if self.trouble.is_none() => store,
            Some(store) => store.reopen()?,
            None => Store::open(&self.folder)?,
        };
        let due = (store.steps() + 1).is_multiple_of(SNAPSHOT_EVERY) && changes.entry.is_some();
        let snapshot = if due { Some(self.scheduler.desk().save()?) } else { None };
        let committed = store.commit(changes, snapshot.as_ref());
        self.store = Some(store);
        committed
    }

    fn carry_out(&mut self, act: &Act) {
        match act {
            Act::Start(launch) => self.actuator.start(launch),
            Act::Resize(launch) => self.actuator.resize(launch),
            Act::Ask(run) => self.actuator.ask(*run),
            Act::Kill(run) => self.actuator.kill(*run),
        }
    }

    /// Shows how things stand; if nothing has changed, once a second.
    fn publish(&mut self, changed: bool) {
        let now = self.now();
        let running = self.scheduler.open().next().is_some();
        if !changed && (now < self.published + 1.0 || !running) {
            return;
        }
        self.published = now;
        let steps = self.store.as_ref().map_or(0, Store::steps);
        let policy = self.beginning.header.policy.as_str();
        let mut view = View::of(&self.scheduler, policy, now, steps, self.trouble.clone());
        for (job, record) in view.jobs.iter_mut().zip(self.scheduler.records()) {
            if trains(record) {
                job.training = self.actuator.training(record.id);
                // What it says of itself, in place of what its length lets expect.
                job.progress = job.training.as_ref().map_or(job.progress, |training| training.share());
            }
        }
        self.view.send_replace(Arc::new(view));
    }
}

impl Answer {
    fn give(self) {
        match self {
            Self::Submitted(reply, numbers) => drop(reply.send(Ok(numbers))),
            Self::Cancelled(reply, name) => drop(reply.send(Ok(name))),
        }
    }
}

fn answer<T, N>(reply: Reply<T>, answer: Result<T>) -> Option<N> {
    // Somebody who has gone away needs no answer.
    let _ = reply.send(answer);
    None
}

/// Whether a job is a training run, which has its job beside it.
fn trains(record: &Record) -> bool {
    record.task.files.contains_key("job.toml")
        && record.task.command.get(2).is_some_and(|part| part == "train")
}

/// In what two beginnings differ.
fn difference(kept: &Header, asked: &Header) -> Option<&'static str> {
    if kept.policy != asked.policy {
        return Some("policy");
    }
    if kept.cluster() != asked.cluster() {
        return Some("cluster");
    }
    (kept.setup().grid != asked.setup().grid).then_some("length or number of slots")
}

/// The rules of a live cluster: progress is what the speed law says until a job says or shows otherwise.
pub fn physics() -> Physics {
    Physics::default()
}

/// Whether a name could be the number of another job: `j3`.
fn is_number(name: &str) -> bool {
    name.strip_prefix('j')
        .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit()))
}
