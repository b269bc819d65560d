//! What an application consists of, in the terms that questions change and the scheduler plays.

use syncline_explain::spark::Allocation;

use super::contention::Contention;
use super::pool::Elastic;
use super::threads::Threads;

/// One task's times, in seconds, and its memory, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct TaskWork {
    /// It holds its slot so long: deserialising, running, packing the result.
    pub work_s: f64,
    /// In its own code.
    pub run_s: f64,
    /// How much of `work_s` goes faster on an idle processor and slower on a busy one.
    pub processor_s: f64,
    /// From its end on the executor until the driver has noted it.
    pub notice_s: f64,
    /// How long it waited for what other tasks had shuffled.
    pub fetch_s: f32,
    /// What its sorts, joins and aggregations took of memory at most.
    pub peak_b: f32,
    /// What of them it had to spill, as large as it was in memory.
    pub spilled_b: f32,
}

/// One attempt at a stage.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct StageWork {
    /// The operation, and its place in the program.
    pub name: String,
    /// The job that it runs for, by its position in the group.
    pub job: usize,
    /// Stages that must be done before, by their positions in the group, all before its own.
    pub parents: Vec<usize>,
    /// Whether all its tasks start together.
    pub barrier: bool,
    /// From the end of its parents (or the job's start) to its submission.
    pub delay_s: f64,
    /// From its submission to its first launch, where a slot was free.
    pub lead_s: f64,
    /// When it was submitted, since the start of the application.
    pub submitted_s: f64,
    /// From its submission to its first launch, as it was.
    pub waited_s: f64,
    /// Where it had to wait for slots: from when there were enough to its first launch.
    pub blocked_s: Option<f64>,
    /// From a task's end on a slot to the next launch there.
    pub turn_s: f64,
    /// Its tasks in the order of their launch, each with the attempts that repeated it because it failed.
    pub tasks: Vec<TaskWork>,
    /// Those attempts.
    pub retries: Vec<Retry>,
}

/// An attempt at a task that repeated a failed one; it is part of the task's work.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Retry {
    /// The task, by its position in the stage.
    pub task: usize,
    /// In its own code.
    pub run_s: f64,
}

impl TaskWork {
    /// Adds an attempt that begins when this one has failed.
    pub fn go_on(&mut self, again: &Self) {
        self.work_s += again.work_s;
        self.run_s += again.run_s;
        self.processor_s += again.processor_s;
        self.notice_s = again.notice_s;
        self.fetch_s += again.fetch_s;
        self.peak_b = self.peak_b.max(again.peak_b);
        self.spilled_b += again.spilled_b;
    }
}

/// What a job's start follows from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct After {
    /// The job that ends before, by its position in the group.
    pub job: usize,
    /// From its end to the start.
    pub gap_s: f64,
}

/// One job.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct JobWork {
    /// Its id in the log.
    pub id: i64,
    /// When it starts, since the start of its group, if nothing is waited for.
    pub start_s: f64,
    /// What its start follows from, whenever that ends.
    pub after: Option<After>,
    /// The same in the other reading of a log that does not tell.
    pub otherwise: Option<After>,
    /// From its last task, as the driver noted it, to its end; all of it where no task ran.
    pub tail_s: f64,
    /// How long it took.
    pub measured_s: f64,
}

/// Jobs that overlapped in time.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Group {
    pub jobs: Vec<JobWork>,
    /// In order of submission.
    pub stages: Vec<StageWork>,
    /// From its first start to its last end.
    pub measured_s: f64,
    /// The driver's time before it, since the group before.
    pub gap_s: f64,
}

/// An application taken apart.
#[derive(Debug, Clone, PartialEq)]
pub struct SparkProfile {
    /// The application's name.
    pub name: String,
    /// Tasks that could run at once.
    pub slots: usize,
    /// Executors that they were spread over.
    pub executors: usize,
    /// Jobs that ended.
    pub jobs: usize,
    /// Tasks, all attempts.
    pub tasks: usize,
    /// Attempts at tasks that failed or were killed: they are replayed as they were.
    pub failed_attempts: usize,
    /// Tasks of its stages whose ends are not in the log: Spark's listener lost events.
    pub missing_tasks: usize,
    /// Share of the slots' time in jobs that tasks held.
    pub busy_share: f64,
    /// From the application's start to its end.
    pub wall_s: f64,
    /// The time outside of jobs.
    pub driver_s: f64,
    pub(super) contention: Contention,
    pub(super) groups: Vec<Group>,
    /// How far off the replay of the log itself is, without sign.
    pub(super) own_error: f64,
    /// What its overlapping jobs' starts follow from.
    pub(super) threads: Threads,
    /// What its executors are.
    pub(super) executor: ExecutorKind,
    /// When they come and go, where their number is not fixed.
    pub(super) elastic: Option<Elastic>,
}

/// The executors of a log.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct ExecutorKind {
    /// Bytes of a JVM that runs tasks.
    pub memory: u64,
    /// `spark.memory.fraction`.
    pub fraction: f64,
    /// Whether tasks run beside the driver.
    pub is_local: bool,
    /// From the start of the application until the first one registered.
    pub start_s: Option<f64>,
    /// The share of run time that went to collecting garbage.
    pub gc_share: f64,
    /// The share of shuffled bytes that came from other executors; `None` where nothing is shuffled.
    pub remote_share: Option<f64>,
    /// How executors came and went, if they did so on demand.
    pub allocation: Option<Allocation>,
}

impl SparkProfile {
    /// Time in which at least one job was open.
    pub fn job_s(&self) -> f64 {
        self.groups.iter().map(|group| group.measured_s).sum()
    }

    /// Cores of the machine that all slots share, as far as the log tells; `None` if executors have machines of their own.
    pub fn machine_cores(&self) -> Option<f64> {
        self.contention.cores
    }

