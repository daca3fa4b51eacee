//! What waited for a device that was away: announced and counted, cut off, left hanging, and complete in the end.
use fake_whatsapp::Fault;
use whatsapp_rust::types::events::Event;

use crate::faults::up_to_a_last_text;
use crate::linked::{ALICE, Client, FAMILY, ME, World, texts_in};

/// (messages, receipts, notifications, total) as announced.
async fn preview(client: &Client) -> (i32, i32, i32, i32) {
    client
        .event("a preview", |event| match event {
            Event::OfflineSyncPreview(preview) => {
                Some((preview.messages, preview.receipts, preview.notifications, preview.total))
            }
            _ => None,
        })
        .await
}

async fn completed(client: &Client) -> i32 {
    client
        .event("the end of the backlog", |event| match event {
            Event::OfflineSyncCompleted(completed) => Some(completed.count),
            _ => None,
        })
        .await
}

fn numbers(seen: Vec<crate::linked::Seen>) -> Vec<u32> {
    let mut numbers: Vec<u32> = seen.iter().map(|seen| seen.text.parse().unwrap()).collect();
    numbers.sort_unstable();
    numbers
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_is_announced_by_kind_and_ends_with_its_count() {
    let world = World::start().await;
    let client = world.linked("a").await;
    client.handle.shutdown().await;
    world.until(|state| !state.companions[0].online).await;
    for number in 0..7 {
        world.server.send(ALICE, if number % 2 == 0 { ME } else { FAMILY }, &number.to_string(), None).await.unwrap();
    }
    world.server.add_group(FAMILY, "Renamed", &[ALICE, ME], fake_whatsapp::Addressing::Pn).unwrap();
    assert_eq!(world.server.state().queued[ME], 8);
    let client = world.client("a").await;
    assert_eq!(preview(&client).await, (7, 0, 1, 8));
    assert_eq!(completed(&client).await, 8);
    world.until(|state| state.queued.is_empty()).await;

    client.handle.shutdown().await;
    let client = world.client("a").await;
    assert_eq!(completed(&client).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_that_is_cut_off_comes_at_the_next_login() {
    let world = World::start().await;
    world.linked("a").await.handle.shutdown().await;
    for after in [None, Some(0), Some(1000)] {
        for number in 0..30 {
            world.server.send(ALICE, FAMILY, &number.to_string(), None).await.unwrap();
        }
        world.server.fault(ME, &Fault::CutBacklog { after, times: 1 }).unwrap();
        let client = world.client("a").await;
        assert_eq!(preview(&client).await.3, 30);
        assert_eq!(numbers(client.texts(30).await), (0..30).collect::<Vec<u32>>(), "cut after {after:?}");
        assert_eq!(up_to_a_last_text(&world, &client, FAMILY).await, ["the last one"]);
        world.until(|state| state.queued.is_empty()).await;
        client.handle.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_without_an_end_is_complete_after_a_reconnect() {
    let world = World::start().await;
    world.linked("a").await.handle.shutdown().await;
    for number in 0..30 {
        world.server.send(ALICE, ME, &number.to_string(), None).await.unwrap();
    }
    world.server.fault(ME, &Fault::StallBacklog { after: Some(12), times: 1 }).unwrap();
    let client = world.client("a").await;
    assert_eq!(numbers(client.texts(12).await), (0..12).collect::<Vec<u32>>());
    world.server.send(ALICE, ME, "30", None).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!(client.texts_so_far(), []);
    client.client.reconnect_immediately().await;
    // Its end may be told before the last text was decrypted.
    let (mut texts, mut complete) = (Vec::new(), false);
    while texts.len() < 19 || !complete {
        let (more, ends) = client
            .event("a text, or the end of the backlog", |event| match event {
                Event::OfflineSyncCompleted(_) => Some((Vec::new(), true)),
                _ => texts_in(event).map(|texts| (texts, false)),
            })
            .await;
        texts.extend(more);
        complete |= ends;
    }
    assert_eq!(numbers(texts), (12..31).collect::<Vec<u32>>());
}
