//! Secure sums of clients that are on nodes: the server of `secure` passes its messages by the desk, and sees of the changes nothing but
//! their sum.
//!
//! A client whose node is lost, who refuses a message, whose answer is none of the protocol, or who takes longer than a round may has dropped out
//! at that stage.

use std::collections::BTreeSet;

use super::super::server::{Folded, Server};
use super::super::sum::{Dropped, Exchange, Exchanged, Next};
use super::super::work::Task;
use super::desk::{Desk, Patience, Question, Said, is_usable};
use crate::Result;

/// Folds the answers of tasks that have stayed with their clients.
pub(in super::super) async fn summed_by_nodes(
    desk: &Desk,
    server: &mut Server,
    tasks: &[Task],
    dropped: Dropped<'_>,
    patience: &Patience,
) -> Result<Folded> {
    let mut folded = Folded::default();
    let (usable, bad): (Vec<_>, Vec<_>) = desk.take(tasks).into_iter().partition(is_usable);
    usable.iter().for_each(|reply| folded.score += reply.score);
    let with_input: Vec<usize> = usable.iter().map(|reply| reply.client).collect();
    let mut gone = dropped.clients.to_vec();
    gone.extend(bad.iter().map(|reply| reply.client));
    let exchange = server.open_sum(&with_input, Dropped { clients: &gone, ..dropped })?;
    let (exchanged, refused) = exchange_by(desk, exchange, patience).await?;
    let counted: BTreeSet<usize> = exchanged.clients.iter().map(|client| *client as usize).collect();
    folded.counted = counted.len();
    folded.bad = bad.iter().map(|reply| reply.client).chain(refused).collect();
    folded.unheard = with_input.into_iter().filter(|client| !counted.contains(client)).collect();
    server.take_sum(&exchanged, folded)
}

