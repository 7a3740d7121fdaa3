//! Filling a stage's expressions when what they name has ended.

use super::configuration::Schema;
use super::types::{Plan, PlannedStage, Service};
use crate::diagnostic::{Diagnostic, codes};
use crate::document::Places;
use crate::expression::{Fault, Fill, Filled, Scope, Template, fill, fill_text};
use crate::grant::{Grants, derive};
use crate::name::StageName;
use crate::run::{Ended, RunState};
use indexmap::IndexMap;
use serde_json::Value as Json;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// A stage whose values are all known.
#[derive(Debug, Clone, PartialEq)]
pub struct ResolvedStage {
    /// The configuration, checked against the plugin's schema.
    pub with: Json,
    /// Variables of each of its tasks.
    pub env: BTreeMap<String, String>,
    /// Beside each of its tasks.
    pub services: IndexMap<String, Service>,
    /// What it may do, late grants included.
    pub grants: Grants,
}

impl Plan {
    /// What the expressions of a stage see: event, constants, parameters, how it went before it, and those of the stages that
    /// have ended which its texts name.
    ///
    /// `success()` is whether every stage it needs has succeeded, those aside that were skipped by their condition
    /// and are mentioned in its `when`, or are cells of a matrix of which others were not; `failure()` whether one before it has failed or errored.
    pub fn scope(&self, name: &StageName, state: &RunState) -> Scope {
        let scope = Scope::new(&self.event, &self.vars, &self.parameters);
        let Some(stage) = self.stages.get(name) else { return scope };
        let words = Words::of(stage);
        let ended = |name: &StageName| state.stages.get(name).and_then(|stage| stage.ended());
        // What a text names stands before the stage: the planner refuses every other.
        let named = words.stages(self).into_iter();
        let outcomes = named.filter_map(|name| Some((name.clone(), self.outcome(name, state)?))).collect();
        let failed = |name: &StageName| matches!(ended(name), Some(Ended::Failed(_) | Ended::Errored(_)));
        let failure = words.has("failure") && self.before(name).into_iter().any(failed);
        let scope = match &stage.cell {
            Some(cell) => scope.with_matrix(&cell.values),
            None => scope,
        };
        scope.with_stages(&outcomes).with_status(self.succeeds(stage, state), failure)
    }

    /// What `success()` says for a stage.
    pub(super) fn succeeds(&self, stage: &PlannedStage, state: &RunState) -> bool {
        let ended = |need: &StageName| state.stages.get(need).is_some_and(|need| need.ended().is_some());
        stage.needs.iter().all(ended) && self.held_up_by(stage, state).is_none()
    }

    /// The stages that end before one starts: what it needs, directly or not.
    fn before(&self, name: &StageName) -> BTreeSet<&StageName> {
        let mut before = BTreeSet::new();
        let mut open: Vec<&StageName> = vec![name];
        while let Some(next) = open.pop() {
            for need in self.stages.get(next).into_iter().flat_map(|stage| &stage.needs) {
                if before.insert(need) {
                    open.push(need);
                }
            }
        }
        before
    }

    /// Fills every expression of a stage, checks the whole configuration, and derives the grants that had to wait.
    ///
    /// # Errors
    /// Every expression that fails, every misfit, every grant that the policy refuses.
    pub fn resolve(&self, name: &StageName, scope: &Scope) -> Result<ResolvedStage, Vec<Diagnostic>> {
        let Some(stage) = self.stages.get(name) else { return Err(Vec::new()) };
        let mut resolver = Resolver { plan: self, stage, scope, found: Vec::new() };
        let with = resolver.with();
        let env = resolver.variables("/env", &stage.env);
        let services =
            stage.services.iter().map(|(name, service)| (name.clone(), resolver.service(name, service)));
        let services = services.collect();
        let grants = resolver.grants(&with);
        if resolver.found.iter().any(Diagnostic::is_error) {
            return Err(resolver.found);
        }
        Ok(ResolvedStage { with: with.value, env, services, grants })
    }
}

/// The words of everything in a stage that may hold an expression: a stage that none of them is cannot be asked for. So a
/// long pipeline's outcomes are not laid out anew for each of its stages.
#[derive(Default)]
struct Words<'p> {
    words: BTreeSet<Cow<'p, str>>,
    /// An escape may spell any name.
    escaped: bool,
}

impl<'p> Words<'p> {
    fn of(stage: &'p PlannedStage) -> Self {
        let mut words = Self::default();
        words.take(&stage.when.source);
        words.take_all(&stage.with);
        stage.env.values().for_each(|text| words.take_template(text));
        for service in stage.services.values() {
            let texts = service.image.iter().chain(&service.command).chain(service.env.values());
            texts.for_each(|text| words.take_template(text));
        }
        words
    }

    fn take_all(&mut self, value: &'p Json) {
        match value {
            Json::String(text) => self.take_template(text),
            Json::Array(items) => items.iter().for_each(|item| self.take_all(item)),
            Json::Object(fields) => fields.values().for_each(|item| self.take_all(item)),
            Json::Null | Json::Bool(_) | Json::Number(_) => {}
        }
    }

    fn take_template(&mut self, text: &'p str) {
        if Template::is_in(text) {
            self.take(text);
        }
    }

