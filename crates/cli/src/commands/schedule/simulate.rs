//! `syncline schedule simulate`: policies side by side on a synthetic setting or a trace.

use std::{
    path::{Path, PathBuf},
    str::FromStr,
};

use clap::{ValueEnum, ValueHint};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use syncline::schedule::{
    compare::{Comparison, PolicyResult, Summary, Sweep, SweepPoint},
    policy::Floor,
    pricing::{External, Quanta, Times, rounding::Rounding},
    report,
    setting::Mix,
    state::{Checkpoints, Contention, Overhead},
    study::{Axis, Decisions, Draws, Jobs, OutageHours, Study},
    trace::Format,
};

use super::{TimesName, policies};
use crate::{
    failure::Failure,
    list::Span,
    output::{page, print, print_json, remark, wrote},
};

/// Compare scheduling policies on a synthetic setting, on jobs of your own or on a trace
///
/// Policies: all, or pd-ors oasis dorm drf fifo rrh srtf srsf tiresias-l optimus gavel-las gavel-las-aware pollux sia syncline.
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
    /// How many jobs to draw, or a file of jobs (.json, .toml, .csv; see `schedule schema`) [default: 50]
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
    sweep: Option<Axis>,

    /// A trace of jobs instead of a setting
    #[arg(long, value_hint = ValueHint::FilePath, requires = "format", conflicts_with = "jobs", help_heading = "Trace")]
    trace: Option<PathBuf>,
    /// muri, philly, gavel, tiresias, helios, pai-2020, pai-2023 or swf
    #[arg(long, requires = "trace", help_heading = "Trace")]
    format: Option<Format>,
    /// The machines: a file (.json, .toml, .csv), or machines times GPUs, such as 8x8, per device type if they differ:
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
    outage: Vec<OutageText>,
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

#[derive(Clone, Copy, ValueEnum)]
enum ClockName {
    Slots,
    Events,
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

/// The result for machines.
#[derive(Serialize)]
struct Output<'a> {
    policies: Vec<&'a Summary>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    sweep: &'a [SweepPoint],
}

pub fn run(args: Args) -> Result<(), Failure> {
    let names = policies(&args.policy)?;
    let study = args.study()?;
    study.check(&names)?;
    if let Some(axis) = &args.sweep {
        axis.points.iter().try_for_each(|at| study.at(axis.over, *at).map(drop))?;
    }
    let experiment = study.experiment()?;
    experiment.remarks.iter().for_each(|text| remark(text));
    let rounds = 1 + args.sweep.as_ref().map_or(0, |axis| axis.points.len());
    let bar = bar(&args, names.len() * rounds);
    // A bar is this command's clock, too.
    let read = || bar.elapsed();
    let before_run = |policy| {
        bar.set_message(format!("{policy}"));
        bar.inc(1);
    };
    let seeds = args.seeds.first..=args.seeds.last;
    let comparison = Comparison { policies: &names, seeds, stopwatch: Some(&read), before_run: &before_run };
    let results = comparison.run(&experiment)?;
    let sweep = args.sweep.as_ref().map(|axis| comparison.sweep(&study, axis)).transpose()?;
    bar.finish_and_clear();
    // The answer first: a disk that is full costs no result.
    show(args.json, &results, sweep.as_ref())?;
    if let (Some(path), Some(first)) = (&args.record, results.first()) {
        experiment.recording(first.policy, args.seeds.first, &first.sample).write(path)?;
        wrote(path);
    }
    if let Some(folder) = &args.out {
        report::write(folder, &study.title(), &results, sweep.as_ref())?;
        wrote(&folder.join("index.html"));
    }
    Ok(())
}

