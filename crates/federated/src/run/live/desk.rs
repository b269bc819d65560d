//! The desk in the launching process: nodes ask it for work and bring it answers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use syncline_learn::Score;
use syncline_runtime::Clock;
use syncline_wire::{Tensor, service};
use tokio::sync::{mpsc, oneshot};

use super::super::device::Course;
use super::super::own::Evaluated;
use super::super::simulation::News;
use super::super::work::{Reply, Task};
use super::travel::Travelling;
use crate::secure::{FromClient, FromServer};
use crate::{Error, Result};

/// What a node is given to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Assigned {
    /// A client's part of a round.
    Task(Assignment),
    /// A question to a client, with its number.
    Asked(u64, u64, Question),
}

/// What a client is asked beside its part of a round.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Question {
    /// How these parameters do on what it has.
    Evaluate(Tensor<f32>),
    /// Its answer to a message of a secure sum.
    Sum(FromServer),
}

/// What it says to that; nothing where it has nothing to say.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Said {
    /// Nothing.
    Nothing,
    /// How the parameters do.
    Evaluated(Evaluated),
    /// Its message.
    Sum(FromClient),
}

/// A task, as it travels.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Assignment {
    pub job: u64,
    client: u64,
    round: u64,
    model: Tensor<f32>,
    control: Option<Tensor<f32>>,
    steps: u64,
    clip: Option<f64>,
}

impl Assignment {
    fn new(job: u64, task: &Task) -> Self {
        let tensor = |values: &Arc<Vec<f32>>| Tensor::from(values.to_vec());
        Self {
            job,
            client: task.client as u64,
            round: task.round,
            model: tensor(&task.model),
            control: task.control.as_ref().map(tensor),
            steps: task.steps as u64,
            clip: task.clip,
        }
    }

    pub(super) fn into_task(self) -> Task {
        Task {
            client: self.client as usize,
            round: self.round,
            model: Arc::new(self.model.into_vec()),
            control: self.control.map(|control| Arc::new(control.into_vec())),
            steps: self.steps as usize,
            clip: self.clip,
        }
    }
}

/// An answer, as it travels, and when it was computed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Answered {
    job: u64,
    samples: f64,
    steps: u64,
    change: Travelling,
    control: Option<Tensor<f64>>,
    is_short: bool,
    score: Score,
    begun: Duration,
    ended: Duration,
}

impl Answered {
    /// The answer to a job that was done from this model.
    pub(super) fn new(job: u64, reply: Reply, model: &[f32], begun: Duration, ended: Duration) -> Self {
        Self {
            job,
            samples: reply.samples,
            steps: reply.steps as u64,
            change: Travelling::new(reply.change, model),
            control: reply.control.map(Tensor::from),
            is_short: reply.is_short,
            score: reply.score,
            begun,
            ended,
        }
    }
}

/// What nodes ask.
#[service]
pub trait Asks {
    /// The next work of a node, once there is some; nothing when the run is over.
    async fn next(&self, node: u32) -> Option<Assigned>;
    /// What came of some work.
    async fn answer(&self, answered: Answered);
    /// What a client says to the question of this number.
    async fn say(&self, number: u64, said: Said);
    /// What went wrong with some work, which ends the run.
    async fn fail(&self, reason: String);
}

/// The desk.
pub struct Desk {
    tell: mpsc::UnboundedSender<News>,
    /// Where it is told what ends the run.
    failed: mpsc::UnboundedSender<String>,
    /// The work that waits for each node.
    waiting: Vec<tokio::sync::Mutex<mpsc::UnboundedReceiver<Assigned>>>,
    state: Mutex<State>,
}

struct State {
    /// The other ends; none once the run is over.
    give: Vec<mpsc::UnboundedSender<Assigned>>,
    /// Nodes that are no more.
    lost: BTreeSet<usize>,
    /// Whose work is under way, by its number.
    out: BTreeMap<u64, Out>,
    /// Answers by client and round, until they are folded.
    answers: BTreeMap<(usize, u64), Come>,
    /// Who waits for which answer, and of which node.
    asked: BTreeMap<u64, (usize, oneshot::Sender<Said>)>,
    questions: u64,
}

/// Work under way.
struct Out {
    node: usize,
    client: usize,
    round: u64,
    /// What it was given, from which its change is taken.
    model: Arc<Vec<f32>>,
}

/// An answer that has come.
struct Come {
    reply: Reply,
    begun: Duration,
    ended: Duration,
    bytes: u64,
}

