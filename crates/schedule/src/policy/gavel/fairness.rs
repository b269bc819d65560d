//! Max-min fair time shares by an interior point method.
//!
//! ```text
//! max t   s.t.  a_m . x_m >= t            for every job m: its normalised throughput
//!               sum_j x_mj <= 1           a job is in one place at a time
//!               sum_m g_m x_mj <= N_j     devices of type j
//!               x >= 0
//! ```
//!
//! Many shares reach the same optimum. Following the central path ends in the analytic centre of them, which
//! spreads what fairness leaves over, as the interior-point solver of Gavel's own artifact does; a vertex of
//! a simplex method would leave it idle. The Newton matrix is block-diagonal by job but for t and the device
//! types, so a step is linear in the jobs.

/// One job's claim.
#[derive(Debug, Clone)]
pub struct Claim {
    /// Devices that it holds when it runs.
    gang: f64,
    /// Normalised throughput per unit of share, by device type.
    gain: Vec<f64>,
}

impl Claim {
    /// `speeds` by device type; normalised by what an equal split of the cluster among `jobs` would give.
    pub fn new(gang: f64, speeds: &[f64], capacity: &[f64], jobs: usize) -> Self {
        let total: f64 = capacity.iter().sum();
        let scale = (jobs as f64).max(1.0);
        // Every job's equal part, scaled so that it adds up to one whole share at most.
        let part: Vec<f64> = capacity.iter().map(|devices| devices / scale / (total / scale)).collect();
        let proportional: f64 = speeds.iter().zip(&part).map(|(speed, part)| speed * part).sum();
        let unit = gang / proportional.max(f64::MIN_POSITIVE);
        Self { gang, gain: speeds.iter().map(|speed| speed * unit).collect() }
    }
}

/// A point strictly inside the constraints.
struct Point {
    shares: Vec<Vec<f64>>,
    level: f64,
}

/// How far the duality gap is closed, relative to the number of constraints.
const GAP: f64 = 1e-8;

/// The fair shares: per claim, by device type.
pub fn max_min(claims: &[Claim], capacity: &[f64]) -> Vec<Vec<f64>> {
    if claims.is_empty() {
        return Vec::new();
    }
    if capacity.contains(&0.0) {
        return without_missing(claims, capacity);
    }
    let mut point = start(claims, capacity);
    let mut weight = 1.0;
    let constraints = (claims.len() * (capacity.len() + 2) + capacity.len()) as f64;
    while constraints / weight > GAP {
        for _ in 0..50 {
            if newton(&mut point, claims, capacity, weight) < 1e-9 {
                break;
            }
        }
        weight *= 8.0;
    }
    point.shares
}

/// Leaves device types out that have no device, where nothing is strictly inside.
fn without_missing(claims: &[Claim], capacity: &[f64]) -> Vec<Vec<f64>> {
    let live: Vec<usize> = (0..capacity.len()).filter(|&device| capacity[device] > 0.0).collect();
    let keep = |all: &[f64]| live.iter().map(|&device| all[device]).collect::<Vec<f64>>();
    let kept: Vec<Claim> =
        claims.iter().map(|claim| Claim { gang: claim.gang, gain: keep(&claim.gain) }).collect();
    let shares =
        if live.is_empty() { vec![Vec::new(); claims.len()] } else { max_min(&kept, &keep(capacity)) };
    let spread = |row: Vec<f64>| {
        let mut full = vec![0.0; capacity.len()];
        live.iter().zip(row).for_each(|(&device, share)| full[device] = share);
        full
    };
    shares.into_iter().map(spread).collect()
}

