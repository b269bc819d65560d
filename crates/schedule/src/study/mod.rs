//! What a person asks of a comparison, as one value: whose jobs, on which machines, by which rules.
//!
//! A [`Study`] leaves open what is not asked for, because the usual choice depends on where the jobs come from: jobs
//! that are drawn restart for free and decide in slots, those of a trace as its own simulator had it. It is checked
//! before anything runs; an option that would change nothing is an error ([`Study::check`]). Whoever has one, be it a
//! command, a daemon or a script, makes an [`Experiment`] of it.

mod check;
mod sweep;

use std::{ops::RangeInclusive, path::PathBuf, sync::Arc};

pub use self::sweep::{Axis, Over};
use crate::{
    compare::{Experiment, Source},
    error::{Error, Result},
    jobs_file,
    model::{Cluster, Job},
    policy::{Floor, Packing, Setup},
    pricing::{External, LateShare, PlannerOptions, Quanta, SlotGrid, Times},
    setting::{Arrivals, Mix, Setting},
    sim::{Clock, Options, Outage},
    state::{Checkpoints, Contention, Overhead, Physics},
    trace::{self, Format, Trace},
};

/// Where the jobs come from.
#[derive(Debug, Clone, PartialEq)]
pub enum Jobs {
    /// Drawn from a setting, anew for every seed.
    Drawn(Draws),
    /// From a file of one's own ([`jobs_file::read_jobs`]).
    File(PathBuf),
    /// From a trace of another system.
    Trace {
        /// The trace.
        path: PathBuf,
        /// How it is written.
        format: Format,
        /// Gavel's table of measured throughputs, which its traces need.
        throughputs: Option<PathBuf>,
    },
}

/// How drawn jobs differ from those of the setting.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Draws {
    /// How many.
    pub count: Option<usize>,
    /// The range of the bandwidth between machines, in Gbit/s.
    pub external_gbps: Option<RangeInclusive<f64>>,
    /// The shares of the classes of utility.
    pub mix: Option<Mix>,
    /// A CSV file of hourly arrivals to arrive like.
    pub arrivals: Option<PathBuf>,
    /// By which factor planners may misjudge a workload.
    pub misestimate: Option<RangeInclusive<f64>>,
}

/// When decisions are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decisions {
    /// At the beginning of slots.
    Slots,
    /// At every event.
    Events,
}

/// A machine out of service, as a person writes it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OutageHours {
    /// The machine's number, from 0.
    pub machine: usize,
    /// When it goes down, in hours.
    pub from: f64,
    /// When it is back, in hours.
    pub until: f64,
}

/// A comparison that is asked for. What is left open is chosen as the jobs' origin has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Study {
    /// The jobs.
    pub jobs: Jobs,
    /// The name of the setting that jobs and machines are drawn from; open: `calibrated`.
    pub setting: Option<String>,
    /// A file of machines, or counts as [`jobs_file::cluster`] reads them.
    pub cluster: Option<String>,
    /// So many machines of the setting instead.
    pub machines: Option<usize>,
    /// Slots to plan and simulate.
    pub slots: Option<usize>,
    /// Length of a slot in seconds.
    pub slot_seconds: f64,
    /// How time within a slot counts.
    pub times: Times,
    /// When decisions are made; open: in slots, for traces at events.
    pub decisions: Option<Decisions>,
    /// When jobs lose their restart time.
    pub overhead: Option<Overhead>,
    /// Restart time of every job in seconds.
    pub restart: Option<f64>,
    /// Checkpoints to which a failure throws jobs back.
    pub checkpoints: Option<Checkpoints>,
    /// Failures of machines.
    pub outages: Vec<OutageHours>,
    /// Whether distributed jobs on one machine share its link.
    pub contention: Contention,
    /// How planners solve the case of many machines.
    pub external: Option<External>,
    /// How finely planners cut a job.
    pub quanta: Option<Quanta>,
    /// The least late utility that price bounds count.
    pub late_share: Option<f64>,
    /// Dorm's bound on the distance from fair shares.
    pub unfairness: Option<f64>,
    /// Dorm's share of running jobs that one event may change.
    pub adjustable: Option<f64>,
    /// What `syncline` promises.
    pub floor: Option<Floor>,
}

