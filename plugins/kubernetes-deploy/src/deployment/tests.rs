use super::*;
use serde_json::{Value, json};
use stageway_deployment::Release;
use stageway_sdk::cluster::Rollout;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// A cluster and the history of an environment in memory; and what was done, in order.
#[derive(Default)]
struct Memory {
    objects: RefCell<BTreeMap<Id, Value>>,
    releases: RefCell<Vec<Release>>,
    done: RefCell<Vec<String>>,
    said: RefCell<Vec<String>>,
    /// Names of objects whose apply is refused, and whether also as a dry-run.
    refuses: Vec<(&'static str, bool)>,
    /// Images whose rollout does not come to its end.
    bad: Vec<&'static str>,
}

impl Memory {
    fn image(&self, id: &Id) -> String {
        self.objects.borrow()[id]["image"].as_str().unwrap_or_default().to_owned()
    }
}

impl Outside for Memory {
    fn get(&self, id: &Id) -> Result<Option<Value>, HostError> {
        Ok(self.objects.borrow().get(id).cloned())
    }

    fn apply(&self, manifest: &Value, options: ApplyOptions) -> Result<Value, HostError> {
        let name = manifest["metadata"]["name"].as_str().unwrap();
        let refused = self.refuses.iter().find(|(refused, _)| *refused == name);
        if refused.is_some_and(|(_, dry)| *dry || !options.dry_run) {
            return Err(HostError::Conflict("others manage `spec.x` (`kubectl`)".to_owned()));
        }
        if !options.dry_run {
            let text = |pointer: &str| {
                manifest.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
            };
            let id = Id {
                api_version: text("/apiVersion"),
                kind: text("/kind"),
                namespace: text("/metadata/namespace"),
                name: name.to_owned(),
            };
            self.done.borrow_mut().push(format!("apply {name}"));
            self.objects.borrow_mut().insert(id, manifest.clone());
        }
        Ok(manifest.clone())
    }

    fn delete(&self, id: &Id) -> Result<(), HostError> {
        self.done.borrow_mut().push(format!("delete {}", id.name));
        self.objects.borrow_mut().remove(id);
        Ok(())
    }

    fn rollout(&self, id: &Id, _: Span) -> Result<Rollout, HostError> {
        let image = self.image(id);
        let is_bad = self.bad.iter().any(|bad| *bad == image);
        let reason =
            if is_bad { "CrashLoopBackOff: it ends with exit code 3".to_owned() } else { String::new() };
        Ok(Rollout {
            complete: !is_bad,
            reason,
            logs: vec![json!({"pod": "p", "container": "c", "text": "boom"})],
            ..Rollout::default()
        })
    }

    fn releases(&self) -> Result<Vec<Release>, HostError> {
        Ok(self.releases.borrow().iter().rev().cloned().collect())
    }

    fn release(&self, what: &Record) -> Result<String, HostError> {
        let id = format!("r{}", self.releases.borrow().len() + 1);
        let what = serde_json::to_value(what).unwrap();
        let release = Release {
            id: id.clone(),
            run: format!("run-{id}"),
            what,
            verdict: "unknown".to_owned(),
            reason: String::new(),
        };
        self.releases.borrow_mut().push(release);
        Ok(id)
    }

    fn judge(&self, release: &str, judgement: Judgement, reason: &str) -> Result<(), HostError> {
        let mut releases = self.releases.borrow_mut();
        let release = releases.iter_mut().find(|one| one.id == release).unwrap();
        release.verdict = if judgement == Judgement::Bad { "bad" } else { "unknown" }.to_owned();
        release.reason = reason.to_owned();
        Ok(())
    }

    fn now_ms(&self) -> f64 {
        0.0
    }

    fn say(&self, text: &str) {
        self.said.borrow_mut().push(text.to_owned());
    }

