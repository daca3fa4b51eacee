//! A registered chat with its folder: who it is, what it may do.

use std::{fmt, path::Path};

use nanoclaw_protocol::ipc::{AdditionalMount, ContainerConfig};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{chat::Jid, extra, settings::DAY_MS};

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

/// A chat that is to be registered, as a person or main's agent asks for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Registration {
    pub jid: Jid,
    pub name: String,
    pub folder: String,
    #[serde(default)]
    pub trigger: Option<String>,
    #[serde(default)]
    pub no_trigger: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<AdditionalMount>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<String>>,
}

/// A registered chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    pub jid: Jid,
    pub name: String,
    pub folder: Folder,
    /// The group's own trigger word, with or without `@`; `None` means the assistant's name (M3).
    pub trigger: Option<String>,
    pub requires_trigger: bool,
    /// Folders of this computer that its agent is to see beside its own; the mount allowlist decides (X1).
    pub mounts: Vec<AdditionalMount>,
    /// The group's own hard limit for a run in milliseconds (R5), instead of CONTAINER_TIMEOUT.
    pub timeout: Option<u64>,
    /// The tools that its agent may use, instead of those of its trust (`trust`).
    pub tools: Option<Vec<String>>,
    /// Why the container settings that are stored for it can't be read.
    pub broken: Option<String>,
}

impl Group {
    /// A chat without settings of its own.
    pub fn new(jid: Jid, name: &str, folder: Folder) -> Self {
        Group {
            jid,
            name: name.to_owned(),
            folder,
            trigger: None,
            requires_trigger: true,
            mounts: Vec::new(),
            timeout: None,
            tools: None,
            broken: None,
        }
    }

    /// The same with the container settings that are stored for it. Of settings that can't be read nothing holds, and no
    /// tool is allowed: which ones were can't be told.
    pub fn configured(self, stored: Option<&str>) -> Self {
        match stored.map_or(Ok(ContainerConfig::default()), serde_json::from_str) {
            Ok(ContainerConfig { additional_mounts: mounts, timeout, tools }) => {
                Group { mounts, timeout, tools, ..self }
            }
            Err(error) => Group { tools: Some(Vec::new()), broken: Some(error.to_string()), ..self },
        }
    }

    pub fn is_main(&self) -> bool {
        self.folder.is_main()
    }

    /// Whether its container settings can be kept. What the allowlist says of its mounts is asked at each run's start, not
    /// here. `user` is what `~` stands for.
    ///
    /// # Errors
    /// What is wrong, as a part of a sentence.
    pub fn check(&self, user: &Path) -> Result<(), String> {
        for (asked, wanted) in self.mounts.iter().zip(extra::wanted(&self.mounts, user)) {
            wanted.map_err(|refusal| format!("\"{}\" can't be mounted, {refusal}", asked.host_path))?;
        }
        if self.timeout.is_some_and(|timeout| !(1_000..=DAY_MS).contains(&timeout)) {
            return Err(format!("the longest time of a run is 1000 to {DAY_MS} milliseconds"));
        }
        let is_tool = |tool: &String| {
            (1..=200).contains(&tool.len()) && tool.chars().all(|c| !c.is_control() && !c.is_whitespace() && c != ',')
        };
        match self.tools.iter().flatten().find(|tool| !is_tool(tool)) {
            Some(tool) => Err(format!("\"{tool}\" is no name of a tool")),
            None if self.tools.as_ref().is_some_and(|tools| tools.len() > 100) => {
                Err("there are too many tools".to_owned())
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn container_settings() {
        // X1: tolerant of keys that others wrote; what is broken gives nothing.
        let configured = |stored| Group::new(Jid::new("1@g.us"), "x", Folder::main()).configured(stored);
        assert_eq!(configured(None), configured(Some("{}")));
        let group = configured(Some(
            r#"{"additionalMounts":[{"hostPath":"~/notes","containerPath":"n","readonly":false,"x":1}],"timeout":5,"tools":["read"],"y":2}"#,
        ));
        let mount =
            AdditionalMount { host_path: "~/notes".into(), container_path: Some("n".into()), readonly: Some(false) };
        assert_eq!(
            (group.mounts, group.timeout, group.tools, group.broken),
            (vec![mount], Some(5), Some(vec!["read".to_owned()]), None)
        );
        for broken in ["", "{", "7", r#"{"timeout":"5"}"#, r#"{"additionalMounts":[{}]}"#, r#"{"tools":"all"}"#] {
            let group = configured(Some(broken));
            assert!(group.broken.is_some(), "{broken}");
            assert_eq!((group.mounts, group.timeout, group.tools), (vec![], None, Some(vec![])), "{broken}");
        }
    }

    #[test]
    fn settings_that_can_be_kept() {
        // X3, R5
        fn check(change: impl FnOnce(&mut Group), fits: bool) {
            let mut group = Group::new(Jid::new("1@g.us"), "x", Folder::main());
            change(&mut group);
            assert_eq!(group.check(Path::new("/u")).is_ok(), fits, "{group:?}");
        }
        let mount = |host: &str, at: Option<&str>| AdditionalMount {
            host_path: host.into(),
            container_path: at.map(Into::into),
            readonly: None,
        };
        let tools = |tools: &[&str]| Some(tools.iter().map(|tool| (*tool).to_owned()).collect());
        check(|_| {}, true);
        check(|group| group.mounts = vec![mount("~/a", None), mount("~/b", Some("c"))], true);
        check(|group| group.mounts = vec![mount("~/a", None), mount("~/b", Some("A"))], false);
        check(|group| group.mounts = vec![mount("a", None)], false);
        check(|group| group.mounts = vec![mount("/a", Some("../a"))], false);
        for (timeout, fits) in [(999, false), (1000, true), (DAY_MS, true), (DAY_MS + 1, false)] {
            check(|group| group.timeout = Some(timeout), fits);
        }
        check(|group| group.tools = tools(&[]), true);
        check(|group| group.tools = tools(&["fs_read", "@shop/buy"]), true);
        for bad in ["", "a b", "a,b", "a\n"] {
            check(|group| group.tools = tools(&[bad]), false);
        }
    }

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
