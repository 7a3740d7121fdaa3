use stageway_core::delivery::{ForgeKind, Headers};
use stageway_ports::Unreadable;

/// The headers that name an event, in the order in which they decide: Gitea and Forgejo send GitHub's as well.
const SPEAKERS: [(&str, ForgeKind); 4] = [
    ("x-forgejo-event", ForgeKind::Gitea),
    ("x-gitea-event", ForgeKind::Gitea),
    ("x-gitlab-event", ForgeKind::GitLab),
    ("x-github-event", ForgeKind::GitHub),
];

/// Only Bitbucket Cloud sends one of these.
const CLOUD: [&str; 3] = ["x-request-uuid", "x-hook-uuid", "x-attempt-number"];

fn speaker(headers: &Headers) -> Option<(&'static str, ForgeKind)> {
    let speaks = |name: &str| headers.all(name).next().is_some();
    let named = SPEAKERS.into_iter().find(|(name, _)| speaks(name));
    named.or_else(|| {
        let cloud = CLOUD.into_iter().any(speaks);
        let kind = if cloud { ForgeKind::BitbucketCloud } else { ForgeKind::BitbucketDataCenter };
        speaks("x-event-key").then_some(("x-event-key", kind))
    })
}

/// The event that a delivery of this forge names.
pub(super) fn event(headers: &Headers, expected: ForgeKind) -> Result<&str, Unreadable> {
    let own = match expected {
        ForgeKind::GitHub => "x-github-event",
        ForgeKind::GitLab => "x-gitlab-event",
        ForgeKind::Gitea => "x-gitea-event",
        ForgeKind::BitbucketCloud | ForgeKind::BitbucketDataCenter => "x-event-key",
    };
    match speaker(headers) {
        None => Err(Unreadable::Event(own)),
        Some((_, found)) if found != expected => Err(Unreadable::WrongForge { expected, found }),
        Some((header, _)) => {
            let event = headers.text(header).filter(|event| is_event(event));
            event.ok_or(Unreadable::Event(header))
        }
    }
}

/// `push`, `repo:refs_changed`, `Merge Request Hook`.
fn is_event(event: &str) -> bool {
    (1..=100).contains(&event.len()) && event.bytes().all(|b| matches!(b, b' '..=b'~'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(headers: &[(&str, &str)], expected: ForgeKind) -> Result<String, Unreadable> {
        event(&Headers::new(headers.iter().copied()).unwrap(), expected).map(str::to_owned)
    }

    #[test]
    fn gitea_and_forgejo_come_before_github() {
        let gitea = [("X-GitHub-Event", "push"), ("X-Gogs-Event", "push"), ("X-Gitea-Event", "create")];
        assert_eq!(found(&gitea, ForgeKind::Gitea), Ok("create".into()));
        let wrong = Unreadable::WrongForge { expected: ForgeKind::GitHub, found: ForgeKind::Gitea };
        assert_eq!(found(&gitea, ForgeKind::GitHub), Err(wrong.clone()));
        assert!(wrong.to_string().contains("register the webhook for gitea"), "{wrong}");
        let forgejo = [("X-Gitea-Event", "push"), ("X-Forgejo-Event", "delete")];
        assert_eq!(found(&forgejo, ForgeKind::Gitea), Ok("delete".into()));
    }

    #[test]
    fn the_two_bitbuckets_are_told_apart() {
        let cloud = [("X-Event-Key", "repo:push"), ("X-Request-UUID", "1")];
        let center = [("X-Event-Key", "repo:refs_changed"), ("X-Request-Id", "1")];
        assert_eq!(found(&cloud, ForgeKind::BitbucketCloud), Ok("repo:push".into()));
        assert_eq!(found(&center, ForgeKind::BitbucketDataCenter), Ok("repo:refs_changed".into()));
        assert!(found(&cloud, ForgeKind::BitbucketDataCenter).is_err());
        assert!(found(&center, ForgeKind::BitbucketCloud).is_err());
    }

    #[test]
    fn an_event_is_named_once_and_in_text() {
        for headers in [
            &[][..],
            &[("x-github-event", "")],
            &[("x-github-event", "push"), ("x-github-event", "ping")],
            &[("x-github-event", "a\u{7f}")],
        ] {
            assert_eq!(
                found(headers, ForgeKind::GitHub),
                Err(Unreadable::Event("x-github-event")),
                "{headers:?}"
            );
        }
    }
}
