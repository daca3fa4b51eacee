//! Messages that come in: from the library's to ours (M1, M2, M9), kept before WhatsApp is told (M12).
//!
//! Nothing is sent from here: the library waits for the hook while it holds the sender's lock.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use anyhow::{Result, anyhow};
use async_trait::async_trait;
use jiff::Timestamp;
use nanoclaw_core::chat::{self, Inbound};
use tokio::sync::mpsc;
use tracing::warn;
use whatsapp_rust::{
    Client, InboundDurabilityHook, Jid,
    prelude::{InboundMessage, MessageExt, MessageInfo, wa},
    types::message::MessageCategory,
};

use super::session::Happening;
use crate::ports::Intake;

/// The library's hook: an error holds the acknowledgement back, and WhatsApp delivers again after the next connect.
pub(super) struct Hook {
    intake: Arc<dyn Intake>,
    tell: mpsc::UnboundedSender<Happening>,
    /// Something was not kept on this connection. What follows is not either, so that it comes again in its order.
    behind: AtomicBool,
}

impl Hook {
    pub fn new(intake: Arc<dyn Intake>, tell: mpsc::UnboundedSender<Happening>) -> Self {
        Hook { intake, tell, behind: AtomicBool::new(false) }
    }
}

#[async_trait]
impl InboundDurabilityHook for Hook {
    async fn on_messages(&self, client: Arc<Client>, batch: &[InboundMessage]) -> Result<()> {
        let kept = match self.behind.load(Ordering::SeqCst) {
            true => Err(anyhow!("one before them was not kept")),
            false => keep(&client, self.intake.as_ref(), batch).await,
        };
        if let Err(err) = &kept {
            self.behind.store(true, Ordering::SeqCst);
            warn!("messages could not be kept, WhatsApp will deliver them again: {err:#}");
            let _ = self.tell.send(Happening::NotKept);
        }
        kept
    }
}

/// Hands a batch to the intake.
///
/// # Errors
/// When an address can't be looked up or the intake can't keep the batch: none of it counts as delivered then.
pub(super) async fn keep(client: &Client, intake: &dyn Intake, batch: &[InboundMessage]) -> Result<()> {
    let mut kept = Vec::with_capacity(batch.len());
    for message in batch {
        if is_content(message) {
            let addresses = Addresses::of(client, &message.info).await?;
            let inbound = translate(message, addresses, client.push_name());
            kept.extend((!chat::is_ignored(&inbound.chat)).then_some(inbound));
        }
    }
    if kept.is_empty() { Ok(()) } else { intake.accept(kept).await }
}

/// Whether a person said something: not the account's devices among themselves, and no note about another message.
pub(super) fn is_content(message: &InboundMessage) -> bool {
    message.info.category != MessageCategory::Peer && !message.message.get_base_message().protocol_message.is_set()
}

/// Who said it and where.
pub(super) struct Addresses {
    pub chat: Address,
    pub sender: Address,
}

/// Without a device.
#[derive(Clone)]
pub(super) struct Address {
    /// By phone number where it is known (M9).
    pub jid: Jid,
    /// The LID beside the number, where both are known.
    pub lid: Option<Jid>,
}

impl From<Jid> for Address {
    fn from(jid: Jid) -> Self {
        Address { jid: jid.to_non_ad(), lid: None }
    }
}

impl Addresses {
    async fn of(client: &Client, info: &MessageInfo) -> Result<Self> {
        let own = client.pn().map(|own| own.to_non_ad());
        let own_lid = client.lid().map(|lid| lid.user);
        // The library has learned the number from the message itself, where WhatsApp gave it.
        let address = async |jid: &Jid| match &own {
            Some(own) if jid.is_lid() && own_lid.as_ref() == Some(&jid.user) => Ok(own.clone().into()),
            _ => anyhow::Ok(match client.get_lid_pn_entry(jid).await? {
                Some(entry) => {
                    Address { jid: Jid::pn(entry.phone_number.as_ref()), lid: Some(Jid::lid(entry.lid.as_ref())) }
                }
                None => jid.clone().into(),
            }),
        };
        let sender = match &own {
            Some(own) if info.source.is_from_me => own.clone().into(),
            _ => address(&info.source.sender).await?,
        };
        Ok(Addresses { chat: address(&info.source.chat).await?, sender })
    }
}

/// `own_name` names the sender of our own messages, which come without one.
pub(super) fn translate(message: &InboundMessage, Addresses { chat, sender }: Addresses, own_name: String) -> Inbound {
    let info = &message.info;
    let given = if info.source.is_from_me && info.push_name.is_empty() { own_name } else { info.push_name.clone() };
    let sender_name = if given.is_empty() { sender.jid.user.to_string() } else { given.clone() };
    Inbound {
        id: info.id.clone(),
        chat_name: (chat.jid == sender.jid && !given.is_empty()).then_some(given),
        chat: chat::Jid::new(chat.jid.to_string()),
        chat_lid: chat.lid.map(|lid| chat::Jid::new(lid.to_string())),
        sender: sender.jid.to_string(),
        sender_lid: sender.lid.map(|lid| lid.to_string()),
        sender_name,
        text: text(&message.message),
        sent_at: Timestamp::from_second(info.timestamp.timestamp()).unwrap_or(Timestamp::UNIX_EPOCH),
        from_me: info.source.is_from_me,
    }
}

