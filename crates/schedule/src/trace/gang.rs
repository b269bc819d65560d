//! A job of a trace: a gang of fixed size for a fixed time.

use crate::model::{Job, JobId, Resources, Utility, WorkerRange};

/// What a job of no length is given, in seconds: jobs that were cancelled at once are in most traces.
pub const SHORTEST: f64 = 1.0;

/// A job that holds `gpus` GPUs for `steps` steps of `seconds` each.
pub fn gang(name: &str, arrival: f64, gpus: u32, steps: f64, seconds: f64) -> Job {
    Job {
        id: JobId(0),
        name: name.to_owned(),
        arrival,
        workload: steps,
        estimate: None,
        batch: gpus,
        noise_scale: None,
        most_batch: None,
        // One step takes the whole gang `seconds`, so one worker alone would need `gpus` times that.
        seconds_per_sample: seconds * f64::from(gpus),
        gradient_mb: 0.0,
        workers_per_server: None,
        worker: Resources::gpus(1.0),
        server: Resources::default(),
        internal_gbps: 100.0,
        external_gbps: 100.0,
        utility: Utility::default(),
        workers: WorkerRange::exactly(gpus),
        speeds: Vec::new(),
        needs: Default::default(),
        restart: 0.0,
        resume: true,
        group: String::new(),
        queue: String::new(),
        priority: None,
        limit: None,
        after: Vec::new(),
        after_any: Vec::new(),
        requeue: false,
    }
}
