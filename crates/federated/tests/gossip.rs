//! Clients without a server: each averages its model with its neighbours'.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::time::Duration;

use syncline_data::synthetic;
use syncline_federated::gossip::Topology;
use syncline_federated::{
    Asked, Deal, Devices, Error, Federation, Fitted, Liars, Neighbours, OwnClients, Settings, Strategy,
    Trained,
};
use syncline_learn::Softmax;

fn settings(neighbours: Neighbours, rounds: u64) -> Settings {
    Settings {
        strategy: Strategy::Gossip,
        neighbours: Some(neighbours),
        rounds,
        rate: 0.3,
        ..Settings::default()
    }
}

fn classes(clients: usize, deal: &str, settings: Settings) -> Federation {
    let (train, held_out) = synthetic::separable(900, 6, 3, 4).split(0.2, 1).unwrap();
    let run = Federation::dealt(Softmax::new(6, 3), train, clients, deal.parse::<Deal>().unwrap(), settings);
    run.unwrap().validation(held_out)
}

fn last(trained: &Trained) -> (f64, f64) {
    let round = trained.report.rounds.last().unwrap();
    (round.accuracy.unwrap(), round.apart.unwrap())
}

/// Client k comes to k in its first round, and then stays where it is.
struct Scattered(usize);

impl OwnClients for Scattered {
    fn count(&self) -> usize {
        self.0
    }
    fn fit(&self, client: usize, parameters: &[f32], asked: Asked) -> Result<Fitted, String> {
        let parameters = if asked.round == 1 { vec![100.0 + client as f32] } else { parameters.to_vec() };
        Ok(Fitted { parameters, examples: 1.0, loss: None })
    }
}

#[test]
fn averaging_keeps_the_mean_and_contracts_as_the_graph_says() {
    for (neighbours, clients) in [(Neighbours::Ring, 8), (Neighbours::Torus, 16), (Neighbours::All, 5)] {
        let own = Settings { rate: Settings::default().rate, ..settings(neighbours, 30) };
        let trained =
            Federation::of_own(Scattered(clients), vec![0.0], None, own).unwrap().simulate().unwrap();
        let mean = 100.0 + (clients as f32 - 1.0) / 2.0;
        assert!((trained.parameters[0] - mean).abs() < 1e-3, "{neighbours}: {:?}", trained.parameters);
        let apart: Vec<f64> = trained.report.rounds.iter().map(|round| round.apart.unwrap()).collect();
        let factor = Topology::of(neighbours, clients).contraction();
        assert_eq!(trained.report.contraction, Some(factor));
        if neighbours == Neighbours::All {
            assert!(apart[0] > 1e-3 && apart[1] < 1e-6, "all come together at once: {apart:?}");
        } else {
            let seen = (apart[14] / apart[9]).powf(0.2);
            assert!((seen - factor).abs() < 0.01, "{neighbours}: {seen} a round, {factor} expected");
        }
    }
}

#[test]
fn it_learns_what_averaging_at_a_server_does_where_clients_are_alike() {
    let gossip = classes(9, "iid", settings(Neighbours::Torus, 20)).simulate().unwrap();
    let avg = Settings { strategy: Strategy::Avg, neighbours: None, ..settings(Neighbours::Ring, 20) };
    let avg = classes(9, "iid", avg).simulate().unwrap();
    let server = avg.report.rounds.last().unwrap().accuracy.unwrap();
    let (accuracy, apart) = last(&gossip);
    assert!(accuracy > 0.85 && (accuracy - server).abs() < 0.03, "{accuracy} and {server}");
    assert!(apart < 0.1, "{apart}");
    assert_eq!(gossip.report.totals.counted, 9 * 20);
    // Unlike clients are drawn apart, the more so the fewer neighbours they have.
    let unlike = |neighbours| last(&classes(9, "labels:1", settings(neighbours, 20)).simulate().unwrap()).1;
    assert!(unlike(Neighbours::Ring) > unlike(Neighbours::Torus) && unlike(Neighbours::Torus) > apart);
}

