//! Any registry of the OCI distribution specification, over HTTP.
//!
//! # Guarantees
//! - A manifest is answered byte for byte, and only if its bytes have the digest that was asked for; a blob reaches the
//!   engine's blobs only if it has its digest.
//! - A tag is read before it is put and read again after. Registries have no compare-and-set, so somebody who does not go
//!   through this engine may put the same tag in between; what is read afterwards decides the answer. The engine's own
//!   calls for one tag are in order under a lock of the store.
//! - Answers 429 and 5xx and broken connections are tried again, a few times, after a growing pause or the one that the
//!   registry names. A download that breaks goes on where it stopped; an upload starts again.
//! - Credentials go to the registry and to the token service that it names, never along a redirect, and are never logged.
//!
//! # Assumptions
//! The operator chose the registry: its own address is not checked. Addresses that it redirects to are, by the same rules
//! as a plugin's requests.

mod auth;
mod blobs;
mod call;
mod challenge;
mod client;
mod failure;
mod manifests;
mod port;
mod retry;
mod tags;
mod upload;

use auth::Auth;
use client::Clients;
use reqwest::Url;
use stageway_core::image::RepositoryPath;
use stageway_ports::{RegistryError, SecretValue};
use std::fmt;
use std::path::PathBuf;

/// Who we are to a registry.
#[derive(Clone, Default)]
pub enum Credentials {
    /// Nobody.
    #[default]
    Anonymous,
    /// A user, or a robot with a password that is a token.
    Basic {
        /// The name.
        username: String,
        /// Never shown.
        password: SecretValue,
    },
    /// A bearer token for the registry itself.
    Token(SecretValue),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("Anonymous"),
            Self::Basic { username, .. } => write!(f, "Basic({username}, ***)"),
            Self::Token(_) => f.write_str("Token(***)"),
        }
    }
}

/// How a registry is reached.
#[derive(Debug, Clone)]
pub struct OciConfig {
    /// `HOST` or `HOST:PORT`.
    pub address: String,
    /// HTTP without TLS; only for a registry on loopback.
    pub plain_http: bool,
    /// Who we are.
    pub credentials: Credentials,
    /// Where downloads lie until they are whole: a folder of the engine's state, made when it is needed.
    pub staging: PathBuf,
}

/// One connection: a registry.
#[derive(Debug)]
pub struct OciRegistry {
    /// As the operator wrote it, and as references to its images begin.
    address: String,
    base: Url,
    clients: Clients,
    auth: Auth,
    staging: PathBuf,
}

impl OciRegistry {
    /// Prepares a connection; nothing is sent yet.
    ///
    /// # Errors
    /// [`RegistryError::Invalid`] if the address is not one, or plain HTTP would leave this machine;
    /// [`RegistryError::Unavailable`] if TLS cannot be set up.
    pub fn new(config: OciConfig) -> Result<Self, RegistryError> {
        let base = base(&config)?;
        let clients = Clients::new(&base)?;
        let auth = Auth::new(config.credentials)?;
        Ok(Self { address: config.address, base, clients, auth, staging: config.staging })
    }

    /// Under which name others pull from a repository.
    pub(super) fn pull_name(&self, repository: &RepositoryPath) -> String {
        format!("{}/{repository}", self.address)
    }

    /// An address of the registry's API: the path below `/v2/`.
    fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("/v2/{path}"));
        url
    }
}

fn base(config: &OciConfig) -> Result<Url, RegistryError> {
    let invalid =
        |problem: &str| RegistryError::Invalid(format!("registry `{:.200}`: {problem}", config.address));
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-_:[]".contains(c);
    if config.address.is_empty() || !config.address.chars().all(plain) {
        return Err(invalid("HOST or HOST:PORT is expected"));
    }
    let scheme = if config.plain_http { "http" } else { "https" };
    let url = Url::parse(&format!("{scheme}://{}/", config.address))
        .map_err(|error| invalid(&error.to_string()))?;
    let on_loopback = match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => return Err(invalid("HOST or HOST:PORT is expected")),
    };
    if config.plain_http && !on_loopback {
        return Err(invalid("HTTP without TLS is for a registry on loopback only; give the registry TLS"));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(address: &str, plain_http: bool) -> Result<OciRegistry, RegistryError> {
        let staging = PathBuf::from("unused");
        let credentials = Credentials::Anonymous;
        OciRegistry::new(OciConfig { address: address.into(), plain_http, credentials, staging })
    }

    #[test]
    fn an_address_is_a_host_and_plain_http_stays_at_home() {
        for address in ["127.0.0.1:5000", "localhost", "[::1]:5000"] {
            assert!(open(address, true).is_ok(), "{address}");
        }
        for address in ["registry.example", "10.0.0.1:5000", "localhost.example"] {
            assert!(matches!(open(address, true), Err(RegistryError::Invalid(_))), "{address}");
        }
        for address in ["", "a/b", "https://a", "user@a", "a b", "a?b", "a:port"] {
            assert!(matches!(open(address, true), Err(RegistryError::Invalid(_))), "{address}");
        }
    }

    #[test]
    fn credentials_are_not_shown() {
        let secret = || SecretValue::new(b"s3cret".to_vec());
        let basic = Credentials::Basic { username: "robot".into(), password: secret() };
        for credentials in [basic, Credentials::Token(secret())] {
            assert!(!format!("{credentials:?}").contains("s3cret"));
        }
    }
}
