use async_trait::async_trait;
use stageway_core::name::TenantId;
use std::fmt;
use thiserror::Error;

/// The value of a secret: never shown, overwritten when dropped.
#[derive(Clone)]
pub struct SecretValue(Vec<u8>);

impl SecretValue {
    /// Takes the bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes, for the sink they are bound to.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for SecretValue {
    fn drop(&mut self) {
        self.0.fill(0);
        std::hint::black_box(&self.0);
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Why a secret has no value.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SecretError {
    /// No secret has that name.
    #[error("no secret `{0}`")]
    Unknown(String),
    /// Where it comes from does not have it.
    #[error("secret `{name}` cannot be read: {problem}")]
    Unreadable {
        /// The secret.
        name: String,
        /// Without any part of the value.
        problem: String,
    },
}

/// Where values of secrets come from.
#[async_trait]
pub trait Secrets: Send + Sync {
    /// The value of a secret of a tenant.
    async fn value(&self, tenant: &TenantId, name: &str) -> Result<SecretValue, SecretError>;
}
