//! The pure part of the daemon: news in, changes and acts out.
//!
//! The policy decides who should run where; that is what the [`Desk`]'s state says at once. Processes follow more slowly:
//! a job that shrinks must stop first. So there are two pictures, the wish (the state) and the world (open attempts), and
//! every step moves the world towards the wish.
//!
//! A job with a task that says how ([`Task::scale`](syncline_schedule::jobs_file::Task)) is given another size while it runs; one
//! without, or that cannot just then, is stopped and goes on with the other size.
//!
//! SERVE-1: a job has at most one open attempt. SERVE-2: an attempt is started, or grows, only into room that no other open attempt
//! holds, stopping and shrinking ones included, and only while its queue's open attempts leave it the quota. SERVE-3: acts are carried out only after the changes that speak of them are kept, so whatever
//! exists is known.

mod machines;
mod resizing;

use std::{collections::BTreeMap, sync::Arc};

use syncline_schedule::{
    Decision, Event, Job, JobId, MachineId, Placement, Queue, Resource, Resources, Share, desk::Desk,
    jobs_file::Entry as Submission, sim::Entry, state::Status,
};

use crate::{
    actuator::{Ending, Launch, Run},
    error::{Error, Result},
    record::{Attempt, Outcome, Record},
};

/// How often an attempt may be lost, unless its job may be begun again oftener, before the job is given up: then that is what
/// brings machines down.
const MOST_LOSSES: u32 = 3;

/// The longest wait before another try, in seconds.
const LONGEST_WAIT: f64 = 60.0;

/// How long an attempt that runs may take to have another size before it is stopped for it, in seconds: it may read its data still,
/// and end a long round.
const RESIZING: f64 = 120.0;

/// Something that the scheduler is told.
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    /// Jobs were submitted.
    Submitted(Vec<Submission>),
    /// A job is not wanted any more.
    Cancelled(JobId),
    /// An attempt ended at this time, in seconds.
    Ended(Run, Ending, f64),
    /// An attempt is gone without a word, and what share of the job's work was done by then, where that is known.
    Lost(Run, Option<f64>),
    /// An attempt has the size that it was being given while it ran, or why not.
    Resized(Run, std::result::Result<(), String>),
    /// A job says which share of its work is done.
    Progressed(JobId, f64),
    /// A machine does not answer any more, in words why; or they are others now.
    Gone(MachineId, String),
    /// It answers again.
    Back(MachineId),
    /// An attempt was never started: the daemon died between saying so and doing it.
    NeverRan(Run),
}

/// Something to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Act {
    /// Start an attempt.
    Start(Box<Launch>),
    /// Tell an attempt that runs of another size.
    Resize(Box<Launch>),
    /// Ask an attempt to stop.
    Ask(Run),
    /// Kill it.
    Kill(Run),
}

/// What a step changed, to be kept before the acts are carried out.
#[derive(Debug, Default)]
pub struct Changes {
    /// The step of the recording, if the policy was asked.
    pub entry: Option<Entry>,
    /// Records as they are now.
    pub records: Vec<Record>,
    /// What to do.
    pub acts: Vec<Act>,
    /// How jobs came to another size, in words.
    pub remarks: Vec<String>,
}

impl Changes {
    /// Whether nothing is to be kept.
    pub fn is_empty(&self) -> bool {
        self.entry.is_none() && self.records.is_empty()
    }
}

/// The policy at its desk, and the records of all jobs.
pub struct Scheduler {
    desk: Desk,
    records: Vec<Record>,
    touched: Vec<JobId>,
    remarks: Vec<String>,
    /// What was said of machines that do not answer.
    gone: BTreeMap<MachineId, String>,
}

