//! The queue event by event, with a length for each job that its scheduler does not know.

use super::{
    allowed, closed_for, ends,
    plan::{is_of, shapes},
};
use crate::snapshot::{
    Snapshot, Standing, System, Waiting,
    timeline::{Holds, Timeline, Wish},
};

/// Jobs that find no room and have some kept for them in one look at the queue. Slurm keeps room for all; those far behind
/// change little.
const RESERVED: usize = 16;

/// More events than this are no queue.
const MOST_EVENTS: usize = 200_000;

/// When each job starts and what it holds then, if jobs have these lengths; of those in `line`, in its order. Ends when
/// `only` has started.
pub fn play(
    snapshot: &Snapshot,
    line: &[usize],
    lengths: &[f64],
    only: Option<usize>,
) -> Vec<Option<(f64, Holds)>> {
    let mut game = Game::new(snapshot, line, lengths);
    for _ in 0..MOST_EVENTS {
        game.look();
        if game.waiting.is_empty() || only.is_some_and(|only| game.starts[only].is_some()) || !game.next() {
            break;
        }
    }
    game.starts
}

struct Game<'a> {
    snapshot: &'a Snapshot,
    now: f64,
    lengths: &'a [f64],
    waiting: Vec<usize>,
    running: Vec<Running>,
    starts: Vec<Option<(f64, Holds)>>,
    shapes: Vec<usize>,
    allowed: Vec<Vec<bool>>,
}

struct Running {
    job: usize,
    /// When it ends.
    ends: f64,
    /// When it is stopped at the latest, which is what its scheduler knows.
    limit: f64,
    holds: Holds,
}

impl<'a> Game<'a> {
    fn new(snapshot: &'a Snapshot, line: &[usize], lengths: &'a [f64]) -> Self {
        let mut running = Vec::new();
        for (job, of) in snapshot.jobs.iter().enumerate() {
            if let Standing::Running { since, holds, .. } = &of.standing {
                let limit = ends(snapshot.now, *since, of.limit);
                running.push(Running {
                    job,
                    ends: (since + lengths[job]).max(snapshot.now),
                    limit,
                    holds: holds.clone(),
                });
            }
        }
        let shapes = shapes(snapshot);
        // By shape: jobs alike may run in the same places.
        let mut places: Vec<Vec<bool>> = vec![Vec::new(); shapes.len()];
        for at in line {
            if places[shapes[*at]].is_empty() {
                places[shapes[*at]] = allowed(snapshot, &snapshot.jobs[*at]);
            }
        }
        Self {
            snapshot,
            now: snapshot.now,
            lengths,
            waiting: line.to_vec(),
            running,
            starts: vec![None; snapshot.jobs.len()],
            shapes,
            allowed: places,
        }
    }

    /// Goes on to when something happens; false if nothing will.
    fn next(&mut self) -> bool {
        let ends = self.running.iter().map(|running| running.ends);
        let begins = self.waiting.iter().filter_map(|at| self.snapshot.jobs[*at].waiting()?.from);
        let opens = self.snapshot.closures.iter().flat_map(|closure| [closure.from, closure.until]);
        let later = ends.chain(begins.chain(opens).filter(|time| *time > self.now));
        let next = later.fold(f64::INFINITY, f64::min);
        if !next.is_finite() {
            return false;
        }
        self.now = next.max(self.now);
        self.running.retain(|running| running.ends > self.now);
        true
    }

    /// Starts what can start now.
    fn look(&mut self) {
        let mut timeline = Timeline::new(self.snapshot);
        for running in &self.running {
            timeline.book(&running.holds, self.now, running.limit.max(self.now + 1.0));
        }
        let mut closed = timeline.clone();
        closed_for(self.snapshot, &mut closed, None);
        let mut look = Look {
            timeline: closed,
            no_room: vec![false; self.shapes.len()],
            reserved: 0,
            strict: vec![false; self.snapshot.queues.len()],
        };
        let mut left = Vec::new();
        for at in std::mem::take(&mut self.waiting) {
            match self.try_start(&mut look, at) {
                Some(holds) => {
                    let limit = self.now + self.snapshot.jobs[at].limit.unwrap_or(f64::INFINITY);
                    self.starts[at] = Some((self.now, holds.clone()));
                    self.running.push(Running { job: at, ends: self.now + self.lengths[at], limit, holds });
                }
                None => left.push(at),
            }
        }
        self.waiting = left;
    }

    fn try_start(&self, look: &mut Look, at: usize) -> Option<Holds> {
        let job = &self.snapshot.jobs[at];
        let (waiting, shape) = (job.waiting()?, self.shapes[at]);
        if look.no_room[shape] || !self.may(at, waiting) || job.queues.iter().all(|queue| look.strict[*queue])
        {
            return None;
        }
        let seconds = job.limit.unwrap_or(f64::INFINITY);
        let wish = Wish { request: &job.request, allowed: &self.allowed[shape], seconds };
        if waiting.reservation.is_some() {
            let mut own = Timeline::new(self.snapshot);
            self.running
                .iter()
                .for_each(|running| own.book(&running.holds, self.now, running.limit.max(self.now + 1.0)));
            closed_for(self.snapshot, &mut own, Some(waiting));
            return own.fit(&wish, self.now);
        }
        if let Some(holds) = look.timeline.fit(&wish, self.now) {
            look.timeline.book(&holds, self.now, self.now + seconds);
            return Some(holds);
        }
        look.no_room[shape] = true;
        if self.snapshot.system == System::Kueue {
            job.queues
                .iter()
                .filter(|queue| self.snapshot.queues[**queue].strict)
                .for_each(|queue| look.strict[*queue] = true);
        } else if look.reserved < RESERVED {
            look.reserved += 1;
            // Others alike may find room beside what is kept for this one, though not now.
            if let Some((start, holds)) = look.timeline.earliest(&wish, self.now) {
                look.timeline.book(&holds, start, start + seconds);
            }
        }
        None
    }

    /// Whether nothing but room keeps a job.
    fn may(&self, at: usize, waiting: &Waiting) -> bool {
        let unfinished = |id: &String| {
            self.running.iter().any(|running| is_of(&self.snapshot.jobs[running.job], id))
                || self.snapshot.jobs.iter().enumerate().any(|(other, job)| {
                    job.waiting().is_some() && self.starts[other].is_none() && is_of(job, id)
                })
        };
        let array = self.snapshot.jobs[at].id.split_once('_').map(|(array, _)| array);
        let siblings = |array: &str| {
            self.running.iter().filter(|running| is_of(&self.snapshot.jobs[running.job], array)).count()
        };
        let at_once = waiting.at_once.zip(array).is_none_or(|(most, array)| siblings(array) < most as usize);
        waiting.from.is_none_or(|from| from <= self.now) && at_once && !waiting.after.iter().any(unfinished)
    }
}

/// One look at the queue.
struct Look {
    timeline: Timeline,
    no_room: Vec<bool>,
    reserved: usize,
    strict: Vec<bool>,
}
