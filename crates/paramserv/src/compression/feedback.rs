//! Error feedback: what a worker's pushes left out, added to its next ones.
//!
//! A round may have to be done again, for a server that lost it. So there are two states: what is kept once the servers have
//! the last round, and what will be kept once they have the one that they are being handed.

use std::sync::Arc;

use syncline_wire::Tensor;

use super::{Format, Packed, PushCodec, TooLarge, top_k};
use crate::{
    computation::CompactRound,
    exchange::{Chosen, Push},
};

/// What one worker has not told yet.
#[derive(Debug)]
pub(crate) struct Feedback {
    /// One a parameter: as it is after the last round that the servers have.
    settled: Vec<f32>,
    /// As it will be after the round that they are being handed.
    ahead: Option<Ahead>,
}

enum Ahead {
    Whole(Vec<f32>),
    /// Of the parameters of a round only.
    Touched(Arc<CompactRound>, Vec<f32>),
}

impl std::fmt::Debug for Ahead {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Self::Whole(values) | Self::Touched(_, values)) = self;
        write!(f, "{} values", values.len())
    }
}

impl Feedback {
    /// Of a worker that has told everything, for so many parameters.
    pub(crate) fn new(parameters: usize) -> Self {
        Self { settled: vec![0.0; parameters], ahead: None }
    }

    /// What is sent of a gradient and of what earlier ones left; the rest is kept from now on, once this has
    /// [settled](Feedback::settle).
    pub(crate) fn send(&mut self, codec: PushCodec, gradient: Push) -> Result<Push, TooLarge> {
        Ok(match gradient {
            Push::Whole(gradient) => {
                let sums: Vec<f32> = gradient.iter().zip(&self.settled).map(|(g, kept)| g + kept).collect();
                let (push, rest) = whole(codec, sums)?;
                self.ahead = Some(Ahead::Whole(rest));
                push
            }
            Push::Touched(round, gradient) => {
                let kept = round.compact.touched().iter().map(|&at| self.settled[at as usize]);
                let sums: Vec<f32> = gradient.iter().zip(kept).map(|(g, kept)| g + kept).collect();
                let (push, rest) = touched(codec, &round, sums)?;
                self.ahead = Some(Ahead::Touched(round, rest));
                push
            }
            // Nothing is handed over that something could be added to.
            push @ (Push::Nothing
            | Push::Factors(..)
            | Push::Packed(_)
            | Push::PackedTouched(..)
            | Push::Chosen(_)) => push,
        })
    }

    /// The servers have the last round.
    pub(crate) fn settle(&mut self) {
        match self.ahead.take() {
            None => {}
            Some(Ahead::Whole(rest)) => self.settled = rest,
            Some(Ahead::Touched(round, rest)) => {
                for (&at, rest) in round.compact.touched().iter().zip(rest) {
                    self.settled[at as usize] = rest;
                }
            }
        }
    }

    /// What is kept before the next round.
    pub(crate) fn kept(&self) -> Tensor<f32> {
        self.settled.clone().into()
    }

    /// Keeps this instead; nothing at all where it is not for as many parameters.
    pub(crate) fn recall(&mut self, kept: &[f32]) {
        self.ahead = None;
        if kept.len() == self.settled.len() {
            self.settled.copy_from_slice(kept)
        } else {
            self.settled.fill(0.0)
        }
    }

    /// Drops what would be kept after a round that is done again.
    pub(crate) fn again(&mut self) {
        self.ahead = None;
    }
}

/// What is sent of values for all parameters, and the rest.
fn whole(codec: PushCodec, mut sums: Vec<f32>) -> Result<(Push, Vec<f32>), TooLarge> {
    match codec {
        PushCodec::Format(format) => {
            let (packed, rest) = formatted(format, sums)?;
            Ok((Push::Packed(packed), rest))
        }
        PushCodec::TopK(share) => {
            let places = top_k::places(&sums, top_k::count(share, sums.len()));
            let values = places.iter().map(|&place| std::mem::take(&mut sums[place as usize])).collect();
            Ok((Push::Chosen(Chosen { places, values }), sums))
        }
    }
}

/// Likewise of values for the parameters of a round.
fn touched(
    codec: PushCodec,
    round: &Arc<CompactRound>,
    mut sums: Vec<f32>,
) -> Result<(Push, Vec<f32>), TooLarge> {
    match codec {
        PushCodec::Format(format) => {
            let (packed, rest) = formatted(format, sums)?;
            Ok((Push::PackedTouched(Arc::clone(round), packed), rest))
        }
        PushCodec::TopK(share) => {
            let chosen = top_k::places(&sums, top_k::count(share, sums.len()));
            let values = chosen.iter().map(|&place| std::mem::take(&mut sums[place as usize])).collect();
            let places = chosen.iter().map(|&place| round.compact.touched()[place as usize]).collect();
            Ok((Push::Chosen(Chosen { places, values }), sums))
        }
    }
}

