//! What the Node.js service kept, brought into our tables (shapes: facts of the original). Reads its database, never writes
//! there. What is here already stays as it is. Called by [`crate::import`].

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, Result};
use nanoclaw_core::{
    chat::{Jid, is_bot},
    group::Folder,
};
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, params};
use serde::Serialize;
use serde_json::Value;

use super::{cursors, messages::Assistant};

/// A marker of the Node.js service, not a chat.
const MARKER: &str = "__group_sync__";

/// A chat that was registered there.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OldGroup {
    pub jid: String,
    pub name: String,
    pub folder: String,
    #[serde(skip)]
    pub trigger: Option<String>,
    #[serde(skip)]
    pub added_at: String,
    #[serde(skip)]
    pub config: Option<String>,
    #[serde(skip)]
    pub requires_trigger: bool,
}

/// What was left out, and why.
#[derive(Clone, Debug, Serialize)]
pub struct Left {
    pub what: String,
    pub why: String,
}

/// What came in.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Imported {
    pub chats: usize,
    pub messages: usize,
    pub groups: Vec<OldGroup>,
    pub tasks: usize,
    pub task_runs: usize,
    pub left: Vec<Left>,
}

/// What older versions of the Node.js service kept in files beside the database.
#[derive(Debug, Default)]
pub struct OldFiles {
    pub groups: Vec<OldGroup>,
    /// Up to which time each chat's agent had seen its messages.
    pub seen: BTreeMap<String, String>,
}

