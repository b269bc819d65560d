//! Scaling laws fitted to a few measured runs: Ernest's (Venkataraman et al., NSDI 2016) for the time of a job on m
//! machines, and the universal scalability law (Gunther) for throughput. Both are linear in coefficients that cannot be
//! negative, so that both are fitted by non-negative least squares.

mod nnls;

use self::nnls::non_negative_least_squares;
use crate::communication::universal_scalability;
use crate::error::positive;
use crate::{Error, Result};

/// Time = th0 + th1 size/m + th2 ln m + th3 m: serial work, parallel work, a tree of messages, and work per machine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ernest {
    coefficients: [f64; 4],
}

/// A measured run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Run {
    /// m, the machines that took part.
    pub machines: f64,
    /// The share or amount of the input, in any unit.
    pub size: f64,
    /// How long it took.
    pub time: f64,
}

impl Ernest {
    /// The least squares of the relative errors, so that short runs count as much as long ones.
    ///
    /// # Errors
    /// [`Error::TooFewSamples`] below 4 runs, [`Error::Parameter`] unless all numbers are positive.
    pub fn fit(runs: &[Run]) -> Result<Self> {
        enough(runs.len(), 4, "the four coefficients of Ernest's law")?;
        let mut rows = Vec::with_capacity(runs.len());
        for run in runs {
            let time = positive("time of a run", run.time)?;
            rows.push(Self::terms(run.machines, run.size)?.map(|term| term / time));
        }
        Ok(Self { coefficients: non_negative_least_squares(&rows, &vec![1.0; runs.len()]) })
    }

    fn terms(machines: f64, size: f64) -> Result<[f64; 4]> {
        let m = at_least_one("number of machines", machines)?;
        Ok([1.0, positive("input size", size)? / m, m.ln(), m])
    }

    /// th0..th3.
    pub fn coefficients(&self) -> [f64; 4] {
        self.coefficients
    }

    /// The time of another run.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless there is a machine and some input.
    pub fn time(&self, machines: f64, size: f64) -> Result<f64> {
        Ok(Self::terms(machines, size)?
            .iter()
            .zip(&self.coefficients)
            .map(|(term, theta)| term * theta)
            .sum())
    }
}

/// X(n) = rate n / (1 + s (n - 1) + c n (n - 1)).
///
/// ```
/// use syncline_queueing::scaling::Scalability;
///
/// let measured = [(1.0, 100.0), (2.0, 190.0), (4.0, 345.0), (8.0, 570.0), (16.0, 780.0)];
/// let law = Scalability::fit(&measured)?;
/// assert!((law.throughput(8)? / 570.0 - 1.0).abs() < 0.02);
/// assert!(law.peak().is_some_and(|n| n > 16.0));
/// # Ok::<(), syncline_queueing::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scalability {
    /// The throughput of one worker.
    pub rate: f64,
    /// s, the share of work that is serial.
    pub contention: f64,
    /// c, the price of agreement between each pair.
    pub coherence: f64,
}

impl Scalability {
    /// From (workers, throughput): n / X = 1/rate + (s/rate)(n - 1) + (c/rate) n (n - 1), by relative errors.
    ///
    /// # Errors
    /// [`Error::TooFewSamples`] below 3 points, [`Error::Parameter`] unless all are positive, or if the throughput grows
    /// faster than the workers, which the law does not know.
    pub fn fit(points: &[(f64, f64)]) -> Result<Self> {
        enough(points.len(), 3, "the three coefficients of the scalability law")?;
        let mut rows = Vec::with_capacity(points.len());
        for &(n, throughput) in points {
            let n = at_least_one("number of workers", n)?;
            let each = positive("throughput", throughput)? / n;
            rows.push([each, each * (n - 1.0), each * n * (n - 1.0)]);
        }
        let [serial, contention, coherence] = non_negative_least_squares(&rows, &vec![1.0; points.len()]);
        if serial <= 0.0 {
            let needs = "growing no faster than the number of workers";
            return Err(Error::parameter("throughput", "superlinear", needs));
        }
        Ok(Self { rate: 1.0 / serial, contention: contention / serial, coherence: coherence / serial })
    }

    /// The throughput of n workers.
    ///
    /// # Errors
    /// [`Error::Parameter`] if n is 0.
    pub fn throughput(&self, workers: usize) -> Result<f64> {
        Ok(self.rate * universal_scalability(workers, self.contention, self.coherence)?)
    }

    /// The number of workers with the largest throughput, sqrt((1 - s) / c); None if more always helps.
    pub fn peak(&self) -> Option<f64> {
        (self.coherence > 0.0).then(|| ((1.0 - self.contention).max(0.0) / self.coherence).sqrt().max(1.0))
    }
}

fn enough(have: usize, need: usize, question: &'static str) -> Result<()> {
    if have < need { Err(Error::TooFewSamples { have, need, question }) } else { Ok(()) }
}

fn at_least_one(what: &'static str, value: f64) -> Result<f64> {
    if value >= 1.0 && value.is_finite() {
        Ok(value)
    } else {
        Err(Error::parameter(what, value, "at least 1, and finite"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_law_is_found_again() -> Result<()> {
        let truth = Ernest { coefficients: [2.0, 40.0, 0.0, 0.3] };
        let sizes = [(1.0, 1.0), (2.0, 1.0), (4.0, 2.0), (8.0, 4.0), (16.0, 4.0), (3.0, 0.5)];
        let run =
            |&(machines, size): &(f64, f64)| Ok(Run { machines, size, time: truth.time(machines, size)? });
        let fitted = Ernest::fit(&sizes.iter().map(run).collect::<Result<Vec<_>>>()?)?;
        for (ours, theirs) in fitted.coefficients().iter().zip(truth.coefficients) {
            assert!((ours - theirs).abs() < 1e-8, "{fitted:?}");
        }
        let law = Scalability { rate: 50.0, contention: 0.05, coherence: 0.002 };
        let points: Vec<(f64, f64)> =
            [1, 2, 4, 8, 32].iter().map(|&n| Ok((n as f64, law.throughput(n)?))).collect::<Result<_>>()?;
        let fitted = Scalability::fit(&points)?;
        assert!((fitted.rate - 50.0).abs() < 1e-8 && (fitted.coherence - 0.002).abs() < 1e-10, "{fitted:?}");
        assert!((fitted.peak().unwrap_or(0.0) - (0.95f64 / 0.002).sqrt()).abs() < 1e-4);
        Ok(())
    }

    #[test]
    fn noise_makes_no_coefficient_negative() -> Result<()> {
        // Faster than linear from 2 to 4 machines: a free fit would take a negative price per machine.
        let time = |machines, time| Run { machines, size: 1.0, time };
        let fitted =
            Ernest::fit(&[time(1.0, 10.0), time(2.0, 5.4), time(4.0, 2.3), time(8.0, 1.2), time(16.0, 0.6)])?;
        assert!(fitted.coefficients().iter().all(|theta| *theta >= 0.0), "{fitted:?}");
        assert!((fitted.time(8.0, 1.0)? / 1.2 - 1.0).abs() < 0.1);
        Ok(())
    }

    #[test]
    fn too_little_to_go_by_is_refused() {
        assert!(matches!(
            Scalability::fit(&[(1.0, 1.0)]),
            Err(Error::TooFewSamples { have: 1, need: 3, .. })
        ));
        let zero = Run { machines: 0.0, size: 1.0, time: 1.0 };
        assert!(matches!(Ernest::fit(&[zero; 4]), Err(Error::Parameter { .. })));
    }
}
