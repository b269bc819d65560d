//! The form of a cluster in files: machines by name, rack and device type, several alike by `count`.
//!
//! ```json
//! {"machines": [
//!   {"name": "a", "count": 2, "capacity": {"gpu": 8, "cpu": 64}, "device": "a100", "rack": "left"},
//!   {"name": "old", "capacity": {"gpu": 4, "cpu": 32}, "device": "k80", "labels": {"disk": "fast"}}
//! ]}
//! ```
//!
//! Invariant: what is written is what is read again, so a recording holds its cluster in this form too.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Cluster, DeviceId, Machine, MachineId, Queue, Reservation, Resources};
use crate::error::{Error, Result};

/// A cluster as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Plain {
    machines: Vec<Entry>,
    /// The device types; needed where jobs give their speeds by number. None: those that machines name, in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    devices: Option<Vec<String>>,
    #[serde(default = "one")]
    oversubscription: f64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    queues: Vec<Queue>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    reservations: Vec<Held>,
}

/// What a cluster is made of.
pub(super) struct Resolved {
    pub machines: Vec<Machine>,
    pub devices: Vec<String>,
    pub oversubscription: f64,
    pub queues: Vec<Queue>,
    pub reservations: Vec<Reservation>,
}

/// A reservation as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Held {
    name: String,
    /// Machines by name, an entry with a count as a whole, or by number.
    machines: Vec<Name>,
    from: f64,
    until: f64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    queues: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    name: String,
    /// So many machines of this kind; their names get a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    count: Option<usize>,
    capacity: Resources,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rack: Option<Name>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    device: Option<Name>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, String>,
}

/// A name, or a number from 0.
#[derive(Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum Name {
    Number(u32),
    Text(String),
}

fn one() -> f64 {
    1.0
}

impl Plain {
    pub(super) fn of(resolved: Resolved) -> Self {
        let Resolved { machines, devices, oversubscription, queues, reservations } = resolved;
        let entry = |machine: Machine| Entry {
            name: machine.name,
            count: None,
            capacity: machine.capacity,
            rack: (machine.rack > 0).then_some(Name::Number(machine.rack)),
            device: (machine.device.0 > 0).then_some(Name::Number(machine.device.0.into())),
            labels: machine.labels,
        };
        let held = |reservation: Reservation| {
            let Reservation { name, machines, from, until, queues } = reservation;
            let machines = machines.into_iter().map(|id| Name::Number(id.0)).collect();
            Held { name, machines, from, until, queues }
        };
        Self {
            machines: machines.into_iter().map(entry).collect(),
            devices: Some(devices),
            oversubscription,
            queues,
            reservations: reservations.into_iter().map(held).collect(),
        }
    }

    /// With numbers for names.
    pub(super) fn resolve(self) -> Result<Resolved> {
        let mut devices = Devices::new(self.devices);
        let mut racks = Racks::default();
        let mut machines = Vec::new();
        // A machine without a type beside others that name theirs would silently get the first of them.
        let named = |entry: &Entry| matches!(entry.device, Some(Name::Text(_)));
        let some_named = self.machines.iter().any(named);
        for (index, entry) in self.machines.into_iter().enumerate() {
            let subject = subject(index, &entry.name);
            if some_named && entry.device.is_none() {
                let wanted = "others name their device type, so every machine must";
                return Err(invalid(subject, "device", "not given".into(), wanted));
            }
            let count = entry.count.unwrap_or(1);
            if count == 0 || count > Cluster::MOST {
                let wanted = "it is from 1 to 1000000; leave the entry out if there is no such machine";
                return Err(invalid(subject, "count", count.to_string(), wanted));
            }
            let machine = Machine {
                name: entry.name,
                capacity: entry.capacity,
                rack: racks.number(&subject, entry.rack)?,
                device: devices.number(&subject, entry.device)?,
                labels: entry.labels,
            };
            match entry.count {
                None => machines.push(machine),
                Some(count) => machines.extend((0..count).map(|number| numbered(&machine, number))),
            }
        }
        let (queues, oversubscription) = (self.queues, self.oversubscription);
        let reservations =
            self.reservations.into_iter().map(|held| held.resolve(&machines)).collect::<Result<_>>()?;
        Ok(Resolved { machines, devices: devices.names(), oversubscription, queues, reservations })
    }
}

