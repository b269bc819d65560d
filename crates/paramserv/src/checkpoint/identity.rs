//! What a run that goes on must have in common with the one that it goes on with: the training and the data. Where it runs,
//! on how many servers, and what is written of it may be otherwise.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::report::Settings;

/// Settings that may differ.
const FREE: [&str; 6] = ["servers", "on", "inject", "liars", "elastic", "replicas"];

/// The settings by name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Identity(BTreeMap<String, Value>);

impl Identity {
    /// These settings, and what else there is to say.
    pub(crate) fn new(settings: &Settings, further: impl IntoIterator<Item = (String, String)>) -> Self {
        // Settings are a structure with names, which is an object as JSON. As text first: 0.1 is then no 0.10000000149.
        let text = serde_json::to_string(settings).unwrap_or_default();
        let named: BTreeMap<String, Value> = serde_json::from_str(&text).unwrap_or_default();
        let kept = named.into_iter().filter(|(name, _)| !FREE.contains(&name.as_str()));
        let further = further.into_iter().map(|(name, value)| (name, Value::String(value)));
        Self(kept.chain(further).collect())
    }

    /// In what this run differs from the one of the checkpoint, if it does.
    pub(crate) fn difference(&self, then: &Self) -> Option<String> {
        let names = self.0.keys().chain(then.0.keys().filter(|name| !self.0.contains_key(*name)));
        let differing = names.filter(|name| self.0.get(*name) != then.0.get(*name));
        let said: Vec<_> = differing.map(|name| told(name, then.0.get(name), self.0.get(name))).collect();
        (!said.is_empty()).then(|| said.join("; "))
    }
}

fn told(name: &str, then: Option<&Value>, now: Option<&Value>) -> String {
    if name.ends_with("_digest") {
        return format!("the {} are not the same", name.trim_end_matches("_digest").replace('_', " "));
    }
    let shown = |value: Option<&Value>| match value {
        None | Some(Value::Null) => "nothing".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    };
    format!("{name} was {} and is {}", shown(then), shown(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(pairs: &[(&str, &str)]) -> Identity {
        Identity(pairs.iter().map(|&(name, value)| (name.to_owned(), value.into())).collect())
    }

    #[test]
    fn ckpt_3_what_differs_is_said_by_name() {
        let then = identity(&[("lr", "0.1"), ("clip", "1"), ("training_data_digest", "a")]);
        let now = identity(&[("lr", "0.2"), ("training_data_digest", "b")]);
        assert_eq!(then.difference(&then), None);
        let said = now.difference(&then).unwrap();
        assert_eq!(
            said,
            "lr was 0.1 and is 0.2; the training data are not the same; clip was 1 and is nothing"
        );
    }
}
