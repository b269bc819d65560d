//! What is told while a run goes on: a bar on a terminal, and the log of its folder.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use syncline::{
    learn::Score,
    paramserv::{ParamServ, Progress, RunFolder, RunState},
    program::is_child,
};
use syncline_terminal::{Detail, Page, unit};

use crate::{failure::Failure, output::remark, screen};

/// Between two lines of a folder's progress.
const BETWEEN: Duration = Duration::from_secs(1);

/// A progress bar on a terminal; nothing in a pipe, in a node's process, or beside JSON.
pub fn bar(json: bool) -> ProgressBar {
    if is_child() || json || screen::detail() == Detail::Quiet {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{bar:20} {percent:>3} %  {msg}  {speed}  {eta} left") {
        let speed = |state: &ProgressState, text: &mut dyn fmt::Write| {
            // A text that cannot be written is not worth an error.
            let _ = write!(text, "{:.0} samples/s", state.per_sec());
        };
        bar.set_style(style.with_key("speed", speed));
    }
    bar
}

fn show(bar: &ProgressBar, progress: &Progress) {
    bar.set_length(progress.total_samples);
    bar.set_position(progress.samples);
    if progress.recent.rows > 0 {
        let epoch = progress.epochs_done + 1;
        // A model whose gradients come from a script need not tell one.
        bar.set_message(match progress.recent.mean_loss() {
            loss if loss.is_nan() => format!("epoch {epoch}"),
            loss => format!("epoch {epoch}  loss {}", unit::loss(loss)),
        });
    }
    if progress.samples >= progress.total_samples {
        bar.finish_and_clear();
    }
}

/// The run's folder, if it has one, as all see it who have something to write there.
#[derive(Clone)]
pub struct Journal(Arc<Mutex<Option<RunFolder>>>);

impl Journal {
    /// Of this folder.
    pub fn new(folder: Option<RunFolder>) -> Self {
        Self(Arc::new(Mutex::new(folder)))
    }

    /// Lets the run tell what happens, here and on the terminal.
    pub fn attend(&self, run: ParamServ, bar: ProgressBar) -> ParamServ {
        let (of_epochs, of_remarks) = (self.clone(), self.clone());
        let (mut epochs, mut told, mut recent) = (0, None, Score::default());
        let run = run.on_progress(move |progress| {
            show(&bar, progress);
            // A bar is this command's clock, too.
            let now = bar.elapsed();
            let due = told.is_none_or(|told| now >= told + BETWEEN);
            recent += progress.recent;
            // An epoch that is done is told at once: the last one is. That brings no samples of its own, so a line has the score of
            // all since the line before.
            if due || progress.epochs_done > epochs {
                told = Some(now);
                let line = Progress { recent: std::mem::take(&mut recent), ..progress.clone() };
                of_epochs.with(|folder| folder.progress(now, &line));
            }
            if progress.epochs_done > epochs {
                epochs = progress.epochs_done;
                of_epochs.log(&format!("epoch {epochs} is done, {} samples so far", progress.samples));
            }
        });
        run.on_remark(move |text| {
            remark(text);
            of_remarks.log(text);
        })
    }

    fn log(&self, line: &str) {
        self.with(|folder| folder.log(line));
    }

    /// Keeps the report.
    pub fn report(&self, page: &Page, json: &str) -> Result<(), Failure> {
        Ok(self.with(|folder| folder.report(page.text(), json)).unwrap_or(Ok(()))?)
    }

    /// Keeps how the run ended.
    pub fn end<T>(&self, result: &Result<T, Failure>) -> Result<(), Failure> {
        let state = match result {
            Ok(_) | Err(Failure::OutputClosed) => RunState::Finished,
            Err(Failure::Interrupted(by)) => RunState::Interrupted(by.to_string()),
            Err(Failure::Usage(why) | Failure::Failed(why) | Failure::HostLost(why)) => {
                RunState::Failed(why.clone())
            }
        };
        Ok(self.with(|folder| folder.end(state)).unwrap_or(Ok(()))?)
    }

    /// A panic under the lock leaves no line half written.
    fn with<T>(&self, what: impl FnOnce(&mut RunFolder) -> T) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).as_mut().map(what)
    }
}
