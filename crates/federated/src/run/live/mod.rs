//! The same runs on threads, processes and hosts: clients' rows are on nodes of a program, each of which computes for some of them, and
//! the server is the driver.
//!
//! Gates, folds, rules and reports are those of a simulation, and an answer depends on its task alone (WORK-1); so where all are waited for,
//! the model is the same to the bit. What takes how long, and who is lost, is then the machine's matter and no setting.

mod desk;
mod summed;
mod travel;
mod vault;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use syncline_data::Dataset;
use syncline_learn::Model;
use syncline_program::{Context, Cost, Executor, Handle, NodeResult, OnFailure, Program, State, launch};
use tokio::sync::mpsc;

use super::own::{OwnClients, evaluated};
use super::settings::{Partial, Settings};
use super::simulation::{Ground, News, complete};
use super::sum::noise_source;
use super::work::Workshop;
use super::{Federation, Trained};
use crate::error::within;
use crate::{Error, Result};

use desk::{Answered, AsksClient, Assigned, Question, Said};
pub(super) use desk::{Desk, Patience};
pub(super) use summed::summed_by_nodes;
use vault::Vault;

/// The label of the nodes that compute for clients.
const CLIENTS: &str = "client";

/// What every node knows.
struct Shared {
    /// Models need not be shareable between threads; each node clones its own.
    model: Mutex<Box<dyn Model>>,
    data: Arc<Dataset>,
    rows: Arc<Vec<Vec<u32>>>,
    examples: Arc<Vec<usize>>,
    clients: Option<Arc<dyn OwnClients>>,
    settings: Settings,
}

/// Runs a federation on so many nodes to its end.
pub(super) fn run(federation: Federation, nodes: usize, on: Executor) -> Result<Trained> {
    check(&federation.settings, &on)?;
    within("the number of nodes", nodes, 1, federation.examples.len())?;
    let shared = Arc::new(Shared {
        model: Mutex::new(federation.model.boxed_clone()),
        data: Arc::clone(&federation.data),
        rows: Arc::clone(&federation.rows),
        examples: Arc::clone(&federation.examples),
        clients: federation.clients.clone(),
        // Nodes share the cores.
        settings: Settings { threads: 1, ..federation.settings.clone() },
    });
    let (tell, news) = mpsc::unbounded_channel();
    let (failed, failures) = mpsc::unbounded_channel();
    let desk = Arc::new(Desk::new(nodes, tell.clone(), failed));
    let mut program = Program::new("federate");
    program.fingerprint(format!("{:?} {nodes}", federation.settings).as_bytes());
    program.fingerprint(&federation.data.digest().to_le_bytes());
    let handle = program.service_here("desk", Arc::clone(&desk));
    program.group(CLIENTS, nodes).on_failure(OnFailure::GoOn).run(move |ctx| {
        let (shared, handle) = (Arc::clone(&shared), handle.clone());
        async move { work(&ctx, &shared, &handle).await }
    });
    let program =
        program.driver(async move |ctx| Ok(drive(&ctx, federation, desk, failures, tell, news).await));
    launch(program, on).map_err(of_program)?.wait().map_err(of_program)?
}

/// What the failure of a program is to the run.
fn of_program(error: syncline_program::Error) -> Error {
    match error {
        syncline_program::Error::Interrupted(by) => Error::Interrupted(by),
        error => Error::Program(error.to_string()),
    }
}

/// Refuses what is of virtual time only.
fn check(settings: &Settings, on: &Executor) -> Result<()> {
    let refused =
        |what: &str, why: &str| Err(Error::Settings(format!("{what} {why}: leave it out, or the executor")));
    if on.is_sim() {
        return refused("--on sim", "is what a run without an executor is");
    }
    if settings.devices != Settings::default().devices {
        return refused(
            "how fast devices and lines are",
            "is a setting in virtual time, and elsewhere as it is",
        );
    }
    if settings.dropout > 0.0 || settings.stragglers > 0.0 && settings.partial == Partial::Drop {
        return refused("who is lost", "is a setting in virtual time, and elsewhere whoever fails");
    }
    Ok(())
}

