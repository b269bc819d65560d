//! Programs in the pods of a real Kubernetes: its API server, scheduler, controllers and kubelet on this machine.
//!
//! Its binaries are in the folder that SYNCLINE_KUBERNETES names, the scripts that start it beside the checkout, and
//! `syncline-kubernetes` is beside `syncline`; without one of them there is nothing to test. `SYNCLINE_STEPS` chooses the steps whose
//! names contain it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(clippy::disallowed_methods, reason = "tests measure from outside")]

#[path = "support/programs.rs"]
mod programs;
mod support;

use std::{
    cell::RefCell,
    env, fs, io,
    net::{IpAddr, Shutdown, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use support::{
    command, csv, is_running, job_file, processes, run, samples, signal, stderr, wait_for, wait_within, write,
};
use tempfile::TempDir;

const TRAIN: &str = "train --quiet --workers 3 --servers 2 --epochs 2";

const IMAGE: &str = "docker.io/library/syncline:test";

/// More than the test waits for.
const LONG: &str = "train --workers 3 --servers 2 --epochs 1000 --inject all:5ms";

/// A cluster of one machine, which ends with the value.
struct Cluster {
    folder: TempDir,
    down: PathBuf,
    /// An address of this machine that its pods reach.
    address: IpAddr,
    /// A kubelet that was started again here.
    kubelet: RefCell<Option<Child>>,
}

impl Cluster {
    /// Starts it; nothing, with a notice, where it cannot be had.
    fn start() -> Option<Cluster> {
        let Some(binaries) = env::var_os("SYNCLINE_KUBERNETES").map(PathBuf::from) else {
            eprintln!("skipped: SYNCLINE_KUBERNETES names no folder with the binaries of Kubernetes");
            return None;
        };
        let shared = env::var_os("SYNCLINE_SHARED").map_or_else(|| "../../../shared".into(), PathBuf::from);
        let [up, down] = ["kubernetes-up", "kubernetes-down"].map(|name| shared.join("engines").join(name));
        for needed in [&binaries.join("kubelet"), &up, &carrier()] {
            if !needed.exists() {
                eprintln!("skipped: there is no {}", needed.display());
                return None;
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let log = fs::File::create(folder.path().join("up.log")).unwrap();
        let mut start = Command::new(&up);
        start.arg(folder.path()).arg(&binaries).stdin(Stdio::null());
        let started = start.stdout(log.try_clone().unwrap()).stderr(log).status().unwrap();
        let mut cluster =
            Cluster { folder, down, address: [127, 0, 0, 1].into(), kubelet: RefCell::default() };
        assert!(started.success(), "{}", fs::read_to_string(cluster.at("up.log")).unwrap());
        cluster.bring_image();
        // The bridge between this machine and its pods comes with the first of them. On a disk that is nearly full a kubelet removes
        // images that no pod has: these two stay.
        let idle = "--image-pull-policy=Never --restart=Never";
        cluster.kubectl(&format!("run first --image=docker.io/local/pause:1 {idle}"));
        cluster.kubectl(&format!("run second --image={IMAGE} {idle} --command -- /bin/syncline --version"));
        cluster.address = wait_for("the pods' bridge", || cluster.bridge());
        Some(cluster)
    }

    /// Has the cluster know an image of this command.
    fn bring_image(&self) {
        let archive = self.at("image.tar");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/image");
        let mut pack = Command::new(script);
        pack.args(["syncline:test".as_ref(), archive.as_os_str(), env!("CARGO_BIN_EXE_syncline").as_ref()]);
        // Programs of tests of their own are in the binary of this test.
        pack.arg(carrier()).arg(env::current_exe().unwrap());
        assert!(pack.status().unwrap().success());
        let socket = self.at("containerd/c.sock");
        let mut import = Command::new("ctr");
        import.arg("-a").arg(socket).args(["-n", "k8s.io", "images", "import"]).arg(&archive);
        assert!(import.stdout(Stdio::null()).status().unwrap().success());
        fs::remove_file(archive).unwrap();
    }

    fn bridge(&self) -> Option<IpAddr> {
        let answer = Command::new("ip").args(["-4", "-json", "addr", "show", "cik8s0"]).output().unwrap();
        let links: Value = serde_json::from_slice(&answer.stdout).ok()?;
        links[0]["addr_info"][0]["local"].as_str()?.parse().ok()
    }

    /// What `kubectl` prints, which must succeed.
    fn kubectl(&self, arguments: &str) -> String {
        let output = Command::new("kubectl")
            .args(arguments.split(' '))
            .env("KUBECONFIG", self.at("kubeconfig"))
            .output();
        let output = output.unwrap();
        assert!(output.status.success(), "kubectl {arguments}: {}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The pods of programs, by their names.
    fn pods(&self) -> Vec<String> {
        let names = self.kubectl("get pods -l syncline/run -o name");
        names.lines().map(|name| name.trim_start_matches("pod/").to_owned()).collect()
    }

    /// Waits until so many run; the one of this node.
    fn running(&self, count: usize, node: &str) -> String {
        let all = || {
            let running =
                self.kubectl("get pods -l syncline/run --field-selector=status.phase=Running -o name");
            let running: Vec<_> =
                running.lines().map(|name| name.trim_start_matches("pod/").to_owned()).collect();
            running.iter().find(|name| name.ends_with(node)).filter(|_| running.len() == count).cloned()
        };
        wait_within(Duration::from_secs(60), "the pods", all)
    }

    /// The process of this node that its agent has started in the pod.
    fn process(&self, node: &str) -> u32 {
        let mark = format!("SYNCLINE_NODE={node}");
        let is_node = |words: &[String]| {
            words.contains(&mark) && !words.iter().any(|word| word.starts_with("SYNCLINE_AGENT="))
        };
        // Other tests may have nodes of that name on this machine.
        let is_in_pod = |pid: u32| {
            fs::read_to_string(format!("/proc/{pid}/cgroup")).is_ok_and(|at| at.contains("kubepods"))
        };
        let all = || processes().into_iter();
        let find = || all().find(|(pid, words)| is_node(words) && is_in_pod(*pid)).map(|(pid, _)| pid);
        wait_for("the node's process", find)
    }

    /// The token of an account.
    fn token(&self, account: &str) -> String {
        let name = || self.kubectl(&format!("get serviceaccount {account} -o jsonpath={{.secrets[0].name}}"));
        let secret = wait_for("the account's token", || Some(name()).filter(|name| !name.is_empty()));
        let token =
            self.kubectl(&format!("get secret {secret} -o go-template={{{{.data.token|base64decode}}}}"));
        token.trim().to_owned()
    }

    /// Has the cluster launch a run as `--dry-run` prints it, with what this small cluster lacks: it hands no tokens to pods, and
    /// its API server is at loopback.
    fn launch(&self, arguments: &str, options: &str) {
        let printed = self.train(&format!("{arguments} --dry-run"), options).output().unwrap();
        assert!(printed.status.success(), "{}", stderr(&printed));
        let printed = String::from_utf8(printed.stdout).unwrap();
        let (rights, job) = printed.rsplit_once("---\n").unwrap();
        let rights = write(self.folder.path(), "rights.yaml", rights);
        self.kubectl(&format!("apply -f {}", rights.display()));
        if self.kubectl("get secrets -o name").lines().all(|name| name != "secret/within") {
            let certificate = self.at("certs/apiserver.crt").display().to_string();
            let token = self.token("syncline");
            self.kubectl(&format!(
                "create secret generic within --from-literal=token={token} --from-literal=namespace=default \
                 --from-file=ca.crt={certificate}"
            ));
        }
        let job = write(self.folder.path(), "job.yaml", job);
        let job = self.kubectl(&format!("create --dry-run=client -o json -f {}", job.display()));
        let mut job: Value = serde_json::from_str(&job).unwrap();
        let pod = &mut job["spec"]["template"]["spec"];
        pod["hostNetwork"] = json!(true);
        append(&mut pod["volumes"], json!({ "name": "within", "secret": { "secretName": "within" } }));
        let container = &mut pod["containers"][0];
        let path = "/var/run/secrets/kubernetes.io/serviceaccount";
        append(&mut container["volumeMounts"], json!({ "name": "within", "mountPath": path }));
        let server = [("KUBERNETES_SERVICE_HOST", "127.0.0.1"), ("KUBERNETES_SERVICE_PORT", "16443")];
        let server = server.map(|(name, value)| json!({ "name": name, "value": value }));
        container["env"].as_array_mut().unwrap().extend(server);
        let job = write(self.folder.path(), "job.json", &job.to_string());
        self.kubectl(&format!("apply -f {}", job.display()));
    }

    /// Ends what has been launched so.
    fn put_away(&self, job: &str) {
        self.kubectl(&format!("delete job {job}"));
        wait_within(Duration::from_secs(60), "the pods' end", || self.pods().is_empty().then_some(()));
        self.kubectl("delete secret within");
        self.kubectl("delete serviceaccount syncline");
        self.kubectl("delete role,rolebinding syncline-launcher");
    }

    /// Applies an object.
    fn apply(&self, object: &Value) {
        let name = format!("{}.json", object["kind"].as_str().unwrap());
        let file = write(self.folder.path(), &name, &object.to_string());
        self.kubectl(&format!("apply -f {}", file.display()));
    }

    /// What comes of a program of a test of its own that runs here.
    fn outcome(&self, program: &str) -> Value {
        let on = format!("kubernetes:image={IMAGE},pull=never,listen={}", self.address);
        let mut command = programs::program(program, &on);
        command.env("KUBECONFIG", self.at("kubeconfig")).env("SYNCLINE_KUBERNETES_COMMAND", carrier());
        programs::outcome(&command.output().unwrap())
    }

    fn train(&self, arguments: &str, options: &str) -> Command {
        self.train_from(IMAGE, arguments, options)
    }

    fn train_from(&self, image: &str, arguments: &str, options: &str) -> Command {
        let on = format!("kubernetes:image={image},pull=never,listen={}{options}", self.address);
        let mut command = command(&format!("{arguments} --on {on}"));
        command.env("KUBECONFIG", self.at("kubeconfig"));
        command
    }

    /// As [`train`](Self::train), for a launcher that the cluster has.
    fn train_there(&self, arguments: &str, options: &str) -> Command {
        let mut command = command(&format!("{arguments} --on kubernetes:image={IMAGE},pull=never{options}"));
        command.env("KUBECONFIG", self.at("kubeconfig"));
        command
    }

    fn spawn(&self, arguments: &str) -> Child {
        self.train(arguments, "").stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap()
    }

    /// Offers a folder of this machine as a volume of this name.
    fn offer(&self, name: &str, folder: &Path) {
        let room = json!({ "storage": "1Gi" });
        self.apply(&json!({
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": { "name": name },
            "spec": { "capacity": room, "accessModes": ["ReadWriteMany"], "storageClassName": "",
                      "persistentVolumeReclaimPolicy": "Retain", "hostPath": { "path": folder } },
        }));
        self.apply(&json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": { "name": name },
            "spec": { "accessModes": ["ReadWriteMany"], "storageClassName": "", "volumeName": name,
                      "resources": { "requests": room } },
        }));
    }

    /// Bytes of memory that the kubelet says are available.
    fn available(&self) -> u64 {
        let said = || {
            let text = self.kubectl("get --raw /api/v1/nodes/n1/proxy/stats/summary");
            let summary: Value = serde_json::from_str(&text).ok()?;
            summary["node"]["memory"]["availableBytes"].as_u64()
        };
        wait_within(Duration::from_secs(60), "what the kubelet says", said)
    }

    /// Starts the kubelet again, which from now on evicts pods when less than so many bytes are available.
    fn restart_kubelet(&self, least: u64) {
        let config = self.at("kubelet.yaml");
        let text = fs::read_to_string(&config).unwrap();
        let least = format!("  memory.available: \"{}Ki\"", least >> 10);
        let lines = text.lines().filter(|line| !line.starts_with("evictionPressureTransitionPeriod"));
        let lines = lines.map(|line| match line.strip_prefix("evictionHard:") {
            Some(_) => format!(
                "evictionHard: {{{}, nodefs.available: \"1%\", imagefs.available: \"1%\"}}",
                least.trim()
            ),
            None => line.to_owned(),
        });
        let text = lines.collect::<Vec<_>>().join("\n") + "\nevictionPressureTransitionPeriod: 5s\n";
        fs::write(&config, text).unwrap();
        let pid = fs::read_to_string(self.at("pid/kubelet")).unwrap().trim().to_owned();
        let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap();
        let words: Vec<_> = words.split(|byte| *byte == 0).filter(|word| !word.is_empty()).collect();
        let words = words.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect::<Vec<_>>();
        signal(pid.parse().unwrap(), "TERM");
        wait_for("the kubelet's end", || (!is_running(pid.parse().unwrap())).then_some(()));
        let log = fs::File::options().append(true).open(self.at("log/kubelet.log")).unwrap();
        let mut kubelet = Command::new(&words[0]);
        kubelet.args(&words[1..]).current_dir(self.folder.path()).stdin(Stdio::null());
        let kubelet = kubelet.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        fs::write(self.at("pid/kubelet"), kubelet.id().to_string()).unwrap();
        if let Some(mut earlier) = self.kubelet.replace(Some(kubelet)) {
            earlier.wait().unwrap();
        }
        let ready = || {
            let node: Value = serde_json::from_str(&self.kubectl("get node n1 -o json")).unwrap();
            let is = |kind: &str, status: &str| {
                let all = node["status"]["conditions"].as_array().unwrap().iter();
                all.clone().any(|one| one["type"] == kind && one["status"] == status)
            };
            let tainted = node["spec"]["taints"].as_array().is_some_and(|taints| !taints.is_empty());
            (is("Ready", "True") && is("MemoryPressure", "False") && !tainted).then_some(())
        };
        std::thread::sleep(Duration::from_secs(2));
        wait_within(Duration::from_secs(90), "the kubelet", ready);
    }

    fn assert_empty(&self) {
        assert_eq!(self.pods(), Vec::<String>::new(), "pods are left");
        let all = self.kubectl(
            "get secrets,configmaps,services,jobs -A -l app.kubernetes.io/managed-by=syncline -o name",
        );
        assert_eq!(all, "");
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = Command::new(&self.down)
            .arg(self.folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if let Some(mut kubelet) = self.kubelet.take() {
            let _ = kubelet.wait();
        }
    }
}

/// The address at which pods are told to find the API server: this cluster has nobody who brings them from there to where it is.
struct Door;

const DOOR: &str = "10.96.0.1";

impl Door {
    fn open() -> Door {
        let added = Command::new("ip").args(["addr", "add", &format!("{DOOR}/32"), "dev", "cik8s0"]).status();
        assert!(added.unwrap().success());
        let listener = TcpListener::bind((DOOR, 443)).unwrap();
        std::thread::spawn(move || {
            for pod in listener.incoming().map_while(Result::ok) {
                let server = TcpStream::connect("127.0.0.1:16443").unwrap();
                let ways = [(pod.try_clone().unwrap(), server.try_clone().unwrap()), (server, pod)];
                for (mut from, mut to) in ways {
                    std::thread::spawn(move || {
                        let _ = io::copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Write);
                    });
                }
            }
        });
        Door
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        // With the address goes who listens there.
        let _ = Command::new("ip").args(["addr", "del", &format!("{DOOR}/32"), "dev", "cik8s0"]).status();
    }
}

fn has_checkpoint(folder: &Path) -> Option<()> {
    let is_checkpoint = |entry: fs::DirEntry| entry.file_name().to_string_lossy().starts_with("round-");
    fs::read_dir(folder).ok()?.flatten().any(is_checkpoint).then_some(())
}

/// Puts one more into a list, which may not be there yet.
fn append(list: &mut Value, one: Value) {
    if list.is_null() {
        *list = json!([]);
    }
    list.as_array_mut().unwrap().push(one);
}

/// The command that carries nodes.
fn carrier() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_syncline")).with_file_name("syncline-kubernetes")
}

fn assert_says(output: &Output, code: i32, parts: &[&str]) {
    let message = stderr(output);
    let folded = message.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(output.status.code(), Some(code), "{message}");
    for part in parts {
        assert!(folded.contains(part), "`{part}` is missing in: {message}");
    }
}

/// What is tried on a cluster, under its name.
type Step = (&'static str, fn(&Cluster));

/// One test, since the cluster takes longest.
#[test]
fn programs_in_pods() {
    let Some(cluster) = Cluster::start() else { return };
    let steps: [Step; 17] = [
        ("a model is the same in pods as on threads", the_same_model),
        ("a job file gives the same model, and rows are lent to pods without it", the_same_job),
        ("a program of thirty-two pods", many_pods),
        ("a pod that is deleted is named, and nothing is left", a_deleted_pod),
        ("a node that is killed is named, and nothing is left", a_killed_node),
        ("nothing outlives its launcher, and no secret is in the open", a_killed_launcher),
        ("a node is started again in a new pod", started_again),
        ("a pod that is evicted is told from one that fails", evicted),
        ("groups share a process in a pod", colocated),
        ("what cannot start says why", what_cannot_start),
        ("the rights that are printed are enough, and needed", the_rights),
        ("the cluster launches a run itself", launched_there),
        ("a run whose launcher is taken away goes on by itself from a volume", resumed_there),
        ("a run that is left to itself is followed and stopped", left_to_itself),
        ("a run that is left to the cluster is followed and stopped", left_to_the_cluster),
        ("pods that the machine has no memory left for are told from those that fail", pressed),
        ("a machine that is lost is blamed, and nothing is left", a_lost_machine),
    ];
    let wanted = env::var("SYNCLINE_STEPS").unwrap_or_default();
    let chosen: Vec<_> = steps.into_iter().filter(|(name, _)| name.contains(&wanted)).collect();
    assert!(!chosen.is_empty(), "no step has `{wanted}` in its name");
    for (name, step) in chosen {
        let begun = Instant::now();
        step(&cluster);
        cluster.assert_empty();
        eprintln!("{name}: {:.1} s", begun.elapsed().as_secs_f64());
    }
}

fn the_same_model(cluster: &Cluster) {
    let saved = |name: &str| cluster.at(&format!("{name}.safetensors"));
    let here = run(&format!("{TRAIN} --save {}", saved("threads").display()));
    assert!(here.status.success(), "{}", stderr(&here));
    for (name, more) in [("tls", ""), ("open", "--insecure-network")] {
        let there =
            cluster.train(&format!("{TRAIN} --save {} {more}", saved(name).display()), "").output().unwrap();
        assert!(there.status.success(), "{}", stderr(&there));
        assert_eq!(fs::read(saved(name)).unwrap(), fs::read(saved("threads")).unwrap(), "{name}");
    }
}

/// Neither the file of the job nor its data are in the image.
fn the_same_job(cluster: &Cluster) {
    let job = job_file(cluster.folder.path());
    let saved = |name: &str| cluster.at(&format!("job-{name}.safetensors"));
    let here = run(&format!("train {} --quiet --save {}", job.display(), saved("here").display()));
    assert!(here.status.success(), "{}", stderr(&here));
    let train = format!("train {} --quiet --save {}", job.display(), saved("there").display());
    let there = cluster.train(&train, "").output().unwrap();
    assert!(there.status.success(), "{}", stderr(&there));
    assert_eq!(fs::read(saved("there")).unwrap(), fs::read(saved("here")).unwrap());
}

fn many_pods(cluster: &Cluster) {
    let data = csv(cluster.folder.path(), 3000);
    let train =
        format!("train {} --workers 30 --servers 2 --epochs 1 --model softmax --json", data.display());
    let output = cluster.train(&train, "").output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["workers"].as_array().unwrap().len(), 30);
    assert_eq!(samples(&report), 2400);
}

fn a_deleted_pod(cluster: &Cluster) {
    let running = cluster.spawn(LONG);
    let pod = cluster.running(5, "worker-2");
    cluster.kubectl(&format!("delete pod {pod} --wait=false"));
    let output = running.wait_with_output().unwrap();
    assert_says(&output, 1, &["worker/2", "its pod was deleted"]);
}

fn a_killed_node(cluster: &Cluster) {
    let running = cluster.spawn(LONG);
    cluster.running(5, "worker-1");
    signal(cluster.process("worker/1"), "KILL");
    let output = running.wait_with_output().unwrap();
    assert_says(&output, 1, &["worker/1", "was killed by signal 9"]);
}

fn a_killed_launcher(cluster: &Cluster) {
    let mut running = cluster.spawn(LONG);
    let pod = cluster.running(5, "server-0");
    let is_secret = |word: &str| word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let object = cluster.kubectl(&format!("get pod {pod} -o jsonpath={{.spec.containers}}"));
    assert!(object.contains("SYNCLINE_NODE"), "{object}");
    assert!(!object.split(|letter: char| !letter.is_ascii_alphanumeric()).any(is_secret), "{object}");
    running.kill().unwrap();
    running.wait().unwrap();
    wait_for("the pods' end", || cluster.pods().is_empty().then_some(()));
    let mark = "SYNCLINE_KUBERNETES_ORDER=";
    let ours = || processes().into_iter().any(|(_, words)| words.iter().any(|word| word.starts_with(mark)));
    wait_for("the end of what served it", || (!ours()).then_some(()));
}

fn started_again(cluster: &Cluster) {
    let train = "train --quiet --workers 2 --servers 1 --epochs 8 --inject all:5ms";
    let saved = |name: &str| cluster.at(&format!("again-{name}.safetensors"));
    let whole = run(&format!("{train} --save {}", saved("whole").display()));
    assert!(whole.status.success(), "{}", stderr(&whole));
    let deleted = |pod: &str| drop(cluster.kubectl(&format!("delete pod {pod} --wait=false")));
    let evicted = |pod: &str| {
        let metadata = json!({ "name": pod, "namespace": "default" });
        let wish = json!({ "apiVersion": "policy/v1beta1", "kind": "Eviction", "metadata": metadata });
        let wish = write(cluster.folder.path(), "eviction.json", &wish.to_string());
        let at = format!("/api/v1/namespaces/default/pods/{pod}/eviction");
        cluster.kubectl(&format!("create --raw {at} -f {}", wish.display()));
    };
    for name in ["deleted", "evicted"] {
        let cut = format!("{train} --on-worker-loss restart --save {}", saved(name).display());
        let running = cluster.spawn(&cut);
        let pod = cluster.running(3, "worker-1");
        if name == "evicted" {
            evicted(&pod)
        } else {
            deleted(&pod)
        }
        let output = running.wait_with_output().unwrap();
        assert_says(&output, 0, &["worker/1", "is started again"]);
        assert_eq!(fs::read(saved(name)).unwrap(), fs::read(saved("whole")).unwrap(), "{name}");
    }
}

/// By the kubelet, for what its container has written.
fn evicted(cluster: &Cluster) {
    cluster.apply(&json!({
        "apiVersion": "v1", "kind": "LimitRange", "metadata": { "name": "scarce" },
        "spec": { "limits": [{ "type": "Container", "default": { "ephemeral-storage": "16Mi" } }] },
    }));
    let running = cluster.spawn(LONG);
    cluster.running(5, "worker-1");
    let root = format!("/proc/{}/root/tmp/written", cluster.process("worker/1"));
    fs::write(root, vec![1; 64 << 20]).unwrap();
    let output = running.wait_with_output().unwrap();
    cluster.kubectl("delete limitrange scarce");
    assert_says(&output, 1, &["worker/1", "its pod was evicted: ", "ephemeral"]);
}

#[test]
#[ignore = "another test launches it on its cluster"]
fn colocated_program() {
    programs::colocated();
}

fn colocated(cluster: &Cluster) {
    let outcome = cluster.outcome("colocated_program");
    let bytes = |node: &str| outcome[node][1].as_u64().unwrap();
    assert_eq!((&outcome["sum"], &outcome["near_calls"][0], bytes("near_calls")), (&12.into(), &4.into(), 0));
    let pod = |node: &str| outcome[node][0][0].as_str().unwrap().to_owned();
    assert!(pod("near").ends_with("-player") && pod("far").ends_with("-far-0"), "{outcome}");
    assert!(bytes("far_calls") > 0, "{outcome}");
}

fn the_rights(cluster: &Cluster) {
    let access = Command::new(carrier()).args(["access", "--service-account", "tester"]).output().unwrap();
    let access = write(cluster.folder.path(), "access.yaml", &String::from_utf8(access.stdout).unwrap());
    cluster.kubectl(&format!("apply -f {}", access.display()));
    let token = cluster.token("tester");
    let admin = fs::read_to_string(cluster.at("kubeconfig")).unwrap();
    let config = write(cluster.folder.path(), "tester.conf", &admin.replace("tok-admin", &token));
    let train = || cluster.train(TRAIN, "").env("KUBECONFIG", &config).output().unwrap();
    let output = train();
    assert!(output.status.success(), "{}", stderr(&output));
    cluster.kubectl("delete rolebinding syncline-launcher");
    assert_says(
        &train(),
        1,
        &["cannot list resource \"pods\"", "syncline-kubernetes access --namespace default"],
    );
    cluster.kubectl(&format!("delete --ignore-not-found -f {}", access.display()));
}

fn launched_there(cluster: &Cluster) {
    cluster.launch(TRAIN, "");
    cluster.kubectl("wait --for=condition=complete job/train --timeout=120s");
    assert_eq!(cluster.pods(), Vec::<String>::new());
    cluster.kubectl("delete job train");
    // With the launcher go its nodes.
    cluster.launch(LONG, "");
    let pod = cluster.running(5, "worker-0");
    let owner = cluster.kubectl(&format!("get pod {pod} -o jsonpath={{.metadata.ownerReferences[0].name}}"));
    assert!(owner.starts_with("train-"), "{owner}");
    cluster.put_away("train");
}

fn resumed_there(cluster: &Cluster) {
    let volume = cluster.at("volume");
    fs::create_dir(&volume).unwrap();
    cluster.offer("data", &volume);
    let train = "train --quiet --workers 2 --servers 1 --epochs 12 --inject all:5ms";
    let whole = cluster.at("whole.safetensors");
    assert!(run(&format!("{train} --save {}", whole.display())).status.success());
    let options = ",volume=data:/data,retries=3,grace=20";
    cluster.launch(&format!("{train} --run-dir /data/run --checkpoint-every rounds:20"), options);
    let checkpoints = volume.join("run/checkpoints");
    wait_within(Duration::from_secs(60), "a checkpoint", || has_checkpoint(&checkpoints));
    // Its grace is for a checkpoint of the moment.
    cluster.kubectl("delete pod -l job-name=train");
    let log = || fs::read_to_string(volume.join("run/log")).unwrap();
    assert!(log().contains("interrupted"), "{}", log());
    cluster.kubectl("wait --for=condition=complete job/train --timeout=120s");
    assert!(log().contains("goes on"), "{}", log());
    assert_eq!(fs::read(volume.join("run/model.safetensors")).unwrap(), fs::read(&whole).unwrap());
    // Launched once more, it is found to be finished.
    let begun = log();
    cluster.kubectl("delete job train");
    cluster.kubectl(&format!("apply -f {}", cluster.at("job.json").display()));
    cluster.kubectl("wait --for=condition=complete job/train --timeout=60s");
    assert_eq!(log(), begun);
    cluster.put_away("train");
    cluster.kubectl("delete pvc data");
    cluster.kubectl("delete pv data");
}

/// The launcher goes on beside the cluster, in the background of this machine.
fn left_to_itself(cluster: &Cluster) {
    let folder = cluster.at("left");
    let mut left = cluster
        .train(&format!("{LONG} --run-dir {} --checkpoint-every rounds:20 --detach", folder.display()), "");
    let left = left.stdin(Stdio::null()).output().unwrap();
    assert_says(&left, 0, &["syncline attach"]);
    // Its folder, in which the job is, no pod sees.
    wait_within(Duration::from_secs(90), "a checkpoint", || has_checkpoint(&folder.join("checkpoints")));
    let stopped = run(&format!("stop {}", folder.display()));
    assert!(stopped.status.success(), "{}", stderr(&stopped));
    let logs = run(&format!("logs {}", folder.display()));
    let said = String::from_utf8_lossy(&logs.stdout).into_owned();
    assert!(said.contains("its pods are in namespace default"), "{said}");
    wait_within(Duration::from_secs(60), "the pods' end", || cluster.pods().is_empty().then_some(()));
}

/// As pods of a larger cluster do, its launcher reaches the API server at the address that all pods are told, and has an account.
fn left_to_the_cluster(cluster: &Cluster) {
    let access = Command::new(carrier()).arg("access").output().unwrap();
    let access = write(cluster.folder.path(), "access.yaml", &String::from_utf8(access.stdout).unwrap());
    cluster.kubectl(&format!("apply -f {}", access.display()));
    let account = cluster.at("account");
    fs::create_dir(&account).unwrap();
    fs::copy(cluster.at("certs/apiserver.crt"), account.join("ca.crt")).unwrap();
    write(&account, "token", &cluster.token("syncline"));
    write(&account, "namespace", "default");
    let volume = cluster.at("shared");
    fs::create_dir(&volume).unwrap();
    cluster.offer("account", &account);
    cluster.offer("shared", &volume);
    let door = Door::open();
    let options =
        ",volume=shared:/data,volume=account:/var/run/secrets/kubernetes.io/serviceaccount:ro,grace=20";
    let syncline = |arguments: &str| {
        let mut command = command(arguments);
        command.env("KUBECONFIG", cluster.at("kubeconfig")).output().unwrap()
    };
    let detach = |arguments: &str| {
        let left = cluster.train_there(&format!("{arguments} --detach"), options).output().unwrap();
        assert_says(&left, 0, &[]);
        String::from_utf8(left.stdout).unwrap().trim().to_owned()
    };
    let train = "train --quiet --workers 2 --servers 1 --epochs 2";
    assert_eq!(detach(&format!("{train} --run-dir /data/first")), "kubernetes:default/train-first");
    let followed = syncline("attach kubernetes:default/train-first");
    let said = String::from_utf8_lossy(&followed.stdout).into_owned();
    assert!(followed.status.success() && said.contains("where the time went"), "{said}{}", stderr(&followed));
    let here = cluster.at("first.safetensors");
    assert!(run(&format!("{train} --save {}", here.display())).status.success());
    assert_eq!(fs::read(volume.join("first/model.safetensors")).unwrap(), fs::read(&here).unwrap());
    // There is one of that name still, which says what it has said.
    let again = cluster.train_there(&format!("{train} --run-dir /data/first --detach"), options);
    assert_says(&{ again }.output().unwrap(), 1, &["there is kubernetes:default/train-first already"]);
    let logs = syncline("logs kubernetes:default/train-first");
    assert_eq!(String::from_utf8_lossy(&logs.stdout), said);
    assert_says(&syncline("stop kubernetes:default/train-first"), 0, &[]);
    assert_says(
        &syncline("logs kubernetes:default/train-first"),
        1,
        &["there is no kubernetes:default/train-first"],
    );
    // One that is stopped writes a checkpoint, and goes on from there when it is left to the cluster again.
    detach(&format!("{LONG} --run-dir /data/long --checkpoint-every rounds:20"));
    wait_within(Duration::from_secs(90), "a checkpoint", || has_checkpoint(&volume.join("long/checkpoints")));
    assert_says(&syncline("stop kubernetes:default/train-long"), 0, &[]);
    let log = || fs::read_to_string(volume.join("long/log")).unwrap();
    assert!(log().contains("interrupted"), "{}", log());
    detach(&format!("{LONG} --run-dir /data/long --checkpoint-every rounds:20"));
    wait_within(Duration::from_secs(60), "the run to go on", || log().contains("goes on").then_some(()));
    assert_says(&syncline("stop kubernetes:default/train-long"), 0, &[]);
    wait_within(Duration::from_secs(60), "the pods' end", || cluster.pods().is_empty().then_some(()));
    drop(door);
    for claim in ["account", "shared"] {
        cluster.kubectl(&format!("delete pvc {claim}"));
        cluster.kubectl(&format!("delete pv {claim}"));
    }
    cluster.kubectl(&format!("delete -f {}", access.display()));
}

/// The kubelet takes the memory that is left for too little when more than a tenth of it has gone.
fn pressed(cluster: &Cluster) {
    let available = cluster.available();
    cluster.restart_kubelet(available / 10 * 9);
    let running = cluster.spawn(LONG);
    cluster.running(5, "worker-1");
    let taken = vec![1u8; usize::try_from(available / 5).unwrap()];
    let output = running.wait_with_output().unwrap();
    drop(taken);
    cluster.restart_kubelet(100 << 20);
    assert_says(&output, 1, &["its pod was evicted: ", "low on resource: memory"]);
}

/// Its kubelet is: the last step, since the cluster has no other machine.
fn a_lost_machine(cluster: &Cluster) {
    let checkpoints = cluster.at("lost");
    let running =
        cluster.spawn(&format!("{LONG} --checkpoint {} --checkpoint-every rounds:5", checkpoints.display()));
    // Only a node that is attached to can be lost.
    wait_within(Duration::from_secs(60), "a checkpoint", || has_checkpoint(&checkpoints));
    let kubelet = fs::read_to_string(cluster.at("pid/kubelet")).unwrap();
    let begun = Instant::now();
    signal(kubelet.trim().parse().unwrap(), "KILL");
    let output = running.wait_with_output().unwrap();
    // Its peers miss it seconds before Kubernetes does.
    let lost = "was lost: its host, or the connection to it, is gone";
    assert_says(&output, 1, &[lost, "the run goes on from round"]);
    assert!(!stderr(&output).contains("lost its peer"), "{}", stderr(&output));
    assert!(begun.elapsed() < Duration::from_secs(30), "{}", stderr(&output));
}

fn what_cannot_start(cluster: &Cluster) {
    let fails = |arguments: &str, options: &str, says: &[&str]| {
        let output = cluster.train(arguments, options).output().unwrap();
        assert_says(&output, 1, says);
        cluster.assert_empty();
    };
    fails(TRAIN, ",cpu=1000,wait=3", &["has waited for 3 s", "Insufficient cpu"]);
    fails(TRAIN, ",binary=/bin/none", &["did not start", "/bin/none"]);
    fails(TRAIN, ",namespace=nowhere", &["namespaces \"nowhere\" not found"]);
    let output = cluster.train_from("absent:1", TRAIN, "").output().unwrap();
    assert_says(&output, 1, &["did not start", "ErrImageNeverPull"]);
}
