//! Products of a coded matrix by the nodes of a program: each worker holds its coded block, gets a vector a round and answers
//! its product; the first k of n answers close the round, the others are told to stop, and a decode is the fold.
//!
//! The gate is `round`'s [`KOfN`](syncline_round::gate::KOfN), the same on threads, on processes and in virtual time. PRODUCT-1: which workers' answers
//! made a result is told with it, and the same ones give the same bits. PRODUCT-2: a worker that is told to stop does so before it has
//! computed another [`SLICE`].

mod desk;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};
use serde::{Deserialize, Serialize};
use syncline_program::{Context, Handle, NodeResult, Program, Values};
use syncline_wire::{CallError, Client, ServiceError, Tensor};

use crate::{Code, Matrix, Result, RowBlocks};
use desk::{AsksClient, Desk};

/// A worker looks whether its answer is still wanted at least this often.
pub const SLICE: Duration = Duration::from_millis(10);

/// Delays that are drawn for experiments: a task of the share 1 / `blocks` of the job lasts
/// `unit` x (1 + Exp(mu)) / `blocks`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Delays {
    /// The least time of the whole job on one worker.
    pub unit: Duration,
    /// The rate of what comes on top, in units.
    pub mu: f64,
    /// Of the draws, each of which belongs to a worker and a round.
    pub seed: u64,
}

impl Delays {
    /// How long a worker's task of a round lasts, where the job is cut into so many blocks.
    pub fn draw(&self, worker: usize, round: u64, blocks: usize) -> Duration {
        let stream = self.seed
            ^ (worker as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15)
            ^ round.wrapping_mul(0xD1B5_4A32_D192_ED03);
        let uniform: f64 = Xoshiro256PlusPlus::seed_from_u64(stream).random();
        // The inverse of the distribution function; 1 - u is never 0.
        self.unit.mul_f64((1.0 - (1.0 - uniform).ln() / self.mu) / blocks as f64)
    }
}

/// How much longer a task takes than it computes: by its worker, which product it is, and how long it has computed.
pub type Slower = dyn Fn(usize, u64, Duration) -> Duration + Send + Sync;

/// How long the tasks of workers last, where that is not just what they compute on the machine's clock. In virtual time computing
/// takes none without it.
#[derive(Clone)]
pub enum Pace {
    /// As long as is drawn, whatever they compute.
    Drawn(Delays),
    /// As long as they compute, in virtual time by what the executor says computing costs, and then so much longer.
    Charged(Arc<Slower>),
}

/// What workers hold coded blocks of.
#[derive(Clone)]
pub struct Held {
    /// The matrices, all coded alike.
    pub matrices: Vec<Arc<dyn Matrix>>,
    /// How long tasks last.
    pub pace: Option<Pace>,
    /// Whether the desk keeps what each worker did until it is [asked](Products::tasks).
    pub keeps_tasks: bool,
}

/// Coded matrices that a program's workers hold.
#[derive(Clone)]
pub struct CodedMatrix {
    handle: Handle<Desk>,
    workers: Values<()>,
}

/// The driver's side of a [`CodedMatrix`].
pub struct Products {
    client: Client<Desk>,
    workers: Values<()>,
    ctx: Context,
}

/// A product, and how it came about.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Product {
    /// A x, without padding.
    pub values: Vec<f64>,
    /// Whose answers it was decoded from, in increasing order.
    pub answered: Vec<usize>,
    /// The condition number of their rows of the code.
    pub condition: f64,
    /// From the request to the last answer that was needed.
    pub waited: Duration,
    /// What the decode took on top.
    pub decode: Duration,
    /// How many workers were told to stop.
    pub cancelled: usize,
}

/// One task of a worker, in times of the run's clock.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Whose it was.
    pub worker: u32,
    /// Of which product, from 0.
    pub product: u64,
    /// When the worker asked for it.
    pub asked: Duration,
    /// When it began.
    pub begun: Duration,
    /// When it ended, or was cut short.
    pub ended: Duration,
    /// Whether it came to an answer.
    pub given: bool,
}

/// What all products took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Totals {
    /// Products made.
    pub products: u64,
    /// Tasks whose workers were told to stop.
    pub cancelled: u64,
    /// Time that workers had spent on those.
    pub thrown_away: Duration,
}

