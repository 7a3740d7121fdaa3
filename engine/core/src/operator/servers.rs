//! The servers that a person is logged in to: a file of that person's own, with the tokens themselves.

use crate::diagnostic::{Diagnostic, any_error, codes, sort};
use crate::document::{Node, Reader, Value, load};
use std::collections::BTreeMap;
use std::fmt;

/// A server, and the token for it.
#[derive(Clone, PartialEq, Eq)]
pub struct KnownServer {
    /// Its address.
    pub url: String,
    /// The token itself.
    pub token: String,
}

impl fmt::Debug for KnownServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KnownServer").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Servers by the names that their user gave them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KnownServers(pub BTreeMap<String, KnownServer>);

impl KnownServers {
    /// Reads the file; an empty one knows none.
    ///
    /// # Errors
    /// Every problem; none of them repeats a token.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self, Vec<Diagnostic>> {
        let loaded = load(file, bytes);
        let mut reader = Reader::default();
        let mut servers = Self::default();
        if let Some((root, _)) = loaded.document.as_ref().filter(|(root, _)| root.value != Value::Null)
            && let Some(map) = reader.map(root, &root.place, &["servers"])
            && let Some(node) = map.get("servers")
        {
            servers.read(&mut reader, node);
        }
        let mut diagnostics = loaded.diagnostics;
        diagnostics.extend(reader.diagnostics);
        sort(&mut diagnostics);
        if any_error(&diagnostics) { Err(diagnostics) } else { Ok(servers) }
    }

    fn read(&mut self, reader: &mut Reader, node: &Node) {
        let Some(all) = reader.any_map(node, &node.place) else { return };
        for entry in all.entries() {
            let Some(map) = reader.map(&entry.value, &entry.at, &["url", "token"]) else { continue };
            let url = reader.needed(&map, "url").and_then(|node| reader.text(node)).map(str::to_owned);
            let token = reader.needed(&map, "token").and_then(|node| reader.text(node)).map(str::to_owned);
            if token.as_ref().is_some_and(String::is_empty) {
                reader.error(codes::BAD_VALUE, &entry.at, "the token is empty", "log in again");
            }
            if let (Some(url), Some(token)) = (url, token) {
                self.0.insert(entry.key.clone(), KnownServer { url, token });
            }
        }
    }

    /// The server of that name, or at that address.
    pub fn find(&self, wanted: &str) -> Option<&KnownServer> {
        let plain = |url: &str| url.trim_end_matches('/').to_owned();
        self.0.get(wanted).or_else(|| self.0.values().find(|server| plain(&server.url) == plain(wanted)))
    }

    /// The file as [`KnownServers::parse`] reads it.
    pub fn text(&self) -> String {
        if self.0.is_empty() {
            return String::new();
        }
        // What JSON quotes, YAML reads.
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let line = |(name, server): (&String, &KnownServer)| {
            let (name, url, token) = (quoted(name), quoted(&server.url), quoted(&server.token));
            format!("  {name}: {{ url: {url}, token: {token} }}\n")
        };
        format!("servers:\n{}", self.0.iter().map(line).collect::<String>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers() -> KnownServers {
        let server = |url: &str, token: &str| KnownServer { url: url.into(), token: token.into() };
        let named = [
            ("ci", server("https://ci.example.com", "sw_1")),
            ("a \"b\"", server("http://localhost:1/", "sw_2")),
        ];
        KnownServers(named.map(|(name, server)| (name.to_owned(), server)).into())
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(KnownServers::parse("servers.yaml", servers().text().as_bytes()), Ok(servers()));
        assert_eq!(KnownServers::parse("servers.yaml", b""), Ok(KnownServers::default()));
    }

    #[test]
    fn a_server_is_found_by_name_and_by_address() {
        let servers = servers();
        for wanted in ["ci", "https://ci.example.com", "https://ci.example.com/"] {
            assert_eq!(servers.find(wanted).map(|server| server.token.as_str()), Some("sw_1"), "{wanted}");
        }
        assert_eq!(servers.find("https://ci.example.com.evil"), None);
    }

    #[test]
    fn no_problem_and_no_debug_text_repeats_a_token() {
        let found =
            KnownServers::parse("servers.yaml", b"servers: { a: { url: [], token: sw_hunter2, x: 1 } }")
                .unwrap_err();
        assert_eq!(found.len(), 2);
        assert!(!format!("{found:?}{:?}", servers()).contains("sw_"), "{found:?}");
    }
}
