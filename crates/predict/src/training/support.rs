//! What a trace supports: which questions it answers, and of which it cannot tell, and why.

use syncline_round::{Every, Policy};

use crate::{Error, JobProfile, Machines, Question};

/// More workers than this many times the trace's are not predicted.
const FARTHEST: usize = 8;

impl JobProfile {
    /// Refuses what the trace cannot tell.
    pub(crate) fn check_question(&self, question: &Question) -> Result<(), Error> {
        let measured = self.measured.workers;
        if question.workers > FARTHEST * measured {
            return Err(Error::TooFar { asked: question.workers, measured, limit: FARTHEST });
        }
        if question.workers > measured && (0..measured).all(|worker| self.measured.named.contains(&worker)) {
            let why = format!(
                "each of the {measured} workers of the trace has an injected delay of its own, so that none shows how long the \
                 others of {} would take; record a run with one worker more, without a delay of its own",
                question.workers
            );
            return Err(Error::CannotTell { why });
        }
        if question.sync.heeds_arrival() && question.servers > 1 {
            let why = format!(
                "under {} one server decides which gradients a round takes: ask for one",
                question.sync
            );
            return Err(Error::CannotTell { why });
        }
        self.check_coded(question)?;
        self.check_unseen(question)?;
        if question.workers == 0 || question.servers == 0 {
            return Err(Error::CannotTell { why: "there is at least one worker and one server".to_owned() });
        }
        if self.variation.needs_tail(question.workers) && self.variation.tail.is_none() {
            let why = format!(
                "{} rounds in all are too few for the slowest of {} workers, and too few to fit a tail",
                self.variation.samples, question.workers
            );
            return Err(Error::CannotTell { why });
        }
        if let Some(machine) = &self.machine
            && question.machines == Machines::One
            && question.workers != measured
            && !self.measured.shares_memory()
            && question.workers.max(measured) + question.servers.max(self.measured.servers) > machine.cores
        {
            let why = format!(
                "workers and servers in processes of their own need more than the machine's {} cores, and how they share \
                 them is not in the trace; record a run of {} workers, or ask for machines of their own",
                machine.cores, question.workers
            );
            return Err(Error::CannotTell { why });
        }
        if question.machines == Machines::One
            && self.machine.is_none()
            && question.workers > 1
            && measured == 1
        {
            let why = "one worker shows nothing of how workers share a machine, and the trace was not calibrated; record it \
                       with this version, or ask for machines of their own"
                .to_owned();
            return Err(Error::CannotTell { why });
        }
        Ok(())
    }

    /// Refuses an exchange of another kind than that of the trace, and shares that `train` would refuse.
    pub(crate) fn check_exchange(&self, question: &Question) -> Result<(), Error> {
        self.measured.shares.check(question)?;
        let (own, asked) = (self.measured.policy()?, question.sync);
        let without_servers = own.collective().or(asked.collective()).is_some();
        let gossips = [own, asked].into_iter().find(|policy| matches!(policy, Policy::Gossip { .. }));
        let why = if let Some(policy) = gossips {
            format!(
                "under {policy} each has a model of its own, which `train` does not do: `syncline federate --strategy gossip` runs it in virtual time"
            )
        } else if without_servers && own != asked {
            format!(
                "the trace is of {own}, and says nothing of what workers exchange under {asked}: record a run of that"
            )
        } else if asked.collective().is_some() && question.servers > 1 {
            format!("under {asked} there are no servers: leave them out")
        } else if asked.collective().is_some() && self.measured.workers == 1 && question.workers > 1 {
            "one worker alone has nobody to exchange with: record a run of two at least".to_owned()
        } else {
            return Ok(());
        };
        Err(Error::CannotTell { why })
    }

    /// Refuses another batch where what a sample costs is not known.
    pub(crate) fn check_batch(&self, question: &Question) -> Result<(), Error> {
        let own = self.question()?;
        let as_measured = (question.batch, question.exchange()) == (own.batch, own.exchange())
            && (question.exchange() != Every::Epoch || question.workers == own.workers);
        // Under a code by repetition a worker computes the parts of its whole group.
        let copies = question.sync.copies() as u64;
        if question.batch == 0 && copies > 1 {
            let why = format!(
                "the trace does not say how many rows a round has, so that the {copies} times as many of {} cannot be weighed",
                question.sync
            );
            return Err(Error::CannotTell { why });
        }
        let full = question.epoch(self.measured.rows_of(question.workers)).full * copies;
        let same =
            as_measured && copies == 1 || (full as f64 / self.compute.samples.max(1.0) - 1.0).abs() < 0.02;
        if question.batch > 0 && !same && self.compute.per_sample_s.is_none() {
            let why = format!(
                "all rounds had {} samples, so that what a sample costs cannot be told from what a round costs; record a \
                 run whose epochs end with a shorter batch, or with another --batch",
                self.compute.samples
            );
            return Err(Error::CannotTell { why });
        }
        Ok(())
    }
}