/// The server's side, in the launching process.
async fn drive(
    ctx: &Context,
    federation: Federation,
    desk: Arc<Desk>,
    mut failures: mpsc::UnboundedReceiver<String>,
    tell: mpsc::UnboundedSender<News>,
    news: mpsc::UnboundedReceiver<News>,
) -> Result<Trained> {
    let ground = Ground::Live(Arc::clone(&desk));
    let trained = tokio::select! {
        biased;
        trained = complete(federation, ground, ctx.clock().clone(), tell, news) => trained,
        Some(reason) = failures.recv() => Err(Error::Program(reason)),
        failed = watch(ctx, &desk) => Err(failed),
    };
    desk.close();
    trained
}

/// Tells the server which nodes are lost, and with them the work that they were at.
async fn watch(ctx: &Context, desk: &Desk) -> Error {
    let mut lost = BTreeSet::new();
    let mut roster = match ctx.roster().await {
        Ok(roster) => roster,
        Err(error) => return of_program(error),
    };
    loop {
        for (name, presence) in roster.group(CLIENTS) {
            if presence.state == State::Failed && lost.insert(name.rank()) {
                desk.lose(name.rank());
            }
        }
        roster = match ctx.roster_after(&roster).await {
            Ok(roster) => roster,
            Err(error) => return of_program(error),
        };
    }
}

/// A node: it computes for the clients that it has.
async fn work(ctx: &Context, shared: &Shared, desk: &Handle<Desk>) -> NodeResult<()> {
    let desk = desk.connect(ctx).await?;
    let Shared { model, data, rows, examples, clients, settings } = shared;
    let model = model.lock().unwrap_or_else(PoisonError::into_inner).boxed_clone();
    // Clients of different nodes must not have the same noise.
    let noise = noise_source(settings, 0xc2 ^ ((ctx.rank() as u64 + 1) << 16));
    let mut workshop = Workshop::new(&*model, Arc::clone(data), Arc::clone(rows), settings.clone(), noise)
        .of_own(clients.clone());
    let mut vault = Vault::new(settings, examples)?;
    while let Some(assigned) = desk.next(ctx.rank() as u32).await? {
        let assignment = match assigned {
            Assigned::Task(assignment) => assignment,
            Assigned::Asked(number, client, question) => {
                let own = clients.as_deref();
                let say = || said(own, vault.as_mut(), client as usize, question);
                match ctx.compute(Cost::Measured, say).await {
                    Ok(said) => desk.say(number, said).await?,
                    Err(error) => desk.fail(error.to_string()).await?,
                }
                continue;
            }
        };
        let (job, task) = (assignment.job, assignment.into_task());
        let begun = ctx.clock().now();
        let replies = ctx.compute(Cost::Measured, || workshop.replies(std::slice::from_ref(&task))).await;
        let ended = ctx.clock().now();
        let replies = match replies {
            Ok(replies) => replies,
            Err(error) => {
                desk.fail(error.to_string()).await?;
                continue;
            }
        };
        for mut reply in replies {
            if let Some(vault) = &mut vault {
                vault.keep(&mut reply, task.round);
            }
            desk.answer(Answered::new(job, reply, &task.model, begun, ended)).await?;
        }
    }
    Ok(())
}

/// What a client says to a question.
fn said(
    own: Option<&dyn OwnClients>,
    vault: Option<&mut Vault>,
    client: usize,
    question: Question,
) -> Result<Said> {
    Ok(match question {
        Question::Evaluate(model) => match own {
            Some(own) => evaluated(own, client, &model)?.map_or(Said::Nothing, Said::Evaluated),
            None => Said::Nothing,
        },
        Question::Sum(message) => {
            vault.and_then(|vault| vault.step(client, message)).map_or(Said::Nothing, Said::Sum)
        }
    })
}
