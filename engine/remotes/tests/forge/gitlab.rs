use super::*;
use serde_json::json;
use stageway_core::delivery::PullRequestAction;

fn project() -> Json {
    json!({"id": 15, "name": "Diaspora", "path_with_namespace": "group/sub/demo", "default_branch": "main",
           "git_http_url": "https://forge.example/group/sub/demo.git",
           "git_ssh_url": "git@forge.example:group/sub/demo.git", "visibility_level": 0})
}

fn a_push() -> Json {
    json!({"object_kind": "push", "event_name": "push", "before": sha("a"), "after": sha("b"),
           "ref": "refs/heads/main", "ref_protected": true, "checkout_sha": sha("b"), "message": null,
           "user_id": 4, "user_name": "Root", "user_username": "root1", "project_id": 15,
           "project": project(), "commits": [{"id": sha("b"), "added": ["a"]}], "total_commits_count": 1})
}

fn a_tag() -> Json {
    let mut tag = a_push();
    tag["object_kind"] = "tag_push".into();
    tag["ref"] = "refs/tags/v1".into();
    tag["before"] = sha("0").into();
    tag["after"] = sha("d").into();
    tag
}

fn a_merge_request(action: &str) -> Json {
    json!({"object_kind": "merge_request", "event_type": "merge_request",
           "user": {"id": 1, "name": "Root", "username": "root1"}, "project": project(),
           "object_attributes": {
               "id": 99, "iid": 7, "action": action, "state": "opened", "title": "Add it", "draft": false,
               "source_branch": "topic", "target_branch": "main", "source_project_id": 15,
               "target_project_id": 15, "author_id": 1,
               "source": {"path_with_namespace": "group/sub/demo", "git_http_url": "https://forge.example/x.git"},
               "target": {"path_with_namespace": "group/sub/demo"},
               "last_commit": {"id": sha("c"), "message": "Add it", "author": {"name": "Somebody"}}},
           "labels": [], "changes": {}})
}

fn of_push(body: &Json) -> Push {
    push(read(ForgeKind::GitLab, "Push Hook", body))
}

fn of_merge_request(body: &Json) -> Result<Meaning, Unreadable> {
    read(ForgeKind::GitLab, "Merge Request Hook", body)
}

#[test]
fn pushes_of_branches_and_tags() {
    let moved = of_push(&a_push());
    assert_eq!(change(&moved), "refs/heads/main aa bb bb");
    assert_eq!(moved.repository.name.as_str(), "group/sub/demo");
    assert_eq!((moved.repository.id.as_deref(), moved.sender.as_deref()), (Some("15"), Some("root1")));

    let mut deleted = a_push();
    deleted["after"] = sha("0").into();
    deleted["checkout_sha"] = Json::Null;
    assert_eq!(change(&of_push(&deleted)), "refs/heads/main aa - -");

    // An annotated tag: the tag object, and the commit it leads to.
    let tag = push(read(ForgeKind::GitLab, "Tag Push Hook", &a_tag()));
    assert_eq!(change(&tag), "refs/tags/v1 - dd bb");
    // A system webhook says what it is in the body alone.
    let tag = push(read(ForgeKind::GitLab, "System Hook", &a_tag()));
    assert_eq!(change(&tag), "refs/tags/v1 - dd bb");
}

#[test]
fn a_merge_request_by_its_action() {
    for (word, action) in [
        ("open", PullRequestAction::Opened),
        ("reopen", PullRequestAction::Reopened),
        ("close", PullRequestAction::Closed),
        ("merge", PullRequestAction::Merged),
    ] {
        let pull = pull_request(of_merge_request(&a_merge_request(word)));
        assert_eq!(pull.action, action, "{word}");
        assert_eq!((pull.number, pull.title.as_str(), pull.draft), (7, "Add it", false));
        assert_eq!((pull.source.branch.as_str(), pull.target.as_str()), ("topic", "main"));
        assert_eq!(
            (pull.head.as_str(), pull.reference.as_str()),
            (sha("c").as_str(), "refs/merge-requests/7/head")
        );
        assert_eq!((pull.fork, pull.author.as_deref()), (false, Some("root1")));
    }
    for word in ["approved", "unapproved", "approval", "other"] {
        let event = format!("merge_request.{word}");
        assert_eq!(of_merge_request(&a_merge_request(word)), Ok(Meaning::Unsupported { event }));
    }
}

