//! The synchronisation policies by name: what a user writes after `--sync`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{Collective, Deadline, Error, Every, Fold, Least, Neighbours, Optimizer, Rule, Staleness, Steps};

/// When a member may go on, and what a round waits for.
///
/// ```
/// use syncline_round::{Policy, Staleness};
///
/// let policy: Policy = "ssp:2".parse()?;
/// assert_eq!(policy, Policy::Ssp { bound: Staleness::new(2) });
/// assert_eq!(policy.to_string(), "ssp:2");
/// # Ok::<(), syncline_round::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Policy {
    /// Bulk-synchronous: a round closes when every worker has pushed; nobody starts the next before.
    Bsp,
    /// Asynchronous: nobody waits, each gradient is folded alone.
    Asp,
    /// Stale-synchronous (Ho et al., NIPS 2013): no worker starts round c before all have finished round
    /// c - bound - 1; each gradient is folded alone.
    Ssp {
        /// How far the fastest may be ahead of the slowest.
        bound: Staleness,
    },
    /// Bulk-synchronous with spare workers (Chen et al., 2016): a round closes when all but `spare` have pushed; what
    /// comes later is dropped, and its worker joins the round that is then open.
    Backup {
        /// How many workers a round does not wait for.
        spare: u32,
    },
    /// A quorum (Bonawitz et al., 2019): a round closes when all have pushed, or at its deadline with at least so many; with
    /// fewer by then it fails, and the parameters stay as they are. Without a deadline it closes with the quorum. What comes
    /// later is dropped.
    Quorum {
        /// How many workers a round needs.
        least: Least,
        /// How long a round waits for more, from its first start on.
        deadline: Option<Deadline>,
    },
    /// A gradient code by repetition (Tandon et al., arXiv 1612.03301): the workers of a group of `stragglers` + 1 do the same
    /// parts of a round, which closes when every group has been heard; a second answer of a group is dropped. It is
    /// bulk-synchronous training of as many workers as there are groups, to the bit, whoever is slow. Without stragglers it is
    /// [`Bsp`](Self::Bsp).
    Repetition {
        /// How many of a group may be slow.
        stragglers: u32,
    },
    /// A code against liars (DRACO: Chen et al., arXiv 1803.09877): the workers of a group of 2 `liars` + 1 do the same parts of a round,
    /// and what most of them gave, bit for bit, counts. Rounds are those of [`Bsp`](Self::Bsp), and the result is that of as many
    /// honest workers as there are groups, to the bit, whatever `liars` of each group say. Without liars it is `Bsp`.
    Draco {
        /// How many of a group may lie.
        liars: u32,
    },
    /// A code of linear work (Lee et al., arXiv 1512.02673): the matrix of all rows is cut into `needed` blocks, each worker holds a
    /// combination of them, and a round closes with any `needed` answers, from which the products of all blocks are decoded; the
    /// others are told to stop. It is bulk-synchronous training on all rows at once, for linear models.
    Mds {
        /// How many answers a round needs.
        needed: Least,
    },
    /// Local SGD (Stich, ICLR 2019): each worker takes so many steps of its own, then all wait for one another and go on from
    /// the mean of their models. What an optimiser remembers stays with its worker.
    Local {
        /// How many steps lie between exchanges.
        steps: Steps,
    },
    /// DiLoCo (Douillard et al., 2023): as [`Local`](Self::Local), but the mean difference of the models is a gradient to an outer
    /// optimiser at the servers, Nesterov's momentum.
    Diloco {
        /// How many steps lie between exchanges.
        steps: Steps,
    },
    /// Hogwild! (Niu et al., NIPS 2011): nobody waits, and workers step the shared parameters without a lock.
    Hogwild,
    /// Without servers: as [`Bsp`](Self::Bsp), but each worker has all parameters, the workers sum their gradients among
    /// themselves, and each takes the same step.
    Allreduce {
        /// How they come to the sum.
        by: Collective,
    },
    /// Without servers, in groups: workers sum their gradients within their group and take a step after every round, and after
    /// every `period` rounds the groups exchange (hierarchical local SGD: Lin et al., ICLR 2020). With a period of one round the
    /// sum goes on over all groups before the step, as under [`Bsp`](Self::Bsp); with a longer one each group steps by itself, and
    /// all go on from the mean of the groups' models. What an optimiser remembers stays with its group.
    Hierarchical {
        /// How many workers are a group.
        group: u32,
        /// How many rounds lie between exchanges of groups.
        period: Steps,
    },
    /// Without servers or sums: each has a model of its own, and averages it with its neighbours' after every round (gossip: Lian et al.,
    /// NIPS 2017). Each waits for its neighbours only.
    Gossip {
        /// Who is whose neighbour.
        with: Neighbours,
    },
}

