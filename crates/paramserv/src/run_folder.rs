//! A run's folder: all that a run writes, in one place that belongs to one run at a time.
//!
//! | file | what |
//! |---|---|
//! | `job.toml` | the job with nothing left open |
//! | `log` | what happened, a line each with its time (UTC) |
//! | `checkpoints/` | from which it goes on |
//! | `trace.parquet` | what happened when; of a run that went on, the latest part. Earlier ones are `trace-1.parquet` and so on |
//! | `model.safetensors` | the trained model |
//! | `progress.jsonl` | how far it was every second or so, a JSON object a line |
//! | `report.txt`, `report.json` | as `syncline train` prints them |
//! | `outcome.json` | how it ended; without it the run goes on, or was killed |
//!
//! - RUN-1: two runs never write into one folder: who writes holds a lock, and a folder with a run in it takes no other.
//! - RUN-2: what other programs read is written beside and renamed: it is there whole or not at all. The trace, which may be
//!   read while it grows, is whole up to its last flush.

mod date;
mod table;

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{Error, Progress, TrainJob, job::JOB, newest_checkpoint};

pub use table::{Differences, RunLine, differences, write_comparison, write_list};

/// Held by the run that writes; says which process that is.
const LOCK: &str = ".lock";
const LOG: &str = "log";
const OUTCOME: &str = "outcome.json";
const CHECKPOINTS: &str = "checkpoints";
const MODEL: &str = "model.safetensors";
const TRACE: &str = "trace.parquet";
const PROGRESS: &str = "progress.jsonl";
const REPORT: &str = "report.txt";
const REPORT_JSON: &str = "report.json";

/// The folder of a run, held for it.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    log: File,
    _lock: File,
}

/// How far the run of a folder is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state", content = "why")]
pub enum RunState {
    /// It goes on now.
    Running,
    /// It came to its end.
    Finished,
    /// Somebody ended it: who.
    Interrupted(String),
    /// It failed: why.
    Failed(String),
    /// It ended without a word: killed, or the machine went down.
    Killed,
}

impl RunState {
    /// In one word.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Finished => "finished",
            Self::Interrupted(_) => "interrupted",
            Self::Failed(_) => "failed",
            Self::Killed => "killed",
        }
    }
}

/// How a run ended, as its folder has it.
#[derive(Serialize, Deserialize)]
struct Outcome {
    #[serde(flatten)]
    state: RunState,
    ended: String,
}

/// What a folder says of its run.
#[derive(Clone, Debug)]
pub struct RunRecord {
    /// The folder.
    pub path: PathBuf,
    /// How far the run is.
    pub state: RunState,
    /// The process that runs it, on its machine, while it goes on.
    pub pid: Option<u32>,
    /// What it was to do.
    pub job: TrainJob,
    /// When it was begun (UTC), as its log has it.
    pub begun: Option<String>,
    /// The round from which it would go on, where there is a checkpoint.
    pub checkpoint: Option<u64>,
    /// Its report, if it has one: the document that `syncline train --json` prints.
    pub report: Option<serde_json::Value>,
}

impl RunFolder {
    /// Holds a folder for a run that begins, or for one that goes on there; makes it if need be.
    ///
    /// # Errors
    /// [`Error::RunFolder`] when another run holds it, or was in it and this one does not go on with that; [`Error::Io`].
    pub fn hold(path: impl AsRef<Path>, goes_on: bool) -> Result<Self, Error> {
        let path = path.as_ref();
        fs::create_dir_all(path).map_err(failed("make the folder", path))?;
        let path = path.canonicalize().map_err(failed("find the folder", path))?;
        // Not emptied before it is held: whoever holds it has written there who it is.
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(path.join(LOCK));
        let mut lock = lock.map_err(failed("write to", &path))?;
        let occupied = |by: String| Error::RunFolder { path: path.clone(), by };
        lock_alone(&lock).map_err(|error| match error {
            TryLockError::WouldBlock => occupied("another run writes there now".to_owned()),
            TryLockError::Error(error) => failed("lock", &path)(error),
        })?;
        if !goes_on && path.join(JOB).exists() && !came_to_nothing(&path) {
            let shown = syncline_terminal::path(&path);
            return Err(occupied(format!(
                "it has an earlier run; `syncline runs resume {shown}` goes on with that one"
            )));
        }
        let told = lock.set_len(0).and_then(|()| write!(lock, "{}", std::process::id()));
        told.map_err(failed("write to", &path))?;
        let log = OpenOptions::new().create(true).append(true).open(path.join(LOG));
        let log = log.map_err(failed("write to", &path.join(LOG)))?;
        Ok(Self { path, log, _lock: lock })
    }

