//! What a chart shows.

use crate::Error;

/// Series over one horizontal axis; the vertical one begins at zero.
#[derive(Clone, Debug, PartialEq)]
pub struct Chart {
    pub(crate) title: String,
    pub(crate) across: String,
    pub(crate) up: String,
    pub(crate) scale: Scale,
    pub(crate) series: Vec<Series>,
}

/// How far apart values lie on the horizontal axis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scale {
    /// As far as they differ.
    #[default]
    Linear,
    /// As far as their logarithms do; values of zero or less are not drawn.
    Logarithmic,
}

/// Points that belong together, under one name in the legend.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    pub(crate) name: String,
    pub(crate) mark: Mark,
    pub(crate) points: Vec<Point>,
}

/// How points are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// A line through all; a single point is a dot.
    Line,
    /// A dot each.
    Dots,
    /// A black cross each: what was measured, beside what was said.
    Crosses,
}

/// A value and the interval around it. What is not finite is not drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Along the horizontal axis.
    pub x: f64,
    /// The value.
    pub y: f64,
    /// The interval's lower end.
    pub low: f64,
    /// The interval's upper end.
    pub high: f64,
}

impl Chart {
    /// A chart without series.
    pub fn new(title: impl Into<String>, across: impl Into<String>, up: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            across: across.into(),
            up: up.into(),
            scale: Scale::default(),
            series: Vec::new(),
        }
    }

    /// With one series more.
    #[must_use]
    pub fn with(mut self, series: Series) -> Self {
        self.series.push(series);
        self
    }

    /// With another scale of the horizontal axis.
    #[must_use]
    pub fn scaled(self, scale: Scale) -> Self {
        Self { scale, ..self }
    }

    /// The chart as an SVG document of 760 x 460 pixels.
    ///
    /// # Errors
    /// [`Error`] where plotters cannot draw it.
    pub fn svg(&self) -> Result<String, Error> {
        let text = crate::draw::draw(self);
        text.map_err(|error| Error { title: self.title.clone(), why: error.to_string() })
    }
}

impl Series {
    /// Points under a name.
    pub fn new(name: impl Into<String>, mark: Mark, points: Vec<Point>) -> Self {
        Self { name: name.into(), mark, points }
    }
}

impl Point {
    /// A value that is certain.
    pub fn new(x: f64, y: f64) -> Self {
        Self { x, y, low: y, high: y }
    }

    /// With an interval around it.
    #[must_use]
    pub fn within(self, low: f64, high: f64) -> Self {
        Self { low, high, ..self }
    }
}
