use super::path::WorkspacePath;
use crate::call::Content;
use crate::digest::Digest;
use globset::GlobSet;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use thiserror::Error;

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Node {
    /// A file whose bytes lie in the blobs.
    File {
        /// Its bytes.
        content: Content,
        /// Whether it may be executed.
        executable: bool,
    },
    /// A symbolic link with its target as written.
    Link {
        /// Never followed here.
        target: String,
    },
    /// A folder with nothing in it; every other folder follows from its files.
    Folder,
}

/// Paths and what stands there, in order of path. Its digest is the sha256 of its canonical list and is independent of git,
/// times and owners.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tree {
    nodes: BTreeMap<WorkspacePath, Node>,
    /// Of all files: asked before every change of a workspace.
    size: u64,
}

impl Node {
    /// Bytes of a file; nothing else has any.
    pub fn size(&self) -> u64 {
        match self {
            Self::File { content, .. } => content.size,
            Self::Link { .. } | Self::Folder => 0,
        }
    }
}

/// Why bytes are not the canonical list of a tree.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TreeError {
    /// A line is not what a tree writes.
    #[error("line {line} of the tree is malformed: {problem}")]
    Malformed {
        /// From 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// A path stands below a file or link, or twice.
    #[error("`{0}` cannot stand where it does: a file or link is on its way, or it stands there twice")]
    Clash(String),
}

impl Tree {
    /// The nodes of another tree, or ones that were looked at: none stands below a file or link.
    fn of(nodes: BTreeMap<WorkspacePath, Node>) -> Self {
        let size = nodes.values().map(Node::size).fold(0, u64::saturating_add);
        Self { nodes, size }
    }

    /// What stands at a path.
    pub fn get(&self, path: &WorkspacePath) -> Option<&Node> {
        self.nodes.get(path)
    }

    /// Puts a node, replacing what stood at the path or below it, and files on its way.
    pub fn insert(&mut self, path: WorkspacePath, node: Node) {
        let gone: Vec<_> = self.displaced(&path).map(|(path, _)| path.clone()).collect();
        gone.iter().for_each(|path| self.take(path));
        self.size = self.size.saturating_add(node.size());
        self.nodes.insert(path, node);
    }

    /// What stands in the way of a node: at its path, below it, and on its way.
    pub fn displaced<'a>(
        &'a self,
        path: &WorkspacePath,
    ) -> impl Iterator<Item = (&'a WorkspacePath, &'a Node)> + use<'a> {
        let on_its_way = parents(path).filter_map(|parent| self.nodes.get_key_value(&parent));
        let on_its_way: Vec<_> = on_its_way.collect();
        on_its_way.into_iter().chain(self.at_and_below(path))
    }

    /// A node and everything below it.
    pub fn at_and_below<'a>(
        &'a self,
        path: &WorkspacePath,
    ) -> impl Iterator<Item = (&'a WorkspacePath, &'a Node)> + use<'a> {
        self.nodes.get_key_value(path).into_iter().chain(self.below(path))
    }

    fn take(&mut self, path: &WorkspacePath) {
        let size = self.nodes.remove(path).map_or(0, |node| node.size());
        self.size = self.size.saturating_sub(size);
    }

    /// Removes a node and everything below it; answers whether anything was there.
    pub fn remove(&mut self, path: &WorkspacePath) -> bool {
        let gone: Vec<_> = self.at_and_below(path).map(|(path, _)| path.clone()).collect();
        gone.iter().for_each(|path| self.take(path));
        !gone.is_empty()
    }

    /// Everything below a folder, with the whole paths.
    pub fn below<'a>(
        &'a self,
        folder: &WorkspacePath,
    ) -> impl Iterator<Item = (&'a WorkspacePath, &'a Node)> + use<'a> {
        let prefix = format!("{folder}/");
        let root = folder.as_str().to_owned();
        let from = (std::ops::Bound::Excluded(folder.clone()), std::ops::Bound::Unbounded);
        let range = self.nodes.range::<WorkspacePath, _>(from);
        // Names such as `a-b` sort between `a` and `a/b`, so the end is where the first part no longer starts alike.
        range
            .take_while(move |(p, _)| p.as_str().starts_with(&root))
            .filter(move |(p, _)| p.as_str().starts_with(&prefix))
    }

    /// All nodes in order of path.
    pub fn iter(&self) -> impl Iterator<Item = (&WorkspacePath, &Node)> {
        self.nodes.iter()
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Bytes of all files.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Only what the patterns match.
    pub fn narrowed(&self, patterns: &GlobSet) -> Tree {
        let nodes = self.nodes.iter().filter(|(path, _)| patterns.is_match(path.as_str()));
        Tree::of(nodes.map(|(path, node)| (path.clone(), node.clone())).collect())
    }

    /// The subtree below a folder, with paths relative to it.
    pub fn subtree(&self, folder: &WorkspacePath) -> Tree {
        let nodes = self.below(folder).filter_map(|(path, node)| Some((path.strip(folder)?, node.clone())));
        Tree::of(nodes.collect())
    }

    /// The canonical list: a JSON array a line, in order of path.
    pub fn encode(&self) -> Vec<u8> {
        let mut list = Vec::with_capacity(self.nodes.len() * 120);
        for (path, node) in &self.nodes {
            let line = match node {
                Node::File { content, executable } => {
                    let kind = if *executable { "executable" } else { "file" };
                    serde_json::json!([path, kind, content.digest.hex(), content.size])
                }
                Node::Link { target } => serde_json::json!([path, "link", target]),
                Node::Folder => serde_json::json!([path, "folder"]),
            };
            list.extend_from_slice(line.to_string().as_bytes());
            list.push(b'\n');
        }
        list
    }

    /// sha256 of [`Tree::encode`].
    pub fn digest(&self) -> Digest {
        Digest::of(&self.encode())
    }

    /// Reads what [`Tree::encode`] wrote.
    ///
    /// # Errors
    /// [`TreeError`] at the first line that is not what a tree writes.
    pub fn decode(bytes: &[u8]) -> Result<Tree, TreeError> {
        let mut nodes = BTreeMap::new();
        let text = std::str::from_utf8(bytes)
            .map_err(|e| TreeError::Malformed { line: 1, problem: e.to_string() })?;
        for (index, line) in text.lines().enumerate() {
            let malformed = |problem: String| TreeError::Malformed { line: index + 1, problem };
            let parts: Vec<serde_json::Value> =
                serde_json::from_str(line).map_err(|e| malformed(e.to_string()))?;
            let (path, node) = parse_node(&parts).map_err(malformed)?;
            if nodes.insert(path.clone(), node).is_some() {
                return Err(TreeError::Clash(path.to_string()));
            }
        }
        let tree = Tree::of(nodes);
        match tree.clash() {
            Some(path) => Err(TreeError::Clash(path)),
            None => Ok(tree),
        }
    }

    fn clash(&self) -> Option<String> {
        let hidden = |path: &&WorkspacePath| parents(path).any(|parent| self.nodes.contains_key(&parent));
        self.nodes.keys().find(hidden).map(WorkspacePath::to_string)
    }
}

