//! What in the data may be behind a loss or a gradient that is no number: a value that is none, or one that is far from what its
//! column usually holds, or a column that is far from the others. It is looked for once such a loss is there, so that
//! rounds without one cost nothing.

use std::ops::Range;

use syncline_data::{Dataset, FeaturesView, Targets};

/// From how many times the usual size on something is suspect: standardised values of no common distribution come to that.
const HUGE: f32 = 1000.0;

/// Cells by which the usual sizes are told.
const SAMPLE: usize = 1 << 20;

/// What is suspect in these rows of a batch, or else in `all` rows: others' steps may have led astray. A sentence without its end.
pub(crate) fn suspect(batch: (&Dataset, Range<usize>), all: &Dataset) -> Option<String> {
    suspect_among(batch, all, |row| format!("in row {row} of the training data"))
}

/// As [`suspect`], for a worker that has its `own` rows only, whose numbers among all it does not know.
pub(crate) fn suspect_of_own(batch: (&Dataset, Range<usize>), own: &Dataset) -> Option<String> {
    suspect_among(batch, own, |_| "in a row of this worker".to_owned())
}

fn suspect_among(
    batch: (&Dataset, Range<usize>),
    all: &Dataset,
    place: impl Fn(usize) -> String,
) -> Option<String> {
    let sizes = Sizes::of(all);
    let in_rows = |data: &Dataset, rows: Range<usize>| {
        sizes.cell(data, rows.clone()).or_else(|| target(data, rows, all))
    };
    if let Some((_, what)) = in_rows(batch.0, batch.1) {
        return Some(format!("in this batch {what}"));
    }
    match in_rows(all, 0..all.rows()) {
        Some((row, what)) => Some(format!("{} {what}", place(row))),
        None => sizes.column(all),
    }
}

/// How large the values of each column usually are: nine of ten that are not zero are at most so far from it.
struct Sizes {
    columns: Vec<f32>,
    /// Of the column in the middle, of those that have one.
    middle: f32,
}

impl Sizes {
    fn of(data: &Dataset) -> Self {
        let rows = 0..data.rows();
        let mut values = vec![Vec::new(); data.columns()];
        let view = data.batch(rows.clone()).features;
        let cells = match view {
            FeaturesView::Dense(dense) => dense.values.len(),
            FeaturesView::Sparse(csr) => csr.values().len(),
        };
        for row in rows.step_by(cells.div_ceil(SAMPLE).max(1)) {
            for_each_cell(data, row..row + 1, |_, column, value| {
                if value.is_finite() && value != 0.0 {
                    values[column].push(value.abs());
                }
            });
        }
        let columns: Vec<f32> = values.into_iter().map(|mut values| at(&mut values, 0.9)).collect();
        let mut known: Vec<f32> = columns.iter().copied().filter(|size| *size > 0.0).collect();
        Self { middle: at(&mut known, 0.5), columns }
    }

    /// A cell that is no number, else the one that is furthest off: its row, and what is to be said.
    fn cell(&self, data: &Dataset, rows: Range<usize>) -> Option<(usize, String)> {
        let mut worst: Option<(f32, usize, usize, f32)> = None;
        for_each_cell(data, rows, |row, column, value| {
            // What was seen in one row only has no usual size of its own.
            let usual = self.columns[column].max(self.middle).max(f32::MIN_POSITIVE);
            let off = if value.is_finite() { value.abs() / usual } else { f32::INFINITY };
            if off > worst.map_or(HUGE, |(worst, ..)| worst) {
                worst = Some((off, row, column, value));
            }
        });
        let (_, row, column, value) = worst?;
        let name = data.feature_name(column);
        if !value.is_finite() {
            return Some((row, format!("column `{name}` holds {value}")));
        }
        let usual = self.columns[column];
        let usually = format!("where it is usually within {usual:.3} of 0 (as the model sees it)");
        Some((row, format!("column `{name}` holds {value:e}, {usually}")))
    }

    /// A column that is as a whole far larger than others.
    fn column(&self, data: &Dataset) -> Option<String> {
        let largest = self.columns.iter().enumerate().max_by(|one, other| one.1.total_cmp(other.1));
        let (column, &size) = largest.filter(|(_, size)| **size > HUGE * self.middle && self.middle > 0.0)?;
        let (name, middle) = (data.feature_name(column), self.middle);
        Some(format!(
            "column `{name}` goes to {size:e}, where those of the middle go to {middle:.3}: standardise the data"
        ))
    }
}