/// Adds the workers of a coded matrix to a program, as the group `label`, and a desk that gives them their work.
///
/// The code decodes in double precision. With `delays` each task lasts as long as is drawn, whatever it computes.
///
/// ```
/// use std::sync::Arc;
/// use syncline_coded::{Mds, RowBlocks, product};
/// use syncline_program::{Executor, Program, launch};
///
/// // Two columns, three blocks, any three of four workers.
/// let matrix = Arc::new(RowBlocks::new((0..12).map(f64::from).collect(), 2, 3)?);
/// let mut program = Program::new("product");
/// let coded = product::hold(&mut program, "worker", Mds::systematic(4, 3, 7)?, matrix, None);
/// let program = program.driver(async move |ctx| {
///     let products = coded.at(&ctx).await?;
///     let product = products.multiply(vec![1.0, -1.0]).await?;
///     products.end().await?;
///     Ok(product.values)
/// });
/// let values = launch(program, Executor::threads())?.wait()?;
/// assert!(values.iter().all(|value| (value + 1.0).abs() < 1e-9) && values.len() == 6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn hold<T: Send + 'static>(
    program: &mut Program<T>,
    label: &str,
    code: impl Code + Clone + Send + Sync + 'static,
    matrix: Arc<RowBlocks>,
    delays: Option<Delays>,
) -> CodedMatrix {
    let workers = code.workers();
    let pace = delays.map(Pace::Drawn);
    let held = Held { matrices: vec![matrix], pace, keeps_tasks: false };
    hold_all(program, label, workers, move || Ok(Box::new(code.clone())), held)
}

/// As [`hold`], for several matrices that are coded alike. The code, which is for so many `workers`, is made by the desk alone:
/// the search for a good one may take a while.
pub fn hold_all<T: Send + 'static>(
    program: &mut Program<T>,
    label: &str,
    workers: usize,
    code: impl Fn() -> Result<Box<dyn Code + Send>> + Send + Sync + 'static,
    held: Held,
) -> CodedMatrix {
    let shapes: Vec<_> = held.matrices.iter().map(|matrix| [matrix.rows(), matrix.columns()]).collect();
    let keeps_tasks = held.keeps_tasks;
    let handle = program.service(&format!("{label}-desk"), move |ctx| {
        Ok(Desk::new(ctx.clone(), code()?, shapes.clone(), keeps_tasks)?)
    });
    let desk = handle.clone();
    let workers = program.group(label, workers).uses(std::slice::from_ref(&handle)).run(async move |ctx| {
        let client = desk.connect(&ctx).await?;
        worker::run(&ctx, &client, &held).await
    });
    CodedMatrix { handle, workers }
}

impl CodedMatrix {
    /// The matrix, as the driver reaches it.
    ///
    /// # Errors
    /// When its desk cannot be reached.
    pub async fn at(self, ctx: &Context) -> NodeResult<Products> {
        let client = self.handle.connect(ctx).await?;
        Ok(Products { client, workers: self.workers, ctx: ctx.clone() })
    }
}

impl Products {
    /// A x, from the answers of the first workers that suffice.
    ///
    /// # Errors
    /// When x has not as many numbers as the matrix columns, a product is under way, or what came would be decoded badly.
    pub async fn multiply(&self, x: Vec<f64>) -> NodeResult<Product> {
        Ok(self.multiply_by(0, 1, x).await?)
    }

    /// The product of one of the matrices and `width` vectors, which lie one after the other in `x`: for each row of the matrix one
    /// number for each vector.
    ///
    /// # Errors
    /// As [`multiply`](Self::multiply), and when there is no such matrix.
    pub async fn multiply_by(
        &self,
        matrix: usize,
        width: usize,
        x: Vec<f64>,
    ) -> std::result::Result<Product, CallError<ServiceError>> {
        self.client.multiply(matrix as u32, width as u32, Tensor::from(x)).await
    }

    /// What workers have done since this was asked last, where that is [kept](Held::keeps_tasks); of the task that one is at
    /// nothing is known yet.
    ///
    /// # Errors
    /// When the desk cannot be reached.
    pub async fn tasks(&self) -> std::result::Result<Vec<Task>, syncline_wire::Error> {
        self.client.tasks().await
    }

    /// Lets the workers go home, without waiting for them.
    ///
    /// # Errors
    /// When the desk cannot be reached.
    pub async fn close(&self) -> std::result::Result<(), syncline_wire::Error> {
        self.client.close().await
    }

    /// Lets the workers go home, and tells what all products took.
    ///
    /// # Errors
    /// When a worker has failed.
    pub async fn end(self) -> NodeResult<Totals> {
        self.close().await?;
        self.workers.all(&self.ctx).await?;
        Ok(self.client.totals().await?)
    }
}
