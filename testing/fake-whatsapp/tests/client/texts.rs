//! Linking, texts in both directions, and what waits for a device that is away.
use fake_whatsapp::{ItemKind, Media};
use whatsapp_rust::prelude::MessageExt as _;
use whatsapp_rust::types::events::Event;

use crate::linked::{ALICE, BOB, FAMILY, ME, World, jid};

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
async fn media_comes_with_its_caption_or_none() {
    let world = World::start().await;
    let client = world.linked("a").await;
    for (to, chat) in [(ME, jid(ALICE)), (FAMILY, FAMILY.to_owned())] {
        for media in [Media::Image, Media::Video, Media::Document] {
            for caption in ["look", ""] {
                let id = world.server.send_media(ALICE, to, media, caption).await.unwrap();
                let seen = client
                    .event("media", |event| {
                        let Event::Messages(batch) = event else { return None };
                        let message = batch.messages.first()?;
                        let caption = message.message.get_caption().map(str::to_owned);
                        (message.info.id == id).then(|| (message.info.source.chat.to_string(), caption))
                    })
                    .await;
                assert_eq!(
                    (seen.0.as_str(), seen.1.as_deref().unwrap_or_default()),
                    (chat.as_str(), caption),
                    "{media:?}"
                );
            }
        }
    }
    world.until(|state| state.queued.is_empty()).await;
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
async fn texts_wait_for_a_device_that_is_away() {
    let world = World::start().await;
    let client = world.linked("a").await;
    world.keep_out();
    world.server.drop_connections(ME).unwrap();
    world.until(|state| state.companions.iter().all(|companion| !companion.online)).await;
    world.server.send(BOB, ME, "while it was cut off", None).await.unwrap();
    world.let_in();
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
async fn a_server_that_has_forgotten_a_device_says_so() {
    let mut world = World::start().await;
    world.linked("a").await.handle.shutdown().await;
    // The device knows the key of the server that is gone, so the handshake falls back.
    world.forget().await;
    let client = world.client("a").await;
    assert!(client.event("logged out at login", logged_out).await);
}
