//! Weights of rows by their class: for data in which one class is rare.

use std::{collections::BTreeMap, fmt, str::FromStr, sync::Arc};

use syncline_data::{Dataset, Targets};

use crate::{Error, check::out_of_range};

/// How much the rows of each class count. Read from text such as `balanced` or `spam=5,ham=1`; classes that are not
/// named count 1.
#[derive(Clone, Debug, PartialEq)]
pub enum ClassWeight {
    /// All classes count the same: a row of a class of n rows counts rows / (classes n).
    Balanced,
    /// As they are named.
    Named(BTreeMap<String, f32>),
}

impl ClassWeight {
    /// What a user can write.
    pub const VALID: &'static str = "balanced, or CLASS=WEIGHT,CLASS=WEIGHT such as spam=5,ham=1";

    /// Whether it is about these targets.
    pub(crate) fn check(&self, targets: &Targets) -> Result<(), Error> {
        let Targets::Class { names, .. } = targets else {
            return Err(out_of_range(
                "class-weight",
                self,
                "the target is a number, and has no classes".to_owned(),
            ));
        };
        let Self::Named(weights) = self else { return Ok(()) };
        match weights.keys().find(|class| !names.contains(class)) {
            Some(class) => {
                let must = format!("there is no class `{class}`; the classes are {}", names.join(", "));
                Err(out_of_range("class-weight", self, must))
            }
            None => Ok(()),
        }
    }

    /// The data with these weights on top of those that they have.
    pub(crate) fn apply(&self, data: Arc<Dataset>) -> Result<Arc<Dataset>, Error> {
        let Targets::Class { labels, names } = data.targets() else { return Ok(data) };
        let of_class: Vec<f32> = match self {
            Self::Balanced => {
                let mut rows = vec![0u32; names.len()];
                labels.iter().for_each(|&label| rows[label as usize] += 1);
                rows.iter().map(|&rows| 1.0 / rows.max(1) as f32).collect()
            }
            Self::Named(weights) => {
                names.iter().map(|name| weights.get(name).copied().unwrap_or(1.0)).collect()
            }
        };
        let weights = labels.iter().map(|&label| of_class[label as usize]).collect();
        let data = Arc::try_unwrap(data).unwrap_or_else(|shared| (*shared).clone());
        Ok(Arc::new(data.weighted(weights)?))
    }
}

impl FromStr for ClassWeight {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if text == "balanced" {
            return Ok(Self::Balanced);
        }
        let pair = |pair: &str| {
            // A class's name may hold the sign.
            let (class, weight) = pair.rsplit_once('=')?;
            let weight = weight.parse::<f32>().ok().filter(|weight| weight.is_finite() && *weight >= 0.0)?;
            Some((class.to_owned(), weight))
        };
        let weights = text.split(',').map(pair).collect::<Option<BTreeMap<_, _>>>();
        weights.map(Self::Named).ok_or_else(|| Error::Option {
            what: "class-weight",
            got: text.to_owned(),
            valid: Self::VALID.to_owned(),
        })
    }
}

impl fmt::Display for ClassWeight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Balanced => f.write_str("balanced"),
            Self::Named(weights) => {
                let pairs: Vec<String> =
                    weights.iter().map(|(class, weight)| format!("{class}={weight}")).collect();
                f.write_str(&pairs.join(","))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use syncline_data::synthetic;

    #[test]
    fn names_are_read_as_they_are_written() {
        for text in ["balanced", "ham=1,spam=2.5", "a=b=3"] {
            assert_eq!(text.parse::<ClassWeight>().unwrap().to_string(), text);
        }
        for text in ["", "even", "spam", "spam=", "spam=-1", "spam=x", "spam=1,"] {
            let message = text.parse::<ClassWeight>().unwrap_err().to_string();
            assert!(message.contains("CLASS=WEIGHT"), "{text}: {message}");
        }
    }

    #[test]
    fn balanced_classes_count_the_same() {
        let data = Arc::new(synthetic::blobs(10, 2, 2, 1));
        let Targets::Class { labels, .. } = data.targets().clone() else { panic!("classes") };
        let rows: Vec<usize> = (0..10).filter(|&row| labels[row] == 0 || row < 4).collect();
        let data = Arc::new(data.select(&rows));
        let weighted = ClassWeight::Balanced.apply(Arc::clone(&data)).unwrap();
        let Targets::Class { labels, .. } = data.targets() else { panic!("classes") };
        let sum = |class: u32| -> f32 {
            let weights = weighted.weights().unwrap().iter().zip(labels);
            weights.filter(|(_, label)| **label == class).map(|(weight, _)| weight).sum()
        };
        assert!((sum(0) - sum(1)).abs() < 1e-5 && sum(0) > 0.0, "{} {}", sum(0), sum(1));
    }

    #[test]
    fn classes_that_do_not_exist_are_refused_by_name() {
        let classes = synthetic::blobs(10, 2, 2, 1);
        let refused = |text: &str, targets: &Targets| {
            text.parse::<ClassWeight>().unwrap().check(targets).unwrap_err().to_string()
        };
        assert!(refused("spam=2", classes.targets()).contains("there is no class `spam`; the classes are"));
        assert!(refused("balanced", synthetic::linear(5, 2, 0.1, 1).targets()).contains("has no classes"));
    }
}
