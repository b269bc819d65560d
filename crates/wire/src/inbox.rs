//! The reading half of a connection: frames in, bulk read straight into pooled buffers.
//!
//! Small frames arrive several to a read, through a small buffer. Bulk passes it by, except for the first few kilobytes
//! that arrived together with the header.

use crate::frame::{HEADER, Header};
use crate::parts::{self, Incoming};
use crate::replies::Opener;
use crate::tensor::pool::Pools;
use crate::transport::ReadHalf;
use crate::{AnyTensor, Error, Limits, Result};
use serde::de::DeserializeOwned;
use std::io;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};

/// Room for many small frames, yet little to copy in front of a bulk.
const BUFFER: usize = 8 << 10;

/// A body buffer that grew beyond this shrinks again.
const BODY_KEPT: usize = 64 << 10;

/// A frame that was read; its body is in the inbox until the next one.
pub(crate) struct Received {
    pub header: Header,
    pub parts: Vec<Option<AnyTensor>>,
}

pub(crate) struct Inbox {
    reader: BufReader<ReadHalf>,
    body: Vec<u8>,
    limits: Limits,
    pools: Pools,
}

impl Inbox {
    pub(crate) fn new(read: ReadHalf, limits: Limits, pools: Pools) -> Inbox {
        Inbox { reader: BufReader::with_capacity(BUFFER, read), body: Vec::new(), limits, pools }
    }

    /// The next frame; `None` when the peer closed between two frames.
    pub(crate) async fn receive(&mut self) -> Result<Option<Received>> {
        if self.reader.fill_buf().await.map_err(broken)?.is_empty() {
            return Ok(None);
        }
        let mut bytes = [0; HEADER];
        self.reader.read_exact(&mut bytes).await.map_err(broken)?;
        let header = Header::decode(&bytes, &self.limits)?;
        let (body, table) = (header.body as usize, usize::from(header.table));
        self.body.clear();
        self.body.shrink_to(BODY_KEPT);
        self.body.resize(body + table, 0);
        self.reader.read_exact(&mut self.body).await.map_err(broken)?;
        let mut parts = Vec::new();
        for (dtype, shape) in header.parts(&self.body[body..])? {
            let mut part = AnyTensor::blank(dtype, shape, &self.pools)?;
            self.reader.read_exact(part.bytes()?).await.map_err(broken)?;
            parts.push(Some(part.filled()?));
        }
        self.body.truncate(body);
        Ok(Some(Received { header, parts }))
    }

    /// The body of the frame that was received last, with its parts. Trailing bytes are malformed. A stream in it reads
    /// what `opener` opens.
    pub(crate) fn read<T: DeserializeOwned>(
        &self,
        parts: Vec<Option<AnyTensor>>,
        opener: Option<Opener>,
    ) -> Result<T> {
        parts::read(&self.body, Incoming { parts, opener })
    }

    /// The bytes of the body that was received last.
    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }

    /// The body that was received last, as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Whether the next frame has arrived whole, so that receiving it will not wait.
    pub(crate) fn holds_frame(&self) -> bool {
        let buffered = self.reader.buffer();
        let header = buffered.first_chunk().and_then(|bytes| Header::decode(bytes, &self.limits).ok());
        header.is_some_and(|header| header.frame_length() <= buffered.len())
    }
}

/// The stream ended inside a frame, or failed.
fn broken(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Error::decode("the connection ended inside a frame"),
        _ => Error::decode(error),
    }
}
