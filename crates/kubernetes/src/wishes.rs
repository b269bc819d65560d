//! What a user wishes of Kubernetes, as it stands behind `--on kubernetes:`, in the terms of a Pod's own fields.

use serde::{Deserialize, Serialize};

/// How long a pod may wait for its place where nothing is said, in seconds.
const WAIT: u32 = 600;

/// What stands behind `kubernetes:`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wishes {
    /// The image that has the program.
    pub image: Option<String>,
    /// When the image is pulled, in Kubernetes' own word.
    pub pull: Option<String>,
    /// Where in the image the program is; by default in `/bin`, under the launcher's own name.
    pub binary: Option<String>,
    /// The working directory.
    pub directory: Option<String>,
    /// The namespace; by default that of the configuration.
    pub namespace: Option<String>,
    /// Which of the configuration's contexts; by default the current one.
    pub context: Option<String>,
    /// As whom the pods run; without it they have no account's token.
    pub service_account: Option<String>,
    /// Labels that a machine must have.
    pub node_selector: Vec<(String, String)>,
    /// Taints that are no hindrance.
    pub tolerations: Vec<Toleration>,
    /// How important the pods are.
    pub priority_class: Option<String>,
    /// What runs their containers.
    pub runtime_class: Option<String>,
    /// Cores of each node whose group does not say, as a quantity (`500m`).
    pub cpu: Option<String>,
    /// Memory of each node whose group does not say, as a quantity (`2Gi`).
    pub memory: Option<String>,
    /// What a GPU is called; `nvidia.com/gpu` by default.
    pub gpu_resource: Option<String>,
    /// Persistent volume claims, and where they are seen.
    pub volumes: Vec<Volume>,
    /// Secrets by which the image is pulled.
    pub pull_secrets: Vec<String>,
    /// More labels.
    pub labels: Vec<(String, String)>,
    /// More annotations.
    pub annotations: Vec<(String, String)>,
    /// A queue of Kueue.
    pub queue: Option<String>,
    /// How many seconds a pod may wait for its place.
    pub wait: Option<u32>,
    /// How many seconds a pod has after a request to end.
    pub grace: Option<u32>,
    /// How often a launcher that the cluster has started is started again when it did not succeed.
    pub retries: Option<u32>,
}

/// A taint that is no hindrance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Toleration {
    /// The taint's key.
    pub key: String,
    /// Its value; any where none is given.
    pub value: Option<String>,
    /// Its effect; any where none is given.
    pub effect: Option<String>,
}

/// A claim, seen somewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// The name of the PersistentVolumeClaim.
    pub claim: String,
    /// Where it is seen.
    pub path: String,
    /// Whether it can only be read.
    pub read_only: bool,
}

/// All options, as a message lists them.
const OPTIONS: &str = "image, pull, binary, directory, namespace, context, service-account, node-selector, toleration, \
     priority-class, runtime-class, cpu, memory, gpu-resource, volume, pull-secret, label, annotation, queue, wait, grace and retries";

impl Wishes {
    /// Takes an option in.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn add(&mut self, name: &str, value: Option<&str>) -> Result<(), String> {
        let Some(value) = value.map(str::trim).filter(|value| !value.is_empty()) else {
            return Err(format!("`{}` needs a value; the options are {OPTIONS}", name.escape_debug()));
        };
        match name {
            "image" => put(name, &mut self.image, plain(value)?),
            "pull" => put(name, &mut self.pull, pull(value)?),
            "binary" => put(name, &mut self.binary, absolute(value)?),
            "directory" => put(name, &mut self.directory, absolute(value)?),
            "namespace" => put(name, &mut self.namespace, dns(name, value)?),
            "context" => put(name, &mut self.context, value.to_owned()),
            "service-account" => put(name, &mut self.service_account, dns(name, value)?),
            "priority-class" => put(name, &mut self.priority_class, dns(name, value)?),
            "runtime-class" => put(name, &mut self.runtime_class, dns(name, value)?),
            "cpu" => put(name, &mut self.cpu, quantity(name, value, "500m or 4")?),
            "memory" => put(name, &mut self.memory, quantity(name, value, "512Mi or 8Gi")?),
            "gpu-resource" => put(name, &mut self.gpu_resource, key(name, value)?),
            "queue" => put(name, &mut self.queue, dns(name, value)?),
            "wait" => put(name, &mut self.wait, seconds(name, value)?),
            "grace" => put(name, &mut self.grace, seconds(name, value)?),
            "retries" => put(name, &mut self.retries, count(name, value)?),
            "node-selector" => also(&mut self.node_selector, pair(name, value)?),
            "label" => also(&mut self.labels, label(value)?),
            "annotation" => also(&mut self.annotations, pair(name, value)?),
            "toleration" => also(&mut self.tolerations, toleration(value)?),
            "volume" => also(&mut self.volumes, volume(value)?),
            "pull-secret" => also(&mut self.pull_secrets, dns(name, value)?),
            _ => Err(format!(
                "`{}` is no option of kubernetes; there are {OPTIONS}, and listen and ports",
                name.escape_debug()
            )),
        }
    }

    /// How many seconds a pod may wait for its place.
    pub fn patience(&self) -> u32 {
        self.wait.unwrap_or(WAIT)
    }
}

