//! The files of a Kiro folder that name MCP servers: whether one names ours, and that entry taken out of it (R10).
//!
//! Main's agent can write there: no link is followed, no pipe waited for, and no more is read than such a file holds.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use nanoclaw_core::mcp_entry::{has_entry, without_entry};
use rustix::fs::{AtFlags, Dir, Mode, OFlags, linkat, openat, renameat};
use serde::Serialize;
use serde_json::Value;

use crate::container::{create, enter};

/// Bytes.
const LONGEST: u64 = 1 << 20;
/// Names in `agents/` that are looked at.
const MOST: usize = 1000;
/// Where a file is before it is whole.
const NEW: &str = ".new-from-nanoclaw";

/// A file that an entry was taken out of, and the copy of it as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Removed {
    pub path: PathBuf,
    pub backup: PathBuf,
}

/// The files in use that name a server as ours is named. `agent`: the agent in use.
pub fn clashes(kiro: &Path, agent: Option<&str>) -> Vec<PathBuf> {
    let clashes = in_use(kiro, agent)
        .into_iter()
        .filter(|(folder, name)| read(kiro, Path::new(folder), name).is_ok_and(|text| has_entry(&text)));
    clashes.map(|(folder, name)| kiro.join(folder).join(name)).collect()
}

/// Takes the entry out of each file that has it; beside it stays `<file>.bak.<seconds>`.
///
/// # Errors
/// When a file can't be written, or changed meanwhile into something without an entry.
pub fn remove_entries(kiro: &Path, agent: Option<&str>, at: Timestamp) -> io::Result<Vec<Removed>> {
    let remove = |path: PathBuf| {
        let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let below = folder.strip_prefix(kiro).map_err(io::Error::other)?;
        let text = without_entry(&read(kiro, below, name)?)
            .ok_or_else(|| io::Error::other("its entry can't be told apart"))?;
        let entered = enter(kiro, below, false)?;
        let mode =
            File::from(openat(&entered, name, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?)
                .metadata()?
                .permissions();
        let backup = format!("{name}.bak.{}", at.as_second());
        create(&entered, NEW, text.as_bytes())?.set_permissions(mode)?;
        // The old content keeps its file, under another name.
        linkat(&entered, name, &entered, backup.as_str(), AtFlags::empty())?;
        renameat(&entered, NEW, &entered, name)?;
        Ok(Removed { backup: folder.join(backup), path })
    };
    clashes(kiro, agent).into_iter().map(remove).collect()
}

/// `(folder, name)` of the files that Kiro reads servers from: its own, and those of the agent in use.
fn in_use(kiro: &Path, agent: Option<&str>) -> Vec<(&'static str, String)> {
    let mut files = vec![("settings", "mcp.json".to_owned())];
    if let Some(agent) = agent {
        let called = |file: &String| called(kiro, file).as_deref() == Some(agent);
        files.extend(agents(kiro).unwrap_or_default().into_iter().filter(called).map(|file| ("agents", file)));
    }
    files
}

fn agents(kiro: &Path) -> io::Result<Vec<String>> {
    let entries = Dir::read_from(enter(kiro, Path::new("agents"), false)?)?.take(MOST);
    let names = entries.flatten().filter_map(|entry| entry.file_name().to_str().ok().map(str::to_owned));
    let mut names: Vec<_> = names.filter(|name| name.ends_with(".json")).collect();
    names.sort();
    Ok(names)
}

/// The agent of a file in `agents/`: by its own word for it, else by the file's name.
fn called(kiro: &Path, file: &str) -> Option<String> {
    let text = read(kiro, Path::new("agents"), file).ok()?;
    let name = serde_json::from_str::<Value>(&text).ok()?.get("name").and_then(Value::as_str).map(str::to_owned);
    name.or_else(|| file.strip_suffix(".json").map(str::to_owned))
}

/// # Errors
/// When it is no file, or too long for one of Kiro's.
pub fn read(kiro: &Path, below: &Path, name: &str) -> io::Result<String> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(openat(enter(kiro, below, false)?, name, flags, Mode::empty())?);
    let found = file.metadata()?;
    if !found.is_file() || found.len() > LONGEST {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut text = String::new();
    file.take(LONGEST).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::{PermissionsExt, symlink},
    };

    use super::*;

    const STALE: &str = "{\n  \"name\": \"kiro-assistant\",\n  \"mcpServers\": {\n    \"mine\": {},\n    \"nanoclaw\": {\"command\": \"node\"}\n  }\n}\n";

    fn kiro() -> tempfile::TempDir {
        let place = tempfile::tempdir().unwrap();
        fs::create_dir(place.path().join("agents")).unwrap();
        fs::create_dir(place.path().join("settings")).unwrap();
        place
    }

    #[test]
    fn the_files_in_use_are_looked_at() {
        // R10
        let place = kiro();
        let put = |file: &str, text: &str| fs::write(place.path().join(file), text).unwrap();
        let found = |agent| -> Vec<String> {
            let below = |path: &PathBuf| path.strip_prefix(place.path()).unwrap().display().to_string();
            clashes(place.path(), agent).iter().map(below).collect()
        };
        assert_eq!(found(Some("kiro-assistant")), [""; 0]);
        put("agents/agent_config.json", STALE);
        put("agents/other.json", r#"{"mcpServers": {"nanoclaw": {}}}"#);
        put("agents/harmless.json", r#"{"name": "kiro-assistant"}"#);
        assert_eq!(found(Some("kiro-assistant")), ["agents/agent_config.json"]);
        assert_eq!(found(Some("other")), ["agents/other.json"]);
        assert_eq!(found(Some("../agents/other")), [""; 0]);
        assert_eq!(found(None), [""; 0]);
        put("settings/mcp.json", r#"{"mcpServers": {"nanoclaw": {}}}"#);
        assert_eq!(found(Some("kiro-assistant")), ["settings/mcp.json", "agents/agent_config.json"]);
        assert_eq!(found(None), ["settings/mcp.json"]);
        put("settings/mcp.json", "not JSON");
        assert_eq!(found(None), [""; 0]);
        fs::remove_file(place.path().join("settings/mcp.json")).unwrap();
        symlink(place.path().join("agents/other.json"), place.path().join("settings/mcp.json")).unwrap();
        assert_eq!(found(None), [""; 0], "a link is nobody's file");
    }

    #[test]
    fn the_entry_alone_is_removed_and_the_file_kept_beside() {
        // R10
        let place = kiro();
        let path = place.path().join("agents/agent_config.json");
        fs::write(&path, STALE).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let at = Timestamp::from_second(1_700_000_000).unwrap();
        let removed = remove_entries(place.path(), Some("kiro-assistant"), at).unwrap();
        let backup = place.path().join("agents/agent_config.json.bak.1700000000");
        assert_eq!(removed, [Removed { path: path.clone(), backup: backup.clone() }]);
        assert_eq!(fs::read_to_string(&backup).unwrap(), STALE);
        let expect = STALE.replace(",\n    \"nanoclaw\": {\"command\": \"node\"}", "");
        assert_eq!(fs::read_to_string(&path).unwrap(), expect);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(fs::read_dir(place.path().join("agents")).unwrap().count(), 2);
        assert!(clashes(place.path(), Some("kiro-assistant")).is_empty());
        assert_eq!(remove_entries(place.path(), Some("kiro-assistant"), at).unwrap(), []);
    }
}
