//! Registered chats.

use anyhow::Result;
use jiff::Timestamp;
use nanoclaw_core::{
    chat::Jid,
    group::{Folder, Group},
    status::rfc3339,
};
use nanoclaw_protocol::ipc::ContainerConfig;
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::{Map, Value};

use super::{cursors, messages, parked, tasks};

/// # Errors
/// What SQLite says, or a folder name in the database that is not one.
pub fn list(connection: &Connection) -> Result<Vec<Group>> {
    let mut statement = connection.prepare_cached(
        "SELECT jid, name, folder, trigger_pattern, requires_trigger, container_config FROM registered_groups
         ORDER BY folder <> 'main', name, jid",
    )?;
    let mut rows = statement.query([])?;
    let mut groups = Vec::new();
    while let Some(row) = rows.next()? {
        let folder: String = row.get(2)?;
        let (name, stored): (String, Option<String>) = (row.get(1)?, row.get(5)?);
        let group = Group::new(Jid::new(row.get::<_, String>(0)?), &name, Folder::new(&folder)?);
        let group = Group { trigger: row.get(3)?, requires_trigger: row.get(4)?, ..group };
        groups.push(group.configured(stored.as_deref()));
    }
    Ok(groups)
}

/// Registers a chat. What was said in it before stays unseen: the agent starts with the next message.
///
/// # Errors
/// What SQLite says: also when the chat is registered already, or the folder belongs to another.
pub fn add(connection: &Connection, group: &Group, at: Timestamp) -> Result<()> {
    connection.execute(
        "INSERT INTO registered_groups (jid, name, folder, trigger_pattern, added_at, container_config, requires_trigger)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            group.jid.as_str(),
            group.name,
            group.folder.as_str(),
            group.trigger,
            rfc3339(at),
            stored(group, None)?,
            group.requires_trigger
        ],
    )?;
    let seen = messages::last(connection, &group.jid)?;
    cursors::set(connection, &group.jid, seen)
}

/// Keeps how a registered chat is answered, and its container settings, anew.
///
/// # Errors
/// What SQLite says.
pub fn configure(connection: &Connection, group: &Group) -> Result<()> {
    let jid = group.jid.as_str();
    let before = "SELECT container_config FROM registered_groups WHERE jid = ?1";
    let before: Option<String> = connection.query_row(before, [jid], |row| row.get(0)).optional()?.flatten();
    let config = stored(group, before.as_deref())?;
    connection.execute(
        "UPDATE registered_groups SET container_config = ?2, trigger_pattern = ?3, requires_trigger = ?4 WHERE jid = ?1",
        params![jid, config, group.trigger, group.requires_trigger],
    )?;
    Ok(())
}

/// The column `container_config`, in the shape of the Node.js service; its keys that we don't know stay as they were.
fn stored(group: &Group, before: Option<&str>) -> Result<Option<String>> {
    let mut kept: Map<String, Value> = before.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    kept.retain(|key, _| !["additionalMounts", "timeout", "tools"].contains(&key.as_str()));
    let (additional_mounts, tools) = (group.mounts.clone(), group.tools.clone());
    let config = ContainerConfig { additional_mounts, timeout: group.timeout, tools };
    if let Value::Object(ours) = serde_json::to_value(config)? {
        kept.extend(ours);
    }
    Ok((!kept.is_empty()).then(|| Value::Object(kept).to_string()))
}

/// Registers a chat no more. Its conversation with Kiro is not handed to whoever gets its folder next (R11).
///
/// # Errors
/// What SQLite says.
pub fn remove(connection: &Connection, jid: &Jid) -> Result<()> {
    connection.execute(
        "DELETE FROM sessions WHERE group_folder IN (SELECT folder FROM registered_groups WHERE jid = ?1)",
        [jid.as_str()],
    )?;
    connection.execute("DELETE FROM registered_groups WHERE jid = ?1", [jid.as_str()])?;
    parked::forget(connection, jid)?;
    Ok(())
}

/// Gives the folder `main` to another chat. A registered chat gives its folder up to the old main; an old main that gets
/// none is registered no more. What is unseen in either chat stays so, and neither goes on with the other's conversation.
///
/// # Errors
/// What SQLite says.
pub fn move_main(connection: &Connection, jid: &Jid, name: &str, at: Timestamp) -> Result<()> {
    let groups = list(connection)?;
    let old = groups.iter().find(|group| group.is_main());
    if old.is_some_and(|old| old.jid == *jid) {
        return Ok(());
    }
    let target = groups.iter().find(|group| group.jid == *jid);
    for folder in [Some(&Folder::main()), target.map(|target| &target.folder)].into_iter().flatten() {
        connection.execute("DELETE FROM sessions WHERE group_folder = ?1", [folder.as_str()])?;
    }
    let Some(target) = target else {
        if let Some(old) = old {
            remove(connection, &old.jid)?;
        }
        let main = Group { requires_trigger: false, ..Group::new(jid.clone(), name, Folder::main()) };
        add(connection, &main, at)?;
        return tasks::follow_folders(connection);
    };
    let mut give = connection.prepare("UPDATE registered_groups SET folder = ?2 WHERE jid = ?1")?;
    // Folders are unique, so the one that is to be free is freed first.
    give.execute([jid.as_str(), "moving to main"])?;
    if let Some(old) = old {
        give.execute([old.jid.as_str(), target.folder.as_str()])?;
    }
    connection.execute(
        "UPDATE registered_groups SET folder = 'main', trigger_pattern = NULL, requires_trigger = 0 WHERE jid = ?1",
        [jid.as_str()],
    )?;
    tasks::follow_folders(connection)
}
