//! Scales of the training rows alone. A file is read at the scale of all its rows, so that nothing of its numbers is lost;
//! once some rows have been set aside, scales are made exact for the rest, so that no model knows of rows that judge it.

use super::{Inputs, Schema, TargetKind};
use crate::{Dataset, Result, Scaling, TargetScale};

impl Schema {
    /// Brings features and target of the training rows to the scale of just these rows, and other rows with them.
    ///
    /// # Errors
    /// When the data are not of this schema.
    pub fn rescale(
        &mut self,
        mut training: Dataset,
        mut others: Option<Dataset>,
    ) -> Result<(Dataset, Option<Dataset>)> {
        let mut scaling = Scaling::fit(&training);
        if let Inputs::Table { .. } = self.inputs {
            scaling.only(&self.scaled());
        }
        scaling.apply(&mut training)?;
        others.as_mut().map_or(Ok(()), |others| scaling.apply(others))?;
        self.compose(&scaling);
        let scale = TargetScale::fit_weighted(training.targets(), training.weights());
        let training = training.rescale_targets(scale);
        if let TargetKind::Regression { scale } = &mut self.target.kind {
            *scale = training.target_scale();
        }
        Ok((training, others.map(|others| others.rescale_targets(scale))))
    }

    /// Which features are scaled.
    fn scaled(&self) -> Vec<bool> {
        let Inputs::Table { columns, .. } = &self.inputs else { return Vec::new() };
        let column = |column: &super::Column| {
            let scaled = column.scale().is_some();
            (0..column.width()).map(move |feature| scaled && feature == 0)
        };
        columns.iter().flat_map(column).collect()
    }

    /// Takes a further scaling of its features in.
    fn compose(&mut self, further: &Scaling) {
        match &mut self.inputs {
            Inputs::Table { columns, .. } => {
                let mut feature = 0;
                for column in columns {
                    let width = column.width();
                    if let Some(scale) = column.scale_mut() {
                        let (centre, deviation) = further.of(feature);
                        scale.centre += scale.deviation * centre;
                        scale.deviation *= deviation;
                    }
                    feature += width;
                }
            }
            Inputs::Sparse { columns, scale, .. } => {
                *scale = (0..*columns).map(|column| further.of(column).1 as f32).collect();
            }
        }
    }
}
