//! Every code against the plain answer: for all sets that suffice, in any order of arrival.

#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use syncline_coded::{
    Answer, Code, Cyclic, Draco, Error, Generator, Mds, Precision, Repetition, Replicate, RowBlocks, Yields,
    encode,
};

/// What the parts answer: different in every part and every place.
fn plain(parts: usize, length: usize) -> Vec<Vec<f64>> {
    (0..parts).map(|part| (0..length).map(|at| (part * 7 + at * 3) as f64 * 0.25 - 3.0).collect()).collect()
}

/// What each worker owes.
fn owed(code: &dyn Code, plain: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let of_worker = |worker| {
        let mut sum = vec![0.0; plain[0].len()];
        for share in code.assignment(worker) {
            for (sum, value) in sum.iter_mut().zip(&plain[share.part]) {
                *sum += share.coefficient * value;
            }
        }
        sum
    };
    (0..code.workers()).map(of_worker).collect()
}

fn expected(code: &dyn Code, plain: &[Vec<f64>]) -> Vec<f64> {
    match code.yields() {
        Yields::Blocks => plain.concat(),
        Yields::Sum => (0..plain[0].len()).map(|at| plain.iter().map(|part| part[at]).sum()).collect(),
    }
}

/// All sets of workers, as lists.
fn all_sets(workers: usize) -> impl Iterator<Item = Vec<usize>> {
    (0u32..1 << workers).map(move |bits| (0..workers).filter(|worker| bits & (1 << worker) != 0).collect())
}

/// Decodes every set, forwards and backwards, and compares with the plain answer.
fn check_every_set(code: &mut dyn Code) {
    let plain = plain(code.parts(), 5);
    let owed = owed(code, &plain);
    let expected = expected(code, &plain);
    for set in all_sets(code.workers()) {
        let mut answers: Vec<Answer> =
            set.iter().map(|&worker| Answer { worker, values: &owed[worker] }).collect();
        let forwards = code.decode(&answers, Precision::Double);
        answers.reverse();
        let backwards = code.decode(&answers, Precision::Double);
        assert_eq!(forwards, backwards, "CODE-1: the order of arrival does not matter, {set:?}");
        assert_eq!(forwards.is_ok(), code.decodable(&set), "{set:?}: {forwards:?}");
        if set.len() >= code.suffices() {
            assert!(code.decodable(&set), "{set:?} suffices");
        }
        if let Ok(decoded) = forwards {
            let allowed = decoded.condition * 1e-13;
            for (got, wanted) in decoded.values.iter().zip(&expected) {
                assert!((got - wanted).abs() <= allowed * wanted.abs().max(10.0), "{set:?}: {got} {wanted}");
            }
        }
    }
}

#[test]
fn any_sufficient_set_of_any_code_decodes() {
    for (n, k) in [(1, 1), (4, 1), (5, 3), (6, 6), (8, 5)] {
        check_every_set(&mut Mds::systematic(n, k, 3).unwrap());
    }
    check_every_set(&mut Mds::new(Generator::chebyshev(6, 4).unwrap()));
    check_every_set(&mut Replicate::uncoded(4).unwrap());
    check_every_set(&mut Replicate::new(6, 2).unwrap());
    check_every_set(&mut Repetition::new(6, 2).unwrap());
    check_every_set(&mut Repetition::new(4, 0).unwrap());
    check_every_set(&mut Cyclic::new(5, 1, 1).unwrap());
    check_every_set(&mut Cyclic::new(7, 2, 1).unwrap());
}

