//! What fake-kiro plays in a scene, on the host and (through the mount of `~/.kiro`) in the containers.

use std::fs;
use std::path::PathBuf;

use anyhow::Result;
use serde_json::Value;

/// The scene's `~/.kiro`.
pub struct Kiro {
    pub(crate) folder: PathBuf,
}

impl Kiro {
    /// Sets the script; it holds for every later call. Without one it is signed in and echoes.
    pub fn plays(&self, script: &Value) -> Result<()> {
        // By rename: a call that starts meanwhile must not read half of it.
        let new = self.folder.join("fake-kiro.json.new");
        fs::write(&new, script.to_string())?;
        Ok(fs::rename(new, self.folder.join("fake-kiro.json"))?)
    }

    /// The log of prompts that reached it. Groups other than main have `~/.kiro` read-only: theirs are not in it.
    pub fn prompts(&self) -> String {
        fs::read_to_string(self.folder.join("fake-kiro.log")).unwrap_or_default()
    }
}
