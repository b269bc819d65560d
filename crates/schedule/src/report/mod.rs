//! A comparison as files: tables as CSV and Parquet, SVG figures and one HTML page that holds them all.

mod figure;
mod gantt;
mod page;
mod table;
mod tables;

use std::path::Path;

use self::table::Table;
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

/// Writes the tables `summary`, `classes` and `jobs` (and `sweep`) as `.csv` and `.parquet`, the figures
/// `cdf.svg` and `gantt-POLICY.svg` (and `sweep.svg`), and `index.html` into a folder, which is made if need
/// be.
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
    let tabulate = |name: &str, table: &Table| {
        save(&format!("{name}.csv"), &table.csv())?;
        table.write_parquet(&folder.join(format!("{name}.parquet")))
    };
    tabulate("summary", &tables::summary(results))?;
    tabulate("classes", &tables::classes(results))?;
    tabulate("jobs", &tables::jobs(results))?;
    let mut figures = vec![("Completion times".to_owned(), "cdf.svg".to_owned(), figure::cdf(results)?)];
    if let Some(sweep) = sweep {
        tabulate("sweep", &tables::sweep(sweep))?;
        figures.push((format!("Utility against {}", sweep.over), "sweep.svg".into(), figure::sweep(sweep)?));
    }
    for result in results {
        let chart = figure::gantt(result);
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
