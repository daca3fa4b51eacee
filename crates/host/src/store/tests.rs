//! The store on real SQLite.

use nanoclaw_core::{
    chat::{Inbound, Jid},
    group::{Folder, Group},
    trigger::Trigger,
};

use super::{messages::Assistant, outbox::Outgoing, *};

pub(super) fn connection() -> Connection {
    let mut connection = Connection::open_in_memory().unwrap();
    Migrations::new(MIGRATIONS.iter().map(|sql| M::up(sql)).collect()).to_latest(&mut connection).unwrap();
    connection
}

pub(super) fn andy() -> Assistant {
    Assistant { name: "Andy".into(), own_number: false }
}

pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

pub(super) fn alice() -> Jid {
    Jid::new("15550002222@s.whatsapp.net")
}

pub(super) fn said(id: &str, text: &str, second: i64) -> Inbound {
    Inbound {
        id: id.into(),
        chat: alice(),
        chat_lid: None,
        chat_name: Some("Alice".into()),
        sender: alice().to_string(),
        sender_lid: None,
        sender_name: "Alice".into(),
        text: Some(text.into()),
        sent_at: at(second),
        from_me: false,
    }
}

pub(super) fn register(connection: &Connection) {
    let group = Group { requires_trigger: false, timeout: Some(7000), ..Group::new(alice(), "Alice", Folder::main()) };
    groups::add(connection, &group, at(0)).unwrap();
    assert_eq!(groups::list(connection).unwrap(), [group]);
}

fn unseen(connection: &Connection) -> Vec<String> {
    let cursor = cursors::get(connection, &alice()).unwrap();
    messages::unseen(connection, &alice(), cursor, &Trigger::any())
        .unwrap()
        .into_iter()
        .map(|message| message.content)
        .collect()
}

#[test]
fn metadata_of_all_chats_content_of_registered_ones() {
    // M1
    let db = connection();
    assert_eq!(messages::accept(&db, &[said("1", "before", 1)], &andy()).unwrap(), []);
    register(&db);
    let photo = Inbound { text: None, ..said("2", "", 5) };
    let blank = Inbound { text: Some("  ".into()), ..said("3", "", 6) };
    let status = Inbound { chat: Jid::new("status@broadcast"), ..said("4", "x", 7) };
    assert_eq!(messages::accept(&db, &[photo, blank, status], &andy()).unwrap(), []);
    assert_eq!(messages::accept(&db, &[said("5", "after", 2)], &andy()).unwrap().len(), 1);
    let chats = chats::list(&db).unwrap();
    assert_eq!(chats.len(), 1, "status@broadcast is no chat");
    assert_eq!((chats[0].name.as_str(), chats[0].is_registered), ("Alice", true));
    assert_eq!(chats[0].last_activity, rfc(6), "an older message doesn't turn the clock back");
    assert_eq!(unseen(&db), ["after"]);
}

fn rfc(second: i64) -> String {
    nanoclaw_core::status::rfc3339(at(second))
}

#[test]
fn the_same_message_twice_is_one() {
    // M12
    let db = connection();
    register(&db);
    assert_eq!(messages::accept(&db, &[said("1", "a", 1), said("1", "a", 1)], &andy()).unwrap().len(), 1);
    assert_eq!(messages::accept(&db, &[said("1", "a", 1)], &andy()).unwrap(), []);
    let bob = Inbound { sender: "bob".into(), ..said("1", "b", 1) };
    assert_eq!(messages::accept(&db, &[bob], &andy()).unwrap().len(), 1, "another sender may use the same id");
}

