//! What a person should know about the quality of the trained model, though the run did not fail.

use syncline_learn::Metrics;
use syncline_terminal::unit::loss;

use super::{EpochReport, Report};

/// How much larger than its least value the last validation loss is, from which on the run overfits.
const OVERFIT: f64 = 1.05;

/// How much larger than the first loss the last one is, from which on the run diverges.
const DIVERGED: f64 = 1.5;

/// The findings, worst first; `target` names what is predicted, where it has a name.
pub(super) fn findings(report: &Report, target: &str) -> Vec<String> {
    let mut findings = Vec::new();
    findings.extend(ended_early(report));
    findings.extend(not_falling(report));
    findings.extend(no_better_than_constant(report, target));
    findings.extend(overfits(report));
    findings
}

/// An interrupted run, and one whose patience was over.
fn ended_early(report: &Report) -> Option<String> {
    let complete = report.epochs.iter().filter(|epoch| epoch.complete).count();
    if let Some(by) = &report.interrupted {
        let epochs = report.settings.epochs;
        return Some(format!(
            "the run was ended by {by} after {complete} of {epochs} epochs: the model is unfinished"
        ));
    }
    let (best, patience) = (report.best_epoch?, report.settings.patience?);
    let why = if complete < report.settings.epochs as usize {
        format!("training stopped after epoch {complete}, {patience} without a smaller validation loss")
    } else {
        "training went on to its last epoch".to_owned()
    };
    Some(format!("{why}; the model is that of epoch {best}, the best"))
}

fn not_falling(report: &Report) -> Option<String> {
    let (first, last) = (report.epochs.first()?.train_loss, report.epochs.last()?.train_loss);
    if report.epochs.len() < 2 || last <= first * 0.995 {
        return None;
    }
    let told = format!("({} to {})", loss(first), loss(last));
    Some(if last > DIVERGED * first {
        format!("the training diverged: its loss rose {told}; try a lower --lr, or --clip 1")
    } else {
        format!("the training loss did not fall {told}: try another --lr, or more --epochs")
    })
}

/// Compares with always predicting the mean, or the largest class; on held-out rows if there are some.
fn no_better_than_constant(report: &Report, target: &str) -> Option<String> {
    let (metrics, rows) = match (&report.metrics.validation, &report.metrics.train) {
        (Some(metrics), _) => (metrics, "on held-out rows"),
        (None, Some(metrics)) => (metrics, "on the training rows"),
        (None, None) => return None,
    };
    if !metrics.is_no_better_than_constant() {
        return None;
    }
    let target = if target.is_empty() { "the target".to_owned() } else { format!("`{target}`") };
    if metrics.targets_do_not_vary() {
        let held_out = match metrics.rows() {
            1 => "only one row is held out".to_owned(),
            rows => format!("{target} is the same in all {rows} rows held out"),
        };
        return Some(format!(
            "{held_out}, which does not tell whether the model is better than a constant; --validation 0.5 holds out more, \
             --seed 2 others"
        ));
    }
    // More epochs are no advice to a model that has had too many.
    let advice = match overfits(report) {
        Some(_) => "it overfits, see below".to_owned(),
        None => format!(
            "the columns may say little about {target}; if they do, try more --epochs or another --model"
        ),
    };
    Some(match metrics {
        Metrics::Numbers(metrics) => format!(
            "the model is {} better than always predicting the mean: {rows} its RMSE is {}, and the targets deviate by {} from \
             their mean; {advice}",
            if metrics.rmse < metrics.target_deviation { "hardly" } else { "no" },
            loss(metrics.rmse),
            loss(metrics.target_deviation),
        ),
        Metrics::Classes(metrics) => format!(
            "the model is no better than always naming the largest class: {rows} its accuracy is {:.4}, and the share of \
             that class {:.4}; {advice}; --class-weight balanced is for other classes that matter more",
            metrics.accuracy, metrics.largest_class_share,
        ),
    })
}

/// The validation loss was least some epochs ago and has risen since, while the training loss fell.
fn overfits(report: &Report) -> Option<String> {
    let judged: Vec<(&EpochReport, f64)> =
        report.epochs.iter().filter_map(|epoch| Some((epoch, epoch.validation_loss?))).collect();
    let (last, loss_last) = judged.last()?;
    let (best, loss_best) = judged.iter().min_by(|a, b| a.1.total_cmp(&b.1))?;
    // With patience the best epoch is the one that is kept.
    let rose = *loss_last > OVERFIT * loss_best && last.train_loss < best.train_loss;
    (rose && report.best_epoch.is_none()).then(|| {
        format!(
            "the model overfits: the validation loss was least after epoch {} ({}) and has risen to {}, while the training \
             loss fell; --patience 5 keeps the best epoch, {} may help too",
            best.epoch,
            loss(*loss_best),
            loss(*loss_last),
            match plainer(report) {
                Some(model) => format!("--l2, fewer --epochs or --model {model}"),
                None => "--l2 or fewer --epochs".to_owned(),
            }
        )
    })
}

/// The linear model for such targets, where the model has more parameters than it: of few rows it learns what there is to learn
/// more often than a network.
fn plainer(report: &Report) -> Option<&'static str> {
    let (model, outputs) = match report.metrics.train.as_ref()? {
        Metrics::Numbers(_) => ("linear", 1),
        Metrics::Classes(metrics) => ("softmax", metrics.classes.len()),
    };
    (report.settings.parameters > (report.settings.features + 1) * outputs).then_some(model)
}
