//! The interfaces that need a grant, and the words of their parameters.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Writes an enum of words: the words, all of them, and the way back.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$case_doc:meta])* $case:ident = $word:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        pub enum $name { $($(#[$case_doc])* #[serde(rename = $word)] $case),* }

        impl $name {
            /// All, in order.
            pub const ALL: &'static [Self] = &[$(Self::$case),*];
            /// The words of all, in the same order.
            pub const WORDS: &'static [&'static str] = &[$($word),*];

            /// The word in files.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$case => $word),* }
            }

            /// The case that a word names.
            pub fn of(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$case),)* _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// An interface of `stageway:host` that is linked only when it is granted.
    Interface {
        /// The attempt's own copy of its start tree.
        Workspace = "workspace",
        /// Content-addressed files.
        Artifacts = "artifacts",
        /// The repository's history and changes.
        Source = "source",
        /// Commands in a sandbox or a pod.
        Tasks = "tasks",
        /// Registries.
        Images = "images",
        /// Requests to other hosts.
        Http = "http",
        /// Secrets by name.
        Secrets = "secrets",
        /// Releases.
        Environments = "environments",
        /// Questions to people.
        Approvals = "approvals",
        /// Kubernetes objects.
        Cluster = "cluster",
    }
}

words! {
    /// How far an interface reaches. Ordered: writing includes reading.
    Access {
        /// Looks only.
        Read = "read",
        /// Changes too.
        Write = "write",
    }
}

words! {
    /// What may be done with the images of a repository.
    ImageAction {
        /// Find, list, read manifests, pull.
        Read = "read",
        /// Store manifests and layers.
        Push = "push",
        /// Put a tag that is absent.
        Tag = "tag",
        /// Move a tag that names another digest.
        Move = "move",
    }
}

words! {
    /// What may be done with the objects of a cluster.
    ClusterAction {
        /// Get and find.
        Read = "read",
        /// Server-side apply.
        Apply = "apply",
        /// Delete.
        Delete = "delete",
    }
}

impl Interface {
    /// The instance's name without its version, as a component imports it.
    pub fn import(self) -> String {
        format!("stageway:host/{self}")
    }
}
