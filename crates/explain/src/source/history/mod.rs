//! Logs by the address that a Spark history server gives an application, on its pages or in its REST interface.
//!
//! What is asked for is `/api/v1/applications/ID[/ATTEMPT]/logs`: an archive of the logs of all attempts, or of one
//! (Spark's documentation, "Monitoring and Instrumentation", section "REST API"). It goes into a nameless file, as it may be large.

#[cfg(feature = "history")]
mod client;

use std::fs::File;
use std::path::Path;

use crate::Error;

/// The address that a path is in truth; `None` for what can only be a path.
pub(super) fn address(path: &Path) -> Option<&str> {
    path.to_str().filter(|text| text.starts_with("http://") || text.starts_with("https://"))
}

/// Fetches the archive of the logs of the application at `address`.
pub(super) fn download(address: &str) -> Result<File, Error> {
    let failed = |why| Error::Server { address: address.to_owned(), why };
    let asked = Asked::parse(address).map_err(failed)?;
    fetched(&asked).map_err(failed)
}

#[cfg(feature = "history")]
fn fetched(asked: &Asked) -> Result<File, String> {
    client::fetch(asked)
}

#[cfg(not(feature = "history"))]
fn fetched(asked: &Asked) -> Result<File, String> {
    Err(format!("this build speaks to no server (feature `history`); get {} by other means", asked.archive()))
}

/// What an address asks for.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    /// The server, with the folder that a proxy may put before it, without a slash at the end.
    server: String,
    /// The application; `None` if the address is that of the server's list.
    application: Option<String>,
    /// One of its attempts; `None` for all.
    attempt: Option<String>,
}

impl Asked {
    /// Reads an address of a page or of the REST interface.
    fn parse(address: &str) -> Result<Self, String> {
        let Some(rest) = address.strip_prefix("http://") else {
            return Err(
                "https is not spoken here; download the archive of the logs (of an application ID it is \
                        .../api/v1/applications/ID/logs) and give its path"
                    .to_owned(),
            );
        };
        let rest = rest.split(['?', '#']).next().unwrap_or_default();
        let parts: Vec<&str> = rest.split('/').filter(|part| !part.is_empty()).collect();
        let api = parts.windows(3).position(|three| three == ["api", "v1", "applications"]);
        let page = parts.iter().skip(1).position(|part| *part == "history");
        let (before, after) = match (api, page) {
            (Some(at), _) => (at, at + 3),
            (None, Some(at)) => (at + 1, at + 2),
            (None, None) if parts.len() == 1 => (1, 1),
            (None, None) => {
                return Err("it is no address of an application: those of a Spark history server end in /history/ID or in \
                            /api/v1/applications/ID"
                    .to_owned());
            }
        };
        if before == 0 {
            return Err("the address names no server".to_owned());
        }
        // Behind the application stands an attempt, which is a number, or the page that was looked at.
        let is_number = |part: &&&str| part.bytes().all(|byte| byte.is_ascii_digit());
        Ok(Self {
            server: format!("http://{}", parts[..before].join("/")),
            application: parts.get(after).map(|part| (*part).to_owned()),
            attempt: parts.get(after + 1).filter(is_number).map(|part| (*part).to_owned()),
        })
    }

    /// The address of the archive of its logs.
    fn archive(&self) -> String {
        let attempt = self.attempt.as_ref().map_or(String::new(), |attempt| format!("/{attempt}"));
        let application = self.application.as_deref().unwrap_or("ID");
        format!("{}/api/v1/applications/{application}{attempt}/logs", self.server)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_and_the_interface_lead_to_the_same_archive() {
        for address in [
            "http://127.0.0.1:18080/history/app-1/jobs/",
            "http://127.0.0.1:18080/history/app-1/jobs/job/?id=3",
            "http://127.0.0.1:18080/history/app-1",
            "http://127.0.0.1:18080/api/v1/applications/app-1",
            "http://127.0.0.1:18080/api/v1/applications/app-1/logs",
            "http://127.0.0.1:18080/api/v1/applications/app-1/stages?status=complete",
        ] {
            let archive = Asked::parse(address).unwrap().archive();
            assert_eq!(archive, "http://127.0.0.1:18080/api/v1/applications/app-1/logs", "{address}");
        }
        let one = Asked::parse("http://h/gateway/spark/history/application_17_2/3/stages/").unwrap();
        assert_eq!(one.archive(), "http://h/gateway/spark/api/v1/applications/application_17_2/3/logs");
    }

    #[test]
    fn the_list_names_no_application_and_other_addresses_are_refused() {
        for address in ["http://h:1", "http://h:1/?showIncomplete=true", "http://h:1/api/v1/applications"] {
            assert_eq!(Asked::parse(address).unwrap().application, None, "{address}");
        }
        assert!(Asked::parse("http://h/logs/run.zstd").unwrap_err().contains("/history/ID"));
        assert!(Asked::parse("https://h/history/app").unwrap_err().contains("https"));
        assert!(Asked::parse("http://").is_err() && Asked::parse("http:///history/app").is_err());
    }

    #[test]
    fn only_addresses_are_addresses() {
        assert_eq!(address(Path::new("http://h/history/a")), Some("http://h/history/a"));
        assert_eq!(address(Path::new("http/history/a")), None);
    }
}