    /// Takes in which job the run is, and makes the folder ready for it.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn begin(&mut self, job: &TrainJob) -> Result<(), Error> {
        self.put_trace_aside()?;
        for file in [OUTCOME, REPORT, REPORT_JSON] {
            match fs::remove_file(self.path.join(file)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(failed("remove", &self.path.join(file))(error));
                }
                _ => {}
            }
        }
        let here = std::env::current_dir().map_err(failed("tell the working directory of", &self.path))?;
        // Whoever goes on with it may be elsewhere.
        let kept = job.clone().within(&here).out_of(&self.path);
        self.keep(JOB, kept.to_toml()?.as_bytes())?;
        self.log(if job.resume.is_some() { "goes on" } else { "begins" });
        Ok(())
    }

    /// The trace of what came before stays beside that of what follows.
    fn put_trace_aside(&self) -> Result<(), Error> {
        let trace = self.path.join(TRACE);
        let aside = (1..).map(|part: u32| self.path.join(format!("trace-{part}.parquet")));
        match aside.into_iter().find(|path| !path.exists()) {
            Some(aside) if trace.exists() => fs::rename(&trace, aside).map_err(failed("put aside", &trace)),
            _ => Ok(()),
        }
    }

    /// Writes a line into the log. What cannot be written is no reason to end a run.
    pub fn log(&mut self, line: &str) {
        let line = syncline_terminal::escape(line).replace('\n', " ");
        let _ = writeln!(self.log, "{} {line}", date::now());
    }

    /// Writes a line about how far the run is, `elapsed` after it was begun or went on. What cannot be written is no reason to end
    /// a run.
    pub fn progress(&self, elapsed: Duration, progress: &Progress) {
        let line = serde_json::json!({
            "elapsed_s": elapsed.as_secs_f64(),
            "samples": progress.samples,
            "total_samples": progress.total_samples,
            "epochs_done": progress.epochs_done,
            "loss": (progress.recent.rows > 0).then(|| progress.recent.mean_loss()),
        });
        let file = OpenOptions::new().create(true).append(true).open(self.path.join(PROGRESS));
        let _ = file.and_then(|mut file| writeln!(file, "{line}"));
    }

    /// Keeps the report as text and as a JSON document.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn report(&self, text: &str, json: &str) -> Result<(), Error> {
        self.keep(REPORT, text.as_bytes())?;
        self.keep(REPORT_JSON, json.as_bytes())
    }

    /// Keeps how the run ended.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn end(&mut self, state: RunState) -> Result<(), Error> {
        match &state {
            RunState::Failed(why) | RunState::Interrupted(why) => {
                self.log(&format!("{}: {why}", state.name()))
            }
            _ => self.log(state.name()),
        }
        let outcome = Outcome { state, ended: date::now() };
        // Texts only: there is nothing in it that JSON cannot say.
        let text = serde_json::to_string_pretty(&outcome).unwrap_or_default();
        self.keep(OUTCOME, text.as_bytes())
    }

    /// Writes a file beside and renames it (RUN-2).
    fn keep(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let path = self.path.join(name);
        let written = || {
            let mut builder = tempfile::Builder::new();
            // What a new file usually gets; the user's umask still applies.
            #[cfg(unix)]
            builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
            let mut beside = builder.tempfile_in(&self.path)?;
            beside.write_all(bytes)?;
            beside.as_file().sync_all()?;
            beside.persist(&path).map_err(|error| error.error)
        };
        written().map(drop).map_err(failed("write", &path))
    }
}

impl TrainJob {
    /// What is not said otherwise is written into the run's folder.
    #[must_use]
    pub(crate) fn into_folder(mut self) -> Self {
        if let Some(folder) = &self.run_dir {
            self.checkpoint.get_or_insert_with(|| folder.join(CHECKPOINTS));
            self.trace.get_or_insert_with(|| folder.join(TRACE));
            self.save.get_or_insert_with(|| folder.join(MODEL));
        }
        self
    }

