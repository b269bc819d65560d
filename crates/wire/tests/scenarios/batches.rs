//! Batched methods, in virtual time, where a timeout is exact, and in process.

use crate::bench::run;
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use syncline_runtime::{Clock, Ground, Sim};
use syncline_wire::{Batching, CallError, Client, Error, Hosted, Limits, Net, Network, Tensor, service};

const MS: Duration = Duration::from_millis(1);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Odd;

impl fmt::Display for Odd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number is odd")
    }
}

#[service]
trait Model {
    /// Twice each number.
    #[batched(size = 4, timeout = "300ms")]
    async fn double(&self, x: f32) -> f32;
    #[batched(size = 4, timeout = "300ms", pad)]
    async fn padded(&self, x: f32) -> f32;
    #[batched(size = 2, timeout = "300ms")]
    async fn halve(&self, x: u64) -> Result<u64, Odd>;
    /// One result too few.
    #[batched(size = 2, timeout = "300ms")]
    async fn lose(&self, x: u64) -> u64;
    #[batched(size = 2, timeout = "300ms")]
    async fn shape(&self, rows: Tensor<f32>) -> u64;
    /// Takes a second.
    #[batched(size = 4, timeout = "300ms", parallel = 1)]
    async fn slow(&self, x: u64) -> u64;
}

/// A model that knows only when it is made how many callers there will be.
#[service]
trait Callers {
    /// The number of callers of each batch.
    #[batched(size = 1, timeout = "300ms")]
    async fn together(&self, x: u64) -> u64;
}

struct Of(usize);

impl Of {
    fn gather(&self, method: &'static str, written: Batching) -> Batching {
        assert_eq!((method, written.size), ("together", 1));
        Batching { size: self.0, ..written }
    }
}

#[service(batching = Self::gather)]
impl Callers for Of {
    async fn together(&self, x: Tensor<u64>) -> Tensor<u64> {
        vec![x.len() as u64; x.len()].into()
    }
}

struct Doubler {
    clock: Clock,
    /// What the handlers saw, and when.
    seen: Arc<Mutex<Vec<(usize, Duration)>>>,
}

impl Doubler {
    fn saw(&self, count: usize) {
        self.seen.lock().unwrap().push((count, self.clock.now()));
    }
}

#[service]
impl Model for Doubler {
    async fn double(&self, x: Tensor<f32>) -> Tensor<f32> {
        self.saw(x.len());
        x.iter().map(|x| 2.0 * x).collect::<Vec<_>>().into()
    }

    async fn padded(&self, x: Tensor<f32>) -> Tensor<f32> {
        self.double(x).await
    }

    async fn halve(&self, x: Tensor<u64>) -> Result<Tensor<u64>, Odd> {
        self.saw(x.len());
        if x.iter().any(|x| x % 2 == 1) {
            return Err(Odd);
        }
        Ok(x.iter().map(|x| x / 2).collect::<Vec<_>>().into())
    }

    async fn lose(&self, x: Tensor<u64>) -> Tensor<u64> {
        x.slice(1..x.len())
    }

    async fn shape(&self, rows: Tensor<f32>) -> Tensor<u64> {
        self.saw(rows.shape()[0]);
        vec![rows.shape()[1] as u64; rows.shape()[0]].into()
    }

    async fn slow(&self, x: Tensor<u64>) -> Tensor<u64> {
        self.saw(x.len());
        self.clock.sleep(Duration::from_secs(1)).await;
        x
    }
}

type Seen = Arc<Mutex<Vec<(usize, Duration)>>>;

/// Runs a scenario in virtual time over an ideal network.
fn in_sim<F: Future<Output = ()> + 'static>(scenario: impl FnOnce(Client<Doubler>, Seen, Clock) -> F) {
    let sim = Sim::new(3);
    let net = Net::new(sim.clone(), Network::ideal(), Vec::new());
    let (caller, model) = (sim.enter("caller/0"), sim.enter("model/0"));
    let seen = Seen::default();
    let doubler = Doubler { clock: sim.clock(), seen: Arc::clone(&seen) };
    let hosted = Hosted::on(Ground::simulated(sim.clone(), model), Arc::new(doubler));
    let client = Client::simulated(hosted, net.link(caller, model, Limits::default()));
    run(&sim, caller, scenario(client, seen, sim.clock()));
}

fn counts(seen: &Seen) -> Vec<usize> {
    seen.lock().unwrap().iter().map(|(count, _)| *count).collect()
}

