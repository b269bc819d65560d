//! Spark's scheduler over whole tasks: stages in the order of their jobs, tasks in the order of their launch, each to
//! the next free slot.
//!
//! A barrier stage needs all its slots in one round of offers. The end of a task offers the slots of its executor only,
//! so on executors with fewer slots than the stage has tasks it starts at the next full round: a submission, or the
//! revive timer's tick (`spark.scheduler.revive.interval`). Later stages may overtake it meanwhile, as they do in Spark.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use super::pool::{Change, Pool};
use super::work::{Group, JobWork, StageWork};

/// What tasks run on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Slots {
    /// How many there are.
    pub number: usize,
    /// The revive timer, where the end of a task does not offer all slots.
    pub timer: Option<Timer>,
}

/// The revive timer: ticks at `phase_s`, `phase_s + period_s` ...
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Timer {
    pub period_s: f64,
    pub phase_s: f64,
}

impl Timer {
    fn next(self, now: f64) -> f64 {
        let ticks = ((now - self.phase_s) / self.period_s).floor() + 1.0;
        let at = self.phase_s + ticks.max(0.0) * self.period_s;
        // Rounding must not give the tick that just was.
        if at > now { at } else { at + self.period_s }
    }
}

/// What came of a group of jobs, in seconds since its start.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Schedule {
    /// The start of each job.
    pub started_s: Vec<f64>,
    /// The end of each job.
    pub ended_s: Vec<f64>,
    /// When each stage could launch, and when it did.
    pub stages: Vec<Passage>,
}

/// A stage's way to its slots.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Passage {
    /// When it was ready to launch.
    pub ready_s: f64,
    /// When its first task was launched.
    pub launched_s: f64,
}

impl Schedule {
    /// The end of the last job.
    pub fn end_s(&self) -> f64 {
        self.ended_s.iter().copied().fold(0.0, f64::max)
    }

    /// The time in which at least one job is open: jobs that arrive by themselves leave more of it idle on more slots.
    pub fn open_s(&self) -> f64 {
        let mut jobs: Vec<(f64, f64)> =
            self.started_s.iter().copied().zip(self.ended_s.iter().copied()).collect();
        jobs.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (mut open, mut until) = (0.0, f64::NEG_INFINITY);
        for (start, end) in jobs {
            open += (end - start.max(until)).max(0.0);
            until = until.max(end);
        }
        open
    }
}

/// A time that sorts.
#[derive(Debug, Clone, Copy, PartialEq)]
struct At(f64);

impl Eq for At {}

