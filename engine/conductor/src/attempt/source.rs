use super::{Attempt, Halt, Outcome};
use stageway_core::call::{HostError, Source, Value};
use stageway_ports::SourceError;

impl Attempt {
    pub(super) async fn source(&self, call: &Source) -> Outcome {
        let source = &self.engine.source;
        match call {
            Source::ChangedFiles { since, after, max } => {
                let files =
                    source.changed_files(since.as_deref(), after.as_deref(), (*max).min(10_000)).await;
                files.map(Value::Texts).map_err(told)
            }
            Source::Commits { since, max } => {
                source.commits(since.as_deref(), (*max).min(1_000)).await.map(Value::Jsons).map_err(told)
            }
        }
    }
}

fn told(error: SourceError) -> Halt {
    Halt::Tell(match error {
        SourceError::NotFound(what) => HostError::NotFound(what),
        SourceError::Limit(what) => HostError::LimitExceeded(what),
        SourceError::Unavailable(what) | SourceError::Unsupported(what) => HostError::Unavailable(what),
    })
}
