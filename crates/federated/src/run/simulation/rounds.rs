//! Strategies with rounds: clients are selected, a gate closes the round, and what it lets through is folded.

use syncline_round::Policy;

#[cfg(feature = "program")]
use super::Ground;
use super::{Job, Simulation};
use crate::run::MOST_FAILED;
#[cfg(feature = "program")]
use crate::run::live::{Patience, summed_by_nodes};
use crate::run::report::RoundReport;
use crate::run::round::{Closed, OpenRound, policy};
use crate::run::server::{Folded, others};
use crate::run::sum::Dropped;
use crate::run::work::Task;
use crate::{Error, Result, Selection};

impl Simulation {
    /// Round after round.
    pub(super) async fn rounds(&mut self) -> Result<()> {
        let (policy, selection) =
            (policy(&self.settings)?, self.settings.selection(self.federation.examples.len())?);
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
            Closed::Folded(places) => {
                self.fold(number, first_job, &chosen, &places, carried, &mut report).await?;
            }
            Closed::Failed(reason) => {
                report.failed = Some(reason);
                for job in carried.drain(..) {
                    self.ground.forget(&job.task);
                    self.books.totals.late += 1;
                }
            }
        }
        self.put_away();
        report.late = self.jobs.range(first_job..).count();
        self.close(&mut report, number).await?;
        Ok(report)
    }

    /// Answers of a round that failed: they came, and to nothing.
    fn put_away(&mut self) {
        for id in std::mem::take(&mut self.answered) {
            if let Some(job) = self.jobs.remove(&id) {
                self.ground.forget(&job.task);
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
            if let Some(news) = self.heard().await {
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
                    let clock = self.clock.clone();
                    clock.timeout(left, self.heard()).await.ok().flatten()
                }
                None => self.heard().await,
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
    async fn fold(
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
        let dropped = Dropped { clients: &gone, round: number };
        match self.folded_by_server(&tasks, dropped).await {
            Ok(folded) => self.folded(&tasks, &folded, report),
            Err(error @ (Error::NoAnswers { .. } | Error::TooFew { .. } | Error::SumFailed { .. })) => {
                report.failed = Some(error.to_string());
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// What the server makes of the answers of these tasks.
    async fn folded_by_server(&mut self, tasks: &[Task], dropped: Dropped<'_>) -> Result<Folded> {
        #[cfg(feature = "program")]
        if let (Ground::Live(desk), true) = (&self.ground, self.settings.secure.is_some()) {
            let patience = Patience { clock: self.clock.clone(), limit: self.settings.deadline };
            return summed_by_nodes(desk, &mut self.server, tasks, dropped, &patience).await;
        }
        let ground = &mut self.ground;
        self.server.fold(tasks, dropped, &mut |tasks| ground.replies(tasks))
    }
}
