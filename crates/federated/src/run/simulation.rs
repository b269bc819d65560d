//! The driver on the virtual clock: a task for each client that works, and one for the server, who waits for their news.
//!
//! Idle clients are numbers in a list. A client at work is a timer and a note of what it was sent; its steps are computed
//! when its answer is folded (WORK-1), so what is lost, late or dropped costs nothing.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::Xoshiro256PlusPlus;
use syncline_learn::Score;
use syncline_round::{Act, Event, Machine, Member, Policy, Round, Time};
use syncline_runtime::{Clock, Node, Scheduler, Sim, Turn};
use tokio::sync::mpsc;

use super::books::{Books, Stretch};
use super::device::{Course, stream};
use super::report::{ClientReport, Participation, PrivacyReport, Report, RoundReport};
use super::round::{Closed, OpenRound, policy};
use super::server::{Folded, Server, others};
use super::settings::{Late, NoisePlace, Partial, Select, Settings};
use super::strategy::Strategy;
use super::sum::{Dropped, input_bytes, noise_source};
use super::work::{Task, Workshop, all_steps};
use super::{Federation, MOST_FAILED, Trained, fairness, has_classes, metrics, score, scores};
use crate::{Error, Result, Selection, select};

/// Steps of the scheduler between two looks whether the run is over.
const STEPS: usize = 1 << 16;

/// What a client's task tells the server.
#[derive(Clone, Copy, Debug)]
struct News {
    /// The number that its work was given.
    job: u64,
    is_lost: bool,
}

/// A client at work.
#[derive(Clone, Debug)]
struct Job {
    task: Task,
    /// The version of the model that it was sent.
    version: u64,
    start: Duration,
    course: Course,
    lost_after: Option<f64>,
    down: u64,
    up: u64,
}

/// A run under way.
struct Simulation {
    federation: Federation,
    settings: Settings,
    server: Server,
    workshop: Workshop,
    books: Books,
    sim: Sim,
    node: Node,
    clock: Clock,
    tell: mpsc::UnboundedSender<News>,
    news: mpsc::UnboundedReceiver<News>,
    jobs: BTreeMap<u64, Job>,
    /// Work of the open round whose answers are there.
    answered: Vec<u64>,
    /// Clients that a round has, or of which so many work at once.
    at_once: usize,
    /// Work that was given out so far.
    given_out: u64,
    /// Sums of bytes up to the last close.
    bytes: [u64; 2],
    ended_early: Option<String>,
}

/// Runs a federation to its end.
pub(super) fn run(mut federation: Federation) -> Result<Trained> {
    let settings = federation.settings.clone();
    let first = federation.first_parameters();
    let samples: Vec<usize> = federation.rows.iter().map(Vec::len).collect();
    let server = Server::new(
        &settings,
        &first,
        &samples,
        noise_source(&settings, 0xc1),
        std::mem::take(&mut federation.own),
    )?;
    let workshop = Workshop::new(
        &*federation.model,
        Arc::clone(&federation.data),
        Arc::clone(&federation.rows),
        settings.clone(),
        noise_source(&settings, 0xc2),
    );
    let at_once = settings.chosen(samples.len())?;
    let sim = Sim::new(settings.seed);
    let node = sim.enter("clients");
    let (tell, news) = mpsc::unbounded_channel();
    let books = Books::new(federation.trace.is_some());
    let clock = sim.clock();
    let simulation = Simulation {
        federation,
        settings,
        server,
        workshop,
        books,
        sim: sim.clone(),
        node,
        clock,
        tell,
        news,
        jobs: BTreeMap::new(),
        answered: Vec::new(),
        at_once,
        given_out: 0,
        bytes: [0; 2],
        ended_early: None,
    };
    let (done, mut scheduler) = (Rc::new(RefCell::new(None)), Scheduler::new(sim.clone()));
    let told = Rc::clone(&done);
    scheduler.spawn(sim.enter("server"), async move {
        let result = simulation.complete().await;
        *told.borrow_mut() = Some(result);
    });
    loop {
        let turn = scheduler.turn(STEPS);
        if let Some(result) = done.borrow_mut().take() {
            return result;
        }
        if turn == Turn::Idle {
            let reason = "the server waits for clients of whom none is at work".to_owned();
            return Err(Error::SumFailed { reason });
        }
    }
}