/// The outer step of [`Policy::Diloco`]: the rate and the momentum that its authors found best in all of their runs.
const OUTER_RATE: f32 = 0.7;
const OUTER_MOMENTUM: f32 = 0.9;

impl Policy {
    /// The names a user can give.
    pub const VALID: &'static str = "bsp, asp, ssp:BOUND (such as ssp:2), backup:SPARE (such as backup:1), quorum:LEAST,DEADLINE (such as quorum:3,50ms; \
         without a deadline quorum:3), repetition:STRAGGLERS (such as repetition:1), draco:LIARS (such as draco:1), mds:NEEDED (such as mds:3), local:STEPS (such as \
         local:8), diloco:STEPS (such as diloco:16), hogwild, without servers allreduce, allreduce:tree, allreduce:direct and \
         hierarchical:GROUP,PERIOD (such as hierarchical:4,8; with groups that exchange every round hierarchical:4), and with a \
         model for each gossip:ring, gossip:torus and gossip:all";

    /// Whether everything is folded by itself, as it comes.
    pub fn folds_alone(self) -> bool {
        matches!(self, Self::Asp | Self::Ssp { .. } | Self::Hogwild | Self::Gossip { .. })
    }

    /// Whether a round waits for all, so that nobody works while it is folded.
    pub fn waits_for_all(self) -> bool {
        match self {
            Self::Bsp
            | Self::Local { .. }
            | Self::Diloco { .. }
            | Self::Allreduce { .. }
            | Self::Draco { .. } => true,
            // After each period; in between the groups do not see of each other what they step.
            Self::Hierarchical { .. } => true,
            _ => false,
        }
    }

    /// How members come to the sum of what they have where there are no servers.
    pub fn collective(self) -> Option<Collective> {
        match self {
            Self::Allreduce { by } => Some(by),
            Self::Hierarchical { group, .. } => Some(Collective::Nested { group }),
            _ => None,
        }
    }

    /// How many rounds lie between exchanges of groups, where they are more than one: in between each group has parameters of
    /// its own.
    pub fn period(self) -> Option<Steps> {
        match self {
            Self::Hierarchical { period, .. } if period.count().get() > 1 => Some(period),
            _ => None,
        }
    }

    /// Whether it depends on the order of arrival whose work counts: then one gate must decide for all servers.
    pub fn heeds_arrival(self) -> bool {
        matches!(self, Self::Backup { .. } | Self::Quorum { .. } | Self::Repetition { .. } | Self::Mds { .. })
    }

    /// How many answers of coded products a round needs, where workers hold coded blocks and not rows.
    pub fn coded(self) -> Option<Least> {
        if let Self::Mds { needed } = self { Some(needed) } else { None }
    }

    /// How often members exchange, where that is the policy's own matter: they then take a step of their own after each batch.
    pub fn every(self) -> Option<Every> {
        match self {
            Self::Local { steps } | Self::Diloco { steps } => Some(Every::Batches(steps.count())),
            _ => None,
        }
    }

    /// What is folded, where that is the policy's own matter.
    pub fn fold(self) -> Option<Fold> {
        matches!(self, Self::Local { .. } | Self::Diloco { .. }).then_some(Fold::Average)
    }

    /// The servers' step along the mean difference of the models, where members step with an optimiser of their own that
    /// remembers from round to round.
    pub fn outer(self) -> Option<Optimizer> {
        match self {
            Self::Local { .. } => Some(Optimizer::unit()),
            Self::Diloco { .. } => {
                Some(Optimizer::plain(Rule::Nesterov { beta: OUTER_MOMENTUM }).at_rate(OUTER_RATE))
            }
            _ => None,
        }
    }

    /// How many gradients an update folds, at least.
    pub fn gradients(self, members: usize) -> usize {
        match self {
            Self::Bsp | Self::Local { .. } | Self::Diloco { .. } | Self::Allreduce { .. } => members,
            Self::Asp | Self::Ssp { .. } | Self::Hogwild | Self::Gossip { .. } => 1,
            Self::Backup { spare } => members.saturating_sub(spare as usize).max(1),
            Self::Quorum { least, .. } | Self::Mds { needed: least } => least.members(),
            Self::Repetition { .. } | Self::Draco { .. } => (members / self.copies()).max(1),
            Self::Hierarchical { group, .. } if self.period().is_some() => members.min(group as usize),
            Self::Hierarchical { .. } => members,
        }
    }

