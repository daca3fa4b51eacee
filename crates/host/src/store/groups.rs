//! Registered chats.

use anyhow::{Context, Result};
use jiff::Timestamp;
use nanoclaw_core::{
    chat::Jid,
    group::{Folder, Group},
    status::rfc3339,
};
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};

use super::{cursors, messages, tasks};

/// The column `container_config`, as the Node.js service wrote it. Extra mounts are kept as they are.
#[derive(Default, Serialize, Deserialize)]
struct ContainerConfig {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    timeout: Option<u64>,
    #[serde(flatten)]
    rest: serde_json::Map<String, serde_json::Value>,
}

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
        let config: Option<String> = row.get(5)?;
        let config: ContainerConfig = match config {
            Some(json) => serde_json::from_str(&json).with_context(|| format!("container_config of {folder}"))?,
            None => ContainerConfig::default(),
        };
        groups.push(Group {
            jid: Jid::new(row.get::<_, String>(0)?),
            name: row.get(1)?,
            folder: Folder::new(&folder)?,
            trigger: row.get(3)?,
            requires_trigger: row.get(4)?,
            timeout: config.timeout,
        });
    }
    Ok(groups)
}

/// Registers a chat. What was said in it before stays unseen: the agent starts with the next message.
///
/// # Errors
/// What SQLite says: also when the chat is registered already, or the folder belongs to another.
pub fn add(connection: &Connection, group: &Group, at: Timestamp) -> Result<()> {
    let config = group
        .timeout
        .map(|timeout| serde_json::to_string(&ContainerConfig { timeout: Some(timeout), ..Default::default() }))
        .transpose()?;
    connection.execute(
        "INSERT INTO registered_groups (jid, name, folder, trigger_pattern, added_at, container_config, requires_trigger)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            group.jid.as_str(),
            group.name,
            group.folder.as_str(),
            group.trigger,
            rfc3339(at),
            config,
            group.requires_trigger
        ],
    )?;
    let seen = messages::last(connection, &group.jid)?;
    cursors::set(connection, &group.jid, seen)
}

/// # Errors
/// What SQLite says.
pub fn remove(connection: &Connection, jid: &Jid) -> Result<()> {
    connection.execute("DELETE FROM registered_groups WHERE jid = ?1", [jid.as_str()])?;
    Ok(())
}

/// Gives the folder `main` to another chat. A registered chat gives its folder up to the old main.
///
/// # Errors
/// What SQLite says.
pub fn move_main(connection: &Connection, jid: &Jid, name: &str, at: Timestamp) -> Result<()> {
    let groups = list(connection)?;
    let target = groups.iter().find(|group| group.jid == *jid).cloned();
    if let Some(old) = groups.into_iter().find(Group::is_main) {
        remove(connection, &old.jid)?;
        if let Some(target) = &target {
            remove(connection, &target.jid)?;
            add(connection, &Group { folder: target.folder.clone(), ..old }, at)?;
        }
    } else if let Some(target) = &target {
        remove(connection, &target.jid)?;
    }
    let main = Group {
        jid: jid.clone(),
        name: target.map_or_else(|| name.to_owned(), |target| target.name),
        folder: Folder::main(),
        trigger: None,
        requires_trigger: false,
        timeout: None,
    };
    add(connection, &main, at)?;
    tasks::follow_folders(connection)
}
