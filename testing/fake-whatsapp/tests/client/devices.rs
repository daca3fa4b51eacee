//! Several devices on one account, and devices on a contact's: each gets its own copy, once, and asks for what it can't open.
use std::time::Duration;

use fake_whatsapp::{Fault, ItemKind};
use whatsapp_rust::types::events::Event;

use crate::linked::{ALICE, BOB, FAMILY, ME, WORK, World, jid};

#[tokio::test(flavor = "multi_thread")]
async fn two_devices_of_one_account_see_each_other() {
    let world = World::start().await;
    let (first, second) = (world.linked("a").await, world.linked("b").await);
    world.server.send(ALICE, ME, "to both", None).await.unwrap();
    assert_eq!((first.text().await.text.as_str(), second.text().await.text.as_str()), ("to both", "to both"));
    first.send(&jid(ALICE), "from the first").await;
    let seen = second.text().await;
    assert_eq!((seen.text.as_str(), seen.from_me, seen.chat), ("from the first", true, jid(ALICE)));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_device_of_each_account_gets_its_copy_and_each_contact_has_it_once() {
    let world = World::start().await;
    let (first, second) = (world.linked("a").await, world.linked("b").await);
    let other = world.linked_to("c", ALICE).await;
    for group in [FAMILY, WORK] {
        world.server.send(BOB, group, "from Bob", None).await.unwrap();
        for client in [&first, &second, &other] {
            let seen = client.text().await;
            assert_eq!((seen.text.as_str(), seen.chat.as_str(), seen.from_me), ("from Bob", group, false));
        }
        for (from, others, own) in [(&first, [&second, &other], [true, false]), (&other, [&first, &second], [false; 2])]
        {
            from.send(group, "from a device").await;
            for (client, own) in others.into_iter().zip(own) {
                let seen = client.text().await;
                assert_eq!((seen.text.as_str(), seen.chat.as_str(), seen.from_me), ("from a device", group, own));
            }
        }
    }
    other.send(&jid(ME), "between devices").await;
    for client in [&first, &second] {
        assert_eq!(client.text().await.text, "between devices");
    }
    world.text_at(ME, "between devices").await;
    world.until(|state| state.queued.is_empty()).await;
    let page = world.server.received(0, Duration::ZERO).await;
    let mut got: Vec<(&str, &str, &str)> = page
        .items
        .iter()
        .filter(|item| item.kind == ItemKind::Text)
        .map(|item| (item.from.as_str(), item.to.as_str(), item.chat.as_str()))
        .collect();
    got.sort_unstable();
    let mut expected = vec![(ALICE, ME, "")];
    for group in [FAMILY, WORK] {
        expected.extend([(ME, ALICE, group), (ME, BOB, group), (ALICE, ME, group), (ALICE, BOB, group)]);
    }
    let from_alice = jid(ME);
    expected[0].2 = &from_alice;
    expected.sort_unstable();
    assert_eq!(got, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_asks_another_for_what_it_can_not_open() {
    let world = World::start().await;
    let (first, other) = (world.linked("a").await, world.linked_to("b", ALICE).await);
    for round in ["on a new session", "on a running one"] {
        for to in [jid(ALICE), FAMILY.to_owned()] {
            world.server.fault(ALICE, &Fault::Corrupt { times: 1 }).unwrap();
            let text = format!("{round} in {to}");
            let id = first.send(&to, &text).await;
            other
                .event("an undecryptable message", |event| match event {
                    Event::UndecryptableMessage(message) => (message.info.id == id).then_some(()),
                    _ => None,
                })
                .await;
            let seen = other.text().await;
            assert_eq!((seen.id, &seen.text), (id, &text));
            world.text_at(ALICE, &text).await;
        }
    }
    assert_eq!(world.server.state().duplicates, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_asks_as_often_as_it_is_told_to() {
    let world = World::start().await;
    let client = world.linked("a").await;
    for times in [1, 2] {
        for round in 0..2 {
            world.server.fault(ME, &Fault::AskAgain { times }).unwrap();
            let text = format!("asked for {times} times, round {round}");
            client.send(&jid(ALICE), &text).await;
            assert_eq!(world.text_at(ALICE, &text).await.chat, jid(ALICE));
        }
    }
    assert_eq!(world.server.state().undecryptable, 6);
    world.until(|state| state.queued.is_empty()).await;
}
