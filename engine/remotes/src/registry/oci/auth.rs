use super::challenge::{self, Challenge};
use super::client::literal_refusal;
use super::failure::{Failure, bounded, broken};
use super::{Credentials, OciRegistry};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use reqwest::{StatusCode, Url};
use serde::Deserialize;
use stageway_ports::{Login, LoginCredentials, RegistryError, SecretValue};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The answer of a token service has at most this many bytes.
const MAX_ANSWER: usize = 256 << 10;
/// What a token lives when its service does not say, and how long before its end it is given up.
const DEFAULT_LIFE: u64 = 60;
const MARGIN: u64 = 10;
/// Tokens kept; more scopes than that start over.
const MAX_TOKENS: usize = 256;

/// What a request is allowed to do, as token services write it: `repository:PATH:pull,push`.
pub(super) type Scopes = Vec<String>;

/// The scope of reading a repository.
pub(super) fn pull(repository: &str) -> String {
    format!("repository:{repository}:pull")
}

/// The scope of writing to a repository.
pub(super) fn push(repository: &str) -> String {
    format!("repository:{repository}:pull,push")
}

/// Credentials and the tokens that they gave.
pub(super) struct Auth {
    credentials: Credentials,
    /// The header of the credentials themselves; none for nobody.
    own: Option<HeaderValue>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The registry takes the credentials with every request.
    direct: bool,
    tokens: BTreeMap<Scopes, (HeaderValue, Instant)>,
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.credentials.fmt(f)
    }
}

#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

