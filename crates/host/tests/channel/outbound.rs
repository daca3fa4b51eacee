//! Texts that go out.

use fake_whatsapp::{Fault, ItemKind};
use nanoclaw_core::{chat::Jid, link::LinkState};
use nanoclaw_host::ports::{FromChannel, Obstacle, ToChannel};

use crate::world::{ALICE, ALICE_JID, BOB, BOB_JID, Channel, FAMILY, ME, MY_JID, WORK, World};

fn id(n: usize) -> String {
    format!("3EB0AAAAAAAAAAAAAAA{n:03}")
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_arrive_in_order_under_their_ids() {
    // M13
    let world = World::start().await;
    let mut channel = world.linked().await;
    let chats = [ALICE_JID, FAMILY, WORK, BOB_JID];
    for n in 0..24 {
        channel.send(&id(n), chats[n % chats.len()], &format!("text {n}"));
    }
    let mut acked = Vec::new();
    for _ in 0..24 {
        acked.push(channel.acked().await);
    }
    for lane in 0..chats.len() {
        let expect: Vec<String> = (lane..24).step_by(chats.len()).map(id).collect();
        assert_eq!(acked.iter().filter(|id| expect.contains(id)).cloned().collect::<Vec<_>>(), expect);
    }
    let items = world.until_received(|item| item.id == id(23)).await;
    let of = |to: &str, chat: &str| {
        let fits = items.iter().filter(|item| item.kind == ItemKind::Text && item.to == to && item.chat == chat);
        fits.map(|item| item.text.clone()).collect::<Vec<_>>()
    };
    for (to, chat, first) in [(ALICE, ALICE_JID, 0), (ALICE, FAMILY, 1), (BOB, WORK, 2), (BOB, BOB_JID, 3)] {
        let expect: Vec<String> = (first..24).step_by(chats.len()).map(|n| format!("text {n}")).collect();
        assert_eq!(of(to, chat), expect, "{to} in {chat}");
    }
    channel.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_goes_twice_under_one_id_is_one_message() {
    // M13
    let world = World::start().await;
    let mut channel = world.linked().await;
    channel.send(&id(1), ALICE_JID, "once");
    assert_eq!(channel.acked().await, id(1));
    // As after a crash between the ack and its note in the outbox.
    channel.send(&id(1), ALICE_JID, "once");
    assert_eq!(channel.acked().await, id(1));
    channel.send(&id(2), ALICE_JID, "last");
    channel.acked().await;
    assert_eq!(world.texts_at(ALICE, "last").await, ["once", "last"]);
    assert_eq!(world.server.state().duplicates, 1);
    channel.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_on_its_way_is_not_sent_beside_itself() {
    // M13: as when the outbox is sent again after each connect.
    let world = World::start().await;
    let mut channel = world.linked().await;
    for _ in 0..3 {
        channel.send(&id(1), ALICE_JID, "once");
        channel.send(&id(2), ALICE_JID, "twice");
    }
    assert_eq!([channel.acked().await, channel.acked().await], [id(1), id(2)]);
    channel.send(&id(3), ALICE_JID, "last");
    assert_eq!(channel.acked().await, id(3));
    assert_eq!(world.texts_at(ALICE, "last").await, ["once", "twice", "last"]);
    assert_eq!(world.server.state().duplicates, 0);
    channel.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_connection_the_answer_comes_at_once() {
    // M13
    let world = World::start().await;
    let mut channel = Channel::start(world.config());
    channel.send(&id(1), ALICE_JID, "too early");
    assert_eq!(channel.not_sent(&id(1)).await, Obstacle::OutOfReach);
    world.link(&mut channel).await;

    // What was on its way when the connection broke is answered too, and goes again under its id.
    world.server.fault(ME, &Fault::Silence { ms: None }).unwrap();
    channel.send(&id(2), ALICE_JID, "into the void");
    channel.send(&id(3), ALICE_JID, "behind it");
    world.server.drop_connections(ME).unwrap();
    assert_eq!(channel.not_sent(&id(2)).await, Obstacle::OutOfReach);
    assert_eq!(channel.not_sent(&id(3)).await, Obstacle::OutOfReach);
    channel.connected().await;
    channel.send(&id(2), ALICE_JID, "into the void");
    channel.send(&id(3), ALICE_JID, "behind it");
    assert_eq!([channel.acked().await, channel.acked().await], [id(2), id(3)]);
    assert_eq!(world.texts_at(ALICE, "behind it").await, ["into the void", "behind it"]);
    channel.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_server_does_not_hold_a_text_for_ever() {
    // M13
    let world = World::start().await;
    world.linked().await.stop().await;
    let mut channel = Channel::start(world.impatient(40));
    channel.connected().await;
    world.server.fault(ME, &Fault::Silence { ms: None }).unwrap();
    channel.send(&id(1), ALICE_JID, "hello?");
    assert_eq!(channel.not_sent(&id(1)).await, Obstacle::Passing);
    channel.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_none_is_refused_for_good_and_holds_nothing_up() {
    // M13
    let world = World::start().await;
    let mut channel = world.linked().await;
    channel.send(&id(1), "no address at all", "nobody");
    assert_eq!(channel.not_sent(&id(1)).await, Obstacle::Lasting);
    channel.send(&id(2), MY_JID, "note to self");
    assert_eq!(channel.acked().await, id(2));
    channel.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn people_see_who_is_there_and_who_is_typing() {
    // M10
    let world = World::start().await;
    let channel = world.linked().await;
    world.until_received(|item| item.kind == ItemKind::Presence && item.r#type == "available").await;
    for (on, expect) in [(true, "composing"), (false, "paused")] {
        channel.tell(ToChannel::Composing { chat: Jid::new(ALICE_JID), on });
        let is_it = |item: &fake_whatsapp::Item| item.kind == ItemKind::Chatstate && item.to == ALICE;
        world.until_received(|item| is_it(item) && item.r#type == expect).await;
    }
    // Their failures never matter.
    channel.tell(ToChannel::Composing { chat: Jid::new("no address at all"), on: true });
    channel.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_text_is_answered_for_also_at_the_end() {
    // M13
    let world = World::start().await;
    let mut channel = world.linked().await;
    world.server.fault(ME, &Fault::Replace {}).unwrap();
    for n in 0..5 {
        channel.send(&id(n), ALICE_JID, "which way?");
    }
    let mut answers = 0;
    while answers < 5 {
        channel
            .event("an answer or the end", |event| match event {
                FromChannel::Acked { .. } | FromChannel::NotSent { .. } => {
                    answers += 1;
                    Some(())
                }
                FromChannel::Link(link) if link.state() == LinkState::Replaced => Some(()),
                _ => None,
            })
            .await;
    }
    channel.stop().await;
}
