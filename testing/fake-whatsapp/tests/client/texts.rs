//! Linking, texts in both directions, and what waits for a device that is away.
use std::time::Duration;

use fake_whatsapp::{Addressing, ItemKind};
use whatsapp_rust::types::events::Event;

use crate::linked::{ALICE, ALICE_LID, BOB, FAMILY, ME, WORK, World, jid};

#[tokio::test(flavor = "multi_thread")]
async fn direct_texts_go_both_ways() {
    let world = World::start().await;
    let client = world.linked("a").await;
    for round in ["first", "second"] {
        let id = world.server.send(ALICE, ME, round, None).await.unwrap();
        let seen = client.text().await;
        assert_eq!((seen.id, seen.chat, seen.text.as_str()), (id.clone(), jid(ALICE), round));
        world.item(|item| item.kind == ItemKind::Receipt && item.id == id && item.to == ALICE).await;
        let id = client.send(&jid(ALICE), &format!("answer to {round}")).await;
        let item = world.text_at(ALICE, &format!("answer to {round}")).await;
        assert_eq!((item.from.as_str(), item.chat, item.id), (ME, jid(ALICE), id));
    }
    world.until(|state| state.queued.is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn group_texts_go_both_ways_in_both_addressings() {
    let world = World::start().await;
    let client = world.linked("a").await;
    let groups = client.client.groups().get_participating().await.unwrap();
    assert_eq!(groups.len(), 2);
    for group in [FAMILY, WORK] {
        for round in ["first", "second"] {
            world.server.send(ALICE, group, round, None).await.unwrap();
            let seen = client.text().await;
            assert_eq!((seen.chat.as_str(), seen.text.as_str()), (group, round));
            let answer = format!("answer to {round} in {group}");
            client.send(group, &answer).await;
            for contact in [ALICE, BOB] {
                assert_eq!(world.text_at(contact, &answer).await.chat, group);
            }
        }
    }
    let page = world.server.received(0, Duration::ZERO).await;
    let texts = page.items.iter().filter(|item| item.kind == ItemKind::Text);
    assert_eq!(texts.count(), 8, "once per receiving account, and not on the owner's own phone");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owners_phone_writes_too() {
    let world = World::start().await;
    let client = world.linked("a").await;
    for chat in [jid(ALICE), jid(ME), FAMILY.to_owned()] {
        world.server.own_phone(ME, &chat, "from my phone", None).await.unwrap();
        let seen = client.text().await;
        assert_eq!((seen.chat, seen.from_me), (chat, true));
    }
    client.send(&jid(ME), "a note to self").await;
    assert_eq!(world.text_at(ME, "a note to self").await.chat, jid(ME));
    world.until(|state| state.queued.is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_may_come_from_a_lid() {
    let world = World::start().await;
    let client = world.linked("a").await;
    world.server.send(ALICE, "100000000000001@lid", "from a lid", None).await.unwrap();
    let seen = client.text().await;
    assert_eq!(seen.text, "from a lid");
    client.send(&seen.chat, "to a lid").await;
    assert_eq!(world.text_at(ALICE, "to a lid").await.chat, jid(ALICE));
    let lid = format!("{ALICE_LID}@lid").parse().unwrap();
    let known = client.client.get_lid_pn_entry(&lid).await.unwrap().unwrap();
    assert_eq!(&*known.phone_number, ALICE);
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_wait_for_a_device_that_is_away() {
    let world = World::start().await;
    let client = world.linked("a").await;
    world.server.drop_connections(ME).unwrap();
    world.until(|state| state.companions.iter().all(|companion| !companion.online)).await;
    world.server.send(BOB, ME, "while it was cut off", None).await.unwrap();
    let seen = client.text().await;
    assert_eq!((seen.text.as_str(), seen.offline), ("while it was cut off", true));

    client.handle.shutdown().await;
    world.until(|state| !state.companions[0].online).await;
    for number in 0..450 {
        let to = if number % 2 == 0 { ME } else { FAMILY };
        world.server.send(ALICE, to, &format!("{number}"), None).await.unwrap();
    }
    let client = world.client("a").await;
    let mut seen: Vec<u32> = client.texts(450).await.iter().map(|seen| seen.text.parse().unwrap()).collect();
    seen.sort_unstable();
    assert_eq!(seen, (0..450).collect::<Vec<u32>>());
    world.until(|state| state.queued.is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_phone_can_unlink_its_devices() {
    let world = World::start().await;
    let client = world.linked("a").await;
    world.server.revoke(ME).unwrap();
    let live = client.event("logged out", logged_out).await;
    assert!(!live);
    client.handle.shutdown().await;
    let client = world.client("a").await;
    let at_login = client.event("logged out at login", logged_out).await;
    assert!(at_login);
    let client = world.linked("b").await;
    world.server.send(ALICE, ME, "welcome back", None).await.unwrap();
    assert_eq!(client.text().await.text, "welcome back");
    assert_eq!(world.server.state().companions.len(), 1);
}

fn logged_out(event: &Event) -> Option<bool> {
    match event {
        Event::LoggedOut(logged_out) => Some(logged_out.on_connect),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_is_linked_by_code() {
    let world = World::start().await;
    let client = world.client_by_code("a").await;
    let code = client
        .event("a pairing code", |event| match event {
            Event::PairingCode(code) => Some(code.code.clone()),
            _ => None,
        })
        .await;
    let wrong = if code.starts_with('A') { "BBBB-BBBB" } else { "AAAA-AAAA" };
    let error = world.server.enter_code(ME, wrong).await.unwrap_err();
    assert!(format!("{error:#}").contains("the code is wrong"), "{error:#}");
    let device = world.server.enter_code(ME, &code).await.unwrap();
    client.connected().await;
    world.server.send(ALICE, ME, "hello", None).await.unwrap();
    assert_eq!(client.text().await.text, "hello");
    let state = world.server.state();
    assert_eq!((state.companions[0].pn.as_str(), state.companions[0].device), (ME, device));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_qr_is_refused() {
    let world = World::start().await;
    let client = world.client("a").await;
    let qr = client.qr().await;
    let other_ref = format!("2@other,{}", qr.split_once(',').unwrap().1);
    for (pn, qr, why) in [
        (ME, "not a code", "at least four parts"),
        (ME, other_ref.as_str(), "not valid here"),
        ("1", qr.as_str(), "no account"),
    ] {
        let error = world.server.scan(pn, qr).await.unwrap_err();
        assert!(format!("{error:#}").contains(why), "{error:#}");
    }
    world.server.scan(ME, &qr).await.unwrap();
}

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
async fn a_text_may_follow_the_scan_at_once() {
    let world = World::start().await;
    let client = world.client("a").await;
    world.server.scan(ME, &client.qr().await).await.unwrap();
    world.server.send(ALICE, ME, "so soon", None).await.unwrap();
    assert_eq!(client.text().await.text, "so soon");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_is_made_or_renamed_is_told() {
    let world = World::start().await;
    let client = world.linked("a").await;
    for subject in ["New", "Renamed"] {
        world.server.add_group("120363000000000009@g.us", subject, &[BOB, ME], Addressing::Pn).unwrap();
        let group = client
            .event("a group update", |event| match event {
                Event::GroupUpdate(update) => Some(update.group_jid.to_string()),
                _ => None,
            })
            .await;
        assert_eq!(group, "120363000000000009@g.us");
    }
    let groups = client.client.groups().get_participating().await.unwrap();
    assert!(groups.values().any(|group| group.subject == "Renamed"));
    world.until(|state| state.queued.is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_has_forgotten_a_device_says_so() {
    let world = World::start().await;
    world.linked("a").await.handle.shutdown().await;
    // The device knows the key of the server that is gone, so the handshake falls back.
    let World { server, stores } = world;
    drop(server);
    let world = World { stores, ..World::start().await };
    let client = world.client("a").await;
    assert!(client.event("logged out at login", logged_out).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_to_a_group_that_the_account_has_left_is_refused() {
    let world = World::start().await;
    let client = world.linked("a").await;
    client.send(FAMILY, "still in").await;
    world.server.add_group(FAMILY, "Family", &[ALICE, BOB], Addressing::Pn).unwrap();
    // The client still thinks that it is a member.
    let id = client.send(FAMILY, "no longer in").await;
    let error = client
        .event("the refusal", |event| match event {
            Event::ServerAck(ack) if ack.id == id => Some(ack.error.clone()),
            _ => None,
        })
        .await;
    assert_eq!(error.as_deref(), Some("403"));
}