impl Auth {
    pub(super) fn new(credentials: Credentials) -> Result<Self, RegistryError> {
        let own = match &credentials {
            Credentials::Anonymous => None,
            Credentials::Basic { username, password } => Some(basic(username, password)?),
            Credentials::Token(token) => Some(header(b"Bearer ", token.expose())?),
        };
        let direct = matches!(credentials, Credentials::Token(_));
        Ok(Self { credentials, own, state: Mutex::new(State { direct, ..State::default() }) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds what is known to satisfy the registry.
    pub(super) fn apply(&self, scopes: &Scopes, headers: &mut HeaderMap) {
        let state = self.state();
        let token = state.tokens.get(scopes).filter(|(_, end)| *end > Instant::now()).map(|(token, _)| token);
        let direct = self.own.as_ref().filter(|_| state.direct);
        if let Some(value) = token.or(direct) {
            headers.insert(AUTHORIZATION, value.clone());
        }
    }

    fn keep(&self, scopes: Scopes, token: HeaderValue, life: Duration) {
        let mut state = self.state();
        if state.tokens.len() >= MAX_TOKENS {
            state.tokens.clear();
        }
        state.tokens.insert(scopes, (token, Instant::now() + life));
    }
}

fn basic(username: &str, password: &SecretValue) -> Result<HeaderValue, RegistryError> {
    let mut pair = [username.as_bytes(), b":"].concat();
    pair.extend_from_slice(password.expose());
    let pair = SecretValue::new(pair);
    let encoded = SecretValue::new(STANDARD.encode(pair.expose()).into_bytes());
    header(b"Basic ", encoded.expose())
}

fn header(scheme: &[u8], value: &[u8]) -> Result<HeaderValue, RegistryError> {
    let bytes = SecretValue::new([scheme, value].concat());
    let invalid = |_| RegistryError::Invalid("the token holds characters that no header takes".into());
    let mut header = HeaderValue::from_bytes(bytes.expose()).map_err(invalid)?;
    header.set_sensitive(true);
    Ok(header)
}

impl OciRegistry {
    /// What this connection itself shows to its registry, for a tool that does so itself.
    ///
    /// # Errors
    /// [`RegistryError::NotFound`] if it is nobody.
    pub(super) fn own_login(&self) -> Result<Login, RegistryError> {
        let credentials = match self.auth.credentials.clone() {
            Credentials::Basic { username, password } => LoginCredentials::Basic { username, password },
            Credentials::Token(token) => LoginCredentials::Token(token),
            Credentials::Anonymous => {
                let problem = "credentials: the connection is anonymous; leave the login out where reading needs none, \
                               or let the operator give the connection a `login`";
                return Err(RegistryError::NotFound(problem.into()));
            }
        };
        Ok(Login { server: self.pull.clone(), credentials })
    }

    /// Does what a registry that answered 401 asks for. False: nothing can be done that was not done before.
    ///
    /// # Errors
    /// [`RegistryError::Refused`] if the token service says no; [`RegistryError::Unavailable`] if it does not answer.
    pub(super) async fn convince(&self, scopes: &Scopes, answer: &HeaderMap) -> Result<bool, RegistryError> {
        let headers = answer.get_all(WWW_AUTHENTICATE).into_iter();
        let challenges: Vec<_> =
            headers.filter_map(|h| h.to_str().ok()).filter_map(challenge::read).collect();
        for challenge in challenges {
            match challenge {
                Challenge::Bearer { realm, service }
                    if !matches!(self.auth.credentials, Credentials::Token(_)) =>
                {
                    self.fetch_token(scopes, &realm, service.as_deref()).await?;
                    return Ok(true);
                }
                Challenge::Basic if matches!(self.auth.credentials, Credentials::Basic { .. }) => {
                    return Ok(!std::mem::replace(&mut self.auth.state().direct, true));
                }
                _ => {}
            }
        }
        Ok(false)
    }

    async fn fetch_token(
        &self,
        scopes: &Scopes,
        realm: &str,
        service: Option<&str>,
    ) -> Result<(), RegistryError> {
        let what = "the registry's token service";
        let mut url = self.token_service(realm)?;
        {
            let mut query = url.query_pairs_mut();
            query.extend_pairs(service.map(|service| ("service", service)));
            query.extend_pairs(scopes.iter().map(|scope| ("scope", scope)));
        }
        let mut request = self.clients.calls.get(url);
        if let Some(own) = &self.auth.own {
            request = request.header(AUTHORIZATION, own.clone());
        }
        let response = request.send().await.map_err(|error| broken(what, &error))?;
        match response.status() {
            status if status.is_success() => {}
            StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND => {
                return Err(RegistryError::Refused(format!("{what} answers {}", response.status())));
            }
            _ => return Err(Failure::of(response, what).await.into()),
        }
        let malformed = || RegistryError::Unavailable(format!("{what} answers no token"));
        let body = SecretValue::new(bounded(response, MAX_ANSWER).await.map_err(|_| malformed())?);
        let answer: Token = serde_json::from_slice(body.expose()).map_err(|_| malformed())?;
        let token =
            SecretValue::new(answer.token.or(answer.access_token).ok_or_else(malformed)?.into_bytes());
        let life = answer.expires_in.unwrap_or(DEFAULT_LIFE).clamp(MARGIN + 1, 24 * 3600) - MARGIN;
        self.auth.keep(scopes.clone(), header(b"Bearer ", token.expose())?, Duration::from_secs(life));
        Ok(())
    }

    /// Credentials go there, so it is held to what the registry itself is held to.
    fn token_service(&self, realm: &str) -> Result<Url, RegistryError> {
        let refused =
            |problem: &str| RegistryError::Refused(format!("the registry's token service {problem}"));
        let url = Url::parse(realm).map_err(|_| refused("has no address"))?;
        let same_scheme = url.scheme() == "https" || url.scheme() == self.base.scheme();
        if !same_scheme || !url.username().is_empty() || url.password().is_some() {
            return Err(refused("is not reached through TLS"));
        }
        match literal_refusal(&url, self.base.host_str().unwrap_or_default()) {
            Some(problem) => Err(RegistryError::Refused(problem)),
            None => Ok(url),
        }
    }
}
