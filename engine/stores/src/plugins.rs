//! Plugins in directories.

use async_trait::async_trait;
use stageway_core::definition::Definition;
use stageway_core::digest::Digest;
use stageway_core::manifest::Manifest;
use stageway_core::plugin::{PluginName, PluginRef, VersionRef};
use stageway_ports::{
    Beside, Component, FoundPlugin, Guests, LOCK, ListedPlugin, MOST_COMPONENT, PluginError, Plugins,
};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// Components of one directory.
const MOST_FILES: usize = 1_000;

/// The components `*.wasm` of some directories, and those beside a pipeline file.
///
/// A reference means the highest version that matches, over all directories; a pre-release only when it is written out.
pub struct PluginDirectories {
    guests: Arc<dyn Guests>,
    directories: Vec<PathBuf>,
    /// What was in each file when it was looked at last: a file is inspected again only when it is another.
    known: Mutex<BTreeMap<PathBuf, (FileState, Contents)>>,
}

/// Length and time of the last change.
type FileState = (u64, Option<SystemTime>);

/// The plugin in a file; none if there is no file, or if what is in it has no manifest.
type Contents = Result<Option<Arc<Known>>, PluginError>;

/// A plugin, without its bytes.
#[derive(Clone)]
struct Known {
    component: Component,
    manifest: Manifest,
}

impl PluginDirectories {
    /// Directories that need not exist.
    pub fn new(guests: Arc<dyn Guests>, directories: Vec<PathBuf>) -> Self {
        Self { guests, directories, known: Mutex::default() }
    }

    fn named(
        &self,
        reference: &PluginRef,
        name: &PluginName,
        version: &VersionRef,
    ) -> Result<FoundPlugin, PluginError> {
        let (mut versions, mut alike) = (BTreeSet::new(), BTreeSet::new());
        let mut matching = BTreeMap::new();
        for file in self.files()? {
            let Some(known) = self.known(&file)? else { continue };
            let manifest = &known.manifest;
            if manifest.name != *name {
                if file_part(&manifest.name) == file_part(name) {
                    alike.insert(format!("{}@{}", manifest.name, manifest.version));
                }
            } else if version.matches(&manifest.version) {
                matching.entry(manifest.version.clone()).or_insert_with(Vec::new).push((file, known));
            } else {
                versions.insert(manifest.version.clone());
            }
        }
        let nearest = || {
            let highest_first = versions.iter().rev().map(|version| format!("{name}@{version}"));
            highest_first.chain(alike.iter().cloned()).collect()
        };
        let Some((version, mut found)) = matching.pop_last() else {
            return Err(self.not_found(reference, nearest()));
        };
        let digests: BTreeSet<Digest> = found.iter().map(|(_, known)| known.component.digest).collect();
        if digests.len() > 1 {
            let files = found.iter().map(|(file, _)| file.display().to_string()).collect();
            return Err(PluginError::Ambiguous {
                name: name.to_string(),
                version: version.to_string(),
                files,
            });
        }
        match found.pop() {
            Some((file, known)) => take(&file, &known),
            None => Err(self.not_found(reference, nearest())),
        }
    }

    fn pinned(&self, reference: &PluginRef, digest: Digest) -> Result<FoundPlugin, PluginError> {
        for file in self.files()? {
            if let Some(known) = self.known(&file)?
                && known.component.digest == digest
            {
                return take(&file, &known);
            }
        }
        Err(PluginError::Locked { reference: reference.to_string(), pinned: digest })
    }

    fn beside(
        &self,
        (reference, path): (&PluginRef, &str),
        beside: &Beside,
        pinned: Option<Digest>,
    ) -> Result<FoundPlugin, PluginError> {
        let file = beside.place(path);
        let Some(bytes) = beside.file(path)? else {
            return Err(PluginError::NotFound {
                reference: reference.to_string(),
                looked_in: vec![beside.folder()],
                nearest: Vec::new(),
            });
        };
        let Some(known) = self.inspect(&file, bytes)? else {
            return Err(unreadable(&file, "it is no plugin: its component has no manifest"));
        };
        let Known { component, manifest } = (*known).clone();
        match pinned.filter(|pinned| *pinned != component.digest) {
            Some(pinned) => Err(PluginError::Locked { reference: reference.to_string(), pinned }),
            None => Ok(FoundPlugin { component, manifest, bytes: bytes.to_vec() }),
        }
    }

    /// Every component of the directories, in order.
    fn files(&self) -> Result<Vec<PathBuf>, PluginError> {
        let mut found = Vec::new();
        for directory in &self.directories {
            let entries = match std::fs::read_dir(directory) {
                Ok(entries) => entries,
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(unreadable(directory, &error.to_string())),
            };
            let mut files: Vec<PathBuf> = entries
                .filter_map(|entry| entry.ok().map(|entry| entry.path()))
                .filter(|path| is_component(path))
                .take(MOST_FILES + 1)
                .collect();
            if files.len() > MOST_FILES {
                return Err(unreadable(directory, &format!("it has more than {MOST_FILES} components")));
            }
            files.sort();
            found.extend(files);
        }
        Ok(found)
    }

