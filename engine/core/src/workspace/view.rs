use super::path::{PathError, WorkspacePath};
use super::tree::{Node, Tree};
use crate::call::Content;
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use serde_json::{Value as Json, json};
use thiserror::Error;

/// The workspace as a plugin sees it: the start tree, its own changes, and what its tasks collected.
#[derive(Debug, Clone)]
pub struct View {
    tree: Tree,
    max_bytes: u64,
    max_files: u64,
}

/// Why a call on the workspace is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ViewError {
    /// The path is not one.
    #[error(transparent)]
    Path(#[from] PathError),
    /// Nothing is there.
    #[error("nothing is at `{0}`")]
    Missing(String),
    /// It is a folder or a link.
    #[error("`{0}` is not a file")]
    NotAFile(String),
    /// A pattern is not one.
    #[error("`{pattern}` is not a glob pattern: {problem}")]
    Pattern {
        /// As given, cut at 200 characters.
        pattern: String,
        /// What the parser says.
        problem: String,
    },
    /// The quota of bytes or files is used up.
    #[error("{0}")]
    Quota(&'static str),
}

impl View {
    /// A view that starts from a tree.
    pub fn new(tree: Tree, max_bytes: u64, max_files: u64) -> Self {
        Self { tree, max_bytes, max_files }
    }

    /// The tree as it is now.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// At most `max` entries that match any of the patterns, in order of path, after `after`.
    ///
    /// # Errors
    /// [`ViewError::Pattern`].
    pub fn find(&self, patterns: &[String], after: Option<&str>, max: u32) -> Result<Vec<Json>, ViewError> {
        let globs = globs(patterns)?;
        let entries = self.tree.iter().filter(|(path, _)| after.is_none_or(|a| path.as_str() > a));
        let found = entries.filter(|(path, _)| globs.is_match(path.as_str())).take(max.min(10_000) as usize);
        Ok(found.map(|(path, node)| describe(path, node)).collect())
    }

    /// The content of a file; a link is followed within the workspace, at most 16 times.
    ///
    /// # Errors
    /// [`ViewError::Path`], [`ViewError::Missing`] and [`ViewError::NotAFile`].
    pub fn read(&self, path: &str) -> Result<Content, ViewError> {
        let mut at = WorkspacePath::new(path)?;
        for _ in 0..16 {
            match self.tree.get(&at) {
                Some(Node::File { content, .. }) => return Ok(*content),
                Some(Node::Link { target }) => {
                    at = follow(&at, target).ok_or_else(|| ViewError::NotAFile(path.to_owned()))?;
                }
                Some(Node::Folder) => return Err(ViewError::NotAFile(path.to_owned())),
                None if self.tree.below(&at).next().is_some() => {
                    return Err(ViewError::NotAFile(path.to_owned()));
                }
                None => return Err(ViewError::Missing(path.to_owned())),
            }
        }
        Err(ViewError::NotAFile(path.to_owned()))
    }

    /// Replaces the file at a path.
    ///
    /// # Errors
    /// [`ViewError::Path`] and [`ViewError::Quota`].
    pub fn write(&mut self, path: &str, content: Content, executable: bool) -> Result<(), ViewError> {
        let path = WorkspacePath::new(path)?;
        self.put(path, Node::File { content, executable })
    }

    /// Removes what is at a path, with everything below it.
    ///
    /// # Errors
    /// [`ViewError::Path`] and [`ViewError::Missing`].
    pub fn remove(&mut self, path: &str) -> Result<(), ViewError> {
        let at = WorkspacePath::new(path)?;
        if self.tree.remove(&at) { Ok(()) } else { Err(ViewError::Missing(path.to_owned())) }
    }

    /// Puts a node at its path, replacing what was there.
    ///
    /// # Errors
    /// [`ViewError::Quota`]; the view is unchanged then.
    pub fn put(&mut self, path: WorkspacePath, node: Node) -> Result<(), ViewError> {
        self.check_quota(self.tree.displaced(&path), 1, node.size())?;
        self.tree.insert(path, node);
        Ok(())
    }

    /// Puts a whole tree at a folder, replacing what was there.
    ///
    /// # Errors
    /// [`ViewError::Quota`]; the view is unchanged then.
    pub fn put_tree(&mut self, folder: &WorkspacePath, tree: &Tree) -> Result<(), ViewError> {
        if tree.is_empty() {
            self.check_quota(self.tree.at_and_below(folder), 0, 0)?;
        } else {
            self.check_quota(self.tree.displaced(folder), tree.len(), tree.size())?;
        }
        self.tree.remove(folder);
        for (path, node) in tree.iter() {
            self.tree.insert(path.below(folder), node.clone());
        }
        Ok(())
    }

    /// Whether there is room for `files` with `bytes` in the place of what is `gone`.
    fn check_quota<'a>(
        &self,
        gone: impl Iterator<Item = (&'a WorkspacePath, &'a Node)>,
        files: usize,
        bytes: u64,
    ) -> Result<(), ViewError> {
        let (less_files, less_bytes) =
            gone.fold((0, 0_u64), |(files, bytes), (_, node)| (files + 1, bytes.saturating_add(node.size())));
        if (self.tree.size().saturating_sub(less_bytes)).saturating_add(bytes) > self.max_bytes {
            return Err(ViewError::Quota("workspace-bytes is used up"));
        }
        if (self.tree.len() - less_files + files) as u64 > self.max_files {
            return Err(ViewError::Quota("workspace-files is used up"));
        }
        Ok(())
    }
}

