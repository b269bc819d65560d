//! A checkpoint as a file: safetensors, which any tool of the field can open.
//!
//! The tensors `parameters`, `moment.0`, `moment.1` (F32, over all parameters), with early stopping `version.K` (F32), where
//! workers have optimisers of their own `worker.K.moment.0`, `worker.K.moment.1` (F32), where their pushes leave something out
//! `worker.K.residual` (F32), with either `worker_steps` (U8: by worker the steps taken, or nothing), and `state` (U8: everything else, as postcard writes it). The metadata key `syncline.checkpoint` is JSON: `format`, `round`,
//! `identity` (the training and the data), and `sum`, the SHA-256 of all of it. Numbers are little-endian, as they lie in
//! memory.

use std::{collections::HashMap, path::Path};

use safetensors::{Dtype, SafeTensors, serialize_to_file, tensor::TensorView};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Checkpoint, Identity, Rest};
use crate::protocol::Memory;

const KEY: &str = "syncline.checkpoint";
const FORMAT: u32 = 5;
const WORKER_STEPS: &str = "worker_steps";

/// The JSON of the metadata.
#[derive(Serialize, Deserialize)]
struct Head {
    format: u32,
    round: u64,
    identity: Identity,
    #[serde(default)]
    sum: String,
}

/// What is looked at before the rest, which another format may have otherwise.
#[derive(Deserialize)]
struct Format {
    format: u32,
}

/// The name, kind and bytes of a tensor.
type Part<'a> = (String, Dtype, &'a [u8]);

/// Writes a checkpoint to a file that is there already.
pub(super) fn write(path: &Path, checkpoint: &Checkpoint, identity: &Identity) -> Result<(), String> {
    let state = postcard::to_stdvec(&checkpoint.rest).map_err(|error| error.to_string())?;
    let steps: Vec<_> =
        checkpoint.memories.iter().map(|memory| memory.as_ref().map(|memory| memory.steps)).collect();
    let steps = postcard::to_stdvec(&steps).map_err(|error| error.to_string())?;
    let parts = parts(checkpoint, &state, &steps);
    let mut head =
        Head { format: FORMAT, round: checkpoint.round(), identity: identity.clone(), sum: String::new() };
    head.sum = sum(&head, &parts)?;
    let text = serde_json::to_string(&head).map_err(|error| error.to_string())?;
    let views = parts.iter().map(|(name, dtype, bytes)| {
        let length = if *dtype == Dtype::F32 { bytes.len() / size_of::<f32>() } else { bytes.len() };
        Ok((name.as_str(), TensorView::new(*dtype, vec![length], bytes)?))
    });
    let views = views.collect::<Result<Vec<_>, safetensors::SafeTensorError>>();
    let written =
        views.and_then(|views| serialize_to_file(views, Some(HashMap::from([(KEY.into(), text)])), path));
    written.map_err(|error| error.to_string())
}

/// The tensors, in the order of their names.
fn parts<'a>(checkpoint: &'a Checkpoint, state: &'a [u8], worker_steps: &'a [u8]) -> Vec<Part<'a>> {
    let floats = |name: String, values: &'a [f32]| (name, Dtype::F32, bytemuck::cast_slice(values));
    let mut parts = vec![floats("parameters".to_owned(), &checkpoint.parameters)];
    for (number, moment) in checkpoint.moments.iter().enumerate().filter(|(_, moment)| !moment.is_empty()) {
        parts.push(floats(format!("moment.{number}"), moment));
    }
    for (worker, memory) in checkpoint.memories.iter().enumerate() {
        let moments = memory.iter().flat_map(|memory| memory.moments.iter().enumerate());
        let kept = moments.filter(|(_, moment)| !moment.is_empty());
        parts.extend(kept.map(|(number, moment)| floats(of_worker(worker, number), moment)));
        let residual = memory.iter().map(|memory| &memory.residual).filter(|residual| !residual.is_empty());
        parts.extend(residual.map(|residual| floats(residual_of(worker), residual)));
    }
    if !checkpoint.memories.is_empty() {
        parts.push((WORKER_STEPS.to_owned(), Dtype::U8, worker_steps));
    }
    let versions = checkpoint.rest.record.patience.iter().flat_map(|patience| &patience.parameters);
    parts.extend(versions.enumerate().map(|(number, version)| floats(format!("version.{number}"), version)));
    parts.push(("state".to_owned(), Dtype::U8, state));
    parts.sort_by(|one, other| one.0.cmp(&other.0));
    parts
}

