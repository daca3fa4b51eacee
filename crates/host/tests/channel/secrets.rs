//! What must not be in the log.

use nanoclaw_core::settings::Settings;
use nanoclaw_host::{logging, paths::Home, ports::ToChannel};

use crate::world::{ALICE, ALICE_JID, Channel, FAMILY, ME, World};

/// One test, because a process has one log.
#[tokio::test(flavor = "multi_thread")]
async fn codes_are_never_logged_and_numbers_and_texts_only_below_info() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::at(folder.path()).unwrap();
    home.create().unwrap();
    let most = |name: &str| (name == "LOG_LEVEL").then(|| "trace".to_owned());
    let (settings, _) = Settings::resolve(&Default::default(), most, jiff::tz::TimeZone::UTC);
    logging::start(&home, &settings, false).unwrap();

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

    let log = std::fs::read_to_string(home.log()).unwrap();
    assert!(log.contains(" DEBUG sending"), "the level is what was asked for: {log}");
    // W1, W2
    for qr in [qr, used] {
        // The part that makes a code a secret.
        let secret = qr.data.split(',').nth(3).unwrap();
        assert!(secret.len() > 20 && !log.contains(secret));
        assert!(!log.contains(&qr.data) && !log.contains(&qr.svg));
    }
    assert!(!log.contains(&code.code));

    let usual: Vec<&str> = log.lines().filter(|line| !line.contains(" DEBUG ") && !line.contains(" TRACE ")).collect();
    for private in [ME, ALICE, "a private word", "a family matter", "a quiet answer", "Alice", "Owner"] {
        assert!(usual.iter().all(|line| !line.contains(private)), "{private} in {usual:#?}");
    }
    // T7
    let connected: Vec<_> = usual.iter().filter(|line| line.contains("Connected to WhatsApp")).collect();
    assert!(connected.len() == 1 && connected[0].ends_with(" INFO Connected to WhatsApp"), "{usual:#?}");
}
