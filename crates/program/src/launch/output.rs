//! Where the lines go that the nodes' processes write.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{IsTerminal, Write, stderr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::executor::Sink;

/// ANSI colours that can be read on light and dark ground.
const COLOURS: [u8; 6] = [36, 33, 35, 32, 34, 31];

/// To standard error, each line after its node's name; coloured on a terminal, unless `NO_COLOR` is set.
pub(super) fn to_stderr() -> Sink {
    let coloured =
        stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    Arc::new(move |node, line| {
        // One write a line, so that lines of several programs do not mix. Nobody is left to tell if it fails.
        let _ = stderr().write_all(prefixed(node, line, coloured).as_bytes());
    })
}

fn prefixed(node: &str, line: &str, coloured: bool) -> String {
    if !coloured {
        return format!("[{node}] {line}\n");
    }
    let colour = COLOURS[node.bytes().fold(0, |sum, byte| 31 * sum + usize::from(byte)) % COLOURS.len()];
    format!("\u{1b}[{colour}m[{node}]\u{1b}[0m {line}\n")
}

/// To a file for each node in `directory`; what cannot be written there, and the launcher's words, to standard error.
pub(super) fn to_files(directory: PathBuf) -> Sink {
    let (files, otherwise) = (Mutex::new(BTreeMap::<String, Option<File>>::new()), to_stderr());
    Arc::new(move |node, line| {
        if node == "launcher" {
            return otherwise(node, line);
        }
        // No code that holds the lock can panic half-way through a change.
        let mut files = files.lock().unwrap_or_else(PoisonError::into_inner);
        let create = || File::create(file_of(&directory, node)).ok();
        let file = files.entry(node.to_owned()).or_insert_with(create);
        let written =
            file.as_mut().is_some_and(|file| file.write_all(format!("{line}\n").as_bytes()).is_ok());
        if !written {
            otherwise(node, line);
        }
    })
}

/// The file of a node's output.
pub(super) fn file_of(directory: &Path, node: &str) -> PathBuf {
    directory.join(format!("{}.log", node.replace('/', ".")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h3_lines_have_the_nodes_name_and_its_colour() {
        assert_eq!(prefixed("worker/1", "epoch 3", false), "[worker/1] epoch 3\n");
        let coloured = |node| prefixed(node, "", true)[..5].to_owned();
        assert_eq!(coloured("worker/1"), coloured("worker/1"));
        assert_ne!(coloured("worker/1"), coloured("worker/2"));
    }

    #[test]
    fn h3_each_node_has_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let sink = to_files(directory.path().to_owned());
        sink("worker/0", "a");
        sink("worker/1", "b");
        sink("worker/0", "c");
        let read = |name: &str| std::fs::read_to_string(directory.path().join(name)).unwrap();
        assert_eq!((read("worker.0.log").as_str(), read("worker.1.log").as_str()), ("a\nc\n", "b\n"));
    }
}
