use super::{JsonText, Refusal};
use crate::bindings::stageway::host::images;
use crate::guest::Guest;
use stageway_core::call::{Function, Image, Images, Outcome};
use stageway_core::journal::canonical;

impl images::Host for Guest {
    async fn find(
        &mut self,
        repository: String,
        reference: String,
    ) -> Result<Option<images::Image>, Refusal> {
        let image: Option<Image> = self.ask(Function::Images(Images::Find { repository, reference })).await?;
        Ok(image.map(Into::into))
    }

    async fn tags(
        &mut self,
        repository: String,
        after: Option<String>,
        max: u32,
    ) -> Result<Vec<String>, Refusal> {
        self.ask(Function::Images(Images::Tags { repository, after, max })).await
    }

    async fn manifest(&mut self, repository: String, digest: String) -> Result<String, Refusal> {
        self.ask(Function::Images(Images::Manifest { repository, digest })).await
    }

    async fn facts(&mut self, repository: String, digest: Option<String>) -> Result<String, Refusal> {
        let facts: JsonText = self.ask(Function::Images(Images::Facts { repository, digest })).await?;
        Ok(facts.0)
    }

    async fn tag(
        &mut self,
        repository: String,
        digest: String,
        tag: String,
        replaces: Option<String>,
    ) -> Result<images::Outcome, Refusal> {
        let call = Images::Tag { repository, digest, tag, replaces };
        let outcome: Outcome = self.ask(Function::Images(call)).await?;
        Ok(outcome.into())
    }

    async fn copy(
        &mut self,
        repository: String,
        digest: String,
        target: String,
    ) -> Result<images::Outcome, Refusal> {
        let outcome: Outcome =
            self.ask(Function::Images(Images::Copy { repository, digest, target })).await?;
        Ok(outcome.into())
    }

    async fn push(
        &mut self,
        repository: String,
        manifest: String,
        media_type: String,
    ) -> Result<String, Refusal> {
        self.ask(Function::Images(Images::Push { repository, manifest, media_type })).await
    }
}

impl From<Image> for images::Image {
    fn from(image: Image) -> Self {
        let Image { digest, media_type, details } = image;
        Self { digest: digest.to_string(), media_type, details: canonical(&details) }
    }
}

impl From<Outcome> for images::Outcome {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Created => Self::Created,
            Outcome::Already => Self::Already,
            Outcome::Moved => Self::Moved,
        }
    }
}
