//! Amounts of the five resource types that machines offer and tasks demand.
//!
//! A fixed vector keeps the inner loops of the policies free of allocation; a type that a cluster does not
//! have is zero everywhere. Invariant: amounts are finite and not negative, checked when a cluster or a job
//! is made.

use std::ops::Index;

use serde::{Deserialize, Serialize};

/// A type of resource. The discriminant is its place in [`Resources`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resource {
    /// Accelerators, in devices.
    Gpu,
    /// Processor cores.
    Cpu,
    /// Main memory, in GB.
    Memory,
    /// Local disk, in GB.
    Storage,
    /// Network interface bandwidth, in Gbps.
    Network,
}

impl Resource {
    /// Every type, in storage order.
    pub const ALL: [Self; 5] = [Self::Gpu, Self::Cpu, Self::Memory, Self::Storage, Self::Network];

    /// The name used in files and messages.
    pub fn name(self) -> &'static str {
        ["gpu", "cpu", "memory", "storage", "network"][self as usize]
    }

    /// What an amount of it is counted in.
    pub fn unit(self) -> &'static str {
        ["devices", "cores", "GB", "GB", "Gbps"][self as usize]
    }
}

/// The number of resource types.
pub const KINDS: usize = Resource::ALL.len();

/// What rounding may add up to before a demand counts as not fitting.
const SLACK: f64 = 1e-9;

/// An amount of every resource type.
///
/// ```
/// use syncline_schedule::{Resource, Resources};
/// let machine = Resources::new(4.0, 16.0, 64.0, 100.0);
/// let task = Resources::new(1.0, 2.0, 20.0, 0.0);
/// assert_eq!(machine.how_many(&task), 3); // memory runs out first
/// assert_eq!(machine[Resource::Cpu], 16.0);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(from = "Named", into = "Named")]
pub struct Resources([f64; KINDS]);

impl Resources {
    /// GPUs, cores, memory in GB and storage in GB; no network interface is accounted.
    pub fn new(gpu: f64, cpu: f64, memory: f64, storage: f64) -> Self {
        Self([gpu, cpu, memory, storage, 0.0])
    }

    /// Only accelerators.
    pub fn gpus(count: f64) -> Self {
        Self::new(count, 0.0, 0.0, 0.0)
    }

    /// All five amounts, in the order of [`Resource::ALL`].
    pub fn from_array(amounts: [f64; KINDS]) -> Self {
        Self(amounts)
    }

    /// The amounts, in the order of [`Resource::ALL`].
    pub fn as_array(&self) -> &[f64; KINDS] {
        &self.0
    }

    /// `self += times * unit`.
    pub fn add(&mut self, unit: &Self, times: f64) {
        for (amount, unit) in self.0.iter_mut().zip(&unit.0) {
            *amount += times * unit;
        }
    }

    /// `self * times`.
    pub fn times(&self, times: f64) -> Self {
        Self(self.0.map(|amount| amount * times))
    }

    /// `self + other`.
    pub fn plus(mut self, other: &Self) -> Self {
        self.add(other, 1.0);
        self
    }

    /// Inner product, for instance of a demand with unit prices.
    pub fn dot(&self, other: &Self) -> f64 {
        self.0.iter().zip(&other.0).map(|(a, b)| a * b).sum()
    }

    /// The sum over all types (the papers add GPUs to gigabytes; so do we, where they do).
    pub fn sum(&self) -> f64 {
        self.0.iter().sum()
    }

    /// Whether `need` fits into `self`.
    pub fn fits(&self, need: &Self) -> bool {
        self.0.iter().zip(&need.0).all(|(have, need)| *need <= have + SLACK)
    }

    /// The first type of which there is too little for `need`: what is needed and what there is.
    pub fn lacks(&self, need: &Self) -> Option<(Resource, f64, f64)> {
        let short = |kind: &Resource| need[*kind] > self[*kind] + SLACK;
        Resource::ALL.into_iter().find(short).map(|kind| (kind, need[kind], self[kind]))
    }

    /// How many units fit at once. A unit that needs nothing fits without end: `u32::MAX`.
    pub fn how_many(&self, unit: &Self) -> u32 {
        let whole = |(have, unit): (&f64, &f64)| ((have + SLACK) / unit).floor().max(0.0);
        self.0
            .iter()
            .zip(&unit.0)
            .filter(|(_, unit)| **unit > 0.0)
            .map(whole)
            .fold(f64::from(u32::MAX), f64::min) as u32
    }

    /// The largest share `self_r / whole_r` over the types that `whole` has: DRF's dominant share.
    pub fn dominant_share(&self, whole: &Self) -> f64 {
        let share = |(part, whole): (&f64, &f64)| if *whole > 0.0 { part / whole } else { 0.0 };
        self.0.iter().zip(&whole.0).map(share).fold(0.0, f64::max)
    }

    /// The first type whose amount is negative or not finite.
    pub fn invalid(&self) -> Option<Resource> {
        Resource::ALL.into_iter().find(|&kind| !(self[kind].is_finite() && self[kind] >= 0.0))
    }

    /// Whether every amount is zero.
    pub fn is_zero(&self) -> bool {
        self.0.iter().all(|amount| *amount == 0.0)
    }
}

impl Index<Resource> for Resources {
    type Output = f64;

    fn index(&self, kind: Resource) -> &f64 {
        &self.0[kind as usize]
    }
}

/// The form in files: named, absent types are zero.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    #[serde(default)]
    gpu: f64,
    #[serde(default)]
    cpu: f64,
    #[serde(default)]
    memory: f64,
    #[serde(default)]
    storage: f64,
    #[serde(default)]
    network: f64,
}

impl From<Named> for Resources {
    fn from(named: Named) -> Self {
        Self([named.gpu, named.cpu, named.memory, named.storage, named.network])
    }
}

impl From<Resources> for Named {
    fn from(Resources([gpu, cpu, memory, storage, network]): Resources) -> Self {
        Self { gpu, cpu, memory, storage, network }
    }
}
