//! What kinds are called in the API, and whether their objects have a namespace.

use super::told::{asked, told};
use kube::api::{Api, DynamicObject, GroupVersionKind};
use kube::core::{ApiResource, TypeMeta};
use kube::discovery::{self, Scope};
use kube::error::DiscoveryError;
use kube::{Client, Error};
use stageway_ports::ClusterError;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Kinds that are kept; where there are more, all are asked for again.
const MOST: usize = 512;

/// An API version such as `apps/v1`, and a kind.
pub(super) type Kind<'a> = (&'a str, &'a str);

/// The kinds that the cluster was asked for. What it does not know is asked for each time: a definition may have been applied since.
#[derive(Default)]
pub(super) struct Kinds {
    known: Mutex<BTreeMap<(String, String), (ApiResource, bool)>>,
}

impl Kinds {
    /// The objects of a kind in a namespace, which is empty for what has none.
    ///
    /// # Errors
    /// `Invalid` for a kind that the cluster does not know, or where a namespace is missing or one too many.
    pub(super) async fn api(
        &self,
        client: &Client,
        kind: Kind<'_>,
        namespace: &str,
    ) -> Result<Api<DynamicObject>, ClusterError> {
        check_namespace(namespace)?;
        let (resource, namespaced) = self.resource(client, kind).await?;
        match (namespaced, namespace.is_empty()) {
            (true, false) => Ok(Api::namespaced_with(client.clone(), namespace, &resource)),
            (false, true) => Ok(Api::all_with(client.clone(), &resource)),
            (true, true) => Err(ClusterError::Invalid(format!("a {} lies in a namespace: name it", kind.1))),
            (false, false) => Err(ClusterError::Invalid(format!(
                "a {} lies in no namespace: leave `{namespace:.100}` out",
                kind.1
            ))),
        }
    }

    /// Forgets a kind whose objects cannot be had as it was known.
    pub(super) fn forget(&self, (api_version, kind): Kind<'_>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.remove(&(api_version.to_owned(), kind.to_owned()));
    }

    async fn resource(
        &self,
        client: &Client,
        (api_version, kind): Kind<'_>,
    ) -> Result<(ApiResource, bool), ClusterError> {
        let key = (api_version.to_owned(), kind.to_owned());
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let unknown = || {
            ClusterError::Invalid(format!(
                "the cluster knows no kind `{kind:.100}` in `{api_version:.100}`: correct `apiVersion` and `kind`, or \
                 apply the CustomResourceDefinition of the kind before"
            ))
        };
        let types = TypeMeta { api_version: api_version.to_owned(), kind: kind.to_owned() };
        let wanted = GroupVersionKind::try_from(types).map_err(|_| unknown())?;
        if !is_plain(&wanted) {
            return Err(unknown());
        }
        let found = match asked(discovery::pinned_kind(client, &wanted)).await? {
            Ok((resource, capabilities)) => (resource, capabilities.scope == Scope::Namespaced),
            Err(Error::Discovery(DiscoveryError::MissingKind(_))) => return Err(unknown()),
            Err(Error::Api(status)) if status.code == 404 => return Err(unknown()),
            Err(error) => return Err(told(error)),
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(key, found.clone());
        Ok(found)
    }
}

/// It becomes a part of a path, so it is what Kubernetes lets a namespace be called.
pub(super) fn check_namespace(namespace: &str) -> Result<(), ClusterError> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if namespace.len() <= 63 && namespace.bytes().all(plain) {
        return Ok(());
    }
    Err(ClusterError::Invalid(format!("`{namespace:.100}` is not the name of a namespace")))
}

/// They become parts of a path.
fn is_plain(kind: &GroupVersionKind) -> bool {
    let plain = |text: &str, more: &str| {
        text.len() <= 253 && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
    };
    plain(&kind.group, "-.") && plain(&kind.version, "") && plain(&kind.kind, "") && !kind.kind.is_empty()
}
