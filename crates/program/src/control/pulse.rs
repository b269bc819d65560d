//! A process's signs of life. They come from a thread that does nothing else, over a connection of its own, so that a
//! node that computes for long does not look like one that is stopped.
//!
//! On the network they also tell the process whether the launcher is there: a cable that is pulled breaks no leash.
//!
//! Where the engine asks every process of a job to end before it ends them (SIGTERM), the launcher is told, and decides.

use std::env;
use std::time::Duration;

use signal_hook::consts::SIGTERM;
use syncline_runtime::{Clock, Waits};
use syncline_wire::{Address, Client, Edges, Limits, Token};

use crate::control::standing::Standing;
use crate::control::{Control, Request, leash};
use crate::launch::signals::Arrivals;
use crate::life::ledger::Account;
use crate::life::patience::Silence;
use crate::node::body;
use crate::{Error, NodeId};

/// How long a process on the network lives on without an answer of its launcher, which by then has taken its host for lost.
const LOST: Duration = Duration::from_secs(30);

/// Is set for a process to which SIGTERM is the engine's notice, meant for the whole program.
pub(crate) const HEEDS_NOTICE: &str = "SYNCLINE_HEEDS_NOTICE";

/// Tells the launcher at `control` that this process is alive, again and again for the rest of its life.
pub(super) fn start(
    node: NodeId,
    control: Address,
    token: Token,
    limits: Limits,
    silence: Silence,
    waits: Waits,
    edges: Edges,
) -> Result<(), Error> {
    let runtime = body::runtime()?;
    let beat = async move {
        // When the launcher cannot be reached, the leash ends this process: there is nobody to tell.
        let identity = node.identity(token);
        let Ok(client) = Client::<Control>::connect(&control, identity, &limits).await else { return };
        if env::var_os(HEEDS_NOTICE).is_some() {
            tokio::spawn(pass_on_notice(client.clone()));
        }
        let clock = Clock::start();
        let alive = || Request::Alive {
            node: node.clone(),
            standing: Standing::of(&waits),
            account: Account::of(&edges, clock.now(), &limits),
        };
        let is_on_network = !matches!(control, Address::Unix(_));
        let mut heard = clock.now();
        loop {
            let told = tokio::time::timeout(LOST, client.call(alive())).await;
            match told {
                Ok(Ok(_)) => heard = clock.now(),
                _ if !is_on_network => return,
                _ if clock.now().saturating_sub(heard) >= LOST => leash::perish(&control),
                // The next call opens the connection anew.
                _ => {}
            }
            tokio::time::sleep(silence.period()).await;
            // What gates are for is asked now and told with the next sign.
            waits.ask();
        }
    };
    let thread = std::thread::Builder::new().name("pulse".to_owned()).spawn(move || runtime.block_on(beat));
    thread.map(drop).map_err(Error::system("cannot start the thread that shows signs of life"))
}

async fn pass_on_notice(client: Client<Control>) {
    let Ok(mut terminate) = Arrivals::of(SIGTERM) else { return };
    loop {
        terminate.next().await;
        // A launcher that cannot be told ends this process by the leash.
        let _ = client.call(Request::Noticed).await;
    }
}
