//! The way from the outbox to WhatsApp (M13): one text a chat at a time, the next when the server has it.

use anyhow::Result;
use jiff::{SignedDuration, Timestamp};
use nanoclaw_core::{chat::Jid, pace::Pace, problem::Trouble, queue::retry_after};

use super::{State, now};
use crate::{
    logging::word,
    moment::moment,
    ports::{Obstacle, ToChannel},
    store::{
        Transaction, cursors,
        outbox::{self, Outgoing},
        trace::{self, Step},
    },
};

/// How long after a failure that was no refusal texts are tried again while the link is up.
pub(super) const RESEND: SignedDuration = SignedDuration::from_secs(5);

/// A text that did not go out, and holds up what is behind it in its chat.
#[derive(Debug, PartialEq)]
pub(super) struct Held {
    id: String,
    /// How often it was refused.
    refusals: u32,
    /// When it is tried again.
    until: Timestamp,
}

impl Held {
    /// Puts a text off, longer after each refusal, as runs are (Q4); None when it is given up. `before`: what was held last
    /// in its chat.
    fn anew(before: Option<&Held>, id: &str, obstacle: Obstacle, now: Timestamp) -> Option<Held> {
        let refusals = before.filter(|held| held.id == id).map_or(0, |held| held.refusals);
        let (wait, refusals) = match obstacle {
            Obstacle::OutOfReach => (RESEND, refusals),
            Obstacle::Passing => (retry_after(refusals)?, refusals + 1),
            Obstacle::Lasting => return None,
        };
        Some(Held { id: id.to_owned(), refusals, until: now + wait })
    }
}

impl State {
    /// Gives the channel what waits, as far as the link is up and the chat has nothing under way.
    pub(super) async fn flush(&mut self) -> Result<()> {
        let read = self.store.read(|db| Ok((outbox::heads(db)?, outbox::counts(db)?))).await;
        let now = now();
        self.resend_at = self.held.values().map(|held| held.until).filter(|until| *until > now).min();
        let (heads, counts) = read.inspect_err(|_| self.resend_at = Some(now + RESEND))?;
        self.waiting_out = counts;
        if !self.link.is_connected() {
            return Ok(());
        }
        self.paces.retain(|_, pace| !pace.is_full(now));
        for Outgoing { id, chat, text } in heads {
            let waits = self.held.get(&chat).is_some_and(|held| held.id == id && held.until > now);
            if !waits && !self.in_flight.contains_key(&chat) {
                let pace = self.paces.entry(chat.clone()).or_insert_with(|| Pace::new(now));
                if let Err(may_go) = pace.take(now) {
                    self.resend_at = Some(self.resend_at.map_or(may_go, |at| at.min(may_go)));
                    continue;
                }
                self.in_flight.insert(chat.clone(), (id.clone(), now));
                self.send_channel(ToChannel::Send { id, chat, text });
            }
        }
        Ok(())
    }

    pub(super) async fn acked(&mut self, id: String) -> Result<()> {
        moment("acked");
        let landed = self.landed(&id);
        let (acked, sent) = (id.clone(), landed.as_ref().map(|(_, sent)| *sent));
        self.keep_end(move |db| outbox::acked(db, &acked, sent, now())).await?;
        tracing::info!(id, "Message sent");
        if let Some((chat, _)) = landed {
            self.held.remove(&chat);
            self.recorded
                .retain(|trouble| !matches!(trouble, Trouble::SendFailed { jid: failed, .. } if *failed == chat));
        }
        self.flush().await
    }

    pub(super) async fn not_sent(&mut self, id: String, reason: String, obstacle: Obstacle) -> Result<()> {
        tracing::warn!(id, reason, obstacle = word(&obstacle), "Message not sent");
        if let Some((chat, _)) = self.landed(&id) {
            if let Some(held) = Held::anew(self.held.get(&chat), &id, obstacle, now()) {
                self.held.insert(chat, held);
                return self.flush().await;
            }
            self.held.remove(&chat);
            let group = self.groups.values().find(|group| group.jid == chat);
            let name = group.map_or_else(|| chat.to_string(), |group| group.name.clone());
            self.recorded.insert(Trouble::SendFailed { jid: chat, chat: name, reason: reason.clone() });
        } else if obstacle != Obstacle::Lasting {
            return self.flush().await;
        }
        self.keep_end(move |db| outbox::failed(db, &id, &reason, now())).await?;
        self.flush().await
    }

