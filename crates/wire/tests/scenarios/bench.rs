//! The service that scenarios call, and the places where it is.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use syncline_runtime::{Clock, Ground, Scheduler, Sim, Turn};
use syncline_wire::{
    Address, AnyTensor, Call, Client, Hosted, Identity, Limits, Listener, Net, Network, Peer, Replies, Token,
    service,
};

/// Why a text is no number: a service's own error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    Empty,
    NoNumber { text: String },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Empty => f.write_str("there is no text"),
            Refusal::NoNumber { text } => write!(f, "`{text}` is no number"),
        }
    }
}

/// What scenarios ask for.
#[service]
pub trait Bench {
    async fn add(&self, a: i64, b: i64) -> i64;
    async fn seven(&self) -> u64;
    async fn parse(&self, text: String) -> Result<i64, Refusal>;
    async fn fall(&self, text: String);
    async fn echo(&self, bytes: Vec<u8>, text: String) -> (Vec<u8>, String);
    async fn mirror(&self, tensors: Vec<AnyTensor>) -> Vec<AnyTensor>;
    async fn nap(&self, milliseconds: u64) -> u64;
    #[deadline("30ms")]
    async fn hurried(&self, milliseconds: u64) -> u64;
    async fn whose(&self, call: &Call<'_>) -> String;
    async fn patience(&self, call: &Call<'_>) -> Option<Duration>;
    /// Never answers, and counts those who give up.
    async fn hold(&self);
    async fn given_up(&self) -> u64;
    fn count(&self, to: u64) -> Replies<u64>;
    /// Items of a stream that were made so far.
    async fn made(&self) -> u64;
}

pub struct Desk {
    clock: Clock,
    given_up: AtomicU64,
    made: Arc<AtomicU64>,
}

struct GivenUp<'a>(&'a AtomicU64);

impl Drop for GivenUp<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[service]
impl Bench for Desk {
    async fn add(&self, a: i64, b: i64) -> i64 {
        a + b
    }

    async fn seven(&self) -> u64 {
        7
    }

    async fn parse(&self, text: String) -> Result<i64, Refusal> {
        if text.is_empty() {
            return Err(Refusal::Empty);
        }
        text.parse().map_err(|_| Refusal::NoNumber { text })
    }

    async fn fall(&self, text: String) {
        panic!("{text}");
    }

    async fn echo(&self, bytes: Vec<u8>, text: String) -> (Vec<u8>, String) {
        (bytes, text)
    }

    async fn mirror(&self, tensors: Vec<AnyTensor>) -> Vec<AnyTensor> {
        tensors
    }

    async fn nap(&self, milliseconds: u64) -> u64 {
        self.clock.sleep(Duration::from_millis(milliseconds)).await;
        milliseconds
    }

    async fn hurried(&self, milliseconds: u64) -> u64 {
        self.nap(milliseconds).await
    }

    async fn whose(&self, call: &Call<'_>) -> String {
        call.caller().to_string()
    }

    async fn patience(&self, call: &Call<'_>) -> Option<Duration> {
        call.time_left()
    }

    async fn hold(&self) {
        let _given_up = GivenUp(&self.given_up);
        pending().await
    }

    async fn given_up(&self) -> u64 {
        self.given_up.load(Ordering::SeqCst)
    }

    fn count(&self, to: u64) -> Replies<u64> {
        let made = Arc::clone(&self.made);
        Replies::of((0..to).inspect(move |_| {
            made.fetch_add(1, Ordering::SeqCst);
        }))
    }