impl Simulation {
    async fn complete(mut self) -> Result<Trained> {
        match self.settings.strategy.has_rounds() {
            true => self.rounds().await?,
            false => self.updates().await?,
        }
        self.finish()
    }

    /// Round after round.
    async fn rounds(&mut self) -> Result<()> {
        let (policy, selection) =
            (policy(&self.settings)?, self.settings.selection(self.federation.rows.len())?);
        let (mut failed, mut carried) = (0, Vec::new());
        for number in 0..self.settings.rounds {
            let report = self.round(number, policy, selection, &mut carried).await?;
            match &report.failed {
                Some(reason) => {
                    failed += 1;
                    if failed >= MOST_FAILED {
                        return Err(Error::Hopeless { failed, reason: reason.clone(), round: number + 1 });
                    }
                }
                None => failed = 0,
            }
            if self.is_enough(&report) {
                break;
            }
        }
        Ok(())
    }

    /// One round, from its selection to its report.
    async fn round(
        &mut self,
        number: u64,
        policy: Policy,
        selection: Selection,
        carried: &mut Vec<Job>,
    ) -> Result<RoundReport> {
        let start = self.clock.now();
        let chosen = selection.choose(self.settings.seed, number, &self.available())?;
        let mut report = RoundReport {
            round: number + 1,
            start_s: start.as_secs_f64(),
            selected: chosen.len(),
            ..Default::default()
        };
        let first_job = self.given_out;
        let closed = if chosen.len() < policy.gradients(1).max(self.settings.quorum.unwrap_or(1)) {
            self.without(&chosen).await
        } else {
            for client in &chosen {
                self.give_out(*client, number, number);
            }
            let open = OpenRound::open(policy, chosen.len(), start)?;
            self.until_closed(open, first_job, &mut report, carried).await
        };
        let end = self.clock.now();
        report.end_s = end.as_secs_f64();
        match closed {
            Closed::Folded(places) => self.fold(number, first_job, &chosen, &places, carried, &mut report)?,
            Closed::Failed(reason) => {
                report.failed = Some(reason);
                self.books.totals.late += carried.drain(..).len() as u64;
            }
        }
        self.put_away();
        report.late = self.jobs.range(first_job..).count();
        self.close(&mut report, number)?;
        Ok(report)
    }

    /// Answers of a round that failed: they came, and to nothing.
    fn put_away(&mut self) {
        for id in std::mem::take(&mut self.answered) {
            if self.jobs.remove(&id).is_some() {
                self.books.totals.late += 1;
            }
        }
    }

    /// A round that too few were selected for; with privacy one of nobody lets out noise as any other.
    async fn without(&mut self, chosen: &[usize]) -> Closed {
        if chosen.is_empty() && self.settings.privacy.is_some() && self.settings.quorum.is_none() {
            return Closed::Folded(Vec::new());
        }
        let busy = self.jobs.len();
        if busy > 0 {
            // Somebody comes back in time.
            if let Some(news) = self.news.recv().await {
                self.late(news);
            }
        }
        Closed::Failed(format!("only {} clients were selected, and {busy} were still busy", chosen.len()))
    }

    /// Hears of clients until the gate closes the round.
    async fn until_closed(
        &mut self,
        mut open: OpenRound,
        first_job: u64,
        report: &mut RoundReport,
        carried: &mut Vec<Job>,
    ) -> Closed {
        let mut answered = Vec::new();
        loop {
            let due = open.wakes_at();
            let heard = match due {
                Some(due) => {
                    let left = due.saturating_sub(self.clock.now());
                    self.clock.timeout(left, self.news.recv()).await.ok().flatten()
                }
                None => self.news.recv().await,
            };
            let now = self.clock.now();
            let closed = match heard {
                None => open.due(now),
                Some(news) if news.job < first_job => {
                    carried.extend(self.late(news));
                    None
                }
                Some(news) => {
                    let place = (news.job - first_job) as usize;
                    if news.is_lost {
                        report.lost += 1;
                        self.lose(news.job);
                        open.lost(now, place)
                    } else {
                        answered.extend(self.answer(news.job).map(|client| (client, now)));
                        open.answered(now, place)
                    }
                }
            };
            if let Some(closed) = closed {
                let at_deadline = heard.is_none();
                let number = report.round - 1;
                (report.waited_client_seconds, report.waited_for) =
                    self.books.waited(number, &answered, now, at_deadline);
                return closed;
            }
        }
    }

