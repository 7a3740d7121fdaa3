use serde::{Deserialize, Serialize};

/// Whose doing an error is. Policy reads this, never the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Blame {
    /// Who wrote the pipeline or the configuration.
    User,
    /// A plugin.
    Plugin,
    /// The engine, or a system it stands on.
    Platform,
}

/// Whether asking again may help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Retry {
    /// At once.
    Now,
    /// After a pause.
    Later {
        /// What the other side asks for, in milliseconds; none: it says nothing, and the caller backs off.
        after_ms: Option<u64>,
    },
    /// Not before something else is changed.
    Never,
}
