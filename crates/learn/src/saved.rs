//! A trained model in a file: safetensors, which any tool of the field can open.
//!
//! Tensors, all little-endian:
//!
//! | name | type, shape | what |
//! |---|---|---|
//! | `layers.I.weight` | F32 (inputs, outputs) | `W` of layer `I`, from 0 at the features on |
//! | `layers.I.bias` | F32 (outputs) | `b` of it: a layer is `x W + b`, with `max(0, .)` between layers |
//! | `input.centre` | F64 (features) | subtracted from each feature; absent for sparse features |
//! | `input.scale` | F64, sparse F32 (features) | then divided by; infinite for a feature that is always 0 |
//! | `target.centre`, `target.scale` | F64 (1) | of a regression: the prediction is `centre + scale * output` |
//!
//! Everything else is JSON under the single metadata key `syncline` (several keys would be written in random order, and
//! the same model must give the same bytes): `format`, `model`, `features` (their names, in order), `unfinished`, and `schema`, how
//! a file's columns become features ([`Schema`]). Outputs of `logistic` and of a `svm` of two classes are of the second
//! class; softmax turns those of `softmax` and `mlp` into probabilities.
//!
//! Models of the first format, from before tables had other columns than numbers, are read too.

mod first;

use crate::layers::Layer;
use crate::{Error, Metrics, Model, ModelSpec, Predictions, Result, Score, plain};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::io::Write;
use std::path::Path;
use syncline_data::{Dataset, Features, Inputs, Schema, TargetKind};

const KEY: &str = "syncline";
const FORMAT: u32 = 2;
/// Rows scored at once.
const BATCH: usize = 1024;

/// A trained model and what is needed to apply it to new data.
#[derive(Clone, Debug, PartialEq)]
pub struct SavedModel {
    /// Which model.
    pub spec: ModelSpec,
    /// How a file's columns become features and a target.
    pub schema: Schema,
    /// The flat vector: the layers' weights and biases, see [`ModelSpec::layers`].
    pub parameters: Vec<f32>,
    /// Why it was not trained to its end, if it was not.
    pub unfinished: Option<String>,
}

/// The JSON of the metadata.
#[derive(Serialize, Deserialize)]
struct Description {
    format: u32,
    model: ModelSpec,
    #[serde(default)]
    features: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unfinished: Option<String>,
    schema: Schema,
}

/// What is looked at before the rest, which another format may have otherwise.
#[derive(Deserialize)]
struct Head {
    format: u32,
}

/// A tensor on its way into a file.
type Written = (String, Dtype, Vec<usize>, Vec<u8>);

impl SavedModel {
    /// A trained model with what it has to know of its training data.
    pub fn new(spec: ModelSpec, schema: Schema, parameters: Vec<f32>) -> SavedModel {
        SavedModel { spec, schema, parameters, unfinished: None }
    }

    /// The model's arithmetic.
    ///
    /// # Errors
    /// When the parts do not fit together.
    pub fn model(&self) -> Result<Box<dyn Model>> {
        self.spec.with_sizes(self.schema.width(), self.schema.target.classes().len())
    }

    /// The layers, with where each is in the parameters.
    pub fn layers(&self) -> Vec<Layer> {
        self.spec.layers(self.schema.width(), self.schema.target.classes().len())
    }

    /// The score on data that were read under the model's schema, in the units of the target.
    ///
    /// # Errors
    /// When the columns or the classes are not those of the training data.
    pub fn evaluate(&self, data: &Dataset) -> Result<Score> {
        self.check(data)?;
        let score = plain::score(&mut self.model()?, &self.parameters, data, BATCH);
        Ok(score.in_units(data.target_scale().deviation))
    }

    /// The metrics on data that were read under the model's schema, computed on as many threads.
    ///
    /// # Errors
    /// As of [`SavedModel::evaluate`].
    pub fn metrics(&self, data: &Dataset, threads: usize) -> Result<Option<Metrics>> {
        self.check(data)?;
        Ok(Metrics::of(&*self.model()?, &self.parameters, data, threads))
    }

