//! Where everything is: the operator's configuration, the command line and the environment, resolved to paths.
//!
//! | what | first of |
//! | -- | -- |
//! | configuration | `--config`, `$XDG_CONFIG_HOME/stageway/config.yaml`, built in |
//! | state | `--state`, `STAGEWAY_STATE`, `state:`, `$XDG_STATE_HOME/stageway` |
//! | memory | `database:` (PostgreSQL), then SQLite in the state |
//! | blobs | `blobs:` (a directory or `s3://BUCKET/PREFIX`), then `blobs` in the state |
//! | plugins | `--plugins`, `STAGEWAY_PLUGINS`, `plugins:`, then both `plugins/` beside the binary and `$XDG_DATA_HOME/stageway/plugins` |
//! | connections | `connections:`, then every name is the image layout directory `STATE/images/NAME` |
//! | clusters | `clusters:` |
//! | where tasks run | `executor:`, then on this machine |
//! | toolbox | `toolbox:`, then Rust where it is: `bin` of `CARGO_HOME` or of `~/.cargo`, and `RUSTUP_HOME` or `~/.rustup` |
//! | cargo's registry | `CARGO_HOME`, then `~/.cargo` |
//! | cache of plugin builds | `$XDG_CACHE_HOME/stageway`, in the state |
//! | policy | `policy:`, then built in: a person may everything, `stageway/*` gets what its manifests derive |

use crate::exit::{Exit, Invalid, Refused};
use crate::terminal::Sources;
use anyhow::Result;
use stageway_core::name::TenantId;
use stageway_core::operator::{ClusterAccess, Connection, Operator, Pods, Service};
use stageway_core::policy::{Egress, Policy, SecretSource};
use stageway_stores::BlobPlace;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The configuration and the policy have at most this many bytes; more is told by their parsers.
const MOST_BYTES: u64 = 2 << 20;

/// What the command line says about places.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Places {
    /// The operator's configuration
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The state directory
    #[arg(long, global = true, value_name = "DIR", env = "STAGEWAY_STATE")]
    pub(crate) state: Option<PathBuf>,
    /// A directory with plugins, instead of the usual ones
    #[arg(long, global = true, value_name = "DIR", env = "STAGEWAY_PLUGINS")]
    pub(crate) plugins: Option<PathBuf>,
}

/// What is asked of the process itself.
pub(crate) struct Surroundings<'a> {
    /// A variable of the environment.
    pub(crate) variable: &'a dyn Fn(&str) -> Option<OsString>,
    /// The directory that the binary is in.
    pub(crate) beside: Option<PathBuf>,
    /// The present directory.
    pub(crate) here: PathBuf,
}

/// One installation, resolved. All paths are absolute.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The file that was read; none is built in.
    pub(crate) file: Option<PathBuf>,
    /// The state directory; it need not exist.
    pub(crate) state: PathBuf,
    /// Where the address of a database is read; none: SQLite in the state directory.
    pub(crate) database: Option<SecretSource>,
    /// Where blobs lie.
    pub(crate) blobs: BlobPlace,
    /// Directories with plugins; they need not exist.
    pub(crate) plugins: Vec<PathBuf>,
    /// The tenant's policy.
    pub(crate) policy: Policy,
    /// What paths of secrets are relative to.
    pub(crate) folder: PathBuf,
    /// What the names of connections mean; none: image layouts in the state directory.
    pub(crate) connections: Option<BTreeMap<String, Connection>>,
    /// What the names of clusters mean.
    pub(crate) clusters: BTreeMap<String, ClusterAccess>,
    /// Where tasks run besides this machine.
    pub(crate) executor: Option<Pods>,
    /// Directories that tasks see.
    pub(crate) toolbox: Vec<PathBuf>,
    /// The user's `~/.cargo`, if it exists.
    pub(crate) cargo_home: Option<PathBuf>,
    /// What may be reached although it is always denied.
    pub(crate) egress: Egress,
    /// What a server needs beyond that.
    pub(crate) service: Service,
    /// The policies of tenants that have their own.
    pub(crate) policies: BTreeMap<TenantId, Policy>,
    /// What is made again when it is gone, for every state directory of this user.
    pub(crate) cache: PathBuf,
}