impl Held {
    fn resolve(self, machines: &[Machine]) -> Result<Reservation> {
        let mut ids = Vec::new();
        for name in self.machines {
            let found = match &name {
                Name::Number(number) => vec![MachineId(*number)],
                Name::Text(name) => named(machines, name),
            };
            if found.is_empty() {
                let Name::Text(name) = name else { continue };
                let wanted = "it is the name of a machine, or of an entry with a `count`";
                return Err(invalid(
                    format!("reservation `{}`", self.name),
                    "machines",
                    format!("`{name}`"),
                    wanted,
                ));
            }
            ids.extend(found);
        }
        ids.sort_unstable();
        ids.dedup();
        let Self { name, from, until, queues, .. } = self;
        Ok(Reservation { name, machines: ids, from, until, queues })
    }
}

/// The machine of this name, or those that a count made of it.
fn named(machines: &[Machine], name: &str) -> Vec<MachineId> {
    let ids = |is: &dyn Fn(&str) -> bool| {
        let found = machines.iter().enumerate().filter(|(_, machine)| is(&machine.name));
        found.map(|(index, _)| MachineId(index as u32)).collect::<Vec<_>>()
    };
    let one = ids(&|other| other == name);
    if !one.is_empty() {
        return one;
    }
    let number =
        |other: &str| other.strip_prefix(name).and_then(|rest| rest.strip_prefix('-')?.parse::<u64>().ok());
    ids(&|other| number(other).is_some())
}

fn numbered(machine: &Machine, number: usize) -> Machine {
    let name = if machine.name.is_empty() { String::new() } else { format!("{}-{number}", machine.name) };
    Machine { name, ..machine.clone() }
}

fn subject(index: usize, name: &str) -> String {
    if name.is_empty() { format!("entry {} of the machines", index + 1) } else { format!("machine `{name}`") }
}

fn invalid(subject: String, field: &str, found: String, wanted: &'static str) -> Error {
    Error::Invalid { subject, field: field.into(), found, wanted }
}

/// Device types, given in full or gathered from the machines.
struct Devices {
    names: Vec<String>,
    given: bool,
}

impl Devices {
    fn new(names: Option<Vec<String>>) -> Self {
        Self { given: names.is_some(), names: names.unwrap_or_default() }
    }

    fn number(&mut self, subject: &str, device: Option<Name>) -> Result<DeviceId> {
        let wrong = |found: String, wanted| Err(invalid(subject.into(), "device", found, wanted));
        let number = match device {
            None => 0,
            Some(Name::Number(number)) if number > u32::from(u16::MAX) => {
                return wrong(number.to_string(), "device types are numbered from 0 and named in `devices`");
            }
            Some(Name::Number(number)) => number as usize,
            Some(Name::Text(name)) => match self.names.iter().position(|known| *known == name) {
                Some(at) => at,
                None if self.given => return wrong(format!("`{name}`"), "it is one of `devices`"),
                None => {
                    self.names.push(name);
                    self.names.len() - 1
                }
            },
        };
        Ok(DeviceId(number as u16))
    }

    fn names(self) -> Vec<String> {
        if self.names.is_empty() { vec!["gpu".into()] } else { self.names }
    }
}

/// Racks, all by number or all by name.
#[derive(Default)]
struct Racks {
    names: Vec<String>,
    numbered: bool,
}

impl Racks {
    fn number(&mut self, subject: &str, rack: Option<Name>) -> Result<u32> {
        match rack {
            None => Ok(0),
            Some(Name::Number(number)) if self.names.is_empty() => {
                self.numbered = true;
                Ok(number)
            }
            Some(Name::Text(name)) if !self.numbered => {
                let at = self.names.iter().position(|known| *known == name);
                Ok(at.unwrap_or_else(|| {
                    self.names.push(name);
                    self.names.len() - 1
                }) as u32)
            }
            Some(_) => {
                let wanted = "racks are all numbers or all names";
                Err(invalid(subject.into(), "rack", "another kind than before".into(), wanted))
            }
        }
    }
}
