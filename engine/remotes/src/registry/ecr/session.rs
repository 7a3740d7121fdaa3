use super::EcrRegistry;
use super::failure::Asked;
use crate::registry::oci::{Credentials, OciConfig, OciRegistry};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use stageway_ports::{RegistryError, SecretValue};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// A password is used for at most this long, and never for the last quarter of its life.
const LONGEST: Duration = Duration::from_secs(6 * 3600);

/// The registry API, entered with one password.
#[derive(Debug)]
pub(super) struct Session {
    registry: Arc<OciRegistry>,
    until: Instant,
}

impl EcrRegistry {
    /// The registry API with a password that is good for a while.
    ///
    /// # Errors
    /// [`RegistryError::Refused`] without the permission `ecr:GetAuthorizationToken`; [`RegistryError::Unavailable`] if ECR
    /// does not answer, or answers no password.
    pub(super) async fn registry(&self) -> Result<Arc<OciRegistry>, RegistryError> {
        // Held while the password is fetched, so that many calls at once fetch one.
        let mut session = self.session.lock().await;
        if let Some(session) = session.as_ref().filter(|session| session.until > Instant::now()) {
            return Ok(Arc::clone(&session.registry));
        }
        let entered = self.enter().await?;
        let registry = Arc::clone(&entered.registry);
        *session = Some(entered);
        Ok(registry)
    }

    async fn enter(&self) -> Result<Session, RegistryError> {
        let asked = Asked { action: "ecr:GetAuthorizationToken", what: "the registry's password" };
        let answer = self.client.get_authorization_token().send().await;
        let answer = answer.map_err(|error| asked.failed(error))?;
        let malformed = || RegistryError::Unavailable("ECR answers no password for its registry".into());
        let data = answer.authorization_data().first().ok_or_else(malformed)?;
        let credentials = data.authorization_token().and_then(basic).ok_or_else(malformed)?;
        let endpoint = data.proxy_endpoint().ok_or_else(malformed)?;
        let (address, plain_http) = address(endpoint, &self.account).ok_or_else(malformed)?;
        let end = data.expires_at().and_then(|end| SystemTime::try_from(*end).ok());
        let life = end.and_then(|end| end.duration_since(SystemTime::now()).ok()).unwrap_or_default();
        let staging = self.staging.clone();
        let registry = OciRegistry::new(OciConfig { address, plain_http, pull: None, credentials, staging })?;
        Ok(Session { registry: Arc::new(registry), until: Instant::now() + (life * 3 / 4).min(LONGEST) })
    }
}

/// `USER:PASSWORD` in base64.
fn basic(token: &str) -> Option<Credentials> {
    let pair = SecretValue::new(STANDARD.decode(token).ok()?);
    let (username, password) = std::str::from_utf8(pair.expose()).ok()?.split_once(':')?;
    let password = SecretValue::new(password.as_bytes().to_vec());
    Some(Credentials::Basic { username: username.to_owned(), password })
}

/// Where the registry API of an account is, and whether it is without TLS. ECR names that of the account that asks; the
/// registry of another account in the region differs from it by the account alone.
fn address(endpoint: &str, account: &str) -> Option<(String, bool)> {
    let (plain, host) = match endpoint.split_once("://")? {
        ("https", host) => (false, host),
        ("http", host) => (true, host),
        _ => return None,
    };
    let host = host.trim_end_matches('/');
    let own = host.split_once('.').filter(|(first, _)| is_account(first));
    Some((own.map_or_else(|| host.to_owned(), |(_, rest)| format!("{account}.{rest}")), plain))
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_that_of_the_account() {
        let of = |endpoint| address(endpoint, "210987654321");
        let other = Some(("210987654321.dkr.registry.example".to_owned(), false));
        assert_eq!(of("https://123456789012.dkr.registry.example"), other);
        assert_eq!(of("http://127.0.0.1:5000/"), Some(("127.0.0.1:5000".into(), true)));
        assert_eq!(of("ftp://registry.example"), None);
        assert_eq!(of("registry.example"), None);
    }

    #[test]
    fn a_token_is_a_user_with_a_password() {
        let token = STANDARD.encode("AWS:s3cret:more");
        let Some(Credentials::Basic { username, password }) = basic(&token) else { panic!("a password") };
        assert_eq!((username.as_str(), password.expose()), ("AWS", b"s3cret:more".as_slice()));
        assert!(basic("?").is_none() && basic(&STANDARD.encode("alone")).is_none());
    }
}
