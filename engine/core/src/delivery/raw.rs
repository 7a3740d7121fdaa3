use bytes::Bytes;
use thiserror::Error;

/// A delivery has at most this many headers.
pub const MAX_HEADERS: usize = 100;
/// Names and values of a delivery's headers have at most this many bytes together.
pub const MAX_HEADER_BYTES: usize = 64 << 10;

/// One request to a webhook as it came. Who takes it bounds the body; nothing of it is believed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawDelivery {
    /// Its headers.
    pub headers: Headers,
    /// Its body, byte for byte.
    pub body: Bytes,
}

/// A delivery has more headers than it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a delivery has at most {MAX_HEADERS} headers of {MAX_HEADER_BYTES} bytes together")]
pub struct TooManyHeaders;

/// Headers in the order they came, names in lower case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, Vec<u8>)>);

impl Headers {
    /// Takes names, in any case, and values.
    ///
    /// # Errors
    /// [`TooManyHeaders`] if they are over their limits.
    pub fn new<N: AsRef<str>, V: Into<Vec<u8>>>(
        headers: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Self, TooManyHeaders> {
        let mut taken = Vec::new();
        let mut bytes = 0;
        for (name, value) in headers {
            let (name, value) = (name.as_ref().to_ascii_lowercase(), value.into());
            bytes += name.len() + value.len();
            if taken.len() == MAX_HEADERS || bytes > MAX_HEADER_BYTES {
                return Err(TooManyHeaders);
            }
            taken.push((name, value));
        }
        Ok(Self(taken))
    }

    /// Every value under a name in lower case.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.0.iter().filter(move |(own, _)| own == name).map(|(_, value)| value.as_slice())
    }

    /// The only value under a name in lower case, as text; none if there is none, more than one, or it is no text.
    pub fn text<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        let mut values = self.all(name);
        let value = values.next()?;
        if values.next().is_some() { None } else { std::str::from_utf8(value).ok() }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    /// Those that may be kept and shown: what a forge says about its delivery, and no signature, token or cookie. They
    /// are enough to read the delivery again.
    #[must_use]
    pub fn kept(&self) -> Self {
        Self(self.0.iter().filter(|(name, _)| is_kept(name)).cloned().collect())
    }
}

/// A list of what is kept and not of what is dropped, so that a header nobody thought of is not kept.
fn is_kept(name: &str) -> bool {
    const NAMES: [&str; 9] = [
        "content-type",
        "content-length",
        "user-agent",
        "idempotency-key",
        "webhook-id",
        "webhook-timestamp",
        "x-event-key",
        "x-request-uuid",
        "x-request-id",
    ];
    const FAMILIES: [&str; 7] = [
        "x-github-",
        "x-gitlab-",
        "x-gitea-",
        "x-forgejo-",
        "x-gogs-",
        "x-attempt-",
        // Bitbucket names the webhook so.
        "x-hook-",
    ];
    const SECRET: [&str; 3] = ["signature", "token", "secret"];
    let known = NAMES.contains(&name) || FAMILIES.iter().any(|family| name.starts_with(family));
    known && !SECRET.iter().any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_any_case_and_two_values_are_no_text() {
        let headers = Headers::new([("X-One", "a"), ("x-two", "b"), ("X-TWO", "c")]).unwrap();
        assert_eq!(headers.text("x-one"), Some("a"));
        assert_eq!(headers.text("x-two"), None);
        assert_eq!(headers.all("x-two").collect::<Vec<_>>(), [b"b", b"c"]);
    }

    #[test]
    fn they_are_bounded() {
        assert!(Headers::new(vec![("a", ""); MAX_HEADERS]).is_ok());
        assert_eq!(Headers::new(vec![("a", ""); MAX_HEADERS + 1]), Err(TooManyHeaders));
        assert_eq!(Headers::new([("a", vec![0; MAX_HEADER_BYTES])]), Err(TooManyHeaders));
    }

    #[test]
    fn what_is_kept_has_no_secret() {
        let headers = Headers::new([
            ("X-GitHub-Event", "push"),
            ("Content-Type", "application/json"),
            ("X-Hub-Signature-256", "s"),
            ("X-Gitea-Signature", "s"),
            ("X-Gitlab-Token", "s"),
            ("webhook-signature", "s"),
            ("Authorization", "s"),
            ("Cookie", "s"),
            ("X-Unknown", "s"),
        ]);
        let kept = headers.unwrap().kept();
        assert_eq!(kept.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["x-github-event", "content-type"]);
    }
}
