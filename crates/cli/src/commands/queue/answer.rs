//! How estimates are shown: a table for people, the same as JSON for machines.

use std::fmt::Write;

use serde::Serialize;
use syncline_queueing::{Estimate, Model};

use crate::{
    failure::Failure,
    output::{print, print_json},
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
        let mut text = format!("{}, arrival rate {}", self.model, self.arrival_rate);
        if let Some(utilisation) = self.utilisation {
            let _ = write!(text, ", utilisation {:.2} %", 100.0 * utilisation);
        }
        for quantity in &self.answers {
            let _ = writeln!(text, "\n\n{}", quantity.quantity);
            for shown in &quantity.estimates {
                let _ = writeln!(
                    text,
                    "  {:>12.6}  {}: {} ({})",
                    shown.value, shown.kind, shown.method, shown.source
                );
                let _ = writeln!(text, "  {:>12}  {}", "", shown.validity);
            }
        }
        text
    }
}

impl From<Estimate> for Shown {
    fn from(estimate: Estimate) -> Self {
        let Estimate { value, kind, method, validity, source } = estimate;
        Self { value, kind: kind.to_string(), method, validity, source }
    }
}
