//! Asking Slurm for room, and holding what it gives.
//!
//! The allocation is held by a process whose input only the launcher has, so that it goes with the launcher, however that
//! ends.

use std::io::{self, BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread;

use super::given::Given;
use super::job::Job;
use super::wishes::Wishes;
use crate::launch::executor::Sink;
use crate::{Error, Resources};

/// What tells of an allocation from within, up to an empty line, and then holds it.
const HOLDER: &str = "env | grep '^SLURM_'; echo; exec cat >/dev/null";

/// What starts `salloc` and ends it some seconds after the input was closed, if its job still waits and nothing is run in it then: what
/// [holds](HOLDER) an allocation ends by itself, and `salloc`, asked to end at that moment, may turn in circles for ever (Slurm 22.05).
/// (A shell gives what it starts in the background no input unless that is named.)
const GUARD: &str = "exec 3<&0; \"$@\" <&3 & salloc=$!; \
                     { read -r none <&3; for second in 1 2 3 4 5 6 7 8 9 10; do sleep 1; done; kill $salloc; } >/dev/null 2>&1 & \
                     guard=$!; wait $salloc; code=$?; kill $guard 2>/dev/null; exit $code";

/// With which code a shell ends that finds no such command.
const NO_COMMAND: i32 = 127;

/// The process that holds an allocation, or waits for it, for as long as its input is open.
pub(super) struct Hold {
    guard: Child,
    input: Option<ChildStdin>,
}

/// Nodes that ask for the same.
#[derive(Debug, PartialEq, Eq)]
struct Alike {
    cpus: usize,
    gpus: usize,
    memory: Option<u64>,
    nodes: usize,
}

/// The nodes as tasks of one kind: each with the most that any of them asks for, so that a task has room for every node.
fn same(needs: &[&Resources]) -> Alike {
    let most = |of: fn(&Resources) -> Option<usize>| needs.iter().filter_map(|needs| of(needs)).max();
    Alike {
        cpus: most(|needs| needs.cpus).unwrap_or(1),
        gpus: most(|needs| needs.gpus).unwrap_or(0),
        memory: needs.iter().filter_map(|needs| needs.memory).max(),
        // For a job there must be a task.
        nodes: needs.len().max(1),
    }
}

/// The nodes by what they ask for, in the order in which that first comes.
fn alike(needs: &[&Resources]) -> Vec<Alike> {
    let mut all: Vec<Alike> = Vec::new();
    for Resources { cpus, gpus, memory, .. } in needs {
        let (cpus, gpus, memory) = (cpus.unwrap_or(1), gpus.unwrap_or(0), *memory);
        let same = |alike: &&mut Alike| (alike.cpus, alike.gpus, alike.memory) == (cpus, gpus, memory);
        match all.iter_mut().find(same) {
            Some(alike) => alike.nodes += 1,
            None => all.push(Alike { cpus, gpus, memory, nodes: 1 }),
        }
    }
    all
}

/// What asks for room, still without what is run there. Nodes that ask for unlike things make a heterogeneous job only where that is
/// wished for, since Slurm gives each part of it hosts of its own.
pub(super) fn asking(program: &str, wishes: &Wishes, needs: &[&Resources]) -> Command {
    let mut command = Command::new("salloc");
    let parts = if wishes.is_hetjob && !needs.is_empty() { alike(needs) } else { vec![same(needs)] };
    for (number, Alike { cpus, gpus, memory, nodes }) in parts.into_iter().enumerate() {
        if number > 0 {
            command.arg(":");
        }
        command.arg(format!("--job-name={program}")).arg("--no-kill").arg(format!("--ntasks={nodes}"));
        if cpus > 1 {
            command.arg(format!("--cpus-per-task={cpus}"));
        }
        if gpus > 0 {
            command.arg(format!("--gpus-per-task={gpus}"));
        }
        let is_said = wishes.flags().iter().any(|flag| flag.starts_with("--mem"));
        if let Some(bytes) = memory.filter(|_| !is_said) {
            command.arg(format!("--mem-per-cpu={}M", bytes.div_ceil(cpus as u64 * MIB)));
        }
        command.args(wishes.flags());
    }
    command
}

/// In which Slurm counts memory.
const MIB: u64 = 1 << 20;

/// Asks Slurm for room and waits until it is given, telling why it is not.
pub(super) fn ask(
    program: &str,
    wishes: &Wishes,
    needs: &[&Resources],
    sink: &Sink,
) -> Result<(Given, Hold, Vec<String>), Error> {
    let asking = asking(program, wishes, needs);
    let mut command = Command::new("sh");
    command.args(["-c", GUARD, "salloc"]).arg(asking.get_program()).args(asking.get_args());
    command.args(["sh", "-c", HOLDER]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let doing = "cannot ask Slurm for room with `salloc`";
    let mut guard = command.spawn().map_err(Error::system(doing))?;
    let (input, output, errors) = (guard.stdin.take(), guard.stdout.take(), guard.stderr.take());
    let mut hold = Hold { guard, input };
    let sink = Arc::clone(sink);
    let words = thread::spawn(move || errors.map(|errors| hear(errors, &sink)).unwrap_or_default());
    let lines = output.map(|output| BufReader::new(output).lines().map_while(Result::ok));
    let told: Vec<String> = lines.into_iter().flatten().take_while(|line| !line.is_empty()).collect();
    let Some(given) = Given::of_lines(&told.join("\n")) else {
        if hold.release().is_some_and(|status| status.code() == Some(NO_COMMAND)) {
            return Err(Error::system(doing)(io::ErrorKind::NotFound.into()));
        }
        let said = words.join().unwrap_or_default().join("; ");
        return Err(Error::Slurm(if said.is_empty() { "salloc said nothing".to_owned() } else { said }));
    };
    let nodes: Vec<_> = given.parts.iter().map(|part| part.nodes.as_str()).collect();
    let remark = format!("Slurm gave job {} on {}", given.job, nodes.join(" and "));
    Ok((given, hold, vec![remark]))
}

/// Hears what `salloc` says; while its job waits, tells why.
fn hear(errors: impl io::Read, sink: &Sink) -> Vec<String> {
    let mut said = Vec::new();
    for line in BufReader::new(errors).lines().map_while(Result::ok) {
        if let Some(job) = line.strip_prefix("salloc: Pending job allocation ") {
            let (job, sink) = (Job(job.trim().to_owned()), Arc::clone(sink));
            thread::spawn(move || job.tell_why_it_waits(&sink));
        }
        said.push(line.strip_prefix("salloc: error: ").unwrap_or(&line).to_owned());
    }
    said
}

impl Hold {
    /// Gives the allocation back and waits until that is done.
    fn release(&mut self) -> Option<ExitStatus> {
        drop(self.input.take());
        self.guard.wait().ok()
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let _ = self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::hosts::shell::typed;

    #[test]
    fn nodes_are_tasks_of_one_kind_or_those_of_each_kind_of_a_part_of_the_job() {
        let (plain, gpu) = (Resources::default(), Resources::default().cpus(4).gpus(1).memory(8 << 30));
        let mut wishes = Wishes::default();
        wishes.add("partition", Some("all")).unwrap();
        let asked = |wishes: &Wishes, needs: &[&Resources]| typed(&asking("train", wishes, needs));
        let all = [&plain, &gpu, &plain, &gpu, &gpu];
        let (plainly, most) = (
            "--job-name=train --no-kill --ntasks=2 --partition=all",
            "--cpus-per-task=4 --gpus-per-task=1 --mem-per-cpu=2048M --partition=all",
        );
        assert_eq!(asked(&wishes, &[&plain, &plain]), format!("salloc {plainly}"));
        assert_eq!(asked(&wishes, &all), format!("salloc --job-name=train --no-kill --ntasks=5 {most}"));
        let none = asked(&wishes, &[]);
        assert_eq!(none, "salloc --job-name=train --no-kill --ntasks=1 --partition=all");
        wishes.add("hetjob", None).unwrap();
        assert_eq!(
            asked(&wishes, &all),
            format!("salloc {plainly} : --job-name=train --no-kill --ntasks=3 {most}")
        );
        assert_eq!(asked(&wishes, &[]), none);
        wishes.add("mem", Some("0")).unwrap();
        assert!(!asked(&wishes, &[&gpu]).contains("mem-per-cpu"));
    }
}
