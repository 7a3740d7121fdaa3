//! A plugin from its template to a component, with the real compiler. The component is not run: who describes it here is a
//! stand-in, so that this room is tested without an engine.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use async_trait::async_trait;
use serde_json::Value;
use stageway_core::digest::Digest;
use stageway_core::name::TenantId;
use stageway_core::run::Usage;
use stageway_ports::{Calls, Component, ConfigIssue, GuestEnd, GuestError, GuestRun, Guests};
use stageway_workbench::Silent;
use stageway_workbench::build::{ALWAYS_LINKED, BuildError, BuildRequest, Built, build};
use stageway_workbench::inspect::inspect;
use stageway_workbench::new::{NewPlugin, SdkSource, new};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};
use tokio::sync::{Mutex, MutexGuard};

/// Answers `describe` from a list, one after the other.
struct Scripted {
    answers: [&'static str; 2],
    asked: AtomicU32,
}

const MANIFEST: &str = r#"{"name":"acme/coverage","version":"0.1.0","summary":"Runs one command",
    "configuration":{"type":"object"},"outputs":{"type":"object","properties":{}},
    "grants":{"required":[{"interface":"tasks"}],"optional":[]},"timeout":"10m","skip":"allowed"}"#;

impl Scripted {
    fn new(answers: [&'static str; 2]) -> Self {
        Self { answers, asked: AtomicU32::new(0) }
    }
}

#[async_trait]
impl Guests for Scripted {
    fn inspect(&self, bytes: &[u8]) -> Result<Component, GuestError> {
        let found = inspect(bytes).map_err(|error| GuestError::Malformed(error.to_string()))?;
        Ok(Component {
            digest: found.digest,
            imports: found.imports,
            exports: found.exports,
            manifest: found.manifest.map(|manifest| manifest.to_string()),
            bytes: found.sizes.component_bytes,
            functions: found.sizes.functions,
            modules: found.sizes.modules,
        })
    }

    async fn prepare(&self, bytes: &[u8]) -> Result<Digest, GuestError> {
        self.inspect(bytes).map(|component| component.digest)
    }

    fn is_prepared(&self, _: &Digest) -> bool {
        true
    }

    async fn describe(&self, _: &Digest) -> Result<String, GuestError> {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed) as usize;
        Ok(self.answers[asked % 2].to_owned())
    }

    async fn validate(&self, _: &TenantId, _: &Digest, _: &Value) -> Result<Vec<ConfigIssue>, GuestError> {
        Err(GuestError::Host("nothing is validated here".to_owned()))
    }

    async fn run(&self, _: GuestRun, _: &mut dyn Calls) -> Result<(GuestEnd, Usage), GuestError> {
        Err(GuestError::Host("nothing is run here".to_owned()))
    }
}

/// Kept between runs of the tests, because the standard library is built in it.
fn cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("plugin-cache")
}

fn sdk() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sdk/rust")
}

fn template(folder: &Path) {
    let plugin = NewPlugin {
        directory: folder.to_owned(),
        name: "acme/coverage".to_owned(),
        sdk: SdkSource::Path(sdk()),
    };
    new(&plugin).unwrap();
}

/// A folder with a fresh template in it, the same each time, so that its dependencies are compiled once; for one test at a time.
async fn plugin() -> MutexGuard<'static, PathBuf> {
    static FOLDER: LazyLock<Mutex<PathBuf>> =
        LazyLock::new(|| Mutex::new(Path::new(env!("CARGO_TARGET_TMPDIR")).join("plugin")));
    let folder = FOLDER.lock().await;
    if folder.exists() {
        fs::remove_dir_all(&*folder).unwrap();
    }
    template(&folder);
    folder
}