impl PartialOrd for At {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for At {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// A slot of this executor can take a task again.
    Free(u32),
    /// An executor may have been idle for long enough.
    MayGo(u32),
    /// A recorded executor goes.
    Goes(u32),
    /// An executor registers.
    Comes,
    /// Tasks may have waited for so long that executors are asked for.
    Review,
    /// The stage can launch; offers go round.
    Submitted(usize),
    /// The timer revives all offers.
    Tick,
}

struct Run<'a> {
    group: &'a Group,
    slots: Slots,
    /// Executors that come and go, and the group's start by their time; none where the slots are fixed.
    pool: Option<(&'a mut Pool, f64)>,
    /// Whether it will be asked whether tasks wait.
    reviewing: bool,
    /// Stages that are not done.
    undone: usize,
    /// Tasks that run.
    running: usize,
    events: BinaryHeap<Reverse<(At, Event)>>,
    free: usize,
    /// Stages with tasks to launch, in order of (job, stage).
    waiting: BTreeSet<(usize, usize)>,
    /// The same for barrier stages.
    gathering: BTreeSet<(usize, usize)>,
    /// Tasks of the smallest barrier stage.
    narrowest: usize,
    next_task: Vec<usize>,
    open_parents: Vec<usize>,
    children: Vec<Vec<usize>>,
    ready_s: Vec<f64>,
    done_s: Vec<f64>,
    passages: Vec<Option<Passage>>,
    ticking: bool,
    /// Stages of each job that are not done.
    open_stages: Vec<usize>,
    started_s: Vec<f64>,
    /// The end of each job's last stage so far.
    last_s: Vec<f64>,
    /// Jobs that start when one has ended.
    followers: Vec<Vec<usize>>,
    /// The stages of those that do.
    following: Vec<Vec<usize>>,
}

/// Plays a group on `slots`. Barrier stages must fit.
pub(super) fn schedule(group: &Group, slots: Slots) -> Schedule {
    let mut run = Run::new(group, slots, None);
    run.start();
    while let Some(Reverse((At(now), event))) = run.events.pop() {
        run.take(now, event);
    }
    run.finish()
}

/// Plays a group that starts at `start_s` on executors that come and go. `None` if its tasks wait for ever.
pub(super) fn schedule_on(group: &Group, pool: &mut Pool, start_s: f64) -> Option<Schedule> {
    let changes = pool.pass(start_s);
    let slots = Slots { number: pool.free(), timer: None };
    let mut run = Run::new(group, slots, Some((pool, start_s)));
    changes.into_iter().for_each(|(at, change)| run.expect(at, change));
    run.start();
    while run.undone > 0 {
        let Reverse((At(now), event)) = run.events.pop()?;
        run.take(now, event);
    }
    // What the last tasks leave behind is free again before the next group.
    while let Some(Reverse((At(now), event))) = run.events.pop() {
        if let (Event::Free(executor), Some((pool, start_s))) = (event, &mut run.pool) {
            pool.release(executor, *start_s + now);
        }
    }
    Some(run.finish())
}

/// When a job's stages may begin; one that follows from another job is told when that has ended.
fn ready_s(job: &JobWork) -> f64 {
    if job.after.is_some() { 0.0 } else { job.start_s }
}

impl<'a> Run<'a> {
    fn new(group: &'a Group, slots: Slots, pool: Option<(&'a mut Pool, f64)>) -> Self {
        let stages = &group.stages;
        let mut children = vec![Vec::new(); stages.len()];
        for (at, stage) in stages.iter().enumerate() {
            stage.parents.iter().for_each(|&parent| children[parent].push(at));
        }
        let mut open_stages = vec![0; group.jobs.len()];
        stages.iter().for_each(|stage| open_stages[stage.job] += 1);
        let mut followers = vec![Vec::new(); group.jobs.len()];
        for (at, job) in group.jobs.iter().enumerate() {
            job.after.iter().for_each(|after| followers[after.job].push(at));
        }
        let mut following = vec![Vec::new(); group.jobs.len()];
        for (at, stage) in stages.iter().enumerate() {
            group.jobs[stage.job].after.iter().for_each(|_| following[stage.job].push(at));
        }
        // A job that follows from another one is one more thing that its stages wait for.
        let held = |stage: &StageWork| usize::from(group.jobs[stage.job].after.is_some());
        Self {
            group,
            slots,
            pool,
            reviewing: false,
            undone: stages.len(),
            running: 0,
            events: BinaryHeap::new(),
            free: slots.number,
            waiting: BTreeSet::new(),
            gathering: BTreeSet::new(),
            narrowest: stages
                .iter()
                .filter(|stage| stage.barrier)
                .map(|stage| stage.tasks.len())
                .min()
                .unwrap_or(1),
            next_task: vec![0; stages.len()],
            open_parents: stages.iter().map(|stage| stage.parents.len() + held(stage)).collect(),
            children,
            ready_s: stages.iter().map(|stage| ready_s(&group.jobs[stage.job])).collect(),
            done_s: vec![0.0; stages.len()],
            passages: vec![None; stages.len()],
            ticking: false,
            open_stages,
            started_s: group.jobs.iter().map(|job| job.start_s).collect(),
            last_s: vec![0.0; group.jobs.len()],
            followers,
            following,
        }
    }

    fn start(&mut self) {
        for job in 0..self.group.jobs.len() {
            if self.open_stages[job] == 0 && self.group.jobs[job].after.is_none() {
                self.ended(job);
            }
        }
        for at in 0..self.group.stages.len() {
            if self.open_parents[at] == 0 {
                self.submit(at);
            }
        }
    }

    fn submit(&mut self, at: usize) {
        let stage = &self.group.stages[at];
        let time = self.ready_s[at] + stage.delay_s + stage.lead_s;
        self.events.push(Reverse((At(time), Event::Submitted(at))));
    }

