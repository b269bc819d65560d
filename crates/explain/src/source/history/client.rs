//! The conversation with a history server: one request, and a second one for its list when it does not know what was asked for.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::time::Duration;

use serde::Deserialize;
use ureq::http::Response;
use ureq::{Agent, Body};

use super::Asked;

/// A server that is there accepts at once.
const CONNECT: Duration = Duration::from_secs(10);

/// A history server may have to read a large log anew before it answers, and packs it while it sends.
const SILENCE: Duration = Duration::from_secs(120);

/// An archive larger than this is not put on the disk unasked.
const LARGEST: u64 = 16 << 30;

/// The longest message or list that is read.
const TEXT: u64 = 4 << 20;

/// Applications that an error lists.
const LISTED: usize = 8;

/// Fetches what `asked` asks for. The error says what is wrong, and what there is instead.
pub(super) fn fetch(asked: &Asked) -> Result<File, String> {
    let agent = agent(&asked.server);
    if asked.application.is_none() {
        let listed = listed(&agent, asked)?;
        return Err(format!("name an application: {}/history/ID. It has {listed}", asked.server));
    }
    let answer = get(&agent, &asked.archive())?;
    match answer.status().as_u16() {
        200 => saved(answer),
        404 => {
            let what = asked.application.as_deref().unwrap_or_default();
            let attempt =
                asked.attempt.as_ref().map_or(String::new(), |number| format!(", attempt {number}"));
            Err(format!("it knows no application {what}{attempt}. It has {}", listed(&agent, asked)?))
        }
        status => Err(format!("it answered {status}: {}", message(answer))),
    }
}

/// Proxies of the environment are heeded, but not on the way to this machine itself.
fn agent(server: &str) -> Agent {
    let host = server.trim_start_matches("http://");
    let is_here = ["127.", "localhost", "[::1]"].iter().any(|here| host.starts_with(here));
    let mut config = Agent::config_builder()
        .http_status_as_error(false)
        .timeout_connect(Some(CONNECT))
        .timeout_recv_response(Some(SILENCE))
        .timeout_per_read(Some(SILENCE));
    if is_here {
        config = config.proxy(None);
    }
    config.build().new_agent()
}

fn get(agent: &Agent, address: &str) -> Result<Response<Body>, String> {
    agent.get(address).call().map_err(|error| match error {
        ureq::Error::Io(error) => format!("there is no answer ({error}); does a history server run there?"),
        ureq::Error::HostNotFound => "its host is not known".to_owned(),
        ureq::Error::Timeout(_) => format!("there is no answer in {} s", SILENCE.as_secs()),
        other => other.to_string(),
    })
}

/// The archive in a file without a name, from its start.
fn saved(answer: Response<Body>) -> Result<File, String> {
    let mut body = answer.into_body().into_with_config().limit(LARGEST + 1).reader();
    let mut head = Vec::new();
    body.by_ref().take(4).read_to_end(&mut head).map_err(broke)?;
    if !head.starts_with(b"PK") {
        return Err(NO_HISTORY.to_owned());
    }
    let mut file = tempfile::tempfile().map_err(|error| format!("there is no room for its logs: {error}"))?;
    let size = io::copy(&mut head.chain(body).take(LARGEST + 1), &mut file).map_err(broke)?;
    if size > LARGEST {
        return Err(format!("its logs are more than {} GiB; download them and give the path", LARGEST >> 30));
    }
    file.rewind().map_err(broke)?;
    Ok(file)
}

fn broke(error: io::Error) -> String {
    format!("what it sent broke off: {error}")
}

/// What is said of a server that answers otherwise.
const NO_HISTORY: &str = "its answer is no archive of logs: it is no Spark history server";

/// The first line of what a server says of itself.
fn message(answer: Response<Body>) -> String {
    let mut body = answer.into_body();
    let text = body.with_config().limit(TEXT).lossy_utf8(true).read_to_string().unwrap_or_default();
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("nothing more");
    line.chars().take(300).collect()
}

/// An application as the server lists it.
#[derive(Deserialize)]
struct Listed {
    id: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    attempts: Vec<Attempt>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Attempt {
    #[serde(default)]
    start_time: String,
}

/// The applications of a server in words, the newest first; that it is no history server is an error.
fn listed(agent: &Agent, asked: &Asked) -> Result<String, String> {
    let answer = get(agent, &format!("{}/api/v1/applications", asked.server))?;
    let mut body = answer.into_body();
    let text = body.with_config().limit(TEXT).lossy_utf8(true).read_to_string();
    let text = text.map_err(|error| format!("its list of applications cannot be read: {error}"))?;
    let found: Vec<Listed> = serde_json::from_str(&text).map_err(|_| NO_HISTORY.to_owned())?;
    let name = |found: &Listed| {
        let began = found.attempts.first().map_or("", |attempt| attempt.start_time.as_str());
        format!("{} ({}, {began})", found.id, found.name)
    };
    let names: Vec<String> = found.iter().take(LISTED).map(name).collect();
    Ok(match found.len() {
        0 => "none yet: it looks for new logs every 10 s".to_owned(),
        all if all > LISTED => format!("{} and {} more", names.join("; "), all - LISTED),
        _ => names.join("; "),
    })
}
