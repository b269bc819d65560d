//! A sweep as a chart in an SVG file: formulas and predictions as lines, the simulation as dots, what was measured as a
//! cross.

use std::path::Path;

use syncline_chart::{Chart, Mark};

use super::sweep::{Point, Series};
use crate::failure::Failure;

/// Draws the series; `axes` are the names of the horizontal and the vertical one.
pub fn draw(path: &Path, title: &str, axes: (&str, &str), list: &[Series]) -> Result<(), Failure> {
    let chart = list.iter().map(series).fold(Chart::new(title, axes.0, axes.1), Chart::with);
    let failure =
        |why: &dyn std::fmt::Display| Failure::Failed(format!("cannot draw {}: {why}", path.display()));
    let svg = chart.svg().map_err(|error| failure(&error))?;
    std::fs::write(path, svg).map_err(|error| failure(&error))
}

fn series(series: &Series) -> syncline_chart::Series {
    let mark = match series.kind.as_str() {
        "measured" => Mark::Crosses,
        "simulation" => Mark::Dots,
        _ => Mark::Line,
    };
    let name = match series.name == series.kind {
        true => series.name.clone(),
        false => format!("{} ({})", series.name, series.kind),
    };
    syncline_chart::Series::new(name, mark, series.points.iter().map(point).collect())
}

fn point(point: &Point) -> syncline_chart::Point {
    let Point { rate, value, half_width, bounds } = *point;
    let [low, high] = bounds.unwrap_or([value - half_width, value + half_width]);
    syncline_chart::Point::new(rate, value).within(low, high)
}
