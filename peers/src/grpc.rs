//! tonic: gRPC over HTTP/2.

use std::net::SocketAddr;

use bytes::Bytes;
use futures::StreamExt;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status};

use crate::{MOST, Peer, Result};

mod made {
    #![allow(clippy::all, clippy::pedantic, reason = "made by tonic-build")]
    tonic::include_proto!("peers.Loads");
}

use made::loads_client::LoadsClient;
use made::loads_server::{Loads, LoadsServer};

/// Bytes, or how many.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Values {
    #[prost(bytes = "bytes", tag = "1")]
    values: Bytes,
    #[prost(uint64, tag = "2")]
    count: u64,
}

struct Load {
    parameters: Bytes,
}

#[tonic::async_trait]
impl Loads for Load {
    async fn push(&self, request: Request<Values>) -> std::result::Result<Response<Values>, Status> {
        let count = request.into_inner().values.len() as u64;
        Ok(Response::new(Values { values: Bytes::new(), count }))
    }

    async fn pull(&self, request: Request<Values>) -> std::result::Result<Response<Values>, Status> {
        let count = request.into_inner().count;
        Ok(Response::new(Values { values: self.parameters.slice(0..count as usize), count }))
    }
}

pub async fn serve() -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let bound = listener.local_addr()?;
    let load = LoadsServer::new(Load { parameters: vec![1; MOST].into() })
        .max_decoding_message_size(MOST)
        .max_encoding_message_size(MOST);
    // As its own listener does.
    let at_once = TcpListenerStream::new(listener).map(|stream| {
        let stream = stream?;
        stream.set_nodelay(true)?;
        std::io::Result::Ok(stream)
    });
    let server = Server::builder()
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .add_service(load)
        .serve_with_incoming(at_once);
    tokio::spawn(server);
    Ok(bound)
}

/// Wide enough that flow control holds nothing back.
const WINDOW: u32 = 1 << 27;

pub struct Client {
    to: LoadsClient<Channel>,
    values: Bytes,
}

impl Client {
    pub async fn connect(at: SocketAddr) -> Result<Self> {
        let channel = Endpoint::from_shared(format!("http://{at}"))?
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .tcp_nodelay(true)
            .connect()
            .await?;
        let to = LoadsClient::new(channel).max_decoding_message_size(MOST).max_encoding_message_size(MOST);
        Ok(Self { to, values: vec![1; MOST].into() })
    }
}

impl Peer for Client {
    async fn push(&mut self, bytes: usize) -> Result<usize> {
        let values = Values { values: self.values.slice(0..bytes), count: 0 };
        Ok(self.to.push(values).await?.into_inner().count as usize)
    }

    async fn pull(&mut self, bytes: usize) -> Result<usize> {
        let asked = Values { values: Bytes::new(), count: bytes as u64 };
        Ok(self.to.pull(asked).await?.into_inner().values.len())
    }
}
