//! Jobs that name others which must be over before them: arrays by the name of the entry, circles, names that nobody has.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::list::invalid;
use crate::{error::Result, model::Job};

/// Puts the jobs of an array in the place of its name. `arrays` has how many each has.
pub(super) fn expand(job: &mut Job, arrays: &BTreeMap<String, u64>) {
    for names in [&mut job.after, &mut job.after_any] {
        let all = |name: String| match arrays.get(&name) {
            Some(count) => (0..*count).map(|number| format!("{name}-{number}")).collect(),
            None => vec![name],
        };
        *names = std::mem::take(names).into_iter().flat_map(all).collect();
    }
}

/// Refuses names that neither a job of the list nor, by `elsewhere`, another has, and circles.
///
/// # Errors
/// The first of them.
pub fn check(jobs: &[&Job], elsewhere: &dyn Fn(&str) -> bool) -> Result<()> {
    let numbers: BTreeMap<&str, usize> =
        jobs.iter().enumerate().map(|(at, job)| (job.name.as_str(), at)).collect();
    for job in jobs {
        for (field, names) in [("after", &job.after), ("after_any", &job.after_any)] {
            let unknown = names
                .iter()
                .find(|name| name.is_empty() || !(numbers.contains_key(name.as_str()) || elsewhere(name)));
            if let Some(name) = unknown {
                let wanted = "it names jobs that there are, or an array of the same file";
                return Err(of(job, invalid(field, &json!(name), wanted)));
            }
        }
    }
    let mut done = BTreeSet::new();
    (0..jobs.len()).try_for_each(|at| visit(jobs, &numbers, at, &mut done))
}

/// Walks along what a job comes after, without recursion: files may chain a hundred thousand jobs.
fn visit(
    jobs: &[&Job],
    numbers: &BTreeMap<&str, usize>,
    first: usize,
    done: &mut BTreeSet<usize>,
) -> Result<()> {
    let before = |at: usize| -> Vec<usize> {
        let names = jobs[at].after.iter().chain(&jobs[at].after_any);
        names.filter_map(|name| numbers.get(name.as_str()).copied()).collect()
    };
    let mut path: Vec<(usize, Vec<usize>)> = vec![(first, before(first))];
    let mut open = BTreeSet::from([first]);
    if done.contains(&first) {
        return Ok(());
    }
    while let Some((at, rest)) = path.last_mut() {
        match rest.pop() {
            None => {
                done.insert(*at);
                open.remove(at);
                path.pop();
            }
            Some(next) if open.contains(&next) => {
                let wanted = "each of the two would wait for the other for ever";
                return Err(of(jobs[next], invalid("after", &json!(jobs[next].name), wanted)));
            }
            Some(next) if !done.contains(&next) => {
                open.insert(next);
                path.push((next, before(next)));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// The same fault with the job's name.
fn of(job: &Job, error: crate::Error) -> crate::Error {
    match error {
        crate::Error::Invalid { field, found, wanted, .. } => {
            crate::Error::Invalid { subject: format!("job `{}`", job.name), field, found, wanted }
        }
        other => other,
    }
}
