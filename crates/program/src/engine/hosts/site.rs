//! Where on the network a program is to run, as the user says it, and what comes of that when it is opened.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::net::{IpAddr, UdpSocket};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use syncline_kubernetes::launched::Launched;
use syncline_kubernetes::wishes::Wishes;

use super::hostfile;
use super::kubernetes::{self, Kubernetes};
use super::placement::Placement;
use super::rehearsal::Company;
use super::slurm::batch::Batch;
use super::slurm::{self, Slurm};
use super::ssh::Ssh;
use crate::control::meeting::Ground;
use crate::engine::processes::way::Way;
use crate::launch::executor::Sink;
use crate::life::patience::Patience;
use crate::{Error, NodeId, Resources};

/// Hosts, and how they are reached. Written `ssh:FILE`, `slurm` or `kubernetes`, with options `,name=value` behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Site {
    kind: Kind,
    /// Where the launcher listens; by default on the interface by which it reaches the first host.
    listen: Option<IpAddr>,
    /// The ports that may be used; by default the system chooses.
    ports: Option<RangeInclusive<u16>>,
    /// Whether everything travels in the clear.
    pub(crate) is_open: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    /// The hosts of this file.
    Ssh(PathBuf),
    /// What Slurm gives, asked for with these options.
    Slurm(slurm::Wishes),
    /// Pods, such as are wished for.
    Kubernetes(Box<Wishes>),
}

/// A site that is ready for nodes.
pub(super) struct Opened {
    pub(super) way: Box<dyn Way>,
    /// A host and a port there, by which the launcher's own address is found.
    pub(super) toward: (String, u16),
    /// What the user should know.
    pub(super) remarks: Vec<String>,
}

/// A site, and where its launcher listens.
pub(crate) struct Farm {
    pub(crate) way: Box<dyn Way>,
    pub(crate) ground: Ground,
    pub(crate) remarks: Vec<String>,
}

impl Site {
    /// Reads what stands behind `ssh:`, `slurm` or `kubernetes`.
    pub(crate) fn read(text: &str) -> Result<Option<Self>, Error> {
        let (kind, options) = match text.split_once([':', ',']) {
            Some(("ssh", rest)) => {
                let (file, options) = rest.split_once(',').unwrap_or((rest, ""));
                (Kind::Ssh(file.into()), options)
            }
            Some(("slurm", options)) => (Kind::Slurm(slurm::Wishes::default()), options),
            Some(("kubernetes", options)) => (Kind::Kubernetes(Box::default()), options),
            None if text == "kubernetes" => (Kind::Kubernetes(Box::default()), ""),
            None if text == "slurm" => (Kind::Slurm(slurm::Wishes::default()), ""),
            None if text == "ssh" => {
                let what = "ssh needs a file of hosts: ssh:hosts.txt".to_owned();
                return Err(Error::Site { text: text.to_owned(), why: what });
            }
            _ => return Ok(None),
        };
        let mut site = Self { kind, listen: None, ports: None, is_open: false };
        for option in options.split(',').filter(|option| !option.is_empty()) {
            site.take(option).map_err(|why| Error::Site { text: text.to_owned(), why })?;
        }
        Ok(Some(site))
    }

