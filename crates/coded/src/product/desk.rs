//! The desk: it has the gate, hands out vectors, takes answers in, and decodes.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use syncline_program::Context;
use syncline_round::gate::{KOfN, Order};
use syncline_round::{Act, Event, Least, Machine, Member, Round, Selection};
use syncline_wire::{ServiceError, Tensor, service};
use tokio::sync::{oneshot, watch};

use super::{Product, Task, Totals};
use crate::{Answer, Code, Precision};

/// A round's work.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Work {
    pub round: u64,
    /// Which of the matrices is to be multiplied.
    pub matrix: u32,
    /// By how many vectors, which lie one after the other.
    pub width: u32,
    pub x: Tensor<f64>,
}

/// What workers and the driver ask.
#[service]
pub trait Asks {
    /// Into how many parts each matrix is cut, and which of them, with which coefficients, a worker holds.
    async fn assigned(&self, worker: u32) -> Result<(u32, Vec<(u32, f64)>), ServiceError>;
    /// The next round of a worker, once there is one; nothing when all is done. `last` is what it did before.
    async fn next(&self, worker: u32, last: Option<Task>) -> Result<Option<Work>, ServiceError>;
    /// Whether a round still waits for answers.
    async fn wants(&self, round: u64) -> bool;
    /// Returns when a round waits for answers no more.
    async fn over(&self, round: u64);
    /// A worker's answer.
    async fn give(&self, worker: u32, round: u64, answer: Tensor<f64>) -> Result<(), ServiceError>;
    /// The product of a matrix and so many vectors, which lie one after the other.
    async fn multiply(&self, matrix: u32, width: u32, x: Tensor<f64>) -> Result<Product, ServiceError>;
    /// What workers have done since this was asked last.
    async fn tasks(&self) -> Vec<Task>;
    /// Nothing comes any more.
    async fn close(&self);
    /// What all products took.
    async fn totals(&self) -> Totals;
}

/// The service behind a coded matrix.
pub struct Desk {
    ctx: Context,
    /// Rows and columns of each matrix.
    shapes: Vec<[usize; 2]>,
    keeps_tasks: bool,
    /// The vector of the open round; what waits for it is told.
    posted: watch::Sender<Posted>,
    state: Mutex<State>,
}

/// What is to be worked at.
#[derive(Clone, Default)]
struct Posted {
    /// The round's, once its vectors are there.
    work: Option<Work>,
    closed: bool,
}

struct State {
    code: Box<dyn Code + Send>,
    machine: Machine<KOfN>,
    acts: Vec<Act>,
    answers: Vec<Option<Tensor<f64>>>,
    /// Workers whom the gate holds.
    held: Vec<Option<oneshot::Sender<u64>>>,
    /// Who waits for the open round's result, and since when.
    asked: Option<(oneshot::Sender<Result<Product, ServiceError>>, Duration)>,
    totals: Totals,
    tasks: Vec<Task>,
}

impl Desk {
    pub(super) fn new(
        ctx: Context,
        code: Box<dyn Code + Send>,
        shapes: Vec<[usize; 2]>,
        keeps_tasks: bool,
    ) -> Result<Self, syncline_round::Error> {
        let workers = code.workers();
        let least = Least::new(u32::try_from(code.suffices()).unwrap_or(u32::MAX))?;
        let machine = Machine::of(KOfN::new(least, Order::Cancel, Selection::All), workers)?;
        let state = State {
            code,
            machine,
            acts: Vec::new(),
            answers: (0..workers).map(|_| None).collect(),
            held: (0..workers).map(|_| None).collect(),
            asked: None,
            totals: Totals::default(),
            tasks: Vec::new(),
        };
        Ok(Self {
            ctx,
            shapes,
            keeps_tasks,
            posted: watch::Sender::new(Posted::default()),
            state: Mutex::new(state),
        })
    }

