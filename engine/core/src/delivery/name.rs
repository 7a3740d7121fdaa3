use crate::name::{NameError, name};

name!(
    /// The object id of a commit or of an annotated tag, never the zero one, which stands for "nothing".
    Revision, "revision", is_revision, "40 or 64 lower-case hex digits, not all of them 0"
);
name!(
    /// The beginning of a revision, or all of it: Bitbucket Cloud writes 12 digits.
    RevisionPrefix, "beginning of a revision", is_prefix, "7 to 64 lower-case hex digits, not all of them 0"
);
name!(
    /// A full ref, such as `refs/heads/main`. It can stand in an argument of the `git` command: it starts with `refs/`.
    Reference,
    "ref",
    is_reference,
    "`refs/`, a folder and a name as git allows them, at most 1024 bytes"
);
name!(
    /// A repository's full name at its forge: `acme/demo`, `group/subgroup/project`, `KEY/slug`.
    RepositoryName,
    "repository",
    is_repository,
    "2 to 20 names with `/` between them, none of them `.` or `..`, without control characters, spaces and any of \
     `\\?#%`, at most 512 bytes"
);
name!(
    /// What tells two deliveries of one webhook apart and a redelivery from a new one.
    DeliveryId, "delivery id", is_delivery_id, "1 to 200 printable ASCII characters without spaces"
);

fn is_revision(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && is_prefix(text)
}

fn is_prefix(text: &str) -> bool {
    (7..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        && text.bytes().any(|b| b != b'0')
}

/// The rules of `git check-ref-format`.
fn is_reference(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("refs/") else { return false };
    let component = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock");
    let forbidden = |c: char| c.is_control() || " ~^:?*[\\".contains(c);
    text.len() <= 1024
        && rest.contains('/')
        && rest.split('/').all(component)
        && !text.contains(forbidden)
        && !text.contains("..")
        && !text.contains("@{")
        && !text.ends_with('.')
}

fn is_repository(text: &str) -> bool {
    let part = |part: &str| !matches!(part, "" | "." | "..");
    let forbidden = |c: char| c.is_control() || c.is_whitespace() || "\\?#%".contains(c);
    text.len() <= 512
        && (2..=20).contains(&text.split('/').count())
        && text.split('/').all(part)
        && !text.contains(forbidden)
}

fn is_delivery_id(text: &str) -> bool {
    (1..=200).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

impl Revision {
    /// Whether the text is an object id's zero, which forges write for "nothing": 40 or 64 times `0`.
    pub fn is_zero(text: &str) -> bool {
        matches!(text.len(), 40 | 64) && text.bytes().all(|b| b == b'0')
    }
}

impl RevisionPrefix {
    /// The revision, if this is all of it.
    pub fn whole(&self) -> Option<Revision> {
        is_revision(&self.0).then(|| Revision(self.0.clone()))
    }

    /// Whether this is the beginning of a revision.
    pub fn begins(&self, revision: &Revision) -> bool {
        revision.0.starts_with(&self.0)
    }
}

impl From<Revision> for RevisionPrefix {
    fn from(revision: Revision) -> Self {
        Self(revision.0)
    }
}

impl Reference {
    /// The ref of a branch.
    ///
    /// # Errors
    /// [`NameError`] if no branch can have the name.
    pub fn of_branch(branch: &str) -> Result<Self, NameError> {
        Self::new(format!("refs/heads/{branch}"))
    }

    /// The ref of a tag.
    ///
    /// # Errors
    /// [`NameError`] if no tag can have the name.
    pub fn of_tag(tag: &str) -> Result<Self, NameError> {
        Self::new(format!("refs/tags/{tag}"))
    }

    /// The branch, if the ref is one's.
    pub fn branch(&self) -> Option<&str> {
        self.0.strip_prefix("refs/heads/")
    }

    /// The tag, if the ref is one's.
    pub fn tag(&self) -> Option<&str> {
        self.0.strip_prefix("refs/tags/")
    }
}

impl RepositoryName {
    /// The names between the slashes.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revisions() {
        for good in ["a".repeat(40), "0123456789abcdef".repeat(4)] {
            assert!(Revision::new(&good).is_ok(), "{good}");
        }
        for bad in
            ["a".repeat(39), "A".repeat(40), "g".repeat(40), "0".repeat(40), "0".repeat(64), String::new()]
        {
            assert!(Revision::new(&bad).is_err(), "{bad}");
        }
        assert!(Revision::is_zero(&"0".repeat(64)) && !Revision::is_zero("0") && !Revision::is_zero(""));
    }

    #[test]
    fn a_beginning_is_whole_or_not() {
        let whole = Revision::new("abcdef0123".repeat(4)).unwrap();
        let short = RevisionPrefix::new("abcdef0123ab").unwrap();
        assert!(short.begins(&whole) && short.whole().is_none());
        assert!(!RevisionPrefix::new("abcdef1").unwrap().begins(&whole));
        assert_eq!(RevisionPrefix::from(whole.clone()).whole(), Some(whole));
        for bad in ["abcdef", "0000000", "ABCDEF0", &"a".repeat(65)] {
            assert!(RevisionPrefix::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn refs() {
        for good in
            ["refs/heads/main", "refs/tags/v1.0", "refs/heads/a/b-c", "refs/pull/7/head", "refs/heads/größe"]
        {
            assert!(Reference::new(good).is_ok(), "{good}");
        }
        let long = format!("refs/heads/{}", "a".repeat(1024));
        for bad in [
            "",
            "main",
            "refs/",
            "refs/heads",
            "refs/heads/",
            "refs/heads/a..b",
            "refs/heads/a b",
            "refs/heads/a\n",
            "refs/heads//a",
            "refs/heads/.a",
            "refs/heads/a.lock",
            "refs/heads/a@{1}",
            "refs/heads/a.",
            "--upload-pack",
            "refs/heads/a:b",
            "refs/heads/*",
            &long,
        ] {
            assert!(Reference::new(bad).is_err(), "{bad}");
        }
        let branch = Reference::of_branch("a/b").unwrap();
        assert_eq!((branch.branch(), branch.tag()), (Some("a/b"), None));
        assert_eq!(Reference::of_tag("v1").unwrap().tag(), Some("v1"));
    }

    #[test]
    fn repositories_cannot_leave_their_place_in_an_address() {
        for good in ["acme/demo", "a/b/c", "PROJ/repo", "~someone/x", "größe/x"] {
            assert!(RepositoryName::new(good).is_ok(), "{good}");
        }
        for bad in [
            "", "demo", "a/../b", "a//b", "/a/b", "a/b/", "a/b?x", "a/b#x", "a/b%2e", "a b/c", "a/b\u{0}",
            "a\\b/c",
        ] {
            assert!(RepositoryName::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_error_shows_no_control_characters() {
        let error = Reference::new("refs/heads/\u{1b}[31m").unwrap_err();
        assert_eq!(error.text, "refs/heads/[31m");
    }
}