impl Desk {
    pub(super) fn new(
        nodes: usize,
        tell: mpsc::UnboundedSender<News>,
        failed: mpsc::UnboundedSender<String>,
    ) -> Self {
        let (give, waiting) = (0..nodes)
            .map(|_| {
                let (give, take) = mpsc::unbounded_channel();
                (give, tokio::sync::Mutex::new(take))
            })
            .unzip();
        let (lost, out, answers) = (BTreeSet::new(), BTreeMap::new(), BTreeMap::new());
        let state = State { give, lost, out, answers, asked: BTreeMap::new(), questions: 0 };
        Self { tell, failed, waiting, state: Mutex::new(state) }
    }

    /// A panic under the lock has failed the program: nobody relies on the state after it.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has a client do this work, by the node that has its rows; on a node that is lost that is lost too.
    pub(in super::super) fn give(&self, job: u64, task: &Task) {
        let mut state = self.state();
        let node = self.node_of(task.client);
        if state.send(node, Assigned::Task(Assignment::new(job, task))) {
            let (client, round, model) = (task.client, task.round, Arc::clone(&task.model));
            state.out.insert(job, Out { node, client, round, model });
        } else {
            // The server is there as long as it gives work.
            let _ = self.tell.send(News { job, is_lost: true });
        }
    }

    /// The node that has a client.
    fn node_of(&self, client: usize) -> usize {
        client % self.waiting.len()
    }

    /// Asks a client; whoever waits hears nothing of one whose node is lost.
    pub(super) fn ask(&self, client: usize, question: Question) -> oneshot::Receiver<Said> {
        let (tell, said) = oneshot::channel();
        let (node, mut state) = (self.node_of(client), self.state());
        state.questions += 1;
        let number = state.questions;
        if state.send(node, Assigned::Asked(number, client as u64, question)) {
            state.asked.insert(number, (node, tell));
        }
        said
    }

    /// What each of so many clients finds of a model; nothing of those that do not say, or are lost.
    pub(in super::super) async fn evaluate(
        &self,
        clients: usize,
        model: &[f32],
        patience: &Patience,
    ) -> Result<Vec<Option<Evaluated>>> {
        let model = Tensor::from(model.to_vec());
        let asked: Vec<_> =
            (0..clients).map(|client| self.ask(client, Question::Evaluate(model.clone()))).collect();
        let mut each = Vec::with_capacity(clients);
        let until = patience.begin();
        for said in asked {
            each.push(match until.hear(said).await {
                Some(Said::Evaluated(evaluated)) => Some(evaluated),
                _ => None,
            });
        }
        Ok(each)
    }

    /// The answers of these tasks, as far as they are there.
    pub(in super::super) fn take(&self, tasks: &[Task]) -> Vec<Reply> {
        let mut state = self.state();
        let answers = tasks.iter().filter_map(|task| state.answers.remove(&(task.client, task.round)));
        answers.map(|come| come.reply).collect()
    }

    /// An answer that counts nowhere.
    pub(in super::super) fn forget(&self, task: &Task) {
        self.state().answers.remove(&(task.client, task.round));
    }

    /// How the work at a task went that was given out at `start` and is here now, and the bytes that came.
    pub(in super::super) fn course(
        &self,
        task: &Task,
        start: Duration,
        now: Duration,
    ) -> Option<(Course, u64)> {
        let state = self.state();
        let come = state.answers.get(&(task.client, task.round))?;
        let since = |time: Duration| time.saturating_sub(start).as_secs_f64();
        let course = Course { pulled: since(come.begun), computed: since(come.ended), answered: since(now) };
        Some((course, come.bytes))
    }

    /// A node is no more.
    pub(super) fn lose(&self, node: usize) {
        let mut state = self.state();
        state.lost.insert(node);
        let (gone, left): (BTreeMap<u64, Out>, _) =
            std::mem::take(&mut state.out).into_iter().partition(|(_, out)| out.node == node);
        state.out = left;
        // Whoever waits for an answer of it hears so.
        state.asked.retain(|_, (of, _)| *of != node);
        for (job, _) in gone {
            let _ = self.tell.send(News { job, is_lost: true });
        }
    }

    /// Nothing comes any more.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.give.clear();
        state.asked.clear();
    }
}

impl State {
    /// Gives a node something to do; says whether it is there.
    fn send(&self, node: usize, assigned: Assigned) -> bool {
        !self.lost.contains(&node) && self.give.get(node).is_some_and(|give| give.send(assigned).is_ok())
    }
}

