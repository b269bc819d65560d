//! What is asked of an API server, and what is made of its answers: a service in its place has them written down.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http::{Request, Response};
use k8s_openapi::api::core::v1::Pod;
use kube::client::Body;
use kube::{Api, Client};
use serde_json::{Value, json};
use syncline_kubernetes::cluster::carry::{self, Carrier};
use syncline_kubernetes::cluster::connection::Connection;
use syncline_kubernetes::cluster::launched::{self, Follower};
use syncline_kubernetes::cluster::{Error, hold};
use syncline_kubernetes::order::{End, Order, Plan};
use syncline_kubernetes::wishes::Wishes;

/// What was asked: the method and the path, and the body.
type Asked = Arc<Mutex<Vec<(String, Value)>>>;

/// A server that answers the `n`-th request to a method and path, counted from 0, by `answer`.
fn server(answer: impl Fn(&str, usize) -> (u16, Value) + Send + Sync + 'static) -> (Client, Asked) {
    let asked = Asked::default();
    let (log, answer) = (Arc::clone(&asked), Arc::new(answer));
    let service = tower::service_fn(move |request: Request<Body>| {
        let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect_bytes().await.unwrap();
            let line = format!("{} {}", head.method, head.uri.path_and_query().unwrap());
            let line = line.trim_end_matches(['?', '&']).to_owned();
            let count = {
                let mut log = log.lock().unwrap();
                log.push((line.clone(), serde_json::from_slice(&body).unwrap_or_default()));
                log.iter().filter(|(other, _)| *other == line).count() - 1
            };
            let (status, answer) = answer(&line, count);
            let answer = Response::builder().status(status).body(Body::from(answer.to_string().into_bytes()));
            Ok::<_, Infallible>(answer.unwrap())
        }
    });
    (Client::new(service, "ml"), asked)
}

fn lines(asked: &Asked) -> Vec<String> {
    asked.lock().unwrap().iter().map(|(line, _)| line.clone()).collect()
}

fn order(wait: u32) -> Order {
    Order {
        run: "r1".to_owned(),
        program: "train".to_owned(),
        node: "worker/0".to_owned(),
        incarnation: 0,
        namespace: "ml".to_owned(),
        owner: None,
        cpus: None,
        memory: None,
        gpus: None,
        binary: "/bin/train".to_owned(),
        arguments: Vec::new(),
        environment: Vec::new(),
        wishes: Wishes { image: Some("train:1".to_owned()), wait: Some(wait), ..Wishes::default() },
    }
}

const POD: &str = "/api/v1/namespaces/ml/pods/train-r1-worker-0";

fn pod(status: Value) -> (u16, Value) {
    (
        200,
        json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "train-r1-worker-0" }, "status": status }),
    )
}

