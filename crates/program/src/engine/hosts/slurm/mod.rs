//! The way to nodes that Slurm gives: within an allocation that is there, or one that is asked for and given back.
//!
//! What is [`given`] has hosts with cores and devices. Each node is a [`step`] of the job (`srun`), started on the host where the
//! placement puts it, and `srun` carries its input, output and end. What became of the [`job`], its hosts and its time Slurm itself is
//! asked.

mod ask;
pub(crate) mod batch;
mod given;
mod job;
mod step;
mod wishes;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::process::{Command, Stdio};
use std::time::Duration;

use syncline_wire::Address;

use self::ask::Hold;
pub(super) use self::given::Given;
use self::step::{Devices, Spot};
pub(super) use self::wishes::Wishes;
use super::agent;
use super::limit::Limit;
use super::placement::{self, Placement};
use super::rehearsal::{self, Company};
use super::shell::typed;
use super::site::Opened;
use crate::Error;
use crate::control::meeting::Ground;
use crate::control::role::Role;
use crate::engine::processes::allotment::Share;
use crate::engine::processes::restart;
use crate::engine::processes::way::{Start, Way};
use crate::engine::{Reach, Seat};
use crate::launch::executor::Sink;
use crate::life::exit::Exit;

/// The port to which the route to a host is looked up, that of slurmd; nothing is sent there.
const ANY_PORT: u16 = 6818;

/// The nodes of an allocation.
pub(super) struct Slurm {
    allocation: Allocation,
    notice: Option<Duration>,
    /// Ends the allocation when it is dropped, where this launcher asked for it.
    _hold: Option<Hold>,
}

/// What was given, and what of it is taken.
struct Allocation {
    given: Given,
    placement: Placement,
    /// Of each host the part that it belongs to, and whether it is known how many devices it has.
    hosts: Vec<(usize, bool)>,
}

impl Allocation {
    fn of(given: Given) -> Result<Self, Error> {
        let places = given.places()?;
        let hosts = places.iter().map(|place| (place.part, place.are_devices_told)).collect();
        let placement = Placement::new(places.into_iter().map(|place| place.host).collect());
        Ok(Self { given, placement, hosts })
    }

    /// A host by whose address the launcher's own is found.
    fn toward(&self) -> String {
        self.placement.hosts().next().map_or_else(String::new, |host| address_of(&host.name))
    }

    fn part_of(&self, place: &placement::Place) -> usize {
        self.hosts[place.number()].0
    }

    /// Where a node runs that has this place.
    fn spot(&self, place: &placement::Place) -> Spot {
        let (part, is_told) = self.hosts[place.number()];
        let host = self.placement.host(place);
        let devices = match is_told {
            _ if place.gpus.is_empty() => Devices::Unasked,
            true => Devices::At { all: host.gpus.len(), positions: place.gpus.clone() },
            false => Devices::Count(place.gpus.len()),
        };
        Spot { job: self.given.job.clone(), group: self.given.group(part), host: host.name.clone(), devices }
    }

    /// Asks Slurm which hosts are lost by now: why a node is started again may be that its host is.
    fn look(&mut self) {
        let mut lost = BTreeSet::new();
        for part in 0..self.given.parts.len() {
            let Some(state) = self.given.look(part).filter(|state| !state.hosts.is_empty()) else { return };
            let of_part = self.placement.hosts().zip(&self.hosts).filter(|(_, (its, _))| *its == part);
            let gone = of_part.map(|(host, _)| &host.name).filter(|name| !state.hosts.contains(name));
            lost.extend(gone.cloned());
        }
        self.placement.lose(&lost);
    }
}

impl Slurm {
    /// Takes the allocation in which this process runs, or asks for one in which the nodes have room.
    pub(super) fn open(wishes: &Wishes, company: &Company<'_>, sink: &Sink) -> Result<Opened, Error> {
        let (given, hold, mut remarks) = match Given::of_this_process() {
            Some(given) => (given, None, Vec::new()),
            None => {
                let (given, hold, remarks) =
                    ask::ask(company.program, wishes, &company.needs(!wishes.is_for_present), sink)?;
                (given, Some(hold), remarks)
            }
        };
        if hold.is_none() && !wishes.flags().is_empty() {
            remarks.push(format!("within job {} the options of slurm have no effect", given.job));
        }
        let allocation = Allocation::of(given)?;
        company.check_room(&allocation.placement)?;
        let toward = (allocation.toward(), ANY_PORT);
        let way = Self { allocation, notice: wishes.notice, _hold: hold };
        Ok(Opened { way: Box::new(way), toward, remarks })
    }

