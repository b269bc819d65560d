//! The HTTP interface, and the page.
//!
//! Everything under `/api` needs the token. The page itself says nothing and needs none; whoever opens it by the printed
//! address has the token behind the `#`, which browsers do not send. Only names of this machine are answered to, so that no
//! other site can make a browser ask for it. Bodies, headers and times are bounded.

use std::{
    convert::Infallible,
    io::Write,
    net::SocketAddr,
    sync::{Arc, mpsc::Sender},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes, HttpBody, to_bytes},
    extract::{Path, Request as HttpRequest, State},
    http::{HeaderMap, StatusCode, header},
    middleware::{self, Next},
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use futures_util::stream;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, oneshot, watch},
};

use crate::{
    access::same,
    daemon::Request,
    error::{Error, Result},
    view::View,
};

/// The longest body that is read: thousands of jobs.
const LONGEST_BODY: usize = 4 << 20;

/// The most connections at a time; pages hold one each.
const MOST_CONNECTIONS: usize = 64;

/// How long the headers of a request may take, and then its body.
const REQUEST: Duration = Duration::from_secs(10);

/// How long an answer may take, and how long `wait` waits at most.
const ANSWER: Duration = Duration::from_secs(60);

/// How often a stream of events sends something, if nothing changes.
const BEAT: Duration = Duration::from_secs(15);

/// Between two events: a page cannot show more than a few changes a second.
const BETWEEN: Duration = Duration::from_millis(200);

/// What requests need.
#[derive(Clone)]
pub struct Api {
    requests: Sender<Request>,
    view: watch::Receiver<Arc<View>>,
    token: Arc<str>,
    /// Where the attempts' folders are, for what they said.
    runs: Arc<std::path::Path>,
}

impl Api {
    /// To a daemon.
    pub fn new(
        requests: Sender<Request>,
        view: watch::Receiver<Arc<View>>,
        token: &str,
        runs: &std::path::Path,
    ) -> Self {
        Self { requests, view, token: token.into(), runs: runs.into() }
    }

    /// The routes. `address` is where they are served.
    pub fn routes(self, address: SocketAddr) -> Router {
        let guarded = Router::new()
            .route("/api/status", get(status))
            .route("/api/jobs", post(submit))
            .route("/api/jobs/{job}", get(one).delete(cancel))
            .route("/api/jobs/{job}/wait", get(wait))
            .route("/api/jobs/{job}/explain", get(explain))
            .route("/api/jobs/{job}/output", get(output))
            .route("/api/jobs/{job}/report", get(report))
            .route("/api/events", get(events))
            .route("/api/recording", get(recording))
            .route("/api/openapi.json", get(description))
            .layer(middleware::from_fn_with_state(self.clone(), guard));
        let hosts = Arc::new(hosts(address));
        Router::new()
            .route("/", get(page))
            .merge(guarded)
            .layer(middleware::from_fn_with_state(hosts, only_here))
            .with_state(self)
    }
}

/// Serves the routes until the process ends.
///
/// # Errors
/// The listener breaks.
pub async fn serve(listener: TcpListener, routes: Router) -> std::io::Result<Infallible> {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { continue };
        let (stream, _) = match listener.accept().await {
            Ok(accepted) => accepted,
            // Too many open files, or a connection that broke in the making: the next may be fine.
            Err(_) => {
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let service = TowerToHyperService::new(routes.clone());
        tokio::spawn(async move {
            let mut server = http1::Builder::new();
            server.timer(TokioTimer::new()).header_read_timeout(REQUEST).max_headers(64);
            // Who breaks off has had what it wanted.
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
            drop(place);
        });
    }
}

/// The names under which this machine may be asked for.
fn hosts(address: SocketAddr) -> Vec<String> {
    let port = address.port();
    let mut hosts: Vec<String> =
        ["localhost", "127.0.0.1", "[::1]"].iter().map(|host| format!("{host}:{port}")).collect();
    hosts.push(address.to_string());
    hosts
}

async fn only_here(State(hosts): State<Arc<Vec<String>>>, request: HttpRequest, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("");
    if !hosts.iter().any(|known| known == host) {
        return problem(
            StatusCode::MISDIRECTED_REQUEST,
            "this scheduler answers only to the address that it prints",
        );
    }
    let mut answer = next.run(request).await;
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        answer.headers_mut().insert(name, header::HeaderValue::from_static(value));
    }
    answer
}

