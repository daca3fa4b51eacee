//! The mount allowlist: which folders of this computer may be mounted beside those of R2 (X1, X2).
//!
//! The file is the owner's, outside of every mount. What it must hold is asked for strictly: a misspelt key must not open
//! more than was meant. Reading, writing and resolving its roots is the host's; what is asked for is judged in `extra`.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Below the user's home folder.
pub const FILE: &str = ".config/nanoclaw/mount-allowlist.json";

/// Blocked whatever the file says (X2).
pub const BLOCKED: [&str; 17] = [
    ".ssh",
    ".gnupg",
    ".gpg",
    ".aws",
    ".azure",
    ".gcloud",
    ".kube",
    ".docker",
    "credentials",
    ".env",
    ".netrc",
    ".npmrc",
    ".pypirc",
    "id_rsa",
    "id_ed25519",
    "private_key",
    ".secret",
];

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowlist {
    pub roots: Vec<Root>,
    /// In lower case, X2's among them.
    blocked: Vec<String>,
    pub non_main_read_only: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// Absolute; with links as they were written, until the host has resolved them.
    pub path: PathBuf,
    pub allow_read_write: bool,
}

/// The file's shape. Other keys, as `description`, are for its reader, and stay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Written {
    pub allowed_roots: Vec<WrittenRoot>,
    pub blocked_patterns: Vec<String>,
    pub non_main_read_only: bool,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WrittenRoot {
    pub path: String,
    pub allow_read_write: bool,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

impl WrittenRoot {
    pub fn new(path: String, allow_read_write: bool) -> Self {
        WrittenRoot { path, allow_read_write, rest: Map::new() }
    }
}

/// What a first file says: nothing is allowed, and of what will be, only main may ever change anything.
impl Default for Written {
    fn default() -> Self {
        Written { allowed_roots: vec![], blocked_patterns: vec![], non_main_read_only: true, rest: Map::new() }
    }
}

impl Allowlist {
    /// Reads the file's text. `user` is what `~` stands for.
    ///
    /// # Errors
    /// What is wrong with it, as a part of a sentence.
    pub fn parse(text: &str, user: &Path) -> Result<Self, String> {
        let written: Written = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let root = |root: WrittenRoot| match expand(&root.path, user) {
            Some(path) => Ok(Root { path, allow_read_write: root.allow_read_write }),
            None => Err(format!("the root \"{}\" does not begin with / or ~", root.path)),
        };
        if written.blocked_patterns.iter().any(|pattern| pattern.trim().is_empty()) {
            return Err("a blocked pattern is empty".to_owned());
        }
        let blocked = BLOCKED.into_iter().chain(written.blocked_patterns.iter().map(String::as_str));
        Ok(Allowlist {
            roots: written.allowed_roots.into_iter().map(root).collect::<Result<_, _>>()?,
            blocked: blocked.map(str::to_lowercase).collect(),
            non_main_read_only: written.non_main_read_only,
        })
    }

    /// The pattern that blocks a path: one that stands anywhere in it, in capitals or not (X2).
    pub fn blocks(&self, path: &Path) -> Option<&str> {
        let path = path.to_string_lossy().to_lowercase();
        self.blocked.iter().map(String::as_str).find(|pattern| path.contains(pattern))
    }

    /// The innermost root that a resolved path lies under; of two alike the stricter.
    pub fn root_of(&self, path: &Path) -> Option<&Root> {
        let around = self.roots.iter().filter(|root| path.starts_with(&root.path));
        around.max_by_key(|root| (root.path.components().count(), !root.allow_read_write))
    }
}

/// An absolute path, `~` being the user's home folder; `None` for any other path.
pub fn expand(path: &str, user: &Path) -> Option<PathBuf> {
    if path.chars().any(char::is_control) {
        return None;
    }
    match path.strip_prefix('~') {
        Some("") => Some(user.to_owned()),
        Some(rest) => rest.strip_prefix('/').map(|below| user.join(below.trim_start_matches('/'))),
        None => path.starts_with('/').then(|| PathBuf::from(path)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Allowlist, String> {
        Allowlist::parse(text, Path::new("/u/alice"))
    }

    #[test]
    fn the_file() {
        // X1
        let allowlist = parse(
            r#"{"allowedRoots": [{"path": "~/projects", "allowReadWrite": true, "description": "mine"},
                                 {"path": "/srv", "allowReadWrite": false}],
                "blockedPatterns": ["Private"], "nonMainReadOnly": true, "comment": "x"}"#,
        )
        .unwrap();
        let roots: Vec<_> =
            allowlist.roots.iter().map(|root| (root.path.to_str().unwrap(), root.allow_read_write)).collect();
        assert_eq!(roots, [("/u/alice/projects", true), ("/srv", false)]);
        assert!(allowlist.non_main_read_only);
    }

    #[test]
    fn what_is_wrong_gives_none() {
        // X1
        for text in [
            "",
            "[]",
            "{}",
            r#"{"allowedRoots": [], "blockedPatterns": []}"#,
            r#"{"allowedRoots": [], "nonMainReadOnly": true}"#,
            r#"{"blockedPatterns": [], "nonMainReadOnly": true}"#,
            r#"{"allowedRoots": {}, "blockedPatterns": [], "nonMainReadOnly": true}"#,
            r#"{"allowedRoots": ["~/x"], "blockedPatterns": [], "nonMainReadOnly": true}"#,
            r#"{"allowedRoots": [{"path": "~/x"}], "blockedPatterns": [], "nonMainReadOnly": true}"#,
            r#"{"allowedRoots": [{"path": "x", "allowReadWrite": true}], "blockedPatterns": [], "nonMainReadOnly": true}"#,
            r#"{"allowedRoots": [{"path": "~bob", "allowReadWrite": true}], "blockedPatterns": [], "nonMainReadOnly": true}"#,
            r#"{"allowedRoots": [], "blockedPatterns": [" "], "nonMainReadOnly": true}"#,
            r#"{"allowedRoots": [], "blockedPatterns": [], "nonMainReadOnly": "no"}"#,
            r#"{"allowedRoots": [], "blockedPatterns": [], "nonMainReadOnly": true} trailing"#,
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn blocked() {
        // X2: anywhere in a path, in capitals or not.
        let allowlist =
            parse(r#"{"allowedRoots": [], "blockedPatterns": ["Taxes"], "nonMainReadOnly": true}"#).unwrap();
        for (path, expect) in [
            ("/u/alice/.ssh", Some(".ssh")),
            ("/u/alice/.ssh/keys", Some(".ssh")),
            ("/u/alice/.SSH", Some(".ssh")),
            ("/u/alice/x.ssh.old", Some(".ssh")),
            ("/u/alice/.gnupg", Some(".gnupg")),
            ("/u/alice/.gpg", Some(".gpg")),
            ("/u/alice/.aws", Some(".aws")),
            ("/u/alice/.azure", Some(".azure")),
            ("/u/alice/.gcloud", Some(".gcloud")),
            ("/u/alice/.kube", Some(".kube")),
            ("/u/alice/.docker", Some(".docker")),
            ("/u/alice/my-credentials/x", Some("credentials")),
            ("/u/alice/.environments", Some(".env")),
            ("/u/alice/.netrc", Some(".netrc")),
            ("/u/alice/.npmrc", Some(".npmrc")),
            ("/u/alice/.pypirc", Some(".pypirc")),
            ("/u/alice/id_rsa.pub", Some("id_rsa")),
            ("/u/alice/id_ed25519", Some("id_ed25519")),
            ("/u/alice/PRIVATE_KEYS", Some("private_key")),
            ("/u/alice/.secrets", Some(".secret")),
            ("/u/alice/taxes 2026", Some("taxes")),
            ("/u/alice/notes", None),
            ("/u/alice/docker", None),
            ("/u/alice/ssh", None),
        ] {
            assert_eq!(allowlist.blocks(Path::new(path)), expect, "{path}");
        }
    }

    #[test]
    fn the_innermost_root_counts() {
        // X3
        let root = |path: &str, write| format!(r#"{{"path": "{path}", "allowReadWrite": {write}}}"#);
        let roots = [root("/a", true), root("/a/b", false), root("/c", true), root("/c", false)].join(",");
        let allowlist =
            parse(&format!(r#"{{"allowedRoots": [{roots}], "blockedPatterns": [], "nonMainReadOnly": false}}"#))
                .unwrap();
        for (path, expect) in [
            ("/a", Some(true)),
            ("/a/x", Some(true)),
            ("/a/b/c", Some(false)),
            ("/ab", None),
            ("/c/d", Some(false)),
            ("/", None),
        ] {
            assert_eq!(allowlist.root_of(Path::new(path)).map(|root| root.allow_read_write), expect, "{path}");
        }
    }
}
