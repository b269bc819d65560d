//! One node's process, as the launcher holds it.

use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use syncline_wire::Token;

use super::output::{Output, Printer};
use super::way::Start;
use crate::Error;
use crate::control::leash;
use crate::life::exit::Exit;

/// A process that was started, from then until it is reaped.
pub(crate) struct Process {
    group: Group,
    /// Dropped last of all, or the process would think that the launcher is gone.
    leash: ChildStdin,
    output: Output,
    watcher: JoinHandle<()>,
    /// The node has told how its work ended.
    reported: Arc<AtomicBool>,
}

impl Process {
    /// Starts the process of `node`, on the current runtime. `exited` is called once, from another thread, when the
    /// process is gone and reaped.
    pub(crate) fn start(
        node: &str,
        start: Start,
        token: &Token,
        printer: &Printer,
        exited: impl FnOnce(Exit) + Send + 'static,
    ) -> Result<Self, Error> {
        let doing = || format!("cannot start the process of {node}");
        Self::try_start(node, start, token, printer, exited)
            .map_err(|source| Error::System { doing: doing(), source })
    }

    fn try_start(
        node: &str,
        start: Start,
        token: &Token,
        printer: &Printer,
        exited: impl FnOnce(Exit) + Send + 'static,
    ) -> io::Result<Self> {
        let Start { mut command, share, told, .. } = start;
        let (reader, writer) = io::pipe()?;
        let output = Output::capture(node, reader, printer)?;
        command.process_group(0);
        // Both streams share one pipe, so that their lines come in the order in which they were written.
        command.stdin(Stdio::piped()).stdout(writer.try_clone()?).stderr(writer);
        let mut child = command.spawn()?;
        drop(command);
        let group = Group::led_by(&child);
        let leash = child.stdin.take();
        let imposed = group.leader.map_or(Ok(()), |leader| share.impose(leader));
        let reported = Arc::<AtomicBool>::default();
        let is_reported = Arc::clone(&reported);
        let exited = move |status: Option<ExitStatus>| {
            let is_reported = is_reported.load(Ordering::Relaxed);
            exited(status.map_or(Exit::Unknown, |status| told(status, is_reported)));
        };
        let watcher = watch(child, node, group.clone(), exited)?;
        // The watcher sees to the end of a process that must not go on.
        if let Err(error) = imposed {
            return Err(error.into());
        }
        let mut leash = leash.ok_or(io::ErrorKind::BrokenPipe)?;
        // A process that is already gone cannot be told; its exit will be.
        let _ = leash.write_all(format!("{}\n", token.to_hex()).as_bytes());
        Ok(Self { group, leash, output, watcher, reported })
    }

    /// Its node has told how its work ended.
    pub(crate) fn heard(&self) {
        self.reported.store(true, Ordering::Relaxed);
    }

    /// Asks the process to stop.
    pub(crate) fn ask_to_stop(&mut self) {
        // A few bytes at most once: it cannot block; and a process that is gone needs no asking.
        let _ = self.leash.write_all(leash::STOP);
    }

    /// Kills the process and all that it started, unless it is gone.
    pub(crate) fn kill(&self) {
        self.group.kill();
    }

    /// The last lines of the output of a process that is gone.
    pub(crate) async fn bury(self) -> Vec<String> {
        // The watcher has called `exited`, so it is at its end.
        let _ = self.watcher.join();
        self.output.into_tail().await
    }
}

/// Waits on a thread for the end of `child`, then kills what it left behind and reaps it.
fn watch(
    mut child: Child,
    node: &str,
    group: Group,
    exited: impl FnOnce(Option<ExitStatus>) + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let watch = move || {
        group.await_end();
        exited(group.reap(&mut child));
    };
    std::thread::Builder::new().name(format!("watch {node}")).spawn(watch)
}

/// The process group of a node: whom to signal, and whether it may still be signalled.
#[derive(Clone)]
pub(crate) struct Group {
    leader: Option<Pid>,
    reaped: Arc<Mutex<bool>>,
}

impl Group {
    pub(crate) fn led_by(child: &Child) -> Self {
        Self { leader: i32::try_from(child.id()).ok().and_then(Pid::from_raw), reaped: Arc::default() }
    }

    /// Returns when the leader has ended. It stays a zombie, which keeps its number from being given away.
    pub(crate) fn await_end(&self) {
        let Some(leader) = self.leader else { return };
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while matches!(waitid(WaitId::Pid(leader), options), Err(Errno::INTR)) {}
    }

    pub(crate) fn reap(&self, child: &mut Child) -> Option<ExitStatus> {
        let mut reaped = self.reaped.lock().unwrap_or_else(PoisonError::into_inner);
        self.signal();
        *reaped = true;
        child.wait().ok()
    }

    pub(crate) fn kill(&self) {
        let reaped = self.reaped.lock().unwrap_or_else(PoisonError::into_inner);
        if !*reaped {
            self.signal();
        }
    }

    fn signal(&self) {
        if let Some(leader) = self.leader {
            // Refused only when nobody is left in the group.
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}
