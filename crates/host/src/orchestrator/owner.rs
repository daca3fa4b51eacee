//! What the owner asks of NanoClaw itself in the main chat, answered at once and without an agent (core's `owner`).
//!
//! Such a message waits in the store from its arrival until its answer is in the outbox, so that it is answered once,
//! whatever dies when (C1, M13).

use anyhow::Result;
use nanoclaw_core::{
    chat::{Message, Seq},
    group::{Folder, Group},
    owner::{self, Order},
    prompt,
    queue::Event,
    run,
    trigger::Trigger,
};

use super::{State, live::Stopped, now, outgoing::RESEND};
use crate::store::{
    cursors, messages,
    outbox::{self, Outgoing},
    parked,
    trace::{self, Step},
};

impl State {
    /// Answers all that waits for it; what can't be answered now is answered later.
    pub(super) async fn answer_owner(&mut self) -> Result<()> {
        self.answer_at = None;
        let answered = self.answer_orders().await;
        if answered.is_err() {
            self.answer_at = Some(now() + RESEND);
        }
        answered
    }

    async fn answer_orders(&mut self) -> Result<()> {
        for asked in self.store.read(messages::for_host).await? {
            let said = match owner::order(&asked.content) {
                Some(Order::Stop) => owner::stopped(&self.stop_main(&asked).await?),
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
            self.all_kept();
        }
        self.flush().await
    }

    /// Stops main's run, and drops what was asked before the order and waits for the next; without a run, tasks as well.
    async fn stop_main(&mut self, asked: &Message) -> Result<owner::Stopped> {
        let main = Folder::main();
        let group = self.group_of(&asked.chat).filter(|group| group.is_main()).cloned();
        if let Some(run) = self.queue.run_of(&main).cloned() {
            self.stop_run(&run, Stopped::Dropped(asked.seq));
            let waited = match &group {
                Some(group) => self.let_go(group, &run, asked.seq).await?,
                None => false,
            };
            let container = self.runs.get(&run).map(|live| live.container.clone());
            return Ok(container.map_or(owner::Stopped::Nothing, |container| owner::Stopped::Run { container, waited }));
        }
        let waits = self.queue.waiting().iter().any(|waiting| waiting.folder == main);
        let Some(group) = group.filter(|_| waits) else { return Ok(owner::Stopped::Nothing) };
        self.give_up_tasks(&main, "It was stopped.").await?;
        self.let_go(&group, "", asked.seq).await?;
        self.tell_queue(Event::Dropped(main.clone())).await;
        if self.owes(&group).await? {
            self.tell_queue(Event::Message(main)).await;
        }
        Ok(owner::Stopped::Waiting)
    }

    /// No run is given what waits in main and came before `until`: whether there was any. `run`: its present one.
    async fn let_go(&mut self, group: &Group, run: &str, until: Seq) -> Result<bool> {
        let trigger = Trigger::of(group, &self.settings.assistant_name);
        let (chat, run) = (group.jid.clone(), run.to_owned());
        let waited = self
            .store
            .write(move |db| {
                parked::forget(db, &chat)?;
                let let_go = cursors::let_go(db, &chat, &run, until, &trigger)?;
                let waited = !let_go.is_empty();
                trace::take(db, let_go, Step::Stopped, now(), None)?;
                Ok(waited)
            })
            .await?;
        self.queued.entry(group.folder.clone()).or_default().retain(|seq, _| *seq > until);
        Ok(waited)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{orchestrator::world::World, ports::RunEnd};

    #[tokio::test]
    async fn what_comes_after_an_order_to_stop_goes_on() {
        // C1: all of it at once, as after an absence, so that the run was given what comes after the order as well.
        let mut world = World::with_chats(&["main"]).await;
        world.hears_all("main", &["one", "/stop", "two"]).await;
        let end = || RunEnd::Exited { code: 143, stderr: String::new() };
        let given = async |world: &World| {
            let run = world.run("main").unwrap();
            let open = world.state.runs[&run].open.clone();
            (run, world.state.store.read(move |db| trace::of_turns(db, &open)).await.unwrap())
        };
        let (run, all) = given(&world).await;
        assert_eq!(all, [1, 3]);
        world.state.run_ended(run, end()).await.unwrap();
        let (run, rest) = given(&world).await;
        assert_eq!(rest, [3]);
        // By a click all of it is stopped.
        world.state.stop_run(&run, Stopped::Dropped(Seq::MAX));
        world.state.run_ended(run, end()).await.unwrap();
        assert!(world.run("main").is_none());
    }
}
