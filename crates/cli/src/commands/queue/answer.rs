//! How estimates are shown: a table for people, the same as JSON for machines.

use serde::Serialize;
use syncline_queueing::{Estimate, Model};
use syncline_terminal::{Column, Table, unit::percent};

use crate::{
    failure::Failure,
    output::{page, print, print_json},
};

/// Everything that one command found out about a model.
#[derive(Serialize)]
pub struct Answer {
    model: &'static str,
    arrival_rate: f64,
    /// Absent where only simulation knows the largest rate.
    utilisation: Option<f64>,
    answers: Vec<Quantity>,
}

#[derive(Serialize)]
struct Quantity {
    quantity: &'static str,
    estimates: Vec<Shown>,
}

#[derive(Serialize)]
struct Shown {
    value: f64,
    kind: String,
    method: &'static str,
    validity: &'static str,
    source: &'static str,
}

impl Answer {
    /// Nothing yet about this model.
    pub fn about(model: &dyn Model) -> Self {
        let (arrival_rate, utilisation) = (model.workload().rate(), model.utilisation().ok());
        Self { model: model.name(), arrival_rate, utilisation, answers: Vec::new() }
    }

    /// Adds the estimates of one quantity.
    pub fn list(&mut self, quantity: &'static str, estimates: Vec<Estimate>) {
        let estimates = estimates.into_iter().map(Shown::from).collect();
        self.answers.push(Quantity { quantity, estimates });
    }

    /// Prints it.
    pub fn show(&self, json: bool) -> Result<(), Failure> {
        if json { print_json(self) } else { print(&self.text()) }
    }

    fn text(&self) -> String {
        let mut page = page();
        let utilisation =
            self.utilisation.map_or(String::new(), |share| format!(", utilisation {}", percent(share)));
        page.line(&format!("{}, arrival rate {}{utilisation}", self.model, self.arrival_rate));
        for quantity in &self.answers {
            let columns = [Column::number(""), Column::text("").wraps_at(24)];
            let mut table = Table::new(columns).indented(2);
            for shown in &quantity.estimates {
                let what = format!("{}: {} ({})", shown.kind, shown.method, shown.source);
                table.row([format!("{:.6}", shown.value), what]);
                table.row(["", shown.validity]);
            }
            page.heading(quantity.quantity).table(&table);
        }
        page.into_text()
    }
}

impl From<Estimate> for Shown {
    fn from(estimate: Estimate) -> Self {
        let Estimate { value, kind, method, validity, source } = estimate;
        Self { value, kind: kind.to_string(), method, validity, source }
    }
}