impl Default for Study {
    /// Fifty jobs of the calibrated setting on its hundred machines, in slots of an hour.
    fn default() -> Self {
        Self {
            jobs: Jobs::Drawn(Draws::default()),
            setting: None,
            cluster: None,
            machines: None,
            slots: None,
            slot_seconds: 3600.0,
            times: Times::default(),
            decisions: None,
            overhead: None,
            restart: None,
            checkpoints: None,
            outages: Vec::new(),
            contention: Contention::None,
            external: None,
            quanta: None,
            late_share: None,
            unfairness: None,
            adjustable: None,
            floor: None,
        }
    }
}

impl Study {
    /// What all policies are tried on.
    ///
    /// # Errors
    /// A file that cannot be read, a setting of which nothing can be drawn, machines that cannot run the jobs.
    pub fn experiment(&self) -> Result<Experiment> {
        match &self.jobs {
            Jobs::Drawn(draws) => self.drawn(self.draw(draws)?),
            Jobs::File(path) => {
                let (cluster, setting) = self.machines()?;
                let mut jobs = jobs_file::read_jobs_for(path, &cluster)?;
                self.set_restart(&mut jobs);
                self.in_slots(Source::Jobs(jobs), cluster, setting.grid, Overhead::OnChange)
            }
            Jobs::Trace { path, format, throughputs } => {
                let cluster = Arc::new(jobs_file::cluster(self.cluster.as_deref().unwrap_or("8x8"))?);
                let trace = match throughputs {
                    Some(table) => {
                        let devices: Vec<&str> = cluster.devices().iter().map(String::as_str).collect();
                        trace::read_gavel(path, &trace::Throughputs::read(table, &devices)?)?
                    }
                    None => trace::read(path, *format)?,
                };
                let Trace { jobs, left_out } = trace.counted_by(&cluster)?.that_fits(&cluster)?;
                let remark = |(why, count): (&str, usize)| {
                    format!("jobs left out of the trace because they {why}: {count}")
                };
                let remarks = left_out.into_iter().map(remark).collect();
                Ok(Experiment { remarks, ..self.traced(jobs, cluster, *format)? })
            }
        }
    }

    /// In a few words, for a heading.
    pub fn title(&self) -> String {
        let machines = match (&self.cluster, self.machines, &self.jobs) {
            (Some(cluster), ..) => cluster.clone(),
            (None, Some(machines), _) => format!("{machines} machines"),
            (None, None, Jobs::Trace { .. }) => "8x8".into(),
            (None, None, _) => "100 machines".into(),
        };
        match &self.jobs {
            Jobs::Trace { path, .. } | Jobs::File(path) => format!("{} on {machines}", path.display()),
            Jobs::Drawn(draws) => {
                let setting = self.setting.as_deref().unwrap_or("calibrated");
                format!("{setting}: {} jobs on {machines}", draws.count.unwrap_or(50))
            }
        }
    }

    /// The setting with what is said about the jobs.
    fn draw(&self, draws: &Draws) -> Result<Setting> {
        let mut setting = self.base()?;
        setting.jobs = draws.count.unwrap_or(setting.jobs);
        setting.external_gbps = draws.external_gbps.clone().unwrap_or(setting.external_gbps);
        setting.mix = draws.mix.unwrap_or(setting.mix);
        setting.misestimate.clone_from(&draws.misestimate);
        if let Some(path) = &draws.arrivals {
            setting.arrivals = Arrivals::Weighted(trace::hourly_arrivals(path)?);
        }
        setting.validate().map_err(Error::asked)?;
        Ok(setting)
    }

    /// The setting with what is said about machines and time.
    fn base(&self) -> Result<Setting> {
        let setting =
            Setting::named(self.setting.as_deref().unwrap_or("calibrated")).map_err(Error::asked)?;
        let grid = self.grid(setting.grid.slots);
        let machines = self.machines.unwrap_or(setting.machines);
        Ok(Setting { machines, grid, restart: self.restart.unwrap_or(0.0), ..setting })
    }

