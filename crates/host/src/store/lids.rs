//! Whose LID is whose number, as messages told (M9).
//!
//! WhatsApp's library knows it too, and forgets in a restart what it learned from a backlog. What is kept here was written with
//! the message that told it, so a message that comes again is known under either address.

use std::borrow::Cow;

use anyhow::Result;
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
