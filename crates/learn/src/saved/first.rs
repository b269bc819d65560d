//! The first format of saved models, which had numbers only: one tensor, `parameters`, is the flat vector, and features were
//! brought to a common scale in `f32`. Such a model becomes one of today's, with a schema that says the same.

use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;
use syncline_data::{
    Column, Inputs, Kind, Missing, Notation, Scale, Schema, Target, TargetKind, TargetScale,
};

use super::SavedModel;
use crate::ModelSpec;

/// The JSON of the metadata.
#[derive(Deserialize)]
struct Description {
    spec: ModelSpec,
    features: usize,
    classes: Vec<String>,
    feature_names: Vec<String>,
    target_name: String,
    scaling: Option<Scaling>,
    unfinished: Option<String>,
}

#[derive(Deserialize)]
struct Scaling {
    /// Empty for sparse features.
    centre: Vec<f32>,
    scale: Vec<f32>,
}

/// Reads a model of this format. Its parts are checked as those of any other.
pub(super) fn read(description: &str, tensors: &SafeTensors<'_>) -> Result<SavedModel, String> {
    let found: Description = serde_json::from_str(description)
        .map_err(|error| format!("its description cannot be read: {error}"))?;
    let target = Target {
        name: found.target_name.clone(),
        position: found.features,
        kind: match found.classes.is_empty() {
            true => TargetKind::Regression { scale: TargetScale::default() },
            false => TargetKind::Classification { classes: found.classes.clone() },
        },
    };
    let schema = Schema {
        inputs: inputs(&found)?,
        target,
        missing: Missing::Mean,
        notation: Notation::default(),
        weight: None,
    };
    schema.check().map_err(|found| format!("its parts do not fit together: {found}"))?;
    let tensor = tensors.tensor("parameters").map_err(|error| error.to_string())?;
    if tensor.dtype() != Dtype::F32 {
        return Err(format!("its parameters are {}, not F32", tensor.dtype()));
    }
    let (values, _) = tensor.data().as_chunks::<4>();
    let parameters = values.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    let saved = SavedModel { spec: found.spec, schema, parameters, unfinished: found.unfinished };
    let needed = saved.model().map_err(|error| error.to_string())?.parameters();
    match saved.parameters.len() == needed {
        true => Ok(saved),
        false => {
            let length = saved.parameters.len();
            Err(format!("it has {length} parameters, `{}` needs {needed}", saved.spec))
        }
    }
}

fn inputs(found: &Description) -> Result<Inputs, String> {
    let named = !found.feature_names.is_empty();
    let (centres, scales) = match &found.scaling {
        Some(scaling) if scaling.centre.is_empty() => {
            let (columns, scale) = (found.features, scaling.scale.clone());
            let usable = scale.len() == columns && scale.iter().all(|scale| scale.is_normal());
            // Whether rows counted from 0 was not kept; files that count so were refused.
            return match usable {
                true => Ok(Inputs::Sparse { columns, zero_based: false, scale }),
                false => Err("its scales do not fit its features".into()),
            };
        }
        Some(scaling) => (scaling.centre.clone(), scaling.scale.clone()),
        None if named => (vec![0.0; found.features], vec![1.0; found.features]),
        None => {
            return Err(
                "it is of format 1 and does not say whether its features are sparse; train it again".into()
            );
        }
    };
    let of_each =
        [centres.len(), scales.len(), if named { found.feature_names.len() } else { centres.len() }];
    if of_each.iter().any(|&count| count != found.features) {
        return Err("its names and scales do not fit its features".into());
    }
    let column = |(position, (&centre, &deviation)): (usize, (&f32, &f32))| {
        let (centre, deviation) = (f64::from(centre), f64::from(deviation));
        Column {
            name: found.feature_names.get(position).cloned().unwrap_or_default(),
            position,
            // A missing number was refused; the mean stands for it now.
            kind: Kind::Number { scale: Scale { centre, deviation, fill: centre, indicator: false } },
        }
    };
    let columns = centres.iter().zip(&scales).enumerate().map(column).collect();
    Ok(Inputs::Table { columns, named })
}
