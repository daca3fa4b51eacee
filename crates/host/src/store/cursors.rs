//! What each chat's agent was given, and which hand-overs have no result yet (C1, C3).

use std::collections::HashSet;

use anyhow::Result;
use nanoclaw_core::{
    chat::{Jid, Message, Seq},
    router,
    run::{self, Turn},
    trigger::Trigger,
};
use rusqlite::{Connection, OptionalExtension, params};

use super::messages;

/// # Errors
/// What SQLite says.
pub fn get(connection: &Connection, chat: &Jid) -> Result<Seq> {
    let seq = connection
        .prepare_cached("SELECT seq FROM cursors WHERE chat_jid = ?1")?
        .query_row([chat.as_str()], |row| row.get(0))
        .optional()?;
    Ok(seq.unwrap_or(0))
}

/// # Errors
/// What SQLite says.
pub fn set(connection: &Connection, chat: &Jid, seq: Seq) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO cursors (chat_jid, seq) VALUES (?1, ?2) ON CONFLICT (chat_jid) DO UPDATE SET seq = excluded.seq",
        )?
        .execute(params![chat.as_str(), seq])?;
    Ok(())
}

/// What a run is given: an open turn and its messages.
#[derive(Debug)]
pub struct HandOver {
    pub turn: u64,
    pub messages: Vec<Message>,
}

/// Hands the unseen messages of a chat to a run: the cursor advances, and a turn is open until its result is in the
/// outbox. `None` when nothing unseen wants an answer.
///
/// A chat has one run at a time, so what another run has left open has ended unsettled (a full disk, say): it is settled
/// first, and is handed over again.
///
/// # Errors
/// What SQLite says; then nothing was handed over.
pub fn hand_over(connection: &Connection, chat: &Jid, run: &str, trigger: &Trigger) -> Result<Option<HandOver>> {
    settle_left(connection, chat, run)?;
    let from = get(connection, chat)?;
    let messages = messages::unseen(connection, chat, from, trigger)?;
    // What another hand-over left of a burst is context (M4): an agent that was given it alone would owe an answer to nobody.
    let Some(to) = messages.last().map(|message| message.seq).filter(|_| asks(&messages, trigger)) else {
        return Ok(None);
    };
    set(connection, chat, to)?;
    connection
        .prepare_cached("INSERT INTO turns (run, chat_jid, from_seq, to_seq) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![run, chat.as_str(), from, to])?;
    Ok(Some(HandOver { turn: connection.last_insert_rowid().unsigned_abs(), messages }))
}

fn asks(messages: &[Message], trigger: &Trigger) -> bool {
    messages.iter().any(|message| router::wakes(message, trigger))
}

/// Lets go what wants an answer in a chat and came before `until`: no run is given it any more. What `run` was given, the
/// chat's present one, is not touched; it is empty where there is none.
///
/// Returns what was let go.
///
/// # Errors
/// What SQLite says.
pub fn let_go(connection: &Connection, chat: &Jid, run: &str, until: Seq, trigger: &Trigger) -> Result<Vec<Seq>> {
    settle_left(connection, chat, run)?;
    let from = get(connection, chat)?;
    let owed = messages::owed(connection, chat, from, trigger)?;
    set(connection, chat, from.max(until))?;
    Ok(owed.into_iter().filter(|seq| *seq < until).collect())
}

/// Settles what runs other than this one have left open in a chat.
fn settle_left(connection: &Connection, chat: &Jid, run: &str) -> Result<()> {
    let left: Vec<String> = connection
        .prepare_cached("SELECT DISTINCT run FROM turns WHERE chat_jid = ?1 AND run <> ?2 ORDER BY id DESC")?
        .query_map([chat.as_str(), run], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    left.iter().try_for_each(|left| settle(connection, chat, left))
}

/// The turns of a run that have no result, the oldest first.
///
/// # Errors
/// What SQLite says.
pub fn open_turns(connection: &Connection, run: &str) -> Result<Vec<Turn>> {
    let mut statement =
        connection.prepare_cached("SELECT id, from_seq, to_seq FROM turns WHERE run = ?1 ORDER BY id")?;
    let rows = statement.query_map([run], |row| Ok(Turn { id: row.get(0)?, from: row.get(1)?, to: row.get(2)? }))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// # Errors
/// What SQLite says.
pub fn close_turns(connection: &Connection, ids: &[u64]) -> Result<()> {
    let mut statement = connection.prepare_cached("DELETE FROM turns WHERE id = ?1")?;
    for id in ids {
        statement.execute([id])?;
    }
    Ok(())
}

/// Nothing of these open turns is asked again that came up to `until`.
///
/// # Errors
/// What SQLite says.
pub fn drop_turns(connection: &Connection, ids: &[u64], until: Seq) -> Result<()> {
    let mut dropped = connection.prepare_cached("DELETE FROM turns WHERE id = ?1 AND to_seq <= ?2")?;
    let mut rest = connection.prepare_cached("UPDATE turns SET from_seq = max(from_seq, ?2) WHERE id = ?1")?;
    for id in ids {
        dropped.execute(params![id, until])?;
        rest.execute(params![id, until])?;
    }
    Ok(())
}

/// Settles a run that has ended: what was not answered goes back before the cursor, and no turn of it stays open.
///
/// # Errors
/// What SQLite says.
pub fn settle(connection: &Connection, chat: &Jid, run: &str) -> Result<()> {
    let open = open_turns(connection, run)?;
    if let Some(back) = run::rollback(&open)
        && back < get(connection, chat)?
    {
        set(connection, chat, back)?;
    }
    close_turns(connection, &open.iter().map(|turn| turn.id).collect::<Vec<_>>())
}

/// The chats that have open turns.
///
/// # Errors
/// What SQLite says.
pub fn open_chats(connection: &Connection) -> Result<HashSet<Jid>> {
    let mut statement = connection.prepare("SELECT DISTINCT chat_jid FROM turns")?;
    let chats = statement.query_map([], |row| Ok(Jid::new(row.get::<_, String>(0)?)))?;
    Ok(chats.collect::<rusqlite::Result<_>>()?)
}

/// Settles every run that a process before this one left open (C3).
///
/// # Errors
/// What SQLite says.
pub fn settle_all(connection: &Connection) -> Result<()> {
    let mut statement = connection.prepare("SELECT DISTINCT chat_jid, run FROM turns ORDER BY id DESC")?;
    let runs = statement.query_map([], |row| Ok((Jid::new(row.get::<_, String>(0)?), row.get::<_, String>(1)?)))?;
    for (chat, run) in runs.collect::<rusqlite::Result<Vec<_>>>()? {
        settle(connection, &chat, &run)?;
    }
    Ok(())
}
