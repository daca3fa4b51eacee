//! Texts on their way out (M13): kept with their message id before they are sent, closed by the server's ack.
//!
//! A row that was sent but not acked is sent again with the same id: WhatsApp and the receiving phone know it by its id.

use anyhow::Result;
use jiff::Timestamp;
use nanoclaw_core::{chat::Jid, status::rfc3339};
use rusqlite::{Connection, params};

/// The most texts of a chat that agents may have waiting: each makes all that waits slower to look through.
pub const MOST: u64 = 1000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    pub id: String,
    pub chat: Jid,
    pub text: String,
}

/// Keeps a text to be sent. A text whose id is known already is not kept twice.
///
/// # Errors
/// What SQLite says.
pub fn add(connection: &Connection, outgoing: &Outgoing, at: Timestamp) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO outbox (id, chat_jid, text, state, created_at) VALUES (?1, ?2, ?3, 'queued', ?4)
             ON CONFLICT (id) DO NOTHING",
        )?
        .execute(params![outgoing.id, outgoing.chat.as_str(), outgoing.text, rfc3339(at)])?;
    Ok(())
}

/// The texts that the server does not have yet, the oldest of each chat only: the next one follows when it is settled.
///
/// # Errors
/// What SQLite says.
pub fn heads(connection: &Connection) -> Result<Vec<Outgoing>> {
    let mut statement = connection.prepare_cached(
        // Only of the heads the text is read: what waits may be long.
        "SELECT id, chat_jid, text FROM outbox
         WHERE seq IN (SELECT min(seq) FROM outbox WHERE state = 'queued' GROUP BY chat_jid) ORDER BY seq",
    )?;
    let rows = statement.query_map([], |row| {
        Ok(Outgoing { id: row.get(0)?, chat: Jid::new(row.get::<_, String>(1)?), text: row.get(2)? })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The server has it; `sent`: when it was given to it, where that is known.
///
/// # Errors
/// What SQLite says.
pub fn acked(connection: &Connection, id: &str, sent: Option<Timestamp>, at: Timestamp) -> Result<()> {
    connection
        .prepare_cached(
            "UPDATE outbox SET state = 'acked', settled_at = ?2, sent_at = ?3 WHERE id = ?1 AND state = 'queued'",
        )?
        .execute(params![id, rfc3339(at), sent.map(rfc3339)])?;
    Ok(())
}

/// It can't be sent, now or ever.
///
/// # Errors
/// What SQLite says.
pub fn failed(connection: &Connection, id: &str, error: &str, at: Timestamp) -> Result<()> {
    connection
        .prepare_cached(
            "UPDATE outbox SET state = 'failed', settled_at = ?2, error = ?3 WHERE id = ?1 AND state = 'queued'",
        )?
        .execute(params![id, rfc3339(at), error])?;
    Ok(())
}

/// What could not be sent waits again, in its old place: a chat's, or all. Returns how many texts that are.
///
/// # Errors
/// What SQLite says.
pub fn resend(connection: &Connection, chat: Option<&Jid>) -> Result<usize> {
    let mut again = connection.prepare_cached(
        "UPDATE outbox SET state = 'queued', settled_at = NULL, error = NULL
         WHERE state = 'failed' AND (?1 IS NULL OR chat_jid = ?1)",
    )?;
    Ok(again.execute([chat.map(Jid::as_str)])?)
}

/// Whether a message id is one of our own sends (M7).
///
/// # Errors
/// What SQLite says.
pub fn knows(connection: &Connection, id: &str) -> Result<bool> {
    Ok(connection.prepare_cached("SELECT 1 FROM outbox WHERE id = ?1")?.exists([id])?)
}

/// Whether as many texts wait for a chat as may.
///
/// # Errors
/// What SQLite says.
pub fn is_full(connection: &Connection, chat: &Jid) -> Result<bool> {
    let mut statement =
        connection.prepare_cached("SELECT count(*) FROM outbox WHERE state = 'queued' AND chat_jid = ?1")?;
    let waiting: u64 = statement.query_row([chat.as_str()], |row| row.get(0))?;
    Ok(waiting >= MOST)
}

/// How many wait, and how many could not be sent.
///
/// # Errors
/// What SQLite says.
pub fn counts(connection: &Connection) -> Result<(u64, u64)> {
    // Literals, because only those find the small partial indexes among years of texts that were sent.
    let mut statement = connection.prepare_cached(
        "SELECT (SELECT count(*) FROM outbox WHERE state = 'queued'), (SELECT count(*) FROM outbox WHERE state = 'failed')",
    )?;
    Ok(statement.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?)
}
