use crate::{Egress, Http, HttpError, HttpRequest, HttpResponse};
use async_trait::async_trait;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What answers a request: the status and body, or the fault.
pub type Script = Box<dyn Fn(&HttpRequest) -> Result<HttpResponse, HttpError> + Send + Sync>;

#[derive(Default)]
struct State {
    received: u32,
    by_key: BTreeMap<String, u32>,
    effects: BTreeSet<String>,
    unkeyed: u32,
}

/// A receiver that takes repetitions under one `Idempotency-Key` for one, as the contract expects of it.
///
/// A request counts as received when the script answers it or with [`HttpError::Broken`] or [`HttpError::TimedOut`]: in
/// those the receiver may have it, so here it has.
pub struct MemoryHttp {
    state: Mutex<State>,
    script: Script,
}

impl Default for MemoryHttp {
    fn default() -> Self {
        Self::new(|_| Ok(HttpResponse { status: 200, headers: Vec::new(), body: Vec::new() }))
    }
}

impl MemoryHttp {
    /// Answers as the script says.
    pub fn new(
        script: impl Fn(&HttpRequest) -> Result<HttpResponse, HttpError> + Send + Sync + 'static,
    ) -> Self {
        Self { state: Mutex::default(), script: Box::new(script) }
    }

    /// Requests that reached the receiver, of every method.
    pub fn received(&self) -> u32 {
        self.lock().received
    }

    /// How often each `Idempotency-Key` arrived.
    pub fn by_key(&self) -> BTreeMap<String, u32> {
        self.lock().by_key.clone()
    }

    /// What the receiver did: each key once.
    pub fn effects(&self) -> BTreeSet<String> {
        self.lock().effects.clone()
    }

    /// Requests that were neither GET nor HEAD and had no key: each one did something.
    pub fn unkeyed(&self) -> u32 {
        self.lock().unkeyed
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn receive(&self, request: &HttpRequest) {
        let mut state = self.lock();
        state.received += 1;
        let key = request.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("idempotency-key"));
        match key {
            Some((_, key)) => {
                *state.by_key.entry(key.clone()).or_default() += 1;
                state.effects.insert(key.clone());
            }
            None if !matches!(request.method.as_str(), "GET" | "HEAD") => state.unkeyed += 1,
            None => {}
        }
    }
}

#[async_trait]
impl Http for MemoryHttp {
    async fn send(&self, request: HttpRequest, _egress: &Egress) -> Result<HttpResponse, HttpError> {
        let answer = (self.script)(&request);
        if matches!(answer, Ok(_) | Err(HttpError::Broken(_) | HttpError::TimedOut | HttpError::TooLarge(_)))
        {
            self.receive(&request);
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn post(key: Option<&str>) -> HttpRequest {
        HttpRequest {
            method: "POST".into(),
            url: "https://a.example/".into(),
            headers: key.map(|key| ("Idempotency-Key".to_owned(), key.to_owned())).into_iter().collect(),
            body: Vec::new(),
            timeout_ms: 1000,
            response_bytes: 1000,
            redirects: 0,
        }
    }

    #[tokio::test]
    async fn a_key_counts_once_and_what_was_not_sent_not_at_all() {
        let http = MemoryHttp::default();
        for key in [Some("a"), Some("a"), None] {
            http.send(post(key), &Egress::default()).await.unwrap();
        }
        assert_eq!((http.received(), http.unkeyed(), http.effects().len()), (3, 1, 1));
        assert_eq!(http.by_key()["a"], 2);

        let deaf = MemoryHttp::new(|_| Err(HttpError::NotSent("refused".into())));
        deaf.send(post(Some("a")), &Egress::default()).await.unwrap_err();
        assert_eq!((deaf.received(), deaf.effects().len()), (0, 0));
    }
}
