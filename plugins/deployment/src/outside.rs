//! What a deployment does outside: the part of the contract that it calls, so that its decisions are tested natively.

use crate::{Id, Record, Release};
use serde_json::Value;
use stageway_sdk::cluster::{self, ApplyOptions, Rollout};
use stageway_sdk::environments::{self, Judgement, OWN};
use stageway_sdk::{HostError, Span, clock, log};

/// Releases that are looked at.
const MOST_RELEASES: u32 = 100;

/// The cluster, the history of the stage's own environment, a clock and the log.
pub trait Outside {
    /// An object as it is.
    fn get(&self, id: &Id) -> Result<Option<Value>, HostError>;
    /// Applies an object.
    fn apply(&self, manifest: &Value, options: ApplyOptions) -> Result<Value, HostError>;
    /// Deletes one; absent is well.
    fn delete(&self, id: &Id) -> Result<(), HostError>;
    /// Follows a rollout.
    fn rollout(&self, id: &Id, within: Span) -> Result<Rollout, HostError>;
    /// The releases of the environment, newest first.
    fn releases(&self) -> Result<Vec<Release>, HostError>;
    /// Writes a release down; answers its id.
    fn release(&self, what: &Record) -> Result<String, HostError>;
    /// Judges one.
    fn judge(&self, release: &str, judgement: Judgement, reason: &str) -> Result<(), HostError>;
    /// Milliseconds since 1970.
    fn now_ms(&self) -> f64;
    /// Tells people.
    fn say(&self, text: &str);
    /// Warns them.
    fn warn(&self, text: &str);
}

/// The host, with one of its clusters.
pub struct Host<'a> {
    /// Its name, as the operator gave it.
    pub cluster: &'a str,
}

fn object<'a>(cluster: &'a str, id: &'a Id) -> cluster::Object<'a> {
    let Id { api_version, kind, namespace, name } = id;
    cluster::Object { cluster, api_version, kind, namespace, name }
}

impl Outside for Host<'_> {
    fn get(&self, id: &Id) -> Result<Option<Value>, HostError> {
        cluster::get(&object(self.cluster, id))
    }

    fn apply(&self, manifest: &Value, options: ApplyOptions) -> Result<Value, HostError> {
        cluster::apply(self.cluster, manifest, options)
    }

    fn delete(&self, id: &Id) -> Result<(), HostError> {
        cluster::delete(&object(self.cluster, id))
    }

    fn rollout(&self, id: &Id, within: Span) -> Result<Rollout, HostError> {
        cluster::rollout(self.cluster, &id.kind, &id.namespace, &id.name, within)
    }

    fn releases(&self) -> Result<Vec<Release>, HostError> {
        environments::releases(OWN, MOST_RELEASES)
    }

    fn release(&self, what: &Record) -> Result<String, HostError> {
        environments::release(OWN, what)
    }

    fn judge(&self, release: &str, judgement: Judgement, reason: &str) -> Result<(), HostError> {
        environments::judge(OWN, release, judgement, reason)
    }

    fn now_ms(&self) -> f64 {
        clock::now_ms()
    }

    fn say(&self, text: &str) {
        text.lines().for_each(log::info);
    }

    fn warn(&self, text: &str) {
        text.lines().for_each(log::warn);
    }
}
