//! The way of each message, step by step, for people who ask where one is (`chats trace`). No text is in it.
//!
//! What came in has its steps here, written in the transactions that keep what they tell of; what goes out has them in its
//! row of the outbox.

use std::collections::{BTreeMap, HashMap};

use anyhow::Result;
use jiff::Timestamp;
use nanoclaw_core::{
    chat::{Jid, Message, Seq},
    status::rfc3339,
};
use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;

/// So many messages have their way kept, the newest ones.
const MESSAGES: Seq = 10_000;
/// So many are listed.
const LISTED: u32 = 50;
/// And at most.
const MOST_LISTED: u32 = 1000;
/// So many steps of a message are kept at each hand-over, the newest ones, and how it arrived.
pub const STEPS: usize = 30;

/// What is under way and stands in no row yet.
#[derive(Default)]
pub struct UnderWay {
    /// Texts of ours that WhatsApp's link has and that are not settled: their ids, and since when. The outbox has that time
    /// only with the ack.
    pub sent: HashMap<String, Timestamp>,
    /// Messages that wait for a run, and since when.
    pub queued: BTreeMap<Seq, Timestamp>,
}

/// What can become of a message that came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Received,
    Stored,
    /// It wants an answer, and waits for a run.
    Queued,
    /// Handed to a run: its container.
    Run,
    /// The agent gave a result.
    Result,
    /// The answer's message id.
    Outbox,
    /// Not answered, and asked again: why.
    Retried,
    /// Not answered, and asked again after a sign-in.
    Parked,
    /// A person stopped the run.
    Stopped,
    /// Not tried again by itself: why.
    Failed,
}

impl Step {
    fn name(self) -> &'static str {
        match self {
            Step::Received => "received",
            Step::Stored => "stored",
            Step::Queued => "queued",
            Step::Run => "run",
            Step::Result => "result",
            Step::Outbox => "outbox",
            Step::Retried => "retried",
            Step::Parked => "parked",
            Step::Stopped => "stopped",
            Step::Failed => "failed",
        }
    }
}

/// A message's way.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Path {
    pub id: String,
    pub chat: String,
    /// Who said it; of what goes out nobody.
    pub sender: Option<String>,
    pub direction: Direction,
    /// Its last step.
    pub state: String,
    pub steps: Vec<Taken>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    In,
    Out,
}

/// A step that was taken.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Taken {
    pub step: String,
    /// RFC 3339.
    pub at: String,
    pub detail: Option<String>,
}

/// A message of a chat, as a list tells it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    pub id: String,
    pub direction: Direction,
    pub at: String,
    pub state: String,
}

/// Takes a step with some messages.
///
/// # Errors
/// What SQLite says.
pub fn take(
    connection: &Connection,
    messages: impl IntoIterator<Item = Seq>,
    step: Step,
    at: Timestamp,
    detail: Option<&str>,
) -> Result<()> {
    let mut statement =
        connection.prepare_cached("INSERT INTO trace (message, step, at, detail) VALUES (?1, ?2, ?3, ?4)")?;
    let at = rfc3339(at);
    for message in messages {
        statement.execute(params![message, step.name(), at, detail])?;
    }
    Ok(())
}

/// Messages that are new, received and kept at these times. The oldest ways are let go.
///
/// # Errors
/// What SQLite says.
pub fn arrive(connection: &Connection, new: &[Message], received: Timestamp, stored: Timestamp) -> Result<()> {
    for seq in new.iter().filter(|message| !message.is_bot).map(|message| message.seq) {
        take(connection, [seq], Step::Received, received, None)?;
        take(connection, [seq], Step::Stored, stored, None)?;
    }
    if let Some(newest) = new.iter().map(|message| message.seq).max() {
        connection.prepare_cached("DELETE FROM trace WHERE message <= ?1")?.execute([newest - MESSAGES])?;
    }
    Ok(())
}

/// Takes a step with the messages of some open turns.
///
/// # Errors
/// What SQLite says.
pub fn take_turns(
    connection: &Connection,
    turns: &[u64],
    step: Step,
    at: Timestamp,
    detail: Option<&str>,
) -> Result<()> {
    take(connection, of_turns(connection, turns)?, step, at, detail)
}

/// The messages of some open turns.
///
/// # Errors
/// What SQLite says.
pub fn of_turns(connection: &Connection, turns: &[u64]) -> Result<Vec<Seq>> {
    let mut statement = connection.prepare_cached(
        "SELECT seq FROM turns JOIN messages USING (chat_jid)
         WHERE turns.id = ?1 AND seq > from_seq AND seq <= to_seq AND NOT is_bot_message AND for_host IS NULL",
    )?;
    let mut messages = Vec::new();
    for turn in turns {
        for message in statement.query_map([turn], |row| row.get(0))? {
            messages.push(message?);
        }
    }
    Ok(messages)
}

