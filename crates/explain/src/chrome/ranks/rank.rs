//! One rank: what its device did, or without a device its CPU, and what its host did meanwhile.
//!
//! On a device the time is its kernels' and copies'. On CPUs it is that of operators, and of what the program has named where
//! no communication overlaps it.

use std::collections::{BTreeMap, BTreeSet};

use syncline_trace::ClockOffset;

use super::super::kind::{Kind, Operation};
use super::super::stretch::{Stretch, exposed, union};
use super::super::trace::{Communication, Group, Launch, Slice, Trace};
use super::kernels::{KernelRow, Kernels};

/// One rank, reduced. Lists are sorted; all but the communications are without overlaps.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rank {
    pub number: u64,
    pub world: Option<u64>,
    pub machine: Option<String>,
    pub name: String,
    pub has_device: bool,
    pub work: Vec<Stretch>,
    pub copies_in: Vec<Stretch>,
    pub copies_out: Vec<Stretch>,
    pub copies: Vec<Stretch>,
    pub collectives: Vec<Collective>,
    pub steps: Vec<Stretch>,
    pub host: Host,
    /// Everything on the device in order of its start, with the number that it shares with its launch.
    pub device: Vec<(u64, u32)>,
    pub kernels: Vec<KernelRow>,
    /// Kernels, and how many of them are shorter than the call that launched them.
    pub launched: (u64, u64),
    pub groups: Vec<Group>,
    pub clock: ClockOffset,
}

/// A collective, send or receive.
#[derive(Clone, Debug)]
pub(crate) struct Collective {
    pub start: u64,
    pub end: u64,
    pub operation: Operation,
    /// As the trace names it, until [`groups`](super::groups) has found which it is.
    pub said: Option<Group>,
    /// By its position in the run's groups.
    pub group: usize,
    pub sequence: Option<u64>,
    pub size: u64,
    pub width: u8,
    pub pair: Option<(u64, u64)>,
    /// By its position in the run's meetings.
    pub meet: Option<u32>,
}

/// What the host did, as far as it explains a device without work: time by kind, over the threads that launch.
#[derive(Clone, Debug, Default)]
pub(crate) struct Host {
    pub loader: Vec<Stretch>,
    pub synchronise: Vec<Stretch>,
    pub allocate: Vec<Stretch>,
    pub optimizer: Vec<Stretch>,
    pub operators: Vec<Stretch>,
    /// Launching calls, sorted by the number that they share with what they launch.
    pub launches: Vec<Launch>,
    /// From its first event to its last; `None` if there is none.
    pub extent: Option<Stretch>,
}

/// The ranks of a file: one, or where other tools than PyTorch's profiler wrote it, one for each device.
pub(super) fn ranks(mut trace: Trace, at: usize) -> Vec<Rank> {
    let mut launches = std::mem::take(&mut trace.launches);
    launches.sort_unstable();
    if trace.is_kineto {
        let number = trace.rank.unwrap_or(at as u64);
        let has_device = trace.slices.iter().any(|slice| is_on_device(slice, &trace));
        return vec![reduced(&trace, launches, (number, format!("rank/{number}")), has_device, &|slice| {
            is_on_device(slice, &trace).then_some(slice.kind)
        })];
    }
    devices(&trace)
        .into_iter()
        .enumerate()
        .map(|(number, (process, name))| {
            let streams = compute_lanes(&trace, process);
            reduced(&trace, Vec::new(), (number as u64, name), true, &|slice| {
                streams.contains(&slice.lane).then(|| device_kind(trace.names.get(slice.name)))
            })
        })
        .collect()
}

/// Whether a trace of another tool has devices, as those of JAX and TensorFlow do.
pub(crate) fn has_devices(trace: &Trace) -> bool {
    !devices(trace).is_empty()
}

/// The processes that are devices, with their names.
fn devices(trace: &Trace) -> Vec<(u32, String)> {
    let is_device = |name: &str| name.contains("/device:") && !name.contains("/device:CPU");
    let mut found: BTreeMap<&str, u32> = BTreeMap::new();
    for (&process, name) in &trace.processes {
        // TensorFlow has one process a device and one for each of its streams; the streams tell the same.
        if is_device(name)
            && trace.lanes.iter().any(|lane| lane.process == process)
            && !name.contains("stream:")
        {
            found.insert(name, process);
        }
    }
    found.into_iter().map(|(name, process)| (process, short(name))).collect()
}

/// `/device:GPU:0 (pid 3)` as `GPU:0`.
fn short(name: &str) -> String {
    let from = name.rfind("/device:").map_or(0, |at| at + "/device:".len());
    name[from..].split([' ', '/']).next().unwrap_or(name).to_owned()
}

