//! The drawing.

use plotters::coord::Shift;
use plotters::coord::ranged1d::{AsRangedCoord, Ranged, ValueFormatter};
use plotters::prelude::*;

use crate::chart::{Chart, Mark, Point, Scale, Series};
use crate::theme::themed;

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

/// How far a corner reaches that a legend may cover, as shares of the width and the height.
const CORNER: (f64, f64) = (0.4, 0.35);

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

type Page<'a> = DrawingArea<SVGBackend<'a>, Shift>;

pub(crate) fn draw(chart: &Chart) -> Outcome<String> {
    let list: Vec<Series> = chart.series.iter().map(|series| drawable(series, chart.scale)).collect();
    let frame = Frame::of(&list, chart.scale);
    let mut text = String::new();
    {
        let page = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        page.fill(&WHITE)?;
        match chart.scale {
            Scale::Linear => plot(&page, chart, &list, &frame, frame.left..frame.right)?,
            Scale::Logarithmic => plot(&page, chart, &list, &frame, (frame.left..frame.right).log_scale())?,
        }
        page.present()?;
    }
    Ok(themed(&text))
}

/// The series without what has no place.
fn drawable(series: &Series, scale: Scale) -> Series {
    let has_place = |point: &&Point| {
        let Point { x, y, low, high } = **point;
        [x, y, low, high].iter().all(|value| value.is_finite()) && (scale == Scale::Linear || x > 0.0)
    };
    Series { points: series.points.iter().filter(has_place).copied().collect(), ..series.clone() }
}

/// What the axes reach over.
struct Frame {
    scale: Scale,
    left: f64,
    right: f64,
    top: f64,
}

impl Frame {
    fn of(list: &[Series], scale: Scale) -> Self {
        let points = || list.iter().flat_map(|series| &series.points);
        let ends = |value: fn(&Point) -> f64| {
            points()
                .map(value)
                .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), at| (low.min(at), high.max(at)))
        };
        let (left, right) = match ends(|point| point.x) {
            (low, high) if low > high => (0.1, 1.0),
            (low, high) if low == high => (low - 0.1 * low.abs().max(1.0), high + 0.1 * high.abs().max(1.0)),
            ends => ends,
        };
        // Intervals at both ends are not to lie on the frame.
        let (left, right) = match scale {
            Scale::Linear => (left - 0.02 * (right - left), right + 0.02 * (right - left)),
            Scale::Logarithmic => (0.8 * left.max(1e-9), 1.2 * right),
        };
        let top = ends(|point| point.high.max(point.y)).1;
        Self { scale, left, right, top: if top > 0.0 { 1.05 * top } else { 1.0 } }
    }

    /// Where a point lies, as shares of the frame's width and height.
    fn place(&self, point: &Point) -> (f64, f64) {
        let along = match self.scale {
            Scale::Linear => (point.x - self.left) / (self.right - self.left),
            Scale::Logarithmic => (point.x / self.left).ln() / (self.right / self.left).ln(),
        };
        (along, point.y / self.top)
    }

    /// The corner in which the fewest points lie.
    fn emptiest(&self, list: &[Series]) -> SeriesLabelPosition {
        let within = |is_left: bool, is_upper: bool| {
            let places = list.iter().flat_map(|series| &series.points).map(|point| self.place(point));
            places
                .filter(|(along, up)| {
                    let along = if is_left { *along } else { 1.0 - along };
                    let down = if is_upper { 1.0 - up } else { *up };
                    along < CORNER.0 && down < CORNER.1
                })
                .count()
        };
        let corners = [
            (within(true, true), SeriesLabelPosition::UpperLeft),
            (within(false, true), SeriesLabelPosition::UpperRight),
            (within(false, false), SeriesLabelPosition::LowerRight),
            (within(true, false), SeriesLabelPosition::LowerLeft),
        ];
        let fewest = corners.into_iter().min_by_key(|(count, _)| *count);
        fewest.map_or(SeriesLabelPosition::UpperLeft, |(_, corner)| corner)
    }
}

