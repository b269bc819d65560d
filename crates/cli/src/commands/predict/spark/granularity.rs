//! Other numbers of partitions, and other depths of treeAggregate.

use serde::Serialize;
use syncline_predict::{Cut, SparkProfile, TreeForecast};
use syncline_terminal::{Column, Page, Table, unit};

use super::{Options, Told, three};
use crate::{failure::Failure, list::numbers};

/// How finely the application's work might be cut.
#[derive(Serialize)]
pub struct Answer {
    partitions: Told<Curve>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    trees: Vec<Tree>,
}

#[derive(Serialize, Clone)]
struct Curve {
    stage: String,
    slots: usize,
    work_s: f64,
    overhead_per_task_s: [f64; 3],
    /// Absent where the log has the stage in one number of tasks.
    optimal_partitions: Option<[f64; 3]>,
    points: Vec<Point>,
}

#[derive(Serialize, Clone)]
struct Point {
    partitions: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    measured_job_s: Option<f64>,
    job_s: Told<[f64; 3]>,
}

#[derive(Serialize)]
struct Tree {
    depth: usize,
    #[serde(flatten)]
    answer: Told<Shape>,
}

#[derive(Serialize, Clone)]
struct Shape {
    jobs: usize,
    levels_now: Vec<usize>,
    levels: Vec<usize>,
    now_s: f64,
    then_s: [f64; 3],
}

impl From<TreeForecast> for Shape {
    fn from(TreeForecast { jobs, levels_now, levels, now_s, then_s }: TreeForecast) -> Self {
        Self { jobs, levels_now, levels, now_s, then_s: three(then_s) }
    }
}

/// Asks for the partitions and depths wanted.
pub fn ask(profile: &SparkProfile, options: &Options) -> Result<Answer, Failure> {
    let wanted = options.partitions.as_deref().map(|list| numbers("--partitions", list)).transpose()?;
    let depths =
        options.depth.as_deref().map(|list| numbers("--depth", list)).transpose()?.unwrap_or_default();
    // Jobs of several stages are cut only as a tree: all leaves of it at once.
    let leaves = wanted.as_ref().and_then(|list| list.first().copied());
    let tree = |depth: usize| Tree { depth, answer: Told::of(profile.tree(depth, leaves)) };
    let trees = depths.into_iter().map(tree).collect();
    let partitions = Told::of(profile.cut(None).map(|cut| curve(&cut, wanted)));
    Ok(Answer { partitions, trees })
}

fn curve(cut: &Cut, wanted: Option<Vec<usize>>) -> Curve {
    let measured =
        |partitions: usize| cut.measured.iter().find(|(tasks, _)| *tasks == partitions).map(|at| at.1);
    let point = |partitions: usize| Point {
        partitions,
        measured_job_s: measured(partitions),
        job_s: Told::of::<[f64; 3]>(cut.job_s(partitions).map(three)),
    };
    Curve {
        stage: cut.stage.clone(),
        slots: cut.slots,
        work_s: cut.work_s,
        overhead_per_task_s: three(cut.overhead_s),
        optimal_partitions: cut.optimal().map(three),
        points: wanted.unwrap_or_else(|| usual(cut)).into_iter().map(point).collect(),
    }
}

/// The log's own numbers, and powers of two times the slots up to the largest of them or four times the optimum.
fn usual(cut: &Cut) -> Vec<usize> {
    let most = cut.measured.iter().map(|at| at.0).max().unwrap_or(1);
    let best = cut.optimal().map_or(f64::NAN, |optimal| optimal.value);
    let far = if best.is_finite() { (4.0 * best) as usize } else { 0 }.min(8 * most);
    let doubled = std::iter::successors(Some(cut.slots), |tasks| Some(2 * tasks))
        .take_while(|tasks| *tasks <= far.max(most));
    let mut list: Vec<usize> = cut.measured.iter().map(|at| at.0).chain(doubled).collect();
    list.sort_unstable();
    list.dedup();
    list
}

/// The answers on the page.
pub fn tell(page: &mut Page, answer: &Answer) {
    match &answer.partitions {
        Told::CannotTell { cannot_tell } => {
            page.heading("Other numbers of partitions").line(cannot_tell);
        }
        Told::Values(curve) => tell_curve(page, curve),
    }
    for Tree { depth, answer } in &answer.trees {
        page.line(&match answer {
            Told::CannotTell { cannot_tell } => format!("treeAggregate of depth {depth}: {cannot_tell}"),
            Told::Values(Shape { jobs, levels_now, levels, now_s, then_s }) => format!(
                "treeAggregate of depth {depth}: {} of {levels_now:?} tasks take {}, of {levels:?} tasks {}",
                unit::plural(*jobs as u64, "job"),
                unit::seconds(*now_s),
                unit::seconds_within(*then_s)
            ),
        });
    }
}

fn tell_curve(page: &mut Page, curve: &Curve) {
    let best = match curve.optimal_partitions {
        Some(best) => format!("best about {}", unit::amount_within(best)),
        None => "which is best cannot be told, because the log has them in one number of tasks, which does not show what a \
                 task costs inside"
            .to_owned(),
    };
    page.heading(&format!("Other numbers of partitions for '{}' on {} slots", curve.stage, curve.slots));
    page.line(&best);
    page.line(&format!(
        "{} of work, and {} of overhead with every task",
        unit::seconds(curve.work_s),
        unit::seconds_within(curve.overhead_per_task_s.map(|s| s.max(0.0)))
    ));
    let mut table = Table::new([
        Column::number("partitions"),
        Column::number("a job"),
        Column::number("measured").dropped(1),
    ]);
    for Point { partitions, measured_job_s, job_s } in &curve.points {
        if let Told::Values(job_s) = job_s {
            table.row([
                unit::count(*partitions as u64),
                unit::seconds_within(*job_s),
                measured_job_s.map_or(String::new(), unit::seconds),
            ]);
        }
    }
    if !table.is_empty() {
        page.table(&table);
    }
    for Point { partitions, job_s, .. } in &curve.points {
        if let Told::CannotTell { cannot_tell } = job_s {
            page.bullet(&format!("{partitions}: {cannot_tell}"));
        }
    }
}