/// Values in a format, and what each of them lost.
fn formatted(format: Format, sums: Vec<f32>) -> Result<(Packed, Vec<f32>), TooLarge> {
    let sums: Tensor<f32> = sums.into();
    let packed = Packed::pack(Some(format), &sums)?;
    let mut sent = Vec::with_capacity(sums.len());
    packed.unpack_onto(&mut sent);
    sent.iter_mut().zip(sums.iter()).for_each(|(sent, sum)| *sent = sum - *sent);
    Ok((packed, sent))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What servers make of a push, for so many parameters.
    fn told(push: Push, parameters: usize) -> Vec<f32> {
        match push {
            Push::Packed(packed) => packed.unpacked().to_vec(),
            Push::Chosen(Chosen { places, values }) => {
                let mut all = vec![0.0; parameters];
                places.iter().zip(values).for_each(|(&place, value)| all[place as usize] = value);
                all
            }
            _ => panic!("another push"),
        }
    }

    proptest! {
        #[test]
        fn comp_2_what_was_sent_and_what_is_kept_is_all_that_there_was(
            rounds in prop::collection::vec(prop::collection::vec(-1.0f32..1.0, 40), 1..12),
            share in 0.02f64..0.5,
        ) {
            for codec in [PushCodec::TopK(share), PushCodec::Format(Format::Int8)] {
                let mut feedback = Feedback::new(40);
                let (mut sent, mut all) = (vec![0.0f64; 40], vec![0.0f64; 40]);
                for gradient in &rounds {
                    let push = feedback.send(codec, Push::Whole(gradient.clone().into())).unwrap();
                    feedback.settle();
                    let told = told(push, 40);
                    if let PushCodec::TopK(_) = codec {
                        prop_assert!(told.iter().filter(|value| **value != 0.0).count() <= top_k::count(share, 40));
                    }
                    let sums = sent.iter_mut().zip(&mut all).zip(told.iter().zip(gradient));
                    for ((sent, all), (told, gradient)) in sums {
                        *sent += f64::from(*told);
                        *all += f64::from(*gradient);
                    }
                }
                for ((sent, all), kept) in sent.iter().zip(&all).zip(feedback.kept().iter()) {
                    let kept = f64::from(*kept);
                    prop_assert!((sent + kept - all).abs() < 1e-5, "{}: {} + {} is not {}", codec, sent, kept, all);
                }
            }
        }
    }

    #[test]
    fn a_round_that_is_done_again_is_told_as_before() {
        let mut feedback = Feedback::new(4);
        let codec = PushCodec::TopK(0.25);
        let gradient = || Push::Whole(vec![1.0, -2.0, 0.5, 0.0].into());
        feedback.send(codec, gradient()).unwrap();
        feedback.settle();
        assert_eq!(feedback.kept()[..], [1.0, 0.0, 0.5, 0.0]);
        let first = told(feedback.send(codec, gradient()).unwrap(), 4);
        feedback.again();
        assert_eq!(feedback.kept()[..], [1.0, 0.0, 0.5, 0.0], "the servers do not have it");
        assert_eq!(told(feedback.send(codec, gradient()).unwrap(), 4), first);
        feedback.settle();
        assert_eq!(feedback.kept()[..], [0.0, -2.0, 1.0, 0.0]);
        feedback.recall(&[1.0; 4]);
        assert_eq!(feedback.kept()[..], [1.0; 4]);
        feedback.recall(&[]);
        assert_eq!(feedback.kept()[..], [0.0; 4], "nothing is known");
    }

    #[test]
    fn small_values_are_sent_in_the_end() {
        let mut feedback = Feedback::new(16);
        let mut gradient = vec![0.01f32; 16];
        gradient[3] = 1.0;
        let mut seen = [false; 16];
        for _ in 0..2000 {
            let push =
                feedback.send(PushCodec::TopK(1.0 / 16.0), Push::Whole(gradient.clone().into())).unwrap();
            feedback.settle();
            told(push, 16).iter().zip(&mut seen).for_each(|(value, seen)| *seen |= *value != 0.0);
        }
        assert_eq!(seen, [true; 16]);
    }
}
