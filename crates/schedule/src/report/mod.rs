//! A comparison for people: on a terminal, and as files: tables as CSV and Parquet, SVG figures and one HTML page that
//! holds them all.

mod figure;
mod gantt;
mod page;
mod table;
mod tables;
mod text;

use std::path::Path;

use self::table::Table;
pub use self::text::show;
use crate::{
    compare::{PolicyResult, Sweep},
    error::{Error, Result},
};

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