    fn take(&mut self, option: &str) -> Result<(), String> {
        let (name, value) = match option.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (option, None),
        };
        match (name, value, &mut self.kind) {
            ("listen", Some(address), _) => {
                let address = address.parse().map_err(|_| format!("`{address}` is no IP address"))?;
                self.listen = Some(address);
            }
            ("ports", Some(range), _) => {
                let bounds = range.split_once('-').map(|(from, to)| (from.parse(), to.parse()));
                let Some((Ok(from), Ok(to))) = bounds else {
                    return Err(format!("`{range}` is no range of ports, such as 7000-7100"));
                };
                if from == 0 || from > to {
                    return Err(format!(
                        "`{range}` is no range of ports: the first is at least 1 and not above the last"
                    ));
                }
                self.ports = Some(from..=to);
            }
            (_, _, Kind::Slurm(wishes)) => wishes.add(name, value)?,
            (_, _, Kind::Kubernetes(wishes)) => wishes.add(name, value)?,
            (_, _, Kind::Ssh(_)) => {
                return Err(format!("`{name}` is no option of ssh; there are listen=IP and ports=A-B"));
            }
        }
        Ok(())
    }

    /// The script by which Slurm starts the launcher itself; nothing elsewhere, and within a job, where it would not be asked.
    pub(crate) fn batch_script(&self, batch: &Batch) -> Option<String> {
        match &self.kind {
            Kind::Slurm(wishes) if slurm::Given::of_this_process().is_none() => {
                Some(slurm::batch::script(batch, wishes))
            }
            Kind::Slurm(_) | Kind::Ssh(_) | Kind::Kubernetes(_) => None,
        }
    }

    /// What is given to Kubernetes to have it launch a program itself; nothing elsewhere.
    pub(crate) fn manifest(&self, program: &str, arguments: Vec<OsString>) -> Option<Result<String, Error>> {
        match &self.kind {
            Kind::Kubernetes(wishes) => Some(kubernetes::manifest(program, wishes, arguments)),
            Kind::Slurm(_) | Kind::Ssh(_) => None,
        }
    }

    /// Has Kubernetes launch a program itself under this name, where `folder` lies on one of its volumes; nothing elsewhere.
    pub(crate) fn launch_there(
        &self,
        name: &str,
        arguments: Vec<OsString>,
        folder: &Path,
    ) -> Result<Option<Launched>, Error> {
        match &self.kind {
            Kind::Kubernetes(wishes) => kubernetes::launch(name, wishes, arguments, folder),
            Kind::Slurm(_) | Kind::Ssh(_) => Ok(None),
        }
    }

    /// Gives nodes the time that they need there.
    pub(crate) fn amend(&self, patience: &mut Patience) {
        // Slurm is waited for before nodes are started, and tells of their ends at once, as ssh does.
        let Kind::Kubernetes(wishes) = &self.kind else { return };
        patience.start += Duration::from_secs(wishes.patience().into());
        patience.normal = patience.normal.max(kubernetes::TOLD_WITHIN);
        patience.failure = patience.failure.max(kubernetes::TOLD_WITHIN);
    }

    /// Gets the hosts ready for these nodes.
    ///
    /// `sink` hears meanwhile what it waits for.
    pub(crate) fn open(&self, company: &Company<'_>, sink: &Sink) -> Result<Farm, Error> {
        let Opened { way, toward, remarks } = match &self.kind {
            Kind::Ssh(file) => Ssh::open(hostfile::read(file)?, company, sink)?,
            Kind::Slurm(wishes) => Slurm::open(wishes, company, sink)?,
            Kind::Kubernetes(wishes) => Kubernetes::open(wishes, sink)?,
        };
        let ground = self.ground(std::slice::from_ref(&toward.0), toward.1)?;
        if ground.host.is_loopback() && matches!(self.kind, Kind::Kubernetes(_)) {
            return Err(Error::Kubernetes(format!(
                "its API server is reached by {}, where no pod reaches this machine: add listen=IP, an address of this \
                 machine that pods reach",
                ground.host
            )));
        }
        Ok(Farm { way, ground, remarks })
    }

    /// How many of these nodes would stand on each host that has any; nothing where others deal out the hosts.
    ///
    /// # Errors
    /// Where the file of hosts cannot be read, or names too little room.
    pub(crate) fn on_each_host(
        &self,
        nodes: impl Iterator<Item = String>,
    ) -> Result<Option<Vec<usize>>, Error> {
        let Kind::Ssh(file) = &self.kind else { return Ok(None) };
        let mut placement = Placement::new(hostfile::read(file)?);
        let mut counts = BTreeMap::<usize, usize>::new();
        for name in nodes {
            let place = placement.place(&NodeId::first(name.parse()?), &Resources::default())?;
            *counts.entry(place.number()).or_default() += 1;
        }
        Ok(Some(counts.into_values().collect()))
    }

    /// What would be done to run these nodes, of which nothing is done.
    ///
    /// # Errors
    /// What a launch would find out before it asks anybody: hosts that are not named rightly, or have no room.
    pub(crate) fn rehearse(&self, company: &Company<'_>) -> Result<String, Error> {
        let ground = |names: &[String], port| self.ground(names, port);
        match &self.kind {
            Kind::Ssh(file) => Ssh::rehearse(hostfile::read(file)?, company, ground),
            Kind::Slurm(wishes) => Slurm::rehearse(wishes, company, ground),
            Kind::Kubernetes(wishes) => {
                kubernetes::manifest(company.program, wishes, company.arguments.to_vec())
            }
        }
    }

    /// Where the launcher listens: by default at the address by which it reaches the first of these hosts that it can.
    fn ground(&self, hosts: &[String], port: u16) -> Result<Ground, Error> {
        let mut listen = self.listen.map(Ok);
        for host in hosts {
            if !matches!(listen, Some(Ok(_))) {
                let doing = format!("cannot tell by which address {host} reaches this machine");
                listen = Some(source_toward(host, port).map_err(Error::system(doing)));
            }
        }
        let host = listen.unwrap_or_else(|| Err(Error::NoHost("none is named".to_owned())))?;
        Ok(Ground { host, ports: self.ports.clone(), is_open: self.is_open })
    }
}