async fn doubled(client: &Client<Doubler>, callers: usize) {
    let calls = (0..callers).map(|caller| client.double(caller as f32));
    for (caller, answer) in join_all(calls).await.into_iter().enumerate() {
        assert_eq!(answer.unwrap(), 2.0 * caller as f32, "each gets its own");
    }
}

#[test]
fn d1_eight_callers_are_two_batches_of_four() {
    in_sim(async |client, seen, clock| {
        doubled(&client, 8).await;
        assert_eq!(counts(&seen), [4, 4]);
        assert!(clock.now() < MS, "a full batch does not wait");
    });
}

#[test]
fn d2_a_lone_caller_waits_for_the_timeout() {
    in_sim(async |client, seen, _| {
        doubled(&client, 1).await;
        let (count, at) = seen.lock().unwrap()[0];
        assert!(count == 1 && at >= 300 * MS && at < 301 * MS, "{at:?}");
    });
}

#[test]
fn d3_six_callers_are_a_batch_of_four_and_a_late_one_of_two() {
    in_sim(async |client, seen, _| {
        doubled(&client, 6).await;
        assert_eq!(counts(&seen), [4, 2]);
        assert!(seen.lock().unwrap()[1].1 >= 300 * MS);
    });
}

#[test]
fn d4_an_error_is_everybodys() {
    in_sim(async |client, seen, _| {
        let answers = join_all([client.halve(2), client.halve(3)]).await;
        assert!(answers.iter().all(|answer| matches!(answer, Err(CallError::Service(Odd)))));
        assert_eq!(join_all([client.halve(2), client.halve(4)]).await[1].as_ref().unwrap(), &2);
        assert_eq!(counts(&seen), [2, 2]);
    });
}

#[test]
fn d5_a_wrong_number_of_results_is_an_invalid_length() {
    in_sim(async |client, _, _| {
        for answer in join_all([client.lose(1), client.lose(2)]).await {
            let error = answer.unwrap_err();
            assert!(matches!(&error, Error::Batch(text) if text.contains("invalid length")), "{error}");
        }
    });
}

#[test]
fn d6_a_padded_batch_is_full() {
    in_sim(async |client, seen, _| {
        assert_eq!(client.padded(1.5).await.unwrap(), 3.0);
        assert_eq!(counts(&seen), [4]);
    });
}

#[test]
fn d7_what_does_not_stack_is_everybodys_error() {
    in_sim(async |client, seen, _| {
        let answers = join_all([client.shape(vec![0.0; 2].into()), client.shape(vec![0.0; 3].into())]).await;
        for answer in answers {
            assert!(answer.unwrap_err().to_string().contains("different shapes"));
        }
        assert!(counts(&seen).is_empty());
    });
}

#[test]
fn d8_tensors_get_a_new_first_axis() {
    in_sim(async |client, seen, _| {
        let answers = join_all([client.shape(vec![0.0; 3].into()), client.shape(vec![1.0; 3].into())]).await;
        assert!(answers.into_iter().all(|answer| answer.unwrap() == 3));
        assert_eq!(counts(&seen), [2]);
    });
}

#[test]
fn d9_while_all_are_busy_a_batch_goes_on_taking_members() {
    in_sim(async |client, seen, clock| {
        let first = (0..4).map(|caller| client.slow(caller));
        let second = client.slow(4);
        let late = async {
            // The second batch's time is up, but the first is still being handled.
            clock.sleep(600 * MS).await;
            client.slow(5).await
        };
        let (first, second, late) = tokio::join!(join_all(first), second, late);
        assert!(first.iter().all(Result::is_ok));
        assert_eq!((second.unwrap(), late.unwrap()), (4, 5));
        assert_eq!(counts(&seen), [4, 2]);
    });
}

#[test]
fn d10_two_clients_of_ten_calls_each_in_process() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (clock, seen) = (Clock::start(), Seen::default());
        let client = Client::local(Arc::new(Doubler { clock, seen: Arc::clone(&seen) }));
        for _ in 0..10 {
            let calls = (0..2).flat_map(|_| [client.halve(2), client.halve(4)]);
            assert!(join_all(calls).await.iter().all(Result::is_ok));
        }
        assert_eq!(counts(&seen), [2; 20]);
    });
}

#[tokio::test]
async fn d1_the_object_itself_may_decide_how_many_calls_make_a_batch() {
    let model = Client::local(Arc::new(Of(3)));
    for answer in join_all((0..6).map(|x| model.together(x))).await {
        assert_eq!(answer.unwrap(), 3);
    }
    // A batch has one call at least.
    assert_eq!(Client::local(Arc::new(Of(0))).together(7).await.unwrap(), 1);
}
