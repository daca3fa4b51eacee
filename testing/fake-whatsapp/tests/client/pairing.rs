//! Linking by QR and by code, with all that can come between.
use fake_whatsapp::Fault;
use whatsapp_rust::pair_code::PairCodeOptions;
use whatsapp_rust::types::events::Event;

use crate::linked::{ALICE, Client, ME, World};

async fn code(client: &Client) -> String {
    client
        .event("a pairing code", |event| match event {
            Event::PairingCode(code) => Some(code.code.clone()),
            _ => None,
        })
        .await
}

/// The device asks for a code once more.
async fn ask_again(client: &Client) -> String {
    let options = PairCodeOptions { phone_number: ME.to_owned(), ..Default::default() };
    client.client.pair_with_code(options).await.unwrap();
    code(client).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_is_linked_by_the_code_it_shows_now() {
    let world = World::start().await;
    let client = world.client_by_code("a").await;
    let cancelled = code(&client).await;
    client.client.cancel_pair_code().await;
    let shown = ask_again(&client).await;
    let error = world.server.enter_code(ME, &cancelled).await.unwrap_err();
    assert!(format!("{error:#}").contains("the code is wrong"), "{error:#}");
    let device = world.server.enter_code(ME, &shown).await.unwrap();
    client.connected().await;
    world.server.send(ALICE, ME, "hello", None).await.unwrap();
    assert_eq!(client.text().await.text, "hello");
    let state = world.server.state();
    assert_eq!((state.companions[0].pn.as_str(), state.companions[0].device), (ME, device));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_is_over_is_told_and_another_can_be_asked_for() {
    let world = World::start().await;
    assert!(world.server.end_code(ME, false).is_err());
    let client = world.client_by_code("a").await;
    let first = code(&client).await;
    for by_hand in [false, true] {
        world.server.end_code(ME, by_hand).unwrap();
        let told = client
            .event("the end of the code", |event| match event {
                Event::PairingCodeRefresh(refresh) => Some(refresh.force_manual),
                _ => None,
            })
            .await;
        assert_eq!(told, by_hand);
        let error = world.server.enter_code(ME, &first).await.unwrap_err();
        assert!(format!("{error:#}").contains("no device has asked"), "{error:#}");
        assert_ne!(ask_again(&client).await, first);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_refused_with_any_error() {
    let world = World::start().await;
    for (code, expected) in
        [(400, "Some(BadRequest)"), (429, "Some(RateOverlimit)"), (452, "Some(FeatureNotAvailable)")]
    {
        world.server.fault(ME, &Fault::RefuseCode { code, times: 1 }).unwrap();
        let client = world.client_by_code("a").await;
        let got = client
            .event("a refusal", |event| match event {
                Event::PairingCodeError(error) => Some(format!("{:?}", error.rejection)),
                _ => None,
            })
            .await;
        assert_eq!(got, expected);
        client.handle.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_qr_is_refused() {
    let world = World::start().await;
    let client = world.client("a").await;
    let qr = client.qr().await;
    let other_ref = format!("2@other,{}", qr.split_once(',').unwrap().1);
    for (pn, qr, why) in [
        (ME, "not a code", "at least four parts"),
        (ME, other_ref.as_str(), "not valid here"),
        ("1", qr.as_str(), "no account"),
    ] {
        let error = world.server.scan(pn, qr).await.unwrap_err();
        assert!(format!("{error:#}").contains(why), "{error:#}");
    }
    world.server.scan(ME, &qr).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_may_follow_the_scan_at_once() {
    let world = World::start().await;
    let client = world.client("a").await;
    world.server.scan(ME, &client.qr().await).await.unwrap();
    world.server.send(ALICE, ME, "so soon", None).await.unwrap();
    assert_eq!(client.text().await.text, "so soon");
}
