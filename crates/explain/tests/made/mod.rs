//! Spark logs made by hand: every time is said, so what a report must say is arithmetic.
#![allow(dead_code, reason = "each test file uses some of it")]

use std::fmt::Write as _;
use std::fs;

use serde_json::{Value, json};
use syncline_explain::{Report, explain, violations};

/// When every made log starts, in ms since 1970.
const EPOCH: i64 = 1_700_000_000_000;

/// A log in the making. Times are ms since the application's start.
#[derive(Clone)]
pub struct Log {
    lines: Vec<String>,
    tasks: i64,
}

/// A task's end.
#[derive(Clone, Copy)]
pub struct Task {
    pub stage: i64,
    pub attempt: i64,
    pub index: i64,
    pub executor: u32,
    pub from: i64,
    pub to: i64,
    /// The reason that Spark notes.
    pub reason: &'static str,
    pub class: Option<&'static str>,
    pub shuffle_read: i64,
    pub spilled: i64,
    pub speculative: bool,
}

impl Task {
    /// Task `index` of `stage`, which ran on `executor` from `from` to `to`.
    pub fn new(stage: i64, index: i64, executor: u32, from: i64, to: i64) -> Self {
        let (reason, class) = ("Success", None);
        Self {
            stage,
            attempt: 0,
            index,
            executor,
            from,
            to,
            reason,
            class,
            shuffle_read: 0,
            spilled: 0,
            speculative: false,
        }
    }

    /// It failed with an exception of this class.
    pub fn failed(self, class: &'static str) -> Self {
        Self { reason: "ExceptionFailure", class: Some(class), ..self }
    }

    /// It was killed.
    pub fn killed(self) -> Self {
        Self { reason: "TaskKilled", ..self }
    }
}

impl Log {
    /// An application that starts at 0, with executors of these cores from 1 s on.
    pub fn new(cores: &[u32]) -> Self {
        let mut log = Self { lines: Vec::new(), tasks: 0 };
        log.event(json!({"Event": "SparkListenerLogStart", "Spark Version": "3.5.1"}));
        log.event(json!({"Event": "SparkListenerApplicationStart", "App Name": "made", "App ID": "app-1", "Timestamp": EPOCH, "User": "u"}));
        for (id, &cores) in cores.iter().enumerate() {
            log.executor(id as u32 + 1, cores, 1000);
        }
        log
    }

    /// Adds any event.
    pub fn event(&mut self, event: Value) -> &mut Self {
        // Spark writes the event's name first, which is what the quick path looks for.
        let name = event["Event"].clone();
        let rest = event.as_object().unwrap().iter().filter(|(key, _)| *key != "Event");
        let rest: String = rest.map(|(key, value)| format!(",{}:{value}", json!(key))).collect();
        self.lines.push(format!("{{\"Event\":{name}{rest}}}"));
        self
    }

    pub fn executor(&mut self, id: u32, cores: u32, at: i64) -> &mut Self {
        let info = json!({"Host": format!("h{id}"), "Total Cores": cores, "Log Urls": {}});
        self.event(json!({"Event": "SparkListenerExecutorAdded", "Timestamp": EPOCH + at, "Executor ID": id.to_string(), "Executor Info": info}))
    }

    pub fn removed(&mut self, id: u32, at: i64, reason: &str) -> &mut Self {
        self.event(json!({"Event": "SparkListenerExecutorRemoved", "Timestamp": EPOCH + at, "Executor ID": id.to_string(), "Removed Reason": reason}))
    }

    pub fn job(&mut self, id: i64, at: i64, stages: &[i64]) -> &mut Self {
        self.event(json!({"Event": "SparkListenerJobStart", "Job ID": id, "Submission Time": EPOCH + at, "Stage Infos": [], "Stage IDs": stages, "Properties": {}}))
    }

