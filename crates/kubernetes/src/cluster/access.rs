//! The least rights that a launcher needs, and the account that has them.

use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{PolicyRule, Role, RoleBinding, RoleRef, Subject};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// The account of launchers that run in the cluster, where no other is wished for.
pub const ACCOUNT: &str = "syncline";

/// What may be done to what: each line is a step of a node's life.
const RULES: [(&str, &[&str]); 4] = [
    ("pods", &["create", "get", "list", "delete", "deletecollection"]),
    // Its standard input and output; `get` is what servers before 1.35 ask for.
    ("pods/attach", &["create", "get"]),
    // What a node said before anybody was attached.
    ("pods/log", &["get"]),
    // Why a pod does not start.
    ("events", &["list"]),
];

/// All that `kubectl apply` needs to give a launcher its rights.
pub struct Access {
    /// The account.
    pub account: ServiceAccount,
    /// What it may do, in one namespace.
    pub role: Role,
    /// That it may.
    pub binding: RoleBinding,
}

/// The rights of this account, in this namespace.
pub fn of(account: &str, namespace: &str) -> Access {
    let meta = |name: &str| ObjectMeta {
        name: Some(name.to_owned()),
        namespace: Some(namespace.to_owned()),
        ..ObjectMeta::default()
    };
    let rule = |(resource, verbs): (&str, &[&str])| PolicyRule {
        api_groups: Some(vec![String::new()]),
        resources: Some(vec![resource.to_owned()]),
        verbs: verbs.iter().map(ToString::to_string).collect(),
        ..PolicyRule::default()
    };
    let subject = Subject {
        kind: "ServiceAccount".to_owned(),
        name: account.to_owned(),
        namespace: Some(namespace.to_owned()),
        api_group: None,
    };
    let name = "syncline-launcher";
    Access {
        account: ServiceAccount { metadata: meta(account), ..ServiceAccount::default() },
        role: Role { metadata: meta(name), rules: Some(RULES.map(rule).into()) },
        binding: RoleBinding {
            metadata: meta(name),
            role_ref: RoleRef {
                api_group: "rbac.authorization.k8s.io".to_owned(),
                kind: "Role".to_owned(),
                name: name.to_owned(),
            },
            subjects: Some(vec![subject]),
        },
    }
}
