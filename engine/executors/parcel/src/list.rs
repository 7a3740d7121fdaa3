//! The canonical list of a tree, line by line, as the engine writes and digests it.

use serde_json::{Value as Json, json};

/// What a line says of its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// A file.
    File {
        /// The 64 hex digits of its bytes' sha256.
        sha256: String,
        /// In bytes.
        size: u64,
        /// Whether it may be executed.
        executable: bool,
    },
    /// A symbolic link with its target as written.
    Link(String),
    /// A folder with nothing in it.
    Folder,
}

/// Writes a line, with its end.
pub fn line(path: &str, node: &Node) -> String {
    let line = match node {
        Node::File { sha256, size, executable } => {
            json!([path, if *executable { "executable" } else { "file" }, sha256, size])
        }
        Node::Link(target) => json!([path, "link", target]),
        Node::Folder => json!([path, "folder"]),
    };
    format!("{line}\n")
}

/// Reads every line of a list.
///
/// # Errors
/// The first line that no list has.
pub fn read(list: &[u8]) -> Result<Vec<(String, Node)>, String> {
    let text = str::from_utf8(list).map_err(|error| error.to_string())?;
    let read =
        |(number, line)| parse(line).ok_or_else(|| format!("line {} is not one of a tree", number + 1));
    text.lines().enumerate().map(read).collect()
}

fn parse(line: &str) -> Option<(String, Node)> {
    let parts: Vec<Json> = serde_json::from_str(line).ok()?;
    let text = |at: usize| parts.get(at).and_then(Json::as_str);
    let path = text(0).filter(|path| is_plain(path))?.to_owned();
    let node = match (text(1)?, parts.len()) {
        (kind @ ("file" | "executable"), 4) => Node::File {
            sha256: text(2)?.to_owned(),
            size: parts[3].as_u64()?,
            executable: kind == "executable",
        },
        ("link", 3) => Node::Link(text(2)?.to_owned()),
        ("folder", 2) => Node::Folder,
        _ => return None,
    };
    Some((path, node))
}

/// Whether a path stays below its root whatever is there.
fn is_plain(path: &str) -> bool {
    !path.contains('\0') && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_reads_back() {
        let nodes = [
            ("a", Node::File { sha256: "0".repeat(64), size: 3, executable: true }),
            ("b/ü", Node::Link("../\"x".into())),
            ("c", Node::Folder),
        ];
        let text: String = nodes.iter().map(|(path, node)| line(path, node)).collect();
        assert!(text.starts_with("[\"a\",\"executable\",\"0000"), "{text}");
        let again = read(text.as_bytes()).unwrap();
        assert_eq!(again, nodes.map(|(path, node)| (path.to_owned(), node)));
    }

    #[test]
    fn paths_that_lead_out_are_refused() {
        for path in ["/a", "a/../b", "", "a//b", "./a"] {
            let text = line("ok", &Node::Folder) + &line(path, &Node::Folder);
            assert_eq!(read(text.as_bytes()).unwrap_err(), "line 2 is not one of a tree", "{path}");
        }
    }
}
