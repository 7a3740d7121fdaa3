use super::*;
use serde_json::json;
use stageway_core::delivery::PullRequestAction;

fn repository(id: u32, name: &str) -> Json {
    json!({"id": id, "full_name": name, "clone_url": format!("http://forge.example/{name}.git"),
           "ssh_url": format!("git@forge.example:{name}.git"), "default_branch": "main"})
}

fn a_push(reference: &str, before: &str, after: &str, commit: Option<&str>) -> Json {
    let head = commit.map(|digit| json!({"id": sha(digit), "message": "m", "added": ["a"], "removed": null}));
    json!({"ref": reference, "before": sha(before), "after": sha(after), "compare_url": "x", "commits": [],
           "total_commits": 0, "head_commit": head, "repository": repository(1, "acme/demo"),
           "pusher": {"id": 1, "login": "root1"}, "sender": {"id": 1, "login": "root1"}})
}

fn a_delete(kind: &str, name: &str) -> Json {
    json!({"ref": name, "ref_type": kind, "pusher_type": "user", "repository": repository(1, "acme/demo"),
           "sender": {"id": 1, "login": "root1"}})
}

fn a_pull(action: &str) -> Json {
    let side = |name: &str, digit: &str| json!({"label": name, "ref": name, "sha": sha(digit), "repo_id": 1, "repo": repository(1, "acme/demo")});
    json!({"action": action, "number": 3,
           "pull_request": {"id": 9, "number": 3, "title": "Add it", "draft": false, "merged": false,
                            "mergeable": false, "user": {"login": "someone"},
                            "head": side("topic", "c"), "base": side("main", "b"), "merge_base": sha("b")},
           "repository": repository(1, "acme/demo"), "sender": {"login": "root1"}})
}

fn of(event: &str, body: &Json) -> Result<Meaning, Unreadable> {
    read(ForgeKind::Gitea, event, body)
}

#[test]
fn pushes_as_gitea_tells_them() {
    for (what, body, told) in [
        ("a branch moves", a_push("refs/heads/main", "a", "b", Some("b")), "refs/heads/main aa bb bb"),
        ("a new branch", a_push("refs/heads/x/y", "0", "b", Some("b")), "refs/heads/x/y - bb bb"),
        ("a light tag", a_push("refs/tags/v1", "0", "b", Some("b")), "refs/tags/v1 - bb bb"),
        (
            "an annotated tag is the tag object",
            a_push("refs/tags/v2", "0", "d", Some("b")),
            "refs/tags/v2 - dd bb",
        ),
        (
            "a moved tag does not tell the old",
            a_push("refs/tags/v1", "0", "c", Some("c")),
            "refs/tags/v1 - cc cc",
        ),
        ("a deleted tag", a_push("refs/tags/v1", "c", "0", None), "refs/tags/v1 cc - -"),
    ] {
        assert_eq!(change(&push(of("push", &body))), told, "{what}");
    }
}

#[test]
fn a_deleted_branch_is_told_by_its_deletion_alone() {
    let gone = push(of("delete", &a_delete("branch", "x/y")));
    assert_eq!(change(&gone), "refs/heads/x/y - - -");
    assert_eq!(gone.sender.as_deref(), Some("root1"));
    // Of a tag a push comes as well, and knows what it was.
    assert!(matches!(of("delete", &a_delete("tag", "v1")), Ok(Meaning::Unsupported { .. })));
    let error = of("delete", &a_delete("branch", "a..b")).unwrap_err();
    assert!(error.to_string().contains("/ref"), "{error}");
}

#[test]
fn the_push_of_a_test_moves_nothing() {
    assert_eq!(of("push", &a_push("refs/heads/main", "b", "b", Some("b"))), Ok(Meaning::Ping));
}

#[test]
fn what_comes_with_a_push_starts_nothing() {
    for event in ["create", "release", "issue_comment", "pull_request_approved", "repository"] {
        let unsupported = Ok(Meaning::Unsupported { event: event.to_owned() });
        assert_eq!(of(event, &json!({"action": "created"})), unsupported);
    }
}

