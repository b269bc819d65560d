//! Tensors and streams as ordinary fields: they leave the serialiser's way.
//!
//! While a message is written, a tensor's `Serialize` puts the tensor into a list that belongs to this thread and this
//! message, and writes its number there; while one is read, `Deserialize` takes the tensor of that number. So the
//! serialiser sees a few bytes, and the numbers travel beside them. Outside of a message neither can be serialised.

use crate::link::simulated::SimulatedLink;
use crate::replies::{Opener, Outflow};
use crate::{AnyTensor, Element, Error, Result, Tensor};
use serde::de::{DeserializeOwned, Error as _};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::cell::RefCell;

/// What belongs to the message that this thread is writing or reading.
enum Scope {
    Outside,
    Writing(Outgoing),
    Reading(Incoming),
}

/// What leaves beside a body.
#[derive(Default)]
pub(crate) struct Outgoing {
    pub parts: Vec<AnyTensor>,
    pub flow: Option<Box<dyn Outflow>>,
    /// In a simulation a stream stays what it is, and its items take this way.
    pub way: Option<SimulatedLink>,
}

/// What arrived beside a body.
pub(crate) struct Incoming {
    pub parts: Vec<Option<AnyTensor>>,
    pub opener: Option<Opener>,
}

thread_local! {
    static SCOPE: RefCell<Scope> = const { RefCell::new(Scope::Outside) };
}

/// Puts the scope of an outer message back, also when a user's own `Serialize` panics.
struct Restore(Option<Scope>);

impl Drop for Restore {
    fn drop(&mut self) {
        if let Some(scope) = self.0.take() {
            SCOPE.replace(scope);
        }
    }
}

fn within<T>(scope: Scope, work: impl FnOnce() -> T) -> (T, Scope) {
    let mut restore = Restore(Some(SCOPE.replace(scope)));
    let done = work();
    let before = restore.0.take().unwrap_or(Scope::Outside);
    (done, SCOPE.replace(before))
}

/// Appends the body of `value` to `head`, and returns it with what travels beside.
pub(crate) fn write<T: Serialize + ?Sized>(value: &T, head: Vec<u8>) -> Result<(Vec<u8>, Outgoing)> {
    outgoing(Outgoing::default(), || postcard::to_extend(value, head))
}

/// The length of the body of `value`, and what travels beside. Streams are sent along `way`.
pub(crate) fn weigh<T: Serialize + ?Sized>(
    value: &T,
    way: Option<SimulatedLink>,
) -> Result<(usize, Outgoing)> {
    let beside = Outgoing { way, ..Outgoing::default() };
    outgoing(beside, || postcard::experimental::serialized_size(value))
}

fn outgoing<T>(beside: Outgoing, work: impl FnOnce() -> postcard::Result<T>) -> Result<(T, Outgoing)> {
    match within(Scope::Writing(beside), work) {
        (Ok(done), Scope::Writing(outgoing)) => Ok((done, outgoing)),
        (Ok(done), _) => Ok((done, Outgoing::default())),
        (Err(source), _) => Err(Error::Encode { source }),
    }
}

/// Reads a value from its body and what travelled beside. Trailing bytes are malformed.
pub(crate) fn read<T: DeserializeOwned>(body: &[u8], incoming: Incoming) -> Result<T> {
    match within(Scope::Reading(incoming), || postcard::take_from_bytes(body)).0 {
        Ok((value, [])) => Ok(value),
        Ok((_, rest)) => Err(Error::decode(format_args!("{} bytes too many in a body", rest.len()))),
        Err(error) => Err(Error::decode(format_args!("a body of another type: {error}"))),
    }
}

/// Lets `work` at what leaves beside the message being written; nothing outside of one.
pub(crate) fn with_outgoing<T>(work: impl FnOnce(&mut Outgoing) -> T) -> Option<T> {
    SCOPE.with_borrow_mut(|scope| match scope {
        Scope::Writing(outgoing) => Some(work(outgoing)),
        Scope::Outside | Scope::Reading(_) => None,
    })
}

/// Lets `work` at what arrived beside the message being read; nothing outside of one.
pub(crate) fn with_incoming<T>(work: impl FnOnce(&mut Incoming) -> T) -> Option<T> {
    SCOPE.with_borrow_mut(|scope| match scope {
        Scope::Reading(incoming) => Some(work(incoming)),
        Scope::Outside | Scope::Writing(_) => None,
    })
}

