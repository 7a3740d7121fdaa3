use super::{JsonText, Refusal, json};
use crate::bindings::stageway::host::environments;
use crate::guest::Guest;
use stageway_core::call::{Environments, Function, Judgement};

impl environments::Host for Guest {
    async fn releases(&mut self, environment: String, max: u32) -> Result<Vec<String>, Refusal> {
        let call = Environments::Releases { environment, max };
        self.ask(Function::Environments(call)).await.map(JsonText::texts)
    }

    async fn release(&mut self, environment: String, what: String) -> Result<String, Refusal> {
        let what = json("what", &what)?;
        self.ask(Function::Environments(Environments::Release { environment, what })).await
    }

    async fn judge(
        &mut self,
        environment: String,
        release: String,
        verdict: String,
        reason: String,
    ) -> Result<(), Refusal> {
        let verdict = match verdict.as_str() {
            "good" => Judgement::Good,
            "bad" => Judgement::Bad,
            "unknown" => Judgement::Unknown,
            _ => Judgement::Invalid(verdict),
        };
        let call = Environments::Judge { environment, release, verdict, reason };
        self.ask(Function::Environments(call)).await
    }
}
