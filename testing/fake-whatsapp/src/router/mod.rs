//! What a linked device sends, by its kind: requests go to `iq`, texts to `inbound`, and receipts, chat states and
//! presence are answered, recorded and passed on here. Texts of contacts go the other way through `outbound`.
mod inbound;
mod outbound;

use std::sync::Arc;

use anyhow::Result;
use wacore_binary::{Jid, JidExt as _, Node};

use crate::directory::{Address, Companion};
use crate::journal::{Entry, ItemKind};
use crate::queue::{Key, Stanza};
use crate::server::World;
use crate::stanza::{attr, children, lock, node, unix_seconds};
use crate::strict;
use crate::transport::Connection;

/// Receipts that are between a device and its own account, and concern no contact.
const OWN_RECEIPTS: [&str; 5] = ["sender", "peer_msg", "hist_sync", "server-error", "retry"];

impl World {
    pub(crate) async fn on_node(self: &Arc<Self>, connection: &Connection, stanza: &Node) -> Result<()> {
        strict::check(stanza)?;
        match stanza.tag.as_ref() {
            "iq" => match self.on_iq(connection, stanza).await {
                Err(error) if ["get", "set"].contains(&attr(stanza, "type").as_str()) => {
                    self.refuse(connection, stanza, 400, "bad-request");
                    self.violated(connection.companion.as_deref(), &error);
                    Ok(())
                }
                result => result,
            },
            "message" => self.on_message(connection, stanza).await,
            "receipt" => self.on_receipt(connection, stanza).await,
            // What is sent while a device pairs is not kept.
            "ack" if connection.companion.is_none() => Ok(()),
            "ack" => self.on_ack(connection.companion()?, stanza),
            "chatstate" => self.on_chat_state(connection.companion()?, stanza),
            "presence" => self.on_presence(connection.companion()?, stanza),
            "ib" => {
                if let Some(batch) = stanza.get_optional_child("offline_batch") {
                    connection.companion()?.mailbox.batch(attr(batch, "count").parse()?);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    async fn on_receipt(self: &Arc<Self>, connection: &Connection, receipt: &Node) -> Result<()> {
        let companion = connection.companion()?;
        let (id, kind) = (attr(receipt, "id"), attr(receipt, "type"));
        connection.link.send(&ack_of(receipt, "receipt"));
        if kind == "retry" {
            self.on_retry(companion, receipt).await?;
        }
        let mut ids = vec![id];
        if let Some(list) = receipt.get_optional_child("list") {
            ids.extend(children(list, "item").map(|item| attr(item, "id")));
        }
        let chat: Jid = attr(receipt, "to").parse()?;
        let sender: Jid = if chat.is_group() { attr(receipt, "participant").parse()? } else { chat.clone() };
        let Some(sender) = lock(&self.directory).resolve(&sender) else { return Ok(()) };
        let chat = self.chat_name(&chat, &sender);
        for id in &ids {
            if kind != "retry" {
                let key = Key { class: "message", sender: sender.pn.clone(), id: id.clone() };
                companion.mailbox.done(&key, false);
            }
            let entry = Entry {
                from: companion.address.pn.clone(),
                to: sender.pn.clone(),
                chat: chat.clone(),
                id: id.clone(),
                r#type: if kind.is_empty() { "delivery".to_owned() } else { kind.clone() },
                ..Entry::default()
            };
            self.journal.record(ItemKind::Receipt, entry);
        }
        if !OWN_RECEIPTS.contains(&kind.as_str()) {
            self.forward_receipt(companion, receipt, &sender);
        }
        Ok(())
    }

    /// Passes a receipt on to the other real devices that it concerns.
    fn forward_receipt(&self, companion: &Companion, receipt: &Node, sender: &Address) {
        let own = ["read-self", "played-self"].contains(&attr(receipt, "type").as_str());
        let account = if own { &companion.address.pn } else { &sender.pn };
        let others = lock(&self.directory).companions_of(account);
        for other in others.iter().filter(|other| other.address != companion.address) {
            other.mailbox.put(forwarded(companion, receipt));
        }
    }

    /// The device is done with one copy of what it was sent. A text is done with its receipt; an ack of one is for a copy
    /// that it could not use.
    fn on_ack(&self, companion: &Companion, ack: &Node) -> Result<()> {
        let class = match attr(ack, "class").as_str() {
            "message" => "message",
            "receipt" => "receipt",
            "notification" => "notification",
            _ => return Ok(()),
        };
        let from = ["participant", "to"].into_iter().map(|name| attr(ack, name)).find(|jid| !jid.is_empty());
        let from: Jid = from.unwrap_or_default().parse()?;
        let sender = match lock(&self.directory).resolve(&from) {
            Some(sender) if class != "notification" => sender.pn,
            _ => attr(ack, "to"),
        };
        companion.mailbox.done(&Key { class, sender, id: attr(ack, "id") }, true);
        Ok(())
    }

    fn on_chat_state(&self, companion: &Companion, stanza: &Node) -> Result<()> {
        let chat: Jid = attr(stanza, "to").parse()?;
        let state = stanza.children().and_then(<[Node]>::first);
        let kind = state.map(|state| state.tag.to_string()).unwrap_or_default();
        let me = Address::phone(&companion.address.pn).jid();
        let (to, forward) = {
            let directory = lock(&self.directory);
            let forward = node("chatstate").children(state.cloned());
            if chat.is_group() {
                let members = directory.group(&chat).map(|group| group.members.clone()).unwrap_or_default();
                (members, forward.attr("from", &chat).attr("participant", &me).build())
            } else {
                let contact = directory.resolve(&chat).map(|contact| contact.pn);
                (contact.into_iter().collect(), forward.attr("from", &me).build())
            }
        };
        for pn in to.iter().filter(|pn| **pn != companion.address.pn) {
            let entry = Entry {
                from: companion.address.pn.clone(),
                to: pn.clone(),
                chat: self.chat_name(&chat, &Address::phone(pn)),
                r#type: kind.clone(),
                ..Entry::default()
            };
            self.journal.record(ItemKind::Chatstate, entry);
            let others = lock(&self.directory).companions_of(pn);
            others.iter().for_each(|other| other.mailbox.send_live(&forward));
        }
        Ok(())
    }

    fn on_presence(&self, companion: &Companion, presence: &Node) -> Result<()> {
        let kind = attr(presence, "type");
        if kind == "subscribe" {
            // Contacts keep it to themselves whether they are there.
            let contact: Jid = attr(presence, "to").parse()?;
            let answer = node("presence").attr("from", contact).attr("type", "unavailable").attr("last", "deny");
            companion.mailbox.send_live(&answer.build());
            return Ok(());
        }
        let name = attr(presence, "name");
        if !name.is_empty() {
            lock(&self.directory).account_mut(&companion.address.pn)?.push_name = name;
        }
        let from = companion.address.pn.clone();
        let r#type = if kind.is_empty() { "available".to_owned() } else { kind };
        self.journal.record(ItemKind::Presence, Entry { from, r#type, ..Entry::default() });
        Ok(())
    }

    /// A chat's name in the journal: the group, or the contact by number whatever the wire says.
    fn chat_name(&self, chat: &Jid, contact: &Address) -> String {
        if chat.is_group() { chat.to_string() } else { Address::phone(&contact.pn).jid().to_string() }
    }
}

/// A device's receipt as another real device gets it.
fn forwarded(companion: &Companion, receipt: &Node) -> Stanza {
    let mut forward = receipt.clone();
    forward.attrs = ["id", "type", "t", "recipient"]
        .into_iter()
        .filter_map(|name| receipt.attrs.get(name).map(|value| (name.into(), value.clone())))
        .collect();
    let me = companion.address.jid();
    match attr(receipt, "to").parse::<Jid>() {
        Ok(group) if group.is_group() => {
            forward.attrs.insert("from", group);
            forward.attrs.insert("participant", me);
        }
        _ => forward.attrs.insert("from", me),
    }
    let key = Key { class: "receipt", sender: companion.address.pn.clone(), id: attr(receipt, "id") };
    Stanza::new(key, forward)
}

/// The server's `<ack>` for a stanza of a device.
fn ack_of(stanza: &Node, class: &'static str) -> Node {
    let mut ack = node("ack").attr("class", class).attr("t", unix_seconds()).build();
    for (name, from) in [("id", "id"), ("from", "to"), ("type", "type"), ("participant", "participant")] {
        if let Some(value) = stanza.attrs.get(from) {
            ack.attrs.insert(name, value.clone());
        }
    }
    ack
}