impl Scheduler {
    /// With what was kept: `records` by number, one for every job that the desk knows.
    ///
    /// # Errors
    /// Records and desk that do not know the same jobs.
    pub fn new(desk: Desk, records: Vec<Record>) -> Result<Self> {
        let known = records.iter().enumerate().all(|(at, record)| record.id.index() == at);
        if !known || records.len() != desk.state().jobs.len() {
            let what =
                format!("{} jobs are recorded and {} are known", records.len(), desk.state().jobs.len());
            return Err(Error::Refused(format!("the books do not fit together: {what}")));
        }
        Ok(Self { desk, records, touched: Vec::new(), remarks: Vec::new(), gone: BTreeMap::new() })
    }

    /// The policy's side.
    pub fn desk(&self) -> &Desk {
        &self.desk
    }

    /// The jobs, by number.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// The job of this number (`j3`) or name, the latest of that name.
    pub fn find(&self, label: &str) -> Option<&Record> {
        let by_number = || self.records.iter().find(|record| record.id.to_string() == label);
        self.records.iter().rev().find(|record| record.name == label).or_else(by_number)
    }

    /// Attempts whose processes may exist.
    pub fn open(&self) -> impl Iterator<Item = Run> {
        self.records.iter().filter_map(|record| {
            record.open.as_ref().map(|open| Run { job: record.id, attempt: open.number })
        })
    }

    /// When there will be something to do even if nothing happens, in seconds.
    pub fn next_due(&self) -> Option<f64> {
        let of = |record: &Record| match &record.open {
            Some(Attempt { asked: Some(asked), killed: false, .. }) => Some(asked + record.task.grace),
            Some(Attempt { asked: None, resizing: Some(resizing), .. }) => Some(resizing.since + RESIZING),
            None if record.is_unfinished() && record.not_before > 0.0 => Some(record.not_before),
            _ => None,
        };
        let asked = self.desk.wake().into_iter().chain(self.desk.next_limit());
        self.records.iter().filter_map(of).chain(asked).min_by(f64::total_cmp)
    }

    /// Takes note of news at `now`, lets the policy decide if there is something to decide, and says what to do.
    ///
    /// # Errors
    /// A defect of the policy; the scheduler must not be used any more.
    pub fn step(&mut self, now: f64, news: Vec<News>) -> Result<Changes> {
        let now = now.max(self.desk.state().now);
        let mut events: Vec<Event> = news.into_iter().flat_map(|news| self.note(now, news)).collect();
        if self.desk.wake().is_some_and(|wake| wake <= now) {
            events.push(Event::Wake);
        }
        let mut changes = Changes::default();
        if !events.is_empty() || self.desk.next_limit().is_some_and(|limit| limit <= now) {
            let late = self.desk.late(now, &events);
            events.splice(0..0, late);
            let expired = self.desk.expired(now, &events);
            // Of a job that is over nothing else is heard.
            events.retain(|event| !expired.iter().any(|ended| speaks_of_the_same(ended, event)));
            events.extend(expired);
            self.time_out(&events);
            let entry = self.desk.step(now, events)?;
            self.hear(now, &entry.decisions);
            changes.entry = Some(entry);
        }
        changes.acts = self.follow(now);
        changes.remarks = std::mem::take(&mut self.remarks);
        let mut touched = std::mem::take(&mut self.touched);
        touched.sort_unstable();
        touched.dedup();
        changes.records = touched.into_iter().map(|id| self.records[id.index()].clone()).collect();
        Ok(changes)
    }

    /// What one piece of news changes in the records, and what the policy must hear of it.
    fn note(&mut self, now: f64, news: News) -> Vec<Event> {
        match news {
            News::Submitted(jobs) => jobs.into_iter().map(|job| self.arrive(now, job)).collect(),
            News::Cancelled(id) => self.cancel(now, id).into_iter().collect(),
            News::Ended(run, ending, at) => self.ended(now, run, &ending, at.min(now)).into_iter().collect(),
            News::Lost(run, share) => self.lost(now, run, share).into_iter().collect(),
            News::Resized(run, came) => {
                self.resized(now, run, came);
                Vec::new()
            }
            News::Progressed(id, share) => self.progressed(now, id, share).into_iter().collect(),
            News::Gone(machine, why) => self.machine_gone(machine, why),
            News::Back(machine) => self.machine_back(machine),
            News::NeverRan(run) => {
                self.close(run, now);
                Vec::new()
            }
        }
    }

