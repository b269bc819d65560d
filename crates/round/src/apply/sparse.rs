//! Steps along sparse gradients.
//!
//! A sparse gradient is a list of contributions in any order; the derivative by a parameter is the sum of those that
//! name it. So a gradient need not be sorted or freed of repetitions before it is pushed, and the gradient of a linear
//! model need not even be multiplied out.

use super::{OptimizerState, Rule};

/// The contributions that a sparse gradient is made of.
pub trait SparseGradient {
    /// Calls `visit(start, values, factor)` for each run of contributions: `factor * values[k]` is added to the
    /// derivative by parameter `start + k`. The order is part of the gradient, as it decides how sums are rounded.
    fn for_each_run(&self, visit: impl FnMut(usize, &[f32], f32));
}

/// Coordinates and a value for each.
impl SparseGradient for (&[u32], &[f32]) {
    fn for_each_run(&self, mut visit: impl FnMut(usize, &[f32], f32)) {
        let contributions = self.0.iter().zip(self.1);
        contributions.for_each(|(&index, value)| visit(index as usize, std::slice::from_ref(value), 1.0));
    }
}

impl OptimizerState {
    /// Folds weighted sparse `gradients` in the order given and takes one step.
    ///
    /// # Panics
    /// If a contribution lies outside of `parameters`.
    pub fn step_sparse<G: SparseGradient>(&mut self, parameters: &mut [f32], gradients: &[(G, f32)]) {
        match self.optimizer.rule() {
            Rule::Sgd if self.regularised.is_empty() => self.descend(parameters, gradients),
            rule if rule.rests_at_zero() && self.regularised.is_empty() => {
                self.step_touched(parameters, gradients);
            }
            _ => self.step_all(parameters, gradients),
        }
    }

    /// Gradient descent is linear in the gradient: one contribution after the other is the same as their sum.
    fn descend<G: SparseGradient>(&mut self, parameters: &mut [f32], gradients: &[(G, f32)]) {
        self.steps += 1;
        for (gradient, weight) in gradients {
            let rate = self.optimizer.rate() * self.factor * weight;
            let parameters = &mut *parameters;
            gradient.for_each_run(move |start, values, factor| {
                let parameters = &mut parameters[start..start + values.len()];
                parameters.iter_mut().zip(values).for_each(|(w, value)| *w -= rate * (factor * value));
            });
        }
    }

    /// Steps only the parameters that some contribution names. One that is named again is stepped again, but by then
    /// its derivative has been taken, and the rule rests at zero.
    fn step_touched<G: SparseGradient>(&mut self, parameters: &mut [f32], gradients: &[(G, f32)]) {
        let next = self.next_step();
        let mut dense = self.sum(parameters.len(), gradients);
        let first = &mut self.moments[0];
        for (gradient, _) in gradients {
            gradient.for_each_run(|start, values, _| {
                let run = start..start + values.len();
                let derivatives = &mut dense[run.clone()];
                next.take(&mut parameters[run.clone()], derivatives, (&mut first[run], &mut []));
                derivatives.fill(0.0);
            });
        }
        self.dense = dense;
    }

    /// Steps all parameters, for rules that move even where the gradient is zero.
    fn step_all<G: SparseGradient>(&mut self, parameters: &mut [f32], gradients: &[(G, f32)]) {
        let mut dense = self.sum(parameters.len(), gradients);
        self.step(parameters, &[(&dense, 1.0)]);
        dense.fill(0.0);
        self.dense = dense;
    }

    /// The weighted sum of the gradients, as long as the shard, to be given back with zeros only.
    fn sum<G: SparseGradient>(&mut self, parameters: usize, gradients: &[(G, f32)]) -> Vec<f32> {
        let mut dense = std::mem::take(&mut self.dense);
        dense.resize(parameters, 0.0);
        for (gradient, weight) in gradients {
            gradient.for_each_run(|start, values, factor| {
                let sums = &mut dense[start..start + values.len()];
                sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += weight * (factor * value));
            });
        }
        dense
    }
}