#[test]
fn extremes_are_the_uncoded_round_and_plain_copies() {
    let all = Mds::systematic(4, 4, 1).unwrap();
    let uncoded = Replicate::uncoded(4).unwrap();
    assert!((0..4).all(|worker| all.assignment(worker) == uncoded.assignment(worker)), "k = n");
    let mut copies = Mds::systematic(4, 1, 1).unwrap();
    let answer = [3.0 * copies.generator().coefficient(2, 0)];
    let one = copies.decode(&[Answer { worker: 2, values: &answer }], Precision::Double).unwrap();
    assert!((one.values[0] - 3.0).abs() < 1e-12, "k = 1: any worker knows all");
    assert_eq!(Repetition::new(4, 0).unwrap().work_factor(), 1.0);
    assert_eq!(Repetition::new(6, 2).unwrap().work_factor(), 3.0);
    assert_eq!(Mds::systematic(10, 5, 1).unwrap().work_factor(), 2.0);
}

#[test]
fn repetition_is_exact_to_the_bit_whoever_answers() {
    let mut code = Repetition::new(6, 1).unwrap();
    let plain: Vec<Vec<f64>> = (1..=6).map(|part| vec![0.1 * part as f64, 1.0 / part as f64]).collect();
    let owed = owed(&code, &plain);
    let decode = |code: &mut Repetition, set: [usize; 3]| {
        let answers = set.map(|worker| Answer { worker, values: &owed[worker] });
        code.decode(&answers, Precision::Double).unwrap().values
    };
    let first = decode(&mut code, [0, 2, 4]);
    for set in [[1, 2, 4], [0, 3, 5], [5, 1, 3]] {
        let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&decode(&mut code, set)), bits(&first));
    }
}

#[test]
fn draco_outvotes_liars_anywhere_and_names_a_group_that_has_no_majority() {
    let mut code = Draco::new(6, 1).unwrap();
    let honest = owed(&code, &plain(6, 4));
    let everybody = |answers: &[Vec<f64>]| -> Vec<usize> { (0..answers.len()).collect() };
    let decode = |code: &mut Draco, sent: &[Vec<f64>]| {
        let answers: Vec<Answer> =
            everybody(sent).into_iter().map(|worker| Answer { worker, values: &sent[worker] }).collect();
        code.decode(&answers, Precision::Double)
    };
    let truth = decode(&mut code, &honest).unwrap();
    for liar in 0..6 {
        let lies = [vec![f64::NAN; 4], vec![-1.0; 4], vec![], vec![0.0; 9]];
        for lie in lies {
            let mut sent = honest.clone();
            sent[liar] = lie;
            assert_eq!(decode(&mut code, &sent).unwrap(), truth, "liar {liar}");
        }
    }
    let mut sent = honest.clone();
    (sent[3], sent[5]) = (vec![1.0; 4], vec![2.0; 4]);
    let error = decode(&mut code, &sent).unwrap_err();
    assert!(matches!(&error, Error::NoMajority { members, .. } if members == &[3, 4, 5]), "{error}");
    // Two liars of one group who agree are beyond what the code stands: they win, and the documentation says so.
    (sent[3], sent[5]) = (vec![1.0; 4], vec![1.0; 4]);
    assert_ne!(decode(&mut code, &sent).unwrap(), truth);
}

