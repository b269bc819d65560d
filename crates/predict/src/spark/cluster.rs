//! Other clusters: executors times cores, with other memory, fixed or on demand.

use syncline_explain::spark::Allocation;

use super::memory::share_b;
use super::pool::{Demand, Elastic, Pool, Rule};
use super::replay::FARTHEST;
use super::work::{Group, SparkProfile};
use super::{Size, replay};
use crate::{Error, Interval};

/// A cluster that is asked about.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cluster {
    /// How many executors; with dynamic allocation not counted.
    pub executors: usize,
    /// Tasks that each runs at once.
    pub cores_each: usize,
    /// Bytes of each; `None` for the log's.
    pub memory: Option<u64>,
    /// Executors that come and go on demand; `None` for as many as `executors` all the time.
    pub on_demand: Option<OnDemand>,
    /// The machines below; its slots are not looked at.
    pub size: Size,
}

/// Dynamic allocation that is asked about.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OnDemand {
    /// Its settings.
    pub allocation: Allocation,
    /// From a request until the executor takes tasks, in seconds; `None` for what the log shows.
    pub start_s: Option<f64>,
}

/// What a cluster would give.
#[derive(Debug, Clone, PartialEq)]
pub struct ClusterForecast {
    /// Time in jobs.
    pub job_s: Interval,
    /// Time of the whole application.
    pub wall_s: Interval,
    /// Time in jobs by Sparklens' method, which knows neither memory nor executors that come and go.
    pub sparklens_s: f64,
    /// Share of the slots' time in jobs that tasks hold.
    pub busy_share: f64,
    /// The time that executors are held, all together.
    pub executor_s: Interval,
    /// The most executors at one time.
    pub executors: usize,
    /// Tasks that each runs at once.
    pub cores_each: usize,
    /// Bytes spilled, as large as they are in memory.
    pub spilled_b: f64,
    /// What was taken for granted because the log does not show it.
    pub assumed: Vec<String>,
}

impl SparkProfile {
    /// Executors at one time, and tasks that each ran at once.
    pub fn shape(&self) -> (usize, usize) {
        (self.executors, self.slots_each())
    }

    /// From the start of the application until an executor took tasks, in seconds; `None` where tasks ran beside the driver.
    pub fn executor_start_s(&self) -> Option<f64> {
        self.executor.start_s
    }

    /// How executors came and went, where they did so on demand.
    pub fn allocation(&self) -> Option<Allocation> {
        self.executor.allocation
    }

    /// The same jobs on another cluster.
    ///
    /// # Errors
    /// [`Error::CannotTell`] where the log does not hold what is asked: too far away, a change of what is spilled without its
    /// price, executors on demand whose start was never seen.
    pub fn on(&self, cluster: &Cluster) -> Result<ClusterForecast, Error> {
        let mut assumed = Vec::new();
        let elastic =
            cluster.on_demand.map(|asked| self.elastic(cluster, &asked, &mut assumed)).transpose()?;
        let slots = match &elastic {
            Some((_, most)) => *most * cluster.cores_each,
            None => cluster.executors * cluster.cores_each,
        };
        let executors = elastic.as_ref().map_or(cluster.executors, |(_, most)| *most);
        let kind = &self.executor;
        let memory = cluster.memory.unwrap_or(kind.memory) as f64;
        let mut changed = self.with_share(share_b(memory, kind.fraction, cluster.cores_each))?;
        let heap_ratio = memory / cluster.cores_each as f64 * self.slots_each() as f64 / kind.memory as f64;
        let fetched_s = self.fetch(&mut changed.groups, executors, &mut assumed);
        self.say_what_is_not_known(cluster, heap_ratio, &mut assumed);
        let then = Self {
            groups: changed.groups,
            executors,
            elastic: elastic.as_ref().map(|(elastic, _)| elastic.clone()),
            ..self.clone()
        };
        let hardware = cluster.size.hardware.map(|_| slots as f64);
        let size = Size { slots, hardware, ..cluster.size };
        let found = then.play(size)?;
        // Both are shares of what tasks do: they count as that share of the time.
        let work_s: f64 = then.groups.iter().map(Group::busy_s).sum();
        let doubt = (changed.doubt_s + fetched_s) / work_s.max(f64::MIN_POSITIVE);
        let garbage = kind.gc_share * (1.0 - 1.0 / heap_ratio.max(1e-3)).abs();
        let wider = |interval: Interval| interval.widened(doubt).widened(garbage).positive();
        let (mut job_s, mut wall_s) = (wider(found.job_s), wider(found.wall_s));
        let mut executor_s = wall_s.scaled(executors as f64);
        let mut most = executors;
        if let Some((elastic, _)) = &elastic {
            let held = then.held(size, elastic);
            most = held.1;
            executor_s = wall_s.scaled(held.0 / wall_s.value);
            // A log's executors start once, with the driver: half of that may be the driver's.
            if let Some(other) = faster(elastic) {
                let early = Self { elastic: Some(other), ..then };
                let other = early.play(size)?;
                job_s = job_s.containing_like(other.job_s.value);
                wall_s = wall_s.containing_like(other.wall_s.value);
            }
        }
        Ok(ClusterForecast {
            job_s,
            wall_s,
            sparklens_s: found.sparklens_s,
            busy_share: found.busy_share,
            executor_s,
            executors: most,
            cores_each: cluster.cores_each,
            spilled_b: changed.spilled_b,
            assumed,
        })
    }

