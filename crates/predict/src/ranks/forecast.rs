//! The answers: the traced run first, then others, with intervals.

use std::borrow::Cow;

use rand::RngExt;
use syncline_queueing::sim::{Random, stream};

use super::link::{Link, LinkModel};
use super::profile::RanksProfile;
use super::question::{Overlap, RanksQuestion};
use super::replay::Replay;
use super::work::{Work, quickest};
use crate::sample::mean;
use crate::training::SHARING;
use crate::{Error, Interval};

const REPLICATIONS: u64 = 40;
const SEED: u64 = 12;
/// More ranks than this many times those of the trace are not predicted.
const FARTHEST: usize = 64;
/// Steps that are played for one replication at most, over all ranks.
const PLAYED: usize = 40_000;

/// What a run would give.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RanksForecast {
    /// Seconds a step.
    pub step_s: Interval,
    /// Of them, those in which a rank only waits for exchanges.
    pub waiting_s: f64,
    /// Steps of all ranks a second: with a batch each, the speed of training.
    pub rank_steps_per_s: Interval,
    /// What a rank's own work is of a step.
    pub efficiency: f64,
}

/// How far off the replay is for the traced run itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RanksCheck {
    /// Measured seconds a step.
    pub measured_s: f64,
    /// Replayed.
    pub predicted_s: f64,
}

impl RanksCheck {
    /// Replayed over measured, less one.
    pub fn error(&self) -> f64 {
        self.predicted_s / self.measured_s - 1.0
    }
}

/// What one replication shows.
struct Played {
    step_s: f64,
    waiting_s: f64,
    work_s: f64,
}

/// Steps that are drawn together. They are not independent: a rank that is late in one step is alone with the machine, and early in
/// the next. So stretches of them are drawn (moving blocks, Künsch 1989), about as long as they are many.
fn block(steps: usize) -> usize {
    (steps as f64).sqrt().ceil() as usize
}

impl RanksProfile {
    /// Asks the trace about itself.
    ///
    /// # Errors
    /// As [`link`](Self::link), for more than one rank.
    pub fn check(&self) -> Result<RanksCheck, Error> {
        let link = self.link_for(&RanksQuestion::of(self.world))?;
        let played =
            self.replications(&RanksQuestion::of(self.world), link.as_ref(), LinkModel::Ring, 1.0)?;
        let predicted_s = mean(played.iter().map(|played| played.step_s));
        Ok(RanksCheck { measured_s: self.step_s(), predicted_s })
    }

    /// Another run.
    ///
    /// # Errors
    /// [`Error::CannotTell`] where the trace does not hold what is asked, [`Error::TooFar`] for too many ranks.
    pub fn predict(&self, question: &RanksQuestion) -> Result<RanksForecast, Error> {
        if question.world == 0 || question.world > FARTHEST * self.world {
            return Err(Error::TooFar { asked: question.world, measured: self.world, limit: FARTHEST });
        }
        if question.without_slowest && self.slowest.is_none() {
            let why = "no rank is slower than the others by more than chance, so there is none to take out"
                .to_owned();
            return Err(Error::CannotTell { why });
        }
        let link = self.link_for(question)?;
        let answer = |link: Option<&Link>, model| self.replications(question, link, model, 1.0);
        let played = answer(link.as_ref(), LinkModel::Ring)?;
        let steps: Vec<f64> = played.iter().map(|played| played.step_s).collect();
        let mut step_s = Interval::of(&steps, 0.0);
        let mut contain = |other: Vec<Played>| {
            step_s = step_s.containing_like(mean(other.iter().map(|played| played.step_s)));
        };
        let is_other = question.world != self.world && question.world > 1;
        if is_other && question.link.is_none() {
            contain(answer(link.as_ref(), LinkModel::Tree)?);
            if self.shares_machine {
                contain(answer(link.as_ref(), LinkModel::OneMachine)?);
            }
        }
        if let Some(link) = link.as_ref().filter(|link| is_other && !link.is_told_apart) {
            let each = self.elements / self.exchanges.max(1) as f64;
            contain(answer(Some(&link.all_latency(each)), LinkModel::Ring)?);
        }
        for pace in self.other_paces(question.world) {
            contain(self.replications(question, link.as_ref(), LinkModel::Ring, pace)?);
        }
        if self.shares_machine && question.world != self.world {
            // Each doubling or halving is as uncertain as one.
            let doublings = (question.world as f64 / self.world as f64).log2().abs();
            step_s = step_s.widened(2.0 * SHARING * doublings.sqrt());
        }
        // The error on the run itself is part of what is said of any other.
        let check = self.check_where_there_is_a_link()?;
        step_s = step_s.missing(check.predicted_s, check.measured_s).positive();
        let work_s = mean(played.iter().map(|played| played.work_s));
        Ok(RanksForecast {
            step_s,
            waiting_s: mean(played.iter().map(|played| played.waiting_s)),
            rank_steps_per_s: step_s.map_inverse(question.world as f64),
            efficiency: (work_s / step_s.value).min(1.0),
        })
    }

    /// The check; of one rank, whose links are not known, without any.
    fn check_where_there_is_a_link(&self) -> Result<RanksCheck, Error> {
        if self.world > 1 {
            return self.check();
        }
        let played = self.replications(&RanksQuestion::of(1), None, LinkModel::Ring, 1.0)?;
        let predicted_s = mean(played.iter().map(|played| played.step_s));
        Ok(RanksCheck { measured_s: self.step_s(), predicted_s })
    }