/// Brings everything over; call it in a transaction.
///
/// # Errors
/// What SQLite says of either database.
pub fn import(ours: &Connection, from: &Path, files: OldFiles, assistant: &Assistant) -> Result<Imported> {
    let theirs = Connection::open_with_flags(from, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .with_context(|| format!("open {}", from.display()))?;
    let old = Old { connection: theirs };
    let (chats, messages) = (old.chats(ours)?, old.messages(ours, assistant)?);
    let mut done = Imported { chats, messages, ..Imported::default() };
    let stored = old.groups()?;
    let known: Vec<String> = stored.iter().map(|group| group.jid.clone()).collect();
    let in_files = files.groups.into_iter().filter(|group| !known.contains(&group.jid));
    let mut seen = files.seen;
    seen.extend(old.seen()?);
    for group in stored.into_iter().chain(in_files) {
        match add_group(ours, &group, seen.get(&group.jid))? {
            None => done.groups.push(group),
            Some(why) => done.left.push(Left { what: format!("chat {}", group.name), why }),
        }
    }
    old.tasks(ours, &mut done)?;
    Ok(done)
}

struct Old {
    connection: Connection,
}

impl Old {
    fn has(&self, table: &str, column: &str) -> Result<bool> {
        let sql = "SELECT EXISTS (SELECT 1 FROM pragma_table_info(?1) WHERE name = ?2)";
        Ok(self.connection.query_row(sql, [table, column], |row| row.get(0))?)
    }

    /// The column, or what stands for it where their version had none.
    fn or(&self, table: &str, column: &'static str, otherwise: &'static str) -> Result<&'static str> {
        Ok(if self.has(table, column)? { column } else { otherwise })
    }

    fn each(&self, table: &str, sql: &str, mut take: impl FnMut(&Row<'_>) -> Result<usize>) -> Result<usize> {
        if !self.has_table(table)? {
            return Ok(0);
        }
        let mut statement = self.connection.prepare(sql)?;
        let mut rows = statement.query([])?;
        let mut taken = 0;
        while let Some(row) = rows.next()? {
            taken += take(row)?;
        }
        Ok(taken)
    }

    fn has_table(&self, table: &str) -> Result<bool> {
        let sql = "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?1)";
        Ok(self.connection.query_row(sql, [table], |row| row.get(0))?)
    }

    fn chats(&self, ours: &Connection) -> Result<usize> {
        let mut keep =
            ours.prepare("INSERT OR IGNORE INTO chats (jid, name, last_message_time) VALUES (?1, ?2, ?3)")?;
        let sql = format!("SELECT jid, name, last_message_time FROM chats WHERE jid <> '{MARKER}'");
        self.each("chats", &sql, |row| {
            Ok(keep.execute(params![text(row, 0)?, optional(row, 1)?, optional(row, 2)?])?)
        })
    }

    /// In the order of their times; the order of arrival was not kept there.
    fn messages(&self, ours: &Connection, assistant: &Assistant) -> Result<usize> {
        let bot = self.or("messages", "is_bot_message", "NULL")?;
        let mut chat = ours.prepare("INSERT OR IGNORE INTO chats (jid) VALUES (?1)")?;
        let mut keep = ours.prepare(
            "INSERT OR IGNORE INTO messages (id, chat_jid, sender, sender_name, content, timestamp, is_from_me, is_bot_message)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?;
        let sql = format!(
            "SELECT id, chat_jid, sender, sender_name, content, timestamp, is_from_me, {bot} FROM messages
             WHERE content <> '' AND chat_jid <> '{MARKER}' ORDER BY timestamp, rowid"
        );
        self.each("messages", &sql, |row| {
            let (jid, sender, content) = (text(row, 1)?, text(row, 2)?, text(row, 4)?);
            let from_me = row.get::<_, Option<bool>>(6)?.unwrap_or_default();
            let is_bot = match row.get::<_, Option<bool>>(7)? {
                Some(is_bot) => is_bot,
                None => is_bot(&content, from_me, false, &assistant.name, assistant.own_number),
            };
            let name = optional(row, 3)?.filter(|name| !name.is_empty()).unwrap_or_else(|| sender.clone());
            chat.execute([&jid])?;
            Ok(keep.execute(params![text(row, 0)?, jid, sender, name, content, text(row, 5)?, from_me, is_bot])?)
        })
    }

    fn groups(&self) -> Result<Vec<OldGroup>> {
        let table = "registered_groups";
        let config = self.or(table, "container_config", "NULL")?;
        let requires = self.or(table, "requires_trigger", "1")?;
        let mut groups = Vec::new();
        let sql = format!("SELECT jid, name, folder, trigger_pattern, added_at, {config}, {requires} FROM {table}");
        self.each(table, &sql, |row| {
            groups.push(OldGroup {
                jid: text(row, 0)?,
                name: text(row, 1)?,
                folder: text(row, 2)?,
                trigger: optional(row, 3)?,
                added_at: text(row, 4)?,
                config: optional(row, 5)?,
                requires_trigger: row.get::<_, Option<bool>>(6)?.unwrap_or(true),
            });
            Ok(1)
        })?;
        Ok(groups)
    }

    fn seen(&self) -> Result<BTreeMap<String, String>> {
        let mut seen = BTreeMap::new();
        self.each("router_state", "SELECT value FROM router_state WHERE key = 'last_agent_timestamp'", |row| {
            seen = times(&serde_json::from_str(&text(row, 0)?).unwrap_or_default());
            Ok(1)
        })?;
        Ok(seen)
    }

    fn tasks(&self, ours: &Connection, done: &mut Imported) -> Result<()> {
        let context = self.or("scheduled_tasks", "context_mode", "'isolated'")?;
        let mut keep = ours.prepare(
            "INSERT OR IGNORE INTO scheduled_tasks (id, group_folder, chat_jid, prompt, schedule_type, schedule_value,
                 context_mode, next_run, last_run, last_result, status, created_at)
             SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12
             WHERE EXISTS (SELECT 1 FROM registered_groups WHERE folder = ?2)",
        )?;
        let sql = format!(
            "SELECT id, group_folder, chat_jid, prompt, schedule_type, schedule_value, {context}, next_run, last_run,
                 last_result, status, created_at FROM scheduled_tasks"
        );
        let mut kept = Vec::new();
        done.tasks = self.each("scheduled_tasks", &sql, |row| {
            let columns = (0..12).map(|at| optional(row, at)).collect::<Result<Vec<_>>>()?;
            let new = keep.execute(rusqlite::params_from_iter(&columns))?;
            let id = text(row, 0)?;
            if new == 1 {
                kept.push(id);
            } else {
                let why = "it is here already, or its chat is not registered".to_owned();
                done.left.push(Left { what: format!("task {id}"), why });
            }
            Ok(new)
        })?;
        let mut log = ours.prepare(
            "INSERT INTO task_run_logs (task_id, run_at, duration_ms, status, result, error) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        let sql = "SELECT task_id, run_at, duration_ms, status, result, error FROM task_run_logs ORDER BY id";
        done.task_runs = self.each("task_run_logs", sql, |row| {
            let id = text(row, 0)?;
            if !kept.contains(&id) {
                return Ok(0);
            }
            let duration = row.get::<_, Option<i64>>(2)?.unwrap_or_default();
            let (result, error) = (optional(row, 4)?, optional(row, 5)?);
            Ok(log.execute(params![id, text(row, 1)?, duration, text(row, 3)?, result, error])?)
        })?;
        Ok(())
    }
}

/// Registers a chat here; or says why not. What its agent had seen there stays seen; where that is not known, everything is.
fn add_group(ours: &Connection, group: &OldGroup, seen: Option<&String>) -> Result<Option<String>> {
    if let Err(error) = Folder::new(&group.folder) {
        return Ok(Some(error.to_string()));
    }
    if !Jid::new(&group.jid).is_chat() {
        return Ok(Some(format!("{} is no chat's address", group.jid)));
    }
    let taken = "SELECT jid = ?1 FROM registered_groups WHERE jid = ?1 OR folder = ?2";
    match ours.query_row(taken, [&group.jid, &group.folder], |row| row.get(0)).optional()? {
        Some(true) => return Ok(Some("it is registered here already".to_owned())),
        Some(false) => return Ok(Some(format!("another chat has the folder {} here", group.folder))),
        None => {}
    }
    ours.execute("INSERT OR IGNORE INTO chats (jid, name) VALUES (?1, ?2)", [&group.jid, &group.name])?;
    ours.execute(
        "INSERT INTO registered_groups (jid, name, folder, trigger_pattern, added_at, container_config, requires_trigger)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            group.jid,
            group.name,
            group.folder,
            group.trigger,
            group.added_at,
            group.config,
            group.requires_trigger && group.folder != Folder::main().as_str()
        ],
    )?;
    let until = "SELECT coalesce(max(seq), 0) FROM messages WHERE chat_jid = ?1 AND timestamp <= ?2";
    let all = "9999".to_owned();
    let seq = ours.query_row(until, [&group.jid, seen.unwrap_or(&all)], |row| row.get(0))?;
    cursors::set(ours, &Jid::new(&group.jid), seq)?;
    Ok(None)
}

/// `{jid: time}`.
pub fn times(value: &Value) -> BTreeMap<String, String> {
    let entries = value.as_object().into_iter().flatten();
    entries.filter_map(|(jid, time)| Some((jid.clone(), time.as_str()?.to_owned()))).collect()
}

fn text(row: &Row<'_>, at: usize) -> Result<String> {
    Ok(optional(row, at)?.unwrap_or_default())
}

/// Their columns have no strict types: a number may stand where a text is meant.
fn optional(row: &Row<'_>, at: usize) -> Result<Option<String>> {
    use rusqlite::types::ValueRef;
    Ok(match row.get_ref(at)? {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(number.to_string()),
        ValueRef::Real(number) => Some(number.to_string()),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
    })
}

#[cfg(all(test, unix))]
mod tests;
