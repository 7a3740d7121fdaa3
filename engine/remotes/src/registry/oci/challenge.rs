//! `WWW-Authenticate`: how a registry wants to be convinced (RFC 9110, and the distribution specification's tokens).

use std::collections::BTreeMap;

/// A header has at most this many parameters.
const MAX_PARAMETERS: usize = 16;

/// What a registry asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    /// User and password with every request.
    Basic,
    /// A token from its service.
    Bearer {
        /// The address of the token service.
        realm: String,
        /// The name that the service knows the registry by.
        service: Option<String>,
    },
}

/// Reads one header; none if it asks for anything else.
pub(super) fn read(header: &str) -> Option<Challenge> {
    let (scheme, rest) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
    if scheme.eq_ignore_ascii_case("basic") {
        return Some(Challenge::Basic);
    }
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let mut parameters = parameters(rest)?;
    Some(Challenge::Bearer { realm: parameters.remove("realm")?, service: parameters.remove("service") })
}

fn parameters(mut rest: &str) -> Option<BTreeMap<String, String>> {
    let mut parameters = BTreeMap::new();
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return Some(parameters);
        }
        let (name, after) = rest.split_once('=')?;
        let (value, after) = value(after.trim_start())?;
        parameters.insert(name.trim().to_ascii_lowercase(), value);
        rest = after;
        if parameters.len() > MAX_PARAMETERS {
            return None;
        }
    }
}

/// A quoted string or a token, and what follows it.
fn value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ']).unwrap_or(text.len());
        return Some((text[..end].to_owned(), &text[end..]));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &quoted[at + 1..])),
            '\\' => value.push(characters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_registries_send_is_read() {
        let bearer = |realm: &str, service: Option<&str>| {
            Some(Challenge::Bearer { realm: realm.into(), service: service.map(String::from) })
        };
        let header = r#"Bearer realm="https://auth.example/token",service="registry.example",scope="repository:a:pull,push""#;
        assert_eq!(read(header), bearer("https://auth.example/token", Some("registry.example")));
        assert_eq!(
            read(r#"bearer realm="https://a/\"x\"" , error=invalid"#),
            bearer("https://a/\"x\"", None)
        );
        assert_eq!(read("Basic realm=\"a\""), Some(Challenge::Basic));
        assert_eq!(read("basic"), Some(Challenge::Basic));
        for bad in
            ["", "Bearer", "Bearer service=\"a\"", "Bearer realm=\"a", "Bearer realm", "Digest realm=\"a\""]
        {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
