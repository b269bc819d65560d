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
    Cluster, Job, PolicyName, Setup,
    compare::{Experiment, Source, Summary},
    jobs_file,
    policy::{Floor, Packing},
    pricing::{External, LateShare, PlannerOptions, Quanta, SlotGrid, Times, rounding::Rounding},
    report::{self, PolicyResult, Sweep, SweepPoint},
    setting::{Arrivals, Mix, Setting},
    sim::{Clock, Metrics, Options, Outage, Outcome, Run},
    state::{Checkpoints, Contention, Overhead, Physics},
    trace::{self, Format},
};
use syncline_terminal::{
    Column, Table,
    unit::{milliseconds, percent, seconds},
};

use super::{TimesName, cluster, policies, span::Span};
use crate::{
    failure::Failure,
    output::{page, print, print_json, wrote},
};

/// Compare scheduling policies on a synthetic setting, on jobs of your own or on a trace
///
/// Policies: all, or pd-ors oasis dorm drf fifo rrh srtf srsf tiresias-l optimus gavel-las gavel-las-aware syncline.
///
/// Examples:
///   syncline schedule simulate --policy syncline,pd-ors,drf --jobs 50 --machines 20 --seeds 1..5
///   syncline schedule simulate --setting calibrated --external-gbps 0.1..1 --out report
///   syncline schedule simulate --policy all --jobs jobs.json --cluster cluster.json --slots 48
///   syncline schedule simulate --policy srtf,tiresias-l --trace trace3.csv --format muri --cluster 8x8
///   syncline schedule simulate --policy gavel-las-aware --trace a.trace --format gavel \
///     --throughputs throughputs.json --cluster v100:8x1,p100:16x1,k80:24x1
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The policies, separated by commas, or all; the others are compared with the first, seed by seed
    #[arg(long, value_delimiter = ',', default_value = "syncline,pd-ors,oasis,drf,fifo")]
    policy: Vec<String>,
    /// The ranges that jobs are drawn from: calibrated, or literal (as recalled from the paper; hardly any
    /// job fits) [default: calibrated]
    #[arg(long, help_heading = "Setting")]
    setting: Option<String>,
    /// How many jobs to draw, or a file of jobs (.json, .csv) [default: 50]
    #[arg(long, value_name = "N|FILE", help_heading = "Setting")]
    jobs: Option<String>,
    /// The number of machines, each as the setting has them [default: 100]
    #[arg(long, conflicts_with = "cluster", help_heading = "Setting")]
    machines: Option<usize>,
    /// The number of slots to plan and simulate [default: 20; 504 for traces, where planners look so far]
    #[arg(long, help_heading = "Time")]
    slots: Option<usize>,
    /// Length of a slot in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 3600.0, help_heading = "Time")]
    slot_seconds: f64,
    /// When decisions are made: slots, or events [default: slots; events for traces]
    #[arg(long, value_enum, help_heading = "Time")]
    clock: Option<ClockName>,
    /// How time within a slot counts: real, or paper (arrivals and completions are whole slots, and a job that
    /// completes in the slot of its arrival has taken no time)
    #[arg(long, value_enum, default_value = "real", help_heading = "Time")]
    times: TimesName,
    /// The seeds, both ends included
    #[arg(long, default_value = "1..5", help_heading = "Setting")]
    seeds: Span<u64>,
    /// Bandwidth between machines is drawn from this range
    #[arg(long, value_name = "LOW..HIGH", help_heading = "Setting")]
    external_gbps: Option<Span<f64>>,
    /// Shares of time-insensitive, -sensitive and -critical jobs [default: paper]
    #[arg(long, value_enum, help_heading = "Setting")]
    mix: Option<MixName>,
    /// A CSV file of hourly arrivals (hour,class0..class3) to arrive like
    #[arg(long, value_hint = ValueHint::FilePath, help_heading = "Setting")]
    arrivals: Option<PathBuf>,
    /// Repeat for several sizes and plot utility against them: jobs=10,50,100 or machines=20,40,100
    #[arg(long, value_name = "WHAT=N,N,...", help_heading = "Setting")]
    sweep: Option<String>,

    /// A trace of jobs instead of a setting
    #[arg(long, value_hint = ValueHint::FilePath, requires = "format", conflicts_with = "jobs", help_heading = "Trace")]
    trace: Option<PathBuf>,
    /// muri, philly, gavel or tiresias
    #[arg(long, requires = "trace", help_heading = "Trace")]
    format: Option<Format>,
    /// The machines: a file (.json), or machines times GPUs, such as 8x8, per device type if they differ:
    /// v100:8x1,k80:24x1 [default: 8x8 for traces]
    #[arg(long, value_name = "FILE|NxGPUS", help_heading = "Cluster")]
    cluster: Option<String>,
    /// Gavel's table of measured throughputs (JSON)
    #[arg(long, requires = "trace", value_hint = ValueHint::FilePath, help_heading = "Trace")]
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
    /// [default: rounded; syncline is always greedy]
    #[arg(long, value_enum, help_heading = "Planning")]
    external: Option<ExternalName>,
    /// Quanta in what a job does in one slot [default: 8]
    #[arg(long, conflicts_with = "quanta_per_job", value_parser = clap::value_parser!(u32).range(1..=1000), help_heading = "Planning")]
    quanta: Option<u32>,
    /// Quanta in the whole job instead
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1000), help_heading = "Planning")]
    quanta_per_job: Option<u32>,
    /// The least late utility that the price bounds of pd-ors and oasis count, as a share of the greatest; 0: the
    /// formula as it is [default: 0.01]
    #[arg(long, value_name = "SHARE", help_heading = "Planning")]
    late_share: Option<f64>,
    /// Dorm's bound on the distance from fair shares, of the most possible [default: 0.1]
    #[arg(long, value_name = "SHARE", help_heading = "Planning")]
    unfairness: Option<f64>,
    /// Dorm's share of running jobs that one event may change [default: 1]
    #[arg(long, help_heading = "Planning")]
    adjustable: Option<f64>,

    /// What `syncline` promises: strict (PD-ORS' competitive guarantee on every instance, in slots
    /// and while plans can be kept: no failures, restart times, checkpoint costs, shared links or unknown workloads), or
    /// free (nothing) [default: strict]
    #[arg(long, value_enum, help_heading = "Planning")]
    floor: Option<FloorName>,
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

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum ClockName {
    Slots,
    Events,
}

