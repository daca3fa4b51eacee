//! A registered chat with its folder: who it is, what it may do.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::chat::Jid;

/// The folder of the owner's private channel.
pub const MAIN: &str = "main";

/// Names that stand for something else under `groups/` or `ipc/`.
const RESERVED: [&str; 3] = ["global", "extra", "errors"];

/// A group's folder name (I6): `[a-z0-9][a-z0-9-]{0,62}`. It is the group's identity towards containers and IPC.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Folder(String);

#[derive(Debug, Error, PartialEq, Eq)]
pub enum FolderError {
    #[error("the folder \"{0}\" must be 1 to 63 characters of a-z, 0-9 and -, and start with a letter or digit")]
    Shape(String),
    #[error("the folder name \"{0}\" is used by NanoClaw itself")]
    Reserved(String),
}

impl Folder {
    /// # Errors
    /// When the name is not a safe folder name, or is one that NanoClaw uses itself.
    pub fn new(name: &str) -> Result<Self, FolderError> {
        let shaped = (1..=63).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !name.starts_with('-');
        if !shaped {
            return Err(FolderError::Shape(name.to_owned()));
        }
        if RESERVED.contains(&name) {
            return Err(FolderError::Reserved(name.to_owned()));
        }
        Ok(Folder(name.to_owned()))
    }

    pub fn main() -> Self {
        Folder(MAIN.to_owned())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn is_main(&self) -> bool {
        self.0 == MAIN
    }
}

impl TryFrom<String> for Folder {
    type Error = FolderError;
    fn try_from(name: String) -> Result<Self, FolderError> {
        Folder::new(&name)
    }
}

impl From<Folder> for String {
    fn from(folder: Folder) -> String {
        folder.0
    }
}

impl fmt::Display for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A registered chat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    pub jid: Jid,
    pub name: String,
    pub folder: Folder,
    /// The group's own trigger word, with or without `@`; `None` means the assistant's name (M3).
    pub trigger: Option<String>,
    pub requires_trigger: bool,
    /// The group's own hard limit for a run in milliseconds (R5), instead of CONTAINER_TIMEOUT.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub timeout: Option<u64>,
}

impl Group {
    pub fn is_main(&self) -> bool {
        self.folder.is_main()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_names() {
        // I6
        let long = "a".repeat(64);
        for (name, ok) in [
            ("main", true),
            ("family-2", true),
            ("7", true),
            (&long[..63], true),
            (long.as_str(), false),
            ("", false),
            ("-a", false),
            ("A", false),
            ("a_b", false),
            ("..", false),
            ("a/b", false),
            ("fämily", false),
            ("global", false),
            ("extra", false),
            ("errors", false),
        ] {
            assert_eq!(Folder::new(name).is_ok(), ok, "{name}");
        }
    }
}
