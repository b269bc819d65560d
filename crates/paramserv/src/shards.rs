//! Which server holds which parameters.
//!
//! The flat parameter vector is cut into one contiguous range a server. Cuts fall on cache lines (16 parameters of
//! 4 bytes), so no two servers write to one line, and the ranges differ by at most one line.

use std::ops::Range;

/// Parameters in one cache line of 64 bytes.
pub(crate) const LINE: usize = 16;

/// The ranges that `servers` servers hold of `parameters` parameters, in order, each at most one cache line larger than
/// another. Where there are fewer lines than servers, some hold nothing.
pub(crate) fn shards(parameters: usize, servers: usize) -> Vec<Range<usize>> {
    let lines = parameters.div_ceil(LINE);
    let cut = |server: usize| (lines * server / servers * LINE).min(parameters);
    (0..servers).map(|server| cut(server)..cut(server + 1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_cover_everything_once_on_cache_lines_and_are_balanced() {
        for parameters in [1usize, 15, 16, 17, 100, 235_146, 1_000_001] {
            for servers in 1..=9 {
                let shards = shards(parameters, servers);
                assert_eq!((shards[0].start, shards[servers - 1].end), (0, parameters));
                assert!(shards.windows(2).all(|pair| pair[0].end == pair[1].start));
                assert!(shards.iter().all(|shard| shard.start % LINE == 0 || shard.is_empty()));
                let lines: Vec<_> = shards.iter().map(|shard| shard.len().div_ceil(LINE)).collect();
                let (least, most) = (lines.iter().min().unwrap(), lines.iter().max().unwrap());
                assert!(most - least <= 1, "{lines:?}");
            }
        }
    }
}