    /// Wall over processor time of what only computes (deserialisation): 1 on an idle machine. `None` where too few tasks
    /// measured it; nothing is stretched then.
    pub fn pressure(&self) -> Option<f64> {
        self.contention.is_measured.then_some(self.contention.pressure)
    }

    /// How many starts of jobs are taken to follow from the end of another one, as a thread's next job does.
    pub fn dependent_starts(&self) -> usize {
        self.groups.iter().flat_map(|group| &group.jobs).filter(|job| job.after.is_some()).count()
    }

    /// Whether starts of overlapping jobs may as well be read the other way: intervals hold both.
    pub fn has_doubtful_starts(&self) -> bool {
        self.threads.doubtful
    }
}

impl Group {
    /// Without jobs.
    pub(super) fn empty() -> Self {
        Self { jobs: Vec::new(), stages: Vec::new(), measured_s: 0.0, gap_s: 0.0 }
    }

    /// Takes the jobs of another group over, which starts at `start_s`.
    pub(super) fn absorb(&mut self, other: &Self, start_s: f64) {
        let (jobs, stages) = (self.jobs.len(), self.stages.len());
        let moved = |after: After| After { job: jobs + after.job, ..after };
        let later = |job: &JobWork| JobWork {
            start_s: start_s + job.start_s,
            after: job.after.map(moved),
            otherwise: job.otherwise.map(moved),
            ..job.clone()
        };
        self.jobs.extend(other.jobs.iter().map(later));
        self.stages.extend(other.stages.iter().map(|stage| StageWork {
            job: jobs + stage.job,
            parents: stage.parents.iter().map(|parent| stages + parent).collect(),
            ..stage.clone()
        }));
    }

    /// One of its jobs by itself; stages of other jobs that it waited for are taken to be there already.
    pub(super) fn only(&self, job: usize) -> Self {
        let own: Vec<usize> = (0..self.stages.len()).filter(|&at| self.stages[at].job == job).collect();
        let place = |parent: &usize| own.iter().position(|at| at == parent);
        let stages = own.iter().map(|&at| {
            let stage = &self.stages[at];
            StageWork { job: 0, parents: stage.parents.iter().filter_map(place).collect(), ..stage.clone() }
        });
        let alone = JobWork { start_s: 0.0, after: None, otherwise: None, ..self.jobs[job].clone() };
        let measured_s = alone.measured_s;
        Self { jobs: vec![alone], stages: stages.collect(), measured_s, gap_s: 0.0 }
    }

    /// The same group, its starts read the other way.
    pub(super) fn read_otherwise(&self) -> Self {
        let mut group = self.clone();
        group.jobs.iter_mut().for_each(|job| std::mem::swap(&mut job.after, &mut job.otherwise));
        group
    }

    /// The numbers of tasks of each job's stages.
    fn job_shapes(&self) -> Vec<Vec<usize>> {
        let mut shapes = vec![Vec::new(); self.jobs.len()];
        self.stages.iter().for_each(|stage| shapes[stage.job].push(stage.tasks.len()));
        shapes
    }

    /// The number of tasks of each stage, by which two runs of one program recognise a job.
    pub(super) fn shape(&self) -> Vec<usize> {
        self.stages.iter().map(|stage| stage.tasks.len()).collect()
    }
}

impl SparkProfile {
    /// Both applications without the jobs that only one of them ran: the groups whose stages have the same numbers of
    /// tasks, in order. A program that cuts some data into as many parts as there are cores runs other jobs on another
    /// number of cores; only the common ones can be compared.
    pub fn common(&self, other: &Self) -> (Self, Self) {
        let (mut mine, mut theirs) = (vec![false; self.groups.len()], vec![false; other.groups.len()]);
        let mut from = 0;
        for (at, group) in self.groups.iter().enumerate() {
            let rest = other.groups.iter().enumerate().skip(from);
            let found = rest.into_iter().find(|(_, twin)| twin.shape() == group.shape());
            if let Some((twin, _)) = found {
                (mine[at], theirs[twin]) = (true, true);
                from = twin + 1;
            }
        }
        // Which jobs overlap depends on the size: what is left over is common if it is the same jobs in other windows.
        let jobs = |profile: &Self, taken: &[bool]| {
            let left = profile.groups.iter().zip(taken).filter(|(_, taken)| !**taken);
            let mut jobs: Vec<Vec<usize>> = left.flat_map(|(group, _)| group.job_shapes()).collect();
            jobs.sort_unstable();
            jobs
        };
        let only_here = |group: &Group, others: &[Vec<usize>]| {
            group.jobs.len() == 1 && group.job_shapes().iter().any(|job| others.binary_search(job).is_err())
        };
        let (our_left, their_left) = (jobs(self, &mine), jobs(other, &theirs));
        let ours: Vec<bool> = self.groups.iter().map(|group| only_here(group, &their_left)).collect();
        let others: Vec<bool> = other.groups.iter().map(|group| only_here(group, &our_left)).collect();
        let without = |taken: &[bool], left_out: &[bool]| -> Vec<bool> {
            taken.iter().zip(left_out).map(|(taken, out)| *taken || *out).collect()
        };
        let same_rest = jobs(self, &without(&mine, &ours)) == jobs(other, &without(&theirs, &others));
        let kept = |profile: &Self, taken: &[bool], left_out: &[bool]| {
            let keep = |at: &usize| taken[*at] || (same_rest && !left_out[*at]);
            let groups =
                (0..profile.groups.len()).filter(keep).map(|at| profile.groups[at].clone()).collect();
            Self { groups, ..profile.clone() }
        };
        (kept(self, &mine, &ours), kept(other, &theirs, &others))
    }
}