#[test]
fn who_was_met_by_lid_alone_is_the_same_when_the_number_is_known() {
    // M9, M12
    let lid = Jid::new("100000000000002@lid");
    let by_lid = |id, text, second| {
        let said = said(id, text, second);
        Inbound { chat: lid.clone(), sender: lid.to_string(), ..said }
    };
    let by_both = |id, text, second| {
        let said = said(id, text, second);
        Inbound { chat_lid: Some(lid.clone()), sender_lid: Some(lid.to_string()), chat_name: None, ..said }
    };
    let chats = |db: &Connection| {
        let chats = chats::list(db).unwrap().into_iter();
        chats.map(|chat| (chat.jid, chat.name, chat.last_activity)).collect::<Vec<_>>()
    };
    // A chat that is only met.
    let db = connection();
    messages::accept(&db, &[by_lid("1", "hello", 5)], &andy()).unwrap();
    assert_eq!(chats(&db), [(lid.clone(), "Alice".to_owned(), rfc(5))]);
    messages::accept(&db, &[by_both("2", "again", 3)], &andy()).unwrap();
    assert_eq!(chats(&db), [(alice(), "Alice".to_owned(), rfc(5))]);
    // One that is registered by its number has all from then on.
    register(&db);
    assert_eq!(messages::accept(&db, &[by_both("3", "third", 6)], &andy()).unwrap()[0].chat, alice());

    // One that was registered by its LID stays that, and has each message once.
    let db = connection();
    groups::add(&db, &Group::new(lid.clone(), "Alice", Folder::main()), at(0)).unwrap();
    let kept: Vec<_> = [by_lid("1", "hello", 5), by_both("1", "hello", 5), by_both("2", "again", 6)]
        .into_iter()
        .flat_map(|inbound| messages::accept(&db, &[inbound], &andy()).unwrap())
        .map(|message| (message.chat, message.id))
        .collect();
    assert_eq!(kept, [(lid.clone(), "1".to_owned()), (lid.clone(), "2".to_owned())]);
    assert_eq!(chats(&db).len(), 1);
    // No longer registered, it keeps what was said.
    db.execute("DELETE FROM registered_groups", []).unwrap();
    messages::accept(&db, &[by_both("3", "third", 7)], &andy()).unwrap();
    assert_eq!(chats(&db).iter().map(|chat| &chat.0).collect::<Vec<_>>(), [&alice(), &lid]);

    // One that is registered by its number has also what names none: WhatsApp told the number before.
    let db = connection();
    register(&db);
    let kept = [by_lid("0", "who?", 4), by_both("1", "hello", 5), by_lid("1", "hello", 5), by_lid("2", "again", 6)]
        .into_iter()
        .flat_map(|inbound| messages::accept(&db, &[inbound], &andy()).unwrap())
        .map(|message| (message.chat, message.sender, message.id));
    let expect = ["1", "2"].map(|id| (alice(), alice().to_string(), id.to_owned()));
    assert_eq!(kept.collect::<Vec<_>>(), expect);
    assert_eq!(chats(&db).len(), 1);

    // In a group.
    let db = connection();
    let family = Jid::new("120363000000000001@g.us");
    groups::add(&db, &Group::new(family.clone(), "Family", Folder::main()), at(0)).unwrap();
    let in_family = |inbound| Inbound { chat: family.clone(), chat_lid: None, ..inbound };
    let often = [by_lid("1", "hello", 5), by_both("1", "hello", 5), by_lid("1", "hello", 5)].map(in_family);
    assert_eq!(messages::accept(&db, &often, &andy()).unwrap().len(), 1);
    let often = [by_both("2", "hello", 6), by_lid("2", "hello", 6), by_both("2", "hello", 6)].map(in_family);
    assert_eq!(messages::accept(&db, &often, &andy()).unwrap().len(), 1);
}

#[test]
fn our_own_echo_is_known_by_its_id() {
    // M7
    let db = connection();
    register(&db);
    outbox::add(&db, &Outgoing { id: "3EB0X".into(), chat: alice(), text: "hi".into() }, at(1)).unwrap();
    let echo = Inbound { from_me: true, ..said("3EB0X", "hi", 1) };
    assert!(messages::accept(&db, &[echo], &andy()).unwrap()[0].is_bot);
    assert_eq!(unseen(&db), [""; 0]);
}

#[test]
fn two_messages_in_one_second_are_both_seen() {
    // C2
    let db = connection();
    register(&db);
    messages::accept(&db, &[said("1", "one", 9)], &andy()).unwrap();
    let first = cursors::hand_over(&db, &alice(), "run", &Trigger::any()).unwrap().unwrap();
    assert_eq!(first.messages.len(), 1);
    messages::accept(&db, &[said("2", "two", 9), said("3", "late", 3)], &andy()).unwrap();
    let second = cursors::hand_over(&db, &alice(), "run", &Trigger::any()).unwrap().unwrap();
    assert_eq!(second.messages.iter().map(|m| m.content.as_str()).collect::<Vec<_>>(), ["two", "late"]);
    assert!(cursors::hand_over(&db, &alice(), "run", &Trigger::any()).unwrap().is_none());
}

