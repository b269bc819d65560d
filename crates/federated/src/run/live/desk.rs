//! The desk in the launching process: nodes ask it for work and bring it answers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use syncline_learn::Score;
use syncline_wire::{Tensor, service};
use tokio::sync::mpsc;

use super::super::device::Course;
use super::super::simulation::News;
use super::super::work::{Reply, Task};

/// A task, as it travels.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Assigned {
    pub job: u64,
    client: u64,
    round: u64,
    model: Tensor<f32>,
    control: Option<Tensor<f32>>,
    steps: u64,
    clip: Option<f64>,
}

impl Assigned {
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
    change: Tensor<f64>,
    control: Option<Tensor<f64>>,
    is_short: bool,
    score: Score,
    begun: Duration,
    ended: Duration,
}

impl Answered {
    pub(super) fn new(job: u64, reply: Reply, begun: Duration, ended: Duration) -> Self {
        Self {
            job,
            samples: reply.samples,
            steps: reply.steps as u64,
            change: Tensor::from(reply.change),
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
}

/// The desk.
pub struct Desk {
    tell: mpsc::UnboundedSender<News>,
    /// The work that waits for each node.
    waiting: Vec<tokio::sync::Mutex<mpsc::UnboundedReceiver<Assigned>>>,
    state: Mutex<State>,
}

struct State {
    /// The other ends; none once the run is over.
    give: Vec<mpsc::UnboundedSender<Assigned>>,
    /// Nodes that are no more.
    lost: BTreeSet<usize>,
    /// Whose work is under way, by its number: the node, and the client's round.
    out: BTreeMap<u64, (usize, (usize, u64))>,
    /// Answers by client and round, until they are folded.
    answers: BTreeMap<(usize, u64), (Reply, Duration, Duration)>,
}

impl Desk {
    pub(super) fn new(nodes: usize, tell: mpsc::UnboundedSender<News>) -> Self {
        let (give, waiting) = (0..nodes)
            .map(|_| {
                let (give, take) = mpsc::unbounded_channel();
                (give, tokio::sync::Mutex::new(take))
            })
            .unzip();
        let (lost, out, answers) = (BTreeSet::new(), BTreeMap::new(), BTreeMap::new());
        Self { tell, waiting, state: Mutex::new(State { give, lost, out, answers }) }
    }

    /// A panic under the lock has failed the program: nobody relies on the state after it.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has a client do this work, by the node that has its rows; on a node that is lost that is lost too.
    pub(in super::super) fn give(&self, job: u64, task: &Task) {
        let mut state = self.state();
        let node = task.client % self.waiting.len();
        let gone = state.lost.contains(&node)
            || state.give.get(node).is_none_or(|give| give.send(Assigned::new(job, task)).is_err());
        if gone {
            // The server is there as long as it gives work.
            let _ = self.tell.send(News { job, is_lost: true });
        } else {
            state.out.insert(job, (node, (task.client, task.round)));
        }
    }

    /// The answers of these tasks, as far as they are there.
    pub(in super::super) fn take(&self, tasks: &[Task]) -> Vec<Reply> {
        let mut state = self.state();
        let answers = tasks.iter().filter_map(|task| state.answers.remove(&(task.client, task.round)));
        answers.map(|(reply, ..)| reply).collect()
    }

    /// An answer that counts nowhere.
    pub(in super::super) fn forget(&self, task: &Task) {
        self.state().answers.remove(&(task.client, task.round));
    }

    /// How the work at a task went that was given out at `start` and is here now.
    pub(in super::super) fn course(&self, task: &Task, start: Duration, now: Duration) -> Option<Course> {
        let state = self.state();
        let (_, begun, ended) = state.answers.get(&(task.client, task.round))?;
        let since = |time: Duration| time.saturating_sub(start).as_secs_f64();
        Some(Course { pulled: since(*begun), computed: since(*ended), answered: since(now) })
    }

    /// A node is no more.
    pub(super) fn lose(&self, node: usize) {
        let mut state = self.state();
        state.lost.insert(node);
        let (gone, left) = std::mem::take(&mut state.out).into_iter().partition(|(_, (of, _))| *of == node);
        state.out = left;
        for (job, _) in gone {
            let _ = self.tell.send(News { job, is_lost: true });
        }
    }

    /// Nothing comes any more.
    pub(super) fn close(&self) {
        self.state().give.clear();
    }
}

#[service]
impl Asks for Desk {
    async fn next(&self, node: u32) -> Option<Assigned> {
        self.waiting.get(node as usize)?.lock().await.recv().await
    }

    async fn answer(&self, answered: Answered) {
        let Answered { job, samples, steps, change, control, is_short, score, begun, ended } = answered;
        let mut state = self.state();
        let Some((_, key)) = state.out.remove(&job) else { return };
        let reply = Reply {
            client: key.0,
            samples,
            steps: steps as usize,
            change: change.into_vec(),
            control: control.map(Tensor::into_vec),
            is_short,
            score,
        };
        state.answers.insert(key, (reply, begun, ended));
        // The server may be through.
        let _ = self.tell.send(News { job, is_lost: false });
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
        let desk = Desk::new(2, tell);
        (0..3).for_each(|client| desk.give(client as u64, &task(client)));
        desk.lose(1);
        let lost = news.try_recv().unwrap();
        assert_eq!((lost.job, lost.is_lost), (1, true), "client 1 is node 1's");
        desk.give(3, &task(3));
        assert_eq!(news.try_recv().unwrap().job, 3);
        let assigned = desk.next(0).await.unwrap();
        assert_eq!((assigned.job, assigned.client), (0, 0));
        desk.answer(Answered::new(0, reply(0.5), Duration::ZERO, Duration::ZERO)).await;
        // An answer that nobody waits for, and one that comes twice, are no news.
        desk.answer(Answered::new(1, reply(7.0), Duration::ZERO, Duration::ZERO)).await;
        desk.answer(Answered::new(0, reply(7.0), Duration::ZERO, Duration::ZERO)).await;
        assert!(!news.try_recv().unwrap().is_lost && news.try_recv().is_err());
        let answers = desk.take(&[task(0), task(1)]);
        assert_eq!(answers.len(), 1);
        assert_eq!(
            (answers[0].client, &answers[0].change[..]),
            (0, &[0.5][..]),
            "whose it is the desk knows"
        );
        desk.close();
        assert_eq!(desk.next(0).await.unwrap().job, 2);
        assert!(desk.next(0).await.is_none() && desk.next(7).await.is_none());
    }
}
