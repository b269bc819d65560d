//! What the user wishes of Slurm: its own options, and how long before the time limit the program is told.

use std::time::Duration;

/// What is ours to say to Slurm.
const OURS: [&str; 10] = [
    "job-name",
    "ntasks",
    "cpus-per-task",
    "no-shell",
    "no-kill",
    "chdir",
    "input",
    "output",
    "error",
    "jobid",
];

/// The notice that is given where none is wished for, unless the limit is short.
const NOTICE: Duration = Duration::from_secs(60);

/// What stands behind `slurm:`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Wishes {
    flags: Vec<String>,
    /// How long before its time limit the program is told to come to its end.
    pub(super) notice: Option<Duration>,
    /// Whether nodes that ask for unlike things are to have parts of their own of a heterogeneous job.
    pub(super) is_hetjob: bool,
    /// Whether there need be no room for nodes that are not there from the start.
    pub(super) is_for_present: bool,
}

impl Wishes {
    /// Takes an option in: `notice`, `hetjob` and `present` are for us, all others are Slurm's.
    pub(in super::super) fn add(&mut self, name: &str, value: Option<&str>) -> Result<(), String> {
        if name == "notice" {
            let seconds = value.and_then(|value| value.parse().ok());
            let seconds = seconds.ok_or("`notice` is a number of seconds, as in notice=120")?;
            self.notice = Some(Duration::from_secs(seconds));
            return Ok(());
        }
        if let "hetjob" | "present" = name {
            let ours = if name == "hetjob" { &mut self.is_hetjob } else { &mut self.is_for_present };
            *ours = true;
            return value.map_or(Ok(()), |_| Err(format!("`{name}` takes no value")));
        }
        check(name)?;
        self.flags.push(value.map_or_else(|| format!("--{name}"), |value| format!("--{name}={value}")));
        Ok(())
    }

    /// Slurm's own options, as its commands take them.
    pub(in super::super) fn flags(&self) -> &[String] {
        &self.flags
    }
}

/// Refuses an option that this engine sets itself.
fn check(name: &str) -> Result<(), String> {
    let known =
        !name.is_empty() && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-');
    if !known || name.starts_with('-') {
        return Err(format!("`{}` is no option of Slurm; write it as in partition=gpu", name.escape_debug()));
    }
    if OURS.contains(&name) {
        return Err(format!("`{name}` is set by the program itself"));
    }
    if name == "array" {
        let why = "a launch is one job: submit an array of launches by a batch script of your own, in which each has a folder, \
                   as in --run-dir runs/$SLURM_ARRAY_TASK_ID";
        return Err(why.to_owned());
    }
    Ok(())
}

/// The notice for a limit of which so much is left: a minute, but no more than a fifth.
pub(super) fn notice_of(left: Duration) -> Duration {
    NOTICE.min(left / 5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_slurms_own_words() {
        assert!(check("ntasks-per-node").is_ok());
        assert!(check("-p").is_err() && check("a b").is_err() && check("").is_err());
        assert!(check("array").unwrap_err().contains("$SLURM_ARRAY_TASK_ID"));
        assert!(check("ntasks").unwrap_err().contains("set by the program itself"));
    }

    #[test]
    fn notice_is_a_number_of_seconds() {
        let mut wishes = Wishes::default();
        wishes.add("notice", Some("90")).unwrap();
        wishes.add("time", Some("5")).unwrap();
        assert_eq!(
            (wishes.notice, wishes.flags()),
            (Some(Duration::from_secs(90)), &["--time=5".to_owned()][..])
        );
        assert!(wishes.add("notice", Some("soon")).unwrap_err().contains("notice=120"));
        assert!(wishes.add("hetjob", Some("yes")).is_err());
        wishes.add("present", None).unwrap();
        assert!(wishes.is_for_present && wishes.flags().len() == 1);
        assert_eq!(notice_of(Duration::from_secs(60)), Duration::from_secs(12));
    }
}
