//! A contact's texts on their way to the linked devices: encrypted on the contact's phone for each device, or once for a
//! group, then put into the mailboxes. Also what a phone sends its own devices, and what it sends again when asked.
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use buffa::MessageField;
use tokio::time::Instant;
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, JidExt as _, Node, NodeContent};
use wacore_libsignal::protocol::PreKeySignalMessage;
use waproto::whatsapp as wa;
use waproto::whatsapp::message::{DeviceSentMessage, SenderKeyDistributionMessage};

use super::forwarded;
use crate::content::{Media, media_type, message};
use crate::device::KeyBundle;
use crate::directory::{Address, Addressing, Companion, Group};
use crate::faults::Delivery;
use crate::phone::{Conversations, Phone, Sent};
use crate::queue::{Key, Stanza};
use crate::server::World;
use crate::stanza::{USER_DOMAIN, attr, lock, message_id, node, unix_seconds};

/// How long a phone waits for the keys of a device.
const UPLOAD_TIME: Duration = Duration::from_secs(10);

/// A message, with all that its stanzas say of the sender.
struct Letter {
    id: String,
    message: wa::Message,
    push_name: String,
    pn: Jid,
    lid: Jid,
    addressing: Addressing,
}

impl World {
    /// Sends a text from an account's phone, or `media` with it as the caption. `to` is a number, a number's or LID's JID, or
    /// a group's JID; the linked devices of the account itself get a copy, as from their owner's phone. Errors: unknown
    /// accounts or groups.
    pub(crate) async fn send_message(
        &self,
        from: &str,
        to: &str,
        media: Option<Media>,
        text: &str,
        id: Option<&str>,
    ) -> Result<String> {
        ensure!(media.is_some() || !text.is_empty(), "a text must not be empty");
        ensure!(id.is_none_or(|id| !id.is_empty()), "an id must not be empty");
        let to: Jid = if to.contains('@') { to.to_owned() } else { format!("{to}@{USER_DOMAIN}") }
            .parse()
            .map_err(|_| anyhow!("{to:?} is neither a number nor a JID"))?;
        let (phone, letter) = {
            let directory = lock(&self.directory);
            let account = directory.account(from)?;
            let letter = Letter {
                id: id.map_or_else(message_id, str::to_owned),
                message: message(media, text),
                push_name: account.push_name.clone(),
                pn: Address::phone(from).jid(),
                lid: account.lid_jid(),
                addressing: account.addressing,
            };
            (account.phone.clone(), letter)
        };
        // Held to the end, so that a phone's messages reach the mailboxes in the order of their keys.
        let mut conversations = phone.conversations.lock().await;
        if to.is_group() {
            self.send_to_group(&phone, &mut conversations, &letter, &to).await?;
        } else {
            self.send_direct(&phone, &mut conversations, &letter, &to).await?;
        }
        Ok(letter.id)
    }

    async fn send_direct(&self, phone: &Phone, with: &mut Conversations, letter: &Letter, to: &Jid) -> Result<()> {
        let (own, theirs, contact) = {
            let directory = lock(&self.directory);
            let contact = directory.resolve(to).with_context(|| format!("there is no account {to}"))?;
            let own = directory.companions_of(&phone.address.pn);
            let theirs = if contact.pn == phone.address.pn { Vec::new() } else { directory.companions_of(&contact.pn) };
            (own, theirs, Address::phone(&contact.pn).jid())
        };
        for companion in theirs {
            let envelope = letter.envelope();
            let envelope = if self.faults.next_number_is_hidden(&companion.address.pn) {
                envelope.attr("from", &letter.lid).attr("addressing_mode", "lid")
            } else if to.is_lid() || letter.addressing == Addressing::Lid {
                envelope.attr("from", &letter.lid).attr("sender_pn", &letter.pn).attr("addressing_mode", "lid")
            } else {
                envelope.attr("from", &letter.pn).attr("sender_lid", &letter.lid)
            };
            self.send_one(phone, with, &companion, letter.message.clone(), envelope.build()).await?;
        }
        let sent = DeviceSentMessage {
            destination_jid: Some(to.to_string()),
            message: MessageField::some(letter.message.clone()),
            ..Default::default()
        };
        let copy = wa::Message { device_sent_message: MessageField::some(sent), ..Default::default() };
        for companion in own {
            let envelope = letter.envelope().attr("from", &letter.pn).attr("recipient", to);
            let envelope = if to.is_lid() { envelope.attr("peer_recipient_pn", &contact) } else { envelope };
            self.send_one(phone, with, &companion, copy.clone(), envelope.build()).await?;
        }
        Ok(())
    }