#[test]
fn a_slow_client_holds_up_its_neighbours_and_not_all_at_once() {
    let devices =
        Devices { jitter: "exp".parse().unwrap(), step: Duration::from_millis(10), ..Devices::default() };
    let run = |strategy, neighbours| {
        let settings =
            Settings { strategy, neighbours, devices, batch: None, ..settings(Neighbours::Ring, 40) };
        classes(16, "iid", settings).simulate().unwrap().report
    };
    let (gossip, avg) = (run(Strategy::Gossip, Some(Neighbours::Ring)), run(Strategy::Avg, None));
    assert!(
        gossip.totals.duration_s < 0.8 * avg.totals.duration_s,
        "{} of {}",
        gossip.totals.duration_s,
        avg.totals.duration_s
    );
    assert!(!gossip.waited_for.is_empty() && gossip.totals.waited_client_seconds > 0.0);
    // Each sends its model to two neighbours, and is sent theirs.
    let model = 4 * gossip.parameters as u64;
    assert_eq!(
        (gossip.totals.up_bytes, gossip.totals.down_bytes),
        (16 * 40 * 2 * model, 16 * 40 * 2 * model)
    );
}

#[test]
fn the_same_seed_gives_the_same_bits_and_the_lost_hold_nobody_up() {
    let lossy = || Settings { dropout: 0.2, ..settings(Neighbours::Ring, 15) };
    let (one, again) =
        (classes(8, "iid", lossy()).simulate().unwrap(), classes(8, "iid", lossy()).simulate().unwrap());
    assert_eq!(one.parameters, again.parameters);
    let totals = &one.report.totals;
    assert!(totals.lost > 0 && totals.lost + totals.counted == 8 * 15, "{totals:?}");
    assert!(last(&one).0 > 0.8);
}

#[test]
fn a_liar_spoils_its_neighbours_and_what_is_no_number_goes_no_further() {
    let liars: Liars = "1:scale:-50".parse().unwrap();
    let spoilt = classes(8, "iid", Settings { liars: Some(liars), ..settings(Neighbours::Ring, 10) });
    assert!(last(&spoilt.simulate().unwrap()).1 > 0.5);
    let infinite: Liars = "1:constant:1e39".parse().unwrap();
    let run = classes(8, "iid", Settings { liars: Some(infinite), ..settings(Neighbours::Ring, 10) });
    let trained = run.simulate().unwrap();
    assert_eq!((trained.report.totals.bad, trained.report.totals.counted), (10, 70));
    assert!(last(&trained).0 > 0.8);
    let all: Liars = "8:constant:1e39".parse().unwrap();
    let run = classes(8, "iid", Settings { liars: Some(all), ..settings(Neighbours::Ring, 40) });
    assert!(matches!(run.simulate(), Err(Error::Hopeless { failed: 10, .. })));
}

/// Client k is drawn halfway to k; the second is lost in its third round.
#[cfg(feature = "program")]
struct Frail;

#[cfg(feature = "program")]
impl OwnClients for Frail {
    fn count(&self) -> usize {
        6
    }
    fn fit(&self, client: usize, parameters: &[f32], asked: Asked) -> Result<Fitted, String> {
        assert!(client != 2 || asked.round != 3, "lost on purpose");
        let parameters = parameters.iter().map(|x| x + (client as f32 - x) / 2.0).collect();
        Ok(Fitted { parameters, examples: 1.0, loss: None })
    }
}

#[cfg(feature = "program")]
#[test]
fn who_is_lost_with_its_node_is_gone_and_its_neighbours_go_on_without_it() {
    use syncline_program::Executor;

    let own = Settings { rate: Settings::default().rate, ..settings(Neighbours::Ring, 12) };
    let run = Federation::of_own(Frail, vec![0.0], None, own).unwrap();
    let trained = run.run_on(6, Executor::threads().on_output(|_, _| {})).unwrap();
    let totals = &trained.report.totals;
    assert_eq!((totals.lost, totals.counted, totals.folded_rounds), (1, 5 * 12 + 2, 12));
    assert!(trained.report.rounds[11].apart.unwrap() > 0.0 && (2.0..3.5).contains(&trained.parameters[0]));
}
