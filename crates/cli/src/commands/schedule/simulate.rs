//! `syncline schedule simulate`: policies side by side on a synthetic setting or a trace.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use clap::{ValueEnum, ValueHint};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use syncline::schedule::{
    Cluster, DeviceId, Machine, PolicyName, Resources, Setup,
    compare::{Experiment, Source, Summary},
    jobs_file,
    policy::{Floor, Packing},
    pricing::{External, LateShare, PlannerOptions, Quanta, SlotGrid, rounding::Rounding},
    report::{self, PolicyResult, Sweep, SweepPoint},
    setting::{Arrivals, Mix, Setting},
    sim::{Clock, Metrics, Options, Outage, Run},
    state::{Checkpoints, Contention, Overhead, Physics},
    trace::{self, Format},
};
use syncline_terminal::{
    Column, Table,
    unit::{milliseconds, percent, seconds},
};

use super::span::Span;
use crate::{
    failure::Failure,
    output::{page, print, print_json, wrote},
};

/// Compare scheduling policies on a synthetic setting or on a trace of jobs
///
/// Policies: pd-ors oasis dorm drf fifo rrh srtf srsf tiresias-l optimus gavel-las gavel-las-aware syncline.
///
/// Examples:
///   syncline schedule simulate --policy syncline,pd-ors,drf --jobs 50 --machines 20 --seeds 1..5
///   syncline schedule simulate --setting calibrated --external-gbps 0.1..1 --out report
///   syncline schedule simulate --policy srtf,tiresias-l --trace trace3.csv --format muri --cluster 8x8
///   syncline schedule simulate --policy gavel-las-aware --trace a.trace --format gavel \
///     --throughputs throughputs.json --cluster v100:8x1,p100:16x1,k80:24x1
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The policies, separated by commas
    #[arg(long, value_delimiter = ',', default_value = "syncline,pd-ors,oasis,drf,fifo")]
    policy: Vec<PolicyName>,
    /// The ranges that jobs are drawn from: calibrated, or literal (as recalled from the paper; hardly any
    /// job fits)
    #[arg(long, default_value = "calibrated", help_heading = "Setting")]
    setting: String,
    /// How many jobs to draw, or a file of jobs (.json, .csv)
    #[arg(long, value_name = "N|FILE", default_value = "50", help_heading = "Setting")]
    jobs: String,
    /// The number of machines
    #[arg(long, default_value_t = 100, help_heading = "Setting")]
    machines: usize,
    /// The number of one-hour slots
    #[arg(long, default_value_t = 20, help_heading = "Setting")]
    slots: usize,
    /// The seeds, both ends included
    #[arg(long, default_value = "1..5", help_heading = "Setting")]
    seeds: Span<u64>,
    /// Bandwidth between machines is drawn from this range
    #[arg(long, value_name = "LOW..HIGH", help_heading = "Setting")]
    external_gbps: Option<Span<f64>>,
    /// Shares of time-insensitive, -sensitive and -critical jobs
    #[arg(long, value_enum, default_value = "paper", help_heading = "Setting")]
    mix: MixName,
    /// A CSV file of hourly arrivals (hour,class0..class3) to arrive like
    #[arg(long, value_hint = ValueHint::FilePath, help_heading = "Setting")]
    arrivals: Option<PathBuf>,
    /// Repeat for several sizes and plot utility against them: jobs=10,50,100 or machines=20,40,100
    #[arg(long, value_name = "WHAT=N,N,...", help_heading = "Setting")]
    sweep: Option<String>,

    /// A trace of jobs instead of a setting
    #[arg(long, value_hint = ValueHint::FilePath, requires = "format", help_heading = "Trace")]
    trace: Option<PathBuf>,
    /// muri, philly, gavel or tiresias
    #[arg(long, help_heading = "Trace")]
    format: Option<Format>,
    /// Machines times GPUs, such as 8x8, per device type if they differ: v100:8x1,k80:24x1
    #[arg(long, default_value = "8x8", help_heading = "Trace")]
    cluster: String,
    /// Gavel's table of measured throughputs (JSON)
    #[arg(long, value_hint = ValueHint::FilePath, help_heading = "Trace")]
    throughputs: Option<PathBuf>,

    /// When jobs lose their restart time [default: never for settings, per-event for muri, on-change for
    /// other traces]
    #[arg(long, value_enum, help_heading = "Cluster")]
    overhead: Option<OverheadName>,
    /// Restart time of every job in seconds
    #[arg(long, help_heading = "Cluster")]
    restart: Option<f64>,
    /// Seconds between checkpoints; a failure throws jobs back to the last
    #[arg(long, requires = "checkpoint_cost", help_heading = "Cluster")]
    checkpoint_every: Option<f64>,
    /// Seconds that a checkpoint takes
    #[arg(long, requires = "checkpoint_every", help_heading = "Cluster")]
    checkpoint_cost: Option<f64>,
    /// A failure: machine, and from and until when in hours, such as 3:2..5; may be repeated
    #[arg(long, value_name = "MACHINE:FROM..UNTIL", help_heading = "Cluster")]
    outage: Vec<String>,
    /// Distributed jobs on one machine share its link
    #[arg(long, help_heading = "Cluster")]
    shared_links: bool,

    /// How planners solve the case of many machines: greedy, or linear program with randomised rounding
    #[arg(long, value_enum, default_value = "rounded", help_heading = "Planning")]
    external: ExternalName,
    /// Quanta in what a job does in one slot
    #[arg(long, default_value_t = 8, conflicts_with = "quanta_per_job", value_parser = clap::value_parser!(u32).range(1..=1000), help_heading = "Planning")]
    quanta: u32,
    /// Quanta in the whole job instead
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1000), help_heading = "Planning")]
    quanta_per_job: Option<u32>,
    /// The least late utility that the price bounds count, as a share of the greatest; 0: the formula as it is
    #[arg(long, value_name = "SHARE", default_value_t = 0.01, help_heading = "Planning")]
    late_share: f64,
    /// Dorm's bound on the distance from fair shares, of the most possible
    #[arg(long, value_name = "SHARE", default_value_t = 0.1, help_heading = "Planning")]
    unfairness: f64,
    /// Dorm's share of running jobs that one event may change
    #[arg(long, default_value_t = 1.0, help_heading = "Planning")]
    adjustable: f64,

    /// What `syncline` promises: strict (on every instance at least PD-ORS', in slots
    /// and while plans can be kept: no failures, restart times, checkpoint costs, shared links or unknown workloads), or
    /// free (a little more on average)
    #[arg(long, value_enum, default_value = "strict", help_heading = "Planning")]
    floor: FloorName,
    /// Planners only know the workload up to a factor drawn from this range, such as 0.5..2
    #[arg(long, value_name = "LOW..HIGH", help_heading = "Planning")]
    misestimate: Option<Span<f64>>,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    /// Write tables, figures and an HTML page into this folder
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    out: Option<PathBuf>,
    /// Record the first policy's decisions on the first seed, for `schedule replay`
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    record: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum MixName {
    Paper,
    Google,
}

