//! What goes into an image, and the name that follows from it.

use crate::configuration::{Build, Configuration};
use serde_json::json;
use sha2::{Digest, Sha256};
use stageway_sdk::workspace::Entry;

/// The files of a build, and everything else that decides what comes out of it.
#[derive(Debug)]
pub(crate) struct Inputs<'a> {
    pub(crate) kaniko: String,
    pub(crate) build: &'a Build,
    pub(crate) platforms: &'a [String],
    pub(crate) files: Vec<Entry>,
}

impl<'a> Inputs<'a> {
    /// Those of a configuration and the entries of its workspace, in order of path.
    pub(crate) fn of(configuration: &'a Configuration, entries: Vec<Entry>) -> Self {
        let build = &configuration.build;
        let files = entries.into_iter().filter(|entry| entry.kind != "folder" && counts(build, &entry.path));
        Self {
            kaniko: configuration.kaniko.to_string(),
            build,
            platforms: &configuration.platforms,
            files: files.collect(),
        }
    }

    /// The tag of the image that is made of them: half a digest is enough to tell them apart.
    pub(crate) fn tag(&self) -> String {
        let mut hash = Sha256::new();
        let head =
            json!({"version": 1, "kaniko": self.kaniko, "build": self.build, "platforms": self.platforms});
        hash.update(head.to_string());
        for file in &self.files {
            let Entry { path, kind, executable, digest, target, .. } = file;
            hash.update(format!("\n{}", json!([path, kind, executable, digest, target])));
        }
        let digest = hash.finalize();
        let hex: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        format!("inputs-{hex}")
    }

    /// Whether the Dockerfile is among them.
    pub(crate) fn has_dockerfile(&self) -> bool {
        self.files.iter().any(|file| file.path == self.build.dockerfile)
    }
}

/// Whether Kaniko can see a path: below the context, or the Dockerfile itself and the list of what it ignores.
fn counts(build: &Build, path: &str) -> bool {
    let Some(context) = &build.context else { return true };
    let below = path.strip_prefix(context.as_str()).is_some_and(|rest| rest.starts_with('/'));
    below
        || path
            .strip_prefix(build.dockerfile.as_str())
            .is_some_and(|rest| matches!(rest, "" | ".dockerignore"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configuration::example;
    use serde_json::Value;

    fn entry(path: &str, digest: &str) -> Entry {
        serde_json::from_value(json!({"path": path, "kind": "file", "size": 1, "digest": digest})).unwrap()
    }

    fn tag(more: Value, files: &[(&str, &str)]) -> String {
        let configuration = example(more);
        Inputs::of(&configuration, files.iter().map(|(path, digest)| entry(path, digest)).collect()).tag()
    }

    #[test]
    fn everything_that_decides_is_in_the_name() {
        let files = [("Dockerfile", "a"), ("src/main.c", "b")];
        let name = tag(json!({}), &files);
        assert!(name.starts_with("inputs-") && name.len() == 39, "{name}");
        assert_eq!(name, tag(json!({"tags": ["1"], "reuse": false}), &files));
        for other in [
            tag(json!({}), &[("Dockerfile", "a"), ("src/main.c", "c")]),
            tag(json!({}), &[("Dockerfile", "a"), ("src/other.c", "b")]),
            tag(json!({"target": "x"}), &files),
            tag(json!({"build-args": {"A": "1"}}), &files),
            tag(json!({"platforms": ["linux/arm64"]}), &files),
            tag(json!({"kaniko": "tools/kaniko:2"}), &files),
        ] {
            assert_ne!(name, other);
        }
    }

    #[test]
    fn what_lies_outside_of_the_context_does_not_count() {
        let context = || json!({"context": "app", "dockerfile": "docker/Dockerfile"});
        let files = [("app/a", "1"), ("docker/Dockerfile", "2"), ("docker/Dockerfile.dockerignore", "3")];
        let more = [files[0], ("apple", "4"), files[1], files[2], ("other/b", "5")];
        assert_eq!(tag(context(), &files), tag(context(), &more));
        assert_ne!(tag(context(), &files), tag(context(), &files[..2]));
    }
}
