use super::file::{self, Incoming, failed};
use super::index::Index;
use super::lock::Lock;
use crate::registry::check;
use rustix::fs::Access;
use serde_json::Value as Json;
use stageway_core::call::{Content, Image, Outcome};
use stageway_core::digest::Digest;
use stageway_core::image::{ImageReference, MAX_MANIFEST, ManifestParts, RepositoryPath, TagName};
use stageway_ports::{Manifest, RegistryError, RegistryRight};
use std::fs;
use std::path::{Path, PathBuf};

/// `index.json` is read up to this many bytes.
const MAX_INDEX: u64 = 32 << 20;
const LAYOUT: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;

/// The image layout of one repository, with blocking operations.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    path: PathBuf,
    repository: RepositoryPath,
}

impl Folder {
    pub(super) fn new(root: &Path, repository: RepositoryPath) -> Self {
        Self { path: root.join(repository.as_str()), repository }
    }

    /// Where a blob lies.
    pub(super) fn blob(&self, digest: &Digest) -> PathBuf {
        self.path.join("blobs/sha256").join(digest.hex())
    }

    /// Whether a blob is there with its size.
    pub(super) fn has(&self, content: &Content) -> Result<bool, RegistryError> {
        Ok(file::size(&self.blob(&content.digest))? == Some(content.size))
    }

    /// Makes the directories of an image layout.
    pub(super) fn ensure(&self) -> Result<(), RegistryError> {
        for folder in ["blobs/sha256", ".incoming"] {
            let folder = self.path.join(folder);
            fs::create_dir_all(&folder).map_err(|error| failed(&folder, &error))?;
        }
        let layout = self.path.join("oci-layout");
        match file::read(&layout, 4096)? {
            None => {
                let incoming = self.incoming()?;
                incoming.write(LAYOUT.as_bytes())?;
                incoming.keep(&layout)
            }
            Some(bytes) => {
                let version: Option<Json> = serde_json::from_slice(&bytes).ok();
                match version.as_ref().map(|v| &v["imageLayoutVersion"]) {
                    Some(version) if version == "1.0.0" => Ok(()),
                    _ => Err(self.corrupt("`oci-layout` is not of version 1.0.0")),
                }
            }
        }
    }

    /// Whether the images may be read and written: what the file system says of the directory, or of the one that it will be made in.
    pub(super) fn rights(&self) -> Result<Vec<RegistryRight>, RegistryError> {
        let there = self.path.ancestors().find(|folder| folder.exists()).unwrap_or(&self.path);
        let right = |action, access| RegistryRight {
            action,
            refused: rustix::fs::access(there, access | Access::EXEC_OK)
                .err()
                .map(|error| format!("{}: {error}", there.display())),
        };
        Ok(vec![right("pull", Access::READ_OK), right("push", Access::WRITE_OK)])
    }

    /// A name for a file that is not whole yet.
    pub(super) fn incoming(&self) -> Result<Incoming, RegistryError> {
        Incoming::name(&self.path.join(".incoming"))
    }

    /// Takes a file whose bytes must be those of the content.
    pub(super) fn take(&self, incoming: Incoming, content: &Content) -> Result<(), RegistryError> {
        let found = file::content(incoming.path())?;
        if found != *content {
            let problem = format!("{} has the bytes of {}", content.digest, found.digest);
            return Err(RegistryError::Blobs(problem));
        }
        incoming.keep(&self.blob(&content.digest))
    }

    /// Links a blob of another repository; false where that does not work.
    pub(super) fn link(&self, content: &Content, from: &Folder) -> Result<bool, RegistryError> {
        if !from.has(content)? {
            return Ok(false);
        }
        self.ensure()?;
        let target = self.blob(&content.digest);
        if !self.has(content)? && fs::hard_link(from.blob(&content.digest), &target).is_err() {
            return Ok(false);
        }
        file::sync_parent(&target).map(|()| true)
    }

    /// The image under a tag or digest.
    pub(super) fn find(&self, reference: &ImageReference) -> Result<Option<Image>, RegistryError> {
        let Some(index) = self.index()? else { return Ok(None) };
        let found = match reference {
            ImageReference::Digest(digest) => self.located(&index, digest)?,
            ImageReference::Tag(tag) => match index.tagged(tag).map_err(|p| self.corrupt(&p))? {
                None => None,
                Some((digest, _)) => {
                    let found = self.located(&index, &digest)?;
                    let lost = || self.corrupt(&format!("tag `{tag}` names {digest}, which is not there"));
                    Some(found.ok_or_else(lost)?)
                }
            },
        };
        found.map(|manifest| check::image(&self.repository, &manifest)).transpose()
    }

    /// The tags in order.
    pub(super) fn tags(&self, after: Option<&str>, max: usize) -> Result<Vec<String>, RegistryError> {
        let index = self.index()?.ok_or_else(|| self.absent())?;
        let rest = index.tags().into_iter().filter(|tag| after.is_none_or(|after| *tag > after));
        Ok(rest.take(max).map(str::to_owned).collect())
    }

