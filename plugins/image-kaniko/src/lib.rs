//! `stageway/image-kaniko`: an image from a Dockerfile, built by Kaniko in a container of its own, without a daemon.

mod configuration;
mod inputs;
mod kaniko;
mod provenance;

use configuration::{Configuration, Login};
use inputs::Inputs;
use kaniko::{Address, Call};
use provenance::{Described, Invocation};
use serde::Serialize;
use serde_json::Value as Json;
use stageway_sdk::images::{self, Reference};
use stageway_sdk::manifest::{Access, Place};
use stageway_sdk::tasks::{Command, Ending, Reason, Task};
use stageway_sdk::{
    Doing, Grant, HostError, Issue, Manifest, Stage, Verdict, artifacts, invocation, log, workspace,
};

struct ImageKaniko;

/// The most files of a context.
const FILES: usize = 200_000;

#[derive(Debug, Serialize)]
struct Outputs {
    reference: String,
    repository: String,
    digest: String,
    built: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    provenance: Option<String>,
}

const OUTPUTS: &str = r#"{
  "type": "object",
  "properties": {
    "reference": { "type": "string", "description": "the image: CONNECTION/PATH@sha256:DIGEST" },
    "repository": { "type": "string", "description": "CONNECTION/PATH" },
    "digest": { "type": "string", "description": "sha256:DIGEST" },
    "built": { "type": "boolean", "description": "false: the registry had an image of the same inputs" },
    "provenance": { "type": "string", "description": "the digest of the statement that is attached to the image, if it was built" }
  },
  "required": ["reference", "repository", "digest", "built"]
}"#;

impl Stage for ImageKaniko {
    type Configuration = Configuration;
    type Outputs = Outputs;

    fn describe() -> Manifest {
        Manifest::new(
            "stageway/image-kaniko",
            env!("CARGO_PKG_VERSION"),
            "Builds an image from a Dockerfile with Kaniko",
        )
        .configuration(include_str!("configuration.json"))
        .outputs(OUTPUTS)
        .requires(Grant::workspace(Access::Read))
        .requires(Grant::artifacts(Access::Write))
        .requires(Grant::tasks().image(Place::from("/kaniko")).network())
        .requires(
            Grant::images()
                .repository("/repository", &["read", "push", "tag"])
                .repository("/cache/repository", &["read", "push"])
                .repository("/bases", &["read"])
                .repository("/kaniko", &["read"]),
        )
        .timeout("1h")
        .idempotent()
    }

    fn validate(configuration: &Configuration) -> Vec<Issue> {
        configuration.issues()
    }

    fn run(configuration: Configuration) -> Result<Outputs, Verdict> {
        let entries = workspace::find(&["**".to_owned()], FILES).doing("listing the context")?;
        let inputs = Inputs::of(&configuration, entries);
        if !inputs.has_dockerfile() {
            let message = format!(
                "there is no `{}` in the workspace: look at `dockerfile`, and at `inputs` and `from` of the stage",
                configuration.build.dockerfile
            );
            return Err(Verdict::failed("stageway/file-missing", message));
        }
        let tag = inputs.tag();
        let repository = &configuration.repository;
        if configuration.reuse
            && let Some(image) =
                images::find(repository, &tag).doing(format_args!("reading {repository}:{tag}"))?
        {
            log::info(format!("nothing is built: {repository}:{tag} was made of the same inputs"));
            return finish(&configuration, image.digest, false, None);
        }
        let image = build(&configuration, &tag)?;
        let provenance = attest(&configuration, &inputs, &image)?;
        finish(&configuration, image.digest, true, Some(provenance))
    }
}

stageway_sdk::export!(ImageKaniko);

/// The tags that the pipeline names, and the outputs.
fn finish(
    configuration: &Configuration,
    digest: String,
    built: bool,
    provenance: Option<String>,
) -> Result<Outputs, Verdict> {
    let repository = configuration.repository.clone();
    images::put_tags(&repository, &digest, &configuration.tags)?;
    let reference = Reference::by_digest(&repository, &digest).to_string();
    log::info(format!("{} {reference}", if built { "built" } else { "found" }));
    Ok(Outputs { reference, repository, digest, built, provenance })
}

/// Builds for every platform at once; of several the image is an index.
fn build(configuration: &Configuration, tag: &str) -> Result<Described, Verdict> {
    let repository = &configuration.repository;
    let to = address(repository)?;
    let cache = configuration.cache.as_ref();
    let cache = cache.map(|cache| Ok::<_, Verdict>((cache, address(&cache.repository)?))).transpose()?;
    let call = |platform, tag| {
        let cache = cache.as_ref().map(|(cache, address)| (*cache, address));
        let call = Call { build: &configuration.build, platform, to: &to, tag, cache };
        command(configuration, &call.arguments())
    };
    let platforms = &configuration.platforms;
    if platforms.len() <= 1 {
        let platform = platforms.first().map(String::as_str);
        let task = call(platform, tag).start("build").doing("starting Kaniko")?;
        return built(repository, &task, tag);
    }
    let tags: Vec<String> =
        platforms.iter().map(|platform| format!("{tag}-{}", platform.replace('/', "-"))).collect();
    let mut tasks: Vec<Task> = Vec::new();
    for (platform, tag) in platforms.iter().zip(&tags) {
        let name = format!("build-{}", platform.replace('/', "-"));
        tasks.push(call(Some(platform), tag).start(&name).doing("starting Kaniko")?);
    }
    let mut parts = Vec::new();
    for ((platform, task), tag) in platforms.iter().zip(&tasks).zip(&tags) {
        parts.push((platform.as_str(), built(repository, task, tag)?));
    }
    let manifest = provenance::index(&parts);
    let digest = images::push(repository, &manifest, provenance::INDEX_TYPE).doing("pushing the index")?;
    images::tag(repository, &digest, tag, None).doing(format_args!("putting {repository}:{tag}"))?;
    Ok(Described { digest, media_type: provenance::INDEX_TYPE.to_owned(), size: manifest.len() })
}