/// The threads of a device's process that run something; others repeat it as steps, modules or names of the source.
fn compute_lanes(trace: &Trace, process: u32) -> BTreeSet<u32> {
    let lanes = || (0..).zip(&trace.lanes).filter(|(_, lane)| lane.process == process).map(|found| found.0);
    let named = |part: &str| -> BTreeSet<u32> {
        lanes().filter(|at| trace.threads.get(at).is_some_and(|name| name.contains(part))).collect()
    };
    let candidates = [named("Stream"), named("XLA Ops"), named("Ops")];
    candidates.into_iter().find(|found| !found.is_empty()).unwrap_or_else(|| lanes().collect())
}

/// What an operation of XLA is, by its name.
fn device_kind(name: &str) -> Kind {
    let name = name.to_ascii_lowercase();
    match name.as_str() {
        _ if name.contains("memcpyh2d") || name.contains("infeed") => Kind::CopyIn,
        _ if name.contains("memcpyd2h") || name.contains("outfeed") => Kind::CopyOut,
        _ if name.contains("memcpy") || name.contains("memset") => Kind::Copy,
        _ if ["nccl", "all-reduce", "all-gather", "reduce-scatter", "all-to-all", "collective-permute"]
            .iter()
            .any(|part| name.contains(part)) =>
        {
            Kind::Collective
        }
        _ => Kind::Kernel,
    }
}

fn is_on_device(slice: &Slice, trace: &Trace) -> bool {
    slice.kind.is_on_device() || slice.kind == Kind::Collective && !is_of_cpu(trace, slice)
}

/// Whether gloo, MPI or UCC ran it.
fn is_of_cpu(trace: &Trace, slice: &Slice) -> bool {
    ["gloo:", "mpi:", "ucc:"].iter().any(|library| trace.names.get(slice.name).starts_with(library))
}

/// Reduces a file to a rank; `on_device` tells what is its device's and what kind of thing it is there.
fn reduced(
    trace: &Trace,
    launches: Vec<Launch>,
    (number, name): (u64, String),
    has_device: bool,
    on_device: &dyn Fn(&Slice) -> Option<Kind>,
) -> Rank {
    let (world, machine, groups) = (trace.world, trace.host.clone(), trace.groups.clone());
    let mut rank = Rank { number, name, world, machine, has_device, groups, ..Rank::default() };
    let mut named = Vec::new();
    let mut kernels = Kernels::default();
    let mut host = Host::of(trace, launches, on_device);
    for slice in &trace.slices {
        let stretch = (slice.start, slice.end);
        let kind = if has_device { on_device(slice) } else { Some(slice.kind) };
        match kind {
            Some(Kind::Kernel) => rank.work.push(stretch),
            Some(Kind::CopyIn) => rank.copies_in.push(stretch),
            Some(Kind::CopyOut) => rank.copies_out.push(stretch),
            Some(Kind::Copy) => rank.copies.push(stretch),
            Some(Kind::Collective) => rank.collectives.push(collective(trace, slice)),
            Some(Kind::Operator | Kind::Synchronise | Kind::Optimizer)
                if !has_device && !is_call(trace, slice) =>
            {
                rank.work.push(stretch);
            }
            Some(Kind::Named) if !has_device => named.push(stretch),
            _ => {}
        }
        if let (true, Some(kind)) = (has_device, kind) {
            rank.device.push((slice.start, slice.correlation));
            kernels.add(slice, kind, &host);
        }
        if slice.kind == Kind::Step {
            rank.steps.push(stretch);
        }
    }
    rank.collectives.sort_unstable_by_key(|found| (found.start, found.end));
    let meeting = union(rank.collectives.iter().map(|found| (found.start, found.end)).collect());
    rank.work.extend(union(named).into_iter().flat_map(|stretch| exposed(stretch, &meeting)));
    for list in [&mut rank.work, &mut rank.copies_in, &mut rank.copies_out, &mut rank.copies] {
        *list = union(std::mem::take(list));
    }
    rank.steps.sort_unstable();
    rank.steps.dedup();
    rank.device.sort_unstable();
    rank.launched = kernels.launched();
    rank.kernels = kernels.rows(trace);
    host.join();
    rank.host = host;
    rank
}

/// The call of an operator that only hands a communication over; the library's own event says how long it took.
fn is_call(trace: &Trace, slice: &Slice) -> bool {
    let name = trace.names.get(slice.name);
    name.starts_with("c10d::") || name == "record_param_comms"
}

fn collective(trace: &Trace, slice: &Slice) -> Collective {
    let none = || Communication {
        operation: Operation::of(trace.names.get(slice.name)),
        group: None,
        sequence: None,
        size: 0,
        width: 0,
        pair: None,
    };
    let known = slice.more.checked_sub(1).filter(|_| slice.kind == Kind::Collective);
    let known = known.and_then(|at| trace.collectives.get(at as usize)).cloned().unwrap_or_else(none);
    Collective {
        start: slice.start,
        end: slice.end,
        operation: known.operation,
        said: known.group,
        group: 0,
        sequence: known.sequence,
        size: known.size,
        width: known.width,
        pair: known.pair,
        meet: None,
    }
}

