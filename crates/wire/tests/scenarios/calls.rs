//! Calling a service.

use crate::bench::parity;

parity!(
    c1_calls_have_values,
    c4_errors_and_panics_reach_the_caller,
    c5_calls_are_futures,
    c6_a_call_given_up_is_dropped_by_the_service,
    c7_c14_the_methods_are_known_and_no_others,
    c8_bytes_and_text_stay_what_they_are,
    c10_calls_wait_as_long_as_they_are_told,
    c19_tensors_of_every_kind_and_shape_round_trip,
    the_callers_name_and_patience_are_known,
    health_is_told,
    replies_stream_and_end,
    a_slow_reader_slows_its_writer,
    a_stream_that_is_dropped_ends_its_writer,
);

/// The scenarios.
mod scenario {
    use crate::bench::{BenchClient, Place, Refusal};
    use std::time::Duration;
    use syncline_wire::{AnyTensor, CallError, Element, Error, Tensor, bf16, f16};

    const MS: Duration = Duration::from_millis(1);

    pub async fn c1_calls_have_values(place: Place) {
        assert_eq!(place.client.add(12, 5).await.unwrap(), 17);
        assert_eq!(place.client.seven().await.unwrap(), 7);
    }

    pub async fn c4_errors_and_panics_reach_the_caller(place: Place) {
        let client = &place.client;
        assert_eq!(client.parse("-3".to_owned()).await.unwrap(), -3);
        let refused = client.parse("three".to_owned()).await.unwrap_err();
        let CallError::Service(refusal) = refused else { panic!("another error: {refused}") };
        assert_eq!(refusal, Refusal::NoNumber { text: "three".to_owned() });
        let empty = client.parse(String::new()).await;
        assert!(matches!(empty, Err(CallError::Service(Refusal::Empty))));
        let panicked = client.fall("no such shard".to_owned()).await.unwrap_err();
        assert!(matches!(&panicked, Error::Remote(text) if text.contains("no such shard")), "{panicked}");
        assert_eq!(client.seven().await.unwrap(), 7, "the service lives on");
    }

    pub async fn c5_calls_are_futures(place: Place) {
        let client = &place.client;
        let (first, second) = (client.add(1, 2), client.parse("x".to_owned()));
        let (second, first) = tokio::join!(second, first);
        assert_eq!(first.unwrap(), 3);
        assert!(second.is_err(), "an error surfaces where the result is asked for");
    }

    pub async fn c6_a_call_given_up_is_dropped_by_the_service(place: Place) {
        let client = &place.client;
        let call = client.hold();
        assert!(place.clock.timeout(5 * MS, call).await.is_err());
        place.until(async || client.given_up().await.unwrap() == 1).await;
        let late = client.within(5 * MS).hold().await.unwrap_err();
        assert!(matches!(late, Error::Deadline { .. }), "{late}");
        place.until(async || client.given_up().await.unwrap() == 2).await;
    }

    pub async fn c7_c14_the_methods_are_known_and_no_others(place: Place) {
        let names: Vec<_> = place.client.contract().names().collect();
        assert_eq!((names.len(), &names[..3]), (14, &["add", "seven", "parse"][..]));
    }

    pub async fn c8_bytes_and_text_stay_what_they_are(place: Place) {
        let (bytes, text) = (vec![0, 255, 128], "straße \u{1f980}".to_owned());
        assert_eq!(place.client.echo(bytes.clone(), text.clone()).await.unwrap(), (bytes, text));
    }

    pub async fn c10_calls_wait_as_long_as_they_are_told(place: Place) {
        let client = &place.client;
        assert_eq!(client.within(Duration::ZERO).nap(2).await.unwrap(), 2);
        assert_eq!(client.within(Duration::from_secs(30)).nap(2).await.unwrap(), 2);
        let late = client.within(20 * MS).nap(60_000).await.unwrap_err();
        assert!(matches!(&late, Error::Deadline { method } if method == "nap"), "{late}");
        let late = client.hurried(60_000).await.unwrap_err();
        assert!(matches!(&late, Error::Deadline { method } if method == "hurried"), "{late}");
        assert_eq!(client.within(Duration::from_secs(30)).hurried(60).await.unwrap(), 60);
    }

