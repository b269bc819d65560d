//! What a service may be asked: compared by both sides before the first call, so that a method that only one side knows
//! is named instead of mistaken for another.

use std::fmt;
use std::time::Duration;

/// A service's name and its methods with their signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contract {
    /// The trait's name; empty where it is unknown.
    pub service: &'static str,
    /// Each method as its name and its signature, in order.
    pub methods: &'static [(&'static str, &'static str)],
}

impl Contract {
    /// The contract of a service made by hand, which fits any other.
    pub const UNKNOWN: Contract = Contract { service: "", methods: &[] };

    pub(crate) fn is_known(&self) -> bool {
        !self.service.is_empty()
    }

    /// The names of the methods.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.methods.iter().map(|(name, _)| *name)
    }

    /// A number that differs where contracts do (FNV-1a over the text); 0 where it is unknown.
    pub(crate) fn digest(&self) -> u64 {
        if !self.is_known() {
            return 0;
        }
        let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        self.to_string().bytes().fold(0xcbf2_9ce4_8422_2325, step).max(1)
    }

    /// What is wrong with `other`, the text of the other side's, for a caller that follows this one.
    pub(crate) fn difference(&self, other: &str) -> String {
        let mut lines = other.lines();
        let service = lines.next().unwrap_or_default();
        if service != self.service {
            return format!("it serves `{service}`, not `{}`", self.service);
        }
        let theirs: Vec<_> = lines.filter_map(|line| line.split_once(": ")).collect();
        for (name, signature) in self.methods {
            match theirs.iter().find(|(other, _)| other == name) {
                None => {
                    let known: Vec<_> = theirs.iter().map(|(name, _)| format!("`{name}`")).collect();
                    return format!("method `{name}` not found; it has {}", known.join(", "));
                }
                Some((_, other)) if other != signature => {
                    return format!("its method `{name}` is `{other}`, not `{signature}`");
                }
                Some(_) => {}
            }
        }
        "it has other methods, or in another order".to_owned()
    }
}

impl fmt::Display for Contract {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.service)?;
        self.methods.iter().try_for_each(|(name, signature)| write!(f, "\n{name}: {signature}"))
    }
}

/// A method, as a caller and a host need to know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Method {
    /// Its name.
    pub name: &'static str,
    /// How long its callers wait unless they say otherwise; zero means for ever.
    pub deadline: Duration,
    /// How often it may be asked, where it does no harm to ask again.
    pub tries: u32,
    /// The pause before the second try; it doubles from try to try.
    pub pause: Duration,
    /// Whether its calls are gathered into batches, whose number is bounded instead of theirs.
    pub batched: bool,
}

impl Method {
    /// A method that is asked once, without a deadline.
    pub const fn named(name: &'static str) -> Method {
        Method { name, deadline: Duration::ZERO, tries: 1, pause: Duration::ZERO, batched: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: Contract =
        Contract { service: "Shard", methods: &[("pull", "(u32) -> f32"), ("push", "(f32)")] };

    #[test]
    fn c11_c16_a_difference_names_the_method() {
        let other = |methods| Contract { service: "Shard", methods }.to_string();
        let missing = OURS.difference(&other(&[("push", "(f32)")]));
        assert_eq!(missing, "method `pull` not found; it has `push`");
        let changed = OURS.difference(&other(&[("pull", "(u64) -> f32"), ("push", "(f32)")]));
        assert_eq!(changed, "its method `pull` is `(u64) -> f32`, not `(u32) -> f32`");
        assert!(OURS.difference("Counter\nadd: ()").contains("it serves `Counter`"));
        assert_ne!(OURS.digest(), Contract { methods: &OURS.methods[..1], ..OURS }.digest());
        assert_eq!(Contract::UNKNOWN.digest(), 0);
    }
}
