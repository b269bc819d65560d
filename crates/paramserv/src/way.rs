//! The way to a server: straight to the one that is there, or to whichever incarnation of it is.

use syncline_program::{Context, Handle, Peer};
use syncline_wire::{CallError, Client, ServiceError};

use crate::{Error, server::Server};

/// How a node reaches one server.
#[derive(Clone)]
pub(crate) enum Way {
    /// The server lives as long as the run does.
    Direct(Client<Server>),
    /// It may be lost and started again.
    Following(Peer<Server>),
}

impl Way {
    /// The way to a server from the node of `ctx`.
    pub(crate) async fn new(ctx: &Context, server: &Handle<Server>, follows: bool) -> Result<Self, Error> {
        Ok(match follows {
            true => Self::following(ctx, server),
            false => Self::Direct(server.connect(ctx).await?),
        })
    }

    /// The way to a server that may be lost.
    pub(crate) fn following(ctx: &Context, server: &Handle<Server>) -> Self {
        Self::Following(server.peer(ctx))
    }

    /// Whether the server lives in this process.
    pub(crate) fn is_local(&self) -> bool {
        matches!(self, Self::Direct(client) if client.is_local())
    }

    /// Which incarnation was reached last.
    pub(crate) fn incarnation(&self) -> u32 {
        match self {
            Self::Direct(_) => 0,
            Self::Following(peer) => peer.incarnation().unwrap_or_default(),
        }
    }

    /// Asks the server. Where it may be lost that is [`PeerLost`](syncline_program::Error::PeerLost), and the next call waits
    /// for the next incarnation.
    pub(crate) async fn ask<R, E>(
        &self,
        ask: impl AsyncFnOnce(&Client<Server>) -> Result<R, E>,
    ) -> Result<R, Error>
    where
        E: Into<CallError<ServiceError>>,
    {
        match self {
            Self::Direct(client) => Ok(ask(client).await.map_err(E::into)?),
            Self::Following(peer) => Ok(peer.ask(async |client| ask(&client).await.map_err(E::into)).await?),
        }
    }
}
