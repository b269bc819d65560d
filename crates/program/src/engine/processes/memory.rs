//! Whether the kernel killed a process because there was no memory left for it.
//!
//! The kernel counts such victims for each control group (`memory.events` of cgroup v2, `memory.oom_control` of v1; see
//! its documentation, admin-guide/cgroup-v2 and cgroup-v1/memory). A process that SIGKILL ended while the count of its
//! group grew is taken for one of them.

use std::fs;
use std::path::{Path, PathBuf};

use crate::life::exit::Exit;

const SIGKILL: i32 = 9;

/// How many victims the control group of this process has had; unknown where nothing counts them.
#[derive(Clone, Debug)]
pub(crate) struct Victims {
    counter: Option<PathBuf>,
    count: Option<u64>,
}

impl Victims {
    pub(crate) fn now() -> Self {
        let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        Self::of(counters(&groups).into_iter().find(|path| count(path).is_some()))
    }

    fn of(counter: Option<PathBuf>) -> Self {
        let count = counter.as_deref().and_then(count);
        Self { counter, count }
    }

    /// What a process's end was, that has lived since this value was made.
    pub(crate) fn among(&self, exit: Exit) -> Exit {
        let now = self.counter.as_deref().and_then(count);
        match exit {
            Exit::Signal(SIGKILL) if now > self.count => Exit::OutOfMemory,
            exit => exit,
        }
    }
}

/// Where the victims of a process in these control groups may be counted; in a container the group's own path may be
/// that of the outside, and the root is what is seen of it.
fn counters(groups: &str) -> Vec<PathBuf> {
    let mut counters = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(group)) = (parts.next(), parts.next()) else { continue };
        let (root, name) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.events"),
            some if some.split(',').any(|one| one == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.oom_control")
            }
            _ => continue,
        };
        let below = Path::new(root).join(group.trim_start_matches('/'));
        counters.extend([below.join(name), Path::new(root).join(name)]);
    }
    counters
}

/// The count in such a file.
fn count(counter: &Path) -> Option<u64> {
    let text = fs::read_to_string(counter).ok()?;
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_of_both_kinds_are_found() {
        let of = |groups| counters(groups).iter().map(|path| path.display().to_string()).collect::<Vec<_>>();
        assert_eq!(
            of("0::/user.slice/a.scope\n"),
            ["/sys/fs/cgroup/user.slice/a.scope/memory.events", "/sys/fs/cgroup/memory.events"]
        );
        assert_eq!(of("4:cpu:/x\n3:memory:/job_7\n").len(), 2);
        assert_eq!(of("3:memory:/job_7\n")[0], "/sys/fs/cgroup/memory/job_7/memory.oom_control");
    }

    #[test]
    fn only_a_kill_while_the_count_grew_was_for_memory() {
        let folder = tempfile::tempdir().unwrap();
        let counter = folder.path().join("memory.events");
        let write = |count: u64| fs::write(&counter, format!("low 0\noom 9\noom_kill {count}\n")).unwrap();
        write(3);
        let victims = Victims::of(Some(counter.clone()));
        assert_eq!(victims.among(Exit::Signal(9)), Exit::Signal(9));
        write(4);
        assert_eq!(victims.among(Exit::Signal(9)), Exit::OutOfMemory);
        assert_eq!(victims.among(Exit::Code(0)), Exit::Code(0));
        assert_eq!(Victims::of(None).among(Exit::Signal(9)), Exit::Signal(9));
    }
}
