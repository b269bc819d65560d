//! Perfetto's own format: a stream of protobuf packets (`perfetto.protos.Trace`). A lane is a track; a span is a begin and
//! an end on it. Field numbers are those of `trace_packet.proto`, `track_descriptor.proto` and `track_event.proto`.

use std::collections::BTreeMap;
use std::io::Write;

use syncline_trace::{RunInfo, Span};

use super::{failed, lane};
use crate::Error;
use crate::spans::SpanSink;

/// Packets of one sequence share a number; ours has only one.
const SEQUENCE: u64 = 1;

/// Writes spans as packets.
pub(super) struct Writer<'a, W> {
    out: &'a mut W,
    tracks: BTreeMap<String, u64>,
}

impl<'a, W: Write> Writer<'a, W> {
    /// Writes to `out`.
    pub(super) fn new(out: &'a mut W) -> Self {
        Self { out, tracks: BTreeMap::new() }
    }

    fn packet(&mut self, packet: &[u8]) -> Result<(), Error> {
        let mut framed = Vec::with_capacity(packet.len() + 6);
        bytes(&mut framed, 1, packet);
        self.out.write_all(&framed).map_err(failed)
    }

    fn track(&mut self, name: &str) -> Result<u64, Error> {
        if let Some(&track) = self.tracks.get(name) {
            return Ok(track);
        }
        let track = self.tracks.len() as u64 + 1;
        self.tracks.insert(name.to_owned(), track);
        let (mut descriptor, mut packet) = (Vec::new(), Vec::new());
        number(&mut descriptor, 1, track);
        bytes(&mut descriptor, 2, name.as_bytes());
        number(&mut packet, 10, SEQUENCE);
        bytes(&mut packet, 60, &descriptor);
        self.packet(&packet)?;
        Ok(track)
    }

    /// One side of a span: kind 1 begins, 2 ends.
    fn event(&mut self, track: u64, kind: u64, at_ns: u64, name: &str) -> Result<(), Error> {
        let (mut event, mut packet) = (Vec::new(), Vec::new());
        number(&mut event, 9, kind);
        number(&mut event, 11, track);
        if !name.is_empty() {
            bytes(&mut event, 22, b"syncline");
            bytes(&mut event, 23, name.as_bytes());
        }
        number(&mut packet, 8, at_ns);
        number(&mut packet, 10, SEQUENCE);
        bytes(&mut packet, 11, &event);
        self.packet(&packet)
    }
}

impl<W: Write> SpanSink for Writer<'_, W> {
    fn take(&mut self, info: &RunInfo, spans: &[Span]) -> Result<(), Error> {
        for span in spans {
            let track = self.track(&lane(info, span))?;
            self.event(track, 1, span.start_ns, span.phase.name())?;
            self.event(track, 2, span.end_ns.max(span.start_ns), "")?;
        }
        Ok(())
    }
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A field of wire type 0.
fn number(out: &mut Vec<u8>, field: u64, value: u64) {
    varint(out, field << 3);
    varint(out, value);
}

/// A field of wire type 2.
fn bytes(out: &mut Vec<u8>, field: u64, value: &[u8]) {
    varint(out, field << 3 | 2);
    varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_protobuf() {
        let mut out = Vec::new();
        number(&mut out, 1, 300);
        bytes(&mut out, 60, b"ab");
        assert_eq!(out, [0x08, 0xac, 0x02, 0xe2, 0x03, 0x02, b'a', b'b']);
    }
}
