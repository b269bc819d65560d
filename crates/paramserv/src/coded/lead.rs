//! The lead of a coded run: it has the labels, asks the workers for both products of a step, and makes the loss's derivatives in between.

use std::{mem, sync::Arc, time::Duration};

use syncline_coded::{
    Code, Mds,
    product::{CodedMatrix, Held, Pace, Product, Products, Task, hold_all},
};
use syncline_data::{Dataset, Partition};
use syncline_learn::Model;
use syncline_program::{Context, NodeResult, Program};
use syncline_round::Policy;
use syncline_trace::{DecodedProduct, Phase, Recorder, Span};
use syncline_wire::Tensor;

use super::{
    CodedRecord,
    matrices::{Columns, Rows},
};
use crate::{
    Delay, Error, ParamServ,
    computation::{Outcome, clip},
    exchange::Push,
    worker::nanoseconds,
};

/// The products of a step, in order.
const STEP: u64 = 2;

/// The label of those who hold coded blocks.
const WORKERS: &str = "worker";

/// How the workers of a run hold its data.
pub(crate) struct Coding {
    workers: usize,
    needed: usize,
    data: Arc<Dataset>,
    delays: Vec<Delay>,
    seed: u64,
}

impl Coding {
    /// Takes what concerns the workers out of the settings of a run under a code; what is left is the lead's, who trains alone.
    pub(crate) fn of(settings: &mut ParamServ) -> Option<Self> {
        let needed = settings.sync.coded()?.members();
        let coding = Self {
            workers: settings.workers,
            needed,
            data: Arc::clone(&settings.data),
            delays: mem::take(&mut settings.delays),
            seed: settings.seed,
        };
        settings.workers = 1;
        settings.sync = Policy::Bsp;
        settings.partition = Partition::Contiguous;
        settings.shuffle = false;
        Some(coding)
    }

    /// Adds the workers, and what decodes their answers, to a program.
    pub(crate) fn hold(self, program: &mut Program<()>) -> Holding {
        let Self { workers, needed, data, delays, seed } = self;
        let slower = move |worker: usize, product: u64, computed: Duration| {
            let draw = |delay: &Delay| delay.draw(seed, worker as u32, product / STEP, computed);
            delays.iter().map(draw).sum()
        };
        let held = Held {
            matrices: vec![Arc::new(Rows(Arc::clone(&data))), Arc::new(Columns(data))],
            pace: Some(Pace::Charged(Arc::new(slower))),
            keeps_tasks: true,
        };
        let code = move || Ok(Box::new(Mds::systematic(workers, needed, seed)?) as Box<dyn Code + Send>);
        Holding { matrix: hold_all(program, WORKERS, workers, code, held), workers, needed }
    }
}

/// Workers that hold coded blocks, as the lead reaches them.
#[derive(Clone)]
pub(crate) struct Holding {
    matrix: CodedMatrix,
    workers: usize,
    needed: usize,
}

/// Who makes gradients of coded products.
pub(crate) struct Lead {
    ctx: Context,
    products: Products,
    model: Box<dyn Model>,
    data: Arc<Dataset>,
    clip: Option<f32>,
    recorder: Recorder,
    /// The number of the first worker in the trace.
    first: u32,
    needed: usize,
    record: CodedRecord,
}

impl Lead {
    /// `first`: the number of the first worker in the trace.
    pub(crate) async fn new(
        ctx: &Context,
        holding: Holding,
        first: usize,
        model: Box<dyn Model>,
        data: Arc<Dataset>,
        clip: Option<f32>,
        recorder: Recorder,
    ) -> NodeResult<Self> {
        let Holding { matrix, workers, needed } = holding;
        let (products, record) = (matrix.at(ctx).await?, CodedRecord::new(workers));
        let (ctx, first) = (ctx.clone(), first as u32);
        Ok(Self { ctx, products, model, data, clip, recorder, first, needed, record })
    }