    /// How many members do the same part of a round.
    pub fn copies(self) -> usize {
        match self {
            Self::Repetition { stragglers } => stragglers as usize + 1,
            Self::Draco { liars } => 2 * liars as usize + 1,
            _ => 1,
        }
    }

    /// For how many members' own parts of a round one stands that is folded: where the first of a group is taken that did the parts of all,
    /// for those; where all of a group are heard, each for its own.
    pub fn stands_for(self) -> usize {
        if let Self::Draco { .. } = self { 1 } else { self.copies() }
    }

    /// How many of a group must have given the same, where that is voted on.
    pub fn majority(self) -> Option<usize> {
        if let Self::Draco { liars } = self { Some(liars as usize + 1) } else { None }
    }

    /// Whether members are told to stop whose round is over without them.
    pub fn stops_the_late(self) -> bool {
        matches!(self, Self::Repetition { .. } | Self::Mds { .. })
    }

    /// Whether it can be kept by so many members.
    ///
    /// # Errors
    /// Without members, when every member would be a spare one, with fewer than the quorum, or when they are not several whole
    /// groups.
    pub fn check(self, members: usize) -> Result<(), Error> {
        if members == 0 {
            return Err(Error::OutOfRange { what: "workers", got: "0".into(), must: "at least 1" });
        }
        match self {
            Self::Backup { spare } if spare as usize >= members => Err(Error::OutOfRange {
                what: "backup",
                got: spare.to_string(),
                must: "less than the number of workers",
            }),
            Self::Quorum { least, .. } if least.members() > members => Err(Error::OutOfRange {
                what: "quorum",
                got: least.to_string(),
                must: "at most the number of workers",
            }),
            Self::Mds { needed } if needed.members() > members => Err(Error::OutOfRange {
                what: "mds",
                got: needed.to_string(),
                must: "at most the number of workers",
            }),
            Self::Repetition { stragglers } if !members.is_multiple_of(self.copies()) => {
                Err(Error::OutOfRange {
                    what: "repetition",
                    got: stragglers.to_string(),
                    must: "one less than a divisor of the number of workers",
                })
            }
            Self::Draco { liars } if !members.is_multiple_of(self.copies()) => Err(Error::OutOfRange {
                what: "draco",
                got: liars.to_string(),
                must: "such that groups of twice as many workers and one more come out even",
            }),
            Self::Gossip { with } => with.check(members),
            Self::Hierarchical { group, .. }
                if members <= group as usize || !members.is_multiple_of(group as usize) =>
            {
                Err(Error::OutOfRange {
                    what: "the workers of a group under hierarchical",
                    got: group.to_string(),
                    must: "a divisor of the number of workers, of which there are several groups",
                })
            }
            _ => Ok(()),
        }
    }
}