/// A value set aside as the message that it would be: its tensors are shared, not copied. Unlike the value it can be kept
/// and opened many times.
///
/// ```
/// use syncline_wire::{Packed, Tensor};
/// let packed = Packed::of(&(7_u32, Tensor::from(vec![1.0_f32, 2.0])))?;
/// let (number, values): (u32, Tensor<f32>) = packed.open()?;
/// assert_eq!((number, &values[..]), (7, &[1.0, 2.0][..]));
/// # Ok::<(), syncline_wire::Error>(())
/// ```
#[derive(Clone)]
pub struct Packed {
    body: Vec<u8>,
    parts: Vec<AnyTensor>,
}

impl Packed {
    /// Sets `value` aside.
    ///
    /// # Errors
    /// [`Error::Encode`] for what serde cannot write; [`Error::Remote`] for a stream of replies, which can be read only once.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Packed> {
        let (body, Outgoing { parts, flow, .. }) = write(value, Vec::new())?;
        match flow {
            None => Ok(Packed { body, parts }),
            Some(_) => Err(Error::Remote("a stream of replies cannot be kept".into())),
        }
    }

    /// The value again.
    ///
    /// # Errors
    /// [`Error::Decode`] for a value of another type.
    pub fn open<T: DeserializeOwned>(&self) -> Result<T> {
        let parts = self.parts.iter().cloned().map(Some).collect();
        read(&self.body, Incoming { parts, opener: None })
    }

    /// What serde wrote, without the tensors.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Whether there are tensors beside the body.
    pub fn has_tensors(&self) -> bool {
        !self.parts.is_empty()
    }
}

const ALONE: &str = "a tensor can only be serialised as a part of a message";

impl Serialize for AnyTensor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let number = with_outgoing(|outgoing| {
            outgoing.parts.push(self.clone());
            outgoing.parts.len() as u32 - 1
        });
        number.ok_or_else(|| S::Error::custom(ALONE))?.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for AnyTensor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u32::deserialize(deserializer)? as usize;
        let part = with_incoming(|incoming| incoming.parts.get_mut(number).and_then(Option::take));
        part.ok_or_else(|| D::Error::custom(ALONE))?.ok_or_else(|| D::Error::custom("a part is missing"))
    }
}

impl<T: Element> Serialize for Tensor<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        T::erase(self.clone()).serialize(serializer)
    }
}

impl<'de, T: Element> Deserialize<'de> for Tensor<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let any = AnyTensor::deserialize(deserializer)?;
        let dtype = any.dtype();
        T::restore(any).ok_or_else(|| {
            D::Error::custom(format_args!("a tensor of {dtype} where {} is expected", T::DTYPE))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Request {
        Push { worker: u32, weights: Tensor<f32>, bias: Option<Tensor<f64>> },
        Many(Vec<AnyTensor>),
    }

    fn round_trip(request: &Request) -> (usize, Request) {
        let (body, outgoing) = write(request, Vec::new()).unwrap();
        let parts = outgoing.parts.into_iter().map(Some).collect();
        (body.len(), read(&body, Incoming { parts, opener: None }).unwrap())
    }

    #[test]
    fn tensors_are_fields_and_leave_a_number_each() {
        let weights = Tensor::new([2, 2], vec![1.0; 4]).unwrap();
        let push = Request::Push {
            worker: 3,
            weights: weights.clone(),
            bias: Some(Tensor::scalar(f64::NEG_INFINITY)),
        };
        let (length, back) = round_trip(&push);
        assert_eq!((length, &back), (5, &push));
        let Request::Push { weights: received, .. } = back else { panic!("a push") };
        assert_eq!(received.as_ptr(), weights.as_ptr(), "shared, not copied");
        let many = Request::Many(vec![Tensor::<u8>::default().into(), Tensor::scalar(true).into()]);
        assert_eq!(round_trip(&many).1, many);
    }

    #[test]
    fn outside_of_a_message_and_without_their_parts_tensors_are_refused() {
        let tensor = Tensor::from(vec![1.0_f32]);
        assert!(postcard::to_stdvec(&tensor).is_err());
        let empty = || Incoming { parts: Vec::new(), opener: None };
        assert!(read::<Tensor<f32>>(&[0], empty()).is_err());
        let other = Incoming { parts: vec![Some(Tensor::scalar(1_u8).into())], opener: None };
        assert!(read::<Tensor<f32>>(&[0], other).unwrap_err().to_string().contains("another type"));
        let twice = Incoming { parts: vec![Some(tensor.into())], opener: None };
        assert!(read::<(Tensor<f32>, Tensor<f32>)>(&[0, 0], twice).is_err());
        assert!(with_outgoing(|_| ()).is_none() && with_incoming(|_| ()).is_none());
    }
}
