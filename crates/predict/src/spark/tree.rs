//! treeAggregate with another depth, or over another number of partitions.
//!
//! Spark folds P partial results in levels: with scale = max(ceil(P^(1/depth)), 2), while P > scale + ceil(P/scale) it
//! inserts a level of P/scale tasks. A task of an inner level costs a + b m for the m results that it reads; where the
//! log shows one m only, the truth lies between all of it fixed and all of it proportional. Leaves keep their work.

use super::replay::{FARTHEST, own_room};
use super::work::{Group, SparkProfile, StageWork, TaskWork};
use crate::{Error, Interval};

/// The jobs of a tree of one kind with another shape.
#[derive(Debug, Clone, PartialEq)]
pub struct TreeForecast {
    /// How many jobs.
    pub jobs: usize,
    /// Tasks of each level now.
    pub levels_now: Vec<usize>,
    /// Tasks of each level then.
    pub levels: Vec<usize>,
    /// Their time now, in seconds.
    pub now_s: f64,
    /// Their time then.
    pub then_s: Interval,
}

/// The levels above `partitions` leaves.
pub(super) fn inner_levels(partitions: usize, depth: usize) -> Vec<usize> {
    let scale = ((partitions as f64).powf(1.0 / depth as f64) - 1e-9).ceil().max(2.0) as usize;
    let (mut levels, mut left) = (Vec::new(), partitions);
    while left > scale + left.div_ceil(scale) {
        left /= scale;
        levels.push(left);
    }
    levels
}

impl SparkProfile {
    /// The treeAggregate jobs of the log at another depth; `partitions` leaves share the same work.
    ///
    /// # Errors
    /// [`Error::CannotTell`] if the log has no such jobs, or `partitions` are more than eight times its leaves.
    pub fn tree(&self, depth: usize, partitions: Option<usize>) -> Result<TreeForecast, Error> {
        let trees: Vec<&Group> = self.trees();
        let Some(first) = trees.first() else {
            let why = "the log has no two jobs that are the same treeAggregate".into();
            return Err(Error::CannotTell { why });
        };
        if depth == 0 {
            return Err(Error::CannotTell { why: "a tree of depth 0 has no leaves".into() });
        }
        let levels_now: Vec<usize> = first.stages.iter().map(|stage| stage.tasks.len()).collect();
        let leaves = partitions.unwrap_or(levels_now[0]).max(1);
        if leaves > FARTHEST * levels_now[0] {
            let why =
                format!("{leaves} leaves are more than {FARTHEST} times the {} of the log", levels_now[0]);
            return Err(Error::CannotTell { why });
        }
        let mut levels = vec![leaves];
        levels.extend(inner_levels(leaves, depth));
        if levels_now.len() > 1 && levels_now.last() == Some(&1) {
            levels.push(1);
        }
        let (fixed, proportional) = inner_costs(&trees);
        let reshaped = |inner: Inner, leaf: Leaf| -> Vec<Group> {
            trees.iter().map(|tree| reshape(tree, &levels, inner, leaf)).collect()
        };
        let value = reshaped(middle(fixed, proportional), Leaf::HalfFixed);
        let then = self.total(&value);
        let cheap = self.total(&reshaped(proportional, Leaf::Divided));
        let dear = self.total(&reshaped(fixed, Leaf::Fixed));
        let now: Vec<Group> = trees.iter().map(|tree| (*tree).clone()).collect();
        Ok(TreeForecast {
            jobs: trees.len(),
            levels_now,
            levels,
            now_s: self.total(&now),
            then_s: own_room(self, &value, then).containing(cheap).containing(dear),
        })
    }

    /// Jobs that are a chain of treeAggregate stages: those of the most frequent kind, without the first of them, which
    /// warms its code up.
    fn trees(&self) -> Vec<&Group> {
        let is_tree = |group: &&Group| {
            let chained =
                group.stages.iter().enumerate().all(|(at, stage)| at == 0 || stage.parents == [at - 1]);
            let named = group.stages.iter().all(|stage| stage.name.contains("treeAggregate"));
            // A stage whose tasks the log has lost has no work to share out.
            let whole = group.stages.iter().all(|stage| !stage.tasks.is_empty());
            group.jobs.len() == 1 && group.stages.len() > 1 && chained && named && whole
        };
        let kind = |tree: &Group| (tree.stages[0].name.clone(), tree.shape());
        let mut trees: Vec<&Group> = self.groups.iter().filter(is_tree).collect();
        trees.sort_by_key(|tree| kind(tree));
        let most = trees.chunk_by(|a, b| kind(a) == kind(b)).max_by_key(|alike| alike.len());
        most.map_or(Vec::new(), |alike| alike[1..].to_vec())
    }
}

