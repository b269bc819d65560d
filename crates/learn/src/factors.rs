//! The gradient of a linear model over sparse rows, as the two factors that it is the product of.
//!
//! The weights' gradient is `x' d` for the rows `x` and the derivatives `d` of the loss by their outputs, the biases' is
//! the sum of `d` over the rows. Whoever has the rows needs only `d`, a number for each row and output, to take a step
//! along it: "sufficient factors" (Xie, Kim, Zhou et al., UAI 2016). And gradient descent can take that step straight
//! from the factors, without ever making the product.

use std::ops::Range;
use syncline_data::{Batch, CsrView, FeaturesView};

/// The rows of a batch and the derivatives of its mean loss by their outputs.
///
/// ```
/// use syncline_data::synthetic;
/// use syncline_learn::{Factors, Logistic, Model};
///
/// let data = synthetic::sparse_logistic(8, 1000, 5, 1);
/// let mut model = Logistic::new(1000);
/// let parameters = model.initialise(1);
/// let (_, derivatives) = model.factors(&parameters, &data.batch(0..8)).expect("a linear model over sparse rows");
/// let factors = Factors::new(&data.batch(0..8), derivatives).expect("sparse rows");
/// let mut product = vec![0.0; 1001];
/// factors.for_each_run(0..1001, |start, derivatives, x| {
///     product[start..].iter_mut().zip(derivatives).for_each(|(sum, d)| *sum += x * d);
/// });
///
/// let mut gradient = vec![0.0; 1001];
/// model.gradient(&parameters, &data.batch(0..8), &mut gradient);
/// assert_eq!(product, gradient);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Factors<'a> {
    x: CsrView<'a>,
    /// Rows x outputs.
    derivatives: &'a [f32],
    outputs: usize,
}

impl<'a> Factors<'a> {
    /// The factors of a batch; nothing if it is dense, or there is not the same number of derivatives for each row, at
    /// least one.
    pub fn new(batch: &Batch<'a>, derivatives: &'a [f32]) -> Option<Factors<'a>> {
        let FeaturesView::Sparse(x) = batch.features else { return None };
        let outputs = derivatives.len().checked_div(x.rows())?;
        (outputs > 0 && derivatives.len() == x.rows() * outputs).then_some(Factors {
            x,
            derivatives,
            outputs,
        })
    }

    /// Calls `visit(start, derivatives, x)` for each run of contributions to the gradient by the parameters of a
    /// `shard`, row after row, the biases last: `x * derivatives[k]` is added to the derivative by parameter
    /// `start + k`, counted from the start of the shard. A parameter's contributions come in the same order for every
    /// way to cut the parameters into shards.
    pub fn for_each_run(&self, shard: Range<usize>, visit: impl FnMut(usize, &[f32], f32)) {
        match self.outputs {
            1 => self.for_each_single(shard, visit),
            _ => self.for_each_longer(shard, visit),
        }
    }

    /// Runs of one, the common case, apart: none lies across an end of the shard, and a derivative stays in a register.
    fn for_each_single(&self, shard: Range<usize>, mut visit: impl FnMut(usize, &[f32], f32)) {
        for (row, &derivative) in self.x.iter().zip(self.derivatives) {
            let entries = within(row.indices, &shard);
            for (&column, &x) in row.indices[entries.clone()].iter().zip(&row.values[entries]) {
                visit(column as usize - shard.start, &[derivative], x);
            }
        }
        if shard.contains(&self.x.columns()) {
            visit(self.x.columns() - shard.start, &[self.derivatives.iter().sum()], 1.0);
        }
    }

    fn for_each_longer(&self, shard: Range<usize>, mut visit: impl FnMut(usize, &[f32], f32)) {
        let outputs = self.outputs;
        let mut clipped = |column: usize, run: &[f32], x: f32| {
            let start = column * outputs;
            let (from, to) = (start.max(shard.start), (start + outputs).min(shard.end));
            visit(from - shard.start, &run[from - start..to - start], x);
        };
        let columns = shard.start / outputs..shard.end.div_ceil(outputs);
        for (row, derivatives) in self.x.iter().zip(self.derivatives.chunks_exact(outputs)) {
            let entries = within(row.indices, &columns);
            for (&column, &x) in row.indices[entries.clone()].iter().zip(&row.values[entries]) {
                clipped(column as usize, derivatives, x);
            }
        }
        if columns.contains(&self.x.columns()) {
            let sums: Vec<f32> = (0..outputs).map(|output| self.sum(output)).collect();
            clipped(self.x.columns(), &sums, 1.0);
        }
    }

    /// The sum of one output's derivatives.
    fn sum(&self, output: usize) -> f32 {
        self.derivatives[output..].iter().step_by(self.outputs).sum()
    }
}

/// Which entries of a row lie in these columns.
#[inline]
fn within(indices: &[u32], columns: &Range<usize>) -> Range<usize> {
    let at = |end: usize| match indices {
        [.., last] if end <= *last as usize => indices.partition_point(|&column| (column as usize) < end),
        all => all.len(),
    };
    let start = if columns.start == 0 { 0 } else { at(columns.start) };
    start..at(columns.end)
}