async fn guard(State(api): State<Api>, headers: HeaderMap, request: HttpRequest, next: Next) -> Response {
    let given = headers.get(header::AUTHORIZATION).and_then(|given| given.to_str().ok());
    let given = given.and_then(|given| given.strip_prefix("Bearer ")).unwrap_or("");
    if same(given, &api.token) {
        return next.run(request).await;
    }
    problem(
        StatusCode::UNAUTHORIZED,
        "send the token: `Authorization: Bearer TOKEN`, from the file `token` of the scheduler's folder",
    )
}

async fn page() -> Response {
    let policy = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; img-src data:";
    ([(header::CONTENT_SECURITY_POLICY, policy)], Html(include_str!("../assets/page.html"))).into_response()
}

/// What may be asked, as an OpenAPI document.
async fn description() -> Response {
    let text = include_str!("../assets/openapi.json");
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}

async fn status(State(api): State<Api>) -> Response {
    let view = Arc::clone(&api.view.borrow());
    document(StatusCode::OK, &*view)
}

async fn one(State(api): State<Api>, Path(job): Path<String>) -> Response {
    let view = Arc::clone(&api.view.borrow());
    found(&view, &job).map_or_else(|| no_job(&job), |job| document(StatusCode::OK, job))
}

/// Waits until a job is over, a minute at most; the answer says how it is then.
async fn wait(State(mut api): State<Api>, Path(job): Path<String>) -> Response {
    let over = async {
        loop {
            let view = Arc::clone(&api.view.borrow_and_update());
            match found(&view, &job) {
                None => return no_job(&job),
                Some(job) if job.is_over() => return document(StatusCode::OK, job),
                Some(_) => {}
            }
            if api.view.changed().await.is_err() {
                return problem(StatusCode::SERVICE_UNAVAILABLE, "the scheduler is ending");
            }
        }
    };
    match tokio::time::timeout(ANSWER, over).await {
        Ok(answer) => answer,
        Err(_) => one(State(api.clone()), Path(job.clone())).await,
    }
}

/// By number, or the latest of a name.
fn found<'a>(view: &'a View, job: &str) -> Option<&'a crate::view::JobView> {
    view.job(job)
}

fn no_job(job: &str) -> Response {
    problem(StatusCode::NOT_FOUND, &format!("there is no job {job}; `schedule status` lists them"))
}

async fn submit(State(api): State<Api>, body: Body) -> Response {
    let too_long =
        || problem(StatusCode::PAYLOAD_TOO_LARGE, "that is more than 4 MiB; submit fewer jobs at a time");
    if body.size_hint().lower() > LONGEST_BODY as u64 {
        return too_long();
    }
    let body = match tokio::time::timeout(REQUEST, to_bytes(body, LONGEST_BODY)).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return too_long(),
        Err(_) => return problem(StatusCode::REQUEST_TIMEOUT, "the jobs have not come within ten seconds"),
    };
    let jobs = match serde_json::from_slice::<Value>(&body) {
        Ok(Value::Array(jobs)) => jobs,
        Ok(Value::Object(mut named)) if named.len() == 1 && named.contains_key("jobs") => {
            match named.remove("jobs") {
                Some(Value::Array(jobs)) => jobs,
                _ => return problem(StatusCode::BAD_REQUEST, "`jobs` is a list"),
            }
        }
        Ok(_) => {
            return problem(
                StatusCode::BAD_REQUEST,
                "send a list of jobs, or an object with the list `jobs`",
            );
        }
        Err(error) => return problem(StatusCode::BAD_REQUEST, &format!("this is not JSON: {error}")),
    };
    let answer = ask(&api, |reply| Request::Submit(jobs, reply)).await;
    answer.map_or_else(refusal, |numbers| document(StatusCode::CREATED, &json!({ "jobs": numbers })))
}

async fn cancel(State(api): State<Api>, Path(job): Path<String>) -> Response {
    let answer = ask(&api, |reply| Request::Cancel(job, reply)).await;
    answer.map_or_else(refusal, |name| document(StatusCode::OK, &json!({ "cancelled": name })))
}

async fn explain(State(api): State<Api>, Path(job): Path<String>) -> Response {
    let answer = ask(&api, |reply| Request::Explain(job, reply)).await;
    answer.map_or_else(refusal, |explained| document(StatusCode::OK, &explained))
}

async fn recording(State(api): State<Api>) -> Response {
    match ask(&api, Request::Recording).await {
        Ok(lines) => ([(header::CONTENT_TYPE, "application/jsonl")], lines).into_response(),
        Err(error) => refusal(error),
    }
}