    /// A manifest's own bytes.
    pub(super) fn manifest(&self, digest: &Digest) -> Result<Manifest, RegistryError> {
        let index = self.index()?.ok_or_else(|| self.absent())?;
        self.located(&index, digest)?.ok_or_else(|| self.not_found(digest))
    }

    /// What is known of the repository or of an image in it.
    pub(super) fn facts(&self, digest: Option<&Digest>) -> Result<Json, RegistryError> {
        match digest {
            Some(digest) => self.manifest(digest).map(|_| ())?,
            None => self.index()?.map(|_| ()).ok_or_else(|| self.absent())?,
        }
        Ok(Json::Object(check::facts()))
    }

    /// Stores a manifest whose blobs and children are there.
    pub(super) fn push_manifest(&self, manifest: &Manifest) -> Result<Outcome, RegistryError> {
        let parts = check::given(manifest)?;
        let content = Content { digest: Digest::of(&manifest.bytes), size: manifest.bytes.len() as u64 };
        self.complete(&parts)?;
        self.ensure()?;
        let _lock = self.lock()?;
        let mut index = self.index()?.unwrap_or_default();
        if index.manifest(&content.digest).is_some() && self.has(&content)? {
            return Ok(Outcome::Already);
        }
        let incoming = self.incoming()?;
        incoming.write(&manifest.bytes)?;
        self.take(incoming, &content)?;
        index.add(&content.digest, content.size, &manifest.media_type);
        self.write(&index)?;
        Ok(Outcome::Created)
    }

    /// Compare-and-set of a tag.
    pub(super) fn tag(
        &self,
        digest: &Digest,
        tag: &TagName,
        replaces: Option<&Digest>,
    ) -> Result<Outcome, RegistryError> {
        self.index()?.ok_or_else(|| self.absent())?;
        let _lock = self.lock()?;
        let mut index = self.index()?.ok_or_else(|| self.absent())?;
        let manifest = self.located(&index, digest)?.ok_or_else(|| self.not_found(digest))?;
        let now = index.tagged(tag).map_err(|problem| self.corrupt(&problem))?.map(|(digest, _)| digest);
        let outcome = Outcome::of_tag(now.as_ref(), digest, replaces).map_err(|found| {
            RegistryError::conflict(self.repository.as_str(), tag.as_str(), found, replaces)
        })?;
        if outcome != Outcome::Already {
            index.add(digest, manifest.bytes.len() as u64, &manifest.media_type);
            index.set(tag, digest);
            self.write(&index)?;
        }
        Ok(outcome)
    }

    /// A manifest by its digest, listed in the index or a child that another tool did not list; checked.
    fn located(&self, index: &Index, digest: &Digest) -> Result<Option<Manifest>, RegistryError> {
        let path = self.blob(digest);
        let listed = index.manifest(digest).map(|entry| entry.media_type.clone());
        // A blob that is no manifest may have any size, and asking for one is no damage.
        if listed.is_none() && file::size(&path)?.is_none_or(|size| size > MAX_MANIFEST as u64) {
            return Ok(None);
        }
        let Some(bytes) = file::read(&path, MAX_MANIFEST as u64)? else { return Ok(None) };
        check::bytes(&path.display(), &bytes, digest)?;
        let is_listed = listed.is_some();
        let Some(media_type) = listed.or_else(|| ManifestParts::media_type_of(&bytes)) else {
            return Ok(None);
        };
        let manifest = Manifest { bytes, media_type };
        match check::received(&self.repository, &manifest) {
            Ok(_) => Ok(Some(manifest)),
            Err(_) if !is_listed => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn complete(&self, parts: &ManifestParts) -> Result<(), RegistryError> {
        let children = parts.children.iter().map(|child| child.content);
        let mut missing = Vec::new();
        for content in parts.blobs().into_iter().chain(children) {
            if !self.has(&content)? {
                missing.push(content.digest.to_string());
            }
        }
        if missing.is_empty() { Ok(()) } else { Err(RegistryError::Incomplete(missing)) }
    }

    fn index(&self) -> Result<Option<Index>, RegistryError> {
        let Some(bytes) = file::read(&self.path.join("index.json"), MAX_INDEX)? else { return Ok(None) };
        Index::read(&bytes).map(Some).map_err(|problem| self.corrupt(&format!("`index.json`: {problem}")))
    }

    fn write(&self, index: &Index) -> Result<(), RegistryError> {
        let incoming = self.incoming()?;
        incoming.write(&index.write())?;
        incoming.keep(&self.path.join("index.json"))?;
        file::sweep(&self.path.join(".incoming"));
        Ok(())
    }

    fn lock(&self) -> Result<Lock, RegistryError> {
        self.ensure()?;
        Lock::take(&self.path.join(".lock"))
    }

    fn corrupt(&self, problem: &str) -> RegistryError {
        RegistryError::Corrupt(format!("{}: {problem}", self.path.display()))
    }

    fn absent(&self) -> RegistryError {
        RegistryError::NotFound(format!("repository {}", self.repository))
    }

    fn not_found(&self, digest: &Digest) -> RegistryError {
        RegistryError::NotFound(format!("{}@{digest}", self.repository))
    }
}
