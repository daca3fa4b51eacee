//! What a device must not do, and what comes of it: the shape of each stanza is checked here, and every violation, of
//! whoever finds it, is kept for `GET /admin/state` and answered as a strict server does. Nothing is judged that the real
//! server could not see; what its phone alone sees (an unreadable text) is no violation.
use anyhow::{Context, Result, anyhow, bail, ensure};
use buffa::Message as _;
use wacore_binary::{Jid, JidExt as _, Node};
use waproto::whatsapp as wa;

use crate::directory::Companion;
use crate::phone::{Phone, adv};
use crate::server::World;
use crate::stanza::{attr, children, content, lock, node};
use crate::transport::Connection;

/// Enough to see what goes wrong.
const KEPT: usize = 1_000;

impl World {
    /// Keeps a violation; `who` is the account, if it is known.
    pub(crate) fn violated(&self, who: Option<&Companion>, what: &anyhow::Error) {
        let who = who.map_or("an unlinked device", |companion| companion.address.pn.as_str());
        tracing::warn!("violation: {what:#}");
        let mut violations = lock(&self.violations);
        if violations.len() < KEPT {
            violations.push(format!("{who}: {what:#}"));
        }
    }

    /// Ends a stream on which something came that is no stanza, or not one that a device may send.
    pub(crate) fn end_bad_stream(&self, connection: &Connection) {
        let error = node("xml-not-well-formed").build();
        connection.link.send(&node("stream:error").children([error]).build());
        connection.link.close();
    }

    /// Checks that the identity that goes with a message for new sessions is the device's own.
    pub(crate) fn check_identity(&self, phone: &Phone, companion: &Companion, message: &Node) -> Result<()> {
        if !all_encs(message).any(|enc| attr(enc, "type") == "pkmsg") {
            return Ok(());
        }
        let shown = message.get_optional_child("device-identity").context("a new session without a device identity")?;
        let details = wa::ADVSignedDeviceIdentity::decode_from_slice(&companion.device_identity)?.details;
        adv::accept(phone, &companion.identity, &details.unwrap_or_default(), &content(Some(shown)))?;
        Ok(())
    }
}

/// Checks what every client keeps to. Errors: what is wrong with the stanza.
pub(crate) fn check(stanza: &Node) -> Result<()> {
    let what = || format!("<{}> {:?}", stanza.tag, attr(stanza, "id"));
    check_shape(stanza).with_context(what)
}

fn check_shape(stanza: &Node) -> Result<()> {
    let tag = stanza.tag.as_ref();
    let needed: &[&str] = match tag {
        "iq" => &["id", "type"],
        "message" => &["id", "type", "to"],
        "receipt" => &["id", "to"],
        "ack" => &["id", "class", "to"],
        "chatstate" => &["to"],
        "presence" | "ib" | "notification" | "call" => &[],
        _ => bail!("a device sends no such stanza"),
    };
    for name in needed {
        ensure!(!attr(stanza, name).is_empty(), "it has no {name}");
    }
    let kind = attr(stanza, "type");
    let is_one_of = |kinds: &[&str]| kinds.contains(&kind.as_str());
    let child = stanza.children().and_then(<[Node]>::first).map(|child| child.tag.as_ref());
    match tag {
        "iq" if is_one_of(&["get", "set"]) => ensure!(!attr(stanza, "xmlns").is_empty(), "it has no xmlns"),
        "iq" => ensure!(is_one_of(&["result", "error"]), "an iq of type {kind:?}"),
        "message" => check_message(stanza, &jid(&attr(stanza, "to"))?)?,
        "receipt" | "ack" => drop(jid(&attr(stanza, "to"))?),
        "chatstate" => {
            jid(&attr(stanza, "to"))?;
            ensure!(matches!(child, Some("composing" | "paused")), "an unknown state {child:?}");
        }
        "presence" => {
            ensure!(
                is_one_of(&["", "available", "unavailable", "subscribe", "unsubscribe"]),
                "a presence of type {kind:?}"
            );
        }
        "ib" => drop(child.context("it holds nothing")?),
        _ => {}
    }
    Ok(())
}