    fn take(&mut self, text: &'p str) {
        self.escaped |= text.contains('\\');
        let words = text.split(|c: char| !(c.is_alphanumeric() || c == '-' || c == '_'));
        // In expressions the hyphens of a name may have become `_`; names of stages have none.
        self.words.extend(words.map(|word| match word.contains('_') {
            true => Cow::Owned(word.replace('_', "-")),
            false => Cow::Borrowed(word),
        }));
    }

    fn has(&self, word: &str) -> bool {
        self.escaped || self.words.contains(word)
    }

    /// The stages of a plan, and its matrices, that are among the words.
    fn stages<'n>(&self, plan: &'n Plan) -> Vec<&'n StageName> {
        if self.escaped {
            return plan.stages.keys().chain(plan.matrices.keys()).collect();
        }
        let stage = |word: &str| plan.stages.get_key_value(word).map(|(name, _)| name);
        let matrix = |word: &str| plan.matrices.get_key_value(word).map(|(name, _)| name);
        self.words.iter().filter_map(|word| stage(word).or_else(|| matrix(word))).collect()
    }
}

struct Resolver<'p> {
    plan: &'p Plan,
    stage: &'p PlannedStage,
    scope: &'p Scope,
    found: Vec<Diagnostic>,
}

impl Resolver<'_> {
    fn fault(&mut self, pointer: &str, fault: Fault) {
        self.found.push(Diagnostic::error(fault.code, fault.message, fault.remedy).pointing(pointer));
    }

    fn with(&mut self) -> Filled {
        let mut filled = fill(&self.stage.with, self.scope, Fill::All);
        for (pointer, fault) in std::mem::take(&mut filled.faults) {
            self.fault(&format!("/with{pointer}"), fault);
        }
        // Without expressions it was judged when it was planned.
        if self.found.is_empty() && filled.value != self.stage.with {
            for misfit in Schema::new(&self.stage.configuration).misfits(&filled.value, &[]) {
                let pointer = format!("/with{}", misfit.pointer);
                let problem = Diagnostic::error(codes::RESOLVED_INVALID, misfit.message, misfit.remedy);
                self.found.push(problem.pointing(pointer));
            }
        }
        filled
    }

    fn text(&mut self, pointer: &str, text: &str) -> String {
        fill_text(text, self.scope).unwrap_or_else(|faults| {
            for fault in faults {
                self.fault(pointer, fault);
            }
            String::new()
        })
    }

    fn variables(&mut self, pointer: &str, variables: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        variables
            .iter()
            .map(|(name, text)| (name.clone(), self.text(&format!("{pointer}/{name}"), text)))
            .collect()
    }

    fn service(&mut self, name: &str, service: &Service) -> Service {
        let at = format!("/services/{name}");
        Service {
            image: service.image.as_ref().map(|image| self.text(&format!("{at}/image"), image)),
            command: service.command.iter().map(|text| self.text(&format!("{at}/command"), text)).collect(),
            env: self.variables(&format!("{at}/env"), &service.env),
            ready: service.ready.clone(),
            within_ms: service.within_ms,
        }
    }

    /// The grants with those whose parameters are known only now.
    fn grants(&mut self, with: &Filled) -> Grants {
        let mut grants = self.stage.grants.clone();
        for late in &self.stage.late {
            let derived = derive(&late.wanted, with, self.stage.environment.as_ref());
            for (pointer, message) in derived.faults {
                let remedy = "write out one repository, image, host or name";
                let problem = Diagnostic::error(codes::RESOLVED_INVALID, message, remedy);
                self.found.push(problem.pointing(format!("/with{pointer}")));
            }
            let (granted, refused) = self.plan.ceiling.narrow(derived.grants);
            for refusal in refused.into_iter().filter(|_| late.required) {
                self.found
                    .push(Diagnostic::error(refusal.code, refusal.message, refusal.remedy).pointing("/with"));
            }
            grants.add(granted);
        }
        grants
    }
}

/// Gives diagnostics of a resolved stage the places of the file, where it is at hand. `stage` is what the file calls it.
pub fn place(diagnostics: &mut [Diagnostic], places: &Places, stage: &StageName) {
    for diagnostic in diagnostics.iter_mut().filter(|diagnostic| diagnostic.place.is_none()) {
        if let Some(pointer) = &diagnostic.pointer {
            diagnostic.place = places.value(&format!("/stages/{stage}{pointer}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Words;
    use serde_json::json;

    #[test]
    fn every_spelling_of_a_stage_is_among_the_words() {
        let table = [
            ("${{ stages.unit-test.outputs.digest }}", &["unit-test"][..]),
            ("${{ stages.unit_test.status }}", &["unit-test"]),
            ("${{ stages[\"unit-test\"].outputs.n - stages . a . outputs.n }}", &["unit-test", "a"]),
            ("${{ stages.?a.outputs.?n.orValue(1)-stages.b.outputs.n }}", &["a", "b"]),
            ("${{ stages[\"unit\\x2dtest\"].status }}", &["unit-test", "a", "b"]),
            ("${{ vars.c }}", &[]),
            ("stages.a", &[]),
        ];
        for (text, expected) in table {
            let value = json!({ "deep": [text] });
            let mut words = Words::default();
            words.take_all(&value);
            let named: Vec<_> = ["unit-test", "a", "b"].into_iter().filter(|name| words.has(name)).collect();
            assert_eq!(named, expected, "{text}");
        }
    }
}
