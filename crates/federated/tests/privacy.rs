//! Privacy: what rounds spend, clipping and noise; and compression.

#![allow(clippy::unwrap_used, reason = "tests")]

use rand::{SeedableRng, rngs::StdRng};
use syncline_federated::compress::{Qsgd, TopK};
use syncline_federated::privacy::{
    Accountant, AdaptiveClip, Mechanism, Orders, exact_delta, noise_for, split_noise,
};

fn epsilon(orders: Orders, q: f64, z: f64, rounds: u64, delta: f64) -> f64 {
    let mut accountant = Accountant::new(orders);
    accountant.add(q, z, rounds).unwrap();
    accountant.epsilon(delta).unwrap()
}

#[test]
fn the_account_agrees_with_published_values() {
    // (q, z, rounds, delta, epsilon, of whole orders, tight): dp-accounting 0.6 and 40-digit quadrature.
    for (q, z, rounds, delta, all, whole, tight) in [
        (0.01, 1.1, 1000, 1e-5, 1.71177, 1.72529, 1.5154),
        (0.1, 1.0, 100, 1e-5, 7.89926, 7.97292, 7.0466),
        (1.0, 5.0, 10, 1e-5, 2.81365, 2.81411, 2.5944),
    ] {
        let found = epsilon(Orders::All, q, z, rounds, delta);
        assert!((found / all - 1.0).abs() < 1e-5, "{found} {all}");
        assert!((epsilon(Orders::Whole, q, z, rounds, delta) / whole - 1.0).abs() < 1e-5);
        assert!(found >= tight, "an upper bound");
    }
    assert_eq!(epsilon(Orders::All, 0.0, 1.0, 100, 1e-5), 0.0, "nobody was asked");
}

#[test]
fn noise_is_found_for_a_wished_epsilon() {
    let z = noise_for(2.0, 1e-5, 0.1, 100).unwrap();
    assert!((z - 2.422_401_339).abs() < 1e-6, "{z}");
    assert!(epsilon(Orders::All, 0.1, z, 100, 1e-5) <= 2.0);
    assert!(epsilon(Orders::All, 0.1, z * 0.999, 100, 1e-5) > 2.0);
    assert!(noise_for(-1.0, 1e-5, 0.1, 100).is_err() && noise_for(1.0, 2.0, 0.1, 100).is_err());
}

#[test]
fn d1_clipping_scales_long_changes_whole_and_leaves_short_ones() {
    let mechanism = Mechanism::new(5.0, 0.0, 2.0).unwrap();
    let mut long = vec![6.0, 8.0];
    assert!(!mechanism.clip(&mut long));
    assert_eq!(long, [3.0, 4.0]);
    let mut short = vec![0.3, -0.1];
    assert!(mechanism.clip(&mut short));
    assert_eq!(short, [0.3, -0.1]);
    let mut broken = vec![f64::NAN, 1.0];
    mechanism.clip(&mut broken);
    assert_eq!(broken, [0.0, 0.0], "what is no number releases nothing");
    // Without noise: the sum over the expected number, whoever came.
    let mut rng = StdRng::seed_from_u64(1);
    assert_eq!(mechanism.release(&[vec![1.0, 2.0]], 2, &mut rng), [0.5, 1.0]);
}

#[test]
fn d1_the_noise_has_the_stated_deviation() {
    let mechanism = Mechanism::new(2.0, 1.5, 10.0).unwrap();
    let mut rng = StdRng::seed_from_u64(7);
    let released = mechanism.release(&[], 40_000, &mut rng);
    let deviation = (released.iter().map(|x| x * x).sum::<f64>() / 40_000.0).sqrt();
    assert!((deviation / 0.3 - 1.0).abs() < 0.02, "1.5 x 2 over 10: {deviation}");
}

#[test]
fn adaptive_clipping_follows_and_its_noise_is_shared() {
    let mut clip = AdaptiveClip::new(1.0, 0.2, 0.5).unwrap();
    [0.0, 0.0, 1.0, 0.5].iter().for_each(|below| clip.follow(*below));
    assert!((clip.length() - 1.105_170_918).abs() < 1e-8);
    assert!((split_noise(1.0, 100).unwrap() - 1.005_037_815).abs() < 1e-8);
    assert!(split_noise(2.0, 20).unwrap_err().to_string().contains("below 2"));
    assert!((exact_delta(1.0, 1.0).unwrap() - 0.126_936_74).abs() < 1e-7);
}

#[test]
fn what_top_k_keeps_back_is_sent_later() {
    let mut sender = TopK::new(2, 5).unwrap();
    let mut sent = [0.0f64; 5];
    let mut asked = [0.0f64; 5];
    for round in 0..50 {
        let change: Vec<f64> = (0..5).map(|i| ((round * 7 + i * 3) % 11) as f64 * 0.1 - 0.5).collect();
        let message = sender.send(&change).unwrap();
        assert!(message.indices.len() == 2 && message.bytes() == 16);
        for (index, value) in message.indices.iter().zip(&message.values) {
            sent[*index as usize] += f64::from(*value);
        }
        asked.iter_mut().zip(&change).for_each(|(sum, d)| *sum += d);
        for ((sent, kept), asked) in sent.iter().zip(sender.kept()).zip(asked) {
            assert!((sent + kept - asked).abs() < 1e-12);
        }
    }
    assert!(TopK::new(6, 5).is_err() && sender.send(&[1.0]).is_err());
}

#[test]
fn quantisation_has_no_bias_and_its_bound_holds() {
    let qsgd = Qsgd::new(4).unwrap();
    let values = [0.1, -2.0, 0.5, 3.0, 0.0];
    let mut rng = StdRng::seed_from_u64(3);
    let (mut mean, mut error) = ([0.0; 5], 0.0);
    for _ in 0..20_000 {
        for ((mean, got), value) in mean.iter_mut().zip(qsgd.quantise(&values, &mut rng).values()).zip(values)
        {
            *mean += got / 20_000.0;
            error += (got - value).powi(2) / 20_000.0;
        }
    }
    assert!(mean.iter().zip(values).all(|(mean, value)| (mean - value).abs() < 0.02), "{mean:?}");
    assert!((error / qsgd.expected_error(&values) - 1.0).abs() < 0.03);
    assert!(qsgd.expected_error(&values) <= qsgd.error_bound(&values));
    assert_eq!(qsgd.quantise(&[0.0; 3], &mut rng).values(), [0.0; 3]);
}
