//! Whole runs in virtual time.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::time::Duration;

use syncline_data::{Batch, Dataset, Dense, Features, FeaturesView, Targets, TargetsView, synthetic};
use syncline_federated::drift::{Quadratic, Strategy as Drift, fixed_point};
use syncline_federated::privacy::{Accountant, Orders};
use syncline_federated::select::quorum_time;
use syncline_federated::{
    Compression, Deal, Devices, Error, Federation, FoldName, Late, Liars, Lie, Partial, Privacy, SecureSum,
    Select, Settings, Strategy, Trained,
};
use syncline_learn::{Model, Score, Softmax};
use syncline_trace::Phase;

/// A row (a, b) has the loss a (y - b)^2 / 2 of the one parameter y.
#[derive(Clone)]
struct Bowl;

impl Bowl {
    fn rows<'a>(batch: &Batch<'a>) -> impl Iterator<Item = (f32, f32)> + use<'a> {
        let (FeaturesView::Dense(features), TargetsView::Real(targets)) = (batch.features, batch.targets)
        else {
            panic!("dense rows with amounts are needed")
        };
        features.values.iter().copied().zip(targets.iter().copied())
    }
}

impl Model for Bowl {
    fn parameters(&self) -> usize {
        1
    }
    fn initialise(&self, _: u64) -> Vec<f32> {
        vec![0.0]
    }
    fn gradient(&mut self, parameters: &[f32], batch: &Batch<'_>, gradient: &mut [f32]) -> Score {
        gradient[0] =
            Self::rows(batch).map(|(a, b)| a * (parameters[0] - b)).sum::<f32>() / batch.rows() as f32;
        self.score(parameters, batch)
    }
    fn score(&mut self, parameters: &[f32], batch: &Batch<'_>) -> Score {
        let loss = |(a, b): (f32, f32)| f64::from(a * (parameters[0] - b).powi(2) / 2.0);
        Score { rows: batch.rows() as u64, loss: Self::rows(batch).map(loss).sum(), ..Score::default() }
    }
    fn boxed_clone(&self) -> Box<dyn Model> {
        Box::new(self.clone())
    }
}

/// Client k has `rows` of (a, b).
fn bowls(clients: &[(usize, f32, f32)]) -> (Dataset, Vec<Vec<u32>>) {
    let (mut features, mut targets, mut rows) = (Vec::new(), Vec::new(), Vec::new());
    for (count, a, b) in clients {
        let first = targets.len() as u32;
        rows.push((first..first + *count as u32).collect());
        features.extend(vec![*a; *count]);
        targets.extend(vec![*b; *count]);
    }
    let features = Features::Dense(Dense::new(features, 1).unwrap());
    (Dataset::new(features, Targets::Real(targets)).unwrap(), rows)
}

fn three_classes(clients: usize, deal: &str, settings: Settings) -> Trained {
    let (train, held_out) = synthetic::separable(1500, 6, 3, 4).split(0.2, 1).unwrap();
    let deal: Deal = deal.parse().unwrap();
    let federation = Federation::dealt(Softmax::new(6, 3), train, clients, deal, settings).unwrap();
    federation.validation(held_out).simulate().unwrap()
}

fn quick() -> Settings {
    Settings { rounds: 15, rate: 0.5, ..Settings::default() }
}

fn accuracy(trained: &Trained) -> f64 {
    trained.report.rounds.last().unwrap().accuracy.unwrap()
}