impl Host {
    /// Only the threads that launch are asked: what a thread of the data loader does is no reason to wait for it. A trace
    /// without launches does not tell them apart.
    fn of(trace: &Trace, launches: Vec<Launch>, on_device: &dyn Fn(&Slice) -> Option<Kind>) -> Self {
        let mut host = Self::default();
        let device_processes: BTreeSet<u32> =
            devices(trace).into_iter().map(|(process, _)| process).collect();
        for slice in &trace.slices {
            let lane = &trace.lanes[slice.lane as usize];
            let is_device = device_processes.contains(&lane.process) || slice.kind.is_on_device();
            if is_device || on_device(slice).is_some() {
                continue;
            }
            host.saw((slice.start, slice.end));
            if trace.launching.is_empty() || trace.launching.contains(&slice.lane) {
                host.take(trace, slice);
            }
        }
        for launch in &launches {
            let stretch = (launch.start, launch.start + u64::from(launch.duration));
            host.saw(stretch);
            host.operators.push(stretch);
        }
        host.launches = launches;
        host
    }

    fn saw(&mut self, stretch: Stretch) {
        let extent = self.extent.get_or_insert(stretch);
        *extent = (extent.0.min(stretch.0), extent.1.max(stretch.1));
    }

    fn take(&mut self, trace: &Trace, slice: &Slice) {
        let kind = match slice.kind {
            Kind::Other => super::super::kind::host(trace.names.get(slice.name)).unwrap_or(Kind::Named),
            kind => kind,
        };
        let list = match kind {
            Kind::Loader => &mut self.loader,
            Kind::Synchronise => &mut self.synchronise,
            Kind::Allocate => &mut self.allocate,
            Kind::Optimizer => &mut self.optimizer,
            Kind::Operator => &mut self.operators,
            _ => return,
        };
        list.push((slice.start, slice.end));
    }

    /// Makes sorted lists without overlaps of all.
    fn join(&mut self) {
        let lists = [
            &mut self.loader,
            &mut self.synchronise,
            &mut self.allocate,
            &mut self.optimizer,
            &mut self.operators,
        ];
        for list in lists {
            *list = union(std::mem::take(list));
        }
    }

    /// The call that launched what has this number.
    pub fn launch(&self, correlation: u32) -> Option<Stretch> {
        let at = self.launches.binary_search_by_key(&correlation, |launch| launch.correlation).ok()?;
        let Launch { start, duration, .. } = self.launches[at];
        (correlation > 0).then_some((start, start + u64::from(duration)))
    }
}

/// Gives ranks that claim the same number different names.
pub(super) fn tell_apart(ranks: &mut [Rank]) {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for rank in ranks {
        let count = seen.entry(rank.name.clone()).or_default();
        *count += 1;
        if *count > 1 {
            rank.name = format!("{} ({count})", rank.name);
        }
    }
}

impl Rank {
    /// Its first instant.
    pub fn start(&self) -> Option<u64> {
        let lists = [&self.work, &self.copies_in, &self.copies_out, &self.copies, &self.steps];
        let firsts = lists.into_iter().filter_map(|list| list.first()).map(|stretch| stretch.0);
        firsts
            .chain(self.collectives.first().map(|found| found.start))
            .chain(self.host.extent.map(|extent| extent.0))
            .min()
    }

    /// Its last instant.
    pub fn end(&self) -> Option<u64> {
        let lists = [&self.work, &self.copies_in, &self.copies_out, &self.copies, &self.steps];
        let lasts = lists.into_iter().flat_map(|list| list.iter().map(|stretch| stretch.1).max());
        lasts
            .chain(self.collectives.iter().map(|found| found.end).max())
            .chain(self.host.extent.map(|extent| extent.1))
            .max()
    }

    /// The step of the training loop at a time, from 0.
    pub fn step(&self, at: u64) -> u32 {
        self.steps.partition_point(|step| step.0 <= at).saturating_sub(1) as u32
    }

    /// Moves all its times.
    pub fn shift(&mut self, by: i128) {
        if by == 0 {
            return;
        }
        let moved = |at: &mut u64| *at = (i128::from(*at) + by).clamp(0, i128::from(u64::MAX / 2)) as u64;
        let host = &mut self.host;
        let lists = [
            &mut self.work,
            &mut self.copies_in,
            &mut self.copies_out,
            &mut self.copies,
            &mut self.steps,
            &mut host.loader,
            &mut host.synchronise,
            &mut host.allocate,
            &mut host.optimizer,
            &mut host.operators,
        ];
        for stretch in lists.into_iter().flatten().chain(&mut host.extent) {
            moved(&mut stretch.0);
            moved(&mut stretch.1);
        }
        host.launches.iter_mut().for_each(|launch| moved(&mut launch.start));
        self.device.iter_mut().for_each(|(at, _)| moved(at));
        for collective in &mut self.collectives {
            moved(&mut collective.start);
            moved(&mut collective.end);
        }
    }
}
