//! Ends of runs: what was not answered goes back before the cursor, and a chat that gets no answer is told why (C1, C4, R5).

use anyhow::Result;
use nanoclaw_core::{
    chat::Jid,
    failure::{Failure, Fate},
    group::Folder,
    problem::Trouble,
    prompt,
    queue::{Event, Outcome, RunId},
    run,
    status::Wanted,
    trigger::Trigger,
};
use nanoclaw_protocol::Cause;

use super::{
    State,
    live::{LiveRun, Stopped, judge},
    now,
};
use crate::{
    logging::word,
    ports::{RunEnd, ToChannel},
    store::{
        cursors, messages,
        outbox::Outgoing,
        parked,
        trace::{self, Step},
    },
};

/// Why a run failed that nobody else knows a reason for (C4).
pub(super) const NOT_PREPARED: &str = "something failed on the computer. NanoClaw's log says what.";

impl State {
    pub(super) async fn run_ended(&mut self, run: RunId, end: RunEnd) -> Result<()> {
        let Some(live) = self.runs.remove(&run) else { return Ok(()) };
        self.send_channel(ToChannel::Composing { chat: live.chat.clone(), on: false });
        let (mut outcome, mut failure) = judge(&live, &end);
        if self.wanted == Wanted::Quitting {
            // What quitting cut short is done again after the next start.
            (outcome, failure) = (Outcome::Lost, None);
        }
        if let Some(failure) = &failure {
            tracing::warn!(run, cause = word(&failure.cause), reason = failure.text, "The run ended badly");
        }
        let more = match self.settle(&run, &live, failure.as_ref()).await {
            Ok((finished, more)) => {
                if finished {
                    outcome = Outcome::Done;
                }
                more
            }
            Err(error) => {
                // What is left open is settled by the next hand-over in this chat.
                self.note_internal(&error);
                outcome = Outcome::Failed(Fate::Retry);
                true
            }
        };
        if let Some(failure) = failure.as_ref().filter(|failure| failure.row().fate == Fate::Park) {
            self.kiro_refused(failure.cause);
        }
        match outcome {
            Outcome::Failed(_) if failure.is_some() => self.note_failure(&live.folder, failure),
            Outcome::Done => self.note_failure(&live.folder, None),
            Outcome::Failed(_) | Outcome::Lost => {}
        }
        self.tell_queue(Event::Ended { run, outcome, more }).await;
        if live.stopped == Some(Stopped::Restart) {
            self.tell_queue(Event::KeepWarm(live.folder.clone())).await;
        }
        // A chat that was given another folder meanwhile is asked under that one.
        if let Some(group) = self.group_of(&live.chat).filter(|group| group.folder != live.folder).cloned()
            && self.owes(&group).await?
        {
            self.tell_queue(Event::Message(group.folder)).await;
        }
        Ok(())
    }

