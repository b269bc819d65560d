//! What of the settings contradicts itself, or would have no effect.

use syncline_round::Neighbours;

use super::{Late, NoisePlace, Partial, Select, Settings};
use crate::error::{between, positive, refuse_if, within};
use crate::privacy::noise_for;
use crate::run::{Compression, FoldName, Strategy};
use crate::select::{over_selection, uniform_count};
use crate::{Error, Result, Selection};

impl Settings {
    /// Refuses what contradicts itself, and what would have no effect.
    ///
    /// # Errors
    /// With what to change.
    pub fn check(&self, clients: usize) -> Result<()> {
        within("the number of rounds", self.rounds as usize, 1, 1 << 30)?;
        within("the passes over a client's rows", self.epochs, 1, 1 << 20)?;
        within("the rounds between evaluations", self.evaluate_every as usize, 1, usize::MAX)?;
        positive("the local rate", self.rate)?;
        between("the dropout", self.dropout, 0.0, 0.999)?;
        between("the share of stragglers", self.stragglers, 0.0, 1.0)?;
        if let Some(batch) = self.batch {
            within("the rows of a local step", batch, 1, usize::MAX)?;
        }
        self.check_strategy()?;
        self.check_gossip(clients)?;
        self.check_rounds(clients)?;
        self.check_fold(clients)?;
        self.check_privacy()?;
        self.check_secure()
    }

    fn check_strategy(&self) -> Result<()> {
        let strategy = self.strategy;
        let takes = |is_given: bool, takes: bool, what: &str, whose: &str| {
            let said = format!("{what} has no effect on {strategy}: it is for {whose}");
            if is_given && !takes { Err(Error::Settings(said)) } else { Ok(()) }
        };
        let rated = "avgm, adagrad, adam, yogi and fedbuff";
        takes(self.server_rate.is_some(), strategy.has_server_rate(), "a rate of the server", rated)?;
        takes(self.momentum.is_some(), strategy == Strategy::AvgM, "a momentum of the server", "avgm")?;
        takes(self.alpha.is_some(), strategy == Strategy::Async, "alpha", "async")?;
        takes(self.staleness_power.is_some(), strategy == Strategy::Async, "a power of staleness", "async")?;
        takes(self.buffer.is_some(), strategy == Strategy::Buffered, "a buffer", "fedbuff")?;
        takes(self.neighbours.is_some(), strategy == Strategy::Gossip, "who is whose neighbour", "gossip")?;
        takes(
            self.most_stale.is_some(),
            !strategy.has_rounds(),
            "a bound of staleness",
            "async and fedbuff",
        )?;
        takes(self.mu == Some(0.0), strategy != Strategy::Prox, "mu 0", "none: take avg")?;
        if let Some(mu) = self.mu {
            between("mu", mu, 0.0, 1e9)?;
        }
        Ok(())
    }

    /// What there is not where nobody is in the middle.
    fn check_gossip(&self, clients: usize) -> Result<()> {
        if self.strategy != Strategy::Gossip {
            return Ok(());
        }
        self.neighbours().check(clients).map_err(|error| Error::Settings(error.to_string()))?;
        let has_no = |is_asked: bool, what: &str| {
            refuse_if(is_asked, &format!("under gossip {what}: leave it out, or take avg"))
        };
        has_no(self.selection != Select::All, "each client has a model of its own, and all take part")?;
        has_no(
            self.quorum.is_some() || self.deadline.is_some() || self.late == Late::Next,
            "each waits for its neighbours and for no quorum or deadline",
        )?;
        has_no(
            self.fold != FoldName::Mean,
            "the mean of neighbours keeps the mean of all, as no other fold would",
        )?;
        has_no(
            self.compression != Compression::None,
            "models are sent, of which nothing can be left out, and not changes of one that both sides know",
        )?;
        has_no(self.privacy.is_some(), "there is no server that could account for privacy")?;
        has_no(self.secure.is_some(), "there is no server from which answers would have to be hidden")?;
        has_no(self.edges.is_some(), "there is no server that edges could stand before")
    }

    /// Who is whose neighbour.
    pub(in crate::run) fn neighbours(&self) -> Neighbours {
        self.neighbours.unwrap_or(Neighbours::Ring)
    }

