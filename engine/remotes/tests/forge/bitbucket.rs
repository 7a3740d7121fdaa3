use super::*;
use serde_json::json;
use stageway_core::delivery::{MAX_CHANGES, PullRequestAction};

mod cloud {
    use super::*;

    fn repository(name: &str, uuid: &str) -> Json {
        json!({"type": "repository", "name": "demo", "full_name": name, "uuid": uuid, "scm": "git",
               "links": {"html": {"href": format!("https://forge.example/{name}")}}})
    }

    fn actor() -> Json {
        json!({"type": "user", "display_name": "Root", "nickname": "root1", "account_id": "5", "uuid": "{u}"})
    }

    fn side(kind: &str, name: &str, digit: &str) -> Json {
        json!({"type": kind, "name": name, "target": {"type": "commit", "hash": sha(digit)}})
    }

    fn a_push(changes: &[(Json, Json)]) -> Json {
        let changes: Vec<_> = changes
            .iter()
            .map(|(old, new)| json!({"old": old, "new": new, "created": old.is_null(), "commits": []}))
            .collect();
        json!({"actor": actor(), "repository": repository("acme/demo", "{1}"), "push": {"changes": changes}})
    }

    fn of(body: &Json) -> Push {
        push(read(ForgeKind::BitbucketCloud, "repo:push", body))
    }

    fn a_pull() -> Json {
        json!({"actor": actor(), "repository": repository("acme/demo", "{1}"),
               "pullrequest": {
                   "id": 7, "title": "Add it", "state": "OPEN", "draft": true, "author": actor(),
                   "source": {"branch": {"name": "topic"}, "commit": {"hash": "d3022fc0ca3d"},
                              "repository": repository("acme/demo", "{1}")},
                   "destination": {"branch": {"name": "main"}, "commit": {"hash": "ce5965ddd289"},
                                   "repository": repository("acme/demo", "{1}")}}})
    }

    fn of_pull(event: &str, body: &Json) -> Result<Meaning, Unreadable> {
        read(ForgeKind::BitbucketCloud, event, body)
    }

    #[test]
    fn a_push_has_many_changes() {
        let main = (side("branch", "main", "a"), side("branch", "main", "b"));
        let made = (Json::Null, side("tag", "v1", "c"));
        let gone = (side("branch", "old", "d"), Json::Null);
        let pushed = of(&a_push(&[main, made, gone]));
        assert_eq!(pushed.changes.len(), 3);
        let texts: Vec<_> = pushed
            .changes
            .iter()
            .map(|one| change(&Push { changes: vec![one.clone()], ..pushed.clone() }))
            .collect();
        assert_eq!(texts, ["refs/heads/main aa bb bb", "refs/tags/v1 - cc cc", "refs/heads/old dd - -"]);
        assert_eq!(pushed.repository.id.as_deref(), Some("{1}"));
        assert_eq!(pushed.repository.clone_addresses, ["https://forge.example/acme/demo"]);
        assert_eq!(pushed.sender.as_deref(), Some("root1"));
    }

    #[test]
    fn what_git_does_not_have_is_left_out() {
        let bookmark = (Json::Null, side("bookmark", "main", "b"));
        let nothing =
            read(ForgeKind::BitbucketCloud, "repo:push", &a_push(&[bookmark, (Json::Null, Json::Null)]));
        assert!(matches!(nothing, Ok(Meaning::Unsupported { .. })), "{nothing:?}");
    }

    #[test]
    fn more_changes_than_are_taken_are_told() {
        let many: Vec<_> = (0..=MAX_CHANGES)
            .map(|number| (Json::Null, side("branch", &format!("b{number}"), "b")))
            .collect();
        let pushed = of(&a_push(&many));
        assert!(pushed.partial && pushed.changes.len() == MAX_CHANGES);
        assert!(!of(&a_push(&many[1..])).partial);
    }

    #[test]
    fn a_pull_request_by_its_event() {
        for (event, action) in [
            ("pullrequest:created", PullRequestAction::Opened),
            ("pullrequest:updated", PullRequestAction::Updated),
            ("pullrequest:fulfilled", PullRequestAction::Merged),
            ("pullrequest:rejected", PullRequestAction::Closed),
        ] {
            let pull = pull_request(of_pull(event, &a_pull()));
            assert_eq!(pull.action, action, "{event}");
            assert_eq!((pull.number, pull.fork, pull.draft, pull.fetchable), (7, false, true, false));
            assert_eq!((pull.source.branch.as_str(), pull.target.as_str()), ("topic", "main"));
            // It writes the first 12 digits.
            assert_eq!((pull.head.as_str(), pull.head.whole()), ("d3022fc0ca3d", None));
            assert_eq!(pull.reference.as_str(), "refs/pull-requests/7/from");
        }
        let event = "pullrequest:approved".to_owned();
        assert_eq!(of_pull(&event, &a_pull()), Ok(Meaning::Unsupported { event }));
    }

