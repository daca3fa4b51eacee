//! The way from the outbox to WhatsApp (M13): one text a chat at a time, the next when the server has it.

use anyhow::Result;
use jiff::SignedDuration;
use nanoclaw_core::{chat::Jid, problem::Trouble};

use super::{State, now};
use crate::{
    moment::moment,
    ports::ToChannel,
    store::{
        cursors,
        outbox::{self, Outgoing},
    },
};

/// How long after a failure texts are tried again while the link is up.
const RESEND: SignedDuration = SignedDuration::from_secs(5);

impl State {
    /// Gives the channel what waits, as far as the link is up and the chat has nothing under way.
    pub(super) async fn flush(&mut self) -> Result<()> {
        let read = self.store.read(|db| Ok((outbox::heads(db)?, outbox::counts(db)?))).await;
        self.held.retain(|_, until| *until > now());
        self.resend_at = self.held.values().min().copied();
        let (heads, counts) = read.inspect_err(|_| self.resend_at = Some(now() + RESEND))?;
        self.waiting_out = counts;
        if !self.link.is_connected() {
            return Ok(());
        }
        for Outgoing { id, chat, text } in heads {
            if !self.in_flight.contains_key(&chat) && !self.held.contains_key(&chat) {
                self.in_flight.insert(chat.clone(), id.clone());
                self.send_channel(ToChannel::Send { id, chat, text });
            }
        }
        Ok(())
    }

    pub(super) async fn acked(&mut self, id: String) -> Result<()> {
        moment("acked");
        let chat = self.landed(&id);
        let acked = id.clone();
        self.store.write(move |db| outbox::acked(db, &acked, now())).await?;
        tracing::info!(id, "Message sent");
        if let Some(chat) = chat {
            self.recorded.retain(
                |trouble| !matches!(trouble, Trouble::SendFailed { chat: failed, .. } if *failed == chat.as_str()),
            );
        }
        self.flush().await
    }

    pub(super) async fn not_sent(&mut self, id: String, reason: String, permanent: bool) -> Result<()> {
        tracing::warn!(id, reason, permanent, "Message not sent");
        let chat = self.landed(&id);
        if !permanent {
            self.held.extend(chat.map(|chat| (chat, now() + RESEND)));
            return self.flush().await;
        }
        if let Some(chat) = chat {
            self.recorded.insert(Trouble::SendFailed { chat: chat.to_string(), reason: reason.clone() });
        }
        self.store.write(move |db| outbox::failed(db, &id, &reason, now())).await?;
        self.flush().await
    }

    /// Keeps a text in the outbox and sets it on its way. `answered`: the turn that it closes.
    pub(super) async fn say(&mut self, outgoing: Outgoing, answered: Option<u64>) -> Result<()> {
        self.store
            .write(move |db| {
                outbox::add(db, &outgoing, now())?;
                cursors::close_turns(db, answered.as_slice())
            })
            .await?;
        self.flush().await
    }

    /// A text is under way no more: its chat.
    fn landed(&mut self, id: &str) -> Option<Jid> {
        let chat = self.in_flight.iter().find(|(_, flying)| *flying == id).map(|(chat, _)| chat.clone())?;
        self.in_flight.remove(&chat);
        Some(chat)
    }
}
