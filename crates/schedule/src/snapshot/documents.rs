//! What a cluster's own programs print: JSON objects one after the other, and lines of `KEY=VALUE` from older ones.

use std::{collections::BTreeMap, path::Path};

use serde_json::{Map, Value};

use super::System;
use crate::error::{Error, Result};

/// All that was read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Documents {
    /// JSON values, in the order in which they were printed; lists of Kubernetes are taken apart.
    values: Vec<Value>,
    /// Lines of `KEY=VALUE`.
    lines: Vec<BTreeMap<String, String>>,
    /// When it was printed, in seconds since 1970, if that is known.
    pub taken: Option<f64>,
}

impl Documents {
    /// A file, or all files of a folder that end in `.json` or `.txt`, in the order of their names.
    ///
    /// # Errors
    /// What cannot be read, or is neither JSON nor lines of `KEY=VALUE`.
    pub fn read(path: &Path) -> Result<Self> {
        let io = |doing| move |source| Error::Io { doing, path: path.into(), source };
        let mut documents = Self::default();
        if !path.is_dir() {
            documents
                .add(&path.display().to_string(), &std::fs::read_to_string(path).map_err(io("reading"))?)?;
            return Ok(documents);
        }
        let entries = std::fs::read_dir(path).map_err(io("listing"))?;
        let mut files = entries
            .map(|entry| Ok(entry?.path()))
            .collect::<std::io::Result<Vec<_>>>()
            .map_err(io("listing"))?;
        files.retain(|file| file.extension().is_some_and(|ending| ending == "json" || ending == "txt"));
        files.sort();
        if files.is_empty() {
            return Err(Error::Snapshot(format!("{}: no file in it ends in .json or .txt", path.display())));
        }
        for file in files {
            let text = std::fs::read_to_string(&file);
            let text = text.map_err(|source| Error::Io { doing: "reading", path: file.clone(), source })?;
            documents.add(&file.display().to_string(), &text)?;
        }
        Ok(documents)
    }

    /// Adds what a program printed, or a file holds; `name` is what messages call it.
    ///
    /// # Errors
    /// Text that is neither JSON nor lines of `KEY=VALUE`.
    pub fn add(&mut self, name: &str, text: &str) -> Result<()> {
        let mut rest = text.trim_start_matches('\u{feff}').trim_start();
        while !rest.is_empty() {
            let line = 1 + text[..text.len() - rest.len()].matches('\n').count();
            rest = if rest.starts_with(['{', '[']) {
                self.object(name, line, rest)?
            } else {
                self.line(name, line, rest)?
            };
            rest = rest.trim_start();
        }
        Ok(())
    }

