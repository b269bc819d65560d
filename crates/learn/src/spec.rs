//! A model by name, as a command line or a saved model gives it: `linear`, `logistic`, `softmax`, `svm`, `mlp:64,32`.

use crate::{Error, Linear, Logistic, Mlp, Model, Result, Softmax, Svm};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use syncline_data::{Dataset, Targets, Task};

/// The valid texts, for messages and help.
pub(crate) const VALID: &str = "linear, logistic, softmax, svm, mlp:64,32 (the units of each hidden layer)";

const MOST_LAYERS: usize = 64;
const MOST_UNITS: usize = 1 << 16;
/// 2^31 parameters are 8 GiB; a worker holds several vectors of them.
const MOST_PARAMETERS: u128 = 1 << 31;

/// Which model, without the sizes that the data decide.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ModelSpec {
    /// Least squares.
    Linear,
    /// Logistic regression of two classes.
    Logistic,
    /// Softmax regression.
    Softmax,
    /// Support vector machine.
    Svm,
    /// ReLU network with hidden layers of these sizes; softmax for classes, squared loss for real targets.
    Mlp(Vec<usize>),
}

impl ModelSpec {
    /// What the labels must be read as; `None` if the model takes both.
    pub fn task(&self) -> Option<Task> {
        match self {
            ModelSpec::Linear => Some(Task::Regression),
            ModelSpec::Logistic | ModelSpec::Softmax | ModelSpec::Svm => Some(Task::Classification),
            ModelSpec::Mlp(_) => None,
        }
    }

    /// The model for these data.
    ///
    /// # Errors
    /// When it cannot learn from them: one class only, more than two for `logistic`, classes for `linear`, real targets
    /// for a classifier, or too many parameters.
    pub fn build(&self, data: &Dataset) -> Result<Box<dyn Model>> {
        // Data without rows do not know their labels; who has them has looked.
        if let Targets::Class { labels, names } = data.targets()
            && !data.is_hollow()
            && labels.iter().all(|label| Some(label) == labels.first())
        {
            let class = labels.first().map_or("", |&label| &names[label as usize]);
            return Err(self.unfit(format!(
                "all {} rows are of one class, `{class}`; is the label column right?",
                labels.len()
            )));
        }
        self.with_sizes(data.columns(), data.targets().classes().len())
    }

    /// The model for these data, of which a share of the hidden units is left out in training.
    ///
    /// # Errors
    /// As [`ModelSpec::build`], and when the share is not at least 0 and below 1, or the model has no hidden units.
    pub fn build_with_dropout(&self, data: &Dataset, share: f32) -> Result<Box<dyn Model>> {
        let plain = self.build(data)?;
        let classes = data.targets().classes().len();
        match self {
            _ if share == 0.0 => Ok(plain),
            _ if !(0.0..1.0).contains(&share) => {
                Err(self.unfit(format!("a dropout of {share} is not at least 0 and below 1")))
            }
            ModelSpec::Mlp(hidden) if classes == 0 => {
                Ok(Box::new(Mlp::regression(&[&[data.columns()], &hidden[..]].concat()).with_dropout(share)))
            }
            ModelSpec::Mlp(hidden) => {
                let sizes = [&[data.columns()], &hidden[..], &[classes]].concat();
                Ok(Box::new(Mlp::new(&sizes).with_dropout(share)))
            }
            _ => Err(self
                .unfit("dropout leaves out hidden units, and only mlp has some; leave --dropout out".into())),
        }
    }

    /// The model for this number of features and of classes (0: a real target).
    pub(crate) fn with_sizes(&self, features: usize, classes: usize) -> Result<Box<dyn Model>> {
        self.check(features, classes)?;
        Ok(match self {
            ModelSpec::Linear => Box::new(Linear::new(features)),
            ModelSpec::Logistic => Box::new(Logistic::new(features)),
            ModelSpec::Softmax => Box::new(Softmax::new(features, classes)),
            ModelSpec::Svm => Box::new(Svm::new(features, classes)),
            ModelSpec::Mlp(hidden) if classes == 0 => {
                Box::new(Mlp::regression(&[&[features], &hidden[..]].concat()))
            }
            ModelSpec::Mlp(hidden) => Box::new(Mlp::new(&[&[features], &hidden[..], &[classes]].concat())),
        })
    }

    fn check(&self, features: usize, classes: usize) -> Result<()> {
        let reason = match (self, classes) {
            (ModelSpec::Linear, 1..) => {
                "it predicts real numbers, the label is a class; take softmax, logistic, svm or mlp".into()
            }
            (ModelSpec::Logistic | ModelSpec::Softmax | ModelSpec::Svm, 0) => {
                "it predicts classes, the label is a real number; take linear or mlp".into()
            }
            (ModelSpec::Logistic, 3..) => {
                format!("it tells two classes apart, there are {classes}; take softmax, svm or mlp")
            }
            (_, 1) => "there is only one class; is the label column right?".into(),
            _ if self.size(features, classes) > MOST_PARAMETERS => {
                format!("it would have more than {MOST_PARAMETERS} parameters; take fewer hidden units")
            }
            _ => return Ok(()),
        };
        Err(self.unfit(reason))
    }