#[test]
fn strategies_end_where_their_closed_forms_say() {
    let clients = [(10, 1.0, 0.0), (10, 4.0, 3.0), (30, 2.0, -1.0)];
    let quadratics: Vec<Quadratic> = clients
        .iter()
        .map(|(rows, a, b)| Quadratic {
            curvature: f64::from(*a),
            optimum: f64::from(*b),
            samples: *rows as f64,
            steps: 5,
        })
        .collect();
    let cases = [
        (Strategy::Avg, Drift::Avg),
        (Strategy::Prox, Drift::Prox(1.0)),
        (Strategy::Nova, Drift::Nova),
        (Strategy::Scaffold, Drift::Scaffold),
    ];
    for (strategy, drift) in cases {
        let mu = (strategy == Strategy::Prox).then_some(1.0);
        let settings =
            Settings { strategy, mu, rounds: 400, epochs: 5, batch: None, rate: 0.1, ..Settings::default() };
        let (data, rows) = bowls(&clients);
        let trained = Federation::new(Bowl, data, rows, settings).unwrap().simulate().unwrap();
        let expected = fixed_point(drift, &quadratics, 0.1).unwrap();
        let found = f64::from(trained.parameters[0]);
        assert!((found - expected).abs() < 1e-5, "{strategy}: {found} {expected}");
    }
}

#[test]
fn the_same_seed_gives_the_same_bits_on_any_number_of_threads() {
    for strategy in ["avg", "scaffold", "adam", "async", "fedbuff"] {
        let of = |threads| {
            let strategy = strategy.parse().unwrap();
            let server_rate = (strategy == Strategy::Adam).then_some(0.05);
            let devices = Devices { speeds: "lognormal:1".parse().unwrap(), ..Devices::default() };
            let selection = Select::Count(6);
            let settings =
                Settings { strategy, server_rate, selection, dropout: 0.1, devices, threads, ..quick() };
            let trained = three_classes(20, "dirichlet:0.3", settings);
            (trained.parameters.clone(), serde_json::to_string(&trained.report).unwrap())
        };
        assert_eq!(of(1), of(3), "{strategy}");
    }
}

#[test]
fn a_round_of_a_quorum_takes_the_order_statistic() {
    let devices =
        Devices { step: Duration::from_secs(1), jitter: "exp".parse().unwrap(), ..Devices::default() };
    let settings =
        Settings { rounds: 600, quorum: Some(7), batch: None, evaluate_every: 600, devices, ..quick() };
    let trained = three_classes(10, "iid", settings);
    // Late ones are busy in the next round, of which fewer can be selected: so of 10 there are 7 to 10.
    let rounds = &trained.report.rounds;
    let whole: Vec<f64> =
        rounds.iter().filter(|round| round.selected == 10).map(|round| round.end_s - round.start_s).collect();
    let mean = whole.iter().sum::<f64>() / whole.len() as f64;
    let expected = quorum_time(10, 7, 1.0).unwrap();
    assert!(whole.len() > 20 && (mean / expected - 1.0).abs() < 0.3, "{} {mean} {expected}", whole.len());
    assert!(
        rounds.iter().all(|round| round.counted == 7 && round.waited_for.is_some() || round.failed.is_some())
    );
}

#[test]
fn nobody_waits_for_clients_that_are_lost() {
    let trained = three_classes(20, "iid", Settings { dropout: 0.3, ..quick() });
    let totals = &trained.report.totals;
    assert_eq!(totals.counted + totals.lost, 20 * 15);
    assert!((50..130).contains(&totals.lost) && totals.failed_rounds == 0, "{totals:?}");
    // All devices are equal, so that nobody waits for those who answer.
    assert_eq!(totals.waited_client_seconds, 0.0);
}

#[test]
fn rounds_that_always_fail_end_with_the_reason() {
    let settings =
        Settings { quorum: Some(20), deadline: Some(Duration::from_millis(1)), rounds: 50, ..quick() };
    let (train, _) = synthetic::separable(1500, 6, 3, 4).split(0.2, 1).unwrap();
    let run = Federation::dealt(Softmax::new(6, 3), train, 20, Deal::Iid, settings).unwrap();
    let error = run.simulate().unwrap_err();
    assert!(matches!(error, Error::Hopeless { failed: 10, .. }), "{error}");
    assert!(error.to_string().contains("quorum") || error.to_string().contains("busy"), "{error}");
}

