//! The way to pods that Kubernetes makes, one for each node.
//!
//! The client of Kubernetes is a command of its own, `syncline-kubernetes`, as `ssh` and `srun` are others: one process of it
//! holds the run, and deletes what is left of it in the cluster when the launcher lets go, however that ends; and one a node
//! creates the pod, carries its input and output, and writes down how it ended. What the pod runs is the image's own copy
//! of this program, as an agent.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use syncline_kubernetes::launched::Launched;
use syncline_kubernetes::order::{COMMAND, Claim, END, End, Ground, ORDER, Order, Plan};
use syncline_kubernetes::wishes::Wishes;
use syncline_wire::Token;
use tempfile::TempDir;

use super::agent::{self, AGENT};
use super::site::Opened;
use crate::Error;
use crate::control::meeting::PREFIX;
use crate::control::role::Role;
use crate::engine::processes::allotment::Share;
use crate::engine::processes::restart;
use crate::engine::processes::way::{self, Start, Way};
use crate::engine::{Reach, Seat};
use crate::launch::executor::Sink;
use crate::life::exit::Exit;

/// The variable that names the command, where it is neither beside this binary nor on the path.
const NAMED: &str = "SYNCLINE_KUBERNETES_COMMAND";

/// How many letters name a run.
const NAME_LENGTH: usize = 8;

/// After a node's end its pod tells how it was: a kubelet looks at its containers once a second, and on a busy machine takes several.
pub(super) const TOLD_WITHIN: Duration = Duration::from_secs(10);

/// The pods of a run.
pub(super) struct Kubernetes {
    command: PathBuf,
    run: String,
    wishes: Wishes,
    ground: Ground,
    /// Where it is written how nodes ended.
    ends: TempDir,
    /// Deletes what is left when it is dropped.
    _hold: Hold,
}

impl Kubernetes {
    /// Looks whether the cluster can be used, and has the run held there.
    pub(super) fn open(wishes: &Wishes, sink: &Sink) -> Result<Opened, Error> {
        if restart::is_said() {
            let why = "an interpreter runs this program, and a pod runs a binary of its own";
            return Err(Error::NoHost(why.to_owned()));
        }
        let command = command()?;
        // Of a random number of its own: the run's secret must not be guessed from it.
        let run: String = Token::random().to_hex().chars().take(NAME_LENGTH).collect();
        let ends = tempfile::Builder::new().prefix(PREFIX).tempdir();
        let ends = ends.map_err(Error::system("cannot make a directory for what is told of pods"))?;
        let claim = Claim { run: run.clone(), wishes: wishes.clone() };
        let (ground, hold) = Hold::start(&command, &claim, sink)?;
        let wishes =
            Wishes { image: wishes.image.clone().or_else(|| ground.image.clone()), ..wishes.clone() };
        let (toward, namespace) = (ground.toward.clone(), ground.namespace.clone());
        let way = Self { command, run: run.clone(), wishes, ground, ends, _hold: hold };
        let remarks = vec![format!("its pods are in namespace {namespace}, with label syncline/run={run}")];
        Ok(Opened { way: Box::new(way), toward, remarks })
    }
}

impl Way for Kubernetes {
    fn reach(&self) -> Reach {
        Reach::Network
    }

    fn start(&mut self, seat: &Seat, role: &Role, arguments: Option<&[String]>) -> Result<Start, Error> {
        let arguments = match arguments {
            Some(arguments) => arguments.to_vec(),
            None => texts(env::args_os().skip(1).collect())?,
        };
        let ours = role.variables().into_iter().chain([(AGENT, "1".to_owned())]);
        let ours = ours.map(|(name, value)| (name.to_owned(), value));
        let order = Order {
            run: self.run.clone(),
            program: role.program.clone(),
            node: role.node.clone(),
            incarnation: role.incarnation,
            namespace: self.ground.namespace.clone(),
            owner: self.ground.owner.clone(),
            cpus: seat.needs.cpus,
            memory: seat.needs.memory,
            gpus: seat.needs.gpus,
            binary: binary(&self.wishes)?,
            arguments,
            environment: seat.needs.environment.iter().cloned().chain(ours).collect(),
            wishes: self.wishes.clone(),
        };
        let end = self.ends.path().join(format!("{}.{}", seat.id.file_name(), role.incarnation));
        let mut command = Command::new(&self.command);
        command.arg("carry").arg(&role.node).env(ORDER, json(&order)?).env(END, &end);
        let told = move |status, _| match written(&end) {
            Some(end) => told(end),
            None => way::told(status),
        };
        Ok(Start { command, host: None, share: Share::default(), told: Box::new(told) })
    }
}

