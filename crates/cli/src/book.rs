//! The chapters keep pace with the command: what they tell a reader to type is understood, and where they point something is.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use clap::error::ErrorKind;

/// The repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// README.md and the pages of these folders, in order.
fn pages(folders: &[&str]) -> Vec<PathBuf> {
    let mut pages: Vec<PathBuf> = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"]
        .map(|name| root().join(name))
        .into();
    for folder in folders {
        let entries = fs::read_dir(root().join(folder)).unwrap();
        pages.extend(
            entries
                .map(|entry| entry.unwrap().path())
                .filter(|path| path.extension().is_some_and(|e| e == "md")),
        );
    }
    pages.sort();
    pages
}

/// The lines of shell listings (fenced as `sh`, or indented), of which those that end in a backslash go on.
fn shell_lines(text: &str) -> Vec<String> {
    let (mut lines, mut shell, mut other, mut going_on) = (Vec::<String>::new(), false, false, false);
    for line in text.lines() {
        if let Some(kind) = line.trim_start().strip_prefix("```") {
            (shell, other) = if shell || other { (false, false) } else { (kind == "sh", kind != "sh") };
            continue;
        }
        let indented = line.starts_with("    ");
        if other || !(shell || indented) {
            going_on = false;
            continue;
        }
        let line = line.trim();
        let (text, more) = line.strip_suffix('\\').map_or((line, false), |text| (text, true));
        match lines.last_mut().filter(|_| going_on) {
            Some(last) => *last = format!("{last} {text}"),
            None => lines.push(text.to_owned()),
        }
        going_on = more;
    }
    lines
}

/// The arguments of each call of `syncline` in a line of shell.
fn calls(line: &str) -> Vec<Vec<String>> {
    let Some(words) = shlex::split(line) else { return Vec::new() };
    let commands = words.split(|word| matches!(word.as_str(), "|" | "&&" | ";" | "&" | "exec" | "(" | ")"));
    commands.filter(|words| words.first().is_some_and(|word| word == "syncline")).map(arguments).collect()
}

/// `syncline run` starts scripts and comes with the Python package, which alone knows it.
fn is_of_the_wheel(call: &[String]) -> bool {
    call.get(1).is_some_and(|command| command == "run")
}

/// A call without what the shell does with its streams.
fn arguments(words: &[String]) -> Vec<String> {
    let mut arguments = Vec::new();
    let mut words = words.iter().map(|word| word.trim_end_matches(';'));
    while let Some(word) = words.next() {
        match word.trim_start_matches(|digit: char| digit.is_ascii_digit()) {
            ">" | ">>" | "<" => _ = words.next(),
            other if other.starts_with(['>', '<']) && word != "<" => {}
            // What a variable holds; a number is fine for a name as well.
            other if other.starts_with('$') => arguments.push("1".to_owned()),
            _ => arguments.push(word.to_owned()),
        }
    }
    arguments
}

#[test]
fn what_the_chapters_tell_a_reader_to_type_is_understood() {
    let (mut wrong, mut understood) = (Vec::new(), 0);
    for page in pages(&["docs/book"]) {
        for line in shell_lines(&fs::read_to_string(&page).unwrap()) {
            for call in calls(&line).into_iter().filter(|call| !is_of_the_wheel(call)) {
                match crate::read(call.into_iter().map(OsString::from)) {
                    Err(error)
                        if !matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) =>
                    {
                        wrong.push(format!("{}: {line}\n  {}", page.display(), crate::said(&error)));
                    }
                    _ => understood += 1,
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(understood > 100, "only {understood} commands were found in the chapters");
}

#[test]
fn every_chapter_is_in_the_table_of_contents_and_every_link_leads_somewhere() {
    let contents = fs::read_to_string(root().join("docs/book/SUMMARY.md")).unwrap();
    let listed: BTreeSet<String> = links(&contents).collect();
    let mut astray = Vec::new();
    for page in pages(&["docs/book", "docs/measurements"]) {
        let folder = page.parent().unwrap();
        let name = page.file_name().unwrap().to_string_lossy().into_owned();
        if folder.ends_with("docs/book") && name != "SUMMARY.md" && !listed.contains(&name) {
            astray.push(format!("SUMMARY.md does not list {name}"));
        }
        let text = fs::read_to_string(&page).unwrap();
        let broken = links(&text).filter(|link| !folder.join(link).exists());
        astray.extend(broken.map(|link| format!("{}: nothing is at {link}", page.display())));
    }
    assert!(astray.is_empty(), "{}", astray.join("\n"));
}

/// Where a page points, within the repository.
fn links(text: &str) -> impl Iterator<Item = String> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
    let paths = targets.map(|target| target.split('#').next().unwrap_or_default());
    paths.filter(|path| !path.is_empty() && !path.contains("://") && !path.contains(' ')).map(str::to_owned)
}
