use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// A git work tree that nobody's configuration reaches.
pub struct WorkTree {
    folder: TempDir,
}

impl WorkTree {
    /// An empty one on `main`, with a remote `origin`.
    pub fn new(origin: &str) -> Self {
        let tree = Self { folder: tempfile::tempdir().expect("a temporary directory") };
        tree.git(&["init", "--quiet", "--initial-branch", "main"]);
        tree.git(&["remote", "add", "origin", origin]);
        tree
    }

    /// A folder that is one already.
    pub fn of(folder: TempDir) -> Self {
        Self { folder }
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Runs git, which must succeed, and answers what it wrote without the line end.
    pub fn git(&self, arguments: &[&str]) -> String {
        let output = Command::new("git")
            .args(["-c", "user.name=test", "-c", "user.email=test@example.invalid"])
            .args(arguments)
            .current_dir(self.path())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_TERMINAL_PROMPT", "0")
            .output()
            .expect("git runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {arguments:?}: {said}");
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// A commit that writes one file, and its object id.
    pub fn commit(&self, file: &str, text: &str) -> String {
        std::fs::write(self.path().join(file), text).expect("a file");
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", text]);
        self.git(&["rev-parse", "HEAD"])
    }
}