    fn take(&mut self, now: f64, event: Event) {
        let mut is_full_round = self.slots.timer.is_none();
        match event {
            Event::Free(executor) => self.vacate(executor, now),
            Event::MayGo(executor) => self.change(Change::MayGo(executor), now),
            Event::Goes(executor) => self.change(Change::Goes(executor), now),
            Event::Comes => self.change(Change::Comes, now),
            Event::Review => self.review(now),
            Event::Submitted(at) => {
                self.ready_s[at] = now;
                let stage = &self.group.stages[at];
                if stage.barrier { &mut self.gathering } else { &mut self.waiting }.insert((stage.job, at));
                is_full_round = true;
                if self.group.stages[at].tasks.is_empty() {
                    self.done(at, now);
                }
            }
            Event::Tick => {
                self.ticking = false;
                is_full_round = true;
            }
        }
        // What happens at one instant is seen together.
        if self.events.peek().is_some_and(|next| next.0.0.0 == now && matches!(next.0.1, Event::Free(_))) {
            return;
        }
        self.offer(now, is_full_round);
        self.watch(now);
    }

    fn vacate(&mut self, executor: u32, now: f64) {
        self.running = self.running.saturating_sub(1);
        let Some((pool, start_s)) = &mut self.pool else {
            self.free += 1;
            return;
        };
        if !pool.is_gone(executor) {
            self.free += 1;
        }
        let next = pool.release(executor, *start_s + now);
        next.into_iter().for_each(|(at, change)| self.expect(at, change));
    }

    /// Notes a change of the pool, at the pool's time.
    fn expect(&mut self, at: f64, change: Change) {
        let start_s = self.pool.as_ref().map_or(0.0, |pool| pool.1);
        let event = match change {
            Change::Comes => Event::Comes,
            Change::MayGo(executor) => Event::MayGo(executor),
            Change::Goes(executor) => Event::Goes(executor),
        };
        self.events.push(Reverse((At((at - start_s).max(0.0)), event)));
    }

    fn change(&mut self, change: Change, now: f64) {
        let tasks = self.running + self.backlog();
        let Some((pool, start_s)) = &mut self.pool else { return };
        let (slots, next) = pool.change(change, *start_s + now, tasks);
        self.free = self.free.saturating_add_signed(slots);
        next.into_iter().for_each(|(at, change)| self.expect(at, change));
    }

    /// Tasks that wait for slots.
    fn backlog(&self) -> usize {
        let left = |&(_, at): &(usize, usize)| self.group.stages[at].tasks.len() - self.next_task[at];
        self.waiting.iter().chain(&self.gathering).map(left).sum()
    }

    /// Sets a clock while tasks wait, where executors come on demand.
    fn watch(&mut self, now: f64) {
        let Some((pool, _)) = &self.pool else { return };
        if let Some(backlog_s) = pool.backlog_s()
            && !self.reviewing
            && self.backlog() > 0
        {
            self.reviewing = true;
            self.events.push(Reverse((At(now + backlog_s), Event::Review)));
        }
    }

    fn review(&mut self, now: f64) {
        self.reviewing = false;
        let (backlog, running) = (self.backlog(), self.running);
        let Some((pool, start_s)) = &mut self.pool else { return };
        if backlog == 0 {
            pool.rest();
            return;
        }
        let came = pool.ask(*start_s + now, backlog + running);
        came.into_iter().for_each(|at| self.expect(at, Change::Comes));
    }

    fn offer(&mut self, now: f64, is_full_round: bool) {
        let mut from = (0, 0);
        while self.free > 0 {
            let Some((job, at)) = self.next_waiting(from, is_full_round) else { break };
            from = (job, at + 1);
            let left = self.group.stages[at].tasks.len() - self.next_task[at];
            if !self.group.stages[at].barrier {
                self.launch(at, left.min(self.free), now);
            } else if left <= self.free {
                self.launch(at, left, now);
            }
        }
        self.wind(now);
    }

    /// The first stage from `from` on that might take free slots; a backlog of barrier stages is not looked through in vain.
    fn next_waiting(&self, from: (usize, usize), is_full_round: bool) -> Option<(usize, usize)> {
        let plain = self.waiting.range(from..).next();
        let may_gather = is_full_round && self.free >= self.narrowest;
        let barrier = if may_gather { self.gathering.range(from..).next() } else { None };
        plain.into_iter().chain(barrier).min().copied()
    }

