//! Reading where traces go.

use super::service::TraceReceiver;
use crate::diagnostic::codes;
use crate::document::{Map, Node, Reader, reader::cut};
use crate::grant::HostPattern;
use crate::policy::source;
use std::collections::BTreeMap;

pub(super) fn traces(reader: &mut Reader, map: &Map<'_>) -> Option<TraceReceiver> {
    let node = map.get("traces")?;
    let map = reader.map(node, &node.place, &["url", "headers"])?;
    let address = reader.needed(&map, "url").and_then(|node| address(reader, node));
    let mut headers = BTreeMap::new();
    if let Some(all) = map.get("headers").and_then(|node| reader.any_map(node, &node.place)) {
        for entry in all.entries() {
            let name = entry.key.to_ascii_lowercase();
            let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
            if name.is_empty() || !plain {
                let message = format!("`{}` is not the name of a header", cut(&entry.key));
                reader.error(codes::BAD_NAME, &entry.at, message, "use letters, digits, `-`, `_` and `.`");
            }
            if let Some(from) = source(reader, &entry.value, "header") {
                headers.insert(name, from);
            }
        }
    }
    let (url, host) = address?;
    Some(TraceReceiver { url, host, headers })
}

/// The address as it is, and the host and port that are in it.
fn address(reader: &mut Reader, node: &Node) -> Option<(String, HostPattern)> {
    let text = reader.text(node)?;
    let found = split(text).and_then(|(scheme, authority)| {
        let port = if scheme == "https" { 443 } else { 4318 };
        let named = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let host = if named { authority.to_owned() } else { format!("{authority}:{port}") };
        // The port is a part of the address too, so that both say the same.
        let url =
            if named || scheme == "https" { text.to_owned() } else { text.replacen(authority, &host, 1) };
        host.parse().ok().map(|host| (url, host))
    });
    if found.is_none() {
        let message = format!("`{}` is no address of a receiver of traces", cut(text));
        reader.error(
            codes::BAD_VALUE,
            &node.place,
            message,
            "write it as in `http://localhost:4318/v1/traces`",
        );
    }
    found
}

fn split(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once("://")?;
    let (authority, path) = rest.split_once('/')?;
    let plain = !path.is_empty() && text.chars().all(|c| c.is_ascii_graphic()) && !authority.contains('@');
    (plain && ["http", "https"].contains(&scheme)).then_some((scheme, authority))
}

#[cfg(test)]
mod tests {
    use crate::operator::Operator;

    fn read(text: &str) -> Result<(String, String), String> {
        let operator =
            Operator::parse("config.yaml", text.as_bytes()).map_err(|found| found[0].to_string())?;
        let traces = operator.service.traces.ok_or("none")?;
        Ok((traces.url, traces.host.to_string()))
    }

    #[test]
    fn the_host_and_its_port_are_found() {
        let both = |url: &str, host: &str| Ok((url.to_owned(), host.to_owned()));
        assert_eq!(
            read("traces: { url: \"http://otel:4318/v1/traces\" }"),
            both("http://otel:4318/v1/traces", "otel:4318")
        );
        assert_eq!(
            read("traces: { url: \"http://otel/v1/traces\" }"),
            both("http://otel:4318/v1/traces", "otel:4318")
        );
        assert_eq!(
            read("traces: { url: \"https://otel.example.com/v1/traces\", headers: { X-Key: env:KEY } }"),
            both("https://otel.example.com/v1/traces", "otel.example.com:443")
        );
    }

    #[test]
    fn what_is_no_address_is_told() {
        for text in ["otel:4318", "ftp://a/b", "http://user@otel/v1/traces", "http://otel"] {
            let told = read(&format!("traces: {{ url: \"{text}\" }}")).unwrap_err();
            assert!(told.contains("SW0113"), "{told}");
        }
        assert!(read("traces: { }").unwrap_err().contains("SW0111"));
    }
}
