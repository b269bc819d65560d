//! Hosts that `ssh` reaches: three servers of SSH on this machine, each at an address of its own.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

use super::{command, parent, processes, wait_for, write};

pub const HOSTS: [&str; 3] = ["left", "middle", "right"];

/// The servers, and the configuration with which `ssh` reaches them.
pub struct Farm {
    folder: TempDir,
    sshd: &'static str,
    servers: Vec<Child>,
    network: Option<Network>,
    port: u16,
}

impl Farm {
    /// Hosts at three addresses of this one; nothing, with a notice, where there is no `sshd`.
    pub fn on_loopback() -> Option<Farm> {
        Self::start(None)
    }

    /// Hosts with a network of their own between them and this one; nothing, with a notice, where that cannot be made.
    pub fn on_network() -> Option<Farm> {
        match Network::new() {
            Some(network) => Self::start(Some(network)),
            None => {
                eprintln!("skipped: no network can be made here, which takes root and `ip`");
                None
            }
        }
    }

    fn start(network: Option<Network>) -> Option<Farm> {
        let sshd = ["/usr/sbin/sshd", "/usr/bin/sshd"].into_iter().find(|path| Path::new(path).exists());
        let Some(sshd) = sshd else {
            eprintln!("skipped: there is no sshd on this machine");
            return None;
        };
        // Where it separates its privileges, if it is root's.
        let _ = fs::create_dir_all("/run/sshd");
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for key in ["host", "user"] {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(at(key))
                .status();
            assert!(made.unwrap().success());
        }
        fs::copy(at("user.pub"), at("authorized")).unwrap();
        let port = free_port();
        let shared = folder.path().display().to_string();
        let mut client = format!(
            "Host *\nPort {port}\nIdentityFile {shared}/user\nUserKnownHostsFile {shared}/known\n\
             StrictHostKeyChecking no\nLogLevel ERROR\n"
        );
        let mut servers = Vec::new();
        for (number, host) in HOSTS.iter().enumerate() {
            let address = match &network {
                Some(network) => network.address(number + 1),
                None => format!("127.0.2.{}", number + 1),
            };
            write!(client, "Host {host}\nHostName {address}\n").unwrap();
            let settings = format!(
                "ListenAddress {address}\nPort {port}\nHostKey {shared}/host\nAuthorizedKeysFile {shared}/authorized\n\
                 PidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\n\
                 SetEnv XDG_CACHE_HOME={shared}/cache HOME={shared}\n{}",
                // A home of its own too, since start-up files of this machine's user may do long things, which do not bear being killed.
                // One greets whoever comes, as shells do whose start-up files are careless.
                if *host == "right" {
                    "ForceCommand echo welcome; eval \"$SSH_ORIGINAL_COMMAND\"\n"
                } else {
                    ""
                }
            );
            let settings = write(folder.path(), &format!("sshd.{host}"), &settings);
            servers.push(serve(network.as_ref(), host, sshd, &settings));
        }
        write(folder.path(), "client", &client);
        let farm = Farm { folder, sshd, servers, network, port };
        HOSTS.iter().for_each(|host| farm.wait_for_host(host));
        Some(farm)
    }

    fn wait_for_host(&self, host: &str) {
        let answers = || {
            let mut ssh = Command::new("ssh");
            ssh.arg("-F")
                .arg(self.folder.path().join("client"))
                .args([host, "true"])
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            ssh.status().unwrap().success().then_some(())
        };
        wait_for("sshd", answers);
    }

    /// As if a host had lost its power: its server, and all that came in by it, stand still at one moment and are gone.
    pub fn crash(&mut self, host: &str) {
        let number = HOSTS.iter().position(|name| *name == host).unwrap();
        let server = self.servers[number].id();
        loop {
            let all = self.all_of(host, server);
            if all.is_empty() {
                break;
            }
            for signal in ["-STOP", "-KILL"] {
                let all = all.iter().map(u32::to_string);
                let _ = Command::new("kill").arg(signal).args(all).stderr(Stdio::null()).status();
            }
            let _ = self.servers[number].wait();
        }
    }