#[test]
fn a_pull_request_by_its_action() {
    for (word, action) in [
        ("opened", PullRequestAction::Opened),
        ("synchronized", PullRequestAction::Updated),
        ("reopened", PullRequestAction::Reopened),
        ("closed", PullRequestAction::Closed),
    ] {
        let pull = pull_request(of("pull_request", &a_pull(word)));
        assert_eq!((pull.action, pull.fork, pull.draft), (action, false, false), "{word}");
        assert_eq!((pull.number, pull.reference.as_str()), (3, "refs/pull/3/head"));
        assert_eq!(pull.head.as_str(), sha("c"));
    }
    for word in ["label_updated", "assigned", "review_requested", "milestoned", "synchronize"] {
        let event = format!("pull_request.{word}");
        assert_eq!(of("pull_request", &a_pull(word)), Ok(Meaning::Unsupported { event }));
    }
    let mut merged = a_pull("closed");
    merged["pull_request"]["merged"] = true.into();
    assert_eq!(pull_request(of("pull_request", &merged)).action, PullRequestAction::Merged);
}

#[test]
fn an_edit_matters_if_it_changes_the_target_or_leaves_the_draft() {
    let edited = |from: &str, title: &str, draft: Option<bool>| {
        let mut body = a_pull("edited");
        body["changes"] = json!({"title": {"from": from}});
        body["pull_request"]["title"] = title.into();
        body["pull_request"]["draft"] = draft.into();
        of("pull_request", &body)
    };
    assert!(matches!(edited("Ad it", "Add it", Some(false)), Ok(Meaning::Unsupported { .. })));
    for draft in [Some(false), None] {
        let ready = pull_request(edited("WIP: Add it", "Add it", draft));
        assert_eq!((ready.action, ready.draft), (PullRequestAction::Ready, false));
    }
    assert!(matches!(edited("WIP: Ad it", "[wip] Add it", None), Ok(Meaning::Unsupported { .. })));
    let mut body = a_pull("edited");
    body["changes"] = json!({"ref": {"from": "next"}});
    assert_eq!(pull_request(of("pull_request", &body)).action, PullRequestAction::Retargeted);
    // An older one says that it is a draft with its title alone.
    let mut draft = a_pull("opened");
    draft["pull_request"]["title"] = "WIP: Add it".into();
    draft["pull_request"]["draft"] = Json::Null;
    assert!(pull_request(of("pull_request", &draft)).draft);
}

#[test]
fn a_head_that_was_not_pushed_to_a_branch_is_no_members() {
    let mut fork = a_pull("opened");
    fork["pull_request"]["head"]["repo"] = repository(2, "someone/demo");
    assert!(pull_request(of("pull_request", &fork)).fork);
    fork["pull_request"]["head"]["repo"] = Json::Null;
    assert!(pull_request(of("pull_request", &fork)).fork);
    // `git push HEAD:refs/for/main`, which whoever may read can do.
    let mut for_main = a_pull("opened");
    for_main["pull_request"]["head"]["label"] = "".into();
    for_main["pull_request"]["head"]["ref"] = "refs/pull/3/head".into();
    let for_main = pull_request(of("pull_request", &for_main));
    assert!(for_main.fork && for_main.source.repository.is_some());
}

#[test]
fn forgejo_is_read_by_its_own_headers() {
    let gitea = forge(ForgeKind::Gitea);
    let headers = [
        ("x-github-event", "push"),
        ("x-gitea-event", "push"),
        ("x-forgejo-event", "push"),
        ("x-gitea-delivery", "g"),
        ("x-forgejo-delivery", "f"),
    ];
    let body = a_push("refs/heads/main", "a", "b", Some("b")).to_string();
    let delivery = delivery(&headers, body);
    assert_eq!(change(&push(gitea.read(&delivery))), "refs/heads/main aa bb bb");
    assert_eq!(gitea.delivery_id(&delivery).as_str(), "f");
}
