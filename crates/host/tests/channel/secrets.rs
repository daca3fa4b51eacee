//! What must not be in a log.

use std::{
    io,
    sync::{Arc, Mutex},
};

use nanoclaw_host::{channel::whatsapp::SECRET_LOG_TARGETS, ports::ToChannel};
use tracing::{Level, level_filters::LevelFilter};
use tracing_subscriber::{Layer, filter::Targets, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::world::{ALICE, ALICE_JID, ALICE_LID, Channel, FAMILY, ME, World};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }

    fn layer<S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>>(
        &self,
        filter: Targets,
    ) -> impl Layer<S> {
        let log = self.clone();
        fmt::layer().with_ansi(false).with_writer(move || log.clone()).with_filter(filter)
    }
}

/// One test, because a process has one log.
#[tokio::test(flavor = "multi_thread")]
async fn codes_are_in_no_log_and_numbers_and_texts_only_below_info() {
    let (everything, usual) = (Log::default(), Log::default());
    let mut all = Targets::new().with_default(LevelFilter::TRACE);
    for target in SECRET_LOG_TARGETS {
        all = all.with_target(target, Level::WARN);
    }
    tracing_subscriber::registry()
        .with(everything.layer(all))
        .with(usual.layer(Targets::new().with_target("nanoclaw_host", Level::INFO)))
        .init();

    let world = World::start().await;
    let mut channel = Channel::start(world.config());
    let qr = channel.qr().await;
    channel.tell(ToChannel::Pair { phone: Some(ME.into()) });
    let code = channel.code().await;
    channel.tell(ToChannel::Pair { phone: None });
    let used = channel.qr().await;
    world.server.scan(ME, &used.data).await.unwrap();
    channel.connected().await;
    world.server.send(ALICE, ME, "a private word", None).await.unwrap();
    world.server.send(ALICE, FAMILY, "a family matter", None).await.unwrap();
    channel.kept().await;
    channel.kept().await;
    channel.send("3EB0000000000000000001", ALICE_JID, "a quiet answer");
    channel.acked().await;
    channel.stop().await;

    // W1, W2
    let everything = everything.text();
    for qr in [qr, used] {
        assert!(!everything.contains(&qr.data));
        // The part that makes a code a secret.
        let secret = qr.data.split(',').nth(3).unwrap().to_owned();
        assert!(secret.len() > 20 && !everything.contains(&secret));
        assert!(!everything.contains(&qr.svg));
    }
    assert!(!everything.contains(&code.code));

    let usual = usual.text();
    for private in [ME, ALICE, ALICE_LID, "a private word", "a family matter", "a quiet answer", "Alice", "Owner"] {
        assert!(!usual.contains(private), "{private} in {usual}");
    }
    // T7
    let connected: Vec<&str> = usual.lines().filter(|line| line.ends_with("Connected to WhatsApp")).collect();
    assert_eq!(connected.len(), 1, "{usual}");
    assert!(connected[0].contains("INFO"), "{usual}");
}
