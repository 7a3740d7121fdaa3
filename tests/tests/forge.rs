//! A real Gitea: what it delivers is believed and understood, and what it is told appears.

use serde_json::{Value as Json, json};
use stageway_core::delivery::{
    ForgeKind, HeadChange, Headers, Meaning, PullRequest, PullRequestAction, RawDelivery, ReportState,
    Revision, StatusReport,
};
use stageway_ports::{Forge, ForgeError, SecretValue, Unauthentic};
use stageway_remotes::forge::{ForgeConnection, connect};
use stageway_remotes::http::EgressHttp;
use stageway_remotes::registry::Credentials;
use stageway_tests::forge::{Gitea, Receiver, SECRET, WorkTree};
use stageway_tests::taken::Taken;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

fn adapter(gitea: &Gitea, token: &str) -> Arc<dyn Forge> {
    let open = BTreeSet::from([gitea.address().parse().expect("an address is a pattern of itself")]);
    let connection = ForgeConnection {
        kind: ForgeKind::Gitea,
        api: format!("http://{}/api/v1", gitea.address()),
        credentials: Credentials::Token(SecretValue::new(token.as_bytes().to_vec())),
        http: Arc::new(EgressHttp::new(open)),
    };
    connect(connection).expect("a connection")
}

fn raw(received: Taken) -> RawDelivery {
    let headers = received.headers.iter().map(|(name, value)| (name, value.as_bytes()));
    RawDelivery { headers: Headers::new(headers).expect("few headers"), body: received.body.into() }
}

fn secrets() -> [SecretValue; 2] {
    ["old", SECRET].map(|text| SecretValue::new(text.as_bytes().to_vec()))
}

/// What the next delivery means; it must be authentic.
fn next(forge: &dyn Forge, receiver: &Receiver) -> Meaning {
    let delivery = raw(receiver.next());
    assert_eq!(forge.authenticate(&delivery, &secrets(), 0), Ok(()));
    assert_eq!(forge.delivery_id(&delivery).as_str().len(), 36);
    forge.read(&delivery).expect("it is understood")
}

