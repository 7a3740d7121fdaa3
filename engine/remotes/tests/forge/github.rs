use super::*;
use serde_json::json;
use stageway_core::delivery::PullRequestAction;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Every example of `@octokit/webhooks-examples`, signed by `@octokit/webhooks-methods`.
fn octokit() -> Vec<Json> {
    signed::octokit(&folder().join("octokit"), SECRET)
}

fn text<'a>(value: &'a Json, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("no {field}"))
}

/// A meaning in the words of the script.
fn told(meaning: &Meaning) -> Json {
    match meaning {
        Meaning::Ping => json!({"class": "ping"}),
        Meaning::Unsupported { .. } => json!({"class": "unsupported"}),
        Meaning::Push(push) => {
            let change = &push.changes[0];
            assert_eq!((push.changes.len(), push.partial), (1, false));
            json!({
                "class": "push", "repository": push.repository.name, "id": push.repository.id,
                "sender": push.sender, "reference": change.reference, "before": change.before,
                "after": change.after, "commit": change.commit,
            })
        }
        Meaning::PullRequest(pull) => json!({
            "class": "pull-request", "action": pull.action, "repository": pull.repository.name,
            "sender": pull.sender, "number": pull.number, "title": pull.title, "author": pull.author,
            "source": pull.source.branch, "target": pull.target, "head": pull.head,
            "reference": pull.reference, "fork": pull.fork, "draft": pull.draft,
        }),
    }
}

#[test]
fn every_example_is_authentic_and_in_its_class() {
    let github = forge(ForgeKind::GitHub);
    let (secrets, stranger) = ([secret("old"), secret(SECRET)], [secret("old")]);
    let mut events = BTreeSet::new();
    let mut classes = std::collections::BTreeMap::<String, u32>::new();
    let lines = octokit();
    for (number, line) in lines.iter().enumerate() {
        let event = text(line, "event");
        let id = format!("delivery-{number}");
        let headers = [
            ("X-GitHub-Event", event),
            ("X-GitHub-Delivery", &id),
            ("X-Hub-Signature-256", text(line, "signature")),
            ("Content-Type", "application/json"),
        ];
        let delivery = delivery(&headers, text(line, "body"));
        let shown = format!("{event} {} ({number})", line["action"]);
        assert_eq!(github.authenticate(&delivery, &secrets, NOW_MS), Ok(()), "{shown}");
        assert!(github.authenticate(&delivery, &stranger, NOW_MS).is_err(), "{shown}");
        assert_eq!(github.delivery_id(&delivery).as_str(), id);
        let meaning = github.read(&delivery).unwrap_or_else(|error| panic!("{shown}: {error}"));
        assert_eq!(told(&meaning), line["expected"], "{shown}");
        events.insert(event.to_owned());
        *classes.entry(text(&line["expected"], "class").to_owned()).or_default() += 1;
    }
    assert_eq!((lines.len(), events.len()), (329, 58));
    let classes: Vec<_> = classes.into_iter().collect();
    let all = [("ping", 4), ("pull-request", 12), ("push", 7), ("unsupported", 306)];
    assert_eq!(classes, all.map(|(class, count)| (class.to_owned(), count)));
}

#[test]
fn a_changed_byte_of_any_example_is_refused() {
    let github = forge(ForgeKind::GitHub);
    for line in octokit().iter().step_by(10) {
        let body = text(line, "body").as_bytes();
        for at in [0, body.len() / 2, body.len() - 1] {
            let mut forged = body.to_vec();
            forged[at] ^= 1;
            let headers = [("x-github-event", "push"), ("x-hub-signature-256", text(line, "signature"))];
            assert!(github.authenticate(&delivery(&headers, forged), &[secret(SECRET)], NOW_MS).is_err());
        }
    }
}

fn repository() -> Json {
    json!({"id": 1, "full_name": "acme/demo", "clone_url": "https://forge.example/acme/demo.git",
           "ssh_url": "git@forge.example:acme/demo.git"})
}

fn a_push() -> Json {
    json!({"ref": "refs/heads/main", "before": sha("a"), "after": sha("b"), "forced": true,
           "repository": repository(), "sender": {"login": "root1"}, "head_commit": {"id": sha("b")}})
}