    async fn send_to_group(&self, phone: &Phone, with: &mut Conversations, letter: &Letter, to: &Jid) -> Result<()> {
        let (group, companions) = {
            let directory = lock(&self.directory);
            let group = directory.group(to)?.clone();
            let members = group.members.iter().flat_map(|member| directory.companions_of(member));
            let companions: Vec<_> = members.collect();
            (group, companions)
        };
        let me = &phone.address;
        ensure!(group.members.contains(&me.pn), "{} is not a member of {to}", me.pn);
        let name = to.to_string();
        let distribution = with.signal.distribution(&name, me).await?;
        let plain = wacore::messages::MessageUtils::encode_and_pad(&letter.message);
        let sealed = with.signal.encrypt_group(&name, me, &plain).await?;
        for companion in companions {
            let mut encs = Vec::new();
            if with.distributed.insert((name.clone(), companion.address.clone())) {
                let key = carry_distribution(wa::Message::default(), &name, distribution.clone());
                encs.push(self.encrypt(with, &companion, &key).await?);
            }
            let corrupt = self.faults.next_message_is_corrupt(&companion.address.pn);
            encs.push(enc("skmsg", sealed.clone(), &letter.message, corrupt));
            let addressing = match self.faults.next_number_is_hidden(&companion.address.pn) {
                true => None,
                false => Some(group.addressing),
            };
            let envelope = letter.group_envelope(&group, addressing).build();
            self.dispatch(me, with, &companion, letter.message.clone(), envelope, encs);
        }
        Ok(())
    }

    /// Encrypts for one device and dispatches.
    async fn send_one(
        &self,
        phone: &Phone,
        with: &mut Conversations,
        companion: &Companion,
        message: wa::Message,
        envelope: Node,
    ) -> Result<()> {
        let mut sealed = self.encrypt(with, companion, &message).await?;
        if self.faults.next_message_is_corrupt(&companion.address.pn) {
            damage(&mut sealed);
        }
        self.dispatch(&phone.address, with, companion, message, envelope, vec![sealed]);
        Ok(())
    }

    /// Remembers what was sent and puts it into the mailbox, with the misfortunes that were ordered for it.
    fn dispatch(
        &self,
        from: &Address,
        with: &mut Conversations,
        companion: &Companion,
        message: wa::Message,
        envelope: Node,
        encs: Vec<Node>,
    ) {
        let id = attr(&envelope, "id");
        with.sent.insert((companion.address.clone(), id.clone()), Sent { message, envelope: envelope.clone() });
        let delivery = self.faults.next_delivery(&companion.address.pn);
        let stanza = Stanza {
            key: Key { class: "message", sender: from.pn.clone(), id },
            node: with_children(envelope, encs),
            passage: delivery.passage,
        };
        let later = |wait: Duration| Instant::now() + wait;
        match delivery {
            Delivery { delay: Some(wait), .. } => companion.mailbox.hold(stanza, later(wait), false),
            Delivery { reorder: Some(wait), .. } => companion.mailbox.hold(stanza, later(wait), true),
            _ => companion.mailbox.put(stanza),
        }
    }

    /// Encrypts for one device, on a new session if there is none yet.
    async fn encrypt(&self, with: &mut Conversations, companion: &Companion, message: &wa::Message) -> Result<Node> {
        let address = &companion.address;
        if !with.signal.has_session(address) {
            self.start_session(with, companion).await?;
        }
        let plain = wacore::messages::MessageUtils::encode_and_pad(message);
        let (kind, sealed) = with.signal.encrypt(address, &plain).await?;
        Ok(enc(kind, sealed, message, false))
    }

    async fn start_session(&self, with: &mut Conversations, companion: &Companion) -> Result<()> {
        // A device that was linked a moment ago has not uploaded its keys yet.
        let mut uploaded = companion.uploaded.subscribe();
        let _ = tokio::time::timeout(UPLOAD_TIME, uploaded.wait_for(|uploaded| *uploaded)).await;
        let bundle = lock(&companion.keys).as_mut().map(KeyBundle::take_for_session).with_context(|| {
            format!("device {} of {} has uploaded no keys yet", companion.address.device, companion.address.pn)
        })?;
        with.signal.start_session(&companion.address, &bundle).await
    }

