//! What of each place is taken when.
//!
//! A room keeps its use as steps: from one time to the next so much is taken. Invariant: steps are sorted, the first is
//! before all times, and every booking adds to the steps within its time.

use super::{Amounts, Request, Snapshot, Tasks};

/// Amounts smaller than this are the dust of adding and taking away.
const DUST: f64 = 1e-9;

/// The use of all places.
#[derive(Debug, Clone)]
pub struct Timeline {
    rooms: Vec<Room>,
    /// When anything changes, sorted.
    times: Vec<f64>,
}

#[derive(Debug, Clone)]
struct Room {
    capacity: Amounts,
    steps: Vec<(f64, Amounts)>,
}

/// Amounts of places.
pub type Holds = Vec<(usize, Amounts)>;

/// What a job may use, and for how long it asks.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a> {
    /// What it asks for.
    pub request: &'a Request,
    /// Whether it may use each place.
    pub allowed: &'a [bool],
    /// For how many seconds.
    pub seconds: f64,
}

impl Timeline {
    /// Nobody is anywhere.
    pub fn new(snapshot: &Snapshot) -> Self {
        let room = |capacity: &Amounts| Room {
            capacity: capacity.clone(),
            steps: vec![(f64::NEG_INFINITY, vec![0.0; snapshot.kinds.len()])],
        };
        Self { rooms: snapshot.places.iter().map(|place| room(&place.capacity)).collect(), times: Vec::new() }
    }

    /// Takes amounts of places for a time.
    pub fn book(&mut self, holds: &[(usize, Amounts)], from: f64, until: f64) {
        for (place, amounts) in holds {
            self.rooms[*place].book(amounts, from, until);
        }
        self.note(from);
        self.note(until);
    }

    /// Closes a place for a time.
    pub fn close(&mut self, place: usize, from: f64, until: f64) {
        let all = self.rooms[place].capacity.clone();
        self.book(&[(place, all)], from, until);
    }

    fn note(&mut self, time: f64) {
        let at = self.times.partition_point(|known| *known < time);
        if time.is_finite() && self.times.get(at) != Some(&time) {
            self.times.insert(at, time);
        }
    }

    /// What is free of a place all through a time.
    pub fn free(&self, place: usize, from: f64, until: f64) -> Amounts {
        self.rooms[place].free(from, until)
    }

    /// Where a wish fits if it begins at `from`.
    pub fn fit(&self, wish: &Wish, from: f64) -> Option<Holds> {
        let until = from + wish.seconds;
        match wish.request {
            Request::Nodes(tasks) => self.spread(tasks, wish.allowed, from, until),
            Request::Quota(ways) => {
                let fits = |hold: &(usize, Amounts)| covers(&self.free(hold.0, from, until), &hold.1);
                ways.iter().find(|way| way.iter().all(|hold| wish.allowed[hold.0] && fits(hold))).cloned()
            }
        }
    }

    /// The first time from `from` on at which a wish fits, and where.
    pub fn earliest(&self, wish: &Wish, from: f64) -> Option<(f64, Holds)> {
        if let Some(holds) = self.fit(wish, from) {
            return Some((from, holds));
        }
        let later = self.times.partition_point(|time| *time <= from);
        self.times[later..].iter().find_map(|time| Some((*time, self.fit(wish, *time)?)))
    }

    /// Nodes for tasks: on one if that is allowed, the one on which least is left; else on those that take the most.
    fn spread(&self, tasks: &Tasks, allowed: &[bool], from: f64, until: f64) -> Option<Holds> {
        let mut hosts: Vec<(usize, u32)> = Vec::new();
        for place in (0..self.rooms.len()).filter(|place| allowed[*place]) {
            let free = self.free(place, from, until);
            let room = &self.rooms[place];
            if tasks.exclusive && !covers(&free, &room.capacity) {
                continue;
            }
            let fit = fit_on(tasks, &free).min(tasks.count);
            if fit > 0 {
                hosts.push((place, fit));
            }
        }
        let hosts = chosen(tasks, hosts)?;
        let mut left = tasks.count;
        let mut holds = Holds::new();
        for (at, (place, most)) in hosts.iter().enumerate() {
            // Every node gets at least one task.
            let others = (hosts.len() - 1 - at) as u32;
            let here = left.saturating_sub(others).min(*most);
            left -= here;
            let amounts =
                if tasks.exclusive { self.rooms[*place].capacity.clone() } else { share(tasks, here) };
            holds.push((*place, amounts));
        }
        (left == 0).then_some(holds)
    }
}

impl Room {
    fn book(&mut self, amounts: &[f64], from: f64, until: f64) {
        if from >= until {
            return;
        }
        let first = self.cut(from);
        let last = if until.is_finite() { self.cut(until) } else { self.steps.len() };
        for (_, used) in &mut self.steps[first..last] {
            used.iter_mut().zip(amounts).for_each(|(used, amount)| *used += amount);
        }
    }

    /// The step that begins at `time`, made if there is none.
    fn cut(&mut self, time: f64) -> usize {
        let at = self.steps.partition_point(|(begins, _)| *begins < time);
        if self.steps.get(at).is_none_or(|(begins, _)| *begins != time) {
            let used = self.steps[at - 1].1.clone();
            self.steps.insert(at, (time, used));
        }
        at
    }

    fn free(&self, from: f64, until: f64) -> Amounts {
        let first = self.steps.partition_point(|(begins, _)| *begins <= from).saturating_sub(1);
        let mut free = self.capacity.clone();
        for (at, (begins, used)) in self.steps[first..].iter().enumerate() {
            if at > 0 && *begins >= until {
                break;
            }
            for (free, (has, used)) in free.iter_mut().zip(self.capacity.iter().zip(used)) {
                *free = free.min(has - used);
            }
        }
        free
    }
}

