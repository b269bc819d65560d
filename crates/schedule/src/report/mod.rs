//! A comparison as files: CSV tables, SVG figures and one HTML page that holds them all.

mod figure;
mod page;
mod tables;

use std::path::Path;

use crate::{
    compare::Summary,
    error::{Error, Result},
    policy::PolicyName,
    sim::{Outcome, Run},
};

/// The results of one policy.
#[derive(Debug, Clone)]
pub struct PolicyResult {
    /// The policy.
    pub policy: PolicyName,
    /// Its means.
    pub summary: Summary,
    /// Every seed's outcome.
    pub outcomes: Vec<Outcome>,
    /// The first seed's whole run, for the Gantt chart.
    pub sample: Run,
}

/// One point of a sweep: the swept number and each policy's summary.
#[derive(Debug, Clone)]
pub struct SweepPoint {
    /// Jobs or machines.
    pub at: f64,
    /// In the order of the policies.
    pub summaries: Vec<Summary>,
}

/// A sweep over a number.
#[derive(Debug, Clone)]
pub struct Sweep {
    /// `jobs` or `machines`.
    pub over: String,
    /// The points, ascending.
    pub points: Vec<SweepPoint>,
}

/// Writes `summary.csv`, `classes.csv`, `jobs.csv`, `cdf.svg`, `gantt-POLICY.svg`, with a sweep `sweep.csv`
/// and `sweep.svg`, and `index.html` into a folder, which is made if need be.
///
/// # Errors
/// A file that cannot be written, a figure that cannot be drawn.
pub fn write(folder: &Path, title: &str, results: &[PolicyResult], sweep: Option<&Sweep>) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(|source| Error::Io {
        doing: "making",
        path: folder.into(),
        source,
    })?;
    let save = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).map_err(|source| Error::Io {
            doing: "writing",
            path: path.clone(),
            source,
        })
    };
    save("summary.csv", &tables::summary(results.iter().map(|result| &result.summary)))?;
    save("classes.csv", &tables::classes(results))?;
    save("jobs.csv", &tables::jobs(results))?;
    let mut figures = vec![("Completion times".to_owned(), "cdf.svg".to_owned(), figure::cdf(results)?)];
    if let Some(sweep) = sweep {
        save("sweep.csv", &tables::sweep(sweep))?;
        figures.push((format!("Utility against {}", sweep.over), "sweep.svg".into(), figure::sweep(sweep)?));
    }
    for result in results {
        let chart = figure::gantt(result)?;
        figures.push((
            format!("Machines under {}", result.policy),
            format!("gantt-{}.svg", result.policy),
            chart,
        ));
    }
    for (_, name, svg) in &figures {
        save(name, svg)?;
    }
    save("index.html", &page::page(title, results, &figures))
}
