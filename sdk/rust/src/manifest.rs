//! What a plugin says about itself: the answer of `describe`.
//!
//! The shape of the JSON is described in `wit/manifest.md`.

use std::borrow::Cow;

use serde::Serialize;

/// The manifest of a plugin. Built with constants only: it is asked for twice and must be the same.
#[derive(Debug, Clone)]
pub struct Manifest {
    name: &'static str,
    version: &'static str,
    summary: &'static str,
    configuration: Cow<'static, str>,
    outputs: Cow<'static, str>,
    grants: Wanted,
    timeout: &'static str,
    never_skip: bool,
    idempotent: bool,
}

#[derive(Debug, Clone, Default, Serialize)]
struct Wanted {
    required: Vec<Grant>,
    optional: Vec<Grant>,
}

impl Manifest {
    /// A plugin `NAMESPACE/NAME` with its version (`env!("CARGO_PKG_VERSION")`) and one line for people. Without more
    /// it takes no configuration, has no outputs, wants no grants and ends after ten minutes.
    pub fn new(name: &'static str, version: &'static str, summary: &'static str) -> Self {
        let nothing = r#"{"type":"object","properties":{},"additionalProperties":false}"#;
        Self {
            name,
            version,
            summary,
            configuration: nothing.into(),
            outputs: nothing.into(),
            grants: Wanted::default(),
            timeout: "10m",
            never_skip: false,
            idempotent: false,
        }
    }

    /// The JSON Schema (2020-12) of `with`, as JSON text of an object; `stageway plugin build` checks it.
    #[must_use]
    pub fn configuration(mut self, schema: impl Into<Cow<'static, str>>) -> Self {
        self.configuration = schema.into();
        self
    }

    /// The JSON Schema of the outputs, as JSON text of an object that names each under `properties`.
    #[must_use]
    pub fn outputs(mut self, schema: impl Into<Cow<'static, str>>) -> Self {
        self.outputs = schema.into();
        self
    }

    /// A grant without which the plugin cannot work.
    #[must_use]
    pub fn requires(mut self, grant: Grant) -> Self {
        self.grants.required.push(grant);
        self
    }

    /// A grant without which it can do less: calls answer `Denied`.
    #[must_use]
    pub fn optional(mut self, grant: Grant) -> Self {
        self.grants.optional.push(grant);
        self
    }

    /// How long an attempt takes at most, where the pipeline file says nothing: `30s`, `10m`, `1h30m`.
    #[must_use]
    pub fn timeout(mut self, timeout: &'static str) -> Self {
        self.timeout = timeout;
        self
    }

    /// Its outputs depend on time, randomness, run id, key or attempt: it must run although its inputs are the same.
    #[must_use]
    pub fn never_skip(mut self) -> Self {
        self.never_skip = true;
        self
    }

    /// A new attempt after an errored one harms nothing and doubles nothing.
    #[must_use]
    pub fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }

    /// The manifest as JSON text. The schemas are put in as they were given.
    pub fn to_json(&self) -> String {
        let text = |value: &str| serde_json::Value::from(value).to_string();
        let grants = serde_json::to_string(&self.grants).expect("a grant holds only texts, lists and truths");
        let skip = if self.never_skip { "never" } else { "allowed" };
        let idempotent = if self.idempotent { r#","idempotent":true"# } else { "" };
        format!(
            r#"{{"name":{},"version":{},"summary":{},"configuration":{},"outputs":{},"grants":{grants},"timeout":{},"skip":"{skip}"{idempotent}}}"#,
            text(self.name),
            text(self.version),
            text(self.summary),
            self.configuration.trim(),
            self.outputs.trim(),
            text(self.timeout),
        )
    }
}

/// Where a parameter of a grant comes from: a JSON pointer (RFC 6901) into the stage's `with`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Place {
    from: &'static str,
}

impl Place {
    /// What stands at `pointer`: a string or a list of strings.
    pub const fn from(pointer: &'static str) -> Self {
        Self { from: pointer }
    }
}

/// Whether something is only read or also written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Only read.
    Read,
    /// Read and written.
    Write,
}

/// A grant that the plugin wants: one interface with its parameters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Grant {
    interface: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    access: Option<Access>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    images: Vec<Place>,
    #[serde(skip_serializing_if = "Option::is_none")]
    network: Option<Network>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    repositories: Vec<Repository>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hosts: Vec<Place>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    secrets: Vec<Place>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    clusters: Vec<Cluster>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
enum Network {
    Always(bool),
    Asked(Place),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Repository {
    from: &'static str,
    actions: Vec<&'static str>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Cluster {
    from: &'static str,
    namespaces: Vec<Place>,
    kinds: Vec<&'static str>,
    actions: Vec<&'static str>,
}

impl Grant {
    fn of(interface: &'static str) -> Self {
        Self { interface, ..Self::default() }
    }