#[derive(Clone, Copy, ValueEnum)]
enum OverheadName {
    Never,
    OnChange,
    PerEvent,
}

#[derive(Clone, Copy, ValueEnum)]
enum FloorName {
    Free,
    Strict,
}

#[derive(Clone, Copy, ValueEnum)]
enum ExternalName {
    Greedy,
    Rounded,
}

/// The result for machines. Times in seconds.
#[derive(Serialize)]
struct Output<'a> {
    policies: Vec<&'a Summary>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sweep: Vec<SweepRow<'a>>,
}

#[derive(Serialize)]
struct SweepRow<'a> {
    at: f64,
    policies: &'a [Summary],
}

pub fn run(args: Args) -> Result<(), Failure> {
    args.check()?;
    let experiment = args.experiment()?;
    let sweep = args.sweep.as_deref().map(|text| args.sweep_points(text)).transpose()?;
    let rounds = 1 + sweep.as_ref().map_or(0, |(_, points)| points.len());
    let progress = bar(&args, rounds);
    let results = args.policies(&experiment, &progress)?;
    let sweep = sweep.map(|(over, points)| args.swept(over, &points, &progress)).transpose()?;
    progress.finish_and_clear();
    // The answer first: a disk that is full costs no result.
    args.show(&results, sweep.as_ref())?;
    if let (Some(path), Some(first)) = (&args.record, results.first()) {
        experiment.recording(first.policy, args.seeds.first, &first.sample).write(path)?;
        wrote(path);
    }
    if let Some(folder) = &args.out {
        report::write(folder, &args.title(), &results, sweep.as_ref())?;
        wrote(&folder.join("index.html"));
    }
    Ok(())
}

