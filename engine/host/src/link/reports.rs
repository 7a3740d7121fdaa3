use super::{JsonText, Refusal};
use crate::bindings::stageway::host::reports;
use crate::guest::Guest;
use stageway_core::call::{Function, HostError, Reports};

impl reports::Host for Guest {
    async fn tests(&mut self, path: String) -> Result<String, Refusal> {
        let report: JsonText = self.ask(Function::Reports(Reports::Tests { path })).await?;
        Ok(report.0)
    }

    async fn measure(&mut self, name: String, value: f64, unit: String) -> Result<(), Refusal> {
        if !value.is_finite() {
            self.count()?;
            let message = format!("the measure `{name}` is {value}, which is no number that can be shown");
            return Err(HostError::InvalidArgument(message).into());
        }
        self.ask(Function::Reports(Reports::Measure { name, value, unit })).await
    }

    async fn annotation(
        &mut self,
        level: String,
        path: String,
        line: u32,
        message: String,
    ) -> Result<(), Refusal> {
        self.ask(Function::Reports(Reports::Annotation { level, path, line, message })).await
    }
}
