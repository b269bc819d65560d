//! `syncline queue optimal-tasks`: into how many tasks to cut a job.

use serde::Serialize;
use syncline_queueing::overhead::Granularity;
use syncline_queueing::sim::Overhead;

use super::{failure, system::service};
use crate::{
    failure::Failure,
    output::{print, print_json},
};

/// Tell into how many tasks a job should be cut, given what each task costs
///
/// Example:
///   syncline queue optimal-tasks --workers 10 --work 10 --task-overhead 0.0031 --task-departure 7.4e-6
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Workers
    #[arg(long, value_name = "N")]
    workers: usize,
    /// Total work of the job, in worker time
    #[arg(long, value_name = "TIME")]
    work: f64,
    /// Constant overhead of a task on its worker
    #[arg(long, value_name = "TIME", default_value_t = 0.0)]
    task_overhead: f64,
    /// Mean of an exponential overhead of a task on its worker
    #[arg(long, value_name = "TIME", default_value_t = 0.0)]
    task_random_overhead: f64,
    /// Driver time per task before the job departs
    #[arg(long, value_name = "TIME", default_value_t = 0.0)]
    task_departure: f64,
    /// Driver time per job before it departs
    #[arg(long, value_name = "TIME", default_value_t = 0.0)]
    job_departure: f64,
    /// Shape of the task sizes (only its spread around the mean counts)
    #[arg(long, value_name = "DISTRIBUTION", default_value = "exp:1")]
    service: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Optimum {
    tasks: usize,
    makespan: f64,
    makespan_one_per_worker: f64,
    makespan_ten_per_worker: f64,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), Failure> {
    let overhead = Overhead {
        task: args.task_overhead,
        task_random: args.task_random_overhead,
        job: args.job_departure,
        departure: args.task_departure,
    };
    let shape = service(&args.service)?;
    let job = Granularity::new(args.workers, args.work, overhead)
        .and_then(|job| job.with_shape(&shape))
        .map_err(failure)?;
    let tasks = job.optimal_tasks().map_err(failure)?;
    let makespan = |tasks| job.makespan(tasks).map_err(failure);
    let best = Optimum {
        tasks,
        makespan: makespan(tasks)?,
        makespan_one_per_worker: makespan(args.workers)?,
        makespan_ten_per_worker: makespan(10 * args.workers)?,
    };
    if args.json {
        return print_json(&best);
    }
    print(&format!(
        "{} task(s): mean makespan {:.6} (approximation, within 0.1 % of simulation for exponential tasks)\n\
         {} tasks, one per worker: {:.6}\n{} tasks, ten per worker: {:.6}",
        best.tasks,
        best.makespan,
        args.workers,
        best.makespan_one_per_worker,
        10 * args.workers,
        best.makespan_ten_per_worker
    ))
}
