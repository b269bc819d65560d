//! tarpc, over its TCP transport with bincode.

use std::net::SocketAddr;

use bytes::Bytes;
use futures::StreamExt;
use tarpc::context::{self, Context};
use tarpc::server::{BaseChannel, Channel};
use tarpc::tokio_serde::formats::Bincode;

use crate::{MOST, Peer, Result};

#[tarpc::service]
trait Loads {
    async fn push(values: Bytes) -> u64;
    async fn pull(bytes: u64) -> Bytes;
}

#[derive(Clone)]
struct Load {
    parameters: Bytes,
}

impl Loads for Load {
    async fn push(self, _: Context, values: Bytes) -> u64 {
        values.len() as u64
    }

    async fn pull(self, _: Context, bytes: u64) -> Bytes {
        self.parameters.slice(0..bytes as usize)
    }
}

pub async fn serve() -> Result<SocketAddr> {
    let mut listener = tarpc::serde_transport::tcp::listen("127.0.0.1:0", Bincode::default).await?;
    listener.config_mut().max_frame_length(MOST);
    let bound = listener.local_addr();
    let load = Load { parameters: vec![1; MOST].into() };
    tokio::spawn(async move {
        while let Some(transport) = listener.next().await {
            let Ok(transport) = transport else { continue };
            let answers = BaseChannel::with_defaults(transport).execute(load.clone().serve());
            tokio::spawn(answers.for_each(|answer| async { drop(tokio::spawn(answer)) }));
        }
    });
    Ok(bound)
}

pub struct Client {
    to: LoadsClient,
    values: Bytes,
}

impl Client {
    pub async fn connect(at: SocketAddr) -> Result<Self> {
        let mut connection = tarpc::serde_transport::tcp::connect(at, Bincode::default);
        connection.config_mut().max_frame_length(MOST);
        let to = LoadsClient::new(tarpc::client::Config::default(), connection.await?).spawn();
        Ok(Self { to, values: vec![1; MOST].into() })
    }
}

impl Peer for Client {
    async fn push(&mut self, bytes: usize) -> Result<usize> {
        Ok(self.to.push(context::current(), self.values.slice(0..bytes)).await? as usize)
    }

    async fn pull(&mut self, bytes: usize) -> Result<usize> {
        Ok(self.to.pull(context::current(), bytes as u64).await?.len())
    }
}