impl FromStr for Policy {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let unknown = || Error::Unknown { what: "sync", got: text.to_owned(), valid: Self::VALID };
        let number = |text: &str| text.parse::<u32>().map_err(|_| unknown());
        match text.split_once(':') {
            None if text == "bsp" => Ok(Self::Bsp),
            None if text == "asp" => Ok(Self::Asp),
            None if text == "hogwild" => Ok(Self::Hogwild),
            None if text == "allreduce" => Ok(Self::Allreduce { by: Collective::Ring }),
            Some(("allreduce", "tree")) => Ok(Self::Allreduce { by: Collective::Tree }),
            Some(("allreduce", "direct")) => Ok(Self::Allreduce { by: Collective::Direct }),
            Some(("local", steps)) => Ok(Self::Local { steps: Steps::new(number(steps)? as usize)? }),
            Some(("diloco", steps)) => Ok(Self::Diloco { steps: Steps::new(number(steps)? as usize)? }),
            Some(("hierarchical", groups)) => {
                let (group, period) = groups.split_once(',').unwrap_or((groups, "1"));
                let (group, period) = (number(group)?, Steps::new(number(period)? as usize)?);
                match group {
                    0 | 1 => Err(Error::OutOfRange {
                        what: "the workers of a group under hierarchical",
                        got: group.to_string(),
                        must: "at least 2: where each exchanges with all, that is allreduce or local:STEPS",
                    }),
                    _ => Ok(Self::Hierarchical { group, period }),
                }
            }
            Some(("ssp", bound)) => Ok(Self::Ssp { bound: Staleness::new(number(bound)?) }),
            Some(("backup", spare)) => Ok(Self::Backup { spare: number(spare)? }),
            Some(("quorum", quorum)) => {
                let (least, deadline) = match quorum.split_once(',') {
                    Some((least, deadline)) => (least, Some(deadline.parse()?)),
                    None => (quorum, None),
                };
                Ok(Self::Quorum { least: Least::new(number(least)?)?, deadline })
            }
            Some(("gossip", with)) => Ok(Self::Gossip { with: with.parse().map_err(|_| unknown())? }),
            Some(("draco", liars)) => {
                // A group has twice as many and one more, which must be a number too.
                let liars = number(liars)?;
                if liars > u32::MAX / 2 - 1 { Err(unknown()) } else { Ok(Self::Draco { liars }) }
            }
            Some(("mds", needed)) => Ok(Self::Mds { needed: Least::new(number(needed)?)? }),
            Some(("repetition", stragglers)) => {
                // A group has one member more, which must be a number too.
                let stragglers = number(stragglers)?;
                if stragglers == u32::MAX { Err(unknown()) } else { Ok(Self::Repetition { stragglers }) }
            }
            _ => Err(unknown()),
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bsp => f.write_str("bsp"),
            Self::Asp => f.write_str("asp"),
            Self::Ssp { bound } => write!(f, "ssp:{bound}"),
            Self::Backup { spare } => write!(f, "backup:{spare}"),
            Self::Repetition { stragglers } => write!(f, "repetition:{stragglers}"),
            Self::Draco { liars } => write!(f, "draco:{liars}"),
            Self::Gossip { with } => write!(f, "gossip:{with}"),
            Self::Mds { needed } => write!(f, "mds:{needed}"),
            Self::Quorum { least, deadline: None } => write!(f, "quorum:{least}"),
            Self::Quorum { least, deadline: Some(deadline) } => write!(f, "quorum:{least},{deadline}"),
            Self::Local { steps } => write!(f, "local:{steps}"),
            Self::Diloco { steps } => write!(f, "diloco:{steps}"),
            Self::Hogwild => f.write_str("hogwild"),
            Self::Allreduce { by: Collective::Ring } => f.write_str("allreduce"),
            Self::Allreduce { by: Collective::Tree } => f.write_str("allreduce:tree"),
            Self::Allreduce { by: Collective::Direct } => f.write_str("allreduce:direct"),
            Self::Allreduce { by: Collective::Nested { group } } => write!(f, "hierarchical:{group}"),
            Self::Hierarchical { group, period } if period.count().get() == 1 => {
                write!(f, "hierarchical:{group}")
            }
            Self::Hierarchical { group, period } => write!(f, "hierarchical:{group},{period}"),
        }
    }
}

