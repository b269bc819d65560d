//! Ours.

use std::net::SocketAddr;
use std::sync::Arc;

use syncline_wire::{Address, Limits, Listener, Tensor, Token, service};

use crate::{MOST, Peer, Result};

#[service]
trait Loads {
    async fn push(&self, values: Tensor<u8>) -> u64;
    async fn pull(&self, bytes: usize) -> Tensor<u8>;
}

struct Load {
    parameters: Tensor<u8>,
}

#[service]
impl Loads for Load {
    async fn push(&self, values: Tensor<u8>) -> u64 {
        values.len() as u64
    }

    async fn pull(&self, bytes: usize) -> Tensor<u8> {
        self.parameters.slice(0..bytes)
    }
}

/// What both processes know.
pub fn token() -> Token {
    Token::random()
}

pub async fn serve(token: &str) -> Result<SocketAddr> {
    let address: Address = "tcp:127.0.0.1:0".parse()?;
    let listener = Listener::bind(&address, token.parse::<Token>()?, Limits::default()).await?;
    let bound = listener.address().to_string();
    let load = Arc::new(Load { parameters: vec![1; MOST].into() });
    tokio::spawn(async move { listener.serve(load).await });
    Ok(bound.trim_start_matches("tcp:").parse()?)
}

pub struct Client {
    to: syncline_wire::Client<Load>,
    values: Tensor<u8>,
}

impl Client {
    pub async fn connect(at: SocketAddr, token: &Token) -> Result<Self> {
        let to =
            syncline_wire::Client::connect(&format!("tcp:{at}").parse()?, token, &Limits::default()).await?;
        Ok(Self { to, values: vec![1; MOST].into() })
    }
}

impl Peer for Client {
    async fn push(&mut self, bytes: usize) -> Result<usize> {
        Ok(self.to.push(self.values.slice(0..bytes)).await? as usize)
    }

    async fn pull(&mut self, bytes: usize) -> Result<usize> {
        Ok(self.to.pull(bytes).await?.len())
    }
}
