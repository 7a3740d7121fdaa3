//! Reading what the names of connections mean, with all problems.

use super::parse::{by_tenant, check_name, path};
use super::types::{Connection, EcrConnection, Login, RegistryConnection};
use crate::diagnostic::codes;
use crate::document::{Entry, Map, Node, Reader, reader::cut};
use crate::policy::source;
use std::collections::BTreeMap;

pub(super) fn connections(reader: &mut Reader, node: &Node) -> BTreeMap<String, Connection> {
    let mut found = BTreeMap::new();
    let Some(map) = reader.any_map(node, &node.place) else { return found };
    for entry in map.entries() {
        check_name(reader, entry, "connection");
        if let Some(connection) = connection(reader, entry) {
            found.insert(entry.key.clone(), connection);
        }
    }
    found
}

/// The keys of each kind of connection, the one that makes it first.
const LAYOUT: [&str; 1] = ["layout"];
const REGISTRY: [&str; 4] = ["registry", "insecure", "pull", "login"];
const ECR: [&str; 1] = ["ecr"];

fn connection(reader: &mut Reader, entry: &Entry) -> Option<Connection> {
    let known = [&LAYOUT[..], &REGISTRY[..], &ECR[..]].concat();
    let map = reader.map(&entry.value, &entry.at, &known)?;
    match (map.get("layout"), map.get("registry"), map.get("ecr")) {
        (Some(layout), None, None) => {
            only(reader, &map, "a layout", &LAYOUT);
            path(reader, layout).map(Connection::Layout)
        }
        (None, Some(registry), None) => {
            let insecure = map.get("insecure").and_then(|node| reader.boolean(node)).unwrap_or(false);
            let login = map.get("login").map(|node| login(reader, node));
            let pull = optional(map.get("pull").map(|node| address(reader, node)));
            let address = address(reader, registry)?;
            let login = match login {
                Some(login) => Some(login?),
                None => None,
            };
            Some(Connection::Registry(RegistryConnection { address, insecure, pull: pull?, login }))
        }
        (None, None, Some(node)) => {
            only(reader, &map, "ECR", &ECR);
            ecr(reader, node).map(Connection::Ecr)
        }
        _ => {
            let message = format!("connection `{}` is a `layout`, a `registry` or an `ecr`", cut(&entry.key));
            reader.error(codes::MISSING_KEY, &entry.at, message, "write exactly one of the three");
            None
        }
    }
}

/// Reports what has no meaning for this kind of connection.
fn only(reader: &mut Reader, map: &Map<'_>, kind: &str, keys: &[&str]) {
    for key in REGISTRY.into_iter().filter(|key| !keys.contains(key)) {
        if let Some(node) = map.get(key) {
            let message = format!("`{key}` has no meaning for {kind}");
            reader.error(codes::BAD_VALUE, &node.place, message, "remove it");
        }
    }
}

fn ecr(reader: &mut Reader, node: &Node) -> Option<EcrConnection> {
    let map =
        reader.map(node, &node.place, &["account", "region", "role", "roles", "external-id", "create"])?;
    let account = reader.needed(&map, "account");
    let account = account.and_then(|node| {
        word(reader, node, is_account, "an account", "write its twelve digits, in quotation marks")
    });
    let region = reader.needed(&map, "region");
    let region = region
        .and_then(|node| word(reader, node, is_region, "a region", "write a name such as `eu-central-1`"));
    let roles = map.get("roles").map(|node| by_tenant(reader, node, role)).unwrap_or_default();
    let role = optional(map.get("role").map(|node| role(reader, node)));
    let external_id = optional(map.get("external-id").map(|node| {
        word(reader, node, is_external_id, "an external id", "write 2 to 1224 letters, digits or `+=,.@:/-`")
    }));
    let assumed = map.get("role").or(map.get("roles"));
    if let (Some(node), None) = (map.get("external-id"), assumed) {
        let message = "`external-id` has no meaning without a `role`";
        reader.error(codes::BAD_VALUE, &node.place, message, "write the role, or remove it");
    }
    let create = map.get("create").and_then(|node| reader.boolean(node)).unwrap_or(false);
    let (account, region, role, external_id) = (account?, region?, role?, external_id?);
    Some(EcrConnection { account, region, role, roles, external_id, create })
}

fn role(reader: &mut Reader, node: &Node) -> Option<String> {
    word(reader, node, is_role, "a role", "write its ARN: `arn:aws:iam::ACCOUNT:role/NAME`")
}

