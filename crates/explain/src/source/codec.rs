//! Packed bytes to plain bytes. The codec is recognised by the first bytes of the stream.

use std::io::{self, BufRead, Cursor, Read};
use std::sync::{Arc, Mutex, PoisonError};

use super::blocks::Unpacked;
use super::lz4::Lz4;
use super::lzf::Lzf;
use super::snappy::Snappy;

/// So many bytes tell the codec. They are read and not peeked at, as a pipe or a decoder may give fewer at first.
const MAGIC: u64 = 8;

/// What decoders note while they read; shared because they run on their own thread.
pub(super) type Notes = Arc<Mutex<Vec<String>>>;

/// Adds a note.
pub(super) fn note(notes: &Notes, what: String) {
    notes.lock().unwrap_or_else(PoisonError::into_inner).push(what);
}

/// Unpacks `packed`, whatever it is packed with. `name` appears in notes. Damage ends the stream with a note, so that
/// what was readable until there is used; a live log legitimately ends inside a frame.
pub(super) fn unpack(
    mut packed: Box<dyn BufRead + Send>,
    name: String,
    notes: &Notes,
) -> io::Result<Box<dyn Read + Send>> {
    let mut head = Vec::new();
    packed.by_ref().take(MAGIC).read_to_end(&mut head)?;
    let packed = Cursor::new(head.clone()).chain(packed);
    let plain: Box<dyn Read + Send> = match head[..] {
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Box::new(zstd::stream::read::Decoder::with_buffer(packed)?),
        [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Box::new(zstd::stream::read::Decoder::with_buffer(packed)?),
        [0x1f, 0x8b, ..] => Box::new(flate2::bufread::MultiGzDecoder::new(packed)),
        [b'L', b'Z', b'4', b'B', b'l', b'o', b'c', b'k', ..] => Box::new(Unpacked::<_, Lz4>::new(packed)),
        [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0, ..] => Box::new(Unpacked::<_, Snappy>::new(packed)),
        [b'Z', b'V', 0 | 1, ..] => Box::new(Unpacked::<_, Lzf>::new(packed)),
        _ => return Ok(Box::new(packed)),
    };
    Ok(Box::new(UntilDamage { plain: Some(plain), name, notes: Arc::clone(notes) }))
}

/// Ends the stream where its decoder fails, and notes why.
struct UntilDamage {
    plain: Option<Box<dyn Read + Send>>,
    name: String,
    notes: Notes,
}

impl Read for UntilDamage {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(plain) = &mut self.plain else { return Ok(0) };
        match plain.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                let what = match error.kind() {
                    io::ErrorKind::UnexpectedEof => "ends inside a compressed frame".to_owned(),
                    _ => format!("cannot be unpacked further: {error}"),
                };
                note(&self.notes, format!("{} {what}", self.name));
                self.plain = None;
                Ok(0)
            }
            read => read,
        }
    }
}
