//! Texts that go out: one at a time per chat and in order, each under the id that it was given (M13).
//!
//! The outbox that survives a crash is the orchestrator's; here a text is tried once and answered for.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use nanoclaw_core::chat;
use tokio::{
    sync::oneshot,
    task::{self, JoinSet},
    time::timeout,
};
use tracing::debug;
use whatsapp_rust::{
    Client, ClientError, IqError, Jid, SendError, SendOptions,
    prelude::{MessageBuilderExt, wa},
    types::events::ServerAck,
};

use super::voice::Voice;
use crate::{
    moment::moment,
    ports::{FromChannel, Obstacle},
};

/// How long a text may take to be encrypted, sent and acknowledged.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

struct Outgoing {
    id: String,
    text: String,
}

struct Failure {
    reason: String,
    obstacle: Obstacle,
}

/// Texts that have not been answered for.
#[derive(Default)]
pub(super) struct Outbound {
    /// By chat, the first of each on its way. No entry is empty.
    lanes: HashMap<chat::Jid, VecDeque<Outgoing>>,
    running: JoinSet<Result<(), Failure>>,
    chats: HashMap<task::Id, chat::Jid>,
    /// By message id, where the server's answer goes.
    acks: HashMap<String, oneshot::Sender<ServerAck>>,
}

impl Outbound {
    /// Takes a text. One that is on its way already is answered for once.
    pub fn push(&mut self, client: &Arc<Client>, patience: Duration, id: String, chat: chat::Jid, text: String) {
        if self.lanes.values().flatten().any(|waiting| waiting.id == id) {
            return;
        }
        let lane = self.lanes.entry(chat.clone()).or_default();
        lane.push_back(Outgoing { id, text });
        if lane.len() == 1 {
            self.start(client, patience, chat);
        }
    }

    fn start(&mut self, client: &Arc<Client>, patience: Duration, chat: chat::Jid) {
        let Some(Outgoing { id, text }) = self.lanes.get(&chat).and_then(VecDeque::front) else { return };
        let (sender, ack) = oneshot::channel();
        self.acks.insert(id.clone(), sender);
        let send = send(Arc::clone(client), chat.clone(), id.clone(), text.clone(), ack);
        let task = self.running.spawn(async move {
            timeout(patience, send)
                .await
                .unwrap_or_else(|_| Err(Failure::new(Obstacle::Passing, "WhatsApp did not answer in time")))
        });
        self.chats.insert(task.id(), chat);
    }

    /// The server has answered for a stanza of ours, which may be a text.
    pub fn acked(&mut self, ack: &ServerAck) {
        if ack.class.as_deref().is_none_or(|class| class == "message")
            && let Some(waiting) = self.acks.remove(&ack.id)
        {
            let _ = waiting.send(ack.clone());
        }
    }

    /// The next answer. Nothing is lost when this is dropped.
    pub async fn next(&mut self, client: &Arc<Client>, patience: Duration) -> FromChannel {
        loop {
            let (task, result) = match self.running.join_next_with_id().await {
                Some(Ok(ended)) => ended,
                Some(Err(panicked)) => {
                    (panicked.id(), Err(Failure::new(Obstacle::Passing, "sending failed unexpectedly")))
                }
                None => std::future::pending().await,
            };
            if let Some(answer) = self.answer(task, result) {
                if let Some(chat) = answer.1 {
                    self.start(client, patience, chat);
                }
                return answer.0;
            }
        }
    }

    /// The answer for an ended task, and its chat if more waits there.
    fn answer(&mut self, task: task::Id, result: Result<(), Failure>) -> Option<(FromChannel, Option<chat::Jid>)> {
        let chat = self.chats.remove(&task)?;
        let lane = self.lanes.get_mut(&chat)?;
        let Outgoing { id, .. } = lane.pop_front()?;
        let more = !lane.is_empty();
        if !more {
            self.lanes.remove(&chat);
        }
        self.acks.remove(&id);
        let answer = match result {
            Ok(()) => FromChannel::Acked { id },
            Err(Failure { reason, obstacle }) => FromChannel::NotSent { id, reason, obstacle },
        };
        Some((answer, more.then_some(chat)))
    }

