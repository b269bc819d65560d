//! One slot as one job sees it: what its workers and servers cost on every machine, and the cheapest way to
//! place a wanted number of workers (algorithm 3 of PD-ORS and the greedy `COST_t` of OASiS).

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use crate::model::{Job, MachineId, Placement, Resources};

/// A placement and what it costs at the posted prices.
#[derive(Debug, Clone, PartialEq)]
pub struct Offer {
    /// The price cost.
    pub cost: f64,
    /// Where.
    pub placement: Placement,
}

/// A machine with room for at least one task of the job.
#[derive(Debug, Clone)]
pub struct Host {
    /// Which machine.
    pub machine: MachineId,
    /// What is left on it.
    pub free: Resources,
    /// Price of one worker.
    pub worker_price: f64,
    /// Price of one server.
    pub server_price: f64,
    /// Workers that fit when it hosts nothing else of the job; zero where workers may not go.
    pub workers_fit: u32,
    /// Servers that fit likewise.
    pub servers_fit: u32,
}

impl Host {
    /// A machine with a `free` amount and unit `prices` for jobs like `job`, if it has room for a task of theirs; machines before the first
    /// of `roles` take workers, those from the second on take servers.
    pub(super) fn of(
        job: &Job,
        machine: MachineId,
        (free, prices): (&Resources, &Resources),
        roles: (usize, usize),
    ) -> Option<Self> {
        let workers_fit = if machine.index() < roles.0 { free.how_many(&job.worker) } else { 0 };
        let servers = job.workers_per_server.is_some() && machine.index() >= roles.1;
        let servers_fit = if servers { free.how_many(&job.server) } else { 0 };
        // Of a server that takes nothing any number fits, so they cannot be added up.
        (workers_fit > 0 || servers_fit > 0).then(|| Self {
            machine,
            free: *free,
            worker_price: job.worker.dot(prices),
            server_price: job.server.dot(prices),
            workers_fit,
            servers_fit,
        })
    }
}

/// All hosts, the orders in which they are cheap, and what was asked of them before: the same for all jobs that ask the same of a
/// machine.
#[derive(Debug, Clone)]
pub(super) struct Stock {
    /// The machines with room.
    pub(super) hosts: Vec<Host>,
    by_worker: Vec<u32>,
    by_server: Vec<u32>,
    known: RefCell<Known>,
}

/// Answers by the number of workers.
#[derive(Debug, Clone, Default)]
struct Known {
    internal: BTreeMap<u32, Option<Offer>>,
    greedy: BTreeMap<u32, Option<Offer>>,
    bound: BTreeMap<u32, Option<f64>>,
    /// Nothing on every host, to be filled and emptied again.
    empty: Vec<(u32, u32)>,
}

impl Stock {
    /// Of hosts, in the order of machines.
    pub(super) fn new(hosts: Vec<Host>) -> Self {
        let order = |fits: fn(&Host) -> u32, price: fn(&Host) -> f64| {
            let mut order: Vec<u32> =
                (0..hosts.len() as u32).filter(|&index| fits(&hosts[index as usize]) > 0).collect();
            order.sort_by(|&a, &b| price(&hosts[a as usize]).total_cmp(&price(&hosts[b as usize])));
            order
        };
        let by_worker = order(|host| host.workers_fit, |host| host.worker_price);
        let by_server = order(|host| host.servers_fit, |host| host.server_price);
        Self { hosts, by_worker, by_server, known: RefCell::default() }
    }

    /// A machine is another host than it was, or none any more: the same as a new stock of all hosts.
    pub(super) fn put(&mut self, machine: MachineId, host: Option<Host>) {
        self.known = RefCell::default();
        match (self.hosts.binary_search_by_key(&machine, |host| host.machine), host) {
            (Ok(at), Some(host)) => {
                self.unlist(at as u32);
                self.hosts[at] = host;
                self.list(at as u32);
            }
            (Ok(at), None) => {
                self.unlist(at as u32);
                self.hosts.remove(at);
                let after = |index: &mut u32| *index -= u32::from(*index > at as u32);
                self.by_worker.iter_mut().chain(&mut self.by_server).for_each(after);
            }
            (Err(at), Some(host)) => {
                self.hosts.insert(at, host);
                let after = |index: &mut u32| *index += u32::from(*index >= at as u32);
                self.by_worker.iter_mut().chain(&mut self.by_server).for_each(after);
                self.list(at as u32);
            }
            (Err(_), None) => {}
        }
    }

    /// Where a host stands, or would, in the orders; hosts of one price are in the order of machines.
    fn standing(&self, index: u32) -> (usize, usize) {
        let host = &self.hosts[index as usize];
        let hosts = &self.hosts;
        let worker = |other: &u32| {
            let order = hosts[*other as usize].worker_price.total_cmp(&host.worker_price);
            order.then(other.cmp(&index)).is_lt()
        };
        let server = |other: &u32| {
            let order = hosts[*other as usize].server_price.total_cmp(&host.server_price);
            order.then(other.cmp(&index)).is_lt()
        };
        (self.by_worker.partition_point(worker), self.by_server.partition_point(server))
    }

