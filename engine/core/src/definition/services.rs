//! `services` and `env`: what stands beside and inside each task.

use super::stage::is_name;
use super::types::DAY;
use crate::diagnostic::codes;
use crate::document::{Entry, Map, Node, Reader, Value};
use crate::plan::Service;
use crate::task::Ready;
use indexmap::IndexMap;
use std::collections::BTreeMap;

/// `env: {NAME: value}`.
pub(super) fn variables(reader: &mut Reader, node: &Node) -> BTreeMap<String, String> {
    let Some(map) = reader.any_map(node, &node.place) else { return BTreeMap::new() };
    let mut variables = BTreeMap::new();
    for entry in map.entries() {
        let named = variable_name(reader, entry);
        if let (true, Some(value)) = (named, reader.scalar_text(&entry.value)) {
            variables.insert(entry.key.clone(), value);
        }
    }
    variables
}

/// Whether a key can be a variable of a process.
pub(super) fn variable_name(reader: &mut Reader, entry: &Entry) -> bool {
    let plain = entry.key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && entry.key.len() <= 128
        && entry.key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !plain {
        let message = "a variable has letters, digits and `_`, and starts with no digit";
        reader.error(codes::BAD_NAME, &entry.at, message, "rename it");
    }
    plain
}

/// `services: {NAME: {image, command, env, ready, within}}`.
pub(super) fn read(reader: &mut Reader, node: &Node) -> IndexMap<String, Service> {
    let Some(map) = reader.any_map(node, &node.place) else { return IndexMap::new() };
    let mut services = IndexMap::new();
    for entry in map.entries() {
        if !is_name(&entry.key) {
            let message = "a service has 1 to 63 letters, digits, `_`, `.` and `-`";
            reader.error(codes::BAD_NAME, &entry.at, message, "rename it");
        }
        let keys = ["image", "command", "env", "ready", "within"];
        let Some(map) = reader.map(&entry.value, &entry.at, &keys) else { continue };
        if let Some(service) = service(reader, &map) {
            services.insert(entry.key.clone(), service);
        }
    }
    services
}

fn service(reader: &mut Reader, map: &Map<'_>) -> Option<Service> {
    let image = map.get("image").and_then(|node| reader.text(node)).map(str::to_owned);
    let command: Vec<String> = match map.get("command") {
        Some(node) => reader.texts(node).into_iter().map(|(text, _)| text.to_owned()).collect(),
        None => Vec::new(),
    };
    if map.get("image").is_none() && command.is_empty() {
        let message = "a service without `image` needs a `command`";
        reader.error(codes::MISSING_KEY, map.at(), message, "add `image` or `command`");
    }
    let env = map.get("env").map(|node| variables(reader, node)).unwrap_or_default();
    let ready = reader.needed(map, "ready").and_then(|node| ready(reader, node));
    let within_ms = map.get("within").and_then(|node| reader.duration(node, 1, DAY)).unwrap_or(60_000);
    Some(Service { image, command, env, ready: ready?, within_ms })
}

/// `{tcp: PORT}`, `{http: {port, path}}` or `{command: [...]}`.
fn ready(reader: &mut Reader, node: &Node) -> Option<Ready> {
    let map = reader.map(node, &node.place, &["tcp", "http", "command"])?;
    let [entry] = map.entries() else {
        let message = "`ready` has exactly one of `tcp`, `http` and `command`";
        reader.error(codes::CONFLICT, &node.place, message, "keep one of them");
        return None;
    };
    match entry.key.as_str() {
        "tcp" => Some(Ready::Tcp(reader.integer(&entry.value, 1, 65_535)? as u16)),
        "http" => {
            let http = reader.map(&entry.value, &entry.at, &["port", "path"])?;
            let port = reader.needed(&http, "port").and_then(|node| reader.integer(node, 1, 65_535));
            let path = match http.get("path") {
                Some(node) => http_path(reader, node)?,
                None => "/".to_owned(),
            };
            Some(Ready::Http { port: port? as u16, path })
        }
        "command" => {
            let command: Vec<String> =
                reader.texts(&entry.value).into_iter().map(|(text, _)| text.to_owned()).collect();
            if command.is_empty() {
                reader.error(codes::BAD_VALUE, &entry.value.place, "the command is empty", "name a program");
                return None;
            }
            Some(Ready::Command(command))
        }
        _ => None,
    }
}

fn http_path(reader: &mut Reader, node: &Node) -> Option<String> {
    let text = reader.text(node)?;
    let plain = text.starts_with('/') && text.len() <= 1024 && text.bytes().all(|b| b.is_ascii_graphic());
    if !plain {
        reader.error(
            codes::BAD_VALUE,
            &node.place,
            "a path of a request starts with `/`",
            "write it as in `/health`",
        );
        return None;
    }
    Some(text.to_owned())
}

/// Whether a node is a map, for callers that take two forms.
pub(super) fn is_map(node: &Node) -> bool {
    matches!(node.value, Value::Map(_))
}
