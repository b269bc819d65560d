//! The order of tasks that can go on. (Beside the file itself, which is also built against a model's locks.)

use super::queue::{Next, Queue};

/// The order in which tasks get their turn that are woken in this order, half of them after some turns.
fn turns(wakes: &[usize]) -> Vec<usize> {
    let queue = Queue::new(7);
    let (first, second) = wakes.split_at(wakes.len() / 2);
    let mut turns = Vec::new();
    for woken in [first, second] {
        woken.iter().for_each(|task| queue.push(*task));
        turns.extend((0..2).filter_map(|_| polled(&queue)));
    }
    turns.extend(std::iter::from_fn(|| polled(&queue)));
    turns
}

fn polled(queue: &Queue) -> Option<usize> {
    match queue.next() {
        Next::Poll(task) => Some(task),
        Next::Arrivals(_) | Next::Nothing => None,
    }
}

#[test]
fn the_order_of_wakes_does_not_decide() {
    let order = turns(&[0, 1, 2, 3, 4, 5, 6, 7]);
    for wakes in [[3, 2, 1, 0, 7, 6, 5, 4], [2, 0, 3, 1, 5, 7, 4, 6], [1, 3, 0, 2, 6, 4, 7, 5]] {
        assert_eq!(turns(&wakes), order);
    }
    let mut sorted = order.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, [0, 1, 2, 3, 4, 5, 6, 7], "each has one turn");
    assert_ne!(sorted, order, "the seed decides");
}

#[test]
fn a_task_has_one_turn_however_often_it_is_woken() {
    assert_eq!(turns(&[4, 4, 4, 4]), [4, 4]);
}
