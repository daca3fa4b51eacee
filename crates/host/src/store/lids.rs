//! Whose LID is whose number, as messages told, and as WhatsApp told of registered chats that it was asked for (M9).
//!
//! WhatsApp's library knows it too, and forgets in a restart what it learned from a backlog. What a message told was written
//! with it, so a message that comes again is known under either address.

use std::borrow::Cow;

use anyhow::Result;
use nanoclaw_core::chat::Jid;
use rusqlite::{Connection, OptionalExtension};

/// Somebody's address: by number where it is known, and the LID beside it where both are.
pub struct Address<'a> {
    pub jid: Cow<'a, str>,
    pub lid: Option<&'a str>,
}

/// What is known of an address that came as `jid`, with the LID beside it where it came with both.
///
/// # Errors
/// What SQLite says.
pub fn known<'a>(connection: &Connection, jid: &'a str, lid: Option<&'a str>) -> Result<Address<'a>> {
    let told = match lid {
        Some(lid) => {
            connection
                .prepare_cached(
                    "INSERT INTO lids (lid, jid) VALUES (?1, ?2)
                     ON CONFLICT (lid) DO UPDATE SET jid = excluded.jid WHERE jid <> excluded.jid",
                )?
                .execute([lid, jid])?;
            None
        }
        None if jid.ends_with("@lid") => connection
            .prepare_cached("SELECT jid FROM lids WHERE lid = ?1")?
            .query_row([jid], |row| row.get(0))
            .optional()?,
        None => None,
    };
    Ok(match told {
        Some(number) => Address { jid: Cow::Owned(number), lid: Some(jid) },
        None => Address { jid: Cow::Borrowed(jid), lid },
    })
}

/// The numbers of registered chats whose LID is not known.
///
/// # Errors
/// What SQLite says.
pub fn missing(connection: &Connection) -> Result<Vec<Jid>> {
    let mut statement = connection.prepare_cached(
        "SELECT jid FROM registered_groups WHERE jid LIKE '%@s.whatsapp.net' AND jid NOT IN (SELECT jid FROM lids)",
    )?;
    let numbers = statement.query_map([], |row| Ok(Jid::new(row.get::<_, String>(0)?)))?;
    Ok(numbers.collect::<rusqlite::Result<_>>()?)
}
