//! The one decision: imports, manifest, file, policy and trust in; grants, or every missing one at once, out.

use super::imports::classify;
use super::{Ceiling, Grants, Interface, Refusal, Sink, derive, line};
use crate::diagnostic::{Code, codes};
use crate::expression::Filled;
use crate::manifest::{Manifest, Wanted};
use crate::name::EnvironmentName;
use crate::policy::GrantSource;
use std::collections::{BTreeMap, BTreeSet};

/// Everything that the decision depends on.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Of the component, with their versions.
    pub imports: &'a BTreeSet<String>,
    /// Of the plugin.
    pub manifest: &'a Manifest,
    /// The stage's configuration, as far as it is known.
    pub with: &'a Filled,
    /// What the file gives under `grants`.
    pub file: &'a Grants,
    /// The file refuses the network to tasks.
    pub network_refused: bool,
    /// Secrets that the stage gives to its tasks.
    pub secrets: &'a BTreeMap<String, super::SecretName>,
    /// The stage's own environment.
    pub environment: Option<&'a EnvironmentName>,
    /// Whether the manifest derives grants.
    pub source: GrantSource,
    /// What the policy allows at the trust of the run.
    pub ceiling: &'a Ceiling,
}

/// What was decided.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Decided {
    /// What the stage may do.
    pub grants: Grants,
    /// Imported, optional and not granted.
    pub denied: BTreeSet<Interface>,
    /// Grants whose parameters an expression hides, and whether the stage needs them.
    pub late: Vec<(Wanted, bool)>,
    /// Why the stage cannot run: each missing grant and each import that nothing links.
    pub missing: Vec<GrantProblem>,
    /// What the file asked for and did not get, and what it gives to no effect.
    pub refused: Vec<GrantProblem>,
}

/// One problem, at a key of the stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantProblem {
    /// Which kind.
    pub code: Code,
    /// JSON pointer below the stage, such as `/uses` or `/grants/http`.
    pub pointer: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub remedy: String,
}

impl GrantProblem {
    fn of(refusal: Refusal, pointer: String) -> Self {
        Self { code: refusal.code, pointer, message: refusal.message, remedy: refusal.remedy.to_owned() }
    }
}

/// Decides about one stage. Pure, and total: every missing grant is told at once.
pub fn decide(asked: &Asked<'_>) -> Decided {
    let (imported, faults) = classify(asked.imports);
    let mut decision = Decision { asked, imported, out: Decided::default(), told: BTreeSet::new() };
    for fault in faults {
        let remedy = "take a version of the plugin that was built for this engine";
        decision.missing(fault.code, "/uses", fault.message, remedy.to_owned());
    }
    decision.file();
    decision.manifest();
    decision.stage_secrets();
    decision.rest();
    if asked.network_refused
        && let Some(tasks) = &mut decision.out.grants.tasks
    {
        tasks.network = super::TaskNetwork::None;
    }
    decision.out
}

struct Decision<'a> {
    asked: &'a Asked<'a>,
    imported: BTreeSet<Interface>,
    out: Decided,
    /// Interfaces whose refusal has been told as an error.
    told: BTreeSet<Interface>,
}

