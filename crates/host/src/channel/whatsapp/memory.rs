//! What the link must not forget in a restart: a ban that lasts, the codes that were asked for, and when the groups' names
//! came (W2, W5, M11).
//!
//! A small file beside the sign-in, not in its folder: that is moved aside, and WhatsApp counts codes by number.

use std::{
    fs, io,
    ops::Deref,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use nanoclaw_core::link::CodeLimit;
use serde::{Deserialize, Serialize};
use tracing::warn;

const FILE: &str = "link.json";

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Facts {
    pub ban: Option<Ban>,
    pub codes: CodeLimit,
    /// When the names of the groups last came.
    pub names_at: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Ban {
    /// When it is over, where WhatsApp said so.
    pub until: Option<Timestamp>,
}

pub(super) struct Memory {
    file: PathBuf,
    facts: Facts,
}

impl Memory {
    /// What can't be read is forgotten.
    pub fn open(auth: &Path) -> Self {
        let file = auth.with_file_name(FILE);
        let facts = match fs::read(&file) {
            Ok(json) => serde_json::from_slice(&json).inspect_err(|err| warn!("{}: {err}", file.display())).ok(),
            Err(_) => None,
        };
        Memory { facts: facts.unwrap_or_default(), file }
    }

    pub fn change<T>(&mut self, change: impl FnOnce(&mut Facts) -> T) -> T {
        let before = self.facts.clone();
        let answer = change(&mut self.facts);
        if self.facts != before
            && let Err(err) = self.write()
        {
            warn!("{} can't be written: {err}", self.file.display());
        }
        answer
    }

    fn write(&self) -> io::Result<()> {
        let new = self.file.with_extension("json.tmp");
        fs::write(&new, serde_json::to_vec(&self.facts)?)?;
        fs::rename(new, &self.file)
    }
}

impl Deref for Memory {
    type Target = Facts;

    fn deref(&self) -> &Facts {
        &self.facts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_there_again_and_rubbish_is_nothing() {
        let home = tempfile::tempdir().unwrap();
        let auth = home.path().join("auth");
        let at = Timestamp::from_second(1_800_000_000).unwrap();
        let mut memory = Memory::open(&auth);
        assert_eq!(*memory, Facts::default());
        assert!(memory.change(|facts| {
            facts.ban = Some(Ban { until: None });
            facts.codes.take(at)
        }));
        assert_eq!(*Memory::open(&auth), *memory);
        assert!(!auth.exists());
        for (json, expect) in [
            ("", None),
            ("{\"codes\":3}", None),
            ("[1,2", None),
            ("{\"ban\":{\"until\":\"soon\"}}", None),
            ("{\"namesAt\":\"2027-01-15T08:00:00Z\",\"more\":1}", Some(at)),
        ] {
            fs::write(home.path().join(FILE), json).unwrap();
            assert_eq!(Memory::open(&auth).names_at, expect, "{json}");
        }
    }
}