#[test]
fn late_answers_count_in_the_next_round_if_asked() {
    let devices = Devices { speeds: "uniform:1..4".parse().unwrap(), ..Devices::default() };
    let of = |late| {
        three_classes(20, "iid", Settings { quorum: Some(10), late, devices, ..quick() }).report.totals
    };
    let (dropped, next) = (of(Late::Drop), of(Late::Next));
    assert!(dropped.late > 20 && dropped.carried_over == 0, "{dropped:?}");
    assert!(next.carried_over > 20 && next.counted > dropped.counted, "{next:?}");
}

#[test]
fn stragglers_send_what_they_have_or_are_dropped() {
    let of = |partial| {
        let settings = Settings { stragglers: 0.9, epochs: 10, partial, ..quick() };
        three_classes(20, "iid", settings).report.totals
    };
    let (kept, dropped) = (of(Partial::Keep), of(Partial::Drop));
    assert_eq!(kept.counted, 20 * 15);
    assert!(dropped.counted < 60 && dropped.lost > 240, "{dropped:?}");
    assert!(kept.local_steps < 20 * 15 * 10 * 2 * 3 / 4, "{kept:?}");
}

#[test]
fn a_secure_sum_is_the_mean_to_its_quantisation() {
    let secure = |neighbours| Some(SecureSum { neighbours, clip: 4.0, bits: 24 });
    let of = |secure, dropout| three_classes(12, "dirichlet:0.5", Settings { secure, dropout, ..quick() });
    for (neighbours, dropout) in [(None, 0.0), (Some(10), 0.05)] {
        let (plain, summed) = (of(None, dropout), of(secure(neighbours), dropout));
        let off =
            plain.parameters.iter().zip(&summed.parameters).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(summed.report.totals.failed_rounds == 0 && off < 1e-3, "{off}");
        assert!(summed.report.totals.up_bytes > plain.report.totals.up_bytes);
    }
}

#[test]
fn liars_own_the_mean_and_not_the_median() {
    let of = |fold: &str, liars| {
        let fold: FoldName = fold.parse().unwrap();
        accuracy(&three_classes(15, "iid", Settings { fold, liars, ..quick() }))
    };
    let liars = Some(Liars { count: 3, lie: Lie::Scale(-10.0) });
    let honest = of("mean", None);
    assert!(of("mean", liars) < honest - 0.15);
    for fold in ["median", "trimmed:0.3", "krum:3,8", "bulyan:3"] {
        let found = of(fold, liars);
        assert!(found > honest - 0.05, "{fold}: {found} {honest}");
    }
}

#[test]
fn bytes_are_counted() {
    let parameters = 7 * 3;
    let of = |compression, strategy| {
        let totals = three_classes(10, "iid", Settings { compression, strategy, ..quick() }).report.totals;
        (totals.down_bytes, totals.up_bytes)
    };
    assert_eq!(of(Compression::None, Strategy::Avg), (150 * 4 * parameters, 150 * 4 * parameters));
    assert_eq!(of(Compression::None, Strategy::Scaffold), (300 * 4 * parameters, 300 * 4 * parameters));
    assert_eq!(of("topk:0.1".parse().unwrap(), Strategy::Avg).1, 150 * 8 * 2);
    assert_eq!(of(Compression::Bf16, Strategy::Avg).1, 150 * 2 * parameters);
}

#[test]
fn nobody_waits_under_fedbuff() {
    let devices = Devices {
        jitter: "exp".parse().unwrap(),
        speeds: "lognormal:1".parse().unwrap(),
        ..Devices::default()
    };
    let run = |strategy, rounds, buffer| {
        let selection = Select::Count(10);
        let settings =
            Settings { strategy, rounds, buffer, selection, devices, target_loss: Some(0.45), ..quick() };
        let trained = three_classes(40, "iid", settings);
        assert!(trained.report.ended_early.is_some(), "{strategy} reaches the loss");
        trained.report.totals
    };
    let (sync, buffered) = (run(Strategy::Avg, 300, None), run(Strategy::Buffered, 900, Some(5)));
    assert_eq!(buffered.waited_client_seconds, 0.0);
    assert!(buffered.duration_s < sync.duration_s, "{} {}", buffered.duration_s, sync.duration_s);
}

