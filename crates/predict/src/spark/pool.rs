//! Executors that come and go: as a log recorded it, or as Spark's dynamic allocation does.
//!
//! The rule is that of `ExecutorAllocationManager`: tasks that have waited for the backlog time ask for one executor, then every
//! such time for twice as many as before, never more than the tasks need; an executor without a task for the idle time
//! goes, but for the fewest that stay. One that is asked for comes after its start. What is asked for and no longer needed when it would
//! come does not come.

/// When executors come and go.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Rule {
    /// From, to (for ever without), in seconds since the start of the application.
    Recorded(Vec<(f64, Option<f64>)>),
    /// On demand.
    Demand(Demand),
}

/// Dynamic allocation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Demand {
    pub fewest: usize,
    pub most: usize,
    pub idle_s: f64,
    pub backlog_s: f64,
    /// From the request for an executor until it takes tasks.
    pub start_s: f64,
}

/// A rule, and how many tasks each executor runs at once.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Elastic {
    pub rule: Rule,
    pub each: usize,
}

/// What happens to a pool at its own times.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Change {
    /// An executor registers.
    Comes,
    /// An executor may have been idle for long enough.
    MayGo(u32),
    /// A recorded executor goes.
    Goes(u32),
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Executor {
    came_s: f64,
    gone_s: Option<f64>,
    busy: usize,
    idle_since_s: f64,
}

/// The executors of a run, from its start on. Times are seconds since then.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pool {
    elastic: Elastic,
    executors: Vec<Executor>,
    /// When those that were asked for come.
    coming: Vec<f64>,
    /// How many are asked for next.
    step: usize,
}

impl Pool {
    pub fn new(elastic: &Elastic) -> Self {
        let fewest = match &elastic.rule {
            Rule::Demand(demand) => demand.fewest,
            Rule::Recorded(_) => 0,
        };
        let first = Executor { came_s: 0.0, gone_s: None, busy: 0, idle_since_s: 0.0 };
        Self { elastic: elastic.clone(), executors: vec![first; fewest], coming: Vec::new(), step: 1 }
    }

    /// Tasks that each executor runs at once.
    pub fn each(&self) -> usize {
        self.elastic.each
    }

    fn is_there(executor: &Executor) -> bool {
        executor.gone_s.is_none()
    }

    fn count(&self) -> usize {
        self.executors.iter().filter(|executor| Self::is_there(executor)).count()
    }

    /// Free slots of those that are there.
    pub fn free(&self) -> usize {
        let there = self.executors.iter().filter(|executor| Self::is_there(executor));
        there.map(|executor| self.elastic.each.saturating_sub(executor.busy)).sum()
    }

    /// Lets the time until `now` pass without a task, and says what will change later.
    pub fn pass(&mut self, now: f64) -> Vec<(f64, Change)> {
        match self.elastic.rule.clone() {
            Rule::Recorded(list) => self.pass_recorded(&list, now),
            Rule::Demand(demand) => self.pass_demand(demand, now),
        }
    }

    fn pass_recorded(&mut self, list: &[(f64, Option<f64>)], now: f64) -> Vec<(f64, Change)> {
        let mut changes = Vec::new();
        for &(from, to) in &list[self.executors.len().min(list.len())..] {
            if from > now {
                changes.push((from, Change::Comes));
                continue;
            }
            self.executors.push(Executor { came_s: from, gone_s: None, busy: 0, idle_since_s: from });
            let number = self.executors.len() as u32 - 1;
            changes.extend(to.map(|to| (to.max(now), Change::Goes(number))));
        }
        for (number, &(_, to)) in list.iter().enumerate().take(self.executors.len()) {
            let due = to.filter(|to| *to <= now && Self::is_there(&self.executors[number]));
            if let Some(to) = due {
                self.executors[number].gone_s = Some(to);
            }
        }
        changes.retain(|(_, change)| !matches!(change, Change::Goes(at) if !Self::is_there(&self.executors[*at as usize])));
        changes
    }

