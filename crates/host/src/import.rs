//! Takes over what the Node.js service kept: its database, its groups' folders and its settings. Its folder is only read,
//! and what the Home has already stays as it is, so an import can be done again. WhatsApp's sign-in can't come along: it is
//! another client's.
//!
//! Called by `nanoclawctl import`, while no NanoClaw has the Home.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, anyhow};
use nanoclaw_core::{problem::Trouble, settings::Setting};
use serde::Serialize;
use serde_json::Value;

use crate::{
    control::HomeLock,
    paths::Home,
    settings,
    store::{
        Store,
        import::{Imported, Left, OldFiles, OldGroup, import, times},
        messages::Assistant,
    },
};

/// What came over, or with `dryRun` what would.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub dry_run: bool,
    #[serde(flatten)]
    pub rows: Imported,
    /// Files of the groups' folders.
    pub files: usize,
    /// Names of settings.
    pub settings: Vec<String>,
}

/// Takes over from the folder of the Node.js service.
///
/// # Errors
/// There is nothing to take over, the Home is in use, or a file or database can't be read or written. A database is changed
/// as a whole or not at all.
pub async fn take_over(home: &Home, from: &Path, dry_run: bool) -> Result<Report, Trouble> {
    let database = from.join("store/messages.db");
    if !database.is_file() {
        return Err(Trouble::NothingToImport { path: database.display().to_string() });
    }
    home.create()?;
    let _lock = HomeLock::take(home)?;
    // A rehearsal is the same on a copy.
    let copy = if dry_run { Some(rehearsal(home).map_err(internal)?) } else { None };
    let home = copy.as_ref().map_or(home, |(copy, _)| copy);
    let store = Store::open(&home.database())?;

    let given = dotenv(&from.join(".env")).map_err(internal)?;
    let before = settings::stored(home)?;
    let (mut taken, mut left) = (Vec::new(), Vec::new());
    for (name, value) in given {
        let why = match before.contains_key(&name) {
            true => Some("it is set here already".to_owned()),
            false => settings::set(home, &name, &value).err().map(|trouble| trouble.problem().text),
        };
        match why {
            Some(why) => left.push(Left { what: name, why }),
            None => taken.push(name),
        }
    }
    let (settings, _) = settings::load(home);
    let assistant = Assistant { name: settings.assistant_name, own_number: settings.own_number };
    let files = old_files(&from.join("data"));
    let mut rows = store.write(move |db| import(db, &database, files, &assistant)).await.map_err(internal)?;
    rows.left.extend(left);
    let mut files = 0;
    for folder in rows.groups.iter().map(|group| group.folder.as_str()).chain(["global"]) {
        let source = from.join("groups").join(folder);
        if source.is_dir() {
            files += copy_folder(&source, &home.groups().join(folder), &mut rows.left).map_err(internal)?;
        }
    }
    Ok(Report { dry_run, rows, files, settings: taken })
}

fn internal(error: anyhow::Error) -> Trouble {
    Trouble::Internal { reason: format!("{error:#}") }
}

/// A Home with the same database and settings, which goes when it is dropped.
fn rehearsal(home: &Home) -> Result<(Home, tempfile::TempDir)> {
    let folder = tempfile::tempdir()?;
    let copy = Home::at(folder.path()).map_err(|trouble| anyhow!(trouble.problem().text))?;
    copy.create().map_err(|trouble| anyhow!(trouble.problem().text))?;
    let database = |home: &Home, end: &str| PathBuf::from(format!("{}{end}", home.database().display()));
    let pairs = ["", "-wal"].map(|end| (database(home, end), database(&copy, end)));
    for (from, to) in pairs.into_iter().chain([(home.settings(), copy.settings())]) {
        if from.is_file() {
            fs::copy(&from, &to).with_context(|| format!("copy {}", from.display()))?;
        }
    }
    Ok((copy, folder))
}

/// The lines `NAME=value` that name a setting of ours.
fn dotenv(path: &Path) -> Result<Vec<(String, String)>> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("read {}", path.display())),
    };
    let lines = text.lines().filter_map(|line| line.trim().trim_start_matches("export ").split_once('='));
    Ok(lines
        .map(|(name, value)| (name.trim(), value.trim().trim_matches(['"', '\''])))
        .filter(|(name, value)| Setting::named(name).is_some() && !value.is_empty())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect())
}

fn old_files(data: &Path) -> OldFiles {
    let json = |name: &str| -> Value {
        fs::read(data.join(name)).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    };
    let groups = json("registered_groups.json");
    let text = |group: &Value, key: &str| group[key].as_str().map(str::to_owned);
    let groups = groups.as_object().into_iter().flatten().map(|(jid, group)| OldGroup {
        jid: jid.clone(),
        name: text(group, "name").unwrap_or_else(|| jid.clone()),
        folder: text(group, "folder").unwrap_or_default(),
        trigger: text(group, "trigger"),
        added_at: text(group, "added_at").unwrap_or_default(),
        config: group.get("containerConfig").map(Value::to_string),
        requires_trigger: group["requiresTrigger"].as_bool().unwrap_or(true),
    });
    OldFiles { groups: groups.collect(), seen: times(&json("router_state.json")["last_agent_timestamp"]) }
}

/// Files that are not there yet; links and devices stay behind.
fn copy_folder(from: &Path, to: &Path, left: &mut Vec<Left>) -> Result<usize> {
    fs::create_dir_all(to).with_context(|| format!("make {}", to.display()))?;
    let mut copied = 0;
    for entry in fs::read_dir(from).with_context(|| format!("read {}", from.display()))? {
        let (entry, kind) = entry.and_then(|entry| entry.file_type().map(|kind| (entry, kind)))?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if kind.is_dir() {
            copied += copy_folder(&source, &target, left)?;
        } else if !kind.is_file() {
            left.push(Left { what: source.display().to_string(), why: "it is no file of its own".to_owned() });
        } else if target.symlink_metadata().is_err() {
            fs::copy(&source, &target).with_context(|| format!("copy {}", source.display()))?;
            copied += 1;
        }
    }
    Ok(copied)
}
