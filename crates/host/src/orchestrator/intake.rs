//! What arrives from WhatsApp, until it is durable (M12). Called by the channel, before it acknowledges.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use anyhow::{Context, Result, anyhow, ensure};
use async_trait::async_trait;
use nanoclaw_core::{
    chat::{Inbound, Message},
    owner,
    queue::Event,
    router::{self, Route},
    trigger::Trigger,
};
use tokio::sync::mpsc;

use super::{State, now};
use crate::{
    moment::moment,
    ports::Intake,
    store::{
        Store,
        messages::{self, Assistant},
        trace,
    },
};

pub(super) struct StoreIntake {
    pub store: Store,
    pub assistant: Assistant,
    /// Told what is new, once it is durable; or why it could not be kept.
    pub arrivals: mpsc::UnboundedSender<Result<Vec<Message>>>,
    /// Off while quitting: what is not accepted is delivered again after the next start (Q6).
    pub accepting: Arc<AtomicBool>,
}

#[async_trait]
impl Intake for StoreIntake {
    async fn accept(&self, batch: Vec<Inbound>) -> Result<()> {
        ensure!(self.accepting.load(Ordering::SeqCst), "NanoClaw is quitting");
        let received = now();
        let (store, assistant, arrivals) = (self.store.clone(), self.assistant.clone(), self.arrivals.clone());
        // The link may be cut while it waits. What is kept is told all the same: known when it comes again, it would be
        // told no more.
        let kept = tokio::spawn(async move {
            let kept = store
                .write(move |db| {
                    let new = messages::accept(db, &batch, &assistant)?;
                    trace::arrive(db, &new, received, now())?;
                    moment("keeping");
                    Ok(new)
                })
                .await;
            moment("stored");
            let held = kept.as_ref().map(|_| ()).map_err(|error| anyhow!("{error:#}"));
            if kept.as_ref().map_or(true, |new| !new.is_empty()) {
                // Without a loop nobody answers now; the next start finds the messages unseen (C3).
                let _ = arrivals.send(kept);
            }
            held
        });
        kept.await.context("what arrived could not be kept")?
    }
}

impl State {
    pub(super) async fn arrived(&mut self, messages: Vec<Message>) -> Result<()> {
        self.all_kept();
        let mut for_host = false;
        for message in messages {
            if let Some(pace) = self.paces.get_mut(&message.chat).filter(|_| !message.is_bot) {
                pace.earn();
            }
            let Some(group) = self.group_of(&message.chat) else { continue };
            if owner::asked(&message, group).is_some() {
                for_host = true;
                continue;
            }
            let trigger = Trigger::of(group, &self.settings.assistant_name);
            let folder = group.folder.clone();
            match router::route(&message, &trigger, self.queue.takes_messages(&folder)) {
                Route::Ignore => {}
                // The queue decides the same way, and remembers.
                Route::Pipe | Route::Enqueue => {
                    self.queued.entry(folder.clone()).or_default().insert(message.seq, now());
                    self.tell_queue(Event::Message(folder)).await;
                }
            }
        }
        if for_host { self.answer_owner().await } else { Ok(()) }
    }
}
