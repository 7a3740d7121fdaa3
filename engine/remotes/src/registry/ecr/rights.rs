use super::EcrRegistry;
use super::failure::Asked;
use aws_sdk_ecr::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ecr::types::ImageIdentifier;
use stageway_core::digest::Digest;
use stageway_core::image::RepositoryPath;
use stageway_ports::{Registry as _, RegistryError, RegistryRight};
use std::error::Error;

impl EcrRegistry {
    /// Each action that can be tried without anything that stays. `ecr:PutImage` and `ecr:CreateRepository` are not among them. The
    /// access is decided before ECR looks whether the repository is there.
    pub(super) async fn tried(
        &self,
        repository: &RepositoryPath,
    ) -> Result<Vec<RegistryRight>, RegistryError> {
        // Without the password there is no registry API to ask, and whoever may not fetch it may hardly anything.
        let registry = match self.registry().await {
            Ok(registry) => registry,
            Err(error) => {
                return Ok(vec![RegistryRight::told("ecr:GetAuthorizationToken", Err::<(), _>(error))?]);
            }
        };
        let nobody = ImageIdentifier::builder().image_digest(Digest::of(b"").to_string()).build();
        let (name, client) = (repository.as_str(), &self.client);
        let describe = client.describe_repositories().registry_id(&self.account).repository_names(name);
        let list = client.list_images().registry_id(&self.account).repository_name(name).max_results(1);
        let get = client.batch_get_image().registry_id(&self.account).repository_name(name);
        let scan = client.describe_image_scan_findings().registry_id(&self.account).repository_name(name);
        let mut rights = vec![
            RegistryRight::told("ecr:GetAuthorizationToken", Ok(()))?,
            right("ecr:DescribeRepositories", name, describe.send().await)?,
            right("ecr:ListImages", name, list.send().await)?,
            right("ecr:BatchGetImage", name, get.image_ids(nobody.clone()).send().await)?,
            right("ecr:DescribeImageScanFindings", name, scan.image_id(nobody).send().await)?,
        ];
        rights.extend(registry.rights(name).await?);
        Ok(rights)
    }
}

fn right<T, E>(
    action: &'static str,
    what: &str,
    answer: Result<T, SdkError<E>>,
) -> Result<RegistryRight, RegistryError>
where
    E: ProvideErrorMetadata + Error + 'static,
{
    RegistryRight::told(action, answer.map_err(|error| Asked { action, what }.failed(error)))
}
