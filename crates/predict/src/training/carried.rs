//! In what other ways a trace might be carried to another size: who is slow there, and how the run's course goes on.
//!
//! One of four workers was slow: of eight, are two, or is it the same one? Where injected delays name it, it is the same
//! one. Else the first is answered, and the interval holds the others. The same goes for a run of more rounds than a
//! trace whose rounds drift, and for what one worker alone cannot show: whether rounds are slow for all at once.

use super::world::{Carried, Course};
use crate::{JobProfile, Question};

impl JobProfile {
    /// The answer's way first, then those that the trace allows as well.
    pub(crate) fn ways(&self, question: &Question) -> Vec<Carried> {
        let mut seats = self.seats(question.workers);
        let first = seats.remove(0);
        let traced = self.measured.rounds.max(self.rounds as u64);
        let (course, other) = if question.rounds <= traced {
            (Course::Rounds, Course::Stretched)
        } else {
            (Course::Stretched, Course::Rounds)
        };
        let answer = Carried { seats: first, course, together: false };
        let mut ways = vec![answer.clone()];
        ways.extend(seats.into_iter().map(|seats| Carried { seats, ..answer.clone() }));
        if self.variation.common.drifts() && question.rounds != traced {
            ways.push(Carried { course: other, ..answer.clone() });
        }
        if self.variation.persistent_s.len() == 1 && question.workers > 1 {
            ways.push(Carried { together: true, ..answer });
        }
        ways
    }

    /// The worker of the trace that each worker may be like.
    fn seats(&self, workers: usize) -> Vec<Vec<usize>> {
        let traced = self.variation.persistent_s.len();
        let named = &self.measured.named;
        let others: Vec<usize> = (0..traced).filter(|worker| !named.contains(worker)).collect();
        let more = |fill: &[usize]| -> Vec<usize> {
            (0..workers).map(|at| if at < traced { at } else { fill[(at - traced) % fill.len()] }).collect()
        };
        // Beyond the trace's there must be others; `check_question` has seen to that.
        if !named.is_empty() && (workers <= traced || !others.is_empty()) {
            return vec![more(&others)];
        }
        let in_turn: Vec<usize> = (0..workers).map(|at| at % traced).collect();
        if workers == traced || !self.variation.tells_workers_apart() {
            return vec![in_turn];
        }
        let ranking = self.variation.ranking();
        if workers > traced {
            return vec![in_turn, more(&ranking[traced / 2..=traced / 2])];
        }
        let (fastest, slowest) = (ranking[..workers].to_vec(), ranking[traced - workers..].to_vec());
        vec![in_turn, fastest, slowest]
    }
}
