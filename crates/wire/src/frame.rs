//! The frame: a fixed header, the body by postcard, the table of the parts, then their raw little-endian bytes.
//!
//! ```text
//! 0      1       2             4            8         16            24              28
//! | kind | parts | table bytes | body bytes | call id | parts bytes | patience, us  | subject | zero |
//! | body | table | parts |
//! ```
//! All numbers are little-endian. The table has for each part its kind of number and its rank, a byte each, and its length
//! along each axis, 8 bytes each. Patience is how long the caller still waits; 0 means for ever. What is not exactly so is
//! malformed and ends the connection.

use crate::link::simulated::SimulatedLink;
use crate::replies::Outflow;
use crate::tensor::shape::MAX_RANK;
use crate::{AnyTensor, CallError, Dtype, Error, Limits, Result, Shape, error::Reason, parts};
use serde::Serialize;
use std::io::IoSlice;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;

/// Bytes of the fixed header.
pub(crate) const HEADER: usize = 32;

/// Bytes of a text at most.
const TEXT: usize = 16 << 10;

/// The number by which a reply finds its call.
pub(crate) type CallId = u64;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A call; the body is the service's request.
    Request = 1,
    /// Its answer; the body is the service's reply.
    Reply = 2,
    /// Its failure; the body is a reason.
    Failure = 3,
    /// The server closes the connection; the body is a text that says why.
    Farewell = 4,
    /// One more item of the stream that a reply has opened.
    Item = 5,
    /// The stream's end; the body is a text that says why, if it is not its own.
    End = 6,
    /// The caller has given up the call, or wants no more of its stream.
    Cancel = 7,
    /// The caller has room for more items; the body is their number, 4 bytes.
    Credit = 8,
}

impl Kind {
    fn of_code(code: u8) -> Option<Kind> {
        use Kind::{Cancel, Credit, End, Failure, Farewell, Item, Reply, Request};
        [Request, Reply, Failure, Farewell, Item, End, Cancel, Credit]
            .into_iter()
            .find(|kind| *kind as u8 == code)
    }
}

/// Whom a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// The service.
    Service = 0,
    /// Its host, which is asked how it is.
    Health = 1,
}

/// A frame's fixed part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub kind: Kind,
    pub call: CallId,
    /// How many.
    pub parts: u8,
    /// Bytes.
    pub table: u16,
    /// Bytes.
    pub body: u32,
    /// Bytes of all parts together.
    pub bulk: u64,
    /// Microseconds.
    pub patience: u32,
    pub subject: Subject,
}

impl Header {
    fn new(kind: Kind, call: CallId) -> Header {
        Header { kind, call, parts: 0, table: 0, body: 0, bulk: 0, patience: 0, subject: Subject::Service }
    }

    /// Reads a header and refuses what is malformed or exceeds the limits.
    pub(crate) fn decode(bytes: &[u8; HEADER], limits: &Limits) -> Result<Header> {
        let unknown = || Error::decode(format_args!("unknown kind {}", bytes[0]));
        let kind = Kind::of_code(bytes[0]).ok_or_else(unknown)?;
        let subject = match bytes[28] {
            0 => Subject::Service,
            1 if kind == Kind::Request => Subject::Health,
            _ => return Err(Error::decode("an unknown subject")),
        };
        if bytes[29..] != [0, 0, 0] {
            return Err(Error::decode("reserved bits are set"));
        }
        let header = Header {
            kind,
            call: u64::from_le_bytes(array(bytes, 8)),
            parts: bytes[1],
            table: u16::from_le_bytes(array(bytes, 2)),
            body: u32::from_le_bytes(array(bytes, 4)),
            bulk: u64::from_le_bytes(array(bytes, 16)),
            patience: u32::from_le_bytes(array(bytes, 24)),
            subject,
        };
        if header.parts == 0 && (header.table != 0 || header.bulk != 0) {
            return Err(Error::decode("absent parts have a length"));
        }
        header.check(limits)?;
        Ok(header)
    }

