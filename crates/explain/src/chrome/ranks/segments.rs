//! Every instant of a rank's time, put down to one thing.
//!
//! Where several go on at once, work comes first, then communication, then copies: what is told of the latter two is what no
//! work covers. In a meeting the stretch before its last member's start is waiting. The rest of a device's time is
//! explained by what its host did ([`idle`](super::idle)); the rest of a CPU's is Python's while its process is at work.

use super::super::stretch::{Stretch, covered, exposed, union};
use super::idle;
use super::matching::Meet;
use super::rank::Rank;

/// A stretch of a rank's time, in 24 bytes: there may be some millions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Segment {
    pub from: u64,
    pub to: u64,
    /// The communication, by its position in the rank's.
    collective: u32,
    /// By its position in [`SHARES`].
    share: u8,
}

/// What time goes to.
const SHARES: [&str; 15] = [
    "idle",
    "compute",
    "wait",
    "collective",
    "point_to_point",
    "host_to_device",
    "device_to_host",
    "copy",
    "data_loader",
    "synchronising",
    "allocation",
    "optimizer",
    "launch",
    "python",
    "unrecorded",
];

impl Segment {
    fn new(what: &str, (from, to): Stretch, collective: Option<usize>) -> Self {
        let share = SHARES.iter().position(|name| *name == what).unwrap_or(0) as u8;
        Self { from, to, collective: collective.map_or(u32::MAX, |at| at as u32), share }
    }

    /// What it went to: the name of a share.
    pub fn what(&self) -> &'static str {
        SHARES[usize::from(self.share)]
    }

    /// The communication, for those and the waits in them, by its position in the rank's.
    pub fn collective(&self) -> Option<usize> {
        (self.collective != u32::MAX).then_some(self.collective as usize)
    }
}

/// A rank's time from 0 to `wall`, in order and without holes.
pub(super) fn segments(rank: &Rank, ranks: &[Rank], meets: &[Meet], wall: u64) -> Vec<Segment> {
    let mut all: Vec<Segment> = rank.work.iter().map(|&(from, to)| plain("compute", (from, to))).collect();
    let mut taken = rank.work.clone();
    all.extend(communication(rank, ranks, meets, &mut taken));
    let copies =
        [("host_to_device", &rank.copies_in), ("device_to_host", &rank.copies_out), ("copy", &rank.copies)];
    let fill =
        |what: &'static str, stretches: &[Stretch], taken: &mut Vec<Stretch>, all: &mut Vec<Segment>| {
            let parts: Vec<Stretch> = stretches.iter().flat_map(|&stretch| exposed(stretch, taken)).collect();
            all.extend(parts.iter().map(|&part| plain(what, part)));
            taken.extend(parts);
            *taken = union(std::mem::take(taken));
        };
    for (what, stretches) in copies {
        fill(what, stretches, &mut taken, &mut all);
    }
    let own: Vec<Stretch> = rank.start().zip(rank.end()).into_iter().collect();
    let outside: Vec<Stretch> = exposed((0, wall), &own);
    fill("unrecorded", &outside, &mut taken, &mut all);
    if rank.has_device {
        for gap in exposed((0, wall), &taken) {
            all.extend(idle::causes(rank, gap).into_iter().map(|(what, part)| plain(what, part)));
        }
    } else {
        fill("data_loader", &rank.host.loader, &mut taken, &mut all);
        let within = rank.host.extent.into_iter().collect::<Vec<_>>();
        for gap in exposed((0, wall), &taken) {
            all.extend(covered(gap, &within).into_iter().map(|part| plain("python", part)));
            all.extend(exposed(gap, &within).into_iter().map(|part| plain("idle", part)));
        }
    }
    all.retain(|segment| segment.to > segment.from);
    all.sort_unstable_by_key(|segment| segment.from);
    all
}

fn plain(what: &'static str, stretch: Stretch) -> Segment {
    Segment::new(what, stretch, None)
}

/// When the last member of a meeting began it: who came before waited until then. Only a receiver waits for its sender,
/// and nobody where one may leave before the others come.
pub(super) fn waits_until(rank: &Rank, ranks: &[Rank], meets: &[Meet], at: usize) -> Option<u64> {
    let own = &rank.collectives[at];
    let meet = &meets[own.meet? as usize];
    if !meet.operation.is_meeting() && own.operation != super::super::kind::Operation::Receive {
        return None;
    }
    meet.members.iter().map(|&(rank, index)| ranks[rank].collectives[index].start).max()
}

/// Waits and communications where no work covers them. Several at once are put down to the first.
fn communication(rank: &Rank, ranks: &[Rank], meets: &[Meet], taken: &mut Vec<Stretch>) -> Vec<Segment> {
    let mut found = Vec::new();
    let mut reached = 0;
    for (at, own) in rank.collectives.iter().enumerate() {
        let from = own.start.max(reached);
        if own.end <= from {
            continue;
        }
        reached = own.end;
        let until = waits_until(rank, ranks, meets, at).map_or(from, |until| until.clamp(from, own.end));
        let what = if own.operation.is_between_two() { "point_to_point" } else { "collective" };
        for (what, stretch) in [("wait", (from, until)), (what, (until, own.end))] {
            let parts = exposed(stretch, taken).into_iter();
            found.extend(parts.map(|part| Segment::new(what, part, Some(at))));
        }
    }
    taken.extend(found.iter().map(|segment| (segment.from, segment.to)));
    *taken = union(std::mem::take(taken));
    found
}