    /// Folds what these places answered, and what was carried over.
    fn fold(
        &mut self,
        number: u64,
        first_job: u64,
        chosen: &[usize],
        places: &[usize],
        carried: &mut Vec<Job>,
        report: &mut RoundReport,
    ) -> Result<()> {
        let mut jobs: Vec<Job> =
            places.iter().filter_map(|place| self.jobs.remove(&(first_job + *place as u64))).collect();
        report.carried_over = carried.len();
        jobs.append(carried);
        let mut tasks: Vec<Task> = jobs.into_iter().map(|job| job.task).collect();
        tasks.sort_by_key(|task| task.client);
        let gone = others(chosen, &tasks);
        let workshop = &mut self.workshop;
        let dropped = Dropped { clients: &gone, round: number };
        let folded = self.server.fold(&tasks, dropped, &mut |tasks| workshop.replies(tasks));
        match folded {
            Ok(folded) => self.folded(&tasks, &folded, report),
            Err(error @ (Error::NoAnswers { .. } | Error::TooFew { .. } | Error::SumFailed { .. })) => {
                report.failed = Some(error.to_string());
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn folded(&mut self, tasks: &[Task], folded: &Folded, report: &mut RoundReport) {
        report.counted = folded.counted;
        report.bad = folded.bad.len();
        report.client_loss = (folded.score.rows > 0)
            .then(|| folded.score.in_units(self.federation.data.target_scale().deviation).mean_loss());
        let totals = &mut self.books.totals;
        totals.carried_over += report.carried_over as u64;
        totals.up_bytes += folded.secure_bytes[0];
        totals.down_bytes += folded.secure_bytes[1];
        for task in tasks.iter().filter(|task| !folded.bad.contains(&task.client)) {
            totals.local_steps += task.steps as u64;
            *self.books.taken.entry(task.client).or_default() += 1;
        }
    }

    /// Completes the report of a round or an update, and tells of it.
    fn close(&mut self, report: &mut RoundReport, number: u64) -> Result<()> {
        if !self.server.model().iter().all(|value| value.is_finite()) {
            return Err(Error::Diverged { round: number + 1 });
        }
        let totals = &mut self.books.totals;
        totals.duration_s = report.end_s;
        totals.selected += report.selected as u64;
        totals.counted += report.counted as u64;
        totals.lost += report.lost as u64;
        totals.bad += report.bad as u64;
        *if report.failed.is_some() { &mut totals.failed_rounds } else { &mut totals.folded_rounds } += 1;
        (report.down_bytes, report.up_bytes) =
            (totals.down_bytes - self.bytes[0], totals.up_bytes - self.bytes[1]);
        self.bytes = [totals.down_bytes, totals.up_bytes];
        report.epsilon = self.server.epsilon()?;
        let is_due = (number + 1).is_multiple_of(self.settings.evaluate_every);
        if is_due || number + 1 == self.settings.rounds {
            let data = self.federation.validation.as_ref().unwrap_or(&self.federation.data);
            let score = score(&*self.federation.model, self.server.model(), data, self.settings.threads);
            report.loss = Some(score.mean_loss());
            report.accuracy = has_classes(data).then(|| score.accuracy());
        }
        if let Some(tell) = &mut self.federation.on_round {
            tell(report, self.server.model());
        }
        self.books.rounds.push(report.clone());
        Ok(())
    }

    fn is_enough(&mut self, report: &RoundReport) -> bool {
        let reached = report.loss.zip(self.settings.target_loss).filter(|(loss, target)| loss <= target);
        if let Some((loss, target)) = reached {
            self.ended_early = Some(format!("a loss of {loss:.4} is at most the target of {target}"));
        }
        reached.is_some()
    }

    /// Clients that are not at work, with their rows.
    fn available(&self) -> Vec<(usize, f64)> {
        let busy: std::collections::BTreeSet<usize> = self.jobs.values().map(|job| job.task.client).collect();
        let all = self.federation.rows.iter().enumerate();
        all.filter(|(client, _)| !busy.contains(client))
            .map(|(client, rows)| (client, rows.len() as f64))
            .collect()
    }

    /// Gives a client work: from now on it is a timer.
    fn give_out(&mut self, client: usize, number: u64, version: u64) -> u64 {
        let (settings, parameters) = (&self.settings, self.server.model().len());
        let all = all_steps(settings, self.federation.rows[client].len());
        let mut rng = stream(settings.seed ^ 0x57a6, client, number);
        let is_straggler = rng.random::<f64>() < settings.stragglers;
        let steps = if is_straggler { part_of(all, settings.epochs, &mut rng) } else { all };
        let twice = if settings.strategy == Strategy::Scaffold { 2 } else { 1 };
        let down = 4 * parameters as u64 * twice;
        let up = match settings.secure {
            Some(secure) => {
                input_bytes(secure, parameters, self.federation.rows.len().min(u32::MAX as usize))
            }
            None => settings.compression.bytes(parameters) + 4 * parameters as u64 * (twice - 1),
        };
        let course = settings.devices.course(settings.seed, client, number, down, steps, up);
        let is_lost = rng.random::<f64>() < settings.dropout;
        let lost_after = match (is_lost, is_straggler && settings.partial == Partial::Drop) {
            (true, _) => Some(rng.random::<f64>() * course.answered),
            (false, true) => Some(course.computed),
            (false, false) => None,
        };
        let task = Task {
            client,
            round: number,
            model: Arc::clone(self.server.model()),
            control: self.server.control(),
            steps,
            clip: self.server.clip(),
        };
        let start = self.clock.now();
        let job = Job { task, version, start, course, lost_after, down, up };
        let (id, tell, clock) = (self.given_out, self.tell.clone(), self.clock.clone());
        let end = start.saturating_add(seconds(lost_after.unwrap_or(course.answered)));
        self.sim.spawn(self.node, async move {
            clock.sleep_until(end).await;
            // The run may be over.
            let _ = tell.send(News { job: id, is_lost: lost_after.is_some() });
        });
        self.books.totals.down_bytes += down;
        self.jobs.insert(id, job);
        self.given_out += 1;
        id
    }

    /// Writes down what a client has done, now that it is known.
    fn work_done(&mut self, job: &Job, lost: Option<Duration>) {
        let worked = job.lost_after.unwrap_or(job.course.answered);
        self.books.totals.worked_client_seconds += worked;
        // What a secure sum sends is counted message by message.
        if lost.is_none() && self.settings.secure.is_none() {
            self.books.totals.up_bytes += job.up;
        }
        self.books.worked(Stretch {
            client: job.task.client,
            round: job.task.round,
            start: job.start,
            course: job.course,
            lost,
            down: job.down,
            up: job.up,
            records: self.federation.rows[job.task.client].len() as u64,
        });
    }

    /// A client that answered in its round.
    fn answer(&mut self, id: u64) -> Option<usize> {
        let job = self.jobs.get(&id)?.clone();
        self.work_done(&job, None);
        self.answered.push(id);
        Some(job.task.client)
    }

    /// A client that was lost in its round.
    fn lose(&mut self, job: u64) {
        if let Some(job) = self.jobs.remove(&job) {
            self.work_done(&job, Some(self.clock.now()));
        }
    }

    /// News of a round that is over. The work, if it is to count in the one that is open.
    fn late(&mut self, news: News) -> Option<Job> {
        let job = self.jobs.remove(&news.job)?;
        self.work_done(&job, news.is_lost.then(|| self.clock.now()));
        if news.is_lost {
            self.books.totals.lost += 1;
            return None;
        }
        if self.settings.late == Late::Next {
            return Some(job);
        }
        self.books.totals.late += 1;
        None
    }

    /// Without rounds: so many clients at work at any time, until the model has moved often enough.
    async fn updates(&mut self) -> Result<()> {
        let at_once = self.at_once;
        let mut slots = Slots::new(self, at_once)?;
        let (mut version, mut report, mut ages) =
            (0, RoundReport { round: 1, ..Default::default() }, Vec::new());
        let mut useless = 0u64;
        while version < self.settings.rounds {
            let Some(news) = self.news.recv().await else { break };
            let Some(job) = self.jobs.remove(&news.job) else { continue };
            self.work_done(&job, news.is_lost.then(|| self.clock.now()));
            let age = version - job.version;
            let mut moved = false;
            if news.is_lost {
                report.lost += 1;
            } else if self.settings.most_stale.is_some_and(|most| age > most) {
                report.late += 1;
                self.books.totals.late += 1;
            } else {
                ages.push(age as f64);
                moved = self.mix(&job, age, &mut report)?;
            }
            useless = if moved { 0 } else { useless + 1 };
            if useless > 1000 + 100 * at_once as u64 {
                let (failed, reason) = (MOST_FAILED, "no answer counted any more".to_owned());
                return Err(Error::Hopeless { failed, reason, round: version + 1 });
            }
            if moved {
                version += 1;
                report.end_s = self.clock.now().as_secs_f64();
                report.selected = report.counted + report.lost + report.late + report.bad;
                report.staleness = Some(ages.iter().sum::<f64>() / ages.len() as f64);
                self.close(&mut report, version - 1)?;
                if self.is_enough(&report) {
                    break;
                }
                report = RoundReport { round: version + 1, start_s: report.end_s, ..Default::default() };
                ages.clear();
            }
            slots.refill(self, news.job, version)?;
        }
        Ok(())
    }

    /// One answer without rounds; whether the model moved.
    fn mix(&mut self, job: &Job, age: u64, report: &mut RoundReport) -> Result<bool> {
        let replies = self.workshop.replies(std::slice::from_ref(&job.task))?;
        let Some(reply) = replies.into_iter().next() else { return Ok(false) };
        let folded = self.server.take(&job.task, reply, age)?;
        let (counted, bad) = (report.counted + folded.counted, report.bad + folded.bad.len());
        self.folded(std::slice::from_ref(&job.task), &folded, report);
        (report.counted, report.bad) = (counted, bad);
        Ok(folded.moved)
    }

    fn finish(mut self) -> Result<Trained> {
        let end = self.clock.now();
        let left: Vec<Job> = std::mem::take(&mut self.jobs).into_values().collect();
        for job in left {
            // What it had not come to when the run was over, it never came to.
            self.work_done(&job, Some(end));
        }
        let parameters = self.server.model().to_vec();
        let trace_error = match &self.federation.trace {
            Some(path) => self.books.write(path, &self.settings, end, parameters.len()).err(),
            None => None,
        };
        let report = self.report(&parameters)?;
        Ok(Trained { parameters, report, trace_error })
    }

    fn report(self, parameters: &[f32]) -> Result<Report> {
        let Federation { model, data, rows, validation, names, .. } = &self.federation;
        let (settings, threads) = (&self.settings, self.settings.threads);
        let each = scores(&**model, parameters, data, rows, threads);
        let of_client = |(client, score): (usize, &Score)| ClientReport {
            client,
            name: names.as_ref().map(|names| names[client].clone()),
            rows: rows[client].len(),
            counted: self.books.taken.get(&client).copied().unwrap_or(0),
            loss: score.mean_loss(),
            accuracy: has_classes(data).then(|| score.accuracy()),
        };
        let each_client = each.iter().enumerate().map(of_client).collect();
        Ok(Report {
            each_client,
            strategy: settings.strategy.to_string(),
            fold: settings.fold.to_string(),
            selection: settings.selection.to_string(),
            compression: settings.compression.to_string(),
            secure_sum: settings.secure.is_some(),
            clients: rows.len(),
            rows: data.rows(),
            parameters: parameters.len(),
            seed: settings.seed,
            waited_for: self.books.waited_for(),
            privacy: self.privacy()?,
            participation: self.participation()?,
            fairness: fairness(&each, has_classes(data)),
            validation: metrics(&**model, parameters, validation.as_ref(), threads),
            rounds: self.books.rounds,
            totals: self.books.totals,
            ended_early: self.ended_early,
        })
    }

    fn participation(&self) -> Result<Participation> {
        let (clients, taken) = (self.federation.rows.len(), &self.books.taken);
        let counts = || taken.values().copied();
        let expected_seen = match self.settings.selection {
            Select::Count(_) | Select::Share(_) if self.settings.strategy.has_rounds() => {
                let rounds = u32::try_from(self.books.totals.folded_rounds).unwrap_or(u32::MAX);
                let each = self.books.totals.counted as f64 / f64::from(rounds.max(1));
                Some(select::ever_seen(clients, each.round() as usize, rounds)?)
            }
            _ => None,
        };
        Ok(Participation {
            clients_seen: taken.len(),
            expected_seen,
            least: if taken.len() < clients { 0 } else { counts().min().unwrap_or(0) },
            mean: counts().sum::<u64>() as f64 / clients as f64,
            most: counts().max().unwrap_or(0),
        })
    }

    fn privacy(&self) -> Result<Option<PrivacyReport>> {
        let Some((privacy, epsilon)) = self.settings.privacy.zip(self.server.epsilon()?) else {
            return Ok(None);
        };
        let mut notes = Vec::new();
        if privacy.reproducible {
            notes.push("the noise comes from the run's seed: whoever knows that can take it off, and there is no privacy".to_owned());
        }
        if self.settings.sampling_rate() >= 1.0 {
            notes.push("clients were not sampled each by itself (poisson:RATE), so the account takes every round as one with all clients".to_owned());
        }
        if privacy.place == NoisePlace::Local {
            notes.push(
                "each client added the whole noise: the figures hold against the server too".to_owned(),
            );
        }
        Ok(Some(PrivacyReport {
            epsilon,
            delta: privacy.delta,
            noise: privacy.noise,
            sampling_rate: self.settings.sampling_rate(),
            steps: self.books.totals.folded_rounds,
            clip: self.server.clip().unwrap_or(privacy.clip),
            noise_by: if privacy.place == NoisePlace::Local { "each client" } else { "the server" },
            unit: "client",
            neighbouring: "one client added or removed",
            notes,
        }))
    }
}

/// Steps of a client that does not make all: of several passes some whole ones, of one a part.
fn part_of(all: usize, epochs: usize, rng: &mut Xoshiro256PlusPlus) -> usize {
    let each = all / epochs;
    if epochs > 1 {
        return each * rng.random_range(1..epochs);
    }
    if all > 1 { rng.random_range(1..all) } else { all }
}

fn seconds(time: f64) -> Duration {
    Duration::try_from_secs_f64(time).unwrap_or(Duration::MAX)
}

/// Without rounds: who works is a member of an asynchronous gate, by its slot.
struct Slots {
    machine: Machine,
    acts: Vec<Act>,
    /// Clients that do not work.
    idle: Vec<usize>,
    /// The slot, its round and its client, by the number of the work.
    at: BTreeMap<u64, (u32, Round, usize)>,
    rng: Xoshiro256PlusPlus,
}

impl Slots {
    fn new(run: &mut Simulation, at_once: usize) -> Result<Self> {
        let wrong = |error: syncline_round::Error| Error::Settings(error.to_string());
        let machine = Machine::new(Policy::Asp, at_once).map_err(wrong)?;
        let idle: Vec<usize> = (0..run.federation.rows.len()).collect();
        let rng = stream(run.settings.seed ^ 0xa57, idle.len(), 0);
        let mut slots = Self { machine, acts: Vec::new(), idle, at: BTreeMap::new(), rng };
        for slot in 0..at_once {
            slots.start(run, slot as u32, 0)?;
        }
        Ok(slots)
    }

    /// The client of this work is free; another one takes its slot.
    fn refill(&mut self, run: &mut Simulation, job: u64, version: u64) -> Result<()> {
        let Some((slot, round, client)) = self.at.remove(&job) else { return Ok(()) };
        self.idle.push(client);
        self.tell(run, Event::Give { member: Member::new(slot), round })?;
        self.start(run, slot, version)
    }

    fn start(&mut self, run: &mut Simulation, slot: u32, version: u64) -> Result<()> {
        self.tell(run, Event::Ask(Member::new(slot)))?;
        let go = self.acts.iter().find_map(|act| match act {
            Act::Go { round, .. } => Some(*round),
            _ => None,
        });
        let Some(round) = go else { return Ok(()) };
        let client = self.idle.swap_remove(self.rng.random_range(0..self.idle.len()));
        let job = run.give_out(client, run.given_out, version);
        self.at.insert(job, (slot, round, client));
        Ok(())
    }

    fn tell(&mut self, run: &Simulation, event: Event) -> Result<()> {
        self.acts.clear();
        let now = Time::from(run.clock.now());
        self.machine.on(now, event, &mut self.acts).map_err(|error| Error::Settings(error.to_string()))
    }
}
