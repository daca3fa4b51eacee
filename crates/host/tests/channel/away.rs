//! The computer sleeps, its network changes, WhatsApp is out of reach for long (W6).

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use fake_whatsapp::Fault;
use jiff::{SignedDuration, Timestamp};
use nanoclaw_core::link::{Link, LinkState};
use nanoclaw_host::{
    channel::{
        surroundings,
        whatsapp::{Config, FakeServer},
    },
    ports::{FromChannel, ToChannel},
};
use tokio::net::TcpListener;

use crate::world::{ALICE, Channel, ME, World};

/// A server in whose place nobody speaks: it hangs up on everybody, and notes when.
struct Nobody {
    port: u16,
    calls: Arc<Mutex<Vec<Instant>>>,
}

impl Nobody {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, calls) = (listener.local_addr().unwrap().port(), Arc::<Mutex<Vec<Instant>>>::default());
        let noted = calls.clone();
        tokio::spawn(async move {
            while let Ok(_caller) = listener.accept().await {
                noted.lock().unwrap().push(Instant::now());
            }
        });
        Nobody { port, calls }
    }

    fn calls(&self) -> Vec<Instant> {
        self.calls.lock().unwrap().clone()
    }

    /// A sign-in, and a channel on it that looks for WhatsApp here.
    async fn sought(&self, hurry: u32) -> (World, Config) {
        let world = World::start().await;
        world.linked().await.stop().await;
        let url = format!("ws://127.0.0.1:{}/ws/chat", self.port);
        let config = Config { fake: Some(FakeServer { hurry, ..FakeServer::new(url) }), ..world.config() };
        (world, config)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hour_offline_is_ten_tries_at_most() {
    // W6
    let nobody = Nobody::start().await;
    let (_world, config) = nobody.sought(600).await;
    let end = Instant::now() + Duration::from_secs(3600) / 600;
    let channel = Channel::start(config);
    tokio::time::sleep_until(end.into()).await;
    // This may wake up late.
    let calls = nobody.calls().into_iter().filter(|at| *at <= end).count();
    assert!((5..=10).contains(&calls), "{calls} tries");
    channel.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_wake_it_is_tried_at_once() {
    // W6
    let nobody = Nobody::start().await;
    let (_world, config) = nobody.sought(1).await;
    let mut channel = Channel::start(config);
    // The fourth wait is of 15 s.
    for _ in 0..4 {
        channel.link("offline", |link| link.state() == LinkState::Offline).await;
    }
    // The clock jumps after it was read for the first time.
    let looks = AtomicUsize::new(0);
    let slept = move || SignedDuration::from_hours(i64::from(looks.fetch_add(1, Ordering::SeqCst) > 0));
    let (before, woke) = (nobody.calls().len(), Instant::now());
    tokio::spawn(surroundings::watch(move || Timestamp::now() + slept(), || None, channel.to.clone()));
    while nobody.calls().len() == before {
        assert!(woke.elapsed() < Duration::from_secs(10), "it waits for the back-off");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    channel.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_died_in_a_sleep_is_replaced_and_the_backlog_comes_before_it_is_shown() {
    // W6, M12
    let world = World::start().await;
    let mut channel = world.linked().await;
    world.server.fault(ME, &Fault::Silence { ms: None }).unwrap();
    for n in 0..30 {
        world.server.send(ALICE, ME, &n.to_string(), None).await.unwrap();
    }
    let woke = Instant::now();
    channel.tell(ToChannel::Wake);
    let links = channel.links("connected again", Link::is_connected).await;
    assert!(woke.elapsed() < Duration::from_secs(15), "{:?}", woke.elapsed());
    assert_eq!(links.iter().map(Link::state).collect::<Vec<_>>(), [LinkState::Connecting, LinkState::Connected]);
    assert_eq!(whole(&mut channel), numbers(30), "all that came in the sleep was there");
    channel.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_that_we_could_not_keep_is_not_connected() {
    // W6, M12
    let world = World::start().await;
    world.linked().await.stop().await;
    for n in 0..3 {
        world.server.send(ALICE, ME, &n.to_string(), None).await.unwrap();
    }
    let mut channel = Channel::start(world.hurried(20));
    channel.keeper.refuse.store(2, Ordering::SeqCst);
    let links = channel.links("connected", Link::is_connected).await;
    use LinkState::{Connected, Connecting, Starting};
    assert_eq!(links.iter().map(Link::state).collect::<Vec<_>>(), [Starting, Connecting, Connected]);
    assert_eq!(whole(&mut channel), numbers(3), "all of it was there");
    assert_eq!(channel.keeper.refuse.load(Ordering::SeqCst), 0, "it was refused before");
    channel.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_that_breaks_off_is_taken_up_again_before_connected_is_shown() {
    // W6, M12
    let world = World::start().await;
    world.linked().await.stop().await;
    for n in 0..30 {
        world.server.send(ALICE, ME, &n.to_string(), None).await.unwrap();
    }
    world.server.fault(ME, &Fault::CutBacklog { after: Some(11), times: 2 }).unwrap();
    let mut channel = Channel::start(world.hurried(20));
    channel.connected().await;
    assert_eq!(whole(&mut channel), numbers(30));
    world.until(|state| state.queued.is_empty()).await;
    channel.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_that_stops_without_a_word_is_sought_by_another_connection() {
    // W6, M12: the library takes it for whole after a minute.
    let world = World::start().await;
    world.linked().await.stop().await;
    for n in 0..30 {
        world.server.send(ALICE, ME, &n.to_string(), None).await.unwrap();
    }
    world.server.fault(ME, &Fault::StallBacklog { after: Some(12), times: 2 }).unwrap();
    let mut channel = Channel::start(world.impatient(6));
    let links = channel.links("connected", Link::is_connected).await;
    assert_eq!(links.iter().filter(|link| link.state() == LinkState::Offline).count(), 2, "{links:?}");
    assert_eq!(whole(&mut channel), numbers(30));
    channel.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_never_ends_a_backlog_is_connected_to_all_the_same() {
    // W6
    let world = World::start().await;
    world.linked().await.stop().await;
    world.server.fault(ME, &Fault::StallBacklog { after: Some(1000), times: 9 }).unwrap();
    let mut channel = Channel::start(world.impatient(10));
    let links = channel.links("connected", Link::is_connected).await;
    assert_eq!(links.iter().filter(|link| link.state() == LinkState::Offline).count(), 3, "{links:?}");
    channel.send("3EB0000000000000000001", "15550002222@s.whatsapp.net", "at last");
    channel.acked().await;
    channel.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_without_an_end_keeps_nobody_from_being_served_while_people_go_on_talking() {
    // W6
    let world = Arc::new(World::start().await);
    world.linked().await.stop().await;
    world.server.fault(ME, &Fault::StallBacklog { after: Some(1000), times: 99 }).unwrap();
    let people = tokio::spawn({
        let world = world.clone();
        async move {
            for n in 0.. {
                world.server.send(ALICE, ME, &n.to_string(), None).await.unwrap();
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    });
    let mut channel = Channel::start(world.impatient(20));
    let links = channel.links("connected", Link::is_connected).await;
    let tries = links.iter().filter(|link| link.state() == LinkState::Connecting).count();
    assert!((4..=20).contains(&tries), "{tries} tries: {links:?}");
    people.abort();
    let _ = people.await;
    channel.stop().await;
}

/// The texts that were kept, each once; what comes twice is dropped by the store.
fn whole(channel: &mut Channel) -> Vec<String> {
    let mut texts = Vec::new();
    for text in channel.all_kept().into_iter().flat_map(|message| message.text) {
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    texts
}

fn numbers(end: usize) -> Vec<String> {
    (0..end).map(|n| n.to_string()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wake_does_not_end_what_only_a_person_ends() {
    // W5, W6
    let world = World::start().await;
    let mut channel = world.linked().await;
    world.server.fault(ME, &Fault::Replace {}).unwrap();
    channel.link("replaced", |link| *link == Link::Replaced).await;
    world.until_offline().await;
    channel.tell(ToChannel::Wake);
    // Answered after the wake was.
    channel.send("3EB0000000000000000001", "15550002222@s.whatsapp.net", "not now");
    channel.answer().await;
    assert!(world.server.state().companions.iter().all(|companion| !companion.online));
    channel.tell(ToChannel::Reconnect);
    channel.connected().await;
    channel.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_are_new_after_a_sleep() {
    // W1, W6: those from before it are shown no longer.
    let world = World::start().await;
    let mut channel = Channel::start(world.config());
    channel.tell(ToChannel::Pair { phone: Some(ME.into()) });
    let old = channel.code().await;
    channel.tell(ToChannel::Wake);
    let mut seen = Vec::new();
    let code = channel
        .event("a new code", |event| match event {
            FromChannel::Link(Link::Pairing { code: Some(code), .. }) => (code != old).then_some(code),
            FromChannel::Link(link) => {
                seen.push(link.state());
                None
            }
            _ => None,
        })
        .await;
    assert!(seen.contains(&LinkState::Starting), "{seen:?}");
    world.server.enter_code(ME, &code.code).await.unwrap();
    channel.connected().await;
    channel.stop().await;
}