    /// Sets the timer while a barrier stage waits for it.
    fn wind(&mut self, now: f64) {
        let Some(timer) = self.slots.timer else { return };
        if !self.ticking && !self.gathering.is_empty() {
            self.ticking = true;
            self.events.push(Reverse((At(timer.next(now)), Event::Tick)));
        }
    }

    fn launch(&mut self, at: usize, number: usize, now: f64) {
        let stage = &self.group.stages[at];
        let from = self.next_task[at];
        self.passages[at].get_or_insert(Passage { ready_s: self.ready_s[at], launched_s: now });
        for task in &stage.tasks[from..from + number] {
            self.free -= 1;
            self.running += 1;
            let executor = self.pool.as_mut().map_or(0, |(pool, _)| pool.take());
            self.events.push(Reverse((At(now + task.work_s + stage.turn_s), Event::Free(executor))));
            self.done_s[at] = self.done_s[at].max(now + task.work_s + task.notice_s);
        }
        self.next_task[at] += number;
        if self.next_task[at] == stage.tasks.len() {
            self.done(at, self.done_s[at]);
        }
    }

    fn done(&mut self, at: usize, time: f64) {
        let stage = &self.group.stages[at];
        if stage.barrier { &mut self.gathering } else { &mut self.waiting }.remove(&(stage.job, at));
        self.undone -= 1;
        self.done_s[at] = time;
        for child in std::mem::take(&mut self.children[at]) {
            self.ready_s[child] = self.ready_s[child].max(time);
            self.open_parents[child] -= 1;
            if self.open_parents[child] == 0 {
                self.submit(child);
            }
        }
        let job = stage.job;
        self.last_s[job] = self.last_s[job].max(time);
        self.open_stages[job] -= 1;
        if self.open_stages[job] == 0 {
            self.ended(job);
        }
    }

    /// Starts the jobs that follow from one that has ended, and those that follow from them where they have no stages.
    fn ended(&mut self, job: usize) {
        let mut over = vec![job];
        while let Some(job) = over.pop() {
            let end_s = self.last_s[job].max(self.started_s[job]) + self.group.jobs[job].tail_s;
            for follower in std::mem::take(&mut self.followers[job]) {
                let gap_s = self.group.jobs[follower].after.map_or(0.0, |after| after.gap_s);
                self.started_s[follower] = end_s + gap_s;
                if self.open_stages[follower] == 0 {
                    over.push(follower);
                }
                self.release(follower);
            }
        }
    }

    /// Lets the stages of a job that has just been started go on.
    fn release(&mut self, job: usize) {
        for at in std::mem::take(&mut self.following[job]) {
            self.ready_s[at] = self.ready_s[at].max(self.started_s[job]);
            self.open_parents[at] -= 1;
            if self.open_parents[at] == 0 {
                self.submit(at);
            }
        }
    }

