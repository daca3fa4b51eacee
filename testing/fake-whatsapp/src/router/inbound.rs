//! A linked device's texts on their way to the contacts: each contact's phone opens its copy, once, and sends a delivery
//! receipt or asks for it again; other linked devices get theirs as it came.
use std::collections::HashMap;
use std::sync::Arc;

use anyhow::{Result, anyhow, ensure};
use buffa::MessageField;
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, JidExt as _, Node};
use waproto::whatsapp as wa;

use super::ack_of;
use super::outbound::damage;
use crate::device::KeyBundle;
use crate::directory::{Address, Companion, Directory};
use crate::iq::keys::keys_node;
use crate::journal::{Entry, ItemKind, Journal};
use crate::phone::{Conversations, Phone};
use crate::queue::{Key, Stanza};
use crate::server::World;
use crate::stanza::{attr, children, content, lock, node, unix_seconds};
use crate::transport::Connection;

/// The version of the padding that clients put around a message.
const PADDING: u8 = 2;
/// The error in the ack of a message that goes nowhere.
const NOT_ALLOWED: &str = "403";
/// How often a phone asks for a message that it can't open.
const RETRIES: u32 = 4;

/// A message for one device, as the sender addressed it.
struct Copy {
    to: Jid,
    encs: Vec<Node>,
}

impl World {
    pub(super) async fn on_message(self: &Arc<Self>, connection: &Connection, message: &Node) -> Result<()> {
        let sender = connection.companion()?;
        let phone = lock(&self.directory).account(&sender.address.pn)?.phone.clone();
        self.check_identity(&phone, sender, message)?;
        let chat: Jid = attr(message, "to").parse()?;
        let copies = copies(&lock(&self.directory), &sender.address, &chat, message);
        let mut ack = ack_of(message, "message");
        let refusal = self.faults.next_refusal(&sender.address.pn);
        if let Some(code) = refusal {
            ack.attrs.insert("error", code.to_string());
        } else if copies.is_err() {
            ack.attrs.insert("error", NOT_ALLOWED);
        }
        connection.link.send(&ack);
        let copies = match copies {
            Ok(copies) if refusal.is_none() => copies,
            Ok(_) => return Ok(()),
            Err(error) => {
                tracing::debug!("a text goes nowhere: {error:#}");
                return Ok(());
            }
        };
        for (to, copy) in copies {
            if to.device == 0 {
                let phone = lock(&self.directory).account(&to.pn)?.phone.clone();
                self.read_on_phone(sender, &phone, &chat, message, &copy).await;
            } else {
                self.forward(&sender.address, &to, &chat, message, copy);
            }
        }
        Ok(())
    }

    async fn read_on_phone(&self, sender: &Companion, phone: &Phone, chat: &Jid, message: &Node, copy: &Copy) {
        let from = &sender.address;
        let id = attr(message, "id");
        let name = self.chat_name(chat, &phone.address);
        let known = (name.clone(), from.pn.clone(), id.clone());
        let mut conversations = phone.conversations.lock().await;
        let mut text = None;
        // The owner's phone lets it be: whatsapp-rust 0.7.0 takes its request for the contact's, whose session it then
        // builds on the wrong keys.
        let asks = phone.address.pn != from.pn;
        for enc in &copy.encs {
            let opened = match asks && self.faults.next_text_is_asked_for_again(&from.pn) {
                true => Err(anyhow!("so it was ordered")),
                false => open(&mut conversations, from, chat, enc).await,
            };
            match opened {
                Ok(message) => text = text.or_else(|| self.text_for(phone, from, chat, message)),
                Err(_) if conversations.read.contains(&known) => {}
                Err(error) => {
                    tracing::debug!("a phone could not open a message: {error:#}");
                    let count = attr(enc, "count").parse().unwrap_or(0) + 1;
                    if asks && count <= RETRIES {
                        Journal::count(&self.journal.undecryptable);
                        let keys = conversations.signal.bundle();
                        self.send_receipt(sender, &phone.address, retry_receipt(&copy.to, chat, &id, count, &keys));
                    }
                    return;
                }
            }
        }
        if phone.address.pn != from.pn {
            self.send_receipt(sender, &phone.address, addressed(&copy.to, chat, &id).build());
        }
        let Some(text) = text else {
            // A copy that was read before, or one that only carries keys.
            if conversations.read.contains(&known) {
                Journal::count(&self.journal.duplicates);
            }
            return;
        };
        if !conversations.read.insert(known, ()) {
            Journal::count(&self.journal.duplicates);
            return;
        }
        let entry = Entry {
            from: from.pn.clone(),
            to: phone.address.pn.clone(),
            chat: name,
            id,
            text,
            r#type: "text".to_owned(),
        };
        self.journal.record(ItemKind::Text, entry);
    }

    /// The text that a message shows on this phone. On the sender's own phone that is a note to self alone: its copies of
    /// texts to others were not sent to the owner.
    fn text_for(&self, phone: &Phone, from: &Address, chat: &Jid, message: wa::Message) -> Option<String> {
        if phone.address.pn != from.pn {
            return text_of(message);
        }
        let (chat, message) = match message.device_sent_message.into_option() {
            Some(sent) => (sent.destination_jid?.parse().ok()?, sent.message.into_option()?),
            None => (chat.clone(), wa::Message { device_sent_message: MessageField::none(), ..message }),
        };
        let own = lock(&self.directory).resolve(&chat)?.pn == from.pn;
        if own { text_of(message) } else { None }
    }

