//! The service's side: accepts connections and serves each on a task of its own.

use crate::inbox::Pools;
use crate::transport::Acceptor;
use crate::{Address, Error, Limits, Result, Reuse, Service, Token, connection, handshake};
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
    token: Token,
    limits: Limits,
    pools: Pools,
    _file: Option<RemoveOnDrop>,
}

impl Listener {
    /// Binds a Unix socket (readable by its owner only) or a loopback port.
    ///
    /// # Errors
    /// [`Error::NotLoopback`] for an address that other machines can reach, [`Error::Io`] when it cannot be bound.
    pub async fn bind(address: &Address, token: Token, limits: Limits) -> Result<Listener> {
        if !address.is_loopback() {
            return Err(Error::NotLoopback { address: address.clone() });
        }
        Listener::bind_beyond_loopback(address, token, limits).await
    }

    /// Binds any address. The token travels, and all data, unencrypted: only for a network that is trusted.
    ///
    /// # Errors
    /// [`Error::Io`] when the address cannot be bound.
    pub async fn bind_beyond_loopback(address: &Address, token: Token, limits: Limits) -> Result<Listener> {
        let (acceptor, bound) = Acceptor::bind(address).await.map_err(Error::io("listen on", address))?;
        let file = match &bound {
            Address::Unix(path) => Some(RemoveOnDrop(path.clone())),
            Address::Tcp(_) => None,
        };
        Ok(Listener { acceptor, address: bound, token, pools: Pools::new(&limits), limits, _file: file })
    }

    /// The address bound, with the port that the system chose.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// How often receive buffers of values were used again.
    pub fn reuse(&self) -> Reuse {
        self.pools.values.reuse()
    }

    /// Serves every connection that shows the token. Does not return; when its future is dropped, all connections end and
    /// the requests under way stop at their await points.
    pub async fn serve<S: Service>(&self, service: Arc<S>) {
        let strangers = Arc::new(Semaphore::new(STRANGERS));
        let mut connections = JoinSet::new();
        loop {
            // The semaphore is never closed.
            let permit = Arc::clone(&strangers).acquire_owned().await.ok();
            let Ok(mut stream) = self.acceptor.accept().await else {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let (token, limits, pools) = (self.token.clone(), self.limits.clone(), self.pools.clone());
            let service = Arc::clone(&service);
            connections.spawn(async move {
                let admitted = handshake::receive(&mut stream, &token, &limits).await;
                drop(permit);
                if let Some(limits) = admitted {
                    connection::serve(service, stream, limits, pools).await;
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
