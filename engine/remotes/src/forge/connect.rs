use super::api::Api;
use super::bitbucket::{Cloud, DataCenter};
use super::gitea::Gitea;
use super::github::GitHub;
use super::gitlab::GitLab;
use crate::registry::Credentials;
use stageway_core::delivery::ForgeKind;
use stageway_ports::{Forge, Http};
use std::sync::Arc;
use thiserror::Error;

/// Where a forge is and who we are to it.
pub struct ForgeConnection {
    /// Which forge.
    pub kind: ForgeKind,
    /// The base of its API, as its documentation gives it; see [`public_api`].
    pub api: String,
    /// A token, or a name and a password.
    pub credentials: Credentials,
    /// How it is reached, with the rules of that.
    pub http: Arc<dyn Http>,
}

/// A connection that cannot work.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidConnection {
    /// The address of the API is none.
    #[error("`{api}` is not the address of an API: {problem}")]
    Api {
        /// What was given.
        api: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The token or password cannot stand in a header.
    #[error("the credentials hold characters that no header takes")]
    Credentials,
}

/// The API of the public service; none where there are only installations of one's own. Those have it under `/api/v3`
/// (GitHub Enterprise), `/api/v4` (GitLab), `/api/v1` (Gitea, Forgejo) and `/rest/api/latest` (Bitbucket Data Center).
pub fn public_api(kind: ForgeKind) -> Option<&'static str> {
    match kind {
        ForgeKind::GitHub => Some("https://api.github.com"),
        ForgeKind::GitLab => Some("https://gitlab.com/api/v4"),
        ForgeKind::BitbucketCloud => Some("https://api.bitbucket.org/2.0"),
        ForgeKind::Gitea | ForgeKind::BitbucketDataCenter => None,
    }
}

/// Makes a connection; nothing is sent yet.
///
/// # Errors
/// [`InvalidConnection`].
pub fn connect(connection: ForgeConnection) -> Result<Arc<dyn Forge>, InvalidConnection> {
    let ForgeConnection { kind, api, credentials, http } = connection;
    // Gitea takes `Bearer` only for tokens of OAuth.
    let scheme = if kind == ForgeKind::Gitea { "token" } else { "Bearer" };
    let api = Api::new(&api, scheme, credentials, http)?;
    Ok(match kind {
        ForgeKind::GitHub => Arc::new(GitHub::new(api)),
        ForgeKind::GitLab => Arc::new(GitLab::new(api)),
        ForgeKind::Gitea => Arc::new(Gitea::new(api)),
        ForgeKind::BitbucketCloud => Arc::new(Cloud::new(api)),
        ForgeKind::BitbucketDataCenter => Arc::new(DataCenter::new(api)),
    })
}
