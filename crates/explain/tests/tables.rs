//! Stages, executors and SQL queries row by row, as Spark's own pages show them.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;

use syncline_explain::explain;
use syncline_explain::report::html;

const MARKUP: &str =
    "select <b> from a_table where a_rather_long_name_of_a_column_that_nobody_reads_to_its_end > 0";

/// One query of two stages on two executors; the first stage fails once.
fn log() -> String {
    let stage = |id: u32, attempt: u32, more: &str| {
        format!(
            r#""Stage Info":{{"Stage ID":{id},"Stage Attempt ID":{attempt},"Stage Name":"count at A.scala:{id}","Number of Tasks":1,"Parent IDs":[],"RDD Info":[],"Submission Time":1100{more}}}"#
        )
    };
    let task = |stage: u32, attempt: u32, id: u32, executor: &str, reason: &str, from: u32, to: u32| {
        format!(
            r#""Stage ID":{stage},"Stage Attempt ID":{attempt},"Task Type":"ResultTask","Task End Reason":{{"Reason":"{reason}"}},"Task Info":{{"Task ID":{id},"Index":0,"Launch Time":{from},"Finish Time":{to},"Executor ID":"{executor}","Failed":{}}},"Task Metrics":{{"Executor Run Time":{},"JVM GC Time":7,"Disk Bytes Spilled":1024,"Input Metrics":{{"Bytes Read":2048}},"Shuffle Read Metrics":{{"Remote Bytes Read":10,"Local Bytes Read":20}},"Shuffle Write Metrics":{{"Shuffle Bytes Written":512}}}}"#,
            reason != "Success",
            to - from
        )
    };
    let executor = |id: &str| {
        format!(r#""Timestamp":1000,"Executor ID":"{id}","Executor Info":{{"Host":"h{id}","Total Cores":2}}"#)
    };
    let events = [
        ("SparkListenerLogStart", r#""Spark Version":"4.0.0""#.to_owned()),
        ("SparkListenerApplicationStart", r#""App Name":"rows","App ID":"a","Timestamp":1000"#.to_owned()),
        ("SparkListenerExecutorAdded", executor("1")),
        ("SparkListenerExecutorAdded", executor("2")),
        (
            "org.apache.spark.sql.execution.ui.SparkListenerSQLExecutionStart",
            format!(r#""executionId":3,"description":"{MARKUP}","time":1050"#),
        ),
        (
            "SparkListenerJobStart",
            r#""Job ID":0,"Submission Time":1100,"Stage IDs":[0,1],"Properties":{"spark.sql.execution.id":"3"}"#.to_owned(),
        ),
        ("SparkListenerStageSubmitted", stage(0, 0, "")),
        ("SparkListenerTaskEnd", task(0, 0, 0, "1", "ExceptionFailure", 1110, 1200)),
        ("SparkListenerStageCompleted", stage(0, 0, r#","Completion Time":1210,"Failure Reason":"java.lang.OutOfMemoryError\n at A""#)),
        ("SparkListenerStageSubmitted", stage(0, 1, "")),
        ("SparkListenerTaskEnd", task(0, 1, 1, "2", "Success", 1220, 1300)),
        ("SparkListenerStageCompleted", stage(0, 1, r#","Completion Time":1310"#)),
        ("SparkListenerStageSubmitted", stage(1, 0, "")),
        ("SparkListenerTaskEnd", task(1, 0, 2, "2", "Success", 1320, 1400)),
        ("SparkListenerStageCompleted", stage(1, 0, r#","Completion Time":1410"#)),
        (
            "SparkListenerJobEnd",
            r#""Job ID":0,"Completion Time":1420,"Job Result":{"Result":"JobSucceeded"}"#.to_owned(),
        ),
        ("SparkListenerApplicationEnd", r#""Timestamp":1500"#.to_owned()),
    ];
    events.map(|(event, rest)| format!("{{\"Event\":\"{event}\",{rest}}}\n")).concat()
}

#[test]
fn rows_add_up_over_stages_executors_and_queries() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    fs::write(&path, log()).unwrap();
    let report = explain(&path).unwrap();
    let tables = report.tables.as_ref().unwrap();
    let stages: Vec<_> =
        tables.stages.iter().map(|row| (row.stage, row.attempt, row.sums.tasks, row.query)).collect();
    assert_eq!(stages, [(0, 0, 1, Some(3)), (0, 1, 1, Some(3)), (1, 0, 1, Some(3))]);
    assert_eq!(tables.stages[0].failure.as_deref(), Some("java.lang.OutOfMemoryError"));
    let [query] = &tables.queries[..] else { panic!("{:?}", tables.queries) };
    assert_eq!((query.description.as_str(), query.jobs, query.stages), (MARKUP, 1, 3));
    let executors: Vec<_> = tables
        .executors
        .iter()
        .map(|row| (row.executor.as_str(), row.sums.tasks, row.sums.failed_tasks))
        .collect();
    assert_eq!(executors, [("1", 1, 1), ("2", 2, 0)]);
    // The same tasks, whatever they are put down to.
    let sums = query.sums;
    assert_eq!((sums.task_ms, sums.gc_ms, sums.input_bytes, sums.spilled_bytes), (250, 21, 6144, 3072));
    assert_eq!((sums.shuffle_read_bytes, sums.shuffle_write_bytes), (90, 1536));
    assert_eq!(tables.stages.iter().map(|row| row.sums.task_ms).sum::<i64>(), sums.task_ms);
    assert_eq!(tables.executors.iter().map(|row| row.sums.task_ms).sum::<i64>(), sums.task_ms);
    let page = html(&[report]);
    for wanted in ["<h2>Stages</h2>", "<h2>Executors</h2>", "<h2>SQL queries</h2>", "OutOfMemoryError"] {
        assert!(page.contains(wanted), "{wanted}");
    }
    // The long description is cut in the cell and whole in its tooltip, and is no markup in either.
    assert!(page.contains("title=\"select &lt;b&gt; from") && !page.contains("select <b>"));
}
