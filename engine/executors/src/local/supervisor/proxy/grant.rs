//! Which hosts a task may reach.

use stageway_core::egress::{Refusal, refusal};
use std::net::IpAddr;

/// Granted `host:port` pairs.
#[derive(Debug)]
pub(super) struct Grants {
    grants: Vec<Grant>,
    /// Why an address is never dialled, whatever is granted.
    pub refusal: fn(IpAddr) -> Option<Refusal>,
}

#[derive(Debug, PartialEq, Eq)]
struct Grant {
    /// In lower case; of a pattern `*.example.org` it is `.example.org`.
    name: String,
    subdomains: bool,
    port: u16,
}

impl Grants {
    /// Reads `host:port`, where `*.` in front takes subdomains, and not the name itself.
    ///
    /// # Errors
    /// The first that is not one, with the remedy.
    pub(super) fn new(hosts: &[String]) -> Result<Self, String> {
        let grants = hosts.iter().map(|host| grant(host)).collect::<Result<_, _>>()?;
        Ok(Self { grants, refusal })
    }

    /// Whether a name, as the task spelled it, may be reached on a port.
    pub(super) fn allow(&self, host: &str, port: u16) -> bool {
        let host = normal(host);
        self.grants.iter().any(|grant| {
            let name = if grant.subdomains {
                host.len() > grant.name.len() && host.ends_with(&grant.name)
            } else {
                host == grant.name
            };
            name && grant.port == port
        })
    }
}

fn grant(text: &str) -> Result<Grant, String> {
    let wrong = || format!("the network grant `{}` is not `host:port`", text.escape_debug());
    let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let port = port.parse().map_err(|_| wrong())?;
    let (name, subdomains) = match host.strip_prefix('*') {
        Some(rest) if rest.starts_with('.') && rest.len() > 1 => (rest, true),
        Some(_) => return Err(wrong()),
        None if host.is_empty() => return Err(wrong()),
        None => (host, false),
    };
    Ok(Grant { name: normal(name), subdomains, port })
}

/// Lower case, without the brackets of an IPv6 address or the root's dot.
fn normal(host: &str) -> String {
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_ports_are_both_granted() {
        let hosts = ["Example.org:443", "*.example.net:443", "10.0.0.1:80", "[fd12::1]:80"].map(String::from);
        let grants = Grants::new(&hosts).unwrap();
        for (host, port) in [
            ("example.org", 443),
            ("EXAMPLE.org.", 443),
            ("a.b.example.net", 443),
            ("10.0.0.1", 80),
            ("[fd12::1]", 80),
        ] {
            assert!(grants.allow(host, port), "{host}:{port}");
        }
        for (host, port) in [
            ("example.org", 80),
            ("a.example.org", 443),
            ("example.net", 443),
            ("evilexample.net", 443),
            ("", 443),
        ] {
            assert!(!grants.allow(host, port), "{host}:{port}");
        }
    }

    #[test]
    fn what_is_no_host_and_port_is_refused() {
        for wrong in ["example.org", ":443", "*:443", "*.:443", "example.org:https", "*example.org:1"] {
            assert!(Grants::new(&[wrong.to_owned()]).is_err(), "{wrong}");
        }
    }
}
