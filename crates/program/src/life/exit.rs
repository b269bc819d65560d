//! What the end of a process says about its node, together with what the node had said itself.

use crate::Cause;
use crate::control::Outcome;

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// By the kernel, which had no memory left for it.
    OutOfMemory,
    /// With the engine's job, which ended for this reason.
    WithJob(&'static str),
    /// Alone, by the engine or at somebody's request, for this reason.
    TakenAway(String),
    /// It never began: the engine could not start it, for this reason.
    NeverStarted(String),
    /// Unseen: what connected the launcher with its host is gone.
    Lost,
    /// The system did not tell.
    Unknown,
}

/// What the launcher has seen of one incarnation that is a process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sightings {
    /// It took up its work.
    pub(crate) joined: bool,
    /// It told how its body ended.
    pub(crate) reported: Option<Outcome>,
    /// The launcher killed it.
    pub(crate) killed: bool,
}

impl Sightings {
    /// How the node came to its end, now that its process has.
    pub(crate) fn outcome(&self, exit: Exit) -> Outcome {
        let well = exit == Exit::Code(0);
        match &self.reported {
            // It was told already why.
            Some(Outcome::Failed(_)) => Outcome::Stopped,
            Some(outcome) if well => outcome.clone(),
            _ if self.killed => Outcome::Stopped,
            None if well && self.joined => Outcome::Finished,
            _ => Outcome::Failed(self.cause(exit)),
        }
    }

    fn cause(&self, exit: Exit) -> Cause {
        match exit {
            Exit::Signal(signal) => Cause::Killed(signal),
            Exit::OutOfMemory => Cause::OutOfMemory,
            Exit::WithJob(why) => Cause::JobEnded(why.to_owned()),
            Exit::TakenAway(why) => Cause::TakenAway(why),
            Exit::NeverStarted(why) => Cause::NeverStarted(why),
            Exit::Code(code) if self.joined => Cause::Exited(code),
            Exit::Code(code) => {
                Cause::NeverStarted(format!("its process exited with code {code} before it reached `launch`"))
            }
            Exit::Lost if self.joined => Cause::HostLost,
            Exit::Lost => Cause::NeverStarted("its host could not be reached".to_owned()),
            Exit::Unknown => Cause::Failed("its exit status could not be read".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exit_means_what_was_seen_before() {
        let seen = |joined, reported, killed| Sightings { joined, reported, killed };
        let failed = |cause| Outcome::Failed(cause);
        for (sightings, exit, outcome) in [
            (seen(true, None, false), Exit::Code(0), Outcome::Finished),
            (seen(true, None, false), Exit::Code(3), failed(Cause::Exited(3))),
            (seen(true, None, false), Exit::Signal(9), failed(Cause::Killed(9))),
            (seen(true, None, true), Exit::Signal(9), Outcome::Stopped),
            (seen(true, Some(Outcome::Finished), false), Exit::Code(0), Outcome::Finished),
            (seen(true, Some(Outcome::Finished), false), Exit::Signal(11), failed(Cause::Killed(11))),
            (seen(true, Some(failed(Cause::Exited(1))), false), Exit::Code(1), Outcome::Stopped),
        ] {
            assert_eq!(sightings.outcome(exit.clone()), outcome, "{sightings:?} {exit:?}");
        }
        let early = seen(false, None, false).outcome(Exit::Code(0));
        assert!(matches!(early, Outcome::Failed(Cause::NeverStarted(_))), "{early:?}");
    }
}
