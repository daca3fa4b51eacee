//! The link's states (W5): how it is refused, lost and taken up again.

use fake_whatsapp::Fault;
use jiff::{SignedDuration, Timestamp};
use nanoclaw_core::link::{Link, LinkState};
use nanoclaw_host::{
    channel::whatsapp::{Config, FakeServer},
    ports::ToChannel,
};

use crate::world::{Channel, ME, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_login_is_final_until_somebody_tries_again() {
    // W5
    let world = World::start().await;
    world.linked().await.stop().await;
    for (code, expire_seconds, expect) in [
        (403, None, Link::Locked),
        (405, None, Link::Outdated),
        (402, None, Link::Banned { until: None }),
        (400, None, Link::Refused { code: 400 }),
        (409, None, Link::Refused { code: 409 }),
        (501, None, Link::Refused { code: 501 }),
        (406, None, Link::LoggedOut),
    ] {
        world.server.fault(ME, &Fault::FailLogin { code, expire_seconds, times: 1 }).unwrap();
        let mut channel = Channel::start(world.config());
        let links = channel.links("refused", |link| *link == expect).await;
        assert_eq!(links.len(), 3, "{code}: {links:?}");
        // The next login would be welcome, so a loop would show.
        world.until_offline().await;
        channel.tell(ToChannel::Reconnect);
        let links = channel.links("connected", Link::is_connected).await;
        assert_eq!(links[0].state(), LinkState::Connecting, "{code}: {links:?}");
        channel.stop().await;
    }
    assert!(world.moved_aside().is_empty(), "trying again keeps the sign-in");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ban_says_how_long() {
    // W5
    let world = World::start().await;
    world.linked().await.stop().await;
    world.server.fault(ME, &Fault::FailLogin { code: 402, expire_seconds: Some(3600), times: 1 }).unwrap();
    let mut channel = Channel::start(world.config());
    let banned = channel.link("banned", |link| link.state() == LinkState::Banned).await;
    let Link::Banned { until: Some(until) } = banned else { panic!("no end: {banned:?}") };
    let left = until.duration_since(Timestamp::now());
    assert!(left > SignedDuration::from_mins(59) && left <= SignedDuration::from_mins(60), "{left}");
    channel.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_session_takes_over_and_is_not_fought() {
    // W5
    let world = World::start().await;
    let mut channel = world.linked().await;
    world.server.fault(ME, &Fault::Replace {}).unwrap();
    channel.link("replaced", |link| *link == Link::Replaced).await;
    world.until_offline().await;
    channel.tell(ToChannel::Reconnect);
    channel.connected().await;
    channel.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_comes_back_by_itself() {
    // W5
    let world = World::start().await;
    let mut channel = world.linked().await;
    world.server.fault(ME, &Fault::FailLogin { code: 503, expire_seconds: None, times: 2 }).unwrap();
    world.server.drop_connections(ME).unwrap();
    let links = channel.links("connected again", Link::is_connected).await;
    let offline: Vec<_> = links.iter().filter(|link| link.state() == LinkState::Offline).collect();
    assert!(!offline.is_empty() && links.iter().any(|link| link.state() == LinkState::Connecting), "{links:?}");
    for link in offline {
        assert!(matches!(link, Link::Offline { retry_at: Some(_) }), "{link:?}");
    }
    channel.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_cannot_be_reached_is_offline_not_silence() {
    // W5: of this the library tells nothing.
    let world = World::start().await;
    world.linked().await.stop().await;
    let free_port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let nobody = FakeServer::new(format!("ws://127.0.0.1:{free_port}/ws/chat"));
    let mut channel = Channel::start(Config { fake: Some(nobody), ..world.config() });
    let started = Timestamp::now();
    let offline = channel.link("offline", |link| link.state() == LinkState::Offline).await;
    let Link::Offline { retry_at: Some(retry_at) } = offline else { panic!("{offline:?}") };
    assert!(retry_at > started && retry_at.duration_since(started) < SignedDuration::from_secs(60));
    channel.link("another try", |link| *link == Link::Connecting).await;
    channel.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_that_cannot_be_opened_is_tried_again() {
    let world = World::start().await;
    std::fs::create_dir_all(world.store()).unwrap();
    std::fs::write(world.store().join("auth"), "in the way").unwrap();
    let mut channel = Channel::start(world.hurried(50));
    let offline = channel.link("offline", |link| link.state() == LinkState::Offline).await;
    assert!(matches!(offline, Link::Offline { retry_at: Some(_) }), "{offline:?}");
    std::fs::remove_file(world.store().join("auth")).unwrap();
    channel.qr().await;
    channel.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn by_hand_it_connects_without_waiting_for_the_back_off() {
    // W6
    let world = World::start().await;
    let mut channel = world.linked().await;
    // Each refusal makes the library wait longer: 1, 1, 2, 3, 5 seconds.
    world.server.fault(ME, &Fault::FailLogin { code: 503, expire_seconds: None, times: 3 }).unwrap();
    world.server.drop_connections(ME).unwrap();
    for _ in 0..3 {
        channel.link("offline", |link| link.state() == LinkState::Offline).await;
    }
    world.server.fault(ME, &Fault::FailLogin { code: 503, expire_seconds: None, times: 0 }).unwrap();
    let asked = std::time::Instant::now();
    channel.tell(ToChannel::Reconnect);
    channel.connected().await;
    assert!(asked.elapsed().as_millis() < 1500, "{:?}", asked.elapsed());
    channel.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_in_order_whatever_it_is_doing() {
    let world = World::start().await;
    Channel::start(world.config()).stop().await;
    let mut pairing = Channel::start(world.config());
    pairing.qr().await;
    pairing.stop().await;
    let linked = world.linked().await;
    world.server.fault(ME, &Fault::Silence { ms: None }).unwrap();
    linked.stop().await;
}
