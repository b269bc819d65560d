//! What a process learns before it builds the program, where that depends on what only the launcher has.

use std::sync::Arc;

use syncline_wire::{Client, Identity, Limits};

use super::enrolment::Enrolment;
use super::{Control, Reply, Request};
use crate::Error;
use crate::node::body;

/// Bytes told at a time.
const PIECE: usize = 1 << 20;

/// What the launcher has to say to this process before it builds the program ([`Program::brief`](crate::Program::brief)); nothing
/// where it has nothing to say, or this process was not started to run a node.
///
/// Processes build the program from what all of them share: arguments, environment, files. Where one cannot, since a file is not
/// there, it can ask.
///
/// # Errors
/// [`Error::Wire`] and [`Error::Handshake`] when the launcher cannot be asked.
pub fn briefing() -> Result<Option<Vec<u8>>, Error> {
    let Some(place) = Enrolment::of_this_process() else { return Ok(None) };
    let (role, token) = (&place.role, place.token()?);
    let runtime = body::runtime()?;
    let asked = runtime.block_on(async {
        let identity = Identity::new(token, role.node.as_str());
        let control = Client::<Control>::connect(&role.control, identity, &Limits::default()).await;
        let control = control.map_err(Error::wire("joining the launcher"))?;
        let mut told = Vec::new();
        loop {
            let answer = control.call(Request::Briefing { from: told.len() as u64 }).await;
            match answer.map_err(|error| Error::wire("asking the launcher")(error.into()))? {
                Reply::Briefing { piece, whole } => {
                    told.extend_from_slice(&piece);
                    if told.len() as u64 >= whole || piece.is_empty() {
                        return Ok(told);
                    }
                }
                other => return Err(Error::Handshake(format!("the launcher answered {other:?}"))),
            }
        }
    });
    asked.map(|told| Some(told).filter(|told| !told.is_empty()))
}

/// The answer to who knows it up to this byte.
pub(super) fn piece(briefing: &Arc<[u8]>, from: u64) -> Reply {
    let rest = usize::try_from(from).ok().and_then(|from| briefing.get(from..)).unwrap_or_default();
    Reply::Briefing { piece: rest[..rest.len().min(PIECE)].to_vec(), whole: briefing.len() as u64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_briefing_is_told_piece_by_piece() {
        let briefing: Arc<[u8]> = (0..=255u8).cycle().take(PIECE + 7).collect::<Vec<_>>().into();
        let mut told = Vec::new();
        for expected in [PIECE, 7, 0] {
            let Reply::Briefing { piece, whole } = piece(&briefing, told.len() as u64) else {
                unreachable!()
            };
            assert_eq!((piece.len(), whole), (expected, (PIECE + 7) as u64));
            told.extend(piece);
        }
        assert_eq!(*told, *briefing);
        assert!(
            matches!(super::piece(&briefing, u64::MAX), Reply::Briefing { piece, .. } if piece.is_empty())
        );
    }
}