fn put<T>(name: &str, place: &mut Option<T>, value: T) -> Result<(), String> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(format!("`{name}` is said twice")),
    }
}

fn also<T>(place: &mut Vec<T>, value: T) -> Result<(), String> {
    place.push(value);
    Ok(())
}

/// Something without blanks.
fn plain(value: &str) -> Result<String, String> {
    match value.chars().any(char::is_whitespace) {
        true => Err(format!("`{}` has blanks in it", value.escape_debug())),
        false => Ok(value.to_owned()),
    }
}

fn pull(value: &str) -> Result<String, String> {
    let word = match value.to_ascii_lowercase().as_str() {
        "always" => "Always",
        "never" => "Never",
        "ifnotpresent" | "if-not-present" => "IfNotPresent",
        _ => {
            return Err(format!(
                "`pull={}` is none of always, never and if-not-present",
                value.escape_debug()
            ));
        }
    };
    Ok(word.to_owned())
}

fn absolute(value: &str) -> Result<String, String> {
    match value.starts_with('/') {
        true => Ok(value.to_owned()),
        false => Err(format!("`{}` is a path in the image, and begins with a slash", value.escape_debug())),
    }
}

/// A name of an object (RFC 1123: a subdomain).
fn dns(name: &str, value: &str) -> Result<String, String> {
    let letter = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    let part = |part: &str| {
        !part.is_empty() && part.chars().all(letter) && !part.starts_with('-') && !part.ends_with('-')
    };
    match value.len() <= 253 && value.split('.').all(part) {
        true => Ok(value.to_owned()),
        false => Err(format!(
            "`{name}={}` is no name that Kubernetes takes: small letters, digits, `-` and `.`",
            value.escape_debug()
        )),
    }
}

/// A number and its unit, as resources are counted.
fn quantity(name: &str, value: &str, such_as: &str) -> Result<String, String> {
    let digits = value.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = &value[digits.len()..];
    let units = ["", "m", "k", "M", "G", "T", "Ki", "Mi", "Gi", "Ti"];
    let is_number = digits.parse::<f64>().is_ok_and(|number| number > 0.0 && number.is_finite());
    match is_number && units.contains(&unit) && digits.starts_with(|letter: char| letter.is_ascii_digit()) {
        true => Ok(value.to_owned()),
        false => Err(format!("`{name}={}` is no quantity, such as {such_as}", value.escape_debug())),
    }
}

fn count(name: &str, value: &str) -> Result<u32, String> {
    value.parse().map_err(|_| format!("`{name}={}` is no count, such as 5", value.escape_debug()))
}

fn seconds(name: &str, value: &str) -> Result<u32, String> {
    value.parse().map_err(|_| format!("`{name}={}` is no number of seconds", value.escape_debug()))
}

/// The key of a label, a taint or a resource: a name, perhaps behind a domain and a slash.
fn key(name: &str, value: &str) -> Result<String, String> {
    let local = match value.split_once('/') {
        Some((domain, local)) => dns(name, domain).map(|_| local)?,
        None => value,
    };
    match is_short(local) && !local.is_empty() {
        true => Ok(value.to_owned()),
        false => Err(format!(
            "`{name}={}` has no key that Kubernetes takes, such as example.com/kind",
            value.escape_debug()
        )),
    }
}

/// Whether this can be the value of a label: up to 63 letters, digits, `-`, `_` and `.`, the first and last no sign.
fn is_short(value: &str) -> bool {
    let sign = |letter: char| "-_.".contains(letter);
    value.len() <= 63
        && value.chars().all(|letter| letter.is_ascii_alphanumeric() || sign(letter))
        && !value.starts_with(sign)
        && !value.ends_with(sign)
}

fn pair(name: &str, value: &str) -> Result<(String, String), String> {
    let Some((word, rest)) = value.split_once('=') else {
        return Err(format!("`{name}={}` is no pair, as in {name}=KEY=VALUE", value.escape_debug()));
    };
    Ok((key(name, word)?, rest.to_owned()))
}

fn label(value: &str) -> Result<(String, String), String> {
    let (key, value) = pair("label", value)?;
    match is_short(&value) {
        true => Ok((key, value)),
        false => Err(format!("`{}` cannot be the value of a label", value.escape_debug())),
    }
}