fn bar(args: &Args, rounds: usize) -> ProgressBar {
    let runs = (args.seeds.last - args.seeds.first + 1) * (args.policy.len() * rounds) as u64;
    // Draws on standard error, and only if that is a terminal.
    let bar = ProgressBar::new(runs);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} runs  {msg}  {eta} left") {
        bar.set_style(style);
    }
    bar
}

impl Args {
    /// Numbers that no library type guards.
    fn check(&self) -> Result<(), Failure> {
        let positive = |value: f64| value.is_finite() && value > 0.0;
        let share = |value: f64| (0.0..=1.0).contains(&value);
        let or_zero = |value: f64| value.is_finite() && value >= 0.0;
        for (option, value, valid, wanted) in [
            ("--restart", self.restart, or_zero as fn(f64) -> bool, "seconds, not negative"),
            ("--checkpoint-every", self.checkpoint_every, positive, "a positive number of seconds"),
            ("--checkpoint-cost", self.checkpoint_cost, or_zero, "seconds, not negative"),
            (
                "--adjustable",
                Some(self.adjustable),
                |share| share > 0.0 && share <= 1.0,
                "above 0, at most 1",
            ),
            ("--late-share", Some(self.late_share), share, "between 0 and 1"),
            ("--unfairness", Some(self.unfairness), share, "between 0 and 1"),
        ] {
            if let Some(value) = value.filter(|value| !valid(*value)) {
                return Err(Failure::Usage(format!("{option} {value}: it is {wanted}")));
            }
        }
        Ok(())
    }

    fn policies(
        &self,
        experiment: &Experiment,
        progress: &ProgressBar,
    ) -> Result<Vec<PolicyResult>, Failure> {
        self.policy.iter().map(|policy| self.policy(experiment, *policy, progress)).collect()
    }

    fn policy(
        &self,
        experiment: &Experiment,
        policy: PolicyName,
        bar: &ProgressBar,
    ) -> Result<PolicyResult, Failure> {
        bar.set_message(policy.to_string());
        let mut outcomes = Vec::new();
        let mut metrics: Vec<Metrics> = Vec::new();
        let mut sample: Option<Run> = None;
        for seed in self.seeds.first..=self.seeds.last {
            let read = || -> Duration { bar.elapsed() };
            let mut run = experiment.run(policy, seed, Some(&read))?;
            metrics.push(run.outcome.metrics());
            outcomes.push(run.outcome.clone());
            if sample.is_some() {
                run.log.clear();
            }
            sample.get_or_insert(run);
            bar.inc(1);
        }
        let sample = sample.ok_or_else(|| Failure::Usage("there is no seed".into()))?;
        Ok(PolicyResult { policy, summary: Summary::of(policy, &metrics), outcomes, sample })
    }

    fn sweep_points(&self, text: &str) -> Result<(String, Vec<usize>), Failure> {
        let usage = || Failure::Usage(format!("--sweep {text}: write jobs=10,50,100 or machines=20,40,100"));
        let (over, numbers) = text.split_once('=').ok_or_else(usage)?;
        if !matches!(over, "jobs" | "machines") || self.trace.is_some() || self.jobs.parse::<usize>().is_err()
        {
            return Err(usage());
        }
        let points = numbers.split(',').map(|number| number.parse().map_err(|_| usage()));
        let mut points = points.collect::<Result<Vec<usize>, Failure>>()?;
        points.sort_unstable();
        Ok((over.to_owned(), points))
    }

    fn swept(&self, over: String, points: &[usize], progress: &ProgressBar) -> Result<Sweep, Failure> {
        let mut rows = Vec::new();
        for &at in points {
            let (jobs, machines) = if over == "jobs" { (Some(at), None) } else { (None, Some(at)) };
            let setting = self.resized(jobs, machines)?;
            let results = self.policies(&self.synthetic(setting)?, progress)?;
            rows.push(SweepPoint {
                at: at as f64,
                summaries: results.into_iter().map(|row| row.summary).collect(),
            });
        }
        Ok(Sweep { over, points: rows })
    }

    fn experiment(&self) -> Result<Experiment, Failure> {
        if let Some(path) = &self.trace {
            return self.traced(path);
        }
        if self.jobs.parse::<usize>().is_ok() {
            return self.synthetic(self.resized(None, None)?);
        }
        let jobs = jobs_file::read_jobs(Path::new(&self.jobs))?;
        let setting = self.resized(Some(1), None)?;
        let experiment = self.synthetic(setting)?;
        Ok(Experiment { source: Source::Jobs(jobs), ..experiment })
    }