    fn encode(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[0] = self.kind as u8;
        bytes[1] = self.parts;
        bytes[2..4].copy_from_slice(&self.table.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.body.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.call.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.bulk.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.patience.to_le_bytes());
        bytes[28] = self.subject as u8;
        bytes
    }

    fn check(&self, limits: &Limits) -> Result<()> {
        let bulk = usize::try_from(self.bulk).unwrap_or(usize::MAX);
        for (part, size, limit) in [("body", self.body as usize, limits.body), ("bulk", bulk, limits.bulk)] {
            if size > limit {
                return Err(Error::TooLarge { part, size, limit });
            }
        }
        Ok(())
    }

    /// Bytes of the whole frame.
    pub(crate) fn frame_length(&self) -> usize {
        let bulk = usize::try_from(self.bulk).unwrap_or(usize::MAX);
        bulk.saturating_add(HEADER + self.body as usize + usize::from(self.table))
    }

    /// How long the caller still waits.
    pub(crate) fn patience(&self) -> Option<Duration> {
        (self.patience > 0).then(|| Duration::from_micros(self.patience.into()))
    }

    /// Reads the table of the parts, whose bytes must be as many as the header says.
    pub(crate) fn parts(&self, mut table: &[u8]) -> Result<Vec<(Dtype, Shape)>> {
        let mut parts = Vec::with_capacity(self.parts.into());
        let mut bulk = 0_u64;
        for _ in 0..self.parts {
            let (dtype, shape, rest) =
                entry(table).ok_or_else(|| Error::decode("a malformed table of parts"))?;
            let bytes = shape.elements().and_then(|elements| elements.checked_mul(dtype.size()));
            let bytes = bytes.ok_or_else(|| Error::decode("a part overflows"))?;
            bulk = bulk.saturating_add(bytes as u64);
            parts.push((dtype, shape));
            table = rest;
        }
        if bulk != self.bulk || !table.is_empty() {
            return Err(Error::decode("the parts are not as long as the header says"));
        }
        Ok(parts)
    }
}

/// The first entry of a table, and the rest.
fn entry(table: &[u8]) -> Option<(Dtype, Shape, &[u8])> {
    let (&[dtype, rank], rest) = table.split_first_chunk()?;
    let rank = usize::from(rank);
    if rank > MAX_RANK {
        return None;
    }
    let (axes, rest) = rest.split_at_checked(8 * rank)?;
    let (axes, _) = axes.as_chunks();
    let axes: Option<Vec<usize>> =
        axes.iter().map(|axis| usize::try_from(u64::from_le_bytes(*axis)).ok()).collect();
    Some((Dtype::of_code(dtype)?, axes?.into(), rest))
}

/// Bytes of the table of these parts.
fn table_length(parts: &[AnyTensor]) -> usize {
    parts.iter().map(|part| 2 + 8 * part.shape().len()).sum()
}

/// The `N` bytes from `start`, which the caller knows to be there.
pub(crate) fn array<const N: usize>(bytes: &[u8], start: usize) -> [u8; N] {
    std::array::from_fn(|at| bytes[start + at])
}

/// A length as the header has it.
fn length(part: &'static str, size: usize) -> Result<u32> {
    u32::try_from(size).map_err(|_| Error::TooLarge { part, size, limit: u32::MAX as usize })
}

/// A frame to be sent: header, body and table in one piece of memory, the parts where they are.
pub(crate) struct Frame {
    head: Vec<u8>,
    parts: Vec<AnyTensor>,
    /// Released when the frame has left; bounds how many wait.
    pub permit: Option<OwnedSemaphorePermit>,
}

impl Frame {
    /// Serialises a body behind its header and keeps its tensors. A stream in it is returned, to be sent after it.
    pub(crate) fn new<T: Serialize + ?Sized>(
        kind: Kind,
        call: CallId,
        value: &T,
        limits: &Limits,
    ) -> Result<(Frame, Option<Box<dyn Outflow>>)> {
        let (mut head, beside) = parts::write(value, vec![0; HEADER])?;
        let header = measured(kind, call, head.len() - HEADER, &beside.parts)?;
        header.check(limits)?;
        head[..HEADER].copy_from_slice(&header.encode());
        for part in &beside.parts {
            let shape = part.shape();
            head.extend([part.dtype() as u8, shape.len() as u8]);
            shape.iter().for_each(|&axis| head.extend((axis as u64).to_le_bytes()));
        }
        Ok((Frame { head, parts: beside.parts, permit: None }, beside.flow))
    }

