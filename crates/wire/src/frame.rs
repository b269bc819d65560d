//! The frame: a fixed header, the body by postcard, then raw little-endian bulk.
//!
//! ```text
//! 0      1       2        4            8         16               20              24
//! | kind | parts | zero   | body bytes | call id | indices, words | values, words | body | indices | values |
//! ```
//! All numbers are little-endian. `parts` tells an absent bulk part from an empty one. What is not exactly so is
//! malformed and ends the connection.

use crate::{Error, Indices, Limits, Message, Result, Tensor};
use serde::Serialize;
use std::io::IoSlice;
use tokio::sync::OwnedSemaphorePermit;

/// Bytes of the fixed header.
pub(crate) const HEADER: usize = 24;

/// Bytes of one element of a bulk part.
const WORD: usize = 4;

/// Bytes of a failure's text at most.
const FAILURE_TEXT: u32 = 16 << 10;

const INDICES: u8 = 1;
const VALUES: u8 = 2;

/// The number by which a reply finds its call.
pub(crate) type CallId = u64;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A call; the body is the service's request.
    Request = 1,
    /// Its answer; the body is the service's reply.
    Reply = 2,
    /// Its failure; the body is a text.
    Failure = 3,
    /// The server closes the connection; the body is a text that says why.
    Farewell = 4,
}

/// A frame's fixed part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub kind: Kind,
    pub call: CallId,
    /// Bytes.
    pub body: u32,
    /// Words, if there are any.
    pub indices: Option<u32>,
    /// Words, if there are any.
    pub values: Option<u32>,
}

impl Header {
    /// Reads a header and refuses what is malformed or exceeds the limits.
    pub(crate) fn decode(bytes: &[u8; HEADER], limits: &Limits) -> Result<Header> {
        let kind = match bytes[0] {
            1 => Kind::Request,
            2 => Kind::Reply,
            3 => Kind::Failure,
            4 => Kind::Farewell,
            other => return Err(Error::decode(format!("unknown kind {other}"))),
        };
        let parts = bytes[1];
        if parts & !(INDICES | VALUES) != 0 || bytes[2..4] != [0, 0] {
            return Err(Error::decode("reserved bits are set"));
        }
        let count = |part: u8, words: u32| match (parts & part != 0, words) {
            (true, words) => Ok(Some(words)),
            (false, 0) => Ok(None),
            (false, _) => Err(Error::decode("an absent part has a length")),
        };
        let header = Header {
            kind,
            call: u64::from_le_bytes(array(bytes, 8)),
            body: u32::from_le_bytes(array(bytes, 4)),
            indices: count(INDICES, u32::from_le_bytes(array(bytes, 16)))?,
            values: count(VALUES, u32::from_le_bytes(array(bytes, 20)))?,
        };
        header.check(limits)?;
        Ok(header)
    }

    fn encode(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[0] = self.kind as u8;
        bytes[1] = self.indices.map_or(0, |_| INDICES) | self.values.map_or(0, |_| VALUES);
        bytes[4..8].copy_from_slice(&self.body.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.call.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.indices.unwrap_or(0).to_le_bytes());
        bytes[20..24].copy_from_slice(&self.values.unwrap_or(0).to_le_bytes());
        bytes
    }

    fn check(&self, limits: &Limits) -> Result<()> {
        for (part, size, limit) in
            [("body", self.body as usize, limits.body), ("bulk", self.bulk_bytes(), limits.bulk)]
        {
            if size > limit {
                return Err(Error::TooLarge { part, size, limit });
            }
        }
        Ok(())
    }

    fn bulk_bytes(&self) -> usize {
        let words = u64::from(self.indices.unwrap_or(0)) + u64::from(self.values.unwrap_or(0));
        usize::try_from(words * WORD as u64).unwrap_or(usize::MAX)
    }

    /// Bytes of the whole frame.
    pub(crate) fn frame_length(&self) -> usize {
        self.bulk_bytes().saturating_add(HEADER + self.body as usize)
    }
}

/// The `N` bytes from `start`, which the caller knows to be there.
pub(crate) fn array<const N: usize>(bytes: &[u8], start: usize) -> [u8; N] {
    std::array::from_fn(|offset| bytes[start + offset])
}

/// A length as the header holds it. `unit` is the size in bytes of what is counted.
fn length(part: &'static str, count: usize, unit: usize) -> Result<u32> {
    let too_large = |_| Error::TooLarge { part, size: count * unit, limit: u32::MAX as usize * unit };
    u32::try_from(count).map_err(too_large)
}

/// A frame to be sent: the header and body in one piece of memory, the bulk where it is.
pub(crate) struct Frame {
    head: Vec<u8>,
    indices: Option<Indices>,
    values: Option<Tensor>,
    /// Released when the frame has left; bounds how many wait.
    pub permit: Option<OwnedSemaphorePermit>,
}

