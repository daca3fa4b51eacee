//! How long texts are kept (MESSAGE_RETENTION_DAYS). That a message came stays known, by its id: one that WhatsApp delivers
//! again is not answered again (M12). Called by the loop.

use anyhow::Result;
use jiff::{SignedDuration, Timestamp};
use nanoclaw_core::status::rfc3339;
use rusqlite::{Connection, params};

/// So many at once, so that nothing else waits for long.
const BATCH: usize = 5_000;

/// Messages that agents were given and have done with, from before ?1.
const GIVEN: &str = "
    FROM messages old JOIN cursors ON cursors.chat_jid = old.chat_jid AND old.seq <= cursors.seq
    WHERE old.timestamp < ?1 AND old.content <> '' AND old.for_host IS NOT 'waits' AND NOT EXISTS (
        SELECT 1 FROM turns
        WHERE turns.chat_jid = old.chat_jid AND old.seq > turns.from_seq AND old.seq <= turns.to_seq)";
/// Texts of ours that WhatsApp has, from before ?1.
const SENT: &str = "FROM outbox WHERE state = 'acked' AND settled_at < ?1 AND text <> ''";

/// What is forgotten is from before then; `None` where all is kept.
///
/// # Errors
/// `days` is beyond all measure.
pub fn before(days: u64, now: Timestamp) -> Result<Option<Timestamp>> {
    let kept = SignedDuration::from_hours(24 * i64::try_from(days)?);
    Ok(if days == 0 { None } else { Some(now.saturating_sub(kept)?) })
}

/// How many texts [`forget`] would take away.
///
/// # Errors
/// What SQLite says.
pub fn count(connection: &Connection, before: Timestamp) -> Result<u64> {
    let sql = format!("SELECT (SELECT count(*) {GIVEN}) + (SELECT count(*) {SENT})");
    Ok(connection.prepare_cached(&sql)?.query_row([rfc3339(before)], |row| row.get(0))?)
}

/// Forgets texts from before then, and who wrote them: of messages that agents were given and have done with, and of our own
/// that WhatsApp has. What nobody has seen yet is kept. True: there may be more.
///
/// # Errors
/// What SQLite says.
pub fn forget(connection: &Connection, before: Timestamp) -> Result<bool> {
    let (before, batch) = (rfc3339(before), BATCH);
    let messages = connection.execute(
        &format!("UPDATE messages SET content = '', sender_name = '' WHERE seq IN (SELECT old.seq {GIVEN} LIMIT ?2)"),
        params![before, batch],
    )?;
    let texts = connection.execute(
        &format!("UPDATE outbox SET text = '' WHERE seq IN (SELECT seq {SENT} LIMIT ?2)"),
        params![before, batch],
    )?;
    Ok(messages.max(texts) == BATCH)
}

#[cfg(test)]
mod tests {
    use nanoclaw_core::trigger::Trigger;

    use super::*;
    use crate::store::{
        cursors, messages,
        outbox::{self, Outgoing},
        tests::{alice, andy, at, connection, register, said},
    };

    #[test]
    fn old_texts_go_and_what_nobody_has_seen_stays() {
        // M12, C1
        let db = connection();
        register(&db);
        let texts = |table: &str| -> Vec<String> {
            let column = if table == "outbox" { "text" } else { "content" };
            let mut all = db.prepare(&format!("SELECT {column} FROM {table} ORDER BY seq")).unwrap();
            all.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
        };
        let batch = [said("1", "old", 10), said("2", "given", 20), said("3", "new", 40)];
        messages::accept(&db, &batch[..1], &andy()).unwrap();
        cursors::hand_over(&db, &alice(), "main-1", &Trigger::any()).unwrap();
        forget(&db, at(30)).unwrap();
        assert_eq!(texts("messages"), ["old"], "an agent is at it");
        let open: Vec<_> = cursors::open_turns(&db, "main-1").unwrap().iter().map(|turn| turn.id).collect();
        cursors::close_turns(&db, &open).unwrap();
        messages::accept(&db, &batch[1..], &andy()).unwrap();
        for (id, text) in [("A", "an answer"), ("B", "one on its way")] {
            outbox::add(&db, &Outgoing { id: id.into(), chat: alice(), text: text.into() }, at(11)).unwrap();
        }
        outbox::acked(&db, "A", None, at(12)).unwrap();
        assert_eq!(count(&db, at(30)).unwrap(), 2, "what is told before is what goes");
        assert!(!forget(&db, at(30)).unwrap());
        assert_eq!(count(&db, at(30)).unwrap(), 0);
        assert_eq!(texts("messages"), ["", "given", "new"], "nobody has seen the others");
        assert_eq!(texts("outbox"), ["", "one on its way"]);
        assert_eq!(messages::accept(&db, &batch, &andy()).unwrap(), [], "they are known still");
    }
}
