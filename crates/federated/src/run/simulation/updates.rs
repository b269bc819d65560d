//! Strategies without rounds: so many clients work at any time, and each answer counts when it comes.

use std::collections::BTreeMap;

use rand::RngExt;
use rand::rngs::Xoshiro256PlusPlus;
use syncline_round::{Act, Event, Machine, Member, Policy, Round, Time};

use super::{Job, Simulation};
use crate::run::MOST_FAILED;
use crate::run::device::stream;
use crate::run::report::RoundReport;
use crate::{Error, Result};

impl Simulation {
    /// Without rounds: so many clients at work at any time, until the model has moved often enough.
    pub(super) async fn updates(&mut self) -> Result<()> {
        let at_once = self.at_once;
        let mut slots = Slots::new(self, at_once)?;
        let (mut version, mut report, mut ages) =
            (0, RoundReport { round: 1, ..Default::default() }, Vec::new());
        let mut useless = 0u64;
        while version < self.settings.rounds {
            let Some(news) = self.heard().await else { break };
            let Some(job) = self.jobs.remove(&news.job) else { continue };
            self.work_done(&job, news.is_lost.then(|| self.clock.now()));
            let age = version - job.version;
            let mut moved = false;
            if news.is_lost {
                report.lost += 1;
            } else if self.settings.most_stale.is_some_and(|most| age > most) {
                self.ground.forget(&job.task);
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
                self.close(&mut report, version - 1).await?;
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
        let replies = self.ground.replies(std::slice::from_ref(&job.task))?;
        let Some(reply) = replies.into_iter().next() else { return Ok(false) };
        let folded = self.server.take(&job.task, reply, age)?;
        let (counted, bad) = (report.counted + folded.counted, report.bad + folded.bad.len());
        self.folded(std::slice::from_ref(&job.task), &folded, report);
        (report.counted, report.bad) = (counted, bad);
        Ok(folded.moved)
    }
}

/// Who works is a member of an asynchronous gate, by its slot.
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
        let idle: Vec<usize> = (0..run.federation.examples.len()).collect();
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
