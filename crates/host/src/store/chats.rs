//! The chats that are known: metadata of every chat, whether registered or not (M1).

use anyhow::Result;
use jiff::Timestamp;
use nanoclaw_core::{chat::Jid, status::rfc3339};
use rusqlite::{Connection, params};

/// A chat as `nanoclawctl chats --json` shows it.
#[derive(Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Chat {
    pub jid: Jid,
    pub name: String,
    /// RFC 3339; empty before the first message.
    pub last_activity: String,
    pub is_group: bool,
    pub is_registered: bool,
}

/// Notes that something was said in a chat; a name that is known already is not overwritten by a less sure one.
///
/// # Errors
/// What SQLite says.
pub fn touch(connection: &Connection, jid: &Jid, name: Option<&str>, at: Timestamp) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO chats (jid, name, last_message_time) VALUES (?1, ?2, ?3)
             ON CONFLICT (jid) DO UPDATE SET
                 name = coalesce(chats.name, excluded.name),
                 last_message_time = max(coalesce(chats.last_message_time, ''), excluded.last_message_time)",
        )?
        .execute(params![jid.as_str(), name, rfc3339(at)])?;
    Ok(())
}

/// Takes a name from the group list (M11): it wins over what was known.
///
/// # Errors
/// What SQLite says.
pub fn rename(connection: &Connection, jid: &Jid, name: &str) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO chats (jid, name) VALUES (?1, ?2) ON CONFLICT (jid) DO UPDATE SET name = excluded.name",
        )?
        .execute(params![jid.as_str(), name])?;
    Ok(())
}

/// All chats, the latest first.
///
/// # Errors
/// What SQLite says.
pub fn list(connection: &Connection) -> Result<Vec<Chat>> {
    let mut statement = connection.prepare_cached(
        "SELECT c.jid, coalesce(c.name, ''), coalesce(c.last_message_time, ''), g.jid IS NOT NULL
         FROM chats c LEFT JOIN registered_groups g ON g.jid = c.jid
         WHERE c.jid <> '__group_sync__' ORDER BY c.last_message_time DESC, c.jid",
    )?;
    let rows = statement.query_map([], |row| {
        let jid = Jid::new(row.get::<_, String>(0)?);
        Ok(Chat {
            name: row.get(1)?,
            last_activity: row.get(2)?,
            is_group: jid.is_group(),
            is_registered: row.get(3)?,
            jid,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