#[test]
fn privacy_is_accounted_and_costs_accuracy() {
    let of = |noise| {
        let privacy = Privacy {
            noise,
            clip: 0.5,
            adaptive: false,
            delta: 1e-5,
            place: Default::default(),
            reproducible: true,
        };
        let selection = Select::Poisson(0.5);
        three_classes(60, "iid", Settings { selection, privacy: Some(privacy), rounds: 30, ..quick() })
    };
    let (little, much) = (of(0.3), of(20.0));
    let spent = little.report.privacy.clone().unwrap();
    let mut account = Accountant::new(Orders::All);
    account.add(0.5, 0.3, spent.steps).unwrap();
    assert!((spent.epsilon / account.epsilon(1e-5).unwrap() - 1.0).abs() < 1e-9 && spent.steps == 30);
    assert!(spent.notes[0].contains("no privacy"));
    let epsilons: Vec<f64> = little.report.rounds.iter().map(|round| round.epsilon.unwrap()).collect();
    assert!(epsilons.is_sorted() && epsilons[0] > 0.0);
    assert!(accuracy(&little) > accuracy(&much) + 0.1, "{} {}", accuracy(&little), accuracy(&much));
}

#[test]
fn the_trace_holds_what_the_report_says() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.parquet");
    let devices = Devices { speeds: "uniform:1..3".parse().unwrap(), ..Devices::default() };
    let settings = Settings { quorum: Some(8), dropout: 0.1, devices, ..quick() };
    let (train, _) = synthetic::separable(1500, 6, 3, 4).split(0.2, 1).unwrap();
    let federation = Federation::dealt(Softmax::new(6, 3), train, 12, Deal::Iid, settings).unwrap();
    let trained = federation.trace(&path).simulate().unwrap();
    assert_eq!(trained.trace_error, None);
    let run = syncline_trace::read(&path).unwrap();
    assert!(run.info.complete && run.info.nodes.len() == 12);
    let seconds = |phase| {
        let spans = run.spans.iter().filter(|span| span.phase == phase);
        spans.map(|span| span.duration_ns() as f64 * 1e-9).sum::<f64>()
    };
    let totals = &trained.report.totals;
    assert!((seconds(Phase::Wait) / totals.waited_client_seconds - 1.0).abs() < 1e-6);
    let end = run.spans.iter().map(|span| span.end_ns).max().unwrap();
    for node in 0..12 {
        // A client's spans follow each other without a gap.
        let mut spans: Vec<_> = run.spans.iter().filter(|span| span.node == node).collect();
        spans.sort_by_key(|span| (span.start_ns, span.end_ns));
        assert_eq!((spans[0].start_ns, spans.last().unwrap().end_ns), (0, end));
        assert!(spans.windows(2).all(|pair| pair[0].end_ns == pair[1].start_ns), "client {node}");
    }
}

#[test]
fn ten_thousand_clients_need_no_more_than_those_of_a_round() {
    let data = synthetic::separable(20_000, 6, 3, 4);
    let devices = Devices { speeds: "lognormal:1".parse().unwrap(), ..Devices::default() };
    let settings = Settings {
        selection: Select::Over,
        quorum: Some(100),
        dropout: 0.2,
        rounds: 20,
        evaluate_every: 20,
        devices,
        ..quick()
    };
    let run = Federation::dealt(Softmax::new(6, 3), data, 10_000, Deal::Iid, settings).unwrap();
    let report = run.simulate().unwrap().report;
    // Each round has its quorum with 99 %.
    assert!(report.totals.folded_rounds >= 18 && report.totals.counted == 100 * report.totals.folded_rounds);
    let expected = report.participation.expected_seen;
    assert!(report.rounds[0].selected > 130 && expected.is_none());
    assert!(report.participation.clients_seen > 1700, "{:?}", report.participation);
}

