//! A client as it is released turns this server away: its certificates are not WhatsApp's. With the feature
//! `client-tests` the client is built to accept them, so this is for all other builds.
#![cfg(not(feature = "client-tests"))]
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use fake_whatsapp::Server;
use whatsapp_rust::prelude::*;
use whatsapp_rust::transport::TokioWebSocketTransportFactory;

#[tokio::test(flavor = "multi_thread")]
async fn a_released_client_does_not_trust_this_server() {
    let server = Server::start(0).await.unwrap();
    let store = tempfile::tempdir().unwrap();
    let bot = Bot::builder()
        .with_backend(SqliteStore::new(store.path().join("a").to_str().unwrap()).await.unwrap())
        .with_transport_factory(TokioWebSocketTransportFactory::new().with_url(server.url()))
        .with_version((2, 3000, 1_043_857_760))
        .build()
        .await
        .unwrap();
    let error = bot.client().connect().await.unwrap_err();
    let mut causes = vec![error.to_string()];
    let mut cause = std::error::Error::source(&error);
    while let Some(next) = cause {
        causes.push(next.to_string());
        cause = next.source();
    }
    assert!(causes.join(": ").to_lowercase().contains("cert"), "{causes:?}");
}
