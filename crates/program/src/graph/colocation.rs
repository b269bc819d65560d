//! Groups that share processes.
//!
//! A colocation is started, fails and is started again as one, and is one node to the launcher; the nodes in it keep their
//! names, and everything that others know them by.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::outline::{GroupOutline, Kind};
use super::program::{Body, Group};
use crate::life::member::Attendance;
use crate::{Error, Label, NodeName, OnFailure, Program, Resources};

/// Groups that are to share a process, as the graph has them.
pub(crate) struct Shared {
    label: String,
    /// The labels of groups, and of other colocations.
    parts: Vec<String>,
    by_rank: bool,
    until_first: bool,
    policy: Option<OnFailure>,
    resources: Option<Resources>,
}

/// A colocation that is being described; made by [`Program::colocate`], and in the program from then on.
///
/// ```
/// use std::time::Duration;
/// use syncline_program::{Executor, OnFailure, Program, Resources, launch};
///
/// let mut program = Program::new("pairs");
/// program.nodes("actor", 2, async |_| Ok(()));
/// program.nodes("world", 2, async |_| Ok(()));
/// let again = OnFailure::Restart { times: 3, backoff: Duration::from_millis(100) };
/// program
///     .colocate("pair", ["actor", "world"])
///     .by_rank()
///     .on_failure(again)
///     .resources(Resources::default().cpus(1));
/// launch(program, Executor::threads())?.wait()?;
/// # Ok::<(), syncline_program::Error>(())
/// ```
pub struct Colocation<'a> {
    shared: &'a mut Shared,
}

impl<'a> Colocation<'a> {
    pub(crate) fn new(shared: &'a mut Shared) -> Self {
        Self { shared }
    }

    /// One process for each rank, with the nodes of that rank: all groups must have the same size. Without this, one process has
    /// all of them.
    pub fn by_rank(&mut self) -> &mut Self {
        self.shared.by_rank = true;
        self
    }

    /// It ends when the first of its nodes has run to its end; the others are asked to stop. Without this it ends when all have
    /// that run to an end, and its services serve until the program stops.
    pub fn until_first(&mut self) -> &mut Self {
        self.shared.until_first = true;
        self
    }

    /// What happens when one of its nodes fails, with which all of them end; by default the program stops.
    pub fn on_failure(&mut self, policy: OnFailure) -> &mut Self {
        self.shared.policy = Some(policy);
        self
    }

    /// What each process needs, and what its nodes are given.
    pub fn resources(&mut self, resources: Resources) -> &mut Self {
        self.shared.resources = Some(resources);
        self
    }
}

/// Nodes that run in one process.
#[derive(Clone)]
pub(crate) struct Crew {
    until_first: bool,
    parts: Vec<Part>,
}

#[derive(Clone)]
enum Part {
    Node(Berthed),
    Crew(Crew),
}

/// A node of a crew.
#[derive(Clone)]
pub(crate) struct Berthed {
    pub(crate) name: NodeName,
    pub(crate) body: Body,
    /// Whether it has work of its own that ends.
    pub(crate) works: bool,
}

impl Crew {
    /// Its nodes, also those of crews within.
    pub(crate) fn nodes(&self) -> Vec<&Berthed> {
        self.parts.iter().flat_map(Part::nodes).collect()
    }

    /// Whether any of its nodes has work that ends.
    pub(crate) fn works(&self) -> bool {
        self.nodes().iter().any(|node| node.works)
    }

    /// Whether its work is done, now that these nodes have run to their ends.
    pub(crate) fn is_done(&self, finished: &BTreeSet<NodeName>) -> bool {
        let mut parts = self.parts.iter().filter(|part| part.works());
        match self.until_first {
            true => parts.any(|part| part.is_done(finished)),
            false => self.works() && parts.all(|part| part.is_done(finished)),
        }
    }

    /// Those who are to stop, because it was enough that these have run to their ends.
    pub(crate) fn dismissed(&self, finished: &BTreeSet<NodeName>) -> Vec<&NodeName> {
        if self.until_first && self.is_done(finished) {
            return self.nodes().into_iter().map(|node| &node.name).collect();
        }
        self.parts.iter().flat_map(|part| part.dismissed(finished)).collect()
    }
}

impl Part {
    fn nodes(&self) -> Vec<&Berthed> {
        match self {
            Self::Node(node) => vec![node],
            Self::Crew(crew) => crew.nodes(),
        }
    }

