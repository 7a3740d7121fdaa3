//! A deployment: look, try, write down, apply, follow; and back again if it is bad.
//!
//! Nothing is applied before the server has taken every object in a dry-run, and not before what was there is written down: in the
//! journal, which answers an attempt that is resumed, and in the release, for an attempt that starts anew.

mod back;
mod look;

use crate::manifest::{LABEL, Object};
use back::{Cause, Going};
use serde::Serialize;
use stageway_deployment::{
    self as deployment, Id, Outside, Past, ROLLED_OUT, Record, explain, left, rolls_out,
};
use stageway_sdk::cluster::ApplyOptions;
use stageway_sdk::environments::Judgement;
use stageway_sdk::{Doing, HostError, Span, Verdict};
use std::collections::BTreeSet;

/// What is to be so.
pub(crate) struct Wanted<'a> {
    pub(crate) objects: &'a [Object],
    pub(crate) record: Record,
    pub(crate) force: bool,
    pub(crate) prune: bool,
    pub(crate) keeps_bad: bool,
    pub(crate) within: Span,
}

/// How it came out.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Outputs {
    pub(crate) reference: String,
    pub(crate) digest: String,
    pub(crate) release: String,
    pub(crate) objects: Vec<Id>,
}

/// Makes it so.
///
/// # Errors
/// Failed for what the cluster refuses and for a rollout that does not come to its end, after going back; errored for what the cluster
/// does not say.
pub(crate) fn deploy(outside: &impl Outside, wanted: Wanted<'_>) -> Result<Outputs, Verdict> {
    let Record { cluster, deployment: name, .. } = &wanted.record;
    let releases = outside.releases().doing("reading the releases of the environment")?;
    let past = deployment::of(releases, cluster, name);
    let before = look::look(outside, &wanted, &past)?;
    let record = wanted.record.clone().with_before(&before);
    let release = outside.release(&record).doing("recording the release")?;
    let going = Going { outside, wanted: &wanted, before: &before, past: &past, release: &release };
    apply(&going)?;
    follow(&going)?;
    if wanted.prune {
        prune(outside, &wanted, &past)?;
    }
    outside.judge(&release, Judgement::Unknown, ROLLED_OUT).doing("recording the end of the rollout")?;
    let Record { image, digest, objects, .. } = wanted.record;
    Ok(Outputs { reference: image, digest, release, objects })
}

fn apply(going: &Going<'_, impl Outside>) -> Result<(), Verdict> {
    let options = ApplyOptions { dry_run: false, force: going.wanted.force };
    for object in going.wanted.objects {
        match going.outside.apply(&object.value, options) {
            Ok(_) => going.outside.say(&format!("applied {}", object.id)),
            Err(error) if says_no(&error) => {
                let message = format!("{}: {}: {}", object.place(), object.id, error.message());
                return Err(going.back(Cause::refused(message)));
            }
            Err(HostError::Cancelled) => return Err(going.back(Cause::cancelled())),
            Err(error) => return Err(error).doing(format_args!("applying {}", object.id)),
        }
    }
    Ok(())
}

/// Follows every rollout within the one time that they have together.
fn follow(going: &Going<'_, impl Outside>) -> Result<(), Verdict> {
    let end = going.outside.now_ms() + f64::from(going.wanted.within.as_millis());
    for object in going.wanted.objects.iter().filter(|object| rolls_out(&object.id.kind)) {
        going.outside.say(&format!("following {}", object.id));
        match going.outside.rollout(&object.id, left(going.outside, end)) {
            Ok(rollout) if rollout.complete => {
                let (ready, all) = (rollout.ready_replicas, rollout.replicas);
                going.outside.say(&format!("{} is rolled out: {ready} of {all} ready", object.id));
            }
            Ok(rollout) => {
                explain(going.outside, &rollout);
                return Err(going.back(Cause::rollout(&object.id, &rollout.reason)));
            }
            Err(error) if says_no(&error) => {
                let message = format!("{}: {}", object.id, error.message());
                return Err(going.back(Cause::refused(message)));
            }
            Err(HostError::Cancelled) => return Err(going.back(Cause::cancelled())),
            Err(error) => return Err(error).doing(format_args!("following {}", object.id)),
        }
    }
    Ok(())
}

/// Deletes what earlier releases applied, this one does not, and still carries the deployment's label.
fn prune(outside: &impl Outside, wanted: &Wanted<'_>, past: &[Past]) -> Result<(), Verdict> {
    let present: BTreeSet<&Id> = wanted.objects.iter().map(|object| &object.id).collect();
    // What stands, and everything that was tried since.
    let until = past.iter().position(Past::stands).map_or(past.len(), |index| index + 1);
    let mut gone: Vec<&Id> = Vec::new();
    for id in past[..until].iter().flat_map(|past| past.record.objects.iter().rev()) {
        // The same object under another version of its kind is the same object.
        let is_present = present.iter().any(|other| same_object(other, id));
        if !is_present && !gone.iter().any(|other| same_object(other, id)) {
            gone.push(id);
        }
    }
    for id in gone {
        let live = match outside.get(id) {
            Ok(live) => live,
            Err(error) if says_no(&error) => {
                outside.warn(&format!("{id} left the manifest and is not deleted: {}", error.message()));
                continue;
            }
            Err(error) => return Err(error).doing(format_args!("reading {id}")),
        };
        let Some(live) = live else { continue };
        if live["metadata"]["labels"][LABEL] != wanted.record.deployment.as_str() {
            outside.warn(&format!(
                "{id} left the manifest and is not deleted: it has not the label `{LABEL}` of this deployment"
            ));
        } else if holds_data(&id.kind) {
            outside.warn(&format!(
                "{id} left the manifest and is not deleted, because data would go with it: delete it by hand"
            ));
        } else {
            match outside.delete(id) {
                Ok(()) => outside.say(&format!("deleted {id}, which left the manifest")),
                Err(error) if says_no(&error) => {
                    outside.warn(&format!("{id} left the manifest and is not deleted: {}", error.message()));
                }
                Err(error) => return Err(error).doing(format_args!("deleting {id}")),
            }
        }
    }
    Ok(())
}

/// Whether two ids name one object, whatever version of its API they use.
fn same_object(one: &Id, other: &Id) -> bool {
    let group =
        |id: &'_ Id| id.api_version.split_once('/').map_or(String::new(), |(group, _)| group.to_owned());
    (&one.kind, &one.namespace, &one.name) == (&other.kind, &other.namespace, &other.name)
        && group(one) == group(other)
}

/// Kinds with which other things, or data, would go.
fn holds_data(kind: &str) -> bool {
    matches!(kind, "PersistentVolumeClaim" | "PersistentVolume" | "Namespace" | "CustomResourceDefinition")
}

/// Whether the answer is about the manifest or its rights; everything else says nothing of the user's work.
fn says_no(error: &HostError) -> bool {
    matches!(
        error,
        HostError::Denied(_)
            | HostError::NotFound(_)
            | HostError::Conflict(_)
            | HostError::InvalidArgument(_)
            | HostError::LimitExceeded(_)
    )
}

#[cfg(test)]
mod tests;
