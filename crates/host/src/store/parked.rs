//! The chats that were told that their work waits for a sign-in to Kiro, in the table of small states, so that none is told
//! twice, also not after a restart (K3).

use anyhow::Result;
use nanoclaw_core::chat::Jid;
use rusqlite::Connection;

/// Notes that a chat is told. False: it was already.
///
/// # Errors
/// What SQLite says.
pub fn tell(connection: &Connection, chat: &Jid) -> Result<bool> {
    let told = connection
        .prepare_cached("INSERT INTO router_state (key, value) VALUES (?1, 'told') ON CONFLICT DO NOTHING")?
        .execute([key(chat)])?;
    Ok(told > 0)
}

/// The chat waits no more. False: it was not told that it does.
///
/// # Errors
/// What SQLite says.
pub fn forget(connection: &Connection, chat: &Jid) -> Result<bool> {
    Ok(connection.prepare_cached("DELETE FROM router_state WHERE key = ?1")?.execute([key(chat)])? > 0)
}

fn key(chat: &Jid) -> String {
    format!("parked:{}", chat.as_str())
}
