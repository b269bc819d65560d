//! Objects as text.

use serde::Serialize;

/// An object as a document of YAML. Texts that a reader of an older YAML could take for something else are in quotes.
pub fn of(object: &impl Serialize) -> String {
    // An object of Kubernetes is made of maps with texts for keys, so it can be written.
    serde_saphyr::to_string(object).unwrap_or_default()
}
