//! What agents ask for by files, done or refused and answered (I1–I8); and the snapshots that they read (R8).

use std::{collections::BTreeSet, mem};

use anyhow::Result;
use nanoclaw_core::{
    authorize::{Action, Refusal, authorize},
    group::{Folder, Group},
    problem::Trouble,
    prompt, run,
    schedule::Task,
    status::rfc3339,
};
use nanoclaw_protocol::ipc::{
    AVAILABLE_GROUPS, AvailableGroup, AvailableGroups, CURRENT_TASKS, CurrentTask, IpcFile, IpcRequest, IpcResult,
};

use super::{State, tasks::TaskChange};
use crate::{
    ipc::{FromIpc, Ticket},
    ports::ToChannel,
    store::{
        chats,
        outbox::{self, Outgoing},
        tasks,
    },
};

/// Characters of a reason.
const LONGEST_REASON: usize = 200;

impl State {
    /// `last`: no other request waits.
    pub(super) async fn asked_by_agent(&mut self, event: FromIpc, last: bool) {
        match event {
            FromIpc::Request { source, file, ticket } => self.agent_request(&source, *file, ticket, last).await,
            FromIpc::Refused { source, reason } => {
                tracing::warn!(%source, reason, "A file of an agent was refused");
                self.note_refusal(&source, reason);
            }
            FromIpc::Broke => {
                self.broke("the agents' requests");
                // It is told anew which groups have a run.
                self.ipc.live(BTreeSet::new());
            }
        }
    }

    async fn agent_request(&mut self, source: &Folder, file: IpcFile, ticket: Ticket, last: bool) {
        let kind = kind(&file.request);
        if self.cut_off.contains(source) {
            // C1: what it was asked is asked again, and then it would ask for this again.
            tracing::warn!(%source, kind, "A request of an agent whose work was cut off is left out");
            let reason = "NanoClaw was started anew meanwhile, and what you were asked is asked again.";
            return self.ipc.answer(ticket, IpcResult::Error(reason.to_owned()));
        }
        let done = match self.authorized(source, file.request).await {
            Ok(action) => self.act(source, action, &ticket).await.map_err(|trouble| trouble.problem().text),
            Err(Refusal::Bad(reason)) => Err(short(reason)),
            Err(Refusal::Denied(reason)) => {
                let reason = short(reason);
                self.note_refusal(source, reason.clone());
                Err(reason)
            }
        };
        let result = match done {
            Ok(()) => {
                tracing::info!(%source, kind, "An agent's request was done");
                IpcResult::Ok(true)
            }
            Err(reason) => {
                tracing::warn!(%source, kind, reason, "An agent's request was refused");
                IpcResult::Error(reason)
            }
        };
        // Who has the answer reads the snapshots next. Of many requests at once only the last is worth the writing.
        if last && let Err(error) = self.refresh_snapshots().await {
            self.note_internal(&error);
        }
        self.ipc.answer(ticket, result);
    }

    async fn authorized(&self, source: &Folder, request: IpcRequest) -> Result<Action, Refusal> {
        let task = match &request {
            IpcRequest::PauseTask { task_id }
            | IpcRequest::ResumeTask { task_id }
            | IpcRequest::CancelTask { task_id }
            | IpcRequest::UpdateTask { task_id, .. } => self.task(task_id).await.ok(),
            _ => None,
        };
        authorize(source, request, &self.groups, task.as_ref().map(|task| task.group.as_str()))
    }

    async fn act(&mut self, source: &Folder, action: Action, ticket: &Ticket) -> Result<(), Trouble> {
        match action {
            Action::Say { chat, text } => {
                let Some(text) = prompt::public_part(&text) else { return Err(Trouble::EmptyText) };
                let to = chat.clone();
                let full = self.store.read(move |db| outbox::is_full(db, &to)).await;
                if self.kept(full)? {
                    return Err(Trouble::TooManyTexts);
                }
                let text = prompt::signed(&text, &self.settings.assistant_name, self.settings.own_number);
                // Fixed by the file: taken again after a kill, it is the same message (M13).
                let id = run::message_id(&ticket.name(), 0, 0);
                // C1: what it was asked has been answered in part, and is not asked again when the run ends badly.
                let asked = self.runs.values().find(|run| run.folder == *source && run.chat == chat);
                let answered = asked.and_then(|run| run.open.first().copied());
                let said = self.say(Outgoing { id, chat, text }, answered).await;
                self.kept(said)
            }
            Action::Plan { group, prompt, schedule, value, context } => {
                let Some(group) = self.groups.get(&group).cloned() else {
                    return Err(Trouble::UnknownGroup { target: group.to_string() });
                };
                self.add_task(group, &prompt, schedule, value, context).await.map(|_| ())
            }
            Action::PauseTask { id } => self.pause_task(&id).await,
            Action::ResumeTask { id } => self.resume_task(&id).await,
            Action::CancelTask { id } => self.cancel_task(&id).await,
            Action::UpdateTask { id, prompt, schedule, value } => {
                self.update_task(&id, TaskChange { prompt, schedule, value }).await
            }
            Action::RefreshGroups => {
                self.send_channel(ToChannel::SyncGroups);
                Ok(())
            }
            Action::Register(registration) => self.register(registration).await.map(|_| ()),
        }
    }

