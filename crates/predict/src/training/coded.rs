//! Runs whose workers hold coded blocks (policy `mds`): a round of the trace is here a product, of which a step has two.
//!
//! A product is over with the answer that suffices, whose end the trace knows by the decode that follows; which task was of which product and
//! whose answers were decoded, too. Tasks whose workers were told to stop are completed like other rounds that were cut short. All that
//! passes between a product's last answer and its successor's first task (the decode, the loss's derivatives, the step, messages) is
//! taken as one time. A block of 1 / k of the data takes in proportion to its size.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use syncline_round::Policy;
use syncline_trace::{Phase, Run, Span};

use super::busy::Busy;
use super::cut::complete;
use super::cycles::Cycle;
use super::setup::{Injected, Setup};
use crate::sample::mean;
use crate::{Error, JobProfile, Question};

/// Products of a step.
pub(crate) const PRODUCTS: u64 = 2;

/// What products take beside the tasks of workers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BetweenProducts {
    /// Answers that a product of the traced run needed.
    pub needed: usize,
    /// Mean seconds from a product's last answer to the first task of the next, decode and step among them.
    pub gap_s: f64,
    /// Of which decoding.
    pub decode_s: f64,
}

/// A coded run taken apart.
pub(super) struct Products {
    /// Tasks; their rounds are products.
    pub tasks: Vec<Cycle>,
    /// When products were over.
    pub ends_s: Vec<f64>,
    /// By worker, the share of its tasks that last longer than any that was seen to its end.
    pub unseen: Vec<f64>,
    pub between: BetweenProducts,
}

impl Products {
    /// The products of a run under this policy; nothing of a run that has none.
    pub(super) fn of(run: &Run, policy: Policy) -> Result<Option<Self>, Error> {
        let Some(needed) = policy.coded() else { return Ok(None) };
        let told = run.info.training().decoded.map(|decoded| decoded.each).unwrap_or_default();
        let first = run.info.servers.max(1);
        let of = |phase: Phase| run.spans.iter().filter(move |span| span.phase == phase);
        let mut decodes: Vec<&Span> = of(Phase::Fold).filter(|span| span.node < first).collect();
        decodes.sort_by_key(|span| span.start_ns);
        let (mut tasks, mut is_cut, mut known) = (Vec::new(), Vec::new(), BTreeMap::<u64, f64>::new());
        for span in of(Phase::Compute).filter(|span| span.node >= first) {
            // Those before whose end it began are over.
            let product = decodes.partition_point(|decode| decode.start_ns <= span.start_ns);
            // What was decoded of which answers is told of the first products only.
            let (Some(product_told), worker) = (told.get(product), span.node - first) else { continue };
            let (start_s, end_s) = seconds(span);
            let is_whole = product_told.answered.contains(&worker);
            if is_whole {
                let longest = known.entry(product as u64).or_default();
                *longest = longest.max(end_s - start_s);
            }
            tasks.push(Cycle { samples: 1, ..Cycle::new(worker, product as u64, start_s, end_s) });
            is_cut.push(!is_whole);
        }
        let whole = decodes.len().min(told.len());
        if whole < 2 || tasks.is_empty() {
            return Err(Error::NoRounds { run: run.info.run.clone() });
        }
        let unseen = even_out(&mut tasks, &is_cut);
        let evaluating = Busy::new(of(Phase::Evaluate).map(seconds));
        let ends_s: Vec<f64> = decodes[..whole].iter().map(|decode| decode.start_ns as f64 * 1e-9).collect();
        let gaps = (1..whole).filter_map(|product| {
            let (from, until) = (ends_s[product - 1], ends_s[product]);
            Some(until - from - evaluating.within(from, until) - known.get(&(product as u64))?)
        });
        let gap_s = mean(gaps.map(|gap| gap.max(0.0)));
        let decode_s = mean(told[..whole].iter().map(|product| product.decode_ns as f64 * 1e-9));
        let between = BetweenProducts { needed: needed.members(), gap_s, decode_s: decode_s.min(gap_s) };
        Ok(Some(Self { tasks, ends_s, unseen, between }))
    }
}

