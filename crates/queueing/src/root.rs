//! Roots and minima of functions of one variable, by bisection and golden section: slow and certain. The
//! functions handed in here have poles at the end of their range, where faster methods step over the edge.

/// The point of `[low, high]` where `f` changes from at most zero to above zero, to the last bits of a double.
pub(crate) fn bisect(mut low: f64, mut high: f64, f: impl Fn(f64) -> f64) -> f64 {
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            break;
        }
        if f(middle) > 0.0 {
            high = middle;
        } else {
            low = middle;
        }
    }
    low
}

/// The first power-of-two multiple of `start` at which `f` is above zero; bounded, so that a function that
/// never rises ends at a huge value instead of a loop.
pub(crate) fn bracket(start: f64, f: impl Fn(f64) -> f64) -> f64 {
    let mut high = start;
    for _ in 0..1000 {
        if f(high) > 0.0 || !high.is_finite() {
            break;
        }
        high *= 2.0;
    }
    high
}

/// The least value of a function with a single minimum on `(low, high]`.
pub(crate) fn minimum(low: f64, high: f64, f: impl Fn(f64) -> f64) -> f64 {
    const GOLDEN: f64 = 0.618_033_988_749_894_8;
    let (mut a, mut b) = (low, high);
    let mut c = b - GOLDEN * (b - a);
    let mut d = a + GOLDEN * (b - a);
    let (mut fc, mut fd) = (f(c), f(d));
    while b - a > 1e-11 * high {
        if fc < fd {
            (b, d, fd) = (d, c, fc);
            c = b - GOLDEN * (b - a);
            fc = f(c);
        } else {
            (a, c, fc) = (c, d, fd);
            d = a + GOLDEN * (b - a);
            fd = f(d);
        }
    }
    fc.min(fd).min(f(high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bisection_finds_a_square_root() {
        assert!((bisect(0.0, 2.0, |x| x * x - 2.0) - 2f64.sqrt()).abs() < 1e-15);
    }

    #[test]
    fn the_minimum_may_be_the_right_end() {
        assert!((minimum(0.0, 3.0, |x| (x - 1.0) * (x - 1.0) + 2.0) - 2.0).abs() < 1e-12);
        assert_eq!(minimum(0.0, 3.0, |x| -x), -3.0);
    }
}
