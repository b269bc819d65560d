//! A service with one answer for each kind of behaviour, and the places where it can be called.

#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use syncline_wire::{
    Address, Call, CallError, Client, Limits, Listener, Service, ServiceError, Tensor, Token,
};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// A body with tensors beside it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message<T> {
    pub body: T,
    pub indices: Option<Tensor<u32>>,
    pub values: Option<Tensor<f32>>,
}

impl<T> Message<T> {
    pub fn with_values(self, values: impl Into<Tensor<f32>>) -> Self {
        Message { values: Some(values.into()), ..self }
    }

    pub fn with_indices(self, indices: impl Into<Tensor<u32>>) -> Self {
        Message { indices: Some(indices.into()), ..self }
    }
}

impl<T> From<T> for Message<T> {
    fn from(body: T) -> Self {
        Message { body, indices: None, values: None }
    }
}

pub type Outcome = Result<Message<String>, CallError<ServiceError>>;

pub trait Asks {
    fn ask(&self, ask: impl Into<Message<Ask>> + Send) -> impl Future<Output = Outcome> + Send;
}

impl Asks for Client<Probe> {
    async fn ask(&self, ask: impl Into<Message<Ask>> + Send) -> Outcome {
        self.call(ask.into()).await
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Ask {
    /// The same message back.
    Echo(String),
    /// Only the body back.
    Count,
    /// An answer after the gate opens.
    Wait,
    /// Opens the gate for those who wait.
    Open,
    /// A reply after so many milliseconds.
    Sleep(u64),
    /// So many values, each its own index.
    Values(usize),
    /// The caller's name.
    Whose,
    Fail(String),
    Panic(String),
}

#[derive(Default)]
pub struct Probe {
    gate: Notify,
    pub started: AtomicUsize,
    pub running: AtomicUsize,
    pub most_running: AtomicUsize,
}

impl Service for Probe {
    type Request = Message<Ask>;
    type Reply = Message<String>;
    type Error = ServiceError;

    async fn call(&self, call: &Call<'_>, request: Message<Ask>) -> Result<Message<String>, ServiceError> {
        self.started.fetch_add(1, Ordering::SeqCst);
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_running.fetch_max(running, Ordering::SeqCst);
        let _running = Running(&self.running);
        match request.body {
            Ask::Echo(text) => Ok(Message { body: text, indices: request.indices, values: request.values }),
            Ask::Count => {
                let counts = [request.indices.map(|part| part.len()), request.values.map(|part| part.len())];
                Ok(format!("{counts:?}").into())
            }
            Ask::Wait => {
                self.gate.notified().await;
                Ok("waited".to_owned().into())
            }
            Ask::Open => {
                self.gate.notify_waiters();
                Ok("opened".to_owned().into())
            }
            Ask::Sleep(milliseconds) => {
                tokio::time::sleep(Duration::from_millis(milliseconds)).await;
                Ok("slept".to_owned().into())
            }
            Ask::Values(count) => {
                // Bounded here, as every service must: a mutated request may ask for anything.
                let values: Vec<f32> = (0..count.min(1 << 24)).map(|index| index as f32).collect();
                Ok(Message::from("values".to_owned()).with_values(values))
            }
            Ask::Whose => Ok(call.caller().to_string().into()),
            Ask::Fail(text) => Err(ServiceError::new(text)),
            Ask::Panic(text) => panic!("{text}"),
        }
    }
}

struct Running<'a>(&'a AtomicUsize);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A service that is served; dropping it ends the server.
pub struct Served<S: Service = Probe> {
    pub probe: Arc<S>,
    pub address: Address,
    pub token: Token,
    pub server: JoinHandle<()>,
    pub listener: Arc<Listener>,
    _directory: tempfile::TempDir,
}

impl Served<Probe> {
    pub async fn unix(limits: Limits) -> Served {
        Served::of(Probe::default(), limits).await
    }

    pub async fn tcp(limits: Limits) -> Served {
        let address = "tcp:127.0.0.1:0".parse().unwrap();
        Served::at(Probe::default(), &address, limits, tempfile::tempdir().unwrap()).await
    }
}

impl<S: Service> Served<S> {
    pub async fn of(service: S, limits: Limits) -> Served<S> {
        let directory = tempfile::tempdir().unwrap();
        let address = Address::Unix(directory.path().join("probe"));
        Served::at(service, &address, limits, directory).await
    }

    async fn at(service: S, address: &Address, limits: Limits, directory: tempfile::TempDir) -> Served<S> {
        let (probe, token) = (Arc::new(service), Token::random());
        let listener = Arc::new(Listener::bind(address, token.clone(), limits).await.unwrap());
        let address = listener.address().clone();
        let (service, serving) = (Arc::clone(&probe), Arc::clone(&listener));
        let server = tokio::spawn(async move { serving.serve(service).await });
        Served { probe, address, token, server, listener, _directory: directory }
    }

    pub async fn client(&self) -> Client<S> {
        Client::connect(&self.address, &self.token, &Limits::default()).await.unwrap()
    }
}

impl<S: Service> Drop for Served<S> {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// The same probe in process, over a Unix socket and over TCP.
pub async fn everywhere() -> Vec<(Client<Probe>, Option<Served>)> {
    let mut places = vec![(Client::local(Arc::new(Probe::default())), None)];
    for served in [Served::unix(Limits::default()).await, Served::tcp(Limits::default()).await] {
        places.push((served.client().await, Some(served)));
    }
    places
}

/// Waits until the condition holds; the test's own time-out ends a wait in vain.
pub async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
