//! The runs that a person names.

use crate::exit::Refused;
use anyhow::Result;
use stageway_core::name::TenantId;
use stageway_ports::{RunFilter, RunSummary, Store};
use std::str::FromStr;

/// Runs of one page of the list.
const PAGE: u32 = 500;
/// Runs that are looked through for a prefix.
const MOST: usize = 100_000;

/// How a person names a run: its number, an unambiguous beginning of its id, or `latest`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RunRef {
    /// The newest.
    Latest,
    /// By number.
    Number(u64),
    /// By the beginning of its id.
    Prefix(String),
}

impl FromStr for RunRef {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "latest" {
            return Ok(Self::Latest);
        }
        // Ids begin with digits too, but have more of them than a number.
        if let (true, Ok(number)) = (text.len() < 10, text.parse()) {
            return Ok(Self::Number(number));
        }
        let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        if !text.is_empty() && plain {
            return Ok(Self::Prefix(text.to_owned()));
        }
        Err("a number, the beginning of a run's id, or `latest` is expected".to_owned())
    }
}

/// The run that is meant.
///
/// # Errors
/// [`Refused`] when there is none or more than one; the store's own errors.
pub(crate) async fn find(store: &dyn Store, tenant: &TenantId, wanted: &RunRef) -> Result<RunSummary> {
    let page = |before, max| RunFilter { before, max, ..RunFilter::default() };
    let remedy = "`stageway runs` lists them";
    match wanted {
        RunRef::Latest => {
            let newest = store.runs(tenant, &page(None, 1)).await?.pop();
            newest.ok_or_else(|| {
                Refused::usage("there are no runs yet", "start one with `stageway run`").into()
            })
        }
        RunRef::Number(number) => {
            let below = store.runs(tenant, &page(number.checked_add(1), 1)).await?.pop();
            let found = below.filter(|run| run.number == *number);
            found.ok_or_else(|| Refused::usage(format!("there is no run {number}"), remedy).into())
        }
        RunRef::Prefix(prefix) => {
            let mut found = with_prefix(store, tenant, prefix).await?;
            match (found.pop(), found.len()) {
                (Some(run), 0) => Ok(run),
                (None, _) => {
                    Err(Refused::usage(format!("no run's id begins with `{prefix}`"), remedy).into())
                }
                (Some(_), more) => {
                    let message = format!("{} runs' ids begin with `{prefix}`", more + 1);
                    Err(Refused::usage(message, "write more of the id, or the number").into())
                }
            }
        }
    }
}

async fn with_prefix(store: &dyn Store, tenant: &TenantId, prefix: &str) -> Result<Vec<RunSummary>> {
    let prefix = prefix.to_ascii_lowercase();
    let (mut found, mut seen, mut before) = (Vec::new(), 0, None);
    loop {
        let runs = store.runs(tenant, &RunFilter { before, max: PAGE, ..RunFilter::default() }).await?;
        seen += runs.len();
        before = runs.last().map(|run| run.number);
        let last = runs.len() < PAGE as usize || seen >= MOST;
        found
            .extend(runs.into_iter().filter(|run| run.id.as_str().to_ascii_lowercase().starts_with(&prefix)));
        if last {
            return Ok(found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;
    use serde_json::json;
    use stageway_core::name::{PipelineName, RunId};
    use stageway_ports::NewRun;
    use stageway_ports::memory::MemoryStore;

    async fn store() -> MemoryStore {
        let store = MemoryStore::default();
        for id in ["01ABC", "01ABD", "01XYZ"] {
            let run = NewRun {
                id: RunId::new(id).unwrap(),
                pipeline: PipelineName::new("p").unwrap(),
                plan: json!({}),
                at: 1,
                events: vec![],
            };
            store.create_run(&TenantId::local(), run).await.unwrap();
        }
        store
    }

    async fn named(text: &str) -> Result<u64> {
        let wanted: RunRef = text.parse().map_err(|message: String| Refused::usage(message, ""))?;
        Ok(find(&store().await, &TenantId::local(), &wanted).await?.number)
    }

    #[tokio::test]
    async fn a_run_is_named_by_number_by_the_beginning_of_its_id_or_as_the_latest() {
        for (text, number) in [("latest", 3), ("2", 2), ("01x", 3), ("01ABD", 2)] {
            let named = named(text).await;
            assert_eq!(named.ok(), Some(number), "{text}");
        }
    }

    #[tokio::test]
    async fn what_names_no_run_or_several_is_refused() {
        for text in ["4", "0", "01AB", "zz", "a/b", ""] {
            let error = named(text).await.unwrap_err().downcast::<Refused>().unwrap();
            assert_eq!(error.exit, Exit::Usage, "{text}");
        }
        let nothing = find(&MemoryStore::default(), &TenantId::local(), &RunRef::Latest).await;
        assert!(nothing.unwrap_err().to_string().contains("no runs yet"));
    }
}
