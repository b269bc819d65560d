//! Tasks that wait for a worker: a queue for each class, and for each worker where workers have queues of their own.

use std::collections::VecDeque;

/// A task: whose it is, and how much of it is left.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Task {
    pub job: usize,
    /// 0 is the most urgent.
    pub class: usize,
    /// The worker whose queue it belongs to; 0 if all share one.
    pub home: usize,
    pub size: f64,
    pub left: f64,
}

/// The queues.
#[derive(Debug)]
pub(super) struct Ready {
    classes: usize,
    queues: Vec<VecDeque<Task>>,
}

impl Ready {
    pub(super) fn new(homes: usize, classes: usize) -> Self {
        Self { classes, queues: (0..homes * classes).map(|_| VecDeque::new()).collect() }
    }

    fn of(&mut self, task: Task) -> &mut VecDeque<Task> {
        &mut self.queues[task.home * self.classes + task.class]
    }

    /// A new task goes to the end.
    pub(super) fn add(&mut self, task: Task) {
        self.of(task).push_back(task);
    }

    /// An interrupted one is the next of its class again.
    pub(super) fn put_back(&mut self, task: Task) {
        self.of(task).push_front(task);
    }

    /// The most urgent class with a task waiting at `home`.
    pub(super) fn most_urgent(&self, home: usize) -> Option<usize> {
        let own = &self.queues[home * self.classes..(home + 1) * self.classes];
        own.iter().position(|queue| !queue.is_empty())
    }

    /// The next task for a worker of `home`.
    pub(super) fn take(&mut self, home: usize) -> Option<Task> {
        let class = self.most_urgent(home)?;
        self.queues[home * self.classes + class].pop_front()
    }
}
