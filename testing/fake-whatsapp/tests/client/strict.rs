//! What no WhatsApp client does, done by the real one on purpose: the server sees it, says so and ends the stream.
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;
use whatsapp_rust::async_channel;
use whatsapp_rust::bytes::Bytes;
use whatsapp_rust::transport::{TokioWebSocketTransportFactory, Transport, TransportEvent, TransportFactory};

use crate::linked::{ALICE, Client, ME, World, jid};

fn node(tag: &'static str) -> NodeBuilder {
    NodeBuilder::new(tag)
}

fn iq(namespace: &'static str, child: Node) -> Node {
    node("iq").attr("id", "bad").attr("type", "set").attr("xmlns", namespace).children([child]).build()
}

/// A world with a client that is about to break the protocol.
async fn hostile() -> (World, Client) {
    let mut world = World::start().await;
    world.violates = true;
    let client = world.linked("a").await;
    (world, client)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stanza_that_no_client_sends_ends_the_stream() {
    let (world, client) = hostile().await;
    let enc = || node("enc").attr("v", "2").attr("type", "pkmsg").bytes(vec![1, 2, 3]).build();
    let message = || node("message").attr("id", "bad").attr("type", "text").attr("to", jid(ALICE));
    let forged = node("device-identity").bytes(vec![10, 1, 0]).build();
    for (count, (stanza, why)) in [
        (node("gossip").build(), "no such stanza"),
        (message().build(), "no enc"),
        (message().children([enc()]).build(), "without a device identity"),
        (message().children([enc(), forged]).build(), "other details"),
        (node("receipt").attr("id", "bad").build(), "no to"),
    ]
    .into_iter()
    .enumerate()
    {
        world.keep_out();
        client.client.send_node(stanza).await.unwrap();
        world.until(|state| state.violations.len() > count && !state.companions[0].online).await;
        let violations = world.server.state().violations;
        assert!(violations[count].starts_with(ME) && violations[count].contains(why), "{violations:?}");
        world.let_in();
        client.client.reconnect_immediately().await;
        world.until(|state| state.companions[0].online).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_request_is_refused() {
    let (world, client) = hostile().await;
    let keys = |signature: Vec<u8>| {
        let skey = node("skey").children([
            node("id").bytes(vec![0, 0, 1]).build(),
            node("value").bytes(vec![9; 32]).build(),
            node("signature").bytes(signature).build(),
        ]);
        node("rotate").children([skey.build()]).build()
    };
    let patch = node("patch").bytes(vec![]).build();
    let collection = node("collection").attr("name", "regular_low").attr("version", "0").children([patch]);
    for (count, (request, why)) in [
        (iq("encrypt", keys(vec![7; 64])), "the signed key's signature is wrong"),
        (iq("w:sync:app:state", node("sync").children([collection.build()]).build()), "under another key"),
    ]
    .into_iter()
    .enumerate()
    {
        client.client.send_node(request).await.unwrap();
        world.until(|state| state.violations.len() > count).await;
        let violations = world.server.state().violations;
        assert!(violations[count].contains(why), "{violations:?}");
        assert!(world.server.state().companions[0].online);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_follow_from_those_before_are_taken() {
    let world = World::start().await;
    let client = world.linked("a").await;
    for chat in [ALICE, ME] {
        client.client.chat_actions().pin_chat(&jid(chat).parse().unwrap()).await.unwrap();
    }
}

/// What happens to the next thing that the client sends: 0 nothing, 1 it is damaged, 2 it goes out twice.
#[derive(Clone)]
struct Meddler(Arc<AtomicU8>, String);

struct Meddled(Arc<AtomicU8>, Arc<dyn Transport>);

#[async_trait::async_trait]
impl TransportFactory for Meddler {
    async fn create_transport(&self) -> anyhow::Result<(Arc<dyn Transport>, async_channel::Receiver<TransportEvent>)> {
        let factory = TokioWebSocketTransportFactory::new().with_url(self.1.clone());
        let (transport, events) = factory.create_transport().await?;
        Ok((Arc::new(Meddled(self.0.clone(), transport)), events))
    }
}

#[async_trait::async_trait]
impl Transport for Meddled {
    async fn send(&self, data: Bytes) -> anyhow::Result<()> {
        match self.0.swap(0, Ordering::SeqCst) {
            1 => {
                let mut damaged = data.to_vec();
                *damaged.last_mut().unwrap() ^= 1;
                self.1.send(damaged.into()).await
            }
            2 => {
                self.1.send(data.clone()).await?;
                self.1.send(data).await
            }
            _ => self.1.send(data).await,
        }
    }

    async fn disconnect(&self) {
        self.1.disconnect().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_that_is_damaged_or_comes_twice_ends_the_stream() {
    let mut world = World::start().await;
    world.violates = true;
    let meddler = Meddler(Arc::default(), world.server.url());
    let client = world.build_on("a", None, meddler.clone()).await;
    let qr = client.qr().await;
    world.server.scan(ME, &qr).await.unwrap();
    client.connected().await;
    for (count, how) in [1, 2].into_iter().enumerate() {
        meddler.0.store(how, Ordering::SeqCst);
        world.keep_out();
        client.client.send_node(node("presence").attr("type", "available").build()).await.unwrap();
        world.until(|state| state.violations.len() > count && !state.companions[0].online).await;
        world.let_in();
        client.client.reconnect_immediately().await;
        world.until(|state| state.companions[0].online).await;
    }
    let violations = world.server.state().violations;
    assert!(violations.iter().all(|violation| violation.contains("frame")), "{violations:?}");
}