/// The sum over everything that is read back.
fn sum(head: &Head, parts: &[Part<'_>]) -> Result<String, String> {
    let mut sum = Sha256::new();
    let said = Head { sum: String::new(), identity: head.identity.clone(), ..*head };
    sum.update(serde_json::to_vec(&said).map_err(|error| error.to_string())?);
    for (name, dtype, bytes) in parts {
        sum.update(format!("{name} {dtype:?} {}\n", bytes.len()));
        sum.update(bytes);
    }
    Ok(sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Reads a checkpoint; else what is wrong with the file.
pub(super) fn read(bytes: &[u8]) -> Result<(Checkpoint, Identity), String> {
    let damaged = |error: safetensors::SafeTensorError| {
        format!("it is no safetensors file, or a damaged one ({error})")
    };
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
    let text = metadata.metadata().as_ref().and_then(|metadata| metadata.get(KEY));
    let text = text.ok_or("it is no checkpoint")?;
    let unreadable = |error: serde_json::Error| format!("its head cannot be read: {error}");
    let Format { format } = serde_json::from_str(text).map_err(unreadable)?;
    if format != FORMAT {
        return Err(format!("it is of format {format}, this program reads {FORMAT}"));
    }
    let head: Head = serde_json::from_str(text).map_err(unreadable)?;
    let tensors = SafeTensors::deserialize(bytes).map_err(damaged)?;
    let mut parts: Vec<Part<'_>> =
        tensors.tensors().into_iter().map(|(name, view)| (name, view.dtype(), view.data())).collect();
    parts.sort_by(|one, other| one.0.cmp(&other.0));
    if sum(&head, &parts)? != head.sum {
        return Err("it is damaged: what it holds is not what was written (its SHA-256 differs)".to_owned());
    }
    let of = |name: &str| parts.iter().find(|(other, ..)| other == name).map(|(_, _, bytes)| *bytes);
    let state = of("state").ok_or("it has no state")?;
    let mut rest: Rest =
        postcard::from_bytes(state).map_err(|error| format!("its state cannot be read: {error}"))?;
    let floats = |name: &str| of(name).map(floats).unwrap_or_default();
    if let Some(patience) = &mut rest.record.patience {
        let versions = (0..patience.versions()).map(|number| floats(&format!("version.{number}")).into());
        patience.parameters = versions.collect();
    }
    let moments = [floats("moment.0"), floats("moment.1")];
    let steps: Vec<Option<u64>> = match of(WORKER_STEPS) {
        Some(steps) => postcard::from_bytes(steps)
            .map_err(|error| format!("what its workers remember cannot be read: {error}"))?,
        None => Vec::new(),
    };
    let memory = |(worker, steps): (usize, Option<u64>)| {
        let moments = [0, 1].map(|number| floats(&of_worker(worker, number)).into());
        let residual = floats(&residual_of(worker)).into();
        steps.map(|steps| Memory { steps, moments, residual })
    };
    let memories = steps.into_iter().enumerate().map(memory).collect();
    Ok((Checkpoint { parameters: floats("parameters"), moments, memories, rest }, head.identity))
}

/// The name of what a worker's own optimiser remembers.
fn of_worker(worker: usize, number: usize) -> String {
    format!("worker.{worker}.moment.{number}")
}

/// The name of what a worker's pushes have left out.
fn residual_of(worker: usize) -> String {
    format!("worker.{worker}.residual")
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    let (values, _) = bytes.as_chunks::<4>();
    values.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}
