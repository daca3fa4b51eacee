//! What comes from the wire, through our own readers, without a client: for the fuzz targets, which are all that calls it.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use nanoclaw_core::{chat::Inbound, link::Link};
use whatsapp_rust::{
    Jid,
    prelude::{InboundMessage, MessageInfo, wa},
    types::{
        events::{ConnectFailure, ConnectFailureReason, Event, TempBanReason, TemporaryBan},
        message::MessageSource,
    },
    wacore::chrono::{self, DateTime},
    waproto::buffa::Message,
};

use super::{inbound, link};

/// What surrounds a message, as others write it.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    pub id: &'a str,
    pub chat: &'a str,
    pub sender: &'a str,
    pub push_name: &'a str,
    /// Unix seconds.
    pub sent_at: i64,
    pub from_me: bool,
}

/// A decrypted message's bytes as the intake is given them; `None` where they are no message, or not one of a person's.
pub fn message(bytes: &[u8], envelope: Envelope<'_>) -> Option<Inbound> {
    let (chat, sender): (Jid, Jid) = (envelope.chat.parse().ok()?, envelope.sender.parse().ok()?);
    let source = MessageSource { is_from_me: envelope.from_me, ..MessageSource::default() };
    let info = MessageInfo {
        id: envelope.id.to_owned(),
        source,
        push_name: envelope.push_name.to_owned(),
        timestamp: DateTime::from_timestamp(envelope.sent_at, 0)?,
        ..MessageInfo::default()
    };
    let content = wa::Message::decode_from_slice(bytes).ok()?;
    let message = InboundMessage::builder().message(Arc::new(content)).info(Arc::new(info)).build();
    let addresses = inbound::Addresses { chat: chat.into(), sender: sender.into() };
    inbound::is_content(&message).then(|| inbound::translate(&message, addresses, String::new()))
}

/// How a login is refused, with a code, or for so many seconds.
pub fn refusal(code: i32, seconds: i64) -> [Option<Link>; 2] {
    let failure = ConnectFailure::builder().reason(ConnectFailureReason::from(code)).build();
    let expire = chrono::Duration::try_seconds(seconds).unwrap_or(chrono::Duration::MAX);
    let ban = TemporaryBan::builder().code(TempBanReason::BlockedByUsers).expire(expire).build();
    [Event::ConnectFailure(failure), Event::TemporaryBan(ban)].map(|event| link::last_state(&event, Timestamp::now()))
}

/// A code for the phone's camera, drawn; false where it can't be.
pub fn qr(data: &str, seconds: u64) -> bool {
    link::qr_code(data, Duration::from_secs(seconds)).is_ok()
}