    fn pass_demand(&mut self, demand: Demand, now: f64) -> Vec<(f64, Change)> {
        // Without tasks nothing is needed beyond the fewest.
        self.coming.retain(|at| *at > now);
        let mut changes: Vec<(f64, Change)> = self.coming.iter().map(|at| (*at, Change::Comes)).collect();
        let mut count = self.count();
        for (number, executor) in self.executors.iter_mut().enumerate() {
            if executor.gone_s.is_some() {
                continue;
            }
            let due = executor.idle_since_s + demand.idle_s;
            if due <= now && count > demand.fewest {
                executor.gone_s = Some(due);
                count -= 1;
            } else {
                changes.push((due.max(now), Change::MayGo(number as u32)));
            }
        }
        changes
    }

    /// Gives a task to the executor that has fewest of them; there must be a free slot.
    pub fn take(&mut self) -> u32 {
        let each = self.elastic.each;
        let free = self.executors.iter().enumerate();
        let free = free.filter(|(_, executor)| Self::is_there(executor) && executor.busy < each);
        let Some((number, _)) = free.min_by_key(|(_, executor)| executor.busy) else { return 0 };
        self.executors[number].busy += 1;
        number as u32
    }

    /// A task's slot is free again; says when its executor may go, if it has no other task.
    pub fn release(&mut self, number: u32, now: f64) -> Option<(f64, Change)> {
        let executor = &mut self.executors[number as usize];
        executor.busy = executor.busy.saturating_sub(1);
        if executor.busy > 0 {
            return None;
        }
        executor.idle_since_s = now;
        match &self.elastic.rule {
            Rule::Demand(demand) => Some((now + demand.idle_s, Change::MayGo(number))),
            Rule::Recorded(_) => None,
        }
    }

    /// Applies a change; how many slots come (or go, below 0), and what follows.
    pub fn change(&mut self, change: Change, now: f64, tasks: usize) -> (isize, Option<(f64, Change)>) {
        let each = self.elastic.each as isize;
        match (change, &self.elastic.rule) {
            (Change::Comes, Rule::Recorded(list)) => {
                let number = self.executors.len();
                let goes = list.get(number).and_then(|times| times.1);
                self.executors.push(Executor { came_s: now, gone_s: None, busy: 0, idle_since_s: now });
                (each, goes.map(|to| (to.max(now), Change::Goes(number as u32))))
            }
            (Change::Comes, Rule::Demand(demand)) => {
                let at = self.coming.iter().position(|at| *at <= now + 1e-9);
                at.map(|at| self.coming.swap_remove(at));
                if self.count() >= self.needed(*demand, tasks) {
                    return (0, None);
                }
                let goes = (now + demand.idle_s, Change::MayGo(self.executors.len() as u32));
                self.executors.push(Executor { came_s: now, gone_s: None, busy: 0, idle_since_s: now });
                (each, Some(goes))
            }
            (Change::MayGo(number), Rule::Demand(demand)) => {
                let executor = self.executors[number as usize];
                let is_idle = executor.busy == 0 && executor.idle_since_s + demand.idle_s <= now + 1e-9;
                if !is_idle || !Self::is_there(&executor) || self.count() <= demand.fewest {
                    return (0, None);
                }
                self.executors[number as usize].gone_s = Some(now);
                (-each, None)
            }
            (Change::Goes(number), _) | (Change::MayGo(number), _) => {
                let executor = &mut self.executors[number as usize];
                if executor.gone_s.is_some() {
                    return (0, None);
                }
                // Its tasks end elsewhere in the log; here they end where they are.
                let idle = each - executor.busy as isize;
                executor.gone_s = Some(now);
                (-idle.max(0), None)
            }
        }
    }

    /// Whether an executor went while it had this task.
    pub fn is_gone(&self, number: u32) -> bool {
        self.executors.get(number as usize).is_some_and(|executor| executor.gone_s.is_some())
    }

