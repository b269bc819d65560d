//! Which model a small table is given when the user names none: a network, or a line.
//!
//! A network of two layers learns few rows, or much noise, by heart; a line misses what is bent. Which of the two a table is
//! for, its training rows tell: each model is trained on two thirds of them and judged on the rest, three times, so that every
//! row judges once (cross-validation: Stone, "Cross-validatory choice and assessment of statistical predictions", 1974). What
//! decides is the loss. The rows held out for validation have no say, so they can still judge what was chosen.

use syncline_data::{Dataset, Features, Targets, permutation};
use syncline_learn::{ModelSpec, Score};
use syncline_terminal::unit::percent;

use super::{
    TrainJob,
    defaults::{line, network},
};
use crate::Error;

/// A table of more cells has rows enough for a network, and takes long to try.
const SMALL_CELLS: usize = 200_000;

/// Parts of the rows, each of which judges once.
const PARTS: usize = 3;

/// Rows of which a third can judge at all.
const FEWEST_ROWS: usize = 12;

/// A trial goes through its rows no more often than this, however long the run is to be: its time is before the run, where
/// nothing is there yet that an interrupt could save.
const MOST_EPOCHS: u64 = 1000;

/// A model that was chosen, and why, in a sentence.
pub(super) struct Choice {
    pub spec: ModelSpec,
    pub note: String,
}

impl TrainJob {
    /// The model for a small table of numbers, by trial; nothing is tried on tables that are large, sparse or tiny, and who
    /// asks for dropout has asked for a network.
    pub(super) fn choose(&self, train: &Dataset, seed: u64) -> Result<Option<Choice>, Error> {
        let (rows, columns) = (train.rows(), train.columns());
        let sparse = matches!(train.features(), Features::Sparse(_));
        let of_networks = self.dropout.is_some_and(|share| share > 0.0);
        if sparse
            || of_networks
            || rows < FEWEST_ROWS
            || columns == 0
            || rows.saturating_mul(columns) > SMALL_CELLS
        {
            return Ok(None);
        }
        let (line, network) = (line(train), network());
        let of_line = self.judged(&line, train, seed)?.mean_loss();
        let of_network = self.judged(&network, train, seed)?.mean_loss();
        // A loss that is no number is no argument for its model.
        let chosen =
            if of_line < of_network || of_network.is_nan() { (&line, &network) } else { (&network, &line) };
        let loss = match train.targets() {
            Targets::Class { .. } => "log loss",
            Targets::Real(_) => "squared error",
        };
        let (spec, other) = chosen;
        let ratio = of_line.min(of_network) / of_line.max(of_network);
        let how = if ratio.is_finite() {
            format!("its {loss} was {} of the other's", percent(ratio))
        } else {
            format!("the other's {loss} was no number")
        };
        let note = format!(
            "{spec} was chosen over {other}: on thirds of the training rows, set aside in turn, {how}; --model {other} decides \
             otherwise"
        );
        Ok(Some(Choice { spec: spec.clone(), note }))
    }

    /// How a model does on rows that it was not trained on, all parts together.
    fn judged(&self, spec: &ModelSpec, data: &Dataset, seed: u64) -> Result<Score, Error> {
        let order = permutation(data.rows(), seed);
        (0..PARTS).map(|part| self.judged_by(spec, data, &order, part, seed)).sum()
    }

    /// How a model that was trained on all other parts does on this one.
    fn judged_by(
        &self,
        spec: &ModelSpec,
        data: &Dataset,
        order: &[usize],
        part: usize,
        seed: u64,
    ) -> Result<Score, Error> {
        let of_part = |wanted: bool| {
            let rows = order.iter().enumerate().filter(move |(place, _)| (place % PARTS == part) == wanted);
            data.select(&rows.map(|(_, &row)| row).collect::<Vec<_>>())
        };
        let (rest, judges) = (of_part(false), of_part(true));
        let mut model =
            spec.build_with_dropout(data, self.dropout.unwrap_or(0.0)).map_err(Error::Unsuitable)?;
        let parameters = self.tried(&mut *model, spec, &rest, seed)?;
        Ok(model.score(&parameters, &judges.batch(0..judges.rows())))
    }

