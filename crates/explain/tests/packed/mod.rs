//! Logs packed as others pack them.
#![allow(dead_code, reason = "each test file uses some of it")]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use rawzip::{CompressionMethod, ZipArchiveWriter};
use tempfile::TempDir;

/// A real log of Spark, plain.
pub fn fixture() -> Vec<u8> {
    let packed =
        fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/local2_lr.json.zst")).unwrap();
    zstd::decode_all(&packed[..]).unwrap()
}

/// A file in a folder of its own.
pub fn placed(name: &str, bytes: &[u8]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, bytes).unwrap();
    (folder, path)
}

/// A zip archive of these files, with the sizes behind the data as Java's streams write it. Names that end in `/` are folders.
pub fn zip(files: &[(&str, &[u8])], deflated: bool) -> Vec<u8> {
    let mut out = Vec::new();
    let mut archive = ZipArchiveWriter::new(&mut out);
    for (name, bytes) in files {
        if name.ends_with('/') {
            archive.new_dir(*name).create().unwrap();
            continue;
        }
        let path = rawzip::path::EntryPath::verbatim(name.as_bytes());
        let method = if deflated { CompressionMethod::DEFLATE } else { CompressionMethod::STORE };
        let (mut entry, config) = archive.new_file(path).compression_method(method).start().unwrap();
        let descriptor = if deflated {
            let packed = flate2::write::DeflateEncoder::new(&mut entry, flate2::Compression::fast());
            let mut writer = config.wrap(packed);
            writer.write_all(bytes).unwrap();
            let (packed, descriptor) = writer.finish().unwrap();
            packed.finish().unwrap();
            descriptor
        } else {
            let mut writer = config.wrap(&mut entry);
            writer.write_all(bytes).unwrap();
            writer.finish().unwrap().1
        };
        entry.finish(descriptor).unwrap();
    }
    archive.finish().unwrap();
    out
}