    fn resized(&self, jobs: Option<usize>, machines: Option<usize>) -> Result<Setting, Failure> {
        let mut setting = Setting::named(&self.setting).map_err(|error| Failure::Usage(error.to_string()))?;
        setting.jobs = jobs.or_else(|| self.jobs.parse().ok()).unwrap_or(setting.jobs);
        setting.machines = machines.unwrap_or(self.machines);
        setting.grid.slots = self.slots;
        setting.restart = self.restart.unwrap_or(0.0);
        if let Some(span) = self.external_gbps {
            setting.external_gbps = span.first..=span.last;
        }
        setting.misestimate = self.misestimate.map(|span| span.first..=span.last);
        if let MixName::Google = self.mix {
            setting.mix = Mix::GOOGLE;
        }
        if let Some(path) = &self.arrivals {
            setting.arrivals = Arrivals::Weighted(trace::hourly_arrivals(path)?);
        }
        setting.validate().map_err(|error| Failure::Usage(error.to_string()))?;
        Ok(setting)
    }

    fn synthetic(&self, setting: Setting) -> Result<Experiment, Failure> {
        let cluster = Arc::new(setting.cluster()?);
        let grid = setting.grid;
        let source = Source::Setting(Box::new(setting));
        // Jobs that are drawn restart for free unless asked.
        let overhead = if self.restart.is_some() { Overhead::OnChange } else { Overhead::Never };
        self.assemble(source, cluster, grid, Clock::slots(&grid), overhead, Packing::Sticky)
    }

    fn traced(&self, path: &Path) -> Result<Experiment, Failure> {
        let format = self.format.unwrap_or(Format::Tiresias);
        let cluster = Arc::new(parse_cluster(&self.cluster)?);
        let mut jobs = match (format, &self.throughputs) {
            (Format::Gavel, Some(table)) => {
                let devices: Vec<&str> = cluster.devices().iter().map(String::as_str).collect();
                trace::read_gavel(path, &trace::Throughputs::read(table, &devices)?)?
            }
            (Format::Gavel, None) => {
                return Err(Failure::Usage("--format gavel also needs --throughputs FILE".into()));
            }
            _ => trace::read(path, format)?,
        };
        if let Some(restart) = self.restart {
            jobs.iter_mut().for_each(|job| job.restart = restart);
        }
        let (overhead, packing) = match format {
            Format::Muri => (Overhead::PerEvent, Packing::Consolidated),
            Format::Gavel => (Overhead::OnChange, Packing::Anywhere),
            Format::Philly | Format::Tiresias => (Overhead::OnChange, Packing::Sticky),
        };
        // Planners plan in hours; three weeks ahead is enough to see the longest jobs' ends.
        let grid = SlotGrid { slot: 3600.0, slots: 504 };
        self.assemble(Source::Jobs(jobs), cluster, grid, Clock::Continuous, overhead, packing)
    }

    fn assemble(
        &self,
        source: Source,
        cluster: Arc<Cluster>,
        grid: SlotGrid,
        clock: Clock,
        overhead: Overhead,
        packing: Packing,
    ) -> Result<Experiment, Failure> {
        let overhead = match self.overhead {
            None => overhead,
            Some(OverheadName::Never) => Overhead::Never,
            Some(OverheadName::OnChange) => Overhead::OnChange,
            Some(OverheadName::PerEvent) => Overhead::PerEvent,
        };
        let checkpoints = self.checkpoint_every.zip(self.checkpoint_cost);
        let checkpoints = checkpoints.map(|(every, cost)| Checkpoints { every, cost });
        let contention = if self.shared_links { Contention::SharedLinks } else { Contention::None };
        let physics = Physics { overhead, contention, checkpoints };
        let outages =
            self.outage.iter().map(|text| parse_outage(text, &cluster)).collect::<Result<_, _>>()?;
        let external = match self.external {
            ExternalName::Greedy => External::Greedy,
            ExternalName::Rounded => External::Rounded(Rounding::default()),
        };
        let quanta = self.quanta_per_job.map_or(Quanta::PerSlot(self.quanta), Quanta::PerJob);
        let late = LateShare(self.late_share);
        let planner = PlannerOptions { quanta, external, late, ..PlannerOptions::default() };
        let floor = match self.floor {
            FloorName::Free => Floor::Free,
            FloorName::Strict => Floor::Strict,
        };
        let setup = Setup::new(&cluster, grid, &[]);
        let template = Setup {
            planner,
            packing,
            floor,
            unfairness: self.unfairness,
            adjustable: self.adjustable,
            ..setup
        };
        Ok(Experiment { source, cluster, grid, options: Options { clock, physics, outages }, template })
    }

