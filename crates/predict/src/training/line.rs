//! A straight line through measurements, if they tell one: y = at_zero + slope x, by least squares.

use crate::sample::mean;

/// How many standard errors a slope must be away from zero to be believed.
const SURE: f64 = 3.0;
/// At least so many measurements off the most common x.
const FEWEST: usize = 3;

/// A line with its slope's standard error.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Line {
    pub at_zero: f64,
    pub slope: f64,
    pub slope_error: f64,
}

impl Line {
    /// The line, unless all x are (nearly) one, too few differ, or the slope cannot be told from zero. A negative
    /// intercept is noise: then the line goes through the origin.
    pub(crate) fn fit(points: &[(f64, f64)]) -> Option<Self> {
        let count = points.len() as f64;
        let (mean_x, mean_y) = (mean(points.iter().map(|p| p.0)), mean(points.iter().map(|p| p.1)));
        let top = points.iter().map(|p| p.0).fold(0.0, f64::max);
        let off = points.iter().filter(|p| (p.0 - top).abs() > 0.02 * top).count();
        if off < FEWEST || points.len() - off < FEWEST {
            return None;
        }
        let xx: f64 = points.iter().map(|p| (p.0 - mean_x).powi(2)).sum();
        let slope = points.iter().map(|p| (p.0 - mean_x) * (p.1 - mean_y)).sum::<f64>() / xx;
        let at_zero = mean_y - slope * mean_x;
        let residual: f64 = points.iter().map(|p| (p.1 - at_zero - slope * p.0).powi(2)).sum();
        let slope_error = (residual / (count - 2.0) / xx).sqrt();
        if slope <= SURE * slope_error {
            return None;
        }
        if at_zero >= 0.0 {
            return Some(Self { at_zero, slope, slope_error });
        }
        let squares: f64 = points.iter().map(|p| p.0 * p.0).sum();
        let slope = points.iter().map(|p| p.0 * p.1).sum::<f64>() / squares;
        Some(Self { at_zero: 0.0, slope, slope_error })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_where_there_is_one() {
        let noise = |i: usize| ((i * 17) % 11) as f64 / 50.0 - 0.1;
        let points = |slope: f64| -> Vec<(f64, f64)> {
            (0..100)
                .map(|i| if i % 20 == 0 { 16.0 } else { 64.0 })
                .enumerate()
                .map(|(i, x)| (x, 3.0 + slope * x + noise(i)))
                .collect()
        };
        let line = Line::fit(&points(0.5)).unwrap();
        assert!((line.slope - 0.5).abs() < 0.005 && (line.at_zero - 3.0).abs() < 0.3, "{line:?}");
        assert_eq!(Line::fit(&points(0.0)), None, "a slope that is noise");
        let flat: Vec<_> = (0..100).map(|i| (64.0, noise(i))).collect();
        assert_eq!(Line::fit(&flat), None, "one x");
    }
}