    fn touch(&mut self, id: JobId) -> &mut Record {
        self.touched.push(id);
        &mut self.records[id.index()]
    }

    fn arrive(&mut self, now: f64, (job, task): Submission) -> Event {
        let id = JobId(self.records.len() as u32);
        let name = if job.name.is_empty() { id.to_string() } else { job.name.clone() };
        // Without a command there is nothing to run: it ends as soon as it has started.
        let nothing = || syncline_schedule::jobs_file::Task {
            command: vec!["true".into()],
            directory: None,
            environment: Default::default(),
            grace: 0.0,
            retries: 0,
            files: Default::default(),
            pin: false,
            scale: None,
        };
        self.records.push(Record::new(id, name.clone(), task.unwrap_or_else(nothing)));
        self.touched.push(id);
        Event::Arrival { job: Arc::new(Job { id, name, arrival: now, ..job }) }
    }

    fn cancel(&mut self, now: f64, id: JobId) -> Option<Event> {
        let record = self.touch(id);
        if !record.is_unfinished() {
            return None;
        }
        record.end(Outcome::Cancelled, now);
        Some(Event::Withdrawal { job: id })
    }

    fn ended(&mut self, now: f64, run: Run, ending: &Ending, at: f64) -> Option<Event> {
        let resume = self.desk.state().job(run.job).job.resume;
        let fence = self.fence(now, run.job);
        let (record, asked) = self.close(run, at)?;
        match ending {
            _ if !record.is_unfinished() => None,
            Ending::Exited(0) => {
                record.end(Outcome::Done, at);
                Some(Event::Completion { job: run.job, at })
            }
            _ if asked => {
                record.not_before = fence;
                None
            }
            ending => {
                record.failures += 1;
                if record.failures > record.task.retries {
                    record.end(Outcome::Failed(ending.to_string()), at);
                    return Some(Event::Withdrawal { job: run.job });
                }
                record.not_before = now + pause(record.failures);
                begun_again(run.job, resume)
            }
        }
    }

    /// Jobs that have had all the time that they may run are over; their processes are asked to stop.
    fn time_out(&mut self, events: &[Event]) {
        for event in events {
            if let Event::Timeout { job, at } = event {
                let state = self.desk.state();
                let limit = state.cluster.limit(&state.job(*job).job);
                self.touch(*job).end(Outcome::TimedOut(limit), *at);
            }
        }
    }

    /// What a job has left by its own pace: it took what it has had for the share that is done, and takes as much for the same
    /// share again. That corrects both how long it said that it takes and how fast the speed law thinks that it is.
    fn progressed(&self, now: f64, id: JobId, share: f64) -> Option<Event> {
        let state = self.desk.state();
        let job = state.job(id);
        let runs = job.status == Status::Running && self.records[id.index()].open.is_some();
        let tells = runs && share > 0.0 && share <= 1.0;
        if !tells {
            return None;
        }
        let spent = job.attained + (now - state.now) * f64::from(job.placement.workers());
        let left = spent * (1.0 - share) / share / job.job.internal_cost();
        Some(Event::Progress { job: id, samples: (job.job.workload - left).max(0.0) })
    }

