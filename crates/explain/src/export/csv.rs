//! A table of spans with the columns of a run file.

use std::io::Write;

use syncline_trace::{RunInfo, Span};

use super::failed;
use crate::Error;
use crate::spans::SpanSink;

/// Writes spans as lines.
pub(super) struct Writer<'a, W> {
    out: &'a mut W,
    has_head: bool,
}

impl<'a, W: Write> Writer<'a, W> {
    /// Writes to `out`.
    pub(super) fn new(out: &'a mut W) -> Self {
        Self { out, has_head: false }
    }
}

/// A name as a field: quoted, with quotes doubled, where it must be.
fn field(name: &str) -> String {
    if name.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", name.replace('"', "\"\""))
    } else {
        name.to_owned()
    }
}

fn optional<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

impl<W: Write> SpanSink for Writer<'_, W> {
    fn take(&mut self, info: &RunInfo, spans: &[Span]) -> Result<(), Error> {
        if !self.has_head {
            let head = "run,node,worker,task,round,iteration,phase,start_ns,end_ns,bytes,records,peer,sync";
            writeln!(self.out, "{head}").map_err(failed)?;
            self.has_head = true;
        }
        let run = field(&info.run);
        let name = |node: u32| {
            info.nodes.get(node as usize).map_or_else(|| node.to_string(), |node| field(&node.name))
        };
        for span in spans {
            writeln!(
                self.out,
                "{run},{},{},{},{},{},{},{},{},{},{},{},{}",
                name(span.node),
                optional(span.worker),
                optional(span.task),
                span.round,
                span.iteration,
                span.phase,
                span.start_ns,
                span.end_ns,
                span.bytes,
                span.records,
                optional(span.peer.map(name)),
                optional(span.sync),
            )
            .map_err(failed)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_where_they_must_be() {
        assert_eq!(field("worker/1"), "worker/1");
        assert_eq!(field("a \"b\", c"), "\"a \"\"b\"\", c\"");
    }
}