#[derive(Clone, Copy, ValueEnum)]
enum MixName {
    Paper,
    Google,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
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

/// The result for machines.
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
    let names = policies(&args.policy)?;
    args.check()?;
    args.check_effects(&names)?;
    let experiment = args.experiment()?;
    let sweep = args.sweep.as_deref().map(|text| args.sweep_points(text)).transpose()?;
    let rounds = 1 + sweep.as_ref().map_or(0, |(_, points)| points.len());
    let progress = bar(&args, names.len() * rounds);
    let results = args.policies(&names, &experiment, &progress)?;
    let sweep = sweep.map(|(over, points)| args.swept(&names, over, &points, &progress)).transpose()?;
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
    let runs = (args.seeds.last - args.seeds.first + 1) * rounds as u64;
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
            ("--adjustable", self.adjustable, |share| share > 0.0 && share <= 1.0, "above 0, at most 1"),
            ("--late-share", self.late_share, share, "between 0 and 1"),
            ("--unfairness", self.unfairness, share, "between 0 and 1"),
        ] {
            if let Some(value) = value.filter(|value| !valid(*value)) {
                return Err(Failure::Usage(format!("{option} {value}: it is {wanted}")));
            }
        }
        Ok(())
    }

    /// The file of jobs, if it is one.
    fn jobs_file(&self) -> Option<&Path> {
        self.jobs.as_deref().filter(|jobs| jobs.parse::<usize>().is_err()).map(Path::new)
    }

    /// An option that would change nothing is a mistake of whoever gave it.
    fn check_effects(&self, policies: &[PolicyName]) -> Result<(), Failure> {
        use PolicyName::{Dorm, Oasis, PdOrs, Syncline};
        let drawn = self.trace.is_none() && self.jobs_file().is_none();
        let among = |names: &[PolicyName]| policies.iter().any(|policy| names.contains(policy));
        let shadow = among(&[Syncline]) && !matches!(self.floor, Some(FloorName::Free));
        let rounds = among(&[PdOrs]) || shadow;
        let gavel = self.format == Some(Format::Gavel);
        let never = self.overhead == Some(OverheadName::Never);
        let slots = self.clock != Some(ClockName::Events) && self.trace.is_none()
            || self.clock == Some(ClockName::Slots);
        for (option, given, has_effect, wanted) in [
            ("--setting", self.setting.is_some(), drawn || self.machines.is_some(), "jobs that are drawn"),
            ("--external-gbps", self.external_gbps.is_some(), drawn, "jobs that are drawn"),
            ("--mix", self.mix.is_some(), drawn, "jobs that are drawn"),
            ("--arrivals", self.arrivals.is_some(), drawn, "jobs that are drawn"),
            ("--misestimate", self.misestimate.is_some(), drawn, "jobs that are drawn"),
            (
                "--machines",
                self.machines.is_some(),
                self.trace.is_none(),
                "settings and files of jobs; give --cluster",
            ),
            ("--throughputs", self.throughputs.is_some(), gavel, "--format gavel"),
            ("--restart", self.restart.is_some(), !never, "another --overhead than never"),
            ("--times paper", self.times == TimesName::Paper, slots, "--clock slots"),
            (
                "--external",
                self.external.is_some(),
                rounds,
                "the policies pd-ors and syncline (with its floor)",
            ),
            (
                "--quanta",
                self.quanta.or(self.quanta_per_job).is_some(),
                among(&[PdOrs, Oasis, Syncline]),
                "planners",
            ),
            (
                "--late-share",
                self.late_share.is_some(),
                among(&[PdOrs, Oasis]) || shadow,
                "the policies pd-ors and oasis",
            ),
            ("--unfairness", self.unfairness.is_some(), among(&[Dorm]), "the policy dorm"),
            ("--adjustable", self.adjustable.is_some(), among(&[Dorm]), "the policy dorm"),
            ("--floor", self.floor.is_some(), among(&[Syncline]), "the policy syncline"),
        ] {
            if given && !has_effect {
                return Err(Failure::Usage(format!("{option} has no effect here: it is for {wanted}")));
            }
        }
        if self.jobs_file().is_some() && self.cluster.is_none() && self.machines.is_none() {
            let message =
                "--jobs FILE also needs the machines: give --cluster FILE, --cluster 8x8 or --machines N";
            return Err(Failure::Usage(message.into()));
        }
        Ok(())
    }

    fn policies(
        &self,
        names: &[PolicyName],
        experiment: &Experiment,
        progress: &ProgressBar,
    ) -> Result<Vec<PolicyResult>, Failure> {
        let mut results: Vec<PolicyResult> = Vec::new();
        for name in names {
            let utility = |outcome: &Outcome| outcome.metrics().utility;
            let first: Option<Vec<f64>> =
                results.first().map(|first| first.outcomes.iter().map(utility).collect());
            results.push(self.policy(experiment, *name, first.as_deref(), progress)?);
        }
        Ok(results)
    }

    fn policy(
        &self,
        experiment: &Experiment,
        policy: PolicyName,
        first: Option<&[f64]>,
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
        Ok(PolicyResult { policy, summary: Summary::of(policy, &metrics, first), outcomes, sample })
    }

    fn sweep_points(&self, text: &str) -> Result<(String, Vec<usize>), Failure> {
        let usage = || Failure::Usage(format!("--sweep {text}: write jobs=10,50,100 or machines=20,40,100"));
        let (over, numbers) = text.split_once('=').ok_or_else(usage)?;
        let fixed = self.trace.is_some() || self.jobs_file().is_some() || self.cluster.is_some();
        if !matches!(over, "jobs" | "machines") || fixed {
            return Err(usage());
        }
        let points = numbers.split(',').map(|number| number.parse().map_err(|_| usage()));
        let mut points = points.collect::<Result<Vec<usize>, Failure>>()?;
        points.sort_unstable();
        Ok((over.to_owned(), points))
    }

    fn swept(
        &self,
        names: &[PolicyName],
        over: String,
        points: &[usize],
        progress: &ProgressBar,
    ) -> Result<Sweep, Failure> {
        let mut rows = Vec::new();
        for &at in points {
            let (jobs, machines) = if over == "jobs" { (Some(at), None) } else { (None, Some(at)) };
            let setting = self.resized(jobs, machines)?;
            let results = self.policies(names, &self.synthetic(setting)?, progress)?;
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
        let Some(path) = self.jobs_file() else { return self.synthetic(self.resized(None, None)?) };
        // Without a cluster of its own the machines are the setting's.
        let setting = self.resized(Some(1), None)?;
        let experiment = self.synthetic(setting)?;
        let mut jobs = jobs_file::read_jobs_for(path, &experiment.cluster)?;
        self.set_restart(&mut jobs);
        Ok(Experiment { source: Source::Jobs(jobs), ..experiment })
    }

    fn set_restart(&self, jobs: &mut [Job]) {
        if let Some(restart) = self.restart {
            jobs.iter_mut().for_each(|job| job.restart = restart);
        }
    }

    fn resized(&self, jobs: Option<usize>, machines: Option<usize>) -> Result<Setting, Failure> {
        let mut setting = Setting::named(self.setting.as_deref().unwrap_or("calibrated"))
            .map_err(|error| Failure::Usage(error.to_string()))?;
        let given = self.jobs.as_deref().and_then(|jobs| jobs.parse().ok());
        setting.jobs = jobs.or(given).unwrap_or(setting.jobs);
        setting.machines = machines.or(self.machines).unwrap_or(setting.machines);
        setting.grid = self.grid(setting.grid.slots);
        setting.restart = self.restart.unwrap_or(0.0);
        if let Some(span) = self.external_gbps {
            setting.external_gbps = span.first..=span.last;
        }
        setting.misestimate = self.misestimate.map(|span| span.first..=span.last);
        if let Some(MixName::Google) = self.mix {
            setting.mix = Mix::GOOGLE;
        }
        if let Some(path) = &self.arrivals {
            setting.arrivals = Arrivals::Weighted(trace::hourly_arrivals(path)?);
        }
        setting.validate().map_err(|error| Failure::Usage(error.to_string()))?;
        Ok(setting)
    }

    fn synthetic(&self, setting: Setting) -> Result<Experiment, Failure> {
        let cluster = match &self.cluster {
            Some(text) => Arc::new(cluster(text)?),
            None => Arc::new(setting.cluster()?),
        };
        let grid = setting.grid;
        let source = Source::Setting(Box::new(setting));
        // Jobs that are drawn restart for free unless asked; jobs of a file as it says.
        let free = self.restart.is_none() && self.jobs_file().is_none();
        let overhead = if free { Overhead::Never } else { Overhead::OnChange };
        let clock =
            if self.clock == Some(ClockName::Events) { Clock::Continuous } else { Clock::slots(&grid) };
        self.assemble(source, cluster, grid, clock, overhead, Packing::Sticky)
    }

    fn grid(&self, slots: usize) -> SlotGrid {
        let times = Times::from(self.times);
        SlotGrid { slot: self.slot_seconds, slots: self.slots.unwrap_or(slots), times }
    }

    fn traced(&self, path: &Path) -> Result<Experiment, Failure> {
        let format = self.format.unwrap_or(Format::Tiresias);
        let cluster = Arc::new(cluster(self.cluster.as_deref().unwrap_or("8x8"))?);
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
        self.set_restart(&mut jobs);
        jobs.iter().try_for_each(|job| cluster.admits(job))?;
        let (overhead, packing) = match format {
            Format::Muri => (Overhead::PerEvent, Packing::Consolidated),
            Format::Gavel => (Overhead::OnChange, Packing::Anywhere),
            Format::Philly | Format::Tiresias => (Overhead::OnChange, Packing::Sticky),
        };
        let grid = self.grid(trace::planned_slots(&jobs, &cluster, self.slot_seconds));
        grid.validate().map_err(|error| Failure::Usage(error.to_string()))?;
        let clock =
            if self.clock == Some(ClockName::Slots) { Clock::slots(&grid) } else { Clock::Continuous };
        self.assemble(Source::Jobs(jobs), cluster, grid, clock, overhead, packing)
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
            Some(ExternalName::Greedy) => External::Greedy,
            Some(ExternalName::Rounded) | None => External::Rounded(Rounding::default()),
        };
        let quanta = self.quanta_per_job.map_or(Quanta::PerSlot(self.quanta.unwrap_or(8)), Quanta::PerJob);
        let late = self.late_share.map_or(LateShare::default(), LateShare);
        let planner = PlannerOptions { quanta, external, late, ..PlannerOptions::default() };
        let floor = match self.floor {
            Some(FloorName::Free) => Floor::Free,
            Some(FloorName::Strict) | None => Floor::Strict,
        };
        let setup = Setup::new(&cluster, grid, &[]);
        let template = Setup {
            planner,
            packing,
            floor,
            unfairness: self.unfairness.unwrap_or(setup.unfairness),
            adjustable: self.adjustable.unwrap_or(setup.adjustable),
            ..setup
        };
        Ok(Experiment { source, cluster, grid, options: Options { clock, physics, outages }, template })
    }

    fn title(&self) -> String {
        let machines = match (&self.cluster, self.machines) {
            (Some(cluster), _) => cluster.clone(),
            (None, Some(machines)) => format!("{machines} machines"),
            (None, None) if self.trace.is_some() => "8x8".into(),
            (None, None) => "100 machines".into(),
        };
        match (&self.trace, self.jobs_file()) {
            (Some(path), _) => format!("{} on {machines}", path.display()),
            (None, Some(path)) => format!("{} on {machines}", path.display()),
            (None, None) => {
                let setting = self.setting.as_deref().unwrap_or("calibrated");
                format!("{setting}: {} jobs on {machines}", self.jobs.as_deref().unwrap_or("50"))
            }
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

/// A dash stands for an interval of one seed, and for a mean of nothing.
fn table<'a>(rows: impl Iterator<Item = &'a Summary>) -> Table {
    let time = |time: Option<f64>, none: &str| time.map_or(none.to_owned(), seconds);
    let half = |half: Option<f64>| half.map_or("-".to_owned(), |half| format!("{half:.1}"));
    let mut table = Table::new([
        Column::text("policy").shrinks_to(8),
        Column::number("utility"),
        Column::number("±95 %"),
        Column::number("to first").dropped(4),
        Column::number("±95 %").dropped(4),
        Column::number("admitted").dropped(5),
        Column::number("completed"),
        Column::number("mean JCT of those"),
        Column::number("p99 JCT").dropped(3),
        Column::number("makespan").dropped(2),
        Column::number("used").dropped(6),
        Column::number("decision").dropped(1),
    ]);
    for row in rows {
        let difference = row.against_first;
        table.row([
            row.name.clone(),
            format!("{:.1}", row.mean_utility),
            half(row.ci95),
            difference.map_or(String::new(), |difference| format!("{:+.1}", difference.mean_utility)),
            difference.map_or(String::new(), |difference| half(difference.ci95)),
            format!("{:.1}", row.mean_admitted),
            format!("{:.1}/{:.1}", row.mean_completed, row.mean_jobs),
            time(row.mean_jct, "-"),
            time(row.p99_jct, "never"),
            time(row.makespan, "-"),
            percent(row.utilisation),
            milliseconds(row.median_decision_ms),
        ]);
    }
    table
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
