//! What this engine's account may do in a cluster, as the cluster itself says.

use super::ClusterOptions;
use super::told::{asked, told};
use crate::reach;
use http::Request;
use http::header::DATE;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use k8s_openapi::jiff::fmt::rfc2822::DateTimeParser;
use kube::Api;
use kube::api::PostParams;
use kube::client::Body;
use stageway_ports::ClusterError;
use std::fmt;

/// A date of HTTP is one of mails, in Greenwich.
const HTTP_DATE: DateTimeParser = DateTimeParser::new();

/// Something that may be done with a resource of the core group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Right {
    /// As in `create`.
    pub verb: &'static str,
    /// As in `pods`.
    pub resource: &'static str,
    /// As in `exec`; empty for the resource itself.
    pub subresource: &'static str,
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { verb, resource, subresource } = self;
        match subresource.is_empty() {
            true => write!(f, "{verb} {resource}"),
            false => write!(f, "{verb} {resource}/{subresource}"),
        }
    }
}

const fn right(verb: &'static str, resource: &'static str, subresource: &'static str) -> Right {
    Right { verb, resource, subresource }
}

/// What the executor of pods needs in its namespace.
///
/// Which verb `exec` over a WebSocket is differs between versions: it is `get` up to 1.34, and `create` from then on.
pub const TASKS: [Right; 11] = [
    right("get", "pods", ""),
    right("list", "pods", ""),
    right("watch", "pods", ""),
    right("create", "pods", ""),
    right("patch", "pods", ""),
    right("delete", "pods", ""),
    right("get", "pods", "log"),
    right("get", "pods", "exec"),
    right("create", "pods", "exec"),
    right("create", "secrets", ""),
    right("list", "events", ""),
];

/// What a cluster says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterFacts {
    /// As in `v1.34.4`.
    pub version: String,
    /// Its clock, in milliseconds since 1970 UTC, in whole seconds.
    pub time_ms: Option<u64>,
}

/// Asks a cluster what it is.
///
/// # Errors
/// [`ClusterError::Unavailable`] where it cannot be reached, [`ClusterError::Refused`] where it lets nobody in.
pub async fn facts(options: &ClusterOptions) -> Result<ClusterFacts, ClusterError> {
    let client = client(options).await?;
    let request = Request::get("/version").body(Body::empty());
    let request = request.map_err(|error| ClusterError::Unavailable(error.to_string()))?;
    let answer = asked(client.send(request)).await?.map_err(told)?;
    let date = answer.headers().get(DATE).and_then(|value| value.to_str().ok());
    let time_ms = date.and_then(|date| HTTP_DATE.parse_timestamp(date).ok());
    let time_ms = time_ms.and_then(|time| u64::try_from(time.as_millisecond()).ok());
    let version = asked(client.apiserver_version()).await?.map_err(told)?;
    Ok(ClusterFacts { version: version.git_version, time_ms })
}

/// Those of some rights in a namespace that the account does not have.
///
/// # Errors
/// Those of [`facts`].
pub async fn missing(
    options: &ClusterOptions,
    namespace: &str,
    rights: &[Right],
) -> Result<Vec<Right>, ClusterError> {
    let reviews: Api<SelfSubjectAccessReview> = Api::all(client(options).await?);
    let mut missing = Vec::new();
    for right in rights {
        let attributes = ResourceAttributes {
            namespace: Some(namespace.to_owned()),
            verb: Some(right.verb.to_owned()),
            resource: Some(right.resource.to_owned()),
            subresource: (!right.subresource.is_empty()).then(|| right.subresource.to_owned()),
            ..ResourceAttributes::default()
        };
        let review = SelfSubjectAccessReview {
            spec: SelfSubjectAccessReviewSpec {
                resource_attributes: Some(attributes),
                ..SelfSubjectAccessReviewSpec::default()
            },
            ..SelfSubjectAccessReview::default()
        };
        let answer = asked(reviews.create(&PostParams::default(), &review)).await?.map_err(told)?;
        if !answer.status.is_some_and(|status| status.allowed) {
            missing.push(*right);
        }
    }
    Ok(missing)
}

async fn client(options: &ClusterOptions) -> Result<kube::Client, ClusterError> {
    let client = reach::client(options.kubeconfig.as_deref(), options.context.as_deref()).await;
    client.map_err(|error| ClusterError::Unavailable(error.to_string()))
}