    fn of_each_shape<T: Element>(value: T) -> Vec<AnyTensor> {
        let table = Tensor::new([2, 1, 3], vec![value; 6]).unwrap();
        let empty = Tensor::new([0, 4], Vec::<T>::new()).unwrap();
        [Tensor::scalar(value), table, empty, Tensor::default()].into_iter().map(AnyTensor::from).collect()
    }

    pub async fn c19_tensors_of_every_kind_and_shape_round_trip(place: Place) {
        let floats = [of_each_shape(1.5_f32), of_each_shape(-2.5_f64)].concat();
        let halves = [of_each_shape(f16::from_f32(0.5)), of_each_shape(bf16::from_f32(3.0))].concat();
        let signed = [of_each_shape(-1_i8), of_each_shape(-2_i16), of_each_shape(-3_i32)].concat();
        let unsigned = [of_each_shape(1_u8), of_each_shape(2_u16), of_each_shape(3_u32)].concat();
        let long = [of_each_shape(i64::MIN), of_each_shape(u64::MAX), of_each_shape(true)].concat();
        let all = [floats, halves, signed, unsigned, long].concat();
        assert_eq!(place.client.mirror(all.clone()).await.unwrap(), all);
        let odd: Vec<f32> = [0x7fc0_0000, 0x7f80_0001, 0xffff_ffff, 0x8000_0000].map(f32::from_bits).to_vec();
        let bits = |tensor: &AnyTensor| tensor.bytes().to_vec();
        let sent = AnyTensor::from(Tensor::from(odd));
        let back = place.client.mirror(vec![sent.clone()]).await.unwrap();
        assert_eq!(bits(&back[0]), bits(&sent), "every bit of a NaN is kept");
    }

    pub async fn the_callers_name_and_patience_are_known(place: Place) {
        assert_eq!(place.client.whose().await.unwrap(), "caller/0");
        assert_eq!(place.client.patience().await.unwrap(), None);
        let left = place.client.within(Duration::from_secs(40)).patience().await.unwrap().unwrap();
        assert!(left > Duration::from_secs(10) && left <= Duration::from_secs(40), "{left:?}");
    }

    pub async fn health_is_told(place: Place) {
        place.client.seven().await.unwrap();
        assert!(place.client.parse(String::new()).await.is_err());
        let health = place.client.health().await.unwrap();
        assert_eq!((health.running, health.calls, health.failures), (0, 2, 1));
    }

    pub async fn replies_stream_and_end(place: Place) {
        for length in [0, 1, 15, 16, 17, 1000] {
            let mut replies = place.client.count(length).await.unwrap();
            for expected in 0..length {
                assert_eq!(replies.next().await.unwrap(), Some(expected));
            }
            assert_eq!(replies.next().await.unwrap(), None);
            assert_eq!(replies.next().await.unwrap(), None);
        }
    }

    pub async fn a_slow_reader_slows_its_writer(place: Place) {
        let client = &place.client;
        let mut replies = client.count(1_000_000).await.unwrap();
        assert_eq!(replies.next().await.unwrap(), Some(0));
        place.clock.sleep(20 * MS).await;
        let made = client.made().await.unwrap();
        assert!((1..60).contains(&made), "{made} items were made for a reader of one");
        assert_eq!(client.add(1, 1).await.unwrap(), 2, "other calls of the connection pass");
    }

    pub async fn a_stream_that_is_dropped_ends_its_writer(place: Place) {
        let client = &place.client;
        let mut replies = client.count(1_000_000).await.unwrap();
        assert_eq!(replies.next().await.unwrap(), Some(0));
        drop(replies);
        place.clock.sleep(20 * MS).await;
        let made = client.made().await.unwrap();
        place.clock.sleep(20 * MS).await;
        assert_eq!(client.made().await.unwrap(), made);
        assert_eq!(client.seven().await.unwrap(), 7);
    }
}
