//! The metrics of the trained model as a person reads them.

use syncline_learn::{
    Metrics,
    metrics::{ClassMetric, ClassMetrics, NumberMetrics},
};
use syncline_terminal::{
    Column, Page, Table,
    unit::{count, loss},
};

/// Classes up to which each has a line of its own.
const CLASSES_LISTED: usize = 20;
/// Classes up to which the confusion table is shown.
const CLASSES_CROSSED: usize = 8;

/// Writes the metrics of sets of rows that have names, and of the last set each class.
pub fn write(page: &mut Page, sets: &[(&str, &Metrics)]) {
    let Some((name, last)) = sets.last() else { return };
    page.heading("the trained model").table(&summary(sets));
    if let Metrics::Classes(metrics) = last
        && metrics.classes.len() <= CLASSES_LISTED
    {
        page.heading(&format!("each class, {name} rows")).table(&each_class(metrics));
        if metrics.classes.len() <= CLASSES_CROSSED {
            page.heading(&format!("{name} rows by class (down) and prediction (across)"));
            page.table(&confusion(metrics));
        }
    }
}

fn summary(sets: &[(&str, &Metrics)]) -> Table {
    match sets.last() {
        Some((_, Metrics::Classes(_))) => classes(sets),
        _ => numbers(sets),
    }
}

fn numbers(sets: &[(&str, &Metrics)]) -> Table {
    let titles = ["rows", "RMSE", "MAE", "R2"].map(Column::number);
    let mut table = Table::new([Column::text("")].into_iter().chain(titles));
    for (name, set) in sets {
        if let Metrics::Numbers(NumberMetrics { rows, rmse, mae, r2, .. }) = set {
            table.row([(*name).to_owned(), count(*rows), loss(*rmse), loss(*mae), share(*r2)]);
        }
    }
    table
}

fn classes(sets: &[(&str, &Metrics)]) -> Table {
    let titles = ["rows", "accuracy", "log loss", "AUC", "F1 macro", "F1 micro"].map(Column::number);
    let mut table = Table::new([Column::text("")].into_iter().chain(titles));
    for (name, set) in sets {
        if let Metrics::Classes(metrics) = set {
            table.row([
                (*name).to_owned(),
                count(metrics.rows),
                share(Some(metrics.accuracy)),
                metrics.log_loss.map_or("-".to_owned(), loss),
                share(metrics.auc),
                share(Some(metrics.f1_macro)),
                share(Some(metrics.f1_micro)),
            ]);
        }
    }
    table
}

fn each_class(metrics: &ClassMetrics) -> Table {
    let titles = ["rows", "precision", "recall", "F1"].map(Column::number);
    let mut table = Table::new([Column::text("class").shrinks_to(8)].into_iter().chain(titles));
    for ClassMetric { class, rows, precision, recall, f1 } in &metrics.classes {
        let [precision, recall, f1] = [*precision, *recall, *f1].map(|value| share(Some(value)));
        table.row([class.clone(), count(*rows), precision, recall, f1]);
    }
    table
}

fn confusion(metrics: &ClassMetrics) -> Table {
    let titles = metrics.classes.iter().map(|class| Column::number(&class.class).shrinks_to(4));
    let mut table = Table::new([Column::text("").shrinks_to(8)].into_iter().chain(titles));
    for (class, row) in metrics.classes.iter().zip(&metrics.confusion) {
        table.row([class.class.clone()].into_iter().chain(row.iter().map(|&rows| count(rows))));
    }
    table
}

fn share(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.4}"))
}