/// Object ids by the names that a test gave them.
struct Names(BTreeMap<String, &'static str>);

impl Names {
    fn of(&self, revision: Option<&Revision>) -> &str {
        revision.map_or("nothing", |revision| self.0.get(revision.as_str()).copied().unwrap_or("?"))
    }

    fn change(&self, change: &HeadChange) -> String {
        let [before, after, commit] =
            [&change.before, &change.after, &change.commit].map(|side| self.of(side.as_ref()));
        format!("{}: {before} -> {after} ({commit})", change.reference)
    }

    /// The next deliveries in words, in order of the alphabet: which of two comes first differs.
    fn told(&self, forge: &dyn Forge, receiver: &Receiver, count: usize) -> Vec<String> {
        let word = |meaning| match meaning {
            Meaning::Push(push) => self.change(&push.changes[0]),
            Meaning::Unsupported { event } => event,
            other => format!("{other:?}"),
        };
        let mut words: Vec<_> = (0..count).map(|_| word(next(forge, receiver))).collect();
        words.sort();
        words
    }
}

#[test]
fn every_way_to_move_a_ref() {
    let (gitea, receiver) = (Gitea::start(), Receiver::start());
    let forge = adapter(&gitea, gitea.token());
    let webhook = gitea.webhook(&receiver.url());
    let tree = gitea.work_tree();
    let mut names = Names(BTreeMap::new());
    names.0.insert(tree.commit("a", "one"), "one");
    let expect = |names: &Names, arguments: &[&str], told: &[&str]| {
        tree.git(arguments);
        assert_eq!(names.told(&*forge, &receiver, told.len()), told, "git {arguments:?}");
    };

    expect(&names, &["push", "origin", "main"], &["create", "refs/heads/main: nothing -> one (one)"]);
    names.0.insert(tree.commit("a", "two"), "two");
    expect(&names, &["push", "origin", "main"], &["refs/heads/main: one -> two (two)"]);
    expect(&names, &["push", "origin", "main:x/y"], &["create", "refs/heads/x/y: nothing -> two (two)"]);
    expect(&names, &["push", "--force", "origin", "main~:x/y"], &["refs/heads/x/y: two -> one (one)"]);
    // The deletion of a branch comes without a push.
    expect(&names, &["push", "origin", ":x/y"], &["refs/heads/x/y: nothing -> nothing (nothing)"]);

    tree.git(&["tag", "light", "main~"]);
    expect(&names, &["push", "origin", "light"], &["create", "refs/tags/light: nothing -> one (one)"]);
    tree.git(&["tag", "--annotate", "--message", "m", "v1", "main"]);
    names.0.insert(tree.git(&["rev-parse", "v1"]), "tag object");
    expect(&names, &["push", "origin", "v1"], &["create", "refs/tags/v1: nothing -> tag object (two)"]);
    tree.git(&["tag", "--force", "light", "main"]);
    // The old head of a moved tag is not told.
    let moved = ["create", "refs/tags/light: nothing -> two (two)"];
    expect(&names, &["push", "--force", "origin", "light"], &moved);
    let deleted = ["delete of a tag", "refs/tags/light: two -> nothing (nothing)"];
    expect(&names, &["push", "origin", ":light"], &deleted);

    // The forge tries its webhook out with a push that moves nothing.
    gitea.api("POST", &format!("/repos/acme/demo/hooks/{webhook}/tests"), None);
    assert_eq!(next(&*forge, &receiver), Meaning::Ping);
}

/// The next delivery about a pull request that has this action; others are read and dropped.
fn next_pull(forge: &dyn Forge, receiver: &Receiver, action: PullRequestAction) -> PullRequest {
    for _ in 0..20 {
        if let Meaning::PullRequest(pull) = next(forge, receiver) {
            // Gitea looks at a push when it comes to it: a pull request that was opened meanwhile is told of as updated, too.
            if pull.action == PullRequestAction::Updated && action != PullRequestAction::Updated {
                continue;
            }
            assert_eq!(pull.action, action);
            return *pull;
        }
    }
    panic!("no {action:?} comes");
}

/// A repository with `main`, `next` and a branch `topic` that has one commit more, whose id is answered.
fn with_topic(gitea: &Gitea) -> (WorkTree, String) {
    let tree = gitea.work_tree();
    tree.commit("a", "one");
    tree.git(&["push", "origin", "main", "main:next"]);
    tree.git(&["checkout", "--quiet", "-b", "topic"]);
    let head = tree.commit("b", "topic");
    tree.git(&["push", "origin", "topic"]);
    (tree, head)
}

fn opened(gitea: &Gitea, head: &str, title: &str) -> String {
    let body = json!({"head": head, "base": "main", "title": title});
    let made = gitea.must("POST", "/repos/acme/demo/pulls", &body);
    format!("/repos/acme/demo/pulls/{}", made["number"])
}

#[test]
fn the_life_of_a_pull_request() {
    use PullRequestAction::{Closed, Merged, Opened, Ready, Reopened, Retargeted, Updated};
    let (gitea, receiver) = (Gitea::start(), Receiver::start());
    let forge = adapter(&gitea, gitea.token());
    let (tree, head) = with_topic(&gitea);
    gitea.webhook(&receiver.url());

    let path = opened(&gitea, "topic", "WIP: Add it");
    let pull = next_pull(&*forge, &receiver, Opened);
    assert_eq!((pull.head.as_str(), pull.draft, pull.fork), (head.as_str(), true, false));
    assert_eq!((pull.source.branch.as_str(), pull.target.as_str(), pull.number), ("topic", "main", 1));
    // The ref that is told can be fetched.
    assert!(tree.git(&["ls-remote", "origin", pull.reference.as_str()]).starts_with(&head));

    gitea.must("PATCH", &path, &json!({"title": "Add it"}));
    assert!(!next_pull(&*forge, &receiver, Ready).draft);
    let head = tree.commit("b", "topic again");
    tree.git(&["push", "origin", "topic"]);
    assert_eq!(next_pull(&*forge, &receiver, Updated).head.as_str(), head);
    gitea.must("PATCH", &path, &json!({"base": "next"}));
    assert_eq!(next_pull(&*forge, &receiver, Retargeted).target, "next");
    gitea.must("PATCH", &path, &json!({"state": "closed"}));
    next_pull(&*forge, &receiver, Closed);
    gitea.must("PATCH", &path, &json!({"state": "open"}));
    next_pull(&*forge, &receiver, Reopened);
    // Whether it can be merged is still being found out for a moment.
    let merge = || gitea.api("POST", &format!("{path}/merge"), Some(&json!({"Do": "merge"}))).status;
    let merged = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(100));
        merge() == 200
    });
    assert!(merged);
    next_pull(&*forge, &receiver, Merged);
}

