//! Outputs against the schema that their plugin declares.

use super::configuration::{Misfit, Schema};
use super::types::PlannedStage;
use crate::diagnostic::{Diagnostic, codes};
use serde_json::Value as Json;

/// Misfits that are told: their pointers are as long as the plugin likes.
const MOST: usize = 4;

impl PlannedStage {
    /// Checks what the plugin answered, as `{ name: value }`.
    ///
    /// # Errors
    /// What does not fit, with JSON pointers into the outputs. The search ends where something is found: how much can be
    /// found is for the plugin to choose.
    pub fn check_outputs(&self, outputs: &Json) -> Result<(), Vec<Diagnostic>> {
        let found = Schema::of_outputs(&self.outputs).first(outputs);
        if found.is_empty() {
            return Ok(());
        }
        let told = |misfit: Misfit| {
            let remedy = "report it to the author of the plugin";
            Diagnostic::error(codes::OUTPUTS_INVALID, misfit.message, remedy).pointing(misfit.pointer)
        };
        Err(found.into_iter().take(MOST).map(told).collect())
    }
}