    /// The processes of a host: its server with what that has started, and all whose session came in by it.
    fn all_of(&self, host: &str, server: u32) -> Vec<u32> {
        let all = processes();
        let is_alive = |pid: &u32| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
        };
        let mut its: Vec<u32> = vec![server];
        while let Some(next) = all
            .iter()
            .map(|(pid, _)| *pid)
            .find(|pid| !its.contains(pid) && parent(*pid).is_some_and(|parent| its.contains(&parent)))
        {
            its.push(next);
        }
        let session = self.session(host);
        its.extend(all.iter().filter(|(_, environment)| came_by(environment, &session)).map(|(pid, _)| *pid));
        its.retain(is_alive);
        its
    }

    /// How the variable ends by which a server of SSH tells what it starts of the connection.
    fn session(&self, host: &str) -> String {
        let number = HOSTS.iter().position(|name| *name == host).unwrap();
        format!(" 127.0.2.{} {}", number + 1, self.port)
    }

    /// Has a host that crashed start again.
    pub fn boot(&mut self, host: &str) {
        let number = HOSTS.iter().position(|name| *name == host).unwrap();
        let settings = self.at(&format!("sshd.{host}"));
        self.servers[number] = serve(self.network.as_ref(), host, self.sshd, &settings);
        self.wait_for_host(host);
    }

    /// The commands of jobs of the scheduler that run on the hosts: job, attempt and host of each.
    pub fn placed(&self) -> Vec<(String, String, &'static str)> {
        let mark = format!("XDG_CACHE_HOME={}", self.folder.path().join("cache").display());
        let of = |(pid, environment): (u32, Vec<String>)| {
            let named =
                |name: &str| environment.iter().find_map(|entry| entry.strip_prefix(name)).map(str::to_owned);
            let host = HOSTS.into_iter().find(|host| came_by(&environment, &self.session(host)))?;
            let running = environment.contains(&mark) && parent(pid).is_some();
            running.then_some((named("SYNCLINE_JOB_ID=")?, named("SYNCLINE_ATTEMPT=")?, host))
        };
        let mut placed: Vec<_> = processes().into_iter().filter_map(of).collect();
        placed.sort();
        placed.dedup();
        placed
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// At which all of them listen.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Has the cable of a host pulled (`down`) or put back (`up`).
    pub fn link(&self, host: &str, state: &str) {
        let network = self.network.as_ref().unwrap();
        assert!(ip(&format!("link set {} {state}", network.cable(host))));
    }

    /// On which host of a network a process runs.
    pub fn host_of(&self, pid: u32) -> Option<&'static str> {
        let network = self.network.as_ref().unwrap();
        let its = fs::read_link(format!("/proc/{pid}/ns/net")).ok()?;
        HOSTS.into_iter().find(|host| {
            let named = network.inside(host, "readlink").arg("/proc/self/ns/net").output().unwrap();
            Path::new(String::from_utf8_lossy(&named.stdout).trim()) == its
        })
    }

    /// The command, which reaches the hosts, [`apart`].
    pub fn command_apart(&self, name: &str, file: &Path, arguments: &str) -> Option<Command> {
        apart(&self.at("private"), name, file, &self.command(arguments))
    }

    pub fn hosts(&self, text: &str) -> PathBuf {
        write(self.folder.path(), "hosts.txt", text)
    }

    /// The command, which reaches the hosts.
    pub fn command(&self, arguments: &str) -> Command {
        let mut command = command(arguments);
        let client = self.folder.path().join("client");
        command.env("SYNCLINE_SSH", format!("ssh -F {}", client.display()));
        command
    }

    /// The processes that hold the launcher's connections.
    pub fn connections(&self) -> Vec<u32> {
        let mark = format!("SYNCLINE_SSH=ssh -F {}", self.folder.path().join("client").display());
        processes()
            .into_iter()
            .filter(|(_, environment)| environment.contains(&mark))
            .map(|(pid, _)| pid)
            .collect()
    }

    /// The processes of nodes on the hosts: the number of each and its name.
    pub fn nodes(&self) -> Vec<(u32, String)> {
        let mark = format!("XDG_CACHE_HOME={}", self.folder.path().join("cache").display());
        processes()
            .into_iter()
            .filter_map(|(pid, environment)| {
                let node = environment.iter().find_map(|entry| entry.strip_prefix("SYNCLINE_NODE="))?;
                let is_node = environment.contains(&mark)
                    && !environment.iter().any(|entry| entry == "SYNCLINE_AGENT=1");
                is_node.then(|| (pid, node.to_owned()))
            })
            .collect()
    }
}

