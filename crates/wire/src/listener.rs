//! The service's side: accepts connections and serves each on a task of its own.

use crate::tensor::pool::Pools;
use crate::transport::Acceptor;
use crate::{Address, Error, Hosted, Identity, Limits, Result, Reuse, Service, connection, handshake};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Connections in their handshake at once; further ones wait to be accepted until one has passed or run out of time.
const STRANGERS: usize = 128;

/// Pause after the system refused to accept (no file descriptor left): the cause may pass.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// A bound address at which a [`Service`] can be served. A Unix socket's file is removed with it.
pub struct Listener {
    acceptor: Acceptor,
    address: Address,
    identity: Identity,
    limits: Limits,
    pools: Pools,
    _file: Option<RemoveOnDrop>,
}

impl Listener {
    /// Binds a Unix socket (readable by its owner only) or a loopback port.
    ///
    /// # Errors
    /// [`Error::NotLoopback`] for an address that other machines can reach, [`Error::Io`] when it cannot be bound.
    pub async fn bind(address: &Address, identity: impl Into<Identity>, limits: Limits) -> Result<Listener> {
        if !address.is_loopback() {
            return Err(Error::NotLoopback { address: address.clone() });
        }
        Listener::bind_beyond_loopback(address, identity, limits).await
    }

    /// Binds any address. Nobody without the run's secret is let in. At a `tcp:` address the data travel unencrypted: only
    /// for a network that is trusted; at a `tls:` address nobody on the way can read or change them.
    ///
    /// # Errors
    /// [`Error::Io`] when the address cannot be bound.
    pub async fn bind_beyond_loopback(
        address: &Address,
        identity: impl Into<Identity>,
        limits: Limits,
    ) -> Result<Listener> {
        let identity = identity.into();
        let (acceptor, bound) =
            Acceptor::bind(address, &identity).await.map_err(Error::io("listen on", address))?;
        let file = match &bound {
            Address::Unix(path) => Some(RemoveOnDrop(path.clone())),
            Address::Tcp { .. } | Address::Tls { .. } | Address::Sim(_) => None,
        };
        Ok(Listener { acceptor, address: bound, identity, pools: Pools::new(&limits), limits, _file: file })
    }

    /// The address bound, with the port that the system chose.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// How often receive buffers were used again.
    pub fn reuse(&self) -> Reuse {
        self.pools.reuse()
    }

    /// Serves every connection that proves to know the run's secret. Does not return; when its future is dropped, all connections end and
    /// the requests under way stop at their await points.
    pub async fn serve<S: Service>(&self, service: impl Into<Hosted<S>>) {
        let hosted = service.into();
        let strangers = Arc::new(Semaphore::new(STRANGERS));
        let mut connections = JoinSet::new();
        loop {
            // The semaphore is never closed.
            let permit = Arc::clone(&strangers).acquire_owned().await.ok();
            let Ok(accepted) = self.acceptor.accept().await else {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let (identity, limits, pools) = (self.identity.clone(), self.limits.clone(), self.pools.clone());
            let hosted = hosted.clone();
            connections.spawn(async move {
                let admitted = handshake::receive(accepted, &identity, S::contract(), &limits).await;
                drop(permit);
                if let Some((stream, peer, limits)) = admitted {
                    connection::serve(hosted, stream, peer, limits, pools).await;
                }
            });
            // How a connection ended concerns its peer alone, which sees it closed.
            while connections.try_join_next().is_some() {}
        }
    }
}

struct RemoveOnDrop(PathBuf);

impl Drop for RemoveOnDrop {
    fn drop(&mut self) {
        // Somebody else may have removed it, or its directory.
        let _ = std::fs::remove_file(&self.0);
    }
}