    /// The device could not open a message: the sender's phone sends it again, on a new session, under the same id.
    pub(super) async fn on_retry(&self, companion: &Companion, receipt: &Node) -> Result<()> {
        let retry = receipt.get_optional_child("retry").context("a retry receipt without a retry")?;
        let (chat, id) = (attr(receipt, "to").parse::<Jid>()?, attr(retry, "id"));
        let sender = if chat.is_group() { attr(receipt, "participant").parse()? } else { chat.clone() };
        let (phone, device) = {
            let directory = lock(&self.directory);
            let sender = directory.resolve(&sender).with_context(|| format!("there is no account {sender}"))?;
            (directory.account(&sender.pn)?.phone.clone(), directory.companion(&sender))
        };
        if let Some(device) = device {
            // What it could not open came from another linked device, which is asked.
            device.mailbox.put(forwarded(companion, receipt));
            return Ok(());
        }
        let mut with = phone.conversations.lock().await;
        let Some(sent) = with.sent.get(&(companion.address.clone(), id.clone())).cloned() else {
            tracing::debug!("message {id} is asked for again, but was not sent from this phone");
            return Ok(());
        };
        self.start_session(&mut with, companion).await?;
        let mut message = sent.message;
        if chat.is_group() {
            let name = chat.to_string();
            let distribution = with.signal.distribution(&name, &phone.address).await?;
            message = carry_distribution(message, &name, distribution);
        }
        let mut enc = self.encrypt(&mut with, companion, &message).await?;
        enc.attrs.insert("count", attr(retry, "count"));
        let key = Key { class: "message", sender: phone.address.pn.clone(), id };
        companion.mailbox.put(Stanza::new(key, with_children(sent.envelope, vec![enc])));
        Ok(())
    }

    /// The phone gives a newly linked device the key of the account's settings.
    pub(crate) async fn share_app_state_key(&self, companion: &Arc<Companion>) -> Result<()> {
        let phone = lock(&self.directory).account(&companion.address.pn)?.phone.clone();
        let mut with = phone.conversations.lock().await;
        let message = phone.app_state.key_share(phone.raw_id, companion.key_index);
        let envelope = node("message")
            .attr("id", message_id())
            .attr("from", phone.address.jid())
            .attr("type", "text")
            .attr("category", "peer")
            .attr("t", unix_seconds())
            .build();
        let enc = self.encrypt(&mut with, companion, &message).await?;
        let key = Key { class: "message", sender: phone.address.pn.clone(), id: attr(&envelope, "id") };
        with.sent.insert((companion.address.clone(), key.id.clone()), Sent { message, envelope: envelope.clone() });
        companion.mailbox.put(Stanza::new(key, with_children(envelope, vec![enc])));
        Ok(())
    }
}

impl Letter {
    fn envelope(&self) -> NodeBuilder {
        node("message")
            .attr("id", self.id.as_str())
            .attr("type", if media_type(&self.message).is_some() { "media" } else { "text" })
            .attr("t", unix_seconds())
            .attr("notify", self.push_name.as_str())
    }

    /// Without an `addressing` by LID alone.
    fn group_envelope(&self, group: &Group, addressing: Option<Addressing>) -> NodeBuilder {
        let envelope = self.envelope().attr("from", &group.jid);
        let (mode, envelope) = match addressing {
            Some(Addressing::Pn) => ("pn", envelope.attr("participant", &self.pn).attr("participant_lid", &self.lid)),
            Some(Addressing::Lid) => ("lid", envelope.attr("participant", &self.lid).attr("participant_pn", &self.pn)),
            None => ("lid", envelope.attr("participant", &self.lid)),
        };
        envelope.attr("addressing_mode", mode)
    }
}

fn carry_distribution(message: wa::Message, group: &str, distribution: Vec<u8>) -> wa::Message {
    let distribution = SenderKeyDistributionMessage {
        group_id: Some(group.to_owned()),
        axolotl_sender_key_distribution_message: Some(distribution),
        ..Default::default()
    };
    wa::Message { sender_key_distribution_message: MessageField::some(distribution), ..message }
}

fn with_children(mut envelope: Node, children: Vec<Node>) -> Node {
    envelope.content = Some(NodeContent::Nodes(children));
    envelope
}

fn enc(kind: &'static str, sealed: Vec<u8>, message: &wa::Message, corrupt: bool) -> Node {
    let mut enc = node("enc").attr("v", "2").attr("type", kind).bytes(sealed).build();
    if let Some(media) = media_type(message) {
        enc.attrs.insert("mediatype", media);
    }
    if corrupt {
        damage(&mut enc);
    }
    enc
}

/// Spoils the MAC or the signature, so that the message can be read and not be opened.
pub(super) fn damage(enc: &mut Node) {
    let Some(NodeContent::Bytes(bytes)) = &mut enc.content else { return };
    // A pkmsg has more fields behind the message in it, which must stay whole.
    let inner = PreKeySignalMessage::try_from(&bytes[..]).map(|outer| outer.message().serialized().to_vec());
    let end = match inner {
        Ok(inner) => bytes.windows(inner.len()).position(|part| part == inner).map(|start| start + inner.len()),
        Err(_) => Some(bytes.len()),
    };
    if let Some(byte) = end.and_then(|end| bytes.get_mut(end - 1)) {
        *byte ^= 0xff;
    }
}