fn status(code: u16, reason: &str, message: &str) -> (u16, Value) {
    let status = json!({ "apiVersion": "v1", "kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message });
    (code, status)
}

fn not_found() -> (u16, Value) {
    status(404, "NotFound", "pods not found")
}

fn waiting(reason: &str) -> (u16, Value) {
    pod(json!({ "phase": "Pending", "containerStatuses": [{
        "name": "node", "image": "train:1", "imageID": "", "ready": false, "restartCount": 0,
        "state": { "waiting": { "reason": reason, "message": "image \"train:1\" is not present" } },
    }] }))
}

/// Carries a node whose launcher stays, or is gone from the start; how that ended and what was said meanwhile.
async fn carried(client: Client, order: &Order, launcher_stays: bool) -> (Result<End, Error>, Vec<String>) {
    let said: Arc<Mutex<Vec<String>>> = Arc::default();
    let heard = Arc::clone(&said);
    let (kept, leash) = tokio::io::duplex(64);
    let kept = launcher_stays.then_some(kept);
    let leash = carry::leash(leash);
    if kept.is_none() {
        while !leash.is_closed() {
            tokio::task::yield_now().await;
        }
    }
    let carrier = Carrier::new(client, order, move |line| heard.lock().unwrap().push(line.to_owned()));
    let end = carrier.carry(order, leash, tokio::io::sink(), tokio::io::sink()).await;
    drop(kept);
    let said = said.lock().unwrap().clone();
    (end, said)
}

#[tokio::test]
async fn an_image_that_is_not_there_is_told_of_and_its_pod_deleted() {
    let (client, asked) = server(|line, count| match (line.split_once(' ').unwrap(), count) {
        (("POST", _), _) => pod(json!({})),
        (("GET", path), 0) if path == POD => waiting("ContainerCreating"),
        (("GET", path), _) if path == POD => waiting("ErrImageNeverPull"),
        (("DELETE", _), _) => pod(json!({})),
        _ => not_found(),
    });
    let (end, _) = carried(client, &order(60), true).await;
    let why = "its pod cannot start: ErrImageNeverPull: image \"train:1\" is not present";
    assert_eq!(end.unwrap(), End::NeverStarted(why.to_owned()));
    let get = format!("GET {POD}");
    let expected = [
        "POST /api/v1/namespaces/ml/pods",
        &get,
        &get,
        &format!("GET {POD}/log?&tailLines=20"),
        &format!("DELETE {POD}"),
    ];
    assert_eq!(
        lines(&asked).iter().map(|line| line.replace("log?tail", "log?&tail")).collect::<Vec<_>>(),
        expected
    );
    let asked = asked.lock().unwrap();
    let container = &asked[0].1["spec"]["containers"][0];
    assert_eq!(
        (&container["stdin"], &container["stdinOnce"], &container["image"]),
        (&json!(true), &json!(true), &json!("train:1"))
    );
    assert_eq!(asked.last().unwrap().1["gracePeriodSeconds"], 0);
}

#[tokio::test]
async fn a_pod_without_a_place_waits_as_long_as_was_wished_and_says_why() {
    let why = "0/1 nodes are available: 1 Insufficient cpu.";
    let (client, _) = server(move |line, _| match line.split_once(' ').unwrap() {
        ("GET", path) if path == POD => pod(json!({ "phase": "Pending", "conditions": [
            { "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": why }] })),
        ("GET", _) => not_found(),
        _ => pod(json!({})),
    });
    let (end, said) = carried(client, &order(1), true).await;
    assert_eq!(said, [format!("its pod waits: Unschedulable: {why}")]);
    let End::NeverStarted(told) = end.unwrap() else { panic!("it did not fail") };
    assert!(told.contains("has waited for 1 s") && told.contains(why), "{told}");
}

#[tokio::test]
async fn a_pod_that_somebody_deletes_is_told_apart() {
    let (client, _) = server(|line, _| match line.split_once(' ').unwrap() {
        ("POST", _) => pod(json!({})),
        _ => not_found(),
    });
    let (end, _) = carried(client, &order(60), true).await;
    assert_eq!(end.unwrap(), End::WithPod("its pod was deleted".to_owned()));
}

#[tokio::test]
async fn when_the_launcher_is_gone_the_pod_goes_too() {
    let (client, asked) = server(|_, _| pod(json!({ "phase": "Pending" })));
    let (end, _) = carried(client, &order(60), false).await;
    assert_eq!(end.unwrap(), End::Lost);
    let asked = asked.lock().unwrap();
    let (last, body) = asked.last().unwrap();
    assert_eq!((last, &body["gracePeriodSeconds"]), (&format!("DELETE {POD}"), &json!(1)));
}

#[tokio::test]
async fn who_has_no_right_is_told_how_to_get_it() {
    let (client, asked) =
        server(|_, _| status(403, "Forbidden", "pods is forbidden: User \"x\" cannot create"));
    let (end, _) = carried(client, &order(60), true).await;
    let why = end.unwrap_err().to_string();
    assert!(
        why.contains("pods is forbidden") && why.contains("syncline-kubernetes access --namespace ml"),
        "{why}"
    );
    assert_eq!(lines(&asked).len(), 1);
}

#[tokio::test]
async fn what_is_left_of_a_run_is_deleted_until_nothing_is() {
    let list = |names: &[&str]| {
        let items: Vec<_> = names.iter().map(|name| json!({ "metadata": { "name": name } })).collect();
        (200, json!({ "apiVersion": "v1", "kind": "PodList", "metadata": {}, "items": items }))
    };
    let (client, asked) = server(move |line, count| match (line.starts_with("GET"), count) {
        (true, 0) => list(&["a", "b"]),
        (true, _) => list(&[]),
        _ => list(&["a", "b"]),
    });
    hold::release(&Api::namespaced(client, "ml"), "r1", "ml").await.unwrap();
    let of_run = "/api/v1/namespaces/ml/pods?&labelSelector=syncline%2Frun%3Dr1";
    let of = |verb: &str| format!("{verb} {of_run}");
    assert_eq!(lines(&asked), [of("GET"), of("DELETE"), of("GET")]);
    assert_eq!(asked.lock().unwrap()[1].1["gracePeriodSeconds"], 1);
}

#[tokio::test]
async fn what_earlier_launchers_left_is_cleared_away_once_it_is_old() {
    let ended = |name: &str, at: &str| {
        json!({ "metadata": { "name": name }, "status": { "phase": "Failed", "containerStatuses": [{
            "name": "node", "image": "i", "imageID": "", "ready": false, "restartCount": 0,
            "state": { "terminated": { "exitCode": 1, "finishedAt": at } },
        }] } })
    };
    let now = k8s_openapi::jiff::Timestamp::now().to_string();
    let (client, asked) = server(move |line, _| match line.split_once(' ').unwrap() {
        ("GET", _) => {
            let items = [ended("old", "2020-01-01T00:00:00Z"), ended("new", &now)];
            (200, json!({ "apiVersion": "v1", "kind": "PodList", "metadata": {}, "items": items }))
        }
        _ => pod(json!({})),
    });
    let pods: Api<Pod> = Api::namespaced(client, "ml");
    hold::clear_away(&pods, "ml").await.unwrap();
    let asked = lines(&asked);
    assert!(asked[0].contains("managed-by%3Dsyncline"), "{asked:?}");
    assert_eq!(asked[1..], ["DELETE /api/v1/namespaces/ml/pods/old"]);
}

const JOB: &str = "/apis/batch/v1/namespaces/ml/jobs/train-first";

fn plan() -> Plan {
    Plan {
        program: "train-first".to_owned(),
        arguments: vec!["train".to_owned(), "--go-on".to_owned()],
        binary: "/bin/syncline".to_owned(),
        wishes: Wishes { image: Some("train:1".to_owned()), ..Wishes::default() },
    }
}

fn within(client: Client) -> Connection {
    let server = ("10.0.0.1".to_owned(), 6443);
    Connection { client, namespace: "ml".to_owned(), server, is_within: false }
}

#[tokio::test]
async fn a_cluster_launches_a_run_with_the_rights_that_are_not_there_yet() {
    let (client, asked) = server(|line, _| match line.split_once(' ').unwrap() {
        ("GET", "/api/v1/namespaces/ml/serviceaccounts/syncline") => {
            (200, json!({ "metadata": { "name": "syncline" } }))
        }
        // Who may not look at bindings was given one.
        ("GET", path) if path.contains("rolebindings") => status(403, "Forbidden", "no"),
        ("POST", path) if path.contains("roles") => {
            (201, json!({ "metadata": { "name": "r" }, "rules": [] }))
        }
        ("POST", _) => (201, json!({ "metadata": { "name": "train-first" } })),
        _ => not_found(),
    });
    let run = launched::launch(&within(client), &plan()).await.unwrap();
    assert_eq!(run.to_string(), "kubernetes:ml/train-first");
    let made: Vec<_> = lines(&asked).into_iter().filter(|line| line.starts_with("POST")).collect();
    assert_eq!(
        made,
        [
            "POST /apis/rbac.authorization.k8s.io/v1/namespaces/ml/roles",
            "POST /apis/batch/v1/namespaces/ml/jobs"
        ]
    );
    let (client, _) = server(|line, _| match line.split_once(' ').unwrap() {
        ("POST", _) => status(409, "AlreadyExists", "there is one"),
        _ => not_found(),
    });
    let error = launched::launch(&within(client), &plan()).await.unwrap_err().to_string();
    assert!(error.contains("`syncline stop kubernetes:ml/train-first`"), "{error}");
}

/// A Job's launcher that has said two lines by the second look, and failed by the third with this code.
fn failing(code: i32) -> (Client, Asked) {
    server(move |line, count| {
        let (_, path) = line.split_once(' ').unwrap();
        let ended = count >= 2;
        if path == JOB {
            let conditions = if ended { json!([{ "type": "Failed", "status": "True" }]) } else { json!([]) };
            return (
                200,
                json!({ "metadata": { "name": "train-first" }, "status": { "conditions": conditions } }),
            );
        }
        if path.contains("/log") {
            return (200, json!(if count == 0 { "one" } else { "one and two" }));
        }
        let state = json!({ "terminated": { "exitCode": code } });
        let pod = json!({ "metadata": { "name": "train-first-x" }, "status": { "containerStatuses": [{
            "name": "launcher", "image": "i", "imageID": "", "ready": false, "restartCount": 0, "state": state }] } });
        (200, json!({ "metadata": {}, "items": [pod] }))
    })
}

#[tokio::test]
async fn a_run_that_was_launched_is_followed_to_its_end_and_to_its_code() {
    let run = "kubernetes:ml/train-first".parse().unwrap();
    let mut said = Vec::new();
    let (client, _) = failing(75);
    let code = Follower::new(client, &run).follow(&mut said).await.unwrap();
    // The answers are JSON here, so what a later one adds begins behind the place of a quotation mark.
    assert_eq!((code, String::from_utf8(said).unwrap().as_str()), (75, "\"one\"and two\""));
    let (client, _) = server(|_, _| not_found());
    let none = Follower::new(client, &run).follow(&mut Vec::new()).await.unwrap_err().to_string();
    assert!(none.contains("there is no kubernetes:ml/train-first"), "{none}");
}

#[tokio::test]
async fn a_launcher_that_waits_says_once_for_what() {
    let (client, _) = server(|line, _| {
        let why = "persistentvolumeclaim \"data\" not found";
        let condition =
            json!({ "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": why });
        let pod = json!({ "metadata": { "name": "train-first-x" }, "status": { "conditions": [condition] } });
        if line.contains("/log") { not_found() } else { (200, json!({ "metadata": {}, "items": [pod] })) }
    });
    let heard: Arc<Mutex<Vec<String>>> = Arc::default();
    let hears = Arc::clone(&heard);
    let mut follower = Follower::new(client, &"kubernetes:ml/train-first".parse().unwrap())
        .telling(move |line| hears.lock().unwrap().push(line.to_owned()));
    for _ in 0..2 {
        follower.print(&mut Vec::new()).await.unwrap();
    }
    let told = "train-first-x waits: Unschedulable: persistentvolumeclaim \"data\" not found";
    assert_eq!(*heard.lock().unwrap(), [told]);
}

#[tokio::test]
async fn a_run_that_is_stopped_is_waited_for() {
    let run = "kubernetes:ml/train-first".parse().unwrap();
    let (client, asked) = server(|line, count| match line.split_once(' ').unwrap() {
        ("GET", path) if path.contains("/pods") => {
            let pods =
                if count > 0 { json!([]) } else { json!([{ "metadata": { "name": "train-first-x" } }]) };
            (200, json!({ "metadata": {}, "items": pods }))
        }
        _ => (200, json!({ "metadata": { "name": "train-first" } })),
    });
    Follower::new(client, &run).stop().await.unwrap();
    let deleted: Vec<_> =
        asked.lock().unwrap().iter().filter(|(line, _)| line.starts_with("DELETE")).cloned().collect();
    assert_eq!(deleted.len(), 1);
    assert_eq!(deleted[0].1["propagationPolicy"], "Background");
}