/// The folders on the way to a path, the outermost first.
fn parents(path: &WorkspacePath) -> impl Iterator<Item = WorkspacePath> {
    let text = path.as_str();
    text.match_indices('/').filter_map(|(at, _)| WorkspacePath::new(&text[..at]).ok())
}

fn parse_node(parts: &[serde_json::Value]) -> Result<(WorkspacePath, Node), String> {
    let text =
        |i: usize| parts.get(i).and_then(|v| v.as_str()).ok_or(format!("part {i} is missing or no text"));
    let path = WorkspacePath::new(text(0)?).map_err(|e| e.to_string())?;
    let node = match (text(1)?, parts.len()) {
        (kind @ ("file" | "executable"), 4) => {
            let digest = format!("sha256:{}", text(2)?).parse::<Digest>().map_err(|e| e.to_string())?;
            let size = parts[3].as_u64().ok_or("the size is no number")?;
            Node::File { content: Content { digest, size }, executable: kind == "executable" }
        }
        ("link", 3) => Node::Link { target: text(2)?.to_owned() },
        ("folder", 2) => Node::Folder,
        (kind, n) => return Err(format!("`{kind}` with {n} parts")),
    };
    Ok((path, node))
}

impl FromIterator<(WorkspacePath, Node)> for Tree {
    fn from_iter<I: IntoIterator<Item = (WorkspacePath, Node)>>(nodes: I) -> Self {
        let mut tree = Tree::default();
        for (path, node) in nodes {
            tree.insert(path, node);
        }
        tree
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> WorkspacePath {
        WorkspacePath::new(text).unwrap()
    }

    fn file(bytes: &[u8]) -> Node {
        Node::File {
            content: Content { digest: Digest::of(bytes), size: bytes.len() as u64 },
            executable: false,
        }
    }

    fn sample() -> Tree {
        ["a/b", "a-b", "a/c/d", "ab", "a.b/x"].iter().map(|p| (path(p), file(p.as_bytes()))).collect()
    }

    #[test]
    fn the_list_reads_back_and_ignores_the_order_of_insertion() {
        let mut tree = sample();
        tree.insert(path("l"), Node::Link { target: "a/b".into() });
        tree.insert(path("e"), Node::Folder);
        let again: Tree =
            tree.iter().map(|(p, n)| (p.clone(), n.clone())).collect::<Vec<_>>().into_iter().rev().collect();
        assert_eq!(tree.digest(), again.digest());
        assert_eq!(Tree::decode(&tree.encode()).unwrap(), tree);
    }

    #[test]
    fn below_takes_the_folder_and_no_neighbour() {
        let below: Vec<_> = sample().below(&path("a")).map(|(p, _)| p.to_string()).collect();
        assert_eq!(below, ["a/b", "a/c/d"]);
        assert_eq!(sample().subtree(&path("a/c")).iter().next().unwrap().0.as_str(), "d");
    }

    #[test]
    fn a_file_replaces_a_folder_and_a_folder_a_file() {
        let mut tree = sample();
        tree.insert(path("a"), file(b"x"));
        assert_eq!(tree.len(), 4);
        tree.insert(path("ab/c/d"), file(b"y"));
        assert!(tree.get(&path("ab")).is_none());
        assert!(Tree::decode(&tree.encode()).is_ok());
    }

    #[test]
    fn lists_that_no_tree_writes_are_refused() {
        let hex = "0".repeat(64);
        for bad in [
            "[\"../x\",\"folder\"]".to_owned(),
            "[\"a\",\"pipe\"]".to_owned(),
            format!("[\"a\",\"file\",\"{hex}\",1]\n[\"a/b\",\"folder\"]"),
            "[\"a\",\"folder\"]\n[\"a\",\"folder\"]".to_owned(),
            "{}".to_owned(),
        ] {
            assert!(Tree::decode(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
