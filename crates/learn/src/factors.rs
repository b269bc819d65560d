//! The gradient of a linear model over sparse rows, as the two factors that it is the product of.
//!
//! The weights' gradient is `x' d` for the rows `x` and the derivatives `d` of the loss by their outputs, the biases' is
//! the sum of `d` over the rows. Whoever has the rows needs only `d`, a number for each row and output, to take a step
//! along it: "sufficient factors" (Xie, Kim, Zhou et al., UAI 2016). And gradient descent can take that step straight
//! from the factors, without ever making the product.

use std::ops::Range;
use syncline_data::{Batch, CsrView, FeaturesView, SparseRow};

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
    /// The factors of a batch; nothing if it is dense, or there is not the same number of derivatives for each row.
    pub fn new(batch: &Batch<'a>, derivatives: &'a [f32]) -> Option<Factors<'a>> {
        let FeaturesView::Sparse(x) = batch.features else { return None };
        let outputs = derivatives.len().checked_div(x.rows())?;
        (derivatives.len() == x.rows() * outputs).then_some(Factors { x, derivatives, outputs })
    }

    /// Calls `visit(start, derivatives, x)` for each run of contributions to the gradient by the parameters of a
    /// `shard`, row after row, the biases last: `x * derivatives[k]` is added to the derivative by parameter
    /// `start + k`, counted from the start of the shard. A parameter's contributions come in the same order for every
    /// way to cut the parameters into shards.
    pub fn for_each_run(&self, shard: Range<usize>, visit: impl FnMut(usize, &[f32], f32)) {
        match self.outputs {
            // The common case of runs of one, known to the compiler.
            1 => self.visit_runs(1, shard, visit),
            outputs => self.visit_runs(outputs, shard, visit),
        }
    }

    #[inline(always)]
    fn visit_runs(&self, outputs: usize, shard: Range<usize>, mut visit: impl FnMut(usize, &[f32], f32)) {
        let columns = shard.start / outputs..shard.end.div_ceil(outputs);
        for (row, derivatives) in self.x.iter().zip(self.derivatives.chunks_exact(outputs)) {
            let row = within(row, &columns);
            for (&column, &x) in row.indices.iter().zip(row.values) {
                let start = column as usize * outputs;
                // A longer run may lie across an end of the shard.
                let run = if outputs == 1 { 0..1 } else { clip(start..start + outputs, &shard) };
                visit(start + run.start - shard.start, &derivatives[run], x);
            }
        }
        let biases = self.x.columns() * outputs;
        for output in clip(biases..biases + outputs, &shard) {
            visit(biases + output - shard.start, &[self.sum(output)], 1.0);
        }
    }

    /// The sum of one output's derivatives.
    fn sum(&self, output: usize) -> f32 {
        self.derivatives[output..].iter().step_by(self.outputs).sum()
    }
}

/// Which elements of a run at these positions lie in the shard.
fn clip(run: Range<usize>, shard: &Range<usize>) -> Range<usize> {
    let at = |end: usize| end.clamp(run.start, run.end) - run.start;
    at(shard.start)..at(shard.end)
}

/// The entries of a row that lie in these columns.
fn within<'a>(row: SparseRow<'a>, columns: &Range<usize>) -> SparseRow<'a> {
    let at = |end: usize| match row.indices {
        [.., last] if end <= *last as usize => row.indices.partition_point(|&column| (column as usize) < end),
        all => all.len(),
    };
    let entries = if columns.start == 0 { 0..at(columns.end) } else { at(columns.start)..at(columns.end) };
    SparseRow { indices: &row.indices[entries.clone()], values: &row.values[entries] }
}
