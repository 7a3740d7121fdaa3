use super::*;
use crate::course::Judged;
use serde_json::{Value, json};
use stageway_deployment::{Id, Record, Release};
use stageway_sdk::cluster::{ApplyOptions, Rollout};
use std::cell::RefCell;

/// An environment with one release, and everything that is done to it.
struct Memory {
    releases: Result<Vec<Value>, HostError>,
    done: RefCell<Vec<String>>,
}

impl Memory {
    fn done(&self, what: String) {
        self.done.borrow_mut().push(what);
    }
}

impl Outside for Memory {
    fn get(&self, _: &Id) -> Result<Option<Value>, HostError> {
        Ok(None)
    }
    fn apply(&self, manifest: &Value, options: ApplyOptions) -> Result<Value, HostError> {
        assert!(options.force && !options.dry_run);
        self.done(format!("apply {}", manifest["metadata"]["name"].as_str().unwrap()));
        Ok(manifest.clone())
    }
    fn delete(&self, id: &Id) -> Result<(), HostError> {
        self.done(format!("delete {}", id.name));
        Ok(())
    }
    fn rollout(&self, id: &Id, _: Span) -> Result<Rollout, HostError> {
        self.done(format!("follow {}", id.name));
        Ok(serde_json::from_value(json!({"complete": true})).unwrap())
    }
    fn releases(&self) -> Result<Vec<Release>, HostError> {
        let read =
            |all: &Vec<Value>| all.iter().map(|one| serde_json::from_value(one.clone()).unwrap()).collect();
        self.releases.as_ref().map(read).map_err(|_| HostError::InvalidArgument("no environment".into()))
    }
    fn release(&self, _: &Record) -> Result<String, HostError> {
        Ok("new".into())
    }
    fn judge(&self, release: &str, judgement: Judgement, reason: &str) -> Result<(), HostError> {
        self.done(format!("judge {release} {judgement:?}: {reason}"));
        Ok(())
    }
    fn now_ms(&self) -> f64 {
        0.0
    }
    fn say(&self, _: &str) {}
    fn warn(&self, _: &str) {}
}

fn release(verdict: &str, reason: &str) -> Value {
    let id = |kind: &str, name: &str| json!({"api-version": "v1", "kind": kind, "namespace": "shop", "name": name});
    let was = |kind: &str, name: &str, object: Value| {
        let mut was = id(kind, name);
        was["object"] = object;
        was
    };
    json!({"id": "r7", "run": "7", "verdict": verdict, "reason": reason, "what": {
        "cluster": "production", "deployment": "deploy.shop", "digest": "sha256:00", "image": "production/shop@sha256:00", "event": {},
        "objects": [id("ConfigMap", "settings"), id("Deployment", "shop"), id("Secret", "key")],
        "was": [was("ConfigMap", "settings", Value::Null),
                was("Deployment", "shop", json!({"kind": "Deployment", "metadata": {"name": "shop"}}))]
    }})
}

fn memory(releases: Vec<Value>) -> Memory {
    Memory { releases: Ok(releases), done: RefCell::default() }
}

fn watched(verdict: Word) -> Watched {
    let judged = Judged {
        name: "errors".into(),
        verdict,
        value: None,
        looks: 1,
        with_data: 1,
        why: "so it is".into(),
    };
    Watched { objectives: vec![judged], after: Span::from_secs(60) }
}

#[test]
fn a_bad_release_is_judged_and_then_taken_back() {
    let memory = memory(vec![release("unknown", "rolled out")]);
    let past = current(&memory).unwrap();
    let told = conclude(&memory, past.as_ref(), &watched(Word::Bad), true).unwrap().unwrap();
    assert!(told.starts_with("rolled back release r7 (production/shop@sha256:00)"), "{told}");
    assert!(told.contains("Secret shop/key: what was there before is not kept"), "{told}");
    let expected = ["judge r7 Bad: errors: so it is", "apply shop", "delete settings", "follow shop"];
    assert_eq!(*memory.done.borrow(), expected);
}

#[test]
fn what_is_good_or_was_not_seen_is_judged_and_stays() {
    for (word, judged) in [
        (Word::Good, "judge r7 Good: watched for 1m"),
        (Word::Unknown, "judge r7 Unknown: rolled out, and not seen: errors: so it is"),
    ] {
        let memory = memory(vec![release("unknown", "rolled out")]);
        let past = current(&memory).unwrap();
        assert_eq!(conclude(&memory, past.as_ref(), &watched(word), true).unwrap(), None);
        assert_eq!(*memory.done.borrow(), [judged]);
    }
    let memory = memory(vec![release("unknown", "rolled out")]);
    let past = current(&memory).unwrap();
    assert_eq!(conclude(&memory, past.as_ref(), &watched(Word::Bad), false).unwrap(), None);
    assert_eq!(memory.done.borrow().len(), 1);
}

#[test]
fn without_a_release_that_stands_nothing_is_judged_or_taken_back() {
    for releases in [
        vec![],
        vec![release("bad", "no")],
        vec![release("unknown", "")],
        vec![json!({"id": "x", "run": "1", "what": {}})],
    ] {
        let memory = memory(releases);
        let past = current(&memory).unwrap();
        assert!(past.is_none());
        let told = conclude(&memory, None, &watched(Word::Bad), true).unwrap().unwrap();
        assert!(told.contains("no release") && memory.done.borrow().is_empty(), "{told}");
    }
    let none = Memory { releases: Err(HostError::TimedOut), done: RefCell::default() };
    assert!(current(&none).unwrap().is_none());
}
