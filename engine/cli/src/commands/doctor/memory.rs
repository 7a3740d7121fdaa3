//! What the engine remembers with: the database and the blobs.

use super::{Finding, clock};
use crate::config::Settings;
use crate::wiring::{Home, blobs, postgres};
use anyhow::Result;
use stageway_core::policy::SecretSource;
use stageway_ports::BlobError;

/// The open state too, for what needs one.
pub(super) async fn all(settings: &Settings) -> (Option<Home>, Vec<Finding>) {
    let mut findings = Vec::new();
    let (place, remedy) = match &settings.database {
        None => (format!("SQLite in {}", settings.state.display()), "name a directory of yours with `state`"),
        Some(from) => {
            findings.extend(clock_of(settings, from).await);
            ("PostgreSQL".to_owned(), "look at the address under `database`, and whether the server runs")
        }
    };
    let home = match Home::open(settings).await {
        Ok(home) => home,
        Err(error) => {
            findings.push(Finding::wrong("database", format!("{place}: {error:#}"), remedy));
            return (None, findings);
        }
    };
    findings.push(Finding::good("database", format!("{place} answers")));
    findings.push(match written(&home).await {
        Ok(()) => Finding::good("blobs", "written and read"),
        Err(error) => Finding::wrong(
            "blobs",
            error.to_string(),
            "let the engine write there, or name another place under `blobs`",
        ),
    });
    (Some(home), findings)
}

/// None where the clocks agree, and where there is no answer: that is told of the database itself.
async fn clock_of(settings: &Settings, from: &SecretSource) -> Option<Finding> {
    let read = async {
        let store = postgres(settings, from, blobs(settings)?).await?;
        let time = store.clock().await;
        store.close().await;
        Ok::<_, anyhow::Error>(time?)
    };
    let answer: Result<u64> = read.await;
    answer.ok().and_then(|theirs| clock::beside("the database", theirs))
}

async fn written(home: &Home) -> Result<(), BlobError> {
    let content = home.blobs.put(b"stageway doctor\n".to_vec()).await?;
    home.blobs.get(&content.digest, 1024).await.map(drop)
}
