//! A trained model in a file: safetensors, which any tool of the field can open. One tensor, `parameters`, is the flat
//! vector; everything needed to use it is JSON under the single metadata key `syncline` (several keys would be
//! written in random order, and the same model must give the same bytes).

use crate::{Error, Model, ModelSpec, Result, Score, plain};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::io::Write;
use std::path::Path;
use syncline_data::{Dataset, Label, ReadOptions, Scaling, Task};

const KEY: &str = "syncline";
const TENSOR: &str = "parameters";
const FORMAT: u32 = 1;
/// Rows scored at once.
const BATCH: usize = 1024;

/// A trained model and what is needed to apply it to new data.
#[derive(Clone, Debug, PartialEq)]
pub struct SavedModel {
    /// Which model.
    pub spec: ModelSpec,
    /// Number of feature columns.
    pub features: usize,
    /// Names of the classes in the order of the outputs; none for a real target.
    pub classes: Vec<String>,
    /// Names of the columns, or none.
    pub feature_names: Vec<String>,
    /// Name of the target, or empty.
    pub target_name: String,
    /// How the features were scaled.
    pub scaling: Option<Scaling>,
    /// The flat vector; the model's documentation says what is where.
    pub parameters: Vec<f32>,
    /// Why it was not trained to its end, if it was not.
    pub unfinished: Option<String>,
}

/// The JSON of the metadata.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    format: u32,
    spec: ModelSpec,
    features: usize,
    classes: Vec<String>,
    feature_names: Vec<String>,
    target_name: String,
    scaling: Option<Scaling>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unfinished: Option<String>,
}

impl SavedModel {
    /// A trained model with what it has to know of its training data.
    pub fn new(
        spec: ModelSpec,
        training: &Dataset,
        scaling: Option<Scaling>,
        parameters: Vec<f32>,
    ) -> SavedModel {
        SavedModel {
            spec,
            features: training.columns(),
            classes: training.targets().classes().to_vec(),
            feature_names: training.feature_names().to_vec(),
            target_name: training.target_name().into(),
            scaling,
            parameters,
            unfinished: None,
        }
    }

    /// The model's arithmetic.
    ///
    /// # Errors
    /// When the parts do not fit together.
    pub fn model(&self) -> Result<Box<dyn Model>> {
        self.spec.with_sizes(self.features, self.classes.len())
    }

    /// How to read a file that this model is to judge: the same classes and columns, and the target of the same name
    /// if it has one.
    pub fn read_options(&self) -> ReadOptions {
        let is_regression = self.classes.is_empty();
        ReadOptions {
            label: if self.target_name.is_empty() {
                Label::Last
            } else {
                Label::Name(self.target_name.clone())
            },
            task: Some(if is_regression { Task::Regression } else { Task::Classification }),
            classes: (!is_regression).then(|| self.classes.clone()),
            columns: Some(self.features),
            ..ReadOptions::default()
        }
    }

    /// The score on data that are not scaled yet.
    ///
    /// # Errors
    /// When the columns or the classes are not those of the training data.
    pub fn evaluate(&self, mut data: Dataset) -> Result<Score> {
        let classes = data.targets().classes();
        if data.columns() != self.features || classes != self.classes {
            let (columns, features) = (data.columns(), self.features);
            return Err(Error::Mismatch(format!(
                "it was trained on {features} features and the classes {:?}, these have {columns} and {classes:?}",
                self.classes
            )));
        }
        if let Some(scaling) = &self.scaling {
            scaling.apply(&mut data).map_err(|error| Error::Mismatch(error.to_string()))?;
        }
        Ok(plain::score(&mut self.model()?, &self.parameters, &data, BATCH))
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

    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, or is not a model that this program saved: truncated, of another program, or inconsistent.
    pub fn load(path: impl AsRef<Path>) -> Result<SavedModel> {
        let path = path.as_ref();
        let bytes =
            std::fs::read(path).map_err(|source| Error::Io { action: "read", path: path.into(), source })?;
        SavedModel::from_bytes(&bytes).map_err(|reason| Error::File { path: path.into(), reason })
    }

    fn to_bytes(&self) -> Result<Vec<u8>, String> {
        let description = Description {
            format: FORMAT,
            spec: self.spec.clone(),
            features: self.features,
            classes: self.classes.clone(),
            feature_names: self.feature_names.clone(),
            target_name: self.target_name.clone(),
            scaling: self.scaling.clone(),
            unfinished: self.unfinished.clone(),
        };
        let description = serde_json::to_string(&description).map_err(|error| error.to_string())?;
        // The format is little-endian.
        let little: Vec<u8> = self.parameters.iter().flat_map(|value| value.to_le_bytes()).collect();
        let shape = vec![self.parameters.len()];
        let tensor = TensorView::new(Dtype::F32, shape, &little).map_err(|error| error.to_string())?;
        let metadata = HashMap::from([(KEY.to_string(), description)]);
        safetensors::serialize([(TENSOR, tensor)], Some(metadata)).map_err(|error| error.to_string())
    }

    fn from_bytes(bytes: &[u8]) -> Result<SavedModel, String> {
        let (_, metadata) = SafeTensors::read_metadata(bytes)
            .map_err(|error| format!("it is no safetensors file, or a damaged one ({error})"))?;
        let description = metadata.metadata().as_ref().and_then(|metadata| metadata.get(KEY));
        let description = description.ok_or("it is a safetensors file of another program")?;
        let description: Description = serde_json::from_str(description)
            .map_err(|error| format!("its description cannot be read: {error}"))?;
        if description.format != FORMAT {
            return Err(format!("it is of format {}, this program reads {FORMAT}", description.format));
        }
        let tensors = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
        let tensor = tensors.tensor(TENSOR).map_err(|error| error.to_string())?;
        if tensor.dtype() != Dtype::F32 {
            return Err(format!("its parameters are {}, not F32", tensor.dtype()));
        }
        let (values, _) = tensor.data().as_chunks::<4>();
        let saved = SavedModel {
            spec: description.spec,
            features: description.features,
            classes: description.classes,
            feature_names: description.feature_names,
            target_name: description.target_name,
            scaling: description.scaling,
            parameters: values.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect(),
            unfinished: description.unfinished,
        };
        saved.check()?;
        Ok(saved)
    }

    fn check(&self) -> Result<(), String> {
        let needed = self.model().map_err(|error| error.to_string())?.parameters();
        let found = self.parameters.len();
        if self.features == 0 || found != needed {
            return Err(format!("it has {found} parameters, `{}` needs {needed}", self.spec));
        }
        if self.scaling.as_ref().is_some_and(|scaling| scaling.columns() != self.features) {
            return Err("its scaling is for another number of features".into());
        }
        Ok(())
    }
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