    /// What would be run, and within a job who would go where; nothing is asked for.
    ///
    /// `listen` finds the launcher's address by the names of hosts and a port there.
    pub(super) fn rehearse(
        wishes: &Wishes,
        company: &Company<'_>,
        listen: impl Fn(&[String], u16) -> Result<Ground, Error>,
    ) -> Result<String, Error> {
        let Some(given) = Given::of_this_process() else { return rehearse_outside(wishes, company) };
        let mut allocation = Allocation::of(given)?;
        let ground = listen(&[allocation.toward()], ANY_PORT)?;
        let places = company.places(&mut allocation.placement)?;
        let mut text = company.told(&allocation.placement, &places);
        text.push_str(&format!("{ground}\n"));
        for (number, node, needs) in company.first_of_each_group() {
            let role = company.role(node, &ground);
            let Some(place) = &places[number] else { continue };
            let needs = allocation.placement.told(node, place, company.group(node), needs);
            let step = allocation.spot(place).step(&needs, &role, company.arguments)?;
            text.push_str(&rehearsal::started_by(node, &step));
        }
        Ok(text)
    }
}

/// What would be asked for, and run where that is given.
fn rehearse_outside(wishes: &Wishes, company: &Company<'_>) -> Result<String, Error> {
    let asking = typed(&ask::asking(company.program, wishes, &company.needs(!wishes.is_for_present)));
    let mut text = format!("Slurm would be asked for room by\n  {asking}\n");
    text.push_str(
        "each node is then a step of that JOB on one of its HOSTs, told by variables which node it is\n",
    );
    for (_, node, needs) in company.first_of_each_group() {
        // Where the launcher listens is known once the hosts are.
        let role = company.role_at(node, Address::Tcp { host: String::new(), port: 0 });
        let devices = needs.gpus.filter(|gpus| *gpus > 0).map_or(Devices::Unasked, Devices::Count);
        let spot = Spot { job: "JOB".to_owned(), group: None, host: "HOST".to_owned(), devices };
        let mut step = spot.step(needs, &role, company.arguments)?;
        text.push_str(&rehearsal::started_by(node, step.env_clear()));
    }
    Ok(text)
}

impl Way for Slurm {
    fn reach(&self) -> Reach {
        Reach::Network
    }

    fn start(&mut self, seat: &Seat, role: &Role, arguments: Option<&[String]>) -> Result<Start, Error> {
        let allocation = &mut self.allocation;
        if seat.id.incarnation > 0 {
            allocation.look();
        }
        let place = allocation.placement.place(&seat.id, &seat.needs)?;
        let arguments: Vec<OsString> = match arguments {
            Some(arguments) => arguments.iter().map(OsString::from).collect(),
            None => restart::words(),
        };
        let spot = allocation.spot(&place);
        let needs = allocation.placement.told(&seat.id.name, &place, seat.group, &seat.needs);
        let command = spot.step(&needs, role, &arguments)?;
        let job = allocation.given.job_of(allocation.part_of(&place));
        let host = Some(spot.host.clone());
        let told = move |status, is_reported| match agent::told(status) {
            // `srun` ends with success, too, when the host of its step is set down.
            Exit::Code(0) if is_reported => Exit::Code(0),
            exit => job.look().and_then(|state| state.ends(&spot.host)).unwrap_or(exit),
        };
        Ok(Start { command, host, share: Share::default(), told: Box::new(told) })
    }

    fn limit(&self) -> Option<Limit> {
        let job = self.allocation.given.job_of(0);
        let left = move || job.look()?.left;
        let notice = self.notice.or_else(|| left().map(wishes::notice_of))?;
        Some(Limit { notice, left: Box::new(left) })
    }
}

/// By which name or address the network knows a host of Slurm.
fn address_of(host: &str) -> String {
    let mut command = Command::new("sinfo");
    command.args(["--noheader", "--format=%o"]).arg(format!("--nodes={host}")).stdin(Stdio::null());
    let told = command.output().map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    told.ok().filter(|address| !address.is_empty()).unwrap_or_else(|| host.to_owned())
}