async fn build_in(folder: &Path, answers: [&'static str; 2]) -> Result<Built, BuildError> {
    let request = BuildRequest { directory: folder.to_owned(), output: None, cache: cache(), offline: false };
    build(request, &Scripted::new(answers), Arc::new(Silent)).await
}

#[tokio::test]
async fn a_template_becomes_a_small_component_that_imports_what_it_calls() {
    let folder = plugin().await;
    let built = build_in(&folder, [MANIFEST, MANIFEST]).await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(built.path, folder.canonicalize().unwrap().join("coverage.wasm"));
    assert!(built.warnings.is_empty(), "{:?}", built.warnings);

    let found = inspect(&fs::read(&built.path).unwrap()).unwrap();
    assert_eq!(found, built.inspection);
    assert_eq!(found.name.as_deref(), Some("acme/coverage"));
    assert_eq!(found.exports, ["stageway:stage/stage@0.1.0"]);
    for import in &found.imports {
        let name = import.trim_start_matches("stageway:host/").trim_end_matches("@0.1.0");
        assert!(name == "tasks" || ALWAYS_LINKED.contains(&name), "{import}");
    }
    assert!(found.imports.iter().any(|import| import == "stageway:host/tasks@0.1.0"));
    assert!(found.sizes.component_bytes < 300_000, "{:?}", found.sizes);
}

#[tokio::test]
async fn the_same_sources_in_two_folders_give_the_same_bytes() {
    let one = plugin().await;
    let two = Path::new(env!("CARGO_TARGET_TMPDIR")).join("other");
    let _ = fs::remove_dir_all(&two);
    let deeper = two.join("somewhere/else entirely");
    template(&deeper);
    let first = build_in(&one, [MANIFEST, MANIFEST]).await.unwrap_or_else(|error| panic!("{error}"));
    // What cargo locked at first is what the second one is built with.
    fs::copy(one.join("Cargo.lock"), deeper.join("Cargo.lock")).unwrap();
    let second = build_in(&deeper, [MANIFEST, MANIFEST]).await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(first.inspection.digest, second.inspection.digest);
    let bytes = fs::read(&first.path).unwrap();
    for path in [&*one, &sdk().canonicalize().unwrap(), &cache()] {
        let path = path.to_str().unwrap().as_bytes();
        assert!(
            !bytes.windows(path.len()).any(|window| window == path),
            "{} is in the component",
            path.escape_ascii()
        );
    }
}

#[tokio::test]
async fn a_call_that_was_not_asked_for_is_refused() {
    let folder = plugin().await;
    let manifest = folder.join("Cargo.toml");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text.replace("interfaces = [\"tasks\"]", "interfaces = [\"source\"]")).unwrap();
    let error = build_in(&folder, [MANIFEST, MANIFEST]).await.unwrap_err();
    assert!(
        matches!(&error, BuildError::UnaskedInterface { interfaces } if interfaces == &["tasks"]),
        "{error}"
    );
    assert_eq!(error.code().to_string(), "SW0526");
    assert!(!folder.join("coverage.wasm").exists());

    fs::write(&manifest, text.replace("interfaces = [\"tasks\"]", "interfaces = [\"tasks\", \"sockets\"]"))
        .unwrap();
    let error = build_in(&folder, [MANIFEST, MANIFEST]).await.unwrap_err();
    assert!(matches!(&error, BuildError::UnknownInterface { unknown } if unknown == &["sockets"]), "{error}");
}

#[tokio::test]
async fn a_manifest_must_be_repeatable_and_want_what_is_imported() {
    let folder = plugin().await;
    let error = build_in(&folder, [MANIFEST, "{}"]).await.unwrap_err();
    assert!(matches!(error, BuildError::NotRepeatable { .. }), "{error}");
    let nothing = r#"{"name":"acme/coverage","version":"0.1.0","summary":"Runs one command",
        "configuration":{"type":"object"},"outputs":{"type":"object","properties":{}}}"#;
    let error = build_in(&folder, [nothing, nothing]).await.unwrap_err();
    assert!(
        matches!(&error, BuildError::UnwantedInterface { interfaces } if interfaces == &["tasks"]),
        "{error}"
    );
}

#[tokio::test]
async fn what_is_wrong_with_a_crate_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let error = build_in(folder.path(), [MANIFEST, MANIFEST]).await.unwrap_err();
    assert!(
        matches!(&error, BuildError::Package { problem, .. } if problem.contains("no Cargo.toml")),
        "{error}"
    );

    let folder = plugin().await;
    fs::write(folder.join("src/lib.rs"), "fn broken( {").unwrap();
    let error = build_in(&folder, [MANIFEST, MANIFEST]).await.unwrap_err();
    assert!(matches!(&error, BuildError::Compile { output } if output.contains("src/lib.rs")), "{error}");

    fs::write(folder.join("src/lib.rs"), "").unwrap();
    let error = build_in(&folder, [MANIFEST, MANIFEST]).await.unwrap_err();
    assert!(matches!(&error, BuildError::Encode(_)), "{error}");
}
