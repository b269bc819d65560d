//! Steps along sparse gradients: sorted, unique coordinates with a value each.

use super::{OptimizerState, Rule};

/// A sparse gradient and its weight in the fold.
type Weighted<'a> = (&'a [u32], &'a [f32], f32);

impl OptimizerState {
    /// Folds weighted sparse `gradients` in the order given and takes one step. The coordinates of each are sorted,
    /// unique and within `parameters`, which the caller has checked.
    pub fn step_sparse(&mut self, parameters: &mut [f32], gradients: &[Weighted<'_>]) {
        if self.optimizer.rule.rests_at_zero() && self.regularised.is_empty() {
            self.step_touched(parameters, gradients);
        } else {
            self.step_dense(parameters, gradients);
        }
    }

    /// Steps only the coordinates that some gradient names.
    fn step_touched(&mut self, parameters: &mut [f32], gradients: &[Weighted<'_>]) {
        self.steps += 1;
        let (rule, rate) = (self.optimizer.rule, self.optimizer.rate);
        if rule == Rule::Sgd {
            // The step is linear in the gradient: one after the other is the same as their sum.
            return gradients.iter().for_each(|gradient| descend(parameters, *gradient, rate));
        }
        let first = &mut self.moments[0];
        merge(gradients, |index, g| {
            rule.step(&mut parameters[index..=index], &[g], (&mut first[index..=index], &mut []), rate);
        });
    }

    /// Steps all coordinates, for rules that move even where the gradient is zero.
    fn step_dense(&mut self, parameters: &mut [f32], gradients: &[Weighted<'_>]) {
        let mut dense = std::mem::take(&mut self.dense);
        dense.clear();
        dense.resize(parameters.len(), 0.0);
        merge(gradients, |index, g| dense[index] = g);
        self.step(parameters, &[(&dense, 1.0)]);
        self.dense = dense;
    }
}

/// One gradient's step of gradient descent.
fn descend(parameters: &mut [f32], (indices, values, weight): Weighted<'_>, rate: f32) {
    let rate = rate * weight;
    for (&index, g) in indices.iter().zip(values) {
        parameters[index as usize] -= rate * g;
    }
}

/// Visits the coordinates of all gradients in rising order, each once, with its weighted sum in the order given.
fn merge(gradients: &[Weighted<'_>], mut visit: impl FnMut(usize, f32)) {
    if let [(indices, values, weight)] = gradients {
        return indices.iter().zip(*values).for_each(|(&index, g)| visit(index as usize, weight * g));
    }
    let mut heads = vec![0; gradients.len()];
    let next = |heads: &[usize]| {
        let head = |(&head, (indices, ..)): (&usize, &Weighted<'_>)| indices.get(head).copied();
        heads.iter().zip(gradients).filter_map(head).min()
    };
    while let Some(index) = next(&heads) {
        let mut sum = 0.0;
        for (head, (indices, values, weight)) in heads.iter_mut().zip(gradients) {
            if indices.get(*head) == Some(&index) {
                sum += weight * values[*head];
                *head += 1;
            }
        }
        visit(index as usize, sum);
    }
}