    /// Puts a host into the orders.
    fn list(&mut self, index: u32) {
        let (worker, server) = self.standing(index);
        let host = &self.hosts[index as usize];
        if host.workers_fit > 0 {
            self.by_worker.insert(worker, index);
        }
        if host.servers_fit > 0 {
            self.by_server.insert(server, index);
        }
    }

    /// Takes a host out of the orders.
    fn unlist(&mut self, index: u32) {
        let (worker, server) = self.standing(index);
        let host = &self.hosts[index as usize];
        if host.workers_fit > 0 {
            self.by_worker.remove(worker);
        }
        if host.servers_fit > 0 {
            self.by_server.remove(server);
        }
    }

    /// Without workers on machines that are not `fast` enough.
    pub(super) fn with_workers_on(mut self, fast: impl Fn(MachineId) -> bool) -> Self {
        for host in self.hosts.iter_mut().filter(|host| !fast(host.machine)) {
            host.workers_fit = 0;
        }
        self.by_worker.retain(|&index| self.hosts[index as usize].workers_fit > 0);
        self.known = RefCell::default();
        self
    }
}

/// A stock as one job sees it.
#[derive(Debug, Clone)]
pub struct Market<'a> {
    /// The buyer.
    pub job: &'a Job,
    stock: Rc<Stock>,
}

impl<'a> Market<'a> {
    /// The market over machines with `free` amounts and unit `prices`; machines before `workers_before` take
    /// workers, those from `servers_from` on take servers (both roles everywhere: `usize::MAX` and 0).
    pub fn new(
        job: &'a Job,
        free: &[Resources],
        prices: &[Resources],
        workers_before: usize,
        servers_from: usize,
    ) -> Self {
        let roles = (workers_before, servers_from);
        let hosts = free
            .iter()
            .zip(prices)
            .enumerate()
            .filter_map(|(index, amounts)| Host::of(job, MachineId(index as u32), amounts, roles));
        Self::of(job, Rc::new(Stock::new(hosts.collect())))
    }

    /// Of a stock that was made for a job of the same shape.
    pub(super) fn of(job: &'a Job, stock: Rc<Stock>) -> Self {
        Self { job, stock }
    }

    /// The machines with room, in their order.
    pub fn hosts(&self) -> &[Host] {
        &self.stock.hosts
    }

    /// The market without workers on machines that are not `fast` enough.
    pub fn with_workers_on(self, fast: impl Fn(MachineId) -> bool) -> Self {
        let stock = Rc::unwrap_or_clone(self.stock).with_workers_on(fast);
        Self { job: self.job, stock: Rc::new(stock) }
    }

    /// The internal case: the cheapest single machine that holds `workers` workers and their servers.
    pub fn internal(&self, workers: u32) -> Option<Offer> {
        if let Some(known) = self.stock.known.borrow().internal.get(&workers) {
            return known.clone();
        }
        let found = self.find_internal(workers);
        self.stock.known.borrow_mut().internal.insert(workers, found.clone());
        found
    }

    fn find_internal(&self, workers: u32) -> Option<Offer> {
        let servers = self.job.servers_for(workers);
        let cost =
            |host: &Host| f64::from(workers) * host.worker_price + f64::from(servers) * host.server_price;
        let holds = |host: &Host| {
            host.workers_fit >= workers && host.servers_fit >= servers && {
                let mut need = self.job.worker.times(f64::from(workers));
                need.add(&self.job.server, f64::from(servers));
                host.free.fits(&need)
            }
        };
        // No machine is cheaper than its workers with the cheapest servers anywhere.
        let least = self
            .stock
            .by_server
            .first()
            .map_or(0.0, |&at| f64::from(servers) * self.hosts()[at as usize].server_price);
        let mut best: Option<(f64, u32)> = None;
        for &at in &self.stock.by_worker {
            let host = &self.hosts()[at as usize];
            if best.is_some_and(|(cost, _)| f64::from(workers) * host.worker_price + least > cost) {
                break;
            }
            // Of machines that cost the same the first.
            let before = |best: (f64, u32)| cost(host).total_cmp(&best.0).then(at.cmp(&best.1)).is_lt();
            if best.is_none_or(before) && holds(host) {
                best = Some((cost(host), at));
            }
        }
        let (cost, at) = best?;
        Some(Offer {
            cost,
            placement: Placement::single(self.hosts()[at as usize].machine, workers, servers),
        })
    }