    #[test]
    fn a_fork_is_another_repository_or_none() {
        let mut fork = a_pull();
        fork["pullrequest"]["source"]["repository"] = repository("someone/demo", "{2}");
        let pull = pull_request(of_pull("pullrequest:created", &fork));
        assert!(pull.fork);
        assert_eq!(pull.source.repository.unwrap().name.as_str(), "someone/demo");
        fork["pullrequest"]["source"]["repository"] = Json::Null;
        assert!(pull_request(of_pull("pullrequest:created", &fork)).fork);
        fork["pullrequest"]["source"]["commit"] = Json::Null;
        assert!(matches!(of_pull("pullrequest:rejected", &fork), Ok(Meaning::Unsupported { .. })));
    }
}

mod data_center {
    use super::*;

    fn repository(key: &str, id: u32) -> Json {
        json!({"slug": "demo", "id": id, "name": "Demo", "scmId": "git", "project": {"key": key, "id": 1},
               "links": {"clone": [{"href": "ssh://git@forge.example/acme/demo.git", "name": "ssh"},
                                   {"href": "https://forge.example/scm/acme/demo.git", "name": "http"}]}})
    }

    fn a_change(id: &str, from: &str, to: &str) -> Json {
        json!({"ref": {"id": id, "displayId": "x", "type": "BRANCH"}, "refId": id, "fromHash": sha(from),
               "toHash": sha(to), "type": "UPDATE"})
    }

    fn a_push(changes: &[Json]) -> Json {
        json!({"eventKey": "repo:refs_changed", "date": "2026-01-01T00:00:00+0000",
               "actor": {"name": "root1", "displayName": "Root", "id": 1}, "repository": repository("ACME", 84),
               "changes": changes})
    }

    fn a_pull() -> Json {
        let side = |name: &str, digit: &str| {
            json!({"id": format!("refs/heads/{name}"), "displayId": name, "latestCommit": sha(digit),
                   "repository": repository("ACME", 84)})
        };
        json!({"eventKey": "pr:opened", "actor": {"name": "root1"},
               "pullRequest": {"id": 7, "version": 0, "title": "Add it", "state": "OPEN", "draft": false,
                               "fromRef": side("topic/a", "c"), "toRef": side("main", "b"),
                               "author": {"user": {"name": "someone"}, "role": "AUTHOR"}}})
    }

    fn of(event: &str, body: &Json) -> Result<Meaning, Unreadable> {
        read(ForgeKind::BitbucketDataCenter, event, body)
    }

    #[test]
    fn a_push_has_many_changes_and_zero_is_nothing() {
        let changes = [
            a_change("refs/heads/main", "a", "b"),
            a_change("refs/tags/v1", "0", "c"),
            a_change("refs/heads/old", "d", "0"),
            a_change("refs/notes/commits", "d", "e"),
        ];
        let pushed = push(of("repo:refs_changed", &a_push(&changes)));
        assert_eq!(pushed.changes.len(), 3);
        assert_eq!(change(&pushed), "refs/heads/main aa bb -");
        assert_eq!((pushed.changes[1].before.is_none(), pushed.changes[2].after.is_none()), (true, true));
        assert_eq!(pushed.repository.name.as_str(), "ACME/demo");
        assert_eq!(pushed.repository.clone_addresses.len(), 2);
    }

    #[test]
    fn it_tries_a_webhook_out() {
        assert_eq!(of("diagnostics:ping", &json!({"test": true})), Ok(Meaning::Ping));
        let event = "repo:comment:added".to_owned();
        assert_eq!(of(&event, &json!({})), Ok(Meaning::Unsupported { event }));
    }

    #[test]
    fn a_pull_request_by_its_event() {
        for (event, action) in [
            ("pr:opened", PullRequestAction::Opened),
            ("pr:from_ref_updated", PullRequestAction::Updated),
            ("pr:merged", PullRequestAction::Merged),
            ("pr:declined", PullRequestAction::Closed),
            ("pr:deleted", PullRequestAction::Closed),
        ] {
            let pull = pull_request(of(event, &a_pull()));
            assert_eq!(pull.action, action, "{event}");
            assert_eq!((pull.source.branch.as_str(), pull.target.as_str()), ("topic/a", "main"));
            assert_eq!((pull.head.as_str(), pull.fork, pull.fetchable), (sha("c").as_str(), false, true));
            assert_eq!(pull.author.as_deref(), Some("someone"));
        }
        let mut fork = a_pull();
        fork["pullRequest"]["fromRef"]["repository"] = repository("~SOMEONE", 85);
        let fork = pull_request(of("pr:opened", &fork));
        assert!(fork.fork);
        assert_eq!(fork.source.repository.unwrap().name.as_str(), "~SOMEONE/demo");
    }

    #[test]
    fn a_modification_matters_if_it_changes_target_or_draft() {
        let mut body = a_pull();
        body["previousTitle"] = "Ad it".into();
        body["previousTarget"] =
            json!({"id": "refs/heads/main", "displayId": "main", "latestCommit": sha("b")});
        assert_eq!(of("pr:modified", &body), Ok(Meaning::Unsupported { event: "pr:modified".into() }));
        body["previousDraft"] = true.into();
        assert_eq!(pull_request(of("pr:modified", &body)).action, PullRequestAction::Ready);
        body["previousTarget"]["id"] = "refs/heads/next".into();
        assert_eq!(pull_request(of("pr:modified", &body)).action, PullRequestAction::Retargeted);
    }
}
