use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// Which forge speaks. A webhook is registered with its kind, so nothing has to be guessed from a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ForgeKind {
    /// github.com, GitHub Enterprise.
    GitHub,
    /// gitlab.com, a GitLab of one's own.
    GitLab,
    /// Gitea, and Forgejo, which speaks its language.
    Gitea,
    /// bitbucket.org.
    BitbucketCloud,
    /// Bitbucket Data Center and Server.
    BitbucketDataCenter,
}

/// The text names no forge.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "`{0}` is no forge: github, gitlab, gitea, forgejo, bitbucket-cloud or bitbucket-data-center is expected"
)]
pub struct UnknownForge(pub String);

impl ForgeKind {
    /// All, in the order of their declaration.
    pub const ALL: [Self; 5] =
        [Self::GitHub, Self::GitLab, Self::Gitea, Self::BitbucketCloud, Self::BitbucketDataCenter];

    /// The word in configurations, tables and addresses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::GitHub => "github",
            Self::GitLab => "gitlab",
            Self::Gitea => "gitea",
            Self::BitbucketCloud => "bitbucket-cloud",
            Self::BitbucketDataCenter => "bitbucket-data-center",
        }
    }
}

impl fmt::Display for ForgeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ForgeKind {
    type Err = UnknownForge;
    fn from_str(text: &str) -> Result<Self, UnknownForge> {
        let known = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        let known = known.or_else(|| (text == "forgejo").then_some(Self::Gitea));
        known.ok_or_else(|| UnknownForge(text.chars().take(80).collect()))
    }
}

impl TryFrom<String> for ForgeKind {
    type Error = UnknownForge;
    fn try_from(text: String) -> Result<Self, UnknownForge> {
        text.parse()
    }
}

impl From<ForgeKind> for String {
    fn from(kind: ForgeKind) -> String {
        kind.as_str().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_back() {
        for kind in ForgeKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
        assert_eq!("forgejo".parse(), Ok(ForgeKind::Gitea));
        assert!("GitHub".parse::<ForgeKind>().is_err());
    }
}