    fn dismissed(&self, finished: &BTreeSet<NodeName>) -> Vec<&NodeName> {
        match self {
            Self::Node(_) => Vec::new(),
            Self::Crew(crew) => crew.dismissed(finished),
        }
    }

    fn works(&self) -> bool {
        match self {
            Self::Node(node) => node.works,
            Self::Crew(crew) => crew.works(),
        }
    }

    fn is_done(&self, finished: &BTreeSet<NodeName>) -> bool {
        match self {
            Self::Node(node) => finished.contains(&node.name),
            Self::Crew(crew) => crew.is_done(finished),
        }
    }
}

/// A node to the launcher, with what it does.
pub(crate) struct Unit {
    pub(crate) name: NodeName,
    pub(crate) body: Body,
    /// Whether it has work of its own that ends.
    pub(crate) works: bool,
    pub(crate) policy: OnFailure,
    pub(crate) resources: Arc<Resources>,
    pub(crate) attendance: Attendance,
}

/// All that is to be started, in the order of the groups; a colocation stands where the first of its groups would.
pub(crate) fn units(groups: &[Group], colocations: &[Shared]) -> Vec<Unit> {
    let layout = Layout { groups, colocations };
    let mut begun = BTreeSet::new();
    let mut units = Vec::new();
    for group in groups {
        match layout.outermost(group.label.as_str()) {
            None => units.extend(group.nodes.iter().map(|(name, body)| Unit {
                name: name.clone(),
                body: body.clone(),
                works: group.works(),
                policy: group.policy,
                resources: Arc::clone(&group.resources),
                attendance: group.attendance(name.rank()),
            })),
            Some(shared) if begun.insert(&shared.label) => units.extend(layout.units_of(shared)),
            Some(_) => {}
        }
    }
    units
}

/// How many nodes each group has, and the resources of its processes.
pub(crate) fn sizes(groups: &[Group], colocations: &[Shared]) -> Vec<(Label, usize, Arc<Resources>)> {
    let layout = Layout { groups, colocations };
    let shared = |label: &str| {
        layout.outermost(label).map(|shared| Arc::new(shared.resources.clone().unwrap_or_default()))
    };
    let of_groups = groups.iter().map(|group| {
        let resources = shared(group.label.as_str()).unwrap_or_else(|| Arc::clone(&group.resources));
        (group.label.clone(), group.nodes.len(), resources)
    });
    of_groups.collect()
}

/// What another process compares of them.
pub(crate) fn outlines(groups: &[Group], colocations: &[Shared]) -> Vec<GroupOutline> {
    let layout = Layout { groups, colocations };
    let of = |shared: &Shared| {
        let label = Label::new(&shared.label).unwrap_or_else(|_| Label::refused());
        GroupOutline {
            label,
            kind: Kind::Colocation,
            types: shared.parts.clone(),
            count: layout.count(shared),
        }
    };
    colocations.iter().map(of).collect()
}

/// In which colocation each group is, for people.
pub(crate) fn within<'a>(colocations: &'a [Shared], label: &str) -> Option<&'a str> {
    colocations
        .iter()
        .find(|shared| shared.parts.iter().any(|part| part == label))
        .map(|shared| shared.label.as_str())
}

/// Refuses what cannot share a process.
pub(crate) fn check(groups: &[Group], colocations: &[Shared]) -> Result<(), Error> {
    let layout = Layout { groups, colocations };
    for (at, shared) in colocations.iter().enumerate() {
        let refuse = |why: String| Error::Colocation { label: shared.label.clone(), why };
        Label::new(&shared.label)?;
        let taken = layout.group(&shared.label).is_some() || shared.label == super::program::DRIVER;
        if taken || colocations[..at].iter().any(|earlier| earlier.label == shared.label) {
            return Err(Error::LabelTaken(shared.label.clone()));
        }
        if shared.parts.is_empty() {
            return Err(refuse("it has no group; name at least one".to_owned()));
        }
        shared.parts.iter().try_for_each(|part| layout.check_part(shared, part)).map_err(refuse)?;
    }
    // Once it is known that none contains itself.
    let refuse = |shared: &Shared| {
        let label = shared.label.clone();
        move |why| Error::Colocation { label, why }
    };
    colocations.iter().try_for_each(|shared| layout.check_ranks(shared).map_err(refuse(shared)))
}

struct Layout<'a> {
    groups: &'a [Group],
    colocations: &'a [Shared],
}

