//! Services that are not there, not there yet, or there no more.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use syncline_runtime::Clock;
use syncline_wire::{
    Address, Call, CallError, Client, Error, Health, Hosted, Limits, Listener, Never, Rebind, Token, Unbound,
    from_fn, service,
};
use tokio::task::JoinHandle;
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(30);

/// Counts how often each of its methods is executed.
#[service]
pub trait Ledger {
    async fn book(&self) -> u64;
    #[idempotent(tries = 12, pause = "5ms")]
    async fn read(&self) -> u64;
}

#[derive(Default)]
struct Books {
    booked: AtomicU64,
    read: AtomicU64,
    /// Calls that are never answered before one is.
    stuck: AtomicU64,
}

impl Books {
    async fn answer(&self, count: &AtomicU64) -> u64 {
        let executed = count.fetch_add(1, Ordering::SeqCst) + 1;
        if self.stuck.load(Ordering::SeqCst) > 0 {
            std::future::pending::<()>().await;
        }
        executed
    }
}

#[service]
impl Ledger for Books {
    async fn book(&self) -> u64 {
        self.answer(&self.booked).await
    }

    async fn read(&self) -> u64 {
        self.answer(&self.read).await
    }
}

async fn serve(address: &Address, token: &Token, books: &Arc<Books>) -> JoinHandle<()> {
    let listener = Listener::bind(address, token, Limits::default()).await.unwrap();
    let books = Arc::clone(books);
    tokio::spawn(async move { listener.serve(books).await })
}

/// A server that is killed with both kinds of call under way, and comes back on the same address.
#[tokio::test]
async fn c20_nothing_runs_twice_unless_it_may() {
    let directory = tempfile::tempdir().unwrap();
    let (address, token) = (Address::Unix(directory.path().join("ledger")), Token::random());
    let books = Arc::new(Books::default());
    books.stuck.store(1, Ordering::SeqCst);
    let first = serve(&address, &token, &books).await;
    let client = Client::<Books>::connect(&address, &token, &Limits::default()).await.unwrap();
    let call = |client: Client<Books>| async move { client.book().await };
    let booking = tokio::spawn(call(client.clone()));
    let reading = tokio::spawn({
        let client = client.clone();
        async move { client.read().await }
    });
    while books.booked.load(Ordering::SeqCst) + books.read.load(Ordering::SeqCst) < 2 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    first.abort();
    let _ = first.await;
    books.stuck.store(0, Ordering::SeqCst);
    let lost = timeout(SOON, booking).await.unwrap().unwrap().unwrap_err();
    assert!(matches!(lost, Error::Closed { .. }), "{lost}");
    let second = serve(&address, &token, &books).await;
    assert_eq!(timeout(SOON, reading).await.unwrap().unwrap().unwrap(), 2, "asked again");
    assert_eq!(books.booked.load(Ordering::SeqCst), 1, "at most once");
    // The same client reaches the new server.
    assert_eq!(client.book().await.unwrap(), 2);
    second.abort();
}

#[tokio::test]
async fn c22_a_call_of_a_stopped_server_fails_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let (address, token) = (Address::Unix(directory.path().join("ledger")), Token::random());
    let server = serve(&address, &token, &Arc::default()).await;
    let client = Client::<Books>::connect(&address, &token, &Limits::default()).await.unwrap();
    assert_eq!(client.book().await.unwrap(), 1);
    server.abort();
    let _ = server.await;
    let clock = Clock::start();
    assert!(timeout(SOON, client.book()).await.unwrap().unwrap_err().is_peer_lost());
    assert!(timeout(SOON, client.book()).await.unwrap().unwrap_err().is_peer_lost());
    assert!(clock.now() < Duration::from_secs(4), "{:?}", clock.now());
}

#[tokio::test]
async fn c12_nobody_is_waited_for_where_that_is_asked_for() {
    let limits = Limits { connect: Duration::ZERO, ..Limits::default() };
    let nobody = Address::Unix("/nonexistent/ledger".into());
    let clock = Clock::start();
    let error = Client::<Books>::connect(&nobody, Token::random(), &limits).await.unwrap_err();
    assert!(error.is_peer_lost() && clock.now() < Duration::from_secs(4), "{error}");
}

