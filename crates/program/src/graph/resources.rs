//! What the nodes of a group ask for, and what they are told.

use std::fmt;

/// What each node of a group asks of the place where it runs, and what is handed to it.
///
/// On processes cores and memory are limits that the system holds it to, GPUs are those that CUDA shows it, and variables
/// are in its environment. Threads share all of that; there, and in a simulation, a node only reads what it was given
/// ([`Context::resources`](crate::Context::resources)).
///
/// ```
/// use syncline_program::Resources;
/// let needs = Resources::default().cpus(2).memory(4 << 30).env("MODE", "fast").arg("--verbose");
/// assert_eq!(needs.to_string(), "2 cores, 4.0 GiB");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    pub(crate) cpus: Option<usize>,
    pub(crate) memory: Option<u64>,
    pub(crate) gpus: Option<usize>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) arguments: Vec<String>,
}

impl Resources {
    /// Nothing asked for and nothing given.
    pub(crate) const NONE: Self =
        Self { cpus: None, memory: None, gpus: None, environment: Vec::new(), arguments: Vec::new() };

    /// So many cores.
    #[must_use]
    pub fn cpus(mut self, cpus: usize) -> Self {
        self.cpus = Some(cpus);
        self
    }

    /// So many bytes of address space at most.
    #[must_use]
    pub fn memory(mut self, bytes: u64) -> Self {
        self.memory = Some(bytes);
        self
    }

    /// So many GPUs.
    #[must_use]
    pub fn gpus(mut self, gpus: usize) -> Self {
        self.gpus = Some(gpus);
        self
    }

    /// A variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// An argument for the nodes of this group only; the process's own stay those of the launcher.
    #[must_use]
    pub fn arg(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// The group's arguments, in their order.
    pub fn arguments(&self) -> &[String] {
        &self.arguments
    }

    /// The value of the group's variable of this name, the last one given.
    pub fn variable(&self, name: &str) -> Option<&str> {
        let mut named = self.environment.iter().rev().filter(|(known, _)| known == name);
        named.next().map(|(_, value)| value.as_str())
    }
}

impl fmt::Display for Resources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gib = |bytes: u64| format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30));
        let parts = [
            self.cpus.map(|cpus| format!("{cpus} cores")),
            self.memory.map(gib),
            self.gpus.map(|gpus| format!("{gpus} GPUs")),
        ];
        f.write_str(&parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
    }
}
