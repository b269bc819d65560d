//! IDX, MNIST's format. A file of images finds its labels beside it, under the name that such files have:
//! `train-images-idx3-ubyte` and `train-labels-idx1-ubyte`; they are the last column.

use super::element::{Element, Kind};
use super::{Array, ArrayRows, read};
use crate::input::{Input, Source, shown};
use crate::{Error, Result};

impl ArrayRows {
    /// Opens an IDX file and the labels beside it.
    pub(crate) fn idx(input: &Input) -> Result<ArrayRows> {
        let images = alone(input.source()?)?;
        let name =
            input.path().file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let beside = name.replace("images", "labels").replace("idx3", "idx1");
        let labels = input.path().with_file_name(&beside);
        let fail = |message: String| Error::File { path: input.path().into(), message };
        if beside == name || !labels.is_file() {
            return Err(fail(format!(
                "an IDX file of images has its labels beside it: `{}` is not there",
                shown(&beside)
            )));
        }
        let labels = alone(Input::from(labels).source()?)?;
        if labels.columns != 1 || labels.rows != images.rows {
            return Err(fail(format!(
                "it has {} rows, and {} labels are beside it",
                images.rows, labels.rows
            )));
        }
        let names = (1..=images.columns + 1).map(|number| number.to_string()).collect();
        let path = input.path().to_path_buf();
        Ok(ArrayRows { names, ..ArrayRows::side_by_side(path, vec![images, labels]) })
    }
}

fn alone(source: Source) -> Result<Array> {
    let path = source.path().to_path_buf();
    let mut input = source.into_stream();
    let mut magic = [0; 4];
    read(&mut input, &mut magic, &path)?;
    let fail = |message: String| Error::File { path: path.clone(), message };
    let (kind, size) = match magic[2] {
        0x08 => (Kind::Unsigned, 1),
        0x09 => (Kind::Signed, 1),
        0x0b => (Kind::Signed, 2),
        0x0c => (Kind::Signed, 4),
        0x0d => (Kind::Float, 4),
        0x0e => (Kind::Float, 8),
        other => {
            return Err(fail(format!("it is an IDX file of numbers of type {other}, which is none")));
        }
    };
    let mut shape = Vec::new();
    for _ in 0..magic[3] {
        let mut size = [0; 4];
        read(&mut input, &mut size, &path)?;
        shape.push(u32::from_be_bytes(size).into());
    }
    Array::new(Box::new(input), Element { kind, size, big_endian: true }, &shape).map_err(fail)
}