#[test]
fn what_was_not_answered_goes_back() {
    // C1
    let db = connection();
    register(&db);
    let given = |db: &Connection, id: &str| {
        messages::accept(db, &[said(id, id, 1)], &andy()).unwrap();
        cursors::hand_over(db, &alice(), "run", &Trigger::any()).unwrap().unwrap().turn
    };
    let (one, _two, _three) = (given(&db, "1"), given(&db, "2"), given(&db, "3"));
    cursors::close_turns(&db, &[one]).unwrap();
    cursors::settle(&db, &alice(), "run").unwrap();
    assert_eq!(unseen(&db), ["2", "3"]);
    assert_eq!(cursors::open_turns(&db, "run").unwrap(), []);
}

#[test]
fn a_start_settles_what_a_kill_left_open() {
    // C3
    let db = connection();
    register(&db);
    messages::accept(&db, &[said("1", "1", 1)], &andy()).unwrap();
    cursors::hand_over(&db, &alice(), "run-a", &Trigger::any()).unwrap();
    messages::accept(&db, &[said("2", "2", 1)], &andy()).unwrap();
    cursors::hand_over(&db, &alice(), "run-a", &Trigger::any()).unwrap();
    assert_eq!(unseen(&db), [""; 0]);
    cursors::settle_all(&db).unwrap();
    assert_eq!(unseen(&db), ["1", "2"]);
}

#[test]
fn texts_go_out_in_order_one_a_chat_until_the_server_has_them() {
    // M13
    let db = connection();
    let text = |id: &str, chat: &str| Outgoing { id: id.into(), chat: Jid::new(chat), text: id.into() };
    for (id, chat) in [("1", "a@g.us"), ("2", "a@g.us"), ("3", "b@g.us"), ("2", "a@g.us")] {
        outbox::add(&db, &text(id, chat), at(1)).unwrap();
    }
    let heads = |db: &Connection| outbox::heads(db).unwrap().into_iter().map(|o| o.id).collect::<Vec<_>>();
    assert_eq!(heads(&db), ["1", "3"]);
    outbox::acked(&db, "1", None, at(2)).unwrap();
    assert_eq!(heads(&db), ["2", "3"]);
    outbox::failed(&db, "3", "no such chat", at(2)).unwrap();
    outbox::acked(&db, "3", None, at(3)).unwrap();
    assert_eq!(outbox::counts(&db).unwrap(), (1, 1));
    assert_eq!(outbox::resend(&db, Some(&Jid::new("another"))).unwrap(), 0);
    assert_eq!(outbox::resend(&db, None).unwrap(), 1);
    assert_eq!((outbox::counts(&db).unwrap(), outbox::resend(&db, None).unwrap()), ((2, 0), 0));
    assert_eq!(heads(&db), ["2", "3"]);
}

#[test]
fn a_chat_has_so_many_texts_waiting_and_no_more() {
    // M13
    let db = connection();
    let full = |chat: &str| outbox::is_full(&db, &Jid::new(chat)).unwrap();
    for n in 0..outbox::MOST {
        assert!(!full("a@g.us"));
        let text = Outgoing { id: n.to_string(), chat: Jid::new("a@g.us"), text: "x".into() };
        outbox::add(&db, &text, at(1)).unwrap();
    }
    assert_eq!((full("a@g.us"), full("b@g.us")), (true, false));
    outbox::acked(&db, "0", None, at(2)).unwrap();
    assert!(!full("a@g.us"));
}