/// What the ledger was in another build.
mod other_build {
    use syncline_wire::service;

    #[service]
    pub trait Ledger {
        async fn book(&self) -> u64;
        async fn nonexistent_method(&self);
    }

    pub struct Books;

    #[service]
    impl Ledger for Books {
        async fn book(&self) -> u64 {
            0
        }
        async fn nonexistent_method(&self) {}
    }
}

#[tokio::test]
async fn c11_a_method_that_is_not_there_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let (address, token) = (Address::Unix(directory.path().join("ledger")), Token::random());
    let _server = serve(&address, &token, &Arc::default()).await;
    let client = Client::<other_build::Books>::connect(&address, &token, &Limits::default()).await;
    let error = client.unwrap_err();
    assert!(matches!(error, Error::Contract { .. }));
    let said = "method `nonexistent_method` not found; it has `book`, `read`";
    assert!(error.to_string().contains(said), "{error}");
}

#[tokio::test]
async fn c3_a_service_can_be_exchanged_while_it_is_served() {
    let answer = |number: u64| from_fn(move |()| async move { Ok::<u64, Never>(number) });
    let hosted = Hosted::new(Rebind::to(answer(1)));
    let client = Client::local(hosted.clone());
    assert_eq!(client.call(()).await.unwrap(), 1);
    hosted.service().set(answer(2));
    assert_eq!(client.call(()).await.unwrap(), 2);
    hosted.service().unset();
    assert!(matches!(client.call(()).await, Err(CallError::Service(Unbound::NotBound))));
    hosted.service().set(answer(3));
    assert_eq!(client.call(()).await.unwrap(), 3);
}

#[test]
fn c10_blocking_calls_do_the_same() {
    let client = Client::local(Arc::new(Books::default())).blocking().unwrap();
    assert_eq!((client.book().unwrap(), client.book().unwrap()), (1, 2));
    let within = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert!(matches!(within.block_on(async { client.read() }), Err(Error::WithinAsync)));
    let fresh = within.block_on(async { client.clone().client().read().await });
    assert_eq!(fresh.unwrap(), 1);
}

/// One call after another.
#[service]
pub trait Actor {
    async fn act(&self, call: &Call<'_>) -> usize;
}

#[derive(Default)]
struct Serial {
    running: AtomicUsize,
}

#[service(concurrency = 1, queue = 11)]
impl Actor for Serial {
    async fn act(&self, _: &Call<'_>) -> usize {
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        tokio::time::sleep(Duration::from_millis(3)).await;
        self.running.fetch_sub(1, Ordering::SeqCst);
        running
    }
}

/// The bound holds over all ways to the service together, and the queue is bounded, too.
#[tokio::test]
async fn c23_one_at_a_time_from_wherever_calls_come() {
    let directory = tempfile::tempdir().unwrap();
    let (address, token) = (Address::Unix(directory.path().join("actor")), Token::random());
    let hosted = Hosted::new(Serial::default());
    let listener = Listener::bind(&address, &token, Limits::default()).await.unwrap();
    let served = hosted.clone();
    let server = tokio::spawn(async move { listener.serve(served).await });
    let there = Client::<Serial>::connect(&address, &token, &Limits::default()).await.unwrap();
    let here = Client::local(hosted.clone());
    let act = |client: &Client<Serial>| {
        let client = client.clone();
        tokio::spawn(async move { client.act().await })
    };
    let calls: Vec<_> = (0..6).flat_map(|_| [act(&here), act(&there)]).collect();
    while hosted.health().waiting < 11 {
        tokio::task::yield_now().await;
    }
    let Health { running, waiting, .. } = there.health().await.unwrap();
    assert!(running == 1 && waiting <= 11, "health is told while all wait");
    let refused = here.act().await;
    let refused_there = there.act().await;
    for outcome in [refused, refused_there] {
        // One may have come to its end in between, and made room.
        assert!(matches!(outcome, Ok(1) | Err(Error::Busy { queue: 11 })), "{outcome:?}");
    }
    for call in calls {
        assert_eq!(timeout(SOON, call).await.unwrap().unwrap().unwrap(), 1);
    }
    server.abort();
}
