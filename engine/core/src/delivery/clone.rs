//! Where repositories are cloned from, compared as people mean it.

/// A clone address without what only says how to get there: scheme, login, port, `.git`. `https://git.example.com/acme/demo.git`
/// and `git@git.example.com:acme/demo` are the same place. A path of a machine stays as it is.
pub fn clone_place(address: &str) -> String {
    let bare = address.trim().trim_end_matches('/');
    let bare = bare.strip_suffix(".git").unwrap_or(bare);
    let (host, path) = match bare.split_once("://") {
        Some(("file", path)) => return path.to_owned(),
        Some((_, rest)) => rest.split_once('/').unwrap_or((rest, "")),
        // As `scp` writes it: a colon before any slash.
        None => match bare.split_once(':') {
            Some((host, path)) if !host.contains('/') => (host, path),
            _ => return bare.to_owned(),
        },
    };
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    // An IPv6 address has colons of its own, and stands in brackets.
    let host = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => name,
        _ => host,
    };
    format!("{}/{}", host.to_ascii_lowercase(), path.trim_matches('/'))
}

/// A clone address without the login that may stand in it.
pub fn without_login(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else { return address.to_owned() };
    let (host, path) = rest.split_once('/').map_or((rest, None), |(host, path)| (host, Some(path)));
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    match path {
        Some(path) => format!("{scheme}://{host}/{path}"),
        None => format!("{scheme}://{host}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_to_the_same_place_are_alike() {
        for address in [
            "https://git.example.com/acme/demo.git",
            "https://ci:password@Git.Example.com/acme/demo",
            "ssh://git@git.example.com:2222/acme/demo.git/",
            "git@git.example.com:acme/demo.git",
        ] {
            assert_eq!(clone_place(address), "git.example.com/acme/demo", "{address}");
        }
        assert_eq!(clone_place("file:///srv/demo.git"), clone_place("/srv/demo.git"));
        assert_eq!(clone_place("https://[::1]:8080/a/b"), "[::1]/a/b");
        assert_ne!(clone_place("https://a.example/x/y"), clone_place("https://b.example/x/y"));
        assert_eq!(clone_place(""), "");
    }

    #[test]
    fn a_login_is_left_out() {
        for (address, shown) in [
            ("https://ci:password@git.example.com/a/b.git", "https://git.example.com/a/b.git"),
            ("https://git.example.com", "https://git.example.com"),
            ("https://a@b@host/x", "https://host/x"),
            ("git@git.example.com:a/b", "git@git.example.com:a/b"),
            ("/srv/demo.git", "/srv/demo.git"),
        ] {
            assert_eq!(without_login(address), shown);
        }
    }
}