#[test]
fn container_settings_are_kept() {
    // X1: beside what others wrote; broken ones are told and cost no chat.
    let db = connection();
    register(&db);
    let raw = |db: &Connection| -> Option<String> {
        db.query_row("SELECT container_config FROM registered_groups", [], |row| row.get(0)).unwrap()
    };
    let set = |text: &str| db.execute("UPDATE registered_groups SET container_config = ?1", [text]).unwrap();
    set(r#"{"additionalMounts":[{"hostPath":"~/notes"}],"timeout":7000,"mine":[1]}"#);
    let mut group = groups::list(&db).unwrap().remove(0);
    assert_eq!((group.mounts[0].host_path.as_str(), group.timeout), ("~/notes", Some(7000)));
    (group.timeout, group.tools) = (None, Some(vec!["read".to_owned()]));
    groups::configure(&db, &group).unwrap();
    let expect = r#"{"additionalMounts":[{"hostPath":"~/notes"}],"mine":[1],"tools":["read"]}"#;
    assert_eq!(raw(&db).as_deref(), Some(expect));
    assert_eq!(groups::list(&db).unwrap(), [group.clone()]);

    set("{");
    assert!(groups::list(&db).unwrap()[0].broken.is_some());
    (group.mounts, group.tools) = (vec![], None);
    groups::configure(&db, &group).unwrap();
    assert_eq!(raw(&db), None);
    assert_eq!(groups::list(&db).unwrap(), [group]);
}

#[test]
fn main_moves_and_swaps_folders() {
    let db = connection();
    register(&db);
    let family = Jid::new("1@g.us");
    let group = Group::new(family.clone(), "Family", Folder::new("family").unwrap());
    groups::add(&db, &group, at(0)).unwrap();
    messages::accept(&db, &[said("1", "waits", 1)], &andy()).unwrap();
    sessions::set(&db, &Folder::main(), "kiro-session").unwrap();
    groups::move_main(&db, &family, "", at(1)).unwrap();
    let folders = |db: &Connection| {
        groups::list(db).unwrap().into_iter().map(|g| format!("{} {}", g.name, g.folder)).collect::<Vec<_>>()
    };
    assert_eq!(folders(&db), ["Family main", "Alice family"]);
    assert_eq!(unseen(&db), ["waits"], "what waited still does");
    assert_eq!(sessions::get(&db, &Folder::main()).unwrap(), None, "R11: nobody goes on with another's conversation");
    groups::move_main(&db, &Jid::new("2@g.us"), "New", at(1)).unwrap();
    assert_eq!(folders(&db), ["New main", "Alice family"]);
}

#[tokio::test]
async fn a_newer_a_locked_and_a_broken_database_are_refused_untouched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("messages.db");
    let newer = Connection::open(&path).unwrap();
    newer.pragma_update(None, "user_version", 99).unwrap();
    drop(newer);
    let before = std::fs::read(&path).unwrap();
    assert_eq!(Store::open(&path).err(), Some(Trouble::DatabaseNewer { found: 99, known: MIGRATIONS.len() as u64 }));
    assert_eq!(std::fs::read(&path).unwrap(), before);

    let path = folder.path().join("locked.db");
    drop(Store::open(&path).unwrap());
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    assert_eq!(Store::open(&path).err(), Some(Trouble::DatabaseLocked));
    drop(other);

    let path = folder.path().join("broken.db");
    std::fs::write(&path, vec![7; 8192]).unwrap();
    assert!(matches!(Store::open(&path), Err(Trouble::DatabaseBroken { .. })));
}

#[tokio::test]
async fn a_failed_transaction_keeps_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("messages.db")).unwrap();
    let refused: Result<()> = store
        .write(|db| {
            register(db);
            Err(anyhow::anyhow!("stop"))
        })
        .await;
    assert!(refused.is_err());
    let broke: Result<()> = store
        .write(|db| {
            register(db);
            panic!("stop")
        })
        .await;
    assert!(broke.unwrap_err().is::<Broke>());
    assert_eq!(store.read(groups::list).await.unwrap(), []);
    let id = store.write(|db| install_id(db)).await.unwrap();
    assert_eq!(store.write(|db| install_id(db)).await.unwrap(), id);
    assert_eq!(id.len(), 16);
}