    /// Bytes of the frame that the value would be, without making it. A stream in it is sent along `way`.
    pub(crate) fn length_of<T: Serialize>(
        value: &T,
        limits: &Limits,
        way: Option<SimulatedLink>,
    ) -> Result<usize> {
        let (body, beside) = parts::weigh(value, way)?;
        let header = measured(Kind::Request, 0, body, &beside.parts)?;
        header.check(limits)?;
        Ok(header.frame_length())
    }

    /// The answer to a call that failed.
    pub(crate) fn failure<E: Serialize>(call: CallId, error: CallError<E>, limits: &Limits) -> Frame {
        match Frame::new(Kind::Failure, call, &Reason::from(error), limits) {
            Ok((frame, _)) => frame,
            Err(error) => {
                let mut text = error.to_string();
                // The tag of the reason and the text's length take a few bytes.
                text.truncate(text.floor_char_boundary(limits.body.min(TEXT).saturating_sub(8)));
                let reason = Reason::<()>::Remote(text);
                Frame::new(Kind::Failure, call, &reason, limits)
                    .map_or_else(|_| Frame::text(Kind::Failure, call, "", limits), |(frame, _)| frame)
            }
        }
    }

    /// The last frame of a connection: its body says why it ends.
    pub(crate) fn farewell(text: &str, limits: &Limits) -> Frame {
        Frame::text(Kind::Farewell, 0, text, limits)
    }

    /// A frame whose body is this text, cut to what the limits allow.
    pub(crate) fn text(kind: Kind, call: CallId, text: &str, limits: &Limits) -> Frame {
        let text = &text[..text.floor_char_boundary(limits.body.min(TEXT))];
        Frame::plain(kind, call, text.as_bytes())
    }

    /// A frame with these few bytes as its body.
    pub(crate) fn plain(kind: Kind, call: CallId, body: &[u8]) -> Frame {
        let header = Header { body: body.len() as u32, ..Header::new(kind, call) };
        Frame { head: [&header.encode(), body].concat(), parts: Vec::new(), permit: None }
    }

    /// Asks the host how it is.
    pub(crate) fn health(call: CallId) -> Frame {
        let header = Header { subject: Subject::Health, ..Header::new(Kind::Request, call) };
        Frame { head: header.encode().to_vec(), parts: Vec::new(), permit: None }
    }

    /// Says how long the caller waits. What is longer than an hour is not told.
    pub(crate) fn within(mut self, patience: Option<Duration>) -> Frame {
        let microseconds = patience.map_or(0, |patience| patience.as_micros().max(1));
        self.head[24..28].copy_from_slice(&u32::try_from(microseconds).unwrap_or(0).to_le_bytes());
        self
    }