    /// The connection has gone. Whether the server has what was on its way is unknown: it goes again under its id, and
    /// the contact's phone shows one message.
    pub fn give_up(&mut self, voice: &Voice) {
        for waiting in std::mem::take(self).lanes.into_values().flatten() {
            voice.not_sent(waiting.id, "the connection to WhatsApp was lost");
        }
    }
}

/// The library's own success means only that the stanza was written; that the server has it is told by its ack, which
/// comes as an event, and names an error for a text that it threw away.
async fn send(
    client: Arc<Client>,
    chat: chat::Jid,
    id: String,
    text: String,
    ack: oneshot::Receiver<ServerAck>,
) -> Result<(), Failure> {
    let to: Jid = chat.as_str().parse().map_err(|_| Failure::new(Obstacle::Lasting, "that is no WhatsApp address"))?;
    debug!(%id, %chat, "sending");
    let options = SendOptions::default().with_message_id(id);
    client.send_message_with_options(to, wa::Message::text(text), options).await.map_err(Failure::from)?;
    moment("sent");
    match ack.await {
        Ok(ServerAck { error: None, .. }) => Ok(()),
        Ok(ServerAck { error: Some(code), .. }) => Err(Failure::refused(&code)),
        Err(_) => Err(Failure::new(Obstacle::OutOfReach, "the connection to WhatsApp was lost")),
    }
}

impl Failure {
    fn new(obstacle: Obstacle, reason: &str) -> Self {
        Failure { reason: reason.to_owned(), obstacle }
    }

    /// By the server's code: its own troubles, its limits on rate and a group whose members have just changed (421)
    /// pass, a bad or unwanted message stays one.
    fn refused(code: &str) -> Self {
        let lasts =
            code.parse::<u16>().is_ok_and(|code| (400..500).contains(&code) && ![408, 421, 429].contains(&code));
        let obstacle = if lasts { Obstacle::Lasting } else { Obstacle::Passing };
        Failure::new(obstacle, &format!("WhatsApp refused the message ({code})"))
    }
}

impl From<SendError> for Failure {
    /// The library's own words may name numbers, so they are no reason for people or logs.
    fn from(err: SendError) -> Self {
        debug!("not sent: {err:#}");
        match err {
            SendError::InvalidRequest(_) => Failure::new(Obstacle::Lasting, "WhatsApp can't send to this chat"),
            SendError::Iq(IqError::ServerError { code, .. }) => Failure::refused(&code.to_string()),
            SendError::NotLoggedIn
            | SendError::Client(ClientError::NotConnected | ClientError::Socket(_) | ClientError::EncryptSend(_))
            | SendError::Iq(IqError::NotConnected | IqError::Socket(_) | IqError::Disconnected(_)) => {
                Failure::new(Obstacle::OutOfReach, "WhatsApp is not connected")
            }
            _ => Failure::new(Obstacle::Passing, "the text could not be sent"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_refuses_for_good() {
        // M13
        for (code, permanent) in [
            ("400", true),
            ("404", true),
            ("463", true),
            ("479", true),
            ("408", false),
            ("421", false),
            ("429", false),
            ("500", false),
            ("503", false),
            ("?", false),
        ] {
            let obstacle = if permanent { Obstacle::Lasting } else { Obstacle::Passing };
            assert_eq!(Failure::refused(code).obstacle, obstacle, "{code}");
        }
        for (error, obstacle) in [
            (SendError::InvalidRequest("no".into()), Obstacle::Lasting),
            (SendError::NotLoggedIn, Obstacle::OutOfReach),
            (SendError::Client(ClientError::NotConnected), Obstacle::OutOfReach),
            (SendError::Internal(anyhow::anyhow!("no session")), Obstacle::Passing),
        ] {
            assert_eq!(Failure::from(error).obstacle, obstacle);
        }
    }
}
