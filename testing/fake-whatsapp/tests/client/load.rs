//! Many texts at once: all arrive, none twice, in good time.
use std::collections::HashSet;
use std::time::{Duration, Instant};

use fake_whatsapp::{Addressing, ItemKind};

use crate::linked::{ALICE, ME, World};

const GROUPS: usize = 200;
const TEXTS: usize = 5_000;
/// Contacts that write at the same time.
const WRITERS: usize = 10;

#[tokio::test(flavor = "multi_thread")]
async fn five_thousand_texts_over_two_hundred_groups() {
    let world = World::start().await;
    let writers: Vec<String> = (0..WRITERS).map(|number| format!("1777000{number:04}")).collect();
    for (number, writer) in writers.iter().enumerate() {
        world.server.add_account(writer, &format!("2000{number:04}"), "Writer").unwrap();
    }
    let members: Vec<&str> = writers.iter().map(String::as_str).chain([ME]).collect();
    let groups: Vec<String> = (0..GROUPS).map(|number| format!("1203630001{number:08}@g.us")).collect();
    for group in &groups {
        world.server.add_group(group, "Load", &members, Addressing::Pn).unwrap();
    }
    let client = world.linked("a").await;
    let start = Instant::now();
    let sending = async {
        let senders = writers.iter().enumerate().map(|(writer, from)| {
            let (server, groups) = (&world.server, &groups);
            async move {
                for number in (writer..TEXTS).step_by(WRITERS) {
                    server.send(from, &groups[number % GROUPS], &number.to_string(), None).await.unwrap();
                }
            }
        });
        futures_util::future::join_all(senders).await;
        start.elapsed()
    };
    let (sent, seen) = tokio::join!(sending, client.texts(TEXTS));
    let arrived = start.elapsed();
    eprintln!("{TEXTS} texts: sent in {sent:?}, arrived in {arrived:?}");
    let numbers: HashSet<&str> = seen.iter().map(|seen| seen.text.as_str()).collect();
    assert_eq!((seen.len(), numbers.len()), (TEXTS, TEXTS));
    world.until(|state| state.queued.is_empty()).await;
    // Of a debug build on a busy machine.
    assert!(arrived < Duration::from_secs(150), "{arrived:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_writes_as_fast_as_it_can() {
    let world = World::start().await;
    let client = world.linked("a").await;
    let to = crate::linked::jid(ALICE);
    for number in 0..300 {
        client.send(&to, &number.to_string()).await;
    }
    world.text_at(ALICE, "299").await;
    let page = world.server.received(0, Duration::ZERO).await;
    let texts: Vec<&str> =
        page.items.iter().filter(|item| item.kind == ItemKind::Text).map(|item| item.text.as_str()).collect();
    assert_eq!(texts, (0..300).map(|number| number.to_string()).collect::<Vec<_>>());
}
