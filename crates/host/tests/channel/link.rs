//! The link's states (W5): how it is refused, lost and taken up again.

use fake_whatsapp::Fault;
use jiff::{SignedDuration, Timestamp};
use nanoclaw_core::link::{Link, LinkState};
use nanoclaw_host::{
    channel::whatsapp::{Config, FakeServer},
    ports::{FromChannel, ToChannel},
};

use crate::world::{Channel, ME, PATIENCE, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_login_is_final_until_somebody_tries_again() {
    // W5
    let world = World::start().await;
    world.linked().await.stop().await;
    for (code, expect) in [
        (400, Link::Refused { code: 400 }),
        (401, Link::LoggedOut),
        (402, Link::Banned { until: None }),
        (403, Link::Locked),
        (405, Link::Outdated),
        (406, Link::LoggedOut),
        (409, Link::Refused { code: 409 }),
        (413, Link::Refused { code: 413 }),
        (414, Link::Refused { code: 414 }),
        (415, Link::Refused { code: 415 }),
        (416, Link::Refused { code: 416 }),
        (417, Link::Refused { code: 417 }),
        (418, Link::Refused { code: 418 }),
        (501, Link::Refused { code: 501 }),
        (599, Link::Refused { code: 599 }),
    ] {
        // An old version is followed by one try with the newest one.
        let times = if code == 405 { 2 } else { 1 };
        let logins = world.server.state().logins;
        world.server.fault(ME, &Fault::FailLogin { code, expire_seconds: None, times }).unwrap();
        let mut channel = Channel::start(world.hurried(150));
        let links = channel.links("refused", |link| *link == expect).await;
        assert_eq!(links.len(), 3, "{code}: {links:?}");
        assert_eq!(world.server.state().logins - logins, u64::from(times), "{code}");
        assert!(expect.is_final() && expect.wording().1.len() > 5);
        world.is_left_alone(150).await;
        channel.tell(ToChannel::Reconnect);
        let links = channel.links("connected", Link::is_connected).await;
        assert_eq!(links[0].state(), LinkState::Connecting, "{code}: {links:?}");
        channel.stop().await;
    }
    assert!(world.moved_aside().is_empty(), "trying again keeps the sign-in");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_end_of_a_connection_has_its_state() {
    // W5
    let world = World::start().await;
    world.linked().await.stop().await;
    let end = |code, conflict: Option<&str>| Fault::EndStream { code, conflict: conflict.map(str::to_owned) };
    for (fault, expect) in [
        (end(Some(401), None), Some(Link::LoggedOut)),
        (end(Some(401), Some("device_removed")), Some(Link::LoggedOut)),
        (end(Some(516), None), Some(Link::LoggedOut)),
        (end(None, Some("of_another_kind")), Some(Link::LoggedOut)),
        (end(Some(409), None), Some(Link::Replaced)),
        (end(None, Some("replaced")), Some(Link::Replaced)),
        (Fault::Replace {}, Some(Link::Replaced)),
        // These are followed by another connection.
        (end(Some(429), None), None),
        (end(Some(503), None), None),
        (end(Some(515), None), None),
        (end(Some(599), None), None),
        (end(None, None), None),
        (Fault::Drop {}, None),
    ] {
        // One that held for long would be sought again without a word.
        let hurry = if expect.is_some() { 100 } else { 5 };
        let mut channel = Channel::start(world.hurried(hurry));
        channel.connected().await;
        world.server.fault(ME, &fault).unwrap();
        let links = channel.links("the end", |link| link.is_final() || link.is_connected()).await;
        let back = expect.is_none();
        assert!(
            links.last().is_some_and(|last| back && last.is_connected() || Some(last) == expect.as_ref()),
            "{fault:?}: {links:?}"
        );
        assert!(!back || links[0].state() == LinkState::Offline, "{fault:?}: {links:?}");
        if !back {
            world.is_left_alone(hurry).await;
        }
        channel.stop().await;
    }
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
async fn a_ban_that_is_over_is_tried_once_and_one_without_an_end_is_left_to_a_person() {
    // W5
    let world = World::start().await;
    world.linked().await.stop().await;
    let ban = |expire_seconds, times| Fault::FailLogin { code: 402, expire_seconds, times };
    world.server.fault(ME, &ban(Some(1), 2)).unwrap();
    let mut channel = Channel::start(world.hurried(300));
    let links = channel.links("connected", Link::is_connected).await;
    let states: Vec<LinkState> = links.iter().map(Link::state).collect();
    use LinkState::*;
    assert_eq!(states, [Starting, Connecting, Banned, Connecting, Banned, Connecting, Connected]);
    channel.stop().await;

    world.server.fault(ME, &ban(None, 1)).unwrap();
    let mut channel = Channel::start(world.hurried(300));
    let is_banned = |link: &Link| *link == Link::Banned { until: None };
    channel.link("banned", is_banned).await;
    channel.tell(ToChannel::Wake);
    world.is_left_alone(30).await;
    channel.stop().await;

    // No restart tries it either, nor does a wish that could not be followed end it.
    let shown = [Link::Starting, Link::Banned { until: None }];
    let mut channel = Channel::start(world.hurried(300));
    assert_eq!(channel.links("still banned", is_banned).await, shown);
    channel.tell(ToChannel::Wake);
    world.is_left_alone(100).await;
    let sign_in = world.store().join("auth").join("whatsapp.db");
    let whole = std::fs::read(&sign_in).unwrap();
    std::fs::write(&sign_in, "not a database, and longer than a header would be").unwrap();
    channel.tell(ToChannel::Reconnect);
    channel.link("no sign-in", |link| link.state() == Offline).await;
    channel.stop().await;
    std::fs::write(&sign_in, whole).unwrap();
    let mut channel = Channel::start(world.hurried(300));
    assert_eq!(channel.links("still banned", is_banned).await, shown);
    channel.tell(ToChannel::Reconnect);
    channel.connected().await;
    channel.stop().await;
    let mut channel = Channel::start(world.config());
    let links = channel.links("connected", Link::is_connected).await;
    assert!(!links.iter().any(is_banned), "{links:?}");
    channel.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_does_not_end_a_ban_and_a_wake_does_not_prolong_it() {
    // W5, W6
    let world = World::start().await;
    world.linked().await.stop().await;
    let ban = |seconds| Fault::FailLogin { code: 402, expire_seconds: Some(seconds), times: 1 };
    let is_banned = |link: &Link| link.state() == LinkState::Banned;
    world.server.fault(ME, &ban(3600)).unwrap();
    let mut channel = Channel::start(world.hurried(100));
    let banned = channel.link("banned", is_banned).await;
    channel.stop().await;
    let logins = world.server.state().logins;
    let mut channel = Channel::start(world.hurried(100));
    assert_eq!(channel.links("banned", is_banned).await, [Link::Starting, banned]);
    channel.tell(ToChannel::Wake);
    world.is_left_alone(100).await;
    assert_eq!(world.server.state().logins, logins);
    // A person may.
    world.server.fault(ME, &ban(1)).unwrap();
    channel.tell(ToChannel::Reconnect);
    channel.link("banned again", is_banned).await;
    // It is tried 4 s later, however often the computer wakes.
    let to = channel.to.clone();
    let wakes = tokio::spawn(async move {
        while to.send(ToChannel::Wake).is_ok() {
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        }
    });
    channel.link("another try", |link| *link == Link::Connecting).await;
    wakes.abort();
    channel.connected().await;
    channel.stop().await;
    let mut channel = Channel::start(world.config());
    let links = channel.links("connected", Link::is_connected).await;
    assert!(!links.iter().any(is_banned), "{links:?}");
    channel.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_programs_on_one_sign_in_do_not_take_it_from_each_other_for_ever() {
    // W5
    let world = World::start().await;
    world.linked().await.stop().await;
    let twin = Config { auth: world.store().join("twin"), ..world.hurried(50) };
    std::fs::create_dir(&twin.auth).unwrap();
    // Its files are one when the last that has it open is gone.
    let whole = async {
        while world.store().join("auth").join("whatsapp.db-wal").exists() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, whole).await.expect("they are not made one");
    for file in std::fs::read_dir(world.store().join("auth")).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), twin.auth.join(file.file_name())).unwrap();
    }
    let replaced = |link: &Link| *link == Link::Replaced;
    let mut first = Channel::start(world.hurried(50));
    first.connected().await;
    let mut second = Channel::start(twin);
    first.link("replaced", replaced).await;
    second.connected().await;
    // A minute and more of theirs.
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    first.tell(ToChannel::Wake);
    // By hand it is taken back, once.
    first.tell(ToChannel::Reconnect);
    second.link("replaced in turn", replaced).await;
    let links = first.links("connected", Link::is_connected).await;
    assert_eq!(links.iter().map(Link::state).collect::<Vec<_>>(), [LinkState::Connecting, LinkState::Connected]);
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    first.send("3EB0000000000000000001", "15550002222@s.whatsapp.net", "mine");
    first.acked().await;
    first.stop().await;
    second.stop().await;
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
    let mut channel = world.linked_as(world.hurried(20)).await;
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
    // Nobody else gets the port, and who connects there is refused.
    let deaf = tokio::net::TcpSocket::new_v4().unwrap();
    deaf.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let nobody = FakeServer::new(format!("ws://{}/ws/chat", deaf.local_addr().unwrap()));
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
async fn a_link_that_failed_is_offline_until_its_next_start() {
    // W5: a day without an end panics, once it is connected.
    let world = World::start().await;
    let mut config = world.config();
    config.fake.as_mut().unwrap().day = std::time::Duration::MAX;
    let mut channel = world.linked_as(config).await;
    let broke = |event| matches!(event, FromChannel::Broke).then_some(());
    channel.event("it failed", broke).await;
    let links = channel.links("the next start", |link| *link == Link::Starting).await;
    assert!(matches!(links[..], [Link::Offline { retry_at: Some(_) }, Link::Starting]), "{links:?}");
    channel.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn by_hand_it_connects_without_waiting_for_the_back_off() {
    // W6
    let world = World::start().await;
    let mut channel = world.linked().await;
    // Each refusal makes it wait longer: 1, 2, 5, 15 seconds.
    world.server.fault(ME, &Fault::FailLogin { code: 503, expire_seconds: None, times: 9 }).unwrap();
    world.server.drop_connections(ME).unwrap();
    for _ in 0..4 {
        channel.link("offline", |link| link.state() == LinkState::Offline).await;
    }
    world.server.fault(ME, &Fault::FailLogin { code: 503, expire_seconds: None, times: 0 }).unwrap();
    let asked = std::time::Instant::now();
    channel.tell(ToChannel::Reconnect);
    channel.connected().await;
    // The back-off is of 15 s here.
    assert!(asked.elapsed().as_secs() < 10, "{:?}", asked.elapsed());
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
