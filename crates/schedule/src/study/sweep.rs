//! One number of a study that takes several values.

use std::{fmt, str::FromStr};

use super::{Draws, Jobs, Study};
use crate::error::{Error, Result};

/// What is swept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// The number of jobs.
    Jobs,
    /// The number of machines.
    Machines,
}

/// A number and its values, ascending: `jobs=10,50,100`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Axis {
    /// Which number.
    pub over: Over,
    /// Its values.
    pub points: Vec<usize>,
}

impl fmt::Display for Over {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Jobs => "jobs",
            Self::Machines => "machines",
        })
    }
}

impl FromStr for Axis {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || Error::option("sweep", text, "write jobs=10,50,100 or machines=20,40,100");
        let (over, numbers) = text.split_once('=').ok_or_else(wrong)?;
        let over = match over {
            "jobs" => Over::Jobs,
            "machines" => Over::Machines,
            _ => return Err(wrong()),
        };
        let points = numbers.split(',').map(|number| number.parse().map_err(|_| wrong()));
        let mut points = points.collect::<Result<Vec<usize>>>()?;
        points.sort_unstable();
        Ok(Self { over, points })
    }
}

impl Study {
    /// The same study with another number of jobs or machines.
    ///
    /// # Errors
    /// Jobs or machines that are given, so that there is no number to change.
    pub fn at(&self, over: Over, value: usize) -> Result<Self> {
        let Jobs::Drawn(draws) = &self.jobs else { return Err(fixed(over)) };
        if self.cluster.is_some() {
            return Err(fixed(over));
        }
        let mut study = self.clone();
        match over {
            Over::Jobs => study.jobs = Jobs::Drawn(Draws { count: Some(value), ..draws.clone() }),
            Over::Machines => study.machines = Some(value),
        }
        Ok(study)
    }
}

fn fixed(over: Over) -> Error {
    Error::option(
        "sweep",
        over,
        "jobs or machines that are given have no number to sweep: leave them to a setting",
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failing helper fails the test")]
mod tests {
    use super::*;

    #[test]
    fn points_are_put_in_order() {
        let axis: Axis = "jobs=50,10".parse().unwrap();
        assert_eq!(axis, Axis { over: Over::Jobs, points: vec![10, 50] });
        for wrong in ["jobs", "gpus=1,2", "jobs=", "jobs=1,x", "jobs=-1"] {
            assert!(wrong.parse::<Axis>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_given_cannot_be_swept() {
        let given = Study { cluster: Some("2x2".into()), ..Study::default() };
        assert!(given.at(Over::Jobs, 3).is_err());
        let study = Study::default().at(Over::Machines, 7).unwrap();
        assert_eq!(study.experiment().unwrap().cluster.machines().len(), 7);
    }
}