/// The end of what a job's latest attempt has said.
async fn output(State(api): State<Api>, Path(job): Path<String>) -> Response {
    let view = Arc::clone(&api.view.borrow());
    let Some(job) = found(&view, &job) else { return no_job(&job) };
    let path = api.runs.join(&job.id).join(job.attempts.to_string()).join("output");
    let text = tail(&path).unwrap_or_default();
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}

/// Where the time of a training run went: the page that `syncline trace report` makes of its trace, which may still grow.
async fn report(State(api): State<Api>, Path(job): Path<String>) -> Response {
    let view = Arc::clone(&api.view.borrow());
    let Some(found) = found(&view, &job) else { return no_job(&job) };
    let folder = api.runs.join(&found.id);
    let trace = folder.join("files").join("run").join("trace.parquet");
    if !trace.exists() {
        let what = format!("job {} has no trace: it is no training job, or has not begun", found.name);
        return problem(StatusCode::NOT_FOUND, &what);
    }
    let made = tokio::task::spawn_blocking(move || trace_report(&trace, &folder)).await;
    match made {
        Ok(Ok(page)) => ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], page).into_response(),
        Ok(Err(why)) => problem(StatusCode::SERVICE_UNAVAILABLE, &why),
        Err(error) => problem(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

/// Asks this very program, so that a trace that it cannot read ends nothing but the answer.
fn trace_report(trace: &std::path::Path, folder: &std::path::Path) -> std::result::Result<Vec<u8>, String> {
    let page = folder.join("report.html");
    let mut command = std::process::Command::new("/proc/self/exe");
    command.args(["trace", "report"]).arg(trace).arg("--html").arg(&page);
    let output = command.stdin(std::process::Stdio::null()).output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    }
    std::fs::read(&page).map_err(|error| error.to_string())
}

/// The last 64 KiB of a file.
fn tail(path: &std::path::Path) -> std::io::Result<Vec<u8>> {
    use std::io::{Read, Seek, SeekFrom};
    let mut file = std::fs::File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(64 << 10)))?;
    let mut text = Vec::new();
    file.take(64 << 10).read_to_end(&mut text)?;
    Ok(text)
}

/// Every change, as it happens: a stream of server-sent events, each with the whole view.
async fn events(State(api): State<Api>) -> Response {
    let changes = stream::unfold((api.view, false), |(mut view, begun)| async move {
        if begun {
            // Something is sent now and then, so that a page that has gone away is noticed.
            match tokio::time::timeout(BEAT, view.changed()).await {
                Ok(Ok(())) => tokio::time::sleep(BETWEEN).await,
                Ok(Err(_)) => return None,
                Err(_) => return Some((sent(": nothing new".into()), (view, true))),
            }
        }
        let now = Arc::clone(&view.borrow_and_update());
        let text = serde_json::to_string(&*now).unwrap_or_default();
        Some((sent(format!("data: {text}")), (view, true)))
    });
    ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(changes)).into_response()
}

fn sent(event: String) -> std::result::Result<Bytes, Infallible> {
    Ok(Bytes::from(event + "\n\n"))
}

/// Asks the daemon.
async fn ask<T>(api: &Api, request: impl FnOnce(oneshot::Sender<Result<T>>) -> Request) -> Result<T> {
    let (reply, answer) = oneshot::channel();
    let ending = || Error::Busy("the scheduler is ending".into());
    api.requests.send(request(reply)).map_err(|_| ending())?;
    match tokio::time::timeout(ANSWER, answer).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => Err(ending()),
        Err(_) => {
            Err(Error::Busy("the scheduler has not answered within a minute; see `schedule status`".into()))
        }
    }
}

fn refusal(error: Error) -> Response {
    let status = match &error {
        Error::Refused(what) if what.starts_with("there is no job") => StatusCode::NOT_FOUND,
        Error::Refused(_) => StatusCode::CONFLICT,
        Error::Schedule(_) => StatusCode::UNPROCESSABLE_ENTITY,
        Error::Busy(_) => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    problem(status, &error.to_string())
}

fn problem(status: StatusCode, what: &str) -> Response {
    document(status, &json!({ "error": what }))
}

fn document(status: StatusCode, value: &impl serde::Serialize) -> Response {
    let mut text = serde_json::to_vec(value).unwrap_or_default();
    // Writing to memory cannot fail.
    let _ = text.write_all(b"\n");
    (status, [(header::CONTENT_TYPE, "application/json")], Body::from(text)).into_response()
}
