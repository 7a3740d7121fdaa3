use super::{JsonText, Refusal};
use crate::bindings::stageway::host::source;
use crate::guest::Guest;
use stageway_core::call::{Function, Source};

impl source::Host for Guest {
    async fn changed_files(
        &mut self,
        since: Option<String>,
        after: Option<String>,
        max: u32,
    ) -> Result<Vec<String>, Refusal> {
        self.ask(Function::Source(Source::ChangedFiles { since, after, max })).await
    }

    async fn commits(&mut self, since: Option<String>, max: u32) -> Result<Vec<String>, Refusal> {
        let call = Source::Commits { since, max };
        self.ask(Function::Source(call)).await.map(JsonText::texts)
    }
}
