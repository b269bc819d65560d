//! The workers of a pool as a heap of the times at which each becomes free, the earliest on top.

/// A binary min-heap of times whose minimum is mostly replaced, not removed: one sift instead of two.
#[derive(Debug, Clone)]
pub(crate) struct Clocks {
    heap: Vec<f64>,
}

impl Clocks {
    /// All workers free at time 0.
    pub(crate) fn new(workers: usize) -> Self {
        Self { heap: vec![0.0; workers] }
    }

    /// The earliest time at which a worker is free; the pool is never empty here.
    #[inline]
    pub(crate) fn earliest(&self) -> f64 {
        self.heap[0]
    }

    /// Gives the earliest worker work until `time`.
    #[inline]
    pub(crate) fn replace_earliest(&mut self, time: f64) {
        sift_down(&mut self.heap, time);
    }

    /// Whether no worker is left.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    /// When each worker is free, in no order.
    pub(crate) fn times(&self) -> &[f64] {
        &self.heap
    }

    /// Takes the earliest worker out.
    #[inline]
    pub(crate) fn take(&mut self) -> f64 {
        let top = self.heap[0];
        if let Some(last) = self.heap.pop()
            && !self.heap.is_empty()
        {
            sift_down(&mut self.heap, last);
        }
        top
    }

    /// Puts a worker back, free from `time` on.
    #[inline]
    pub(crate) fn put(&mut self, time: f64) {
        let mut at = self.heap.len();
        self.heap.push(time);
        while at > 0 {
            let above = (at - 1) / 2;
            if self.heap[above] <= time {
                break;
            }
            self.heap[at] = self.heap[above];
            at = above;
        }
        self.heap[at] = time;
    }
}

/// Puts `time` at the top and lets it sink.
#[inline]
fn sift_down(heap: &mut [f64], time: f64) {
    let mut at = 0;
    loop {
        let mut below = 2 * at + 1;
        if below >= heap.len() {
            break;
        }
        if below + 1 < heap.len() {
            // Which child is smaller is a coin flip: arithmetic instead of a branch that mispredicts half the time.
            below += usize::from(heap[below + 1] < heap[below]);
        }
        if heap[below] >= time {
            break;
        }
        heap[at] = heap[below];
        at = below;
    }
    heap[at] = time;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_come_out_in_order() {
        let mut clocks = Clocks::new(3);
        for time in [5.0, 1.0, 3.0] {
            clocks.replace_earliest(time);
        }
        clocks.replace_earliest(4.0);
        clocks.put(2.0);
        let order: Vec<f64> = (0..4).map(|_| clocks.take()).collect();
        assert_eq!(order, [2.0, 3.0, 4.0, 5.0]);
    }
}
