//! Messages that come in, and that none is lost.

use std::sync::atomic::Ordering;

use fake_whatsapp::{Fault, Media};
use jiff::{SignedDuration, Timestamp};
use nanoclaw_core::{
    chat::{Inbound, Jid, Message},
    group::{Folder, Group},
    link::Link,
};
use nanoclaw_host::{
    ports::{FromChannel, ToChannel},
    store::{
        Store, chats, groups, lids,
        messages::{self, Assistant},
    },
};

use crate::world::{ALICE, ALICE_JID, ALICE_LID, BOB, BOB_JID, Channel, FAMILY, ME, MY_JID, WORK, World};

const BOB_LID: &str = "100000000000003@lid";
/// She is in no group: nothing but her messages tells her number.
const CAROL: &str = "15550004444";
const CAROL_JID: &str = "15550004444@s.whatsapp.net";
const CAROL_LID: &str = "100000000000004@lid";

#[tokio::test(flavor = "multi_thread")]
async fn who_said_what_and_where() {
    let world = World::start().await;
    let mut channel = world.linked().await;
    let before = Timestamp::now() - SignedDuration::from_secs(2);
    for (from, to, text, chat, sender, name, chat_name, lid) in [
        // M2
        (ALICE, ME, "hello", ALICE_JID, ALICE_JID, "Alice", Some("Alice"), ALICE_LID),
        (ALICE, FAMILY, "hello family", FAMILY, ALICE_JID, "Alice", None, ALICE_LID),
        // M9: in this group people are addressed by LID.
        (BOB, WORK, "hello work", WORK, BOB_JID, "Bob", None, BOB_LID),
        (ALICE, FAMILY, "again", FAMILY, ALICE_JID, "Alice", None, ALICE_LID),
        // M9
        (ALICE, "100000000000001@lid", "by lid", ALICE_JID, ALICE_JID, "Alice", Some("Alice"), ALICE_LID),
    ] {
        let id = world.server.send(from, to, text, None).await.unwrap();
        let kept = channel.kept().await;
        assert!(kept.sent_at >= before && kept.sent_at <= Timestamp::now() + SignedDuration::from_secs(2));
        assert_eq!(
            kept,
            Inbound {
                id,
                chat: Jid::new(chat),
                chat_lid: (chat == sender).then(|| Jid::new(lid)),
                chat_name: chat_name.map(str::to_owned),
                sender: sender.into(),
                sender_lid: Some(lid.into()),
                sender_name: name.into(),
                text: Some(text.into()),
                sent_at: kept.sent_at,
                from_me: false,
            }
        );
    }
    channel.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_owner_writes_on_the_phone_comes_in_too() {
    let world = World::start().await;
    let mut channel = world.linked().await;
    for (chat, text, expect) in [
        (ALICE, "from my phone", ALICE_JID),
        (ME, "note to self", MY_JID),
        // M9
        ("100000000000001@lid", "note to my LID", MY_JID),
        (FAMILY, "to all", FAMILY),
        (WORK, "to work", WORK),
    ] {
        world.server.own_phone(ME, chat, text, None).await.unwrap();
        let kept = channel.kept().await;
        assert_eq!((kept.chat.as_str(), kept.text.as_deref(), kept.from_me), (expect, Some(text), true));
        assert_eq!((kept.sender.as_str(), kept.sender_name.as_str()), (MY_JID, "Owner"));
    }
    channel.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_known_by_number_and_by_lid_is_one_chat() {
    // M9
    let world = World::start().await;
    let mut channel = world.linked().await;
    world.server.own_phone(ME, ALICE, "first", None).await.unwrap();
    world.server.send(ALICE, "100000000000001@lid", "second", None).await.unwrap();
    for _ in 0..2 {
        assert_eq!(channel.kept().await.chat.as_str(), ALICE_JID);
    }
    // An answer to the other address reaches the same phone.
    channel.send("3EB0000000000000000001", ALICE_LID, "third");
    channel.acked().await;
    assert_eq!(world.texts_at(ALICE, "third").await, ["third"]);
    channel.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_writes_by_lid_alone_at_first_has_one_chat_and_each_message_once() {
    // M9, M12
    let world = World::start().await;
    world.server.add_account(CAROL, "100000000000004", "Carol").unwrap();
    let mut channel = world.linked_as(world.hurried(20)).await;
    let (number, lid) = (Jid::new(CAROL_JID), Jid::new(CAROL_LID));
    let hidden = || world.server.fault(ME, &Fault::HideNumber { times: 1 }).unwrap();

    // A chat that is only met goes by its number as soon as that is known.
    let store = world.shelf();
    hidden();
    world.server.send(CAROL, ME, "first", None).await.unwrap();
    let first = channel.kept().await;
    assert_eq!((&first.chat, &first.chat_lid, first.sender.as_str()), (&lid, &None, CAROL_LID));

    // The process dies after it has kept the message, and before WhatsApp is told; the next message has the number. So
    // WhatsApp delivers both, and the first one comes under another address than before.
    hidden();
    channel.keeper.refuse.store(1, Ordering::SeqCst);
    world.server.send(CAROL, ME, "twice", None).await.unwrap();
    let before = channel.refused().await;
    world.server.send(CAROL, ME, "last", None).await.unwrap();
    let mut after = [channel.kept().await, channel.kept().await];
    // To WhatsApp's library these are two chats, which it reads side by side.
    after.sort_by_key(|message| message.id != before.id);
    assert_eq!((&before.chat, &after[0].chat, &after[0].id), (&lid, &number, &before.id));

    // WhatsApp's library may forget in a restart what it knew.
    channel.stop().await;
    hidden();
    world.server.send(CAROL, ME, "late", None).await.unwrap();
    let mut channel = Channel::start(world.config());
    let late = channel.kept().await;
    channel.connected().await;

    // Met only.
    assert_eq!(accept(&store, [first.clone()]).await, []);
    assert_eq!(chats(&store).await, [(lid.clone(), "Carol".to_owned())]);
    accept(&store, after.clone()).await;
    accept(&store, [late.clone()]).await;
    assert_eq!(chats(&store).await, [(number, "Carol".to_owned())]);
    // Registered by the LID, as that was all that was known.
    let store = world.shelf();
    let group = Group::new(lid.clone(), "Carol", Folder::main());
    store.write(move |db| groups::add(db, &group, Timestamp::now())).await.unwrap();
    let mut kept = accept(&store, [first, before]).await;
    kept.extend(accept(&store, after).await);
    kept.extend(accept(&store, [late]).await);
    let texts: Vec<_> = kept.iter().map(|message| (&message.chat, message.content.as_str())).collect();
    assert_eq!(texts, [(&lid, "first"), (&lid, "twice"), (&lid, "last"), (&lid, "late")]);
    assert_eq!(chats(&store).await, [(lid.clone(), "Carol".to_owned())]);
    channel.send("3EB0000000000000000001", CAROL_LID, "answer");
    channel.acked().await;
    assert_eq!(world.texts_at(CAROL, "answer").await, ["answer"]);
    channel.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_registered_by_number_is_known_by_the_lid_alone() {
    // M9
    let world = World::start().await;
    world.server.add_account(CAROL, "100000000000004", "Carol").unwrap();
    let mut channel = world.linked().await;
    let (number, lid) = (Jid::new(CAROL_JID), Jid::new(CAROL_LID));
    let store = world.shelf();
    let nobody = "15550009999@s.whatsapp.net";
    for (chat, folder) in [(CAROL_JID, "main"), (MY_JID, "me"), (nobody, "nobody"), (FAMILY, "family")] {
        let group = Group::new(Jid::new(chat), folder, Folder::new(folder).unwrap());
        store.write(move |db| groups::add(db, &group, Timestamp::now())).await.unwrap();
    }
    let ask = |numbers| ToChannel::AskLids { numbers };
    let lids = |event| match event {
        FromChannel::Lids(lids) => Some(lids),
        _ => None,
    };
    let missing = missing(&store).await;
    assert_eq!(missing, [MY_JID, CAROL_JID, nobody].map(Jid::new));

    // What WhatsApp refuses is not asked for again on the same connection, but on the next.
    world.server.fault(ME, &Fault::HidePeople { times: 1 }).unwrap();
    channel.tell(ask(missing.clone()));
    assert_eq!(channel.event("a refusal", lids).await, []);
    channel.tell(ask([missing.clone(), vec![Jid::new(BOB_JID)]].concat()));
    assert_eq!(channel.event("Bob alone", lids).await, [(Jid::new(BOB_JID), Jid::new(BOB_LID))]);
    channel.tell(ToChannel::Reconnect);
    channel.link("another connection", |link| *link == Link::Connecting).await;
    channel.connected().await;
    channel.tell(ask(missing));
    assert_eq!(channel.event("Carol", lids).await, [(number.clone(), lid.clone())]);

    world.server.fault(ME, &Fault::HideNumber { times: 1 }).unwrap();
    world.server.send(CAROL, ME, "hello", None).await.unwrap();
    let kept = channel.kept().await;
    assert_eq!((&kept.chat, &kept.chat_lid, kept.sender.as_str()), (&number, &Some(lid), CAROL_JID));
    assert_eq!(accept(&store, [kept]).await[0].chat, number);
    assert_eq!(self::missing(&store).await, [MY_JID, nobody].map(Jid::new));
    channel.stop().await;
}

async fn missing(store: &Store) -> Vec<Jid> {
    let mut missing = store.read(lids::missing).await.unwrap();
    missing.sort();
    missing
}

async fn accept<const N: usize>(store: &Store, batch: [Inbound; N]) -> Vec<Message> {
    let andy = Assistant { name: "Andy".into(), own_number: false };
    store.write(move |db| messages::accept(db, &batch, &andy)).await.unwrap()
}

async fn chats(store: &Store) -> Vec<(Jid, String)> {
    let chats = store.read(chats::list).await.unwrap();
    chats.into_iter().map(|chat| (chat.jid, chat.name)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caption_is_what_was_said() {
    // M2
    let world = World::start().await;
    let mut channel = world.linked().await;
    for (to, chat) in [(ME, ALICE_JID), (FAMILY, FAMILY), (WORK, WORK)] {
        for media in [Media::Image, Media::Video, Media::Document] {
            for caption in ["@Andy look", ""] {
                let id = world.server.send_media(ALICE, to, media, caption).await.unwrap();
                let kept = channel.kept().await;
                assert_eq!((kept.id.as_str(), kept.chat.as_str()), (id.as_str(), chat));
                assert_eq!(kept.text.as_deref().unwrap_or_default(), caption, "{media:?}");
            }
        }
    }
    channel.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_agents_own_messages_wake_nobody_with_a_number_of_its_own_and_without() {
    // M7
    let world = World::start().await;
    let mut channel = world.linked().await;
    for own_number in [false, true] {
        let store = world.shelf();
        for (folder, chat) in [("main", MY_JID), ("family", FAMILY), ("alice", ALICE_JID)] {
            let group = Group::new(Jid::new(chat), folder, Folder::new(folder).unwrap());
            store.write(move |db| groups::add(db, &group, Timestamp::now())).await.unwrap();
        }
        for (from, chat) in [(ME, ME), (ME, FAMILY), (ME, ALICE), (ALICE, FAMILY), (ALICE, ME)] {
            for text in ["hello", "Andy: hello", "Andy hello"] {
                if from == ME {
                    world.server.own_phone(ME, chat, text, None).await.unwrap();
                } else {
                    world.server.send(from, chat, text, None).await.unwrap();
                }
                let said = channel.kept().await;
                let andy = Assistant { name: "Andy".into(), own_number };
                let kept = store.write(move |db| messages::accept(db, &[said], &andy)).await.unwrap();
                let expect = if own_number { from == ME } else { text == "Andy: hello" };
                assert_eq!(kept.len(), 1);
                assert_eq!(kept[0].is_bot, expect, "own number: {own_number}, {from} in {chat}: {text}");
            }
        }
    }
    channel.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_kept_is_not_acknowledged_and_comes_again() {
    // M12
    let world = World::start().await;
    let mut channel = world.linked_as(world.hurried(20)).await;
    channel.keeper.refuse.store(2, Ordering::SeqCst);
    let id = world.server.send(ALICE, ME, "do not lose me", None).await.unwrap();
    assert_eq!(channel.refused().await.id, id);
    assert_eq!(world.server.state().queued.get(ME), Some(&1));
    assert_eq!(channel.refused().await.id, id);
    let kept = channel.kept().await;
    assert_eq!((kept.id, kept.text.as_deref()), (id, Some("do not lose me")));
    world.until(|state| state.queued.is_empty()).await;
    channel.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_follows_one_that_was_not_kept_does_not_overtake_it() {
    // M12, C2
    let world = World::start().await;
    let mut channel = world.linked_as(world.hurried(20)).await;
    channel.keeper.refuse.store(1, Ordering::SeqCst);
    let first = world.server.send(ALICE, ME, "1", None).await.unwrap();
    assert_eq!(channel.refused().await.id, first);
    for text in ["2", "3"] {
        world.server.send(ALICE, ME, text, None).await.unwrap();
    }
    for expect in ["1", "2", "3"] {
        assert_eq!(channel.kept().await.text.as_deref(), Some(expect));
    }
    world.until(|state| state.queued.is_empty()).await;
    channel.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_being_kept_when_the_process_died_comes_again() {
    // M12
    let world = World::start().await;
    world.linked().await.stop().await;
    let mut dying = Channel::with_intake(world.config(), true);
    dying.connected().await;
    let id = world.server.send(ALICE, FAMILY, "do not lose me", None).await.unwrap();
    assert_eq!(dying.refused().await.id, id);
    dying.kill();
    world.until_offline().await;

    let mut channel = Channel::start(world.config());
    let kept = channel.kept().await;
    assert_eq!((kept.id, kept.chat.as_str(), kept.text.as_deref()), (id, FAMILY, Some("do not lose me")));
    assert_eq!((kept.sender.as_str(), kept.sender_name.as_str()), (ALICE_JID, "Alice"));
    world.until(|state| state.queued.is_empty()).await;
    channel.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_backlog_comes_once_and_each_chat_in_order() {
    // M12
    let world = World::start().await;
    world.linked().await.stop().await;
    for n in 0..20 {
        let (from, to) = if n % 2 == 0 { (ALICE, WORK) } else { (BOB, ME) };
        world.server.send(from, to, &n.to_string(), None).await.unwrap();
    }
    let mut channel = Channel::start(world.config());
    channel.connected().await;
    world.until(|state| state.queued.is_empty()).await;
    let kept = channel.all_kept();
    assert_eq!(kept.len(), 20);
    // M9
    assert!(kept.iter().all(|message| [ALICE_JID, BOB_JID].contains(&message.sender.as_str())), "{kept:?}");
    for (chat, first) in [(WORK, 0), (BOB_JID, 1)] {
        let texts = kept.iter().filter(|message| message.chat.as_str() == chat).flat_map(|message| &message.text);
        let expect: Vec<String> = (first..20).step_by(2).map(|n| n.to_string()).collect();
        assert_eq!(texts.cloned().collect::<Vec<_>>(), expect, "{chat}");
    }
    channel.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_cannot_be_read_at_first_is_only_late() {
    // M12
    let world = World::start().await;
    let mut channel = world.linked().await;
    world.server.fault(ME, &Fault::Corrupt { times: 1 }).unwrap();
    world.server.send(ALICE, ME, "survives", None).await.unwrap();
    assert_eq!(channel.kept().await.text.as_deref(), Some("survives"));
    channel.stop().await;
}
