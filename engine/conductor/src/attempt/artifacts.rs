use super::{Attempt, Halt, Outcome, invalid, pack, unpack, workspace};
use serde_json::{Value as Json, json};
use stageway_core::call::{Artifacts, Content, Form, HostError, Value};
use stageway_core::digest::Digest;
use stageway_core::grant::Access;
use stageway_core::task::Collected;
use stageway_core::workspace::{Node, WorkspacePath};
use stageway_ports::read_tree;

/// Of one `artifacts.put`.
const PUT_BYTES: usize = 16 << 20;

/// An artifact that the attempt may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) what: Collected,
    /// A tar or a layer, to be unpacked by `restore`.
    packed: bool,
}

impl Known {
    /// One that the plan gives, or that a task collected.
    pub(super) fn given(what: Collected) -> Self {
        Self { what, packed: false }
    }

    /// Its bytes, if it is one blob.
    pub(super) fn content(&self) -> Option<Content> {
        match self.what {
            Collected::File { content, .. } => Some(content),
            Collected::Tree { .. } => None,
        }
    }
}

impl Attempt {
    pub(super) fn prepare_artifact(&self, call: &Artifacts) -> Result<Json, Halt> {
        self.subject.grants.allows_artifacts(Access::Write)?;
        let (Artifacts::Save { name, .. } | Artifacts::Put { name, .. }) = call else {
            return Err(invalid("not a journaled call"));
        };
        if !is_name(name) {
            return Err(invalid("an artifact's name has 1 to 64 letters, digits, `-`, `_` and `.`"));
        }
        if self.saved.contains_key(name) {
            return Err(Halt::Tell(HostError::Conflict(format!(
                "this attempt has saved an artifact `{name}` already"
            ))));
        }
        match call {
            Artifacts::Save { form: Form::Unknown(word), .. } => {
                Err(invalid(format!("`{word}` is no form: file, tar or oci-layer is expected")))
            }
            Artifacts::Put { bytes, .. } if bytes.0.len() > PUT_BYTES => Err(Halt::Tell(
                HostError::LimitExceeded(format!("an artifact that is put has at most {PUT_BYTES} bytes")),
            )),
            _ => Ok(Json::Null),
        }
    }

    pub(super) async fn save_artifact(&mut self, call: &Artifacts) -> Outcome {
        match call {
            Artifacts::Save { paths, form: Form::File, .. } => {
                let [path] = paths.as_slice() else {
                    return Err(invalid("the form `file` takes exactly one path"));
                };
                let content = self.view.read(path).map_err(workspace::told)?;
                Ok(Value::Json(
                    json!({"digest": content.digest, "size": content.size, "diff-id": content.digest}),
                ))
            }
            Artifacts::Save { paths, form, .. } => {
                let selected = pack::select(self.view.tree(), paths).map_err(invalid)?;
                let packed = pack::pack(&*self.engine.blobs, selected, *form == Form::OciLayer).await?;
                Ok(Value::Json(
                    json!({"digest": packed.content.digest, "size": packed.content.size, "diff-id": packed.diff_id}),
                ))
            }
            Artifacts::Put { bytes, .. } => {
                let content = self.engine.blobs.put(bytes.0.clone()).await?;
                Ok(Value::Text(content.digest.to_string()))
            }
            _ => Err(invalid("not a journaled call")),
        }
    }

    /// Notes what was saved: from here on its digest may be named.
    pub(super) fn artifact_saved(&mut self, call: &Artifacts, value: &Value) -> Result<(), Halt> {
        let (name, digest, size, packed) = match (call, value) {
            (Artifacts::Save { name, form, .. }, Value::Json(saved)) => {
                (name, saved["digest"].as_str(), saved["size"].as_u64(), !matches!(form, Form::File))
            }
            (Artifacts::Put { name, bytes, .. }, Value::Text(digest)) => {
                (name, Some(digest.as_str()), Some(bytes.0.len() as u64), false)
            }
            _ => return Ok(()),
        };
        if let (Some(Ok(digest)), Some(size)) = (digest.map(str::parse::<Digest>), size) {
            let what = Collected::File { content: Content { digest, size }, executable: false };
            self.known.insert(digest, Known { what, packed });
            self.saved.insert(name.clone(), digest);
        }
        Ok(())
    }

    fn known(&self, digest: &str) -> Result<Known, Halt> {
        let not_found =
            || Halt::Tell(HostError::NotFound(format!("this attempt knows no artifact `{digest:.80}`")));
        let parsed = digest.parse::<Digest>().map_err(|_| not_found())?;
        self.known.get(&parsed).copied().ok_or_else(not_found)
    }

    pub(super) fn artifact(&self, digest: &str) -> Outcome {
        self.subject.grants.allows_artifacts(Access::Read)?;
        let known = self.known(digest)?;
        known.content().map(Value::Content).ok_or_else(|| invalid("the artifact is a folder: `restore` it"))
    }

    /// Unpacks an artifact into the workspace.
    pub(super) async fn restore(&mut self, digest: &str, path: &str) -> Outcome {
        self.subject.grants.allows_artifacts(Access::Read)?;
        let known = self.known(digest)?;
        let path = WorkspacePath::new(path).map_err(|e| invalid(e.to_string()))?;
        match known.what {
            Collected::File { content, .. } if known.packed => {
                let limits = &self.header.limits;
                let tree = unpack::unpack(
                    &*self.engine.blobs,
                    &content,
                    limits.workspace_bytes,
                    limits.workspace_files,
                )
                .await?;
                self.view.put_tree(&path, &tree).map_err(workspace::told)?;
            }
            Collected::File { content, executable } => {
                self.view.put(path, Node::File { content, executable }).map_err(workspace::told)?;
            }
            Collected::Tree { digest, .. } => {
                let tree = read_tree(&*self.engine.blobs, &digest).await?;
                self.view.put_tree(&path, &tree).map_err(workspace::told)?;
            }
        }
        Ok(Value::Done)
    }
}

/// Names of artifacts and of what tasks collect.
pub(super) fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}
