//! The secure sum as state machines: dropouts at every stage, lies, and what the masked words give away.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;

use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};
use syncline_federated::secure::{
    Client, FromClient, FromServer, Graph, Neighbours, Outcome, Quantiser, Ring, Server, bytes, unpack,
};
use syncline_federated::{Error, Result};

/// The stages before which a client may drop out.
const STAGES: usize = 4;

fn entropy(client: u32) -> [u8; 32] {
    std::array::from_fn(|i| (client as usize * 31 + i * 7) as u8)
}

fn input(client: u32, elements: usize) -> Vec<u64> {
    (0..elements as u64).map(|i| (u64::from(client) * 1000 + i * i) % 60_000).collect()
}

struct Round {
    server: Server,
    clients: Vec<Client>,
    ring: Ring,
}

fn round(clients: u32, neighbours: usize, threshold: usize, elements: usize) -> Round {
    let ring = Ring::new(24).unwrap();
    let ids: Vec<u32> = (10..10 + clients).collect();
    let graph = Graph::new(&ids, neighbours, 5).unwrap();
    let server = Server::new(1, graph, threshold, elements, ring).unwrap();
    let client = |id: &u32| {
        let mut client = Client::new(*id, entropy(*id));
        client.prepare(input(*id, elements));
        client
    };
    Round { server, clients: ids.iter().map(client).collect(), ring }
}

impl Round {
    /// Plays the round; `dropped(client, stage)` says who does not answer from a stage on. Messages arrive in
    /// random order.
    fn play(&mut self, seed: u64, gone: impl Fn(u32, usize) -> bool) -> Result<Outcome> {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        for stage in 0..STAGES {
            let Outcome::Send(mut messages) = self.server.advance()? else {
                panic!("the sum is not due yet")
            };
            messages.shuffle(&mut rng);
            for (to, message) in messages {
                if !gone(to, stage) {
                    let client = self.clients.iter_mut().find(|client| client.id() == to).unwrap();
                    let answer = client.step(message)?;
                    self.server.receive(to, answer)?;
                }
            }
        }
        self.server.advance()
    }

    fn plain_sum(&self, of: &[u32], elements: usize) -> Vec<u64> {
        let mut sum = vec![0; elements];
        for client in of {
            for (sum, value) in sum.iter_mut().zip(input(*client, elements)) {
                *sum = self.ring.add(*sum, value);
            }
        }
        sum
    }
}