    fn check_rounds(&self, clients: usize) -> Result<()> {
        if !self.strategy.has_rounds() {
            refuse_if(
                self.quorum.is_some() || self.deadline.is_some(),
                "nobody waits without rounds: a quorum or a deadline has no effect on async and fedbuff",
            )?;
            refuse_if(
                self.late == Late::Next,
                "no answer is late without rounds: leave out what becomes of late ones",
            )?;
            let counts = matches!(self.selection, Select::All | Select::Count(_) | Select::Share(_));
            refuse_if(
                !counts,
                "without rounds the selection is how many work at once: take a number, a share or all",
            )?;
        }
        let can_be_late = self.quorum.is_some() || self.deadline.is_some();
        refuse_if(
            self.late == Late::Next && !can_be_late,
            "no answer is late where a round waits for all: give a quorum or a deadline",
        )?;
        refuse_if(
            self.partial == Partial::Drop && self.stragglers == 0.0,
            "there is no partial work without stragglers",
        )?;
        if self.selection == Select::Over {
            refuse_if(
                self.quorum.is_none() || self.dropout == 0.0,
                "to select as many as the quorum needs, give a quorum and a dropout above 0",
            )?;
        }
        if let Some(quorum) = self.quorum {
            within("the quorum", quorum, 1, clients)?;
            let chosen = self.chosen(clients)?;
            let said = format!(
                "a quorum of {quorum} cannot come of {chosen} clients a round: select more, or take a smaller quorum"
            );
            refuse_if(chosen < quorum && !matches!(self.selection, Select::Poisson(_)), &said)?;
        }
        Ok(())
    }

    fn check_fold(&self, clients: usize) -> Result<()> {
        self.fold.build()?;
        let (fold, strategy) = (self.fold, self.strategy);
        let is_mean = fold == FoldName::Mean;
        refuse_if(
            !is_mean && !strategy.takes_folds(),
            &format!(
                "{fold} cannot stand in for the mean of {strategy}: take avg, avgm, adagrad, adam, yogi or prox"
            ),
        )?;
        let chosen = self.chosen(clients)?;
        if let FoldName::Bulyan { liars } = fold {
            refuse_if(
                chosen < fold.needs(),
                &format!(
                    "bulyan with {liars} bad clients needs at least {} answers, a round has {chosen}",
                    fold.needs()
                ),
            )?;
        }
        if let Some(liars) = self.liars {
            within("the number of liars", liars.count, 1, clients)?;
        }
        Ok(())
    }

    fn check_privacy(&self) -> Result<()> {
        let Some(privacy) = self.privacy else { return Ok(()) };
        positive("the noise multiplier", privacy.noise)?;
        positive("the clipping length", privacy.clip)?;
        if !(privacy.delta > 0.0 && privacy.delta < 1.0) {
            let (got, must) = (privacy.delta.to_string(), "between 0 and 1".to_owned());
            return Err(Error::OutOfRange { what: "delta", got, must });
        }
        refuse_if(
            !self.strategy.takes_folds(),
            "privacy is accounted for rounds of plain changes: take avg, avgm, adagrad, adam, yogi or prox",
        )?;
        refuse_if(
            self.fold != FoldName::Mean,
            "noise is made for the sum: a robust fold cannot be had together with privacy",
        )?;
        refuse_if(
            self.compression != Compression::None,
            "compression changes how long a change is after it was clipped: leave it out with privacy",
        )?;
        refuse_if(
            self.secure.is_some() && privacy.place == NoisePlace::Central,
            "the server of a secure sum sees the sum before it could add noise: let clients add it (local)",
        )?;
        refuse_if(
            self.late == Late::Next,
            "a late answer would count twice in one sum of clients: drop late ones with privacy",
        )?;
        refuse_if(
            privacy.adaptive && privacy.place == NoisePlace::Local,
            "a length that follows the clients needs a server that is trusted with the count: take a fixed length with local noise",
        )
    }

    fn check_secure(&self) -> Result<()> {
        let Some(secure) = self.secure else { return Ok(()) };
        positive("the clip of the secure sum", secure.clip)?;
        within("the bits of a value", secure.bits as usize, 2, 32)?;
        refuse_if(
            !self.strategy.takes_folds(),
            "secure sums are of one change a client and round: take avg, avgm, adagrad, adam, yogi or prox",
        )?;
        refuse_if(
            self.fold != FoldName::Mean,
            "a robust fold has to see each answer, which a secure sum hides: take the mean",
        )?;
        refuse_if(
            self.compression != Compression::None,
            "a secure sum packs values itself: leave compression out",
        )?;
        refuse_if(self.late == Late::Next, "a late answer cannot enter the next secure sum: drop late ones")
    }

    /// How many answer the server: clients, or edges.
    pub fn units(&self, clients: usize) -> usize {
        self.edges.map_or(clients, |edges| edges.count)
    }

    /// Refuses what edges cannot have, of so many clients.
    pub(in crate::run) fn check_edges(&self, clients: usize) -> Result<()> {
        let Some(edges) = self.edges else { return Ok(()) };
        within("the number of edges", edges.count, 1, clients)?;
        refuse_if(
            matches!(self.strategy, Strategy::Scaffold | Strategy::Nova),
            "scaffold and nova are about a client's single steps, of which the server hears nothing from edges: take another strategy",
        )?;
        refuse_if(
            self.privacy.is_some(),
            "privacy is accounted for each client, and an edge answers for several: leave edges out",
        )?;
        refuse_if(
            self.stragglers > 0.0,
            "an edge waits for all steps of its clients: leave stragglers out, or the edges",
        )
    }

