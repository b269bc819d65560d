//! What goes to standard output, what is remarked on standard error, and where files are going to be written.
//!
//! Standard output has the answer and nothing else; what was written, warnings and what is being done go to standard error.
//! Every text passes [`Screen::safe`](syncline_terminal::Screen::safe) here, the last boundary before a terminal.

use std::{
    cell::RefCell,
    io::{self, Write},
    os::unix::fs::MetadataExt,
    path::Path,
};

use serde::Serialize;
use syncline_terminal::{Detail, Page, Style, escape, json, unit, wrap};

use crate::{failure::Failure, heard, screen};

/// An empty page for standard output.
pub fn page() -> Page {
    Page::new(&screen::stdout())
}

/// Prints text and a line's end. A reader that has gone away ends the command quietly.
pub fn print(text: &str) -> Result<(), Failure> {
    let screen = screen::stdout();
    let text = screen.safe(text.trim_end());
    print_raw(format!("{}\n", screen.fit(&text)).as_bytes())
}

/// Prints a table that another program reads, whose lines are as long as they are. Foreign names in it lose their effect.
pub fn print_table(text: &str) -> Result<(), Failure> {
    let text = screen::stdout().safe(text.trim_end());
    print_raw(format!("{text}\n").as_bytes())
}

/// Prints bytes as they are: what another program reads, in which nothing comes from a file.
pub fn print_raw(bytes: &[u8]) -> Result<(), Failure> {
    if heard::take(bytes) {
        return Ok(());
    }
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::OutputClosed,
        _ => Failure::Failed(format!("cannot write to standard output: {error}")),
    })
}

/// Says on standard error that something is doubtful.
pub fn warn(text: &str) {
    aside("warning:", Style::Warning, text);
}

/// Says on standard error what went wrong.
pub fn complain(word: &str, text: &str) {
    aside(word, Style::Bad, text);
}

/// Says on standard error something that a reader of the answer should know.
pub fn remark(text: &str) {
    if screen::detail() > Detail::Quiet {
        aside("note:", Style::Faint, text);
    }
}

/// Says on standard error, in one line, which file was written.
pub fn wrote(path: &Path) {
    let size = path.metadata().ok().filter(|found| found.is_file());
    let size = size.map_or(String::new(), |found| format!(" ({})", unit::bytes(found.len() as f64)));
    if screen::detail() > Detail::Quiet {
        aside("wrote", Style::Faint, &format!("{}{size}", syncline_terminal::path(path)));
    }
}

/// Says on standard error which command does what comes next: on a line of its own that is never broken, to be copied.
pub fn go_on_with(what: &str, command: &str) {
    if screen::detail() > Detail::Quiet {
        if heard::is_listening() {
            return aside("note:", Style::Faint, &format!("{what} {command}"));
        }
        aside("note:", Style::Faint, what);
        eprintln!("  {}", syncline_terminal::escape(command));
    }
}

/// Says on standard error what is being done, to whom wants to know.
pub fn detail(text: &str) {
    if screen::detail() >= Detail::Verbose {
        aside("note:", Style::Faint, text);
    }
}

/// A coloured word and a message. Lines of the message that are meant as lines begin with two blanks; any other line end is
/// part of a name, and is shown as one.
fn aside(word: &str, style: Style, text: &str) {
    if heard::take_remark(word, text) {
        return;
    }
    let screen = screen::stderr();
    let first = format!("{word} ");
    let mut lines = text.trim_end().split("\n  ").enumerate().flat_map(|(index, line)| {
        let first = if index == 0 { &first } else { "  " };
        wrap(&escape(line), screen.width(), first, "  ")
    });
    // Only the word has a colour: a message is read, not looked at.
    let head = lines.next().map_or(String::new(), |line| line.replacen(word, &screen.paint(style, word), 1));
    let text: String = std::iter::once(head).chain(lines).map(|line| line + "\n").collect();
    // Nobody can be told that standard error is closed.
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

thread_local! {
    // The command whose documents are printed, with its subcommand.
    static COMMAND: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Keeps the name of the command, for the schema of its documents: `trace.report`.
pub fn set_command(name: &str) {
    COMMAND.replace(name.to_owned());
}

/// The versions of documents that are no longer at their first; a version rises when a key changes its meaning or goes.
const VERSIONS: &[(&str, u32)] =
    &[("predict", 2), ("queue.sweep", 2), ("schedule.plan", 2), ("schedule.simulate", 2), ("train", 2)];

/// A JSON document: what it is, and its content.
#[derive(Serialize)]
struct Document<'a, T> {
    schema: String,
    #[serde(flatten)]
    content: &'a T,
}

/// Prints a value as a JSON document. It must be a structure or a map; lists go through [`print_json_list`].
pub fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    print_raw(json_document(&COMMAND.with_borrow(String::clone), value)?.as_bytes())
}

