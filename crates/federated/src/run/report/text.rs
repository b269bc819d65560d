//! The report as text.

use syncline_learn::Metrics;
use syncline_terminal::{Column, Page, Table, unit};

use super::{ClientReport, Report, RoundReport};

/// Rounds that are shown unless everything is asked for.
const SHOWN: usize = 12;
/// Clients that are shown as those who were waited for.
const WAITED_FOR: usize = 5;
/// Clients that are shown as those whom the model does least for.
const WORST: usize = 5;

impl Report {
    /// Writes it on a page; `title` says what was trained on what.
    pub fn write(&self, page: &mut Page, title: &str) {
        page.heading(title);
        let noun = if self.selection == "all" { "all of them".to_owned() } else { self.selection.clone() };
        page.line(&format!(
            "{} of {} rows, {noun} selected a round; strategy {}, fold {}, compression {}{}",
            unit::plural(self.clients as u64, "client"),
            unit::count(self.rows as u64),
            self.strategy,
            self.fold,
            self.compression,
            if self.secure_sum { ", secure sums" } else { "" },
        ));
        if let Some((edges, rounds)) = self.edges.zip(self.edge_rounds) {
            page.line(&format!(
                "{} between them and the server; each averages its own clients for {}, then the server the edges. What follows counts edges.",
                unit::plural(edges as u64, "edge"),
                unit::plural(rounds, "round"),
            ));
        }
        if let Some(neighbours) = &self.neighbours {
            page.line(&format!(
                "No server: each client has a model of its own and averages it with its neighbours' ({neighbours}); what follows is of the mean of all."
            ));
        }
        self.rounds_table(page);
        if let Some(why) = &self.ended_early {
            page.line(&format!("It ended early: {why}."));
        }
        self.sums(page);
        self.waits(page);
        self.private(page);
        self.fair(page);
        self.quality(page);
    }

    fn rounds_table(&self, page: &mut Page) {
        let mut table = Table::new([
            Column::number("round"),
            Column::number("end"),
            Column::number("selected").dropped(3),
            Column::number("counted"),
            Column::number("lost").dropped(2),
            Column::number("late").dropped(1),
            Column::number("up"),
            Column::number("loss"),
            Column::number("accuracy"),
            Column::number("epsilon").dropped(4),
            Column::text(""),
        ]);
        // Evenly over the run, with the first and the last.
        let step = self.rounds.len().div_ceil(SHOWN).max(1);
        let last = self.rounds.len().saturating_sub(1);
        let is_shown = |at: usize| at == 0 || at == last || (at + 1).is_multiple_of(step);
        for (_, round) in self.rounds.iter().enumerate().filter(|(at, _)| is_shown(*at)) {
            table.row(row(round));
        }
        page.gap().table(&table).gap();
    }

    fn sums(&self, page: &mut Page) {
        let totals = &self.totals;
        page.line(&format!(
            "{} in {}: {} folded, {} failed; of {} selected {} counted, {} came too late, {} were lost, {} were bad.",
            unit::plural(self.rounds.len() as u64, "round"),
            unit::seconds(totals.duration_s),
            unit::count(totals.folded_rounds),
            unit::count(totals.failed_rounds),
            unit::count(totals.selected),
            unit::count(totals.counted),
            unit::count(totals.late),
            unit::count(totals.lost),
            unit::count(totals.bad),
        ));
        if totals.carried_over > 0 {
            page.line(&format!(
                "{} of the late ones counted in the next round.",
                unit::count(totals.carried_over)
            ));
        }
        page.line(&format!(
            "{} to clients, {} from them; {} by clients that counted.",
            unit::bytes(totals.down_bytes as f64),
            unit::bytes(totals.up_bytes as f64),
            unit::plural(totals.local_steps, "local step"),
        ));
        let apart = self.rounds.last().and_then(|round| round.apart);
        if let Some((apart, contraction)) = apart.zip(self.contraction) {
            page.line(&format!(
                "In the end clients' models were {} of its length away from their mean; an averaging brings them nearer by a factor of {}.",
                unit::percent(apart),
                unit::digits(contraction, 3),
            ));
        }
        if totals.edge_bytes > 0 {
            page.line(&format!("{} between edges and their clients.", unit::bytes(totals.edge_bytes as f64)));
        }
    }

    fn waits(&self, page: &mut Page) {
        let totals = &self.totals;
        let all = totals.waited_client_seconds + totals.worked_client_seconds;
        if totals.waited_client_seconds <= 0.0 {
            return;
        }
        page.heading("Who waited for whom");
        page.line(&format!(
            "Clients waited {} of their time for rounds to close, {} together.",
            unit::percent(totals.waited_client_seconds / all),
            unit::seconds(totals.waited_client_seconds),
        ));
        let mut table = Table::new([
            Column::text("for"),
            Column::number("rounds"),
            Column::number("waited"),
            Column::number("share"),
        ]);
        for waited in self.waited_for.iter().take(WAITED_FOR) {
            let whom = waited.client.map_or_else(|| "a deadline".to_owned(), |client| self.named(client));
            table.row([
                whom,
                unit::count(waited.rounds),
                unit::seconds(waited.client_seconds),
                unit::percent(waited.client_seconds / totals.waited_client_seconds),
            ]);
        }
        page.table(&table);
        if self.waited_for.len() > WAITED_FOR {
            page.remark(&format!("... and for {} more (--json has all)", self.waited_for.len() - WAITED_FOR));
        }
    }