/// M2: the text, the extended text, or a caption.
fn text(message: &wa::Message) -> Option<String> {
    let text = message.text_content().or_else(|| message.get_caption())?;
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use whatsapp_rust::{
        prelude::{MessageBuilderExt, MessageField},
        types::message::MessageSource,
    };

    fn image(caption: Option<&str>) -> wa::Message {
        let image = wa::message::ImageMessage { caption: caption.map(str::to_owned), ..Default::default() };
        wa::Message { image_message: MessageField::some(image), ..Default::default() }
    }

    fn wrapped(inner: wa::Message) -> MessageField<wa::message::FutureProofMessage> {
        MessageField::some(wa::message::FutureProofMessage { message: MessageField::some(inner) })
    }

    fn reaction() -> wa::Message {
        let reaction = wa::message::ReactionMessage { text: Some("👍".into()), ..Default::default() };
        wa::Message { reaction_message: MessageField::some(reaction), ..Default::default() }
    }

    fn message(message: wa::Message, info: MessageInfo) -> InboundMessage {
        InboundMessage::builder().message(Arc::new(message)).info(Arc::new(info)).build()
    }

    #[test]
    fn content_is_text_extended_text_or_a_caption() {
        // M2
        let extended = wa::message::ExtendedTextMessage { text: Some("a link".into()), ..Default::default() };
        let video = wa::message::VideoMessage { caption: Some("a film".into()), ..Default::default() };
        let document = wa::message::DocumentMessage { caption: Some("a paper".into()), ..Default::default() };
        for (message, expect) in [
            (wa::Message::text("hello"), Some("hello")),
            (wa::Message { extended_text_message: MessageField::some(extended), ..Default::default() }, Some("a link")),
            (image(Some("a picture")), Some("a picture")),
            (wa::Message { video_message: MessageField::some(video), ..Default::default() }, Some("a film")),
            (
                wa::Message { document_message: MessageField::some(document.clone()), ..Default::default() },
                Some("a paper"),
            ),
            (
                wa::Message {
                    document_with_caption_message: wrapped(wa::Message {
                        document_message: MessageField::some(document),
                        ..Default::default()
                    }),
                    ..Default::default()
                },
                Some("a paper"),
            ),
            (
                wa::Message { ephemeral_message: wrapped(wa::Message::text("gone soon")), ..Default::default() },
                Some("gone soon"),
            ),
            (wa::Message { view_once_message_v2: wrapped(image(Some("once"))), ..Default::default() }, Some("once")),
            (image(None), None),
            (wa::Message::text(""), None),
            (reaction(), None),
            (wa::Message::default(), None),
        ] {
            assert_eq!(text(&message).as_deref(), expect);
        }
    }

    #[test]
    fn devices_talking_among_themselves_are_no_content() {
        // M1
        let note = wa::Message {
            protocol_message: MessageField::some(wa::message::ProtocolMessage::default()),
            ..Default::default()
        };
        let peer = MessageInfo { category: MessageCategory::Peer, ..Default::default() };
        assert!(!is_content(&message(note.clone(), MessageInfo::default())));
        assert!(!is_content(&message(
            wa::Message { edited_message: wrapped(note), ..Default::default() },
            MessageInfo::default()
        )));
        assert!(!is_content(&message(wa::Message::text("sync"), peer)));
        // A reaction has no text, but its chat was active.
        assert!(is_content(&message(reaction(), MessageInfo::default())));
        assert!(is_content(&message(wa::Message::text("hello"), MessageInfo::default())));
    }

    #[test]
    fn names_are_the_senders_or_else_the_number() {
        // M1
        let (alice, group) = (Jid::pn("15550002222"), "120363000000000001@g.us".parse::<Jid>().unwrap());
        let me = Jid::pn("15550001111");
        for (chat, sender, from_me, given, sender_name, chat_name) in [
            (&alice, &alice, false, "Alice", "Alice", Some("Alice")),
            (&alice, &alice, false, "", "15550002222", None),
            (&group, &alice, false, "Alice", "Alice", None),
            (&alice, &me, true, "", "Owner", None),
            (&me, &me, true, "", "Owner", Some("Owner")),
        ] {
            let source = MessageSource { is_from_me: from_me, ..Default::default() };
            let info = MessageInfo { source, push_name: given.into(), ..Default::default() };
            let addresses = Addresses { chat: chat.clone().into(), sender: sender.clone().into() };
            let inbound = translate(&message(wa::Message::text("hi"), info), addresses, "Owner".into());
            assert_eq!((inbound.sender_name.as_str(), inbound.chat_name.as_deref()), (sender_name, chat_name));
            assert_eq!((inbound.chat.as_str(), inbound.from_me), (chat.to_string().as_str(), from_me));
        }
    }
}