impl Settings {
    /// Reads and resolves everything.
    ///
    /// # Errors
    /// [`Invalid`] with every problem of the file; [`Refused`] when a file that was named cannot be read, or nothing says
    /// where the state is.
    pub(crate) fn load(places: &Places, around: &Surroundings<'_>) -> Result<Self> {
        let home = absolute_variable(around, "HOME");
        let found = configuration(places, around, home.as_deref())?;
        let (file, operator) = match found {
            Some((file, operator)) => (Some(file), operator),
            None => (None, Operator::default()),
        };
        let folder = file.as_ref().and_then(|file| file.parent()).unwrap_or(&around.here).to_owned();
        let resolve = |text: &String| resolve(text, &folder, home.as_deref());
        let state = match (&places.state, &operator.state) {
            (Some(state), _) => around.here.join(state),
            (None, Some(state)) => resolve(state),
            (None, None) => {
                base(around, "XDG_STATE_HOME", home.as_deref(), ".local/state").ok_or_else(|| {
                    Refused::usage(
                        "nothing says where the state is kept",
                        "set HOME, STAGEWAY_STATE or --state",
                    )
                })?
            }
        };
        let policy = match &operator.policy {
            Some(path) => policy(&resolve(path))?,
            None => Policy::single_machine(),
        };
        let mut policies = BTreeMap::new();
        for (tenant, rules) in &operator.service.tenants {
            if let Some(path) = &rules.policy {
                policies.insert(tenant.clone(), self::policy(&resolve(path))?);
            }
        }
        let mut egress = operator.egress.clone();
        egress.allow.extend(policy.egress.allow.iter().cloned());
        let plugins = plugins(places, &operator, around, home.as_deref(), &resolve);
        let toolbox = match &operator.toolbox {
            Some(paths) => paths.iter().map(resolve).collect(),
            None => usual_toolbox(around, home.as_deref()),
        };
        let blobs = match &operator.blobs {
            Some(text) => BlobPlace::bucket(text).unwrap_or_else(|| BlobPlace::Directory(resolve(text))),
            None => BlobPlace::Directory(state.join("blobs")),
        };
        let cache = base(around, "XDG_CACHE_HOME", home.as_deref(), ".cache");
        Ok(Self {
            cache: cache.unwrap_or_else(|| state.join("cache")),
            connections: (!operator.connections.is_empty())
                .then(|| connections(&operator.connections, &folder, home.as_deref())),
            clusters: clusters(&operator.clusters, &folder, home.as_deref()),
            executor: operator.executor.clone(),
            service: operator.service.clone(),
            policies,
            cargo_home: rust(around, "CARGO_HOME", home.as_deref(), ".cargo").find(|path| path.is_dir()),
            file,
            database: operator.database.clone(),
            blobs,
            state,
            plugins,
            policy,
            folder,
            toolbox,
            egress,
        })
    }

    /// Which configuration this is, in one line.
    pub(crate) fn in_words(&self) -> String {
        match &self.file {
            Some(file) => file.display().to_string(),
            None => "built in (no configuration file)".to_owned(),
        }
    }

    /// The connection that a name means; none if there is none.
    pub(crate) fn connection(&self, name: &str) -> Option<Connection> {
        match &self.connections {
            Some(connections) => connections.get(name).cloned(),
            // The name becomes part of a path.
            None if name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') && !name.is_empty() => {
                Some(Connection::Layout(self.state.join("images").join(name).display().to_string()))
            }
            None => None,
        }
    }
}

fn configuration(
    places: &Places,
    around: &Surroundings<'_>,
    home: Option<&Path>,
) -> Result<Option<(PathBuf, Operator)>> {
    let usual = base(around, "XDG_CONFIG_HOME", home, ".config").map(|folder| folder.join("config.yaml"));
    let named = places.config.as_ref().map(|path| around.here.join(path));
    let Some(path) = named.clone().or(usual) else { return Ok(None) };
    let bytes = match read(&path) {
        Ok(bytes) => bytes,
        Err(error) if named.is_none() && error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(&path, &error).into()),
    };
    let name = path.display().to_string();
    match Operator::parse(&name, &bytes) {
        Ok(operator) => Ok(Some((path, operator))),
        Err(diagnostics) => Err(Invalid { diagnostics, sources: Sources::of(&name, &bytes) }.into()),
    }
}