/// The same of a command that prints several kinds of documents: `part` says which.
pub fn print_json_of(part: &str, value: &impl Serialize) -> Result<(), Failure> {
    let command = COMMAND.with_borrow(|command| format!("{command}.{part}"));
    print_raw(json_document(&command, value)?.as_bytes())
}

/// A value as the JSON document of a command.
pub fn json_document(command: &str, value: &impl Serialize) -> Result<String, Failure> {
    let document = Document { schema: schema(command), content: value };
    let text = serde_json::to_string_pretty(&document)
        .map_err(|error| Failure::Failed(format!("cannot write the report as JSON: {error}")))?;
    Ok(format!("{}\n", json(&text)))
}

/// Prints a list as a JSON document with one key, its name.
pub fn print_json_list(name: &str, list: &[impl Serialize]) -> Result<(), Failure> {
    print_json(&std::collections::BTreeMap::from([(name, list)]))
}

/// `syncline.trace.report/1`.
fn schema(command: &str) -> String {
    let version = VERSIONS.iter().find(|(name, _)| *name == command).map_or(1, |(_, version)| *version);
    format!("syncline.{command}/{version}")
}

/// Finds out before hours of work whether a file can be created, or replaced, at `path` when they are over.
pub fn check_writable(path: &Path) -> Result<(), Failure> {
    let cannot = |why: &dyn std::fmt::Display| {
        Failure::Failed(format!(
            "cannot write {}: {why}; choose a file in a folder that exists and that you may write to",
            syncline_terminal::path(path)
        ))
    };
    match path.metadata() {
        Ok(found) if found.is_dir() => return Err(cannot(&"it is a folder")),
        // A rename would put a plain file in the place of a device or a pipe.
        Ok(found) if !found.is_file() => return Err(cannot(&"it is not a plain file")),
        _ => {}
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    tempfile::Builder::new()
        .prefix(".syncline-")
        .tempfile_in(folder)
        .map(drop)
        .map_err(|error| cannot(&error))
}

/// Refuses to write over a file that the same command reads, or writes for something else.
pub fn check_distinct(outputs: &[&Path], inputs: &[&Path]) -> Result<(), Failure> {
    // A file that does not exist yet has no canonical path, but its folder has.
    let place = |path: &Path| {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let joined = || Some(folder.canonicalize().ok()?.join(path.file_name()?));
        path.canonicalize().ok().or_else(joined).unwrap_or_else(|| path.to_owned())
    };
    for (index, output) in outputs.iter().enumerate() {
        let others = inputs.iter().chain(&outputs[..index]);
        if others.into_iter().any(|other| place(other) == place(output) || is_same_file(other, output)) {
            let message = format!(
                "{} is named twice, and would be overwritten: choose another file to write to",
                syncline_terminal::path(output)
            );
            return Err(Failure::Usage(message));
        }
    }
    Ok(())
}

/// Whether two names lead to one file: links too.
fn is_same_file(one: &Path, other: &Path) -> bool {
    let found = |path: &Path| path.metadata().ok().map(|found| (found.dev(), found.ino()));
    found(one).is_some_and(|one| Some(one) == found(other))
}