    /// What the model says of rows that were read under its schema: numbers in the units of the target.
    ///
    /// # Errors
    /// When the rows have another number of features.
    pub fn predict(&self, features: &Features) -> Result<Predictions> {
        let (columns, width) = (features.columns(), self.schema.width());
        if columns != width {
            return Err(Error::Mismatch(format!("it was trained on {width} features, these have {columns}")));
        }
        let predicted = self.model()?.predict(&self.parameters, &features.view(0..features.rows()));
        match predicted {
            Some(Predictions::Numbers(mut numbers)) => {
                let scale = self.schema.target.scale();
                numbers.iter_mut().for_each(|number| *number = scale.centre + scale.deviation * *number);
                Ok(Predictions::Numbers(numbers))
            }
            Some(classes) => Ok(classes),
            None => Err(Error::Mismatch(format!("`{}` predicts nothing", self.spec))),
        }
    }

    /// Whether data were read under the model's schema.
    fn check(&self, data: &Dataset) -> Result<()> {
        let (classes, trained) = (data.targets().classes(), self.schema.target.classes());
        let (columns, features) = (data.columns(), self.schema.width());
        if columns != features || classes != trained {
            return Err(Error::Mismatch(format!(
                "it was trained on {features} features and the classes {trained:?}, these have {columns} and {classes:?}",
            )));
        }
        if data.target_scale() != self.schema.target.scale() {
            return Err(Error::Mismatch("they were not read under the model's schema".into()));
        }
        Ok(())
    }

    /// Writes the file: beside its place first, then renamed, so that a failure leaves no half file behind. The same
    /// model gives the same bytes.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let bytes = self.to_bytes().map_err(|reason| Error::File { path: path.into(), reason })?;
        replace(path, &bytes).map_err(|source| Error::Io { action: "write", path: path.into(), source })
    }

    /// Reads a file. It takes the memory of the file twice at most.
    ///
    /// # Errors
    /// When it cannot be read, or is not a model that this program saved: truncated, of another program, or inconsistent.
    pub fn load(path: impl AsRef<Path>) -> Result<SavedModel> {
        let path = path.as_ref();
        let io = |source| Error::Io { action: "read", path: path.into(), source };
        if !path.metadata().map_err(io)?.is_file() {
            return Err(Error::File { path: path.into(), reason: "it is not a plain file".into() });
        }
        let bytes = std::fs::read(path).map_err(io)?;
        SavedModel::from_bytes(&bytes).map_err(|reason| Error::File { path: path.into(), reason })
    }

    fn to_bytes(&self) -> Result<Vec<u8>, String> {
        let description = Description {
            format: FORMAT,
            model: self.spec.clone(),
            features: self.schema.features(),
            unfinished: self.unfinished.clone(),
            schema: self.schema.clone(),
        };
        let description = serde_json::to_string(&description).map_err(|error| error.to_string())?;
        let tensors = self.layer_tensors().into_iter().chain(scale_tensors(&self.schema)).collect::<Vec<_>>();
        let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
            Ok((name.as_str(), TensorView::new(*dtype, shape.clone(), bytes)?))
        });
        let views = views.collect::<Result<Vec<_>, safetensors::SafeTensorError>>();
        let views = views.map_err(|error| error.to_string())?;
        let metadata = HashMap::from([(KEY.to_string(), description)]);
        safetensors::serialize(views, Some(metadata)).map_err(|error| error.to_string())
    }

    fn layer_tensors(&self) -> Vec<Written> {
        let floats =
            |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
        let layers = self.layers().into_iter().enumerate().flat_map(|(number, layer)| {
            let (weights, biases) = (&self.parameters[layer.weights], &self.parameters[layer.biases]);
            let shape = vec![layer.inputs, layer.outputs];
            [
                (weight_name(number), Dtype::F32, shape, floats(weights)),
                (bias_name(number), Dtype::F32, vec![layer.outputs], floats(biases)),
            ]
        });
        layers.collect()
    }

    fn from_bytes(bytes: &[u8]) -> Result<SavedModel, String> {
        let (_, metadata) = SafeTensors::read_metadata(bytes)
            .map_err(|error| format!("it is no safetensors file, or a damaged one ({error})"))?;
        let description = metadata.metadata().as_ref().and_then(|metadata| metadata.get(KEY));
        let description = description.ok_or("it is a safetensors file of another program")?;
        let unreadable = |error: serde_json::Error| format!("its description cannot be read: {error}");
        let head: Head = serde_json::from_str(description).map_err(unreadable)?;
        let tensors = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
        match head.format {
            1 => return first::read(description, &tensors)?.with_finite_parameters(),
            FORMAT => {}
            other => return Err(format!("it is of format {other}, this program reads {FORMAT} and 1")),
        }
        let description: Description = serde_json::from_str(description).map_err(unreadable)?;
        let (spec, mut schema) = (description.model, description.schema);
        schema.check().map_err(|found| format!("its schema does not fit together: {found}"))?;
        if let Inputs::Sparse { columns, scale, .. } = &mut schema.inputs {
            *scale = floats(&tensors, SCALE, &[*columns])?;
        }
        let saved = SavedModel { spec, schema, parameters: Vec::new(), unfinished: description.unfinished };
        saved.model().map_err(|error| error.to_string())?;
        saved.with_layers(&tensors)
    }

    /// The parameters, from the layers' tensors; the tensors of scales must be those of the schema.
    fn with_layers(mut self, tensors: &SafeTensors<'_>) -> Result<SavedModel, String> {
        let layers = self.layers();
        for (number, layer) in layers.iter().enumerate() {
            self.parameters.extend(floats(tensors, &weight_name(number), &[layer.inputs, layer.outputs])?);
            self.parameters.extend(floats(tensors, &bias_name(number), &[layer.outputs])?);
        }
        for (name, dtype, shape, bytes) in scale_tensors(&self.schema) {
            let tensor = tensors.tensor(&name).map_err(|error| error.to_string())?;
            if tensor.dtype() != dtype || tensor.shape() != shape || tensor.data() != bytes {
                return Err(format!("its tensor `{name}` is not what its schema says"));
            }
        }
        self.with_finite_parameters()
    }

    fn with_finite_parameters(self) -> Result<SavedModel, String> {
        match self.parameters.iter().position(|value| !value.is_finite()) {
            Some(at) => {
                Err(format!("parameter {at} is {}: such a model predicts nothing", self.parameters[at]))
            }
            None => Ok(self),
        }
    }
}

