//! Linking that a passkey guards, with an authenticator that is as good as the account's.
use std::sync::Arc;

use serde_json::json;
use sha2::{Digest as _, Sha256};
use whatsapp_rust::passkey::{
    Assertion, AssertionRequest, CallbackAuthenticator, PasskeyError, build_webauthn_assertion_json,
};
use whatsapp_rust::types::events::Event;

use crate::linked::{ALICE, Client, ME, World};

/// The use of the account's passkey, with these flags.
fn assertion(request: &AssertionRequest, challenge: &[u8], flags: u8) -> Result<Assertion, PasskeyError> {
    use base64::Engine as _;
    let challenge = base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(challenge);
    let client = json!({"type": "webauthn.get", "challenge": challenge, "origin": "https://web.whatsapp.com"});
    let party = Sha256::digest(request.rp_id.as_deref().unwrap());
    let authenticator = [party.as_slice(), &[flags, 0, 0, 0, 1]].concat();
    let credential_id = request.allow_credentials[0].clone();
    let assertion_json =
        build_webauthn_assertion_json(&credential_id, client.to_string().as_bytes(), &authenticator, b"signed", None);
    Ok(Assertion { assertion_json, credential_id })
}

async fn with_authenticator(
    client: &Client,
    answer: impl Fn(&AssertionRequest) -> Result<Assertion, PasskeyError> + Send + Sync + 'static,
) {
    let authenticator = CallbackAuthenticator::new(move |request| {
        let answer = answer(&request);
        Box::pin(async move { answer })
    });
    client.client.set_passkey_authenticator(Arc::new(authenticator)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_is_linked_with_a_passkey_and_the_code_that_both_show() {
    let world = World::start().await;
    world.server.want_passkey(ME, true).unwrap();
    let client = world.client("a").await;
    with_authenticator(&client, |request| assertion(request, &request.challenge, 0b101)).await;
    let qr = client.qr().await;
    let device = async {
        let code = client
            .event("the code to compare", |event| match event {
                Event::PairPasskeyConfirmation(confirmation) => Some(confirmation.code.clone()),
                _ => None,
            })
            .await;
        assert_eq!(Some(code.replace('-', "")), world.server.passkey_code(ME));
        client.client.send_passkey_confirmation().await.unwrap();
        client.connected().await;
    };
    let (scanned, ()) = tokio::join!(world.server.scan(ME, &qr), device);
    scanned.unwrap();
    world.server.send(ALICE, ME, "hello", None).await.unwrap();
    assert_eq!(client.text().await.text, "hello");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_without_the_passkey_is_not_linked() {
    let mut world = World::start().await;
    world.violates = true;
    world.server.want_passkey(ME, true).unwrap();
    let client = world.client("a").await;
    let qr = client.qr().await;
    let asked = client.event("a request", |event| matches!(event, Event::PairPasskeyRequest(_)).then_some(()));
    tokio::select! {
        () = asked => {}
        linked = world.server.scan(ME, &qr) => panic!("{linked:?}"),
    }
    client.handle.shutdown().await;

    for (name, flags, own_challenge) in [("b", 0b101, false), ("c", 0b001, true)] {
        let client = world.client(name).await;
        with_authenticator(&client, move |request| {
            let challenge = if own_challenge { request.challenge.as_slice() } else { b"another one" };
            assertion(request, challenge, flags)
        })
        .await;
        let qr = client.qr().await;
        let refused = client.event("a refusal", |event| matches!(event, Event::PairPasskeyError(_)).then_some(()));
        tokio::select! {
            () = refused => {}
            linked = world.server.scan(ME, &qr) => panic!("{linked:?}"),
        }
        client.handle.shutdown().await;
    }
    assert_eq!(world.server.state().companions, []);
}
