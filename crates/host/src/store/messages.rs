//! Messages of registered chats, in order of arrival (C2, M12).

use std::collections::VecDeque;

use anyhow::Result;
use nanoclaw_core::{
    chat::{Inbound, Jid, Message, Seq, is_bot, is_ignored},
    owner,
    status::rfc3339,
};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{chats, outbox, time};

/// The most messages of context, and the most that want an answer, in one hand-over; and the most bytes of either. Together
/// they fit in a line of the runner's stdin, whatever is escaped in them.
const HAND_OVER: usize = 500;
const HAND_OVER_BYTES: usize = 512 << 10;

/// Who the agent is, for M7.
#[derive(Clone, Debug)]
pub struct Assistant {
    pub name: String,
    pub own_number: bool,
}

/// Keeps what arrived: metadata of each chat, and the content where the chat is registered (M1). What was kept before is
/// not kept twice.
///
/// Returns the messages that are new, in their order.
///
/// # Errors
/// What SQLite says; then nothing of the batch was kept.
pub fn accept(connection: &Connection, batch: &[Inbound], assistant: &Assistant) -> Result<Vec<Message>> {
    let mut kept = Vec::new();
    for inbound in batch.iter().filter(|inbound| !is_ignored(&inbound.chat)) {
        chats::touch(connection, &inbound.chat, inbound.chat_name.as_deref(), inbound.sent_at)?;
        let Some(text) = inbound.text.as_deref().filter(|text| !text.trim().is_empty()) else { continue };
        let ours = outbox::knows(connection, &inbound.id)?;
        let is_bot = is_bot(text, inbound.from_me, ours, &assistant.name, assistant.own_number);
        let is_order = !is_bot && owner::order(text).is_some();
        let seq: Option<Seq> = connection
            .prepare_cached(
                "INSERT INTO messages
                     (id, chat_jid, sender, sender_name, content, timestamp, is_from_me, is_bot_message, for_host)
                 SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, CASE WHEN ?9 AND folder = 'main' THEN 'waits' END
                 FROM registered_groups WHERE jid = ?2
                 ON CONFLICT (chat_jid, sender, id) DO NOTHING RETURNING seq",
            )?
            .query_row(
                params![
                    inbound.id,
                    inbound.chat.as_str(),
                    inbound.sender,
                    inbound.sender_name,
                    text,
                    rfc3339(inbound.sent_at),
                    inbound.from_me,
                    is_bot,
                    is_order
                ],
                |row| row.get(0),
            )
            .optional()?;
        kept.extend(seq.map(|seq| Message {
            seq,
            id: inbound.id.clone(),
            chat: inbound.chat.clone(),
            sender: inbound.sender.clone(),
            sender_name: inbound.sender_name.clone(),
            content: text.to_owned(),
            sent_at: inbound.sent_at,
            is_bot,
        }));
    }
    Ok(kept)
}

/// What people said in a chat after `seq`, as far as it goes into one hand-over, in order of arrival.
///
/// Of those that `wakes` (want an answer) none is left out: what is too much begins the next hand-over. Of the others, which
/// are context (M4), the newest are taken.
///
/// # Errors
/// What SQLite says.
pub fn unseen(connection: &Connection, chat: &Jid, seq: Seq, wakes: impl Fn(&Message) -> bool) -> Result<Vec<Message>> {
    let mut statement = connection.prepare_cached(
        "SELECT seq, id, chat_jid, sender, sender_name, content, timestamp, is_bot_message FROM messages
         WHERE chat_jid = ?1 AND seq > ?2 AND NOT is_bot_message AND for_host IS NULL ORDER BY seq",
    )?;
    let mut rows = statement.query(params![chat.as_str(), seq])?;
    let (mut asking, mut asking_bytes) = (Vec::new(), 0);
    let (mut context, mut context_bytes) = (VecDeque::new(), 0);
    while let Some(row) = rows.next()? {
        let message = message(row)?;
        let bytes = message.content.len();
        if wakes(&message) {
            let full = asking.len() >= HAND_OVER || asking_bytes + bytes > HAND_OVER_BYTES;
            if full && !asking.is_empty() {
                break;
            }
            asking_bytes += bytes;
            asking.push(message);
        } else {
            context_bytes += bytes;
            context.push_back(message);
            while context.len() > HAND_OVER || context_bytes > HAND_OVER_BYTES {
                context_bytes -= context.pop_front().map_or(0, |dropped: Message| dropped.content.len());
            }
        }
    }
    asking.extend(context);
    asking.sort_by_key(|message| message.seq);
    Ok(asking)
}

/// How much that wants an answer came after `seq`, as far as it goes into one hand-over (C3).
///
/// # Errors
/// What SQLite says.
pub fn owed(connection: &Connection, chat: &Jid, seq: Seq, wakes: impl Fn(&Message) -> bool) -> Result<u64> {
    let unseen = unseen(connection, chat, seq, &wakes)?;
    Ok(unseen.iter().filter(|message| wakes(message)).count() as u64)
}

/// What the owner asked of NanoClaw itself and has no answer to, in order of arrival.
///
/// # Errors
/// What SQLite says.
pub fn for_host(connection: &Connection) -> Result<Vec<Message>> {
    let mut statement = connection.prepare_cached(
        "SELECT seq, id, chat_jid, sender, sender_name, content, timestamp, is_bot_message FROM messages
         WHERE for_host = 'waits' ORDER BY seq",
    )?;
    Ok(statement.query_map([], message)?.collect::<rusqlite::Result<_>>()?)
}

/// # Errors
/// What SQLite says.
pub fn answered_by_host(connection: &Connection, seq: Seq) -> Result<()> {
    connection.prepare_cached("UPDATE messages SET for_host = 'answered' WHERE seq = ?1")?.execute([seq])?;
    Ok(())
}

/// The last arrival in a chat; 0 when there was none.
///
/// # Errors
/// What SQLite says.
pub fn last(connection: &Connection, chat: &Jid) -> Result<Seq> {
    Ok(connection
        .prepare_cached("SELECT coalesce(max(seq), 0) FROM messages WHERE chat_jid = ?1")?
        .query_row([chat.as_str()], |row| row.get(0))?)
}

fn message(row: &Row<'_>) -> rusqlite::Result<Message> {
    Ok(Message {
        seq: row.get(0)?,
        id: row.get(1)?,
        chat: Jid::new(row.get::<_, String>(2)?),
        sender: row.get(3)?,
        sender_name: row.get(4)?,
        content: row.get(5)?,
        sent_at: time(&row.get::<_, String>(6)?),
        is_bot: row.get(7)?,
    })
}