#[test]
fn an_update_matters_if_it_brings_something_new() {
    let update = |edit: &dyn Fn(&mut Json)| {
        let mut body = a_merge_request("update");
        edit(&mut body);
        of_merge_request(&body)
    };
    let nothing = update(&|body| body["changes"] = json!({"title": {"previous": "Ad", "current": "Add it"}}));
    assert_eq!(nothing, Ok(Meaning::Unsupported { event: "merge_request.update".into() }));
    let head = update(&|body| body["object_attributes"]["oldrev"] = sha("a").into());
    assert_eq!(pull_request(head).action, PullRequestAction::Updated);
    let target =
        update(&|body| body["changes"] = json!({"target_branch": {"previous": "next", "current": "main"}}));
    assert_eq!(pull_request(target).action, PullRequestAction::Retargeted);
    let ready = update(&|body| body["changes"] = json!({"draft": {"previous": true, "current": false}}));
    assert_eq!(pull_request(ready).action, PullRequestAction::Ready);
    let draft = update(&|body| body["changes"] = json!({"draft": {"previous": false, "current": true}}));
    assert!(matches!(draft, Ok(Meaning::Unsupported { .. })));
}

#[test]
fn a_fork_is_another_project_or_none() {
    let mut fork = a_merge_request("open");
    fork["object_attributes"]["source_project_id"] = 16.into();
    fork["user"]["id"] = 2.into();
    let pull = pull_request(of_merge_request(&fork));
    assert!(pull.fork && pull.author.is_none());
    assert_eq!(pull.source.repository.unwrap().id.as_deref(), Some("16"));
    fork["object_attributes"]["source_project_id"] = Json::Null;
    fork["object_attributes"]["source"] = Json::Null;
    let gone = pull_request(of_merge_request(&fork));
    assert!(gone.fork && gone.source.repository.is_none());
}

#[test]
fn what_has_no_commit_or_starts_nothing_is_unsupported() {
    let mut gone = a_merge_request("close");
    gone["object_attributes"]["last_commit"] = Json::Null;
    assert!(matches!(of_merge_request(&gone), Ok(Meaning::Unsupported { .. })));
    for (event, body, name) in [
        ("Pipeline Hook", json!({"object_kind": "pipeline"}), "pipeline"),
        ("System Hook", json!({"event_name": "project_create"}), "project_create"),
        ("Feature Flag Hook", json!({}), "Feature Flag Hook"),
    ] {
        let name = name.to_owned();
        assert_eq!(read(ForgeKind::GitLab, event, &body), Ok(Meaning::Unsupported { event: name }));
    }
}

#[test]
fn a_delivery_is_known_by_its_key() {
    let gitlab = forge(ForgeKind::GitLab);
    let id = |headers: &[(&str, &str)]| gitlab.delivery_id(&delivery(headers, "{}")).to_string();
    let (event, key) = (("x-gitlab-event-uuid", "event"), ("idempotency-key", "key"));
    assert_eq!(id(&[event]), "event");
    assert_eq!(id(&[event, key]), "key");
    assert_eq!(id(&[event, key, ("webhook-id", "signed")]), "signed");
    let (push, tag) = ([("x-gitlab-event", "Push Hook")], [("x-gitlab-event", "Tag Push Hook")]);
    assert!(id(&push).starts_with("sha256:") && id(&push) == id(&push) && id(&push) != id(&tag));
    // What is no id is not taken for one.
    assert!(id(&[("idempotency-key", "a b")]).starts_with("sha256:"));
    assert!(id(&[key, key]).starts_with("sha256:"));
}
