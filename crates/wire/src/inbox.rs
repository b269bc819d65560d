//! The reading half of a connection: frames in, bulk read straight into pooled buffers.
//!
//! Small frames arrive several to a read, through a small buffer. Bulk passes it by, except for the first few kilobytes
//! that arrived together with the header.

use crate::frame::{HEADER, Header};
use crate::transport::ReadHalf;
use crate::{Bulk, Error, Indices, Limits, Pool, Result, Tensor};
use bytemuck::Pod;
use serde::de::DeserializeOwned;
use std::io;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};

/// Room for many small frames, yet little to copy in front of a bulk.
const BUFFER: usize = 8 << 10;

/// A body buffer that grew beyond this shrinks again.
const BODY_KEPT: usize = 64 << 10;

/// The pools of one client or listener.
#[derive(Clone)]
pub(crate) struct Pools {
    pub indices: Pool<u32>,
    pub values: Pool<f32>,
}

impl Pools {
    pub(crate) fn new(limits: &Limits) -> Pools {
        Pools { indices: Pool::new(limits.pooled / 2), values: Pool::new(limits.pooled / 2) }
    }
}

/// A frame that was read; its body is in the inbox until the next one.
pub(crate) struct Received {
    pub header: Header,
    pub indices: Option<Indices>,
    pub values: Option<Tensor>,
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
        self.body.clear();
        self.body.shrink_to(BODY_KEPT);
        self.body.resize(header.body as usize, 0);
        self.reader.read_exact(&mut self.body).await.map_err(broken)?;
        let indices = self.bulk(header.indices, self.pools.indices.clone()).await?;
        let values = self.bulk(header.values, self.pools.values.clone()).await?;
        Ok(Some(Received { header, indices, values }))
    }

    /// The body of the frame that was received last. Trailing bytes are malformed.
    pub(crate) fn body<T: DeserializeOwned>(&self) -> Result<T> {
        match postcard::take_from_bytes(&self.body) {
            Ok((body, [])) => Ok(body),
            Ok((_, rest)) => Err(Error::decode(format_args!("{} bytes too many in a body", rest.len()))),
            Err(error) => Err(Error::decode(format_args!("a body of another type: {error}"))),
        }
    }

    /// The text of the failure that was received last.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Whether the next frame has arrived whole, so that receiving it will not wait.
    pub(crate) fn holds_frame(&self) -> bool {
        let buffered = self.reader.buffer();
        let header = buffered.first_chunk().and_then(|bytes| Header::decode(bytes, &self.limits).ok());
        header.is_some_and(|header| header.frame_length() <= buffered.len())
    }

    async fn bulk<T: Pod>(&mut self, length: Option<u32>, pool: Pool<T>) -> Result<Option<Bulk<T>>> {
        let Some(length) = length else { return Ok(None) };
        let mut bulk = pool.take(length as usize);
        let Some(values) = bulk.get_mut() else { return Err(Error::decode("a pooled buffer is shared")) };
        self.reader.read_exact(bytemuck::cast_slice_mut(values)).await.map_err(broken)?;
        Ok(Some(bulk))
    }
}

/// The stream ended inside a frame, or failed.
fn broken(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Error::decode("the connection ended inside a frame"),
        _ => Error::decode(error),
    }
}