impl<'a> Layout<'a> {
    fn group(&self, label: &str) -> Option<&'a Group> {
        self.groups.iter().find(|group| group.label.as_str() == label)
    }

    fn colocation(&self, label: &str) -> Option<&'a Shared> {
        self.colocations.iter().find(|shared| shared.label == label)
    }

    /// The colocations around this label, from the inside; no more than there are, should they go in a circle.
    fn around(&self, label: &str) -> impl Iterator<Item = &'a Shared> {
        let colocations = self.colocations;
        let parent = move |label: &str| {
            within(colocations, label)
                .and_then(|parent| colocations.iter().find(|shared| shared.label == parent))
        };
        let first = parent(label);
        std::iter::successors(first, move |shared| parent(&shared.label)).take(colocations.len() + 1)
    }

    fn outermost(&self, label: &str) -> Option<&'a Shared> {
        self.around(label).last()
    }

    fn check_part(&self, shared: &Shared, part: &str) -> Result<(), String> {
        let holders = self.colocations.iter().flat_map(|shared| &shared.parts).filter(|held| *held == part);
        if holders.count() > 1 {
            return Err(format!("`{part}` is colocated twice; a node is in one process"));
        }
        if self.around(&shared.label).any(|outer| outer.label == shared.label) {
            return Err("it contains itself".to_owned());
        }
        let has_own = match (self.group(part), self.colocation(part)) {
            (Some(group), _) if group.kind == Kind::Here => {
                return Err(format!("`{part}` lives in the launcher on every executor"));
            }
            (Some(group), _) if group.present.is_some() => {
                return Err(format!("`{part}` grows and shrinks, and what shares a process is always there"));
            }
            (Some(group), _) => group.policy != OnFailure::Stop || *group.resources != Resources::NONE,
            (None, Some(inner)) => inner.policy.is_some() || inner.resources.is_some() || inner.by_rank,
            (None, None) => {
                let known: Vec<_> = self.groups.iter().map(|group| format!("`{}`", group.label)).collect();
                return Err(format!("there is no group `{part}`; the groups are {}", known.join(", ")));
            }
        };
        match has_own {
            false => Ok(()),
            true => Err(format!(
                "what shares a process is given resources, fails, and is dealt out as one: give `on_failure`, `resources` and \
                 `by_rank` to `{}`, not to `{part}`",
                shared.label
            )),
        }
    }

    fn check_ranks(&self, shared: &Shared) -> Result<(), String> {
        let sizes: BTreeMap<_, _> =
            self.groups_of(shared).into_iter().map(|group| (group.nodes.len(), &group.label)).collect();
        match (sizes.first_key_value(), sizes.last_key_value()) {
            (Some((few, one)), Some((many, other))) if shared.by_rank && few != many => Err(format!(
                "by rank, all its groups need the same size, and `{one}` has {few} nodes, `{other}` {many}"
            )),
            _ => Ok(()),
        }
    }

    fn groups_of(&self, shared: &Shared) -> Vec<&'a Group> {
        let of = |part: &String| match (self.group(part), self.colocation(part)) {
            (Some(group), _) => vec![group],
            (None, Some(inner)) => self.groups_of(inner),
            (None, None) => Vec::new(),
        };
        shared.parts.iter().flat_map(of).collect()
    }

    /// How many processes it is.
    fn count(&self, shared: &Shared) -> usize {
        let ranks = self.groups_of(shared).first().map_or(0, |group| group.nodes.len());
        if shared.by_rank { ranks } else { 1 }
    }

    fn units_of(&self, shared: &Shared) -> Vec<Unit> {
        let Ok(label) = Label::new(&shared.label) else { return Vec::new() };
        let resources = Arc::new(shared.resources.clone().unwrap_or_default());
        let unit = |(rank, name)| {
            let crew = self.crew(shared, rank);
            Unit {
                name,
                works: crew.works(),
                body: Body::Crew(Arc::new(crew)),
                policy: shared.policy.unwrap_or_default(),
                resources: Arc::clone(&resources),
                attendance: Attendance::Always,
            }
        };
        match shared.by_rank {
            true => {
                let ranks = 0..self.count(shared);
                ranks.map(|rank| unit((Some(rank), NodeName::member(label.clone(), rank)))).collect()
            }
            false => vec![unit((None, NodeName::single(label)))],
        }
    }

    /// Its nodes, or those of one rank.
    fn crew(&self, shared: &Shared, rank: Option<usize>) -> Crew {
        let of = |part: &String| match (self.group(part), self.colocation(part)) {
            (Some(group), _) => group.berths(rank),
            (None, Some(inner)) => vec![Part::Crew(self.crew(inner, rank))],
            (None, None) => Vec::new(),
        };
        Crew { until_first: shared.until_first, parts: shared.parts.iter().flat_map(of).collect() }
    }
}

