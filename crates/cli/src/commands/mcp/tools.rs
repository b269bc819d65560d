//! The tools, each of which is a command with some of its arguments.

use std::ffi::OsString;

use serde_json::{Map, Value, json};

use super::Refusal;
use crate::heard::Heard;

/// An answer is cut beyond so many bytes.
const MOST: usize = 24_000;

/// What a tool takes, and what becomes of it on the command line.
struct Argument {
    name: &'static str,
    /// A flag, or nothing for what stands by itself.
    flag: Option<&'static str>,
    required: bool,
    description: &'static str,
}

struct Tool {
    name: &'static str,
    description: &'static str,
    command: &'static [&'static str],
    /// Of a tool with several questions: the argument that names one, and the questions.
    questions: &'static [&'static str],
    arguments: &'static [Argument],
}

const fn file(name: &'static str, description: &'static str) -> Argument {
    Argument { name, flag: None, required: true, description }
}

const fn needed(name: &'static str, flag: &'static str, description: &'static str) -> Argument {
    Argument { name, flag: Some(flag), required: true, description }
}

const fn option(name: &'static str, flag: &'static str, description: &'static str) -> Argument {
    Argument { name, flag: Some(flag), required: false, description }
}

const TOOLS: &[Tool] = &[
    Tool {
        name: "report",
        description: "Explain where the time of a parallel run went, what each synchronisation point costs, who was waited for and \
                      why. Reads Spark event logs, PyTorch (Kineto) and Chrome traces, flight recorder dumps, and syncline's run files.",
        command: &["trace", "report"],
        questions: &[],
        arguments: &[file("log", "Path of the log, run file, folder of a rolling log, or zip archive")],
    },
    Tool {
        name: "compare",
        description: "Tell what got slower or faster between two runs of one program, with the chance that luck alone differs as much.",
        command: &["trace", "compare"],
        questions: &[],
        arguments: &[
            file("first", "Path of the first run's log"),
            file("second", "Path of the second run's log"),
        ],
    },
    Tool {
        name: "survey",
        description: "Characterise every log of a folder in one table: its pattern, iterations, and where its time went.",
        command: &["trace", "survey"],
        questions: &[],
        arguments: &[file("folder", "Path of the folder of logs")],
    },
    Tool {
        name: "predict",
        description: "Say what a recorded run would cost with other numbers of workers or cores or other synchronisation policies, with \
                      intervals and the predictor's own error.",
        command: &["predict"],
        questions: &[],
        arguments: &[
            file("log", "Path of a Spark event log, or of a run file that syncline train --trace wrote"),
            option("workers", "--workers", "Numbers of workers for a training run: 1..16 or 2,4,8"),
            option("sync", "--sync", "Policies for a training run: bsp,ssp:2,asp,backup:1"),
            option("cores", "--cores", "Numbers of cores for a Spark log: 4,8,16"),
        ],
    },
    Tool {
        name: "queue",
        description: "Answer how a parallel system with barriers behaves under a stream of jobs: mean times, bounds, stability, or a \
                      simulation. Every number says whether it is exact, a bound, an approximation or a fit.",
        command: &["queue"],
        questions: &["mean", "bound", "stability", "simulate"],
        arguments: &[
            needed(
                "system",
                "--system",
                "split-merge, fork-join, k-of-n, redundancy, single-queue, tiny-tasks, 1-barrier, 2-barrier ...",
            ),
            needed("workers", "--workers", "Number of workers"),
            needed("arrivals", "--arrivals", "Arrivals of jobs: exp:RATE or det:RATE"),
            needed(
                "service",
                "--service",
                "Sizes of tasks: exp:RATE, const:X, uniform:A,B, weibull:SHAPE,SCALE, pareto:SHAPE,SCALE ...",
            ),
            option("tasks", "--tasks", "Tasks per job, if not one per worker"),
            option(
                "quantile",
                "--quantile",
                "For the question bound: the probability with which a job may exceed the time",
            ),
        ],
    },
    Tool {
        name: "schedule",
        description: "Compare scheduling policies for many jobs on one cluster by simulation, on a synthetic setting or a trace.",
        command: &["schedule", "simulate"],
        questions: &[],
        arguments: &[
            option(
                "policy",
                "--policy",
                "Policies by comma, or all: syncline,pd-ors,oasis,drf,fifo,srtf,tiresias-l ...",
            ),
            option("jobs", "--jobs", "How many jobs to draw, or the path of a file of jobs"),
            option("machines", "--machines", "Number of machines"),
            option("seeds", "--seeds", "Seeds of the simulations, such as 1..5"),
            option("trace", "--trace", "Path of a trace of jobs"),
            option("format", "--format", "The trace's format, such as muri or philly"),
            option("cluster", "--cluster", "The cluster for a trace, such as 8x8"),
        ],
    },
];