impl Decision<'_> {
    fn missing(&mut self, code: Code, pointer: &str, message: String, remedy: String) {
        self.out.missing.push(GrantProblem { code, pointer: pointer.to_owned(), message, remedy });
    }

    /// Whether the component could do anything with a grant: a task may log in to the repositories of `images`, so that is of
    /// use to a component that only imports `tasks`.
    fn is_of_use(&self, interface: Interface) -> bool {
        self.imported.contains(&interface)
            || (interface == Interface::Images && self.imported.contains(&Interface::Tasks))
    }

    /// What the file gives, as far as the component imports it and the policy allows it.
    fn file(&mut self) {
        let mut given = self.asked.file.clone();
        for interface in given.interfaces() {
            if !self.is_of_use(interface) {
                given.remove(interface);
                self.out.refused.push(GrantProblem {
                    code: codes::GRANT_UNUSED,
                    pointer: format!("/grants/{interface}"),
                    message: format!("the plugin imports no `{interface}`, so this has no effect"),
                    remedy: "remove the line".to_owned(),
                });
            }
        }
        let (granted, refused) = self.asked.ceiling.narrow(given);
        for refusal in refused {
            let pointer = format!("/grants/{}", refusal.interface);
            self.out.refused.push(GrantProblem::of(refusal, pointer));
        }
        self.out.grants.add(granted);
    }

    /// What the manifest derives from `with`.
    fn manifest(&mut self) {
        if self.asked.source == GrantSource::File {
            return;
        }
        let grants = &self.asked.manifest.grants;
        let all = grants.required.iter().map(|wanted| (wanted, true));
        let all: Vec<_> = all.chain(grants.optional.iter().map(|wanted| (wanted, false))).collect();
        for (wanted, required) in all {
            if !self.is_of_use(wanted.interface) {
                continue;
            }
            let derived = derive(wanted, self.asked.with, self.asked.environment);
            for (pointer, message) in derived.faults {
                let remedy = "write out one repository, image, host or name".to_owned();
                self.missing(codes::WITH_INVALID, &format!("/with{pointer}"), message, remedy);
            }
            let (granted, refused) = self.asked.ceiling.narrow(derived.grants);
            for refusal in refused {
                self.derived_refusal(refusal, required);
            }
            self.out.grants.add(granted);
            if let Some(late) = derived.late {
                self.out.late.push((late, required));
            }
        }
    }

    fn derived_refusal(&mut self, refusal: Refusal, required: bool) {
        let interface = refusal.interface;
        if !required {
            let pointer = "/uses".to_owned();
            self.out.refused.push(GrantProblem::of(refusal, pointer));
            return;
        }
        // Tasks run without the network; whether that is enough is theirs to say.
        let fatal = refusal.code != codes::NETWORK_REFUSED;
        let problem = GrantProblem::of(refusal, "/uses".to_owned());
        match fatal {
            true => {
                self.told.insert(interface);
                self.out.missing.push(problem);
            }
            false => self.out.refused.push(problem),
        }
    }

    /// Secrets of the stage's tasks: they flow into tasks and nowhere else.
    fn stage_secrets(&mut self) {
        for (variable, name) in self.asked.secrets {
            let pointer = format!("/secrets/{variable}");
            if !self.asked.ceiling.rule.allow.has(Interface::Secrets) {
                let message = format!("the policy gives no `secrets` at {} trust", self.asked.ceiling.trust);
                let remedy = "guard the stage with `when`, or let a person of higher trust start the run";
                self.missing(codes::GRANT_REFUSED, &pointer, message, remedy.to_owned());
                continue;
            }
            match self.asked.ceiling.secret(name, Interface::Secrets) {
                Ok(sinks) => {
                    let into_tasks: Vec<_> =
                        sinks.iter().filter(|sink| !matches!(sink, Sink::Http(_))).cloned().collect();
                    if into_tasks.is_empty() {
                        let message = format!("the policy lets the secret `{name}` flow into no task");
                        let remedy = "let its `to` in the policy have `task:toolbox` or the task's image";
                        self.missing(codes::SECRET_REFUSED, &pointer, message, remedy.to_owned());
                        continue;
                    }
                    let secrets = self.out.grants.secrets.get_or_insert_default();
                    secrets.names.entry(name.clone()).or_default().extend(into_tasks);
                }
                Err(refusal) => self.out.missing.push(GrantProblem::of(refusal, pointer)),
            }
        }
    }

    /// What is imported and not granted: denied where it is optional, else missing.
    fn rest(&mut self) {
        let wanted = &self.asked.manifest.grants;
        let absent: Vec<Interface> =
            self.imported.iter().copied().filter(|one| !self.out.grants.has(*one)).collect();
        for interface in absent {
            if wanted.optional.iter().any(|one| one.interface == interface) {
                self.out.denied.insert(interface);
            } else if self.told.insert(interface) {
                self.tell_missing(interface);
            }
        }
    }

    fn tell_missing(&mut self, interface: Interface) {
        let asked = self.asked;
        if !asked.ceiling.rule.allow.has(interface) {
            let message = format!(
                "the plugin needs `{interface}`, which the policy gives to nobody of {} trust",
                asked.ceiling.trust
            );
            let remedy = "guard the stage with `when`, or let a person of higher trust start the run";
            self.missing(codes::GRANT_REFUSED, "/uses", message, remedy.to_owned());
            return;
        }
        let wanted = asked.manifest.grants.required.iter().find(|one| one.interface == interface);
        let suggested =
            wanted.map(|one| derive(one, asked.with, asked.environment).grants).unwrap_or_default();
        let message = format!("the plugin needs `{interface}`, which nothing grants");
        let remedy = format!("add to the stage: `grants: {{ {} }}`", line(&suggested, interface));
        self.missing(codes::GRANT_MISSING, "/uses", message, remedy);
    }
}