fn policy(path: &Path) -> Result<Policy> {
    let bytes = read(path).map_err(|error| unreadable(path, &error))?;
    let name = path.display().to_string();
    Policy::parse(&name, &bytes)
        .map_err(|diagnostics| Invalid { diagnostics, sources: Sources::of(&name, &bytes) }.into())
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(MOST_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn unreadable(path: &Path, error: &std::io::Error) -> Refused {
    let message = format!("{} cannot be read: {error}", path.display());
    Refused::new(Exit::Usage, message, "name a file that exists and that you may read")
}

fn plugins(
    places: &Places,
    operator: &Operator,
    around: &Surroundings<'_>,
    home: Option<&Path>,
    resolve: &dyn Fn(&String) -> PathBuf,
) -> Vec<PathBuf> {
    if let Some(named) = &places.plugins {
        return vec![around.here.join(named)];
    }
    if let Some(named) = &operator.plugins {
        return named.iter().map(resolve).collect();
    }
    let beside = around.beside.as_ref().map(|folder| folder.join("plugins"));
    let data = base(around, "XDG_DATA_HOME", home, ".local/share").map(|folder| folder.join("plugins"));
    beside.into_iter().chain(data).collect()
}

fn connections(
    written: &BTreeMap<String, Connection>,
    folder: &Path,
    home: Option<&Path>,
) -> BTreeMap<String, Connection> {
    let resolved = |connection: &Connection| match connection {
        Connection::Layout(path) => Connection::Layout(resolve(path, folder, home).display().to_string()),
        other @ (Connection::Registry(_) | Connection::Ecr(_)) => other.clone(),
    };
    written.iter().map(|(name, connection)| (name.clone(), resolved(connection))).collect()
}

fn clusters(
    written: &BTreeMap<String, ClusterAccess>,
    folder: &Path,
    home: Option<&Path>,
) -> BTreeMap<String, ClusterAccess> {
    let resolved = |access: &ClusterAccess| ClusterAccess {
        kubeconfig: access.kubeconfig.as_ref().map(|path| resolve(path, folder, home).display().to_string()),
        context: access.context.clone(),
    };
    written.iter().map(|(name, access)| (name.clone(), resolved(access))).collect()
}

fn usual_toolbox(around: &Surroundings<'_>, home: Option<&Path>) -> Vec<PathBuf> {
    let mut programs = rust(around, "CARGO_HOME", home, ".cargo").map(|path| path.join("bin"));
    let mut toolchains = rust(around, "RUSTUP_HOME", home, ".rustup");
    let both = [programs.find(|path| path.is_dir()), toolchains.find(|path| path.is_dir())];
    both.into_iter().flatten().collect()
}

/// Where a folder of Rust may be: where the variable says, and below the home
/// (<https://rust-lang.github.io/rustup/environment-variables.html>).
fn rust(
    around: &Surroundings<'_>,
    variable: &str,
    home: Option<&Path>,
    usual: &str,
) -> impl Iterator<Item = PathBuf> + use<> {
    [absolute_variable(around, variable), home.map(|home| home.join(usual))].into_iter().flatten()
}

/// A path of the file: `~/` is the home, relative ones are below the file's folder.
fn resolve(text: &str, folder: &Path, home: Option<&Path>) -> PathBuf {
    match (text.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => folder.join(text),
    }
}

/// `$VARIABLE/stageway`, or `~/USUAL/stageway`. A relative variable is ignored, as the base directory specification says.
fn base(around: &Surroundings<'_>, variable: &str, home: Option<&Path>, usual: &str) -> Option<PathBuf> {
    let folder = absolute_variable(around, variable).or_else(|| home.map(|home| home.join(usual)))?;
    Some(folder.join("stageway"))
}

fn absolute_variable(around: &Surroundings<'_>, name: &str) -> Option<PathBuf> {
    (around.variable)(name).map(PathBuf::from).filter(|path| path.is_absolute())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(places: &Places, home: &Path) -> Result<Settings> {
        let variable = |name: &str| (name == "HOME").then(|| home.into());
        let around =
            Surroundings { variable: &variable, beside: Some("/opt/stageway".into()), here: "/here".into() };
        Settings::load(places, &around)
    }

    fn write(home: &Path, text: &str) -> PathBuf {
        let folder = home.join(".config/stageway");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("config.yaml"), text).unwrap();
        folder
    }

    #[test]
    fn without_a_file_everything_is_built_in() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(home.path().join(".cargo/bin")).unwrap();
        let settings = load(&Places::default(), home.path()).unwrap();
        assert_eq!(settings.file, None);
        assert_eq!(settings.state, home.path().join(".local/state/stageway"));
        let data = home.path().join(".local/share/stageway/plugins");
        assert_eq!(settings.plugins, [PathBuf::from("/opt/stageway/plugins"), data]);
        assert_eq!(settings.toolbox, [home.path().join(".cargo/bin")]);
        let layout = settings.state.join("images/production").display().to_string();
        assert_eq!(settings.connection("production"), Some(Connection::Layout(layout)));
        assert_eq!(settings.connection("../x"), None);
    }

    #[test]
    fn rust_is_where_its_variables_say() {
        let (home, usr) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let [cargo, rustup] = ["cargo", "rustup"].map(|name| usr.path().join(name));
        for folder in [&cargo.join("bin"), &rustup, &home.path().join(".cargo/bin")] {
            std::fs::create_dir_all(folder).unwrap();
        }
        let variable = |name: &str| match name {
            "HOME" => Some(home.path().into()),
            "CARGO_HOME" => Some(cargo.clone().into()),
            "RUSTUP_HOME" => Some(rustup.clone().into()),
            _ => None,
        };
        let around =
            Surroundings { variable: &variable, beside: Some("/opt/stageway".into()), here: "/here".into() };
        let settings = Settings::load(&Places::default(), &around).unwrap();
        assert_eq!(settings.toolbox, [cargo.join("bin"), rustup.clone()]);
        assert_eq!(settings.cargo_home, Some(cargo));
        assert_eq!(load(&Places::default(), home.path()).unwrap().toolbox, [home.path().join(".cargo/bin")]);
    }

    #[test]
    fn the_command_line_comes_before_the_file_and_paths_are_relative_to_it() {
        let home = tempfile::tempdir().unwrap();
        let folder = write(
            home.path(),
            "state: data\nplugins: [~/p]\nconnections: { build: { layout: l } }\nclusters: { prod: { kubeconfig: k } }\ntoolbox: [/opt/go]\n",
        );
        let settings = load(&Places::default(), home.path()).unwrap();
        assert_eq!(settings.state, folder.join("data"));
        assert_eq!(settings.plugins, [home.path().join("p")]);
        assert_eq!(settings.toolbox, [PathBuf::from("/opt/go")]);
        let layout = folder.join("l").display().to_string();
        assert_eq!(settings.connection("build"), Some(Connection::Layout(layout)));
        assert_eq!(settings.connection("production"), None, "the file names every connection");
        assert_eq!(settings.clusters["prod"].kubeconfig, Some(folder.join("k").display().to_string()));
        let places = Places { state: Some("s".into()), plugins: Some("q".into()), config: None };
        let settings = load(&places, home.path()).unwrap();
        assert_eq!((settings.state, settings.plugins), ("/here/s".into(), vec!["/here/q".into()]));
    }

    #[test]
    fn an_unknown_key_is_an_error_with_its_place() {
        let home = tempfile::tempdir().unwrap();
        write(home.path(), "stat: x\n");
        let error = load(&Places::default(), home.path()).unwrap_err().downcast::<Invalid>().unwrap();
        assert_eq!(error.exit(), Exit::Invalid);
        assert_eq!(error.diagnostics[0].place.as_ref().map(|place| (place.line, place.column)), Some((1, 1)));
    }

    #[test]
    fn a_file_that_was_named_must_be_there() {
        let home = tempfile::tempdir().unwrap();
        let places = Places { config: Some("absent.yaml".into()), ..Places::default() };
        let error = load(&places, home.path()).unwrap_err().downcast::<Refused>().unwrap();
        assert_eq!(error.exit, Exit::Usage);
    }

    #[test]
    fn a_policy_is_read_and_its_problems_are_told() {
        let home = tempfile::tempdir().unwrap();
        let folder = write(home.path(), "policy: policy.yaml\negress: { allow: [\"127.0.0.1:1\"] }\n");
        std::fs::write(
            folder.join("policy.yaml"),
            "trust: { protected: { allow: \"*\" } }\negress: { allow: [\"127.0.0.1:2\"] }\n",
        )
        .unwrap();
        assert_eq!(load(&Places::default(), home.path()).unwrap().egress.allow.len(), 2);
        std::fs::write(folder.join("policy.yaml"), "trusty: {}\n").unwrap();
        let error = load(&Places::default(), home.path()).unwrap_err().downcast::<Invalid>().unwrap();
        assert!(error.diagnostics.iter().any(|d| d.message.contains("trusty")));
    }
}
