//! What an exchange takes by itself, from the last rank's coming to its end.
//!
//! By latency and bandwidth: T(n) = a + b n for n elements, fitted to the exchanges of the trace. A ring of W ranks makes
//! 2 (W - 1) steps and moves 2 (W - 1)/W of the data over each link; a tree makes 2 log2 W steps and moves all of it twice
//! (Thakur, Rabenseifner and Gropp 2005). Which of both a library takes is its own choice: the ring is the answer, and the
//! interval holds the tree. Ranks on the CPUs of one machine share what moves their data: the interval holds that, too.

use syncline_explain::RankLog;

use crate::Error;
use crate::sample::median;

/// Sizes that differ by less than this many times tell no latency from bandwidth; and so many exchanges of each are needed.
const APART: f64 = 1.5;
const EACH: usize = 5;

/// How exchanges of another world size are thought to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkModel {
    /// 2 (W - 1) steps, 2 (W - 1)/W of the data.
    Ring,
    /// 2 log2 W steps, twice the data.
    Tree,
    /// A ring within one machine, whose cores move the data of all ranks: 2 (W - 1) times the data.
    OneMachine,
}

/// What exchanges take.
#[derive(Debug, Clone, PartialEq)]
pub struct Link {
    /// Ranks among which it was measured.
    pub world: usize,
    /// Seconds that an exchange takes whatever its size.
    pub latency_s: f64,
    /// Seconds for each element more.
    pub element_s: f64,
    /// Whether both were told apart: exchanges differ in size. Where not, all is taken for bandwidth.
    pub is_told_apart: bool,
    /// Exchanges that it was fitted to.
    pub exchanges: usize,
    /// Measured over fitted, of each exchange.
    pub(super) ratios: Vec<f64>,
}

/// What an exchange took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Took {
    /// Which exchange of the first rank it is.
    pub of_first: Option<usize>,
    pub elements: f64,
    pub took_s: f64,
}

/// Every exchange of all ranks; where only one rank's trace is given, with what it waited for.
pub(super) fn measured(log: &RankLog) -> Vec<Took> {
    let mut list: Vec<Took> = log
        .meetings
        .iter()
        .filter(|members| members.len() == log.world && log.world > 1)
        .filter_map(|members| {
            let of = |&(rank, at): &(usize, usize)| log.ranks[rank].exchanges[at];
            let first = of(&members[0]);
            let last = members.iter().map(|member| of(member).start_s).fold(f64::MIN, f64::max);
            let end = median(members.iter().map(|member| of(member).end_s))?;
            let of_first = members.iter().find(|member| member.0 == 0).map(|member| member.1);
            let took = Took { of_first, elements: first.elements as f64, took_s: end - last };
            (first.is_all_reduce && end > last).then_some(took)
        })
        .collect();
    if list.is_empty() && log.world > 1 {
        let own = log.ranks.iter().flat_map(|rank| &rank.exchanges).filter(|found| found.is_all_reduce);
        let took = |found: &syncline_explain::Exchange| Took {
            of_first: None,
            elements: found.elements as f64,
            took_s: found.end_s - found.start_s,
        };
        list.extend(own.map(took));
    }
    list
}

impl Link {
    /// Latency and bandwidth of exchanges (elements, seconds) among `world` ranks. Medians of each size, because the machine's
    /// other work makes outliers; `are_whole` says that no waiting is in them, else the fastest quarter counts.
    pub(super) fn fit(world: usize, exchanges: &[(f64, f64)], are_whole: bool) -> Result<Self, Error> {
        if exchanges.len() < EACH {
            let why = format!(
                "{} all-reduces are too few to tell what one takes, at least {EACH} are needed; record more steps",
                exchanges.len()
            );
            return Err(Error::CannotTell { why });
        }
        let mut sizes: Vec<f64> = exchanges.iter().map(|found| found.0).collect();
        sizes.sort_by(f64::total_cmp);
        sizes.dedup();
        let typical = |size: &f64| {
            let mut times: Vec<f64> =
                exchanges.iter().filter(|found| found.0 == *size).map(|found| found.1).collect();
            times.sort_by(f64::total_cmp);
            let at = if are_whole { times.len() / 2 } else { times.len() / 4 };
            (*size, times[at], times.len() as f64)
        };
        let groups: Vec<(f64, f64, f64)> = sizes.iter().map(typical).collect();
        let often: Vec<f64> =
            groups.iter().filter(|group| group.2 >= EACH as f64).map(|group| group.0).collect();
        let is_told_apart = often.len() > 1
            && often[often.len() - 1] > APART * often.first().copied().unwrap_or(0.0).max(1.0);
        let (latency_s, element_s) = if is_told_apart { line(&groups) } else { through_zero(&groups) };
        let fitted = |size: f64| latency_s + element_s * size;
        let ratios = exchanges.iter().map(|found| found.1 / fitted(found.0).max(f64::MIN_POSITIVE)).collect();
        Ok(Self { world, latency_s, element_s, is_told_apart, exchanges: exchanges.len(), ratios })
    }

