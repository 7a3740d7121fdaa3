use super::{Reference, Revision};
use crate::digest::Digest;
use crate::name::{NameError, PipelineName};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// Files that a person sent instead of pushing them, and what is to be run of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Preflight {
    /// The canonical list of the files; it and every file lie in the blobs.
    pub tree: Digest,
    /// Which pipeline of them; none is the only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pipeline: Option<PipelineName>,
    /// The branch that the person is on.
    pub branch: String,
    /// The branch that the files are to enter.
    pub target: String,
    /// The newest commit of theirs that may be known here; changes are counted from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Revision>,
    /// The first line of the message of the newest commit.
    pub title: String,
    /// All of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What the person gave; texts are converted.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, Json>,
    /// Who.
    pub by: String,
}

impl Preflight {
    /// The ref that stands for the files: no branch and no tag, so that no rule for one lets it in.
    ///
    /// # Errors
    /// [`NameError`] if no branch can have the name.
    pub fn reference(branch: &str) -> Result<Reference, NameError> {
        Reference::new(format!("refs/preflight/{branch}"))
    }

    /// What stands for the commit: the digest of the tree, so that what is named after it is never taken for what a commit made.
    ///
    /// # Errors
    /// [`NameError`] for the digest that is all zeros.
    pub fn revision(tree: &Digest) -> Result<Revision, NameError> {
        Revision::new(tree.hex())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_never_a_branch_and_never_a_commit_of_forty_digits() {
        let reference = Preflight::reference("main").unwrap();
        assert_eq!((reference.branch(), reference.tag()), (None, None));
        assert_eq!(Preflight::revision(&Digest::of(b"")).unwrap().as_str().len(), 64);
        for bad in ["", "a b", "a..b", "-/../x"] {
            assert!(Preflight::reference(bad).is_err(), "{bad}");
        }
    }
}
