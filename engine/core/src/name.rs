//! Names that people choose and identifiers that the engine makes, each a type of its own.

use thiserror::Error;

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{text}` is no {kind}: {rule}")]
pub struct NameError {
    /// What the text was meant to be, such as `stage name`.
    pub kind: &'static str,
    /// The text without control characters, cut at 80.
    pub text: String,
    /// The rule it breaks.
    pub rule: &'static str,
}

const RULE: &str =
    "1 to 63 lower-case letters, digits and `-`, starting with a letter and not ending with `-`";

fn is_label(text: &str) -> bool {
    let bytes = text.as_bytes();
    (1..=63).contains(&bytes.len())
        && bytes[0].is_ascii_lowercase()
        && bytes[bytes.len() - 1] != b'-'
        && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
}

fn is_identifier(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        && !text.starts_with('.')
}

/// Makes a type of a text that keeps a rule: its documentation, its name, what it is called, the check and the rule in words.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $check:ident, $rule:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks the text.
            ///
            /// # Errors
            /// [`NameError`](crate::name::NameError) with the rule that the text breaks.
            pub fn new(text: impl Into<String>) -> Result<Self, $crate::name::NameError> {
                let text = text.into();
                if $check(&text) {
                    return Ok(Self(text));
                }
                let shown = text.chars().filter(|c| !c.is_control()).take(80).collect();
                Err($crate::name::NameError { kind: $kind, text: shown, rule: $rule })
            }

            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::name::NameError;
            fn try_from(text: String) -> Result<Self, $crate::name::NameError> {
                Self::new(text)
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::name::NameError;
            fn from_str(text: &str) -> Result<Self, $crate::name::NameError> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}
pub(crate) use name;

name!(
    /// Who owns everything that carries it. A single machine has the one tenant `local`.
    TenantId, "tenant", is_label, RULE
);
name!(
    /// The name of a pipeline, unique within a repository.
    PipelineName, "pipeline name", is_label, RULE
);
name!(
    /// The name of a stage, unique within its pipeline.
    StageName, "stage name", is_label, RULE
);
name!(
    /// The name of an environment, such as `production`.
    EnvironmentName, "environment name", is_label, RULE
);
name!(
    /// A repository as the operator calls it; what its forge calls it is another matter.
    RepositoryId, "repository", is_label, RULE
);
name!(
    /// A token as the operator calls it: who did what is told by this name.
    TokenName, "token name", is_label, RULE
);
name!(
    /// An address of ours that a forge sends to: the last part of its path.
    WebhookId, "webhook id", is_identifier, "1 to 128 letters, digits, `-`, `_` and `.`"
);
name!(
    /// A delivery that is stored: sorts by the time it came. The forge's own id is another one.
    ReceiptId, "delivery", is_identifier, "1 to 128 letters, digits, `-`, `_` and `.`"
);
name!(
    /// A run: sorts by the time it was made.
    RunId, "run id", is_identifier, "1 to 128 letters, digits, `-`, `_` and `.`"
);
name!(
    /// The key of a task: derives from (run, stage, attempt, seq), so that asking twice is asking once.
    TaskName, "task name", is_identifier, "1 to 128 letters, digits, `-`, `_` and `.`"
);

impl WebhookId {
    /// Under which we deliver to ourselves; no webhook of a forge is called so.
    pub fn own() -> Self {
        Self("stageway".into())
    }
}

impl TenantId {
    /// The tenant of a single machine.
    pub fn local() -> Self {
        Self("local".into())
    }
}

impl TaskName {
    /// The name of the task that entry `seq` of an attempt's journal starts.
    pub fn of(run: &RunId, stage: &StageName, attempt: u32, seq: u32) -> Self {
        let readable = format!("{run}.{stage}.{attempt}.{seq}");
        if readable.len() <= 128 {
            return Self(readable);
        }
        Self(format!("t{}", &crate::digest::Digest::of(readable.as_bytes()).hex()[..40]))
    }

    /// The run, the stage and the attempt that started it; none where the name does not say so, because it would have been too
    /// long.
    pub fn origin(&self) -> Option<(RunId, StageName, u32)> {
        // Only the run's own name may hold a dot.
        let mut parts = self.0.rsplitn(4, '.');
        let (seq, attempt, stage, run) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        seq.parse::<u32>().ok()?;
        Some((RunId::new(run).ok()?, StageName::new(stage).ok()?, attempt.parse().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_their_rule() {
        for good in ["a", "unit-test", "x1"] {
            assert!(StageName::new(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a_b", "1a", "ä", &"a".repeat(64)] {
            assert!(StageName::new(bad).is_err(), "{bad}");
        }
        for bad in ["", "..", "a/b", "a b", &"a".repeat(129)] {
            assert!(RunId::new(bad).is_err(), "{bad}");
        }
        assert_eq!(StageName::new("a\u{1b}[31m").unwrap_err().text, "a[31m");
    }

    #[test]
    fn a_task_name_never_outgrows_its_rule() {
        let run = RunId::new("r".repeat(120)).unwrap();
        let stage = StageName::new("s".repeat(63)).unwrap();
        let name = TaskName::of(&run, &stage, 1, 7);
        assert!(TaskName::new(name.as_str()).is_ok());
        assert_ne!(name, TaskName::of(&run, &stage, 1, 8));
        assert_eq!(name.origin(), None);
        let (run, stage) = (RunId::new("a.run").unwrap(), StageName::new("build").unwrap());
        assert_eq!(TaskName::of(&run, &stage, 2, 7).origin(), Some((run, stage, 2)));
    }
}
