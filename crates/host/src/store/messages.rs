//! Messages of registered chats, in order of arrival (C2, M12).

use std::ops::Range;

use anyhow::Result;
use nanoclaw_core::{
    chat::{Inbound, Jid, Message, Seq, is_bot, is_ignored},
    owner, router,
    status::rfc3339,
    trigger::Trigger,
};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{chats, lids, outbox, time};

/// The most messages of context, and the most that want an answer, in one hand-over; and the most bytes of either. Together
/// they fit in a line of the runner's stdin, whatever is escaped in them.
const HAND_OVER: usize = 500;
const HAND_OVER_BYTES: usize = 512 << 10;

const SELECT: &str = "SELECT seq, id, chat_jid, sender, sender_name, content, timestamp, is_bot_message FROM messages";

/// As the index `messages_calling` has it: a text that has no @ at its start calls nobody (M3).
const MAY_CALL: &str = "substr(ltrim(content, char(
    9, 10, 11, 12, 13, 32, 133, 160, 5760, 8192, 8193, 8194, 8195, 8196, 8197, 8198, 8199, 8200, 8201, 8202, 8232, 8233, 8239,
    8287, 12288)), 1, 1) = '@'";

/// Who the agent is, for M7.
#[derive(Clone, Debug)]
pub struct Assistant {
    pub name: String,
    pub own_number: bool,
}

/// Keeps what arrived: metadata of each chat, and the content where the chat is registered (M1). What was kept before is
/// not kept twice, also where it came under another address of its sender (M9).
///
/// Returns the messages that are new, in their order.
///
/// # Errors
/// What SQLite says; then nothing of the batch was kept.
pub fn accept(connection: &Connection, batch: &[Inbound], assistant: &Assistant) -> Result<Vec<Message>> {
    let mut kept = Vec::new();
    for inbound in batch.iter().filter(|inbound| !is_ignored(&inbound.chat)) {
        let chat = chats::known_as(connection, &inbound.chat, inbound.chat_lid.as_ref())?;
        let sender = lids::known(connection, &inbound.sender, inbound.sender_lid.as_deref())?;
        chats::touch(connection, &chat, inbound.chat_name.as_deref(), inbound.sent_at)?;
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
                     AND NOT EXISTS (SELECT 1 FROM messages WHERE chat_jid = ?2 AND sender = ?10 AND id = ?1)
                 ON CONFLICT (chat_jid, sender, id) DO NOTHING RETURNING seq",
            )?
            .query_row(
                params![
                    inbound.id,
                    chat.as_str(),
                    sender.jid,
                    inbound.sender_name,
                    text,
                    rfc3339(inbound.sent_at),
                    inbound.from_me,
                    is_bot,
                    is_order,
                    sender.lid
                ],
                |row| row.get(0),
            )
            .optional()?;
        kept.extend(seq.map(|seq| Message {
            seq,
            id: inbound.id.clone(),
            chat: chat.clone(),
            sender: sender.jid.clone().into_owned(),
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
/// Of those that want an answer (`trigger`) none is left out: what is too much begins the next hand-over. Of the others, which
/// are context (M4), the newest are taken. What it costs depends on what it gives, not on how much was said.
///
/// # Errors
/// What SQLite says.
pub fn unseen(connection: &Connection, chat: &Jid, seq: Seq, trigger: &Trigger) -> Result<Vec<Message>> {
    let (mut messages, end) = asking(connection, chat, seq, trigger)?;
    if trigger.is_needed() {
        messages.extend(context(connection, chat, seq..end, trigger)?);
        messages.sort_by_key(|message| message.seq);
    }
    Ok(messages)
}

/// What came after `seq` and wants an answer, as far as it goes into one hand-over (C3).
///
/// # Errors
/// What SQLite says.
pub fn owed(connection: &Connection, chat: &Jid, seq: Seq, trigger: &Trigger) -> Result<Vec<Seq>> {
    Ok(asking(connection, chat, seq, trigger)?.0.iter().map(|message| message.seq).collect())
}

/// The first messages after `seq` that want an answer, and the first that was too much.
fn asking(connection: &Connection, chat: &Jid, seq: Seq, trigger: &Trigger) -> Result<(Vec<Message>, Seq)> {
    let mut statement = connection.prepare_cached(&calling(trigger))?;
    let mut rows = statement.query(params![chat.as_str(), seq])?;
    let (mut asking, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let message = message(row)?;
        if !router::wakes(&message, trigger) {
            continue;
        }
        bytes += message.content.len();
        if !asking.is_empty() && (asking.len() >= HAND_OVER || bytes > HAND_OVER_BYTES) {
            return Ok((asking, message.seq));
        }
        asking.push(message);
    }
    Ok((asking, Seq::MAX))
}

/// Those after a `seq` of a chat that may want an answer, in order of arrival.
pub(super) fn calling(trigger: &Trigger) -> String {
    let may_call = if trigger.is_needed() { MAY_CALL } else { "1" };
    format!(
        "{SELECT} WHERE chat_jid = ?1 AND seq > ?2 AND NOT is_bot_message AND for_host IS NULL AND {may_call} ORDER BY seq"
    )
}

/// The newest messages within bounds that want no answer, the newest first.
fn context(connection: &Connection, chat: &Jid, within: Range<Seq>, trigger: &Trigger) -> Result<Vec<Message>> {
    let sql = format!(
        "{SELECT} WHERE chat_jid = ?1 AND seq > ?2 AND seq < ?3 AND NOT is_bot_message AND for_host IS NULL ORDER BY seq DESC"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params![chat.as_str(), within.start, within.end])?;
    let (mut context, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let message = message(row)?;
        if router::wakes(&message, trigger) {
            continue;
        }
        bytes += message.content.len();
        if context.len() >= HAND_OVER || bytes > HAND_OVER_BYTES {
            break;
        }
        context.push(message);
    }
    Ok(context)
}

/// What the owner asked of NanoClaw itself and has no answer to, in order of arrival.
///
/// # Errors
/// What SQLite says.
pub fn for_host(connection: &Connection) -> Result<Vec<Message>> {
    let mut statement = connection.prepare_cached(&format!("{SELECT} WHERE for_host = 'waits' ORDER BY seq"))?;
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