    /// What a client is called.
    fn named(&self, client: usize) -> String {
        if self.edges.is_some() {
            return format!("edge {client}");
        }
        let name = self.each_client.get(client).and_then(|client| client.name.clone());
        name.unwrap_or_else(|| format!("client {client}"))
    }

    /// The clients that the model does worst for.
    fn worst(&self, page: &mut Page) {
        let mut clients: Vec<&ClientReport> = self.each_client.iter().collect();
        // Of equal accuracy first the one with the larger loss.
        clients.sort_by(|a, b| {
            let (of_a, of_b) = (a.accuracy.unwrap_or(0.0), b.accuracy.unwrap_or(0.0));
            let loss = |client: &ClientReport| client.loss.unwrap_or(f64::NEG_INFINITY);
            of_a.total_cmp(&of_b).then(loss(b).total_cmp(&loss(a)))
        });
        let mut table = Table::new([
            Column::text("worst off"),
            Column::number("rows"),
            Column::number("counted"),
            Column::number("loss"),
            Column::number("accuracy"),
        ]);
        for client in clients.iter().take(WORST) {
            table.row([
                client.name.clone().unwrap_or_else(|| format!("client {}", client.client)),
                unit::count(client.rows as u64),
                unit::count(client.counted),
                optional(client.loss, unit::loss),
                optional(client.accuracy, unit::percent),
            ]);
        }
        page.table(&table);
    }

    fn private(&self, page: &mut Page) {
        let Some(privacy) = &self.privacy else { return };
        page.heading("What was given away");
        page.line(&format!(
            "epsilon {} at delta {:e} for each client ({}): z {}, q {}, {}, noise added by {}, clipped to {}.",
            unit::amount(privacy.epsilon),
            privacy.delta,
            privacy.neighbouring,
            unit::amount(privacy.noise),
            unit::amount(privacy.sampling_rate),
            unit::plural(privacy.steps, "round"),
            privacy.noise_by,
            unit::amount(privacy.clip),
        ));
        for note in &privacy.notes {
            page.warning(note);
        }
    }

    fn fair(&self, page: &mut Page) {
        page.heading("Clients");
        let seen = &self.participation;
        let expected = seen
            .expected_seen
            .map_or(String::new(), |expected| format!(" ({} are to be expected)", unit::amount(expected)));
        page.line(&format!(
            "{} of {} counted at least once{expected}; {} to {} times, {} on average.",
            unit::count(seen.clients_seen as u64),
            self.edges
                .map_or_else(|| unit::count(self.clients as u64), |edges| unit::plural(edges as u64, "edge")),
            unit::count(seen.least),
            unit::count(seen.most),
            unit::amount(seen.mean),
        ));
        let Some(fair) = &self.fairness else { return };
        let shown = |value: f64| if fair.more_is_better { unit::percent(value) } else { unit::loss(value) };
        page.line(&format!(
            "{} on a client's own rows: {} on average with a deviation of {}; worst client {}, worst tenth below {}, median {}, best {}.",
            fair.measure,
            shown(fair.mean),
            shown(fair.deviation),
            shown(fair.worst),
            shown(fair.worst_tenth),
            shown(fair.median),
            shown(fair.best),
        ));
        self.worst(page);
    }

    fn quality(&self, page: &mut Page) {
        let Some(metrics) = &self.validation else { return };
        page.heading("Held-out rows");
        match metrics {
            Metrics::Classes(classes) => page.line(&format!(
                "{}: accuracy {} (the largest class has {}), F1 {}{}",
                unit::plural(classes.rows, "row"),
                unit::percent(classes.accuracy),
                unit::percent(classes.largest_class_share),
                unit::digits(classes.f1_macro, 3),
                classes.auc.map_or(String::new(), |auc| format!(", AUC {}", unit::digits(auc, 3))),
            )),
            Metrics::Numbers(numbers) => page.line(&format!(
                "{}: RMSE {} (always the mean: {}){}",
                unit::plural(numbers.rows, "row"),
                unit::amount(numbers.rmse),
                unit::amount(numbers.target_deviation),
                numbers.r2.map_or(String::new(), |r2| format!(", R2 {}", unit::digits(r2, 3))),
            )),
        };
    }
}

/// A figure that may not be known.
fn optional(value: Option<f64>, show: fn(f64) -> String) -> String {
    value.map_or(String::new(), show)
}

fn row(round: &RoundReport) -> Vec<String> {
    vec![
        unit::count(round.round),
        unit::seconds(round.end_s),
        unit::count(round.selected as u64),
        unit::count(round.counted as u64),
        unit::count(round.lost as u64),
        unit::count(round.late as u64),
        unit::bytes(round.up_bytes as f64),
        optional(round.loss, unit::loss),
        optional(round.accuracy, unit::percent),
        optional(round.epsilon, unit::amount),
        if round.failed.is_some() { "failed".to_owned() } else { String::new() },
    ]
}