/// How long is waited for answers to questions: as long as for a round, where that has a deadline; a client that never answers holds nobody
/// up for longer.
pub(in super::super) struct Patience {
    pub clock: Clock,
    pub limit: Option<Duration>,
}

/// Until when somebody waits.
pub(super) struct Until<'a> {
    clock: &'a Clock,
    end: Option<Duration>,
}

impl Patience {
    /// Waits that begin now.
    pub(super) fn begin(&self) -> Until<'_> {
        let end = self.limit.map(|limit| self.clock.now().saturating_add(limit));
        Until { clock: &self.clock, end }
    }
}

impl Until<'_> {
    /// What was said; nothing where that is too late, or whoever was asked is lost.
    pub(super) async fn hear(&self, said: oneshot::Receiver<Said>) -> Option<Said> {
        let Some(end) = self.end else { return said.await.ok() };
        let left = end.saturating_sub(self.clock.now());
        self.clock.timeout(left, said).await.ok()?.ok()
    }
}

/// A change that stays with its client leaves in the answer whether it is made of numbers.
pub(super) fn is_usable(reply: &Reply) -> bool {
    reply.change.is_empty()
}

/// Why an answer is none.
fn wrong(client: usize) -> Error {
    Error::BadAnswer { client, reason: "it is no change of the model that it was sent".to_owned() }
}

#[service]
impl Asks for Desk {
    async fn next(&self, node: u32) -> Option<Assigned> {
        self.waiting.get(node as usize)?.lock().await.recv().await
    }

    async fn answer(&self, answered: Answered) {
        let Answered { job, samples, steps, change, control, is_short, score, begun, ended } = answered;
        let mut state = self.state();
        let Some(Out { client, round, model, .. }) = state.out.remove(&job) else { return };
        let bytes = change.bytes() + control.as_ref().map_or(0, |control| 8 * control.len() as u64);
        let Some(change) = change.change(&model) else {
            let _ = self.failed.send(wrong(client).to_string());
            return;
        };
        let reply = Reply {
            client,
            samples,
            steps: steps as usize,
            change,
            control: control.map(Tensor::into_vec),
            is_short,
            score,
        };
        state.answers.insert((client, round), Come { reply, begun, ended, bytes });
        // The server may be through.
        let _ = self.tell.send(News { job, is_lost: false });
    }

    async fn say(&self, number: u64, said: Said) {
        if let Some((_, waits)) = self.state().asked.remove(&number) {
            // The round may be over.
            let _ = waits.send(said);
        }
    }

    async fn fail(&self, reason: String) {
        let _ = self.failed.send(reason);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(client: usize) -> Task {
        Task { client, round: 0, model: Arc::new(vec![1.0]), control: None, steps: 1, clip: None }
    }

    fn reply(change: f64) -> Reply {
        let (samples, steps, control, is_short) = (2.0, 1, None, true);
        Reply { client: 99, samples, steps, change: vec![change], control, is_short, score: Score::default() }
    }

    #[tokio::test]
    async fn what_a_lost_node_was_at_is_lost_and_all_that_it_is_given_later() {
        let (tell, mut news) = mpsc::unbounded_channel();
        let desk = Desk::new(2, tell, mpsc::unbounded_channel().0);
        (0..3).for_each(|client| desk.give(client as u64, &task(client)));
        desk.lose(1);
        let lost = news.try_recv().unwrap();
        assert_eq!((lost.job, lost.is_lost), (1, true), "client 1 is node 1's");
        desk.give(3, &task(3));
        assert_eq!(news.try_recv().unwrap().job, 3);
        let Some(Assigned::Task(assigned)) = desk.next(0).await else { panic!("there is work") };
        assert_eq!((assigned.job, assigned.client), (0, 0));
        let answered =
            |job, change| Answered::new(job, reply(change), &[1.0], Duration::ZERO, Duration::ZERO);
        desk.answer(answered(0, 0.5)).await;
        // An answer that nobody waits for, and one that comes twice, are no news.
        desk.answer(answered(1, 7.0)).await;
        desk.answer(answered(0, 7.0)).await;
        assert!(!news.try_recv().unwrap().is_lost && news.try_recv().is_err());
        let answers = desk.take(&[task(0), task(1)]);
        assert_eq!(answers.len(), 1);
        assert_eq!(
            (answers[0].client, &answers[0].change[..]),
            (0, &[0.5][..]),
            "whose it is the desk knows"
        );
        desk.close();
        assert!(matches!(desk.next(0).await, Some(Assigned::Task(assigned)) if assigned.job == 2));
        assert!(desk.next(0).await.is_none() && desk.next(7).await.is_none());
    }
}
