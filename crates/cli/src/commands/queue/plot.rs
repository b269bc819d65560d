//! A sweep as a line chart in an SVG file: formulas and predictions as lines, the simulation as points, what was measured as a
//! cross; intervals as bars. It follows the reader's light or dark setting.

use std::path::Path;

use plotters::prelude::*;
use syncline_explain::report::themed;
use syncline_terminal::unit;

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
    let mut text = String::new();
    let area = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let rates = range(list, |point| point.rate);
    // The intervals at both ends are not to lie on the frame.
    let room = 0.02 * (rates.1 - rates.0);
    let values = range(list, |point| bounds(point)[1]);
    let mut chart = ChartBuilder::on(&area)
        .caption(title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(44)
        .y_label_area_size(60)
        .build_cartesian_2d(rates.0 - room..rates.1 + room, 0.0..values.1 * 1.05)?;
    chart
        .configure_mesh()
        .x_desc(axes.0)
        .y_desc(axes.1)
        .x_label_formatter(&|value| tick(*value))
        .y_label_formatter(&|value| tick(*value))
        .light_line_style(TRANSPARENT)
        .draw()?;
    for (series, colour) in list.iter().zip(COLOURS.iter().cycle()) {
        let points = series.points.iter().map(|point| (point.rate, point.value));
        let ink = if series.kind == "measured" { BLACK } else { *colour };
        let uncertain = series.points.iter().filter(|point| bounds(point)[1] > bounds(point)[0]);
        chart.draw_series(uncertain.map(|point| bar(point, *colour)))?;
        let drawn = match series.kind.as_str() {
            "measured" => {
                chart.draw_series(points.map(|point| Cross::new(point, 6, BLACK.stroke_width(2))))?
            }
            "simulation" => chart.draw_series(points.map(|point| Circle::new(point, 3, colour.filled())))?,
            // A line of a single point would not be seen.
            _ if series.points.len() == 1 => {
                chart.draw_series(points.map(|point| Circle::new(point, 3, colour.filled())))?
            }
            _ => chart.draw_series(LineSeries::new(points, colour.stroke_width(2)))?,
        };
        let label = if series.name == series.kind {
            series.name.clone()
        } else {
            format!("{} ({})", series.name, series.kind)
        };
        let drawn = drawn.label(label);
        match series.kind.as_str() {
            "measured" => drawn.legend(move |(x, y)| Cross::new((x + 8, y), 5, ink.stroke_width(2))),
            _ => drawn.legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], ink.stroke_width(2))),
        };
    }
    let position = if falls(list) { SeriesLabelPosition::UpperRight } else { SeriesLabelPosition::UpperLeft };
    chart
        .configure_series_labels()
        .position(position)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    area.present()?;
    drop(chart);
    drop(area);
    std::fs::write(path, themed(&text))?;
    Ok(())
}

/// A number beside an axis, without zeros that say nothing.
fn tick(value: f64) -> String {
    let text = unit::amount(if value.abs() < 1e-9 { 0.0 } else { value });
    match text.contains('.') && !text.contains('e') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// Whether the first line goes down, so that the upper left corner is not free.
fn falls(list: &[Series]) -> bool {
    let line = list.first().map(|series| &series.points[..]);
    matches!(line, Some([first, .., last]) if last.value < first.value)
}

/// The interval of a point, from its least value to its largest.
fn bounds(point: &Point) -> [f64; 2] {
    point.bounds.unwrap_or([point.value - point.half_width, point.value + point.half_width])
}

fn bar(point: &Point, colour: RGBColor) -> PathElement<(f64, f64)> {
    let [low, high] = bounds(point);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_say_no_more_than_they_know() {
        let ticks: Vec<String> = [0.0, 1e-17, 0.1, 0.25, 2.0, 10.0, 140.0].map(tick).into();
        assert_eq!(ticks, ["0", "0", "0.1", "0.25", "2", "10", "140"]);
    }

    #[test]
    fn what_was_measured_is_drawn_as_its_legend_says() {
        let point = |rate, value| Point { rate, value, half_width: 0.0, bounds: None };
        let series = |name: &str, kind: &str, points| Series { name: name.into(), kind: kind.into(), points };
        let list = [
            series("ours", "prediction", vec![point(1.0, 9.0), point(2.0, 5.0)]),
            series("measured", "measured", vec![point(2.0, 5.1)]),
        ];
        let file = tempfile::NamedTempFile::new().unwrap();
        draw(file.path(), "a log", ("cores", "seconds"), &list).unwrap();
        let text = std::fs::read_to_string(file.path()).unwrap();
        assert!(!text.contains("<circle"), "a measured point is a cross");
        assert!(!text.contains("2.0\n") && !text.contains(">2.0<"), "cores are whole");
    }
}