    fn title(&self) -> String {
        match &self.trace {
            Some(path) => format!("{} on {}", path.display(), self.cluster),
            None => format!("{}: {} jobs on {} machines", self.setting, self.jobs, self.machines),
        }
    }

    fn show(&self, results: &[PolicyResult], sweep: Option<&Sweep>) -> Result<(), Failure> {
        if self.json {
            let points = sweep.map_or(&[][..], |sweep| &sweep.points);
            return print_json(&Output {
                policies: results.iter().map(|result| &result.summary).collect(),
                sweep: points
                    .iter()
                    .map(|point| SweepRow { at: point.at, policies: &point.summaries })
                    .collect(),
            });
        }
        let mut page = page();
        page.table(&table(results.iter().map(|result| &result.summary)));
        for point in sweep.into_iter().flat_map(|sweep| &sweep.points) {
            page.heading(&format!("{} = {}", sweep.map_or("", |sweep| &sweep.over), point.at));
            page.table(&table(point.summaries.iter()));
        }
        print(page.text())
    }
}

fn table<'a>(rows: impl Iterator<Item = &'a Summary>) -> Table {
    let mut table = Table::new([
        Column::text("policy").shrinks_to(8),
        Column::number("utility"),
        Column::number("±95 %").dropped(5),
        Column::number("admitted").dropped(2),
        Column::number("completed"),
        Column::number("mean JCT"),
        Column::number("p99 JCT").dropped(4),
        Column::number("makespan").dropped(3),
        Column::number("used"),
        Column::number("decision").dropped(1),
    ]);
    for row in rows {
        table.row([
            row.name.clone(),
            format!("{:.1}", row.mean_utility),
            format!("{:.1}", row.ci95),
            format!("{:.1}", row.mean_admitted),
            format!("{:.1}", row.mean_completed),
            seconds(row.mean_jct),
            seconds(row.p99_jct),
            seconds(row.makespan),
            percent(row.utilisation),
            milliseconds(row.median_decision_ms),
        ]);
    }
    table
}

/// `8x8`, or `v100:8x1,k80:24x1`.
fn parse_cluster(text: &str) -> Result<Cluster, Failure> {
    let usage = || {
        Failure::Usage(format!(
            "--cluster {text}: write machines times GPUs, such as 8x8 or v100:8x1,k80:24x1"
        ))
    };
    let mut machines = Vec::new();
    let mut devices = Vec::new();
    for part in text.split(',') {
        let (device, size) = part.split_once(':').unwrap_or(("gpu", part));
        let (count, gpus) = size.split_once('x').ok_or_else(usage)?;
        let (count, gpus): (usize, u32) =
            (count.parse().map_err(|_| usage())?, gpus.parse().map_err(|_| usage())?);
        if count > 1_000_000 {
            return Err(usage());
        }
        let device_id = DeviceId(devices.len() as u16);
        devices.push(device.to_owned());
        let machine = Machine { capacity: Resources::gpus(f64::from(gpus)), rack: 0, device: device_id };
        machines.extend(std::iter::repeat_n(machine, count));
    }
    Ok(Cluster::new(machines, devices, 1.0)?)
}

/// `3:2..5`: machine 3 is down from hour 2 until hour 5.
fn parse_outage(text: &str, cluster: &Cluster) -> Result<Outage, Failure> {
    let usage =
        || Failure::Usage(format!("--outage {text}: write MACHINE:FROM..UNTIL in hours, such as 3:2..5"));
    let (machine, hours) = text.split_once(':').ok_or_else(usage)?;
    let index: usize = machine.parse().map_err(|_| usage())?;
    let hours: Span<f64> = hours.parse().map_err(|_| usage())?;
    let machine = cluster.ids().nth(index).ok_or_else(|| {
        Failure::Usage(format!(
            "--outage {text}: the machines are numbered from 0 to {}",
            cluster.machines().len() - 1
        ))
    })?;
    Ok(Outage { machine, from: hours.first * 3600.0, until: hours.last * 3600.0 })
}
