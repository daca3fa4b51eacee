//! Chats and messages as the store keeps them and the rules read them.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A chat's WhatsApp address without a device: `…@s.whatsapp.net`, `…@g.us`, or `…@lid` while its phone address is unknown.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Jid(String);

impl Jid {
    pub fn new(jid: impl Into<String>) -> Self {
        Jid(jid.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn is_group(&self) -> bool {
        self.0.ends_with("@g.us")
    }

    /// Whether this names a chat at all: a non-empty user part and a server that people chat on.
    pub fn is_chat(&self) -> bool {
        self.0.split_once('@').is_some_and(|(user, server)| {
            !user.is_empty()
                && user.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
                && matches!(server, "s.whatsapp.net" | "g.us" | "lid")
        })
    }
}

impl fmt::Display for Jid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The order of arrival in the store: what cursors point at (C2).
pub type Seq = i64;

/// A message of a registered group, as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub seq: Seq,
    pub id: String,
    pub chat: Jid,
    pub sender: String,
    pub sender_name: String,
    pub content: String,
    pub sent_at: Timestamp,
    /// Said by the agent itself, on this or another device (M7).
    pub is_bot: bool,
}

/// A message as it comes from WhatsApp, before the rules of M1 and M7 have been applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inbound {
    pub id: String,
    /// Already turned into a phone address where the mapping is known (M9).
    pub chat: Jid,
    /// The chat's LID beside that, where both are known: it may have been met under it before (M9).
    pub chat_lid: Option<Jid>,
    /// The chat's name where the message tells it: a group's subject is not known here, a contact's push name is.
    pub chat_name: Option<String>,
    pub sender: String,
    /// As of the chat.
    pub sender_lid: Option<String>,
    pub sender_name: String,
    /// Text, extended text or caption (M2); `None` for what has neither.
    pub text: Option<String>,
    pub sent_at: Timestamp,
    pub from_me: bool,
}

/// M1: what is never kept.
pub fn is_ignored(chat: &Jid) -> bool {
    chat.as_str() == "status@broadcast" || !chat.is_chat()
}

/// M7: whether a message is the agent's own.
///
/// `sent_by_us` tells that its id is one of our own sends. Beyond that, with an own number everything from that number is
/// the agent's; with a shared number the text says so by its prefix.
pub fn is_bot(text: &str, from_me: bool, sent_by_us: bool, assistant: &str, own_number: bool) -> bool {
    sent_by_us
        || if own_number { from_me } else { text.strip_prefix(assistant).is_some_and(|rest| rest.starts_with(':')) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_real_chats_are_kept() {
        // M1
        for (jid, ignored) in [
            ("status@broadcast", true),
            ("15550002222@s.whatsapp.net", false),
            ("120363000000000001@g.us", false),
            ("100000000000002@lid", false),
            ("120363@newsletter", true),
            ("@s.whatsapp.net", true),
            ("../../etc@g.us", true),
            ("", true),
        ] {
            assert_eq!(is_ignored(&Jid::new(jid)), ignored, "{jid}");
        }
    }

    #[test]
    fn the_agents_own_messages_are_known() {
        // M7
        for (text, from_me, ours, own_number, expect) in [
            ("hello", false, false, false, false),
            ("hello", true, false, false, false),
            ("hello", true, false, true, true),
            ("hello", false, false, true, false),
            ("Andy: hello", true, false, false, true),
            ("Andy: hello", false, false, false, true),
            ("Andy hello", true, false, false, false),
            ("hello", true, true, false, true),
        ] {
            assert_eq!(
                is_bot(text, from_me, ours, "Andy", own_number),
                expect,
                "{text:?} {from_me} {ours} {own_number}"
            );
        }
    }
}