    /// Number of parameters, or one of the same size.
    fn size(&self, features: usize, classes: usize) -> u128 {
        let hidden: &[usize] = match self {
            ModelSpec::Mlp(hidden) => hidden,
            _ => &[],
        };
        let sizes = [&[features], hidden, &[classes.max(1)]].concat();
        sizes.windows(2).map(|pair| (pair[0] as u128 + 1) * pair[1] as u128).sum()
    }

    fn unfit(&self, reason: String) -> Error {
        Error::Unfit { model: self.to_string(), reason }
    }
}

impl fmt::Display for ModelSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ModelSpec::Linear => f.write_str("linear"),
            ModelSpec::Logistic => f.write_str("logistic"),
            ModelSpec::Softmax => f.write_str("softmax"),
            ModelSpec::Svm => f.write_str("svm"),
            ModelSpec::Mlp(hidden) => {
                let hidden: Vec<String> = hidden.iter().map(usize::to_string).collect();
                write!(f, "mlp:{}", hidden.join(","))
            }
        }
    }
}

impl FromStr for ModelSpec {
    type Err = Error;

    fn from_str(text: &str) -> Result<ModelSpec> {
        let fail = |reason: &str| Error::Spec { found: text.into(), reason: reason.into() };
        match text.split_once(':') {
            None => match text {
                "linear" => Ok(ModelSpec::Linear),
                "logistic" => Ok(ModelSpec::Logistic),
                "softmax" => Ok(ModelSpec::Softmax),
                "svm" => Ok(ModelSpec::Svm),
                "mlp" => Err(fail("give the units of its hidden layers")),
                _ => Err(fail("there is none of this name")),
            },
            Some(("mlp", hidden)) => {
                let units =
                    |unit: &str| unit.trim().parse().ok().filter(|units| (1..=MOST_UNITS).contains(units));
                let hidden: Option<Vec<usize>> = hidden.split(',').map(units).collect();
                let hidden = hidden.filter(|hidden| hidden.len() <= MOST_LAYERS);
                hidden.map(ModelSpec::Mlp).ok_or_else(|| {
                    fail("hidden layers are numbers of units from 1 to 65536, divided by commas, at most 64 of them")
                })
            }
            Some(_) => Err(fail("only mlp takes numbers after a colon")),
        }
    }
}

impl TryFrom<String> for ModelSpec {
    type Error = Error;

    fn try_from(text: String) -> Result<ModelSpec> {
        text.parse()
    }
}

impl From<ModelSpec> for String {
    fn from(spec: ModelSpec) -> String {
        spec.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use syncline_data::{Dense, Features, synthetic};

    #[test]
    fn names_are_read_back() {
        for text in ["linear", "logistic", "softmax", "svm", "mlp:64", "mlp:64,32"] {
            assert_eq!(text.parse::<ModelSpec>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_wrong_name_is_answered_with_the_valid_ones() {
        let error = "forest".parse::<ModelSpec>().unwrap_err().to_string();
        assert_eq!(error, format!("unknown model `forest`: there is none of this name; use one of {VALID}"));
        for text in ["mlp", "mlp:", "mlp:0", "mlp:64,", "mlp:x", "mlp:99999999", "svm:3", ""] {
            assert!(text.parse::<ModelSpec>().is_err(), "{text}");
        }
    }

    #[test]
    fn data_that_a_model_cannot_learn_from_are_refused() {
        let error = |spec: &str, data: &Dataset| {
            spec.parse::<ModelSpec>()
                .unwrap()
                .build(data)
                .err()
                .map(|error| error.to_string())
                .unwrap_or_default()
        };
        let (three, real) = (synthetic::blobs(30, 2, 3, 1), synthetic::linear(30, 2, 0.1, 1));
        assert!(error("logistic", &three).contains("two classes apart, there are 3; take softmax"));
        assert!(error("linear", &three).contains("the label is a class"));
        assert!(error("softmax", &real).contains("the label is a real number; take linear or mlp"));
        assert_eq!(
            (error("softmax", &three), error("mlp:4", &real), error("mlp:4", &three)),
            Default::default()
        );
        let features = Features::Dense(Dense::new(vec![0.0; 4], 2).unwrap());
        let targets = Targets::Class { labels: vec![1, 1], names: vec!["a".into(), "b".into()] };
        let one = Dataset::new(features, targets).unwrap();
        assert!(error("svm", &one).contains("all 2 rows are of one class, `b`"));
        let wide = synthetic::sparse_logistic(4, 1 << 20, 2, 1);
        assert!(error("mlp:65536", &wide).contains("more than 2147483648 parameters"));
    }
}
