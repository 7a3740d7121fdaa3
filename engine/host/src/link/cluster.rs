use super::{JsonText, Refusal, json};
use crate::bindings::stageway::host::cluster;
use crate::guest::Guest;
use stageway_core::call::{Cluster, Function};

impl cluster::Host for Guest {
    async fn get(
        &mut self,
        cluster: String,
        api_version: String,
        kind: String,
        namespace: String,
        name: String,
    ) -> Result<Option<String>, Refusal> {
        let call = Cluster::Get { cluster, api_version, kind, namespace, name };
        let object: Option<JsonText> = self.ask(Function::Cluster(call)).await?;
        Ok(object.map(|json| json.0))
    }

    async fn find(
        &mut self,
        cluster: String,
        api_version: String,
        kind: String,
        namespace: String,
        selector: String,
        max: u32,
    ) -> Result<Vec<String>, Refusal> {
        let call = Cluster::Find { cluster, api_version, kind, namespace, selector, max };
        self.ask(Function::Cluster(call)).await.map(JsonText::texts)
    }

    async fn apply(&mut self, cluster: String, manifest: String, options: String) -> Result<String, Refusal> {
        let (manifest, options) = (json("manifest", &manifest)?, json("options", &options)?);
        let call = Cluster::Apply { cluster, manifest, options };
        let object: JsonText = self.ask(Function::Cluster(call)).await?;
        Ok(object.0)
    }

    async fn delete(
        &mut self,
        cluster: String,
        api_version: String,
        kind: String,
        namespace: String,
        name: String,
    ) -> Result<(), Refusal> {
        let call = Cluster::Delete { cluster, api_version, kind, namespace, name };
        self.ask(Function::Cluster(call)).await
    }

    async fn rollout(
        &mut self,
        cluster: String,
        kind: String,
        namespace: String,
        name: String,
        timeout_ms: u32,
    ) -> Result<String, Refusal> {
        let call = Cluster::Rollout { cluster, kind, namespace, name, timeout_ms };
        let rollout: JsonText = self.ask(Function::Cluster(call)).await?;
        Ok(rollout.0)
    }
}
