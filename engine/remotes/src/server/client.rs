use super::error::ServerError;
use super::views::{Problem, RemoteDelivery, RemoteFreeze, RemoteToken};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Method, Response, Url};
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};
use stageway_core::name::{EnvironmentName, RunId, StageName, TenantId};
use stageway_ports::{Approval, SecretValue};
use std::error::Error;
use std::time::Duration;
use url::Host;

/// Making a connection may take this long at most.
const CONNECT: Duration = Duration::from_secs(15);
/// From the request to the last byte of the answer.
const WHOLE: Duration = Duration::from_secs(90);
/// Bytes of an answer.
const MOST: usize = 256 << 20;

/// One tenant of a server.
#[derive(Debug, Clone)]
pub struct RemoteServer {
    pub(super) client: Client,
    url: Url,
    token: SecretValue,
}

/// A query: names and values.
pub(super) type Query<'a> = &'a [(&'a str, String)];

impl RemoteServer {
    /// A server at an address. Nothing is sent yet.
    ///
    /// # Errors
    /// [`ServerError::Address`], also when the token would be sent in clear to another machine.
    pub fn new(url: &str, token: SecretValue) -> Result<Self, ServerError> {
        let refused =
            |problem: &str| ServerError::Address { url: url.to_owned(), problem: problem.to_owned() };
        let parsed = Url::parse(url).map_err(|error| refused(&error.to_string()))?;
        match parsed.scheme() {
            "https" => {}
            "http" if is_this_machine(&parsed) => {}
            "http" => return Err(refused("over plain HTTP everybody on the way would read the token")),
            _ => return Err(refused("it begins with `https://`")),
        }
        let tls = match parsed.scheme() {
            "https" => crate::tls::client_config().map_err(|problem| refused(&problem))?,
            _ => crate::tls::no_tls(),
        };
        let client = Client::builder()
            .http1_only()
            .referer(false)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("stageway/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .timeout(WHOLE)
            .tls_backend_preconfigured(tls)
            .build();
        let client = client.map_err(|error| refused(&reason(&error)))?;
        Ok(Self { client, url: parsed, token })
    }

    /// Whose the token is, and what it may do.
    ///
    /// # Errors
    /// [`ServerError`].
    pub async fn token(&self) -> Result<RemoteToken, ServerError> {
        self.json(Method::GET, &["api", "v1", "token"], &[], None).await
    }

    /// Asks for the end of a run.
    ///
    /// # Errors
    /// [`ServerError`].
    pub async fn cancel(&self, tenant: &TenantId, run: &RunId, reason: &str) -> Result<(), ServerError> {
        let path = of(tenant, &["runs", run.as_str(), "cancel"]);
        self.done(Method::POST, &path, Some(json!({ "reason": reason }))).await
    }

    /// Starts a run by hand; none if that takes longer than an answer may.
    ///
    /// # Errors
    /// [`ServerError`].
    pub async fn start(&self, tenant: &TenantId, wanted: Json) -> Result<Option<u64>, ServerError> {
        self.begun(&of(tenant, &["runs"]), wanted).await
    }

    /// Does a run once more, from a stage on; answers as [`Server::start`].
    ///
    /// # Errors
    /// [`ServerError`].
    pub async fn rerun(
        &self,
        tenant: &TenantId,
        run: &RunId,
        from: Option<&StageName>,
    ) -> Result<Option<u64>, ServerError> {
        self.begun(&of(tenant, &["runs", run.as_str(), "rerun"]), json!({ "from": from })).await
    }

    async fn begun(&self, path: &[&str], body: Json) -> Result<Option<u64>, ServerError> {
        let answer: Json = self.json(Method::POST, path, &[], Some(body)).await?;
        Ok(answer["number"].as_u64())
    }

    /// Answers a question, if it is still what its stage asks.
    ///
    /// # Errors
    /// [`ServerError`].
    pub async fn approve(
        &self,
        tenant: &TenantId,
        run: &RunId,
        question: &Approval,
        approved: bool,
        reason: &str,
    ) -> Result<(), ServerError> {
        let path = of(tenant, &["runs", run.as_str(), "stages", question.stage.as_str(), "approval"]);
        let verdict = json!({ "approved": approved, "digest": question.digest(), "reason": reason });
        self.done(Method::POST, &path, Some(verdict)).await
    }

    /// Freezes an environment, or the tenant.
    ///
    /// # Errors
    /// [`ServerError`].
    pub async fn freeze(
        &self,
        tenant: &TenantId,
        environment: Option<&EnvironmentName>,
        reason: &str,
    ) -> Result<RemoteFreeze, ServerError> {
        let body = json!({ "reason": reason });
        self.json(Method::PUT, &frozen(tenant, environment), &[], Some(body)).await
    }

    /// Thaws it; answers whether it was frozen.
    ///
    /// # Errors
    /// [`ServerError`].
    pub async fn thaw(
        &self,
        tenant: &TenantId,
        environment: Option<&EnvironmentName>,
    ) -> Result<bool, ServerError> {
        let answer: Json = self.json(Method::DELETE, &frozen(tenant, environment), &[], None).await?;
        Ok(answer["thawed"].as_bool().unwrap_or(false))
    }

    /// The newest deliveries of a tenant.
    ///
    /// # Errors
    /// [`ServerError`].
    pub async fn deliveries(
        &self,
        tenant: &TenantId,
        webhook: Option<&str>,
        max: u32,
    ) -> Result<Vec<RemoteDelivery>, ServerError> {
        let mut query = vec![("max", max.to_string())];
        query.extend(webhook.map(|webhook| ("webhook", webhook.to_owned())));
        self.json(Method::GET, &of(tenant, &["deliveries"]), &query, None).await
    }

    /// One delivery.
    ///
    /// # Errors
    /// [`ServerError`].
    pub async fn delivery(&self, tenant: &TenantId, delivery: &str) -> Result<RemoteDelivery, ServerError> {
        self.json(Method::GET, &of(tenant, &["deliveries", delivery]), &[], None).await
    }

    /// Has a delivery taken in once more.
    ///
    /// # Errors
    /// [`ServerError`].
    pub async fn redeliver(&self, tenant: &TenantId, delivery: &str) -> Result<RemoteDelivery, ServerError> {
        self.json(Method::POST, &of(tenant, &["deliveries", delivery, "redeliver"]), &[], None).await
    }

    /// A JSON answer.
    pub(super) async fn json<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        query: Query<'_>,
        body: Option<Json>,
    ) -> Result<T, ServerError> {
        let bytes = self.send(method, path, query, body).await?;
        serde_json::from_slice(&bytes).map_err(|error| self.strange(&error.to_string()))
    }

    async fn done(&self, method: Method, path: &[&str], body: Option<Json>) -> Result<(), ServerError> {
        self.send(method, path, &[], body).await.map(drop)
    }

    /// The body of an answer that says yes.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &[&str],
        query: Query<'_>,
        body: Option<Json>,
    ) -> Result<Vec<u8>, ServerError> {
        let mut request = self.client.request(method, self.address(path, query)?);
        request = request.header(AUTHORIZATION, self.authorization()?).header(ACCEPT, "*/*");
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(body.to_string());
        }
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        let status = response.status().as_u16();
        let body = self.whole(response).await?;
        if (200..300).contains(&status) { Ok(body) } else { Err(self.refused(status, &body)) }
    }

    pub(super) fn address(&self, path: &[&str], query: Query<'_>) -> Result<Url, ServerError> {
        let mut url = self.url.clone();
        url.path_segments_mut()
            .map_err(|()| self.strange("its address has no path"))?
            .pop_if_empty()
            .extend(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }

    pub(super) fn authorization(&self) -> Result<HeaderValue, ServerError> {
        let value = [b"Bearer ", self.token.expose()].concat();
        let mut value = HeaderValue::from_bytes(&value).map_err(|_| self.strange("the token is not one"))?;
        value.set_sensitive(true);
        Ok(value)
    }

    pub(super) async fn whole(&self, mut response: Response) -> Result<Vec<u8>, ServerError> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unreachable(&error))? {
            if body.len() + chunk.len() > MOST {
                return Err(self.strange("more than this engine takes"));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    pub(super) fn refused(&self, status: u16, body: &[u8]) -> ServerError {
        match serde_json::from_slice::<Problem>(body) {
            Ok(Problem { code, title, detail, remedy, problems }) => {
                ServerError::Problem { status, code, detail: detail.unwrap_or(title), remedy, problems }
            }
            Err(_) => self.strange(&format!("status {status}")),
        }
    }

    pub(super) fn strange(&self, problem: &str) -> ServerError {
        ServerError::Strange { url: self.url.to_string(), problem: problem.to_owned() }
    }

    pub(super) fn unreachable(&self, error: &reqwest::Error) -> ServerError {
        ServerError::Unreachable { url: self.url.to_string(), problem: reason(error) }
    }
}

/// A path of a tenant.
pub(super) fn of<'a>(tenant: &'a TenantId, rest: &[&'a str]) -> Vec<&'a str> {
    [&["api", "v1", "tenants", tenant.as_str()], rest].concat()
}

fn frozen<'a>(tenant: &'a TenantId, environment: Option<&'a EnvironmentName>) -> Vec<&'a str> {
    match environment {
        Some(environment) => of(tenant, &["environments", environment.as_str(), "freeze"]),
        None => of(tenant, &["freeze"]),
    }
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// The innermost cause.
fn reason(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_not_sent_in_clear_to_another_machine() {
        let server = |url: &str| RemoteServer::new(url, SecretValue::new(b"sw_x".to_vec()));
        for good in ["http://127.0.0.1:1", "http://[::1]:1/", "http://localhost", "http://127.0.0.1/ci"] {
            assert!(server(good).is_ok(), "{good}");
        }
        for bad in
            ["http://example.com", "http://127.0.0.1.example.com", "ftp://localhost", "example.com", ""]
        {
            assert!(matches!(server(bad), Err(ServerError::Address { .. })), "{bad}");
        }
    }

    #[test]
    fn names_are_whole_parts_of_an_address() {
        let server = RemoteServer::new("http://localhost/ci/", SecretValue::new(b"sw_x".to_vec())).unwrap();
        let url = server.address(&["a", "b/../c?d"], &[("max", "2".into())]).unwrap();
        assert_eq!(url.as_str(), "http://localhost/ci/a/b%2F..%2Fc%3Fd?max=2");
    }
}