fn start(claims: &[Claim], capacity: &[f64]) -> Point {
    let gangs: f64 = claims.iter().map(|claim| claim.gang).sum();
    let types = capacity.len() as f64;
    let share = |devices: &f64| (0.5 * devices / gangs).min(0.5 / types).max(1e-12);
    let row: Vec<f64> = capacity.iter().map(share).collect();
    let level = claims.iter().map(|claim| dot(&claim.gain, &row)).fold(f64::INFINITY, f64::min);
    Point { shares: vec![row; claims.len()], level: level * 0.5 }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// What is left of each device type.
fn slack(point: &Point, claims: &[Claim], capacity: &[f64]) -> Vec<f64> {
    let used = |device: usize| -> f64 {
        point.shares.iter().zip(claims).map(|(shares, claim)| claim.gang * shares[device]).sum()
    };
    capacity.iter().enumerate().map(|(device, whole)| whole - used(device)).collect()
}

/// The barrier function: smaller is better, infinite outside.
fn barrier(point: &Point, claims: &[Claim], capacity: &[f64], weight: f64) -> f64 {
    let mut value = -weight * point.level;
    let mut log = |x: f64| value -= if x > 0.0 { x.ln() } else { f64::NEG_INFINITY };
    for (shares, claim) in point.shares.iter().zip(claims) {
        log(dot(&claim.gain, shares) - point.level);
        log(1.0 - shares.iter().sum::<f64>());
        shares.iter().for_each(|share| log(*share));
    }
    slack(point, claims, capacity).into_iter().for_each(log);
    value
}

/// One damped Newton step; returns the squared decrement, which tells how far the centre was.
fn newton(point: &mut Point, claims: &[Claim], capacity: &[f64], weight: f64) -> f64 {
    let devices = capacity.len();
    let left = slack(point, claims, capacity);
    // The unknowns beside the jobs' own: the level, then one multiplier a device type (Woodbury for the
    // shared rows).
    let size = devices + 1;
    let mut system = vec![vec![0.0; size]; size];
    let mut right = vec![0.0; size];
    right[0] = weight;
    for device in 0..devices {
        system[device + 1][device + 1] = -left[device] * left[device];
    }
    let blocks: Vec<Block> = point
        .shares
        .iter()
        .zip(claims)
        .map(|(shares, claim)| Block::new(shares, claim, point.level, &left))
        .collect();
    for block in &blocks {
        system[0][0] += block.curvature;
        right[0] -= block.pull;
        for (row, coupling) in block.couplings(devices).enumerate() {
            for (column, answer) in block.answers.iter().enumerate() {
                system[row][column] -= dot(&coupling, answer);
            }
            right[row] += dot(&coupling, &block.drift);
        }
    }
    let shared = solve(system, right);
    let mut decrement = weight * shared[0];
    let mut steps = Vec::with_capacity(claims.len());
    for block in &blocks {
        let step: Vec<f64> = (0..devices)
            .map(|at| -block.drift[at] - (0..size).map(|k| block.answers[k][at] * shared[k]).sum::<f64>())
            .collect();
        decrement -= dot(&block.gradient, &step) + block.pull * shared[0];
        steps.push(step);
    }
    advance(point, claims, capacity, weight, &steps, shared[0], decrement);
    decrement.abs()
}

/// The largest step of 1, 1/2, ... that lowers the barrier enough.
fn advance(
    point: &mut Point,
    claims: &[Claim],
    capacity: &[f64],
    weight: f64,
    steps: &[Vec<f64>],
    rise: f64,
    decrement: f64,
) {
    let before = barrier(point, claims, capacity, weight);
    let mut length = 1.0;
    for _ in 0..60 {
        let moved = |(shares, step): (&Vec<f64>, &Vec<f64>)| -> Vec<f64> {
            shares.iter().zip(step).map(|(share, step)| share + length * step).collect()
        };
        let next = Point {
            shares: point.shares.iter().zip(steps).map(moved).collect(),
            level: point.level + length * rise,
        };
        if barrier(&next, claims, capacity, weight) <= before - 0.1 * length * decrement.abs() {
            *point = next;
            return;
        }
        length *= 0.5;
    }
}

/// One job's part of the Newton system.
struct Block {
    gradient: Vec<f64>,
    /// Inverse of the block applied to the gradient.
    drift: Vec<f64>,
    /// Inverse of the block applied to the coupling with the level, then with each device type.
    answers: Vec<Vec<f64>>,
    level_coupling: Vec<f64>,
    gang: f64,
    curvature: f64,
    pull: f64,
}

impl Block {
    fn new(shares: &[f64], claim: &Claim, level: f64, left: &[f64]) -> Self {
        let devices = shares.len();
        let fair = dot(&claim.gain, shares) - level;
        let room = 1.0 - shares.iter().sum::<f64>();
        let gradient: Vec<f64> = (0..devices)
            .map(|at| -claim.gain[at] / fair - 1.0 / shares[at] + 1.0 / room + claim.gang / left[at])
            .collect();
        let matrix: Vec<Vec<f64>> = (0..devices)
            .map(|row| {
                let entry = |column: usize| {
                    let diagonal = if row == column { 1.0 / (shares[row] * shares[row]) } else { 0.0 };
                    claim.gain[row] * claim.gain[column] / (fair * fair) + 1.0 / (room * room) + diagonal
                };
                (0..devices).map(entry).collect()
            })
            .collect();
        let level_coupling: Vec<f64> = claim.gain.iter().map(|gain| -gain / (fair * fair)).collect();
        let mut answers = vec![solve(matrix.clone(), level_coupling.clone())];
        for device in 0..devices {
            let unit = (0..devices).map(|at| if at == device { claim.gang } else { 0.0 }).collect();
            answers.push(solve(matrix.clone(), unit));
        }
        let drift = solve(matrix, gradient.clone());
        let (curvature, pull) = (1.0 / (fair * fair), 1.0 / fair);
        Self { gradient, drift, answers, level_coupling, gang: claim.gang, curvature, pull }
    }

    fn couplings(&self, devices: usize) -> impl Iterator<Item = Vec<f64>> + '_ {
        let unit =
            move |device: usize| (0..devices).map(|at| if at == device { self.gang } else { 0.0 }).collect();
        std::iter::once(self.level_coupling.clone()).chain((0..devices).map(unit))
    }
}