    /// A job of an SQL query.
    pub fn query_job(&mut self, id: i64, at: i64, stages: &[i64], query: i64) -> &mut Self {
        let properties = json!({"spark.sql.execution.id": query.to_string()});
        self.event(json!({"Event": "SparkListenerJobStart", "Job ID": id, "Submission Time": EPOCH + at, "Stage Infos": [], "Stage IDs": stages, "Properties": properties}))
    }

    /// An SQL query with one node in its plan, and that node's metrics by the numbers of their accumulators.
    pub fn query(&mut self, id: i64, description: &str, node: &str, metrics: &[(i64, &str)]) -> &mut Self {
        let metric = |&(number, name): &(i64, &str)| json!({"name": name, "accumulatorId": number, "metricType": "sum"});
        let metrics: Vec<Value> = metrics.iter().map(metric).collect();
        let inner = json!({"nodeName": node, "simpleString": node, "children": [], "metadata": {}, "metrics": metrics});
        let plan = json!({"nodeName": "AdaptiveSparkPlan", "simpleString": "", "children": [inner], "metadata": {}, "metrics": []});
        self.event(json!({"Event": "org.apache.spark.sql.execution.ui.SparkListenerSQLExecutionStart", "executionId": id,
            "description": description, "details": "", "physicalPlanDescription": "", "sparkPlanInfo": plan, "time": EPOCH, "modifiedConfigs": {}}))
    }

    /// Values that the driver tells of a query.
    pub fn driver_values(&mut self, query: i64, values: &[(i64, i64)]) -> &mut Self {
        self.event(json!({"Event": "org.apache.spark.sql.execution.ui.SparkListenerDriverAccumUpdates", "executionId": query, "accumUpdates": values}))
    }

    /// Settings of the application.
    pub fn settings(&mut self, settings: Value) -> &mut Self {
        self.event(json!({"Event": "SparkListenerEnvironmentUpdate", "Spark Properties": settings}))
    }

    pub fn job_end(&mut self, id: i64, at: i64, succeeded: bool) -> &mut Self {
        let result = match succeeded {
            true => json!({"Result": "JobSucceeded"}),
            false => {
                json!({"Result": "JobFailed", "Exception": {"Message": "Job aborted due to stage failure", "Stack Trace": []}})
            }
        };
        self.event(json!({"Event": "SparkListenerJobEnd", "Job ID": id, "Completion Time": EPOCH + at, "Job Result": result}))
    }

    fn stage_info(id: i64, attempt: i64, name: &str, tasks: i64, at: i64) -> Value {
        json!({"Stage ID": id, "Stage Attempt ID": attempt, "Stage Name": name, "Number of Tasks": tasks, "RDD Info": [], "Parent IDs": [],
            "Details": "", "Submission Time": EPOCH + at, "Accumulables": []})
    }

    pub fn stage(&mut self, id: i64, attempt: i64, name: &str, tasks: i64, at: i64) -> &mut Self {
        self.event(json!({"Event": "SparkListenerStageSubmitted", "Stage Info": Self::stage_info(id, attempt, name, tasks, at), "Properties": {}}))
    }

    pub fn stage_end(
        &mut self,
        id: i64,
        attempt: i64,
        name: &str,
        tasks: i64,
        (from, to): (i64, i64),
        failure: Option<&str>,
    ) -> &mut Self {
        let mut info = Self::stage_info(id, attempt, name, tasks, from);
        info["Completion Time"] = json!(EPOCH + to);
        if let Some(failure) = failure {
            info["Failure Reason"] = json!(failure);
        }
        self.event(json!({"Event": "SparkListenerStageCompleted", "Stage Info": info}))
    }

    pub fn task_start(&mut self, stage: i64, id: i64, executor: u32, at: i64) -> &mut Self {
        let info = json!({"Task ID": id, "Index": id, "Attempt": 0, "Launch Time": EPOCH + at, "Executor ID": executor.to_string()});
        self.event(json!({"Event": "SparkListenerTaskStart", "Stage ID": stage, "Stage Attempt ID": 0, "Task Info": info}))
    }

