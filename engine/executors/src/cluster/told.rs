//! What a cluster says, in our words and with the remedy.

use crate::reach::ANSWER;
use kube::Error;
use kube::core::Status;
use stageway_ports::ClusterError;
use std::fmt::Write as _;
use std::future::Future;

/// Fields of a conflict that are named.
const MOST_FIELDS: usize = 20;

/// An answer within its time: the client's own bounds hold for each piece of it.
pub(super) async fn asked<T>(
    request: impl Future<Output = Result<T, Error>>,
) -> Result<Result<T, Error>, ClusterError> {
    let late = |_| ClusterError::Unavailable(format!("no answer within {} s", ANSWER.as_secs()));
    tokio::time::timeout(ANSWER, request).await.map_err(late)
}

/// An error of the client.
pub(super) fn told(error: Error) -> ClusterError {
    match error {
        Error::Api(status) => said(&status),
        other => ClusterError::Unavailable(format!("{other:.1000}")),
    }
}

fn said(status: &Status) -> ClusterError {
    let message = format!("{:.2000}", status.message);
    match status.code {
        401 => ClusterError::Refused(format!(
            "the cluster does not take the engine's credentials ({message}): mend its kubeconfig or its service account"
        )),
        403 => ClusterError::Refused(format!("{message}; {}", may(&message))),
        404 if message.contains("namespaces \"") => {
            ClusterError::NotFound(format!("{message}: make the namespace, or put it into the manifest"))
        }
        404 => ClusterError::NotFound(message),
        409 => ClusterError::Conflict(conflict(status)),
        413 => ClusterError::TooLarge(message),
        400 | 405 | 406 | 415 | 422 => ClusterError::Invalid(format!("{message}{}", mend(&message))),
        // A field that no schema has is answered as a fault of the server.
        500 if message.contains("failed to create typed patch object") => ClusterError::Invalid(message),
        _ => ClusterError::Unavailable(message),
    }
}

/// What helps against a refusal.
fn may(message: &str) -> &'static str {
    if message.contains("exceeded quota") {
        "ask for less, or raise the quota of the namespace"
    } else if message.contains("violates PodSecurity") {
        "keep to the pod security of the namespace, or relax it"
    } else if message.contains("denied the request") || message.contains("denied request") {
        "do what the admission rule asks for"
    } else if message.contains("being terminated") {
        "wait until the namespace is gone, and make it again"
    } else {
        "give the account of the engine this right"
    }
}

/// What helps against a manifest that is none.
fn mend(message: &str) -> &'static str {
    if message.contains("field is immutable") || message.contains("may not change once set") {
        "; such a field never changes: give the object another name, or delete it first"
    } else {
        ""
    }
}

/// Whose fields are in the way.
fn conflict(status: &Status) -> String {
    let causes = status.details.as_ref().map(|details| details.causes.as_slice()).unwrap_or_default();
    let fields: Vec<_> = causes.iter().filter(|cause| cause.reason == "FieldManagerConflict").collect();
    if fields.is_empty() {
        return format!("{:.2000}", status.message);
    }
    let mut words = String::from("others manage ");
    for (index, cause) in fields.iter().take(MOST_FIELDS).enumerate() {
        // `conflict with "kubectl" using apps/v1`
        let manager = cause.message.split('"').nth(1).unwrap_or(&cause.message);
        let comma = if index > 0 { ", " } else { "" };
        let _ = write!(words, "{comma}`{}` (`{:.200}`)", cause.field.trim_start_matches('.'), manager);
    }
    if fields.len() > MOST_FIELDS {
        let _ = write!(words, " and {} more", fields.len() - MOST_FIELDS);
    }
    words
        + ": leave these fields out of the manifest, let their managers give them up, or take them over with `force`"
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn status(code: u16, message: &str) -> ClusterError {
        said(&serde_json::from_value(json!({"code": code, "message": message})).unwrap())
    }

    #[test]
    fn each_answer_has_its_kind_and_its_remedy() {
        let table = [
            (status(401, "Unauthorized"), "kubeconfig"),
            (status(403, "services is forbidden: User \"ci\" cannot patch"), "give the account"),
            (status(403, "pods is forbidden: exceeded quota: small"), "raise the quota"),
            (status(404, "namespaces \"shop\" not found"), "make the namespace"),
            (status(422, "spec.selector: Invalid value: field is immutable"), "another name"),
        ];
        for (error, words) in table {
            assert!(error.to_string().contains(words), "{error}");
        }
        assert!(matches!(status(500, "etcd"), ClusterError::Unavailable(_)));
        assert!(matches!(status(429, "slow down"), ClusterError::Unavailable(_)));
        assert!(matches!(status(413, "limit is 3145728"), ClusterError::TooLarge(_)));
    }

    #[test]
    fn a_conflict_names_managers_and_fields() {
        let cause = |field: &str| json!({"reason": "FieldManagerConflict", "field": field, "message": "conflict with \"kubectl\" using apps/v1"});
        let status = json!({"code": 409, "message": "Apply failed", "details": {"causes": [cause(".spec.replicas"), cause(".spec.paused")]}});
        let words = said(&serde_json::from_value(status).unwrap()).to_string();
        assert!(words.contains("`spec.replicas` (`kubectl`), `spec.paused` (`kubectl`)"), "{words}");
        assert!(words.contains("leave these fields out"), "{words}");
    }
}
