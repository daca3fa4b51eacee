//! Each misfortune, and that the real client comes through it, or ends as it should.
use std::time::{Duration, Instant};

use fake_whatsapp::{Addressing, Fault, ItemKind};
use whatsapp_rust::types::events::Event;

use crate::linked::{ALICE, BOB, Client, FAMILY, ME, WORK, World, jid};

async fn undecryptable(client: &Client) -> String {
    client
        .event("an undecryptable message", |event| match event {
            Event::UndecryptableMessage(message) => Some(message.info.id.clone()),
            _ => None,
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_frame_is_no_message_and_all_of_it_comes_again() {
    let world = World::start().await;
    let client = world.linked("a").await;
    world.server.fault(ME, &Fault::CutFrame { times: 1 }).unwrap();
    world.server.send(ALICE, ME, "cut in two", None).await.unwrap();
    client.event("disconnected", |event| matches!(event, Event::Disconnected(_)).then_some(())).await;
    let seen = client.text().await;
    assert_eq!((seen.text.as_str(), seen.offline), ("cut in two", true));
    assert_eq!(up_to_a_last_text(&world, &client, ME).await, ["the last one"]);
}

/// Sends one more text to a chat and returns what came up to it, so that nothing can hide behind a pause.
pub async fn up_to_a_last_text(world: &World, client: &Client, to: &str) -> Vec<String> {
    world.server.send(ALICE, to, "the last one", None).await.unwrap();
    let mut seen = Vec::new();
    while seen.last().map(String::as_str) != Some("the last one") {
        seen.push(client.text().await.text);
    }
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_store_twice_replaces_the_first() {
    let world = World::start().await;
    let first = world.linked("a").await;
    let second = world.client("a").await;
    first.event("replaced", |event| matches!(event, Event::StreamReplaced(_)).then_some(())).await;
    second.connected().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_comes_twice_is_seen_once() {
    let world = World::start().await;
    let client = world.linked("a").await;
    for to in [ME, FAMILY] {
        world.server.fault(ME, &Fault::Duplicate { times: 1 }).unwrap();
        world.server.send(ALICE, to, "twice", None).await.unwrap();
        assert_eq!(up_to_a_last_text(&world, &client, to).await, ["twice", "the last one"]);
    }
    world.until(|state| state.queued.is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_message_is_asked_for_again() {
    let world = World::start().await;
    let client = world.linked("a").await;
    for round in ["on a new session", "on a running one"] {
        for to in [ME, FAMILY, WORK] {
            world.server.fault(ME, &Fault::Corrupt { times: 1 }).unwrap();
            let id = world.server.send(ALICE, to, round, None).await.unwrap();
            assert_eq!(undecryptable(&client).await, id);
            let seen = client.text().await;
            assert_eq!((seen.id, seen.text.as_str()), (id, round));
        }
    }
    world.until(|state| state.queued.is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_arrives_late() {
    let world = World::start().await;
    let client = world.linked("a").await;
    world.server.fault(ME, &Fault::Delay { ms: 300, times: 3 }).unwrap();
    let start = Instant::now();
    for number in 0..3 {
        world.server.send(ALICE, ME, &number.to_string(), None).await.unwrap();
    }
    let seen: Vec<String> = client.texts(3).await.into_iter().map(|seen| seen.text).collect();
    assert_eq!(seen, ["0", "1", "2"]);
    assert!(start.elapsed() >= Duration::from_millis(300));
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_change_places() {
    let world = World::start().await;
    let client = world.linked("a").await;
    world.server.fault(ME, &Fault::Reorder { ms: 60_000, times: 1 }).unwrap();
    for text in ["sent first", "sent second"] {
        world.server.send(ALICE, ME, text, None).await.unwrap();
    }
    assert_eq!(client.text().await.text, "sent second");
    assert_eq!(client.text().await.text, "sent first");
    world.server.fault(ME, &Fault::Reorder { ms: 50, times: 1 }).unwrap();
    world.server.send(ALICE, ME, "none follows", None).await.unwrap();
    assert_eq!(client.text().await.text, "none follows");
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_holds_everything_back_and_breaks_nothing() {
    let world = World::start().await;
    let client = world.linked("a").await;
    let start = Instant::now();
    world.server.fault(ME, &Fault::Silence { ms: Some(500) }).unwrap();
    world.server.send(ALICE, ME, "through the silence", None).await.unwrap();
    assert_eq!(client.text().await.text, "through the silence");
    assert!(start.elapsed() >= Duration::from_millis(500));

    world.server.fault(ME, &Fault::Silence { ms: None }).unwrap();
    world.server.send(ALICE, ME, "not before the next connection", None).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(client.texts_so_far(), []);
    world.server.drop_connections(ME).unwrap();
    assert_eq!(client.text().await.text, "not before the next connection");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_asks_again_for_what_it_can_not_open() {
    let world = World::start().await;
    // One contact only: the client answers one of two requests for the same message that come at once.
    let pair = "120363000000000003@g.us";
    world.server.add_group(pair, "Pair", &[ALICE, ME], Addressing::Pn).unwrap();
    let client = world.linked("a").await;
    for to in [jid(ALICE), pair.to_owned()] {
        client.send(&to, "before the copy").await;
        world.text_at(ALICE, "before the copy").await;
    }
    client.handle.shutdown().await;
    world.keep_store("a");
    let client = world.client("a").await;
    client.connected().await;
    for to in [jid(ALICE), pair.to_owned()] {
        client.send(&to, &format!("forgotten in {to}")).await;
        world.text_at(ALICE, &format!("forgotten in {to}")).await;
    }
    client.handle.shutdown().await;
    // The device forgets that it has used its keys, as after a crash.
    world.restore_store("a");
    let client = world.client("a").await;
    client.connected().await;
    for to in [jid(ALICE), pair.to_owned()] {
        client.send(&to, &format!("with old keys in {to}")).await;
        world.text_at(ALICE, &format!("with old keys in {to}")).await;
    }
    assert_eq!(world.server.state().undecryptable, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_under_an_id_that_was_used_counts_once() {
    let world = World::start().await;
    let client = world.linked("a").await;
    for _ in 0..3 {
        client.send_as(&jid(ALICE), "once", "3EB0FIXED").await;
    }
    world.until(|state| state.duplicates == 2).await;
    let page = world.server.received(0, Duration::ZERO).await;
    assert_eq!(page.items.iter().filter(|item| item.kind == ItemKind::Text).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_else_a_device_sends_is_recorded() {
    let world = World::start().await;
    let client = world.linked("a").await;
    let id = world.server.send(ALICE, ME, "hello", None).await.unwrap();
    client.text().await;
    let alice = jid(ALICE).parse().unwrap();
    client.client.mark_as_read(&alice, None, &[&id]).await.unwrap();
    client.client.chatstate().send_composing(&alice).await.unwrap();
    client.client.chatstate().send_paused(&FAMILY.parse().unwrap()).await.unwrap();
    for (kind, r#type, to, chat) in [
        (ItemKind::Presence, "available", "", String::new()),
        (ItemKind::Receipt, "delivery", ALICE, jid(ALICE)),
        (ItemKind::Receipt, "read", ALICE, jid(ALICE)),
        (ItemKind::Chatstate, "composing", ALICE, jid(ALICE)),
        (ItemKind::Chatstate, "paused", BOB, FAMILY.to_owned()),
    ] {
        let item = world.item(|item| item.kind == kind && item.r#type == r#type && item.to == to).await;
        assert_eq!((item.from.as_str(), item.chat), (ME, chat));
    }
}
