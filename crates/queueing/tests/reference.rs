//! The reference file, where it is at hand, through the modules of the example that checks such files; simulations in small.

#[path = "../examples/reference/case.rs"]
mod case;
#[path = "../examples/reference/check.rs"]
mod check;
#[path = "../examples/reference/closed.rs"]
mod closed;
#[path = "../../coded/examples/reference/effort.rs"]
mod effort;
#[path = "../examples/reference/open.rs"]
mod open;
#[path = "../examples/reference/row.rs"]
mod row;
#[path = "../examples/reference/runs.rs"]
mod runs;
#[path = "../examples/reference/verdict.rs"]
mod verdict;

use std::path::PathBuf;

use check::check;
use effort::Effort;

/// The folder of shared data: beside the workspace, or where SYNCLINE_SHARED says.
fn shared() -> Option<PathBuf> {
    let beside = || Some(PathBuf::from(env!("CARGO_MANIFEST_DIR")).ancestors().nth(3)?.join("shared"));
    std::env::var_os("SYNCLINE_SHARED").map(PathBuf::from).or_else(beside).filter(|path| path.is_dir())
}

/// The lines of the reference file without its heading, or nothing if it is not at hand.
fn lines() -> Option<Vec<String>> {
    let file = shared().map(|path| path.join("data/queueing-reference.psv")).filter(|path| path.exists());
    let Some(file) = file else {
        eprintln!("skipped: no queueing-reference.psv beside the workspace");
        return None;
    };
    let text = std::fs::read_to_string(file).ok()?;
    Some(text.lines().skip(1).map(str::to_owned).collect())
}

#[test]
fn every_fifth_row_of_the_reference_file_agrees() {
    let Some(lines) = lines() else { return };
    let some: Vec<String> = lines.into_iter().step_by(5).collect();
    let tally = check(&some.join("\n"), Effort::Quick);
    assert!(tally.is_clean(), "{tally}");
}

#[test]
#[ignore = "nightly: every row in full takes minutes"]
fn nightly_the_reference_file_agrees() {
    let Some(lines) = lines() else { return };
    let tally = check(&lines.join("\n"), Effort::Full);
    assert!(tally.is_clean(), "{tally}");
}

#[test]
fn other_parameters_are_understood_and_wrong_values_found() {
    let right = "SQFJ exact|s=4 k=2 lam=.9|E[T]|1.66047|1.6605±0.005||";
    assert!(check(right, Effort::Quick).is_clean());
    for wrong in [
        "SQFJ exact|s=4 k=2 lam=.9|E[T]|1.66147|1.6605±0.005||",
        "SQFJ exact|s=4 k=2 lam=.9|E[T]|1.66047|1.7605±0.005||",
        "SQFJ exact|s=4 k=2 lam=.9|E[N]|1.66047|1.6605±0.005||",
        "SQFJ exact|s=4 lam=.9|E[T]|1.66047|1.6605±0.005||",
        "Oracle|s=4 k=2 lam=.9|E[T]|1.66047|1.6605±0.005||",
        "nonsense",
    ] {
        assert!(!check(wrong, Effort::Quick).is_clean(), "{wrong}");
    }
}
