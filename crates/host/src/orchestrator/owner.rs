//! What the owner asks of NanoClaw itself in the main chat, answered at once and without an agent (core's `owner`).
//!
//! Such a message waits in the store from its arrival until its answer is in the outbox, so that it is answered once,
//! whatever dies when (C1, M13).

use anyhow::Result;
use nanoclaw_core::{
    group::Folder,
    owner::{self, Order},
    prompt, run,
};

use super::{State, live::Stopped, now};
use crate::store::{
    messages,
    outbox::{self, Outgoing},
    trace::{self, Step},
};

impl State {
    /// Answers all that waits for it.
    pub(super) async fn answer_owner(&mut self) -> Result<()> {
        for asked in self.store.read(messages::for_host).await? {
            let said = match owner::order(&asked.content) {
                Some(Order::Stop) => self.stop_main(),
                Some(Order::Status) | None => owner::report(&self.facts().status(now()), &self.settings.zone),
            };
            let text = prompt::signed(&said, &self.settings.assistant_name, self.settings.own_number);
            let about = format!("owner {} {} {}", asked.chat, asked.sender, asked.id);
            let answer = Outgoing { id: run::message_id(&about, 0, 0), chat: asked.chat, text };
            self.store
                .write(move |db| {
                    outbox::add(db, &answer, now())?;
                    trace::take(db, [asked.seq], Step::Outbox, now(), Some(&answer.id))?;
                    messages::answered_by_host(db, asked.seq)
                })
                .await?;
        }
        self.flush().await
    }

    fn stop_main(&mut self) -> String {
        let Some(run) = self.queue.run_of(&Folder::main()).cloned() else { return owner::stopped(None) };
        self.stop_run(&run, Stopped::Dropped);
        owner::stopped(self.runs.get(&run).map(|live| live.container.as_str()))
    }
}