    fn send_receipt(&self, sender: &Companion, phone: &Address, receipt: Node) {
        let key = Key { class: "receipt", sender: phone.pn.clone(), id: attr(&receipt, "id") };
        sender.mailbox.put(Stanza::new(key, receipt));
    }

    /// Hands a copy to another real device.
    fn forward(&self, from: &Address, to: &Address, chat: &Jid, message: &Node, copy: Copy) {
        let (companion, sender, push_name) = {
            let directory = lock(&self.directory);
            let (Some(companion), Ok(account)) = (directory.companion(to), directory.account(&from.pn)) else { return };
            let lid = Jid::lid_device(account.lid.as_str(), from.device);
            let sender = if copy.to.is_lid() { lid } else { from.jid() };
            (companion, sender, account.push_name.clone())
        };
        let id = attr(message, "id");
        let mut forward = node("message")
            .attr("id", id.clone())
            .attr("type", attr(message, "type"))
            .attr("t", unix_seconds())
            .attr("notify", push_name);
        forward = if chat.is_group() {
            forward.attr("from", chat).attr("participant", sender)
        } else if to.pn == from.pn {
            forward.attr("from", sender).attr("recipient", chat)
        } else {
            forward.attr("from", sender)
        };
        let mut children = copy.encs;
        if self.faults.next_message_is_corrupt(&to.pn) {
            children.iter_mut().for_each(damage);
        }
        if children.iter().any(|enc| attr(enc, "type") == "pkmsg") {
            children.extend(message.get_optional_child("device-identity").cloned());
        }
        let key = Key { class: "message", sender: from.pn.clone(), id };
        companion.mailbox.put(Stanza::new(key, forward.children(children).build()));
    }
}

/// Who gets what: the copies made for single devices, and in a group the common one for all of its devices.
fn copies(directory: &Directory, from: &Address, chat: &Jid, message: &Node) -> Result<HashMap<Address, Copy>> {
    let mut copies: HashMap<Address, Copy> = HashMap::new();
    let mut add = |address: Address, to: Jid, enc: &Node| {
        copies.entry(address).or_insert_with(|| Copy { to, encs: Vec::new() }).encs.push(enc.clone());
    };
    for to in message.get_optional_child("participants").into_iter().flat_map(|list| children(list, "to")) {
        let jid: Jid = attr(to, "jid").parse()?;
        if let Some(address) = directory.resolve(&jid) {
            children(to, "enc").for_each(|enc| add(address.clone(), jid.clone(), enc));
        }
    }
    for enc in children(message, "enc") {
        if !chat.is_group() {
            if let Some(address) = directory.resolve(chat) {
                add(address, chat.clone(), enc);
            }
            continue;
        }
        // A copy sent once more is for the member that asked.
        let asked = attr(message, "participant").parse().ok().and_then(|jid| directory.resolve(&jid));
        let group = directory.group(chat)?;
        ensure!(group.members.contains(&from.pn), "{} is not a member of {chat}", from.pn);
        for member in &group.members {
            let account = directory.account(member)?;
            for device in std::iter::once(0).chain(account.companions.keys().copied()) {
                let address = Address { pn: member.clone(), device };
                if address != *from && asked.as_ref().is_none_or(|asked| *asked == address) {
                    add(address, account.jid_in(group, device), enc);
                }
            }
        }
    }
    ensure!(!copies.is_empty(), "a message to {chat} reaches nobody");
    Ok(copies)
}

/// Opens one ciphertext, and takes the sender key in it if there is one.
async fn open(conversations: &mut Conversations, from: &Address, chat: &Jid, enc: &Node) -> Result<wa::Message> {
    let signal = &mut conversations.signal;
    let sealed = content(Some(enc));
    let plain = match attr(enc, "type").as_str() {
        "skmsg" => signal.decrypt_group(&chat.to_string(), from, &sealed).await?,
        kind => signal.decrypt(from, kind, &sealed).await?,
    };
    let message = wacore::messages::decode_plaintext(&plain, PADDING)?;
    if let Some(distribution) = message.sender_key_distribution_message.as_option() {
        let group = distribution.group_id.as_deref().unwrap_or_default();
        let key = distribution.axolotl_sender_key_distribution_message.as_deref().unwrap_or_default();
        signal.learn_distribution(group, from, key).await?;
    }
    Ok(message)
}

fn text_of(message: wa::Message) -> Option<String> {
    message.conversation.or_else(|| message.extended_text_message.into_option()?.text)
}

/// Asks for a message that could not be opened, with keys for a new session.
fn retry_receipt(me: &Jid, chat: &Jid, id: &str, count: u32, keys: &KeyBundle) -> Node {
    let retry = node("retry").attr("v", "1").attr("count", count).attr("id", id).attr("t", unix_seconds()).build();
    let registration = node("registration").bytes(keys.registration.to_be_bytes()).build();
    addressed(me, chat, id).attr("type", "retry").children([retry, registration, keys_node(keys)]).build()
}

/// A receipt from one member of a chat.
fn addressed(me: &Jid, chat: &Jid, id: &str) -> NodeBuilder {
    let receipt = node("receipt").attr("id", id).attr("t", unix_seconds());
    if chat.is_group() { receipt.attr("from", chat).attr("participant", me) } else { receipt.attr("from", me) }
}
