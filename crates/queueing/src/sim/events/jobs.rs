//! The jobs in the system. A departed job's place is given to the next one, so that memory grows with the backlog, not
//! with the length of the run.

#[derive(Debug, Clone, Copy)]
pub(super) struct Job {
    pub arrival: f64,
    pub class: usize,
    /// Tasks that are not done.
    pub left: usize,
    /// When its first task first began.
    pub started: Option<f64>,
}

/// All jobs, by their place.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    places: Vec<Job>,
    vacant: Vec<usize>,
}

impl Jobs {
    /// Takes a job in; its place.
    pub(super) fn add(&mut self, job: Job) -> usize {
        if let Some(place) = self.vacant.pop() {
            self.places[place] = job;
            return place;
        }
        self.places.push(job);
        self.places.len() - 1
    }

    /// Notes that a task has begun.
    pub(super) fn start(&mut self, place: usize, now: f64) {
        self.places[place].started.get_or_insert(now);
    }

    /// Notes that a task is done; the job, if it was the last.
    pub(super) fn finish_task(&mut self, place: usize) -> Option<Job> {
        let job = &mut self.places[place];
        job.left -= 1;
        let done = (job.left == 0).then_some(*job);
        if done.is_some() {
            self.vacant.push(place);
        }
        done
    }
}