    /// The cores of a job that is held to its own: those that it has, then the first that no open attempt is held to.
    fn cores(&self, record: &Record, placement: &Placement) -> Vec<usize> {
        let is_here = |share: &Share| !self.desk.state().cluster.is_elsewhere(share.machine);
        if !record.task.pin || !placement.shares().iter().all(is_here) {
            return Vec::new();
        }
        let job = &self.desk.state().job(record.id).job;
        let cores = |share: &Share| share.demand(job)[Resource::Cpu];
        let count = placement.shares().iter().map(cores).sum::<f64>().ceil() as usize;
        let taken: Vec<usize> = self
            .records
            .iter()
            .filter_map(|record| record.open.as_ref())
            .flat_map(Attempt::all_cores)
            .collect();
        let own = record.open.iter().flat_map(|open| open.cores.clone());
        own.chain((0..).filter(|core| !taken.contains(core))).take(count).collect()
    }

    /// Closes an attempt, if it is the open one; says whether it was asked to stop.
    fn close(&mut self, run: Run, at: f64) -> Option<(&mut Record, bool)> {
        let open = self.records[run.job.index()].open.as_ref().filter(|open| open.number == run.attempt)?;
        let asked = open.asked.is_some();
        let record = self.touch(run.job);
        record.close(at);
        Some((record, asked))
    }

    /// What decisions mean for the records.
    fn hear(&mut self, now: f64, decisions: &[Decision]) {
        for decision in decisions {
            match decision {
                Decision::Reject { job, reason } => {
                    self.touch(*job).end(Outcome::TurnedDown(reason.clone()), now);
                }
                Decision::Place { job, .. } | Decision::Admit { job } => {
                    let record = &mut self.records[job.index()];
                    if matches!(record.outcome, Some(Outcome::TurnedDown(_))) {
                        (record.outcome, record.ended) = (None, None);
                        self.touched.push(*job);
                    }
                }
                Decision::Preempt { .. } | Decision::WakeAt { .. } => {}
            }
        }
    }

    /// Moves the world towards the wish.
    fn follow(&mut self, now: f64) -> Vec<Act> {
        let mut acts = Vec::new();
        for at in 0..self.records.len() {
            acts.extend(self.stop(now, JobId(at as u32)));
        }
        for record in self.records.iter_mut().filter(|record| record.not_before <= now) {
            record.not_before = 0.0;
        }
        let mut free = self.free();
        for at in 0..self.records.len() {
            let id = JobId(at as u32);
            let act = self.start(now, id, &mut free);
            acts.extend(act.or_else(|| self.begin_to_resize(now, id, &mut free)));
        }
        acts
    }

    /// Where the policy wants a job to run.
    fn wished(&self, id: JobId) -> Option<&Placement> {
        let job = self.desk.state().job(id);
        (job.status == Status::Running && self.records[id.index()].is_unfinished()).then_some(&job.placement)
    }

    fn stop(&mut self, now: f64, id: JobId) -> Option<Act> {
        let record = &self.records[id.index()];
        let open = record.open.as_ref()?;
        let run = Run { job: id, attempt: open.number };
        match open.asked {
            None if !self.may_go_on(now, record, open) => {
                if let (None, Some(wished)) = (&open.refused, self.wished(id)) {
                    let (before, after) = (open.placement.workers(), wished.workers());
                    self.remark(id, before, after, "by stopping it");
                }
                self.touch(id).open.as_mut()?.asked = Some(now);
                Some(Act::Ask(run))
            }
            Some(asked) if !open.killed && now >= asked + record.task.grace => {
                self.touch(id).open.as_mut()?.killed = true;
                Some(Act::Kill(run))
            }
            _ => None,
        }
    }

    /// Takes the room for more of a job; false, and nothing taken, if other attempts hold it.
    fn take_room(&self, id: JobId, more: &Placement, free: &mut [Resources]) -> bool {
        let state = self.desk.state();
        let job = &state.job(id).job;
        let fits = |share: &Share| free[share.machine.index()].fits(&share.demand(job));
        let need = |sum: Resources, share: &Share| sum.plus(&share.demand(job));
        let need = more.shares().iter().fold(Resources::default(), need);
        let quota = state.cluster.queue_of(job);
        if !more.shares().iter().all(fits) || quota.is_some_and(|queue| !self.quota_left(queue).fits(&need)) {
            return false;
        }
        for share in more.shares() {
            free[share.machine.index()].add(&share.demand(job), -1.0);
        }
        true
    }