/// The address that this machine has for another; nothing is sent.
pub(crate) fn source_toward(host: &str, port: u16) -> std::io::Result<IpAddr> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let any = if host.contains(':') { "[::]:0" } else { "0.0.0.0:0" };
    let socket = UdpSocket::bind(any)?;
    socket.connect((host, port))?;
    Ok(socket.local_addr()?.ip())
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::Ssh(_) => "ssh",
            Kind::Slurm(_) => "slurm",
            Kind::Kubernetes(_) => "kubernetes",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_is_read_with_its_options() {
        let site = Site::read("ssh:hosts.txt,listen=10.0.0.5,ports=7000-7100").unwrap().unwrap();
        assert_eq!(site.kind, Kind::Ssh("hosts.txt".into()));
        assert_eq!(
            (site.listen.unwrap().to_string().as_str(), site.ports.unwrap()),
            ("10.0.0.5", 7000..=7100)
        );
        let site = Site::read("slurm:partition=gpu,exclusive").unwrap().unwrap();
        let Kind::Slurm(wishes) = site.kind else { panic!("{site:?}") };
        assert_eq!(wishes.flags(), ["--partition=gpu", "--exclusive"]);
        let site = Site::read("kubernetes:image=a:1,ports=7000-7100,volume=data:/data").unwrap().unwrap();
        assert_eq!(site.to_string(), "kubernetes");
        let Kind::Kubernetes(wishes) = site.kind else { panic!("{site:?}") };
        assert_eq!((wishes.image.as_deref(), wishes.volumes.len()), (Some("a:1"), 1));
        assert_eq!(Site::read("threads").unwrap(), None);
    }

    #[test]
    fn a_wrong_option_is_named() {
        for (text, says) in [
            ("ssh", "ssh:hosts.txt"),
            ("ssh:h,slots=3", "`slots` is no option of ssh"),
            ("ssh:h,listen=here", "`here` is no IP address"),
            ("ssh:h,ports=9-3", "`9-3` is no range"),
            ("slurm:job-name=x", "job-name"),
            ("kubernetes:imgae=x", "`imgae` is no option of kubernetes"),
            ("kubernetes:listen=here", "`here` is no IP address"),
        ] {
            let error = Site::read(text).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