/// Files name a policy as users do.
impl TryFrom<String> for Policy {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<Policy> for String {
    fn from(policy: Policy) -> Self {
        policy.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for text in [
            "bsp",
            "asp",
            "ssp:0",
            "ssp:3",
            "backup:1",
            "quorum:3",
            "quorum:2,50ms",
            "repetition:2",
            "draco:1",
            "gossip:ring",
            "gossip:torus",
            "gossip:all",
            "mds:7",
            "local:1",
            "local:8",
            "diloco:16",
            "hogwild",
            "allreduce",
            "allreduce:tree",
            "allreduce:direct",
            "hierarchical:4",
            "hierarchical:2,8",
        ] {
            assert_eq!(text.parse::<Policy>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn groups_are_of_one_size() {
        let policy: Policy = "repetition:1".parse().unwrap();
        assert_eq!((policy.copies(), policy.gradients(6)), (2, 3));
        assert!(policy.check(6).is_ok());
        assert!(policy.check(5).unwrap_err().to_string().contains("divisor"));
        let policy: Policy = "draco:1".parse().unwrap();
        assert_eq!((policy.copies(), policy.gradients(6), policy.stands_for()), (3, 2, 1));
        assert!(policy.check(6).is_ok() && policy.waits_for_all() && !policy.heeds_arrival());
        assert_eq!((policy.majority(), Policy::Bsp.majority()), (Some(2), None));
        for workers in [1, 2, 4] {
            assert!(policy.check(workers).unwrap_err().to_string().contains("come out even"));
        }
    }

    #[test]
    fn a_code_needs_no_more_answers_than_there_are_workers() {
        let policy: Policy = "mds:3".parse().unwrap();
        assert_eq!(
            (policy.gradients(5), policy.copies(), policy.coded().map(Least::members)),
            (3, 1, Some(3))
        );
        assert!(policy.check(3).is_ok() && policy.heeds_arrival() && !policy.waits_for_all());
        assert!(policy.check(2).unwrap_err().to_string().contains("at most the number of workers"));
        assert!("mds:0".parse::<Policy>().unwrap_err().to_string().contains("at least 1"));
        assert!("mds:x".parse::<Policy>().unwrap_err().to_string().contains("mds:NEEDED"));
    }

    #[test]
    fn a_wrong_name_lists_the_valid_ones() {
        for text in [
            "",
            "sync",
            "ssp",
            "ssp:",
            "ssp:-1",
            "ssp:x",
            "bsp:1",
            "backup",
            "ssp:1:2",
            "quorum",
            "quorum:x,1s",
            "local",
            "local:x",
            "diloco:-1",
            "hogwild:2",
            "draco:-1",
            "draco:4294967295",
            "gossip",
            "gossip:star",
            "allreduce:",
            "allreduce:2",
            "hierarchical",
            "hierarchical:x",
            "hierarchical:2,",
            "hierarchical:2,3,4",
        ] {
            let message = text.parse::<Policy>().unwrap_err().to_string();
            assert!(message.contains("ssp:BOUND") && message.contains("bsp, asp"), "{message}");
        }
        let message = |text: &str| text.parse::<Policy>().unwrap_err().to_string();
        assert!(message("quorum:0").contains("at least 1"));
        assert!(
            message("quorum:2,").contains("such as 50ms") && message("quorum:2,50").contains("such as 50ms")
        );
    }

    #[test]
    fn without_servers_all_wait_for_all() {
        for (text, by) in [("allreduce", Collective::Ring), ("allreduce:tree", Collective::Tree)] {
            let policy: Policy = text.parse().unwrap();
            assert_eq!(policy.collective(), Some(by));
            assert!(policy.waits_for_all() && !policy.folds_alone() && !policy.heeds_arrival());
            assert_eq!(
                (policy.gradients(5), policy.every(), policy.fold(), policy.outer()),
                (5, None, None, None)
            );
        }
        assert_eq!(Policy::Bsp.collective(), None);
    }

    #[test]
    fn groups_are_several_and_whole_and_their_period_decides_what_an_update_folds() {
        let (each, eighth): (Policy, Policy) =
            ("hierarchical:2,1".parse().unwrap(), "hierarchical:2,8".parse().unwrap());
        assert_eq!(each.to_string(), "hierarchical:2");
        assert_eq!((each.gradients(6), eighth.gradients(6)), (6, 2));
        assert_eq!((each.period(), eighth.period()), (None, Some(Steps::new(8).unwrap())));
        for policy in [each, eighth] {
            assert_eq!(policy.collective(), Some(Collective::Nested { group: 2 }));
            assert!(policy.waits_for_all() && !policy.folds_alone() && !policy.heeds_arrival());
            assert!(policy.check(4).is_ok());
            for members in [1, 2, 5] {
                assert!(policy.check(members).unwrap_err().to_string().contains("several groups"));
            }
        }
        let message = |text: &str| text.parse::<Policy>().unwrap_err().to_string();
        assert!(
            message("hierarchical:1").contains("at least 2") && message("hierarchical:2,0").contains("steps")
        );
    }

    #[test]
    fn policies_of_local_steps_say_what_is_exchanged_and_when() {
        let (local, diloco): (Policy, Policy) = ("local:8".parse().unwrap(), "diloco:16".parse().unwrap());
        assert_eq!(local.every().unwrap().to_string(), "batches:8");
        assert_eq!((local.fold(), diloco.fold()), (Some(Fold::Average), Some(Fold::Average)));
        assert_eq!(local.outer(), Some(Optimizer::unit()), "the mean of the models is taken as it is");
        let outer = diloco.outer().unwrap();
        assert_eq!((outer.rate(), outer.momentum()), (0.7, Some(0.9)));
        for other in ["bsp", "asp", "ssp:1", "backup:1", "quorum:2", "hogwild"] {
            let other: Policy = other.parse().unwrap();
            assert_eq!((other.every(), other.fold(), other.outer()), (None, None, None), "{other}");
        }
    }
}