/// Messages are handed to a run. `queued`: since when they waited for one, as far as that is known.
///
/// # Errors
/// What SQLite says.
pub fn hand_over(
    connection: &Connection,
    messages: impl IntoIterator<Item = Seq>,
    queued: &BTreeMap<Seq, Timestamp>,
    at: Timestamp,
    container: &str,
) -> Result<()> {
    // However often one is asked again.
    let mut trim = connection.prepare_cached(
        "DELETE FROM trace WHERE message = ?1 AND step NOT IN ('received', 'stored') AND rowid <= (
             SELECT rowid FROM trace WHERE message = ?1 ORDER BY rowid DESC LIMIT 1 OFFSET ?2)",
    )?;
    for message in messages {
        if let Some(queued) = queued.get(&message) {
            take(connection, [message], Step::Queued, *queued, None)?;
        }
        take(connection, [message], Step::Run, at, Some(container))?;
        trim.execute(params![message, STEPS])?;
    }
    Ok(())
}

/// Messages are not tried again by themselves; that was not known when their last run ended.
///
/// # Errors
/// What SQLite says.
pub fn give_up(
    connection: &Connection,
    messages: impl IntoIterator<Item = Seq>,
    at: Timestamp,
    why: &str,
) -> Result<()> {
    let mut last = connection.prepare_cached(
        "DELETE FROM trace WHERE rowid = (SELECT max(rowid) FROM trace WHERE message = ?1) AND step = ?2",
    )?;
    for message in messages {
        last.execute(params![message, Step::Retried.name()])?;
        take(connection, [message], Step::Failed, at, Some(why))?;
    }
    Ok(())
}

/// All open turns go back.
///
/// # Errors
/// What SQLite says.
pub fn cut_off(connection: &Connection, at: Timestamp, why: &str) -> Result<()> {
    let open: Vec<u64> = connection
        .prepare_cached("SELECT id FROM turns ORDER BY id")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    take_turns(connection, &open, Step::Retried, at, Some(why))
}

