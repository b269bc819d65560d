//! Talking to a daemon.

use std::{path::Path, time::Duration};

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use ureq::{Agent, Body, http::Response};

use crate::{
    access,
    daemon::Explained,
    error::{Error, Result},
    view::{JobView, View},
};

/// Somewhat longer than the daemon waits.
const PATIENCE: Duration = Duration::from_secs(90);

/// The longest answer that is read.
const LONGEST: u64 = 1 << 30;

/// A connection to a daemon.
pub struct Client {
    agent: Agent,
    address: String,
    token: String,
}

impl Client {
    /// To the daemon of a folder.
    ///
    /// # Errors
    /// There was never one, or its token is somebody else's.
    pub fn of(folder: &Path) -> Result<Self> {
        let address = access::read_address(folder)?;
        let token = access::read_token(folder)?;
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(Duration::from_secs(5)))
            .timeout_recv_response(Some(PATIENCE))
            // It is on this machine.
            .proxy(None);
        Ok(Self { agent: config.build().new_agent(), address, token })
    }

    /// Submits jobs, and returns their numbers.
    ///
    /// # Errors
    /// They are refused; no daemon answers.
    pub fn submit(&self, jobs: Vec<Value>) -> Result<Vec<String>> {
        let body = json!({ "jobs": jobs }).to_string();
        let request = self.agent.post(self.url("/api/jobs")).header("Authorization", &self.bearer());
        let answer: Value = self.read(request.content_type("application/json").send(&body))?;
        let numbers = answer["jobs"].as_array().map(Vec::as_slice).unwrap_or_default();
        Ok(numbers.iter().filter_map(|number| Some(number.as_str()?.to_owned())).collect())
    }

    /// How everything stands.
    ///
    /// # Errors
    /// No daemon answers.
    pub fn status(&self) -> Result<View> {
        self.get("/api/status")
    }

    /// How one job stands, by number or name.
    ///
    /// # Errors
    /// There is no such job; no daemon answers.
    pub fn job(&self, job: &str) -> Result<JobView> {
        self.get(&format!("/api/jobs/{}", escaped(job)))
    }

    /// How a job stands when it is over, or after about a minute.
    ///
    /// # Errors
    /// There is no such job; no daemon answers.
    pub fn wait(&self, job: &str) -> Result<JobView> {
        self.get(&format!("/api/jobs/{}/wait", escaped(job)))
    }

    /// Why a job is where it is.
    ///
    /// # Errors
    /// There is no such job; no daemon answers.
    pub fn explain(&self, job: &str) -> Result<Explained> {
        self.get(&format!("/api/jobs/{}/explain", escaped(job)))
    }

    /// The end of what a job has said.
    ///
    /// # Errors
    /// There is no such job; no daemon answers.
    pub fn output(&self, job: &str) -> Result<String> {
        self.text(&format!("/api/jobs/{}/output", escaped(job)))
    }

    /// Cancels a job, and returns its name.
    ///
    /// # Errors
    /// There is no such job, or it is over; no daemon answers.
    pub fn cancel(&self, job: &str) -> Result<String> {
        let path = format!("/api/jobs/{}", escaped(job));
        let request = self.agent.delete(self.url(&path)).header("Authorization", &self.bearer());
        let answer: Value = self.read(request.call())?;
        Ok(answer["cancelled"].as_str().unwrap_or_default().to_owned())
    }

    /// All that was recorded, for `schedule replay`.
    ///
    /// # Errors
    /// No daemon answers.
    pub fn recording(&self) -> Result<String> {
        self.text("/api/recording")
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }

    fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.read(self.agent.get(self.url(path)).header("Authorization", &self.bearer()).call())
    }

    fn text(&self, path: &str) -> Result<String> {
        self.good(self.agent.get(self.url(path)).header("Authorization", &self.bearer()).call())
    }

    fn read<T: DeserializeOwned>(
        &self,
        answer: std::result::Result<Response<Body>, ureq::Error>,
    ) -> Result<T> {
        let text = self.good(answer)?;
        serde_json::from_str(&text).map_err(|error| self.unreachable(error.to_string()))
    }

    /// The text of an answer that is no refusal.
    fn good(&self, answer: std::result::Result<Response<Body>, ureq::Error>) -> Result<String> {
        let mut answer = answer.map_err(|error| self.unreachable(error.to_string()))?;
        let text = answer.body_mut().with_config().limit(LONGEST).lossy_utf8(true).read_to_string();
        let text = text.map_err(|error| self.unreachable(error.to_string()))?;
        if answer.status().is_success() {
            return Ok(text);
        }
        let said: Option<Value> = serde_json::from_str(&text).ok();
        match said.as_ref().and_then(|said| said["error"].as_str()) {
            Some(what) => Err(Error::Refused(what.to_owned())),
            None => Err(self.unreachable(format!("it answered {}", answer.status()))),
        }
    }

    fn unreachable(&self, why: String) -> Error {
        Error::Unreachable { address: self.address.clone(), why }
    }
}

/// A name as a part of a path.
fn escaped(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    name.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn any_name_is_a_part_of_a_path() {
        assert_eq!(super::escaped("a/b ü?"), "a%2Fb%20%C3%BC%3F");
    }
}