    /// The open attempt of a job as it is in `placement`.
    fn launch(&self, record: &Record, placement: Placement, cores: Vec<usize>) -> Option<Launch> {
        let run = Run { job: record.id, attempt: record.open.as_ref()?.number };
        let cluster = &self.desk.state().cluster;
        let named = |share: &Share| (cluster.name(share.machine), share.workers, share.servers);
        let hosts = placement.shares().iter().map(named).collect();
        let reached =
            |share: &Share| Some((cluster.host(share.machine)?.to_owned(), share.workers + share.servers));
        let addresses = placement.shares().iter().filter_map(reached).collect();
        let job = &self.desk.state().job(record.id).job;
        let given = |share: &Share| Some((cluster.engine(share.machine)?.to_owned(), share.demand(job)));
        let engine = placement.shares().iter().find_map(given);
        let (name, task) = (record.name.clone(), record.task.clone());
        Some(Launch { run, name, task, placement, hosts, addresses, engine, cores })
    }

    fn remark(&mut self, id: JobId, before: u32, after: u32, how: &str) {
        let name = &self.records[id.index()].name;
        self.remarks.push(format!("{name} ({id}) goes from {before} to {after} workers {how}"));
    }

    /// What no open attempt holds.
    fn free(&self) -> Vec<Resources> {
        let state = self.desk.state();
        let mut free: Vec<Resources> =
            state.cluster.machines().iter().map(|machine| machine.capacity).collect();
        for record in &self.records {
            for share in record.open.iter().flat_map(|open| open.holds().shares().to_vec()) {
                free[share.machine.index()].add(&share.demand(&state.job(record.id).job), -1.0);
            }
        }
        free
    }

    /// What open attempts leave of a quota: those that are stopping hold theirs until they are gone.
    fn quota_left(&self, queue: &Queue) -> Resources {
        let state = self.desk.state();
        let mut left = queue.room();
        for record in &self.records {
            let job = &state.job(record.id).job;
            let open = record.open.iter().filter(|_| job.queue == queue.name);
            for share in open.flat_map(|open| open.holds().shares().to_vec()) {
                left.add(&share.demand(job), -1.0);
            }
        }
        left
    }

    fn start(&mut self, now: f64, id: JobId, free: &mut [Resources]) -> Option<Act> {
        let record = &self.records[id.index()];
        let placement =
            self.wished(id).filter(|_| record.open.is_none() && record.not_before <= now)?.clone();
        if !self.take_room(id, &placement, free) {
            return None;
        }
        let cores = self.cores(&self.records[id.index()], &placement);
        let record = self.touch(id);
        record.attempts += 1;
        record.not_before = 0.0;
        record.open = Some(Attempt {
            number: record.attempts,
            placement: placement.clone(),
            begun: now,
            asked: None,
            killed: false,
            cores: cores.clone(),
            resized: None,
            resizing: None,
            refused: None,
        });
        Some(Act::Start(Box::new(self.launch(&self.records[id.index()], placement, cores)?)))
    }
}

/// Whether an event is about the job whose time is over.
fn speaks_of_the_same(timeout: &Event, event: &Event) -> bool {
    matches!((timeout, event), (Event::Timeout { job, .. }, Event::Progress { job: other, .. }) if job == other)
}

/// What the policy hears of a job that begins again in its place: one that cannot resume has nothing done.
fn begun_again(job: JobId, resume: bool) -> Option<Event> {
    (!resume).then_some(Event::Progress { job, samples: 0.0 })
}

/// Seconds before the next try.
fn pause(failures: u32) -> f64 {
    f64::from(2_u32.saturating_pow(failures.saturating_sub(1).min(10))).min(LONGEST_WAIT)
}
