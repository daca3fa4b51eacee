//! Linking a phone at the terminal.

use std::sync::Arc;

use jiff::Timestamp;
use nanoclaw_core::{
    command::Command,
    link::{Link, PairingCode, QrCode},
    status::Facts,
};
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    time::timeout,
};

use crate::{
    owner::{Owner, SOON, facts},
    process,
};

#[tokio::test]
async fn linking_shows_the_codes_until_the_phone_has_one() {
    // W1, W2, W4
    let mut owner = Owner::start();
    let connected = Link::Connected { jid: "1@s.whatsapp.net".into(), push_name: "Alice".into() };
    let link = |link: Link| Arc::new(Facts { link, ..facts() }.status(Timestamp::UNIX_EPOCH));
    let at = Timestamp::UNIX_EPOCH;
    let qr = |data: &str| QrCode { data: data.into(), svg: "<svg/>".into(), expires_at: at };
    owner.status.send_replace(link(connected.clone()));
    let mut pairing = process(owner.home.root(), &["pair", "--yes"]).spawn().unwrap();
    let ask = owner.next().await;
    assert_eq!(ask.command, Command::Pair { phone: None, cancel: false, yes: true });
    ask.reply.send(Ok(json!({}))).unwrap();
    let mut lines = BufReader::new(pairing.stdout.take().unwrap()).lines();
    let mut until = async |part: &str| {
        let mut seen = String::new();
        while !seen.contains(part) {
            seen += &timeout(SOON, lines.next_line())
                .await
                .unwrap()
                .unwrap()
                .unwrap_or_else(|| panic!("no {part} in {seen}"));
        }
        seen
    };
    owner.status.send_replace(link(Link::Pairing { qr: Some(qr("2@one")), code: None }));
    let first = until("good until 00:00:00").await;
    owner.status.send_replace(link(Link::Pairing { qr: Some(qr("2@two")), code: None }));
    let second = until("good until 00:00:00").await;
    assert!(first.contains('█') && first != second);
    owner.status.send_replace(link(Link::Connecting));
    owner.status.send_replace(link(connected));
    until("Connected to WhatsApp.").await;
    assert_eq!(timeout(SOON, pairing.wait()).await.unwrap().unwrap().code(), Some(0));
}

#[tokio::test]
async fn a_code_to_type_needs_no_picture() {
    // W2
    let mut owner = Owner::start();
    let phone = || Some("+1 555 0001111".to_owned());
    let mut pairing = process(owner.home.root(), &["pair", "--phone", "+1 555 0001111"]).spawn().unwrap();
    let ask = owner.next().await;
    assert_eq!(ask.command, Command::Pair { phone: phone(), cancel: false, yes: false });
    ask.reply.send(Ok(json!({}))).unwrap();
    let mut lines = BufReader::new(pairing.stdout.take().unwrap()).lines();
    let at = Timestamp::UNIX_EPOCH;
    let qr = Some(QrCode { data: "2@one".into(), svg: "<svg/>".into(), expires_at: at });
    let code = |code: &str| Some(PairingCode { code: code.into(), phone: "+15550001111".into(), expires_at: at });
    let mut told = async |status: Facts, part: &str| {
        owner.status.send_replace(Arc::new(status.status(at)));
        let mut seen = String::new();
        while !seen.contains(part) {
            seen += &timeout(SOON, lines.next_line()).await.unwrap().unwrap().unwrap();
        }
        assert!(!seen.contains('█'), "{seen}");
        seen
    };
    let pairing = |code| Facts { link: Link::Pairing { qr: qr.clone(), code }, ..facts() };
    let first = told(pairing(code("ABCD1234")), "good until 00:00:00").await;
    assert!(first.contains("ABCD-1234") && first.contains("+15550001111"), "{first}");
    assert!(told(pairing(code("WXYZ5678")), "good until").await.contains("WXYZ-5678"));
}

#[tokio::test]
async fn used_up_codes_end_the_linking() {
    // W1
    let mut owner = Owner::start();
    let used_up = Facts { link: Link::Pairing { qr: None, code: None }, ..facts() };
    let qr = QrCode { data: "2@one".into(), svg: String::new(), expires_at: Timestamp::UNIX_EPOCH };
    let fresh = Facts { link: Link::Pairing { qr: Some(qr), code: None }, ..facts() };
    owner.status.send_replace(Arc::new(fresh.status(Timestamp::UNIX_EPOCH)));
    let mut pairing = process(owner.home.root(), &["pair"]).spawn().unwrap();
    owner.next().await.reply.send(Ok(json!({}))).unwrap();
    let mut lines = BufReader::new(pairing.stdout.take().unwrap()).lines();
    assert!(timeout(SOON, lines.next_line()).await.unwrap().unwrap().is_some());
    owner.status.send_replace(Arc::new(used_up.status(Timestamp::UNIX_EPOCH)));
    while timeout(SOON, lines.next_line()).await.unwrap().unwrap().is_some() {}
    let ended = timeout(SOON, pairing.wait_with_output()).await.unwrap().unwrap();
    assert_eq!(ended.status.code(), Some(1));
    assert!(String::from_utf8(ended.stderr).unwrap().starts_with("The codes are used up."));
}