    /// The parameters after the steps that the run itself would take on these rows, up to [`MOST_EPOCHS`], on one thread.
    fn tried(
        &self,
        model: &mut dyn syncline_learn::Model,
        spec: &ModelSpec,
        data: &Dataset,
        seed: u64,
    ) -> Result<Vec<f32>, Error> {
        let mut job = Self { model: Some(spec.clone()), ..self.clone() };
        job.decide(spec, data);
        let rows = data.rows();
        let batch = (job.batch.unwrap_or(64) * job.workers.unwrap_or(1)).clamp(1, rows);
        let epochs = u64::from(job.epochs.unwrap_or(1)).min(MOST_EPOCHS);
        let an_epoch = rows.div_ceil(batch) as u64;
        let schedule = job.schedule.unwrap_or_default();
        let mut parameters = model.initialise(seed);
        let mut gradient = vec![0.0; parameters.len()];
        let mut optimizer = job.steps()?.state(parameters.len(), &model.regularised());
        let mut gathered = data.select(&[]);
        let mut round = 0;
        for epoch in 0..epochs {
            for rows_of_batch in permutation(rows, seed.wrapping_add(epoch)).chunks(batch) {
                data.gather(rows_of_batch, &mut gathered);
                model.begin(round);
                model.reseed(seed.wrapping_add(round));
                model.gradient(&parameters, &gathered.batch(0..rows_of_batch.len()), &mut gradient);
                let short = rows_of_batch.len() as f32 / batch as f32;
                optimizer.set_factor(short * schedule.factor(round, an_epoch, epochs * an_epoch));
                optimizer.step(&mut parameters, &[(&gradient, 1.0)]);
                round += 1;
            }
        }
        Ok(parameters)
    }
}

#[cfg(test)]
mod tests {
    use syncline_data::{Dataset, Dense, Features, Targets};

    use super::*;

    /// Rows of `columns` numbers between -1 and 1, and what `target` makes of each and of a number that nothing tells.
    fn table(rows: usize, columns: usize, target: impl Fn(&[f32], f32) -> f32) -> Dataset {
        let noise = |at: usize| ((at as f32 * 12.9898).sin() * 43758.547).rem_euclid(1.0) * 2.0 - 1.0;
        let cells: Vec<f32> = (0..rows * columns).map(noise).collect();
        let targets =
            cells.chunks(columns).enumerate().map(|(row, cells)| target(cells, noise(1_000_003 + row)));
        let targets = Targets::Real(targets.collect());
        let features = Features::Dense(Dense::new(cells, columns).unwrap());
        Dataset::new(features, targets).unwrap()
    }

    fn chosen(data: &Dataset, job: &TrainJob) -> Option<String> {
        job.choose(data, 1).unwrap().map(|choice| choice.spec.to_string())
    }

    #[test]
    fn few_rows_of_much_noise_are_given_a_line_and_what_is_bent_a_network() {
        let noisy = table(60, 5, |cells, noise| 0.5 * cells[0] + noise);
        let bent = table(600, 2, |cells, _| cells[0] * cells[1]);
        let job = TrainJob::default();
        assert_eq!(chosen(&noisy, &job).as_deref(), Some("linear"));
        assert_eq!(chosen(&bent, &job).as_deref(), Some("mlp:64,32"));
        let note = job.choose(&noisy, 1).unwrap().unwrap().note;
        assert!(note.starts_with("linear was chosen over mlp:64,32"), "{note}");
        assert!(
            note.contains("its squared error was") && note.ends_with("--model mlp:64,32 decides otherwise"),
            "{note}"
        );
    }

    #[test]
    fn nothing_is_tried_on_large_tables_on_a_handful_of_rows_or_where_dropout_asks_for_a_network() {
        let job = TrainJob::default();
        assert_eq!(chosen(&table(11, 2, |cells, _| cells[0]), &job), None);
        assert_eq!(chosen(&table(2001, 100, |cells, _| cells[0]), &job), None);
        let dropout = TrainJob { dropout: Some(0.2), ..TrainJob::default() };
        assert_eq!(chosen(&table(60, 5, |cells, noise| cells[0] + noise), &dropout), None);
    }
}