fn plot<X>(page: &Page<'_>, chart: &Chart, list: &[Series], frame: &Frame, across: X) -> Outcome<()>
where
    X: AsRangedCoord<Value = f64>,
    X::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    let mut plot = ChartBuilder::on(page)
        .caption(&chart.title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(44)
        .y_label_area_size(60)
        .build_cartesian_2d(across, 0.0..frame.top)?;
    plot.configure_mesh()
        .x_desc(&chart.across)
        .y_desc(&chart.up)
        .x_label_formatter(&|value| tick(*value))
        .y_label_formatter(&|value| tick(*value))
        .light_line_style(TRANSPARENT)
        .draw()?;
    for (index, series) in list.iter().enumerate() {
        let colour = colour(index);
        let points = series.points.iter().map(|point| (point.x, point.y));
        let uncertain = series.points.iter().filter(|point| point.high > point.low);
        plot.draw_series(
            uncertain.map(|point| {
                PathElement::new([(point.x, point.low.max(0.0)), (point.x, point.high)], colour)
            }),
        )?;
        let drawn = match series.mark {
            Mark::Crosses => plot.draw_series(points.map(|at| Cross::new(at, 6, BLACK.stroke_width(2))))?,
            Mark::Dots => plot.draw_series(points.map(|at| Circle::new(at, 3, colour.filled())))?,
            // A line of a single point would not be seen.
            Mark::Line if series.points.len() == 1 => {
                plot.draw_series(points.map(|at| Circle::new(at, 3, colour.filled())))?
            }
            Mark::Line => plot.draw_series(LineSeries::new(points, colour.stroke_width(2)))?,
        };
        let drawn = drawn.label(&series.name);
        match series.mark {
            Mark::Crosses => drawn.legend(|(x, y)| Cross::new((x + 8, y), 5, BLACK.stroke_width(2))),
            Mark::Line | Mark::Dots => {
                drawn.legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2)))
            }
        };
    }
    plot.configure_series_labels()
        .position(frame.emptiest(list))
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    Ok(())
}

fn colour(index: usize) -> RGBColor {
    COLOURS.get(index).copied().unwrap_or_else(|| {
        let (red, green, blue) = Palette99::pick(index).rgb();
        RGBColor(red, green, blue)
    })
}

/// A number beside an axis with three digits, without zeros that say nothing; large ones in thousands.
fn tick(value: f64) -> String {
    let size = value.abs();
    match size {
        size if size < 1e-9 => "0".to_owned(),
        size if !(1e-3..1e15).contains(&size) => format!("{value:.1e}"),
        size if size >= 999.5 => thousands(&format!("{value:.0}")),
        _ => {
            let decimals = (2 - size.log10().floor() as i32).max(0) as usize;
            let text = format!("{value:.decimals$}");
            match text.contains('.') {
                true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
                false => text,
            }
        }
    }
}

/// Thousands set apart by blanks.
fn thousands(digits: &str) -> String {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |digits| ("-", digits));
    let mut text = sign.to_owned();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_say_no_more_than_they_know() {
        let ticks: Vec<String> = [0.0, 1e-17, 0.1, 0.25, 2.0, 10.0, 140.0, 12_000.0, -5.5].map(tick).into();
        assert_eq!(ticks, ["0", "0", "0.1", "0.25", "2", "10", "140", "12 000", "-5.5"]);
    }

    #[test]
    fn what_was_measured_is_drawn_as_its_legend_says() {
        let ours = Series::new("ours", Mark::Line, vec![Point::new(1.0, 9.0), Point::new(2.0, 5.0)]);
        let measured = Series::new("measured", Mark::Crosses, vec![Point::new(2.0, 5.1)]);
        let svg = Chart::new("a log", "cores", "seconds").with(ours).with(measured).svg().unwrap();
        assert!(!svg.contains("<circle"), "a measured point is a cross");
        assert!(!svg.contains("2.0\n") && !svg.contains(">2.0<"), "cores are whole");
    }

    #[test]
    fn a_legend_goes_where_nothing_is() {
        let line = |points: &[(f64, f64)]| {
            vec![Series::new("a", Mark::Line, points.iter().map(|at| Point::new(at.0, at.1)).collect())]
        };
        let corner = |list: &[Series]| Frame::of(list, Scale::Linear).emptiest(list);
        let falls = line(&[(0.0, 9.0), (1.0, 5.0), (2.0, 1.0)]);
        assert!(matches!(corner(&falls), SeriesLabelPosition::UpperRight));
        let rises = line(&[(0.0, 1.0), (1.0, 5.0), (2.0, 9.0)]);
        assert!(matches!(corner(&rises), SeriesLabelPosition::UpperLeft));
    }

    #[test]
    fn what_has_no_place_is_left_out_and_nothing_at_all_is_a_frame() {
        let points =
            vec![Point::new(0.0, 1.0), Point::new(1.0, f64::NAN), Point::new(2.0, 3.0), Point::new(4.0, 2.0)];
        let series = Series::new("a", Mark::Dots, points);
        let chart = Chart::new("t", "x", "y").with(series).scaled(Scale::Logarithmic);
        assert_eq!(chart.svg().unwrap().matches("<circle").count(), 2);
        assert!(Chart::new("empty", "x", "y").svg().unwrap().contains("</svg>"));
        let one = Chart::new("one", "x", "y").with(Series::new("a", Mark::Line, vec![Point::new(0.0, 0.0)]));
        assert_eq!(one.svg().unwrap().matches("<circle").count(), 1);
    }
}