    /// Keeps what became of a text. Where that can't be kept the text goes again: under its id it is one message.
    async fn keep_end(&mut self, end: impl FnOnce(&Transaction<'_>) -> Result<()> + Send + 'static) -> Result<()> {
        self.store.write(end).await.inspect_err(|_| self.resend_at = Some(now() + RESEND))
    }

    /// Gives what was given up another chance. Returns how many texts that are.
    pub(super) async fn resend(&mut self, chat: Option<Jid>) -> Result<usize> {
        let meant = chat.clone();
        let again = self.store.write(move |db| outbox::resend(db, meant.as_ref())).await?;
        let goes = |of: &Jid| chat.as_ref().is_none_or(|chat| chat == of);
        self.recorded.retain(|trouble| !matches!(trouble, Trouble::SendFailed { jid, .. } if goes(jid)));
        self.flush().await?;
        Ok(again)
    }

    /// What was under way is not known to have arrived; all goes again with the next connection.
    pub(super) fn link_lost(&mut self) {
        self.in_flight.clear();
        self.held.values_mut().for_each(|held| held.until = Timestamp::MIN);
    }

    /// Keeps a text in the outbox and sets it on its way. `answered`: the turn that it closes.
    pub(super) async fn say(&mut self, outgoing: Outgoing, answered: Option<u64>) -> Result<()> {
        self.store
            .write(move |db| {
                outbox::add(db, &outgoing, now())?;
                trace::take_turns(db, answered.as_slice(), Step::Outbox, now(), Some(&outgoing.id))?;
                cursors::close_turns(db, answered.as_slice())
            })
            .await?;
        self.flush().await
    }

    /// A text is under way no more: its chat, and when it was given to the channel.
    fn landed(&mut self, id: &str) -> Option<(Jid, Timestamp)> {
        let chat = self.in_flight.iter().find(|(_, (flying, _))| flying == id).map(|(chat, _)| chat.clone())?;
        let (_, sent) = self.in_flight.remove(&chat)?;
        Some((chat, sent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::orchestrator::world::{World, jid};

    #[tokio::test]
    async fn where_its_end_cant_be_kept_a_text_goes_again() {
        // M13
        let mut world = World::with_chats(&["main"]).await;
        world.state.in_flight.insert(jid("main"), ("a".to_owned(), now()));
        world.state.store.write(|db| Ok(db.execute_batch("ALTER TABLE outbox RENAME TO away")?)).await.unwrap();
        assert!(world.state.acked("a".to_owned()).await.is_err());
        assert!(world.state.in_flight.is_empty());
        assert_eq!(world.state.resend_at, Some(now() + RESEND));
    }

    #[test]
    fn a_text_is_given_up_after_as_many_refusals_as_a_run() {
        // M13
        let now = Timestamp::UNIX_EPOCH;
        let mut held: Option<Held> = None;
        for seconds in [5, 10, 20, 40, 80] {
            // Not to be reached is no refusal, however often.
            for _ in 0..10 {
                held = Held::anew(held.as_ref(), "a", Obstacle::OutOfReach, now);
                assert_eq!(held.as_ref().unwrap().until, now + RESEND);
            }
            held = Held::anew(held.as_ref(), "a", Obstacle::Passing, now);
            assert_eq!(held.as_ref().unwrap().until, now + SignedDuration::from_secs(seconds));
        }
        assert_eq!(Held::anew(held.as_ref(), "a", Obstacle::Passing, now), None);
        assert_eq!(Held::anew(None, "a", Obstacle::Lasting, now), None);
        // What is behind it begins anew.
        assert_eq!(Held::anew(held.as_ref(), "b", Obstacle::Passing, now).unwrap().refusals, 1);
    }
}
