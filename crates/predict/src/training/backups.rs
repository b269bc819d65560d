//! How many backup workers pay: the round no longer waits for the slowest, but their gradients are lost.
//!
//! The live gate lets a late worker finish its lost gradient first; the ideal of the literature stops it, so that a round
//! takes E[X_(n-b:n)] (Chen et al. 2016, Dutta et al. 2018). Both are told.

use syncline_round::Policy;

use super::world::speed_on;
use crate::{Error, Interval, JobProfile, Question};

/// Draws of a worker's round for the ideal.
const DRAWS: usize = 20_000;
const SEED: u64 = 5;

/// One number of backup workers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backup {
    /// How many of the workers are spare.
    pub spare: usize,
    /// Samples a second that count, under the live gate.
    pub samples_per_s: Interval,
    /// The same if late workers were stopped at once.
    pub ideal_samples_per_s: f64,
    /// Machine time for each sample that counts, over that without spare workers, under the live gate.
    pub machine_time: f64,
}

impl JobProfile {
    /// All numbers of backup workers for a question, from none to half of them. One server.
    ///
    /// # Errors
    /// As for [`JobProfile::predict`].
    pub fn backups(&self, question: &Question) -> Result<Vec<Backup>, Error> {
        self.check_question(question)?;
        self.check_batch(question)?;
        let ideal = self.ideal_rounds(question);
        let samples = self.samples_per_cycle(question);
        let mut without = None;
        let mut list = Vec::new();
        for (spare, ideal_s) in ideal.into_iter().enumerate().take(question.workers / 2 + 1) {
            let sync = if spare == 0 { Policy::Bsp } else { Policy::Backup { spare: spare as u32 } };
            let live = self.predict(&Question { sync, servers: 1, ..*question })?;
            let least = *without.get_or_insert(live.samples_per_s.value);
            list.push(Backup {
                spare,
                samples_per_s: live.samples_per_s,
                ideal_samples_per_s: samples * (question.workers - spare) as f64 / ideal_s,
                machine_time: least / live.samples_per_s.value,
            });
        }
        Ok(list)
    }

    /// E[X_(n-b:n)] for b = 0, 1 ..., of the workers as they are.
    fn ideal_rounds(&self, question: &Question) -> Vec<f64> {
        let workers = question.workers;
        let rounds = (DRAWS / workers).max(200);
        let mut sums = vec![0.0; workers];
        for mut times in self.drawn_rounds(question, rounds as u64, SEED) {
            times.sort_by(f64::total_cmp);
            self.share_cores(question, &mut times);
            sums.iter_mut().zip(times.iter().rev()).for_each(|(sum, time)| *sum += time);
        }
        let update_s = |spare: usize| self.update_s(workers, workers - spare);
        sums.iter().enumerate().map(|(spare, sum)| sum / rounds as f64 + update_s(spare)).collect()
    }

    /// Turns ascending times of workers that have a core each into those of workers that share the machine's: fewer
    /// share it when the first have ended.
    fn share_cores(&self, question: &Question, times: &mut [f64]) {
        let workers = times.len();
        let (mut now, mut attained) = (0.0, 0.0);
        for (ended, time) in times.iter_mut().enumerate() {
            now += (*time - attained) / speed_on(self.machine.as_ref(), question.machines, workers - ended);
            (attained, *time) = (*time, now);
        }
    }
}
