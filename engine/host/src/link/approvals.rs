use super::{JsonText, Refusal, json};
use crate::bindings::stageway::host::approvals;
use crate::guest::Guest;
use stageway_core::call::{Approvals, Function};

impl approvals::Host for Guest {
    async fn ask(&mut self, question: String, options: String) -> Result<String, Refusal> {
        let options = json("options", &options)?;
        let call = Function::Approvals(Approvals::Ask { question, options });
        let answer: JsonText = Guest::ask(self, call).await?;
        Ok(answer.0)
    }
}