/// Completes the tasks that were cut short, and brings both products of a step to one mean: what the k-th of n tasks takes moves with
/// it, so that the time of a step stays as it is.
fn even_out(tasks: &mut [Cycle], is_cut: &[bool]) -> Vec<f64> {
    let mut unseen: Vec<f64> = Vec::new();
    let mut means = Vec::new();
    for kind in 0..PRODUCTS {
        let at: Vec<usize> = (0..tasks.len()).filter(|&at| tasks[at].round % PRODUCTS == kind).collect();
        let mut own: Vec<Cycle> = at.iter().map(|&at| tasks[at]).collect();
        let own_cut: Vec<bool> = at.iter().map(|&at| is_cut[at]).collect();
        let of_kind = complete(&mut own, &own_cut);
        unseen.resize(unseen.len().max(of_kind.len()), 0.0);
        unseen.iter_mut().zip(of_kind).for_each(|(unseen, own)| *unseen = unseen.max(own));
        means.push(mean(own.iter().map(|task| task.compute_s)));
        at.iter().zip(own).for_each(|(&at, task)| tasks[at] = task);
    }
    let all = mean(means.iter().copied());
    for task in tasks {
        task.compute_s = (task.compute_s + all - means[(task.round % PRODUCTS) as usize]).max(0.0);
    }
    unseen
}

fn seconds(span: &Span) -> (f64, f64) {
    (span.start_ns as f64 * 1e-9, span.end_ns as f64 * 1e-9)
}

impl BetweenProducts {
    /// Seconds between products that need so many answers: decoding a product of few columns grows as the system that is solved.
    pub(crate) fn gap_of(&self, needed: usize) -> f64 {
        let larger = needed as f64 / self.needed.max(1) as f64;
        self.gap_s - self.decode_s + self.decode_s * larger.powi(3)
    }
}

impl JobProfile {
    /// How much longer a task takes where a product needs so many answers: a block is 1 / k of the data.
    pub(crate) fn block_scale(&self, needed: usize) -> f64 {
        self.products.map_or(1.0, |between| between.needed as f64 / needed.max(1) as f64)
    }

    /// For how many gradients a step counts that is told of: under a code two products of so many answers.
    pub(crate) fn gradients_of_a_step(&self, question: &Question) -> f64 {
        match question.sync.coded() {
            Some(needed) => (PRODUCTS as usize * needed.members()) as f64,
            None => question.workers as f64,
        }
    }

    /// Refuses what a trace of products cannot tell, and of products what a trace of batches cannot.
    pub(crate) fn check_coded(&self, question: &Question) -> Result<(), Error> {
        let (Some(between), Some(needed)) = (self.products, question.sync.coded()) else {
            if question.sync.coded().is_none() && self.measured.policy()?.coded().is_none() {
                return Ok(());
            }
            let why = "under mds workers multiply coded blocks, and a trace of batches says nothing of what those cost, nor one of \
                       blocks of what batches do; for a run under bsp `--code mds:*` says what waiting for the first would be worth, and a \
                       run under mds tells of other numbers of workers and answers"
                .to_owned();
            return Err(Error::CannotTell { why });
        };
        if self.measured.injected == Injected::Delays && needed.members() != between.needed {
            let why = format!(
                "delays were injected, which are no longer for larger blocks, and how much of a task they are is not in the trace: ask for \
                 mds:{}, or record a run without --inject",
                between.needed
            );
            return Err(Error::CannotTell { why });
        }
        Ok(())
    }
}

/// Rounds of so many epochs, each of which is a step.
pub(super) fn products(setup: &Setup) -> u64 {
    setup.epochs.saturating_mul(PRODUCTS)
}
