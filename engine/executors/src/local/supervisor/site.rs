//! The place of a task: its workspace, the roots of its processes, and its temporary files.

use super::cache::{self, Caches};
use super::disk::Owner;
use super::environment::Environment;
use super::image;
use super::life::Outcome;
use super::materialise;
use super::table::Table;
use super::task::Task;
use crate::local::sandbox::{Base, Mounted, NewRoot, Source, memory_beside};
use stageway_core::digest::Digest;
use stageway_core::task::{Process, Root, TaskSpec};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What of this machine every root shows, read-only, where it is there.
const SYSTEM: &[&str] = &["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];

/// What of `/etc` every root shows: certificates, the linker's tables, and which program stands for a name.
const ETC: &[&str] = &[
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/ca-certificates.conf",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/pki",
    "/etc/protocols",
    "/etc/services",
    "/etc/ssl",
];

/// A prepared place.
pub(super) struct Site {
    directory: PathBuf,
    owner: Owner,
    workspace: Option<(String, PathBuf)>,
    mounts: Vec<Mounted>,
    images: BTreeMap<Digest, PathBuf>,
    /// Variables that the caches ask for.
    pub variables: Vec<(String, String)>,
}

impl Site {
    /// Puts in place what a task needs before anything of it starts.
    pub(super) async fn prepare(table: &Table, task: &Task, spec: &TaskSpec) -> Result<Site, Outcome> {
        let (directory, owner) = (task.record.site(), table.owner);
        let mut site = Site {
            directory,
            owner,
            workspace: None,
            mounts: vec![],
            images: BTreeMap::new(),
            variables: vec![],
        };
        if let Some(mount) = &spec.workspace {
            let path = site.directory.join("workspace");
            materialise::tree(table.options.blobs.as_ref(), &mount.tree, &path, owner).await?;
            let source = Source::Bind { from: path.clone(), writable: mount.writable };
            site.mounts.push(Mounted { path: mount.path.clone(), source });
            site.workspace = Some((mount.path.clone(), path));
        }
        let Caches { mounts, variables } = cache::prepare(table, &site.directory, spec)?;
        site.mounts.extend(mounts);
        site.variables = variables;
        for process in
            std::iter::once(&spec.process).chain(spec.services.iter().map(|service| &service.process))
        {
            if let Root::Image(image) = &process.root {
                let unpacked = image::unpacked(table, image).await?;
                site.images.insert(image.digest, unpacked);
            }
        }
        Ok(site)
    }

    /// Where the workspace is mounted and where it lies.
    pub(super) fn workspace(&self) -> Option<(&str, &Path)> {
        self.workspace.as_ref().map(|(mount, path)| (mount.as_str(), path.as_path()))
    }

    /// Where a path of the task lies on this machine, for tasks without a sandbox.
    pub(super) fn outside(&self, path: &str) -> String {
        if path == "/tmp" {
            return self.directory.display().to_string();
        }
        match self.workspace() {
            Some((mount, real)) => match path.strip_prefix(mount) {
                Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("{}{rest}", real.display()),
                _ => path.to_owned(),
            },
            None => path.to_owned(),
        }
    }

    /// The root of a process.
    ///
    /// # Errors
    /// What could not be made, for the ending.
    pub(super) fn root(
        &self,
        environment: &Environment<'_>,
        number: u32,
        process: &Process,
    ) -> Result<Box<NewRoot>, String> {
        let failed = |error: io::Error| format!("a place for it cannot be made: {error}");
        let at = self.directory.join(format!("root-{number}"));
        fs::create_dir(&at).and_then(|()| fs::create_dir(memory_beside(&at))).map_err(failed)?;
        let temporary = self.directory.join(format!("tmp-{number}"));
        self.owner
            .folder(&temporary)
            .and_then(|()| self.owner.folder(&temporary.join("home")))
            .map_err(failed)?;
        let (base, mut mounts, mut links) = match &process.root {
            Root::Toolbox => (Base::Empty, vec![], vec![]),
            Root::Image(image) => (self.image_base(&image.digest, number).map_err(failed)?, vec![], vec![]),
        };
        if process.root == Root::Toolbox {
            system(&mut mounts, &mut links);
            mounts.extend(
                environment.options.toolbox.iter().filter(|path| path.exists()).map(|path| readable(path)),
            );
        }
        mounts.push(Mounted { path: "/proc".into(), source: Source::Processes });
        mounts.push(Mounted { path: "/dev".into(), source: Source::Devices });
        mounts
            .push(Mounted { path: "/tmp".into(), source: Source::Bind { from: temporary, writable: true } });
        mounts.extend(self.mounts.iter().cloned());
        Ok(Box::new(NewRoot { at, base, links, mounts, files: environment.files(process)? }))
    }

    fn image_base(&self, digest: &Digest, number: u32) -> io::Result<Base> {
        let lower = self.images.get(digest).cloned().ok_or(io::ErrorKind::NotFound)?;
        overlay(self.owner, &self.directory.join(format!("image-{number}")))
            .map(|(upper, work)| Base::Overlay { lower, upper, work })
    }
}

/// Makes the two directories that an overlay writes to.
pub(super) fn overlay(owner: Owner, below: &Path) -> io::Result<(PathBuf, PathBuf)> {
    let (upper, work) = (below.join("upper"), below.join("work"));
    owner.folder(below).and_then(|()| owner.folder(&upper)).and_then(|()| owner.folder(&work))?;
    Ok((upper, work))
}

fn readable(path: &Path) -> Mounted {
    let source = Source::Bind { from: path.to_owned(), writable: false };
    Mounted { path: path.display().to_string(), source }
}

fn system(mounts: &mut Vec<Mounted>, links: &mut Vec<(String, String)>) {
    for path in SYSTEM {
        match fs::read_link(path) {
            Ok(target) => links.push(((*path).to_owned(), target.display().to_string())),
            Err(_) if Path::new(path).is_dir() => mounts.push(readable(Path::new(path))),
            Err(_) => {}
        }
    }
    mounts.extend(ETC.iter().map(Path::new).filter(|path| path.exists()).map(readable));
}