    /// The plugin in a file; none if there is no file, or if what is in it has no manifest.
    fn known(&self, file: &Path) -> Contents {
        let Ok(metadata) = std::fs::metadata(file) else { return Ok(None) };
        let state = (metadata.len(), metadata.modified().ok());
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((seen, contents)) = known.get(file)
            && *seen == state
        {
            return contents.clone();
        }
        let contents = match read(file, MOST_COMPONENT) {
            Ok(bytes) => bytes.map_or(Ok(None), |bytes| self.inspect(file, &bytes)),
            Err(problem) => Err(unreadable(file, &problem)),
        };
        known.insert(file.to_owned(), (state, contents.clone()));
        contents
    }

    fn inspect(&self, file: &Path, bytes: &[u8]) -> Contents {
        let component = self.guests.inspect(bytes).map_err(|error| unreadable(file, &error.to_string()))?;
        let Some(manifest) = &component.manifest else { return Ok(None) };
        let manifest = Manifest::parse(manifest.as_bytes()).map_err(|problems| {
            let problems: Vec<String> = problems.iter().map(|problem| problem.message.clone()).collect();
            unreadable(file, &format!("its manifest: {}", problems.join("; ")))
        })?;
        Ok(Some(Arc::new(Known { component, manifest })))
    }

    /// A file as lists show it. What is no plugin is none.
    fn listed(&self, file: &Path) -> Option<ListedPlugin> {
        match self.known(file) {
            Ok(known) => known.map(|known| ListedPlugin {
                name: known.manifest.name.clone(),
                version: known.manifest.version.clone(),
                summary: known.manifest.summary.clone(),
                digest: known.component.digest,
                imports: known.component.imports.clone(),
            }),
            Err(problem) => {
                tracing::debug!(%problem, "a plugin is left out of the list");
                None
            }
        }
    }

    fn not_found(&self, reference: &PluginRef, nearest: Vec<String>) -> PluginError {
        PluginError::NotFound {
            reference: reference.to_string(),
            looked_in: self.directories.iter().map(|directory| directory.display().to_string()).collect(),
            nearest,
        }
    }

    fn find_blocking(&self, reference: &PluginRef, beside: &Beside) -> Result<FoundPlugin, PluginError> {
        match (pinned_by_lock(reference, beside)?, reference) {
            (pinned, PluginRef::File(path)) => self.beside((reference, path), beside, pinned),
            (Some(digest), _) => self.pinned(reference, digest),
            (None, PluginRef::Named { name, version }) => self.named(reference, name, version),
        }
    }
}

/// Reads what lies beside a pipeline file in this folder.
pub fn beside(folder: &Path, definition: &Definition) -> Beside {
    let mut beside = Beside::new(folder);
    for (path, most) in Beside::wanted(definition) {
        match read(&folder.join(&path), most) {
            Ok(Some(bytes)) => beside.put(path, Ok(bytes)),
            Ok(None) => {}
            Err(problem) => beside.put(path, Err(problem)),
        }
    }
    beside
}

/// The digest that the lock pins; none without a lock.
fn pinned_by_lock(reference: &PluginRef, beside: &Beside) -> Result<Option<Digest>, PluginError> {
    let Some(bytes) = beside.file(LOCK)? else { return Ok(None) };
    let broken = |problem: String| unreadable(&beside.place(LOCK), &problem);
    let wanted = reference.to_string();
    for (number, line) in String::from_utf8_lossy(bytes).lines().enumerate() {
        let number = number + 1;
        let words: Vec<&str> = line.split('#').next().unwrap_or_default().split_whitespace().collect();
        match words[..] {
            [] => {}
            [reference, digest] => {
                let digest = digest.parse().map_err(|error| broken(format!("line {number}: {error}")))?;
                if reference == wanted {
                    return Ok(Some(digest));
                }
            }
            _ => return Err(broken(format!("line {number} is not `REFERENCE DIGEST`"))),
        }
    }
    Err(broken(format!("it has no line for `{wanted}`")))
}

/// A plugin with its bytes, which are still those that were inspected.
fn take(file: &Path, known: &Known) -> Result<FoundPlugin, PluginError> {
    let bytes = read(file, MOST_COMPONENT).map_err(|problem| unreadable(file, &problem))?.unwrap_or_default();
    let component = known.component.clone();
    if Digest::of(&bytes) != component.digest {
        return Err(unreadable(file, "it is being replaced"));
    }
    Ok(FoundPlugin { component, manifest: known.manifest.clone(), bytes })
}