    /// What became of a run's turns and task is written down: whether its task has come to its end, and whether the folder's
    /// chat still wants an answer.
    async fn settle(&mut self, run: &str, live: &LiveRun, failure: Option<&Failure>) -> Result<(bool, bool)> {
        let reason = failure.map(|failure| failure.text.as_str());
        let until = match live.stopped {
            Some(Stopped::Dropped(until)) => Some(until),
            Some(Stopped::Restart) | None => None,
        };
        let dropped = until.is_some();
        // A person who stops a run wants no answer to what it was given; it is said, so that nobody waits for one.
        let (chat, of_run, open) = (live.chat.clone(), run.to_owned(), live.open.clone());
        let why = reason.unwrap_or("The run was cut short.").to_owned();
        let fate = failure.map(|failure| failure.row().fate);
        let trigger = self.group_of(&chat).map(|group| Trigger::of(group, &self.settings.assistant_name));
        let lets_go = self
            .store
            .write(move |db| {
                let given = trace::of_turns(db, &open)?.into_iter();
                let (given, later): (Vec<_>, _) = given.partition(|seq| until.is_none_or(|until| *seq <= until));
                if let Some(until) = until {
                    trace::take(db, later, Step::Retried, now(), None)?;
                    cursors::drop_turns(db, &open, until)?;
                    parked::forget(db, &chat)?;
                }
                let lets_go = dropped && !given.is_empty();
                cursors::settle(db, &chat, &of_run)?;
                let owed = match trigger {
                    Some(trigger) => messages::owed(db, &chat, cursors::get(db, &chat)?, &trigger)?,
                    None => Vec::new(),
                };
                let step = match fate {
                    _ if dropped => Step::Stopped,
                    // Its chat may not be registered any more, or call its agent by another trigger.
                    _ if owed.is_empty() => Step::Failed,
                    Some(Fate::Park) => Step::Parked,
                    _ => Step::Retried,
                };
                trace::take(db, given, step, now(), (!dropped).then_some(why.as_str()))?;
                Ok(lets_go)
            })
            .await?;
        if lets_go && live.task.is_none() {
            self.tell_chat(&live.chat, run, "I was stopped before I could answer.").await?;
        }
        let finished = self.task_ended(live, dropped, reason).await?;
        let group = self.groups.get(&live.folder).cloned();
        let more = match &group {
            Some(group) => self.owes(group).await?,
            None => false,
        };
        let is_served = group.is_some_and(|group| group.jid == live.chat);
        if is_served && !more && !dropped && live.task.is_none() && !live.open.is_empty() {
            // C1, C4: it had said something already, so it is not asked again, and somebody waits for the rest.
            let reason = reason.unwrap_or("my work was cut short.");
            self.tell_chat(&live.chat, run, &format!("I could not finish: {reason} Write again to have me go on."))
                .await?;
        }
        Ok((finished, more))
    }

    /// C4: after the last retry the chat is told, and what it waited for is not tried again by itself.
    pub(super) async fn give_up(&mut self, folder: &Folder) -> Result<()> {
        let Some(group) = self.groups.get(folder).cloned() else { return Ok(()) };
        let reason = self
            .recorded
            .iter()
            .find_map(|trouble| match trouble {
                Trouble::RunFailed { folder: failed, failure, .. } if failed == folder => Some(failure.text.clone()),
                _ => None,
            })
            .unwrap_or_else(|| NOT_PREPARED.to_owned());
        let tasks = self.give_up_tasks(folder, &reason).await?;
        let text = if tasks > 0 && !self.owes(&group).await? {
            format!("A scheduled task could not be done: {reason} It is tried again at its next time.")
        } else {
            format!("I could not answer: {reason} Your messages are kept; write again to have me try once more.")
        };
        let (trigger, chat) = (Trigger::of(&group, &self.settings.assistant_name), group.jid.clone());
        self.store
            .write(move |db| {
                parked::forget(db, &chat)?;
                let owed = messages::owed(db, &chat, cursors::get(db, &chat)?, &trigger)?;
                trace::give_up(db, owed, now(), &reason)
            })
            .await?;
        self.tell_chat(&group.jid, &format!("{folder}-{}", now().as_millisecond()), &text).await
    }

    /// Says something of NanoClaw's own in a chat.
    async fn tell_chat(&mut self, chat: &Jid, about: &str, text: &str) -> Result<()> {
        let text = prompt::signed(text, &self.settings.assistant_name, self.settings.own_number);
        self.say(Outgoing { id: run::message_id(about, 0, u64::MAX), chat: chat.clone(), text }, None).await
    }

    /// An agent has answered: what would have kept every agent from it is over, whichever chat it was seen in.
    pub(super) fn agents_answer(&mut self) {
        let is_over =
            |failure: &Failure| matches!(failure.cause, Cause::Network | Cause::Quota | Cause::Missing | Cause::Old);
        self.recorded.retain(|trouble| !matches!(trouble, Trouble::RunFailed { failure, .. } if is_over(failure)));
    }

    /// The last failure of a chat's runs stands in the status until one goes well.
    pub(super) fn note_failure(&mut self, folder: &Folder, failure: Option<Failure>) {
        let Some(group) = self.groups.get(folder) else { return };
        let chat = group.name.clone();
        self.recorded
            .retain(|trouble| !matches!(trouble, Trouble::RunFailed { folder: failed, .. } if failed == folder));
        let failed = |failure| Trouble::RunFailed { folder: folder.clone(), chat, failure };
        self.recorded.extend(failure.map(failed));
    }
}
