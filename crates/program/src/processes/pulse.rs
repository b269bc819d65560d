//! A process's signs of life. They come from a thread that does nothing else, over a connection of its own, so that a
//! node that computes for long does not look like one that is stopped.

use syncline_wire::{Address, Client, Limits, Token};

use crate::control::{Control, Request};
use crate::supervisor::Silence;
use crate::{Error, NodeName, node};

/// Tells the launcher at `control` that this process is alive, again and again for the rest of its life.
pub(super) fn start(
    node: NodeName,
    control: Address,
    token: Token,
    limits: Limits,
    silence: Silence,
) -> Result<(), Error> {
    let runtime = node::runtime()?;
    let beat = async move {
        // When the launcher cannot be reached, the leash ends this process: there is nobody to tell.
        let Ok(client) = Client::<Control>::connect(&control, &token, &limits).await else { return };
        while client.call(Request::Alive { node: node.clone() }).await.is_ok() {
            tokio::time::sleep(silence.period()).await;
        }
    };
    let thread = std::thread::Builder::new().name("pulse".to_owned()).spawn(move || runtime.block_on(beat));
    thread.map(drop).map_err(Error::system("cannot start the thread that shows signs of life"))
}
