//! The command around the rows, which is the same for every crate that has reference rows.

use std::process::ExitCode;

use crate::effort::Effort;

/// Reads the file that the command line names and checks it: 0 if all is as it should be, 1 if not, 2 if there is no file.
pub fn run(check: impl Fn(&str, Effort) -> bool) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (path, effort) = match &arguments[..] {
        [path] => (path, Effort::Full),
        [path, quick] if quick == "--quick" => (path, Effort::Quick),
        _ => {
            eprintln!("usage: reference FILE.psv [--quick]");
            return ExitCode::from(2);
        }
    };
    match std::fs::read_to_string(path) {
        Ok(text) if check(&text, effort) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(1),
        Err(error) => {
            eprintln!("error: cannot read {path}: {error}");
            ExitCode::from(2)
        }
    }
}