/// The four stages; and whose answers were none of the protocol.
async fn exchange_by(
    desk: &Desk,
    mut exchange: Exchange,
    patience: &Patience,
) -> Result<(Exchanged, BTreeSet<usize>)> {
    let mut refused = BTreeSet::new();
    loop {
        let messages = match exchange.next()? {
            Next::Send(messages) => messages,
            Next::Over(exchanged) => return Ok((exchanged, refused)),
        };
        let ask = |(to, message)| (to, desk.ask(to as usize, Question::Sum(message)));
        let asked: Vec<_> = messages.into_iter().map(ask).collect();
        let until = patience.begin();
        for (from, said) in asked {
            if let Some(Said::Sum(answer)) = until.hear(said).await
                && exchange.answered(from, answer).is_err()
            {
                refused.insert(from as usize);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use syncline_learn::Score;
    use syncline_runtime::Clock;
    use tokio::sync::mpsc;

    use super::*;
    use crate::Error;
    use crate::run::live::desk::{Answered, Asks, Assigned};
    use crate::run::live::vault::Vault;
    use crate::run::server::Own;
    use crate::run::settings::{SecureSum, Settings};
    use crate::run::sum::noise_source;
    use crate::run::work::Reply;
    use crate::secure::{FromClient, FromServer};

    const CLIENTS: usize = 7;
    /// A stage takes some milliseconds.
    const LIMIT: Duration = Duration::from_secs(1);

    /// What becomes of a client at a stage.
    #[derive(Clone, Copy, PartialEq)]
    enum Fate {
        Lost,
        /// Its message is none of the protocol.
        Garbled,
        /// It never answers.
        Silent,
    }

    /// The number of the stage that a message begins.
    fn stage(message: &FromServer) -> usize {
        match message {
            FromServer::Setup(_) => 0,
            FromServer::Keys(_) => 1,
            FromServer::Shares(_) => 2,
            FromServer::Unmask(_) => 3,
        }
    }

    /// A node with one client, whose fate strikes at a stage.
    async fn node(desk: Arc<Desk>, client: usize, mut vault: Vault, fate: Option<(usize, Fate)>) {
        while let Some(assigned) = desk.next(client as u32).await {
            match assigned {
                Assigned::Task(assignment) => {
                    let (job, task) = (assignment.job, assignment.into_task());
                    let change = vec![client as f64 / 10.0, -0.25];
                    let (samples, score) = (10.0 + client as f64, Score::default());
                    let mut reply =
                        Reply { client, samples, steps: 1, change, control: None, is_short: true, score };
                    vault.keep(&mut reply, task.round);
                    assert!(reply.change.is_empty(), "it stays where it is");
                    let answered = Answered::new(job, reply, &task.model, Duration::ZERO, Duration::ZERO);
                    desk.answer(answered).await;
                }
                Assigned::Asked(number, _, Question::Sum(message)) => match fate {
                    Some((at, Fate::Lost)) if at == stage(&message) => return desk.lose(client),
                    Some((at, Fate::Garbled)) if at == stage(&message) => {
                        desk.say(number, Said::Sum(FromClient::Masked(vec![7; 3]))).await;
                    }
                    Some((at, Fate::Silent)) if at == stage(&message) => {}
                    _ => {
                        let said = vault.step(client, message).map_or(Said::Nothing, Said::Sum);
                        desk.say(number, said).await;
                    }
                },
                Assigned::Asked(..) => {}
            }
        }
    }

    /// The model after a round with these fates, what was folded, and the mean of those whose input counts.
    async fn round(
        neighbours: Option<usize>,
        fates: &[(usize, usize, Fate)],
    ) -> Result<(Vec<f32>, Folded, [f64; 2])> {
        let secure = SecureSum { neighbours, clip: 1.0, bits: 24 };
        let settings = Settings { secure: Some(secure), ..Settings::default() };
        let samples: Vec<usize> = (0..CLIENTS).map(|client| 10 + client).collect();
        let (tell, mut news) = mpsc::unbounded_channel();
        let desk = Arc::new(Desk::new(CLIENTS, tell, mpsc::unbounded_channel().0));
        let mut server =
            Server::new(&settings, &[0.0; 2], &samples, noise_source(&settings, 1), Own::default())?;
        for client in 0..CLIENTS {
            let vault = Vault::new(&settings, &samples)?.unwrap();
            let fate = fates.iter().find(|(of, ..)| *of == client).map(|(_, at, fate)| (*at, *fate));
            tokio::spawn(node(Arc::clone(&desk), client, vault, fate));
        }
        let task = |client| Task {
            client,
            round: 4,
            model: Arc::clone(server.model()),
            control: None,
            steps: 1,
            clip: None,
        };
        let tasks: Vec<Task> = (0..CLIENTS).map(task).collect();
        for (job, task) in tasks.iter().enumerate() {
            desk.give(job as u64, task);
        }
        for _ in 0..CLIENTS {
            assert!(!news.recv().await.unwrap().is_lost);
        }
        let dropped = Dropped { clients: &[], round: 4 };
        let patience = Patience { clock: Clock::start(), limit: Some(LIMIT) };
        let folded = summed_by_nodes(&desk, &mut server, &tasks, dropped, &patience).await?;
        // Whose input is in is known by then, whatever happens at the last stage.
        let counts = |client: &usize| !fates.iter().any(|(of, at, _)| of == client && *at < 3);
        let counted: Vec<usize> = (0..CLIENTS).filter(counts).collect();
        let weight: f64 = counted.iter().map(|client| samples[*client] as f64).sum();
        let mean = |value: &dyn Fn(usize) -> f64| {
            counted.iter().map(|client| samples[*client] as f64 / weight * value(*client)).sum::<f64>()
        };
        assert_eq!(folded.counted, counted.len());
        Ok((server.model().to_vec(), folded, [mean(&|client| client as f64 / 10.0), mean(&|_| -0.25)]))
    }

    #[tokio::test]
    async fn whoever_is_lost_at_whatever_stage_the_sum_is_that_of_the_others() {
        for neighbours in [None, Some(6)] {
            for at in 0..4 {
                for fate in [Fate::Lost, Fate::Garbled] {
                    let fates = [(5, at, fate), (2, at, fate)];
                    let (model, folded, mean) = round(neighbours, &fates).await.unwrap();
                    let near =
                        model.iter().zip(mean).all(|(got, wished)| (f64::from(*got) - wished).abs() < 1e-5);
                    assert!(near, "stage {at}: {model:?} {mean:?}");
                    let is_told = fate == Fate::Garbled;
                    assert_eq!(folded.bad, if is_told { vec![2, 5] } else { vec![] }, "stage {at}");
                    assert!(folded.secure_bytes.iter().all(|bytes| *bytes > 0));
                }
            }
        }
    }

    #[tokio::test]
    async fn nobody_waits_for_ever_for_one_who_does_not_answer() {
        let (model, folded, mean) = round(None, &[(3, 2, Fate::Silent)]).await.unwrap();
        assert!(model.iter().zip(mean).all(|(got, wished)| (f64::from(*got) - wished).abs() < 1e-5));
        assert_eq!((folded.counted, folded.unheard), (6, vec![3]));
    }

    #[tokio::test]
    async fn too_few_left_is_a_failed_round() {
        for at in 0..4 {
            let fates: Vec<_> = (0..5).map(|client| (client, at, Fate::Lost)).collect();
            let failed = round(None, &fates).await.map(|_| ());
            assert!(matches!(failed, Err(Error::SumFailed { .. })), "stage {at}: {failed:?}");
        }
    }
}