#[test]
fn answers_of_another_round_are_refused_by_worker() {
    let mut code = Mds::systematic(4, 2, 1).unwrap();
    let (long, short) = ([1.0, 2.0], [1.0]);
    let answer = |worker, values| Answer { worker, values };
    for (answers, says) in [
        (vec![answer(0, &long[..]), answer(9, &long[..])], "worker 9"),
        (vec![answer(1, &long[..]), answer(1, &long[..])], "answered already"),
        (vec![answer(0, &long[..]), answer(1, &short[..])], "1 values, the others have 2"),
        (vec![answer(3, &long[..])], "2 of the 4 workers are needed"),
    ] {
        let error = code.decode(&answers, Precision::Double).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn a_badly_conditioned_round_is_an_error_that_names_the_workers() {
    let mut code = Mds::new(Generator::vandermonde(16, 12).unwrap());
    let values = [1.0];
    let answers: Vec<Answer> = (4..16).map(|worker| Answer { worker, values: &values }).collect();
    let error = code.decode(&answers, Precision::Double).unwrap_err();
    assert!(matches!(&error, Error::IllConditioned { answered, .. } if answered[0] == 4), "{error}");
    // What doubles still carry is too much for single precision.
    let mut code = Mds::new(Generator::vandermonde(8, 6).unwrap());
    let answers: Vec<Answer> = (2..8).map(|worker| Answer { worker, values: &values }).collect();
    assert!(code.decode(&answers, Precision::Double).is_ok());
    assert!(code.decode(&answers, Precision::Single).is_err());
}

#[test]
fn a_matrix_product_survives_any_stragglers() {
    let (rows, columns) = (11, 4);
    let matrix: Vec<f64> = (0..rows * columns).map(|i| ((i * 31) % 17) as f64 - 8.0).collect();
    let x = [1.0, -2.0, 0.5, 3.0];
    let product = |matrix: &[f64]| -> Vec<f64> {
        matrix.chunks(columns).map(|row| row.iter().zip(&x).map(|(a, x)| a * x).sum()).collect()
    };
    let mut code = Mds::systematic(5, 3, 1).unwrap();
    let blocks = RowBlocks::new(matrix.clone(), columns, 3).unwrap();
    let answers: Vec<Vec<f64>> =
        (0..5).map(|worker| product(&encode(&code, &blocks, worker).unwrap())).collect();
    for set in all_sets(5).filter(|set| set.len() == 3) {
        let heard: Vec<Answer> =
            set.iter().map(|&worker| Answer { worker, values: &answers[worker] }).collect();
        let decoded = code.decode(&heard, Precision::Double).unwrap();
        let decoded = blocks.trim(decoded.values, 1);
        assert_eq!(decoded.len(), rows);
        for (got, wanted) in decoded.iter().zip(product(&matrix)) {
            assert!((got - wanted).abs() < 1e-10, "{set:?}: {got} {wanted}");
        }
    }
    assert!(RowBlocks::new(vec![1.0; 7], 2, 2).is_err() && RowBlocks::new(vec![], 0, 2).is_err());
}

#[test]
fn sizes_that_make_no_code_are_refused() {
    assert!(Mds::systematic(3, 4, 1).is_err() && Mds::systematic(3, 0, 1).is_err());
    assert!(Replicate::new(5, 2).is_err() && Replicate::new(0, 1).is_err());
    assert!(Repetition::new(7, 2).unwrap_err().to_string().contains("cyclic"));
    assert!(Cyclic::new(3, 3, 1).is_err() && Draco::new(4, 1).is_err());
    assert!(Cyclic::from_rows(&[vec![1.0, 2.0, 3.0]]).is_err(), "the row does not sum to 0");
    assert!(Cyclic::from_rows(&[vec![1.0, 0.0, -1.0, 0.0]]).is_err(), "a column of zeros");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Encoding is linear, so decoding is: the sum of two rounds decodes to the sum of their results.
    #[test]
    fn decoding_is_linear(seed in 0u64..1000, a in -10.0..10.0f64, first in 0usize..5) {
        let mut code = Mds::systematic(6, 4, seed).unwrap();
        let plain = plain(4, 3);
        let other: Vec<Vec<f64>> = plain.iter().map(|part| part.iter().map(|v| v * v - 2.0).collect()).collect();
        let both: Vec<Vec<f64>> = plain.iter().zip(&other)
            .map(|(p, o)| p.iter().zip(o).map(|(p, o)| p + a * o).collect()).collect();
        let set: Vec<usize> = (0..6).filter(|worker| *worker != first && *worker != first + 1).collect();
        let mut decode = |plain: &[Vec<f64>]| {
            let owed = owed(&code, plain);
            let heard: Vec<Answer> = set.iter().map(|&worker| Answer { worker, values: &owed[worker] }).collect();
            code.decode(&heard, Precision::Double).unwrap().values
        };
        let (p, o, b) = (decode(&plain), decode(&other), decode(&both));
        for ((p, o), b) in p.iter().zip(&o).zip(&b) {
            prop_assert!((p + a * o - b).abs() < 1e-7 * b.abs().max(1.0));
        }
    }
}