/// The way of the message with this WhatsApp id, with that of its answers; the newest, where several people's have it.
///
/// # Errors
/// What SQLite says.
pub fn path(connection: &Connection, id: &str, under_way: &UnderWay) -> Result<Option<Path>> {
    let found = connection
        .prepare_cached(
            // Only among those whose way is kept: ids have no index of their own.
            "SELECT seq, chat_jid, sender FROM messages
             WHERE seq >= (SELECT min(message) FROM trace) AND id = ?1 AND NOT is_bot_message ORDER BY seq DESC LIMIT 1",
        )?
        .query_row([id], |row| Ok((row.get::<_, Seq>(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let (chat, sender, direction, steps) = match found {
        Some((seq, chat, sender)) => (chat, Some(sender), Direction::In, steps_in(connection, seq, under_way)?),
        None => match steps_out(connection, id, under_way)? {
            Some((chat, steps)) => (chat, None, Direction::Out, steps),
            None => return Ok(None),
        },
    };
    let state = steps.last().map_or("forgotten", |last| last.step.as_str()).to_owned();
    Ok(Some(Path { id: id.to_owned(), chat, sender, direction, state, steps }))
}

fn steps_in(connection: &Connection, message: Seq, under_way: &UnderWay) -> Result<Vec<Taken>> {
    let mut statement =
        connection.prepare_cached("SELECT step, at, detail FROM trace WHERE message = ?1 ORDER BY rowid")?;
    let rows = statement
        .query_map([message], |row| Ok(Taken { step: row.get(0)?, at: row.get(1)?, detail: row.get(2)? }))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let answers: Vec<String> = rows
        .iter()
        .filter(|taken| taken.step == Step::Outbox.name())
        .filter_map(|taken| taken.detail.clone())
        .collect();
    let mut steps = rows;
    if let Some(queued) = under_way.queued.get(&message).map(|at| rfc3339(*at))
        && steps.last().is_none_or(|last| last.at <= queued)
    {
        steps.push(Taken { step: Step::Queued.name().to_owned(), at: queued, detail: None });
    }
    for id in answers {
        // Its first step is here already.
        let of_answer = steps_out(connection, &id, under_way)?.into_iter().flat_map(|(_, steps)| steps).skip(1);
        steps.extend(of_answer.map(|taken| Taken { detail: taken.detail.or(Some(id.clone())), ..taken }));
    }
    Ok(steps)
}

/// The chat and the way of a text of ours.
fn steps_out(connection: &Connection, id: &str, under_way: &UnderWay) -> Result<Option<(String, Vec<Taken>)>> {
    let row = connection
        .prepare_cached("SELECT chat_jid, state, created_at, sent_at, settled_at, error FROM outbox WHERE id = ?1")?
        .query_row([id], |row| {
            let (chat, state): (String, String) = (row.get(0)?, row.get(1)?);
            let times: [Option<String>; 3] = [row.get(2)?, row.get(3)?, row.get(4)?];
            Ok((chat, state, times, row.get(5)?))
        })
        .optional()?;
    Ok(row.map(|(chat, state, mut times, error)| {
        times[1] = times[1].take().or_else(|| under_way.sent.get(id).copied().map(rfc3339));
        let names = [Step::Outbox.name(), "sent", state.as_str()];
        let details = [None, None, error];
        let taken = names.into_iter().zip(times).zip(details);
        let steps = taken.filter_map(|((step, at), detail)| Some(Taken { step: step.to_owned(), at: at?, detail }));
        (chat, steps.collect())
    }))
}

/// The newest messages of a chat, in and out, the latest first.
///
/// # Errors
/// What SQLite says.
pub fn newest(connection: &Connection, chat: &Jid, limit: Option<u32>, under_way: &UnderWay) -> Result<Vec<Entry>> {
    let limit = limit.unwrap_or(LISTED).min(MOST_LISTED);
    let mut statement = connection.prepare_cached(
        "SELECT * FROM (
             SELECT id, 'in', coalesce((SELECT at FROM trace WHERE message = seq ORDER BY rowid LIMIT 1), timestamp) AS at,
                 coalesce((SELECT step FROM trace WHERE message = seq ORDER BY rowid DESC LIMIT 1), 'forgotten'), seq
             FROM messages WHERE chat_jid = ?1 AND NOT is_bot_message ORDER BY seq DESC LIMIT ?2)
         UNION ALL SELECT * FROM (
             SELECT id, 'out', created_at, state, seq FROM outbox
             WHERE chat_jid = ?1 AND seq > (SELECT max(seq) FROM outbox) - ?3 ORDER BY seq DESC LIMIT ?2)
         ORDER BY 3 DESC LIMIT ?2",
    )?;
    let rows = statement.query_map(params![chat.as_str(), limit, MESSAGES], |row| {
        let direction = if row.get::<_, String>(1)? == "in" { Direction::In } else { Direction::Out };
        let (id, at, kept): (String, _, String) = (row.get(0)?, row.get(2)?, row.get(3)?);
        let state = match direction {
            Direction::Out if under_way.sent.contains_key(&id) => "sent".to_owned(),
            Direction::In if kept == Step::Stored.name() && under_way.queued.contains_key(&row.get(4)?) => {
                Step::Queued.name().to_owned()
            }
            _ => kept,
        };
        Ok(Entry { id, direction, at, state })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

#[cfg(test)]
mod tests {
    use nanoclaw_core::{
        chat::Inbound,
        group::{Folder, Group},
        trigger::Trigger,
    };

    use super::*;
    use crate::store::{MIGRATIONS, cursors, groups, messages, messages::Assistant, outbox, outbox::Outgoing};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn alice() -> Jid {
        Jid::new("15550002222@s.whatsapp.net")
    }

    fn register(db: &Connection) {
        let group = Group::new(alice(), "Alice", Folder::main());
        groups::add(db, &group, at(0)).unwrap();
    }

    fn arrives(db: &Connection, id: &str, text: &str, second: i64) -> Vec<Message> {
        let said = Inbound {
            id: id.into(),
            chat: alice(),
            chat_lid: None,
            chat_name: None,
            sender: alice().to_string(),
            sender_lid: None,
            sender_name: "Alice".into(),
            text: Some(text.into()),
            sent_at: at(second),
            from_me: false,
        };
        let new = messages::accept(db, &[said], &Assistant { name: "Andy".into(), own_number: false }).unwrap();
        arrive(db, &new, at(second), at(second)).unwrap();
        new
    }

    fn steps(db: &Connection, id: &str) -> Vec<String> {
        path(db, id, &UnderWay::default()).unwrap().unwrap().steps.into_iter().map(|taken| taken.step).collect()
    }

    #[test]
    fn a_message_is_followed_to_the_ack_of_its_answer() {
        // M12, M13, C1
        let db = crate::store::tests::connection();
        register(&db);
        arrives(&db, "A", "hello", 1);
        let turn = cursors::hand_over(&db, &alice(), "main-1", &Trigger::any()).unwrap().unwrap().turn;
        take_turns(&db, &[turn], Step::Run, at(2), Some("nanoclaw-main-1")).unwrap();
        cut_off(&db, at(3), "started anew").unwrap();
        cursors::settle_all(&db).unwrap();
        let turn = cursors::hand_over(&db, &alice(), "main-2", &Trigger::any()).unwrap().unwrap().turn;
        take_turns(&db, &[turn], Step::Result, at(4), None).unwrap();
        take_turns(&db, &[turn], Step::Outbox, at(4), Some("3EB0")).unwrap();
        outbox::add(&db, &Outgoing { id: "3EB0".into(), chat: alice(), text: "hi".into() }, at(4)).unwrap();
        let until_outbox = ["received", "stored", "run", "retried", "result", "outbox"];
        assert_eq!(steps(&db, "A"), until_outbox);
        let sent = UnderWay { sent: [("3EB0".into(), at(5))].into(), ..UnderWay::default() };
        let way = path(&db, "A", &sent).unwrap().unwrap();
        assert_eq!((way.state.as_str(), way.steps.len()), ("sent", until_outbox.len() + 1), "no ack yet");
        assert_eq!(newest(&db, &alice(), None, &sent).unwrap()[0].state, "sent");
        outbox::acked(&db, "3EB0", Some(at(5)), at(6)).unwrap();
        assert_eq!(steps(&db, "A"), [&until_outbox[..], &["sent", "acked"]].concat());

        let way = path(&db, "A", &UnderWay::default()).unwrap().unwrap();
        assert_eq!((way.direction, way.state.as_str(), way.chat.as_str()), (Direction::In, "acked", alice().as_str()));
        assert_eq!(way.steps[2].detail.as_deref(), Some("nanoclaw-main-1"));
        assert_eq!(way.steps[7], Taken { step: "acked".into(), at: rfc3339(at(6)), detail: Some("3EB0".into()) });
        let answer = path(&db, "3EB0", &UnderWay::default()).unwrap().unwrap();
        assert_eq!((answer.direction, answer.sender, steps(&db, "3EB0").len()), (Direction::Out, None, 3));
        assert_eq!(path(&db, "nobody's", &UnderWay::default()).unwrap(), None);

        let listed: Vec<_> = newest(&db, &alice(), None, &UnderWay::default())
            .unwrap()
            .into_iter()
            .map(|entry| (entry.id, entry.state))
            .collect();
        assert_eq!(listed, [("3EB0".into(), "acked".into()), ("A".into(), "outbox".into())]);
        assert_eq!(newest(&db, &alice(), Some(1), &UnderWay::default()).unwrap().len(), 1);
        let all = serde_json::to_string(&(way, answer.id)).unwrap();
        assert!(!all.contains("hello"), "no text is in it: {all}");
    }

    #[test]
    fn a_message_that_waits_is_queued_also_before_its_run() {
        // C1
        let db = crate::store::tests::connection();
        register(&db);
        let seq = arrives(&db, "A", "hello", 1)[0].seq;
        let waits = UnderWay { queued: [(seq, at(2))].into(), ..UnderWay::default() };
        for (step, expect) in [(None, "queued"), (Some(Step::Failed), "failed")] {
            step.into_iter().for_each(|step| take(&db, [seq], step, at(3), None).unwrap());
            let way = path(&db, "A", &waits).unwrap().unwrap();
            assert_eq!(
                (way.state.as_str(), newest(&db, &alice(), None, &waits).unwrap()[0].state.as_str()),
                (expect, expect)
            );
        }
    }

    #[test]
    fn what_a_person_lets_go_is_given_to_nobody() {
        // C1: also what a run before left unsettled; what comes after the order is asked.
        let db = crate::store::tests::connection();
        register(&db);
        let first = arrives(&db, "A", "hello", 1);
        cursors::hand_over(&db, &alice(), "main-1", &Trigger::any()).unwrap().unwrap();
        let second = arrives(&db, "B", "anybody?", 2);
        let order = arrives(&db, "C", "/stop", 3);
        arrives(&db, "D", "good morning", 4);
        let let_go = cursors::let_go(&db, &alice(), "", order[0].seq, &Trigger::any()).unwrap();
        assert_eq!(let_go, [first[0].seq, second[0].seq]);
        let given = cursors::hand_over(&db, &alice(), "main-2", &Trigger::any()).unwrap().unwrap().messages;
        assert_eq!(given.iter().map(|message| message.id.as_str()).collect::<Vec<_>>(), ["D"]);
    }

    #[test]
    fn a_message_has_so_many_steps_however_often_it_is_tried() {
        // C4
        let db = crate::store::tests::connection();
        register(&db);
        let seq = arrives(&db, "A", "hello", 1)[0].seq;
        for second in 0..100 {
            hand_over(&db, [seq], &BTreeMap::from([(seq, at(second))]), at(second), "nanoclaw-main-1").unwrap();
            take(&db, [seq], Step::Retried, at(second), Some("why")).unwrap();
        }
        give_up(&db, [seq], at(200), "why").unwrap();
        let taken = steps(&db, "A");
        assert_eq!((taken.len(), &taken[..2]), (STEPS + 3, &["received".to_owned(), "stored".into()][..]), "{taken:?}");
        assert_eq!(taken[taken.len() - 3..], ["queued", "run", "failed"], "it is not tried again");
    }

    #[test]
    fn only_the_newest_ways_are_kept() {
        let db = crate::store::tests::connection();
        register(&db);
        db.execute("UPDATE sqlite_sequence SET seq = 0", []).unwrap();
        arrives(&db, "first", "hello", 1);
        db.execute("UPDATE sqlite_sequence SET seq = ?1 WHERE name = 'messages'", [MESSAGES]).unwrap();
        arrives(&db, "last", "hello", 2);
        let kept: u64 = db.query_row("SELECT count(*) FROM trace", [], |row| row.get(0)).unwrap();
        assert_eq!(kept, 2);
        assert_eq!(path(&db, "first", &UnderWay::default()).unwrap(), None);
        assert_eq!(newest(&db, &alice(), None, &UnderWay::default()).unwrap().last().unwrap().state, "forgotten");
    }

    #[test]
    fn what_the_owner_asks_of_nanoclaw_is_no_agents() {
        // C1, M4: in main alone, never in a prompt, until it is answered.
        let db = crate::store::tests::connection();
        register(&db);
        let asked = arrives(&db, "A", " /Status ", 1);
        arrives(&db, "B", "/status please", 2);
        let waits = messages::for_host(&db).unwrap();
        assert_eq!(waits, asked);
        let given = cursors::hand_over(&db, &alice(), "main-1", &Trigger::any()).unwrap().unwrap().messages;
        assert_eq!(given.iter().map(|message| message.id.as_str()).collect::<Vec<_>>(), ["B"]);
        messages::answered_by_host(&db, waits[0].seq).unwrap();
        assert_eq!(messages::for_host(&db).unwrap(), []);

        groups::move_main(&db, &Jid::new("1@g.us"), "Other", at(3)).unwrap();
        arrives(&db, "C", "/status", 4);
        assert_eq!(messages::for_host(&db).unwrap(), [], "Alice's is main no more");
    }

    #[test]
    fn a_database_of_the_first_version_is_brought_up_to_date() {
        let mut db = Connection::open_in_memory().unwrap();
        let all = || {
            rusqlite_migration::Migrations::new(MIGRATIONS.iter().map(|sql| rusqlite_migration::M::up(sql)).collect())
        };
        all().to_version(&mut db, 1).unwrap();
        db.execute_batch(
            "INSERT INTO chats (jid, name) VALUES ('15550002222@s.whatsapp.net', 'Alice');
             INSERT INTO messages (id, chat_jid, sender, sender_name, content, timestamp, is_from_me, is_bot_message)
             VALUES ('A', '15550002222@s.whatsapp.net', 'a', 'Alice', 'hello', '2026-01-01T00:00:00.000Z', 0, 0);
             INSERT INTO outbox (id, chat_jid, text, state, created_at)
             VALUES ('3EB0', '15550002222@s.whatsapp.net', 'hi', 'queued', '2026-01-01T00:00:01.000Z');",
        )
        .unwrap();
        all().to_latest(&mut db).unwrap();
        register(&db);
        assert_eq!(messages::unseen(&db, &alice(), 0, &Trigger::any()).unwrap().len(), 1);
        assert_eq!(steps(&db, "3EB0"), ["outbox"]);
        let states: Vec<_> =
            newest(&db, &alice(), None, &UnderWay::default()).unwrap().into_iter().map(|entry| entry.state).collect();
        assert_eq!(states, ["queued", "forgotten"]);
        assert_eq!(path(&db, "A", &UnderWay::default()).unwrap(), None);
    }
}
