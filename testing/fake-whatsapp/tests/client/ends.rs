//! Every refusal of a login and every end of a stream (facts/whatsapp.md), and what the real client makes of it.
use std::time::Duration;

use fake_whatsapp::Fault;
use whatsapp_rust::types::events::Event;

use crate::linked::{Client, ME, World};

/// The client's word for the end of a connection, as short as it goes.
async fn verdict(client: &Client) -> String {
    client
        .event("an end", |event| {
            Some(match event {
                Event::TemporaryBan(ban) => format!("banned for {} s", ban.expire.num_seconds()),
                Event::ClientOutdated(_) => "outdated".to_owned(),
                Event::LoggedOut(out) => {
                    format!("logged out {} ({:?})", if out.on_connect { "at login" } else { "live" }, out.reason)
                }
                Event::StreamReplaced(_) => "replaced".to_owned(),
                Event::StreamError(error) => format!("stream error {:?}", error.code),
                Event::ConnectFailure(failure) => format!("refused ({:?})", failure.reason),
                Event::Disconnected(_) => "disconnected".to_owned(),
                Event::Connected(_) => "back".to_owned(),
                _ => return None,
            })
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_is_refused_with_any_reason() {
    let world = World::start().await;
    world.linked("a").await.handle.shutdown().await;
    for (code, expire_seconds, expected) in [
        (400, None, "refused (Generic)"),
        (401, None, "logged out at login (LoggedOut)"),
        (402, Some(3600), "banned for 3600 s"),
        (402, None, "refused (TempBanned)"),
        (403, None, "logged out at login (AccountLocked)"),
        (405, None, "outdated"),
        (406, None, "logged out at login (UnknownLogout)"),
        (409, None, "refused (BadUserAgent)"),
        (413, None, "refused (CatExpired)"),
        (414, None, "refused (CatInvalid)"),
        (415, None, "refused (NotFound)"),
        (416, None, "refused (Unknown(416))"),
        (417, None, "refused (Unknown(417))"),
        (418, None, "refused (ClientUnknown)"),
        (501, None, "refused (Experimental)"),
    ] {
        world.server.fault(ME, &Fault::FailLogin { code, expire_seconds, times: 1 }).unwrap();
        let client = world.client("a").await;
        assert_eq!(verdict(&client).await, expected, "{code}");
        client.handle.shutdown().await;
    }
    world.client("a").await.connected().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_server_is_tried_again() {
    let world = World::start().await;
    world.linked("a").await.handle.shutdown().await;
    for (code, expected) in [(500, "refused (InternalServerError)"), (503, "refused (ServiceUnavailable)")] {
        world.server.fault(ME, &Fault::FailLogin { code, expire_seconds: None, times: 1 }).unwrap();
        let client = world.client("a").await;
        assert_eq!(verdict(&client).await, expected);
        client.connected().await;
        client.handle.shutdown().await;
    }
}

/// What comes after the end of a stream.
#[derive(PartialEq)]
enum Then {
    /// The client comes back by itself.
    Back,
    /// It does not.
    Over,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_in_any_way() {
    let world = World::start().await;
    world.linked("a").await.handle.shutdown().await;
    let end = |code, conflict: Option<&str>| Fault::EndStream { code, conflict: conflict.map(str::to_owned) };
    for (fault, expected, then) in [
        (end(Some(401), None), "logged out live (LoggedOut)", Then::Over),
        (end(Some(401), Some("device_removed")), "logged out live (LoggedOut)", Then::Over),
        (end(Some(409), None), "replaced", Then::Over),
        (end(Some(516), None), "logged out live (LoggedOut)", Then::Over),
        (end(None, Some("replaced")), "replaced", Then::Over),
        (end(None, Some("of_another_kind")), "logged out live (LoggedOut)", Then::Over),
        (Fault::Replace {}, "replaced", Then::Over),
        (end(Some(515), None), "back", Then::Back),
        (end(Some(503), None), "disconnected", Then::Back),
        (end(Some(599), None), "stream error \"599\"", Then::Back),
        (end(None, None), "disconnected", Then::Back),
        (Fault::Drop {}, "disconnected", Then::Back),
    ] {
        let client = world.client("a").await;
        client.connected().await;
        world.server.fault(ME, &fault).unwrap();
        assert_eq!(verdict(&client).await, expected, "{fault:?}");
        if then == Then::Back {
            client.client.reconnect_immediately().await;
            world.until(|state| state.companions[0].online).await;
        } else {
            world.until(|state| !state.companions[0].online).await;
        }
        client.handle.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_limit_and_a_lost_connection_are_mended_by_waiting() {
    let world = World::start().await;
    let client = world.linked("a").await;
    world.server.drop_connections(ME).unwrap();
    assert_eq!(verdict(&client).await, "disconnected");
    client.connected().await;
    world.server.fault(ME, &Fault::EndStream { code: Some(429), conflict: None }).unwrap();
    assert_eq!(verdict(&client).await, "disconnected");
    world.until(|state| !state.companions[0].online).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!world.server.state().companions[0].online, "it came back at once");
}