/// The tools as a client is told of them.
pub(super) fn list() -> Vec<Value> {
    TOOLS.iter().map(Tool::told).collect()
}

/// What a tool says; a mistake in its arguments is told to the model as well, which can mend it.
pub(super) fn call(params: &Value) -> Result<Value, Refusal> {
    let name = params["name"].as_str().unwrap_or_default();
    let Some(tool) = TOOLS.iter().find(|tool| tool.name == name) else {
        return Err((-32602, format!("there is no tool `{name}`")));
    };
    let none = Map::new();
    let command = tool.command_line(params["arguments"].as_object().unwrap_or(&none))?;
    let (heard, outcome) = crate::answer(command);
    let (text, is_error) = match outcome {
        Ok(()) => (said(&heard), false),
        Err(failure) => (format!("{failure}"), true),
    };
    Ok(json!({ "content": [{ "type": "text", "text": bounded(text) }], "isError": is_error }))
}

/// What was printed, and then what was remarked.
fn said(heard: &Heard) -> String {
    let mut text = String::from_utf8_lossy(&heard.output).into_owned();
    heard.remarks.iter().for_each(|remark| text.push_str(&format!("{} {}\n", remark.word, remark.text)));
    text
}

/// Not longer than a reader should have to read; what is left out is told.
fn bounded(mut text: String) -> String {
    if text.len() > MOST {
        let end = (0..=MOST).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
        let left_out = text.len() - end;
        text.truncate(end);
        text.push_str(&format!("\n[{left_out} bytes more are left out]\n"));
    }
    text
}

impl Tool {
    fn told(&self) -> Value {
        let mut properties: Map<String, Value> = self
            .arguments
            .iter()
            .map(|argument| {
                (argument.name.to_owned(), json!({ "type": "string", "description": argument.description }))
            })
            .collect();
        let mut required: Vec<&str> = self
            .arguments
            .iter()
            .filter(|argument| argument.required)
            .map(|argument| argument.name)
            .collect();
        if !self.questions.is_empty() {
            properties.insert("question".to_owned(), json!({ "type": "string", "enum": self.questions }));
            required.push("question");
        }
        json!({
            "name": self.name,
            "description": self.description,
            "inputSchema": { "type": "object", "properties": properties, "required": required },
            "annotations": { "readOnlyHint": true },
        })
    }

    /// The command line, of known arguments only: values never become flags.
    fn command_line(&self, given: &Map<String, Value>) -> Result<Vec<OsString>, Refusal> {
        let wrong = |text: String| (-32602, text);
        let is_known = |name: &str| {
            name == "question" && !self.questions.is_empty()
                || self.arguments.iter().any(|argument| argument.name == name)
        };
        if let Some(unknown) = given.keys().find(|name| !is_known(name)) {
            return Err(wrong(format!("the tool `{}` takes no `{unknown}`", self.name)));
        }
        let mut line: Vec<OsString> = self.command.iter().map(Into::into).collect();
        if !self.questions.is_empty() {
            let question = given.get("question").and_then(Value::as_str).unwrap_or_default();
            if !self.questions.contains(&question) {
                return Err(wrong(format!("`question` is one of {}", self.questions.join(", "))));
            }
            line.push(question.into());
        }
        let mut files = vec![OsString::from("--")];
        for argument in self.arguments {
            let value = match given.get(argument.name) {
                Some(Value::String(text)) => text.clone(),
                Some(number @ Value::Number(_)) => number.to_string(),
                None | Some(Value::Null) if !argument.required => continue,
                _ => return Err(wrong(format!("`{}` is needed, as a text", argument.name))),
            };
            match argument.flag {
                Some(flag) => line.push(format!("{flag}={value}").into()),
                None => files.push(value.into()),
            }
        }
        if files.len() > 1 {
            line.extend(files);
        }
        Ok(line)
    }
}