    fn warn(&self, text: &str) {
        self.say(text);
    }
}

fn object(kind: &str, name: &str, image: &str) -> Object {
    let id =
        Id { api_version: "apps/v1".into(), kind: kind.into(), namespace: "shop".into(), name: name.into() };
    let value = json!({"apiVersion": "apps/v1", "kind": kind, "image": image,
                       "metadata": {"name": name, "namespace": "shop", "labels": {LABEL: "deploy.shop"}}});
    Object { id, value, file: "k8s.yaml".into(), line: 3 }
}

fn run(memory: &Memory, objects: &[Object]) -> Result<Outputs, Verdict> {
    memory.done.borrow_mut().clear();
    let record = Record {
        cluster: "blue".into(),
        deployment: "deploy.shop".into(),
        digest: "sha256:d".into(),
        image: "production/shop@sha256:d".into(),
        event: json!({}),
        objects: objects.iter().map(|object| object.id.clone()).collect(),
        was: Vec::new(),
    };
    let (force, prune, keeps_bad) = (false, true, false);
    deploy(memory, Wanted { objects, record, force, prune, keeps_bad, within: Span::from_secs(60) })
}

fn failed(result: Result<Outputs, Verdict>) -> (String, String) {
    let Err(Verdict::Failed(failure)) = result else { panic!("not failed: {result:?}") };
    (failure.code, failure.message)
}

#[test]
fn a_good_one_is_applied_followed_and_recorded() {
    let memory = Memory::default();
    let outputs = run(&memory, &[object("Service", "web", ""), object("Deployment", "web", "one")]).unwrap();
    assert_eq!((outputs.release.as_str(), outputs.objects.len()), ("r1", 2));
    assert_eq!(*memory.done.borrow(), ["apply web", "apply web"]);
    let releases = memory.releases.borrow();
    assert_eq!((releases[0].verdict.as_str(), releases[0].reason.as_str()), ("unknown", ROLLED_OUT));
    assert_eq!(releases[0].what["was"][1]["object"], Value::Null);
}

#[test]
fn a_bad_one_goes_back_to_what_was_there() {
    let mut memory = Memory { bad: vec!["two"], ..Memory::default() };
    run(&memory, &[object("Deployment", "web", "one")]).unwrap();
    let second = [object("ConfigMap", "new", ""), object("Deployment", "web", "two")];
    let (code, message) = failed(run(&memory, &second));
    assert_eq!(code, "stageway/rollout-failed");
    for words in ["exit code 3", "rolled back to release r1 of run run-r1: production/shop@sha256:d"] {
        assert!(message.contains(words), "{message}");
    }
    assert_eq!(*memory.done.borrow(), ["apply new", "apply web", "apply web", "delete new"]);
    assert_eq!(memory.image(&second[1].id), "one");
    assert_eq!(memory.releases.borrow()[1].verdict, "bad");
    assert!(memory.said.borrow().iter().any(|line| line.contains("boom")));

    // The first one of all: what it made goes.
    memory = Memory { bad: vec!["two"], ..Memory::default() };
    let (_, message) = failed(run(&memory, &second));
    assert!(
        message.contains("nothing of it was there before") && memory.objects.borrow().is_empty(),
        "{message}"
    );
}

#[test]
fn an_attempt_that_starts_anew_goes_back_to_before_the_one_that_was_lost() {
    let memory = Memory { bad: vec!["two"], ..Memory::default() };
    run(&memory, &[object("Deployment", "web", "one")]).unwrap();
    // Lost after its apply: the release is unfinished, the cluster has the new state.
    let second = [object("Deployment", "web", "two")];
    let _ = run(&memory, &second);
    memory.releases.borrow_mut()[1].verdict = "unknown".into();
    memory.releases.borrow_mut()[1].reason = String::new();
    memory.objects.borrow_mut().insert(second[0].id.clone(), second[0].value.clone());
    let (_, message) = failed(run(&memory, &second));
    assert_eq!(memory.image(&second[0].id), "one", "{message}");
}

#[test]
fn what_the_server_refuses_is_told_at_once_and_changes_nothing() {
    let memory = Memory { refuses: vec![("a", true), ("b", true)], ..Memory::default() };
    let objects =
        [object("Service", "a", ""), object("ConfigMap", "b", ""), object("Deployment", "web", "one")];
    let (code, message) = failed(run(&memory, &objects));
    assert_eq!(code, "stageway/field-conflict");
    assert!(
        message.contains("k8s.yaml:3: Service shop/a") && message.contains("ConfigMap shop/b"),
        "{message}"
    );
    assert!(memory.done.borrow().is_empty() && memory.releases.borrow().is_empty());
}

#[test]
fn an_apply_that_is_refused_after_all_goes_back() {
    let memory = Memory { refuses: vec![("late", false)], ..Memory::default() };
    let (code, _) =
        failed(run(&memory, &[object("ConfigMap", "new", ""), object("Deployment", "late", "one")]));
    assert_eq!(code, "stageway/apply-refused");
    assert_eq!(*memory.done.borrow(), ["apply new", "delete late", "delete new"]);
}

#[test]
fn what_left_the_manifest_goes_if_it_is_still_ours_and_holds_no_data() {
    let memory = Memory::default();
    let kept = object("Deployment", "web", "one");
    let all = [
        object("ConfigMap", "old", ""),
        object("ConfigMap", "theirs", ""),
        object("PersistentVolumeClaim", "data", ""),
        kept.clone(),
    ];
    run(&memory, &all).unwrap();
    let theirs = all[1].id.clone();
    memory.objects.borrow_mut().get_mut(&theirs).unwrap()["metadata"]["labels"] = json!({});
    run(&memory, &[kept]).unwrap();
    assert_eq!(*memory.done.borrow(), ["apply web", "delete old"]);
    let left: Vec<String> = memory.objects.borrow().keys().map(|id| id.name.clone()).collect();
    assert_eq!(left, ["theirs", "web", "data"]);
}