/// A target that is far from the usual ones, where they are numbers: its row, and what is to be said.
fn target(data: &Dataset, rows: Range<usize>, all: &Dataset) -> Option<(usize, String)> {
    let (Targets::Real(targets), Targets::Real(all)) = (data.targets(), all.targets()) else { return None };
    let step = all.len().div_ceil(SAMPLE).max(1);
    let usual = at(&mut all.iter().step_by(step).map(|target| target.abs()).collect::<Vec<_>>(), 0.9);
    let row = rows.max_by(|&one, &other| targets[one].abs().total_cmp(&targets[other].abs()))?;
    let (largest, usually) =
        (targets[row], format!("where it is usually within {usual:.3} of 0 (as the model sees it)"));
    (usual > 0.0 && largest.abs() > HUGE * usual)
        .then(|| (row, format!("the target is {largest:e}, {usually}")))
}

/// Visits the row, the column and the value of each stored cell.
fn for_each_cell(data: &Dataset, rows: Range<usize>, mut visit: impl FnMut(usize, usize, f32)) {
    for row in rows {
        match data.batch(row..row + 1).features {
            FeaturesView::Dense(dense) => {
                dense.values.iter().enumerate().for_each(|(column, value)| visit(row, column, *value));
            }
            FeaturesView::Sparse(csr) => {
                let cells = csr.indices().iter().zip(csr.values());
                cells.for_each(|(column, value)| visit(row, *column as usize, *value));
            }
        }
    }
}

/// The value at this share of the way from the least to the greatest; 0 of none.
fn at(values: &mut [f32], share: f64) -> f32 {
    if values.is_empty() {
        return 0.0;
    }
    let index = ((values.len() - 1) as f64 * share) as usize;
    *values.select_nth_unstable_by(index, f32::total_cmp).1
}

#[cfg(test)]
mod tests {
    use syncline_data::{Dense, Features, synthetic};

    use super::*;

    /// 200 rows of 4 columns, one cell of which is changed.
    fn with(row: usize, column: usize, value: f32) -> Dataset {
        let data = synthetic::linear(200, 4, 0.1, 1);
        let Features::Dense(dense) = data.features() else { panic!("dense") };
        let mut values = dense.values().to_vec();
        values[row * 4 + column] = value;
        let features = Features::Dense(Dense::new(values, 4).unwrap());
        Dataset::new(features, data.targets().clone()).unwrap()
    }

    fn found(data: &Dataset) -> Option<String> {
        suspect((data, 16..32), data)
    }

    #[test]
    fn a_cell_far_off_is_named_with_its_column() {
        let said = found(&with(20, 2, 3e20)).unwrap();
        assert!(
            said.contains("in this batch column `3` holds 3e20") && said.contains("usually within"),
            "{said}"
        );
        let said = found(&with(70, 1, -3e20)).unwrap();
        assert!(said.contains("in row 70 of the training data column `2` holds -3e20"), "{said}");
        let said = found(&with(20, 0, f32::NAN)).unwrap();
        assert!(said.contains("in this batch column `1` holds NaN"), "{said}");
    }

    #[test]
    fn what_is_usual_is_not_suspected() {
        assert_eq!(found(&with(20, 2, 30.0)), None);
        let sparse = synthetic::sparse_logistic(300, 2000, 8, 5);
        assert_eq!(suspect((&sparse, 0..16), &sparse), None, "columns with one value each");
        assert_eq!(found(&synthetic::blobs(200, 4, 3, 1)), None);
    }

    #[test]
    fn a_column_of_another_order_and_a_target_are_suspected_too() {
        let data = synthetic::linear(200, 4, 0.1, 1);
        let Features::Dense(dense) = data.features() else { panic!("dense") };
        let scaled = dense.values().iter().enumerate().map(|(at, x)| if at % 4 == 3 { x * 1e6 } else { *x });
        let features = Features::Dense(Dense::new(scaled.collect(), 4).unwrap());
        let said = found(&Dataset::new(features, data.targets().clone()).unwrap()).unwrap();
        assert!(said.contains("column `4` goes to") && said.contains("standardise"), "{said}");

        let Targets::Real(mut targets) = data.targets().clone() else { panic!("numbers") };
        targets[18] = 1e12;
        let said = found(&Dataset::new(data.features().clone(), Targets::Real(targets)).unwrap()).unwrap();
        assert!(said.contains("in this batch the target is 1e12"), "{said}");
    }
}
