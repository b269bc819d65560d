//! Why a device had nothing to do, told from what its host did.
//!
//! A gap ends with something that the host has launched. If the launching call came in the gap, the host was late, and what it
//! did before is the reason: getting a batch, waiting for the device in a synchronising call, managing memory, stepping the
//! optimiser, or running operators, whose launches take longer than the kernels between them. What of it no operator and no call
//! covers is Python's. If the call came before the gap, the device was held up itself.

use super::super::stretch::{Stretch, covered, exposed};
use super::rank::Rank;

/// A gap between two kernels that were both launched is as long as a device takes from one to the next.
const TURN_NS: u64 = 20_000;

/// The parts of a gap with their causes; together they are the gap.
pub(super) fn causes(rank: &Rank, gap: Stretch) -> Vec<(&'static str, Stretch)> {
    let host = &rank.host;
    let Some(extent) = host.extent else { return vec![("idle", gap)] };
    let next = rank.device.partition_point(|(start, _)| *start < gap.1);
    let launch = rank.device.get(next).and_then(|(_, correlation)| host.launch(*correlation));
    let (host_part, launching) = match launch {
        Some((_, to)) if to <= gap.0 => {
            let what = if gap.1 - gap.0 <= TURN_NS { "launch" } else { "idle" };
            return vec![(what, gap)];
        }
        Some((from, _)) => {
            let from = from.clamp(gap.0, gap.1);
            ((gap.0, from), Some((from, gap.1)))
        }
        None => (gap, None),
    };
    let mut parts: Vec<(&'static str, Stretch)> =
        launching.into_iter().map(|part| ("launch", part)).collect();
    // Had the host not waited for the device to run dry, it would have launched ahead: what its operators then need to
    // launch again is the price of the synchronising call.
    let has_waited = covered((gap.0.saturating_sub(1), gap.0.saturating_add(1)), &host.synchronise);
    let operators = if has_waited.is_empty() { "launch" } else { "synchronising" };
    if operators == "synchronising" {
        parts.iter_mut().for_each(|part| part.0 = operators);
    }
    let layers: [(&str, &[Stretch]); 5] = [
        ("data_loader", &host.loader),
        ("synchronising", &host.synchronise),
        ("allocation", &host.allocate),
        ("optimizer", &host.optimizer),
        (operators, &host.operators),
    ];
    let mut left = vec![host_part];
    for (what, layer) in layers {
        parts.extend(left.iter().flat_map(|&part| covered(part, layer)).map(|part| (what, part)));
        left = left.into_iter().flat_map(|part| exposed(part, layer)).collect();
    }
    for part in left {
        parts.extend(covered(part, &[extent]).into_iter().map(|part| ("python", part)));
        parts.extend(exposed(part, &[extent]).into_iter().map(|part| ("idle", part)));
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::super::rank::Host;
    use super::*;
    use crate::chrome::trace::Launch;

    fn launch(correlation: u32, start: u64, duration: u32) -> Launch {
        Launch { correlation, duration, start }
    }

    /// A device that is idle from 1 ms to 3 ms; the next kernel is launched from 2.5 ms to 2.6 ms.
    fn rank(host: Host) -> Rank {
        Rank {
            has_device: true,
            device: vec![(0, 1), (3_000_000, 2)],
            host: Host {
                launches: vec![launch(1, 0, 10), launch(2, 2_500_000, 100_000)],
                extent: Some((0, 9_000_000)),
                ..host
            },
            ..Rank::default()
        }
    }

    fn ns(host: Host) -> Vec<(&'static str, u64)> {
        let mut sums: Vec<(&'static str, u64)> = Vec::new();
        for (what, (from, to)) in causes(&rank(host), (1_000_000, 3_000_000)) {
            match sums.iter_mut().find(|sum| sum.0 == what) {
                Some(sum) => sum.1 += to - from,
                None => sums.push((what, to - from)),
            }
        }
        assert_eq!(sums.iter().map(|sum| sum.1).sum::<u64>(), 2_000_000);
        sums.sort_unstable();
        sums
    }

    #[test]
    fn the_host_says_why() {
        assert_eq!(ns(Host::default()), [("launch", 500_000), ("python", 1_500_000)]);
        let loader = Host { loader: vec![(900_000, 2_000_000)], ..Host::default() };
        assert_eq!(ns(loader), [("data_loader", 1_000_000), ("launch", 500_000), ("python", 500_000)]);
        let operators = Host { operators: vec![(0, 2_600_000)], ..Host::default() };
        assert_eq!(ns(operators), [("launch", 2_000_000)]);
        let optimizer =
            Host { optimizer: vec![(0, 1_500_000)], operators: vec![(0, 2_600_000)], ..Host::default() };
        assert_eq!(ns(optimizer), [("launch", 1_500_000), ("optimizer", 500_000)]);
    }

    #[test]
    fn after_a_synchronising_call_the_device_has_run_dry() {
        let host = Host {
            synchronise: vec![(500_000, 1_200_000)],
            operators: vec![(2_000_000, 2_600_000)],
            ..Host::default()
        };
        assert_eq!(ns(host), [("python", 800_000), ("synchronising", 1_200_000)]);
    }

    #[test]
    fn what_was_launched_before_is_not_the_hosts() {
        let mut early = rank(Host::default());
        early.host.launches = vec![launch(1, 0, 10), launch(2, 20, 10)];
        assert_eq!(causes(&early, (1_000_000, 3_000_000)), [("idle", (1_000_000, 3_000_000))]);
    }
}
