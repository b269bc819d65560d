//! Logs by their address at a Spark history server, which here is a thread that answers as one does.
#![cfg(feature = "history")]
#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(clippy::disallowed_methods, reason = "a test's server is a thread")]

mod packed;

use std::io::{BufRead, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::thread;

use packed::{fixture, zip};
use syncline_explain::{explain, explain_all};

/// What a server answers to a path.
type Answers = fn(&str) -> (&'static str, Vec<u8>);

/// A server of `answers` on a port of its own; it ends with the test's process.
fn serve(answers: Answers) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || listener.incoming().for_each(|stream| answer(stream.unwrap(), answers)));
    address
}

fn answer(mut stream: TcpStream, answers: Answers) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let request = lines.next().unwrap_or_default();
    lines.find(String::is_empty);
    let (status, body) = answers(request.split(' ').nth(1).unwrap_or_default());
    // As Spark's server sends what it packs meanwhile: in chunks.
    write!(stream, "HTTP/1.1 {status}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n").unwrap();
    for part in body.chunks(10_000) {
        write!(stream, "{:x}\r\n", part.len()).unwrap();
        stream.write_all(part).unwrap();
        stream.write_all(b"\r\n").unwrap();
    }
    stream.write_all(b"0\r\n\r\n").unwrap();
}

const LIST: &[u8] = br#"[{"id":"app-1","name":"first","attempts":[{"startTime":"2026-11-21T09:28:43.000GMT","completed":true}]},
{"id":"app-2","name":"other","attempts":[]}]"#;

fn history(path: &str) -> (&'static str, Vec<u8>) {
    let text = fixture();
    match path {
        "/api/v1/applications/app-1/logs" => ("200 OK", zip(&[("app-1_1", &text), ("app-1_2", &text)], true)),
        "/api/v1/applications/app-1/2/logs" => ("200 OK", zip(&[("app-1_2", &text)], true)),
        "/api/v1/applications" => ("200 OK", LIST.to_vec()),
        _ => ("404 Not Found", b"unknown app".to_vec()),
    }
}

fn failure(address: &str) -> String {
    explain(&PathBuf::from(address)).unwrap_err().to_string()
}

#[test]
fn an_address_of_an_application_is_a_log() {
    let server = serve(history);
    let reports = explain_all(&[PathBuf::from(format!("{server}/history/app-1/jobs/"))]).unwrap();
    assert_eq!(reports.len(), 2, "one an attempt");
    let one = explain(&PathBuf::from(format!("{server}/api/v1/applications/app-1/2"))).unwrap();
    assert!(one.complete && one.damage.is_none() && one.jobs == reports[0].jobs);
    assert!(one.source.starts_with(&server) && one.source.ends_with("(app-1_2)"), "{}", one.source);
}

#[test]
fn errors_name_what_is_wrong_and_what_there_is() {
    let server = serve(history);
    for address in [format!("{server}/history/app-9"), format!("{server}/api/v1/applications/app-1/7/logs")] {
        let error = failure(&address);
        assert!(error.contains("it knows no application app-"), "{error}");
        assert!(error.contains("app-1 (first, 2026-11-21T09:28:43.000GMT); app-2 (other"), "{error}");
    }
    let error = failure(&server);
    assert!(error.contains("name an application") && error.contains("app-2"), "{error}");

    let other = serve(|_| ("200 OK", b"<html>welcome</html>".to_vec()));
    assert!(failure(&format!("{other}/history/app-1")).contains("no Spark history server"));
    let other = serve(|_| ("404 Not Found", b"nothing here".to_vec()));
    assert!(failure(&format!("{other}/history/app-1")).contains("no Spark history server"));
    // As the page of a running application answers.
    let live = serve(|_| ("503 Service Unavailable", b"Event logs are only available there.\n".to_vec()));
    let error = failure(&format!("{live}/api/v1/applications/app-1"));
    assert!(error.contains("503") && error.contains("Event logs are only available there."), "{error}");

    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert!(failure(&format!("http://{free}/history/app-1")).contains("does a history server run there?"));
    assert!(failure("https://127.0.0.1/history/app-1").contains("https is not spoken here"));
}