    pub fn task(&mut self, task: Task) -> &mut Self {
        let id = self.tasks;
        self.tasks += 1;
        let run = task.to - task.from;
        let mut line = String::new();
        let class = task.class.map_or(String::new(), |class| format!(",\"Class Name\":\"{class}\""));
        let (failed, killed) = (task.reason == "ExceptionFailure", task.reason == "TaskKilled");
        let Task { stage, attempt, index, executor, reason, speculative, shuffle_read, spilled, .. } = task;
        write!(
            line,
            "{{\"Event\":\"SparkListenerTaskEnd\",\"Stage ID\":{stage},\"Stage Attempt ID\":{attempt},\"Task Type\":\"ResultTask\",\
             \"Task End Reason\":{{\"Reason\":\"{reason}\"{class}}},\"Task Info\":{{\"Task ID\":{id},\"Index\":{index},\"Attempt\":0,\
             \"Partition ID\":{index},\"Launch Time\":{},\"Executor ID\":\"{executor}\",\"Host\":\"h\",\"Locality\":\"ANY\",\
             \"Speculative\":{speculative},\"Getting Result Time\":0,\"Finish Time\":{},\"Failed\":{failed},\"Killed\":{killed},\
             \"Accumulables\":[]}},\"Task Executor Metrics\":{{}},\"Task Metrics\":{{\"Executor Deserialize Time\":0,\
             \"Executor Deserialize CPU Time\":0,\"Executor Run Time\":{run},\"Executor CPU Time\":{},\"Peak Execution Memory\":0,\
             \"Result Size\":10,\"JVM GC Time\":0,\"Result Serialization Time\":0,\"Memory Bytes Spilled\":{spilled},\"Disk Bytes Spilled\":{spilled},\
             \"Shuffle Read Metrics\":{{\"Fetch Wait Time\":0,\"Remote Bytes Read\":0,\"Local Bytes Read\":{shuffle_read},\"Total Records Read\":0}},\
             \"Shuffle Write Metrics\":{{\"Shuffle Bytes Written\":0,\"Shuffle Write Time\":0,\"Shuffle Records Written\":0}},\
             \"Input Metrics\":{{\"Bytes Read\":0,\"Records Read\":0}},\"Output Metrics\":{{\"Bytes Written\":0,\"Records Written\":0}},\
             \"Updated Blocks\":[]}}}}",
            EPOCH + task.from,
            EPOCH + task.to,
            run * 1_000_000
        )
        .unwrap();
        self.lines.push(line);
        self
    }

    /// A job of one stage, whose tasks run on these executors from `at` for so long, and which ends with the last of them.
    pub fn simple_job(&mut self, id: i64, name: &str, at: i64, tasks: &[(u32, i64)]) -> i64 {
        self.job(id, at, &[id]).stage(id, 0, name, tasks.len() as i64, at);
        let end = tasks.iter().map(|task| at + task.1).max().unwrap_or(at);
        for (index, &(executor, ms)) in tasks.iter().enumerate() {
            self.task(Task::new(id, index as i64, executor, at, at + ms));
        }
        self.stage_end(id, 0, name, tasks.len() as i64, (at, end), None).job_end(id, end, true);
        end
    }

    pub fn end(&mut self, at: i64) -> &mut Self {
        self.event(json!({"Event": "SparkListenerApplicationEnd", "Timestamp": EPOCH + at}))
    }

    pub fn text(&self) -> String {
        self.lines.join("\n")
    }

    /// The report, whose books must close.
    pub fn report(&self) -> Report {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("made.log");
        fs::write(&path, self.text()).unwrap();
        let report = explain(&path).unwrap();
        assert_eq!(violations(&report), Vec::<String>::new());
        report
    }
}

/// What the report's first sentences say, as one text.
pub fn verdict(report: &Report) -> String {
    report.verdict.join("\n")
}
