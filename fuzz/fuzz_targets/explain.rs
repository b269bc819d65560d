//! Any bytes as a log: a report or an error, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(file) = tempfile::NamedTempFile::new() else { return };
    if std::fs::write(file.path(), bytes).is_err() {
        return;
    }
    if let Ok(report) = syncline_explain::explain(file.path()) {
        let total: f64 = report.shares.values().sum();
        assert!((total - 1.0).abs() < 1e-6);
        let _ = syncline_explain::report::text(&report);
        let _ = syncline_explain::report::html(&[report]);
    }
});