    /// The gradient of the mean loss of all rows, in the round of this number.
    pub(crate) async fn gradient(&mut self, round: u64, parameters: &[f32]) -> Result<Outcome, Error> {
        let outputs = self.model.affine_outputs().unwrap_or(1);
        let x = by_output(parameters, outputs);
        let products = self.multiply(0, round, outputs, x).await?;
        let mut derivatives: Vec<f32> = products.iter().map(|z| *z as f32).collect();
        let batch = self.data.batch(0..self.data.rows());
        let score = self.model.derive(&mut derivatives, &batch).unwrap_or_default();
        // One row a parameter of each output: the order of the parameters.
        let products = self.multiply(1, round, outputs, by_output(&derivatives, outputs)).await?;
        let mut gradient: Vec<f32> = products.iter().map(|g| *g as f32).collect();
        clip(&mut gradient, self.clip);
        self.take_tasks().await?;
        Ok(Outcome { score, gradient: Push::Whole(Tensor::from(gradient)) })
    }

    async fn multiply(
        &mut self,
        matrix: usize,
        round: u64,
        width: usize,
        x: Vec<f64>,
    ) -> Result<Vec<f64>, Error> {
        let product = self.products.multiply_by(matrix, width, x).await?;
        let Product { values, answered, condition, waited, decode, cancelled } = product;
        let end = self.ctx.clock().now();
        let span = self.span(0, Phase::Fold, round, end.saturating_sub(decode), end);
        self.recorder.record(span);
        self.record.take(DecodedProduct {
            round,
            answered: answered.into_iter().map(|worker| worker as u32).collect(),
            condition,
            waited_ns: nanoseconds(waited),
            decode_ns: nanoseconds(decode),
            cancelled: cancelled as u32,
        });
        Ok(values)
    }

    /// Takes in what the workers have done.
    async fn take_tasks(&mut self) -> Result<(), Error> {
        for task in self.products.tasks().await? {
            self.take_task(task);
        }
        Ok(())
    }

    fn take_task(&mut self, task: Task) {
        let Task { worker, product, asked, begun, ended, given } = task;
        let blocks = self.needed;
        // A block of the rows; a block of columns is no row's work.
        let rows = if given && product % STEP == 0 { self.data.rows().div_ceil(blocks) } else { 0 };
        let (node, round) = (self.first + worker, product / STEP);
        let Some(did) = self.record.workers.get_mut(worker as usize) else { return };
        let sent = std::mem::replace(&mut did.ended, ended);
        did.given += u64::from(given);
        did.cancelled += u64::from(!given);
        did.rows += rows as u64;
        did.computed += ended - begun;
        did.waited += begun - asked;
        if !sent.is_zero() {
            did.sent += asked.saturating_sub(sent);
        }
        if !given {
            did.thrown_away += ended - begun;
            self.record.decoded.thrown_away_ns += nanoseconds(ended - begun);
        }
        let mut spans = Vec::new();
        if begun > asked {
            spans.push(Span { sync: Some(product), ..self.span(node, Phase::Wait, round, asked, begun) });
        }
        spans.push(Span { records: rows as u64, ..self.span(node, Phase::Compute, round, begun, ended) });
        spans.into_iter().for_each(|span| self.recorder.record(span));
    }

    /// A span of a round, which is an epoch too.
    fn span(&self, node: u32, phase: Phase, round: u64, start: Duration, end: Duration) -> Span {
        let span = Span::new(node, phase, nanoseconds(start), nanoseconds(end));
        Span { round, iteration: round as u32, ..span }
    }

    /// What the recorder has kept since the last time.
    pub(crate) fn drain(&mut self) -> Vec<Span> {
        self.recorder.drain()
    }

    /// Lets the workers go home; what all products came to, and the last spans.
    pub(crate) async fn end(mut self) -> Result<(CodedRecord, Vec<Span>), Error> {
        self.products.close().await?;
        self.ctx.finished(WORKERS).await?;
        self.take_tasks().await?;
        Ok((self.record, self.recorder.drain()))
    }
}

/// A matrix of one row for each output, of one column for each.
fn by_output(values: &[f32], outputs: usize) -> Vec<f64> {
    (0..outputs).flat_map(|output| values[output..].iter().step_by(outputs).copied().map(f64::from)).collect()
}