    fn finish(self) -> Schedule {
        let mut ended_s = self.started_s.clone();
        for (at, stage) in self.group.stages.iter().enumerate() {
            ended_s[stage.job] = ended_s[stage.job].max(self.done_s[at]);
        }
        for (ended, job) in ended_s.iter_mut().zip(&self.group.jobs) {
            *ended += job.tail_s;
        }
        let never = Passage { ready_s: 0.0, launched_s: 0.0 };
        Schedule {
            started_s: self.started_s,
            ended_s,
            stages: self.passages.into_iter().map(|at| at.unwrap_or(never)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::pool::{Demand, Elastic, Rule};
    use super::super::work::{After, JobWork, StageWork, TaskWork};
    use super::*;

    fn stage(job: usize, parents: &[usize], works: &[f64]) -> StageWork {
        let task = |&work_s: &f64| TaskWork { work_s, run_s: work_s, ..TaskWork::default() };
        StageWork {
            name: String::new(),
            job,
            parents: parents.to_vec(),
            barrier: false,
            delay_s: 0.0,
            lead_s: 0.0,
            submitted_s: 0.0,
            waited_s: 0.0,
            blocked_s: None,
            turn_s: 0.0,
            tasks: works.iter().map(task).collect(),
            retries: Vec::new(),
        }
    }

    fn group(starts: &[f64], stages: Vec<StageWork>) -> Group {
        let job = |&start_s: &f64| JobWork {
            id: 0,
            start_s,
            after: None,
            otherwise: None,
            tail_s: 0.0,
            measured_s: 0.0,
        };
        Group { jobs: starts.iter().map(job).collect(), stages, ..Group::empty() }
    }

    fn slots(number: usize) -> Slots {
        Slots { number, timer: None }
    }

    #[test]
    fn tasks_go_to_the_next_free_slot_and_stages_wait_for_their_parents() {
        let chain = group(&[0.0], vec![stage(0, &[], &[3.0, 1.0, 1.0]), stage(0, &[0], &[2.0, 2.0, 2.0])]);
        assert_eq!(schedule(&chain, slots(2)).ended_s, [7.0]);
        assert_eq!(schedule(&chain, slots(3)).ended_s, [5.0]);
        let overheads = StageWork { delay_s: 0.5, lead_s: 0.25, turn_s: 1.0, ..stage(0, &[], &[1.0, 1.0]) };
        assert_eq!(schedule(&group(&[0.0], vec![overheads]), slots(1)).ended_s, [3.75]);
    }

    #[test]
    fn older_jobs_go_first() {
        let jobs = group(&[0.0, 0.5], vec![stage(0, &[], &[1.0; 3]), stage(1, &[], &[1.0])]);
        let ended = schedule(&jobs, slots(1)).ended_s;
        assert_eq!(ended, [3.0, 4.0]);
    }

    #[test]
    fn a_threads_next_job_starts_when_the_last_has_ended() {
        let mut jobs = group(&[0.0, 5.0, 6.0], vec![stage(0, &[], &[1.0; 4]), stage(2, &[], &[1.0; 4])]);
        jobs.jobs[1].after = Some(After { job: 0, gap_s: 0.25 });
        jobs.jobs[2].after = Some(After { job: 1, gap_s: 0.5 });
        // The one between runs nothing.
        assert_eq!(schedule(&jobs, slots(1)).ended_s, [4.0, 4.25, 8.75]);
        assert_eq!(schedule(&jobs, slots(4)).ended_s, [1.0, 1.25, 2.75]);
        assert_eq!(schedule(&jobs.read_otherwise(), slots(4)).ended_s, [1.0, 5.0, 7.0]);
    }

    #[test]
    fn a_barrier_stage_waits_for_a_full_round_of_offers_and_is_overtaken() {
        let barrier = StageWork { barrier: true, ..stage(1, &[], &[1.0, 1.0]) };
        let jobs = group(&[0.0, 0.1, 0.2], vec![stage(0, &[], &[1.0, 1.3]), barrier, stage(2, &[], &[0.2])]);
        let alone = schedule(&jobs, slots(2));
        // The end of a task offers all slots: the third job has one at 1.0, the barrier stage both at 1.3.
        assert_eq!((alone.ended_s[2], alone.stages[1].launched_s), (1.2, 1.3));
        let timer = Some(Timer { period_s: 1.0, phase_s: 0.75 });
        let polled = schedule(&jobs, Slots { number: 2, timer });
        assert_eq!((polled.ended_s[2], polled.stages[1].launched_s), (1.2, 1.75));
    }

    #[test]
    fn executors_come_for_tasks_that_wait_and_go_when_they_idle() {
        let demand = Demand { fewest: 0, most: 9, idle_s: 60.0, backlog_s: 1.0, start_s: 2.0 };
        let mut pool = Pool::new(&Elastic { rule: Rule::Demand(demand), each: 1 });
        let jobs = group(&[0.0], vec![stage(0, &[], &[4.0; 3])]);
        // One is asked for at 1.0, two at 2.0: they come at 3.0 and 4.0.
        assert_eq!(schedule_on(&jobs, &mut pool, 0.0).unwrap().ended_s, [8.0]);
        // A minute later all are still there, two minutes later none: the last idled at 68.
        assert_eq!(schedule_on(&jobs, &mut pool, 60.0).unwrap().ended_s, [4.0]);
        assert_eq!(schedule_on(&jobs, &mut pool, 200.0).unwrap().ended_s, [8.0]);
        assert_eq!(pool.most(), 3);
        // From 3, 4 and 4 to a minute after 64, and then as long as the last job took.
        assert_eq!(pool.executor_s(208.0), (121.0 + 120.0 + 120.0) + (5.0 + 4.0 + 4.0));
    }
}
