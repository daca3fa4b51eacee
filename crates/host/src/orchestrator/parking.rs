//! Work that waits for a sign-in to Kiro: said once in its chat, counted for the status, and told when it goes on (K3).
//!
//! What waits, and in which order it goes on, is the queue's to decide. That messages are not lost is no doing of this part:
//! they stay before the cursor. Called by the loop, by the ends of runs, and by whoever learns who is signed in.

use anyhow::Result;
use nanoclaw_core::{
    chat::{Jid, Seq},
    failure::{Access, Failure, Fate},
    group::{Folder, Group},
    kiro::SignIn,
    problem::Trouble,
    prompt,
    queue::Event,
    run,
    trigger::Trigger,
};
use nanoclaw_protocol::Cause;

use super::{State, now};
use crate::store::{
    Transaction, cursors, messages,
    outbox::{self, Outgoing},
    parked,
};

fn goes_on(access: Access) -> &'static str {
    match access {
        Access::SignIn => "Kiro is signed in again, and I go on.",
        Access::Key | Access::NoKey => "Kiro takes the API key, and I go on.",
    }
}

impl State {
    /// What a cause comes to for the agents as they are now (K4).
    pub(super) fn failure(&self, cause: Cause) -> Failure {
        Failure::of(cause, self.kiro.access(), self.settings.runtime)
    }

    /// A fresh `whoami` says that Kiro is signed in, or an agent has answered: what waits for that goes on.
    pub(super) async fn kiro_signed_in(&mut self) {
        self.signed_out_by = None;
        let waits = |trouble: &Trouble| matches!(trouble, Trouble::RunFailed { failure, .. } if failure.row().fate == Fate::Park);
        self.recorded.retain(|trouble| !waits(trouble));
        self.tell_queue(Event::SignIn(SignIn::SignedIn)).await;
    }

    /// What is known of the sign-in that runs use has changed, or was asked anew (K1).
    pub(super) async fn sign_in_seen(&mut self) {
        match self.kiro.of_runs(self.settings.runtime).map(|seen| seen.state) {
            _ if self.kiro.access() == Access::NoKey => self.tell_queue(Event::SignIn(SignIn::SignedOut)).await,
            Some(SignIn::SignedIn) => self.kiro_signed_in().await,
            state => self.tell_queue(Event::SignIn(state.unwrap_or(SignIn::Unknown))).await,
        }
    }

    /// A chat's work waits from now on; the chat is told, unless it was since something was last answered there. False: there is
    /// none, as another hand-over took it along.
    pub(super) async fn park(&mut self, folder: &Folder) -> Result<bool> {
        let Some(group) = self.groups.get(folder).cloned() else { return Ok(false) };
        let has_messages = self.owes(&group).await?;
        if !has_messages && self.queue.waiting().iter().all(|one| one.folder != *folder || one.tasks == 0) {
            return Ok(false);
        }
        // That its last run failed is not the news any more.
        self.note_failure(folder, None);
        tracing::warn!(group = folder.as_str(), "Kiro refuses agents; what is to be done waits");
        let waits = if has_messages { "Your messages wait" } else { "A scheduled task waits" };
        let row = self.failure(self.signed_out_by.unwrap_or(Cause::SignedOut)).row();
        let text = format!("I can't answer now: {} {} {waits} until then.", row.wrong, row.helps);
        let notice = self.notice(&group.jid, folder.as_str(), &text);
        self.store
            .write(move |db| if parked::tell(db, &group.jid)? { outbox::add(db, &notice, now()) } else { Ok(()) })
            .await?;
        self.flush().await.map(|()| true)
    }

    /// There was nothing to do for a chat after all: where nothing is owed to it, its next wait is told again.
    pub(super) async fn waits_no_more(&mut self, folder: &Folder) {
        let Some(group) = self.groups.get(folder).cloned() else { return };
        let forgotten = match self.owes(&group).await {
            Ok(false) => self.store.write(move |db| parked::forget(db, &group.jid).map(drop)).await,
            owes => owes.map(drop),
        };
        if let Err(error) = forgotten {
            self.note_internal(&error);
        }
    }

    /// What goes before the first answer in a chat that was told to wait.
    pub(super) fn goes_on(&self, chat: &Jid, run: &str) -> impl FnOnce(&Transaction<'_>) -> Result<()> + use<> {
        let (chat, notice) = (chat.clone(), self.notice(chat, run, goes_on(self.kiro.access())));
        move |db| if parked::forget(db, &chat)? { outbox::add(db, &notice, now()) } else { Ok(()) }
    }

    fn notice(&self, chat: &Jid, about: &str, text: &str) -> Outgoing {
        let text = prompt::signed(text, &self.settings.assistant_name, self.settings.own_number);
        let about = format!("{about}-{}", now().as_millisecond());
        Outgoing { id: run::message_id(&about, 0, u64::MAX), chat: chat.clone(), text }
    }

    /// Counts what waits, for the status.
    pub(super) async fn count_parked(&mut self) -> Result<()> {
        let parked: Vec<_> = self.queue.waiting().into_iter().filter(|waiting| waiting.parked).collect();
        let mut count = 0;
        for waiting in parked {
            count += waiting.tasks as u64;
            if let Some(group) = self.groups.get(&waiting.folder).filter(|_| waiting.messages) {
                count += self.owed(group).await?.len() as u64;
            }
        }
        self.kiro.parked = count;
        Ok(())
    }

    /// Whether a chat has unseen messages that want an answer (C3, M3).
    pub(super) async fn owes(&self, group: &Group) -> Result<bool> {
        Ok(!self.owed(group).await?.is_empty())
    }

    /// Its unseen messages that want an answer, as far as they go into one hand-over.
    pub(super) async fn owed(&self, group: &Group) -> Result<Vec<Seq>> {
        let trigger = Trigger::of(group, &self.settings.assistant_name);
        let chat = group.jid.clone();
        self.store.read(move |db| messages::owed(db, &chat, cursors::get(db, &chat)?, &trigger)).await
    }
}