    /// The attempt's workspace.
    pub fn workspace(access: Access) -> Self {
        Self { access: Some(access), ..Self::of("workspace") }
    }

    /// The run's artifacts.
    pub fn artifacts(access: Access) -> Self {
        Self { access: Some(access), ..Self::of("artifacts") }
    }

    /// Tasks in the executor's toolbox; [`image`](Self::image) and [`network`](Self::network) add to that.
    pub fn tasks() -> Self {
        Self::of("tasks")
    }

    /// Images; each [`repository`](Self::repository) is one more.
    pub fn images() -> Self {
        Self::of("images")
    }

    /// HTTP; each [`host`](Self::host) is one more.
    pub fn http() -> Self {
        Self::of("http")
    }

    /// Secrets; each [`secret`](Self::secret) is one more.
    pub fn secrets() -> Self {
        Self::of("secrets")
    }

    /// The repository at the run's revision.
    pub fn source() -> Self {
        Self::of("source")
    }

    /// The releases of the stage's own environment.
    pub fn environments() -> Self {
        Self::of("environments")
    }

    /// Asking people.
    pub fn approvals() -> Self {
        Self::of("approvals")
    }

    /// Clusters; each [`objects`](Self::objects) is one more.
    pub fn cluster() -> Self {
        Self::of("cluster")
    }

    /// Of tasks: they may use this image.
    #[must_use]
    pub fn image(mut self, place: Place) -> Self {
        self.images.push(place);
        self
    }

    /// Of tasks: they want the network that is granted.
    #[must_use]
    pub fn network(mut self) -> Self {
        self.network = Some(Network::Always(true));
        self
    }

    /// Of tasks: they want the network if what stands there is true or a list of hosts.
    #[must_use]
    pub fn network_if(mut self, place: Place) -> Self {
        self.network = Some(Network::Asked(place));
        self
    }

    /// Of images: the repository of the reference at `pointer`, for some of `read`, `push`, `tag` and `move`.
    #[must_use]
    pub fn repository(mut self, pointer: &'static str, actions: &[&'static str]) -> Self {
        self.repositories.push(Repository { from: pointer, actions: actions.to_vec() });
        self
    }

    /// Of HTTP: a host, or the host of a URL.
    #[must_use]
    pub fn host(mut self, place: Place) -> Self {
        self.hosts.push(place);
        self
    }

    /// Of secrets: a name.
    #[must_use]
    pub fn secret(mut self, place: Place) -> Self {
        self.secrets.push(place);
        self
    }

    /// Of clusters: objects of `kinds` in `namespaces` of the cluster named at `pointer`, for some of `read`, `apply` and
    /// `delete`.
    #[must_use]
    pub fn objects(
        mut self,
        pointer: &'static str,
        namespaces: &[Place],
        kinds: &[&'static str],
        actions: &[&'static str],
    ) -> Self {
        self.clusters.push(Cluster {
            from: pointer,
            namespaces: namespaces.to_vec(),
            kinds: kinds.to_vec(),
            actions: actions.to_vec(),
        });
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn a_manifest_has_the_published_shape() {
        let manifest = Manifest::new("acme/ship", "1.2.0", "Ships \"it\"")
            .configuration(r#"{"type":"object","properties":{"to":{"type":"string"}}}"#)
            .requires(Grant::workspace(Access::Read))
            .requires(Grant::images().repository("/to", &["read", "tag"]))
            .requires(Grant::tasks().image(Place::from("/image")).network())
            .optional(Grant::http().host(Place::from("/url")))
            .optional(Grant::cluster().objects(
                "/cluster",
                &[Place::from("/namespace")],
                &["Deployment"],
                &["read"],
            ))
            .timeout("30s")
            .never_skip()
            .idempotent();
        let json: Value = serde_json::from_str(&manifest.to_json()).unwrap();
        let empty = json!({"type": "object", "properties": {}, "additionalProperties": false});
        let expected = json!({
            "name": "acme/ship", "version": "1.2.0", "summary": "Ships \"it\"",
            "configuration": {"type": "object", "properties": {"to": {"type": "string"}}},
            "outputs": empty,
            "grants": {
                "required": [
                    {"interface": "workspace", "access": "read"},
                    {"interface": "images", "repositories": [{"from": "/to", "actions": ["read", "tag"]}]},
                    {"interface": "tasks", "images": [{"from": "/image"}], "network": true},
                ],
                "optional": [
                    {"interface": "http", "hosts": [{"from": "/url"}]},
                    {"interface": "cluster", "clusters": [{"from": "/cluster", "namespaces": [{"from": "/namespace"}],
                        "kinds": ["Deployment"], "actions": ["read"]}]},
                ],
            },
            "timeout": "30s", "skip": "never", "idempotent": true,
        });
        assert_eq!(json, expected);
    }
}
