//! `syncline mcp`: the analyses as tools of a model, by the Model Context Protocol over standard input and output.
//!
//! A message is a line of JSON-RPC 2.0. Tools only read: none of them writes a file or starts a program. What they answer is the
//! text of the command that does the same, and is bounded, because whoever reads it reads all of it.

mod tools;

use std::io::{self, BufRead, Write};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::failure::Failure;

/// The protocol's version that is spoken to a client that names none that is known.
const NEWEST: &str = "2025-06-18";

/// Those that differ in nothing that is used here.
const KNOWN: &[&str] = &["2024-11-05", "2025-03-26", NEWEST];

/// A message of a client may be this long.
const LONGEST: u64 = 1 << 20;

/// Answer questions of a language model about files (Model Context Protocol)
///
/// Speaks over standard input and output, as clients start it. Its tools report
/// on logs and run files, compare, survey and predict them, answer questions
/// about queues, and compare scheduling policies. They only read.
///
/// Example, in a client's settings:
///   {"mcpServers": {"syncline": {"command": "syncline", "args": ["mcp"]}}}
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {}

/// A message of the client.
#[derive(Deserialize)]
struct Message {
    /// None of a notification, which is not answered.
    id: Option<Value>,
    #[serde(default)]
    method: String,
    #[serde(default)]
    params: Value,
}

/// Why a message has no result: a code of JSON-RPC and a sentence.
type Refusal = (i32, String);

/// Runs the command, until standard input ends.
pub fn run(_: &Args) -> Result<(), Failure> {
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = io::Read::take(&mut input, LONGEST).read_until(b'\n', &mut line);
        let read =
            read.map_err(|error| Failure::Failed(format!("cannot read the client's message: {error}")))?;
        if read == 0 {
            return Ok(());
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        if let Some(reply) = reply(&line) {
            // A client that has gone away is the end of the work.
            if writeln!(output, "{reply}").and_then(|()| output.flush()).is_err() {
                return Ok(());
            }
        }
    }
}

/// The answer to a message, if it is one that is answered.
fn reply(line: &[u8]) -> Option<Value> {
    let message: Message = match serde_json::from_slice(line) {
        Ok(message) => message,
        Err(error) => {
            let error = json!({ "code": -32700, "message": format!("not a message: {error}") });
            return Some(json!({ "jsonrpc": "2.0", "id": null, "error": error }));
        }
    };
    let id = message.id.clone()?;
    Some(match result(&message) {
        Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
        Err((code, text)) => {
            json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": text } })
        }
    })
}

fn result(message: &Message) -> Result<Value, Refusal> {
    match message.method.as_str() {
        "initialize" => Ok(greeting(&message.params)),
        "ping" => Ok(json!({})),
        "tools/list" => Ok(json!({ "tools": tools::list() })),
        "tools/call" => tools::call(&message.params),
        other => Err((-32601, format!("there is no method `{other}`"))),
    }
}

/// Who this is, and which version of the protocol is spoken: the client's, if it is known.
fn greeting(params: &Value) -> Value {
    let asked = params["protocolVersion"].as_str().unwrap_or_default();
    let version = KNOWN.iter().find(|known| **known == asked).unwrap_or(&NEWEST);
    json!({
        "protocolVersion": version,
        "capabilities": { "tools": {} },
        "serverInfo": { "name": "syncline", "version": env!("CARGO_PKG_VERSION") },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(text: &str) -> Option<Value> {
        reply(text.as_bytes())
    }

    #[test]
    fn a_client_is_greeted_in_its_version_or_the_newest() {
        for (asked, spoken) in [("2024-11-05", "2024-11-05"), ("1999-01-01", NEWEST)] {
            let hello = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": { "protocolVersion": asked } });
            let answer = ask(&hello.to_string()).unwrap();
            assert_eq!(
                (answer["id"].as_i64(), answer["result"]["protocolVersion"].as_str()),
                (Some(1), Some(spoken))
            );
        }
        assert_eq!(ask(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#), None);
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_its_code() {
        let code = |text: &str| ask(text).unwrap()["error"]["code"].as_i64();
        assert_eq!(code("{"), Some(-32700));
        assert_eq!(code(r#"{"id":1,"method":"resources/list"}"#), Some(-32601));
        assert_eq!(code(r#"{"id":1,"method":"tools/call","params":{"name":"format_disk"}}"#), Some(-32602));
    }

    #[test]
    fn a_tool_answers_with_the_text_of_the_command() {
        let arguments = json!({ "question": "mean", "system": "split-merge", "workers": 2, "arrivals": "exp:0.5", "service": "exp:1" });
        let call = json!({ "id": "a", "method": "tools/call", "params": { "name": "queue", "arguments": arguments } });
        let result = ask(&call.to_string()).unwrap()["result"].clone();
        assert_eq!(result["isError"], json!(false));
        assert!(result["content"][0]["text"].as_str().unwrap().contains("3.5"), "{result}");

        let call = json!({ "id": 2, "method": "tools/call", "params": { "name": "report", "arguments": { "log": "/nowhere" } } });
        let result = ask(&call.to_string()).unwrap()["result"].clone();
        assert_eq!(result["isError"], json!(true));
        assert!(result["content"][0]["text"].as_str().unwrap().contains("/nowhere"), "{result}");
    }

    #[test]
    fn every_tool_says_what_it_takes_and_refuses_the_rest() {
        for tool in tools::list() {
            assert!(tool["description"].as_str().is_some_and(|text| text.len() > 40), "{tool}");
            let name = tool["name"].as_str().unwrap();
            let call = json!({ "id": 1, "method": "tools/call", "params": { "name": name, "arguments": { "out": "x" } } });
            let text = ask(&call.to_string()).unwrap()["error"]["message"].to_string();
            assert!(text.contains("`out`"), "{text}");
        }
    }
}
