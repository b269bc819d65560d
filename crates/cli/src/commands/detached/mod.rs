//! Runs that go on without anybody who waits for them: `--detach`, and `attach`, `logs` and `stop` afterwards.
//!
//! Such a run has a folder, by which it is known. What goes on there is `syncline runs resume FOLDER`, as a process of this
//! host in the background, or as a job of Slurm, which does the same again where the job had to make room or its time was
//! over. What it writes is in the folder's `output`, and where it goes on in `launcher.json`. A run whose folder lies on a volume of
//! Kubernetes is launched by the cluster itself, by a Job after which the run is called.

mod attach;
mod launcher;

use std::{
    ffi::OsString,
    fs::{self, File},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use syncline::{
    paramserv::{RunRecord, RunState, TrainJob},
    program::{Batch, Executor, Launched, kubernetes_command, this_program},
};

use self::launcher::Launcher;
use crate::{
    failure::Failure,
    output::{go_on_with, print, print_table, remark},
};

pub use attach::{AttachArgs, LogsArgs, StopArgs};

/// What a detached run writes.
const OUTPUT: &str = "output";

/// The script that Slurm is given.
const SCRIPT: &str = "job.sh";

/// How often a run that is about to begin is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// Letters of the name under which a cluster launches a run.
const LONGEST: usize = 52;

/// Leaves the run of a folder to itself.
pub fn start(folder: &Path, job: &TrainJob, executor: &Executor, json: bool) -> Result<(), Failure> {
    let folder = std::path::absolute(folder).map_err(Failure::failed)?;
    match script(&folder, job, executor, json)? {
        Some(script) => submit(&folder, &script)?,
        None => leave(&folder, resume(&folder, json)?)?,
    }
    // By which it is followed and stopped: what a script takes up.
    print_table(&folder.display().to_string())?;
    let shown = syncline_terminal::path(&folder);
    remark(&format!(
        "the run goes on by itself; `syncline logs {shown}` shows what it says, `syncline stop {shown}` ends it"
    ));
    go_on_with("to wait for its end:", &format!("syncline attach {shown}"));
    Ok(())
}

/// Has a cluster launch the run of a job whose folder lies on one of its volumes, by these arguments; whether it does.
pub fn send(job: &TrainJob, arguments: Vec<OsString>) -> Result<bool, Failure> {
    let (Some(on), Some(folder)) = (job.on.as_deref(), &job.run_dir) else { return Ok(false) };
    let sent = on.launch_there(&name(folder), arguments, folder).map_err(Failure::failed)?;
    let Some(run) = sent else { return Ok(false) };
    print(&run.to_string())?;
    remark(&format!(
        "the run goes on in the cluster; `syncline logs {run}` shows what it says, `syncline stop {run}` ends it"
    ));
    go_on_with("to wait for its end:", &format!("syncline attach {run}"));
    Ok(true)
}

/// The name under which a cluster launches the run of a folder: a Job has 63 letters at most, its pods some more.
pub fn name(folder: &Path) -> String {
    let last = folder.file_name().unwrap_or_default().to_string_lossy();
    format!("train-{last}").chars().take(LONGEST).collect()
}

/// This part of the command for runs of clusters, where `run` is the name of such a run.
fn of_cluster(run: &Path, part: &[&str]) -> Result<Option<Command>, Failure> {
    let Some(name) = run.to_str().filter(|name| Launched::is_named(name)) else { return Ok(None) };
    let run: Launched = name.parse().map_err(Failure::Usage)?;
    let mut command = kubernetes_command().map_err(Failure::failed)?;
    command.args(part).arg(run.to_string());
    Ok(Some(command))
}

/// Goes on as another command, with its output and its end.
fn become_command(mut command: Command) -> Failure {
    use std::os::unix::process::CommandExt;
    let name = command.get_program().to_string_lossy().into_owned();
    Failure::Failed(format!("cannot start {name}: {}", command.exec()))
}

/// The script that Slurm is given for a run that is left to it; nothing where it goes on elsewhere.
pub fn script(
    folder: &Path,
    job: &TrainJob,
    executor: &Executor,
    json: bool,
) -> Result<Option<String>, Failure> {
    let folder = std::path::absolute(folder).map_err(Failure::failed)?;
    let resume = resume(&folder, json)?;
    let command = std::iter::once(resume.get_program()).chain(resume.get_args());
    Ok(executor.batch_script(&Batch {
        name: folder.file_name().unwrap_or("train".as_ref()).to_string_lossy().into_owned(),
        nodes: job.nodes(),
        command: command.map(OsString::from).collect(),
        output: folder.join(OUTPUT),
    }))
}

/// The arguments of what goes on with the run.
pub fn arguments(folder: &Path, json: bool) -> Result<Vec<OsString>, Failure> {
    let folder = std::path::absolute(folder).map_err(Failure::failed)?;
    Ok(resume(&folder, json)?.get_args().map(OsString::from).collect())
}

/// What goes on with the run.
fn resume(folder: &Path, json: bool) -> Result<Command, Failure> {
    let mut command = this_program().map_err(Failure::failed)?;
    command.args(["runs", "resume"]).arg(folder);
    if json {
        command.arg("--json");
    }
    Ok(command)
}

/// Starts it in the background of this host.
fn leave(folder: &Path, mut resume: Command) -> Result<(), Failure> {
    use std::os::unix::process::CommandExt;
    let output = File::options().create(true).append(true).open(folder.join(OUTPUT));
    let output = output.map_err(|error| cannot("write the output of", folder, error))?;
    let errors = output.try_clone().map_err(|error| cannot("write the output of", folder, error))?;
    // Out of reach of Ctrl-C and of the terminal's end.
    resume.process_group(0).stdin(Stdio::null()).stdout(output).stderr(errors);
    let mut child = resume.spawn().map_err(|error| cannot("start", folder, error))?;
    Launcher::of(child.id()).keep(folder)?;
    await_beginning(folder, &mut child)
}

/// Returns when the run is held by whoever goes on with it there.
///
/// # Errors
/// When that has come to its end before, or at once by a failure.
fn await_beginning(folder: &Path, child: &mut Child) -> Result<(), Failure> {
    loop {
        // In this order: who has ended has written down how before.
        let ended = child.try_wait().map_err(|error| cannot("wait for", folder, error))?;
        match (RunRecord::read(folder)?.state, ended) {
            (RunState::Failed(why), _) => return Err(Failure::Failed(why)),
            (RunState::Killed, None) => thread::sleep(LOOK),
            (RunState::Killed, Some(status)) => {
                let said = fs::read_to_string(folder.join(OUTPUT)).unwrap_or_default();
                let said = said.trim().lines().last().unwrap_or("it said nothing").to_owned();
                return Err(Failure::Failed(format!("the run did not begin: {said} ({status})")));
            }
            (RunState::Running | RunState::Finished | RunState::Interrupted(_), _) => return Ok(()),
        }
    }
}

/// Has Slurm start it.
fn submit(folder: &Path, script: &str) -> Result<(), Failure> {
    let path = folder.join(SCRIPT);
    fs::write(&path, script).map_err(|error| cannot("write the script of", folder, error))?;
    let mut sbatch = Command::new("sbatch");
    let answer = sbatch.arg("--parsable").arg(&path).stdin(Stdio::null()).output();
    let answer = answer.map_err(|error| cannot("ask Slurm by `sbatch` for", folder, error))?;
    if !answer.status.success() {
        let said = String::from_utf8_lossy(&answer.stderr).trim().replace('\n', "; ");
        return Err(Failure::Failed(format!("Slurm takes no job: {said}")));
    }
    // With several clusters the name of one follows.
    let said = String::from_utf8_lossy(&answer.stdout);
    let job = said.trim().split(';').next().unwrap_or_default().to_owned();
    remark(&format!("Slurm has it as job {job}"));
    Launcher::Slurm { job }.keep(folder)
}

fn cannot(doing: &str, folder: &Path, error: std::io::Error) -> Failure {
    Failure::Failed(format!("cannot {doing} the run in {}: {error}", syncline_terminal::path(folder)))
}