    /// How many clients a round has; of Poisson sampling the expected number, at least one.
    ///
    /// # Errors
    /// When a share is none.
    pub fn chosen(&self, clients: usize) -> Result<usize> {
        Ok(match self.selection {
            Select::All => clients,
            Select::Count(count) | Select::BySamples(count) => count.min(clients),
            Select::Share(share) => uniform_count(share, 1, clients)?,
            Select::Poisson(rate) => ((rate * clients as f64).round() as usize).max(1),
            Select::Over => over_selection(self.quorum.unwrap_or(1), self.dropout, 0.99)?.min(clients),
        })
    }

    /// The selection of a round.
    pub(in crate::run) fn selection(&self, clients: usize) -> Result<Selection> {
        Ok(match self.selection {
            Select::All => Selection::All,
            Select::Poisson(rate) => Selection::Poisson { rate },
            Select::BySamples(count) => Selection::BySamples { count },
            _ => Selection::Uniform { share: 0.0, least: self.chosen(clients)? },
        })
    }

    /// The probability with which a client is in a round, for the account of privacy: 1 where it is not by chance alone.
    pub fn sampling_rate(&self) -> f64 {
        match self.selection {
            Select::Poisson(rate) => rate,
            _ => 1.0,
        }
    }

    /// The noise multiplier whose epsilon at this delta stays at most `epsilon` over all rounds.
    ///
    /// # Errors
    /// When a number makes no sense, or no noise is enough.
    pub fn noise_for(&self, epsilon: f64, delta: f64) -> Result<f64> {
        within("the number of rounds", self.rounds as usize, 1, 1 << 30)?;
        noise_for(epsilon, delta, self.sampling_rate(), self.rounds)
    }

    /// The weight that holds clients near the server's model.
    pub(in crate::run) fn mu(&self) -> f64 {
        self.mu.unwrap_or(if self.strategy == Strategy::Prox { 0.1 } else { 0.0 })
    }
}

#[cfg(test)]
mod tests {
    use super::super::SecureSum;
    use super::*;

    fn refused(change: impl FnOnce(&mut Settings)) -> String {
        let mut settings = Settings::default();
        change(&mut settings);
        let error = settings.check(20).unwrap_err();
        assert!(error.is_usage(), "{error}");
        error.to_string()
    }

    #[test]
    fn set_1_what_has_no_effect_is_refused() {
        assert!(refused(|s| s.momentum = Some(0.9)).contains("for avgm"), "SET-1");
        assert!(refused(|s| s.server_rate = Some(0.9)).contains("no effect on avg"));
        assert!(refused(|s| s.buffer = Some(4)).contains("fedbuff"));
        assert!(refused(|s| s.late = Late::Next).contains("quorum or a deadline"));
        assert!(refused(|s| s.partial = Partial::Drop).contains("stragglers"));
        assert!(refused(|s| s.selection = Select::Over).contains("give a quorum"));
        assert!(refused(|s| s.neighbours = Some(Neighbours::Ring)).contains("for gossip"));
        let gossip = |change: fn(&mut Settings)| {
            refused(|s| {
                s.strategy = Strategy::Gossip;
                change(s);
            })
        };
        assert!(gossip(|s| s.selection = Select::Count(3)).contains("all take part"));
        assert!(gossip(|s| s.quorum = Some(3)).contains("no quorum"));
        assert!(gossip(|s| s.fold = FoldName::Median).contains("mean of all"));
        assert!(gossip(|s| s.neighbours = Some(Neighbours::Torus)).contains("square"), "20 are none");
        let asynchronous = refused(|s| (s.strategy, s.quorum) = (Strategy::Async, Some(3)));
        assert!(asynchronous.contains("nobody waits"));
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let secure = SecureSum { neighbours: None, clip: 1.0, bits: 16 };
        let median = |s: &mut Settings| (s.fold, s.secure) = (FoldName::Median, Some(secure));
        assert!(refused(median).contains("hides"));
        assert!(refused(|s| (s.strategy, s.fold) = (Strategy::Nova, FoldName::Median)).contains("nova"));
        assert!(refused(|s| (s.selection, s.quorum) = (Select::Count(3), Some(4))).contains("of 3 clients"));
        assert!(refused(|s| s.fold = FoldName::Bulyan { liars: 5 }).contains("at least 23"));
        assert!(refused(|s| s.quorum = Some(21)).contains("between 1 and 20"));
        assert!(refused(|s| s.dropout = 1.0).contains("dropout"));
        assert!(refused(|s| s.rounds = 0).contains("rounds"));
    }
}