/// Gaussian elimination with partial pivoting.
fn solve(mut matrix: Vec<Vec<f64>>, mut right: Vec<f64>) -> Vec<f64> {
    let size = right.len();
    for column in 0..size {
        let pivot =
            (column..size).max_by(|&a, &b| matrix[a][column].abs().total_cmp(&matrix[b][column].abs()));
        let pivot = pivot.unwrap_or(column);
        matrix.swap(column, pivot);
        right.swap(column, pivot);
        let (above, below) = matrix.split_at_mut(column + 1);
        let pivot = &above[column][column..];
        for (row, left) in below.iter_mut().enumerate() {
            let factor = left[column] / pivot[0];
            left[column..].iter_mut().zip(pivot).for_each(|(entry, pivot)| *entry -= factor * pivot);
            right[column + 1 + row] -= factor * right[column];
        }
    }
    for row in (0..size).rev() {
        let known: f64 = (row + 1..size).map(|at| matrix[row][at] * right[at]).sum();
        right[row] = (right[row] - known) / matrix[row][row];
    }
    right
}

#[cfg(test)]
mod tests {
    use super::{Claim, max_min};

    #[test]
    fn equal_jobs_share_equally_and_leave_nothing_idle() {
        let capacity = [2.0, 4.0];
        let claims = vec![Claim::new(1.0, &[1.0, 1.0], &capacity, 12); 12];
        for shares in max_min(&claims, &capacity) {
            assert!((shares.iter().sum::<f64>() - 0.5).abs() < 1e-4, "{shares:?}");
        }
    }

    #[test]
    fn the_slowest_gets_as_much_as_any_solution_could_give() {
        // Two jobs, one device each of two types; each job is fast on another one. Both can have their best
        // device.
        let capacity = [1.0, 1.0];
        let claims = [Claim::new(1.0, &[4.0, 1.0], &capacity, 2), Claim::new(1.0, &[1.0, 4.0], &capacity, 2)];
        let shares = max_min(&claims, &capacity);
        assert!(shares[0][0] > 0.999 && shares[1][1] > 0.999, "{shares:?}");
    }
}