/// What is given to `kubectl apply` to have the cluster launch this program itself, with these arguments.
pub(super) fn manifest(program: &str, wishes: &Wishes, arguments: Vec<OsString>) -> Result<String, Error> {
    planned("manifest", program, wishes, arguments)
}

/// Has the cluster launch this program itself, with these arguments and under this name; nothing where what is left of the run in
/// `folder` would not outlive the launcher's pod, since that lies on none of the volumes.
pub(super) fn launch(
    name: &str,
    wishes: &Wishes,
    arguments: Vec<OsString>,
    folder: &Path,
) -> Result<Option<Launched>, Error> {
    if !wishes.volumes.iter().any(|volume| folder.starts_with(&volume.path) && !volume.read_only) {
        return Ok(None);
    }
    let named = planned("launch", name, wishes, arguments)?;
    named.trim().parse().map(Some).map_err(Error::Kubernetes)
}

/// What a part of the command prints that is told of a launch.
fn planned(part: &str, program: &str, wishes: &Wishes, arguments: Vec<OsString>) -> Result<String, Error> {
    let plan = Plan {
        program: program.to_owned(),
        arguments: texts(arguments)?,
        binary: binary(wishes)?,
        wishes: wishes.clone(),
    };
    let mut command = kubernetes_command()?;
    command.arg(part).env(ORDER, json(&plan)?).stdin(Stdio::null());
    let output = command.output().map_err(Error::system(format!("cannot start {COMMAND}")))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(Error::Kubernetes(said(&output.stderr))),
    }
}

/// The command `syncline-kubernetes`, still without arguments: what follows and stops runs that a cluster has launched.
///
/// # Errors
/// [`Error::Kubernetes`] when it is neither beside this binary nor on the path.
pub fn kubernetes_command() -> Result<Command, Error> {
    command().map(Command::new)
}

/// Where the command is: named, beside this binary, or on the path.
fn command() -> Result<PathBuf, Error> {
    if let Some(named) = env::var_os(NAMED) {
        return Ok(named.into());
    }
    let own = env::current_exe().ok();
    let beside = own.as_deref().and_then(Path::parent).map(Path::to_owned);
    let path = env::var_os("PATH").unwrap_or_default();
    let places = beside.into_iter().chain(env::split_paths(&path));
    places.map(|folder| folder.join(COMMAND)).find(|path| path.is_file()).ok_or_else(|| {
        Error::Kubernetes(format!(
            "the command {COMMAND} is neither beside this binary nor on the path; `cargo install --path crates/kubernetes \
             --features cluster` makes it"
        ))
    })
}

/// Where in the image this program is.
fn binary(wishes: &Wishes) -> Result<String, Error> {
    if let Some(binary) = &wishes.binary {
        return Ok(binary.clone());
    }
    let own = way::this_binary("the first node")?;
    Ok(format!("/bin/{}", own.file_name().unwrap_or("program".as_ref()).to_string_lossy()))
}

/// Arguments, as an object of Kubernetes can hold them.
fn texts(arguments: Vec<OsString>) -> Result<Vec<String>, Error> {
    let text = |argument: OsString| {
        argument.into_string().map_err(|argument| {
            let shown = argument.to_string_lossy().escape_debug().to_string();
            Error::Kubernetes(format!("the argument `{shown}` is no UTF-8, which pods' arguments must be"))
        })
    };
    arguments.into_iter().map(text).collect()
}

fn json(order: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(order).map_err(|error| Error::Kubernetes(error.to_string()))
}

/// How the node ended, as the command wrote it down; nothing where that was killed before.
fn written(path: &Path) -> Option<End> {
    let text = fs::read_to_string(path).ok()?;
    let _ = fs::remove_file(path);
    serde_json::from_str(&text).ok()
}

fn told(end: End) -> Exit {
    match end {
        End::Code(code) => agent::told_by(code),
        End::OutOfMemory => Exit::OutOfMemory,
        End::WithPod(why) => Exit::TakenAway(why),
        End::Lost => Exit::Lost,
        End::NeverStarted(why) => Exit::NeverStarted(why),
    }
}

