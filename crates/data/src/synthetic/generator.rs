//! Rows one after another, as many as are wanted: what they are drawn from is small, whatever their number, and they are the same
//! rows in however many pieces they are taken.

use std::{fmt, str::FromStr};

use rand::RngExt;

use super::{Draw, classified, dense, dot, whole};
use crate::{Csr, Dataset, Error, Features, MAX_COLUMNS, Result, Targets};

/// What rows are like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Gaussian clouds, one per class, that overlap: centres `N(0, 1) * 2 / sqrt(columns)`, noise `N(0, 1)`.
    Blobs {
        /// How many classes.
        classes: usize,
    },
    /// Classes that hyperplanes separate, with a margin.
    Separable {
        /// How many classes.
        classes: usize,
    },
    /// Real targets `w x + b + noise * N(0, 1)` of features `N(0, 1)`.
    Linear {
        /// How large the noise is, in standard deviations of one feature's effect.
        noise: f32,
    },
    /// Two classes: 1 with the probability `sigmoid(w x)` of features `N(0, 1)`, where `w` has the length 4.
    Logistic,
    /// Two classes over many sparse features: 1 with the probability `sigmoid(w x)`, each row with so many values `N(0, 1)` in
    /// columns of which the low ones come more often.
    Sparse {
        /// Values that a row has.
        non_zeros: usize,
    },
    /// Classes that a random network of one hidden layer of tanh tells for features `N(0, 1)`, which a network of as many
    /// units can learn and a linear model cannot.
    Teacher {
        /// Units of the hidden layer.
        hidden: usize,
        /// How many classes.
        classes: usize,
    },
}

/// The names of kinds.
pub const KINDS: &str = "blobs, separable, linear, logistic, sparse and mlp";

impl FromStr for Kind {
    type Err = Error;

    /// The kind of that name, with its usual numbers.
    fn from_str(text: &str) -> Result<Self> {
        Ok(match text {
            "blobs" => Self::Blobs { classes: 3 },
            "separable" => Self::Separable { classes: 3 },
            "linear" => Self::Linear { noise: 0.1 },
            "logistic" => Self::Logistic,
            "sparse" => Self::Sparse { non_zeros: 12 },
            "mlp" => Self::Teacher { hidden: 16, classes: 3 },
            _ => return Err(Error::Unknown { what: "kind", found: text.to_owned(), valid: KINDS }),
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Blobs { .. } => "blobs",
            Self::Separable { .. } => "separable",
            Self::Linear { .. } => "linear",
            Self::Logistic => "logistic",
            Self::Sparse { .. } => "sparse",
            Self::Teacher { .. } => "mlp",
        })
    }
}

/// What decides the target of a row.
#[derive(Clone)]
enum Truth {
    /// A centre for each class.
    Blobs(Vec<f32>),
    /// A unit vector for each class.
    Separable(Vec<Vec<f32>>),
    Linear {
        weights: Vec<f32>,
        bias: f32,
        noise: f32,
    },
    Logistic(Vec<f32>),
    Sparse {
        weights: Vec<f32>,
        non_zeros: usize,
    },
    /// The weights of each hidden unit and its bias, and those of each class.
    Teacher {
        hidden: Vec<(Vec<f32>, f32)>,
        outputs: Vec<Vec<f32>>,
    },
}

/// A source of seeded rows.
///
/// ```
/// use syncline_data::synthetic::{Generator, Kind};
///
/// let mut generator = Generator::new(Kind::Blobs { classes: 3 }, 8, 7)?;
/// let (first, next) = (generator.rows(100), generator.rows(50));
/// assert_eq!((first.rows(), next.columns()), (100, 8));
/// # Ok::<(), syncline_data::Error>(())
/// ```
#[derive(Clone)]
pub struct Generator {
    draw: Draw,
    truth: Truth,
    columns: usize,
}