fn follow(link: &WorkspacePath, target: &str) -> Option<WorkspacePath> {
    let mut parts: Vec<&str> = link.parts().collect();
    parts.pop();
    if target.starts_with('/') {
        return None;
    }
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    WorkspacePath::new(parts.join("/")).ok()
}

/// Patterns as `inputs`, `paths` and `workspace.find` take them: `*` stays within a folder, `**` crosses folders.
///
/// # Errors
/// [`ViewError::Pattern`] at the first that is not one.
pub fn globs(patterns: &[String]) -> Result<GlobSet, ViewError> {
    let mut set = GlobSetBuilder::new();
    let wrong = |pattern: &str, problem: String| ViewError::Pattern {
        pattern: pattern.chars().take(200).collect(),
        problem,
    };
    for pattern in patterns {
        if pattern.len() > 1024 {
            return Err(wrong(pattern, "it is longer than 1024 bytes".into()));
        }
        let glob = GlobBuilder::new(pattern).literal_separator(true).build();
        set.add(glob.map_err(|e| wrong(pattern, e.kind().to_string()))?);
    }
    set.build().map_err(|e| wrong("", e.to_string()))
}

fn describe(path: &WorkspacePath, node: &Node) -> Json {
    match node {
        Node::File { content, executable } => {
            json!({"path": path, "kind": "file", "size": content.size, "executable": executable, "digest": content.digest})
        }
        Node::Link { target } => {
            json!({"path": path, "kind": "link", "target": target, "size": 0, "executable": false})
        }
        Node::Folder => json!({"path": path, "kind": "folder", "size": 0, "executable": false}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use proptest::prelude::*;

    fn content(size: u64) -> Content {
        Content { digest: Digest::of(&size.to_le_bytes()), size }
    }

    #[test]
    fn find_is_ordered_paged_and_stays_within_folders() {
        let mut view = View::new(Tree::default(), 1000, 100);
        for name in ["src/a.rs", "src/b/c.rs", "src/b.rs", "README.md"] {
            view.write(name, content(1), false).unwrap();
        }
        let names = |patterns: &[&str], after: Option<&str>, max| -> Vec<String> {
            let patterns: Vec<_> = patterns.iter().map(|p| (*p).to_owned()).collect();
            let found = view.find(&patterns, after, max).unwrap();
            found.iter().map(|e| e["path"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(names(&["src/*.rs"], None, 10), ["src/a.rs", "src/b.rs"]);
        assert_eq!(names(&["src/**"], None, 2), ["src/a.rs", "src/b.rs"]);
        assert_eq!(names(&["src/**"], Some("src/b.rs"), 2), ["src/b/c.rs"]);
        assert!(view.find(&["a{".into()], None, 1).is_err());
    }

    #[test]
    fn links_are_followed_within_and_never_out() {
        let mut view = View::new(Tree::default(), 1000, 100);
        view.write("a/file", content(3), false).unwrap();
        let mut link = |at: &str, target: &str| {
            view.put(WorkspacePath::new(at).unwrap(), Node::Link { target: target.into() }).unwrap();
        };
        link("b/in", "../a/file");
        link("b/out", "../../etc/passwd");
        link("b/abs", "/etc/passwd");
        link("b/loop", "loop");
        assert_eq!(view.read("b/in").unwrap(), content(3));
        for bad in ["b/out", "b/abs", "b/loop", "b"] {
            assert!(matches!(view.read(bad), Err(ViewError::NotAFile(_))), "{bad}");
        }
        assert!(matches!(view.read("c"), Err(ViewError::Missing(_))));
    }

    #[test]
    fn quotas_leave_the_view_as_it_was() {
        let mut view = View::new(Tree::default(), 10, 2);
        view.write("a", content(8), false).unwrap();
        assert!(matches!(view.write("b", content(3), false), Err(ViewError::Quota(_))));
        assert_eq!(view.tree().len(), 1);
        view.write("a", content(10), false).unwrap();
    }

    fn file(size: u64) -> Node {
        Node::File { content: content(size), executable: false }
    }

    fn path(text: &str) -> WorkspacePath {
        WorkspacePath::new(text).unwrap()
    }

    #[test]
    fn what_a_node_or_a_tree_replaces_makes_room_for_it() {
        let mut view = View::new(Tree::default(), 10, 3);
        for name in ["a/b", "a/c", "d"] {
            view.write(name, content(3), false).unwrap();
        }
        let two: Tree = [(path("x"), file(1)), (path("y/z"), file(6))].into_iter().collect();
        let before = view.tree().clone();
        assert_eq!(view.put_tree(&path("e"), &two), Err(ViewError::Quota("workspace-bytes is used up")));
        assert_eq!(view.write("d/e/f", content(0), false), Ok(()), "in the place of the file `d`");
        assert_eq!(view.write("g", content(0), false), Err(ViewError::Quota("workspace-files is used up")));
        view.write("d", content(3), false).unwrap();
        assert_eq!(*view.tree(), before);
        view.put_tree(&path("a"), &two).unwrap();
        assert_eq!((view.tree().len(), view.tree().size()), (3, 10));
        view.put_tree(&path("d/e"), &two).unwrap_err();
        view.put_tree(&path("a"), &Tree::default()).unwrap();
        view.put_tree(&path("d/e"), &two).unwrap();
        let paths: Vec<_> = view.tree().iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!((paths, view.tree().size()), (vec!["d/e/x", "d/e/y/z"], 7));
    }

    proptest! {
        /// What is refused changes nothing, and what is taken is what the tree alone would hold.
        #[test]
        fn a_quota_is_asked_before_anything_changes(
            changes in prop::collection::vec(("[ab](/[ab]){0,2}", 0..6_u64, any::<bool>()), 1..20)
        ) {
            let mut view = View::new(Tree::default(), 10, 3);
            for (at, size, whole) in changes {
                let (mut expected, before) = (view.tree().clone(), view.tree().clone());
                let done = if whole {
                    let tree: Tree = (0..size).map(|n| (path(&n.to_string()), file(n))).collect();
                    expected.remove(&path(&at));
                    tree.iter().for_each(|(p, n)| expected.insert(p.below(&path(&at)), n.clone()));
                    view.put_tree(&path(&at), &tree)
                } else {
                    expected.insert(path(&at), file(size));
                    view.put(path(&at), file(size))
                };
                let fits = expected.size() <= 10 && expected.len() <= 3;
                prop_assert_eq!(done.is_ok(), fits);
                prop_assert_eq!(view.tree(), if fits { &expected } else { &before });
                let counted: u64 = view.tree().iter().map(|(_, node)| node.size()).sum();
                prop_assert_eq!(view.tree().size(), counted);
            }
        }
    }
}
