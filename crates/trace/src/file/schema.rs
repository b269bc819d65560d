//! The columns of a run file.

use std::sync::Arc;

use parquet::basic::Compression;
use parquet::errors::Result;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::TypePtr;

/// The key of the footer under which [`RunInfo`](crate::RunInfo) stands as JSON.
pub(super) const RUN_KEY: &str = "syncline.run";

/// One row a span. Times are signed so that differences of columns stay correct in tools with unsigned arithmetic;
/// node and peer are names, so that a table reads well and several files can be laid together.
const SPAN: &str = "
    message span {
        required binary run (UTF8);
        required binary node (UTF8);
        optional int32 worker;
        optional int64 task;
        required int64 round;
        required int32 iteration;
        required binary phase (UTF8);
        required int64 start_ns;
        required int64 end_ns;
        required int64 bytes;
        required int64 records;
        optional binary peer (UTF8);
        optional int64 sync;
    }";

/// The schema of a run file.
pub(super) fn schema() -> Result<TypePtr> {
    parse_message_type(SPAN).map(Arc::new)
}

/// How a run file is encoded: Snappy, which every reader has, and statistics per row group, so that a query on a time
/// range skips the rest. Page indexes would have to be written again in every footer.
pub(super) fn properties() -> WriterProperties {
    WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true)
        .set_created_by(concat!("syncline ", env!("CARGO_PKG_VERSION")).to_owned())
        .build()
}