/// What a command wrote, in one line.
fn said(errors: &[u8]) -> String {
    let text = String::from_utf8_lossy(errors).trim().replace('\n', "; ");
    let text = text.strip_prefix("error: ").unwrap_or(&text).to_owned();
    if text.is_empty() { format!("{COMMAND} ended without a word") } else { text }
}

/// The process that holds the run for as long as its input is open.
struct Hold {
    process: Child,
    input: Option<ChildStdin>,
    sink: Sink,
}

impl Hold {
    fn start(command: &Path, claim: &Claim, sink: &Sink) -> Result<(Ground, Self), Error> {
        let mut hold = Command::new(command);
        hold.arg("hold").env(ORDER, json(claim)?).process_group(0);
        hold.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let doing = format!("cannot start {}", command.display());
        let mut process = hold.spawn().map_err(Error::system(doing))?;
        let (input, output) = (process.stdin.take(), process.stdout.take());
        let mut hold = Self { process, input, sink: Arc::clone(sink) };
        let mut line = String::new();
        let read = output.map_or(Ok(0), |output| BufReader::new(output).read_line(&mut line));
        match (read, serde_json::from_str(&line)) {
            (Ok(_), Ok(ground)) => Ok((ground, hold)),
            _ => Err(Error::Kubernetes(hold.release().err().unwrap_or_else(|| said(&[])))),
        }
    }

    /// Lets go, and waits until nothing of the run is left.
    fn release(&mut self) -> Result<(), String> {
        drop(self.input.take());
        let mut errors = Vec::new();
        let read: io::Result<usize> =
            self.process.stderr.take().map_or(Ok(0), |mut pipe| pipe.read_to_end(&mut errors));
        let ended = read.and_then(|_| self.process.wait());
        match ended {
            Ok(status) if status.success() => Ok(()),
            _ => Err(said(&errors)),
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if self.input.is_some()
            && let Err(why) = self.release()
        {
            (self.sink)("launcher", &format!("something may be left in the cluster: {why}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_in_a_pod_tells_of_the_nodes() {
        for (end, exit) in [
            (End::Code(0), Exit::Code(0)),
            (End::Code(137), Exit::Signal(9)),
            (End::OutOfMemory, Exit::OutOfMemory),
            (End::Lost, Exit::Lost),
            (
                End::WithPod("its pod was deleted".to_owned()),
                Exit::TakenAway("its pod was deleted".to_owned()),
            ),
            (End::NeverStarted("ErrImagePull".to_owned()), Exit::NeverStarted("ErrImagePull".to_owned())),
        ] {
            assert_eq!(told(end), exit);
        }
    }

    #[test]
    fn what_was_written_is_read_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("worker.1.0");
        fs::write(&path, r#"{"with_pod":"its pod was evicted"}"#).unwrap();
        assert_eq!(written(&path), Some(End::WithPod("its pod was evicted".to_owned())));
        assert_eq!(written(&path), None);
    }

    #[test]
    fn a_held_run_is_let_go_of_and_a_refusal_is_quoted() {
        let folder = tempfile::tempdir().unwrap();
        let script = |text: &str| {
            use std::os::unix::fs::PermissionsExt;
            let path = folder.path().join("command");
            fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
            path
        };
        let claim = Claim { run: "r".to_owned(), wishes: Wishes::default() };
        let lines: Arc<std::sync::Mutex<Vec<String>>> = Arc::default();
        let heard = Arc::clone(&lines);
        let sink: Sink = Arc::new(move |_, line| heard.lock().unwrap().push(line.to_owned()));
        let ground = r#"{"namespace":"ml","toward":["10.0.0.1",6443],"owner":null,"image":"i"}"#;
        let gone = folder.path().join("gone");
        let holds = script(&format!(
            "echo '{ground}'; cat >/dev/null; echo left >&2; touch {}; exit 1",
            gone.display()
        ));
        let (ground, hold) = Hold::start(&holds, &claim, &sink).unwrap();
        assert_eq!((ground.namespace.as_str(), ground.toward.1), ("ml", 6443));
        assert!(!gone.exists());
        drop(hold);
        assert!(gone.exists());
        assert_eq!(*lines.lock().unwrap(), ["something may be left in the cluster: left"]);
        let refuses = script("echo 'error: pods is forbidden' >&2; exit 1");
        let error = Hold::start(&refuses, &claim, &sink).err().unwrap().to_string();
        assert!(error.contains("pods is forbidden"), "{error}");
    }
}