#[test]
fn what_a_run_left_unsettled_is_handed_over_again() {
    // C1: its end could not be written down
    let db = connection();
    register(&db);
    messages::accept(&db, &[said("1", "1", 1)], &andy()).unwrap();
    cursors::hand_over(&db, &alice(), "lost", &Trigger::any()).unwrap().unwrap();
    let again = cursors::hand_over(&db, &alice(), "next", &Trigger::any()).unwrap().unwrap();
    assert_eq!(again.messages.len(), 1);
    assert_eq!(cursors::open_turns(&db, "lost").unwrap(), []);
}

#[test]
fn who_calls_is_found_without_reading_what_others_said() {
    // M3
    let db = connection();
    register(&db);
    let spaces: Vec<char> = ('\0'..=char::MAX).filter(|c| c.is_whitespace()).collect();
    for (n, space) in spaces.into_iter().enumerate() {
        messages::accept(&db, &[said(&n.to_string(), &format!("{space} @Andy"), 0)], &andy()).unwrap();
        let last = messages::last(&db, &alice()).unwrap();
        assert_eq!(messages::owed(&db, &alice(), last - 1, &Trigger::word("Andy")).unwrap(), [last], "{space:?}");
    }
    let plan = format!("EXPLAIN QUERY PLAN {}", messages::calling(&Trigger::word("Andy")));
    let plan: String = db.query_row(&plan, ["", "0"], |row| row.get(3)).unwrap();
    assert!(plan.contains("messages_calling (chat_jid=? AND seq>?)"), "{plan}");
}

#[test]
fn context_alone_is_not_handed_over() {
    // M4, Q5: two questions came at once, and the first hand-over took both; what was said since is nobody's question.
    let db = connection();
    register(&db);
    let asks = Trigger::word("Andy");
    messages::accept(&db, &[said("1", "@Andy", 1), said("2", "@Andy", 2)], &andy()).unwrap();
    let seen = cursors::hand_over(&db, &alice(), "run", &asks).unwrap().unwrap().messages.len();
    messages::accept(&db, &[said("3", "well", 3)], &andy()).unwrap();
    assert!(cursors::hand_over(&db, &alice(), "run", &asks).unwrap().is_none());
    messages::accept(&db, &[said("4", "@Andy", 4)], &andy()).unwrap();
    assert_eq!((seen, cursors::hand_over(&db, &alice(), "run", &asks).unwrap().unwrap().messages.len()), (2, 2));
}

#[test]
fn a_hand_over_is_bounded_and_leaves_out_no_question() {
    // M4, C1
    let db = connection();
    register(&db);
    let asks = Trigger::word("Andy");
    let mut batch: Vec<_> = (0..2).map(|n| said(&format!("a{n}"), &format!("@Andy {n}"), n)).collect();
    batch.extend((0..1200).map(|n| said(&n.to_string(), &n.to_string(), n)));
    messages::accept(&db, &batch, &andy()).unwrap();
    assert!(messages::owed(&db, &alice(), 0, &asks).unwrap().len() == 2, "however much was said since");
    let given = cursors::hand_over(&db, &alice(), "run", &asks).unwrap().unwrap();
    let texts: Vec<_> = given.messages.iter().map(|message| message.content.as_str()).collect();
    assert_eq!((texts.len(), &texts[..3], texts[501]), (502, &["@Andy 0", "@Andy 1", "700"][..], "1199"));
    assert_eq!(cursors::get(&db, &alice()).unwrap(), messages::last(&db, &alice()).unwrap());

    // Questions beyond the bound, by count and by bytes, are a turn of their own.
    let many: Vec<_> = (0..600).map(|n| said(&format!("b{n}"), &format!("@Andy {n}"), n)).collect();
    messages::accept(&db, &many, &andy()).unwrap();
    assert_eq!(cursors::hand_over(&db, &alice(), "run", &asks).unwrap().unwrap().messages.len(), 500);
    assert_eq!(cursors::hand_over(&db, &alice(), "run", &asks).unwrap().unwrap().messages.len(), 100);
    let long: Vec<_> = (0..20).map(|n| said(&format!("c{n}"), &format!("@Andy {}", "x".repeat(60_000)), n)).collect();
    messages::accept(&db, &long, &andy()).unwrap();
    assert_eq!(cursors::hand_over(&db, &alice(), "run", &asks).unwrap().unwrap().messages.len(), 8);
}
