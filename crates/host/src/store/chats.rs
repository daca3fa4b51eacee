//! The chats that are known: metadata of every chat, whether registered or not (M1).

use anyhow::Result;
use jiff::Timestamp;
use nanoclaw_core::{chat::Jid, status::rfc3339};
use rusqlite::{Connection, OptionalExtension, params};

use super::lids::{self, Address};

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

/// Which of its addresses a chat goes by (M9): its number, unless it was registered by its LID while that was all that was
/// known. Then it stays what its folder, its turns and its tasks know it as. Else the row that it had by its LID is its
/// number's from now on.
///
/// # Errors
/// What SQLite says.
pub fn known_as(connection: &Connection, jid: &Jid, lid: Option<&Jid>) -> Result<Jid> {
    let Address { jid, lid } = lids::known(connection, jid.as_str(), lid.map(Jid::as_str))?;
    let jid = Jid::new(jid);
    let Some(lid) = lid else { return Ok(jid) };
    let mut registered = connection.prepare_cached("SELECT 1 FROM registered_groups WHERE jid = ?1")?;
    if registered.exists([lid])? {
        return Ok(if registered.exists([jid.as_str()])? { jid } else { Jid::new(lid) });
    }
    // One that was registered once keeps what was said in it.
    let met = connection
        .prepare_cached(
            "DELETE FROM chats WHERE jid = ?1 AND NOT EXISTS (SELECT 1 FROM messages WHERE chat_jid = ?1)
             RETURNING name, last_message_time",
        )?
        .query_row([lid], |row| Ok((row.get::<_, Option<String>>(0)?, row.get::<_, Option<String>>(1)?)))
        .optional()?;
    if let Some((name, at)) = met {
        note(connection, &jid, name.as_deref(), at.as_deref())?;
    }
    Ok(jid)
}

/// Notes that something was said in a chat; a name that is known already is not overwritten by a less sure one.
///
/// # Errors
/// What SQLite says.
pub fn touch(connection: &Connection, jid: &Jid, name: Option<&str>, at: Timestamp) -> Result<()> {
    note(connection, jid, name, Some(&rfc3339(at)))
}

fn note(connection: &Connection, jid: &Jid, name: Option<&str>, at: Option<&str>) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO chats (jid, name, last_message_time) VALUES (?1, ?2, ?3)
             ON CONFLICT (jid) DO UPDATE SET
                 name = coalesce(chats.name, excluded.name),
                 last_message_time = max(coalesce(chats.last_message_time, ''), coalesce(excluded.last_message_time, ''))",
        )?
        .execute(params![jid.as_str(), name, at])?;
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