    /// The job as its folder keeps it: a folder may be moved, and knows where it is.
    fn out_of(mut self, folder: &Path) -> Self {
        let is_in = |path: &PathBuf| {
            path.parent().and_then(|parent| parent.canonicalize().ok()).is_some_and(|parent| parent == folder)
        };
        for path in [&mut self.checkpoint, &mut self.trace, &mut self.save] {
            path.take_if(|path| is_in(path));
        }
        Self { run_dir: None, resume: None, ..self }
    }

    /// The job of a run's folder, to go on there from its last checkpoint, or from the beginning where it has none.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Job`] when there is no run, or its job cannot be read.
    pub fn of_folder(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let job = Self::read(path.join(JOB))?;
        let checkpoints = path.join(CHECKPOINTS);
        let resume = newest_checkpoint(job.checkpoint.as_ref().unwrap_or(&checkpoints)).is_ok();
        let resume = resume.then(|| job.checkpoint.clone().unwrap_or(checkpoints));
        Ok(Self { run_dir: Some(path.to_owned()), resume, ..job })
    }
}

impl RunRecord {
    /// Whether a folder is that of a run.
    pub fn is_at(path: &Path) -> bool {
        path.join(JOB).is_file()
    }

    /// Reads what a folder says.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Job`] when it is not that of a run.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let job = TrainJob::read(path.join(JOB))?;
        let log = fs::read_to_string(path.join(LOG)).unwrap_or_default();
        let begun = log.split_whitespace().next().map(str::to_owned);
        let report = fs::read(path.join(REPORT_JSON)).ok();
        let checkpoints = job.checkpoint.clone().unwrap_or_else(|| path.join(CHECKPOINTS));
        let state = state(path)?;
        let pid = fs::read_to_string(path.join(LOCK)).ok().filter(|_| state == RunState::Running);
        Ok(Self {
            pid: pid.and_then(|pid| pid.parse().ok()),
            state,
            begun,
            checkpoint: newest_checkpoint(&checkpoints).ok().map(|found| found.round),
            report: report.and_then(|report| serde_json::from_slice(&report).ok()),
            path: path.to_owned(),
            job,
        })
    }

    /// Those of the runs in a folder, by name: of itself, or of the folders in it.
    ///
    /// # Errors
    /// [`Error::Io`]; a folder whose job cannot be read is not passed over.
    pub fn all_in(path: impl AsRef<Path>) -> Result<Vec<Self>, Error> {
        let path = path.as_ref();
        if Self::is_at(path) {
            return Ok(vec![Self::read(path)?]);
        }
        let mut found = Vec::new();
        for entry in fs::read_dir(path).map_err(failed("read", path))? {
            found.push(entry.map_err(failed("read", path))?.path());
        }
        found.retain(|path| Self::is_at(path));
        found.sort_unstable();
        found.into_iter().map(Self::read).collect()
    }
}

/// Locks a folder for the run that writes there. Whoever only looks how that is has a shared lock meanwhile, which is no reason to
/// be refused: it is gone in a moment.
fn lock_alone(lock: &File) -> Result<(), TryLockError> {
    loop {
        match lock.try_lock() {
            // A run's own lock refuses a shared one as well.
            Err(TryLockError::WouldBlock) => lock.try_lock_shared()?,
            done => return done,
        }
        lock.unlock().map_err(TryLockError::Error)?;
        std::thread::yield_now();
    }
}

fn state(path: &Path) -> Result<RunState, Error> {
    let lock = path.join(LOCK);
    // Only looked at: a shared lock is refused while a run has its own, and `lock_alone` heeds none.
    let is_held = match File::open(&lock) {
        Ok(lock) => matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Err(failed("read", &lock)(error)),
    };
    if is_held {
        return Ok(RunState::Running);
    }
    Ok(outcome(path).unwrap_or(RunState::Killed))
}

/// How the run of a folder ended; nothing where it did not say.
fn outcome(path: &Path) -> Option<RunState> {
    let kept = fs::read(path.join(OUTCOME)).ok()?;
    Some(serde_json::from_slice::<Outcome>(&kept).ok()?.state)
}

