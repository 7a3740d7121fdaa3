//! What the engine may, as the cluster says, beside what the manifests say.

use crate::installed::Installed;
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;

const ENGINE: &str = "system:serviceaccount:stageway:stageway";

/// Group, resource and verb of each right.
type Rights = BTreeSet<(String, String, String)>;

pub(crate) fn the_engine_may_what_the_manifest_says_and_nothing_else(installed: &Installed) {
    let written = written(installed);
    // Who it is and what it may, anybody may ask.
    let everybody = may(installed, "system:serviceaccount:stageway-tasks:tasks", "default");
    assert!(
        everybody
            .iter()
            .all(|(group, ..)| group.ends_with("authorization.k8s.io")
                || group.ends_with("authentication.k8s.io")),
        "{everybody:?}"
    );
    let there = may(installed, ENGINE, "stageway-tasks");
    assert_eq!(&there - &everybody, written);
    for elsewhere in ["stageway", "default", "kube-system"] {
        assert_eq!(may(installed, ENGINE, elsewhere), everybody, "{elsewhere}");
    }
    assert_eq!(may(installed, "system:serviceaccount:stageway-tasks:tasks", "stageway-tasks"), everybody);
}

pub(crate) fn it_asked_for_all_that_it_may_and_for_nothing_else(installed: &Installed) {
    let audit = installed.cluster.audit();
    let requests = audit.lines().map(|line| serde_json::from_str::<Json>(line).expect("JSON"));
    let own: Vec<Json> = requests.filter(|request| request["user"]["username"] == ENGINE).collect();
    assert!(!own.is_empty(), "its requests are told");
    let refused =
        own.iter().find(|request| request["annotations"]["authorization.k8s.io/decision"] != "allow");
    assert_eq!(refused, None);
    let asked: Rights = own.iter().filter_map(right).collect();
    // The cluster asks for it from its next version on.
    let later = right_to("pods/exec", "create");
    assert_eq!(&written(installed) - &asked, Rights::from([later]));
}

/// What a request needed.
fn right(request: &Json) -> Option<(String, String, String)> {
    let object = &request["objectRef"];
    let resource = match (object["resource"].as_str()?, object["subresource"].as_str()) {
        (resource, Some(part)) => format!("{resource}/{part}"),
        (resource, None) => resource.to_owned(),
    };
    Some(right_to(&resource, request["verb"].as_str()?))
}

fn right_to(resource: &str, verb: &str) -> (String, String, String) {
    (String::new(), resource.to_owned(), verb.to_owned())
}

/// What the manifest gives.
fn written(installed: &Installed) -> Rights {
    rights(&installed.tasks.get(&["role", "stageway-tasks"])["rules"])
}

/// What `kubectl auth can-i --list` shows.
fn may(installed: &Installed, who: &str, namespace: &str) -> Rights {
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": { "namespace": namespace },
    });
    let path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews";
    let asked = ["create", "--raw", path, "--as", who, "--filename", "-"];
    let told = installed.kubectl.must_with(&asked, &review.to_string());
    let told: Json = serde_json::from_str(&told).expect("JSON");
    rights(&told["status"]["resourceRules"])
}

fn rights(rules: &Json) -> Rights {
    let words = |rule: &Json, key: &str| -> Vec<String> {
        rule[key].as_array().into_iter().flatten().filter_map(Json::as_str).map(str::to_owned).collect()
    };
    let mut found = Rights::new();
    for rule in rules.as_array().into_iter().flatten() {
        for (group, resource) in words(rule, "apiGroups")
            .iter()
            .flat_map(|group| words(rule, "resources").into_iter().map(move |one| (group.clone(), one)))
        {
            found
                .extend(words(rule, "verbs").into_iter().map(|verb| (group.clone(), resource.clone(), verb)));
        }
    }
    found
}
