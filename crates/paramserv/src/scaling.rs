//! The handle by which a program says how many workers are to be there while its run goes on.

use tokio::sync::watch;

/// Says how many workers of an [elastic](crate::ParamServ::elastic) run are to be there. Clones are the same handle.
///
/// ```
/// use syncline_data::synthetic;
/// use syncline_learn::Softmax;
/// use syncline_paramserv::{ParamServ, Scaling};
/// use syncline_program::Executor;
///
/// let scaling = Scaling::default();
/// let (train, held_out) = synthetic::blobs(600, 8, 3, 7).split(0.2, 7)?;
/// let run = ParamServ::new(Softmax::new(8, 3), train).validation(held_out);
/// let run = run.workers(4).elastic(1).scaled_by(&scaling).epochs(3);
/// // Here at once; from another thread, or from `on_progress`, whenever.
/// scaling.to(3);
/// let trained = run.train(Executor::threads())?;
/// assert!(!trained.report().attendance.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Scaling(watch::Sender<Option<usize>>);

impl Default for Scaling {
    fn default() -> Self {
        Self(watch::Sender::new(None))
    }
}

impl Scaling {
    /// The first so many workers are to be there: who is wanted and is not there, or was lost, is started, who is not wanted
    /// hands over what it has between two rounds, and ends. The run remarks on what it cannot have.
    pub fn to(&self, workers: usize) {
        self.0.send_replace(Some(workers));
    }

    /// To hear of it.
    pub(crate) fn wishes(&self) -> watch::Receiver<Option<usize>> {
        let mut wishes = self.0.subscribe();
        // What was said before the run counts, too.
        wishes.mark_changed();
        wishes
    }
}
