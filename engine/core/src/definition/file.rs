//! The whole way from bytes to a definition.

use super::expressions::{self, Known};
use super::types::Definition;
use super::{needs, pipeline};
use crate::diagnostic::{Diagnostic, any_error, sort};
use crate::document::{Reader, load};

/// The pipeline file of most repositories, at their root.
pub const PIPELINE_FILE: &str = "stageway.yaml";
/// The folder where several pipelines are.
pub const PIPELINE_FOLDER: &str = ".stageway";

/// Whether a path below the root of the tree is a pipeline file's.
pub fn is_pipeline_file(path: &str) -> bool {
    let below = path.strip_prefix(PIPELINE_FOLDER).and_then(|rest| rest.strip_prefix('/'));
    path == PIPELINE_FILE || below.is_some_and(|name| !name.contains('/') && name.ends_with(".yaml"))
}

/// What was understood of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    /// What could be understood; stages with an unusable `uses` are left out. Nothing if the text is no YAML or the
    /// file has no usable name. Only a definition without errors may be planned.
    pub definition: Option<Definition>,
    /// Every problem, in the order of the file.
    pub diagnostics: Vec<Diagnostic>,
}

impl Parsed {
    /// The definition, if it has no errors.
    pub fn valid(&self) -> Option<&Definition> {
        self.definition.as_ref().filter(|_| !any_error(&self.diagnostics))
    }
}

/// Reads a pipeline file. `file` is its path below the root of the tree, for places.
pub fn parse(file: &str, bytes: &[u8]) -> Parsed {
    let loaded = load(file, bytes);
    let mut diagnostics = loaded.diagnostics;
    let Some((root, places)) = loaded.document else {
        return Parsed { definition: None, diagnostics };
    };
    let mut reader = Reader::default();
    let lowered = pipeline::read(&mut reader, file, &root, places);
    let mut found = reader.diagnostics;
    if let Some(lowered) = &lowered {
        found.extend(needs::check(&lowered.definition, &lowered.named, &root));
        found.extend(expressions::misplaced(&root));
        let known = Known { named: Some(&lowered.named), outputs: None, vars_complete: false };
        found.extend(expressions::check(&lowered.definition, &known));
    }
    diagnostics.extend(drop_consequences(found));
    sort(&mut diagnostics);
    Parsed { definition: lowered.and_then(pipeline::Lowered::usable), diagnostics }
}

/// An expression where none may stand is told once, not again as a bad name, path or pattern.
fn drop_consequences(found: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let code = crate::diagnostic::codes::NO_EXPRESSION_HERE;
    let misplaced: Vec<_> = found.iter().filter(|d| d.code == code).filter_map(|d| d.place.clone()).collect();
    let consequence =
        |d: &Diagnostic| d.code != code && d.place.as_ref().is_some_and(|p| misplaced.contains(p));
    found.into_iter().filter(|d| !consequence(d)).collect()
}
