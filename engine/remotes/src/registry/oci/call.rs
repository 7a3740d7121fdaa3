use super::auth::Scopes;
use super::failure::{Unread, bounded, broken, is_distrust};
use super::{OciRegistry, retry};
use bytes::Bytes;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Response, StatusCode, Url};
use stageway_ports::RegistryError;

/// One request to the registry.
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) scopes: Scopes,
    /// For errors: what is being done, without secrets.
    pub(super) what: String,
}

impl Call {
    pub(super) fn new(method: Method, url: Url, scope: String, what: String) -> Self {
        Self { method, url, headers: HeaderMap::new(), body: Bytes::new(), scopes: vec![scope], what }
    }

    pub(super) fn header(mut self, name: HeaderName, value: &'static str) -> Self {
        self.headers.insert(name, HeaderValue::from_static(value));
        self
    }
}

/// What a request for something small gave.
pub(super) enum Fetched {
    /// It is all there.
    Whole(HeaderMap, Vec<u8>),
    /// Another answer than 200.
    Other(Response),
}

impl OciRegistry {
    /// Sends a request until it is answered with something that trying again will not change.
    pub(super) async fn send(&self, call: &Call) -> Result<Response, RegistryError> {
        let mut tried = 0;
        let mut convinced = false;
        loop {
            let mut headers = call.headers.clone();
            self.auth.apply(&call.scopes, &mut headers);
            let request = self.clients.calls.request(call.method.clone(), call.url.clone()).headers(headers);
            let answer = request.body(call.body.clone()).send().await;
            tried += 1;
            let pause = match answer {
                Ok(response) if response.status() == StatusCode::UNAUTHORIZED && !convinced => {
                    convinced = true;
                    if self.convince(&call.scopes, response.headers()).await? {
                        continue;
                    }
                    return Ok(response);
                }
                Ok(response) if retry::may_pass(response.status()) && tried < retry::TRIES => {
                    retry::pause(tried, Some(response.headers()))
                }
                Err(error) if tried >= retry::TRIES || is_final(&error) => {
                    return Err(broken(&call.what, &error));
                }
                Err(_) => retry::pause(tried, None),
                Ok(response) => return Ok(response),
            };
            tracing::debug!(
                what = call.what,
                tried,
                pause_ms = pause.as_millis() as u64,
                "the registry is asked again"
            );
            tokio::time::sleep(pause).await;
        }
    }

    /// Sends a request and takes the whole body of its answer 200, again where the connection breaks on the way.
    pub(super) async fn fetch(&self, call: &Call, max: usize) -> Result<Fetched, RegistryError> {
        let mut tried = 0;
        loop {
            let response = self.send(call).await?;
            if response.status() != StatusCode::OK {
                return Ok(Fetched::Other(response));
            }
            let headers = response.headers().clone();
            tried += 1;
            match bounded(response, max).await {
                Ok(body) => return Ok(Fetched::Whole(headers, body)),
                Err(Unread::TooLarge) => {
                    return Err(RegistryError::Corrupt(format!("{}: more than {max} bytes", call.what)));
                }
                Err(Unread::Broken(error)) if tried >= retry::TRIES => {
                    return Err(broken(&call.what, &error));
                }
                Err(Unread::Broken(_)) => tokio::time::sleep(retry::pause(tried, None)).await,
            }
        }
    }
}

fn is_final(error: &reqwest::Error) -> bool {
    error.is_redirect() || error.is_builder() || is_distrust(error)
}