fn show(json: bool, results: &[PolicyResult], sweep: Option<&Sweep>) -> Result<(), Failure> {
    if json {
        return print_json(&Output {
            policies: results.iter().map(|result| &result.summary).collect(),
            sweep: sweep.map_or(&[], |sweep| &sweep.points),
        });
    }
    let mut page = page();
    report::show(results, sweep, &mut page);
    print(page.text())
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
    /// What is asked for, as a value of the library.
    fn study(&self) -> Result<Study, Failure> {
        let checkpoints = self.checkpoint_every.zip(self.checkpoint_cost);
        let quanta = self.quanta.map(Quanta::PerSlot).or(self.quanta_per_job.map(Quanta::PerJob));
        Ok(Study {
            jobs: self.jobs()?,
            setting: self.setting.clone(),
            cluster: self.cluster.clone(),
            machines: self.machines,
            slots: self.slots,
            slot_seconds: self.slot_seconds,
            times: Times::from(self.times),
            decisions: self.clock.map(Decisions::from),
            overhead: self.overhead.map(Overhead::from),
            restart: self.restart,
            checkpoints: checkpoints.map(|(every, cost)| Checkpoints { every, cost }),
            outages: self.outage.iter().map(|OutageText(outage)| *outage).collect(),
            contention: if self.shared_links { Contention::SharedLinks } else { Contention::None },
            external: self.external.map(External::from),
            quanta,
            late_share: self.late_share,
            unfairness: self.unfairness,
            adjustable: self.adjustable,
            floor: self.floor.map(Floor::from),
        })
    }

    fn jobs(&self) -> Result<Jobs, Failure> {
        let file = self.jobs.as_deref().filter(|jobs| jobs.parse::<usize>().is_err()).map(Path::new);
        let given = match (&self.trace, self.format, file) {
            (Some(path), Some(format), _) => {
                Some(Jobs::Trace { path: path.clone(), format, throughputs: self.throughputs.clone() })
            }
            (_, _, Some(path)) => Some(Jobs::File(path.into())),
            _ => None,
        };
        let Some(given) = given else {
            return Ok(Jobs::Drawn(Draws {
                count: self.jobs.as_deref().and_then(|jobs| jobs.parse().ok()),
                external_gbps: self.external_gbps.map(|span| span.first..=span.last),
                mix: self.mix.map(Mix::from),
                arrivals: self.arrivals.clone(),
                misestimate: self.misestimate.map(|span| span.first..=span.last),
            }));
        };
        for (option, is_given) in [
            ("--external-gbps", self.external_gbps.is_some()),
            ("--mix", self.mix.is_some()),
            ("--arrivals", self.arrivals.is_some()),
            ("--misestimate", self.misestimate.is_some()),
        ] {
            if is_given {
                return Err(Failure::Usage(format!(
                    "{option} has no effect here: it is for jobs that are drawn"
                )));
            }
        }
        Ok(given)
    }
}

/// `3:2..5`: machine 3 is down from hour 2 until hour 5.
#[derive(Clone, Copy)]
struct OutageText(OutageHours);

impl FromStr for OutageText {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "write MACHINE:FROM..UNTIL in hours, such as 3:2..5".to_owned();
        let (machine, hours) = text.split_once(':').ok_or_else(wrong)?;
        let machine = machine.parse().map_err(|_| wrong())?;
        let Span { first: from, last: until } = hours.parse().map_err(|_| wrong())?;
        Ok(Self(OutageHours { machine, from, until }))
    }
}

impl From<ClockName> for Decisions {
    fn from(name: ClockName) -> Self {
        match name {
            ClockName::Slots => Self::Slots,
            ClockName::Events => Self::Events,
        }
    }
}

impl From<MixName> for Mix {
    fn from(name: MixName) -> Self {
        match name {
            MixName::Paper => Self::PAPER,
            MixName::Google => Self::GOOGLE,
        }
    }
}

impl From<OverheadName> for Overhead {
    fn from(name: OverheadName) -> Self {
        match name {
            OverheadName::Never => Self::Never,
            OverheadName::OnChange => Self::OnChange,
            OverheadName::PerEvent => Self::PerEvent,
        }
    }
}

impl From<FloorName> for Floor {
    fn from(name: FloorName) -> Self {
        match name {
            FloorName::Free => Self::Free,
            FloorName::Strict => Self::Strict,
        }
    }
}

impl From<ExternalName> for External {
    fn from(name: ExternalName) -> Self {
        match name {
            ExternalName::Greedy => Self::Greedy,
            ExternalName::Rounded => Self::Rounded(Rounding::default()),
        }
    }
}
