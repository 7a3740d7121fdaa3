//! What is there, what would change, and whether the server takes it.

use super::{Wanted, says_no};
use crate::difference;
use crate::manifest::Object;
use stageway_deployment::{Before, Outside, Past};
use stageway_sdk::cluster::ApplyOptions;
use stageway_sdk::{Doing, HostError, Verdict};

/// Tries every object on the server, tells what would change, and answers what is there now.
///
/// # Errors
/// Failed with everything that the server refuses, before anything was applied.
pub(super) fn look(
    outside: &impl Outside,
    wanted: &Wanted<'_>,
    past: &[Past],
) -> Result<Vec<Before>, Verdict> {
    // An attempt that did not come to its end has left a mixture: what was there before it counts.
    let unfinished = past.first().filter(|past| past.is_unfinished());
    let mut before: Vec<Before> = Vec::new();
    let mut refused: Vec<(bool, String)> = Vec::new();
    let mut made = Made::default();
    for object in wanted.objects {
        let awaited = made.awaits(object);
        let live = match outside.get(&object.id) {
            Ok(live) => live.map(difference::wish),
            Err(_) if awaited.is_some() => None,
            Err(error) if says_no(&error) => {
                refused.push((false, refusal(object, &error)));
                continue;
            }
            Err(error) => return Err(error).doing(format_args!("reading {}", object.id)),
        };
        if live.is_none() {
            made.note(object);
        }
        match (tried(outside, wanted, object), awaited) {
            (Ok(after), _) => tell(outside, object, live.as_ref(), &after),
            (Err(error), Some(what)) if says_no(&error) => {
                outside.say(&format!("{} is new; it cannot be tried before {what} is made", object.id));
            }
            (Err(error), _) if says_no(&error) => {
                refused.push((matches!(error, HostError::Conflict(_)), refusal(object, &error)));
            }
            (Err(error), _) => return Err(error).doing(format_args!("trying {}", object.id)),
        }
        let earlier = unfinished.and_then(|past| past.record.was.iter().find(|one| one.id == object.id));
        let was = match earlier {
            Some(earlier) => earlier.object.clone(),
            None => live,
        };
        before.push(Before { id: object.id.clone(), object: was });
    }
    match refused.is_empty() {
        true => Ok(before),
        false => Err(all_refused(&refused)),
    }
}

fn tried(
    outside: &impl Outside,
    wanted: &Wanted<'_>,
    object: &Object,
) -> Result<serde_json::Value, HostError> {
    let options = ApplyOptions { dry_run: true, force: wanted.force };
    outside.apply(&object.value, options).map(difference::wish)
}

fn tell(
    outside: &impl Outside,
    object: &Object,
    live: Option<&serde_json::Value>,
    after: &serde_json::Value,
) {
    let Some(live) = live else {
        outside.say(&format!("{} is new", object.id));
        return;
    };
    let lines = difference::lines(live, after);
    match lines.is_empty() {
        true => outside.say(&format!("{} stays as it is", object.id)),
        false => outside.say(&format!("{} changes:\n  {}", object.id, lines.join("\n  "))),
    }
}

fn refusal(object: &Object, error: &HostError) -> String {
    format!("{}: {}: {}", object.place(), object.id, error.message())
}

fn all_refused(refused: &[(bool, String)]) -> Verdict {
    let conflicts = refused.iter().all(|(is_conflict, _)| *is_conflict);
    let code = if conflicts { "stageway/field-conflict" } else { "stageway/manifest-refused" };
    let all: Vec<&str> = refused.iter().map(|(_, told)| told.as_str()).collect();
    Verdict::failed(code, format!("nothing was applied, because the cluster refuses it:\n{}", all.join("\n")))
}

/// What this deployment makes that was not there: others of its objects may need it.
#[derive(Default)]
struct Made {
    namespaces: Vec<String>,
    /// Group and kind.
    kinds: Vec<(String, String)>,
}

impl Made {
    fn note(&mut self, object: &Object) {
        let text = |pointer: &str| {
            object.value.pointer(pointer).and_then(|value| value.as_str()).unwrap_or_default()
        };
        match object.id.kind.as_str() {
            "Namespace" => self.namespaces.push(object.id.name.clone()),
            "CustomResourceDefinition" => {
                self.kinds.push((text("/spec/group").to_owned(), text("/spec/names/kind").to_owned()));
            }
            _ => {}
        }
    }

    /// What has to be made before the object can be tried.
    fn awaits(&self, object: &Object) -> Option<String> {
        let group = object.id.api_version.split_once('/').map_or("", |(group, _)| group);
        let kind = self.kinds.iter().any(|(of, kind)| of == group && *kind == object.id.kind);
        if kind {
            return Some(format!("the definition of {}", object.id.kind));
        }
        let namespace = &object.id.namespace;
        self.namespaces.contains(namespace).then(|| format!("namespace {namespace}"))
    }
}