/// Reads `KEY`, `KEY=VALUE`, `KEY:EFFECT` or `KEY=VALUE:EFFECT`, as `kubectl taint` writes them.
fn toleration(text: &str) -> Result<Toleration, String> {
    let (taint, effect) = match text.rsplit_once(':') {
        Some((taint, effect)) if ["NoSchedule", "PreferNoSchedule", "NoExecute"].contains(&effect) => {
            (taint, Some(effect.to_owned()))
        }
        Some((_, effect)) => {
            return Err(format!(
                "`{}` is none of NoSchedule, PreferNoSchedule and NoExecute",
                effect.escape_debug()
            ));
        }
        None => (text, None),
    };
    let (word, value) = taint.split_once('=').map_or((taint, None), |(key, value)| (key, Some(value)));
    Ok(Toleration { key: key("toleration", word)?, value: value.map(str::to_owned), effect })
}

/// Reads `CLAIM:/path` or `CLAIM:/path:ro`.
fn volume(text: &str) -> Result<Volume, String> {
    let wrong = || {
        format!(
            "`volume={}` is no claim and its place, as in volume=data:/data or :/data:ro",
            text.escape_debug()
        )
    };
    let mut parts = text.split(':');
    let (Some(claim), Some(path)) = (parts.next(), parts.next()) else { return Err(wrong()) };
    let read_only = match (parts.next(), parts.next()) {
        (None, _) => false,
        (Some("ro"), None) => true,
        _ => return Err(wrong()),
    };
    Ok(Volume { claim: dns("volume", claim)?, path: absolute(path)?, read_only })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Wishes, String> {
        let mut wishes = Wishes::default();
        for option in text.split(',') {
            let (name, value) =
                option.split_once('=').map_or((option, None), |(name, value)| (name, Some(value)));
            wishes.add(name, value)?;
        }
        Ok(wishes)
    }

    const ALL: &str = "image=reg:5000/team/train:1,pull=IfNotPresent,binary=/app/train,directory=/work,namespace=ml,\
        service-account=trainer,priority-class=low,runtime-class=gvisor,cpu=500m,memory=2Gi,\
        gpu-resource=amd.com/gpu,queue=team,wait=60,grace=5,retries=4,node-selector=disk=ssd,toleration=gpu=true:NoSchedule,\
        toleration=spot:NoExecute,toleration=any,volume=data:/data:ro,volume=work:/work,pull-secret=reg,\
        label=team=ml,annotation=example.com/why=a b";

    #[test]
    fn every_option_is_taken_in() {
        let wishes = of(ALL).unwrap();
        assert_eq!(
            (wishes.image.as_deref(), wishes.pull.as_deref()),
            (Some("reg:5000/team/train:1"), Some("IfNotPresent"))
        );
        assert_eq!(wishes.annotations, [("example.com/why".to_owned(), "a b".to_owned())]);
        assert_eq!((wishes.labels.len(), wishes.node_selector.len(), wishes.tolerations.len()), (1, 1, 3));
        assert_eq!(wishes.tolerations[1].effect.as_deref(), Some("NoExecute"));
        assert_eq!(wishes.volumes[0], Volume { claim: "data".into(), path: "/data".into(), read_only: true });
        assert_eq!((wishes.patience(), Wishes::default().patience()), (60, 600));
        let text = serde_json::to_string(&wishes).unwrap();
        assert_eq!(serde_json::from_str::<Wishes>(&text).unwrap(), wishes);
    }

    #[test]
    fn a_wrong_option_is_named_with_what_would_be_right() {
        for (text, says) in [
            ("image", "`image` needs a value"),
            ("imagee=x", "`imagee` is no option of kubernetes"),
            ("image=a b", "has blanks"),
            ("image=a,image=b", "`image` is said twice"),
            ("pull=sometimes", "always, never and if-not-present"),
            ("binary=train", "begins with a slash"),
            ("namespace=ML", "small letters"),
            ("namespace=-a", "small letters"),
            ("cpu=two", "such as 500m or 4"),
            ("cpu=inf", "such as 500m or 4"),
            ("memory=2GB", "such as 512Mi"),
            ("memory=é", "such as 512Mi"),
            ("wait=soon", "no number of seconds"),
            ("retries=often", "no count"),
            ("node-selector=ssd", "node-selector=KEY=VALUE"),
            ("label=team=a b", "cannot be the value of a label"),
            ("label=/x=1", "is no name"),
            ("toleration=gpu:Never", "NoExecute"),
            ("volume=data", "volume=data:/data"),
            ("volume=data:/data:rw", "volume=data:/data"),
            ("volume=data:data", "begins with a slash"),
        ] {
            let error = of(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