impl Generator {
    /// Rows of this kind with so many columns.
    ///
    /// # Errors
    /// Where there can be none: without columns, with more than there can be, fewer than two classes, more values in a row
    /// than it has columns, no hidden unit, or noise that is no number from 0 on.
    pub fn new(kind: Kind, columns: usize, seed: u64) -> Result<Self> {
        let refused = |why: String| Err(Error::Unmakeable(why));
        if columns == 0 || columns > MAX_COLUMNS {
            return refused(format!("{columns} columns cannot be made: from 1 to {MAX_COLUMNS} can"));
        }
        match kind {
            Kind::Blobs { classes } | Kind::Separable { classes } | Kind::Teacher { classes, .. }
                if classes < 2 =>
            {
                refused(format!("{classes} classes leave nothing to tell apart: at least 2 do"))
            }
            Kind::Sparse { non_zeros } if non_zeros > columns => {
                refused(format!("{non_zeros} values do not fit into a row of {columns} columns"))
            }
            Kind::Teacher { hidden: 0, .. } => {
                refused("a network without hidden units tells nothing".to_owned())
            }
            Kind::Linear { noise } if !(noise.is_finite() && noise >= 0.0) => {
                refused(format!("noise of {noise} cannot be made: it is a number from 0 on"))
            }
            _ => Ok(Self::of(kind, columns, seed)),
        }
    }

    /// As [`new`](Self::new), of what is known to be possible.
    pub(super) fn of(kind: Kind, columns: usize, seed: u64) -> Self {
        let mut draw = Draw::new(seed);
        let truth = Truth::draw(kind, columns, &mut draw);
        Self { draw, truth, columns }
    }

    /// How many columns a row has.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Whether rows hold only what is not zero.
    pub fn is_sparse(&self) -> bool {
        matches!(self.truth, Truth::Sparse { .. })
    }

    /// The next rows.
    pub fn rows(&mut self, rows: usize) -> Dataset {
        let Self { draw, truth, columns } = self;
        if let Truth::Sparse { weights, non_zeros } = truth {
            return sparse(draw, weights, *non_zeros, rows);
        }
        let mut values = Vec::with_capacity(rows * *columns);
        let (mut labels, mut targets) = (Vec::new(), Vec::new());
        for _ in 0..rows {
            match truth.row(*columns, draw, &mut values) {
                Target::Class(class) => labels.push(class as u32),
                Target::Real(target) => targets.push(target),
            }
        }
        let targets = match truth.classes(*columns) {
            Some(classes) => classified(labels, classes),
            None => Targets::Real(targets),
        };
        dense(values, *columns, targets)
    }
}

/// What is to be learnt of a row.
enum Target {
    Class(usize),
    Real(f32),
}

impl Truth {
    fn draw(kind: Kind, columns: usize, draw: &mut Draw) -> Self {
        match kind {
            Kind::Blobs { classes } => {
                let spread = 2.0 / (columns as f32).sqrt();
                Self::Blobs((0..classes * columns).map(|_| draw.normal() * spread).collect())
            }
            Kind::Separable { classes } => {
                Self::Separable((0..classes).map(|_| draw.direction(columns)).collect())
            }
            Kind::Linear { noise } => {
                Self::Linear { weights: draw.normals(columns), bias: draw.normal(), noise }
            }
            Kind::Logistic => Self::Logistic(draw.direction(columns).iter().map(|w| 4.0 * w).collect()),
            Kind::Sparse { non_zeros } => Self::Sparse { weights: draw.normals(columns), non_zeros },
            Kind::Teacher { hidden, classes } => {
                // Steep enough for units to be far from linear.
                let unit = |draw: &mut Draw| {
                    (draw.direction(columns).iter().map(|w| 2.0 * w).collect(), 0.5 * draw.normal())
                };
                Self::Teacher {
                    hidden: (0..hidden).map(|_| unit(draw)).collect(),
                    outputs: (0..classes).map(|_| draw.normals(hidden)).collect(),
                }
            }
        }
    }

    /// How many classes there are, if it tells classes.
    fn classes(&self, columns: usize) -> Option<usize> {
        match self {
            Self::Linear { .. } => None,
            Self::Blobs(centres) => Some(centres.len() / columns),
            Self::Separable(directions) => Some(directions.len()),
            Self::Teacher { outputs, .. } => Some(outputs.len()),
            Self::Logistic(_) | Self::Sparse { .. } => Some(2),
        }
    }