    /// A panic under the lock has failed the program: nobody relies on the state after it.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the machine, and does what it says; the round of the member that asked, if it may go.
    fn tell(&self, state: &mut State, event: Event) -> Result<Option<u64>, ServiceError> {
        let mut acts = std::mem::take(&mut state.acts);
        let told = state.machine.on(self.ctx.clock().now().into(), event, &mut acts);
        let (mut own, mut folded, mut cancelled) = (None, None, 0);
        for act in acts.drain(..) {
            match act {
                Act::Go { member, round } if event == Event::Ask(member) => own = Some(round.number()),
                Act::Go { member, round } => {
                    if let Some(open) = state.held[member.index()].take() {
                        // Who no longer listens has failed, which its own node reports.
                        let _ = open.send(round.number());
                    }
                }
                Act::Fold { members, .. } => {
                    folded = Some(members.iter().map(|member| member.index()).collect())
                }
                Act::Late(member) => state.answers[member.index()] = None,
                Act::Cancel { .. } => cancelled += 1,
                Act::WakeAt(_) => {}
            }
        }
        state.acts = acts;
        if let Some(members) = folded {
            self.fold(state, members, cancelled);
        }
        told.map_err(|error| ServiceError::new(error.to_string()))?;
        Ok(own)
    }

    /// Decodes what these workers answered, for whoever asked.
    fn fold(&self, state: &mut State, answered: Vec<usize>, cancelled: usize) {
        let answers: Vec<Tensor<f64>> =
            answered.iter().filter_map(|worker| state.answers[*worker].take()).collect();
        let mut rows = 0;
        self.posted.send_modify(|posted| {
            let work = posted.work.take();
            rows = work.map_or(0, |work| self.shapes[work.matrix as usize][0] * work.width as usize);
        });
        state.totals.cancelled += cancelled as u64;
        let Some((asked, since)) = state.asked.take() else { return };
        let clock = self.ctx.clock();
        let start = clock.now();
        let list: Vec<Answer<'_>> =
            answered.iter().zip(&answers).map(|(&worker, values)| Answer { worker, values }).collect();
        let product = match state.code.decode(&list, Precision::Double) {
            Ok(mut decoded) => {
                decoded.values.truncate(rows);
                state.totals.products += 1;
                Ok(Product {
                    values: decoded.values,
                    answered,
                    condition: decoded.condition,
                    waited: start - since,
                    decode: clock.now() - start,
                    cancelled,
                })
            }
            Err(error) => Err(ServiceError::new(error.to_string())),
        };
        // A driver that no longer listens has given the product up.
        let _ = asked.send(product);
    }

    /// Asks the gate for a worker's next round, and waits until it opens.
    async fn admitted(&self, worker: u32) -> Result<Option<u64>, ServiceError> {
        let opened = {
            let mut state = self.state();
            if let Some(round) = self.tell(&mut state, Event::Ask(Member::new(worker)))? {
                return Ok(Some(round));
            }
            let (open, opened) = oneshot::channel();
            state.held[worker as usize] = Some(open);
            opened
        };
        let gate = || ("gate of coded products".to_owned(), Vec::new());
        // All that held it is gone when the desk closes.
        Ok(self.ctx.wait_at(gate, opened).await.ok())
    }

    /// The work of a round, once it is there; nothing of a round that is over.
    async fn work(&self, round: u64) -> Option<Work> {
        let mut posted = self.posted.subscribe();
        let is_due =
            |posted: &Posted| posted.closed || posted.work.as_ref().is_some_and(|work| work.round >= round);
        let gate = || ("a vector to multiply".to_owned(), Vec::new());
        // What is there is copied before anything else is waited for: a look at it is a lock.
        let look = async { posted.wait_for(is_due).await.ok().and_then(|found| found.work.clone()) };
        self.ctx.wait_at(gate, look).await.filter(|work| work.round == round)
    }
}