    /// A link that is known: latency of a message and bandwidth, among `world` ranks in a ring.
    pub fn known(world: usize, message_s: f64, element_s: f64) -> Self {
        let (steps, share) = LinkModel::Ring.cost(world.max(2));
        Self {
            world: world.max(2),
            latency_s: steps * message_s,
            element_s: share * element_s,
            is_told_apart: true,
            exchanges: 0,
            ratios: vec![1.0],
        }
    }

    /// By how much an exchange differed from what is fitted.
    pub(super) fn ratio(&self, took: &Took) -> f64 {
        let fitted_s = self.latency_s + self.element_s * took.elements;
        took.took_s / fitted_s.max(f64::MIN_POSITIVE)
    }

    /// What an exchange of so many elements among so many ranks takes.
    pub fn time_s(&self, world: usize, elements: f64, model: LinkModel) -> f64 {
        if world < 2 {
            return 0.0;
        }
        let (steps, share) = model.cost(world);
        let (own_steps, own_share) = model.cost(self.world);
        self.latency_s * steps / own_steps + self.element_s * share / own_share * elements
    }

    /// The same where all of it is latency: the other end of what one size of exchanges allows.
    pub(super) fn all_latency(&self, elements: f64) -> Self {
        Self { latency_s: self.latency_s + self.element_s * elements, element_s: 0.0, ..self.clone() }
    }
}

impl LinkModel {
    /// Steps, and how often the data go over a link.
    fn cost(self, world: usize) -> (f64, f64) {
        let world = world as f64;
        match self {
            Self::Ring => (2.0 * (world - 1.0), 2.0 * (world - 1.0) / world),
            Self::Tree => (2.0 * world.log2().ceil(), 2.0),
            Self::OneMachine => (2.0 * (world - 1.0), 2.0 * (world - 1.0)),
        }
    }
}

/// Least squares of the sizes' times, weighed by how many they are; neither below 0.
fn line(groups: &[(f64, f64, f64)]) -> (f64, f64) {
    let sum = |figure: &dyn Fn(&(f64, f64, f64)) -> f64| groups.iter().map(figure).sum::<f64>();
    let weight = sum(&|group| group.2);
    let (x, y) = (sum(&|group| group.2 * group.0) / weight, sum(&|group| group.2 * group.1) / weight);
    let (xx, xy) = (
        sum(&|group| group.2 * (group.0 - x).powi(2)),
        sum(&|group| group.2 * (group.0 - x) * (group.1 - y)),
    );
    let slope = xy / xx;
    match () {
        () if slope <= 0.0 => (y, 0.0),
        () if y - slope * x < 0.0 => through_zero(groups),
        () => (y - slope * x, slope),
    }
}

fn through_zero(groups: &[(f64, f64, f64)]) -> (f64, f64) {
    let (xy, xx) = groups.iter().fold((0.0, 0.0), |sum, &(size, time, count)| {
        (sum.0 + count * size * time, sum.1 + count * size * size)
    });
    if xx > 0.0 { (0.0, xy / xx) } else { (groups.first().map_or(0.0, |group| group.1), 0.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latency_and_bandwidth_are_told_apart_by_sizes() {
        let list: Vec<(f64, f64)> =
            (0..60).map(|at| [(1e3, 1.1e-3), (1e5, 1.1e-2), (1e6, 0.101)][at % 3]).collect();
        let link = Link::fit(4, &list, true).unwrap();
        assert!(link.is_told_apart);
        assert!((link.latency_s - 1e-3).abs() < 1e-4 && (link.element_s - 1e-7).abs() < 1e-9, "{link:?}");
        // Four ranks to eight: 7/3 of the ring's steps, (7/8)/(3/4) of the data.
        let eight = link.time_s(8, 1e6, LinkModel::Ring);
        assert!((eight - (1e-3 * 7.0 / 3.0 + 0.1 * 7.0 / 6.0)).abs() < 1e-3, "{eight}");
        assert_eq!(
            (link.time_s(1, 1e6, LinkModel::Ring), link.time_s(8, 0.0, LinkModel::Tree) < 2e-3),
            (0.0, true)
        );
    }

    #[test]
    fn one_size_tells_neither() {
        let link = Link::fit(2, &vec![(5e5, 0.01); 20], true).unwrap();
        assert!(!link.is_told_apart);
        assert!((link.time_s(2, 5e5, LinkModel::Ring) - 0.01).abs() < 1e-12);
        assert!((link.time_s(4, 5e5, LinkModel::Ring) - 0.015).abs() < 1e-12, "as bandwidth");
        let latency = link.all_latency(5e5);
        assert!((latency.time_s(4, 5e5, LinkModel::Ring) - 0.03).abs() < 1e-12, "as latency");
        assert!(Link::fit(2, &[(1.0, 1.0); 2], true).is_err());
    }
}