/// Whether the run of a folder failed before it had trained on anything, as where it reached no host: there is nothing with which to go on.
fn came_to_nothing(path: &Path) -> bool {
    matches!(outcome(path), Some(RunState::Failed(_)))
        && !path.join(PROGRESS).exists()
        && matches!(TrainJob::of_folder(path), Ok(TrainJob { resume: None, .. }))
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io { doing, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job() -> TrainJob {
        TrainJob::parse("workers = 3", "job.toml").unwrap()
    }

    #[test]
    fn run_1_a_folder_belongs_to_one_run() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a");
        let mut first = RunFolder::hold(&path, false).unwrap();
        first.begin(&job()).unwrap();
        let said = RunFolder::hold(&path, true).unwrap_err().to_string();
        assert!(said.contains("another run writes there now"), "{said}");
        let record = RunRecord::read(&path).unwrap();
        assert_eq!((record.state, record.pid), (RunState::Running, Some(std::process::id())));
        drop(first);
        assert_eq!(RunRecord::read(&path).unwrap().state, RunState::Killed, "it ended without a word");
        let said = RunFolder::hold(&path, false).unwrap_err().to_string();
        assert!(said.contains("syncline runs resume"), "{said}");
        let mut again = RunFolder::hold(&path, true).unwrap();
        again.begin(&TrainJob { resume: Some(path.join("checkpoints")), ..job() }).unwrap();
        again.end(RunState::Failed("no\nreason".to_owned())).unwrap();
        drop(again);
        let records = RunRecord::all_in(root.path()).unwrap();
        assert_eq!(records[0].state, RunState::Failed("no\nreason".to_owned()));
        assert_eq!((records.len(), records[0].job.workers), (1, Some(3)));
        let log = fs::read_to_string(path.join("log")).unwrap();
        let said: Vec<_> = log.lines().map(|line| line.split_once(' ').unwrap().1).collect();
        assert_eq!(said[..2], ["begins", "goes on"]);
        assert!(said[2].starts_with("failed: no") && said.len() == 3);
    }

    #[test]
    fn a_run_that_came_to_nothing_leaves_its_folder_to_another() {
        let root = tempfile::tempdir().unwrap();
        let failed = |path: &Path| {
            let mut folder = RunFolder::hold(path, false).unwrap();
            folder.begin(&job()).unwrap();
            folder.end(RunState::Failed("no host".to_owned())).unwrap();
            folder
        };
        drop(failed(root.path()));
        let folder = failed(root.path());
        drop(folder);
        fs::write(root.path().join(PROGRESS), "{}\n").unwrap();
        assert!(RunFolder::hold(root.path(), false).is_err(), "it has trained");
    }

    #[test]
    fn who_only_looks_keeps_no_run_from_its_folder() {
        let root = tempfile::tempdir().unwrap();
        RunFolder::hold(root.path(), false).unwrap().begin(&job()).unwrap();
        let done = std::sync::atomic::AtomicBool::new(false);
        let is_done = || done.load(std::sync::atomic::Ordering::Relaxed);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !is_done() {
                        state(root.path()).unwrap();
                    }
                });
            }
            let refused = (0..500).find_map(|_| RunFolder::hold(root.path(), true).err());
            done.store(true, std::sync::atomic::Ordering::Relaxed);
            assert!(refused.is_none(), "{refused:?}");
        });
    }

    #[test]
    fn a_moved_folder_goes_on_where_it_is() {
        let root = tempfile::tempdir().unwrap();
        let (here, there) = (root.path().join("a"), root.path().join("b"));
        let mut folder = RunFolder::hold(&here, false).unwrap();
        let job = TrainJob { run_dir: Some(here.canonicalize().unwrap()), ..job() }.into_folder();
        assert!(job.save.is_some() && job.trace.is_some() && job.checkpoint.is_some());
        folder.begin(&job).unwrap();
        drop(folder);
        fs::rename(&here, &there).unwrap();
        let job = TrainJob::of_folder(&there).unwrap();
        assert_eq!(job.run_dir.as_deref(), Some(there.as_path()));
        assert_eq!(job.resume, None, "it has no checkpoint yet");
        assert_eq!(job.into_folder().save.unwrap(), there.join("model.safetensors"));
    }

    #[test]
    fn what_came_before_stays_beside() {
        let root = tempfile::tempdir().unwrap();
        let mut folder = RunFolder::hold(root.path(), false).unwrap();
        for part in ["first", "second", "third"] {
            folder.begin(&job()).unwrap();
            fs::write(root.path().join(TRACE), part).unwrap();
        }
        let read = |name: &str| fs::read_to_string(root.path().join(name)).unwrap();
        assert_eq!(
            [read("trace-1.parquet"), read("trace-2.parquet"), read(TRACE)],
            ["first", "second", "third"]
        );
    }
}