#[test]
fn g5_sums_equal_plain_sums_bit_for_bit_with_dropouts_before_every_stage() {
    for (clients, neighbours, threshold) in [(5, 4, 3), (12, 11, 7), (12, 6, 4), (9, 4, 3)] {
        for seed in 0..12u64 {
            let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
            // Sometimes nobody drops out, sometimes one or two, at stages of their own.
            let leaving: Vec<(u32, usize)> = (0..seed % 3)
                .map(|_| (10 + rng.random_range(0..clients), rng.random_range(0..STAGES)))
                .collect();
            let mut round = round(clients, neighbours, threshold, 100);
            let outcome = round.play(seed, |client, stage| {
                leaving.iter().any(|(other, from)| *other == client && stage >= *from)
            });
            match outcome {
                Ok(Outcome::Sum { numbers, clients: of }) => {
                    // Whoever sent its input is in the sum, also if it left before unmasking.
                    let expected: Vec<u32> = (10..10 + clients)
                        .filter(|client| !leaving.iter().any(|(other, from)| other == client && *from < 3))
                        .collect();
                    assert_eq!(of, expected);
                    assert_eq!(numbers, round.plain_sum(&of, 100), "{leaving:?}");
                }
                // With few neighbours two dropouts may be too many; it must be said, and is never a wrong sum.
                Err(Error::SumFailed { .. }) => assert!(leaving.len() == 2 && neighbours == 4, "{leaving:?}"),
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn g6_one_client_too_few_fails_before_anything_is_revealed() {
    for stage in 0..STAGES {
        let mut five = round(5, 4, 3, 10);
        // Each of five has four neighbours and needs three: two may not go.
        let error = five.play(1, |client, at| client < 12 && at >= stage).unwrap_err();
        assert!(matches!(&error, Error::SumFailed { .. }), "{stage}: {error}");
        assert!(five.server.advance().is_err(), "the round is over");
    }
    let mut one_less = round(5, 4, 3, 10);
    assert!(matches!(one_less.play(1, |client, at| client < 11 && at >= 2), Ok(Outcome::Sum { .. })));
}

/// Plays up to the given stage with everybody, and returns the next messages.
fn up_to(round: &mut Round, stage: usize) -> Vec<(u32, FromServer)> {
    for _ in 0..stage {
        let Outcome::Send(messages) = round.server.advance().unwrap() else { panic!() };
        for (to, message) in messages {
            let answer = round.clients[to as usize - 10].step(message).unwrap();
            round.server.receive(to, answer).unwrap();
        }
    }
    match round.server.advance().unwrap() {
        Outcome::Send(messages) => messages,
        Outcome::Sum { .. } => panic!("{stage}"),
    }
}

#[test]
fn g1_only_the_legal_order_of_stages_is_followed() {
    let mut round = round(5, 4, 3, 10);
    let all: Vec<Vec<(u32, FromServer)>> = (0..STAGES)
        .map(|stage| {
            let mut fresh = self::round(5, 4, 3, 10);
            up_to(&mut fresh, stage)
        })
        .collect();
    let message = |stage: usize| all[stage][0].1.clone();
    let client = &mut round.clients[0];
    for wrong in 1..STAGES {
        assert!(matches!(client.step(message(wrong)), Err(Error::Refused { .. })), "idle, {wrong}");
    }
    for stage in 0..STAGES {
        for wrong in (1..STAGES).filter(|wrong| *wrong != stage) {
            assert!(matches!(client.step(message(wrong)), Err(Error::Refused { .. })), "{stage}, {wrong}");
        }
        assert!(client.step(message(stage)).is_ok(), "a refusal changes nothing: {stage}");
    }
    // SEC-2: the shares are revealed once.
    assert!(client.step(message(3)).is_err());
    // A new setup starts afresh from any stage, but not the same round again.
    assert!(client.step(message(0)).unwrap_err().to_string().contains("not after the last one"));
    let FromServer::Setup(mut setup) = message(0) else { panic!() };
    setup.round = 2;
    assert!(client.step(FromServer::Setup(setup)).is_ok());
}

#[test]
fn m2_both_shares_of_a_peer_are_never_revealed() {
    let mut round = round(5, 4, 3, 10);
    let messages = up_to(&mut round, 3);
    let (to, FromServer::Unmask(asked)) = messages[0].clone() else { panic!() };
    let client = &mut round.clients[to as usize - 10];
    let mut lies = vec![
        Neighbours { live: asked.live.clone(), dropped: vec![asked.live[0]] },
        Neighbours { live: asked.live[..2].to_vec(), dropped: vec![] },
        Neighbours { live: [asked.live.clone(), vec![99]].concat(), dropped: vec![] },
        Neighbours { live: vec![asked.live[0]; 3], dropped: vec![] },
    ];
    for lie in lies.drain(..) {
        assert!(matches!(client.step(FromServer::Unmask(lie)), Err(Error::Refused { .. })));
    }
    let FromClient::Revealed(shares) = client.step(FromServer::Unmask(asked)).unwrap() else { panic!() };
    assert_eq!(shares.iter().map(|share| share.of).collect::<BTreeSet<_>>().len(), shares.len());
    let text = format!("{shares:?}");
    assert!(!text.contains("words"), "SEC-7: no secret in debug output: {text}");
}

#[test]
fn g2_malformed_lists_of_keys_and_shares_are_refused() {
    let mut round = round(5, 4, 3, 10);
    let (to, FromServer::Keys(keys)) = up_to(&mut round, 1)[0].clone() else { panic!() };
    let client = &mut round.clients[to as usize - 10];
    let own = keys.iter().position(|keys| keys.client == to).unwrap();
    let mut wrong = vec![keys[..3].to_vec(), keys[1..].to_vec(), [&keys[..], &keys[1..2]].concat()];
    let mut changed = keys.clone();
    changed[own].mask[0] ^= 1;
    wrong.push(changed);
    let mut same = keys.clone();
    same[1].mask = same[2].mask;
    wrong.push(same);
    let mut stranger = keys.clone();
    stranger[1].client = 77;
    wrong.push(stranger);
    let mut weak = keys.clone();
    weak[1].mask = [0; 32];
    weak[1].channel = [0; 32];
    weak[1].channel[0] = 1;
    wrong.push(weak);
    for keys in wrong {
        assert!(
            matches!(client.step(FromServer::Keys(keys.clone())), Err(Error::Refused { .. })),
            "{keys:?}"
        );
    }
    assert!(client.step(FromServer::Keys(keys)).is_ok());
}

#[test]
fn g3_a_flipped_byte_of_a_sealed_share_does_not_go_unnoticed() {
    let mut round = round(5, 4, 3, 10);
    let (to, FromServer::Shares(sealed)) = up_to(&mut round, 2)[0].clone() else { panic!() };
    let client = &mut round.clients[to as usize - 10];
    for at in 0..sealed[0].bytes.len() {
        let mut changed = sealed.clone();
        changed[0].bytes[at] ^= 0x40;
        assert!(
            client
                .step(FromServer::Shares(changed))
                .unwrap_err()
                .to_string()
                .contains("changed on their way")
        );
    }
    let mut short = sealed.clone();
    short[0].bytes.pop();
    assert!(client.step(FromServer::Shares(short)).is_err());
    assert!(client.step(FromServer::Shares(sealed)).is_ok());
}

#[test]
fn m4_the_server_refuses_strangers_repeats_and_wrong_lengths() {
    let mut round = round(5, 4, 3, 10);
    let messages = up_to(&mut round, 0);
    let answers: Vec<(u32, FromClient)> = messages
        .into_iter()
        .map(|(to, message)| (to, round.clients[to as usize - 10].step(message).unwrap()))
        .collect();
    let (first, keys) = answers[0].clone();
    assert!(round.server.receive(99, keys.clone()).is_err(), "a stranger");
    assert!(round.server.receive(answers[1].0, keys.clone()).is_err(), "somebody else's keys");
    assert!(round.server.receive(first, FromClient::Masked(vec![0; 30])).is_err(), "out of stage");
    round.server.receive(first, keys.clone()).unwrap();
    assert!(round.server.receive(first, keys).is_err(), "twice");
    for (from, keys) in &answers[1..] {
        round.server.receive(*from, keys.clone()).unwrap();
    }
    let Outcome::Send(messages) = round.server.advance().unwrap() else { panic!() };
    for (to, message) in messages {
        let FromClient::Sealed(sealed) = round.clients[to as usize - 10].step(message).unwrap() else {
            panic!()
        };
        assert!(
            round.server.receive(to, FromClient::Sealed(sealed[1..].to_vec())).is_err(),
            "one is missing"
        );
        round.server.receive(to, FromClient::Sealed(sealed)).unwrap();
    }
    round.server.advance().unwrap();
    assert!(
        round.server.receive(10, FromClient::Masked(vec![0; 29])).unwrap_err().to_string().contains("30")
    );
}

#[test]
fn m3_thresholds_that_a_lying_server_could_use_are_refused_on_both_sides() {
    let ring = Ring::new(20).unwrap();
    let graph = Graph::new(&[1, 2, 3, 4, 5], 4, 1).unwrap();
    assert!(Server::new(1, graph.clone(), 2, 3, ring).is_err() && Server::new(1, graph, 5, 3, ring).is_err());
    let mut round = round(5, 4, 3, 10);
    let (to, FromServer::Setup(mut setup)) = up_to(&mut round, 0)[0].clone() else { panic!() };
    setup.threshold = 2;
    let error = round.clients[to as usize - 10].step(FromServer::Setup(setup)).unwrap_err();
    assert!(error.to_string().contains("not safe"), "{error}");
}

#[test]
fn bytes_on_the_wire_equal_the_formula() {
    let (clients, elements) = (8u32, 33);
    for neighbours in [7, 4] {
        let mut round = round(clients, neighbours, neighbours / 2 + 1, elements);
        let (mut sent, mut received) = (0, 0);
        for _ in 0..STAGES {
            let Outcome::Send(messages) = round.server.advance().unwrap() else { panic!() };
            for (to, message) in messages {
                received += message.bytes();
                let answer = round.clients[to as usize - 10].step(message).unwrap();
                sent += answer.bytes();
                round.server.receive(to, answer).unwrap();
            }
        }
        // The ring of 24 bits is that of 21-bit inputs of 8 clients.
        let formula = bytes::traffic(8, elements as u64, 21, neighbours).unwrap();
        assert_eq!(
            (formula.ring_bits, formula.sent * 8, formula.received * 8),
            (24, sent as u64, received as u64)
        );
    }
}

#[test]
fn g7_masked_words_do_not_tell_two_inputs_apart() {
    // Two rounds with equal sums and very different inputs: each masked word is uniform over 16 classes of its top
    // bits.
    let ring = Ring::new(16).unwrap();
    let elements = 4096;
    let masked = |inputs: [u64; 3]| {
        let ids = [1u32, 2, 3];
        let graph = Graph::new(&ids, 2, 1).unwrap();
        let mut server = Server::new(1, graph, 2, elements, ring).unwrap();
        let mut clients: Vec<Client> = ids.iter().map(|id| Client::new(*id, entropy(*id))).collect();
        for (client, value) in clients.iter_mut().zip(inputs) {
            client.prepare(vec![value; elements]);
        }
        let mut seen = Vec::new();
        for _ in 0..3 {
            let Outcome::Send(messages) = server.advance().unwrap() else { panic!() };
            for (to, message) in messages {
                let answer = clients[to as usize - 1].step(message).unwrap();
                if let FromClient::Masked(packed) = &answer {
                    seen.push(unpack(ring, packed, elements).unwrap());
                }
                server.receive(to, answer).unwrap();
            }
        }
        seen
    };
    for inputs in [[0, 0, 3], [1, 1, 1]] {
        for words in masked(inputs) {
            let mut counts = [0f64; 16];
            words.iter().for_each(|word| counts[(word >> 12) as usize] += 1.0);
            let expected = elements as f64 / 16.0;
            let chi_square: f64 = counts.iter().map(|count| (count - expected).powi(2) / expected).sum();
            // 15 degrees of freedom: above 44.3 once in 10 000.
            assert!(chi_square < 44.3, "{inputs:?}: {chi_square}");
        }
    }
}

#[test]
fn real_numbers_come_back_within_their_quantisation() {
    let quantiser = Quantiser::new(4.0, (1 << 16) - 1).unwrap();
    let ring = quantiser.ring(3).unwrap();
    assert_eq!(ring.bits(), 18);
    let values = [[0.5, -3.0, 9.0], [1.25, 0.0, f64::NAN], [-0.75, 2.0, -9.0]];
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let mut sum = vec![0; 3];
    for values in &values {
        for (sum, number) in sum.iter_mut().zip(quantiser.quantise(values, &mut rng)) {
            *sum = ring.add(*sum, number);
        }
    }
    // 9 is clipped to 4, -9 to -4, and what is no number counts as 0.
    for (got, expected) in quantiser.sum(&sum, 3).iter().zip([1.0, -1.0, 0.0]) {
        assert!((got - expected).abs() < 3.0 * 8.0 / 65535.0, "{got} {expected}");
    }
}

/// What a hostile client may make of its message.
fn corrupted(message: &FromClient) -> Vec<FromClient> {
    match message {
        FromClient::Advertised(keys) => {
            let mut of_another = *keys;
            of_another.client ^= 1;
            vec![
                FromClient::Advertised(of_another),
                FromClient::Masked(Vec::new()),
                FromClient::Sealed(Vec::new()),
            ]
        }
        FromClient::Sealed(all) => {
            let changed = |change: fn(&mut Vec<syncline_federated::secure::Sealed>)| {
                let mut all = all.clone();
                change(&mut all);
                FromClient::Sealed(all)
            };
            vec![
                changed(Vec::clear),
                changed(|all| all.truncate(1)),
                changed(|all| all.push(all[0].clone())),
                changed(|all| all[1] = all[0].clone()),
                changed(|all| all[0].to = all[0].from),
                changed(|all| all[0].from = all[0].to),
                changed(|all| all[0].to = u32::MAX),
                changed(|all| all[0].bytes.clear()),
                changed(|all| all[0].bytes.extend([0; 4096])),
                changed(|all| *all = vec![all[0].clone(); 10_000]),
            ]
        }
        FromClient::Masked(packed) => {
            let longer = [&packed[..], &[0]].concat();
            vec![
                FromClient::Masked(Vec::new()),
                FromClient::Masked(packed[1..].to_vec()),
                FromClient::Masked(longer),
            ]
        }
        FromClient::Revealed(all) => {
            let changed = |change: fn(&mut Vec<syncline_federated::secure::Revealed>)| {
                let mut all = all.clone();
                change(&mut all);
                FromClient::Revealed(all)
            };
            vec![
                changed(Vec::clear),
                changed(|all| _ = all.pop()),
                changed(|all| all.push(all[0].clone())),
                changed(|all| all[0].of = all[1].of),
                changed(|all| all[0].of = u32::MAX),
            ]
        }
    }
}

#[test]
fn hostile_messages_at_every_stage_are_refused_and_change_nothing() {
    let (clients, elements) = (6u32, 10);
    let mut round = round(clients, 5, 3, elements);
    for _ in 0..STAGES {
        let Outcome::Send(messages) = round.server.advance().unwrap() else { panic!() };
        for (to, message) in messages {
            let client = &mut round.clients[to as usize - 10];
            if let FromServer::Setup(setup) = &message {
                for (elements, ring_bits, threshold, neighbours) in [
                    (usize::MAX, setup.ring_bits, setup.threshold, setup.neighbours.clone()),
                    (setup.elements, 0, setup.threshold, setup.neighbours.clone()),
                    (setup.elements, u32::MAX, setup.threshold, setup.neighbours.clone()),
                    (setup.elements, setup.ring_bits, 0, setup.neighbours.clone()),
                    (setup.elements, setup.ring_bits, usize::MAX, setup.neighbours.clone()),
                    (setup.elements, setup.ring_bits, setup.threshold, Vec::new()),
                    (setup.elements, setup.ring_bits, setup.threshold, vec![to; 5]),
                ] {
                    let lie = syncline_federated::secure::Setup {
                        round: 1,
                        neighbours,
                        threshold,
                        elements,
                        ring_bits,
                    };
                    assert!(client.step(FromServer::Setup(lie.clone())).is_err(), "{lie:?}");
                }
            }
            let answer = client.step(message).unwrap();
            for lie in corrupted(&answer) {
                let told = round.server.receive(to, lie.clone()).unwrap_err();
                assert!(matches!(told, Error::Refused { from, .. } if from == to), "{told}");
                assert!(round.server.receive(u32::MAX, lie).is_err(), "a stranger");
            }
            round.server.receive(to, answer).unwrap();
        }
    }
    let Outcome::Sum { numbers, clients: of } = round.server.advance().unwrap() else { panic!() };
    assert_eq!((of.len(), numbers), (clients as usize, round.plain_sum(&of, elements)));
}

#[test]
fn a_false_share_ends_the_round_and_never_makes_a_wrong_sum() {
    // Of a live client's own mask, or of the key of one that dropped out; more shares come than are needed.
    for dropped in [None, Some(12)] {
        let mut round = round(6, 5, 3, 10);
        for stage in 0..STAGES {
            let Outcome::Send(messages) = round.server.advance().unwrap() else { panic!() };
            for (to, message) in messages {
                if stage >= 2 && dropped == Some(to) {
                    continue;
                }
                let mut answer = round.clients[to as usize - 10].step(message).unwrap();
                if let FromClient::Revealed(shares) = &mut answer
                    && to == 10
                {
                    let place = shares.iter().position(|share| Some(share.of) == dropped).unwrap_or(0);
                    let another = (place + 1) % shares.len();
                    shares[place].share = shares[another].share.clone();
                }
                round.server.receive(to, answer).unwrap();
            }
        }
        let told = round.server.advance().unwrap_err().to_string();
        let liar = dropped.unwrap_or(11);
        assert!(told.contains(&format!("client {liar}")) && told.contains("contradict"), "{told}");
        assert!(round.server.advance().unwrap_err().to_string().contains("over"));
    }
}
