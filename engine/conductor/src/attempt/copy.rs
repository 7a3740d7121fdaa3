use stageway_core::image::ManifestParts;
use stageway_ports::{Blobs, Manifest, Registry, RegistryError};

/// From one repository into another.
pub(super) struct Copy<'a> {
    pub(super) source: (&'a dyn Registry, &'a str),
    pub(super) target: (&'a dyn Registry, &'a str),
    /// Both are of one connection, so that a blob may be mounted.
    pub(super) is_one_connection: bool,
    /// What a blob lies in on its way.
    pub(super) blobs: &'a dyn Blobs,
}

impl Copy<'_> {
    /// Brings an image: children of an index first, what a manifest names before the manifest. What the registry had and
    /// has thrown away before the manifest named it is brought once more.
    pub(super) async fn image(&self, top: &Manifest) -> Result<(), RegistryError> {
        match self.with_children(top).await {
            Err(RegistryError::Incomplete(_)) => self.with_children(top).await,
            copied => copied,
        }
    }

    async fn with_children(&self, top: &Manifest) -> Result<(), RegistryError> {
        for child in parts(top)?.children {
            let manifest = self.source.0.manifest(self.source.1, &child.content.digest).await?;
            self.one(&manifest).await?;
        }
        self.one(top).await
    }

    async fn one(&self, manifest: &Manifest) -> Result<(), RegistryError> {
        let ((source, from), (target, to)) = (self.source, self.target);
        for content in parts(manifest)?.blobs() {
            if self.is_one_connection && target.mount_blob(to, &content, from).await? {
                continue;
            }
            let content = source.pull_blob(from, &content.digest, self.blobs).await?;
            target.push_blob(to, &content, self.blobs).await?;
        }
        target.push_manifest(to, manifest).await?;
        Ok(())
    }
}

fn parts(manifest: &Manifest) -> Result<ManifestParts, RegistryError> {
    ManifestParts::read(&manifest.bytes, &manifest.media_type)
        .map_err(|error| RegistryError::Invalid(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use stageway_ports::contract::registry::{push, sample};
    use stageway_ports::memory::{MemoryBlobs, MemoryRegistry, RegistryFault};
    use std::sync::atomic::{AtomicU32, Ordering};

    /// A registry that has thrown away a layer so often before it takes the manifest, and the answer to a copy into it.
    async fn into_one_that_forgets(times: u32) -> Result<bool, RegistryError> {
        let (source, blobs) = (MemoryRegistry::new(), MemoryBlobs::new());
        let image = sample(&blobs, "a").await;
        push(&source, "build", &blobs, &image).await;
        let (left, lost) = (AtomicU32::new(times), image.digest.to_string());
        let target = MemoryRegistry::new().with_faults(move |call| {
            let takes = |left: u32| left.checked_sub(1);
            (call.starts_with("push-manifest ")
                && left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, takes).is_ok())
            .then(|| RegistryFault::Before(RegistryError::Incomplete(vec![lost.clone()])))
        });
        let (source, target): (&dyn Registry, &dyn Registry) = (&source, &target);
        let copy = Copy {
            source: (source, "build"),
            target: (target, "production"),
            is_one_connection: false,
            blobs: &blobs,
        };
        copy.image(&source.manifest("build", &image.digest).await?).await?;
        Ok(target.find("production", &image.digest.to_string()).await?.is_some())
    }

    #[tokio::test]
    async fn what_was_thrown_away_meanwhile_is_brought_once_more() {
        assert_eq!(into_one_that_forgets(0).await, Ok(true));
        assert_eq!(into_one_that_forgets(1).await, Ok(true));
        assert!(matches!(into_one_that_forgets(2).await, Err(RegistryError::Incomplete(_))));
    }
}