    fn drawn(&self, setting: Setting) -> Result<Experiment> {
        let (cluster, grid) = (self.cluster_of(&setting)?, setting.grid);
        let overhead = if self.restart.is_none() { Overhead::Never } else { Overhead::OnChange };
        self.in_slots(Source::Setting(Box::new(setting)), cluster, grid, overhead)
    }

    /// The machines of a file of jobs, and the setting that lends them if none are given.
    fn machines(&self) -> Result<(Arc<Cluster>, Setting)> {
        let setting = self.base()?;
        setting.validate().map_err(Error::asked)?;
        Ok((self.cluster_of(&setting)?, setting))
    }

    fn cluster_of(&self, setting: &Setting) -> Result<Arc<Cluster>> {
        let cluster = match &self.cluster {
            Some(text) => jobs_file::cluster(text)?,
            None => setting.cluster()?,
        };
        Ok(Arc::new(cluster))
    }

    fn in_slots(
        &self,
        source: Source,
        cluster: Arc<Cluster>,
        grid: SlotGrid,
        overhead: Overhead,
    ) -> Result<Experiment> {
        let clock = match self.decisions {
            Some(Decisions::Events) => Clock::Continuous,
            Some(Decisions::Slots) | None => Clock::slots(&grid),
        };
        self.assemble(source, cluster, grid, clock, overhead, Packing::Sticky)
    }

    /// Restart times, packing and clock as the simulator had them that the trace was made for.
    fn traced(&self, mut jobs: Vec<Job>, cluster: Arc<Cluster>, format: Format) -> Result<Experiment> {
        self.set_restart(&mut jobs);
        let (overhead, packing) = match format {
            Format::Muri => (Overhead::PerEvent, Packing::Consolidated),
            Format::Gavel => (Overhead::OnChange, Packing::Anywhere),
            Format::Philly
            | Format::Tiresias
            | Format::Helios
            | Format::Pai2020
            | Format::Pai2023
            | Format::Swf => (Overhead::OnChange, Packing::Sticky),
        };
        let grid = self.grid(trace::planned_slots(&jobs, &cluster, self.slot_seconds));
        grid.validate().map_err(Error::asked)?;
        let clock = match self.decisions {
            Some(Decisions::Slots) => Clock::slots(&grid),
            Some(Decisions::Events) | None => Clock::Continuous,
        };
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
    ) -> Result<Experiment> {
        let physics = Physics {
            overhead: self.overhead.unwrap_or(overhead),
            contention: self.contention,
            checkpoints: self.checkpoints,
        };
        let outages = self.outages.iter().map(|outage| outage.on(&cluster)).collect::<Result<_>>()?;
        let usual = Setup::new(&cluster, grid, &[]);
        let planner = PlannerOptions {
            quanta: self.quanta.unwrap_or(usual.planner.quanta),
            external: self.external.unwrap_or(usual.planner.external),
            late: self.late_share.map_or(LateShare::default(), LateShare),
            ..usual.planner
        };
        let template = Setup {
            planner,
            packing,
            floor: self.floor.unwrap_or(usual.floor),
            unfairness: self.unfairness.unwrap_or(usual.unfairness),
            adjustable: self.adjustable.unwrap_or(usual.adjustable),
            ..usual
        };
        let options = Options { clock, physics, outages };
        Ok(Experiment { source, cluster, grid, options, template, remarks: Vec::new() })
    }

    fn grid(&self, slots: usize) -> SlotGrid {
        SlotGrid { slot: self.slot_seconds, slots: self.slots.unwrap_or(slots), times: self.times }
    }

    fn set_restart(&self, jobs: &mut [Job]) {
        if let Some(restart) = self.restart {
            jobs.iter_mut().for_each(|job| job.restart = restart);
        }
    }
}

impl OutageHours {
    /// The same on a cluster.
    fn on(&self, cluster: &Cluster) -> Result<Outage> {
        let machine = cluster.ids().nth(self.machine).ok_or_else(|| {
            let last = cluster.machines().len() - 1;
            Error::option("outage", self.machine, format!("the machines are numbered from 0 to {last}"))
        })?;
        Ok(Outage { machine, from: self.from * 3600.0, until: self.until * 3600.0 })
    }
}