/// Whether what may be absent is well where it is there.
fn optional(read: Option<Option<String>>) -> Option<Option<String>> {
    match read {
        Some(read) => read.map(Some),
        None => Some(None),
    }
}

fn word(
    reader: &mut Reader,
    node: &Node,
    is_one: fn(&str) -> bool,
    kind: &str,
    remedy: &'static str,
) -> Option<String> {
    let text = reader.text(node)?;
    if !is_one(text) {
        reader.error(codes::BAD_VALUE, &node.place, format!("`{}` is not {kind}", cut(text)), remedy);
        return None;
    }
    Some(text.to_owned())
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

/// It becomes part of a host name.
fn is_region(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    text.len() <= 40
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(plain)
        && !text.ends_with('-')
}

fn is_role(text: &str) -> bool {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let [arn, partition, service, region, account, role] = parts[..] else { return false };
    let named = role.strip_prefix("role/").is_some_and(|name| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"+=,.@_-/".contains(&b))
    });
    text.len() <= 2048
        && arn == "arn"
        && partition.starts_with("aws")
        && (service, region) == ("iam", "")
        && is_account(account)
        && named
}

fn is_external_id(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_+=,.@:/-".contains(&b);
    (2..=1224).contains(&text.len()) && text.bytes().all(plain)
}

fn address(reader: &mut Reader, node: &Node) -> Option<String> {
    let text = reader.text(node)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
    if text.is_empty() || !text.chars().all(plain) {
        let message = format!("`{}` is not the address of a registry", cut(text));
        reader.error(
            codes::BAD_VALUE,
            &node.place,
            message,
            "write HOST or HOST:PORT, without a scheme and without a path",
        );
        return None;
    }
    Some(text.to_owned())
}

pub(super) fn login(reader: &mut Reader, node: &Node) -> Option<Login> {
    let map = reader.map(node, &node.place, &["user", "password"])?;
    let user = reader.needed(&map, "user").and_then(|node| reader.text(node)).map(str::to_owned);
    let password = reader.needed(&map, "password").and_then(|node| source(reader, node, "password"));
    Some(Login { user: user?, password: password? })
}

#[cfg(test)]
mod tests {
    use crate::name::TenantId;
    use crate::operator::{Connection, EcrConnection, Operator};
    use std::collections::BTreeMap;

    #[test]
    fn ecr_is_an_account_in_a_region_and_may_be_a_role() {
        let text = "connections:\n  a: { ecr: { account: \"123456789012\", region: eu-central-1 } }\n  \
                    b: { ecr: { account: \"123456789012\", region: us-east-1, role: \"arn:aws:iam::210987654321:role/ci/promote\", roles: { acme: \"arn:aws:iam::210987654321:role/acme\" }, external-id: tenant-1, create: true } }\n";
        let operator = Operator::parse("config.yaml", text.as_bytes()).unwrap();
        let plain = EcrConnection {
            account: "123456789012".into(),
            region: "eu-central-1".into(),
            role: None,
            roles: BTreeMap::new(),
            external_id: None,
            create: false,
        };
        assert_eq!(operator.connections["a"], Connection::Ecr(plain));
        let Connection::Ecr(b) = &operator.connections["b"] else { panic!("ECR") };
        let role_of = |tenant| b.role_of(&TenantId::new(tenant).unwrap());
        assert_eq!(role_of("acme"), Some("arn:aws:iam::210987654321:role/acme"));
        assert_eq!(role_of("other"), Some("arn:aws:iam::210987654321:role/ci/promote"));
        assert_eq!((b.external_id.as_deref(), b.create), (Some("tenant-1"), true));
    }

    #[test]
    fn every_problem_of_ecr_is_told_with_its_place() {
        let text = "connections:\n  a:\n    ecr:\n      account: \"12\"\n      region: \"x/y\"\n      role: promote\n      roles: { acme: x, \"A b\": \"arn:aws:iam::210987654321:role/x\" }\n      external-id: \"a b\"\n      endpoint: x\n    insecure: true\n  b: { ecr: { external-id: ab } }\n";
        let found = Operator::parse("config.yaml", text.as_bytes()).unwrap_err();
        let mut lines: Vec<usize> = found.iter().map(|d| d.place.as_ref().unwrap().line as usize).collect();
        lines.sort_unstable();
        assert_eq!(lines, [4, 5, 6, 7, 7, 8, 9, 10, 11, 11, 11], "{found:#?}");
    }
}