/// Whether `free` is enough for `need`.
pub fn covers(free: &[f64], need: &[f64]) -> bool {
    free.iter().zip(need).all(|(free, need)| *need <= free + DUST)
}

/// How many tasks fit beside what the node itself gives; as many as are wanted of each node, or none.
pub fn fit_on(tasks: &Tasks, free: &[f64]) -> u32 {
    if !covers(free, &tasks.node) {
        return 0;
    }
    let mut most = f64::from(tasks.per_node.unwrap_or(tasks.count));
    for ((free, node), task) in free.iter().zip(&tasks.node).zip(&tasks.task) {
        if *task > 0.0 {
            most = most.min(((free - node + DUST) / task).floor());
        }
    }
    let most = most.max(0.0) as u32;
    // A job of 6 tasks by 4 on a node puts 2 on its last.
    let least = tasks.per_node.map_or(1, |each| {
        each.min(tasks.count - each * (tasks.fewest.max(1) - 1).min(tasks.count / each.max(1)))
    });
    if most >= least.max(1) { most } else { 0 }
}

fn share(tasks: &Tasks, here: u32) -> Amounts {
    tasks.task.iter().zip(&tasks.node).map(|(task, node)| f64::from(here) * task + node).collect()
}

/// Which nodes a job takes of those on which so many of its tasks fit.
fn chosen(tasks: &Tasks, mut hosts: Vec<(usize, u32)>) -> Option<Vec<(usize, u32)>> {
    let has = |place: &usize| hosts.iter().any(|(host, _)| host == place);
    if !tasks.required.iter().all(has) {
        return None;
    }
    let must = |host: &(usize, u32)| tasks.required.contains(&host.0);
    let fewest = tasks.fewest.max(1).max(tasks.required.len() as u32) as usize;
    let most = tasks.most.map_or(usize::MAX, |most| most as usize).max(fewest);
    // Those on which most fit first; among equals the order of the list, which is how Slurm goes through its nodes.
    hosts.sort_by(|a, b| must(b).cmp(&must(a)).then(b.1.cmp(&a.1)));
    let (mut taken, mut room) = (0, 0);
    while taken < hosts.len() && taken < most && (room < tasks.count || taken < fewest) {
        room += hosts[taken].1;
        taken += 1;
    }
    hosts.truncate(taken);
    (room >= tasks.count && taken >= fewest).then_some(hosts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(capacity: f64) -> Room {
        Room { capacity: vec![capacity], steps: vec![(f64::NEG_INFINITY, vec![0.0])] }
    }

    fn tasks(count: u32, fewest: u32) -> Tasks {
        Tasks { count, task: vec![1.0], node: vec![0.0], fewest, ..Tasks::default() }
    }

    fn earliest(timeline: &Timeline, tasks: &Tasks, seconds: f64) -> Option<(f64, Holds)> {
        let request = Request::Nodes(tasks.clone());
        let allowed = vec![true; timeline.rooms.len()];
        timeline.earliest(&Wish { request: &request, allowed: &allowed, seconds }, 0.0)
    }

    #[test]
    fn a_job_needs_its_room_for_its_whole_time() {
        let mut timeline = Timeline { rooms: vec![room(4.0)], times: Vec::new() };
        timeline.book(&[(0, vec![3.0])], 0.0, 10.0);
        timeline.book(&[(0, vec![2.0])], 15.0, 20.0);
        assert_eq!(timeline.free(0, 0.0, 5.0), [1.0]);
        assert_eq!(timeline.free(0, 12.0, 16.0), [2.0]);
        assert_eq!(timeline.free(0, 20.0, 1e9), [4.0]);
        // Four tasks of five seconds fit into the gap, of six only after the second.
        assert_eq!(earliest(&timeline, &tasks(4, 1), 5.0).unwrap().0, 10.0);
        assert_eq!(earliest(&timeline, &tasks(4, 1), 6.0).unwrap().0, 20.0);
        assert_eq!(earliest(&timeline, &tasks(1, 1), 6.0).unwrap().0, 0.0);
        assert_eq!(earliest(&timeline, &tasks(5, 1), 1.0), None);
    }

    #[test]
    fn tasks_are_spread_over_as_many_nodes_as_asked() {
        let timeline = Timeline { rooms: vec![room(4.0), room(2.0), room(4.0)], times: Vec::new() };
        let places = |tasks: &Tasks| -> Vec<(usize, f64)> {
            let (_, holds) = earliest(&timeline, tasks, 1.0).unwrap();
            holds.into_iter().map(|(place, amounts)| (place, amounts[0])).collect()
        };
        assert_eq!(places(&tasks(4, 1)), [(0, 4.0)]);
        assert_eq!(places(&tasks(5, 1)), [(0, 4.0), (2, 1.0)]);
        assert_eq!(places(&tasks(3, 3)), [(0, 1.0), (2, 1.0), (1, 1.0)]);
        assert_eq!(places(&Tasks { required: vec![1], ..tasks(2, 1) }), [(1, 2.0)]);
        assert_eq!(places(&Tasks { exclusive: true, ..tasks(1, 1) }), [(0, 4.0)]);
        assert_eq!(earliest(&timeline, &Tasks { most: Some(1), ..tasks(5, 1) }, 1.0), None);
        assert_eq!(places(&Tasks { per_node: Some(3), ..tasks(6, 2) }), [(0, 3.0), (2, 3.0)]);
    }
}
