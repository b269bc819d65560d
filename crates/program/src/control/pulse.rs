//! A process's signs of life. They come from a thread that does nothing else, over a connection of its own, so that a
//! node that computes for long does not look like one that is stopped.

use syncline_runtime::Waits;
use syncline_wire::{Address, Client, Limits, Token};

use crate::control::standing::Standing;
use crate::control::{Control, Request};
use crate::life::patience::Silence;
use crate::node::body;
use crate::{Error, NodeId};

/// Tells the launcher at `control` that this process is alive, again and again for the rest of its life.
pub(super) fn start(
    node: NodeId,
    control: Address,
    token: Token,
    limits: Limits,
    silence: Silence,
    waits: Waits,
) -> Result<(), Error> {
    let runtime = body::runtime()?;
    let beat = async move {
        // When the launcher cannot be reached, the leash ends this process: there is nobody to tell.
        let identity = node.identity(token);
        let Ok(client) = Client::<Control>::connect(&control, identity, &limits).await else { return };
        let alive = || Request::Alive { node: node.clone(), standing: Standing::of(&waits) };
        while client.call(alive()).await.is_ok() {
            tokio::time::sleep(silence.period()).await;
            // What gates are for is asked now and told with the next sign.
            waits.ask();
        }
    };
    let thread = std::thread::Builder::new().name("pulse".to_owned()).spawn(move || runtime.block_on(beat));
    thread.map(drop).map_err(Error::system("cannot start the thread that shows signs of life"))
}
