use crate::{SecretError, SecretValue, Secrets};
use async_trait::async_trait;
use stageway_core::name::TenantId;
use std::collections::BTreeMap;

/// Secrets that a test chose; every tenant has the same.
#[derive(Debug, Clone, Default)]
pub struct MemorySecrets {
    values: BTreeMap<String, SecretValue>,
}

impl MemorySecrets {
    /// Secrets by name.
    pub fn new<'a>(values: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Self {
        let values =
            values.into_iter().map(|(name, value)| (name.to_owned(), SecretValue::new(value.to_vec())));
        Self { values: values.collect() }
    }
}

#[async_trait]
impl Secrets for MemorySecrets {
    async fn value(&self, _tenant: &TenantId, name: &str) -> Result<SecretValue, SecretError> {
        self.values.get(name).cloned().ok_or_else(|| SecretError::Unknown(name.to_owned()))
    }
}
