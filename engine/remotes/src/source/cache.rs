use super::scan::Stamp;
use stageway_core::digest::Digest;
use std::collections::HashMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// A file that changed this shortly before it was read may change again within the same tick of the clock.
const TICK: i128 = 2_000_000_000;
/// The file is read up to this many bytes.
const MAX_BYTES: u64 = 256 << 20;

/// Digests of files by path and [`Stamp`]. A file is only remembered when a later change must show in its stamp; what
/// cannot be read or written is as if there were no cache.
#[derive(Debug, Default)]
pub(super) struct StatCache {
    path: Option<PathBuf>,
    entries: HashMap<String, (Stamp, Digest)>,
    changed: bool,
}

impl StatCache {
    /// The cache of one root in a folder of the engine's state.
    pub(super) fn load(folder: Option<&Path>, root: &Path) -> Self {
        let Some(folder) = folder else { return Self::default() };
        let name = Digest::of(root.as_os_str().as_encoded_bytes()).hex();
        let path = folder.join(format!("{}.stat", &name[..32]));
        let small = std::fs::metadata(&path).is_ok_and(|found| found.len() <= MAX_BYTES);
        let text = if small { std::fs::read_to_string(&path).unwrap_or_default() } else { String::new() };
        // One malformed line means that another version or a broken disk wrote it: none of it is believed.
        let entries = text.lines().map(read_line).collect::<Option<_>>().unwrap_or_default();
        Self { path: Some(path), entries, changed: false }
    }

    pub(super) fn get(&self, path: &str, stamp: &Stamp) -> Option<Digest> {
        self.entries.get(path).filter(|(known, _)| known == stamp).map(|(_, digest)| *digest)
    }

    /// Remembers a digest that was read at `now` (nanoseconds since 1970).
    pub(super) fn put(&mut self, path: &str, stamp: Stamp, digest: Digest, now: i128) {
        if self.path.is_some() && stamp.modified.max(stamp.changed) + TICK < now {
            self.entries.insert(path.to_owned(), (stamp, digest));
            self.changed = true;
        }
    }

    /// Forgets the paths that are no longer there, and writes the rest if anything is new.
    pub(super) fn save(mut self, is_there: impl Fn(&str) -> bool) {
        let before = self.entries.len();
        self.entries.retain(|path, _| is_there(path));
        let Some(path) = self.path.take() else { return };
        if !self.changed && self.entries.len() == before {
            return;
        }
        if let Err(error) = self.write(&path) {
            tracing::debug!(path = %path.display(), %error, "the digests of files are not remembered");
        }
    }

    fn write(&self, path: &Path) -> std::io::Result<()> {
        let folder = path.parent().unwrap_or(path);
        std::fs::create_dir_all(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        let mut text = std::io::BufWriter::new(file.as_file_mut());
        for (path, (stamp, digest)) in &self.entries {
            writeln!(text, "{}", line(path, stamp, digest))?;
        }
        text.flush()?;
        drop(text);
        file.persist(path)?;
        Ok(())
    }
}

fn line(path: &str, s: &Stamp, digest: &Digest) -> String {
    let times = (s.modified.to_string(), s.changed.to_string());
    serde_json::json!([path, digest, s.size, times.0, times.1, s.inode, s.device, s.executable]).to_string()
}

fn read_line(line: &str) -> Option<(String, (Stamp, Digest))> {
    type Line = (String, Digest, u64, String, String, u64, u64, bool);
    let (path, digest, size, modified, changed, inode, device, executable): Line =
        serde_json::from_str(line).ok()?;
    let (modified, changed) = (modified.parse().ok()?, changed.parse().ok()?);
    Some((path, (Stamp { size, modified, changed, inode, device, executable }, digest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(at: i128) -> Stamp {
        Stamp { size: 1, modified: at, changed: at, inode: 2, device: 3, executable: false }
    }

    #[test]
    fn what_is_remembered_is_found_again_and_only_with_its_stamp() {
        let folder = tempfile::tempdir().unwrap();
        let root = Path::new("/root/a");
        let mut cache = StatCache::load(Some(folder.path()), root);
        let digest = Digest::of(b"x");
        cache.put("odd\nname", stamp(5), digest, 5 + TICK + 1);
        cache.put("fresh", stamp(5), digest, 5 + TICK);
        cache.put("gone", stamp(5), digest, 5 + TICK + 1);
        cache.save(|path| path != "gone");

        let cache = StatCache::load(Some(folder.path()), root);
        assert_eq!(cache.get("odd\nname", &stamp(5)), Some(digest));
        assert_eq!(cache.get("odd\nname", &stamp(6)), None);
        assert_eq!(cache.entries.len(), 1, "neither a fresh nor a lost file is remembered");
        assert!(StatCache::load(Some(folder.path()), Path::new("/root/b")).entries.is_empty());
    }

    #[test]
    fn a_damaged_cache_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let mut cache = StatCache::load(Some(folder.path()), Path::new("/a"));
        let path = cache.path.clone().unwrap();
        cache.put("a", stamp(1), Digest::of(b"x"), TICK * 2);
        cache.save(|_| true);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{text}[\"b\",")).unwrap();
        assert!(StatCache::load(Some(folder.path()), Path::new("/a")).entries.is_empty());
    }
}
