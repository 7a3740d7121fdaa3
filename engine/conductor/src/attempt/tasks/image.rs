//! The image of a task: resolved once when `start` is performed, then brought into the blobs if the executor unpacks it.

use super::super::images::{CONFIG_BYTES, parts, told};
use super::super::{Attempt, Halt, invalid};
use serde_json::Value as Json;
use stageway_core::call::{Command, HostError};
use stageway_core::digest::Digest;
use stageway_core::image::{Child, ManifestKind};
use stageway_core::task::{ImageRoot, Root};
use stageway_ports::{Manifest, Registry};

impl Attempt {
    /// Every image that the task and its services name, each once.
    pub(super) fn image_references(&self, command: &Command) -> Vec<String> {
        let own =
            command.image.iter().chain(command.services.iter().filter_map(|s| s.command.image.as_ref()));
        let of_stage = self.subject.services.iter().filter_map(|(_, service)| service.image.as_ref());
        let mut all: Vec<_> = own.chain(of_stage).cloned().collect();
        all.sort();
        all.dedup();
        all
    }

    /// The digest that a reference names now.
    pub(in crate::attempt) async fn resolve_image(&self, reference: &str) -> Result<Digest, Halt> {
        let (repository, name) = split(reference)?;
        let (registry, path) = self.registry(repository).await?;
        let found = registry.find(path, name).await.map_err(told)?;
        found
            .map(|image| image.digest)
            .ok_or_else(|| Halt::Tell(HostError::NotFound(format!("no image `{reference:.200}`"))))
    }

    /// The image as it was resolved, with all its layers in the blobs where it is to be unpacked.
    pub(super) async fn image_root(&self, reference: &str, state: &Json, unpack: bool) -> Result<Root, Halt> {
        let digest = state["images"][reference].as_str().and_then(|text| text.parse::<Digest>().ok());
        let digest = digest.ok_or_else(|| invalid(format!("`{reference:.200}` was not resolved")))?;
        let (repository, _) = split(reference)?;
        let (registry, path) = self.registry(repository).await?;
        let manifest = platform_manifest(&*registry, path, &digest).await?;
        let blobs = &*self.engine.blobs;
        let named = parts(&manifest)?;
        let mut layers = Vec::new();
        for layer in &named.layers {
            let content = if unpack {
                registry.pull_blob(path, &layer.content.digest, blobs).await.map_err(told)?
            } else {
                layer.content
            };
            layers.push((content, layer.media_type.clone()));
        }
        let config = named.config.ok_or_else(|| invalid("the image has no configuration"))?.content.digest;
        registry.pull_blob(path, &config, blobs).await.map_err(told)?;
        let config: Json = serde_json::from_slice(&blobs.get(&config, CONFIG_BYTES).await?)
            .map_err(|e| invalid(format!("the image's configuration is not JSON: {e}")))?;
        let texts = |name: &str| -> Vec<String> {
            let list = config["config"][name].as_array().into_iter().flatten();
            list.filter_map(|item| item.as_str().map(str::to_owned)).collect()
        };
        Ok(Root::Image(Box::new(ImageRoot {
            reference: format!("{repository}@{digest}"),
            digest,
            layers,
            entrypoint: texts("Entrypoint"),
            command: texts("Cmd"),
            variables: texts("Env"),
            directory: config["config"]["WorkingDir"]
                .as_str()
                .filter(|text| !text.is_empty())
                .map(str::to_owned),
        })))
    }
}

/// The manifest itself, or the child of an index for this machine.
async fn platform_manifest(registry: &dyn Registry, path: &str, digest: &Digest) -> Result<Manifest, Halt> {
    let top = registry.manifest(path, digest).await.map_err(told)?;
    let named = parts(&top)?;
    if named.kind == ManifestKind::Image {
        return Ok(top);
    }
    let platform = if cfg!(target_arch = "aarch64") { "linux/arm64" } else { "linux/amd64" };
    let fits = |child: &&Child| child.platform.as_deref().is_some_and(|found| found.starts_with(platform));
    let child = named.children.iter().find(fits).map(|child| child.content.digest);
    let child = child.ok_or_else(|| invalid(format!("the image has no manifest for {platform}")))?;
    registry.manifest(path, &child).await.map_err(told)
}

/// `CONNECTION/PATH@DIGEST` or `CONNECTION/PATH:TAG` as repository and reference.
fn split(reference: &str) -> Result<(&str, &str), Halt> {
    if let Some((repository, digest)) = reference.split_once('@') {
        return Ok((repository, digest));
    }
    match reference.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => Ok((repository, tag)),
        _ => Err(invalid(format!("`{reference:.200}` names neither a tag nor a digest"))),
    }
}