    async fn made(&self) -> u64 {
        self.made.load(Ordering::SeqCst)
    }
}

/// A client and the clock of the place where it is.
pub struct Place {
    pub client: Client<Desk>,
    pub clock: Clock,
}

impl Place {
    /// Waits until `condition` holds; a deadlock in virtual time, or half a minute, ends a wait in vain.
    pub async fn until(&self, condition: impl AsyncFn() -> bool) {
        for _ in 0..30_000 {
            if condition().await {
                return;
            }
            self.clock.sleep(Duration::from_millis(1)).await;
        }
        panic!("it never came to that");
    }
}

pub type Scenario = fn(Place) -> Pin<Box<dyn Future<Output = ()>>>;

pub fn desk(clock: Clock) -> Desk {
    Desk { clock, given_up: AtomicU64::new(0), made: Arc::default() }
}

fn on_the_machine(work: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work);
}

pub fn direct(scenario: Scenario) {
    on_the_machine(async {
        let clock = Clock::start();
        let client = Client::local(Arc::new(desk(clock.clone()))).called_by(Peer::new("caller/0"));
        scenario(Place { client, clock }).await;
    });
}

fn over(address: &Address, scenario: Scenario) {
    on_the_machine(async {
        let (clock, token) = (Clock::start(), Token::random());
        let server = Identity::new(token.clone(), "desk/0");
        let listener = Listener::bind(address, server, Limits::default()).await.unwrap();
        let bound = listener.address().clone();
        let hosted = Hosted::new(desk(clock.clone()));
        let serving = tokio::spawn(async move { listener.serve(hosted).await });
        let caller = Identity::new(token, "caller/0");
        let client = Client::connect(&bound, caller, &Limits::default()).await.unwrap();
        assert_eq!(client.peer().unwrap().name, "desk/0");
        scenario(Place { client, clock }).await;
        serving.abort();
    });
}

pub fn unix(scenario: Scenario) {
    let directory = tempfile::tempdir().unwrap();
    over(&Address::Unix(directory.path().join("desk")), scenario);
}

pub fn tcp(scenario: Scenario) {
    over(&"tcp:127.0.0.1:0".parse().unwrap(), scenario);
}

pub fn sim(scenario: Scenario) {
    let sim = Sim::new(11);
    let net = Net::new(sim.clone(), "1Gbit/50us".parse::<Network>().unwrap(), Vec::new());
    let (caller, there) = (sim.enter("caller/0"), sim.enter("desk/0"));
    let hosted = Hosted::on(Ground::simulated(sim.clone(), there), Arc::new(desk(sim.clock())));
    let client = Client::simulated(hosted, net.link(caller, there, Limits::default()));
    let client = client.called_by(Peer::new("caller/0"));
    let place = Place { client, clock: sim.clock() };
    run(&sim, caller, scenario(place));
}

/// Runs a simulation until `work` is done.
pub fn run(sim: &Sim, node: syncline_runtime::Node, work: impl Future<Output = ()> + 'static) {
    let mut scheduler = Scheduler::new(sim.clone());
    let (done, mut ended) = tokio::sync::oneshot::channel();
    scheduler.spawn(node, async move {
        work.await;
        let _ = done.send(());
    });
    loop {
        let turn = scheduler.turn(10_000);
        match ended.try_recv() {
            Ok(()) => return,
            Err(tokio::sync::oneshot::error::TryRecvError::Closed) => panic!("the scenario failed"),
            Err(tokio::sync::oneshot::error::TryRecvError::Empty) => {}
        }
        assert_eq!(turn, Turn::Busy, "nothing can go on");
    }
}

/// A test of a scenario in each place.
macro_rules! parity {
    ($($scenario:ident),* $(,)?) => {$(
        mod $scenario {
            use crate::bench::{Scenario, direct, sim, tcp, unix};

            const SCENARIO: Scenario = |place| Box::pin(super::scenario::$scenario(place));

            #[test]
            fn in_process() {
                direct(SCENARIO);
            }

            #[test]
            fn over_a_unix_socket() {
                unix(SCENARIO);
            }

            #[test]
            fn over_tcp() {
                tcp(SCENARIO);
            }

            #[test]
            fn in_virtual_time() {
                sim(SCENARIO);
            }
        }
    )*};
}

pub(crate) use parity;