    fn object<'a>(&mut self, name: &str, line: usize, text: &'a str) -> Result<&'a str> {
        let mut stream = serde_json::Deserializer::from_str(text).into_iter::<Value>();
        match stream.next() {
            Some(Ok(value)) => {
                let end = stream.byte_offset();
                self.take_apart(value);
                Ok(&text[end..])
            }
            Some(Err(error)) if error.is_eof() => Err(Error::Snapshot(format!(
                "{name}:{line}: the JSON that begins here ends early; was it copied whole?"
            ))),
            Some(Err(error)) => Err(Error::Snapshot(format!("{name}:{}: {error}", line + error.line() - 1))),
            None => Ok(""),
        }
    }

    /// A list of Kubernetes is what it lists.
    fn take_apart(&mut self, value: Value) {
        match value {
            Value::Array(values) => values.into_iter().for_each(|value| self.take_apart(value)),
            Value::Object(mut fields)
                if fields.get("kind").and_then(Value::as_str).is_some_and(|kind| kind.ends_with("List")) =>
            {
                if let Some(items) = fields.remove("items") {
                    self.take_apart(items);
                }
            }
            value => self.values.push(value),
        }
    }

    fn line<'a>(&mut self, name: &str, number: usize, text: &'a str) -> Result<&'a str> {
        let (line, rest) = text.split_once('\n').unwrap_or((text, ""));
        let nothing = ["No reservations in the system", "No partitions in the system"];
        if line.starts_with('#') || nothing.iter().any(|nothing| line.starts_with(nothing)) {
            return Ok(rest);
        }
        let pairs: BTreeMap<String, String> = line
            .split_whitespace()
            .filter_map(|word| word.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        if !line.split_whitespace().next().is_some_and(|word| word.contains('=')) {
            let what = "neither JSON nor a line of `scontrol -o show`; save what `squeue --json`, `sinfo --json` or `kubectl get ... -o json` print";
            return Err(Error::Snapshot(format!("{name}:{number}: {what}")));
        }
        self.lines.push(pairs);
        Ok(rest)
    }

    /// Whose documents these are.
    pub(super) fn system(&self) -> Result<System> {
        let slurm = self
            .values
            .iter()
            .any(|value| ["jobs", "nodes", "sinfo"].iter().any(|list| value.get(list).is_some()));
        let kueue = self.values.iter().any(|value| kind(value).is_some());
        match (slurm, kueue) {
            (true, false) => Ok(System::Slurm),
            (false, true) => Ok(System::Kueue),
            (true, true) => {
                Err(Error::Snapshot("it holds objects of Slurm and of Kubernetes; give one of them".into()))
            }
            (false, false) => Err(Error::Snapshot(
                "it holds nothing of a queue: neither `jobs` and `nodes` of Slurm nor objects of Kubernetes"
                    .into(),
            )),
        }
    }

    /// Refuses what Slurm printed in place of an answer: errors, and lists that are none.
    pub(super) fn are_whole(&self, lists: &[&str]) -> Result<()> {
        for value in &self.values {
            let mut errors = value.get("errors").and_then(Value::as_array).into_iter().flatten();
            if let Some(error) = errors.next() {
                let said = ["description", "error"].iter().find_map(|key| error.get(key)?.as_str());
                let said = said.or(error.as_str()).unwrap_or("an error without words");
                return Err(Error::Snapshot(format!("Slurm did not answer in full: {said}")));
            }
            for list in lists {
                let found = value.get(list).filter(|found| !found.is_null());
                let is_one =
                    |found: &Value| found.as_array().is_some_and(|all| all.iter().all(Value::is_object));
                if found.is_some_and(|found| !is_one(found)) {
                    let what =
                        format!("`{list}` is no list of objects; is this what Slurm's `--json` prints?");
                    return Err(Error::Snapshot(what));
                }
            }
        }
        Ok(())
    }

    /// Entries of all lists of this name, as Slurm prints them.
    pub(super) fn entries(&self, list: &str) -> impl Iterator<Item = &Map<String, Value>> {
        let lists = self.values.iter().filter_map(move |value| value.get(list)?.as_array());
        lists.flatten().filter_map(Value::as_object)
    }

    /// Numbers of this name that stand beside the lists, as times of the documents do.
    pub(super) fn numbers(&self, name: &str) -> impl Iterator<Item = f64> {
        self.values.iter().filter_map(move |value| {
            let found = value.get(name)?;
            found.as_f64().or_else(|| found.get("number")?.as_f64())
        })
    }

    /// Lines that begin with this key.
    pub(super) fn lines(&self, key: &str) -> impl Iterator<Item = &BTreeMap<String, String>> {
        self.lines.iter().filter(move |line| line.contains_key(key))
    }

    /// Objects of Kubernetes of this kind.
    pub(super) fn objects(&self, of: &str) -> impl Iterator<Item = &Value> {
        self.values.iter().filter(move |value| kind(value) == Some(of))
    }
}

fn kind(value: &Value) -> Option<&str> {
    value.get("apiVersion")?;
    value.get("kind")?.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_lines_and_lists_follow_each_other() {
        let mut documents = Documents::default();
        let text =
            "{\"jobs\": [{\"a\": 1}, {\"a\": 2}]}\n{\"jobs\": [{\"a\": 3}]}PartitionName=all State=UP\n\n";
        documents.add("it", text).unwrap();
        let all: Vec<i64> = documents.entries("jobs").filter_map(|job| job["a"].as_i64()).collect();
        assert_eq!(all, [1, 2, 3]);
        assert_eq!(documents.lines("PartitionName").next().unwrap()["State"], "UP");
        assert_eq!(documents.system().unwrap(), System::Slurm);
        let list = r#"{"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", "kind": "Node"}]}"#;
        let mut documents = Documents::default();
        documents.add("it", list).unwrap();
        assert_eq!(documents.objects("Node").count(), 1);
        assert_eq!(documents.system().unwrap(), System::Kueue);
    }

    #[test]
    fn what_is_not_of_a_cluster_is_told_with_its_line() {
        let text = |text: &str| Documents::default().add("file", text).unwrap_err().to_string();
        assert!(text("{\"jobs\": []}\n\nJOBID PARTITION\n").contains("file:3: neither JSON"));
        assert!(text("\n{\"jobs\": [").contains("file:2: the JSON that begins here ends early"));
        assert!(text("{\"jobs\":\n [nonsense]}").contains("file:2: "));
        assert!(Documents::default().system().is_err());
    }
}
