//! Without the feature `fake-peers`, the client trusts WhatsApp alone.
#![cfg(not(feature = "fake-peers"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may stop at the first surprise")]

use std::{
    path::PathBuf,
    process::Command,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use fake_whatsapp::Server;
use nanoclaw_host::channel::whatsapp::Config;
use tokio::sync::mpsc;
use whatsapp_rust::{
    async_channel,
    bot::Bot,
    bytes::Bytes,
    http::{HttpClient, HttpRequest, HttpResponse},
    store::SqliteStore,
    transport::{TokioWebSocketTransportFactory, Transport, TransportEvent, TransportFactory},
    types::events::{Event, EventHandler},
};

const URL: &str = "NANOCLAW_WHATSAPP_URL";

struct NoWeb;

#[async_trait]
impl HttpClient for NoWeb {
    async fn execute(&self, request: HttpRequest) -> anyhow::Result<HttpResponse> {
        anyhow::bail!("nothing outside is asked in tests: {}", request.url)
    }
}

/// What passes on a connection: frames out and in, and its end by the client.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Passed {
    Out,
    In,
    Left,
}

struct Tapped {
    factory: TokioWebSocketTransportFactory,
    tap: mpsc::UnboundedSender<Passed>,
}

#[async_trait]
impl TransportFactory for Tapped {
    async fn create_transport(&self) -> anyhow::Result<(Arc<dyn Transport>, async_channel::Receiver<TransportEvent>)> {
        let (inner, events) = self.factory.create_transport().await?;
        let (sender, receiver) = async_channel::unbounded();
        let tap = self.tap.clone();
        tokio::spawn(async move {
            while let Ok(event) = events.recv().await {
                if matches!(event, TransportEvent::DataReceived(_)) {
                    let _ = tap.send(Passed::In);
                }
                if sender.send(event).await.is_err() {
                    break;
                }
            }
        });
        Ok((Arc::new(TappedTransport { inner, tap: self.tap.clone() }), receiver))
    }
}

struct TappedTransport {
    inner: Arc<dyn Transport>,
    tap: mpsc::UnboundedSender<Passed>,
}

#[async_trait]
impl Transport for TappedTransport {
    async fn send(&self, data: Bytes) -> anyhow::Result<()> {
        let _ = self.tap.send(Passed::Out);
        self.inner.send(data).await
    }

    async fn disconnect(&self) {
        let _ = self.tap.send(Passed::Left);
        self.inner.disconnect().await;
    }
}

#[derive(Default)]
struct Kinds(Mutex<Vec<String>>);

impl EventHandler for Kinds {
    fn handle_event(&self, event: Arc<Event>) {
        self.0.lock().unwrap().push(format!("{event:?}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_another_certificate_is_left_before_anything_is_told() {
    let server = Server::start(0).await.unwrap();
    let home = tempfile::tempdir().unwrap();
    let (tap, mut passed) = mpsc::unbounded_channel();
    let bot = Bot::builder()
        .with_backend(SqliteStore::new(home.path().join("auth.db").to_str().unwrap()).await.unwrap())
        .with_transport_factory(Tapped { factory: TokioWebSocketTransportFactory::new().with_url(server.url()), tap })
        .with_http_client(NoWeb)
        .with_version((2, 3000, 1_043_857_760))
        .build()
        .await
        .unwrap();
    let events = Arc::new(Kinds::default());
    bot.client().subscribe_handler(events.clone()).detach();
    let handle = bot.spawn();

    // Twice, so that it is no accident: our hello, the server's with its certificate, and the client leaves. The
    // client's own credentials would be a second frame out.
    for attempt in 0..2 {
        for expect in [Passed::Out, Passed::In, Passed::Left] {
            let next =
                tokio::time::timeout(Duration::from_secs(20), passed.recv()).await.expect("no handshake").unwrap();
            assert_eq!(next, expect, "attempt {attempt}");
        }
    }
    assert_eq!(*events.0.lock().unwrap(), Vec::<String>::new(), "no QR code, no connection");
    handle.shutdown().await;
}

#[test]
fn the_environment_names_no_server() {
    if std::env::var(URL).is_ok() {
        assert_eq!(Config::new(PathBuf::from("auth")).server(), None);
        return;
    }
    // The variable is given to a process of its own: this one's environment is not ours to change.
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_environment_names_no_server"])
        .env(URL, "ws://127.0.0.1:9/ws/chat")
        .output()
        .unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
    assert!(String::from_utf8_lossy(&child.stdout).contains("1 passed"));
}
