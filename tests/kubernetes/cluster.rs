//! The cluster that is tried on.

#[path = "door.rs"]
mod door;

use std::{
    cell::RefCell,
    collections::BTreeMap,
    env, fs,
    net::IpAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use self::door::Door;
use crate::{
    programs,
    support::{command, is_running, processes, signal, stderr, wait_for, wait_within, write},
};

pub const IMAGE: &str = "docker.io/library/syncline:test";

/// A cluster of one machine, which ends with the value.
pub struct Cluster {
    folder: TempDir,
    down: PathBuf,
    /// An address of this machine that its pods reach.
    address: IpAddr,
    /// Those that were started again here.
    daemons: RefCell<BTreeMap<String, Child>>,
    door: Option<Door>,
}

impl Cluster {
    /// Starts it; nothing, with a notice, where it cannot be had.
    pub fn start() -> Option<Cluster> {
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
        let (address, daemons) = ([127, 0, 0, 1].into(), RefCell::default());
        let mut cluster = Cluster { folder, down, address, daemons, door: None };
        assert!(started.success(), "{}", fs::read_to_string(cluster.at("up.log")).unwrap());
        cluster.hand_out_tokens();
        cluster.bring_image();
        // The bridge between this machine and its pods comes with the first of them. On a disk that is nearly full a kubelet removes
        // images that no pod has: these two stay.
        let idle = "--image-pull-policy=Never --restart=Never";
        cluster.kubectl(&format!("run first --image=docker.io/local/pause:1 {idle}"));
        cluster.kubectl(&format!("run second --image={IMAGE} {idle} --command -- /bin/syncline --version"));
        cluster.address = wait_for("the pods' bridge", || cluster.bridge());
        cluster.door = Some(Door::open());
        Some(cluster)
    }

    /// Has pods get the token of their account, as those of clusters do that are not only for tests.
    fn hand_out_tokens(&self) {
        self.restart("api", |words| {
            words.retain(|word| word != "--disable-admission-plugins=ServiceAccount")
        });
        let ready = || self.ask("get --raw /readyz").status.success().then_some(());
        wait_within(Duration::from_secs(120), "the API server", ready);
        let authority = self.at("certs/apiserver.crt");
        self.restart("cm", |words| words.push(format!("--root-ca-file={}", authority.display())));
        let has_token = || {
            let name = self.ask("get serviceaccount default -o jsonpath={.secrets[0].name}").stdout;
            (!name.is_empty()).then_some(())
        };
        wait_within(Duration::from_secs(120), "the default account's token", has_token);
    }

    /// Starts a daemon again, by its own words but for what is changed of them.
    fn restart(&self, name: &str, change: impl FnOnce(&mut Vec<String>)) {
        let file = self.at(&format!("pid/{name}"));
        let pid: u32 = fs::read_to_string(&file).unwrap().trim().parse().unwrap();
        let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap();
        let words = words.split(|byte| *byte == 0).filter(|word| !word.is_empty());
        let mut words: Vec<_> = words.map(|word| String::from_utf8_lossy(word).into_owned()).collect();
        change(&mut words);
        // An API server that is asked to end would wait a minute for those that watch.
        signal(pid, "KILL");
        wait_within(Duration::from_secs(90), "a daemon's end", || (!is_running(pid)).then_some(()));
        let log = fs::File::options().append(true).open(self.at(&format!("log/{name}.log"))).unwrap();
        let mut daemon = Command::new(&words[0]);
        daemon.args(&words[1..]).current_dir(self.folder.path()).stdin(Stdio::null());
        let daemon = daemon.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        fs::write(file, daemon.id().to_string()).unwrap();
        if let Some(mut earlier) = self.daemons.borrow_mut().insert(name.to_owned(), daemon) {
            earlier.wait().unwrap();
        }
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
    pub fn kubectl(&self, arguments: &str) -> String {
        let output = self.ask(arguments);
        assert!(output.status.success(), "kubectl {arguments}: {}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// What comes of `kubectl`.
    fn ask(&self, arguments: &str) -> Output {
        let mut kubectl = Command::new("kubectl");
        kubectl.args(arguments.split(' ')).env("KUBECONFIG", self.at("kubeconfig")).output().unwrap()
    }

    /// The pods of programs, by their names.
    pub fn pods(&self) -> Vec<String> {
        let names = self.kubectl("get pods -l syncline/run -o name");
        names.lines().map(|name| name.trim_start_matches("pod/").to_owned()).collect()
    }

    /// Waits until so many run; the one of this node.
    pub fn running(&self, count: usize, node: &str) -> String {
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
    pub fn process(&self, node: &str) -> u32 {
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
    pub fn token(&self, account: &str) -> String {
        let name = || self.kubectl(&format!("get serviceaccount {account} -o jsonpath={{.secrets[0].name}}"));
        let secret = wait_for("the account's token", || Some(name()).filter(|name| !name.is_empty()));
        let token =
            self.kubectl(&format!("get secret {secret} -o go-template={{{{.data.token|base64decode}}}}"));
        token.trim().to_owned()
    }

    /// Has the cluster launch a run as `--dry-run` prints it.
    pub fn launch(&self, arguments: &str, options: &str) {
        let printed = self.train_there(&format!("{arguments} --dry-run"), options).output().unwrap();
        assert!(printed.status.success(), "{}", stderr(&printed));
        fs::write(self.at("train.yaml"), printed.stdout).unwrap();
        self.kubectl(&format!("apply -f {}", self.at("train.yaml").display()));
    }

    /// Ends what has been launched so.
    pub fn put_away(&self, job: &str) {
        self.kubectl(&format!("delete job {job}"));
        wait_within(Duration::from_secs(60), "the pods' end", || self.pods().is_empty().then_some(()));
        self.kubectl("delete serviceaccount syncline");
        self.kubectl("delete role,rolebinding syncline-launcher");
    }

    /// Applies an object.
    pub fn apply(&self, object: &Value) {
        let name = format!("{}.json", object["kind"].as_str().unwrap());
        let file = write(self.folder.path(), &name, &object.to_string());
        self.kubectl(&format!("apply -f {}", file.display()));
    }

    /// What comes of a program of a test of its own that runs here.
    pub fn outcome(&self, program: &str) -> Value {
        let on = format!("kubernetes:image={IMAGE},pull=never,listen={}", self.address);
        let mut command = programs::program(program, &on);
        command.env("KUBECONFIG", self.at("kubeconfig")).env("SYNCLINE_KUBERNETES_COMMAND", carrier());
        programs::outcome(&command.output().unwrap())
    }

    pub fn train(&self, arguments: &str, options: &str) -> Command {
        self.train_from(IMAGE, arguments, options)
    }

    pub fn train_from(&self, image: &str, arguments: &str, options: &str) -> Command {
        let on = format!("kubernetes:image={image},pull=never,listen={}{options}", self.address);
        let mut command = command(&format!("{arguments} --on {on}"));
        command.env("KUBECONFIG", self.at("kubeconfig"));
        command
    }

    /// As [`train`](Self::train), for a launcher that the cluster has.
    pub fn train_there(&self, arguments: &str, options: &str) -> Command {
        let mut command = command(&format!("{arguments} --on kubernetes:image={IMAGE},pull=never{options}"));
        command.env("KUBECONFIG", self.at("kubeconfig"));
        command
    }

    pub fn spawn(&self, arguments: &str) -> Child {
        self.train(arguments, "").stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap()
    }

    /// Offers a folder of this machine as a volume of this name.
    pub fn offer(&self, name: &str, folder: &Path) {
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
    pub fn available(&self) -> u64 {
        let said = || {
            let text = self.kubectl("get --raw /api/v1/nodes/n1/proxy/stats/summary");
            let summary: Value = serde_json::from_str(&text).ok()?;
            summary["node"]["memory"]["availableBytes"].as_u64()
        };
        wait_within(Duration::from_secs(60), "what the kubelet says", said)
    }

    /// Starts the kubelet again, which from now on evicts pods when less than so many bytes are available.
    pub fn restart_kubelet(&self, least: u64) {
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
        self.restart("kubelet", |_| ());
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

    pub fn assert_empty(&self) {
        assert_eq!(self.pods(), Vec::<String>::new(), "pods are left");
        let all = self.kubectl(
            "get secrets,configmaps,services,jobs -A -l app.kubernetes.io/managed-by=syncline -o name",
        );
        assert_eq!(all, "");
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    /// Where all that the test writes is.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = Command::new(&self.down)
            .arg(self.folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        for daemon in self.daemons.borrow_mut().values_mut() {
            let _ = daemon.wait();
        }
    }
}

/// The command that carries nodes.
pub fn carrier() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_syncline")).with_file_name("syncline-kubernetes")
}