/// Hidden files are not finished yet.
fn is_component(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.ends_with(".wasm") && !name.starts_with('.')
}

fn file_part(name: &PluginName) -> &str {
    name.as_str().rsplit('/').next().unwrap_or_default()
}

/// A file whole; none if it is not there.
fn read(file: &Path, most: u64) -> Result<Option<Vec<u8>>, String> {
    let opened = match std::fs::File::open(file) {
        Ok(opened) => opened,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let mut bytes = Vec::new();
    opened.take(most + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > most {
        return Err(format!("it has more than {most} bytes"));
    }
    Ok(Some(bytes))
}

fn unreadable(file: &Path, problem: &str) -> PluginError {
    PluginError::Unreadable { file: file.display().to_string(), problem: problem.to_owned() }
}

#[async_trait]
impl Plugins for PluginDirectories {
    /// Reads files, but no more than a run's start: it is not worth a thread.
    async fn find(&self, reference: &PluginRef, beside: &Beside) -> Result<FoundPlugin, PluginError> {
        self.find_blocking(reference, beside)
    }

    async fn list(&self) -> Result<Vec<ListedPlugin>, PluginError> {
        let mut listed: Vec<ListedPlugin> = Vec::new();
        for file in self.files()? {
            listed.extend(self.listed(&file));
        }
        listed.sort_by(|a, b| (&a.name, &a.version, a.digest).cmp(&(&b.name, &b.version, b.digest)));
        listed.dedup();
        Ok(listed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value as Json, json};
    use stageway_core::definition::parse;
    use stageway_core::name::TenantId;
    use stageway_core::run::Usage;
    use stageway_ports::{Calls, ConfigIssue, GuestEnd, GuestError, GuestRun};

    /// Takes a text `NAME VERSION ANYTHING` for a component.
    struct Texts;

    #[async_trait]
    impl Guests for Texts {
        fn inspect(&self, bytes: &[u8]) -> Result<Component, GuestError> {
            let text = String::from_utf8_lossy(bytes).into_owned();
            let [name, version, ..] = text.split(' ').collect::<Vec<_>>()[..] else {
                return Err(GuestError::Malformed("not even a text".into()));
            };
            let schema = json!({"type": "object", "properties": {}});
            let manifest = json!({"name": name, "version": version, "summary": "s", "configuration": schema,
                "outputs": schema, "grants": {"required": [], "optional": []}});
            Ok(Component {
                digest: Digest::of(bytes),
                imports: vec![],
                exports: vec![],
                manifest: (name != "-").then(|| manifest.to_string()),
                bytes: bytes.len() as u64,
                functions: 0,
                modules: 0,
            })
        }

        async fn prepare(&self, bytes: &[u8]) -> Result<Digest, GuestError> {
            Ok(Digest::of(bytes))
        }

        fn is_prepared(&self, _: &Digest) -> bool {
            true
        }

        async fn describe(&self, _: &Digest) -> Result<String, GuestError> {
            Err(GuestError::Host("nothing is run here".into()))
        }

        async fn validate(&self, _: &TenantId, _: &Digest, _: &Json) -> Result<Vec<ConfigIssue>, GuestError> {
            Ok(vec![])
        }

        async fn run(&self, _: GuestRun, _: &mut dyn Calls) -> Result<(GuestEnd, Usage), GuestError> {
            Err(GuestError::Host("nothing is run here".into()))
        }
    }

    /// Two directories and a folder with these files, and what a reference means there.
    async fn find(files: &[(&str, &str)], reference: &str) -> Result<String, PluginError> {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let directories = ["one", "two", "absent"].map(|name| root.path().join(name)).into();
        let plugins = PluginDirectories::new(Arc::new(Texts), directories);
        let file = format!("pipeline: p\non: manual\nstages: {{ a: {{ uses: {reference} }} }}\n");
        let definition = parse("stageway.yaml", file.as_bytes()).definition.unwrap();
        let beside = beside(&root.path().join("tree"), &definition);
        let found = plugins.find(&reference.parse().unwrap(), &beside).await?;
        Ok(String::from_utf8(found.bytes).unwrap())
    }

    #[tokio::test]
    async fn the_highest_version_that_matches_over_all_directories() {
        let files = [
            ("one/a.wasm", "a/b 1.4.0 x"),
            ("one/pre.wasm", "a/b 1.6.0-rc.1 x"),
            ("two/b.wasm", "a/b 1.10.0 x"),
            ("two/same.wasm", "a/b 1.10.0 x"),
            ("two/c.wasm", "a/b 2.0.0 x"),
            ("two/.half.wasm", "x"),
            ("two/raw.wasm", "- 1.0.0 no manifest"),
            ("two/notes.md", "x"),
        ];
        for (reference, expected) in [
            ("a/b@1", "a/b 1.10.0 x"),
            ("a/b@1.4", "a/b 1.4.0 x"),
            ("a/b@2.0.0", "a/b 2.0.0 x"),
            ("a/b@1.6.0-rc.1", "a/b 1.6.0-rc.1 x"),
        ] {
            assert_eq!(find(&files, reference).await.unwrap(), expected, "{reference}");
        }
    }

    #[tokio::test]
    async fn the_list_has_every_plugin_once_and_leaves_out_what_is_none() {
        let root = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(root.path().join(name), text).unwrap();
        for (name, text) in [
            ("a.wasm", "a/b 1.4.0 x"),
            ("b.wasm", "a/b 1.4.0 x"),
            ("c.wasm", "broken"),
            ("d.wasm", "- 1.0.0 x"),
        ] {
            write(name, text);
        }
        let plugins = PluginDirectories::new(Arc::new(Texts), vec![root.path().to_owned()]);
        let versions = async || {
            let listed = plugins.list().await.unwrap();
            listed.iter().map(|plugin| format!("{} {}", plugin.name, plugin.version)).collect::<Vec<_>>()
        };
        assert_eq!(versions().await, ["a/b 1.4.0"]);
        write("b.wasm", "a/b 1.10.0 longer");
        assert_eq!(versions().await, ["a/b 1.4.0", "a/b 1.10.0"], "a file that was replaced is read again");
    }

    #[tokio::test]
    async fn what_is_not_there_tells_what_is() {
        let files = [
            ("one/a.wasm", "a/b 1.4.0 x"),
            ("one/b.wasm", "a/b 1.10.0 x"),
            ("one/c.wasm", "c/b 1.0.0 x"),
            ("one/d.wasm", "c/d 1.0.0 x"),
        ];
        let PluginError::NotFound { nearest, looked_in, .. } = find(&files, "a/b@2").await.unwrap_err()
        else {
            panic!("it is not there")
        };
        assert_eq!(nearest, ["a/b@1.10.0", "a/b@1.4.0", "c/b@1.0.0"]);
        assert_eq!(looked_in.len(), 3);
    }

    #[tokio::test]
    async fn one_version_with_two_digests_names_both_files() {
        let files = [("one/a.wasm", "a/b 1.4.0 x"), ("two/z.wasm", "a/b 1.4.0 y")];
        let PluginError::Ambiguous { files, .. } = find(&files, "a/b@1").await.unwrap_err() else {
            panic!("it is ambiguous")
        };
        assert!(files[0].ends_with("one/a.wasm") && files[1].ends_with("two/z.wasm"), "{files:?}");
    }

    #[tokio::test]
    async fn a_lock_decides_alone() {
        let (old, new) = (("one/a.wasm", "a/b 1.4.0 x"), ("two/b.wasm", "a/b 1.5.0 x"));
        let lock = format!("# pinned\na/b@1 {}\n", Digest::of(old.1.as_bytes()));
        let locked = [old, new, ("tree/stageway.lock", lock.as_str())];
        assert_eq!(find(&locked, "a/b@1").await.unwrap(), old.1);
        assert!(
            matches!(find(&locked, "a/b@1.5").await, Err(PluginError::Unreadable { .. })),
            "no line for it"
        );
        let gone = [new, ("tree/stageway.lock", lock.as_str())];
        assert!(matches!(find(&gone, "a/b@1").await, Err(PluginError::Locked { .. })));
        let broken = [old, ("tree/stageway.lock", "a/b@1 sha256:12")];
        let PluginError::Unreadable { problem, .. } = find(&broken, "a/b@1").await.unwrap_err() else {
            panic!("it is broken")
        };
        assert!(problem.starts_with("line 1: "), "{problem}");
    }

    #[tokio::test]
    async fn a_component_beside_the_pipeline_file() {
        let files =
            [("tree/p/x.wasm", "a/b 1.0.0 x"), ("tree/raw.wasm", "- 1.0.0 x"), ("one/broken.wasm", "x")];
        assert_eq!(find(&files, "./p/x.wasm").await.unwrap(), "a/b 1.0.0 x");
        for (pinned, is_there) in [("a/b 1.0.0 x", true), ("a/b 1.0.0 y", false)] {
            let lock = format!("./p/x.wasm {}\n", Digest::of(pinned.as_bytes()));
            let found = find(&[files[0], ("tree/stageway.lock", &lock)], "./p/x.wasm").await;
            assert!(found.is_ok() == is_there, "the lock decides of it, too: {found:?}");
        }
        assert!(matches!(find(&files, "./y.wasm").await, Err(PluginError::NotFound { .. })));
        assert!(matches!(find(&files, "./raw.wasm").await, Err(PluginError::Unreadable { .. })));
        assert!(
            matches!(find(&files, "a/b@1").await, Err(PluginError::Unreadable { .. })),
            "a broken component"
        );
    }
}
