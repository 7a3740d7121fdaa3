use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Client, ClientBuilder, Url};
use stageway_core::egress::refusal;
use stageway_ports::RegistryError;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use url::Host;

const CONNECT: Duration = Duration::from_secs(15);
/// Between two pieces of an answer.
const SILENCE: Duration = Duration::from_secs(60);
const MAX_REDIRECTS: usize = 5;

/// The connections to one registry.
#[derive(Debug)]
pub(super) struct Clients {
    /// For everything but streamed uploads.
    pub(super) calls: Client,
    /// For streamed uploads, which watch their own progress: an answer comes only at their end.
    pub(super) uploads: Client,
}

impl Clients {
    pub(super) fn new(base: &Url) -> Result<Self, RegistryError> {
        let build = |builder: ClientBuilder| {
            builder.build().map_err(|error| RegistryError::Unavailable(format!("TLS: {error}")))
        };
        Ok(Self {
            calls: build(builder(base)?.read_timeout(SILENCE))?,
            uploads: build(builder(base)?.redirect(Policy::none()))?,
        })
    }
}

fn builder(base: &Url) -> Result<ClientBuilder, RegistryError> {
    let tls = match base.scheme() {
        "https" => crate::tls::client_config().map_err(RegistryError::Unavailable)?,
        _ => crate::tls::no_tls(),
    };
    let own = Arc::new(base.host_str().unwrap_or_default().to_owned());
    let guard = Guard { own: Arc::clone(&own) };
    Ok(Client::builder()
        .no_proxy()
        .http1_only()
        .referer(false)
        .retry(reqwest::retry::never())
        .tls_backend_preconfigured(tls)
        .dns_resolver(Arc::new(guard))
        .redirect(Policy::custom(move |attempt| follow(attempt, &own)))
        .user_agent(concat!("stageway/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT))
}

/// Registries redirect to where their blobs lie. Not from TLS to plain HTTP, and not to an address that is never allowed.
/// reqwest drops the credentials when the host changes.
fn follow(attempt: Attempt<'_>, own: &str) -> reqwest::redirect::Action {
    let started_with_tls = attempt.previous().first().is_some_and(|url| url.scheme() == "https");
    if attempt.previous().len() > MAX_REDIRECTS {
        return attempt.error("the registry redirects more than five times");
    }
    if started_with_tls && attempt.url().scheme() != "https" {
        return attempt.error("the registry redirects from https to http");
    }
    match literal_refusal(attempt.url(), own) {
        Some(problem) => attempt.error(problem),
        None => attempt.follow(),
    }
}

/// Why an address that is written out may not be reached; the registry's own may.
pub(super) fn literal_refusal(url: &Url, own: &str) -> Option<String> {
    let address = match url.host()? {
        Host::Ipv4(address) => address.into(),
        Host::Ipv6(address) => address.into(),
        Host::Domain(_) => return None,
    };
    let refusal = refusal(address).filter(|_| url.host_str() != Some(own))?;
    Some(format!("the registry names {address}, {refusal}"))
}

/// Resolves names; any but the registry's own must not lead to an address that is never allowed.
struct Guard {
    own: Arc<String>,
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let own = Arc::clone(&self.own);
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let refused = found.iter().find_map(|address| Some((address.ip(), refusal(address.ip())?)));
            match refused {
                Some((address, refusal)) if !name.as_str().eq_ignore_ascii_case(&own) => {
                    Err(format!("`{}` is {address}, {refusal}", name.as_str()).into())
                }
                _ => Ok(Box::new(found.into_iter()) as Addrs),
            }
        })
    }
}
