//! Signing in, by QR code and by pairing code.

use fake_whatsapp::Fault;
use jiff::{SignedDuration, Timestamp};
use nanoclaw_core::link::{Link, LinkState, PairingFailure};
use nanoclaw_host::ports::{FromChannel, Obstacle, ToChannel};

use crate::world::{ALICE, ALICE_JID, Channel, ME, MY_JID, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_scanned_code_links_and_a_restart_needs_none() {
    let world = World::start().await;
    let mut channel = Channel::start(world.config());
    let qr = channel.qr().await;
    // W1
    assert!(qr.expires_at > Timestamp::now() && qr.svg.contains("<svg"));
    assert!(qr.data.starts_with(|c: char| c.is_ascii_graphic()) && qr.data.split(',').count() >= 4);
    world.server.scan(ME, &qr.data).await.unwrap();
    let links = channel.links("connected", Link::is_connected).await;
    assert_eq!(links[0].state(), LinkState::Connecting, "{links:?}");
    assert_eq!(links.last(), Some(&Link::Connected { jid: MY_JID.into(), push_name: "Owner".into() }));
    // A flicker through offline would alarm people: WhatsApp drops the connection on purpose after pairing.
    assert!(links.iter().all(|link| link.state() != LinkState::Offline), "{links:?}");

    // W3: also when the process died right after.
    channel.kill();
    world.until_offline().await;
    let mut channel = Channel::start(world.config());
    let links = channel.links("connected again", Link::is_connected).await;
    let states: Vec<LinkState> = links.iter().map(Link::state).collect();
    assert_eq!(states, [LinkState::Starting, LinkState::Connecting, LinkState::Connected]);
    channel.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_rotate_until_they_are_used_up_and_new_ones_are_asked_for() {
    // W1
    let world = World::start().await;
    let mut channel = Channel::start(world.hurried(50));
    let links = channel.links("no codes left", |link| *link == Link::Pairing { qr: None, code: None }).await;
    let codes: Vec<&String> = links
        .iter()
        .filter_map(|link| match link {
            Link::Pairing { qr: Some(qr), code: None } => Some(&qr.data),
            _ => None,
        })
        .collect();
    assert_eq!(codes.len(), 6, "{links:?}");
    assert!(codes.windows(2).all(|pair| pair[0] != pair[1]));
    let last = codes[5].clone();
    assert!(world.server.scan(ME, &last).await.is_err(), "a used-up code links nothing");

    channel.tell(ToChannel::Pair { phone: None });
    let fresh = channel.qr().await;
    assert_ne!(fresh.data, last);
    assert!(world.moved_aside().is_empty(), "there was no sign-in to move");
    channel.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pairing_code_links_too() {
    // W2
    let world = World::start().await;
    let mut channel = Channel::start(world.config());
    channel.qr().await;
    channel.tell(ToChannel::Pair { phone: Some(ME.into()) });
    let first = channel.code().await;
    assert_eq!((first.phone.as_str(), first.code.len()), ("+15550001111", 8));
    assert!(first.expires_at > Timestamp::now());
    // A new one on request.
    channel.tell(ToChannel::Pair { phone: Some(ME.into()) });
    let code = channel.code().await;
    assert_ne!(code.code, first.code);
    world.server.enter_code(ME, &code.code).await.unwrap();
    channel.connected().await;
    channel.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_pairing_code_is_not_shown_longer_than_it_lasts() {
    // W2, W1: the QR codes end first, the pairing code some 20 s later, which are 2 s here.
    let world = World::start().await;
    let mut channel = Channel::start(world.hurried(10));
    channel.tell(ToChannel::Pair { phone: Some(ME.into()) });
    channel.link("the pairing code alone", |link| matches!(link, Link::Pairing { qr: None, code: Some(_) })).await;
    channel.link("no codes left", |link| *link == Link::Pairing { qr: None, code: None }).await;
    channel.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_takes_its_codes_along() {
    // W1, W2
    let world = World::start().await;
    let mut channel = Channel::start(world.config());
    channel.tell(ToChannel::Pair { phone: Some(ME.into()) });
    let lost = channel.code().await;
    let world = world.replaced().await;
    channel.link("no codes", |link| matches!(link, Link::Starting | Link::Offline { .. })).await;
    let code = channel.code().await;
    assert_ne!(code.code, lost.code);
    world.server.enter_code(ME, &code.code).await.unwrap();
    channel.connected().await;
    channel.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fourth_code_in_ten_minutes_is_not_asked_for() {
    // W2
    let world = World::start().await;
    let mut channel = Channel::start(world.config());
    let began = Timestamp::now();
    let next = |event| match event {
        FromChannel::NextCode { at } => Some(at),
        _ => None,
    };
    let mut last = None;
    for at in [false, false, true] {
        // Each is a session of its own.
        channel.tell(ToChannel::Pair { phone: Some(ME.into()) });
        let next = channel.event("when the next may be asked for", next).await;
        assert_eq!(next.is_some(), at);
        last = Some(channel.code().await);
    }
    // A restart changes nothing about that.
    channel.stop().await;
    let mut channel = Channel::start(world.config());
    let at = channel.event("when the next may be asked for", next).await;
    assert!(at.is_some());
    channel.tell(ToChannel::Pair { phone: Some(ME.into()) });
    let at = channel.event("when the next may be asked for", next).await.unwrap();
    let wait = at.duration_since(began);
    assert!(wait >= SignedDuration::from_mins(10) && wait < SignedDuration::from_mins(11), "{wait}");
    // Asked for by hand, or by a code that ran out: it is told why there is none.
    let failed = |event| match event {
        FromChannel::PairingFailed(failure) => Some(failure),
        _ => None,
    };
    assert_eq!(channel.event("why there is no code", failed).await, PairingFailure::TooMany);
    let shown = channel.link("codes", |link| matches!(link, Link::Pairing { qr: Some(_), .. })).await;
    let Link::Pairing { qr: Some(qr), code: None } = shown else { panic!("{shown:?}") };
    assert!(world.server.enter_code(ME, &last.unwrap().code).await.is_err(), "the one before is not alive in secret");
    // The other way stays open.
    world.server.scan(ME, &qr.data).await.unwrap();
    channel.connected().await;
    channel.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_whatsapp_refuses_is_told_with_its_reason() {
    // W2
    for (code, expect) in [
        (400, PairingFailure::Number),
        (403, PairingFailure::NoCodes),
        (429, PairingFailure::TooMany),
        (452, PairingFailure::NoCodes),
        (500, PairingFailure::NoCode),
    ] {
        let world = World::start().await;
        world.server.fault(ME, &Fault::RefuseCode { code, times: 2 }).unwrap();
        let mut channel = Channel::start(world.config());
        let failed = |event| match event {
            FromChannel::PairingFailed(failure) => Some(failure),
            _ => None,
        };
        let mut next = None;
        let mut told = |event| {
            if let FromChannel::NextCode { at } = event {
                next = at;
                return None;
            }
            failed(event)
        };
        for _ in 0..2 {
            channel.tell(ToChannel::Pair { phone: Some(ME.into()) });
            assert_eq!(channel.event("why there is no code", &mut told).await, expect, "{code}");
        }
        // Pairing goes on, and the asking counts.
        channel.tell(ToChannel::Pair { phone: Some(ME.into()) });
        let code = channel
            .event("a code", |event| match event {
                FromChannel::Link(Link::Pairing { code, .. }) => code,
                other => told(other).and(None),
            })
            .await;
        assert!(next.is_some(), "three were asked for");
        world.server.enter_code(ME, &code.code).await.unwrap();
        channel.connected().await;
        channel.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_is_not_asked_for_again_by_another_connection() {
    // W2
    let world = World::start().await;
    world.server.fault(ME, &Fault::RefuseCode { code: 400, times: 1 }).unwrap();
    let mut channel = Channel::start(world.config());
    channel.tell(ToChannel::Pair { phone: Some(ME.into()) });
    let is_refused = |event| matches!(event, FromChannel::PairingFailed(_)).then_some(());
    channel.event("why there is no code", is_refused).await;
    channel.tell(ToChannel::Wake);
    channel.link("another connection", |link| *link == Link::Starting).await;
    channel.qr().await;
    channel.tell(ToChannel::Pair { phone: Some(ME.into()) });
    let next = channel
        .event("when the next may be asked for", |event| match event {
            FromChannel::NextCode { at } => Some(at),
            _ => None,
        })
        .await;
    assert_eq!(next, None, "two were asked for, not three");
    channel.code().await;
    channel.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_death_between_moving_aside_and_linking_loses_nothing() {
    // W4
    let world = World::start().await;
    let mut channel = world.linked().await;
    channel.tell(ToChannel::Pair { phone: None });
    channel.qr().await;
    channel.kill();
    world.until_offline().await;
    let [aside] = &world.moved_aside()[..] else { panic!("not moved aside once") };
    let mut channel = Channel::start(world.config());
    channel.qr().await;
    channel.stop().await;
    // What was moved is whole: put back, it connects.
    let auth = world.store().join("auth");
    std::fs::remove_dir_all(&auth).unwrap();
    std::fs::rename(aside, &auth).unwrap();
    let mut channel = Channel::start(world.config());
    channel.connected().await;
    channel.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_wants_a_passkey_is_told_from_one_that_hangs() {
    // W5
    let world = World::start().await;
    world.server.want_passkey(ME, true).unwrap();
    let mut channel = Channel::start(world.hurried(20));
    let qr = channel.qr().await;
    let scanned = async { world.server.scan(ME, &qr.data).await.map(drop) };
    let (scanned, passkey) = tokio::join!(scanned, channel.link("a passkey", |link| *link == Link::Passkey));
    assert!(scanned.is_err(), "the phone has linked nothing");
    assert!(passkey.wording().1.len() > 5);
    world.is_left_alone(20).await;
    assert!(world.server.state().companions.is_empty());
    // Linked without one, by the same means.
    world.server.want_passkey(ME, false).unwrap();
    channel.tell(ToChannel::Pair { phone: None });
    world.link(&mut channel).await;
    assert!(world.moved_aside().is_empty());
    channel.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pairing_can_be_cancelled() {
    let world = World::start().await;
    let mut channel = Channel::start(world.config());
    let qr = channel.qr().await;
    channel.tell(ToChannel::CancelPairing);
    channel.link("no codes", |link| *link == Link::Pairing { qr: None, code: None }).await;
    assert!(world.server.scan(ME, &qr.data).await.is_err());
    channel.tell(ToChannel::Pair { phone: None });
    world.link(&mut channel).await;
    // It ends pairing, not a link.
    channel.tell(ToChannel::CancelPairing);
    channel.send("3EB0000000000000000001", ALICE_JID, "still here");
    assert_eq!(channel.acked().await, "3EB0000000000000000001");
    channel.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unlinked_device_says_so_and_links_again_with_the_old_sign_in_kept() {
    // W4
    let world = World::start().await;
    let mut channel = world.linked().await;
    world.server.revoke(ME).unwrap();
    channel.link("logged out", |link| *link == Link::LoggedOut).await;
    channel.send("3EB0000000000000000001", ALICE_JID, "too late");
    assert_eq!(channel.not_sent("3EB0000000000000000001").await, Obstacle::OutOfReach);
    // It does not try again by itself, and a restart comes to the same.
    channel.stop().await;
    let mut channel = Channel::start(world.config());
    let links = channel.links("logged out", |link| *link == Link::LoggedOut).await;
    assert!(links.iter().all(|link| !matches!(link, Link::Pairing { .. })), "{links:?}");
    assert!(world.moved_aside().is_empty());

    let before = Timestamp::now().as_second();
    channel.tell(ToChannel::Pair { phone: None });
    world.link(&mut channel).await;
    let [aside] = &world.moved_aside()[..] else { panic!("not moved aside once") };
    let seconds: i64 = aside.to_str().unwrap().rsplit('.').next().unwrap().parse().unwrap();
    assert!((before..=Timestamp::now().as_second()).contains(&seconds), "{aside:?}");
    assert!(aside.join("whatsapp.db").metadata().unwrap().len() > 0);

    world.server.send(ALICE, ME, "welcome back", None).await.unwrap();
    assert_eq!(channel.kept().await.text.as_deref(), Some("welcome back"));
    channel.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pairing_anew_on_a_live_link_moves_it_aside() {
    // W4
    let world = World::start().await;
    let mut channel = world.linked().await;
    channel.tell(ToChannel::Pair { phone: None });
    world.link(&mut channel).await;
    assert_eq!(world.moved_aside().len(), 1);
    channel.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn logging_out_unlinks_at_the_phone_and_moves_the_sign_in_aside() {
    // W4
    let world = World::start().await;
    let mut channel = world.linked().await;
    channel.tell(ToChannel::Logout);
    channel.link("signed out", |link| *link == Link::SignedOut { told: true }).await;
    world.until(|state| state.companions.is_empty()).await;
    // The folder has gone by the time of the next answer.
    channel.send("3EB0000000000000000001", ALICE_JID, "too late");
    assert_eq!(channel.not_sent("3EB0000000000000000001").await, Obstacle::OutOfReach);
    assert_eq!(world.moved_aside().len(), 1);
    assert!(!world.store().join("auth").exists());
    channel.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_says_so_where_whatsapp_could_not_be_told() {
    // W4, W5
    for offline in [true, false] {
        let world = World::start().await;
        let mut channel = world.linked_as(world.hurried(20)).await;
        if offline {
            world.server.fault(ME, &Fault::FailLogin { code: 403, expire_seconds: None, times: 1 }).unwrap();
            world.server.drop_connections(ME).unwrap();
            channel.link("no connection", |link| *link == Link::Locked).await;
        } else {
            world.server.fault(ME, &Fault::Silence { ms: None }).unwrap();
        }
        channel.tell(ToChannel::Logout);
        channel.link("signed out", |link| *link == Link::SignedOut { told: false }).await;
        assert_eq!((world.moved_aside().len(), world.server.state().companions.len()), (1, 1), "offline: {offline}");
        channel.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_names_of_groups_come_on_connect_and_on_demand_and_when_they_change() {
    // M11
    let world = World::start().await;
    let mut channel = world.linked().await;
    let expect = [("120363000000000001@g.us", "Family"), ("120363000000000002@g.us", "Work")];
    let groups = |event: FromChannel| match event {
        FromChannel::Groups(mut names) => {
            names.sort();
            Some(names.into_iter().map(|(jid, name)| (jid.to_string(), name)).collect::<Vec<_>>())
        }
        _ => None,
    };
    let expect = expect.map(|(jid, name)| (jid.to_owned(), name.to_owned()));
    assert_eq!(channel.event("names", groups).await, expect);
    channel.tell(ToChannel::SyncGroups);
    assert_eq!(channel.event("names again", groups).await, expect);
    world.server.add_group(&expect[0].0, "The family", &[ALICE, ME], fake_whatsapp::Addressing::Pn).unwrap();
    assert_eq!(channel.event("a new name", groups).await, [(expect[0].0.clone(), "The family".to_owned())]);
    // One that this account is new in has its name at once.
    world.server.add_group("120363000000000003@g.us", "Club", &[ALICE, ME], fake_whatsapp::Addressing::Pn).unwrap();
    let names = channel.event("all names", groups).await.into_iter().map(|(_, name)| name).collect::<Vec<_>>();
    assert_eq!(names, ["The family", "Work", "Club"]);
    channel.stop().await;
    // Not again with each start.
    let mut channel = Channel::start(world.config());
    channel.connected().await;
    channel.send("3EB0000000000000000001", ALICE_JID, "hello");
    let acked = |event| match event {
        FromChannel::Groups(names) => panic!("again: {names:?}"),
        FromChannel::Acked { .. } => Some(()),
        _ => None,
    };
    channel.event("the text is out", acked).await;
    channel.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_names_of_groups_come_again_each_day() {
    // M11
    let world = World::start().await;
    let mut config = world.config();
    config.fake.as_mut().unwrap().day = std::time::Duration::from_secs(1);
    let mut channel = world.linked_as(config).await;
    for _ in 0..3 {
        let names = |event| matches!(event, FromChannel::Groups(_)).then_some(());
        channel.event("names", names).await;
    }
    channel.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_could_not_be_had_are_asked_for_again_in_a_minute() {
    // M11
    let world = World::start().await;
    world.server.fault(ME, &Fault::HideGroups { times: 2 }).unwrap();
    let mut channel = world.linked_as(world.hurried(20)).await;
    let names = |event| matches!(event, FromChannel::Groups(_)).then_some(());
    channel.event("names", names).await;
    channel.stop().await;
}