#[test]
fn a_head_of_somebody_who_may_only_read_is_a_forks() {
    let (gitea, receiver) = (Gitea::start(), Receiver::start());
    let forge = adapter(&gitea, gitea.token());
    let (tree, _) = with_topic(&gitea);
    let password = gitea.stranger("stranger");
    let forked = gitea.must("POST", "/repos/acme/demo/forks?sudo=stranger", &json!({"name": "demo"}));
    assert_eq!(forked["full_name"], "stranger/demo");
    gitea.webhook(&receiver.url());

    tree.git(&["push", &gitea.remote_of("stranger", password, "stranger/demo"), "topic:main"]);
    opened(&gitea, "stranger:main", "From a fork");
    let pull = next_pull(&*forge, &receiver, PullRequestAction::Opened);
    assert!(pull.fork && pull.source.branch == "main");
    assert_eq!(pull.source.repository.expect("it is known").name.as_str(), "stranger/demo");

    // Without a branch or a fork: no push is told, and the forge says that the head is of this repository.
    tree.commit("c", "for review");
    let own = gitea.remote_of("stranger", password, "acme/demo");
    tree.git(&["push", &own, "HEAD:refs/for/main", "-o", "topic=review", "-o", "title=For review"]);
    let pull = next_pull(&*forge, &receiver, PullRequestAction::Opened);
    assert_eq!(pull.source.repository.as_ref().map(|own| own.name.as_str()), Some("acme/demo"));
    assert!(pull.fork, "{pull:?}");
}

#[test]
fn what_is_not_signed_as_it_is_sent_is_refused() {
    let (gitea, receiver) = (Gitea::start(), Receiver::start());
    let forge = adapter(&gitea, gitea.token());
    let tree = gitea.work_tree();
    let refused = |config: Json, commit: &str| {
        let webhook = gitea.webhook_with(config);
        tree.commit("a", commit);
        tree.git(&["push", "origin", "main"]);
        let delivery = raw(receiver.next());
        while receiver.within(Duration::from_secs(2)).is_some() {}
        gitea.api("DELETE", &format!("/repos/acme/demo/hooks/{webhook}"), None);
        forge.authenticate(&delivery, &secrets(), 0)
    };
    // Without a secret it still sends every header of a signature, empty.
    let open = refused(json!({"url": receiver.url(), "content_type": "json"}), "one");
    assert_eq!(open, Err(Unauthentic::Missing("x-gitea-signature")));
    let form = refused(json!({"url": receiver.url(), "content_type": "form", "secret": SECRET}), "two");
    assert_eq!(form, Err(Unauthentic::Form(ForgeKind::Gitea)));
    let other = refused(json!({"url": receiver.url(), "content_type": "json", "secret": "other"}), "three");
    assert_eq!(other, Err(Unauthentic::Mismatch("x-gitea-signature")));
}

#[tokio::test]
async fn statuses_appear() {
    let gitea = Gitea::start();
    let tree = gitea.work_tree();
    let head = tree.commit("a", "one");
    tree.git(&["push", "origin", "main"]);
    let forge = adapter(&gitea, gitea.token());
    let (repository, revision) = ("acme/demo".parse().expect("a name"), head.parse().expect("an id"));
    let report = |state, description: &str| StatusReport {
        context: "stageway/demo".into(),
        state,
        description: description.into(),
        link: Some("http://127.0.0.1:1/runs/1".into()),
    };
    let combined = || gitea.api("GET", &format!("/repos/acme/demo/commits/{head}/status"), None).body;

    for (state, word) in [
        (ReportState::Pending, "pending"),
        (ReportState::Running, "pending"),
        (ReportState::Failed, "failure"),
        (ReportState::Errored, "error"),
        (ReportState::Cancelled, "error"),
        (ReportState::Succeeded, "success"),
        (ReportState::Skipped, "success"),
    ] {
        let told = report(state, &format!("{state:?}"));
        // Twice is the same as once.
        forge.report(&repository, &revision, &told).await.expect("it is taken");
        forge.report(&repository, &revision, &told).await.expect("it is taken");
        let shown = combined();
        assert_eq!(shown["statuses"].as_array().map(Vec::len), Some(1), "{shown:#}");
        let shown = &shown["statuses"][0];
        assert_eq!(shown["status"], word);
        assert_eq!(
            (&shown["context"], &shown["description"]),
            (&json!("stageway/demo"), &json!(told.description))
        );
        assert_eq!(shown["target_url"], "http://127.0.0.1:1/runs/1");
    }

    let stranger = adapter(&gitea, "0123456789012345678901234567890123456789");
    let refused = stranger.report(&repository, &revision, &report(ReportState::Failed, "no")).await;
    assert!(matches!(refused, Err(ForgeError::Refused(_))), "{refused:?}");
    let absent = "acme/absent".parse().expect("a name");
    let absent = forge.report(&absent, &revision, &report(ReportState::Failed, "no")).await;
    assert!(matches!(absent, Err(ForgeError::NotFound(_))), "{absent:?}");
    assert_eq!(combined()["state"], "success");
}