const SCALE: &str = "input.scale";

fn weight_name(layer: usize) -> String {
    format!("layers.{layer}.weight")
}

fn bias_name(layer: usize) -> String {
    format!("layers.{layer}.bias")
}

/// The scales of a schema as tensors, for programs that do not read it.
fn scale_tensors(schema: &Schema) -> Vec<Written> {
    let doubles = |values: &[f64]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    let (centres, deviations) = schema.scaling();
    let mut tensors = match &schema.inputs {
        Inputs::Table { .. } => {
            let infinite = |deviation: &f64| if *deviation == 0.0 { f64::INFINITY } else { *deviation };
            let scales: Vec<f64> = deviations.iter().map(infinite).collect();
            let shape = vec![centres.len()];
            vec![
                ("input.centre".to_owned(), Dtype::F64, shape.clone(), doubles(&centres)),
                (SCALE.to_owned(), Dtype::F64, shape, doubles(&scales)),
            ]
        }
        Inputs::Sparse { columns, .. } => {
            let floats = deviations.iter().flat_map(|scale| (*scale as f32).to_le_bytes()).collect();
            vec![(SCALE.to_owned(), Dtype::F32, vec![*columns], floats)]
        }
    };
    if let TargetKind::Regression { scale } = schema.target.kind {
        for (name, value) in [("target.centre", scale.centre), ("target.scale", scale.deviation)] {
            tensors.push((name.to_owned(), Dtype::F64, vec![1], doubles(&[value])));
        }
    }
    tensors
}

/// The numbers of a tensor that must have this shape.
fn floats(tensors: &SafeTensors<'_>, name: &str, shape: &[usize]) -> Result<Vec<f32>, String> {
    let tensor = tensors.tensor(name).map_err(|_| format!("it has no tensor `{name}`"))?;
    if tensor.dtype() != Dtype::F32 || tensor.shape() != shape {
        return Err(format!(
            "its tensor `{name}` is {:?} of shape {:?}, and must be F32 of {shape:?}",
            tensor.dtype(),
            tensor.shape()
        ));
    }
    let (values, _) = tensor.data().as_chunks::<4>();
    Ok(values.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
}

/// Writes a temporary file in the same folder and renames it.
fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".syncline-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // What a new file usually gets; the user's umask still applies.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}
