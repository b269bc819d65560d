//! Asks a cluster by its own programs, or reads what they printed.

use std::{
    path::Path,
    process::Command as Process,
    time::{SystemTime, UNIX_EPOCH},
};

use syncline::schedule::snapshot::{Command, Documents, System};

use super::Question;
use crate::{
    failure::Failure,
    output::{detail, remark, wrote},
};

/// The documents that the question is about.
pub fn documents(question: &Question) -> Result<Documents, Failure> {
    let system = match question.from.as_str() {
        "slurm" => System::Slurm,
        "kueue" => System::Kueue,
        path => return recorded(Path::new(path), question),
    };
    let mut documents = Documents::default();
    documents.taken = Some(now());
    if let Some(folder) = &question.save {
        std::fs::create_dir_all(folder)
            .map_err(|error| Failure::Failed(format!("{}: {error}", folder.display())))?;
    }
    for (number, command) in system.commands().iter().enumerate() {
        let Some((line, text)) = ask(command)? else { continue };
        if let Some(folder) = &question.save {
            keep(&folder.join(format!("{number}-{}.{}", line[0], ending(&text))), &text)?;
        }
        documents.add(&line.join(" "), &text)?;
    }
    if let Some(folder) = &question.save {
        wrote(folder);
    }
    Ok(documents)
}

fn recorded(path: &Path, question: &Question) -> Result<Documents, Failure> {
    if question.save.is_some() {
        return Err(Failure::Usage("--save has no effect with a file: it keeps what a cluster says".into()));
    }
    if !path.exists() {
        return Err(Failure::Usage(format!(
            "--from {}: neither `slurm` nor `kueue`, and there is no such file or folder",
            path.display()
        )));
    }
    Ok(Documents::read(path)?)
}

/// In which words and times Slurm's programs answer: whole lists, and times of UTC wherever this machine stands.
const PLAIN: [(&str, &str); 4] =
    [("LC_ALL", "C"), ("TZ", "UTC"), ("SLURM_TIME_FORMAT", "standard"), ("SLURM_BITSTR_LEN", "0")];

/// What a program prints, or what prints the same in older versions.
fn ask(command: &Command) -> Result<Option<(&'static [&'static str], String)>, Failure> {
    let mut told = String::new();
    for line in std::iter::once(command.line).chain(command.instead) {
        detail(&line.join(" "));
        match Process::new(line[0]).args(&line[1..]).envs(PLAIN).output() {
            Ok(output) if output.status.success() => {
                return Ok(Some((line, String::from_utf8_lossy(&output.stdout).into_owned())));
            }
            Ok(output) => {
                let said = String::from_utf8_lossy(&output.stderr);
                told = format!("`{}`: {}", line.join(" "), said.lines().next().unwrap_or("it failed"));
            }
            Err(error) => told = format!("`{}`: {error}", line[0]),
        }
    }
    if command.needed {
        return Err(Failure::Failed(format!(
            "{told}; is this a machine from which the cluster can be asked?"
        )));
    }
    remark(&format!("{told}; answers do without it"));
    Ok(None)
}

fn ending(text: &str) -> &'static str {
    if text.trim_start().starts_with(['{', '[']) { "json" } else { "txt" }
}

fn keep(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|error| Failure::Failed(format!("{}: {error}", path.display())))
}

/// Seconds since 1970.
#[expect(
    clippy::disallowed_methods,
    reason = "a cluster's times are those of the wall, and this is the command line"
)]
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}
