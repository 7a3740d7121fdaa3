use super::redirect::{Next, next};
use super::request::Checked;
use async_trait::async_trait;
use reqwest::dns::{Name, Resolve, Resolving};
use reqwest::{Client, Response, Url};
use stageway_core::egress::refusal;
use stageway_core::grant::HostPattern;
use stageway_ports::{Egress, Http, HttpError, HttpRequest, HttpResponse};
use std::collections::BTreeSet;
use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use url::Host;

/// Making a connection may take this long at most, whatever the request allows.
const CONNECT: Duration = Duration::from_secs(15);
/// A name may have this many addresses.
const MAX_ADDRESSES: usize = 32;

/// The `http` interface of plugins.
#[derive(Debug, Clone, Default)]
pub struct EgressHttp {
    open: BTreeSet<HostPattern>,
}

impl EgressHttp {
    /// `open` is what the operator's configuration opens although it is never allowed: a name and port whose addresses
    /// are not asked about, or an address and port. The grant is asked for all the same.
    pub fn new(open: BTreeSet<HostPattern>) -> Self {
        Self { open }
    }

    /// Checks where a request goes, and answers the addresses to dial.
    async fn destination(&self, url: &Url, egress: &Egress) -> Result<Vec<SocketAddr>, HttpError> {
        let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else {
            return Err(HttpError::Invalid("the URL has no host".into()));
        };
        let name = match &host {
            Host::Domain(name) => name.trim_end_matches('.').to_ascii_lowercase(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        };
        let mut granted = egress.hosts.iter().filter_map(|text| text.parse::<HostPattern>().ok());
        if !granted.any(|pattern| pattern.matches(&name, port)) {
            return Err(HttpError::Denied(format!("{name}:{port} is not granted")));
        }
        let addresses = match host {
            Host::Domain(_) => resolve(&name, port).await?,
            Host::Ipv4(address) => vec![SocketAddr::new(address.into(), port)],
            Host::Ipv6(address) => vec![SocketAddr::new(address.into(), port)],
        };
        for address in &addresses {
            self.check(&name, address.ip(), port)?;
        }
        Ok(addresses)
    }

    fn check(&self, name: &str, address: IpAddr, port: u16) -> Result<(), HttpError> {
        let Some(refusal) = refusal(address) else { return Ok(()) };
        let opens = |open: &HostPattern| open.matches(name, port) || open.matches(&address.to_string(), port);
        if self.open.iter().any(opens) {
            return Ok(());
        }
        let remedy = format!("the operator may open `{name}:{port}` under `egress.allow`");
        Err(HttpError::Denied(format!("{name} is {address}, {refusal}; {remedy}")))
    }

    /// Sends one request and answers its response as soon as its headers are there.
    async fn exchange(
        &self,
        request: &Checked,
        egress: &Egress,
        deadline: Instant,
    ) -> Result<Response, HttpError> {
        let unsent = || HttpError::NotSent("its name was not resolved in time".into());
        let destination = self.destination(&request.url, egress);
        let addresses = tokio::time::timeout_at(deadline, destination).await.map_err(|_| unsent())??;
        let patience = deadline.saturating_duration_since(Instant::now()).min(CONNECT);
        let client = client(&request.url, &addresses, patience)?;
        let sent = client
            .request(request.method.clone(), request.url.clone())
            .headers(request.headers.clone())
            .body(request.body.clone())
            .send();
        match tokio::time::timeout_at(deadline, sent).await {
            Err(_) => Err(HttpError::TimedOut),
            Ok(Err(error)) if error.is_builder() => Err(HttpError::Invalid(reason(&error))),
            Ok(Err(error)) if error.is_connect() => Err(HttpError::NotSent(reason(&error))),
            Ok(Err(error)) => Err(HttpError::Broken(reason(&error))),
            Ok(Ok(response)) => Ok(response),
        }
    }

    async fn follow(
        &self,
        mut request: Checked,
        limits: &HttpRequest,
        egress: &Egress,
        deadline: Instant,
    ) -> Result<HttpResponse, HttpError> {
        let mut followed = 0;
        loop {
            let response = self.exchange(&request, egress, deadline).await.map_err(|error| match error {
                // The first request was received: that a later one was not sent does not undo it.
                HttpError::NotSent(problem) if followed > 0 => HttpError::Broken(problem),
                other => other,
            })?;
            if followed < limits.redirects
                && let Next::Follow(redirected) = next(&request, response.status(), response.headers())?
            {
                request = *redirected;
                followed += 1;
                continue;
            }
            let whole = tokio::time::timeout_at(deadline, take(response, limits.response_bytes)).await;
            return whole.unwrap_or(Err(HttpError::TimedOut));
        }
    }
}

#[async_trait]
impl Http for EgressHttp {
    async fn send(&self, mut request: HttpRequest, egress: &Egress) -> Result<HttpResponse, HttpError> {
        let deadline = Instant::now() + Duration::from_millis(request.timeout_ms);
        let checked = Checked::new(&mut request)?;
        self.follow(checked, &request, egress, deadline).await
    }
}

async fn resolve(name: &str, port: u16) -> Result<Vec<SocketAddr>, HttpError> {
    let unresolved = |problem: String| HttpError::NotSent(format!("{name}: {problem}"));
    let found = tokio::net::lookup_host((name, port)).await.map_err(|error| unresolved(error.to_string()))?;
    let addresses: Vec<_> = found.take(MAX_ADDRESSES).collect();
    if addresses.is_empty() { Err(unresolved("it has no address".into())) } else { Ok(addresses) }
}

/// Knows no name: what was not checked is not dialled, however a name is spelled.
struct NoNames;

impl Resolve for NoNames {
    fn resolve(&self, name: Name) -> Resolving {
        let problem = format!("`{}` was not checked", name.as_str());
        Box::pin(std::future::ready(Err(problem.into())))
    }
}

/// A client for one request: it knows no other address of the host than the checked ones, and no proxy.
fn client(url: &Url, addresses: &[SocketAddr], patience: Duration) -> Result<Client, HttpError> {
    let mut builder = Client::builder()
        .no_proxy()
        .dns_resolver(Arc::new(NoNames))
        .http1_only()
        .referer(false)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .pool_max_idle_per_host(0)
        .user_agent(concat!("stageway/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(patience);
    if let Some(Host::Domain(name)) = url.host() {
        builder = builder.resolve_to_addrs(name, addresses);
    }
    let tls = match url.scheme() {
        "https" => crate::tls::client_config().map_err(HttpError::NotSent)?,
        _ => crate::tls::no_tls(),
    };
    builder = builder.tls_backend_preconfigured(tls);
    builder.build().map_err(|error| HttpError::NotSent(reason(&error)))
}

/// The body as it comes, up to a limit.
async fn take(mut response: Response, max: u64) -> Result<HttpResponse, HttpError> {
    if response.content_length().is_some_and(|length| length > max) {
        return Err(HttpError::TooLarge(max));
    }
    let text = |value: &reqwest::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = response.headers().iter().map(|(name, value)| (name.as_str().to_owned(), text(value)));
    let headers = headers.collect();
    let status = response.status().as_u16();
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if (body.len() + chunk.len()) as u64 > max => {
                return Err(HttpError::TooLarge(max));
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Ok(HttpResponse { status, headers, body }),
            Err(error) => return Err(HttpError::Broken(reason(&error))),
        }
    }
}

/// The innermost cause: the outer ones repeat the URL, which may hold a secret.
fn reason(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    if std::ptr::addr_eq(cause, error) { "the request failed".to_owned() } else { cause.to_string() }
}