impl Drop for Farm {
    fn drop(&mut self) {
        for server in &mut self.servers {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

/// A command that works in a folder with a file that only it sees, below `private`; nothing, with a notice, where there can be no such.
pub fn apart(private: &Path, name: &str, file: &Path, inner: &Command) -> Option<Command> {
    fs::create_dir_all(private).unwrap();
    let script = r#"mount -t tmpfs none "$0" && mkdir "$0/work" && cd "$0/work" && cp "$1" "$2" && shift 2 && exec "$@""#;
    let apart = ["--mount", "--propagation", "private", "sh", "-c"];
    let tried = Command::new("unshare").args(apart).arg("mount -t tmpfs none /mnt").output();
    if !tried.is_ok_and(|tried| tried.status.success()) {
        eprintln!("skipped: nothing can be mounted apart here, which takes root and `unshare`");
        return None;
    }
    let mut command = Command::new("unshare");
    command.args(apart).arg(script).arg(private).arg(file).arg(name);
    command.arg(inner.get_program()).args(inner.get_args()).stdin(Stdio::null());
    command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    Some(command)
}

/// Whether a process belongs to a session of SSH that came in by a server.
fn came_by(environment: &[String], session: &str) -> bool {
    environment.iter().any(|entry| entry.starts_with("SSH_CONNECTION=") && entry.ends_with(session))
}

/// Starts a host's server.
fn serve(network: Option<&Network>, host: &str, sshd: &str, settings: &Path) -> Child {
    let mut server = match network {
        Some(network) => network.inside(host, sshd),
        None => Command::new(sshd),
    };
    server.args(["-D", "-e", "-f"]).arg(settings).stderr(Stdio::null()).spawn().unwrap()
}

pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.2.1:0").unwrap().local_addr().unwrap().port()
}

/// Three spaces of network names joined by a bridge, which is this machine's only part in it.
struct Network {
    bridge: String,
    /// As in `10.213.7`.
    prefix: String,
}

impl Network {
    fn new() -> Option<Network> {
        let number = std::process::id() % 250;
        let network = Network { bridge: format!("sl{number}"), prefix: format!("10.213.{number}") };
        let Network { bridge, prefix } = &network;
        let made = ip(&format!("link add {bridge} type bridge"))
            && ip(&format!("addr add {prefix}.254/24 dev {bridge}"))
            && ip(&format!("link set {bridge} up"));
        // What has been made of it goes with the value.
        let all = made && HOSTS.iter().enumerate().all(|(at, host)| network.add(host, at + 1));
        all.then_some(network)
    }

    fn add(&self, host: &str, number: usize) -> bool {
        let (space, cable, bridge) = (self.space(host), self.cable(host), &self.bridge);
        let inside = |words: &str| ip(&format!("-n {space} {words}"));
        ip(&format!("netns add {space}"))
            && ip(&format!("link add {cable} type veth peer name eth0 netns {space}"))
            && ip(&format!("link set {cable} master {bridge} up"))
            && inside(&format!("addr add {}/24 dev eth0", self.address(number)))
            && inside("link set eth0 up")
            && inside("link set lo up")
    }

    fn address(&self, number: usize) -> String {
        format!("{}.{number}", self.prefix)
    }

    fn space(&self, host: &str) -> String {
        format!("{}-{host}", self.bridge)
    }

    fn cable(&self, host: &str) -> String {
        format!("{}-{}", self.bridge, &host[..1])
    }

    fn inside(&self, host: &str, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.space(host), program]);
        command
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for host in HOSTS {
            let space = self.space(host);
            // Sessions whose other end was behind a pulled cable would keep it for a while.
            let inside = Command::new("ip").args(["netns", "pids", &space]).output();
            let inside = inside.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
            for pid in inside.unwrap_or_default().split_whitespace() {
                let _ = Command::new("kill").args(["-KILL", pid]).stderr(Stdio::null()).status();
            }
            ip(&format!("netns del {space}"));
            ip(&format!("link del {}", self.cable(host)));
        }
        ip(&format!("link del {}", self.bridge));
    }
}

/// Whether `ip` did what it was told.
fn ip(words: &str) -> bool {
    let status = Command::new("ip").args(words.split(' ')).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}