    /// The external case by greed: workers on the cheapest machines, then servers on the cheapest that are
    /// left.
    pub fn greedy(&self, workers: u32) -> Option<Offer> {
        if let Some(known) = self.stock.known.borrow().greedy.get(&workers) {
            return known.clone();
        }
        let mut hosted = std::mem::take(&mut self.stock.known.borrow_mut().empty);
        hosted.resize(self.hosts().len(), (0, 0));
        let mut filled = Vec::new();
        let fits = self.fill(&mut hosted, (0, 0), workers, &mut filled);
        filled.sort_unstable();
        filled.dedup();
        let found = fits.then(|| self.offer_of(&filled, &hosted));
        filled.iter().for_each(|&index| hosted[index as usize] = (0, 0));
        let mut known = self.stock.known.borrow_mut();
        known.empty = hosted;
        known.greedy.insert(workers, found.clone());
        found
    }

    /// Adds to `hosted` (workers and servers per host) what is missing to `workers` workers and their servers,
    /// cheapest first. False if it does not fit.
    pub fn complete(&self, hosted: &mut [(u32, u32)], workers: u32) -> bool {
        let there = hosted.iter().fold((0, 0), |sum, host| (sum.0 + host.0, sum.1 + host.1));
        self.fill(hosted, there, workers, &mut Vec::new())
    }

    /// The same, where so many workers and servers are `there`; `filled` are the hosts to which any were added.
    fn fill(
        &self,
        hosted: &mut [(u32, u32)],
        there: (u32, u32),
        workers: u32,
        filled: &mut Vec<u32>,
    ) -> bool {
        let mut missing = workers.saturating_sub(there.0);
        let servers = self.job.servers_for(there.0 + missing).saturating_sub(there.1);
        for &index in &self.stock.by_worker {
            if missing == 0 {
                break;
            }
            let at = index as usize;
            let more = self.room(at, hosted[at]).how_many(&self.job.worker).min(missing);
            hosted[at].0 += more;
            missing -= more;
            filled.push(index);
        }
        if missing > 0 {
            return false;
        }
        let mut missing = servers;
        for &index in &self.stock.by_server {
            if missing == 0 {
                break;
            }
            let at = index as usize;
            let more = self.room(at, hosted[at]).how_many(&self.job.server).min(missing);
            hosted[at].1 += more;
            missing -= more;
            filled.push(index);
        }
        missing == 0
    }

    fn room(&self, at: usize, (workers, servers): (u32, u32)) -> Resources {
        let mut room = self.hosts()[at].free;
        room.add(&self.job.worker, -f64::from(workers));
        room.add(&self.job.server, -f64::from(servers));
        room
    }

    /// Whether the tasks in `hosted` fit on their hosts.
    pub fn fits(&self, hosted: &[(u32, u32)]) -> bool {
        self.hosts().iter().zip(hosted).all(|(host, &(workers, servers))| {
            if workers + servers == 0 {
                return true;
            }
            let mut need = self.job.worker.times(f64::from(workers));
            need.add(&self.job.server, f64::from(servers));
            host.free.fits(&need)
        })
    }

    /// The cost and placement of `hosted`.
    pub fn offer(&self, hosted: &[(u32, u32)]) -> Offer {
        let all: Vec<u32> = (0..self.hosts().len() as u32).collect();
        self.offer_of(&all, hosted)
    }

    /// Of what is on some of the hosts, in their order.
    fn offer_of(&self, some: &[u32], hosted: &[(u32, u32)]) -> Offer {
        let mut cost = 0.0;
        let mut placement = Placement::default();
        for &index in some {
            let (host, (workers, servers)) = (&self.hosts()[index as usize], hosted[index as usize]);
            cost += f64::from(workers) * host.worker_price + f64::from(servers) * host.server_price;
            placement.add(host.machine, workers, servers);
        }
        Offer { cost, placement }
    }

    /// A lower bound on every external placement of `workers` workers: workers and (fractional) servers each at
    /// their cheapest, as if they did not compete for room. None if even that does not fit.
    pub fn lower_bound(&self, workers: u32) -> Option<f64> {
        if let Some(known) = self.stock.known.borrow().bound.get(&workers) {
            return *known;
        }
        let found = self.find_lower_bound(workers);
        self.stock.known.borrow_mut().bound.insert(workers, found);
        found
    }

    fn find_lower_bound(&self, workers: u32) -> Option<f64> {
        let fill = |order: &[u32], mut amount: f64, fits: fn(&Host) -> u32, price: fn(&Host) -> f64| {
            let mut cost = 0.0;
            for &index in order {
                let host = &self.hosts()[index as usize];
                // The relaxation may fill a machine fractionally, so one more than the whole number is
                // possible.
                let here = amount.min(f64::from(fits(host)) + 1.0);
                cost += here * price(host);
                amount -= here;
                if amount <= 0.0 {
                    return Some(cost);
                }
            }
            (amount <= 0.0).then_some(cost)
        };
        let servers = self.job.workers_per_server.map_or(0.0, |ratio| f64::from(workers) / ratio);
        let hired = fill(
            &self.stock.by_worker,
            f64::from(workers),
            |host| host.workers_fit,
            |host| host.worker_price,
        )?;
        let served = fill(&self.stock.by_server, servers, |host| host.servers_fit, |host| host.server_price)?;
        Some(hired + served)
    }
}