fn a_pull(action: &str) -> Json {
    let side = |name: &str, repo: Json| json!({"ref": name, "sha": sha("c"), "repo": repo});
    json!({"action": action, "number": 7, "repository": repository(), "sender": {"login": "root1"},
           "pull_request": {"number": 7, "title": "Add it", "draft": false, "merged": false,
                            "user": {"login": "someone"},
                            "head": side("topic", repository()), "base": side("main", repository())}})
}

#[test]
fn a_push_says_what_moved() {
    let read = |body: &Json| push(read(ForgeKind::GitHub, "push", body));
    let moved = read(&a_push());
    assert_eq!(change(&moved), "refs/heads/main aa bb bb");
    assert_eq!(moved.repository.clone_addresses.len(), 2);

    let mut tag = a_push();
    tag["ref"] = "refs/tags/v1".into();
    tag["before"] = sha("0").into();
    // An annotated tag: the tag object, and the commit it leads to.
    tag["after"] = sha("d").into();
    assert_eq!(change(&read(&tag)), "refs/tags/v1 - dd bb");

    let mut sha256 = a_push();
    sha256["before"] = "0".repeat(64).into();
    sha256["after"] = "e".repeat(64).into();
    sha256["head_commit"] = Json::Null;
    assert_eq!(change(&read(&sha256)), "refs/heads/main - ee -");
}

#[test]
fn a_push_of_neither_branch_nor_tag_starts_nothing() {
    let mut notes = a_push();
    notes["ref"] = "refs/notes/commits".into();
    let event = "push of refs/notes/commits".to_owned();
    assert_eq!(read(ForgeKind::GitHub, "push", &notes), Ok(Meaning::Unsupported { event }));
}

#[test]
fn a_pull_request_says_whether_it_may_be_believed() {
    let read = |body: &Json| pull_request(read(ForgeKind::GitHub, "pull_request", body));
    let own = read(&a_pull("opened"));
    assert_eq!((own.action, own.fork, own.fetchable), (PullRequestAction::Opened, false, true));
    assert_eq!(own.reference.as_str(), "refs/pull/7/head");

    let mut fork = a_pull("synchronize");
    fork["pull_request"]["head"]["repo"]["id"] = 2.into();
    fork["pull_request"]["head"]["repo"]["full_name"] = "someone/demo".into();
    assert!(read(&fork).fork);
    // The fork was deleted.
    fork["pull_request"]["head"]["repo"] = Json::Null;
    let gone = read(&fork);
    assert!(gone.fork && gone.source.repository.is_none());
}

#[test]
fn an_edit_matters_if_it_changes_the_target() {
    let mut edited = a_pull("edited");
    edited["changes"] = json!({"title": {"from": "Ad it"}});
    let event = "pull_request.edited".to_owned();
    assert_eq!(read(ForgeKind::GitHub, "pull_request", &edited), Ok(Meaning::Unsupported { event }));
    edited["changes"] = json!({"base": {"ref": {"from": "next"}, "sha": {"from": sha("a")}}});
    let edited = pull_request(read(ForgeKind::GitHub, "pull_request", &edited));
    assert_eq!(edited.action, PullRequestAction::Retargeted);
    let mut merged = a_pull("closed");
    merged["pull_request"]["merged"] = true.into();
    let merged = pull_request(read(ForgeKind::GitHub, "pull_request", &merged));
    assert!(merged.action == PullRequestAction::Merged && !merged.action.starts());
}

#[test]
fn a_form_is_read_as_the_json_in_it() {
    let mut form = String::from("payload=");
    for byte in a_push().to_string().bytes() {
        write!(form, "%{byte:02X}").unwrap();
    }
    let github = forge(ForgeKind::GitHub);
    let headers = |kind| [("x-github-event", "push"), ("content-type", kind)];
    let form_type = "application/x-www-form-urlencoded; charset=utf-8";
    let meaning = github.read(&delivery(&headers(form_type), form.clone()));
    assert_eq!(change(&push(meaning)), "refs/heads/main aa bb bb");

    let nothing = github.read(&delivery(&headers(form_type), "other=1")).unwrap_err();
    assert!(nothing.to_string().contains("payload"), "{nothing}");
    let wrong = github.read(&delivery(&headers("text/plain"), form)).unwrap_err();
    assert!(wrong.to_string().contains("set the webhook's content type to JSON"), "{wrong}");
}
