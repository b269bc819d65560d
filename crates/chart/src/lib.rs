//! Charts as SVG text: series over an axis, intervals as bars, a legend in the emptiest corner. They follow the reader's light
//! or dark setting, also where a file stands alone.
//!
//! - `chart`: [`Chart`], [`Series`], [`Point`], [`Mark`]: what is drawn.
//! - `draw`: how, by plotters.
//! - `theme`: [`themed`], for figures that are drawn elsewhere.
//!
//! ```
//! use syncline_chart::{Chart, Mark, Point, Series};
//!
//! let mean = Series::new("mean", Mark::Line, vec![Point::new(0.1, 1.2), Point::new(0.5, 2.1)]);
//! let simulated = Series::new("simulation", Mark::Dots, vec![Point::new(0.5, 2.0).within(1.9, 2.1)]);
//! let chart = Chart::new("A queue", "arrival rate", "mean time").with(mean).with(simulated);
//! assert!(chart.svg()?.starts_with("<svg"));
//! # Ok::<(), syncline_chart::Error>(())
//! ```

mod chart;
mod draw;
mod theme;

pub use chart::{Chart, Mark, Point, Scale, Series};
pub use theme::themed;

/// A chart that could not be drawn.
#[derive(Debug, thiserror::Error)]
#[error("drawing {title}: {why}")]
pub struct Error {
    /// The chart's title.
    pub title: String,
    /// What plotters says.
    pub why: String,
}