#[service]
impl Asks for Desk {
    async fn assigned(&self, worker: u32) -> Result<(u32, Vec<(u32, f64)>), ServiceError> {
        let state = self.state();
        if worker as usize >= state.code.workers() {
            return Err(ServiceError::new(format!("there is no worker {worker}")));
        }
        let shares = state.code.assignment(worker as usize);
        let shares = shares.iter().map(|share| (share.part as u32, share.coefficient)).collect();
        Ok((state.code.parts() as u32, shares))
    }

    async fn next(&self, worker: u32, last: Option<Task>) -> Result<Option<Work>, ServiceError> {
        if worker as usize >= self.state().held.len() {
            return Err(ServiceError::new(format!("there is no worker {worker}")));
        }
        if let Some(task) = last {
            let mut state = self.state();
            if !task.given {
                state.totals.thrown_away += task.ended.saturating_sub(task.begun);
            }
            if self.keeps_tasks {
                state.tasks.push(task);
            }
        }
        loop {
            if self.posted.borrow().closed {
                return Ok(None);
            }
            let Some(round) = self.admitted(worker).await? else { return Ok(None) };
            if let Some(work) = self.work(round).await {
                return Ok(Some(work));
            }
        }
    }

    async fn wants(&self, round: u64) -> bool {
        let posted = self.posted.borrow();
        !posted.closed && posted.work.as_ref().is_some_and(|work| work.round == round)
    }

    async fn over(&self, round: u64) {
        let mut posted = self.posted.subscribe();
        let is_over =
            |posted: &Posted| posted.closed || posted.work.as_ref().is_none_or(|work| work.round != round);
        let gate = || ("the end of a round of coded products".to_owned(), Vec::new());
        // The sender lives in `self`, so the channel cannot close under this borrow.
        let look = async { posted.wait_for(is_over).await.is_ok() };
        self.ctx.wait_at(gate, look).await;
    }

    async fn give(&self, worker: u32, round: u64, answer: Tensor<f64>) -> Result<(), ServiceError> {
        let mut state = self.state();
        let index = worker as usize;
        if index >= state.answers.len() {
            return Err(ServiceError::new(format!("there is no worker {worker}")));
        }
        state.answers[index] = Some(answer);
        self.tell(&mut state, Event::Give { member: Member::new(worker), round: Round::new(round) })?;
        Ok(())
    }

    async fn multiply(&self, matrix: u32, width: u32, x: Tensor<f64>) -> Result<Product, ServiceError> {
        let Some([_, columns]) = self.shapes.get(matrix as usize).copied() else {
            return Err(ServiceError::new(format!("there is no matrix {matrix}")));
        };
        if width == 0 || x.len() != columns * width as usize {
            let numbers = x.len();
            let why = match width {
                1 => format!("{numbers} numbers cannot be multiplied by a matrix of {columns} columns"),
                _ => format!("{numbers} numbers are not {width} vectors for a matrix of {columns} columns"),
            };
            return Err(ServiceError::new(why));
        }
        let told = {
            let mut state = self.state();
            if state.asked.is_some() {
                return Err(ServiceError::new("a product is under way: one comes after the other"));
            }
            let (tell, told) = oneshot::channel();
            state.asked = Some((tell, self.ctx.clock().now()));
            let round = syncline_round::Gate::at(state.machine.gate(), Member::new(0)).number();
            self.posted.send_modify(|posted| posted.work = Some(Work { round, matrix, width, x }));
            told
        };
        let gate = || ("answers of workers".to_owned(), Vec::new());
        match self.ctx.wait_at(gate, told).await {
            Ok(product) => product,
            Err(_) => Err(ServiceError::new("the desk was closed before the product was made")),
        }
    }

    async fn close(&self) {
        self.posted.send_modify(|posted| posted.closed = true);
        let mut state = self.state();
        state.held.iter_mut().for_each(|held| *held = None);
        state.asked = None;
    }

    async fn totals(&self) -> Totals {
        self.state().totals
    }

    async fn tasks(&self) -> Vec<Task> {
        std::mem::take(&mut self.state().tasks)
    }
}