fn address(repository: &str) -> Result<Address, Verdict> {
    let facts: Json = images::facts(repository, None).doing(format_args!("asking where {repository} is"))?;
    serde_json::from_value(facts).map_err(|_| {
        let message = format!("{repository} is not in a registry: Kaniko pushes to nothing else");
        Verdict::failed("stageway/no-registry", message)
    })
}

fn command(configuration: &Configuration, arguments: &[String]) -> Command {
    let mut command = Command::new(arguments)
        .image(&configuration.kaniko.to_string())
        .workspace(kaniko::WORKSPACE, false)
        .network(true)
        .message_file(kaniko::DIGEST);
    if let Some(within) = configuration.timeout {
        command = command.timeout(within);
    }
    match (configuration.login, &configuration.identity) {
        (Login::Identity, Some(identity)) => command = command.identity(identity),
        (Login::Connection, _) => {
            let both = ["pull".to_owned(), "push".to_owned()];
            command = command.registry_login(kaniko::LOGINS, &configuration.repository, &both);
            if let Some(cache) = &configuration.cache {
                command = command.registry_login(kaniko::LOGINS, &cache.repository, &both);
            }
            for base in &configuration.bases {
                command = command.registry_login(kaniko::LOGINS, base, &both[..1]);
            }
        }
        _ => {}
    }
    command
}

/// The image that a build pushed, read from the registry.
fn built(repository: &str, task: &Task, tag: &str) -> Result<Described, Verdict> {
    let ending = task.wait().doing("waiting for Kaniko")?;
    if !ending.is_success() {
        return Err(not_built(repository, &ending));
    }
    let digest = ending.message.trim();
    let found = images::find(repository, digest).ok().flatten();
    let Some(image) = found.filter(|image| image.digest == digest) else {
        let message =
            format!("Kaniko says that it pushed `{digest:.100}` as {repository}:{tag}, and it is not there");
        return Err(Verdict::errored("stageway/not-in-registry", message));
    };
    let manifest =
        images::manifest(repository, digest).doing(format_args!("reading {repository}@{digest}"))?;
    Ok(Described { digest: image.digest, media_type: image.media_type, size: manifest.len() })
}

/// Kaniko has one exit code for a Dockerfile that is wrong and for a registry that does not answer: the registry is asked.
fn not_built(repository: &str, ending: &Ending) -> Verdict {
    let said = if ending.message.is_empty() { String::new() } else { format!(": {}", ending.message.trim()) };
    match (&ending.reason, ending.code) {
        (Reason::Exited, Some(code)) => match images::find(repository, "latest") {
            Err(error @ (HostError::Unavailable(_) | HostError::TimedOut)) => Verdict::errored(
                "stageway/registry-unavailable",
                format!("Kaniko ended with exit code {code}, and {repository} does not answer: {error}"),
            ),
            _ => Verdict::failed(
                "stageway/build-failed",
                format!("Kaniko ended with exit code {code}{said}: its last lines say why"),
            ),
        },
        (Reason::OutOfMemory, _) => Verdict::failed(
            "stageway/out-of-memory",
            format!(
                "the build used more memory than it may{said}: raise `limits: {{ task-memory-bytes: … }}` of the stage, or set \
                     `options: {{ compressed-caching: false }}`"
            ),
        ),
        (Reason::TimedOut, _) => Verdict::failed(
            "stageway/timed-out",
            format!(
                "the build did not end within its time ({} ms): raise `timeout`, or use `cache`",
                ending.duration_ms
            ),
        ),
        (Reason::Cancelled, _) => Verdict::errored("stageway/cancelled", "the build was cancelled"),
        (reason, _) => Verdict::errored(
            "stageway/build-lost",
            format!("the build ended without a result ({reason}){said}"),
        ),
    }
}

/// Attaches to the image what it was made of; answers the digest of the statement's manifest.
fn attest(configuration: &Configuration, inputs: &Inputs, image: &Described) -> Result<String, Verdict> {
    let repository = &configuration.repository;
    let event: Json = invocation::event().doing("reading the event")?;
    let by = Invocation {
        run: invocation::run_id(),
        stage: invocation::stage_name(),
        attempt: invocation::attempt(),
        event: &event,
    };
    let statement = provenance::statement(repository, &image.digest, inputs, &configuration.kaniko, &by);
    let save = |name: &str, media_type: &str, bytes: &[u8]| {
        let digest = artifacts::put(name, media_type, bytes).doing(format_args!("saving the {name}"))?;
        Ok::<_, Verdict>(Described { digest, media_type: media_type.to_owned(), size: bytes.len() })
    };
    let statement = save("provenance", provenance::STATEMENT_TYPE, statement.as_bytes())?;
    let empty = save("empty", provenance::EMPTY_TYPE, provenance::EMPTY)?;
    let manifest = provenance::manifest(image, &statement, &empty);
    images::push(repository, &manifest, provenance::MANIFEST_TYPE).doing("attaching the provenance")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_manifest_is_json() {
        let manifest: Json = serde_json::from_str(&ImageKaniko::describe().to_json()).unwrap();
        assert_eq!(manifest["grants"]["required"][2]["images"], json!([{"from": "/kaniko"}]));
        assert_eq!(manifest["grants"]["required"][2]["network"], true);
    }
}
