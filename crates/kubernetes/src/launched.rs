//! The name of a run that the cluster launches itself.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What stands before the name.
const KIND: &str = "kubernetes:";

/// Where such a run is found: its Job. Written `kubernetes:NAMESPACE/JOB`, with `,context=NAME` behind where that is not the
/// configuration's current one.
///
/// ```
/// use syncline_kubernetes::launched::Launched;
/// let run: Launched = "kubernetes:ml/train-first".parse().unwrap();
/// assert_eq!((run.namespace.as_str(), run.job.as_str()), ("ml", "train-first"));
/// assert_eq!(run.to_string(), "kubernetes:ml/train-first");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launched {
    /// The namespace.
    pub namespace: String,
    /// The Job's name.
    pub job: String,
    /// Which of the configuration's contexts.
    pub context: Option<String>,
}

impl Launched {
    /// Whether a text is the name of such a run, right or wrong.
    pub fn is_named(text: &str) -> bool {
        text.starts_with(KIND)
    }
}

impl fmt::Display for Launched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{KIND}{}/{}", self.namespace, self.job)?;
        self.context.iter().try_for_each(|context| write!(f, ",context={context}"))
    }
}

impl FromStr for Launched {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{}` is no run of a cluster: kubernetes:NAMESPACE/JOB is", text.escape_debug());
        let name = text.strip_prefix(KIND).ok_or_else(wrong)?;
        let (name, context) = match name.split_once(",context=") {
            Some((name, context)) => (name, Some(context.to_owned())),
            None => (name, None),
        };
        let (namespace, job) = name.split_once('/').ok_or_else(wrong)?;
        let is_word = |word: &str| {
            let letter =
                |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
            !word.is_empty() && word.chars().all(letter)
        };
        if !is_word(namespace) || !is_word(job) || context.as_ref().is_some_and(String::is_empty) {
            return Err(wrong());
        }
        Ok(Self { namespace: namespace.to_owned(), job: job.to_owned(), context })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_is_written() {
        for text in ["kubernetes:ml/train-first", "kubernetes:default/train,context=arn:aws:eks/prod"] {
            assert_eq!(text.parse::<Launched>().unwrap().to_string(), text);
        }
        for text in [
            "runs/first",
            "kubernetes:train",
            "kubernetes:/train",
            "kubernetes:a/b/c",
            "kubernetes:a/b,context=",
        ] {
            assert!(text.parse::<Launched>().unwrap_err().contains("kubernetes:NAMESPACE/JOB"), "{text}");
        }
        assert!(Launched::is_named("kubernetes:x") && !Launched::is_named("runs/kubernetes:x"));
    }
}