    /// The rule by which executors come and go, and the most of them.
    fn elastic(
        &self,
        cluster: &Cluster,
        asked: &OnDemand,
        assumed: &mut Vec<String>,
    ) -> Result<(Elastic, usize), Error> {
        let cannot = |why: &str| Error::CannotTell { why: why.to_owned() };
        if self.barrier_stages() > 0 {
            return Err(cannot("Spark refuses barrier stages under dynamic allocation"));
        }
        let start_s = asked.start_s.or(self.executor.start_s).ok_or_else(|| {
            cannot(
                "tasks ran beside the driver, so that the log does not show how long an executor takes to start \
                 (--executor-start)",
            )
        })?;
        let allocation = asked.allocation;
        let widest = self.groups.iter().flat_map(|group| &group.stages).map(|stage| stage.tasks.len()).max();
        let useful = widest.unwrap_or(1).max(1).div_ceil(cluster.cores_each);
        let reach = (FARTHEST * self.slots / cluster.cores_each).max(1);
        let most = allocation.most.unwrap_or(usize::MAX).min(useful.max(allocation.fewest)).min(reach).max(1);
        if asked.start_s.is_none() {
            assumed.push(format!(
                "an executor takes {start_s:.1} s to start, as the log's took from the application's start; the interval holds half of it"
            ));
        }
        assumed.push("executors with cached data or shuffle files go as others do".to_owned());
        let demand = Demand {
            fewest: allocation.fewest.min(most),
            most,
            idle_s: allocation.idle_s,
            backlog_s: allocation.backlog_s,
            start_s,
        };
        Ok((Elastic { rule: Rule::Demand(demand), each: cluster.cores_each }, most))
    }

    /// Executor seconds and the most executors at once, of the whole application.
    fn held(&self, size: Size, elastic: &Elastic) -> (f64, usize) {
        let mut pool = Pool::new(elastic);
        let groups = self.groups_at(size);
        let end_s = replay::through(&groups, &mut pool).1;
        let tail_s =
            self.wall_s - self.groups.iter().map(|group| group.gap_s + group.measured_s).sum::<f64>();
        let end_s = end_s + tail_s.max(0.0);
        pool.pass(end_s);
        (pool.executor_s(end_s), pool.most())
    }

    /// Other executors read another share of the shuffled bytes from each other; by how much tasks' time changes in all.
    fn fetch(&self, groups: &mut [Group], executors: usize, assumed: &mut Vec<String>) -> f64 {
        let others = |count: usize| 1.0 - 1.0 / count.max(1) as f64;
        let (now, then) = (others(self.executors), others(executors));
        match self.executor.remote_share {
            Some(share) if share > 0.0 && now > 0.0 => {
                let mut changed = 0.0;
                let tasks =
                    groups.iter_mut().flat_map(|group| &mut group.stages).flat_map(|stage| &mut stage.tasks);
                for task in tasks {
                    let longer = f64::from(task.fetch_s) * (then / now - 1.0);
                    task.work_s = (task.work_s + longer).max(0.0);
                    task.run_s = (task.run_s + longer).max(0.0);
                    changed += longer.abs();
                }
                changed
            }
            Some(_) if then > 0.0 => {
                assumed.push(
                    "reading from other executors costs as much as from the own one, of which alone the log has any".to_owned(),
                );
                0.0
            }
            _ => 0.0,
        }
    }

    fn say_what_is_not_known(&self, cluster: &Cluster, heap_ratio: f64, assumed: &mut Vec<String>) {
        let kind = &self.executor;
        if kind.is_local && (cluster.executors > 1 || cluster.on_demand.is_some()) {
            assumed.push(
                "executors cost no more than the log's tasks beside the driver: their messages are not in it"
                    .to_owned(),
            );
        }
        if (heap_ratio - 1.0).abs() > 1e-9 && kind.gc_share > 0.01 {
            assumed.push(format!(
                "collecting garbage takes {:.0} % of the tasks' time; the interval holds as much more or less as memory is",
                100.0 * kind.gc_share
            ));
        }
        if heap_ratio < 1.0 && self.memory().largest_need_b == 0.0 {
            assumed.push(
                "tasks measured no memory of theirs, so that less of it is taken to be enough".to_owned(),
            );
        }
    }
}

/// The same with executors that start in half the time.
fn faster(elastic: &Elastic) -> Option<Elastic> {
    let Rule::Demand(demand) = elastic.rule else { return None };
    let demand = Demand { start_s: 0.5 * demand.start_s, ..demand };
    Some(Elastic { rule: Rule::Demand(demand), ..elastic.clone() })
}