    /// Adds a dense row to the values; its target.
    fn row(&self, columns: usize, draw: &mut Draw, values: &mut Vec<f32>) -> Target {
        let start = values.len();
        match self {
            Self::Blobs(centres) => {
                let class = draw.below(centres.len() / columns);
                values.extend(
                    centres[class * columns..][..columns].iter().map(|centre| centre + draw.normal()),
                );
                Target::Class(class)
            }
            Self::Separable(directions) => {
                values.extend((0..columns).map(|_| draw.normal()));
                let point = &mut values[start..];
                let class = largest(directions.iter().map(|direction| dot(direction, point)));
                point.iter_mut().zip(&directions[class]).for_each(|(x, w)| *x += w);
                Target::Class(class)
            }
            Self::Linear { weights, bias, noise } => {
                values.extend((0..columns).map(|_| draw.normal()));
                Target::Real(dot(&values[start..], weights) + bias + noise * draw.normal())
            }
            Self::Logistic(weights) => {
                values.extend((0..columns).map(|_| draw.normal()));
                Target::Class(draw.happens(dot(&values[start..], weights)))
            }
            Self::Teacher { hidden, outputs } => {
                values.extend((0..columns).map(|_| draw.normal()));
                let point = &values[start..];
                let units: Vec<f32> = hidden.iter().map(|(w, bias)| (dot(w, point) + bias).tanh()).collect();
                Target::Class(largest(outputs.iter().map(|output| dot(output, &units))))
            }
            Self::Sparse { .. } => unreachable!("its rows are not dense"),
        }
    }
}

fn sparse(draw: &mut Draw, weights: &[f32], non_zeros: usize, rows: usize) -> Dataset {
    let (mut offsets, mut indices, mut values, mut labels) = (vec![0], Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rows {
        let row = draw.columns(weights.len(), non_zeros);
        let mut product = 0.0;
        for &column in &row {
            let x = draw.normal();
            product += x * weights[column as usize];
            values.push(x);
        }
        indices.extend(row);
        offsets.push(values.len());
        labels.push(draw.happens(product) as u32);
    }
    #[expect(
        clippy::expect_used,
        reason = "each row's columns are sorted, distinct and below the number of columns"
    )]
    let csr = Csr::new(offsets, indices, values, weights.len()).expect("rows are sorted and bounded");
    whole(Features::Sparse(csr), classified(labels, 2))
}

impl Draw {
    fn normals(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.normal()).collect()
    }

    /// 1 with the probability `sigmoid(of)`, else 0.
    fn happens(&mut self, of: f32) -> usize {
        usize::from(self.0.random::<f32>() < 1.0 / (1.0 + (-of).exp()))
    }
}

/// The place of the largest.
fn largest(scores: impl Iterator<Item = f32>) -> usize {
    scores.enumerate().max_by(|one, other| one.1.total_cmp(&other.1)).map_or(0, |(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [&str; 6] = ["blobs", "separable", "linear", "logistic", "sparse", "mlp"];

    fn generator(kind: &str, seed: u64) -> Generator {
        Generator::new(kind.parse().unwrap(), 20, seed).unwrap()
    }

    #[test]
    fn pieces_make_the_same_rows() {
        for kind in ALL {
            let whole = generator(kind, 5).rows(60);
            let mut pieces = generator(kind, 5);
            let mut start = 0;
            for rows in [1, 0, 24, 35] {
                let piece = pieces.rows(rows);
                let expected = whole.select(&(start..start + rows).collect::<Vec<_>>());
                assert_eq!(piece, expected, "{kind}, rows from {start}");
                start += rows;
            }
            assert_ne!(generator(kind, 6).rows(60), whole, "{kind}: another seed");
            assert_eq!(kind.parse::<Kind>().unwrap().to_string(), kind);
        }
    }

    #[test]
    fn all_classes_come_and_none_is_rare() {
        for kind in ["blobs", "separable", "logistic", "sparse", "mlp"] {
            let data = generator(kind, 3).rows(3000);
            let Targets::Class { labels, names } = data.targets() else { panic!("{kind}: classes") };
            for class in 0..names.len() as u32 {
                let count = labels.iter().filter(|label| **label == class).count();
                assert!(count > 100, "{kind}: {count} of class {class}");
            }
        }
    }

    #[test]
    fn what_cannot_be_made_is_refused() {
        let refused = |kind: Kind, columns, part: &str| {
            let said = Generator::new(kind, columns, 1).err().unwrap().to_string();
            assert!(said.contains(part), "{said}");
        };
        refused(Kind::Logistic, 0, "0 columns");
        refused(Kind::Blobs { classes: 1 }, 5, "1 classes");
        refused(Kind::Sparse { non_zeros: 6 }, 5, "6 values do not fit");
        refused(Kind::Teacher { hidden: 0, classes: 2 }, 5, "without hidden units");
        refused(Kind::Linear { noise: f32::NAN }, 5, "noise of NaN");
        assert!("blob".parse::<Kind>().unwrap_err().to_string().contains("blobs, separable"));
    }
}
