//! A sweep as a line chart in an SVG file: formulas as lines, the simulation as points with error bars.

use std::path::Path;

use plotters::prelude::*;

use super::sweep::{Point, Series};
use crate::failure::Failure;

const SIZE: (u32, u32) = (760, 460);
/// Distinguishable also to the colour-blind (Okabe and Ito).
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(0, 0, 0),
];

/// Draws the series; `axes` are the names of the horizontal and the vertical one.
pub fn draw(path: &Path, title: &str, axes: (&str, &str), list: &[Series]) -> Result<(), Failure> {
    chart(path, title, axes, list)
        .map_err(|error| Failure::Failed(format!("cannot draw {}: {error}", path.display())))
}

fn chart(
    path: &Path,
    title: &str,
    axes: (&str, &str),
    list: &[Series],
) -> Result<(), Box<dyn std::error::Error>> {
    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let rates = range(list, |point| point.rate);
    let values = range(list, |point| point.value + point.half_width);
    let mut chart = ChartBuilder::on(&area)
        .caption(title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(44)
        .y_label_area_size(60)
        .build_cartesian_2d(rates.0..rates.1, 0.0..values.1 * 1.05)?;
    chart.configure_mesh().x_desc(axes.0).y_desc(axes.1).light_line_style(TRANSPARENT).draw()?;
    for (series, colour) in list.iter().zip(COLOURS.iter().cycle()) {
        let points = series.points.iter().map(|point| (point.rate, point.value));
        // A line of a single point would not be seen.
        let drawn = if series.kind == "simulation" || series.points.len() == 1 {
            chart.draw_series(series.points.iter().map(|point| bar(point, *colour)))?;
            chart.draw_series(points.map(|point| Circle::new(point, 3, colour.filled())))?
        } else {
            chart.draw_series(LineSeries::new(points, colour.stroke_width(2)))?
        };
        let label = if series.name == series.kind {
            series.name.clone()
        } else {
            format!("{} ({})", series.name, series.kind)
        };
        drawn
            .label(label)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2)));
    }
    let position = SeriesLabelPosition::UpperLeft;
    chart
        .configure_series_labels()
        .position(position)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    area.present()?;
    Ok(())
}

fn bar(point: &Point, colour: RGBColor) -> PathElement<(f64, f64)> {
    let (low, high) = (point.value - point.half_width, point.value + point.half_width);
    PathElement::new([(point.rate, low.max(0.0)), (point.rate, high)], colour)
}

/// Least and largest of a coordinate; a single point gets a little room.
fn range(list: &[Series], coordinate: impl Fn(&Point) -> f64) -> (f64, f64) {
    let all = list
        .iter()
        .flat_map(|series| series.points.iter().map(&coordinate))
        .filter(|value| value.is_finite());
    let (low, high) =
        all.fold((f64::INFINITY, 0.0f64), |(low, high), value| (low.min(value), high.max(value)));
    if high > low { (low, high) } else { (0.9 * low, 1.1 * high) }
}