fn check_message(message: &Node, to: &Jid) -> Result<()> {
    for enc in all_encs(message) {
        let (version, kind) = (attr(enc, "v"), attr(enc, "type"));
        ensure!(version == "2", "an enc of version {version:?}");
        ensure!(["pkmsg", "msg", "skmsg"].contains(&kind.as_str()), "an enc of type {kind:?}");
        ensure!(!content(Some(enc)).is_empty(), "an empty enc");
    }
    for enc in children(message, "enc") {
        ensure!(to.is_group() || attr(enc, "type") != "skmsg", "a group's enc for {to}");
    }
    for copy in message.get_optional_child("participants").into_iter().flat_map(|list| children(list, "to")) {
        jid(&attr(copy, "jid"))?;
        ensure!(children(copy, "enc").next().is_some(), "a copy without an enc");
    }
    ensure!(all_encs(message).next().is_some(), "it holds no enc");
    Ok(())
}

/// The common ones, and those for single devices.
fn all_encs(message: &Node) -> impl Iterator<Item = &Node> {
    let copies = message.get_optional_child("participants").into_iter().flat_map(|list| children(list, "to"));
    children(message, "enc").chain(copies.flat_map(|copy| children(copy, "enc")))
}

fn jid(text: &str) -> Result<Jid> {
    text.parse().map_err(|_| anyhow!("{text:?} is not a JID"))
}

#[cfg(test)]
mod tests {
    use wacore_binary::builder::NodeBuilder;

    use super::*;

    fn enc(version: &'static str, kind: &'static str) -> Node {
        node("enc").attr("v", version).attr("type", kind).bytes(vec![1]).build()
    }

    fn message(to: &'static str) -> NodeBuilder {
        node("message").attr("id", "1").attr("type", "text").attr("to", to)
    }

    #[test]
    fn stanzas_have_a_shape() {
        let copy =
            |child: Vec<Node>| node("participants").children([node("to").attr("jid", "1@lid").children(child).build()]);
        for (stanza, wrong) in [
            (node("iq").attr("id", "1").attr("type", "get").attr("xmlns", "w:p").build(), None),
            (node("iq").attr("id", "1").attr("type", "get").build(), Some("no xmlns")),
            (node("iq").attr("type", "result").build(), Some("no id")),
            (node("iq").attr("id", "1").attr("type", "put").build(), Some("of type \"put\"")),
            (message("1@s.whatsapp.net").children([enc("2", "msg")]).build(), None),
            (message("1@g.us").children([enc("2", "skmsg")]).build(), None),
            (message("1@s.whatsapp.net").children([enc("2", "skmsg")]).build(), Some("a group's enc")),
            (message("1@s.whatsapp.net").children([enc("1", "msg")]).build(), Some("of version \"1\"")),
            (message("1@s.whatsapp.net").children([enc("2", "plain")]).build(), Some("of type \"plain\"")),
            (message("1@s.whatsapp.net").build(), Some("no enc")),
            (message("1@s.whatsapp.net").children([copy(vec![enc("2", "pkmsg")]).build()]).build(), None),
            (message("1@s.whatsapp.net").children([copy(vec![]).build()]).build(), Some("without an enc")),
            (message("").children([enc("2", "msg")]).build(), Some("no to")),
            (node("receipt").attr("id", "1").build(), Some("no to")),
            (node("ack").attr("id", "1").attr("to", "1@lid").build(), Some("no class")),
            (node("chatstate").attr("to", "1@lid").children([node("thinking").build()]).build(), Some("\"thinking\"")),
            (node("presence").attr("type", "bored").build(), Some("\"bored\"")),
            (node("presence").build(), None),
            (node("stream:error").build(), Some("no such stanza")),
        ] {
            let got = check(&stanza).err().map(|error| format!("{error:#}"));
            match wrong {
                None => assert_eq!(got, None, "{stanza:?}"),
                Some(wrong) => assert!(got.as_ref().is_some_and(|got| got.contains(wrong)), "{stanza:?}: {got:?}"),
            }
        }
    }
}