    /// The frame's memory in the order of the wire.
    fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        std::iter::once(&self.head[..]).chain(self.parts.iter().map(AnyTensor::bytes))
    }

    /// In how many pieces it lies.
    pub(crate) fn count(&self) -> usize {
        1 + self.parts.len()
    }

    /// Bytes of the whole frame.
    pub(crate) fn length(&self) -> usize {
        self.pieces().map(<[u8]>::len).sum()
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

/// The header of a body of so many bytes with these parts.
fn measured(kind: Kind, call: CallId, body: usize, parts: &[AnyTensor]) -> Result<Header> {
    let mut header = Header { body: length("body", body)?, ..Header::new(kind, call) };
    if parts.is_empty() {
        return Ok(header);
    }
    let (size, limit) = (parts.len(), usize::from(u8::MAX));
    let many = |_| Error::TooLarge { part: "number of tensors", size, limit };
    header.parts = u8::try_from(size).map_err(many)?;
    // 255 parts of 32 axes would not fit; that they are so many is all that can be wrong.
    header.table = u16::try_from(table_length(parts)).map_err(many)?;
    header.bulk = parts.iter().map(|part| (part.len() * part.dtype().size()) as u64).sum();
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tensor;

    fn frame<T: Serialize>(value: &T) -> Vec<u8> {
        let (frame, _) = Frame::new(Kind::Request, 7, value, &Limits::default()).unwrap();
        frame.pieces().collect::<Vec<_>>().concat()
    }

    #[test]
    fn layout_is_as_documented() {
        let table = Tensor::new([1, 2], vec![1.0_f32, -2.0]).unwrap();
        let bytes = frame(&("ab", Tensor::scalar(5_u16), table));
        let header = [1, 2, 20, 0, 5, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!((&bytes[..24], &bytes[24..HEADER]), (&header[..], &[0; 8][..]));
        assert_eq!(bytes[HEADER..HEADER + 5], [2, b'a', b'b', 0, 1]);
        let table = [10, 0, 1, 2, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(bytes[HEADER + 5..HEADER + 25], table);
        assert_eq!(bytes[HEADER + 25..], [5, 0, 0, 0, 128, 63, 0, 0, 0, 192]);
        let header = Header::decode(bytes.first_chunk().unwrap(), &Limits::default()).unwrap();
        assert_eq!(header.frame_length(), bytes.len());
        let parts = header.parts(&bytes[HEADER + 5..HEADER + 25]).unwrap();
        assert_eq!(parts, [(Dtype::U16, [].into()), (Dtype::F32, [1, 2].into())]);
    }

    #[test]
    fn headers_round_trip() {
        for kind in (0..=255).filter_map(Kind::of_code) {
            let header = Header {
                parts: 3,
                table: 9,
                body: 9,
                bulk: 1 << 30,
                patience: 70,
                ..Header::new(kind, u64::MAX)
            };
            assert_eq!(Header::decode(&header.encode(), &Limits::default()).unwrap(), header);
        }
    }

    #[test]
    fn lengths_are_bounded_before_anything_is_read() {
        let limits = Limits { body: 10, bulk: 12, ..Limits::default() };
        let header = |body, bulk| Header { parts: 1, body, bulk, ..Header::new(Kind::Request, 0) };
        let decode = |header: Header| Header::decode(&header.encode(), &limits);
        assert!(decode(header(10, 12)).is_ok());
        assert!(matches!(decode(header(11, 0)), Err(Error::TooLarge { part: "body", .. })));
        assert!(matches!(decode(header(0, 13)), Err(Error::TooLarge { part: "bulk", .. })));
        assert!(matches!(decode(header(0, u64::MAX)), Err(Error::TooLarge { part: "bulk", .. })));
        let (mut most, code) = (vec![Dtype::U8 as u8, 2], u64::MAX.to_le_bytes());
        most.extend(code.iter().chain(&code));
        assert!(header(0, 1).parts(&most).unwrap_err().to_string().contains("overflows"));
        assert!(header(0, 13).parts(&[Dtype::U8 as u8, 0]).is_err());
        assert!(header(0, 1).parts(&[Dtype::U8 as u8, 33]).is_err());
        assert!(header(0, 1).parts(&[Dtype::U8 as u8, 0]).is_ok());
    }

    #[test]
    fn slices_resume_at_every_byte() {
        let value =
            ("body", Tensor::from(vec![1_u32, 2]), Tensor::<f64>::default(), Tensor::from(vec![3.0_f32]));
        let (frame, _) = Frame::new(Kind::Reply, 1, &value, &Limits::default()).unwrap();
        let whole = frame.pieces().collect::<Vec<_>>().concat();
        assert_eq!(whole.len(), frame.length());
        for written in 0..=whole.len() {
            let mut slices = Vec::new();
            frame.slices(written, &mut slices);
            let rest: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
            assert_eq!(rest, whole[written..]);
            assert!(slices.iter().all(|slice| !slice.is_empty()) && slices.len() <= frame.count());
        }
    }
}
