//! Jobs that cannot be stopped stay where they are, whatever a policy would like.
//!
//! Most policies deal the whole cluster out anew at every event. Of what they decide, this lets pass what can be done
//! beside the jobs that must stay. KEEP-1: a running job that cannot resume is neither moved nor stopped. KEEP-2: what is
//! left of the decisions fits the cluster. Where every job can resume nothing changes.

use serde_json::Value;

use super::{Allocation, Decision, Event, Policy};
use crate::{
    error::Result,
    explain::Explanation,
    model::JobId,
    state::{State, Status},
};

/// A policy whose decisions are held against what must stay.
pub struct Keeping(pub Box<dyn Policy>);

impl Policy for Keeping {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn decide(&mut self, state: &State, events: &[Event]) -> Vec<Decision> {
        let decisions = self.0.decide(state, events);
        if decisions.iter().any(|decision| disturbs(state, decision)) {
            beside_what_stays(state, decisions)
        } else {
            decisions
        }
    }

    fn explain(&self, state: &State, job: JobId) -> Option<Explanation> {
        self.0.explain(state, job)
    }

    fn save(&self) -> Result<Value> {
        self.0.save()
    }

    fn load(&mut self, saved: Value) -> Result<()> {
        self.0.load(saved)
    }
}

/// Whether a decision moves or stops a job that must stay.
fn disturbs(state: &State, decision: &Decision) -> bool {
    match decision {
        Decision::Place { job, .. } | Decision::Preempt { job } => state.job(*job).is_kept(),
        _ => false,
    }
}

/// The decisions that can be carried out beside the jobs that must stay. Whoever cannot move keeps its place if that is
/// still free, and waits otherwise.
fn beside_what_stays(state: &State, decisions: Vec<Decision>) -> Vec<Decision> {
    let moves = |id: JobId| {
        decisions.iter().any(|decision| {
            !disturbs(state, decision)
                && decision.job() == Some(id)
                && matches!(decision, Decision::Place { .. } | Decision::Preempt { .. })
        })
    };
    let mut allocation = Allocation::empty(state);
    for job in state.active().filter(|job| job.status == Status::Running && !moves(job.job.id)) {
        allocation.place(&job.job, &job.placement);
    }
    let mut kept = Vec::new();
    for decision in decisions {
        match decision {
            _ if disturbs(state, &decision) => {}
            Decision::Place { job: id, placement } => {
                let job = state.job(id);
                if allocation.fits(&job.job, &placement) {
                    allocation.place(&job.job, &placement);
                    kept.push(Decision::Place { job: id, placement });
                } else if job.status == Status::Running && allocation.fits(&job.job, &job.placement) {
                    allocation.place(&job.job, &job.placement);
                } else if job.status == Status::Running {
                    kept.push(Decision::Preempt { job: id });
                }
            }
            other => kept.push(other),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        Cluster, Job, MachineId, Placement, PolicyName, Resources, Setup, WorkerRange, pricing::SlotGrid,
        setting::Setting, state::Physics,
    };

    /// `most` workers of a core each, for an hour with one.
    fn job(id: u32, most: u32, resume: bool) -> Arc<Job> {
        Arc::new(Job {
            id: JobId(id),
            name: format!("job-{id}"),
            arrival: 0.0,
            worker: Resources::new(0.0, 1.0, 0.0, 0.0),
            server: Resources::default(),
            workers_per_server: None,
            workers: WorkerRange { min: 1, max: most },
            seconds_per_sample: 1.0,
            workload: 3600.0,
            batch: 8,
            resume,
            ..Setting::calibrated().draw(1).remove(0)
        })
    }

    fn place(id: u32, workers: u32) -> Decision {
        Decision::Place { job: JobId(id), placement: Placement::single(MachineId(0), workers, 0) }
    }

    fn four_cores() -> Arc<Cluster> {
        Arc::new(Cluster::uniform(1, Resources::new(0.0, 4.0, 0.0, 0.0)).unwrap())
    }

    #[test]
    fn what_must_stay_stays_and_the_rest_fits_beside_it() {
        let mut state = State::new(four_cores(), Physics::default());
        for (id, resume) in [(0, false), (1, true), (2, true)] {
            state.observe(&Event::Arrival { job: job(id, 4, resume) });
        }
        state.apply("test", &[place(0, 2), place(1, 1)]).unwrap();
        // It started with two workers, so it is a gang of two for good.
        assert_eq!(state.job(JobId(0)).job.workers, WorkerRange::exactly(2));
        let wished = vec![Decision::Preempt { job: JobId(0) }, place(1, 3), place(2, 1)];
        // Three no longer fit beside two that stay, so job 1 keeps its one, and there is room for job 2.
        assert_eq!(beside_what_stays(&state, wished), [place(2, 1)]);
        // Job 2 first: then job 1 has no room left to grow, and none to stay.
        let wished = vec![place(0, 1), place(2, 2), place(1, 3)];
        assert_eq!(beside_what_stays(&state, wished), [place(2, 2), Decision::Preempt { job: JobId(1) }]);
    }

    /// KEEP-1 and KEEP-2 for every policy: the state refuses what does not fit.
    #[test]
    fn no_policy_disturbs_a_job_that_cannot_resume() {
        let cluster = four_cores();
        for name in PolicyName::ALL {
            let jobs: Vec<Arc<Job>> = (0..6).map(|id| job(id, 1 + id % 4, id % 2 == 0)).collect();
            let expected: Vec<Job> = jobs.iter().map(|job| Job::clone(job)).collect();
            let mut policy = name.build(&Setup::new(&cluster, SlotGrid::new(600.0, 200), &expected));
            let mut state = State::new(Arc::clone(&cluster), Physics::default());
            for (at, job) in jobs.iter().enumerate() {
                state.advance(100.0 * at as f64);
                let before: Vec<_> = state
                    .active()
                    .filter(|job| job.is_kept())
                    .map(|job| (job.job.id, job.placement.clone()))
                    .collect();
                let events = [Event::Arrival { job: Arc::clone(job) }];
                state.observe(&events[0]);
                let decisions = policy.decide(&state, &events);
                state.apply(name.as_str(), &decisions).unwrap();
                for (id, placement) in before {
                    assert_eq!(state.job(id).placement, placement, "{name} moved {id}");
                }
            }
        }
    }
}
