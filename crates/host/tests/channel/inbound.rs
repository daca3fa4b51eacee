//! Messages that come in, and that none is lost.

use std::sync::atomic::Ordering;

use jiff::{SignedDuration, Timestamp};
use nanoclaw_core::chat::{Inbound, Jid};

use crate::world::{ALICE, ALICE_JID, ALICE_LID, BOB, BOB_JID, Channel, FAMILY, ME, MY_JID, WORK, World};

#[tokio::test(flavor = "multi_thread")]
async fn who_said_what_and_where() {
    let world = World::start().await;
    let mut channel = world.linked().await;
    let before = Timestamp::now() - SignedDuration::from_secs(2);
    for (from, to, text, chat, sender, name, chat_name) in [
        // M2
        (ALICE, ME, "hello", ALICE_JID, ALICE_JID, "Alice", Some("Alice")),
        (ALICE, FAMILY, "hello family", FAMILY, ALICE_JID, "Alice", None),
        // M9: in this group people are addressed by LID.
        (BOB, WORK, "hello work", WORK, BOB_JID, "Bob", None),
        (ALICE, FAMILY, "again", FAMILY, ALICE_JID, "Alice", None),
        // M9
        (ALICE, "100000000000001@lid", "by lid", ALICE_JID, ALICE_JID, "Alice", Some("Alice")),
    ] {
        let id = world.server.send(from, to, text, None).await.unwrap();
        let kept = channel.kept().await;
        assert!(kept.sent_at >= before && kept.sent_at <= Timestamp::now() + SignedDuration::from_secs(2));
        assert_eq!(
            kept,
            Inbound {
                id,
                chat: Jid::new(chat),
                chat_name: chat_name.map(str::to_owned),
                sender: sender.into(),
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
    world.server.fault(ME, &fake_whatsapp::Fault::Corrupt { times: 1 }).unwrap();
    world.server.send(ALICE, ME, "survives", None).await.unwrap();
    assert_eq!(channel.kept().await.text.as_deref(), Some("survives"));
    channel.stop().await;
}