    /// I3: shown until the next start, with how often.
    fn note_refusal(&mut self, source: &Folder, reason: String) {
        let chat = self.groups.get(source).map_or_else(|| source.to_string(), |group| group.name.clone());
        let mut count = 1;
        self.recorded.retain(|trouble| match trouble {
            Trouble::AgentRefused { folder, count: before, .. } if folder == source => {
                count += before;
                false
            }
            _ => true,
        });
        self.recorded.insert(Trouble::AgentRefused { folder: source.clone(), chat, count, reason });
    }

    /// R8: what a group's agent is told of tasks and chats.
    pub(super) async fn write_snapshots(&self, group: &Group) -> Result<()> {
        let (tasks, chats) = self.store.read(|db| Ok((tasks::list(db)?, chats::list(db)?))).await?;
        let own = |task: &&Task| group.is_main() || task.group == group.folder.as_str();
        let tasks: Vec<CurrentTask> = tasks.iter().filter(own).map(current_task).collect();
        let mut files = vec![(CURRENT_TASKS, serde_json::to_string(&tasks)?)];
        if group.is_main() {
            let groups = chats
                .into_iter()
                .filter(|chat| chat.is_group)
                .map(|chat| AvailableGroup {
                    jid: chat.jid.to_string(),
                    name: chat.name,
                    last_activity: Some(chat.last_activity).filter(|at| !at.is_empty()),
                    is_registered: chat.is_registered,
                })
                .collect();
            let available = AvailableGroups { groups, last_sync: self.groups_synced_at.map(rfc3339) };
            files.push((AVAILABLE_GROUPS, serde_json::to_string(&available)?));
        }
        self.ipc.snapshots(group.folder.clone(), files).await;
        Ok(())
    }

    /// R8: after a change, for the agents that are at work.
    pub(super) async fn refresh_snapshots(&mut self) -> Result<()> {
        if !mem::take(&mut self.snapshots_old) {
            return Ok(());
        }
        for run in self.runs.values() {
            if let Some(group) = self.groups.get(&run.folder) {
                self.write_snapshots(group).await?;
            }
        }
        Ok(())
    }

    /// The folders that the agents at work can write to are the ones to look at.
    pub(super) fn watch_runs(&mut self) {
        self.ipc.live(self.runs.values().map(|run| run.folder.clone()).collect());
    }
}

/// An agent's own words may be in it.
fn short(reason: String) -> String {
    match reason.char_indices().nth(LONGEST_REASON) {
        None => reason,
        Some((end, _)) => format!("{}…", &reason[..end]),
    }
}

fn current_task(task: &Task) -> CurrentTask {
    CurrentTask {
        id: task.id.clone(),
        group_folder: task.group.clone(),
        prompt: task.prompt.clone(),
        schedule_type: task.schedule.clone(),
        schedule_value: task.value.clone(),
        status: tasks::status_name(task.status).to_owned(),
        next_run: task.next_run.map(rfc3339),
    }
}

fn kind(request: &IpcRequest) -> &'static str {
    match request {
        IpcRequest::Message { .. } => "message",
        IpcRequest::ScheduleTask { .. } => "schedule_task",
        IpcRequest::PauseTask { .. } => "pause_task",
        IpcRequest::ResumeTask { .. } => "resume_task",
        IpcRequest::CancelTask { .. } => "cancel_task",
        IpcRequest::UpdateTask { .. } => "update_task",
        IpcRequest::RefreshGroups => "refresh_groups",
        IpcRequest::RegisterGroup { .. } => "register_group",
    }
}