#[test]
fn edges_with_one_round_are_the_flat_mean_and_the_closer_the_clients_of_an_edge_the_fewer_rounds_it_takes() {
    let of = |edges: Option<&str>, rounds| {
        let edges = edges.map(|edges| edges.parse().unwrap());
        three_classes(7, "dirichlet:0.5", Settings { edges, rounds, ..quick() })
    };
    let (flat, edges) = (of(None, 6), of(Some("3"), 6));
    let near = flat.parameters.iter().zip(&edges.parameters).all(|(a, b)| (a - b).abs() < 1e-5);
    assert!(near, "EDGE-1: {:?} {:?}", flat.parameters, edges.parameters);
    assert_eq!((edges.report.edges, edges.report.clients, edges.report.totals.counted), (Some(3), 7, 18));
    assert_eq!(edges.report.totals.local_steps, flat.report.totals.local_steps);
    // 21 parameters there and back, of 7 clients in 6 rounds.
    assert_eq!(edges.report.totals.edge_bytes, 2 * 4 * 21 * 7 * 6);
    let (once, often) = (of(Some("3:1"), 3), of(Some("3:4"), 3));
    let loss = |run: &Trained| run.report.rounds[2].loss.unwrap();
    assert!(loss(&often) < 0.9 * loss(&once), "{} {}", loss(&often), loss(&once));
}

#[test]
fn an_edge_waits_for_the_last_of_its_clients_in_each_of_its_rounds() {
    let (data, rows) = bowls(&[(40, 1.0, 0.0), (10, 1.0, 1.0), (20, 1.0, 3.0), (20, 1.0, 5.0)]);
    let settings = Settings {
        rounds: 1,
        batch: Some(10),
        edges: Some("2:3".parse().unwrap()),
        devices: Devices { line: "8kbit/1s".parse().unwrap(), ..Devices::default() },
        ..Settings::default()
    };
    let run = Federation::new(Bowl, data, rows, settings).unwrap().simulate().unwrap();
    // A latency there and back above; three rounds of one there and back and of four steps of a millisecond below; 4 bytes take 4 ms.
    let expected = 2.0 * 1.004 + 3.0 * (2.0 * 1.004 + 0.004);
    assert!((run.report.totals.duration_s - expected).abs() < 1e-6, "{}", run.report.totals.duration_s);
    assert_eq!(run.report.waited_for[0].client, Some(0));
    let counted: Vec<u64> = run.report.each_client.iter().map(|client| client.counted).collect();
    assert_eq!(counted, [1; 4]);
}

#[test]
fn what_edges_cannot_have_is_refused() {
    let refused = |change: &dyn Fn(&mut Settings)| {
        let (data, rows) = bowls(&[(4, 1.0, 0.0), (4, 1.0, 1.0), (4, 1.0, 3.0)]);
        let mut settings = Settings { edges: Some("2:2".parse().unwrap()), ..Settings::default() };
        change(&mut settings);
        let refused = Federation::new(Bowl, data, rows, settings).err().unwrap();
        assert!(refused.is_usage(), "{refused}");
        refused.to_string()
    };
    assert!(refused(&|s| s.strategy = Strategy::Nova).contains("another strategy"));
    assert!(refused(&|s| s.stragglers = 0.5).contains("stragglers"));
    assert!(refused(&|s| s.edges = Some("4".parse().unwrap())).contains("between 1 and 3"));
    assert!(refused(&|s| s.quorum = Some(3)).contains("between 1 and 2"), "a quorum is one of edges");
}