impl Frame {
    /// Serialises the message's body behind its header and keeps its bulk.
    pub(crate) fn new<T: Serialize>(
        kind: Kind,
        call: CallId,
        message: Message<T>,
        limits: &Limits,
    ) -> Result<Frame> {
        let mut head =
            postcard::to_extend(&message.body, vec![0; HEADER]).map_err(|source| Error::Encode { source })?;
        let header = Header {
            kind,
            call,
            body: length("body", head.len() - HEADER, 1)?,
            indices: message.indices.as_ref().map(|part| length("bulk", part.len(), WORD)).transpose()?,
            values: message.values.as_ref().map(|part| length("bulk", part.len(), WORD)).transpose()?,
        };
        header.check(limits)?;
        head[..HEADER].copy_from_slice(&header.encode());
        Ok(Frame { head, indices: message.indices, values: message.values, permit: None })
    }

    /// Bytes of the frame that the message would be, without making it.
    pub(crate) fn length_of<T: Serialize>(message: &Message<T>, limits: &Limits) -> Result<usize> {
        let body = postcard::experimental::serialized_size(&message.body);
        let body = body.map_err(|source| Error::Encode { source })?;
        let header = Header {
            kind: Kind::Request,
            call: 0,
            body: length("body", body, 1)?,
            indices: message.indices.as_ref().map(|part| length("bulk", part.len(), WORD)).transpose()?,
            values: message.values.as_ref().map(|part| length("bulk", part.len(), WORD)).transpose()?,
        };
        header.check(limits)?;
        Ok(header.frame_length())
    }

    /// The answer to a call that failed: its body is the text itself, cut to what the limits allow.
    pub(crate) fn failure(call: CallId, text: &str, limits: &Limits) -> Frame {
        Frame::text(Kind::Failure, call, text, limits)
    }

    /// The last frame of a connection: its body says why it ends.
    pub(crate) fn farewell(text: &str, limits: &Limits) -> Frame {
        Frame::text(Kind::Farewell, 0, text, limits)
    }

    fn text(kind: Kind, call: CallId, text: &str, limits: &Limits) -> Frame {
        let text = &text[..text.floor_char_boundary(limits.body.min(FAILURE_TEXT as usize))];
        let header = Header { kind, call, body: text.len() as u32, indices: None, values: None };
        let head = [&header.encode(), text.as_bytes()].concat();
        Frame { head, indices: None, values: None, permit: None }
    }

    /// The frame's memory in the order of the wire.
    fn pieces(&self) -> [&[u8]; 3] {
        let indices = self.indices.as_ref().map_or(&[][..], Indices::bytes);
        let values = self.values.as_ref().map_or(&[][..], Tensor::bytes);
        [&self.head, indices, values]
    }

    /// Bytes of the whole frame.
    pub(crate) fn length(&self) -> usize {
        self.pieces().iter().map(|piece| piece.len()).sum()
    }

    /// Adds what is left after the first `written` bytes to `slices`.
    pub(crate) fn slices<'a>(&'a self, mut written: usize, slices: &mut Vec<IoSlice<'a>>) {
        for piece in self.pieces() {
            let skipped = written.min(piece.len());
            written -= skipped;
            if skipped < piece.len() {
                slices.push(IoSlice::new(&piece[skipped..]));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(message: Message<String>) -> Vec<u8> {
        let frame = Frame::new(Kind::Request, 7, message, &Limits::default()).unwrap();
        frame.pieces().concat()
    }

    #[test]
    fn layout_is_as_documented() {
        let bytes = frame(Message::from("ab".to_owned()).with_indices(vec![5]).with_values(vec![1.0, -2.0]));
        let header = [1, 3, 0, 0, 3, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0];
        assert_eq!(bytes[..HEADER], header);
        assert_eq!(bytes[HEADER..], [2, b'a', b'b', 5, 0, 0, 0, 0, 0, 128, 63, 0, 0, 0, 192]);
    }

    #[test]
    fn headers_round_trip_and_absent_differs_from_empty() {
        for (indices, values) in [(None, None), (Some(0), None), (None, Some(0)), (Some(3), Some(1 << 20))] {
            let header = Header { kind: Kind::Reply, call: u64::MAX, body: 9, indices, values };
            assert_eq!(Header::decode(&header.encode(), &Limits::default()).unwrap(), header);
        }
    }

    #[test]
    fn lengths_are_bounded_before_anything_is_read() {
        let limits = Limits { body: 10, bulk: 12, ..Limits::default() };
        let header = |body, indices, values| Header { kind: Kind::Request, call: 0, body, indices, values };
        let decode = |header: Header| Header::decode(&header.encode(), &limits);
        assert!(decode(header(10, Some(1), Some(2))).is_ok());
        assert!(matches!(decode(header(11, None, None)), Err(Error::TooLarge { part: "body", .. })));
        assert!(matches!(decode(header(0, Some(2), Some(2))), Err(Error::TooLarge { part: "bulk", .. })));
        let most = Some(u32::MAX);
        assert!(matches!(decode(header(0, most, most)), Err(Error::TooLarge { part: "bulk", .. })));
    }

    #[test]
    fn slices_resume_at_every_byte() {
        let message = Message::from("body".to_owned()).with_indices(vec![1, 2]).with_values(vec![3.0]);
        let frame = Frame::new(Kind::Reply, 1, message, &Limits::default()).unwrap();
        let whole = frame.pieces().concat();
        for written in 0..=whole.len() {
            let mut slices = Vec::new();
            frame.slices(written, &mut slices);
            let rest: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
            assert_eq!(rest, whole[written..]);
            assert!(slices.iter().all(|slice| !slice.is_empty()));
        }
    }
}
