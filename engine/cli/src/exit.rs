//! How the process ends: the exit codes, and the errors that choose one.

use crate::terminal::Sources;
use stageway_core::diagnostic::{Diagnostic, any_error};
use stageway_core::run::RunStatus;
use std::fmt;

/// An exit code with its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It was done.
    Ok = 0,
    /// The command line is not understood, or names what is not there.
    Usage = 2,
    /// The user's work said no.
    Failed = 10,
    /// It could not be told: a fault of ours or of the surroundings.
    Errored = 11,
    /// A pipeline file, configuration or plugin is invalid.
    Invalid = 12,
    /// The policy, or a missing grant, refuses it.
    Denied = 13,
    /// It was cancelled.
    Cancelled = 14,
}

impl Exit {
    /// The code of a run that stands like this. A run that has not ended was left.
    pub(crate) fn of(status: RunStatus) -> Self {
        match status {
            RunStatus::Succeeded | RunStatus::Skipped => Self::Ok,
            RunStatus::Failed => Self::Failed,
            RunStatus::Cancelled => Self::Cancelled,
            RunStatus::Errored | RunStatus::Queued | RunStatus::Running | RunStatus::Waiting => Self::Errored,
        }
    }

    /// The code of diagnostics: denied when everything that is wrong is a matter of grants.
    pub(crate) fn of_diagnostics(diagnostics: &[Diagnostic]) -> Self {
        let errors: Vec<_> = diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).collect();
        match errors[..] {
            [] => Self::Ok,
            _ if errors.iter().all(|error| error.code.number() / 100 == 3) => Self::Denied,
            _ => Self::Invalid,
        }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// A refusal in one sentence, with what to do about it.
#[derive(Debug)]
pub(crate) struct Refused {
    /// How the process ends.
    pub(crate) exit: Exit,
    /// What is wrong.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) remedy: String,
}

impl Refused {
    pub(crate) fn new(exit: Exit, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { exit, message: message.into(), remedy: remedy.into() }
    }

    pub(crate) fn usage(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message, remedy)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refused {}

/// Something a person wrote is wrong: all of it, with the files for excerpts.
#[derive(Debug)]
pub(crate) struct Invalid {
    /// Every problem.
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// The files that they are in.
    pub(crate) sources: Sources,
}

impl Invalid {
    /// How the process ends.
    pub(crate) fn exit(&self) -> Exit {
        if any_error(&self.diagnostics) { Exit::of_diagnostics(&self.diagnostics) } else { Exit::Invalid }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} problems", self.diagnostics.len())
    }
}

impl std::error::Error for Invalid {}

#[cfg(test)]
mod tests {
    use super::*;
    use stageway_core::diagnostic::codes;

    #[test]
    fn every_status_has_its_code() {
        let told = [
            (RunStatus::Succeeded, 0),
            (RunStatus::Skipped, 0),
            (RunStatus::Failed, 10),
            (RunStatus::Errored, 11),
            (RunStatus::Cancelled, 14),
            (RunStatus::Waiting, 11),
        ];
        for (status, code) in told {
            assert_eq!(Exit::of(status) as u8, code, "{status:?}");
        }
    }

    #[test]
    fn only_grants_alone_are_a_denial() {
        let invalid = Diagnostic::error(codes::UNKNOWN_KEY, "a", "b");
        let denied = Diagnostic::error("SW0301".parse().unwrap(), "a", "b");
        let warning = Diagnostic::warning(codes::UNKNOWN_KEY, "a", "b");
        assert_eq!(Exit::of_diagnostics(&[]), Exit::Ok);
        assert_eq!(Exit::of_diagnostics(std::slice::from_ref(&warning)), Exit::Ok);
        assert_eq!(Exit::of_diagnostics(&[warning, denied.clone()]), Exit::Denied);
        assert_eq!(Exit::of_diagnostics(&[invalid, denied]), Exit::Invalid);
    }
}