impl Group {
    fn berths(&self, rank: Option<usize>) -> Vec<Part> {
        let wanted = |(name, _): &&(NodeName, Body)| rank.is_none_or(|rank| name.rank() == rank);
        let berth = |(name, body): &(NodeName, Body)| {
            Part::Node(Berthed { name: name.clone(), body: body.clone(), works: self.works() })
        };
        self.nodes.iter().filter(wanted).map(berth).collect()
    }
}

impl<T: Send + 'static> Program<T> {
    /// Lets groups share a process, in which each of their nodes has a thread: they call each other directly, without a
    /// socket or a copy, and what they return, their names and their handles stay what they are. On threads and in virtual time,
    /// where all nodes share one process anyway, they still start, fail and are started again as one. A colocation may be a part
    /// of another one.
    ///
    /// ```
    /// use syncline_program::ready::Queue;
    /// use syncline_program::{Executor, Program, launch};
    ///
    /// let mut program = Program::new("pairs");
    /// let moves: Queue<usize> = program.queue("moves", 8);
    /// let steps = moves.clone();
    /// program.group("actor", 1).run(async move |ctx| {
    ///     for step in 0..3 {
    ///         steps.at(&ctx).push(step).await?;
    ///     }
    ///     Ok(steps.at(&ctx).close().await?)
    /// });
    /// program.colocate("player", ["actor", "moves"]);
    /// let program = program.driver(async move |ctx| {
    ///     let (moves, mut sum) = (moves.at(&ctx), 0);
    ///     while let Some(step) = moves.pop().await? {
    ///         sum += step;
    ///     }
    ///     Ok(sum)
    /// });
    /// assert_eq!(launch(program, Executor::threads())?.wait()?, 3);
    /// # Ok::<(), syncline_program::Error>(())
    /// ```
    pub fn colocate<'l>(&mut self, label: &str, parts: impl IntoIterator<Item = &'l str>) -> Colocation<'_> {
        let parts = parts.into_iter().map(str::to_owned).collect();
        let label = label.to_owned();
        let (policy, resources) = (None, None);
        self.share(Shared { label, parts, by_rank: false, until_first: false, policy, resources })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> NodeName {
        name.parse().unwrap()
    }

    fn node(label: &str, works: bool) -> Part {
        Part::Node(Berthed { name: name(label), body: Body::Declared, works })
    }

    fn finished(names: &[&str]) -> BTreeSet<NodeName> {
        names.iter().map(|label| name(label)).collect()
    }

    fn crew(until_first: bool, parts: Vec<Part>) -> Crew {
        Crew { until_first, parts }
    }

    #[test]
    fn g7_a_crew_is_done_when_all_that_work_are() {
        let crew = crew(false, vec![node("a/0", true), node("b/0", true), node("server/0", false)]);
        assert!(!crew.is_done(&finished(&["a/0"])));
        assert!(crew.is_done(&finished(&["a/0", "b/0"])));
        assert!(crew.dismissed(&finished(&["a/0", "b/0"])).is_empty(), "the server serves on");
    }

    #[test]
    fn g7_until_the_first_the_others_of_that_crew_are_dismissed_and_no_more() {
        let inner = crew(true, vec![node("a/0", true), node("server/0", false)]);
        let outer = crew(false, vec![Part::Crew(inner), node("b/0", true)]);
        assert!(outer.dismissed(&finished(&["b/0"])).is_empty());
        assert_eq!(outer.dismissed(&finished(&["a/0"])), [&name("a/0"), &name("server/0")]);
        assert!(!outer.is_done(&finished(&["a/0"])));
        assert!(outer.is_done(&finished(&["a/0", "b/0"])));
    }

    #[test]
    fn services_alone_are_never_done() {
        for until_first in [false, true] {
            let crew = crew(until_first, vec![node("server/0", false)]);
            assert!(!crew.is_done(&finished(&["server/0"])) && !crew.works());
        }
    }
}
