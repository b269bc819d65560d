//! The report of a run that is over.

use super::Simulation;
use super::judged::Judged;
use crate::gossip::Topology;
use crate::run::report::{ClientReport, Participation, PrivacyReport, Report};
use crate::run::settings::{NoisePlace, Select};
use crate::run::strategy::Strategy;
use crate::run::{Federation, fairness, metrics};
use crate::{Result, select};

impl Simulation {
    pub(super) fn report(self, parameters: &[f32], each: &[Option<Judged>]) -> Result<Report> {
        let Federation { model, rows, examples, validation, names, .. } = &self.federation;
        let (settings, threads) = (&self.settings, self.settings.threads);
        let of_client = |(client, judged): (usize, &Option<Judged>)| ClientReport {
            client,
            name: names.as_ref().map(|names| names[client].clone()),
            rows: if settings.edges.is_some() { rows[client].len() } else { examples[client] },
            counted: self.counted(client),
            loss: judged.map(|judged| judged.loss),
            accuracy: judged.and_then(|judged| judged.accuracy),
        };
        let gossips = (settings.strategy == Strategy::Gossip)
            .then(|| Topology::of(settings.neighbours(), examples.len()));
        let each_client = each.iter().enumerate().map(of_client).collect();
        Ok(Report {
            each_client,
            strategy: settings.strategy.to_string(),
            fold: settings.fold.to_string(),
            selection: settings.selection.to_string(),
            compression: settings.compression.to_string(),
            secure_sum: settings.secure.is_some(),
            edges: settings.edges.map(|edges| edges.count),
            edge_rounds: settings.edges.map(|edges| edges.rounds),
            neighbours: gossips.map(|_| settings.neighbours().to_string()),
            contraction: gossips.map(Topology::contraction),
            clients: rows.len(),
            rows: examples.iter().sum(),
            parameters: parameters.len(),
            seed: settings.seed,
            waited_for: self.books.waited_for(),
            privacy: self.privacy()?,
            participation: self.participation()?,
            fairness: fairness(each),
            validation: metrics(&**model, parameters, validation.as_ref(), threads),
            rounds: self.books.rounds,
            totals: self.books.totals,
            ended_early: self.ended_early,
        })
    }

    /// How often a client's answers counted, or those of its edge.
    fn counted(&self, client: usize) -> u64 {
        let clients = self.federation.rows.len();
        let unit = self.settings.edges.map_or(client, |edges| edges.of(client, clients));
        self.books.taken.get(&unit).copied().unwrap_or(0)
    }

    fn participation(&self) -> Result<Participation> {
        let (clients, taken) = (self.federation.examples.len(), &self.books.taken);
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