    fn needed(&self, demand: Demand, tasks: usize) -> usize {
        tasks.div_ceil(self.elastic.each).clamp(demand.fewest.min(demand.most), demand.most)
    }

    /// How long tasks wait until executors are asked for; nothing where executors come by themselves.
    pub fn backlog_s(&self) -> Option<f64> {
        match &self.elastic.rule {
            Rule::Demand(demand) => Some(demand.backlog_s),
            Rule::Recorded(_) => None,
        }
    }

    /// Asks for executors, since tasks wait: so many of them wait or run. Says when those come that are new.
    pub fn ask(&mut self, now: f64, tasks: usize) -> Vec<f64> {
        let Rule::Demand(demand) = self.elastic.rule else { return Vec::new() };
        let has = self.count() + self.coming.len();
        let more = self.needed(demand, tasks).saturating_sub(has).min(self.step);
        self.step = if more == self.step { 2 * self.step } else { 1 };
        let new = vec![now + demand.start_s; more];
        self.coming.extend(&new);
        new
    }

    /// No task waits any more.
    pub fn rest(&mut self) {
        self.step = 1;
    }

    /// The time that executors were there until `end_s`, together.
    pub fn executor_s(&self, end_s: f64) -> f64 {
        let there =
            |executor: &Executor| (executor.gone_s.unwrap_or(end_s).min(end_s) - executor.came_s).max(0.0);
        self.executors.iter().map(there).sum()
    }

    /// The most executors at one time.
    pub fn most(&self) -> usize {
        let mut changes: Vec<(f64, i8)> =
            self.executors.iter().map(|executor| (executor.came_s, 1)).collect();
        changes.extend(self.executors.iter().filter_map(|executor| Some((executor.gone_s?, -1))));
        changes.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let (mut now, mut most) = (0i64, 0);
        for (_, change) in changes {
            now += i64::from(change);
            most = most.max(now);
        }
        most.unsigned_abs() as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demand(fewest: usize, most: usize) -> Elastic {
        let demand = Demand { fewest, most, idle_s: 60.0, backlog_s: 1.0, start_s: 2.0 };
        Elastic { rule: Rule::Demand(demand), each: 4 }
    }

    #[test]
    fn requests_double_and_stop_at_what_tasks_need() {
        let mut pool = Pool::new(&demand(0, 100));
        let asked: Vec<usize> = (1..=5).map(|second| pool.ask(f64::from(second), 50).len()).collect();
        assert_eq!(asked, [1, 2, 4, 6, 0], "13 executors for 50 tasks");
        assert_eq!(pool.change(Change::Comes, 3.0, 50).0, 4);
        assert_eq!(pool.change(Change::Comes, 4.0, 4).0, 0, "no longer needed");
    }

    #[test]
    fn idle_executors_go_but_for_the_fewest() {
        let mut pool = Pool::new(&demand(1, 9));
        pool.ask(0.0, 8);
        assert_eq!(pool.change(Change::Comes, 2.0, 8).0, 4);
        let number = pool.take();
        assert!(pool.change(Change::MayGo(1 - number), 70.0, 1).0 == -4 && pool.count() == 1);
        assert_eq!(pool.release(number, 80.0), Some((140.0, Change::MayGo(number))));
        assert_eq!(pool.change(Change::MayGo(number), 140.0, 0).0, 0, "the fewest stay");
        assert_eq!((pool.most(), pool.free()), (2, 4));
    }

    #[test]
    fn recorded_executors_come_and_go_as_they_did() {
        let rule = Rule::Recorded(vec![(0.0, Some(5.0)), (3.0, None)]);
        let mut pool = Pool::new(&Elastic { rule, each: 2 });
        assert_eq!(pool.pass(1.0), [(5.0, Change::Goes(0)), (3.0, Change::Comes)]);
        assert_eq!((pool.free(), pool.change(Change::Comes, 3.0, 9).0), (2, 2));
        assert_eq!(pool.pass(9.0), []);
        assert_eq!((pool.free(), pool.executor_s(10.0)), (2, 5.0 + 7.0));
    }
}