/// What a task of an inner level costs: `fixed_s + each_s` times the results that it reads.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Inner {
    fixed_s: f64,
    each_s: f64,
}

/// How the work of a leaf changes with the number of leaves.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Leaf {
    /// Not at all.
    Fixed,
    /// As much of it as the shortest leaf takes is paid once, half of that by every leaf.
    HalfFixed,
    /// All of it is shared among them.
    Divided,
}

/// The extremes that agree with the log: least squares over the levels if they read different numbers of results, else
/// all fixed and all proportional.
fn inner_costs(trees: &[&Group]) -> (Inner, Inner) {
    let mut points = Vec::new();
    for tree in trees {
        for pair in tree.stages.windows(2) {
            let reads = pair[0].tasks.len() as f64 / pair[1].tasks.len().max(1) as f64;
            points.extend(pair[1].tasks.iter().map(|task| (reads, task.work_s)));
        }
    }
    let count = points.len().max(1) as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (reads, work) = (mean(|point| point.0), mean(|point| point.1));
    let spread: f64 = points.iter().map(|point| (point.0 - reads).powi(2)).sum();
    if spread < 1e-9 {
        return (Inner { fixed_s: work, each_s: 0.0 }, Inner { fixed_s: 0.0, each_s: work / reads.max(1.0) });
    }
    let slope = points.iter().map(|point| (point.0 - reads) * (point.1 - work)).sum::<f64>() / spread;
    let each_s = slope.clamp(0.0, work / reads);
    let fitted = Inner { fixed_s: work - each_s * reads, each_s };
    (fitted, fitted)
}

fn middle(a: Inner, b: Inner) -> Inner {
    Inner { fixed_s: 0.5 * (a.fixed_s + b.fixed_s), each_s: 0.5 * (a.each_s + b.each_s) }
}

fn reshape(tree: &Group, levels: &[usize], inner: Inner, leaf: Leaf) -> Group {
    let mut group = tree.clone();
    let (first, last) = (&tree.stages[0], &tree.stages[tree.stages.len() - 1]);
    group.stages = vec![StageWork { tasks: leaves(&first.tasks, levels[0], leaf), ..first.clone() }];
    for (at, pair) in levels.windows(2).enumerate() {
        let like = tree.stages.get(at + 1).unwrap_or(last);
        let work_s = inner.fixed_s + inner.each_s * pair[0] as f64 / pair[1] as f64;
        let notice_s =
            like.tasks.iter().map(|task| task.notice_s).sum::<f64>() / like.tasks.len().max(1) as f64;
        let task = TaskWork { work_s, run_s: work_s, processor_s: work_s, notice_s, ..TaskWork::default() };
        let tasks = vec![task; pair[1]];
        group.stages.push(StageWork { parents: vec![at], tasks, ..like.clone() });
    }
    group
}

/// The same work in another number of leaves.
fn leaves(tasks: &[TaskWork], number: usize, leaf: Leaf) -> Vec<TaskWork> {
    let ratio = tasks.len() as f64 / number as f64;
    let shortest = tasks.iter().map(|task| task.run_s).fold(f64::INFINITY, f64::min);
    let fixed = |task: &TaskWork| {
        match leaf {
            Leaf::Fixed => shortest,
            Leaf::HalfFixed => 0.5 * shortest,
            Leaf::Divided => 0.0,
        }
        .min(task.run_s)
    };
    (0..number)
        .map(|at| {
            // Places keep their order: the leaf at the same share of the way.
            let task = &tasks[(at * tasks.len() / number).min(tasks.len() - 1)];
            let run_s = if number == tasks.len() {
                task.run_s
            } else {
                fixed(task) + (task.run_s - fixed(task)) * ratio
            };
            TaskWork {
                run_s,
                work_s: task.work_s - task.run_s + run_s,
                processor_s: task.processor_s.min(run_s),
                ..*task
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_those_of_spark() {
        // As in the logs: 4 > 1 at depth 2, 8 > 4 > 1 at depth 3; the last one is made elsewhere.
        assert!(inner_levels(4, 2).is_empty());
        assert_eq!(inner_levels(8, 3), [4]);
        assert_eq!(inner_levels(8, 2), [2]);
        assert!(inner_levels(8, 1).is_empty());
        assert_eq!(inner_levels(1000, 2), [31]);
        assert_eq!(inner_levels(1000, 3), [100, 10]);
    }
}