    /// What exchanges take in the run that is asked about; nothing for one rank, or where there are none.
    fn link_for(&self, question: &RanksQuestion) -> Result<Option<Link>, Error> {
        if question.world < 2 || self.exchanges == 0 {
            return Ok(None);
        }
        let link = match &question.link {
            Some(link) => link.clone(),
            None => self.link()?.clone(),
        };
        if question.bucket.is_some() && !link.is_told_apart {
            let why = "all exchanges have about one size, so that what a bucket of another size takes cannot be told: record with \
                       another bucket_cap_mb, or say what the link is (--latency and --bandwidth)"
                .to_owned();
            return Err(Error::CannotTell { why });
        }
        Ok(Some(Link {
            latency_s: link.latency_s / question.faster,
            element_s: link.element_s / question.faster,
            ..link
        }))
    }

    /// How many times as long work may take with so many ranks where all of them share one machine. What their steps take
    /// beyond the quickest is what others took from them, and grows with how many they are; of fewer, nothing of it may be left.
    fn other_paces(&self, world: usize) -> Vec<f64> {
        if !self.shares_machine || world == self.world {
            return Vec::new();
        }
        let least =
            mean((0..self.names.len()).map(|rank| quickest(self.works.iter().map(|step| &step[rank]))));
        let share = (least / self.work_s()).clamp(0.0, 1.0);
        let in_proportion = share + (1.0 - share) * world as f64 / self.world as f64;
        if world < self.world { vec![in_proportion, share] } else { vec![in_proportion] }
    }

    /// The steps as they are asked about, all progress at so many times its pace, by step and rank of the trace.
    fn changed(&self, question: &RanksQuestion, pace: f64) -> Result<Vec<Vec<Cow<'_, Work>>>, Error> {
        let change = |work: &'_ Work| -> Result<Work, Error> {
            let mut work = match question.bucket {
                None => work.clone(),
                Some(elements) => work.with_buckets(elements).ok_or_else(|| Error::CannotTell {
                    why: "the trace has one bucket, and when parts of it are ready is not in it: record with a smaller bucket_cap_mb"
                        .to_owned(),
                })?,
            };
            work = work.paced(pace);
            let total = work.total;
            for op in &mut work.ops {
                match question.overlap {
                    Overlap::AsTraced => {}
                    Overlap::All => op.needed = total,
                    Overlap::None => op.issued = op.needed,
                }
            }
            Ok(work)
        };
        if question.bucket.is_none() && question.overlap == Overlap::AsTraced && pace == 1.0 {
            return Ok(self.works.iter().map(|step| step.iter().map(Cow::Borrowed).collect()).collect());
        }
        let step = |step: &Vec<Work>| step.iter().map(|work| change(work).map(Cow::Owned)).collect();
        self.works.iter().map(step).collect()
    }

    fn replications(
        &self,
        question: &RanksQuestion,
        link: Option<&Link>,
        model: LinkModel,
        pace: f64,
    ) -> Result<Vec<Played>, Error> {
        let steps = self.changed(question, pace)?;
        let one = |index: u64| self.replication(question, &steps, link, model, &mut stream(SEED, index));
        Ok((0..REPLICATIONS).map(one).collect())
    }

    /// One run of as many steps as the trace has, from a draw of its steps, of who is who and of what exchanges take.
    fn replication(
        &self,
        question: &RanksQuestion,
        steps: &[Vec<Cow<'_, Work>>],
        link: Option<&Link>,
        model: LinkModel,
        random: &mut Random,
    ) -> Played {
        let world = question.world;
        let slowest = self.slowest.map(|found| found.0).filter(|_| question.without_slowest);
        let given: Vec<usize> = (0..steps[0].len()).filter(|rank| Some(*rank) != slowest).collect();
        let length = block(steps.len());
        let blocks: Vec<usize> =
            (0..steps.len().div_ceil(length)).map(|_| random.random_range(0..steps.len())).collect();
        let ratios: Vec<f64> = link.map_or(Vec::new(), |link| {
            (0..link.ratios.len()).map(|_| link.ratios[random.random_range(0..link.ratios.len())]).collect()
        });
        // Fewer ranks than the trace's are any of them; of more, the trace's are repeated.
        let first = random.random_range(0..given.len());
        let who: Vec<usize> = (0..world).map(|rank| given[(first + rank) % given.len()]).collect();
        let mut replay = Replay::new(world, self.lanes);
        let count = steps.len().min(PLAYED / world).max(5);
        // Other buckets or another link have other exchanges.
        let as_traced = question.bucket.is_none() && question.link.is_none();
        let mut work = 0.0;
        // The ranks of a trace go through one step together; repeated ones through another.
        let mut draws = vec![0; world.div_ceil(given.len())];
        for step in 0..count {
            if step % length == 0 {
                draws.fill_with(|| blocks[random.random_range(0..blocks.len())]);
            }
            let at = |rank: usize| (draws[rank / given.len()] + step % length) % steps.len();
            let works: Vec<&Work> =
                who.iter().enumerate().map(|(rank, who)| &*steps[at(rank)][*who]).collect();
            work += mean(works.iter().map(|work| work.total));
            let own = as_traced.then(|| self.ratios.get(at(0))).flatten();
            replay.step(&works, |op, elements| {
                let ratio = match own {
                    Some(own) => own[op],
                    None => ratios.get(random.random_range(0..ratios.len().max(1))).copied().unwrap_or(1.0),
                };
                link.map_or(0.0, |link| link.time_s(world, elements, model) * ratio)
            });
        }
        let count = count as f64;
        let waiting_s = mean(replay.stalled.iter().copied()) / count;
        Played { step_s: replay.mean_s() / count, waiting_s, work_s: work / count }
    }
}
